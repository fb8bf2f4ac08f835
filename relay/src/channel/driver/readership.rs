//! Whether the channel is to be open: who reads it, and for how long nobody has.

use std::time::Duration;

use forebay_core::time::Moment;
use tokio::sync::watch;

use crate::channel::attendance::Attendance;
use crate::channel::reader_kind::Readers;

/// Follows the readers of a feed.
#[derive(Debug)]
pub(super) struct Readership {
    attendance: watch::Receiver<Attendance>,
    last: Last,
}

/// The last one of the readers after whom a channel lingers.
#[derive(Debug, Clone, Copy)]
enum Last {
    /// There was none yet.
    None,
    Present,
    LeftAt(Moment),
}

/// Whether a channel has readers who keep it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Present,
    /// It has none. The last one who may come back left so long ago; if that is absent, none may.
    Absent(Option<Duration>),
}

impl Readership {
    pub(super) fn new(attendance: watch::Receiver<Attendance>) -> Self {
        Self { attendance, last: Last::None }
    }

    /// Waits for the first reader who keeps the channel open, for the last one to leave, or for
    /// another priority of theirs.
    pub(super) async fn changed(&mut self) {
        // It cannot fail: the feed has the sender, and the driver has the feed.
        let _ = self.attendance.changed().await;
    }

    /// The readers as they are now.
    pub(super) fn readers(&self) -> Readers {
        self.attendance.borrow().readers()
    }

    /// The highest priority of a reader who keeps the channel open; 0 without any.
    pub(super) fn priority(&self) -> i32 {
        self.attendance.borrow().priority()
    }

    /// Whether any reader keeps the channel open.
    pub(super) fn is_read(&self) -> bool {
        self.readers().keeping_open() > 0
    }

    /// Notes the readers at `now`.
    pub(super) fn update(&mut self, now: Moment) -> Presence {
        let readers = self.attendance.borrow_and_update().readers();
        self.last = match self.last {
            _ if readers.lingering() > 0 => Last::Present,
            Last::Present => Last::LeftAt(now),
            last => last,
        };
        match self.last {
            _ if readers.keeping_open() > 0 => Presence::Present,
            Last::LeftAt(left_at) => Presence::Absent(Some(now.since(left_at))),
            Last::None | Last::Present => Presence::Absent(None),
        }
    }
}
