//! The index of a channel's store: what lies where, how long it is kept, where a viewer begins, and
//! what becomes of one who falls behind.
//!
//! The store is the stream itself: byte `n` of the store is byte `n` of everything the channel has
//! sent since it opened. So an offset is an absolute number that never comes again, and because
//! only whole packets are stored, every offset here is a multiple of [`PACKET_SIZE`]. The writer
//! never waits for a reader: what has left the window is gone, and a [`Cursor`] that pointed there
//! moves on to the newest random access point.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::{MediaTime, duration_to_ticks};
use crate::ts::PACKET_SIZE;
use crate::ts::random_access::RandomAccess;
use crate::ts::splice::AccessPoint;

/// The largest chunk: what is worth one write to a socket (349 packets, just over 64 KiB), in
/// bytes.
pub const MAX_CHUNK: u64 = 349 * PACKET_SIZE as u64;

/// A stretch of the store: whole packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Where it begins.
    pub start: u64,
    /// Where it ends: the start of the next one.
    pub end: u64,
    /// The media time when it was written.
    pub time: MediaTime,
    /// Set when it begins with PAT, PMT and a random access point, whose mark this is.
    pub entry: Option<AccessPoint>,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Media time behind the newest. A group of pictures that is longer is kept whole all the same,
    /// within the bytes.
    pub span: Duration,
    /// Bytes; this limit holds whatever else is said.
    pub bytes: u64,
}

/// What a reader needs to know of the window: plain numbers, to be handed around.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edges {
    /// The first byte that is still there.
    pub tail: u64,
    /// The end of what has been written.
    pub head: u64,
    /// Where a new viewer begins.
    pub join: Option<u64>,
    /// The newest random access point.
    pub newest_entry: Option<u64>,
}

/// The index.
#[derive(Debug)]
pub struct StoreIndex {
    limits: Limits,
    /// How much of what was written is ahead of time.
    ahead: Duration,
    chunks: VecDeque<Chunk>,
    head: u64,
}

impl StoreIndex {
    /// An index of an empty store.
    pub fn new(limits: Limits) -> Self {
        Self::starting_at(limits, 0)
    }

    /// An index of a store whose first byte has the offset `head`, which is a multiple of
    /// [`PACKET_SIZE`].
    pub fn starting_at(limits: Limits, head: u64) -> Self {
        Self { limits, ahead: Duration::ZERO, chunks: VecDeque::new(), head }
    }

    /// Changes what is kept, from the next append on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// So much media is ahead of time, with what is appended next. Viewers play by the clock, so
    /// the window and the place where they begin are counted from what is due.
    pub fn set_ahead(&mut self, ahead: Duration) {
        self.ahead = ahead;
    }

    /// Enters `length` bytes that were written at the head, with `marks` at offsets in them, when
    /// the output was at `position`; more of the same time is entered with what came before; lets
    /// go of what is beyond the limits, and returns the number of new chunks.
    pub fn append(&mut self, length: usize, points: &[AccessPoint], position: MediaTime) -> usize {
        debug_assert!(length.is_multiple_of(PACKET_SIZE), "only whole packets are stored");
        let before = self.chunks.len();
        let base = self.head;
        let end = base + length as u64;
        let mut points = points.iter().peekable();
        // What keeps connections alive comes in small pieces, without an end, and at one and the
        // same time.
        if let Some(last) = self.chunks.back_mut().filter(|last| last.time == position) {
            let next_point = points.peek().map_or(end, |point| base + point.at as u64);
            // Never beyond a point, which begins a chunk of its own.
            last.end = end.min(next_point).min(last.start + MAX_CHUNK).max(last.end);
            self.head = last.end;
        }
        let mut entry = None;
        let mut time = position;
        while self.head < end || points.peek().is_some_and(|point| base + point.at as u64 == self.head) {
            // Of several points at one place the last one counts.
            while let Some(point) = points.next_if(|point| base + point.at as u64 <= self.head) {
                (entry, time) = (Some(*point), point.time);
            }
            let next_point = points.peek().map_or(end, |point| base + point.at as u64);
            let chunk_end = end.min(next_point).min(self.head + MAX_CHUNK);
            self.chunks.push_back(Chunk { start: self.head, end: chunk_end, time, entry: entry.take() });
            self.head = chunk_end;
        }
        let added = self.chunks.len() - before;
        self.trim();
        added.min(self.chunks.len())
    }

    fn trim(&mut self) {
        let Some(newest) = self.chunks.back().map(|chunk| chunk.time) else { return };
        let newest_entry = self.newest_entry();
        while let Some(first) = self.chunks.front() {
            let is_old = newest.since(first.time) > self.limits.span + self.ahead;
            // The newest point stays, however old: a viewer has nothing else to begin with.
            let is_needed = newest_entry.is_some_and(|entry| first.end > entry);
            let is_over = self.head - first.start > self.limits.bytes;
            if !(is_over || is_old && !is_needed) {
                break;
            }
            self.chunks.pop_front();
        }
    }

