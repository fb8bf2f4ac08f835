//! Whether what the map announces comes.

use std::time::Duration;

use crate::time::ticks_to_duration;

/// Sound that has never come is given longer: some encoders send pictures at once, and sound when they have found it.
const BEFORE_FIRST: Duration = Duration::from_secs(3);

/// All streams of a kind: pictures, or sound.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// Whether the map has any.
    is_announced: bool,
    has_come: bool,
    /// By meter: whether any packet came since time went on last.
    comes: [bool; 2],
    /// How far the clock, and the streams of the other kind, have gone on without them, in ticks.
    alone: [i64; 2],
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
    pub(super) fn announce(&mut self, is_announced: bool) {
        self.is_announced = is_announced;
        self.comes = [true; 2];
    }

    /// A packet with payload came.
    #[inline]
    pub(super) fn handle_packet(&mut self) {
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

    /// For how long none came, where that is longer than `threshold`; `is_patient` with what has never come.
    pub(super) fn missing(&self, threshold: Duration, is_patient: bool) -> Option<Duration> {
        let patience = if is_patient && !self.has_come { BEFORE_FIRST } else { Duration::ZERO };
        let alone = ticks_to_duration(self.alone.into_iter().max().unwrap_or(0));
        (self.is_announced && alone >= threshold + patience).then_some(alone)
    }
}
