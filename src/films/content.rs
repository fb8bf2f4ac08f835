//! What a viewer is sent of a film: a head, and ranges of the file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;

use super::pages;

/// Ranges that are shorter than this on average are put together in memory: `sendfile` of single
/// samples costs more than to copy them.
const SHORT: u64 = 64 * 1024;

/// How many times the bytes that are wanted may be read to have them with one call.
const MOST_READ: u64 = 2;

/// More ranges than this are not asked about: it would take as long as to read them elsewhere.
const MOST_ASKED: usize = 64;

/// A head, and ranges of a file.
#[derive(Debug)]
pub struct Content {
    head: Bytes,
    file: Arc<File>,
    pieces: Vec<Piece>,
    length: u64,
}

/// A range of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    /// Where in the content it begins.
    begins: u64,
    range: Range<u64>,
}

/// How the bytes at some place of a content are had.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// They are in memory.
    Memory(Bytes),
    /// They are this range of the file.
    File(Range<u64>),
    /// They lie apart in the file: [`Content::read`] puts them together.
    Scattered,
}

impl Content {
    /// Bytes that [`Self::read`] reads at once: as many as a socket that has room takes.
    pub const BLOCK: u64 = 64 * 1024;

    /// A segment that has been made, of a film in this file.
    pub fn made(bytes: Bytes, file: Arc<File>) -> Self {
        Self::new(bytes, file, &[])
    }

    /// The first `length` bytes of a file.
    pub fn whole(file: Arc<File>, length: u64) -> Self {
        Self::new(Bytes::new(), file, std::slice::from_ref(&(0..length)))
    }

    /// A head, and behind it these ranges of the file.
    pub fn new(head: Bytes, file: Arc<File>, ranges: &[Range<u64>]) -> Self {
        let mut length = head.len() as u64;
        let place = |range: &Range<u64>| {
            let begins = length;
            length += range.end - range.start;
            Piece { begins, range: range.clone() }
        };
        let pieces = ranges.iter().map(place).collect();
        Self { head, file, pieces, length }
    }

    /// Bytes of all of it.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether its ranges are so short that they are better put together in memory.
    pub fn is_scattered(&self) -> bool {
        // A single range is sent by `sendfile` however
        // short it is: there is nothing to put together.
        let payload = self.length - self.head.len() as u64;
        payload / SHORT < self.pieces.len() as u64 && self.pieces.len() > 1
    }

    /// What comes at `at`, and nothing behind `end`.
    pub fn next(&self, at: u64, end: u64) -> Next {
        if at < self.head.len() as u64 {
            return Next::Memory(self.of_head(at, end));
        }
        if self.is_scattered() {
            return Next::Scattered;
        }
        // With no ranges, nothing lies behind the head: `read` tells that as an error.
        self.pieces_of(at..end).next().map_or(Next::Scattered, Next::File)
    }

    /// The next bytes of those from `at` up to `end`: at least one. Waits for the disk.
    ///
    /// # Errors
    /// When the file cannot be read, or has become shorter.
    pub fn read(&self, at: u64, end: u64) -> io::Result<Bytes> {
        if at < self.head.len() as u64 {
            return Ok(self.of_head(at, end));
        }
        self.gather(at..end.min(at.saturating_add(Self::BLOCK))).map(Bytes::from)
    }

    /// Up to `most` bytes from `at` on: at least one. Waits for the disk.
    ///
    /// # Errors
    /// As of [`Self::read`].
    pub fn read_some(&self, at: u64, most: u64) -> io::Result<Bytes> {
        self.gather(at..self.length.min(at.saturating_add(most))).map(Bytes::from)
    }

