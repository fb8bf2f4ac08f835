//! A channel's bytes, from the window's tail to its head.
//!
//! Offset `n` is byte `n` of the channel's output. Nothing is ever overwritten: a late reader gets
//! its own bytes, or is told that they are gone, and never other bytes in their place.
//!
//! On systems with `sendfile`, the store is a file in memory that grows for ever and is punched
//! behind the window: its pages go to the sockets of viewers without a copy. Elsewhere it is a
//! queue of blocks on the heap. `build.rs` chooses.

#[cfg(sendfile)]
mod file;
#[cfg(not(sendfile))]
mod memory;

use bytes::Bytes;

#[cfg(sendfile)]
pub(super) use self::file::{Reclaim, Store};
#[cfg(not(sendfile))]
pub(super) use self::memory::{Reclaim, Store};

/// How much is copied to a time-shift at once, in bytes. No reader reads more at a time, and memory
/// keeps the last block that the file has, so no read needs bytes of both.
pub(in crate::channel) const BLOCK: u64 = 256 * 1024;

/// What a send from the store came to.
#[derive(Debug)]
pub(super) struct SendOutcome {
    /// The end of the bytes that were sent.
    pub(super) end: u64,
    /// Bytes that the caller must send next: the rest of a packet that was sent in part, or all
    /// bytes if the store cannot send by itself. They stay valid when the store drops its own.
    pub(super) rest: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most that the store frees at once.
    const GRAIN: usize = 256 * 1024;

    #[test]
    fn bytes_are_read_until_they_are_gone() {
        let store = Store::new(0).unwrap();
        let mut reclaim = Reclaim::default();
        let bytes: Vec<u8> = (0..3 * GRAIN).map(|n| (n % 251).to_le_bytes()[0]).collect();
        for (at, part) in bytes.chunks(50_000).enumerate() {
            store.write(at as u64 * 50_000, part).unwrap();
        }
        let read = |start: usize, end: usize| store.read(start as u64, end as u64).unwrap();
        for (start, end) in
            [(0, 1), (1000, 5000), (49_999, 50_001), (40_000, 300_000), (3 * GRAIN - 1, 3 * GRAIN)]
        {
            assert_eq!(read(start, end).unwrap(), bytes[start..end], "{start} to {end}");
        }
        assert_eq!(store.resident(), 3 * GRAIN as u64);
        let tail = 2 * GRAIN + 10;
        for _ in 0..3 {
            reclaim.release(&store, tail as u64).unwrap();
        }
        assert_eq!(read(GRAIN, GRAIN + 20), None);
        assert_eq!(read(tail - 1, tail + 20), None);
        assert_eq!(read(tail, tail + 30).unwrap(), bytes[tail..tail + 30]);
        assert!(store.resident() <= 2 * GRAIN as u64, "the memory before the tail is free");
    }

    #[test]
    fn a_store_may_begin_anywhere() {
        let base = 188 * (1 << 30);
        let store = Store::new(base).unwrap();
        store.write(base, &[7; 1880]).unwrap();
        assert_eq!(store.read(base, base + 10).unwrap().unwrap(), &[7; 10][..]);
        assert_eq!(store.read(base - 188, base).unwrap(), None, "what was before it is not zeros");
        let tail = base + GRAIN as u64;
        // A store on the heap frees whole writes only.
        let part = vec![7; GRAIN / 8];
        (0..16).for_each(|n| store.write(base + 1880 + n * GRAIN as u64 / 8, &part).unwrap());
        let mut reclaim = Reclaim::default();
        (0..3).for_each(|_| reclaim.release(&store, tail).unwrap());
        assert!(store.resident() < 2 * GRAIN as u64, "{}", store.resident());
    }
}
