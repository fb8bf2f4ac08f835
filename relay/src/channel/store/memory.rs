//! A store that is a queue of blocks on the heap.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::{PoisonError, RwLock};

use bytes::{Bytes, BytesMut};

use super::SendOutcome;

/// The blocks, and where they begin and end.
#[derive(Debug)]
struct Row {
    start: u64,
    end: u64,
    tail: u64,
    blocks: VecDeque<Bytes>,
}

/// The blocks; a reader shares them.
#[derive(Debug)]
pub(in crate::channel) struct Store(RwLock<Row>);

impl Store {
    /// A store whose first byte has the offset `base`.
    #[expect(clippy::unnecessary_wraps, reason = "the store in a file can fail")]
    pub(in crate::channel) fn new(base: u64) -> io::Result<Self> {
        let row = Row { start: base, end: base, tail: base, blocks: VecDeque::new() };
        Ok(Self(RwLock::new(row)))
    }

    /// Writes `bytes` at `at`, which is the end of what has been written. Only the driver writes.
    pub(in crate::channel) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let block = Bytes::copy_from_slice(bytes);
        let mut row = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if at != row.end {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        row.end += bytes.len() as u64;
        row.blocks.push_back(block);
        Ok(())
    }

    /// Reads the bytes from `start` to `end`, which have been written; `None` if they are gone.
    pub(in crate::channel) fn read(&self, start: u64, end: u64) -> io::Result<Option<Bytes>> {
        let length = usize::try_from(end - start).map_err(io::Error::other)?;
        let row = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if row.tail > start {
            return Ok(None);
        }
        // Nearly all readers read the newest block.
        let (mut first, mut at) = (row.blocks.len(), row.end);
        while at > start && first > 0 {
            first -= 1;
            at -= row.blocks[first].len() as u64;
        }
        let mut skip = usize::try_from(start - at).map_err(io::Error::other)?;
        let mut whole = BytesMut::new();
        for block in row.blocks.iter().skip(first) {
            let part = &block[skip..block.len().min(skip + length - whole.len())];
            if part.len() == length {
                return Ok(Some(block.slice_ref(part)));
            }
            whole.extend_from_slice(part);
            skip = 0;
            if whole.len() == length {
                return Ok(Some(whole.freeze()));
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// The bytes for a socket: from the heap they can only be copied, which the caller does.
    pub(in crate::channel) fn send(
        &self,
        _: impl AsFd,
        start: u64,
        end: u64,
    ) -> io::Result<Option<SendOutcome>> {
        Ok(self.read(start, end)?.map(|rest| SendOutcome { end: start, rest }))
    }

    /// The memory of the store, in bytes.
    pub(in crate::channel) fn resident(&self) -> u64 {
        let row = self.0.read().unwrap_or_else(PoisonError::into_inner);
        row.end - row.start
    }
}

/// Frees the bytes behind the window, for the driver.
#[derive(Debug, Default)]
pub(in crate::channel) struct Reclaim(());

impl Reclaim {
    /// Frees the blocks before `tail`.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the store in a file can fail and remembers"
    )]
    pub(in crate::channel) fn release(&mut self, store: &Store, tail: u64) -> io::Result<()> {
        let mut row = store.0.write().unwrap_or_else(PoisonError::into_inner);
        row.tail = tail;
        while let Some(first) = row.blocks.front().map(|block| block.len() as u64) {
            if row.start + first > tail {
                break;
            }
            row.start += first;
            row.blocks.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_left_to_the_caller_until_it_is_gone() {
        let store = Store::new(0).unwrap();
        store.write(0, &[1; 300]).unwrap();
        store.write(300, &[2; 700]).unwrap();
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let part = store.send(&ours, 188, 376).unwrap().unwrap();
        assert_eq!((part.end, &part.rest[..]), (188, &[[1; 112].as_slice(), &[2; 76]].concat()[..]));
        Reclaim::default().release(&store, 376).unwrap();
        assert!(store.send(&ours, 188, 376).unwrap().is_none());
        assert_eq!(part.rest.len(), 188, "what was taken before stays");
    }

    #[test]
    fn nothing_is_written_but_at_the_end() {
        let store = Store::new(0).unwrap();
        store.write(0, &[7; 188]).unwrap();
        for at in [0, 100, 189] {
            assert!(store.write(at, &[8; 188]).is_err(), "{at}");
        }
        assert_eq!((store.resident(), &store.read(0, 188).unwrap().unwrap()[..]), (188, &[7; 188][..]));
    }
}
