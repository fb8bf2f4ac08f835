//! The documents that were made and are kept: one for each set of channels that somebody sees.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::Timestamp;

use super::made::Made;
use super::snapshot::Snapshot;
use crate::catalogue::List;

/// Documents that are kept.
const MAX_KEPT: usize = 8;

/// The documents, those that were made last at the end.
#[derive(Debug, Default)]
pub(super) struct KeptDocuments(Mutex<Vec<(Basis, Arc<Made>)>>);

/// What a document is made of: of the same, the same is made.
#[derive(Debug)]
pub(super) struct Basis {
    /// The channels that are seen.
    seen: u64,
    /// The version of the snapshot.
    version: u64,
    /// The hour, since a document has a window of time. Since 1970.
    hour: i64,
    list: Weak<List>,
}

impl Basis {
    /// Of what is there at `now`.
    pub(super) fn new(seen: u64, snapshot: &Snapshot, list: &Arc<List>, now: Timestamp) -> Self {
        let hour = now.as_second() / 3600;
        Self { seen, version: snapshot.version, hour, list: Arc::downgrade(list) }
    }

    fn is(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.seen, it.version, it.hour);
        of(self) == of(other) && Weak::ptr_eq(&self.list, &other.list)
    }
}

impl KeptDocuments {
    fn lock(&self) -> MutexGuard<'_, Vec<(Basis, Arc<Made>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The document that was made of this.
    pub(super) fn find(&self, basis: &Basis) -> Option<Arc<Made>> {
        self.lock().iter().find(|(of, _)| of.is(basis)).map(|(_, made)| Arc::clone(made))
    }

    /// Keeps a document in place of the one before for the same channels, and says whether another
    /// had to go for it. One that has the same bytes has not changed.
    pub(super) fn put(&self, basis: Basis, mut made: Made) -> (Arc<Made>, bool) {
        let mut kept = self.lock();
        let before = kept.iter().position(|(of, _)| of.seen == basis.seen).map(|at| kept.remove(at).1);
        if let Some(before) = before.filter(|before| before.tag == made.tag) {
            made.changed_at = before.changed_at;
        }
        let made = Arc::new(made);
        kept.push((basis, Arc::clone(&made)));
        let is_full = kept.len() > MAX_KEPT;
        if is_full {
            kept.remove(0);
        }
        (made, is_full)
    }
}
