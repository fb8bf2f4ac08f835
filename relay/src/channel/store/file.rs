//! A store that is a sparse file in memory.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use forebay_core::ts::PACKET_SIZE;
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, fstat, memfd_create};

use super::SendOutcome;

/// The least that is freed at once, in bytes: fewer, larger holes cost fewer calls.
const PUNCH: u64 = 256 * 1024;

/// The file.
#[derive(Debug)]
pub(in crate::channel) struct Store {
    file: OwnedFd,
    /// The first byte that may still be read. It moves before the bytes are freed: a reader that
    /// finds it unmoved after reading has read what was written.
    tail: AtomicU64,
    senders: Senders,
    /// The unit in which bytes are freed: whole pages. A freed page that a socket still holds stays
    /// as it is, but a part of a page would be overwritten with zeros.
    grain: u64,
}

/// The senders that are inside `sendfile` now: nothing is freed under a sender. There are two
/// counts; new senders enter one while the other one runs out. So there is always a moment to free,
/// however many senders there are.
#[derive(Debug, Default)]
struct Senders {
    entrance: AtomicUsize,
    inside: [AtomicUsize; 2],
}

impl Store {
    /// A store whose first byte has the offset `base`.
    pub(in crate::channel) fn new(base: u64) -> io::Result<Self> {
        let name = "forebay-store";
        // Some systems insist that it cannot be executed, and older ones do not know what that
        // means.
        let file = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL)
            .or_else(|_| memfd_create(name, MemfdFlags::CLOEXEC))?;
        let page = u64::try_from(fstat(&file)?.st_blksize).unwrap_or(PUNCH);
        let grain = page.max(PUNCH).next_multiple_of(PUNCH);
        Ok(Self { file, tail: AtomicU64::new(base), senders: Senders::default(), grain })
    }

    /// Writes `bytes` at `at`. Only the driver writes.
    pub(in crate::channel) fn write(&self, mut at: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = rustix::io::pwrite(&self.file, bytes, at)?;
            at += count as u64;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Reads the bytes from `start` to `end`, which have been written; `None` if they are gone.
    pub(in crate::channel) fn read(&self, start: u64, end: u64) -> io::Result<Option<Bytes>> {
        let bytes = self.read_written(start, end)?;
        Ok((self.tail.load(Ordering::SeqCst) <= start).then_some(bytes))
    }

    fn read_written(&self, start: u64, end: u64) -> io::Result<Bytes> {
        let length = usize::try_from(end - start).map_err(io::Error::other)?;
        let mut buffer = Vec::with_capacity(length);
        while buffer.len() < length {
            let at = start + buffer.len() as u64;
            if rustix::io::pread(&self.file, rustix::buffer::spare_capacity(&mut buffer), at)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        buffer.truncate(length);
        Ok(buffer.into())
    }

    /// Sends bytes from `start` on, at most to `end`, which have been written; `None` if they are
    /// gone.
    pub(in crate::channel) fn send(
        &self,
        socket: impl AsFd,
        start: u64,
        end: u64,
    ) -> io::Result<Option<SendOutcome>> {
        let _inside = self.senders.enter();
        if self.tail.load(Ordering::SeqCst) > start {
            return Ok(None);
        }
        let mut at = start;
        let count = usize::try_from(end - start).map_err(io::Error::other)?;
        if rustix::fs::sendfile(socket, &self.file, Some(&mut at), count)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let rest = self.read_written(at, at.next_multiple_of(PACKET_SIZE as u64))?;
        Ok(Some(SendOutcome { end: at, rest }))
    }

    /// The memory of the store, in bytes.
    pub(in crate::channel) fn resident(&self) -> u64 {
        let blocks = fstat(&self.file).map(|stat| stat.st_blocks).unwrap_or_default();
        u64::try_from(blocks).unwrap_or_default() * 512
    }
}

impl Senders {
    fn enter(&self) -> Inside<'_> {
        let count = &self.inside[self.entrance.load(Ordering::Relaxed) & 1];
        count.fetch_add(1, Ordering::SeqCst);
        Inside(count)
    }
}

struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Frees the bytes behind the window, for the driver.
#[derive(Debug, Default)]
pub(in crate::channel) struct Reclaim {
    /// The end of the freed bytes.
    freed: u64,
    /// The end of the bytes to free as soon as `is_empty` holds for both counts of [`Senders`].
    /// Senders that enter later see the new tail.
    target: u64,
    is_empty: [bool; 2],
}

impl Reclaim {
    /// Makes the bytes before `tail` unreadable at once, and frees them once no sender is in them,
    /// in this call or a later one.
    pub(in crate::channel) fn release(&mut self, store: &Store, tail: u64) -> io::Result<()> {
        store.tail.store(tail, Ordering::SeqCst);
        let target = tail / store.grain * store.grain;
        if self.target == self.freed {
            if target <= self.freed {
                return Ok(());
            }
            (self.target, self.is_empty) = (target, [false; 2]);
        }
        for (is_empty, count) in self.is_empty.iter_mut().zip(&store.senders.inside) {
            *is_empty |= count.load(Ordering::SeqCst) == 0;
        }
        store.senders.entrance.fetch_xor(1, Ordering::Relaxed);
        if self.is_empty == [true; 2] {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&store.file, flags, self.freed, self.target - self.freed)?;
            self.freed = self.target;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_freed_under_a_sender() {
        let store = Store::new(0).unwrap();
        let mut reclaim = Reclaim::default();
        store.write(0, &vec![7; 1 << 20]).unwrap();
        let first = store.senders.enter();
        for _ in 0..5 {
            reclaim.release(&store, PUNCH).unwrap();
        }
        assert_eq!(store.resident(), 4 * PUNCH, "1 MiB");
        // There is always a sender inside, and yet the bytes are freed.
        let second = store.senders.enter();
        drop(first);
        let third = store.senders.enter();
        reclaim.release(&store, 2 * PUNCH).unwrap();
        drop(second);
        let mut inside = vec![third];
        for _ in 0..4 {
            inside.push(store.senders.enter());
            inside.remove(0);
            reclaim.release(&store, 2 * PUNCH).unwrap();
        }
        assert!(store.resident() <= 3 * PUNCH, "{}", store.resident());
        drop(inside);
        reclaim.release(&store, 2 * PUNCH).unwrap();
        reclaim.release(&store, 2 * PUNCH).unwrap();
        assert_eq!(store.resident(), 2 * PUNCH);
    }

    #[test]
    fn what_is_gone_is_not_sent() {
        let store = Store::new(0).unwrap();
        store.write(0, &[7; 1000]).unwrap();
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let part = store.send(&ours, 188, 400).unwrap().unwrap();
        assert_eq!((part.end, part.rest.len()), (400, 2 * 188 + 188 - 400), "with the rest of the packet");
        let mut got = [0; 212];
        io::Read::read_exact(&mut &theirs, &mut got).unwrap();
        assert_eq!(got, [7; 212]);
        Reclaim::default().release(&store, 376).unwrap();
        assert!(store.send(&ours, 188, 400).unwrap().is_none());
    }
}
