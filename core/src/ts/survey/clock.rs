//! The clock of a surveyed programme, and the rates that are measured by it.

use super::report::Clock;
use crate::time::Pcr;

/// A clock that runs ahead further than this from one reference to the next has jumped: 5 s, as in
/// the splice.
const MAX_STEP: i64 = 5 * 27_000_000;

/// Follows the clock references.
#[derive(Debug, Default)]
pub(super) struct Meter {
    last: Option<Pcr>,
    references: u64,
    jumps: u64,
    steps: u64,
    /// The sum of all steps and the longest, in ticks of 27 MHz.
    total: u64,
    max: u64,
}

impl Meter {
    /// Takes a clock reference; whether it goes on from the one before, so that what came between
    /// took the time between.
    pub(super) fn push(&mut self, pcr: Pcr, is_announced: bool) -> bool {
        self.references += 1;
        let Some(last) = self.last.replace(pcr) else { return false };
        let step = pcr.since(last);
        if is_announced || !(0..=MAX_STEP).contains(&step) {
            self.jumps += 1;
            return false;
        }
        self.steps += 1;
        self.total += step.unsigned_abs();
        self.max = self.max.max(step.unsigned_abs());
        true
    }

    /// Another clock takes over.
    pub(super) fn restart(&mut self) {
        self.last = None;
    }

    /// The time that was measured, in ticks of 27 MHz.
    pub(super) fn ticks(&self) -> u64 {
        self.total
    }

    pub(super) fn report(&self) -> Clock {
        Clock {
            references: self.references,
            jumps: self.jumps,
            mean_interval_us: self.total.checked_div(self.steps).unwrap_or(0) / 27,
            max_interval_us: self.max / 27,
        }
    }
}

/// Packets, and how many of them the clock has measured.
#[derive(Debug, Default)]
pub(super) struct Tally {
    measured: u64,
    pending: u64,
    missed: u64,
}

impl Tally {
    #[inline]
    pub(super) fn add(&mut self, packets: u64) {
        self.pending += packets;
    }

    /// A clock reference came: what was added since the last one took a known time, or not.
    pub(super) fn settle(&mut self, is_measured: bool) {
        let pending = std::mem::take(&mut self.pending);
        *(if is_measured { &mut self.measured } else { &mut self.missed }) += pending;
    }

    /// All packets.
    pub(super) fn count(&self) -> u64 {
        self.measured + self.pending + self.missed
    }

    /// Packets within the time that the clock measured; all, where there is no clock.
    pub(super) fn measured(&self, has_clock: bool) -> u64 {
        if has_clock { self.measured } else { self.count() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_counted_and_measure_nothing() {
        let mut meter = Meter::default();
        let at = |millis: u64| Pcr::new(Pcr::WRAP - 27_000 * 50 + 27_000 * millis);
        let told: Vec<bool> =
            [(0, false), (40, false), (100, false), (90, false), (130, false), (9000, false), (9040, true)]
                .map(|(millis, is_announced)| meter.push(at(millis), is_announced))
                .to_vec();
        assert_eq!(told, [false, true, true, false, true, false, false]);
        let report = Clock { references: 7, jumps: 3, mean_interval_us: 46_666, max_interval_us: 60_000 };
        assert_eq!(meter.report(), report);
    }
}
