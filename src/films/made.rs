//! Segments that are put together in memory: each is made once for all who ask, and kept for the
//! next, within a limit.
//!
//! A transport stream costs much to make, so the first one is kept. Samples that lie apart in the
//! file are put together as they are sent, and kept from the second request on. Of what is sent as
//! it lies in the file, the head is kept: the system has the rest in memory.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use forebay_core::weighted_cache::WeightedCache;
use tokio::sync::OnceCell;

use super::Shelf;
use super::key::SegmentKey;
use super::opened::{MAX_MADE, OpenError};

/// Segments that are being made, from which those are cleared away that are not any more.
const MANY_MAKING: usize = 64;

/// Bytes that a key takes with its places in the map and in a queue.
const ENTRY: u64 = 256;

/// The segments that are kept. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Made(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: u64,
    kept: Mutex<WeightedCache<SegmentKey, Kept>>,
    making: Mutex<HashMap<SegmentKey, Weak<Making>>>,
    held: Arc<AtomicU64>,
    counts: Counts,
}

/// The part of a segment that is kept.
#[derive(Debug, Clone)]
pub enum Kept {
    /// All of it.
    Whole(Bytes),
    /// Its head, and the ranges of the file behind that.
    Head(Bytes, Arc<[Range<u64>]>),
}

/// A segment that is being made: who asks meanwhile waits for the same.
type Making = OnceCell<Result<Bytes, OpenError>>;

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    evicted: AtomicU64,
    refused: AtomicU64,
}

/// The segments that are kept, and what became of requests, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeCounts {
    /// The most bytes.
    pub limit: u64,
    /// Segments that are kept.
    pub segments: usize,
    /// Bytes of segments in memory: those that are kept, and others that are still being sent.
    pub held: u64,
    /// Requests for segments of which something was in memory.
    pub hits: u64,
    /// Requests for segments of which nothing was.
    pub misses: u64,
    /// Segments that had to go for others.
    pub evicted: u64,
    /// Requests for segments for which there was no memory to put them together.
    pub refused: u64,
}

/// Bytes that count for as long as anybody has them.
struct Held {
    bytes: Bytes,
    /// How many count: with a head, its ranges too.
    size: u64,
    total: Arc<AtomicU64>,
}

impl Made {
    /// None yet, and at most so many bytes of them.
    pub fn new(limit: u64) -> Self {
        Self(Arc::new(Inner {
            limit,
            kept: Mutex::new(WeightedCache::new(limit)),
            making: Mutex::default(),
            held: Arc::default(),
            counts: Counts::default(),
        }))
    }

    /// A segment that is kept.
    pub fn find(&self, key: &SegmentKey) -> Option<Kept> {
        let found = self.kept().get(key).cloned();
        self.0.counts.hits.fetch_add(found.is_some().into(), Ordering::Relaxed);
        found
    }

    /// The largest segment that is kept, in bytes.
    fn largest(&self) -> u64 {
        // Half of the limit: one that takes all of it would push
        // out everything else, and go itself with the next.
        (self.0.limit / 2).saturating_sub(ENTRY).min(MAX_MADE)
    }

    /// Whether a segment of so many bytes, of which nothing is kept, is to be kept: it is not too
    /// large, and was asked for lately. It is asked for now.
    pub fn is_wanted(&self, key: SegmentKey, length: u64) -> bool {
        // Most segments of a film are asked for once, by its only
        // viewer: to keep those would push out what many watch.
        let is_wanted = length <= self.largest() && self.kept().was_asked(key);
        self.0.counts.misses.fetch_add((!is_wanted).into(), Ordering::Relaxed);
        is_wanted
    }

