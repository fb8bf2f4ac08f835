//! Which source to open, and when: the order of the sources, and how each has done.
//!
//! The sources are ordered, and the first that is fit is taken. One that failed is *avoided* for a while, longer each time, and is fit again
//! after that. While there is no picture, those that have not been tried come before those that are fit again, but for one that is pinned. Where
//! all are avoided, the one that was left longest ago has its turn. So the sources are taken round and round while nothing helps; after a
//! round in which none stayed, there is a pause, which doubles each time.
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

/// Nor has one that has not failed for so long: viewers may never have stayed long enough for it to be steady. Far longer than it is avoided.
pub const FORGIVEN_AFTER: Duration = Duration::from_hours(1);

/// The pause after the first round in vain.
pub const MIN_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause. A source that is there again is to be shown within five seconds, and needs some of them for its first picture; a player
/// that reconnects by itself asks more often.
pub const MAX_PAUSE: Duration = Duration::from_secs(4);

/// How long a source that was found lossy is not probed, the first time. It doubles each time.
pub const LOSSY_FOR: Duration = Duration::from_mins(10);

/// The longest such time.
pub const MAX_LOSSY_FOR: Duration = Duration::from_hours(4);

/// The name of a source within its channel. It stays when the list around the source changes, and
/// says nothing of the place in that list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u64);

/// How a source was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It never delivered: refused, timed out, answered with an error, or sent no transport stream.
    Undelivered,
    /// It delivers, and another one was faster. Nothing else is wrong with it, unless it has just broken off.
    Late,
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
    Pin(SourceId),
    /// The usual order.
    Unpin,
    /// Another source than the one on hand.
    Skip,
    /// Never this source.
    Disable(SourceId),
    /// This source again.
    Enable(SourceId),
}

impl Steer {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pin(_) => "pin",
            Self::Unpin => "unpin",
            Self::Skip => "skip",
            Self::Disable(_) => "disable",
            Self::Enable(_) => "enable",
        }
    }

    /// The source that it is about.
    pub fn source(self) -> Option<SourceId> {
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
    /// The source.
    pub source: SourceId,
    /// When.
    pub at: Moment,
    /// It is the one that was just live, and is given less time.
    pub is_reopening: bool,
}

/// How a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// 100 for one that has not failed lately; halved by each failure, and while it is known to
    /// lose packets all the time.
    pub score: u32,
    /// For how long it is still avoided.
    pub avoided_for: Option<Duration>,
    /// An admin prefers it to all others.
    pub is_pinned: bool,
    /// An admin has forbidden it.
    pub is_disabled: bool,
}

/// Why a source has a record: attempts to open a source that has left the list are closed, and
/// forgotten, as soon as the list is taken.
const LISTED: &str = "only sources of the list are chosen and open";

/// The order of the sources and how they have done.
#[derive(Debug, Clone)]
pub struct Failover {
    /// At least one, the preferred source first.
    records: Vec<Record>,
    /// Always listed.
    current: SourceId,
    /// Always listed.
    pinned: Option<SourceId>,
    live_since: Option<Moment>,
    has_reopened: bool,
    /// Sources left since one was trusted.
    left: usize,
    /// Sources left ever.
    turns: u64,
    /// Those of them that were left before there was no picture.
    turns_before: u64,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    source: SourceId,
    is_disabled: bool,
    /// In the recent past; see [`Record::recent_failures`].
    failures: u32,
    failed_at: Moment,
    avoided_until: Option<Moment>,
    /// The turn at which it was left last.
    left_at: u64,
    /// How often it was found lossy, and until when it is not probed for that.
    lossy: u32,
    lossy_until: Option<Moment>,
    /// It was left last, or not even opened, since its provider had no connection to spare.
    is_slotless: bool,
}

impl Record {
    /// Of a source of which nothing is known.
    fn new(source: SourceId) -> Self {
        Self {
            source,
            is_disabled: false,
            failures: 0,
            failed_at: Moment::ZERO,
            avoided_until: None,
            left_at: 0,
            lossy: 0,
            lossy_until: None,
            is_slotless: false,
        }
    }

