//! Which source to open, and when: the order of the sources, and how each has done.
//!
//! The sources are ordered, and the first that is fit is taken. One that failed is *avoided* for a while, longer each time, and is fit again
//! after that; where all are avoided, the one that was left longest ago has its turn. So the sources are taken round and round while nothing
//! helps; after a round in which none stayed, there is a pause, which doubles each time.
//!
//! A source that never delivered, stalled or turned bad is left for the next at once. One that was live and ended or broke off is
//! reopened once, since that is how providers and load balancers end a connection that nothing is wrong with. Only a source that
//! has been live for [`PROBATION`] ends the count: one that delivers a few seconds and breaks off again does not.

use std::time::Duration;

use crate::time::Moment;

/// How long a source must have been live to be trusted again, and how long it is avoided after its first failure.
pub const PROBATION: Duration = Duration::from_secs(10);

/// The longest time for which a source is avoided. It doubles from [`PROBATION`] with each failure, so that one that comes and goes is
/// returned to less and less often.
pub const MAX_AVOIDED: Duration = Duration::from_mins(5);

/// How long a source that an admin has skipped is avoided.
pub const SKIPPED_FOR: Duration = Duration::from_mins(5);

/// How long a source that has had no slot is avoided: slots become free at any time.
pub const SLOTLESS_FOR: Duration = Duration::from_secs(1);

/// A source that was live for so long has no past.
pub const STEADY: Duration = Duration::from_mins(10);

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
    /// It delivers, but nothing that anybody wants to see.
    Unhealthy,
    /// Its provider has no connection to spare. Nothing is wrong with the source.
    NoSlot,
    /// An admin wanted another one.
    Skipped,
}

/// What an admin wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    /// This source before all others, as long as it is fit.
    Pin(usize),
    /// The usual order.
    Unpin,
    /// Another source than the one on hand.
    Skip,
    /// Never this source.
    Disable(usize),
    /// This source again.
    Enable(usize),
}

impl Steer {
    /// The source that it is about.
    pub fn source(self) -> Option<usize> {
        match self {
            Self::Pin(source) | Self::Disable(source) | Self::Enable(source) => Some(source),
            Self::Unpin | Self::Skip => None,
        }
    }
}

/// Why an admin cannot have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsteerable {
    /// There is no such source.
    NoSuchSource,
    /// There is no other source that may be used.
    NoOther,
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

/// How a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// 100 for one that has not failed lately; halved by each failure.
    pub score: u32,
    /// For how long it is still avoided.
    pub avoided_for: Option<Duration>,
    /// An admin prefers it to all others.
    pub is_pinned: bool,
    /// An admin has forbidden it.
    pub is_disabled: bool,
}

/// The order of the sources and how they have done.
#[derive(Debug, Clone)]
pub struct Failover {
    /// At least one.
    records: Vec<Record>,
    current: usize,
    pinned: Option<usize>,
    live_since: Option<Moment>,
    has_reopened: bool,
    /// Sources left since one was trusted.
    left: usize,
    /// Sources left ever.
    turns: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    is_disabled: bool,
    /// In the recent past.
    failures: u32,
    avoided_until: Option<Moment>,
    /// The turn at which it was left last.
    left_at: u64,
}

impl Failover {
    /// The choice among `sources`, at least one, of which nothing is known.
    pub fn new(sources: usize) -> Self {
        Self {
            records: vec![Record::default(); sources.max(1)],
            current: 0,
            pinned: None,
            live_since: None,
            has_reopened: false,
            left: 0,
            turns: 0,
        }
    }

    /// The source that is or was last opened.
    pub fn current(&self) -> usize {
        self.current
    }

    /// How many sources there are.
    pub fn sources(&self) -> usize {
        self.records.len()
    }

    /// How many sources may be used.
    pub fn enabled(&self) -> usize {
        self.records.iter().filter(|record| !record.is_disabled).count()
    }

    /// How a source stands; `None` where there is no such one.
    pub fn standing(&self, now: Moment, source: usize) -> Option<Standing> {
        let record = self.records.get(source)?;
        let is_steady =
            source == self.current && self.live_since.is_some_and(|since| now.since(since) >= STEADY);
        let failures = if is_steady { 0 } else { record.failures };
        Some(Standing {
            score: 100 >> failures.min(6),
            avoided_for: record.avoided_until.filter(|&until| until > now).map(|until| until.since(now)),
            is_pinned: self.pinned == Some(source),
            is_disabled: record.is_disabled,
        })
    }

    /// The list has changed: `places` tells of each source where it stood in the old one.
    pub fn arrange(&mut self, places: &[Option<usize>]) {
        let find = |old: usize| places.iter().position(|&place| place == Some(old));
        let old = |place: &Option<usize>| place.and_then(|place| self.records.get(place)).copied();
        let records: Vec<Record> = places.iter().map(|place| old(place).unwrap_or_default()).collect();
        (self.current, self.pinned) = (find(self.current).unwrap_or(0), self.pinned.and_then(find));
        self.records = if records.is_empty() { vec![Record::default()] } else { records };
        self.left = 0;
    }

