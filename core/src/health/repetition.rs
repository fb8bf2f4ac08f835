//! Whether the same seconds come again: a notice in a loop, or a segment that is sent twice.
//!
//! Pictures are compared by groups, from one random access point to the next, and each group by its
//! fingerprint. What comes again is a run of groups that are each the same as the one so many
//! groups before (the *lag*), with the same sound. What is no fault:
//!
//! - **A still picture with changing sound:** sound that differs takes from a run what it had.
//! - **A still picture in silence:** a pause in the programme is the same all the time. It is
//!   judged after [`STILL_PATIENCE`].
//! - **An advertisement that comes twice:** where a source puts such parts together it says so (an
//!   HLS discontinuity). A run that begins within [`PART_START`] behind such a discontinuity is
//!   judged after [`PART_PATIENCE`]. The first groups of a part may differ although it is the same:
//!   how its sound is cut at the discontinuity depends on what came before.

use std::collections::VecDeque;
use std::time::Duration;

use super::rules::Seen;
use crate::time::{duration_to_ticks, ticks_to_duration};

/// Groups that are remembered: 3 minutes of 0.7 s each, 8 minutes of 2 s.
const MAX_GROUPS: usize = 256;

/// How far back is looked: a loop of notices is shorter.
const MAX_LAG: Duration = Duration::from_mins(3);

/// A single group may come again by chance: as one of black pictures does.
const MIN_RUN: u32 = 2;

/// How long nothing may be seen and heard. Longer than the pause between two programmes.
const STILL_PATIENCE: Duration = Duration::from_mins(1);

/// How long a part may be that comes again: longer than an advertisement.
const PART_PATIENCE: Duration = Duration::from_mins(1);

/// How far behind a discontinuity a run of that part begins: sound is sent up to a second behind
/// its pictures, and a group may last two.
const PART_START: Duration = Duration::from_secs(4);

/// Pictures from one random access point to the next, and the sound that came with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Fingerprints.
    pub(super) pictures: u64,
    pub(super) sound: u64,
    /// Nothing moves, and no sound changes.
    pub(super) is_quiet: bool,
    /// How long it is.
    pub(super) ticks: i64,
    /// It is the first behind a discontinuity.
    pub(super) is_part: bool,
}

/// What came again, at one lag, up to the newest group. Times in ticks.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    /// Groups with the same sound.
    groups: u32,
    /// Their time, and that of those in which nothing is seen and heard.
    heard: i64,
    quiet: i64,
    /// It began with the first groups behind a discontinuity.
    is_part: bool,
}

/// Remembers what came.
#[derive(Debug, Default)]
pub(super) struct Repetition {
    /// The oldest first.
    groups: VecDeque<Group>,
    /// Time of them all, in ticks.
    time: i64,
    /// By lag: the first compares each group with the one before.
    runs: Vec<Run>,
    /// Time since the last discontinuity, in ticks, if there was one.
    since_seam: Option<i64>,
    verdict: Option<Seen>,
}

impl Repetition {
    /// Takes the next group; what comes again is a fault after `threshold`.
    pub(super) fn handle(&mut self, group: Group, threshold: Duration) {
        // One run for each distance back: a new distance can be looked at with each group that is
        // kept.
        if self.runs.len() < self.groups.len() {
            self.runs.push(Run::default());
        }
        let since_seam = if group.is_part { Some(0) } else { self.since_seam };
        let begins_part = since_seam.is_some_and(|ticks| ticks < duration_to_ticks(PART_START));
        self.since_seam = since_seam.map(|ticks| ticks.saturating_add(group.ticks));
        for (run, before) in self.runs.iter_mut().zip(self.groups.iter().rev()) {
            run.advance(&group, before, begins_part);
        }
        // The shortest distance first: it is the length of what comes again.
        self.verdict = self.runs.iter().enumerate().find_map(|(index, run)| {
            let length = run.judge(threshold)?;
            let after: i64 = self.groups.iter().rev().take(index + 1).map(|group| group.ticks).sum();
            Some(Seen::Again { length: ticks_to_duration(length), after: ticks_to_duration(after) })
        });
        self.groups.push_back(group);
        self.time += group.ticks;
        // By time as well as by number, since groups may last ten seconds.
        while self.groups.len() > MAX_GROUPS || self.time > duration_to_ticks(MAX_LAG) {
            let Some(oldest) = self.groups.pop_front() else { break };
            self.time -= oldest.ticks;
        }
        // A distance that goes further back than what is kept has nothing to compare.
        self.runs.truncate(self.groups.len());
    }

    /// What is to be said up to the last group.
    pub(super) fn verdict(&self) -> Option<Seen> {
        self.verdict
    }
}

impl Run {
    fn advance(&mut self, group: &Group, before: &Group, begins_part: bool) {
        if group.pictures != before.pictures {
            // Other pictures end whatever came again at this distance.
            *self = Self::default();
        } else if group.sound != before.sound {
            // A still picture under changing sound wears the run down, and does not end it at once.
            self.heard = (self.heard - group.ticks).max(0);
            self.quiet = 0;
        } else {
            // Noted at its beginning only: a long run goes on beyond the part that it began in.
            if self.groups == 0 {
                self.is_part = begins_part;
            }
            self.groups += 1;
            *(if group.is_quiet { &mut self.quiet } else { &mut self.heard }) += group.ticks;
        }
    }

    /// How much came again, in ticks, if it is a fault.
    fn judge(&self, threshold: Duration) -> Option<i64> {
        let heard = if self.is_part { threshold.max(PART_PATIENCE) } else { threshold };
        let quiet = threshold.max(STILL_PATIENCE);
        let time = self.heard + self.quiet;
        let is_fault = self.heard >= duration_to_ticks(heard) || time >= duration_to_ticks(quiet);
        (self.groups >= MIN_RUN && is_fault).then_some(time)
    }
}
