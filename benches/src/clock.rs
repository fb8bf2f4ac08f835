//! The one clock of a measurement: `CLOCK_MONOTONIC`, which every process of a machine shares.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mono(pub(crate) u64);

impl Mono {
    pub(crate) fn now() -> Self {
        let time = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(time.tv_sec).expect("the monotonic clock begins at zero");
        let nanos = u64::try_from(time.tv_nsec).expect("nanoseconds are positive");
        Self(seconds * 1_000_000_000 + nanos)
    }

    /// Seconds since `earlier`; 0 if that is later.
    pub(crate) fn since(self, earlier: Self) -> f64 {
        seconds(self.0.saturating_sub(earlier.0))
    }

    /// This many seconds later; negative ones count as none.
    pub(crate) fn plus(self, seconds: f64) -> Self {
        Self(self.0.saturating_add(nanos(seconds)))
    }

    /// In ticks of 27 MHz, as a clock reference counts.
    pub(crate) fn ticks_27m(self) -> u64 {
        // In two parts, since nanoseconds times 27 overflow after 21 years and are exact only as a whole.
        self.0 / 1000 * 27 + self.0 % 1000 * 27 / 1000
    }
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// Seconds as nanoseconds; negative ones are none.
pub(crate) fn nanos(seconds: f64) -> u64 {
    whole(seconds * 1e9)
}

/// Rounded down; negative ones are none.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is meant"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_27_a_microsecond() {
        assert_eq!(Mono(1_000_000_000).ticks_27m(), 27_000_000);
        assert_eq!(Mono(1_999).ticks_27m(), 53);
    }

    #[test]
    fn spans_never_go_below_zero() {
        assert!(Mono(5).since(Mono(7)).abs() < f64::EPSILON);
        assert_eq!(Mono(5).plus(-1.0), Mono(5));
        assert!((Mono(1_500_000_000).since(Mono(0)) - 1.5).abs() < 1e-9);
    }
}
