//! The attempts that run now: how far they are, and how they are stopped.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::db::jobs::{Job, JobId};

/// Why an attempt is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// Somebody does not want the job any more.
    Cancelled,
    /// The server stops.
    Interrupted,
    /// It has taken too long.
    Deadline,
}

/// Jobs that are to be stopped as soon as they are on the board: a few at any time. One that ended
/// in the same moment is never asked for again, and stays until there are so many.
const MAX_EARLY: usize = 1024;

/// The attempts that run now.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Mutex<Places>>);

#[derive(Debug, Default)]
struct Places {
    live: HashMap<JobId, Arc<Live>>,
    /// Jobs that were cancelled between the commit that began them and their place here.
    early: HashSet<JobId>,
    /// The server stops.
    is_closed: bool,
}

/// An attempt that runs.
#[derive(Debug)]
pub(super) struct Live {
    job: JobId,
    kind: &'static str,
    token: CancellationToken,
    reason: OnceLock<StopReason>,
    told: Mutex<Told>,
}

/// What a handler has told.
#[derive(Debug, Clone, Default, PartialEq)]
struct Told {
    fraction: Option<f64>,
    note: String,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The job.
    pub job: JobId,
    /// Its kind.
    pub kind: &'static str,
    /// From 0 to 1; none where that is not known.
    pub fraction: Option<f64>,
    /// What it does now, for people; may be empty.
    pub note: String,
}

/// What a handler knows of its attempt.
#[derive(Debug, Clone)]
pub struct Context {
    /// The job.
    pub job: JobId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// What it works on.
    pub args: Value,
    live: Arc<Live>,
}

impl Context {
    /// Waits until the attempt is to end.
    pub async fn stopped(&self) {
        self.live.token.cancelled().await;
    }

    /// Whether it is to end because somebody does not want the job any more.
    pub fn is_cancelled(&self) -> bool {
        self.live.reason.get() == Some(&StopReason::Cancelled)
    }

    /// Tells how far it is, from 0 to 1. Costs no more than a lock.
    pub fn tell(&self, fraction: f64, note: impl Into<String>) {
        let told = Told { fraction: Some(fraction.clamp(0.0, 1.0)), note: note.into() };
        *self.live.told() = told;
    }
}

impl Board {
    /// Notes an attempt until the place is dropped.
    pub(super) fn enter(&self, job: &Job, kind: &'static str) -> Place {
        let live = Arc::new(Live {
            job: job.id,
            kind,
            token: CancellationToken::new(),
            reason: OnceLock::new(),
            told: Mutex::default(),
        });
        let mut places = self.lock();
        if places.early.remove(&job.id) {
            live.stop(StopReason::Cancelled);
        }
        if places.is_closed {
            live.stop(StopReason::Interrupted);
        }
        places.live.insert(job.id, Arc::clone(&live));
        drop(places);
        Place { board: self.clone(), live }
    }

    /// Lets attempts run: those of a life that begins.
    pub(super) fn open(&self) {
        self.lock().is_closed = false;
    }

    /// Stops the attempt of a job that runs.
    pub(super) fn cancel(&self, job: JobId) {
        let mut places = self.lock();
        if let Some(live) = places.live.get(&job) {
            live.stop(StopReason::Cancelled);
            return;
        }
        if places.early.len() == MAX_EARLY {
            places.early.clear();
        }
        places.early.insert(job);
    }

    /// Stops all attempts, and those that are about to begin.
    pub(super) fn close(&self) {
        let mut places = self.lock();
        places.is_closed = true;
        places.live.values().for_each(|live| live.stop(StopReason::Interrupted));
    }

    /// How far they all are, in the order of their jobs.
    pub(super) fn progress(&self) -> Vec<Progress> {
        let mut all: Vec<Progress> = self.lock().live.values().map(|live| live.progress()).collect();
        all.sort_by_key(|progress| progress.job);
        all
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // Each change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    pub(super) fn stop(&self, reason: StopReason) {
        // The first reason counts.
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self) -> Progress {
        let Told { fraction, note } = self.told().clone();
        Progress { job: self.job, kind: self.kind, fraction, note }
    }
}

/// The place of an attempt on the board.
#[derive(Debug)]
pub(super) struct Place {
    board: Board,
    live: Arc<Live>,
}

impl Place {
    /// What the handler is given.
    pub(super) fn context(&self, job: &Job) -> Context {
        let live = Arc::clone(&self.live);
        Context { job: job.id, attempt: job.attempts.begun, args: job.args.clone(), live }
    }

    pub(super) async fn stopped(&self) {
        self.live.token.cancelled().await;
    }

    pub(super) fn stop(&self, reason: StopReason) {
        self.live.stop(reason);
    }

    pub(super) fn reason(&self) -> Option<StopReason> {
        self.live.reason.get().copied()
    }

    pub(super) fn fraction(&self) -> Option<f64> {
        self.live.told().fraction
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.board.lock().live.remove(&self.live.job);
    }
}
