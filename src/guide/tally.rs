//! What has happened to guides since the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) taken: Counter,
    pub(super) unchanged: Counter,
    pub(super) failed: Counter,
    pub(super) found: Counter,
    pub(super) made: Counter,
    pub(super) evicted: Counter,
    /// Requests that were refused because too much was asked for at once.
    pub(super) refused: Counter,
    /// Answers that were cut.
    pub(super) cut: Counter,
    /// Guides that are named and not read, since there are too many: as it is now.
    pub(super) left_out: Counter,
}

/// A number that grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Another number; returns the one before.
    pub(super) fn set(&self, number: u64) -> u64 {
        self.0.swap(number, Ordering::Relaxed)
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Figures of guides, for metrics. Those up to `names_left_out` are as they are now, the others
/// count from the start of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Guides that there are now.
    pub guides: u64,
    /// Channels of ours that they tell of.
    pub matched: u64,
    /// Guides that are named and not read, since there are too many.
    pub left_out: u64,
    /// Names and ids of channels of guides that had no room.
    pub names_left_out: u64,
    /// Readings that brought a new version.
    pub taken: u64,
    /// Readings that found the guide as it was.
    pub unchanged: u64,
    /// Readings that failed.
    pub failed: u64,
    /// Answers from a document that was there.
    pub found: u64,
    /// Documents that were made.
    pub made: u64,
    /// Documents that had to go for others.
    pub evicted: u64,
    /// Requests that were refused because too much was asked for at once.
    pub refused: u64,
    /// Answers that were cut.
    pub cut: u64,
}