    /// A segment, made now by `build` if it is not kept.
    ///
    /// # Errors
    /// Those of `build`; [`OpenError::Full`] when as much is being sent as may be in memory.
    pub async fn get(
        &self,
        key: SegmentKey,
        disk: &Shelf,
        build: impl FnOnce() -> Result<Vec<u8>, OpenError> + Send + 'static,
    ) -> Result<Bytes, OpenError> {
        let making = self.making(key);
        // When the one who began it leaves, the next of those
        // who wait begins it anew: the cell is empty again.
        let made = making.get_or_init(|| async {
            // It may have been finished since the caller looked.
            if let Some(Kept::Whole(bytes)) = self.find(&key) {
                return Ok(bytes);
            }
            // Only so many come so far at a time, and each counts what it has made before the next
            // one looks whether there is room.
            let all = self.clone();
            let make = move || {
                all.make_room()?;
                build().map(|bytes| all.keep(key, bytes))
            };
            disk.aside_in_memory(make).await?
        });
        made.await.clone()
    }

    /// Keeps the head of a segment that is sent as it lies in the file. The one that is returned
    /// counts for as long as it is being sent.
    pub fn keep_head(&self, key: SegmentKey, head: Bytes, ranges: Arc<[Range<u64>]>) -> Bytes {
        // The ranges of thousands of samples can be larger than the head.
        let size = (head.len() + size_of_val(&ranges[..])) as u64;
        let head = self.hold(head, size);
        self.put(key, Kept::Head(head.clone(), ranges), size);
        self.0.counts.misses.fetch_add(1, Ordering::Relaxed);
        head
    }

    /// What there is now.
    pub fn counts(&self) -> MadeCounts {
        let Inner { limit, held, counts, .. } = &*self.0;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        MadeCounts {
            limit: *limit,
            segments: self.kept().len(),
            held: read(held),
            hits: read(&counts.hits),
            misses: read(&counts.misses),
            evicted: read(&counts.evicted),
            refused: read(&counts.refused),
        }
    }

