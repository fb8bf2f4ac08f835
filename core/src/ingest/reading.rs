//! When an input is read.

use std::time::Duration;

use crate::cadence::Allowance;
use crate::time::Moment;

/// An input is read in the last part of a tick, so that it costs one wake-up a tick and not one for
/// each packet that comes. What it has sent before waits in the kernel.
const BEFORE_TICK: Duration = Duration::from_millis(2);

/// An input that was not quiet for so long at the tick has more: it is read on.
const QUIET: Duration = Duration::from_millis(1);

/// When an input was read, and what keeps it from being read on.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// When the last piece came.
    read_at: Moment,
    /// What may still be read in this tick.
    allowance: Allowance,
    /// Set while the pace says to wait.
    resumes_at: Option<Moment>,
}

impl Reading {
    /// Bytes have come.
    pub(super) fn note(&mut self, now: Moment) {
        self.read_at = now;
        self.resumes_at = None;
    }

    /// Not to be read before `until`, if that is set.
    pub(super) fn pause(&mut self, until: Option<Moment>) {
        self.resumes_at = until;
    }

    pub(super) fn resumes_at(&self) -> Option<Moment> {
        self.resumes_at
    }

    pub(super) fn is_paused(&self) -> bool {
        self.resumes_at.is_some()
    }

    /// Whether a pause is over. It is told once.
    pub(super) fn poll_resume(&mut self, now: Moment) -> bool {
        self.resumes_at.take_if(|at| *at <= now).is_some()
    }

    /// Takes note of a piece of so many bytes; whether nothing more may be read in this tick.
    pub(super) fn spend(&mut self, now: Moment, tick: Duration, bytes: u64) -> bool {
        self.allowance.spend(now, tick, bytes)
    }

    /// When to read next, with ticks of this length of which the last was at `ticked_at`; at once
    /// where that is absent. An input that sends by itself rests when it has been quiet.
    pub(super) fn reads_at(
        &self,
        ticked_at: Moment,
        tick: Duration,
        sends_by_itself: bool,
    ) -> Option<Moment> {
        let rests = sends_by_itself && ticked_at.since(self.read_at) >= QUIET;
        let rests_until = rests.then(|| ticked_at + tick.saturating_sub(BEFORE_TICK));
        self.resumes_at.max(rests_until).max(self.allowance.renews_at(tick))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cadence::MAX_READ;

    const TICK: Duration = Duration::from_millis(20);

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    #[test]
    fn a_quiet_input_that_sends_by_itself_is_read_at_the_end_of_a_tick() {
        let mut reading = Reading::default();
        reading.note(at(100));
        assert_eq!(reading.reads_at(at(100), TICK, true), None, "it is not quiet");
        assert_eq!(reading.reads_at(at(101), TICK, true), Some(at(119)));
        assert_eq!(reading.reads_at(at(101), TICK, false), None);
    }

    #[test]
    fn a_pause_lasts_until_it_is_over_or_bytes_come_all_the_same() {
        let mut reading = Reading::default();
        reading.pause(Some(at(500)));
        assert_eq!(reading.reads_at(at(400), TICK, false), Some(at(500)));
        assert!(!reading.poll_resume(at(499)) && reading.is_paused());
        assert!(reading.poll_resume(at(500)) && !reading.poll_resume(at(500)));
        reading.pause(Some(at(900)));
        reading.note(at(600));
        assert!(!reading.is_paused());
    }

    #[test]
    fn an_input_that_always_has_something_waits_for_the_next_tick() {
        let mut reading = Reading::default();
        assert!(!reading.spend(at(100), TICK, MAX_READ - 1024));
        assert_eq!(reading.reads_at(at(100), TICK, false), None);
        assert!(reading.spend(at(105), TICK, 1));
        assert_eq!(reading.reads_at(at(100), TICK, false), Some(at(120)));
    }
}
