//! Documents that are kept, and those that are being made: each by a task of its own, which nobody
//! who leaves can end, and whose result all get who wait for it.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use super::document::Document;
use super::snapshot::Snapshot;
use super::store::Error;
use crate::catalogue::List;

/// Documents that are kept. Most viewers of a server may watch one of a few sets of channels.
const MAX_KEPT: usize = 8;

/// Documents that are being made or wait for it, each for another set of channels.
const MAX_MAKING: usize = 32;

/// A document on its way.
pub(super) type Making = Shared<BoxFuture<'static, Result<Arc<Document>, Arc<Error>>>>;

/// What a document is made of. The same key has the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey {
    /// The channels that are seen, and how they are shown.
    pub(super) channels: u64,
    /// The version of the snapshot.
    version: u64,
    /// The hour since 1970, by which the window of time moves.
    hour: i64,
}

/// The documents.
#[derive(Default)]
pub(super) struct Documents {
    /// The one that was used last is at the end.
    kept: Mutex<Vec<(CacheKey, Arc<Document>)>>,
    making: Mutex<HashMap<CacheKey, Making>>,
    /// The fingerprint of all channels of a list, so that most requests walk through none.
    of_all: Mutex<Option<(Weak<List>, u64)>>,
    /// Nobody can write a list whose fingerprint is that of another.
    pub(super) seed: RandomState,
}

/// What is kept for a key.
pub(super) enum Found {
    /// The document.
    Fresh(Arc<Document>),
    /// That of the hour before, which differs at the ends of its window only.
    LastHour(Arc<Document>),
    Nothing,
}

impl CacheKey {
    /// For channels with this fingerprint at `now`, in seconds since 1970.
    pub(super) fn new(channels: u64, snapshot: &Snapshot, now: i64) -> Self {
        Self { channels, version: snapshot.version, hour: now.div_euclid(3600) }
    }

    fn is_newer_than(&self, other: &Self) -> bool {
        self.channels == other.channels && (self.version, self.hour) > (other.version, other.hour)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Documents {
    /// The document for a key.
    pub(super) fn find(&self, key: &CacheKey) -> Found {
        let mut kept = lock(&self.kept);
        let before = CacheKey { hour: key.hour - 1, ..*key };
        for wanted in [*key, before] {
            if let Some(at) = kept.iter().position(|(of, _)| *of == wanted) {
                let found = kept.remove(at);
                let document = Arc::clone(&found.1);
                kept.push(found);
                return if wanted == *key { Found::Fresh(document) } else { Found::LastHour(document) };
            }
        }
        Found::Nothing
    }

    /// Keeps a document in place of older ones for the same channels. Returns it, and whether
    /// another had to go for it. Removes files.
    pub(super) fn put(&self, key: CacheKey, mut document: Document) -> (Arc<Document>, bool) {
        let mut kept = lock(&self.kept);
        if let Some((_, same)) = kept.iter().find(|(_, it)| it.tag == document.tag) {
            // The same bytes have not changed.
            document.changed_at = same.changed_at;
        }
        let document = Arc::new(document);
        if kept.iter().any(|(of, _)| of.is_newer_than(&key)) {
            return (document, false);
        }
        let mut gone: Vec<_> = kept.extract_if(.., |(of, _)| *of == key || key.is_newer_than(of)).collect();
        kept.push((key, Arc::clone(&document)));
        let is_full = kept.len() > MAX_KEPT;
        if is_full {
            gone.push(kept.remove(0));
        }
        drop(kept);
        // Their files go here, while nobody waits for the lock.
        drop(gone);
        (document, is_full)
    }

    /// Joins the making of a document, or begins it.
    pub(super) fn make(&self, key: CacheKey, begin: impl FnOnce() -> Making) -> Result<Making, Error> {
        let mut making = lock(&self.making);
        if let Some(making) = making.get(&key) {
            return Ok(making.clone());
        }
        if making.len() >= MAX_MAKING {
            return Err(Error::Busy("guides for viewers"));
        }
        Ok(making.entry(key).or_insert_with(begin).clone())
    }

    /// Ends the making of a document.
    pub(super) fn made(&self, key: &CacheKey) {
        lock(&self.making).remove(key);
    }

    /// The fingerprint of all channels, if it is that of this list.
    pub(super) fn of_all(&self, list: &Arc<List>) -> Option<u64> {
        let known = lock(&self.of_all);
        known.as_ref().filter(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(list))).map(|(_, it)| *it)
    }

    /// Notes it.
    pub(super) fn note_all(&self, list: &Arc<List>, fingerprint: u64) {
        *lock(&self.of_all) = Some((Arc::downgrade(list), fingerprint));
    }
}

/// A making from a task.
pub(super) fn making(task: BoxFuture<'static, Result<Arc<Document>, Arc<Error>>>) -> Making {
    task.shared()
}
