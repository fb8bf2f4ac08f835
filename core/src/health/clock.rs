//! How a source's time goes on.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::{MediaTime, Moment, Pts};
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
        // A jump moves nothing: what was measured before it stays right.
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
        // The oldest goes: the rule looks at the latest ones only.
        if self.0.len() >= MAX_JUMPS as usize {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// How many there were of late, and in how long.
    pub(super) fn recent(&mut self, now: Moment) -> (usize, Duration) {
        // Dropped here, so that no timer is needed.
        while self.0.front().is_some_and(|&at| now.since(at) > JUMPS_WITHIN) {
            self.0.pop_front();
        }
        (self.0.len(), self.0.front().map_or(Duration::ZERO, |&at| now.since(at)))
    }
}

/// How far a source's media has gone on, by all that tells of it.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// The programme's clock (PCR).
    clock: Line,
    has_clock: bool,
    /// The decoding times of the first video stream, or the stamps of the first sound where there
    /// is no video.
    stamps: Line,
    /// The stamps of all sound.
    sound_front: Front,
    /// How far the sound has gone on, in ticks.
    sound: i64,
    clock_jumps: Jumps,
    stamp_jumps: Jumps,
}

impl Clocks {
    /// The next stamps have nothing to do with the last ones; the clock may have.
    pub(super) fn note_new_streams(&mut self) {
        self.stamps.note_discontinuity();
        self.sound_front.note_discontinuity();
    }

    /// The run of bytes ends here, and another begins.
    pub(super) fn note_discontinuity(&mut self) {
        self.clock.note_discontinuity();
        self.note_new_streams();
    }

    /// Whether this is the first time that there is a clock.
    pub(super) fn is_first_clock(&mut self) -> bool {
        !std::mem::replace(&mut self.has_clock, true)
    }

    /// Takes a clock reference that came at `now`; the ticks from the one before, or `None` where
    /// that is a jump.
    pub(super) fn advance_clock(&mut self, now: Moment, clock: Pts, is_announced: bool) -> Option<i64> {
        let step = self.clock.advance(clock, is_announced);
        if step.is_none() {
            self.clock_jumps.add(now);
        }
        step
    }

    /// The same with the stamp of a picture, or of sound where there is no video.
    pub(super) fn advance_stamps(&mut self, now: Moment, stamp: Pts, is_announced: bool) -> Option<i64> {
        let step = self.stamps.advance(stamp, is_announced);
        if step.is_none() {
            self.stamp_jumps.add(now);
        }
        step
    }

    /// Takes a stamp of any sound; by how many ticks all sound goes on.
    pub(super) fn advance_sound(&mut self, stamp: Pts) -> i64 {
        let ticks = self.sound_front.advance(stamp);
        self.sound += ticks;
        ticks
    }

    /// How far the stamps have gone on, in ticks of 90 kHz.
    pub(super) fn stamps(&self) -> i64 {
        self.stamps.ticks()
    }

    /// How far decoding has got, by the stamps of pictures or of sound, whichever have gone on
    /// most: nothing before they go on.
    pub(super) fn decoded(&self) -> Option<MediaTime> {
        let ticks = self.stamps.ticks().max(self.sound);
        (ticks > 0).then(|| MediaTime::new(ticks))
    }

    /// The source's own time, in ticks: what of its clock and its stamps has gone on most. A clock
    /// may stand still or come with the pictures only, and those may be few.
    pub(super) fn media(&self) -> i64 {
        self.clock.ticks().max(self.stamps.ticks()).max(self.sound)
    }

    /// How many jumps there were of late, and in how long: of the clock or of the stamps, where
    /// there were more.
    pub(super) fn recent_jumps(&mut self, now: Moment) -> (usize, Duration) {
        self.clock_jumps.recent(now).max(self.stamp_jumps.recent(now))
    }
}
