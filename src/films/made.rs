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
use super::opened::OpenError;

/// Segments that are being made, from which those are cleared away that are not any more.
const MANY_MAKING: usize = 64;

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

/// What is kept of a segment.
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
    /// Requests for segments that were there.
    pub hits: u64,
    /// Requests for others.
    pub misses: u64,
    /// Segments that had to go for others.
    pub evicted: u64,
    /// Requests for which there was no memory.
    pub refused: u64,
}

/// Bytes that count for as long as anybody has them.
struct Held {
    bytes: Vec<u8>,
    held: Arc<AtomicU64>,
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

    /// Whether a segment that is not kept was asked for lately, so that it is worth it to keep it.
    pub fn is_asked_again(&self, key: SegmentKey) -> bool {
        let was_asked = self.kept().was_asked(key);
        self.0.counts.misses.fetch_add((!was_asked).into(), Ordering::Relaxed);
        was_asked
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
        let made = making.get_or_init(|| async {
            // It may have been finished since the caller looked.
            if let Some(Kept::Whole(bytes)) = self.find(&key) {
                return Ok(bytes);
            }
            self.0.counts.misses.fetch_add(1, Ordering::Relaxed);
            self.make_room()?;
            let bytes = disk.aside_in_memory(build).await??;
            Ok(self.keep(key, bytes))
        });
        made.await.clone()
    }

    /// Keeps the head of a segment that is sent as it lies in the file.
    pub fn keep_head(&self, key: SegmentKey, head: Bytes, ranges: Arc<[Range<u64>]>) {
        let size = (head.len() + size_of_val(&ranges[..])) as u64;
        let evicted = self.kept().put(key, Kept::Head(head, ranges), size);
        self.0.counts.misses.fetch_add(1, Ordering::Relaxed);
        self.0.counts.evicted.fetch_add(evicted as u64, Ordering::Relaxed);
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
            all.retain(|_, making| making.strong_count() > 0);
        }
        let making = Arc::default();
        all.insert(key, Arc::downgrade(&making));
        making
    }

    /// Segments that have been let go are in memory for as long as somebody is sent them.
    fn make_room(&self) -> Result<(), OpenError> {
        let is_full = || self.0.held.load(Ordering::Relaxed) >= self.0.limit;
        let mut evicted = 0;
        while is_full() && self.kept().evict() {
            evicted += 1;
        }
        self.0.counts.evicted.fetch_add(evicted, Ordering::Relaxed);
        if is_full() {
            self.0.counts.refused.fetch_add(1, Ordering::Relaxed);
            return Err(OpenError::Full);
        }
        Ok(())
    }

    fn keep(&self, key: SegmentKey, bytes: Vec<u8>) -> Bytes {
        let size = bytes.len() as u64;
        self.0.held.fetch_add(size, Ordering::Relaxed);
        let bytes = Bytes::from_owner(Held { bytes, held: Arc::clone(&self.0.held) });
        let evicted = self.kept().put(key, Kept::Whole(bytes.clone()), size);
        self.0.counts.evicted.fetch_add(evicted as u64, Ordering::Relaxed);
        bytes
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
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
        assert_eq!((counts.segments, counts.held, counts.misses, counts.hits), (1, 1000, 1, 1));
    }

    #[tokio::test]
    async fn what_is_being_sent_counts_and_there_is_no_more_memory_than_the_limit() {
        let (made, disk) = (Made::new(1000), Shelf::default());
        let get = |number| made.get(key(number), &disk, || Ok(vec![7; 400]));
        let mut sent = Vec::new();
        for number in 0..3 {
            sent.push(get(number).await.unwrap());
        }
        let counts = made.counts();
        assert_eq!((counts.segments, counts.held, counts.evicted), (2, 1200, 1));
        assert!(matches!(get(3).await, Err(OpenError::Full)));
        assert_eq!((made.counts().segments, made.counts().refused), (0, 1));
        sent.clear();
        assert_eq!(made.counts().held, 0);
        assert!(get(3).await.is_ok());
    }

    #[tokio::test]
    async fn an_error_is_for_those_who_asked_and_the_next_one_tries_again() {
        let (made, disk) = (Made::new(1000), Shelf::default());
        let broken = made.get(key(0), &disk, || Err(std::io::Error::other("broken").into())).await;
        assert!(matches!(broken, Err(OpenError::File(_))));
        assert!(made.get(key(0), &disk, || Ok(vec![1])).await.is_ok());
    }
}
