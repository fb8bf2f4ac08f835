//! Which source to open, and when: the order of the sources, and how each has done.
//!
//! The sources have an order, and the first eligible one is taken. A source that failed cools down
//! for a while, longer each time, and is eligible again after that. While there is no picture,
//! sources that have not been tried come before those that are eligible again, except for a pinned
//! one. Where all cool down, the one that was left longest ago is next. So the sources are taken
//! round and round while nothing helps; after a round in which none stayed, there is a pause, which
//! doubles each time.
//!
//! A source that never delivered, stalled or turned bad is left for the next one at once. A source
//! that was live and ended or broke off is reopened once, since providers and load balancers end
//! connections like that although nothing is wrong. Only a source that has been live for
//! [`PROBATION`] ends the count: one that delivers for a few seconds and breaks off again does not.

mod record;
mod source_override;

use std::time::Duration;

use self::record::Record;
pub use self::record::{
    FORGIVEN_AFTER, LOSSY_FOR, MAX_COOLDOWN, MAX_LOSSY_FOR, NO_CONNECTION_COOLDOWN, PROBATION,
    SKIPPED_COOLDOWN,
};
pub use self::source_override::{OverrideError, SourceOverride};
use crate::time::Moment;

/// The failures of a source that was live for so long no longer count.
pub const STEADY: Duration = Duration::from_mins(10);

/// The pause after the first round in vain.
pub const MIN_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause. A source that is there again is to be shown within five seconds, and needs
/// some of them for its first picture; a player that reconnects by itself asks more often.
pub const MAX_PAUSE: Duration = Duration::from_secs(4);

/// The name of a source within its channel. It stays when the list around the source changes, and
/// says nothing of the position in that list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u64);

/// How a source was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It never delivered: refused, timed out, answered with an error, or sent no transport stream.
    Undelivered,
    /// It delivers, and another one was faster. Nothing else is wrong with it, unless it has just
    /// broken off.
    Late,
    /// It was live, and ended or broke off.
    Ended,
    /// It was live, and its media time stood still.
    Stalled,
    /// It delivers, but nothing that anybody wants to see.
    Unhealthy,
    /// Its provider has no connection to spare. Nothing is wrong with the source.
    NoConnection,
    /// An admin wanted another one.
    Skipped,
}

/// What to open next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The source.
    pub source: SourceId,
    /// When to open it.
    pub at: Moment,
    /// The source was live a moment ago, and has less time to answer.
    pub is_reopening: bool,
}

