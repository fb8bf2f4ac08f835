//! A limit of how often something may happen: so often at once, and then at a steady rate.

use std::time::{Duration, Instant};

/// How often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// How often at once, from 1.
    pub(crate) burst: u32,
    /// One more is allowed each time this has passed.
    pub(crate) every: Duration,
}

/// What is left of a [`Rate`]: a token bucket, kept as the moment at which it will be full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    pub(crate) fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one; false when there is none.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + rate.every;
        if full_at - now > rate.every * rate.burst {
            return false;
        }
        self.full_at = full_at;
        true
    }

    /// Whether nothing has been taken for so long that it is as good as a new one.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_steady_rate() {
        let rate = Rate { burst: 3, every: Duration::from_secs(2) };
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        let taken = |bucket: &mut Bucket, after: u64| {
            let now = start + Duration::from_secs(after);
            (0..10).filter(|_| bucket.take(rate, now)).count()
        };
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 1), 0);
        assert_eq!(taken(&mut bucket, 4), 2);
        assert!(!bucket.is_full(start + Duration::from_secs(9)));
        assert!(bucket.is_full(start + Duration::from_secs(10)));
        assert_eq!(taken(&mut bucket, 3600), 3, "no more than a burst, however long it was quiet");
    }
}
