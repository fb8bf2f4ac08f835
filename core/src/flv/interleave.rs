//! Puts pictures and sound in the order of decoding.

use std::collections::VecDeque;

use super::{MAX_APART, Tag};
use crate::time::duration_to_ticks;

/// Bytes that wait at most, whatever the times say.
const MAX_HELD: usize = 16 << 20;

/// Tags that wait for the other stream, each with its time in ticks of 90 kHz.
#[derive(Debug, Default)]
pub(super) struct Interleave {
    pictures: VecDeque<(i64, Tag)>,
    sound: VecDeque<(i64, Tag)>,
    held: usize,
}

impl Interleave {
    /// Takes a tag.
    pub(super) fn push(&mut self, time: i64, tag: Tag) {
        self.held += tag.body.len();
        let queue = if tag.content.is_of_pictures() { &mut self.pictures } else { &mut self.sound };
        queue.push_back((time, tag));
    }

    /// The next tag, once nothing can come before it. `is_alone` says that there is one stream only.
    pub(super) fn pop(&mut self, is_alone: bool) -> Option<(i64, Tag)> {
        let (queue, other) = match (self.pictures.front(), self.sound.front()) {
            (Some((picture, _)), Some((sound, _))) if picture <= sound => (&mut self.pictures, true),
            (Some(_) | None, Some(_)) => (&mut self.sound, !self.pictures.is_empty()),
            (Some(_), None) => (&mut self.pictures, false),
            (None, None) => return None,
        };
        let (first, last) = (queue.front()?.0, queue.back()?.0);
        let is_late = last - first > duration_to_ticks(MAX_APART);
        if !(is_alone || other || is_late || self.held > MAX_HELD) {
            return None;
        }
        let next = queue.pop_front();
        self.held -= next.as_ref().map_or(0, |(_, tag)| tag.body.len());
        next
    }
}
