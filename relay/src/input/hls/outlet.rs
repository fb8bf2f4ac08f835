//! Where the bytes of segments leave for the driver, and what is owed in front of the next ones.

use std::mem;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Item;
use super::life::Life;
use crate::input::Piece;

/// The writing end of the queue.
#[derive(Debug)]
pub(super) struct Outlet {
    queue: mpsc::Sender<Item>,
    /// Knows whether something has been passed on.
    life: Life,
    /// Something of this segment has been passed on.
    is_begun: bool,
    /// A discontinuity is to be told of in front of what comes next.
    owes_discontinuity: bool,
    /// The segment that begins does not follow what came before it, some of which may still be held
    /// back.
    begins_discontinuous: bool,
}

impl Outlet {
    pub(super) fn new(queue: mpsc::Sender<Item>, life: Life) -> Self {
        Self { queue, life, is_begun: false, owes_discontinuity: false, begins_discontinuous: false }
    }

    /// Another segment begins.
    pub(super) fn begin(&mut self, is_discontinuous: bool) {
        self.is_begun = false;
        self.begins_discontinuous |= is_discontinuous;
    }

    /// Whether something of this segment has been passed on.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether the segment that begins is behind a discontinuity. That is not told of yet, so that
    /// what belongs in front of it can be passed on.
    pub(super) fn put_off_seam(&mut self) -> bool {
        mem::take(&mut self.begins_discontinuous)
    }

    /// What comes next does not follow what was passed on, if anything was.
    pub(super) fn cut(&mut self) {
        self.owes_discontinuity |= self.life.has_sent();
    }

    /// Passes bytes on, behind the discontinuity that is owed.
    pub(super) async fn pass(&mut self, bytes: Bytes) {
        // Both are taken: two seams with nothing between them are one.
        let is_discontinuous =
            mem::take(&mut self.owes_discontinuity) | mem::take(&mut self.begins_discontinuous);
        // In front of the very first bytes there is nothing that they could break with.
        if is_discontinuous && self.life.has_sent() {
            self.send(Item::Piece(Piece::Discontinuity)).await;
        }
        self.life.set_sent();
        self.is_begun = true;
        self.send(Item::Piece(Piece::Bytes(bytes))).await;
    }

    pub(super) async fn send(&mut self, item: Item) {
        // Without a reader the task is about to end.
        let _ = self.queue.send(item).await;
    }
}
