//! How a source's time goes on.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::{Moment, Pts};
use crate::ts::splice::{ANNOUNCED_JUMP, BACKWARD_JUMP, FORWARD_JUMP};

/// Jumps are counted within this time: there and back again, twice, are too many, and what goes
/// away and comes back once, as an advertisement does, are not.
const JUMPS_WITHIN: Duration = Duration::from_secs(10);

/// Jumps that are remembered: the most that the rule can be set to.
pub const MAX_JUMPS: u32 = 100;

/// A clock, or the stamps of one stream: how far it has gone on, its jumps left out.
#[derive(Debug, Default)]
pub(super) struct Line {
    last: Option<Pts>,
    ticks: i64,
}

impl Line {
    /// Takes the next stamp; the ticks from the one before, or `None` where that is a jump.
    pub(super) fn advance(&mut self, stamp: Pts, is_announced: bool) -> Option<i64> {
        let step = self.last.replace(stamp).map_or(0, |last| stamp.since(last));
        let ahead = if is_announced { ANNOUNCED_JUMP } else { FORWARD_JUMP };
        let step = (-BACKWARD_JUMP..=ahead).contains(&step).then_some(step)?;
        self.ticks += step;
        Some(step)
    }

    /// How far it has gone on, in ticks of 90 kHz.
    pub(super) fn ticks(&self) -> i64 {
        self.ticks
    }

    /// The next stamp has nothing to do with the last one.
    pub(super) fn note_discontinuity(&mut self) {
        self.last = None;
    }
}

/// The foremost stamp of several streams.
#[derive(Debug, Default)]
pub(super) struct Front(Option<Pts>);

impl Front {
    /// Takes a stamp of any of them; by how many ticks the front goes on, zero where it does not,
    /// or jumps.
    pub(super) fn advance(&mut self, stamp: Pts) -> i64 {
        let step = self.0.map_or(0, |front| stamp.since(front));
        if (-FORWARD_JUMP..0).contains(&step) {
            return 0; // another stream, which is behind
        }
        self.0 = Some(stamp);
        if step <= FORWARD_JUMP { step.max(0) } else { 0 }
    }

    pub(super) fn note_discontinuity(&mut self) {
        self.0 = None;
    }
}

/// When a clock jumped last.
#[derive(Debug, Default)]
pub(super) struct Jumps(VecDeque<Moment>);

impl Jumps {
    pub(super) fn add(&mut self, now: Moment) {
        if self.0.len() >= MAX_JUMPS as usize {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// How many there were of late, and in how long.
    pub(super) fn recent(&mut self, now: Moment) -> (usize, Duration) {
        while self.0.front().is_some_and(|&at| now.since(at) > JUMPS_WITHIN) {
            self.0.pop_front();
        }
        (self.0.len(), self.0.front().map_or(Duration::ZERO, |&at| now.since(at)))
    }
}
