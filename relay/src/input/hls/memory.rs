//! What is known of an HLS source over its reopenings.

use std::sync::{Arc, Mutex, PoisonError};

use forebay_core::playlist::follow::{Follower, LadderMemory};
use forebay_core::time::Moment;
use tokio::time::Instant;

use super::files::Inits;

/// What one opening of a source leaves to the next. Clones are the same memory. It belongs to who
/// opens the source; only one upstream of a source is open at a time.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The zero of the followers' clock, which goes on from one to the next.
    began: Instant,
    ladder: Mutex<LadderMemory>,
    inits: Arc<Mutex<Inits>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Inner { began: Instant::now(), ladder: Mutex::default(), inits: Arc::default() }))
    }
}

impl Memory {
    /// The time on the followers' clock.
    pub(in crate::input) fn now(&self) -> Moment {
        Moment::new(self.0.began.elapsed())
    }

    pub(super) fn instant(&self, at: Moment) -> Instant {
        self.0.began + at.elapsed()
    }

    pub(super) fn ladder(&self) -> LadderMemory {
        self.0.ladder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The initialisation sections that were fetched last.
    pub(super) fn inits(&self) -> Arc<Mutex<Inits>> {
        Arc::clone(&self.0.inits)
    }

    /// Keeps what a follower has learned, for it may end at any time.
    pub(super) fn note(&self, follower: &Follower) {
        let mut ladder = self.0.ladder.lock().unwrap_or_else(PoisonError::into_inner);
        if *ladder != *follower.memory() {
            ladder.clone_from(follower.memory());
        }
    }
}
