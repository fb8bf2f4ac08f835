//! The segment that is being made, and those behind it: how they are named before they are there.

use std::time::Duration;

use forebay_core::segmenter::{Segment, Segmenter};
use forebay_core::time::MediaTime;

/// The segment that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Making {
    /// It is said to play as long as it does at least, and it ends where it begins, so far.
    pub(super) segment: Segment,
    /// How many discontinuities lie before it, where it is the first.
    pub(super) discontinuity_sequence: u64,
    /// The target duration, or what it would be if it were fixed now, in seconds.
    pub(super) target: u64,
}

impl Making {
    /// What `segmenter` is making.
    pub(super) fn new(segmenter: &Segmenter) -> Option<Self> {
        Some(Self {
            segment: segmenter.making()?,
            discontinuity_sequence: segmenter.discontinuity_sequence(),
            target: segmenter.planned_target_duration(),
        })
    }

    /// How much of it there is, where the media has come as far as `position`.
    pub(super) fn pending(&self, position: MediaTime) -> Duration {
        position.since(self.segment.shown)
    }

    /// It and the `count - 1` segments behind it, each as short as it may become; the first one has
    /// the `number`.
    pub(super) fn coming(&self, number: u64, count: u64) -> impl Iterator<Item = Segment> {
        let Segment { ticks, shown, wall, is_discontinuous, .. } = self.segment;
        let duration = self.segment.duration();
        (0..u32::try_from(count).unwrap_or(0)).map(move |nth| Segment {
            number: number + u64::from(nth),
            shown: shown.shifted(ticks * i64::from(nth)),
            wall: wall + duration * nth,
            is_discontinuous: nth == 0 && is_discontinuous,
            ..self.segment
        })
    }
}