    fn kept(&self) -> MutexGuard<'_, WeightedCache<SegmentKey, Kept>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn making(&self, key: SegmentKey) -> Arc<Making> {
        let mut all = self.0.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(making) = all.get(&key).and_then(Weak::upgrade) {
            return making;
        }
        if all.len() >= MANY_MAKING {
            // Seldom, and not at each end: who leaves early would
            // else have to clear up from its own destructor.
            all.retain(|_, making| making.strong_count() > 0);
        }
        let making = Arc::default();
        all.insert(key, Arc::downgrade(&making));
        making
    }

    /// Room for a segment that is not there. Those that have been let go are in memory for as long as
    /// somebody is sent them.
    fn make_room(&self) -> Result<(), OpenError> {
        let is_full = || self.0.held.load(Ordering::Relaxed) >= self.0.limit;
        let mut evicted = 0;
        while is_full() && self.kept().evict() {
            evicted += 1;
        }
        self.0.counts.evicted.fetch_add(evicted, Ordering::Relaxed);
        // All that is held is being sent: to refuse one viewer
        // is better than to be killed for want of memory.
        if is_full() {
            self.0.counts.refused.fetch_add(1, Ordering::Relaxed);
            return Err(OpenError::Full);
        }
        self.0.counts.misses.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn keep(&self, key: SegmentKey, bytes: Vec<u8>) -> Bytes {
        let size = bytes.len() as u64;
        let bytes = self.hold(bytes.into(), size);
        self.put(key, Kept::Whole(bytes.clone()), size);
        bytes
    }

    fn hold(&self, bytes: Bytes, size: u64) -> Bytes {
        self.0.held.fetch_add(size, Ordering::Relaxed);
        // The count goes down with the last clone, in the
        // cache or in a connection, whichever lives longer.
        Bytes::from_owner(Held { bytes, size, total: Arc::clone(&self.0.held) })
    }

    fn put(&self, key: SegmentKey, kept: Kept, size: u64) {
        let evicted = self.kept().put(key, kept, size + ENTRY);
        self.0.counts.evicted.fetch_add(evicted as u64, Ordering::Relaxed);
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.total.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use forebay_core::manifest::Rendition;

    use super::*;
    use crate::db::films::Identity;

    fn key(number: usize) -> SegmentKey {
        let film = Identity { device: 1, inode: 2, size: 3, modified: 4 };
        SegmentKey { film, segment: Duration::from_secs(6), rendition: Rendition::Transport, number }
    }

    #[tokio::test]
    async fn a_segment_is_made_once_for_all_who_ask() {
        let (made, disk, count) = (Made::new(1 << 20), Shelf::default(), Arc::new(AtomicUsize::new(0)));
        let build = || {
            let count = Arc::clone(&count);
            move || {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(vec![7; 1000])
            }
        };
        let asking: Vec<_> = (0..1000).map(|_| made.get(key(0), &disk, build())).collect();
        for bytes in futures_util::future::join_all(asking).await {
            assert_eq!(bytes.unwrap(), vec![7; 1000]);
        }
        assert_eq!((count.load(Ordering::Relaxed), made.find(&key(0)).is_some()), (1, true));
        let counts = made.counts();
        assert_eq!((counts.segments, counts.held, counts.misses), (1, 1000, 1));
    }

    #[tokio::test]
    async fn what_is_being_sent_counts_and_there_is_no_more_memory_than_the_limit() {
        let (made, disk) = (Made::new(10_000), Shelf::default());
        let get = |number| made.get(key(number), &disk, || Ok(vec![7; 4000]));
        let mut sent = Vec::new();
        for number in 0..3 {
            sent.push(get(number).await.unwrap());
        }
        let counts = made.counts();
        assert_eq!((counts.segments, counts.held, counts.evicted), (2, 12_000, 1));
        assert!(matches!(get(3).await, Err(OpenError::Full)));
        assert_eq!((made.counts().segments, made.counts().refused), (0, 1));
        assert_eq!(made.counts().misses, 3, "what was refused is no miss");
        sent.clear();
        assert_eq!(made.counts().held, 0);
        assert!(get(3).await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn those_who_ask_at_once_have_no_more_memory_than_the_limit_and_one_round() {
        let (made, disk) = (Made::new(10_000), Shelf::default());
        let get = |number| made.get(key(number), &disk, || Ok(vec![7; 5000]));
        let all = futures_util::future::join_all((0..100).map(get)).await;
        let (sent, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
        // Two have room, and the others of a round may have looked before those were made.
        assert!((2..=2 + 8).contains(&sent.len()), "{}", sent.len());
        let counts = made.counts();
        assert_eq!((counts.held, counts.misses), (5000 * sent.len() as u64, sent.len() as u64));
        assert_eq!(counts.refused, refused.len() as u64);
    }

    #[tokio::test]
    async fn heads_count_while_somebody_has_them_and_each_takes_the_room_of_its_entry() {
        let made = Made::new(10 * (ENTRY + 100));
        let head = |number| made.keep_head(key(number), Bytes::from(vec![7; 100]), Arc::from([]));
        let sent: Vec<Bytes> = (0..20).map(head).collect();
        let counts = made.counts();
        assert_eq!((counts.segments, counts.held, counts.evicted), (10, 2000, 10));
        drop(sent);
        assert_eq!(made.counts().held, 1000);
    }

    #[test]
    fn a_segment_is_wanted_when_it_is_asked_for_again_and_not_too_large() {
        let made = Made::new(1 << 30);
        assert_eq!([1, 1, 1].map(|length| made.is_wanted(key(0), length)), [false, true, true]);
        assert_eq!([MAX_MADE + 1; 3].map(|length| made.is_wanted(key(1), length)), [false; 3]);
        let small = Made::new(10_000);
        assert_eq!([5000; 2].map(|length| small.is_wanted(key(0), length)), [false; 2]);
        assert_eq!((made.counts().misses, small.counts().misses), (4, 2));
    }

    #[tokio::test]
    async fn an_error_is_for_those_who_asked_and_the_next_one_tries_again() {
        let (made, disk) = (Made::new(1000), Shelf::default());
        let broken = made.get(key(0), &disk, || Err(std::io::Error::other("broken").into())).await;
        assert!(matches!(broken, Err(OpenError::File(_))));
        assert!(made.get(key(0), &disk, || Ok(vec![1])).await.is_ok());
    }
}
