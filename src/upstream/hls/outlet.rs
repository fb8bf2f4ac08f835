//! Where the bytes of segments leave for the driver, and what is owed in front of the next ones.

use std::mem;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Item;
use crate::upstream::Piece;

/// The writing end of the queue.
#[derive(Debug)]
pub(super) struct Outlet {
    queue: mpsc::Sender<Item>,
    /// Something has been passed on.
    has_sent: bool,
    /// Something of this segment has been passed on.
    is_begun: bool,
    /// A seam is to be told of in front of what comes next.
    owes_seam: bool,
}

impl Outlet {
    pub(super) fn new(queue: mpsc::Sender<Item>) -> Self {
        Self { queue, has_sent: false, is_begun: false, owes_seam: false }
    }

    /// Another segment begins.
    pub(super) fn begin(&mut self, has_seam: bool) {
        self.is_begun = false;
        self.owes_seam |= has_seam;
    }

    /// Whether something of this segment has been passed on.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether a seam was owed. It no longer is, so that what belongs in front of it can be passed on.
    pub(super) fn put_off_seam(&mut self) -> bool {
        mem::take(&mut self.owes_seam)
    }

    /// What comes next does not follow what was passed on, if anything was.
    pub(super) fn cut(&mut self) {
        self.owes_seam |= self.has_sent;
    }

    /// Passes bytes on, behind the seam that is owed.
    pub(super) async fn pass(&mut self, bytes: Bytes) {
        if mem::take(&mut self.owes_seam) && self.has_sent {
            self.send(Item::Piece(Piece::Seam)).await;
        }
        (self.has_sent, self.is_begun) = (true, true);
        self.send(Item::Piece(Piece::Bytes(bytes))).await;
    }

    pub(super) async fn send(&mut self, item: Item) {
        // Without a reader the task is about to end.
        let _ = self.queue.send(item).await;
    }
}
