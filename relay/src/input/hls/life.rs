//! Signs of life, until there is something to see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Item;
use crate::input::Piece;

/// How often a reader who has had nothing is told that something comes.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Tells the reader of the queue that something comes, as long as nothing has been passed on: a
/// whole segment, with what it needs, may take longer than a transport stream. Clones share what
/// they know of that.
#[derive(Debug, Clone)]
pub(super) struct Life {
    queue: mpsc::Sender<Item>,
    has_sent: Arc<AtomicBool>,
    /// When this one last told so.
    told_at: Option<Instant>,
}

impl Life {
    pub(super) fn new(queue: mpsc::Sender<Item>) -> Self {
        Self { queue, has_sent: Arc::default(), told_at: None }
    }

    /// Something has come that cannot be passed on yet.
    pub(super) fn tell(&mut self) {
        let is_due = self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if !self.has_sent() && is_due {
            self.told_at = Some(Instant::now());
            // A full queue is a sign of life, too.
            let _ = self.queue.try_send(Item::Piece(Piece::Activity));
        }
    }

    /// Whether something has been passed on.
    pub(super) fn has_sent(&self) -> bool {
        self.has_sent.load(Ordering::Relaxed)
    }

    /// Something has been passed on.
    pub(super) fn set_sent(&self) {
        self.has_sent.store(true, Ordering::Relaxed);
    }
}
