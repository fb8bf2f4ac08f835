//! Times as they are kept: whole seconds since 1970.

use jiff::Timestamp;

use super::error::Error;

/// The time of a row that is written now.
pub(super) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// The time of a row. Somebody may have written it by hand.
pub(super) fn timestamp(second: i64) -> Result<Timestamp, Error> {
    Timestamp::from_second(second).map_err(|_| Error::Damaged(format!("{second} is no time")))
}