    fn newest_entry(&self) -> Option<u64> {
        self.chunks.iter().rev().find(|chunk| chunk.entry.is_some()).map(|chunk| chunk.start)
    }

    /// The first byte that is still there.
    pub fn tail(&self) -> u64 {
        self.chunks.front().map_or(self.head, |chunk| chunk.start)
    }

    /// The end of what has been written.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Memory that the index takes, in bytes.
    pub fn memory(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Media time from the oldest chunk to the newest.
    pub fn span(&self) -> Duration {
        match (self.chunks.front(), self.chunks.back()) {
            (Some(first), Some(last)) => last.time.since(first.time),
            _ => Duration::ZERO,
        }
    }

    /// The chunks, the newest first.
    fn newest(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter().rev()
    }

    /// The media time when something was last written.
    pub fn position(&self) -> MediaTime {
        self.chunks.back().map(|chunk| chunk.time).unwrap_or_default()
    }

    /// The random access points, the oldest first.
    pub fn entries(&self) -> impl Iterator<Item = (u64, AccessPoint)> {
        self.chunks.iter().filter_map(|chunk| Some((chunk.start, chunk.entry?)))
    }

    /// The window for readers; a new viewer begins at the random access point whose distance from
    /// what is due is nearest to `burst`: a key picture, as long as there is one in the window.
    pub fn edges(&self, burst: Duration) -> Edges {
        let burst = burst + self.ahead;
        let newest = self.position();
        // By the distance to what is wanted, to either side.
        let off = |chunk: &Chunk| (newest.ticks() - chunk.time.ticks() - duration_to_ticks(burst)).abs();
        let rank = |point: AccessPoint, chunk: &Chunk| (point.kind == RandomAccess::Blind, off(chunk));
        let join = self.newest().filter_map(|chunk| Some((chunk, rank(chunk.entry?, chunk))));
        let join = join.min_by_key(|&(_, rank)| rank).map(|(chunk, _)| chunk);
        Edges {
            tail: self.tail(),
            head: self.head,
            join: join.map(|chunk| chunk.start),
            newest_entry: self.newest_entry(),
        }
    }
}

/// What a reader does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Wait until more has been written.
    Wait,
    /// Send the bytes from `start` to `end`, then [`Cursor::advance`].
    Read {
        /// The first byte.
        start: u64,
        /// The end; at most [`MAX_CHUNK`] further.
        end: u64,
    },
    /// The reader fell out of the window and has been moved on; ask again.
    Skipped {
        /// Bytes that it will never see.
        missed: u64,
    },
}

/// A reader's place in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// `None` until there is a random access point to begin at.
    at: Option<u64>,
}

impl Cursor {
    /// What to do next.
    pub fn step(&mut self, edges: &Edges) -> Step {
        let Some(at) = self.at else {
            self.at = edges.join;
            return if self.at.is_some() { self.step(edges) } else { Step::Wait };
        };
        // Asked before anything is read: what lies there is overwritten.
        if at < edges.tail {
            // Wherever it goes on, that is a random access point; without one in the window, the
            // next to come.
            self.at = edges.newest_entry;
            return Step::Skipped { missed: edges.newest_entry.unwrap_or(edges.head) - at };
        }
        if at < edges.head {
            Step::Read { start: at, end: edges.head.min(at + MAX_CHUNK) }
        } else {
            Step::Wait
        }
    }

    /// Goes on to `end`.
    pub fn advance(&mut self, end: u64) {
        self.at = Some(end);
    }

    /// The end of what was read; `None` before the first byte.
    pub fn position(&self) -> Option<u64> {
        self.at
    }

