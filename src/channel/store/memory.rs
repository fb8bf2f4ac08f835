//! A store that is a row of blocks on the heap.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::{PoisonError, RwLock};

use bytes::{Bytes, BytesMut};

use super::Part;

/// The blocks, and where they begin and end.
#[derive(Debug, Default)]
struct Blocks {
    start: u64,
    end: u64,
    tail: u64,
    blocks: VecDeque<Bytes>,
}

/// The blocks; a reader shares them.
#[derive(Debug, Default)]
pub(in crate::channel) struct Store(RwLock<Blocks>);

impl Store {
    #[expect(clippy::unnecessary_wraps, reason = "the store in a file can fail")]
    pub(in crate::channel) fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    /// Writes `bytes` at `at`, which is the end of what has been written. Only the driver writes.
    pub(in crate::channel) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let block = Bytes::copy_from_slice(bytes);
        let mut blocks = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if at != blocks.end {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        blocks.end += bytes.len() as u64;
        blocks.blocks.push_back(block);
        Ok(())
    }

    /// Reads the bytes from `start` to `end`, which have been written; `None` when they are gone.
    pub(in crate::channel) fn read(&self, start: u64, end: u64) -> io::Result<Option<Bytes>> {
        let length = usize::try_from(end - start).map_err(io::Error::other)?;
        let blocks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if blocks.tail > start {
            return Ok(None);
        }
        // Nearly everybody reads what is newest.
        let (mut first, mut at) = (blocks.blocks.len(), blocks.end);
        while at > start && first > 0 {
            first -= 1;
            at -= blocks.blocks[first].len() as u64;
        }
        let mut skip = usize::try_from(start - at).map_err(io::Error::other)?;
        let mut whole = BytesMut::new();
        for block in blocks.blocks.iter().skip(first) {
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

    /// What a socket is to be sent: the heap has no way to it but a copy, which the caller makes.
    pub(in crate::channel) fn send(&self, _: impl AsFd, start: u64, end: u64) -> io::Result<Option<Part>> {
        Ok(self.read(start, end)?.map(|rest| Part { end: start, rest }))
    }

    /// Memory that it takes, in bytes.
    pub(in crate::channel) fn resident(&self) -> u64 {
        let blocks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        blocks.end - blocks.start
    }
}

/// Frees what lies behind the window. The driver's.
#[derive(Debug, Default)]
pub(in crate::channel) struct Reclaim;

impl Reclaim {
    /// Lets go of what lies before `tail`.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the store in a file can fail and remembers"
    )]
    pub(in crate::channel) fn release(&mut self, store: &Store, tail: u64) -> io::Result<()> {
        let mut blocks = store.0.write().unwrap_or_else(PoisonError::into_inner);
        blocks.tail = tail;
        while let Some(first) = blocks.blocks.front().map(|block| block.len() as u64) {
            if blocks.start + first > tail {
                break;
            }
            blocks.start += first;
            blocks.blocks.pop_front();
        }
        Ok(())
    }
}