    /// All of it. Waits for the disk.
    ///
    /// # Errors
    /// As of [`Self::read`].
    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        let head = self.head.len() as u64;
        let mut all = Vec::with_capacity(usize::try_from(self.length).map_err(io::Error::other)?);
        all.extend_from_slice(&self.head);
        // In parts, since what lies between the ranges is read with them.
        let mut at = head;
        while at < self.length {
            let end = self.length.min(at + 16 * Self::BLOCK);
            all.extend(self.gather(at..end)?);
            at = end;
        }
        Ok(all)
    }

    /// Whether the bytes of this part can be read without waiting for the disk, as far as that is
    /// quickly told.
    pub fn is_loaded(&self, part: Range<u64>) -> bool {
        let near = self.near(part);
        near.len() <= MOST_ASKED && near.into_iter().all(|range| pages::are_loaded(&self.file, range))
    }

    /// Has the system read this part. Waits for the disk.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn load(&self, part: Range<u64>) -> io::Result<()> {
        self.near(part).into_iter().try_for_each(|range| pages::load(&self.file, range))
    }

    fn of_head(&self, at: u64, end: u64) -> Bytes {
        let place = |at: u64| usize::try_from(at).expect("a head is in memory");
        self.head.slice(place(at)..place(end.min(self.head.len() as u64)))
    }

    /// The ranges of the file that are this part, from its beginning on.
    fn pieces_of(&self, part: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        // By halves: a segment of a long film may have thousands of
        // samples, and this is asked for each block that is sent.
        let first = self.pieces.partition_point(|piece| piece.begins <= part.start).saturating_sub(1);
        let behind = part.end;
        let pieces = self.pieces[first.min(self.pieces.len())..].iter();
        pieces.take_while(move |piece| piece.begins < behind).map(move |piece| {
            // Of the first piece the part may begin in the middle; all others begin before it ends.
            let at = |place: u64| piece.range.start + place.saturating_sub(piece.begins);
            at(part.start)..at(behind).min(piece.range.end)
        })
    }

    /// Ranges of the file that together have this part: one if little lies between the pieces, else
    /// each piece. Gigabytes may lie between pictures and sound.
    fn near(&self, part: Range<u64>) -> Vec<Range<u64>> {
        let pieces: Vec<_> = self.pieces_of(part.clone()).collect();
        let wanted: u64 = pieces.iter().map(|range| range.end - range.start).sum();
        let span = self.span(part).filter(|span| span.end - span.start <= MOST_READ * wanted);
        span.map_or(pieces, |span| vec![span])
    }

    /// From the first to the last byte of this part in the file; `None` where it has none.
    fn span(&self, part: Range<u64>) -> Option<Range<u64>> {
        let ends = |(begin, end): (u64, u64), range: Range<u64>| (begin.min(range.start), end.max(range.end));
        let (begin, end) = self.pieces_of(part).fold((u64::MAX, 0), ends);
        (begin < end).then_some(begin..end)
    }

    fn gather(&self, part: Range<u64>) -> io::Result<Vec<u8>> {
        let wanted = part.end - part.start;
        let span = self.span(part.clone()).ok_or(io::ErrorKind::UnexpectedEof)?;
        // Gaps are closed within the buffer, from its beginning on:
        // what is out of order would be overwritten before it is moved.
        if span.end - span.start <= MOST_READ * wanted && self.is_in_order(part.clone()) {
            return self.gather_span(part, span);
        }
        let mut bytes = vec![0; usize::try_from(wanted).map_err(io::Error::other)?];
        let mut rest = &mut bytes[..];
        for range in self.pieces_of(part) {
            let (piece, tail) = rest.split_at_mut(size(&range));
            // At a place, not from the file's own position:
            // all viewers of a film share the one descriptor.
            self.file.read_exact_at(piece, range.start)?;
            rest = tail;
        }
        Ok(bytes)
    }

    fn is_in_order(&self, part: Range<u64>) -> bool {
        self.pieces_of(part.clone()).zip(self.pieces_of(part).skip(1)).all(|(a, b)| a.end <= b.start)
    }

    /// Reads what lies between the ranges, too, and closes the gaps: one call instead of many.
    fn gather_span(&self, part: Range<u64>, span: Range<u64>) -> io::Result<Vec<u8>> {
        let mut bytes = pages::read(&self.file, span.clone())?;
        let mut length = 0;
        for range in self.pieces_of(part) {
            let from = usize::try_from(range.start - span.start).map_err(io::Error::other)?;
            bytes.copy_within(from..from + size(&range), length);
            length += size(&range);
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn size(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).expect("what is gathered is in memory")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    /// All bytes of each part, by [`Content::next`] and by [`Content::read`].
    fn assert_parts(content: &Content, whole: &[u8]) {
        assert_eq!(content.length(), whole.len() as u64);
        for from in 0..content.length() {
            for to in from + 1..=content.length() {
                let (mut at, mut bytes) = (from, Vec::new());
                while at < to {
                    let block = match content.next(at, to) {
                        Next::Memory(block) => block,
                        Next::File(range) => pages::read(content.file(), range).unwrap().into(),
                        Next::Scattered => content.read(at, to).unwrap(),
                    };
                    assert_eq!(content.read(at, at + 1).unwrap(), block[..1]);
                    at += block.len() as u64;
                    bytes.extend(block);
                }
                assert_eq!(bytes, whole[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()]);
            }
        }
        assert_eq!(content.read_all().unwrap(), whole);
    }

    #[test]
    fn ranges_are_one_run_of_bytes_behind_the_head() {
        let file = file(b"0123456789");
        for (ranges, whole) in [
            (vec![8..10, 1..4, 6..7], &b"head891236"[..]),
            (vec![1..3, 4..6, 9..10], b"head12459"),
            (vec![2..5, 5..9], b"head2345678"),
            (vec![], b"head"),
        ] {
            let head = Bytes::from_static(b"head");
            assert_parts(&Content::new(head, Arc::clone(&file), &ranges), whole);
        }
        assert_parts(&Content::whole(Arc::clone(&file), 10), b"0123456789");
        assert_parts(&Content::made(Bytes::from_static(b"made"), file), b"made");
    }

    #[test]
    fn short_ranges_are_put_together_and_long_ones_are_sent_as_they_lie() {
        let content = |ranges: Vec<Range<u64>>| Content::new(Bytes::from_static(b"head"), file(b""), &ranges);
        let long = content(vec![0..100_000, 200_000..300_000]);
        assert_eq!((long.is_scattered(), long.next(100_004, 100_010)), (false, Next::File(200_000..200_006)));
        let short = content(vec![0..1000, 2000..3000]);
        assert_eq!((short.is_scattered(), short.next(4, 2004)), (true, Next::Scattered));
        assert!(!content(vec![]).is_scattered());
    }

    #[test]
    fn a_wide_gap_between_ranges_is_not_read() {
        let content = |ranges: Vec<Range<u64>>| Content::new(Bytes::from_static(b"head"), file(b""), &ranges);
        let far = 8 << 30;
        let apart = content(vec![0..100_000, far..far + 100_000]);
        let near = |content: &Content, end| -> Vec<[u64; 2]> {
            content.near(0..end).into_iter().map(|range| [range.start, range.end]).collect()
        };
        assert_eq!(near(&apart, 150_004), [[0, 100_000], [far, far + 50_000]]);
        assert_eq!(near(&apart, 50_004), [[0, 50_000]]);
        assert_eq!(near(&apart, 4), [[0; 2]; 0]);
        let close = content(vec![0..100_000, 150_000..250_000]);
        assert_eq!(near(&close, close.length()), [[0, 250_000]]);
    }

    #[test]
    fn a_file_that_has_become_shorter_is_an_error() {
        let content = Content::whole(file(b""), 10);
        assert_eq!(content.read(0, 10).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
