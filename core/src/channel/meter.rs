//! The bit rate of a channel's output.

use std::time::Duration;

use crate::time::Moment;

/// The time between two measurements: long enough for a group of pictures, which is uneven in
/// itself.
const EVERY: Duration = Duration::from_secs(2);

/// Counts output, and measures its rate.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes so far.
    bytes: u64,
    measured_at: Moment,
    /// Bytes until then.
    measured: u64,
    bytes_per_second: u64,
}

impl Meter {
    /// There were so many bytes more. Packets that only keep connections alive do not count.
    pub fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Measures anew if it is time to, and returns whether it was.
    pub fn measure(&mut self, now: Moment) -> bool {
        let since = now.since(self.measured_at);
        if since < EVERY {
            return false;
        }
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1);
        self.bytes_per_second = (self.bytes - self.measured) * 1000 / millis;
        self.measured_at = now;
        self.measured = self.bytes;
        true
    }

    /// The rate at the last measurement; 0 before the first.
    pub fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_time_since_the_last_measurement() {
        let at = |seconds| Moment::new(Duration::from_secs(seconds));
        let mut meter = Meter::default();
        meter.count(4_000);
        assert!(!meter.measure(at(1)));
        assert_eq!(meter.bytes_per_second(), 0);
        assert!(meter.measure(at(2)));
        assert_eq!(meter.bytes_per_second(), 2_000);
        meter.count(9_000);
        assert!(!meter.measure(at(3)) && meter.measure(at(5)));
        assert_eq!(meter.bytes_per_second(), 3_000);
        assert!(meter.measure(at(7)));
        assert_eq!(meter.bytes_per_second(), 0);
    }
}
