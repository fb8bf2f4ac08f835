//! Which time of a channel somebody wants to see.

use std::time::{Duration, SystemTime};

use forebay_core::lineup::{catchup, xtream};
use forebay_relay::channel::{Channels, Excerpt};
use forebay_relay::model::Channel;
use http::StatusCode;
use jiff::Timestamp;

use crate::http::error::ApiError;
use crate::http::query::Query;

/// The longest stretch that is sent as one: longer than any programme.
const LONGEST: Duration = Duration::from_hours(24);

/// Nobody would miss so little of the beginning or the end: guides are wrong by more.
const SLACK: Duration = Duration::from_secs(10);

/// A stretch of the past that somebody wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    /// When it begins, in seconds since 1970.
    pub(super) start: i64,
    pub(super) length: Duration,
}

impl Stretch {
    /// What the query of a channel's address asks for: `utc` with `duration`, `utcend` or `lutc`,
    /// which is the present; all in seconds. `None` where there is no `utc`: that is live.
    pub(super) fn of_query(query: &Query) -> Option<Result<Self, ApiError>> {
        let start = query.value("utc")?;
        let number = |key| query.value(key).map(|text| text.trim().parse::<i64>().ok());
        let length = match (number("duration"), number("utcend").or_else(|| number("lutc"))) {
            (Some(duration), _) => duration,
            (None, Some(end)) => {
                end.zip(start.trim().parse::<i64>().ok()).and_then(|(end, start)| end.checked_sub(start))
            }
            (None, None) => i64::try_from(LONGEST.as_secs()).ok(),
        };
        Some(Self::new(&start, length))
    }

    /// What the path of a panel asks for: the beginning, and the length in minutes.
    pub(super) fn of_panel(start: &str, minutes: &str) -> Result<Self, ApiError> {
        Self::new(start, minutes.trim().parse().ok().map(|minutes: i64| minutes.saturating_mul(60)))
    }

    fn new(start: &str, seconds: Option<i64>) -> Result<Self, ApiError> {
        let wrong = || {
            ApiError::bad_request(
                "use utc (seconds since 1970) and duration (seconds), or minutes and a start such as \
                 2026-01-31:18-30 (UTC)",
            )
        };
        let start = xtream::start(start).ok_or_else(wrong)?;
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|&it| it > 0);
        Ok(Self { start, length: Duration::from_secs(seconds.ok_or_else(wrong)?).min(LONGEST) })
    }

    /// The query by which our own addresses ask for it.
    pub(super) fn query(self) -> String {
        format!("utc={}&duration={}", self.start, self.length.as_secs())
    }

    /// What is kept of it.
    pub(super) fn find(self, channels: &Channels, channel: &Channel) -> Option<Excerpt> {
        let from = self.begins_at();
        channels.excerpt(&channel.id, from, from + self.length)
    }

    /// Whether all of it that has been shown is in one of these spans, which are kept.
    pub(super) fn is_whole(self, kept: &[(SystemTime, SystemTime)], now: i64) -> bool {
        let (start, end) = (self.begins_at(), moment(self.of_provider(now).end));
        kept.iter().any(|&(from, until)| from <= start + SLACK && until + SLACK >= end)
    }

    /// What its provider is asked for now: nothing that is not shown yet.
    pub(super) fn of_provider(self, now: i64) -> catchup::Stretch {
        let length = i64::try_from(self.length.as_secs()).unwrap_or(i64::MAX);
        let end = self.start.saturating_add(length).min(now.max(self.start + 1));
        catchup::Stretch { start: self.start, end, now }
    }

    /// Nobody has anything of it.
    pub(super) fn nowhere(self) -> ApiError {
        let at = Timestamp::from_second(self.start).unwrap_or_default();
        let message = format!("nothing is kept of {at} and the {:?} behind it", self.length);
        ApiError::new(StatusCode::NOT_FOUND, "no_archive", message)
    }

    fn begins_at(self) -> SystemTime {
        moment(self.start)
    }
}

fn moment(second: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(second).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(start: i64, seconds: u64) -> Stretch {
        Stretch { start, length: Duration::from_secs(seconds) }
    }

    #[test]
    fn all_that_has_been_shown_is_kept_or_not() {
        let (stretch, over) = (stretch(1000, 600), 5000);
        for (kept, now, expected) in [
            (&[(1000, 1600)][..], over, true),
            (&[(1010, 1590)], over, true),
            (&[(1011, 1600)], over, false),
            (&[(1000, 1589)], over, false),
            // A hole.
            (&[(1000, 1300), (1320, 1600)], over, false),
            (&[(0, 100), (900, 2000)], over, true),
            // It is still on.
            (&[(1000, 1300)], 1305, true),
            (&[(1000, 1300)], 1320, false),
            (&[], over, false),
        ] {
            let spans: Vec<_> = kept.iter().map(|&(from, until)| (moment(from), moment(until))).collect();
            assert_eq!(stretch.is_whole(&spans, now), expected, "{kept:?} at {now}");
        }
    }

    #[test]
    fn players_say_in_many_ways_what_they_want() {
        for (query, expected) in [
            ("", None),
            ("offset=600", None),
            ("utc=1769884200&duration=3600", Some(stretch(1_769_884_200, 3600))),
            ("utc=1769884200&utcend=1769886000", Some(stretch(1_769_884_200, 1800))),
            ("utc=1769884200&lutc=1769886000", Some(stretch(1_769_884_200, 1800))),
            ("utc=1769884200", Some(stretch(1_769_884_200, 86_400))),
            ("utc=1769884200&duration=999999999", Some(stretch(1_769_884_200, 86_400))),
        ] {
            let found = Stretch::of_query(&Query::from(query)).map(|found| found.expect(query));
            assert_eq!(found, expected, "{query}");
        }
        for query in [
            "utc=",
            "utc=yesterday&duration=60",
            "utc=1769884200&duration=0",
            "utc=1769884200&duration=-5",
            "utc=1769884200&duration=soon",
            "utc=1769884200&lutc=1769884100",
            "utc=-9223372036854775808&utcend=1",
        ] {
            let error = Stretch::of_query(&Query::from(query)).expect(query).expect_err(query);
            assert_eq!((error.status.as_u16(), error.code), (400, "bad_request"), "{query}");
        }
        let of_panel = |start, minutes| Stretch::of_panel(start, minutes).ok();
        assert_eq!(of_panel("2026-01-31:18-30", "60"), Some(stretch(1_769_884_200, 3600)));
        assert_eq!((of_panel("2026-01-31:18-30", "x"), of_panel("x", "60")), (None, None));
        assert_eq!(stretch(1, 2).query(), "utc=1&duration=2");
    }
}
