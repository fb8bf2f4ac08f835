//! Where the bytes of segments leave for the driver, and what is owed in front of the next ones.

use std::mem;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Item;
use crate::input::Piece;

/// How often a reader who has had nothing is told that something comes.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// The writing end of the queue.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Outlet {
    queue: mpsc::Sender<Item>,
    /// Something has been passed on.
    has_sent: bool,
    /// Something of this segment has been passed on.
    is_begun: bool,
    /// A seam is to be told of in front of what comes next.
    owes_seam: bool,
    /// The segment that begins does not follow what came before it, some of which may still be held
    /// back.
    begins_seam: bool,
    /// When it was last told that something comes.
    told_at: Option<Instant>,
}

impl Outlet {
    pub(super) fn new(queue: mpsc::Sender<Item>) -> Self {
        Self { queue, has_sent: false, is_begun: false, owes_seam: false, begins_seam: false, told_at: None }
    }

    /// Another segment begins.
    pub(super) fn begin(&mut self, has_seam: bool) {
        self.is_begun = false;
        self.begins_seam |= has_seam;
    }

    /// Whether something of this segment has been passed on.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether the segment that begins is behind a seam. That is not told of yet, so that what
    /// belongs in front of it can be passed on.
    pub(super) fn put_off_seam(&mut self) -> bool {
        mem::take(&mut self.begins_seam)
    }

    /// What comes next does not follow what was passed on, if anything was.
    pub(super) fn cut(&mut self) {
        self.owes_seam |= self.has_sent;
    }

    /// Something has come that cannot be passed on yet. As long as nothing was, the reader is told
    /// so now and then: a whole segment, with what it needs, may take longer than a transport
    /// stream.
    pub(super) async fn live(&mut self) {
        let is_due = self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if !self.has_sent && is_due {
            self.told_at = Some(Instant::now());
            self.send(Item::Piece(Piece::Life)).await;
        }
    }

    /// Passes bytes on, behind the seam that is owed.
    pub(super) async fn pass(&mut self, bytes: Bytes) {
        let has_seam = mem::take(&mut self.owes_seam) | mem::take(&mut self.begins_seam);
        if has_seam && self.has_sent {
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
