//! Whether what the map announces comes.

use std::time::Duration;

use crate::time::{TICKS_PER_SECOND, ticks_to_duration};

/// Sound that has never come is given longer: some encoders send pictures at once, and sound when
/// they have found it.
const BEFORE_FIRST: Duration = Duration::from_secs(3);

/// After its first picture, a source is given so long for the second: one that shows a still
/// picture to its sound need not say so.
const STILL: Duration = Duration::from_mins(1);

/// Pictures that are further apart than this are still ones, and so may the next be.
const FEW: i64 = TICKS_PER_SECOND;

/// All streams of a kind: pictures, or sound.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// Whether the map has any, and whether it says that they may be few.
    is_announced: bool,
    has_stills: bool,
    cadence: Cadence,
    has_come: bool,
    /// By meter: whether any packet came since time went on last.
    comes: [bool; 2],
    /// How far the clock, and the streams of the other kind, have gone on without them, in ticks.
    alone: [i64; 2],
    /// The same, until the last packet came.
    apart: i64,
}

/// How often pictures come.
#[derive(Debug, Clone, Copy, Default)]
enum Cadence {
    /// There was none.
    #[default]
    Unknown,
    /// There was one.
    First,
    /// So long after the one before, in ticks.
    Each(i64),
}

/// By what time goes on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meter {
    /// The clock, which may be on a PID that stays away.
    Clock,
    /// Streams of the other kind.
    Others,
}

impl Presence {
    /// The map came or changed.
    pub(super) fn announce(&mut self, is_announced: bool, has_stills: bool) {
        (self.is_announced, self.has_stills) = (is_announced, has_stills);
        self.comes = [true; 2];
    }

    /// A picture begins with the last packet, or goes on in another PES packet.
    pub(super) fn begin_picture(&mut self, goes_on: bool) {
        self.cadence = match self.cadence {
            Cadence::Unknown => Cadence::First,
            cadence if goes_on => cadence,
            Cadence::First | Cadence::Each(_) => Cadence::Each(self.apart),
        };
    }

    /// A packet with payload came.
    #[inline]
    pub(super) fn handle_packet(&mut self) {
        self.apart = self.longest_alone();
        (self.comes, self.alone) = ([true; 2], [0; 2]);
        self.has_come = true;
    }

    /// Time went on by `ticks`, by `meter`.
    pub(super) fn advance(&mut self, meter: Meter, ticks: i64) {
        // A step in which a packet came says nothing, however long it is.
        let is_alone = !std::mem::take(&mut self.comes[meter as usize]);
        let alone = &mut self.alone[meter as usize];
        *alone = if is_alone { *alone + ticks } else { 0 };
    }

    fn longest_alone(&self) -> i64 {
        let [clock, others] = self.alone;
        clock.max(others)
    }

    /// For how long none came, where that is longer than `threshold`; `is_patient` with what has
    /// never come.
    pub(super) fn missing(&self, threshold: Duration, is_patient: bool) -> Option<Duration> {
        let patience = match self.cadence {
            _ if is_patient && !self.has_come => BEFORE_FIRST,
            Cadence::First => STILL,
            Cadence::Each(apart) if apart > FEW => ticks_to_duration(2 * apart),
            Cadence::Unknown | Cadence::Each(_) => Duration::ZERO,
        };
        let alone = ticks_to_duration(self.longest_alone());
        (self.is_announced && !self.has_stills && alone >= threshold + patience).then_some(alone)
    }
}
