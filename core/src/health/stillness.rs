//! Whether pictures move, by their sizes: one that is the same as the one before takes next to
//! nothing.

use std::time::Duration;

use super::picture::Picture;
use crate::time::ticks_to_duration;

/// A picture of so many bytes says nothing new, whatever its size: an H.264 picture of skipped
/// macroblocks takes 30 to 150 with its headers, an MPEG-2 one 300 in SD.
const TINY: u64 = 400;

/// So does one of this part of its group's first: MPEG-2 in HD takes 600 bytes in 68 slices, and
/// 150 kB for the first picture.
const TINY_PART: u64 = 200;

/// Pictures of one size that begin groups differ by less than this factor.
const SAME_ENTRY: u64 = 2;

/// Follows one video stream.
#[derive(Debug, Default)]
pub(super) struct Stillness {
    /// Bytes of the picture that the group on hand began with.
    entry: Option<u64>,
    /// Since when, in ticks, all was tiny.
    since: Option<i64>,
    time: i64,
    /// Whether all of the group was tiny so far.
    is_group_still: bool,
}

impl Stillness {
    /// Takes the picture that ends at `time`, in ticks.
    pub(super) fn handle(&mut self, picture: &Picture, time: i64) {
        let moves = if picture.is_entry {
            self.is_group_still = true;
            let before = self.entry.replace(picture.bytes);
            before
                .is_none_or(|before| before.abs_diff(picture.bytes) * SAME_ENTRY > before.max(picture.bytes))
        } else {
            let entry = self.entry.unwrap_or(0);
            let moves = picture.bytes > TINY.max(entry / TINY_PART);
            self.is_group_still &= !moves;
            moves
        };
        if moves {
            self.since = Some(time);
        }
        self.time = time;
    }

    /// Whether nothing moves in the group on hand.
    pub(super) fn is_group_still(&self) -> bool {
        self.is_group_still
    }

    /// For how long nothing has moved.
    pub(super) fn still(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| ticks_to_duration(self.time - since))
    }
}
