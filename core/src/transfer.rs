//! How fast a file comes, and how long the rest of it takes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Moment;

/// The span over which a speed is measured: long enough not to jump with each range that is asked
/// for, and short enough to follow a line that gets slower.
const WINDOW: Duration = Duration::from_secs(5);

/// How far apart two samples are at least. With it, their number is bounded.
const STEP: Duration = Duration::from_millis(100);

/// The shortest span of which a speed is told.
const SHORTEST: Duration = Duration::from_millis(500);

/// The speed of one transfer.
#[derive(Debug, Clone, Default)]
pub struct Speed {
    /// When how many bytes were there, the oldest first; all but the oldest are within the window.
    samples: VecDeque<(Moment, u64)>,
}

impl Speed {
    /// So many bytes are there by now.
    pub fn note(&mut self, now: Moment, bytes: u64) {
        let last = self.samples.back().map(|&(at, _)| now.since(at));
        if last.is_some_and(|since| since < STEP) {
            return;
        }
        self.samples.push_back((now, bytes));
        while self.samples.get(1).is_some_and(|&(at, _)| now.since(at) >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Bytes a second of late; `None` until that is known.
    pub fn bytes_per_second(&self) -> Option<u64> {
        let (&(first, from), &(last, to)) = (self.samples.front()?, self.samples.back()?);
        let span = last.since(first);
        if span < SHORTEST {
            return None;
        }
        let millis = u128::max(span.as_millis(), 1);
        u64::try_from(u128::from(to.saturating_sub(from)) * 1000 / millis).ok()
    }

    /// How long so many bytes take at this speed; `None` where none come.
    pub fn time_for(&self, bytes: u64) -> Option<Duration> {
        let speed = self.bytes_per_second().filter(|&speed| speed > 0)?;
        Some(Duration::from_secs(bytes.div_ceil(speed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(speed: &mut Speed, millis: std::ops::Range<u64>, bytes: impl Fn(u64) -> u64) {
        for now in millis.step_by(50) {
            speed.note(Moment::from_millis(now), bytes(now));
        }
    }

    #[test]
    fn a_steady_transfer_has_its_speed_and_its_rest() {
        let mut speed = Speed::default();
        assert_eq!(speed.bytes_per_second(), None);
        at(&mut speed, 0..501, |now| now * 1000);
        assert_eq!(speed.bytes_per_second(), Some(1_000_000));
        assert_eq!(speed.time_for(1_500_000), Some(Duration::from_secs(2)));
        at(&mut speed, 550..100_000, |now| now * 1000);
        assert_eq!(speed.bytes_per_second(), Some(1_000_000));
        assert!(speed.samples.len() < 60, "{} samples", speed.samples.len());
    }

    #[test]
    fn a_line_that_gets_slower_is_followed_within_the_window() {
        let mut speed = Speed::default();
        at(&mut speed, 0..10_000, |now| now * 1000);
        at(&mut speed, 10_000..16_001, |now| 10_000_000 + (now - 10_000) * 100);
        assert_eq!(speed.bytes_per_second(), Some(100_000));
        at(&mut speed, 16_050..30_000, |_| 10_600_000);
        assert_eq!((speed.bytes_per_second(), speed.time_for(1)), (Some(0), None));
    }
}
