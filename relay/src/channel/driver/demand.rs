//! Whether the channel is to be open: who reads it, and for how long nobody has.

use std::time::Duration;

use forebay_core::time::Moment;
use tokio::sync::watch;

use crate::channel::reader_kind::Readers;

/// Follows the readers of a feed.
#[derive(Debug)]
pub(super) struct Demand {
    readers: watch::Receiver<Readers>,
    last: Last,
}

/// Of the readers after whom a channel lingers, the last one.
#[derive(Debug, Clone, Copy)]
enum Last {
    /// There was none yet.
    None,
    Present,
    LeftAt(Moment),
}

/// What readers want of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To be open.
    Open,
    /// Nothing. The last one who may come back left so long ago; nobody may where this is absent.
    Nothing(Option<Duration>),
}

impl Demand {
    pub(super) fn new(readers: watch::Receiver<Readers>) -> Self {
        Self { readers, last: Last::None }
    }

    /// Waits for the first reader who keeps the channel open, or for the last one to leave.
    pub(super) async fn changed(&mut self) {
        // The feed has the sender, and the driver has the feed.
        let _ = self.readers.changed().await;
    }

    /// Who reads now.
    pub(super) fn readers(&self) -> Readers {
        *self.readers.borrow()
    }

    /// Whether the channel is read by anybody for whom it is open.
    pub(super) fn is_read(&self) -> bool {
        self.readers().keeping_open() > 0
    }

    /// Takes note of who reads at `now`.
    pub(super) fn update(&mut self, now: Moment) -> Wish {
        let readers = *self.readers.borrow_and_update();
        self.last = match self.last {
            _ if readers.lingering() > 0 => Last::Present,
            Last::Present => Last::LeftAt(now),
            last => last,
        };
        match self.last {
            _ if readers.keeping_open() > 0 => Wish::Open,
            Last::LeftAt(left_at) => Wish::Nothing(Some(now.since(left_at))),
            Last::None | Last::Present => Wish::Nothing(None),
        }
    }
}
