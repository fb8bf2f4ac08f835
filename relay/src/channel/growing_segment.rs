//! The growing segment, and those behind it, as playlists name them before they are whole.

use std::time::Duration;

use forebay_core::segmenter::{Segment, Segmenter};
use forebay_core::time::MediaTime;

/// The growing segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GrowingSegment {
    /// Its duration is the shortest that it can get, and its `end` is still its `start`.
    pub(super) segment: Segment,
    /// The discontinuity sequence number of a playlist that begins with it.
    pub(super) discontinuity_sequence: u64,
    /// The target duration in seconds, or what it would be if it were fixed now.
    pub(super) target: u64,
}

impl GrowingSegment {
    /// The growing segment in `segmenter`.
    pub(super) fn new(segmenter: &Segmenter) -> Option<Self> {
        Some(Self {
            segment: segmenter.growing()?,
            discontinuity_sequence: segmenter.discontinuity_sequence(),
            target: segmenter.planned_target_duration(),
        })
    }

    /// How much of the segment there is once the media has reached `position`.
    pub(super) fn grown(&self, position: MediaTime) -> Duration {
        position.since(self.segment.shown)
    }

    /// This segment and the `count - 1` behind it, each as short as it can become; the first one
    /// has this `number`.
    pub(super) fn announced(&self, number: u64, count: u64) -> impl Iterator<Item = Segment> {
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
