//! A channel's bytes: a file in memory that grows for ever and is punched behind the window.
//!
//! Offset `n` is byte `n` of what the channel has sent. Nothing is ever overwritten, so a reader that is late finds either its
//! bytes or, where they are gone, is told so by the window's tail; it can never be sent other bytes in their place.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};

/// Freed at once: fewer, larger holes cost fewer calls.
const PUNCH: u64 = 256 * 1024;

/// The file.
#[derive(Debug)]
pub(super) struct Store {
    file: OwnedFd,
    /// The first byte that may still be read. It is moved before the bytes are freed: a reader that finds it unmoved
    /// after reading has read what was written.
    tail: AtomicU64,
}

impl Store {
    pub(super) fn new() -> io::Result<Self> {
        let file = memfd_create("forebay-store", MemfdFlags::CLOEXEC)?;
        Ok(Self { file, tail: AtomicU64::new(0) })
    }

    /// Writes `bytes` at `at`. Only the driver writes.
    pub(super) fn write(&self, mut at: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = rustix::io::pwrite(&self.file, bytes, at)?;
            at += count as u64;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Reads the bytes from `start` to `end`, which have been written; `None` when they are gone.
    pub(super) fn read(&self, start: u64, end: u64) -> io::Result<Option<Bytes>> {
        let length = usize::try_from(end - start).map_err(io::Error::other)?;
        let mut buffer = Vec::with_capacity(length);
        while buffer.len() < length {
            let at = start + buffer.len() as u64;
            if rustix::io::pread(&self.file, rustix::buffer::spare_capacity(&mut buffer), at)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        buffer.truncate(length);
        Ok((self.tail.load(Ordering::Acquire) <= start).then(|| buffer.into()))
    }

    /// Lets go of what lies before `tail`. `freed` is how far this has been done; the new value is returned.
    pub(super) fn release(&self, freed: u64, tail: u64) -> io::Result<u64> {
        self.tail.store(tail, Ordering::Release);
        let end = tail / PUNCH * PUNCH;
        if end <= freed {
            return Ok(freed);
        }
        fallocate(&self.file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, freed, end - freed)?;
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_until_they_are_gone() {
        let store = Store::new().unwrap();
        let bytes: Vec<u8> = (0..3 * PUNCH).map(|n| (n % 251).to_le_bytes()[0]).collect();
        store.write(0, &bytes).unwrap();
        assert_eq!(store.read(1000, 5000).unwrap().unwrap(), bytes[1000..5000]);
        let freed = store.release(0, PUNCH + 10).unwrap();
        assert_eq!(freed, PUNCH);
        assert_eq!(store.read(PUNCH, PUNCH + 20).unwrap(), None);
        let kept = usize::try_from(PUNCH).unwrap() + 10;
        assert_eq!(store.read(PUNCH + 10, PUNCH + 30).unwrap().unwrap(), bytes[kept..kept + 20]);
        let blocks = rustix::fs::fstat(&store.file).unwrap().st_blocks;
        assert_eq!(u64::try_from(blocks).unwrap() * 512, 2 * PUNCH, "the memory before the tail is free");
    }
}
