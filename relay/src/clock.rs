//! The one clock of the application, which core is told the time by.

use forebay_core::time::Moment;
use tokio::time::Instant;

/// The monotonic clock since the application began. Tokio's, so that a test can pause it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time.
    pub(crate) fn now(self) -> Moment {
        Moment::new(self.0.elapsed())
    }

    /// When it is `moment`, for a timer.
    pub(crate) fn instant(self, moment: Moment) -> Instant {
        self.0 + moment.elapsed()
    }
}