    fn is_avoided(&self, now: Moment) -> bool {
        self.avoided_until.is_some_and(|until| until > now)
    }

    fn recent_failures(&self, now: Moment) -> u32 {
        if now.since(self.failed_at) < FORGIVEN_AFTER { self.failures } else { 0 }
    }

    fn is_in_disgrace(&self, now: Moment) -> bool {
        now.since(self.failed_at) < self.disgrace(now)
    }

    /// For how long after its last failure it is avoided.
    fn disgrace(&self, now: Moment) -> Duration {
        match self.recent_failures(now) {
            0 => Duration::ZERO,
            failures => (PROBATION * 2u32.pow((failures - 1).min(16))).min(MAX_AVOIDED),
        }
    }
}

impl Failover {
    /// The choice among `sources`, of which nothing is known: at least one, the preferred source
    /// first, each once.
    pub fn new(sources: &[SourceId]) -> Self {
        let first = *sources.first().expect("a channel has a source");
        Self {
            records: sources.iter().copied().map(Record::new).collect(),
            current: first,
            pinned: None,
            live_since: None,
            has_reopened: false,
            left: 0,
            turns: 0,
            turns_before: 0,
        }
    }

    /// The source that is or was last opened.
    pub fn current(&self) -> SourceId {
        self.current
    }

    /// Whether a source is in the list.
    pub fn is_listed(&self, source: SourceId) -> bool {
        self.find(source).is_some()
    }

    /// How many sources may be used.
    pub fn enabled(&self) -> usize {
        self.records.iter().filter(|record| !record.is_disabled).count()
    }

    /// How a source stands; `None` where there is no such one.
    pub fn standing(&self, now: Moment, source: SourceId) -> Option<Standing> {
        let record = self.find(source)?;
        let is_steady =
            source == self.current && self.live_since.is_some_and(|since| now.since(since) >= STEADY);
        let failures = if is_steady { 0 } else { record.recent_failures(now) };
        let failures = failures + u32::from(record.lossy_until.is_some_and(|until| until > now));
        Some(Standing {
            score: 100 >> failures.min(6),
            avoided_for: record.avoided_until.filter(|&until| until > now).map(|until| until.since(now)),
            is_pinned: self.is_pinned(source),
            is_disabled: record.is_disabled,
        })
    }

    /// Takes a new list, like that of [`Failover::new`]. How the sources have done that stay in it
    /// is still known, and what an admin wants of them.
    pub fn set_sources(&mut self, sources: &[SourceId]) {
        let first = *sources.first().expect("a channel has a source");
        let known = |&source: &SourceId| self.find(source).copied();
        self.records =
            sources.iter().map(|source| known(source).unwrap_or_else(|| Record::new(*source))).collect();
        self.pinned = self.pinned.filter(|&source| self.is_listed(source));
        if !self.is_listed(self.current) {
            self.current = first;
            self.live_since = None;
            self.has_reopened = false;
        }
        self.left = 0;
    }

    /// Chooses for a start; so does what follows a source that is gone.
    pub fn start(&mut self, now: Moment) -> SourceId {
        (self.has_reopened, self.live_since, self.left) = (false, None, 0);
        self.turns_before = self.turns;
        self.current = self.best(now);
        self.current
    }

    /// This source is opened now, and is the current one.
    pub fn take(&mut self, source: SourceId) {
        if source != self.current {
            (self.has_reopened, self.live_since) = (false, None);
        }
        self.current = source;
    }

    /// A source shows a picture and is the current one from now on.
    pub fn handle_live(&mut self, now: Moment, source: SourceId) {
        self.take(source);
        self.live_since = Some(now);
        self.record_mut(source).is_slotless = false;
    }

    /// The current source is no longer shown.
    pub fn handle_left(&mut self, now: Moment) {
        let lived = self.live_since.take().map(|since| now.since(since));
        if lived.is_some() {
            self.turns_before = self.turns;
        }
        if lived.is_some_and(|lived| lived >= PROBATION) {
            self.has_reopened = false;
            self.left = 0;
        }
        if lived.is_some_and(|lived| lived >= STEADY) {
            self.record_mut(self.current).failures = 0;
        }
    }