    /// Chooses for a start; so does what follows a source that is gone.
    pub fn start(&mut self, now: Moment) -> usize {
        (self.has_reopened, self.live_since, self.left) = (false, None, 0);
        self.current = self.best(now);
        self.current
    }

    /// This source is opened now, and is the current one.
    pub fn take(&mut self, source: usize) {
        if source != self.current {
            (self.has_reopened, self.live_since) = (false, None);
        }
        self.current = source;
    }

    /// A source shows a picture and is the current one from now on.
    pub fn handle_live(&mut self, now: Moment, source: usize) {
        self.take(source);
        self.live_since = Some(now);
    }

    /// The current source is lost: what to open instead.
    pub fn handle_loss(&mut self, now: Moment, loss: Loss) -> Choice {
        let lived = self.live_since.take().map(|since| now.since(since));
        if lived.is_some_and(|lived| lived >= PROBATION) {
            self.has_reopened = false;
            self.left = 0;
        }
        if lived.is_some_and(|lived| lived >= STEADY) {
            self.records[self.current].failures = 0;
        }
        if loss == Loss::Ended && !self.has_reopened && !self.records[self.current].is_disabled {
            self.has_reopened = true;
            return Choice { source: self.current, at: now, is_reopening: true };
        }
        self.has_reopened = false;
        self.avoid(now, self.current, loss);
        self.current = self.best(now);
        self.left += 1;
        let round = self.enabled().max(1);
        let pause = if self.left.is_multiple_of(round) {
            let doublings = u32::try_from(self.left / round - 1).unwrap_or(u32::MAX).min(16);
            (MIN_PAUSE * 2u32.pow(doublings)).min(MAX_PAUSE)
        } else {
            Duration::ZERO
        };
        Choice { source: self.current, at: now + pause, is_reopening: false }
    }

    /// Nothing of `source` is wanted for a while: it was opened beside the current one and failed, or came too late.
    pub fn avoid(&mut self, now: Moment, source: usize, loss: Loss) {
        self.turns += 1;
        let record = &mut self.records[source];
        record.left_at = self.turns;
        let span = match loss {
            Loss::NoSlot => SLOTLESS_FOR,
            Loss::Skipped => SKIPPED_FOR,
            Loss::Undelivered | Loss::Ended | Loss::Stalled | Loss::Unhealthy => {
                let span = PROBATION * 2u32.pow(record.failures.min(16));
                record.failures += 1;
                span.min(MAX_AVOIDED)
            }
        };
        record.avoided_until = Some(now + span);
    }

    /// Another source that could be opened beside the current one, now.
    pub fn beside(&self, now: Moment) -> Option<usize> {
        let others = self.usable().filter(|&source| source != self.current && !self.is_avoided(now, source));
        others.min_by_key(|&source| self.rank(source))
    }

    /// A source that is preferred to the current one, and when it may be tried.
    pub fn preferred(&self) -> Option<(usize, Moment)> {
        self.soonest(self.usable().filter(|&source| self.rank(source) < self.rank(self.current)))
    }

    /// Any other source than the current one, and when it may be tried.
    pub fn alternative(&self) -> Option<(usize, Moment)> {
        self.soonest(self.usable().filter(|&source| source != self.current))
    }

    fn soonest(&self, sources: impl Iterator<Item = usize>) -> Option<(usize, Moment)> {
        let at = |source: usize| self.records[source].avoided_until.unwrap_or(Moment::ZERO);
        sources.map(|source| (source, at(source))).min_by_key(|&(source, at)| (at, self.rank(source)))
    }

    /// An admin chooses, of a channel that is closed: there is nothing to leave.
    pub fn steer(&mut self, steer: Steer) -> Result<(), Unsteerable> {
        if steer.source().is_some_and(|source| source >= self.sources()) {
            return Err(Unsteerable::NoSuchSource);
        }
        match steer {
            Steer::Unpin => self.pin(None),
            Steer::Pin(source) => {
                self.set_disabled(source, false);
                self.pin(Some(source));
            }
            Steer::Enable(source) => self.set_disabled(source, false),
            Steer::Skip if self.enabled() < 2 => return Err(Unsteerable::NoOther),
            Steer::Skip => {}
            Steer::Disable(source) => {
                if !self.records[source].is_disabled && self.enabled() < 2 {
                    return Err(Unsteerable::NoOther);
                }
                self.set_disabled(source, true);
            }
        }
        Ok(())
    }

    /// Prefers a source to all others, or none.
    fn pin(&mut self, source: Option<usize>) {
        self.pinned = source.filter(|&source| source < self.records.len());
        if let Some(source) = self.pinned {
            self.records[source].avoided_until = None;
        }
    }

