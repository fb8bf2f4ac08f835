//! Puts the PES packets of both renditions in the order of their decoding.

use std::collections::VecDeque;
use std::time::Duration;

use super::mux::Item;
use super::{Counts, Rendition};
use crate::time::{MediaTime, Pts, Unwrapped, duration_to_ticks};

/// How far one rendition may be ahead of the other before it is no longer waited for: three segments of ten seconds, since players and
/// relays begin that far from the end.
const MAX_AHEAD: Duration = Duration::from_secs(30);

/// Bytes that are held back at most: [`MAX_AHEAD`] of 16 Mbit/s.
const MAX_HELD: usize = 64 << 20;

/// What is held back, stream by stream.
#[derive(Debug, Default)]
pub(super) struct Merge {
    queues: Vec<VecDeque<Item>>,
    line: Unwrapped,
    /// Up to where each rendition has come.
    ends: [Option<MediaTime>; 2],
    /// Where the main rendition began: sound in front of it has no picture.
    begin: Option<MediaTime>,
    held: usize,
}

impl Merge {
    /// Bytes that are held back.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Where the main rendition began.
    pub(super) fn begin(&self) -> Option<MediaTime> {
        self.begin
    }

    /// The place of a time stamp on the line that both renditions share.
    pub(super) fn place(&mut self, time: Pts) -> MediaTime {
        self.line.place(time)
    }

    /// Another timeline begins. Everything has been taken.
    pub(super) fn reset(&mut self) {
        debug_assert!(self.held == 0, "what is held is taken first");
        self.line = Unwrapped::default();
        self.ends = [None; 2];
        self.begin = None;
    }

    /// Takes an item of a rendition.
    pub(super) fn push(&mut self, rendition: Rendition, item: Item) {
        if rendition == Rendition::Main {
            self.begin.get_or_insert(item.time);
        }
        self.ends[rendition as usize] = Some(item.time);
        if self.queues.len() <= item.stream {
            self.queues.resize_with(item.stream + 1, VecDeque::new);
        }
        self.held += cost(&item);
        self.queues[item.stream].push_back(item);
    }

    /// The next item; with `awaits`, none that the other rendition may yet have something in front of, unless that has been waited for too
    /// long.
    pub(super) fn pop(&mut self, awaits: bool, counts: &mut Counts) -> Option<Item> {
        let heads = self.queues.iter().enumerate();
        let heads = heads.filter_map(|(stream, queue)| Some((queue.front()?.time, stream)));
        let (time, stream) = heads.min()?;
        let [main, audio] = self.ends;
        let is_reached = |end: Option<MediaTime>| end.is_some_and(|end| end >= time);
        if awaits && !(is_reached(main) && is_reached(audio)) {
            let furthest = main.max(audio).unwrap_or(time);
            let is_patient = furthest.since(time) <= MAX_AHEAD && self.held <= MAX_HELD;
            if is_patient {
                return None;
            }
            counts.unmatched += 1;
        }
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
            let behind = clock.ticks() - time.ticks();
            (1..duration_to_ticks(MAX_AHEAD)).contains(&behind)
        })
}
