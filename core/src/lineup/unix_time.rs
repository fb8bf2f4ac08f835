//! Times that are kept in the database.

use std::num::NonZeroU32;

/// Seconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(NonZeroU32);

impl UnixTime {
    /// The time of so many seconds; the nearest one that fits where they do not.
    pub fn from_seconds(seconds: i64) -> Self {
        let seconds = u32::try_from(seconds.clamp(1, u32::MAX.into())).expect("it is in range");
        Self(NonZeroU32::new(seconds).expect("it is one at least"))
    }

    /// The seconds.
    pub fn seconds(self) -> i64 {
        self.0.get().into()
    }
}
