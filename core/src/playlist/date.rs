//! When a segment was made, as its playlist says (`EXT-X-PROGRAM-DATE-TIME`, RFC 8216, 4.3.2.6).

use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDateTime};

/// A date, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(i64);

impl Date {
    /// The date that is so many milliseconds after the beginning of 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Reads a date of ISO 8601. One without a zone is taken to be of UTC: it is compared with
    /// others of the same server.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim_matches(['"', ' ']);
        if text.len() > 64 {
            return None;
        }
        let zoned = text.parse::<DateTime<FixedOffset>>().map(|date| date.timestamp_millis());
        let date =
            zoned.or_else(|_| text.parse::<NaiveDateTime>().map(|date| date.and_utc().timestamp_millis()));
        date.ok().filter(|&millis| millis >= 0).map(Self)
    }

    /// The date so much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The date so much earlier.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How far the two are apart.
    pub fn abs_diff(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
