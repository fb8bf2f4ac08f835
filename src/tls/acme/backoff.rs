//! How long to wait after an order that failed.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_mins(2);

/// So many times as long after each further one.
const FACTOR: u32 = 3;

/// Never longer: what was mended is then noticed within the day.
const LONGEST: Duration = Duration::from_hours(6);

/// The wait after `before` + 1 failures in a row; a quarter of it is left to `random`, from 0 to 1,
/// so that those who failed at the same time do not come back at the same time.
pub(super) fn after(before: u32, random: f64) -> Duration {
    let wait = FIRST.saturating_mul(FACTOR.saturating_pow(before)).min(LONGEST);
    wait.mul_f64(1.0 - 0.25 * random)
}

/// From 0 to 1. The seeds of the standard library's hash maps are random enough to spread load.
pub(super) fn random() -> f64 {
    let bits = RandomState::new().hash_one(0) >> 32;
    f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_six_hours_and_stay_there() {
        let minutes = |before| after(before, 0.0).as_secs() / 60;
        assert_eq!([0, 1, 2, 3, 4, 5, 6, u32::MAX].map(minutes), [2, 6, 18, 54, 162, 360, 360, 360]);
    }

    #[test]
    fn they_are_up_to_a_quarter_shorter() {
        assert_eq!(after(0, 1.0), Duration::from_secs(90));
        assert!((0..100).all(|_| (0.0..=1.0).contains(&random())));
        assert!((0..100).any(|_| random() > 0.5) && (0..100).any(|_| random() < 0.5));
    }
}
