//! Puts the PES packets of both renditions in the order of their decoding.

use std::collections::VecDeque;
use std::time::Duration;

use super::mux::Item;
use super::{Counts, Rendition};
use crate::time::{MediaTime, Pts, Unwrapped, duration_to_ticks};

/// How far one rendition may be ahead of the other before it is no longer waited for: three
/// segments of ten seconds, since players and relays begin that far from the end.
const MAX_AHEAD: Duration = Duration::from_secs(30);

/// Bytes that are held back at most: [`MAX_AHEAD`] of 16 Mbit/s.
const MAX_HELD: usize = 64 << 20;

/// How the picture and separate sound go together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pairing {
    /// It is not known where they begin: all is held back.
    Unknown,
    /// What comes of one is held back until the other has come so far.
    #[default]
    InStep,
    /// There is no sound now, and nothing waits for it.
    PictureAlone,
}

/// What has come of a rendition, in decoding times on the line that both share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The first.
    pub begin: MediaTime,
    /// The last.
    pub end: MediaTime,
}

impl Extent {
    /// How long it is.
    pub fn duration(self) -> Duration {
        self.end.since(self.begin)
    }
}

/// What is held back, stream by stream.
#[derive(Debug, Default)]
pub(super) struct Merge {
    queues: Vec<VecDeque<Item>>,
    line: Unwrapped,
    /// What has come of each rendition. Sound in front of the main rendition has no picture.
    extents: [Option<Extent>; 2],
    /// Up to where it was passed on.
    passed: Option<MediaTime>,
    /// Up to where nothing waits for the other rendition.
    released: Option<MediaTime>,
    pairing: Pairing,
    held: usize,
}

impl Merge {
    /// Bytes that are held back.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Where the main rendition began.
    pub(super) fn begin(&self) -> Option<MediaTime> {
        self.extents[Rendition::Main as usize].map(|extent| extent.begin)
    }

    /// What has come of each rendition.
    pub(super) fn extents(&self) -> [Option<Extent>; 2] {
        self.extents
    }

    /// Up to where it was passed on.
    pub(super) fn passed(&self) -> Option<MediaTime> {
        self.passed
    }

    /// From now on the renditions go together like this; in any case so much more goes out as it
    /// is.
    pub(super) fn set_pairing(&mut self, pairing: Pairing, least: Duration) {
        self.pairing = pairing;
        let heads = self.queues.iter().filter_map(VecDeque::front).map(|item| item.time);
        // From the first that is held: time that has passed already needs no release.
        if let (Some(first), false) = (heads.min(), least.is_zero()) {
            self.released = Some(first.shifted(duration_to_ticks(least)));
        }
    }

    /// Whether anything of these streams is held back.
    pub(super) fn holds(&self, is_of: impl Fn(usize) -> bool) -> bool {
        self.queues.iter().enumerate().any(|(stream, queue)| !queue.is_empty() && is_of(stream))
    }

    /// Drops what is held of these streams, which are those of a rendition: it comes from elsewhere
    /// from now on.
    pub(super) fn discard(&mut self, rendition: Rendition, is_of: impl Fn(usize) -> bool) {
        self.extents[rendition as usize] = None;
        self.drop_held(is_of, |_| true);
    }

    /// What comes of these streams, which are those of the sound, does not follow what came. Drops
    /// what is held of them so far ahead of the pictures that it is of another timeline, and
    /// forgets it.
    pub(super) fn break_off(&mut self, rendition: Rendition, is_of: impl Fn(usize) -> bool) {
        let Some(main) = self.extents[Rendition::Main as usize] else { return };
        // Behind a jump of the sound alone, stamps far ahead are of the time before.
        let is_stray = |time: MediaTime| time.since(main.end) > MAX_AHEAD;
        self.drop_held(is_of, |item| is_stray(item.time));
        let extent = &mut self.extents[rendition as usize];
        *extent = extent.filter(|extent| !is_stray(extent.begin));
    }

    fn drop_held(&mut self, is_of: impl Fn(usize) -> bool, is_void: impl Fn(&Item) -> bool) {
        for (_, queue) in self.queues.iter_mut().enumerate().filter(|(stream, _)| is_of(*stream)) {
            queue.retain(|item| {
                let is_kept = !is_void(item);
                self.held -= if is_kept { 0 } else { cost(item) };
                is_kept
            });
        }
    }

    /// The place of a time stamp on the line that both renditions share.
    pub(super) fn place(&mut self, time: Pts) -> MediaTime {
        self.line.place(time)
    }

    /// Another timeline begins. Everything has been taken.
    pub(super) fn reset(&mut self) {
        // Items of the old timeline would be compared with stamps of the new one.
        debug_assert!(self.held == 0, "what is held is taken first");
        self.line = Unwrapped::default();
        self.extents = [None; 2];
        (self.passed, self.released) = (None, None);
    }

    /// Takes an item of a rendition.
    pub(super) fn push(&mut self, rendition: Rendition, item: Item) {
        let extent = &mut self.extents[rendition as usize];
        let begin = extent.map_or(item.time, |extent| extent.begin);
        *extent = Some(Extent { begin, end: item.time });
        // Streams are numbered as they are declared, and some never come.
        if self.queues.len() <= item.stream {
            self.queues.resize_with(item.stream + 1, VecDeque::new);
        }
        self.held += cost(&item);
        self.queues[item.stream].push_back(item);
    }

    /// The next item; with `awaits`, none that the other rendition may yet have something in front
    /// of, unless that has been waited for too long.
    pub(super) fn pop(&mut self, awaits: bool, counts: &mut Counts) -> Option<Item> {
        let heads = self.queues.iter().enumerate();
        let heads = heads.filter_map(|(stream, queue)| Some((queue.front()?.time, stream)));
        // By time, and by number where times are equal, so that the order is always the same.
        let (time, stream) = heads.min()?;
        let [main, audio] = self.extents.map(|extent| extent.map(|extent| extent.end));
        let is_reached = |end: Option<MediaTime>| end.is_some_and(|end| end >= time);
        let is_free = match self.pairing {
            Pairing::PictureAlone => true,
            Pairing::InStep => is_reached(main) && is_reached(audio),
            Pairing::Unknown => false,
        };
        let is_released = self.released.is_some_and(|end| time <= end);
        if awaits && !is_free && !is_released {
            let furthest = main.max(audio).unwrap_or(time);
            // Sound that is away for long must not stop the picture for ever.
            let is_patient = furthest.since(time) <= MAX_AHEAD && self.held <= MAX_HELD;
            if is_patient {
                return None;
            }
            counts.unmatched += 1;
        }
        // Never back: what was waited for too long comes late, and moves nothing.
        self.passed = self.passed.max(Some(time));
        let item = self.queues[stream].pop_front()?;
        self.held -= cost(&item);
        Some(item)
    }
}

/// Memory that an item takes.
fn cost(item: &Item) -> usize {
    item.bytes.capacity() + size_of::<Item>()
}

/// Whether the item is sound of its own rendition that comes too early or too late to be heard.
pub(super) fn is_out_of_time(time: MediaTime, begin: Option<MediaTime>, clock: Option<MediaTime>) -> bool {
    begin.is_some_and(|begin| time < begin)
        || clock.is_some_and(|clock| {
            // Only a little behind is too late to be heard; far behind is another timeline.
            let behind = clock.ticks() - time.ticks();
            (1..duration_to_ticks(MAX_AHEAD)).contains(&behind)
        })
}

#[cfg(test)]
mod tests;
