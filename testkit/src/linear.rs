//! Whether work grows with its input, and no faster.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Four times the input may take so many times as long: a square would take sixteen times, and what
/// no longer fits into caches some more than four.
const MOST: f64 = 6.5;

/// A time that is shorter says little.
const LEAST: Duration = Duration::from_millis(1);

/// How often each is timed: what else runs on the machine takes caches away now and then, but not
/// always.
const RUNS: usize = 3;

/// Where memory comes from another place, or a cache ends, a step is more than linear. The next
/// ones are not.
const STEPS: usize = 3;

/// Panics where `run` takes the square of its input's size, or worse. `make` makes an input of a
/// size; sizes begin well below `most`, and grow until one takes long enough to be compared with
/// four times as much.
pub fn assert_linear<T>(what: &str, most: usize, make: impl Fn(usize) -> T, run: impl Fn(&T)) {
    let time = |size: usize| {
        let input = make(size);
        let one = || {
            let began = processor_time();
            run(black_box(&input));
            processor_time().saturating_sub(began)
        };
        (0..RUNS).map(|_| one()).min().expect("it ran")
    };
    let mut size = most / 64;
    let mut before = time(size);
    while before < LEAST && size < most / 4 {
        size *= 2;
        before = time(size);
    }
    let mut steps = Vec::new();
    for _ in 0..STEPS {
        size *= 4;
        let now = time(size);
        let ratio = now.as_secs_f64() / before.as_secs_f64();
        if ratio < MOST || now < LEAST {
            return;
        }
        steps.push(format!("{size}: {now:?}, {ratio:.1} times as long"));
        before = now;
    }
    panic!("{what}: four times the input took {steps:?}");
}

/// The time that this thread has had of a processor: others have it meanwhile.
pub fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("it counts from zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linear_passes() {
        let make = |size| vec![1_u8; size];
        assert_linear("a sum", 1 << 20, make, |bytes| {
            black_box(bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>());
        });
    }

    #[test]
    #[should_panic(expected = "all pairs: four times the input took")]
    fn a_square_is_seen() {
        let make = |size| vec![1_u8; size];
        assert_linear("all pairs", 1 << 14, make, |bytes| {
            for one in bytes {
                black_box(bytes.iter().filter(|&other| black_box(other) == one).count());
            }
        });
    }
}
