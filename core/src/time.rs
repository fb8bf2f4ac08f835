//! The clocks: [`Moment`] on the wall, [`Pts`] and [`Pcr`] in the stream, [`MediaTime`] once
//! unwrapped.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime};

/// A point on the monotonic clock: the time since the process began.
///
/// A newtype over `Duration` and not an `Instant`, so that a test can write one as a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(Duration);

impl Moment {
    /// The beginning of the process.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment that is `elapsed` after the beginning.
    pub const fn new(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// The moment that is `millis` milliseconds after the beginning.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The time since the beginning.
    pub const fn elapsed(self) -> Duration {
        self.0
    }

    /// The time since `earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

/// Ticks of the 90 kHz clock in a second (ISO/IEC 13818-1, 2.4.3.7).
pub const TICKS_PER_SECOND: i64 = 90_000;

/// A presentation or decoding time stamp: 33 bits of 90 kHz, which wrap every 26 h 30 min (ISO/IEC
/// 13818-1, 2.4.3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Pts(u64);

impl Pts {
    /// The value at which a time stamp starts again from zero.
    pub const WRAP: u64 = 1 << 33;

    /// A time stamp of `ticks`, taken modulo [`Pts::WRAP`].
    pub const fn new(ticks: u64) -> Self {
        Self(ticks & (Self::WRAP - 1))
    }

    /// The 33 bits.
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// The signed distance from `earlier` in ticks, the shorter way round: -2^32 to 2^32 - 1.
    pub const fn since(self, earlier: Self) -> i64 {
        let ahead = self.0.wrapping_sub(earlier.0) & (Self::WRAP - 1);
        if ahead < Self::WRAP / 2 {
            ahead.cast_signed()
        } else {
            ahead.cast_signed() - Self::WRAP.cast_signed()
        }
    }

    /// The time stamp `ticks` later, earlier when negative.
    #[must_use]
    pub const fn shifted(self, ticks: i64) -> Self {
        Self(self.0.wrapping_add_signed(ticks) & (Self::WRAP - 1))
    }
}

/// A programme clock reference: 33 bits of 90 kHz and a 9-bit extension of 27 MHz (ISO/IEC 13818-1,
/// 2.4.3.5), as one count of 27 MHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Pcr(u64);

impl Pcr {
    /// The value at which a clock reference starts again from zero.
    pub const WRAP: u64 = Pts::WRAP * 300;

    /// A clock reference of `ticks` of 27 MHz, taken modulo [`Pcr::WRAP`].
    pub const fn new(ticks: u64) -> Self {
        Self(ticks % Self::WRAP)
    }

    /// The count of 27 MHz, below [`Pcr::WRAP`].
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// The 90 kHz part.
    pub const fn base(self) -> Pts {
        Pts::new(self.0 / 300)
    }

    /// The 27 MHz remainder, 0 to 299.
    pub const fn extension(self) -> u64 {
        self.0 % 300
    }

    /// The signed distance from `earlier` in ticks of 27 MHz, the shorter way round.
    pub const fn since(self, earlier: Self) -> i64 {
        let ahead = (self.0 + Self::WRAP - earlier.0) % Self::WRAP;
        if ahead < Self::WRAP / 2 {
            ahead.cast_signed()
        } else {
            ahead.cast_signed() - Self::WRAP.cast_signed()
        }
    }

    /// The clock reference `ticks` of 27 MHz later, earlier when negative.
    #[must_use]
    pub const fn shifted(self, ticks: i64) -> Self {
        Self((self.0.cast_signed() + ticks).rem_euclid(Self::WRAP.cast_signed()).cast_unsigned())
    }
}

/// A place on a timeline that does not wrap: ticks of 90 kHz from wherever the timeline began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaTime(i64);

impl MediaTime {
    /// The place `ticks` of 90 kHz from the beginning.
    pub const fn new(ticks: i64) -> Self {
        Self(ticks)
    }

    /// Ticks of 90 kHz from the beginning.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// The time since `earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        ticks_to_duration(self.0.saturating_sub(earlier.0))
    }

    /// The place `ticks` later.
    #[must_use]
    pub const fn shifted(self, ticks: i64) -> Self {
        Self(self.0.saturating_add(ticks))
    }
}

/// When a media time was, on the clock on the wall: the same for a whole timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallClock {
    /// Some media time.
    pub media: MediaTime,
    /// When that was.
    pub wall: SystemTime,
}

