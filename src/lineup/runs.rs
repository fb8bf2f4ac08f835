//! Which playlists are being read, and how the last readings went. It is forgotten at the end of
//! the process: the database has what was taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::apply::Progress;
use crate::db::lineup::PlaylistId;

/// How the last reading of a playlist went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// What went wrong, if anything did.
    pub error: Option<String>,
}

/// What is known of the readings of one playlist.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// That which goes on.
    pub running: Option<Arc<Progress>>,
    /// The last one.
    pub last: Option<Attempt>,
    /// When the next one is due.
    pub next_at: Option<Timestamp>,
    /// Somebody wants one now.
    is_asked: bool,
}

/// Those of all playlists.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs(Arc<Mutex<HashMap<PlaylistId, Readings>>>);

/// A reading that goes on, until this is dropped.
#[derive(Debug)]
pub(super) struct Run {
    runs: Runs,
    id: PlaylistId,
    pub(super) progress: Arc<Progress>,
}

impl Runs {
    fn lock(&self) -> MutexGuard<'_, HashMap<PlaylistId, Readings>> {
        // Each change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a reading, unless one goes on.
    pub(super) fn begin(&self, id: PlaylistId) -> Option<Run> {
        let mut all = self.lock();
        let readings = all.entry(id).or_default();
        if readings.running.is_some() {
            return None;
        }
        let progress = Arc::new(Progress::default());
        readings.running = Some(Arc::clone(&progress));
        Some(Run { runs: self.clone(), id, progress })
    }

    pub(super) fn of(&self, id: PlaylistId) -> Readings {
        self.lock().get(&id).cloned().unwrap_or_default()
    }

    /// Has a reading end. Says whether one went on.
    pub(super) fn cancel(&self, id: PlaylistId) -> bool {
        let running = self.of(id).running;
        if let Some(progress) = &running {
            progress.cancelled.cancel();
        }
        running.is_some()
    }

    /// Has a reading begin soon.
    pub(super) fn ask(&self, id: PlaylistId) {
        self.lock().entry(id).or_default().is_asked = true;
    }

    /// Whether somebody wants a reading.
    pub(super) fn is_asked(&self, id: PlaylistId) -> bool {
        self.lock().get(&id).is_some_and(|readings| readings.is_asked)
    }

    /// Whether somebody wants a reading, who is told of it from now on.
    pub(super) fn take_asked(&self, id: PlaylistId) -> bool {
        self.lock().get_mut(&id).is_some_and(|readings| std::mem::take(&mut readings.is_asked))
    }

    pub(super) fn set_next(&self, id: PlaylistId, at: Option<Timestamp>) {
        self.lock().entry(id).or_default().next_at = at;
    }

    pub(super) fn forget(&self, id: PlaylistId) {
        self.lock().remove(&id);
    }
}

impl Run {
    /// Notes how it went.
    pub(super) fn ended(&self, error: Option<String>) {
        let attempt = Attempt { at: Timestamp::now(), error };
        self.runs.lock().entry(self.id).or_default().last = Some(attempt);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(readings) = self.runs.lock().get_mut(&self.id) {
            // In `drop`: a refresh that panics or is cut off must not count as running for ever.
            readings.running = None;
        }
    }
}