    /// Forbids a source, or allows it again.
    fn set_disabled(&mut self, source: usize, is_disabled: bool) {
        self.records[source].is_disabled = is_disabled;
    }

    /// The source to open when none is open: the first that is fit, else the one that was left longest ago.
    fn best(&self, now: Moment) -> usize {
        let fit = self.usable().filter(|&source| !self.is_avoided(now, source));
        let last = || self.usable().min_by_key(|&source| self.records[source].left_at);
        // Where all are disabled, which a reload can bring about, one is needed nevertheless.
        fit.min_by_key(|&source| self.rank(source)).or_else(last).unwrap_or(0)
    }

    fn usable(&self) -> impl Iterator<Item = usize> {
        (0..self.records.len()).filter(|&source| !self.records[source].is_disabled)
    }

    fn is_avoided(&self, now: Moment, source: usize) -> bool {
        self.records[source].avoided_until.is_some_and(|until| until > now)
    }

    /// The less, the better.
    fn rank(&self, source: usize) -> (bool, usize) {
        (self.pinned != Some(source), source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Loss::{Ended, NoSlot, Stalled, Undelivered};

    /// Plays losses, each so long (in ms) after the source before was chosen; `true` when a picture came at once. Gives source and pause.
    fn play(sources: usize, losses: &[(u64, bool, Loss)]) -> Vec<(usize, u64)> {
        let mut failover = Failover::new(sources);
        let mut now = Moment::ZERO;
        losses
            .iter()
            .map(|&(after, is_live, loss)| {
                if is_live {
                    failover.handle_live(now, failover.current());
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
        assert_eq!(play(3, &losses[..4]), [(1, 0), (2, 0), (0, 250), (1, 0)]);
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

    #[test]
    fn the_first_that_is_fit_again_is_taken() {
        // The first was left a minute ago: its turn comes before the third's.
        assert_eq!(play(3, &[(60_000, true, Stalled), (60_000, true, Stalled)]), [(1, 0), (0, 0)]);
        assert_eq!(play(3, &[(60_000, true, Stalled), (2_000, true, Stalled)]), [(1, 0), (2, 0)]);
    }

    #[test]
    fn what_fails_again_and_again_is_avoided_for_longer_and_longer() {
        let mut failover = Failover::new(2);
        let mut now = Moment::ZERO;
        let mut spans = Vec::new();
        for _ in 0..7 {
            failover.handle_live(now, 0);
            now = now + Duration::from_mins(1);
            assert_eq!(failover.handle_loss(now, Stalled).source, 1);
            let (source, at) = failover.preferred().unwrap();
            assert_eq!(source, 0);
            spans.push(at.since(now).as_secs());
            now = at;
        }
        assert_eq!(spans, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(failover.standing(now, 0).unwrap().score, 1);
        // A long life makes it as good as new.
        failover.handle_live(now, 0);
        now = now + STEADY;
        assert_eq!(failover.standing(now, 0).unwrap().score, 100);
        failover.handle_loss(now, Stalled);
        assert_eq!(failover.standing(now, 0).unwrap().score, 50);
    }

    #[test]
    fn having_no_slot_is_no_failure() {
        let mut failover = Failover::new(2);
        assert_eq!(failover.handle_loss(Moment::ZERO, NoSlot).source, 1);
        let standing = failover.standing(Moment::ZERO, 0).unwrap();
        assert_eq!((standing.score, standing.avoided_for), (100, Some(SLOTLESS_FOR)));
    }

    #[test]
    fn what_is_pinned_comes_first_and_what_is_disabled_never() {
        let mut failover = Failover::new(3);
        failover.pin(Some(2));
        assert_eq!(failover.start(Moment::ZERO), 2);
        assert_eq!((failover.preferred(), failover.beside(Moment::ZERO)), (None, Some(0)));
        failover.set_disabled(0, true);
        assert_eq!(failover.handle_loss(Moment::ZERO, Stalled).source, 1);
        assert_eq!(failover.preferred().map(|(source, _)| source), Some(2));
        failover.pin(None);
        assert_eq!(failover.preferred(), None);
        failover.set_disabled(0, false);
        assert_eq!(failover.preferred(), Some((0, Moment::ZERO)));
    }

    #[test]
    fn the_past_of_a_source_moves_with_it() {
        let mut failover = Failover::new(2);
        failover.pin(Some(1));
        failover.handle_live(Moment::ZERO, 0);
        failover.handle_loss(Moment::ZERO, Stalled);
        failover.arrange(&[None, Some(1), Some(0)]);
        let scores: Vec<u32> =
            (0..3).filter_map(|source| failover.standing(Moment::ZERO, source)).map(|s| s.score).collect();
        assert_eq!((failover.current(), scores), (1, vec![100, 100, 50]));
        assert!(failover.standing(Moment::ZERO, 1).unwrap().is_pinned);
    }
}
