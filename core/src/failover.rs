//! Which source to open when one is lost, and when.
//!
//! A source that never delivered, stalled or turned bad is left for the next at once. One that was live and ended or broke off is
//! reopened once, since that is how providers and load balancers end a connection that nothing is wrong with. The sources are
//! taken round and round; after a round in which none stayed, there is a pause, which doubles each time. Only a source that
//! has been live for [`PROBATION`] ends the count: one that delivers a few seconds and breaks off again does not.

use std::time::Duration;

use crate::time::Moment;

/// How long a source must have been live to be trusted again.
pub const PROBATION: Duration = Duration::from_secs(10);

/// The pause after the first round in vain.
pub const MIN_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
pub const MAX_PAUSE: Duration = Duration::from_secs(10);

/// How a source was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It never delivered: refused, timed out, answered with an error, or sent no transport stream.
    Undelivered,
    /// It was live, and ended or broke off.
    Ended,
    /// It was live, and its media time stood still.
    Stalled,
}

/// What to open next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The source's index.
    pub source: usize,
    /// When.
    pub at: Moment,
    /// It is the one that was just live, and is given less time.
    pub is_reopening: bool,
}

/// The order of the sources and how they have done.
#[derive(Debug, Clone)]
pub struct Failover {
    sources: usize,
    current: usize,
    live_since: Option<Moment>,
    has_reopened: bool,
    /// Sources left since one was trusted.
    left: usize,
}

impl Failover {
    /// The choice among `sources`, at least one, beginning with the first.
    pub fn new(sources: usize) -> Self {
        Self { sources: sources.max(1), current: 0, live_since: None, has_reopened: false, left: 0 }
    }

    /// The source that is or was last opened.
    pub fn current(&self) -> usize {
        self.current
    }

    /// The list has changed: `current` is where the source on hand now stands in it.
    pub fn set_sources(&mut self, sources: usize, current: usize) {
        (self.sources, self.current) = (sources.max(1), current.min(sources.saturating_sub(1)));
        self.left = 0;
    }

    /// The current source shows a picture.
    pub fn handle_live(&mut self, now: Moment) {
        self.live_since = Some(now);
    }

    /// The current source is lost: what to open instead.
    pub fn handle_loss(&mut self, now: Moment, loss: Loss) -> Choice {
        if self.live_since.take().is_some_and(|since| now.since(since) >= PROBATION) {
            self.has_reopened = false;
            self.left = 0;
        }
        if loss == Loss::Ended && !self.has_reopened {
            self.has_reopened = true;
            return Choice { source: self.current, at: now, is_reopening: true };
        }
        self.has_reopened = false;
        self.current = (self.current + 1) % self.sources;
        self.left += 1;
        let pause = if self.left.is_multiple_of(self.sources) {
            let doublings = u32::try_from(self.left / self.sources - 1).unwrap_or(u32::MAX).min(16);
            (MIN_PAUSE * 2u32.pow(doublings)).min(MAX_PAUSE)
        } else {
            Duration::ZERO
        };
        Choice { source: self.current, at: now + pause, is_reopening: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Loss::{Ended, Stalled, Undelivered};

    /// Plays losses, each so long (in ms) after the source before was chosen; `true` when a picture came at once. Gives source and pause.
    fn play(sources: usize, losses: &[(u64, bool, Loss)]) -> Vec<(usize, u64)> {
        let mut failover = Failover::new(sources);
        let mut now = Moment::ZERO;
        losses
            .iter()
            .map(|&(after, is_live, loss)| {
                if is_live {
                    failover.handle_live(now);
                }
                now = now + Duration::from_millis(after);
                let choice = failover.handle_loss(now, loss);
                let pause = choice.at.since(now);
                now = choice.at;
                (choice.source, u64::try_from(pause.as_millis()).unwrap())
            })
            .collect()
    }

    #[test]
    fn what_never_delivered_is_left_at_once_and_rounds_are_paused() {
        let losses = [(10, false, Undelivered); 8];
        assert_eq!(
            play(2, &losses),
            [(1, 0), (0, 250), (1, 0), (0, 500), (1, 0), (0, 1000), (1, 0), (0, 2000)]
        );
    }

    #[test]
    fn a_stalled_source_is_left_at_once() {
        assert_eq!(play(3, &[(60_000, true, Stalled)]), [(1, 0)]);
    }

    #[test]
    fn a_live_source_that_ends_is_reopened_once() {
        assert_eq!(play(2, &[(60_000, true, Ended), (1000, false, Undelivered)]), [(0, 0), (1, 0)]);
        // It comes back and ends again too soon to be trusted.
        assert_eq!(play(2, &[(60_000, true, Ended), (2000, true, Ended)]), [(0, 0), (1, 0)]);
        // It comes back and stays: the next end is the first again.
        assert_eq!(play(2, &[(60_000, true, Ended), (60_000, true, Ended)]), [(0, 0), (0, 0)]);
    }

    #[test]
    fn a_single_source_is_tried_for_ever_with_pauses_up_to_the_longest() {
        let tries = play(1, &[(10, false, Undelivered); 9]);
        let pauses: Vec<u64> = tries.iter().map(|&(_, pause)| pause).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn sources_that_flap_are_paused_too() {
        let pauses: Vec<u64> =
            play(2, &[(1000, true, Ended); 8]).into_iter().map(|(_, pause)| pause).collect();
        assert_eq!(pauses, [0, 0, 0, 250, 0, 0, 0, 500]);
    }
}
