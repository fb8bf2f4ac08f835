//! A file that comes in pieces from elsewhere: which of its bytes are there, and which are fetched
//! next.

use std::collections::BTreeMap;
use std::ops::Range;

/// How far ahead of a reader the file is fetched: some seconds of the best pictures, so that a
/// pause of the platform is not noticed.
pub const READ_AHEAD: u64 = 16 << 20;

/// The least bytes that are fetched at once, where the file has them: players ask for a few bytes
/// here and there, and go on behind those.
pub const SMALLEST_FETCH: u64 = 256 << 10;

/// A reader of a reel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReaderId(u64);

/// The bytes that are there, and those that readers want.
#[derive(Debug)]
pub struct Reel {
    length: u64,
    /// Runs of bytes that are there, by where they begin: where each ends. No two of them touch.
    present: BTreeMap<u64, u64>,
    readers: BTreeMap<ReaderId, Range<u64>>,
    /// Readers so far.
    count: u64,
}

impl Reel {
    /// A file of this length, of which nothing is there.
    pub fn new(length: u64) -> Self {
        Self { length, present: BTreeMap::new(), readers: BTreeMap::new(), count: 0 }
    }

    /// Bytes of the whole file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Somebody wants to read this range, from its beginning on.
    pub fn add_reader(&mut self, range: Range<u64>) -> ReaderId {
        self.count += 1;
        let id = ReaderId(self.count);
        self.readers.insert(id, range.start..range.end.min(self.length));
        id
    }

    /// A reader has come to this place.
    pub fn move_reader(&mut self, id: ReaderId, at: u64) {
        if let Some(range) = self.readers.get_mut(&id) {
            range.start = at.min(range.end);
        }
    }

    /// A reader has gone.
    pub fn remove_reader(&mut self, id: ReaderId) {
        self.readers.remove(&id);
    }

    /// Whether somebody reads.
    pub fn is_read(&self) -> bool {
        !self.readers.is_empty()
    }

    /// The end of the bytes that are there from `at` on; `at` itself where there are none.
    pub fn readable_to(&self, at: u64) -> u64 {
        match self.present.range(..=at).next_back() {
            Some((_, &end)) if end > at => end,
            _ => at,
        }
    }

    /// These bytes are there from now on.
    pub fn note(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let Range { mut start, mut end } = range;
        // Those that it touches become one with it.
        while let Some((&other, &other_end)) = self.present.range(..=end).next_back()
            && other_end >= start
        {
            self.present.remove(&other);
            (start, end) = (start.min(other), end.max(other_end));
        }
        self.present.insert(start, end);
    }

    /// Whether a reader waits for bytes from `at` on, or will soon. A fetch that was begun at the end
    /// of what is read ahead may go as far again: readers move on, and a new request costs more than
    /// the rest of this one.
    pub fn is_wanted(&self, at: u64) -> bool {
        let wants = |range: &Range<u64>| {
            let ahead = range.start.saturating_add(2 * READ_AHEAD);
            range.start <= at && at < range.end.min(ahead)
        };
        self.readers.values().any(wants)
    }

    /// The bytes that are fetched next, at most so many: for the reader who has least before him.
    pub fn next_fetch(&self, most: u64) -> Option<Range<u64>> {
        let lacking = self.readers.values().filter_map(|range| {
            let from = self.readable_to(range.start);
            let wanted = range.end.min(range.start.saturating_add(READ_AHEAD));
            (from < wanted).then_some((from - range.start, from, range.end))
        });
        let (_, from, end) = lacking.min_by_key(|&(lead, from, _)| (lead, from))?;
        let end = end.max(from.saturating_add(SMALLEST_FETCH)).min(self.length);
        let known = self.present.range(from..).next().map_or(end, |(&next, _)| next);
        Some(from..end.min(known).min(from.saturating_add(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn bytes_that_come_are_runs_that_grow_together() {
        let mut reel = Reel::new(100);
        for range in [10..20, 40..50, 20..30, 0..5] {
            reel.note(range);
        }
        assert_eq!([0, 5, 10, 29, 30, 45].map(|at| reel.readable_to(at)), [5, 5, 30, 30, 30, 50]);
        reel.note(5..40);
        reel.note(12..13);
        assert_eq!(reel.readable_to(0), 50);
        reel.note(60..60);
        assert_eq!(reel.readable_to(60), 60);
    }

    #[test]
    fn nothing_is_fetched_for_nobody_or_twice() {
        let mut reel = Reel::new(10 * MIB);
        assert_eq!(reel.next_fetch(MIB), None);
        let reader = reel.add_reader(0..u64::MAX);
        assert_eq!(reel.next_fetch(MIB), Some(0..MIB));
        reel.note(2 * MIB..3 * MIB);
        reel.note(0..MIB + 1);
        assert_eq!(reel.next_fetch(4 * MIB), Some(MIB + 1..2 * MIB), "up to what is there");
        reel.note(0..10 * MIB);
        assert_eq!(reel.next_fetch(MIB), None);
        reel.remove_reader(reader);
        assert!(!reel.is_read());
    }

    #[test]
    fn the_file_is_fetched_some_way_ahead_of_a_reader() {
        let mut reel = Reel::new(1 << 30);
        let reader = reel.add_reader(0..1 << 30);
        reel.note(0..READ_AHEAD);
        assert_eq!(reel.next_fetch(MIB), None);
        reel.move_reader(reader, 1);
        assert_eq!(reel.next_fetch(MIB), Some(READ_AHEAD..READ_AHEAD + MIB));
    }

    #[test]
    fn the_reader_who_has_least_comes_first() {
        let mut reel = Reel::new(1 << 30);
        reel.add_reader(0..1 << 30);
        reel.note(0..4 * MIB);
        reel.add_reader(500 * MIB..500 * MIB + 100);
        let end = 500 * MIB + SMALLEST_FETCH;
        assert_eq!(reel.next_fetch(MIB), Some(500 * MIB..end), "and little more than is wanted");
        assert_eq!(reel.next_fetch(1), Some(500 * MIB..500 * MIB + 1), "and no more than is allowed");
        reel.note(500 * MIB..500 * MIB + 100);
        assert_eq!(reel.next_fetch(MIB), Some(4 * MIB..5 * MIB));
        reel.add_reader((1 << 30) - 100..1 << 30);
        assert_eq!(reel.next_fetch(MIB), Some((1 << 30) - 100..1 << 30), "the file ends");
    }

    #[test]
    fn what_no_reader_waits_for_is_not_wanted() {
        let mut reel = Reel::new(1 << 30);
        assert!(!reel.is_wanted(0));
        let reader = reel.add_reader(0..1 << 30);
        reel.add_reader(500 * MIB..500 * MIB + 100);
        for (at, is_wanted) in [
            (0, true),
            (READ_AHEAD + MIB, true),
            (2 * READ_AHEAD, false),
            (500 * MIB - 1, false),
            (500 * MIB, true),
            (500 * MIB + 100, false),
        ] {
            assert_eq!(reel.is_wanted(at), is_wanted, "{at}");
        }
        reel.remove_reader(reader);
        assert!(!reel.is_wanted(0), "he has gone on elsewhere");
    }
}
