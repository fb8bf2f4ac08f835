//! Reads along with a candidate or a standby, until it has a picture to become active with.
//!
//! The scout runs the source through a splice stage of its own, whose output nobody sees, and holds
//! what has come since the last random access point. When the source is wanted, the channel's own
//! stage takes all of that at once: so the source becomes active with a whole picture that a viewer
//! can start with, at once, and nothing that it sent before is seen.

use super::demux;
use super::packet::{Bytes, PACKET_SIZE, Packet};
use super::random_access::RandomAccess;
use super::splice::Splice;
use crate::time::MediaTime;

/// Packets that are held at most: 16 MiB, a group of pictures of 6 s at 20 Mbit/s. A group that
/// takes more is let go of, and the next one waited for.
const MAX_HELD: usize = (16 << 20) / PACKET_SIZE;

/// A source that is not active yet.
#[derive(Debug)]
pub struct Scout {
    splice: Splice,
    held: Vec<Bytes>,
    /// Where in it the last random access point was complete: the next one's picture begins there,
    /// or behind.
    complete_at: usize,
    /// What the held stretch can begin with.
    entry: Option<RandomAccess>,
}

impl Scout {
    /// Looks at a source; `program` chooses one of several programmes by its number.
    pub fn new(program: Option<u16>) -> Self {
        Self { splice: Splice::new(program), held: Vec::new(), complete_at: 0, entry: None }
    }

    /// Has what is scrambled count as if it could be read, and pass when the source is active.
    #[must_use]
    pub fn passing_scrambled(mut self, passes: bool) -> Self {
        self.splice.pass_scrambled(passes);
        self
    }

    /// Takes packets of the source; true when a picture that a viewer can start with has become
    /// whole.
    pub fn push(&mut self, packets: &[Bytes]) -> bool {
        let mut is_new = false;
        for packet in packets {
            self.splice.push(std::slice::from_ref(packet));
            if self.splice.is_part(Packet::new(packet).pid()) {
                self.held.push(*packet);
            }
            is_new |= self.note_entry();
        }
        if self.held.len() > MAX_HELD {
            // Tables may be among it, which the next picture needs: some stay.
            self.held.drain(..self.held.len() - MAX_HELD / 2);
            (self.complete_at, self.entry) = (0, None);
        }
        is_new
    }

    /// The run of bytes is complete, and with it all that was not; true when that was a picture
    /// that a viewer can start with, the first one.
    pub fn finish(&mut self) -> bool {
        let had_picture = self.has_picture();
        self.splice.finish();
        self.note_entry() && !had_picture
    }

    /// Looks whether a random access point has become whole with the last packet.
    fn note_entry(&mut self) -> bool {
        let (output, points) = self.splice.output();
        // Where the next good point is long in coming, the last one is better than a lesser one.
        let is_better = |entry: RandomAccess| {
            entry != RandomAccess::Blind || matches!(self.entry, None | Some(RandomAccess::Blind))
        };
        let entry = points.last().map(|point| point.kind).filter(|&entry| is_better(entry));
        if !output.is_empty() {
            self.splice.clear(0);
        }
        if entry.is_some() {
            self.entry = entry;
            // Of the group before, only the packet stays that completed its first picture: it may
            // be the next one's beginning.
            self.held.drain(..std::mem::take(&mut self.complete_at));
            self.complete_at = self.held.len().saturating_sub(1);
        }
        entry.is_some()
    }

    /// A part of the source is complete: see [`Splice::cut`].
    pub fn cut(&mut self) {
        self.splice.cut();
    }

    /// Another run of bytes begins: see [`Splice::begin`].
    pub fn begin(&mut self) {
        self.splice.begin();
        self.splice.clear(0);
        self.held.clear();
        (self.complete_at, self.entry) = (0, None);
    }

    /// Whether a picture is held that a viewer can start with: not before the first of this run of
    /// bytes, nor while a group is too long to be held.
    pub fn has_picture(&self) -> bool {
        self.entry.is_some()
    }

    /// See [`Splice::take_progress`].
    pub fn take_progress(&mut self) -> bool {
        self.splice.take_progress()
    }

    /// See [`Splice::reached`].
    pub fn reached(&self) -> Option<MediaTime> {
        self.splice.reached()
    }

    /// Counts of the source.
    pub fn input_counts(&self) -> demux::Counts {
        self.splice.input_counts()
    }

    /// Memory that it takes, in bytes.
    pub fn memory(&self) -> usize {
        self.splice.memory() + self.held.capacity() * PACKET_SIZE
    }

    /// Makes the source active in `splice`: its last random access point and all that has come
    /// since.
    pub fn hand_over(mut self, splice: &mut Splice) {
        splice.adopt(&mut self.splice, self.entry.unwrap_or(RandomAccess::Idr));
        splice.push(&self.held);
        splice.end_adoption();
    }
}

#[cfg(test)]
mod tests;