    /// The current source is lost: what to open instead.
    pub fn handle_loss(&mut self, now: Moment, loss: Loss) -> Choice {
        self.handle_left(now);
        if loss == Loss::Ended && !self.has_reopened && !self.is_disabled(self.current) {
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
    pub fn avoid(&mut self, now: Moment, source: SourceId, loss: Loss) {
        self.turns += 1;
        let has_broken_off = source == self.current && self.has_reopened;
        let turns = self.turns;
        let record = self.record_mut(source);
        (record.left_at, record.is_slotless) = (turns, loss == Loss::NoSlot);
        let span = match loss {
            Loss::NoSlot => SLOTLESS_FOR,
            Loss::Late if !has_broken_off => PROBATION,
            Loss::Skipped => SKIPPED_FOR,
            // Opened so soon only for want of another, it fails for the same reason.
            _ if record.is_in_disgrace(now) => PROBATION,
            Loss::Late | Loss::Undelivered | Loss::Ended | Loss::Stalled | Loss::Unhealthy => {
                (record.failures, record.failed_at) = (record.recent_failures(now) + 1, now);
                record.disgrace(now)
            }
        };
        record.avoided_until = record.avoided_until.max(Some(now + span));
    }

    /// A source loses packets all the time: it is not probed again for a while.
    pub fn note_lossy(&mut self, now: Moment, source: SourceId) {
        let record = self.record_mut(source);
        // One that has been clean since, or unknown for long, begins anew.
        let is_forgiven = record.lossy_until.is_none_or(|until| now.since(until) >= FORGIVEN_AFTER);
        record.lossy = if is_forgiven { 1 } else { record.lossy + 1 };
        let span = (LOSSY_FOR * 2u32.pow((record.lossy - 1).min(16))).min(MAX_LOSSY_FOR);
        record.lossy_until = Some(now + span);
    }

    /// Whether a source was found lossy lately, so that it must prove that it is so no more.
    pub fn was_lossy(&self, now: Moment, source: SourceId) -> bool {
        let until = self.find(source).and_then(|record| record.lossy_until);
        until.is_some_and(|until| now.since(until) < FORGIVEN_AFTER)
    }

    /// Whether the current source failed so lately that it would be avoided, were there another.
    pub fn is_in_disgrace(&self, now: Moment) -> bool {
        self.record(self.current).is_in_disgrace(now)
    }

    /// Another source that could be opened beside the current one, now.
    pub fn beside(&self, now: Moment) -> Option<SourceId> {
        let is_fit = |&source: &SourceId| source != self.current && !self.record(source).is_avoided(now);
        self.usable().filter(is_fit).min_by_key(|&source| self.turn(source))
    }

    /// Whether there is no other source than the current one, whatever became of it.
    pub fn is_only_one(&self) -> bool {
        self.sources().all(|source| source == self.current || !self.may_open(source))
    }

    /// Any other source than the current one, and when it may be tried, at `from` or later.
    pub fn alternative(&self, from: Moment) -> Option<(SourceId, Moment)> {
        let others = self.usable().filter(|&source| source != self.current);
        others
            .map(|source| (source, self.fit_at(from, source)))
            .min_by_key(|&(source, at)| (at, self.turn(source)))
    }

    /// The sources that want nothing but a connection, as far as is known, in the order of their turns.
    pub fn slotless(&self) -> Vec<SourceId> {
        let is_one = |&source: &SourceId| self.may_open(source) && self.record(source).is_slotless;
        let mut sources: Vec<SourceId> = self.sources().filter(is_one).collect();
        sources.sort_by_key(|&source| self.turn(source));
        sources
    }

    /// Whether a source is preferred to the current one.
    pub fn is_preferred(&self, source: SourceId) -> bool {
        self.rank(source) < self.rank(self.current)
    }

    /// Whether an admin prefers a source to all others.
    pub fn is_pinned(&self, source: SourceId) -> bool {
        self.pinned == Some(source)
    }

    /// Whether an admin has forbidden a source.
    pub fn is_disabled(&self, source: SourceId) -> bool {
        self.find(source).is_some_and(|record| record.is_disabled)
    }

    /// Whether a source may be opened: an admin has not forbidden it, or all of them, which a reload can bring about.
    pub fn may_open(&self, source: SourceId) -> bool {
        !self.is_disabled(source) || self.enabled() == 0
    }

    /// Of those that are asked for, the first that may be tried, and when, at `from` or later.
    pub fn soonest(&self, from: Moment, is_one: impl Fn(SourceId) -> bool) -> Option<(SourceId, Moment)> {
        let sources = self.usable().filter(|&source| is_one(source));
        sources
            .map(|source| (source, self.probed_at(from, source)))
            .min_by_key(|&(source, at)| (at, self.rank(source)))
    }

    /// An admin chooses, of a channel that is closed: there is nothing to leave.
    pub fn steer(&mut self, steer: Steer) -> Result<(), Unsteerable> {
        if steer.source().is_some_and(|source| !self.is_listed(source)) {
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
                if !self.is_disabled(source) && self.enabled() < 2 {
                    return Err(Unsteerable::NoOther);
                }
                self.set_disabled(source, true);
            }
        }
        Ok(())
    }

    /// Prefers a source to all others, or none.
    fn pin(&mut self, source: Option<SourceId>) {
        self.pinned = source;
        if let Some(source) = source {
            let record = self.record_mut(source);
            record.avoided_until = None;
            record.lossy_until = None;
        }
    }

    /// Forbids a source, or allows it again.
    fn set_disabled(&mut self, source: SourceId, is_disabled: bool) {
        self.record_mut(source).is_disabled = is_disabled;
    }

    /// The source to open when none is open: one that is fit, else the one that was left longest ago.
    fn best(&self, now: Moment) -> SourceId {
        let fit = self.usable().filter(|&source| !self.record(source).is_avoided(now));
        let last = || self.usable().min_by_key(|&source| self.record(source).left_at);
        // Where all are disabled, one is needed nevertheless.
        fit.min_by_key(|&source| self.turn(source)).or_else(last).unwrap_or(self.records[0].source)
    }

    /// All sources, in the order of the list.
    fn sources(&self) -> impl Iterator<Item = SourceId> {
        self.records.iter().map(|record| record.source)
    }

    fn usable(&self) -> impl Iterator<Item = SourceId> {
        self.records.iter().filter(|record| !record.is_disabled).map(|record| record.source)
    }

    fn find(&self, source: SourceId) -> Option<&Record> {
        self.records.iter().find(|record| record.source == source)
    }

    fn record(&self, source: SourceId) -> &Record {
        self.find(source).expect(LISTED)
    }

    fn record_mut(&mut self, source: SourceId) -> &mut Record {
        self.records.iter_mut().find(|record| record.source == source).expect(LISTED)
    }

    /// The place in the list; the less, the better.
    fn place(&self, source: SourceId) -> usize {
        self.sources().position(|listed| listed == source).expect(LISTED)
    }

    /// When a source may be probed, at `from` or later.
    fn probed_at(&self, from: Moment, source: SourceId) -> Moment {
        let lossy_until = self.record(source).lossy_until;
        self.fit_at(from, source).max(lossy_until.unwrap_or(from))
    }

    /// When a source is fit, at `from` or later.
    fn fit_at(&self, from: Moment, source: SourceId) -> Moment {
        self.record(source).avoided_until.map_or(from, |until| until.max(from))
    }

    /// The less, the sooner it has its turn: what is pinned, and while there is no picture those that have not been tried since, then the
    /// others in the order in which they were left.
    fn turn(&self, source: SourceId) -> (bool, u64, usize) {
        let left_at = self.record(source).left_at;
        let is_tried = self.live_since.is_none() && left_at > self.turns_before;
        (!self.is_pinned(source), if is_tried { left_at } else { 0 }, self.place(source))
    }

    /// The less, the better.
    fn rank(&self, source: SourceId) -> (bool, usize) {
        (!self.is_pinned(source), self.place(source))
    }
}

#[cfg(test)]
mod tests;
