//! Whether the channel must stay open: by its readers, and the time since the last one left.

use forebay_core::channel::{Presence, PresenceTracker, ReaderCounts};
use forebay_core::time::Moment;
use tokio::sync::watch;

use crate::channel::attendance::Attendance;
use crate::channel::reader_kind::Readers;

/// Follows the readers of a feed.
#[derive(Debug)]
pub(super) struct Readership {
    attendance: watch::Receiver<Attendance>,
    tracker: PresenceTracker,
}

impl Readership {
    pub(super) fn new(attendance: watch::Receiver<Attendance>) -> Self {
        Self { attendance, tracker: PresenceTracker::default() }
    }

    /// Waits until the first reader that keeps the channel open joins, the last one leaves, or
    /// their highest priority changes.
    pub(super) async fn changed(&mut self) {
        // It cannot fail: the feed has the sender, and the driver has the feed.
        let _ = self.attendance.changed().await;
    }

    /// The readers as they are now.
    pub(super) fn readers(&self) -> Readers {
        self.attendance.borrow().readers()
    }

    /// The highest priority of the readers that keep the channel open; 0 without any.
    pub(super) fn priority(&self) -> i32 {
        self.attendance.borrow().priority()
    }

    /// Whether any reader keeps the channel open.
    pub(super) fn is_kept_open(&self) -> bool {
        self.readers().keeping_open() > 0
    }

    /// Notes the readers at `now`, and returns whether any keep the channel open.
    pub(super) fn update(&mut self, now: Moment) -> Presence {
        let readers = self.attendance.borrow_and_update().readers();
        let counts = ReaderCounts { keeping_open: readers.keeping_open(), lingering: readers.lingering() };
        self.tracker.update(now, counts)
    }
}
