//! How long things take, counted in buckets: by any thread, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts of spans, by how long they are.
#[derive(Debug)]
pub struct Histogram {
    /// What each bucket reaches up to, in ascending order. One more bucket has what is longer.
    bounds: &'static [Duration],
    buckets: Box<[AtomicU64]>,
    /// All spans together, in microseconds.
    sum: AtomicU64,
}

/// What a [`Histogram`] has counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Each bucket: what it reaches up to in seconds, and how many spans are in it alone. The last
    /// one reaches to infinity.
    pub buckets: Vec<(f64, u64)>,
    /// Spans in all buckets.
    pub count: u64,
    /// All spans together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// One that has counted nothing, with a bucket up to each of these spans.
    pub fn new(bounds: &'static [Duration]) -> Self {
        debug_assert!(bounds.is_sorted(), "a span belongs to the first bucket that reaches so far");
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts a span.
    pub fn note(&self, span: Duration) {
        let bucket = self.bounds.partition_point(|bound| *bound < span);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// What has been counted. A span that is noted meanwhile may be in the buckets and not yet in
    /// the sum.
    pub fn read(&self) -> Reading {
        let bounds = self.bounds.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let sum = Duration::from_micros(self.sum.load(Ordering::Relaxed)).as_secs_f64();
        Reading { count: buckets.iter().map(|(_, count)| count).sum(), buckets, sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_in_the_first_bucket_that_reaches_so_far() {
        const BOUNDS: &[Duration] = &[Duration::from_millis(10), Duration::from_secs(1)];
        let histogram = Histogram::new(BOUNDS);
        for millis in [0, 10, 11, 1000, 1001, 60_000] {
            histogram.note(Duration::from_millis(millis));
        }
        let reading = histogram.read();
        assert_eq!(reading.buckets, [(0.01, 2), (1.0, 2), (f64::INFINITY, 2)]);
        assert_eq!((reading.count, reading.sum), (6, 62.022));
    }
}
