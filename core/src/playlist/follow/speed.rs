//! Whether segments come as fast as they play, and which variant is taken instead where they do
//! not.
//!
//! A variant of which two segments in a row took longer to come than they play, or one took
//! [`PATIENCE`] times as long, is left for a lower one: the best that the measured rate carries,
//! else the lowest. A higher one is taken again when it is no longer avoided
//! ([`LadderMemory`](super::LadderMemory)) and the measured rate is half as much again as it needs.

use std::cmp::Reverse;
use std::time::Duration;

use super::action::Rendition;
use super::memory::Left;
use super::track::Track;
use super::variant::Variants;
use super::{Follower, InFlight};
use crate::time::Moment;

/// Segments in a row that took longer than they play: one may have met a moment's trouble.
const MAX_LATE: u32 = 2;

/// How much longer than it plays a segment takes that is late, in percent: some servers send a
/// segment while it is made, and that takes just as long.
const LATE: u32 = 110;

/// How many times longer than it plays a segment may take where there is a lower variant. Before
/// the first one nothing is in store: then it may take as long as it plays.
const PATIENCE: u32 = 2;

/// The least of that time, for segments of a second or less.
pub(super) const MIN_PATIENCE: Duration = Duration::from_secs(2);

/// How much of the new rate counts in the measured one, in percent: it follows a change within a
/// few segments.
const SHARE_OF_NEW: u64 = 40;

/// What a rate must be for a higher variant, in percent of its bandwidth.
const HEADROOM: u64 = 150;

/// How a segment has come, as far as it came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes.
    pub bytes: u64,
    /// How long they were waited for: what waits for room in a queue does not count.
    pub took: Duration,
}

impl Transfer {
    /// Bits a second.
    fn rate(self) -> u64 {
        let micros = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX).max(1);
        self.bytes.saturating_mul(8_000_000) / micros
    }
}

/// What is known of the way to the server.
#[derive(Debug, Default)]
pub(super) struct Speed {
    /// Segments in a row that took longer than they play.
    late: u32,
    /// Bits a second.
    rate: Option<u64>,
    /// The last segment took more than half as long as it plays: it may be the way to the server
    /// that is slow.
    is_tight: bool,
}

impl Speed {
    /// A segment has come, as far as it did.
    fn note(&mut self, of: &InFlight, transfer: Transfer) {
        // A segment that was refused says nothing of the way.
        if transfer.bytes > 0 {
            let new = transfer.rate();
            // Divided first, so that no rate overflows.
            let mix = |old: u64| (old / 100 * (100 - SHARE_OF_NEW)).saturating_add(new / 100 * SHARE_OF_NEW);
            self.rate = Some(self.rate.map_or(new, mix));
        }
        let took = transfer.took;
        self.is_tight = took > of.duration / 2;
        self.late = match of.patience {
            // A segment that was given up on counts in full: it would have taken longer still.
            Some(patience) if took >= patience => MAX_LATE,
            _ if took > of.duration * LATE / 100 => self.late + 1,
            _ => 0,
        };
    }

    fn is_slow(&self) -> bool {
        self.late >= MAX_LATE
    }

    /// Whether a variant of this bandwidth comes with something to spare.
    fn spares(&self, bandwidth: u64) -> bool {
        // Divided on both sides for the same reason.
        self.rate.is_some_and(|rate| rate / HEADROOM >= bandwidth / 100)
    }
}

