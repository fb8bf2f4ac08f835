//! From many values to few.

use serde::{Deserialize, Serialize};

/// Steps in each doubling: a percentile is off by 1.6 % at most.
const STEPS: u64 = 64;

/// Durations, counted in classes: hours of them take no more memory than seconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

/// Durations in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// How many.
    pub(crate) count: u64,
    /// Half of them are at most so long.
    pub(crate) p50_ms: f64,
    /// 99 % of them.
    pub(crate) p99_ms: f64,
    /// 99.9 % of them.
    pub(crate) p999_ms: f64,
    /// All of them.
    pub(crate) max_ms: f64,
}

impl Histogram {
    /// Counts a duration in nanoseconds.
    pub(crate) fn record(&mut self, nanos: u64) {
        let class = class(nanos / 1000);
        if self.counts.len() <= class {
            self.counts.resize(class + 1, 0);
        }
        self.counts[class] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// At most so many nanoseconds long is this share of them.
    fn percentile(&self, share: f64) -> u64 {
        let mut seen = 0;
        for (class, &count) in self.counts.iter().enumerate() {
            seen += count;
            if count > 0 && seen as f64 >= self.total as f64 * share {
                return (end(class as u64) * 1000).min(self.max);
            }
        }
        self.max
    }

    pub(crate) fn summary(&self) -> Summary {
        let milliseconds = |nanos: u64| nanos as f64 / 1e6;
        let share = |share| milliseconds(self.percentile(share));
        Summary {
            count: self.total,
            p50_ms: share(0.5),
            p99_ms: share(0.99),
            p999_ms: share(0.999),
            max_ms: milliseconds(self.max),
        }
    }
}

/// Values below `STEPS` have a class each; above, each doubling has `STEPS`.
fn class(micros: u64) -> usize {
    let class = if micros < STEPS {
        micros
    } else {
        let doubling = micros.ilog2() - STEPS.ilog2();
        u64::from(doubling + 1) * STEPS + (micros >> doubling) - STEPS
    };
    usize::try_from(class).expect("there are fewer than 4,000 classes")
}

/// The largest value of a class.
fn end(class: u64) -> u64 {
    if class < STEPS {
        class
    } else {
        let doubling = class / STEPS - 1;
        ((class % STEPS + STEPS + 1) << doubling) - 1
    }
}

/// The middle one, or the mean of the two in the middle; `None` of none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

/// By how much `y` grows with each `x`, by least squares; `None` where that cannot be said.
pub(crate) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let over: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let under: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (under > 0.0).then(|| over / under)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_close() {
        let mut histogram = Histogram::default();
        (1..=10_000_u64).for_each(|value| histogram.record(value * 10_000));
        let summary = histogram.summary();
        assert_eq!((summary.count, summary.max_ms), (10_000, 100.0));
        for (found, true_value) in [(summary.p50_ms, 50.0), (summary.p99_ms, 99.0), (summary.p999_ms, 99.9)] {
            assert!((found / true_value - 1.0).abs() < 0.017, "{found} for {true_value}");
        }
        assert_eq!(Histogram::default().summary(), Summary::default());
    }

    #[test]
    fn classes_follow_each_other() {
        let mut last = 0;
        for micros in 0..100_000 {
            let class = class(micros);
            assert!(class == last || class == last + 1, "{micros}");
            assert!(end(class as u64) >= micros && (class == 0 || end(class as u64 - 1) < micros));
            last = class;
        }
        assert!(class(u64::MAX / 1000) < 4000);
    }

    #[test]
    fn medians_and_slopes() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), Some(2.0));
        assert_eq!(slope(&[(1.0, 1.0)]), None);
    }
}