impl WallClock {
    /// When `time` was.
    pub fn at(&self, time: MediaTime) -> SystemTime {
        if time >= self.media {
            self.wall + time.since(self.media)
        } else {
            self.wall.checked_sub(self.media.since(time)).unwrap_or(SystemTime::UNIX_EPOCH)
        }
    }
}

impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 / 90;
        // Written apart: a time of less than a second has no whole seconds that could show it.
        let sign = if millis < 0 { "-" } else { "" };
        let millis = millis.unsigned_abs();
        write!(f, "{sign}{}.{:03} s", millis / 1000, millis % 1000)
    }
}

/// A span of 90 kHz ticks as a `Duration`; negative spans are zero.
pub fn ticks_to_duration(ticks: i64) -> Duration {
    let ticks = u64::try_from(ticks).unwrap_or(0);
    Duration::from_secs(ticks / 90_000) + Duration::from_nanos((ticks % 90_000) * 100_000 / 9)
}

/// A `Duration` in 90 kHz ticks, saturating.
pub fn duration_to_ticks(span: Duration) -> i64 {
    i64::try_from(span.as_nanos() * 9 / 100_000).unwrap_or(i64::MAX)
}

/// Follows a wrapping time stamp and gives it a place on a line that does not wrap.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwrapped {
    last: Option<(Pts, MediaTime)>,
}

impl Unwrapped {
    /// The place of `stamp`, taking it to be within half a wrap (13 h) of the one before. The first
    /// is at its own value.
    pub fn place(&mut self, stamp: Pts) -> MediaTime {
        let place = match self.last {
            None => MediaTime::new(stamp.ticks().cast_signed()),
            Some((last, place)) => place.shifted(stamp.since(last)),
        };
        self.last = Some((stamp, place));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_count_through_the_wrap() {
        let before = Pts::new(Pts::WRAP - 10);
        let after = before.shifted(30);
        assert_eq!(after.ticks(), 20);
        assert_eq!(after.since(before), 30);
        assert_eq!(before.since(after), -30);
        let mut line = Unwrapped::default();
        let start = line.place(before);
        assert_eq!(line.place(after).ticks() - start.ticks(), 30);
        assert_eq!(line.place(before), start);
    }

    #[test]
    fn clock_references_count_through_the_wrap() {
        let before = Pcr::new(Pcr::WRAP - 5);
        let after = before.shifted(12);
        assert_eq!((after.ticks(), after.since(before), before.since(after)), (7, 12, -12));
        assert_eq!(after.shifted(-12), before);
        assert_eq!(Pcr::new(300 * 7 + 11).base().ticks(), 7);
        assert_eq!(Pcr::new(300 * 7 + 11).extension(), 11);
    }

    #[test]
    fn ticks_and_durations_convert() {
        assert_eq!(ticks_to_duration(90_000), Duration::from_secs(1));
        assert_eq!(ticks_to_duration(45), Duration::from_micros(500));
        assert_eq!(ticks_to_duration(-1), Duration::ZERO);
        assert_eq!(duration_to_ticks(Duration::from_millis(40)), 3600);
    }

    #[test]
    fn a_media_time_shows_its_sign() {
        let shown = [-112_500, -45_000, -89, 0, 112_500].map(|ticks| MediaTime::new(ticks).to_string());
        assert_eq!(shown, ["-1.250 s", "-0.500 s", "0.000 s", "0.000 s", "1.250 s"]);
    }
}
