//! A reader of an open channel: the right to read it, which is counted by its kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::attendance::Attendance;
use super::feed::Feed;
use super::reader_kind::ReaderKind;
use crate::events::Event;

/// The right to read an open channel. Dropping it is leaving.
#[derive(Debug)]
pub struct Reader {
    feed: Arc<Feed>,
    kind: ReaderKind,
    /// The priority of its user.
    priority: i32,
    /// Bytes handed to this reader.
    sent: AtomicU64,
}

impl Reader {
    /// Joins a feed. The caller holds the lock of the map.
    pub(super) fn new(feed: &Arc<Feed>, kind: ReaderKind, priority: i32) -> Self {
        let reader = Self { feed: Arc::clone(feed), kind, priority, sent: AtomicU64::new(0) };
        reader.change(|attendance| attendance.enter(kind, priority));
        if kind.is_viewer() {
            feed.totals.viewers.fetch_add(1, Ordering::Relaxed);
            feed.counts.viewers.fetch_add(1, Ordering::Relaxed);
            feed.events.publish(Event::ViewerJoined { channel: feed.id().clone() });
        }
        reader
    }

    /// The feed that is read.
    pub(super) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// Bytes handed out so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Counts bytes that were handed out.
    pub(super) fn count(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    fn change(&self, change: impl FnOnce(&mut Attendance)) {
        self.feed.attendance.send_if_modified(|attendance| {
            let before = attendance.summary();
            change(attendance);
            attendance.summary() != before
        });
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The feed goes on until its driver has checked
        // under the lock of the map that no reader is left.
        self.change(|attendance| attendance.leave(self.kind, self.priority));
        if self.kind.is_viewer() {
            self.feed.totals.viewers.fetch_sub(1, Ordering::Relaxed);
            // Last, so that a listener that looks finds the viewer gone.
            let channel = self.feed.id().clone();
            self.feed.events.publish(Event::ViewerLeft { channel, sent: self.sent() });
        }
    }
}