    /// Bytes between the cursor and the head.
    pub fn behind(&self, edges: &Edges) -> u64 {
        self.at.map_or(0, |at| edges.head.saturating_sub(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::splice::Boundary;

    const P: usize = PACKET_SIZE;

    fn index(seconds: u64, packets: usize) -> StoreIndex {
        StoreIndex::new(Limits { span: Duration::from_secs(seconds), bytes: (packets * P) as u64 })
    }

    fn point(packet: usize, second: i64) -> AccessPoint {
        let time = MediaTime::new(second * 90_000);
        AccessPoint {
            at: packet * P,
            kind: RandomAccess::Idr,
            time,
            shown: time,
            boundary: Boundary::Continued,
        }
    }

    /// One group of pictures of ten packets a second, for the seconds given.
    fn fill(index: &mut StoreIndex, seconds: std::ops::Range<i64>) {
        for second in seconds {
            index.append(10 * P, &[point(0, second)], MediaTime::new(second * 90_000));
        }
    }

    fn packets(offset: u64) -> u64 {
        assert!(offset.is_multiple_of(P as u64));
        offset / P as u64
    }

    #[test]
    fn chunks_are_cut_at_random_access_points_and_at_their_size() {
        let mut index = index(60, 10_000);
        let added = index.append(1000 * P, &[point(100, 1), point(400, 2)], MediaTime::new(0));
        let cuts: Vec<(u64, bool)> =
            index.chunks.iter().map(|c| (packets(c.start), c.entry.is_some())).collect();
        assert_eq!(cuts, [(0, false), (100, true), (400, true), (749, false)]);
        assert_eq!((added, packets(index.head())), (4, 1000));
        assert_eq!(index.chunks[1].time, MediaTime::new(90_000));
        assert_eq!(index.append(0, &[], MediaTime::new(0)), 0);
    }

    #[test]
    fn a_viewer_begins_near_the_burst() {
        let mut index = index(60, 10_000);
        assert_eq!(index.edges(Duration::from_secs(2)).join, None);
        fill(&mut index, 0..10);
        let join = |burst| packets(index.edges(Duration::from_secs(burst)).join.unwrap()) / 10;
        assert_eq!((join(0), join(2), join(3), join(100)), (9, 7, 6, 0));
    }

    #[test]
    fn a_viewer_begins_at_a_key_picture_while_there_is_one() {
        let mut index = index(60, 10_000);
        let blind = |second| AccessPoint { kind: RandomAccess::Blind, ..point(0, second) };
        let join = |index: &StoreIndex| packets(index.edges(Duration::from_secs(2)).join.unwrap()) / 10;
        index.append(10 * P, &[blind(0)], MediaTime::new(0));
        assert_eq!(join(&index), 0, "there is nothing better");
        fill(&mut index, 1..2);
        for second in 2..20 {
            index.append(10 * P, &[blind(second)], MediaTime::new(second * 90_000));
            assert_eq!(join(&index), 1);
        }
        fill(&mut index, 20..21);
        assert_eq!(join(&index), 20);
    }

    #[test]
    fn what_is_ahead_of_time_is_no_past() {
        let mut index = index(3, 10_000);
        index.set_ahead(Duration::from_secs(6));
        fill(&mut index, 0..20);
        let join = |index: &StoreIndex| packets(index.edges(Duration::from_secs(2)).join.unwrap()) / 10;
        assert_eq!((join(&index), packets(index.tail()) / 10), (11, 10));
        index.set_ahead(Duration::ZERO);
        fill(&mut index, 20..21);
        assert_eq!((join(&index), packets(index.tail()) / 10), (18, 17));
    }

    #[test]
    fn the_window_is_bounded_in_time_and_in_bytes() {
        let mut by_time = index(3, 10_000);
        fill(&mut by_time, 0..10);
        assert_eq!((packets(by_time.tail()), packets(by_time.head())), (60, 100));
        let mut by_bytes = index(60, 25);
        fill(&mut by_bytes, 0..10);
        assert_eq!(packets(by_bytes.tail()), 80);
    }

    #[test]
    fn a_long_group_of_pictures_is_kept_within_the_bytes() {
        let mut index = index(3, 100);
        index.append(10 * P, &[point(0, 0)], MediaTime::new(0));
        for second in 1..8 {
            index.append(10 * P, &[], MediaTime::new(second * 90_000));
        }
        assert_eq!(index.tail(), 0);
        for second in 8..20 {
            index.append(10 * P, &[], MediaTime::new(second * 90_000));
        }
        assert_eq!(
            packets(index.head() - index.tail()),
            40,
            "without a random access point the time limit holds"
        );
        assert_eq!(index.edges(Duration::ZERO).join, None);
    }

    #[test]
    fn a_cursor_reads_waits_and_is_moved_on() {
        let mut index = index(3, 10_000);
        let mut cursor = Cursor::default();
        let burst = Duration::from_secs(1);
        assert_eq!(cursor.step(&index.edges(burst)), Step::Wait);
        fill(&mut index, 0..3);
        let Step::Read { start, end } = cursor.step(&index.edges(burst)) else {
            panic!("there is something to read")
        };
        assert_eq!((packets(start), packets(end)), (10, 30));
        cursor.advance(end);
        assert_eq!(cursor.step(&index.edges(burst)), Step::Wait);
        fill(&mut index, 3..20);
        assert_eq!(cursor.step(&index.edges(burst)), Step::Skipped { missed: 160 * P as u64 });
        let Step::Read { start, .. } = cursor.step(&index.edges(burst)) else { panic!("it goes on") };
        assert_eq!(packets(start), 190);
    }

    #[test]
    fn a_cursor_without_a_random_access_point_ahead_waits_for_the_next() {
        let mut cursor = Cursor { at: Some(0) };
        let edges = Edges { tail: 188, head: 1880, join: None, newest_entry: None };
        assert_eq!(cursor.step(&edges), Step::Skipped { missed: 1880 });
        assert_eq!(cursor.step(&edges), Step::Wait);
        let edges = Edges { join: Some(940), newest_entry: Some(940), ..edges };
        assert_eq!(cursor.step(&edges), Step::Read { start: 940, end: 1880 });
    }
}
