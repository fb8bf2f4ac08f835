//! What the viewers of a channel get to see.

use std::time::Duration;

use forebay_core::failover::SourceId;
use forebay_core::lifecycle::Times;
use forebay_core::time::Moment;

/// Of one channel.
pub(crate) struct Watch {
    began: Moment,
    /// The longest time for a start in this life.
    start: Duration,
    is_live: bool,
    was_live: bool,
    /// The last active source.
    last: Option<SourceId>,
    pub(crate) switches: u64,
    /// When the pictures ended, while there are none.
    dark_since: Option<Moment>,
    /// When there was no slot first, while that is what keeps it dark.
    slotless_since: Option<Moment>,
    /// The longest time without pictures between two.
    longest_gap: Duration,
}

impl Watch {
    pub(crate) fn new(times: Times) -> Self {
        Self {
            began: Moment::ZERO,
            start: times.start,
            is_live: false,
            was_live: false,
            last: None,
            switches: 0,
            dark_since: None,
            slotless_since: None,
            longest_gap: Duration::ZERO,
        }
    }

    pub(crate) fn begin(&mut self, now: Moment, times: Times) {
        let Self { switches, last, longest_gap, .. } = *self;
        *self = Self { began: now, switches, last, longest_gap, ..Self::new(times) };
    }

    /// Somebody came back when nobody was there, and has not waited yet.
    pub(crate) fn begin_anew(&mut self, now: Moment) {
        self.began = now;
        self.slotless_since = self.slotless_since.map(|_| now);
    }

    /// The times are others from now on.
    pub(crate) fn widen(&mut self, times: Times) {
        self.start = self.start.max(times.start);
    }

    /// The longest time without pictures, up to now.
    pub(crate) fn longest_gap(&self, now: Moment) -> Duration {
        self.dark_since.map_or(Duration::ZERO, |since| now.since(since)).max(self.longest_gap)
    }

    pub(crate) fn was_live(&self) -> bool {
        self.was_live
    }

    pub(crate) fn go_live(&mut self, now: Moment, source: SourceId) {
        self.switches += u64::from(self.last.is_some_and(|last| last != source));
        self.last = Some(source);
        if let Some(since) = self.dark_since.take() {
            self.longest_gap = self.longest_gap.max(now.since(since));
        }
        (self.is_live, self.was_live, self.slotless_since) = (true, true, None);
    }

    pub(crate) fn go_dark(&mut self, now: Moment) {
        self.is_live = false;
        self.dark_since = Some(now);
    }

    /// No ingest has a slot any more.
    pub(crate) fn lose_connection(&mut self, now: Moment) {
        self.slotless_since.get_or_insert(now);
    }

    /// A ingest has got a slot.
    pub(crate) fn grant(&mut self) {
        self.slotless_since = None;
    }

    /// Viewers are told that there is nothing.
    pub(crate) fn give_up(&self) {
        assert!(!self.is_live, "who sees pictures is told that there are none");
        assert!(!self.was_live || self.slotless_since.is_some(), "told of slots, and there is one");
    }

    /// Viewers have pictures, or have not waited for too long.
    pub(crate) fn check(&self, now: Moment) {
        if !self.was_live {
            assert!(now.since(self.began) <= self.start, "viewers wait for their first picture");
        }
        if let Some(since) = self.slotless_since.filter(|_| self.was_live && !self.is_live) {
            assert!(now.since(since) <= self.start, "viewers are not told that there is no slot");
        }
    }
}
