//! Whether the channel is to be open: who reads it, and for how long nobody has.

use std::time::Duration;

use forebay_core::time::Moment;
use tokio::sync::watch;

use crate::channel::reader_kind::Readers;

/// Follows the readers of a feed.
#[derive(Debug)]
pub(super) struct Readership {
    readers: watch::Receiver<Readers>,
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
    pub(super) fn new(readers: watch::Receiver<Readers>) -> Self {
        Self { readers, last: Last::None }
    }

    /// Waits for the first reader who keeps the channel open, or for the last one to leave.
    pub(super) async fn changed(&mut self) {
        // It cannot fail: the feed has the sender, and the driver has the feed.
        let _ = self.readers.changed().await;
    }

    /// The readers as they are now.
    pub(super) fn readers(&self) -> Readers {
        *self.readers.borrow()
    }

    /// Whether any reader keeps the channel open.
    pub(super) fn is_read(&self) -> bool {
        self.readers().keeping_open() > 0
    }

    /// Notes the readers at `now`.
    pub(super) fn update(&mut self, now: Moment) -> Presence {
        let readers = *self.readers.borrow_and_update();
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