impl Variants {
    /// The variant to go down to: of those of a lower bandwidth the best that the rate carries, or
    /// else the lowest; rather one of the same codecs.
    fn lower(&self, now: Moment, rate: Option<u64>) -> Option<usize> {
        let bandwidth = |index: usize| self.rungs[index].variant.bandwidth;
        let current = self.rungs.get(self.current)?;
        let kinds = |index: usize| -> Vec<&str> {
            let codecs = self.rungs[index].variant.codecs.iter();
            codecs.map(|codec| codec.split('.').next().unwrap_or_default()).collect()
        };
        let has_picture = |index: usize| self.rungs[index].variant.resolution.is_some();
        let is_lower = |&index: &usize| {
            // A bandwidth of 0 is not stated, and such a variant is no way down.
            (1..current.variant.bandwidth).contains(&bandwidth(index))
                // A variant with sound only would take the picture away.
                && has_picture(index) == has_picture(self.current)
                && self.avoids(now, index) != Some(Left::Broken)
        };
        let lower = || (0..self.rungs.len()).filter(is_lower);
        let other_kinds = |index: usize| kinds(index) != kinds(self.current);
        let carried = lower().filter(|&index| rate.is_none_or(|rate| bandwidth(index) <= rate));
        let best = carried.min_by_key(|&index| (other_kinds(index), Reverse(bandwidth(index))));
        // None is carried by the rate: the smallest is the best that can be done.
        best.or_else(|| lower().min_by_key(|&index| (other_kinds(index), bandwidth(index))))
    }

    /// The variant to go up to: the best one of a higher bandwidth that is no longer avoided, if it
    /// can be expected to come in time.
    fn higher(&self, now: Moment, speed: &Speed) -> Option<usize> {
        let current = self.rungs.get(self.current)?.variant.bandwidth;
        let is_fit = |&index: &usize| {
            let bandwidth = self.rungs[index].variant.bandwidth;
            let was_fast = self.left_for(index) == Some(Left::Broken);
            // A variant that was left because it was broken said nothing against the speed.
            bandwidth > current && self.avoids(now, index).is_none() && (was_fast || speed.spares(bandwidth))
        };
        (0..self.current).find(is_fit)
    }
}

impl Follower {
    /// How the segment of the variant that was asked for last has come. To be told before
    /// [`Follower::handle_segment`].
    pub fn handle_transfer(&mut self, transfer: Transfer) {
        if let Some(in_flight) = self.fetches.in_flight[Rendition::Main as usize] {
            self.speed.note(&in_flight, transfer);
        }
    }

    /// Whether a lower variant may help where media falls behind.
    pub fn has_lower(&self, now: Moment) -> bool {
        self.speed.is_tight && self.variants.lower(now, self.speed.rate).is_some()
    }

    /// Goes down to a lower variant, if there is one: segments of this one come too slowly.
    pub fn step_down(&mut self, now: Moment) -> bool {
        let Some(next) = self.variants.lower(now, self.speed.rate) else { return false };
        self.variants.avoid_current(now, Left::Slow);
        self.counts.variants_left += 1;
        self.change_variant(now, next);
        self.hold_segments();
        true
    }

    /// Looks at the speed when a segment of the variant has come or failed.
    pub(super) fn adapt(&mut self, now: Moment) {
        // Segments still come of the former list, and say nothing of the new variant.
        let awaits_list = self.main.as_ref().is_none_or(Track::is_strange);
        if awaits_list {
            return;
        }
        if self.speed.is_slow() {
            self.step_down(now);
        } else if let Some(next) = self.variants.higher(now, &self.speed) {
            self.counts.variants_raised += 1;
            self.change_variant(now, next);
        }
    }

    /// A segment did not come in its time. Whether a lower variant is taken for that.
    pub(super) fn gives_up_on_speed(&mut self, now: Moment) -> bool {
        self.speed.is_slow() && self.step_down(now)
    }

    /// Takes another variant, which goes on behind what was taken.
    pub(super) fn change_variant(&mut self, now: Moment, next: usize) {
        self.speed.late = 0;
        let variables = self.main.as_ref().map(|track| track.variables.clone()).unwrap_or_default();
        self.climb(now, next, true, &variables);
    }

    /// How many times longer than it plays a segment may take, where there is a lower variant to
    /// take instead.
    pub(super) fn segment_patience(&self, now: Moment) -> Option<u32> {
        let has_had = self.main.as_ref().is_some_and(Track::has_had);
        let times = if has_had { PATIENCE } else { 1 };
        self.variants.lower(now, self.speed.rate).map(|_| times)
    }
}
