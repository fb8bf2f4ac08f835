//! What a viewer is sent of a film: a head, and ranges of the file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use forebay_core::package::Segment;

/// Bytes that are read at once. A viewer who is slow holds as much of them in memory.
const BLOCK: u64 = 128 * 1024;

/// A head, and ranges of a file.
#[derive(Debug)]
pub struct Content {
    head: Bytes,
    file: Arc<File>,
    ranges: Vec<Range<u64>>,
    length: u64,
}

impl Content {
    /// A segment of a film in this file.
    pub fn segment(segment: Segment, file: Arc<File>) -> Self {
        let length = segment.length();
        Self { head: segment.head.into(), file, ranges: segment.ranges, length }
    }

    /// The first `length` bytes of a file.
    pub fn whole(file: Arc<File>, length: u64) -> Self {
        Self { head: Bytes::new(), file, ranges: std::iter::once(0..length).collect(), length }
    }

    /// Bytes of all of it.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next bytes of those from `at` up to `end`: at least one. Waits for the disk.
    ///
    /// # Errors
    /// When the file cannot be read, or has become shorter.
    pub fn read(&self, at: u64, end: u64) -> io::Result<Bytes> {
        let (mut at, end) = (at, end.min(at.saturating_add(BLOCK)));
        let head = self.head.len() as u64;
        if at < head {
            let place = |at: u64| usize::try_from(at).expect("a head is in memory");
            return Ok(self.head.slice(place(at)..place(end.min(head))));
        }
        let mut block = vec![0; usize::try_from(end - at).expect("a block is small")];
        let mut rest = &mut block[..];
        let mut begins = head;
        for range in &self.ranges {
            let ends = begins + (range.end - range.start);
            if at < ends && !rest.is_empty() {
                let size = usize::try_from(ends - at).unwrap_or(usize::MAX).min(rest.len());
                let (part, tail) = rest.split_at_mut(size);
                self.file.read_exact_at(part, range.start + (at - begins))?;
                at += size as u64;
                rest = tail;
            }
            begins = ends;
        }
        Ok(block.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn ranges_are_one_run_of_bytes_behind_the_head() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let segment = Segment { head: b"head".to_vec(), ranges: vec![8..10, 1..4, 6..7] };
        let content = Content::segment(segment, Arc::new(file));
        assert_eq!(content.length(), 10);
        let whole = b"head891236";
        for from in 0..10 {
            for to in from + 1..=10 {
                let (mut at, mut bytes) = (from, Vec::new());
                while at < to {
                    let block = content.read(at, to).unwrap();
                    at += block.len() as u64;
                    bytes.extend(block);
                }
                assert_eq!(bytes, whole[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()]);
            }
        }
    }

    #[test]
    fn a_file_that_has_become_shorter_is_an_error() {
        let content = Content::whole(Arc::new(tempfile::tempfile().unwrap()), 10);
        assert_eq!(content.read(0, 10).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