/// How a source has done, as users are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceHealth {
    /// 100 for a source that has not failed lately; halved by each failure, and while it is known
    /// to lose packets all the time.
    pub score: u32,
    /// The rest of its cool-down.
    pub cooldown: Option<Duration>,
    /// An admin prefers the source to all others.
    pub is_pinned: bool,
    /// An admin has forbidden the source.
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
    departures: u64,
    /// Sources left until there was no picture any more.
    departures_before_outage: u64,
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
            departures: 0,
            departures_before_outage: 0,
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

    /// How a source has done; `None` if it is not listed.
    pub fn health(&self, now: Moment, source: SourceId) -> Option<SourceHealth> {
        let record = self.find(source)?;
        let is_steady =
            source == self.current && self.live_since.is_some_and(|since| now.since(since) >= STEADY);
        // One that plays well now has earned its score, before it is left and its record forgiven.
        let failures = if is_steady { 0 } else { record.recent_failures(now) };
        let failures = failures + u32::from(record.lossy_until.is_some_and(|until| until > now));
        Some(SourceHealth {
            score: 100 >> failures.min(6),
            cooldown: record.cooldown_until.filter(|&until| until > now).map(|until| until.since(now)),
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
        // A new list is a new round, without the pauses of the old one.
        self.left = 0;
    }

    /// Chooses for a start; so does what follows a source that is gone.
    pub fn start(&mut self, now: Moment) -> SourceId {
        self.has_reopened = false;
        self.live_since = None;
        self.left = 0;
        // What was left before this counts as tried no more: viewers who come now get the usual
        // order.
        self.departures_before_outage = self.departures;
        self.current = self.best(now);
        self.current
    }

    /// This source is opened now, and is the current one.
    pub fn take(&mut self, source: SourceId) {
        // A reopening belongs to the source that ended; another one has its own.
        if source != self.current {
            self.has_reopened = false;
            self.live_since = None;
        }
        self.current = source;
    }

    /// A source shows a picture and is the current one from now on.
    pub fn handle_live(&mut self, now: Moment, source: SourceId) {
        self.take(source);
        self.live_since = Some(now);
        self.record_mut(source).waits_for_slot = false;
    }

    /// The current source is no longer shown.
    pub fn handle_left(&mut self, now: Moment) {
        let lived = self.live_since.take().map(|since| now.since(since));
        if lived.is_some() {
            self.departures_before_outage = self.departures;
        }
        if lived.is_some_and(|lived| lived >= PROBATION) {
            self.has_reopened = false;
            self.left = 0;
        }
        if lived.is_some_and(|lived| lived >= STEADY) {
            self.record_mut(self.current).forgive();
        }
    }

    /// The current source is lost: what to open instead.
    pub fn handle_loss(&mut self, now: Moment, loss: Loss) -> Choice {
        self.handle_left(now);
        // Reopened once only: a source that ends each time would otherwise never be left.
        if loss == Loss::Ended && !self.has_reopened && !self.is_disabled(self.current) {
            self.has_reopened = true;
            return Choice { source: self.current, at: now, is_reopening: true };
        }
        self.has_reopened = false;
        self.cool_down(now, self.current, loss);
        self.current = self.best(now);
        self.left += 1;
        // Disabled sources make no round longer; the least is 1, as all may be disabled.
        let round = self.enabled().max(1);
        let pause = if self.left.is_multiple_of(round) {
            // Beyond the limit anyway; without it the power would overflow.
            let doublings = u32::try_from(self.left / round - 1).unwrap_or(u32::MAX).min(16);
            (MIN_PAUSE * 2u32.pow(doublings)).min(MAX_PAUSE)
        } else {
            Duration::ZERO
        };
        Choice { source: self.current, at: now + pause, is_reopening: false }
    }

    /// Leaves `source` alone for a while: it failed, came too late, or an admin wants another one.
    pub fn cool_down(&mut self, now: Moment, source: SourceId, loss: Loss) {
        self.departures += 1;
        let departure = self.departures;
        // A source that fails while it is reopened has broken off, however the attempt itself is
        // lost.
        let has_broken_off = source == self.current && self.has_reopened;
        self.record_mut(source).cool_down(now, loss, departure, has_broken_off);
    }

    /// A source loses packets all the time: it is not probed again for a while.
    pub fn note_lossy(&mut self, now: Moment, source: SourceId) {
        self.record_mut(source).note_lossy(now);
    }

    /// Whether a source was found lossy lately, so that it must prove to be clean.
    pub fn was_lossy(&self, now: Moment, source: SourceId) -> bool {
        self.find(source).is_some_and(|record| record.was_lossy(now))
    }

    /// Whether the current source failed so recently that its cool-down would last, were there
    /// another source to wait with.
    pub fn failed_recently(&self, now: Moment) -> bool {
        self.has_failed_recently(now, self.current)
    }

    /// The same of any source. One that is not listed has not failed.
    pub fn has_failed_recently(&self, now: Moment, source: SourceId) -> bool {
        self.find(source).is_some_and(|record| record.failed_recently(now))
    }

    /// Another source that could be opened beside the current one, now.
    pub fn eligible_standby(&self, now: Moment) -> Option<SourceId> {
        let is_eligible =
            |&source: &SourceId| source != self.current && !self.record(source).is_cooling_down(now);
        self.usable().filter(is_eligible).min_by_key(|&source| self.rank(source))
    }

    /// Whether there is no other source than the current one, whatever became of it.
    pub fn is_only_one(&self) -> bool {
        self.sources().all(|source| source == self.current || !self.may_open(source))
    }

    /// Any other source than the current one, and when it may be tried, at `from` or later.
    pub fn alternative(&self, from: Moment) -> Option<(SourceId, Moment)> {
        let others = self.usable().filter(|&source| source != self.current);
        others
            .map(|source| (source, self.eligible_at(from, source)))
            // The soonest first: a better one that cools down for minutes is no help now.
            .min_by_key(|&(source, at)| (at, self.rank(source)))
    }

    /// The sources that lack nothing but a connection, as far as is known, the next one first.
    pub fn waiting_for_slot(&self) -> Vec<SourceId> {
        let is_one = |&source: &SourceId| self.may_open(source) && self.record(source).waits_for_slot;
        let mut sources: Vec<SourceId> = self.sources().filter(is_one).collect();
        sources.sort_by_key(|&source| self.rank(source));
        sources
    }

    /// Whether a source is preferred to the current one.
    pub fn is_preferred(&self, source: SourceId) -> bool {
        self.preference(source) < self.preference(self.current)
    }

    /// Whether an admin prefers a source to all others.
    pub fn is_pinned(&self, source: SourceId) -> bool {
        self.pinned == Some(source)
    }

    /// Whether an admin has forbidden a source.
    pub fn is_disabled(&self, source: SourceId) -> bool {
        self.find(source).is_some_and(|record| record.is_disabled)
    }

    /// Whether a source may be opened: an admin has not forbidden it. If all are forbidden, which a
    /// reload can bring about, each may be.
    pub fn may_open(&self, source: SourceId) -> bool {
        !self.is_disabled(source) || self.enabled() == 0
    }

    /// The first source that `is_one` accepts and that may be probed, and when: at `from` or later.
    pub fn soonest(&self, from: Moment, is_one: impl Fn(SourceId) -> bool) -> Option<(SourceId, Moment)> {
        let sources = self.usable().filter(|&source| is_one(source));
        sources
            .map(|source| (source, self.probed_at(from, source)))
            .min_by_key(|&(source, at)| (at, self.preference(source)))
    }

    /// The source to open when none is open: the first eligible one, or else the one that was left
    /// longest ago.
    fn best(&self, now: Moment) -> SourceId {
        let eligible = self.usable().filter(|&source| !self.record(source).is_cooling_down(now));
        let last = || self.usable().min_by_key(|&source| self.record(source).left_at);
        // Where all are disabled, one is needed nevertheless.
        eligible.min_by_key(|&source| self.rank(source)).or_else(last).unwrap_or(self.records[0].source)
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

    /// The position in the list: lower is better.
    fn position(&self, source: SourceId) -> usize {
        self.sources().position(|listed| listed == source).expect(LISTED)
    }

    /// When a source may be probed, at `from` or later.
    fn probed_at(&self, from: Moment, source: SourceId) -> Moment {
        let lossy_until = self.record(source).lossy_until;
        self.eligible_at(from, source).max(lossy_until.unwrap_or(from))
    }

    /// When a source is eligible, at `from` or later.
    fn eligible_at(&self, from: Moment, source: SourceId) -> Moment {
        self.record(source).cooldown_until.map_or(from, |until| until.max(from))
    }

    /// The lowest is next: a pinned source first. While there is no picture, sources that have not
    /// been tried since come next, and then the others in the order in which they were left.
    fn rank(&self, source: SourceId) -> (bool, u64, usize) {
        let left_at = self.record(source).left_at;
        // With a picture there is time, and the order of the list counts alone.
        let is_tried = self.live_since.is_none() && left_at > self.departures_before_outage;
        (!self.is_pinned(source), if is_tried { left_at } else { 0 }, self.position(source))
    }

    /// The less, the better.
    fn preference(&self, source: SourceId) -> (bool, usize) {
        (!self.is_pinned(source), self.position(source))
    }
}

#[cfg(test)]
mod tests;
