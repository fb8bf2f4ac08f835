//! The queue of jobs: work that takes longer than a request, and outlives the server.
//!
//! A job is a row of the database (`db::jobs`), and is on the disk when [`Queue::add`] returns.
//! Each kind of job has a handler, limits, and so many workers. A worker ends an attempt and begins
//! the next job of its kind in one transaction, so a busy queue costs one commit per job.
//!
//! Each life of the server has a number, which is written with every attempt. What another life
//! left running is interrupted, and runs again; what an attempt of another life has to say is
//! refused.

mod attempt;
mod board;
pub mod ffmpeg;
mod kind;
mod refusal;
#[cfg(test)]
mod tests;
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use forebay_relay::events::{Bus, Event};
use jiff::Timestamp;
use tokio::sync::Notify;
use tracing::info;

use self::board::Board;
pub use self::board::{Context, Progress};
pub use self::kind::{Failure, Handler, Kind};
pub use self::refusal::Refusal;
use self::workers::Running;
use crate::db::Database;
use crate::db::jobs::{self as rows, Added, Cancelling, Filter, Job, JobId, NewJob};

/// Jobs that may wait, of all kinds.
pub const MAX_WAITING: u64 = 10_000;

/// Bytes of what a job works on, as JSON.
const MAX_ARGS: usize = 16 << 10;

/// The queue. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    events: Bus,
    kinds: Vec<Kind>,
    board: Board,
    running: Running,
    /// Something may have become ready to run.
    changed: Notify,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    /// Jobs that had not begun when they were last counted, and those that were added since then.
    waiting: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    /// So many jobs have begun that were waiting.
    fn begun(&self, jobs: usize) {
        let less = |waiting: u64| Some(waiting.saturating_sub(jobs as u64));
        // It is counted anew every second: what is lost between is of no matter.
        let _ = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// A kind of job as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindReport {
    /// Its name.
    pub kind: &'static str,
    /// Whether no job of it begins.
    pub is_paused: bool,
    /// Jobs that may run at the same time.
    pub concurrency: usize,
    /// Jobs that run.
    pub running: usize,
    /// Jobs that could run now.
    pub waiting: u64,
    /// Jobs that failed, and are tried again later.
    pub delayed: u64,
}

impl Queue {
    /// A queue for these kinds of job. Nothing runs before [`Self::run`].
    pub fn new(database: Database, events: Bus, kinds: Vec<Kind>) -> Self {
        let running = Running::new(kinds.len());
        let (board, changed, counters) = (Board::default(), Notify::new(), Counters::default());
        Self(Arc::new(Inner { database, events, kinds, board, running, changed, counters }))
    }

    /// Adds a job, unless one with the same key waits or runs. When this returns, the job is on the
    /// disk.
    ///
    /// # Panics
    /// If there is no such kind.
    pub async fn add(&self, new: NewJob) -> Result<Added, Refusal> {
        assert!(self.0.kinds.iter().any(|kind| kind.name == new.kind), "there is no kind {:?}", new.kind);
        let counters = &self.0.counters;
        if counters.waiting.load(Ordering::Relaxed) >= MAX_WAITING {
            counters.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refusal::Full);
        }
        if new.args.to_string().len() > MAX_ARGS {
            return Err(Refusal::TooLong { limit: MAX_ARGS });
        }
        let added = self.0.database.write(move |connection| rows::insert(connection, &new, now())).await?;
        if let Added::New(job) = &added {
            counters.waiting.fetch_add(1, Ordering::Relaxed);
            info!(job = job.id.0, kind = job.kind, owner = job.owner, "job added");
            self.0.changed.notify_one();
        }
        Ok(added)
    }

    /// Ends a job. One that has not begun has ended when this returns; one that runs is told to
    /// stop, and its state is `cancelling` until it has.
    pub async fn cancel(&self, id: JobId) -> Result<Job, Refusal> {
        let cancelled = self.0.database.write(move |connection| rows::cancel(connection, id, now())).await?;
        match cancelled {
            Cancelling::Ended(job) => {
                info!(job = id.0, "job cancelled");
                self.0.publish_end(&job.kind, id, job.state.name());
                Ok(job)
            }
            Cancelling::Running(job) => {
                info!(job = id.0, "job cancelled while it runs");
                self.0.board.cancel(id);
                Ok(job)
            }
            Cancelling::TooLate(job) => Err(Refusal::Ended { id, state: job.state.name() }),
            Cancelling::Unknown => Err(Refusal::Unknown(id)),
        }
    }

    /// Has no job of this kind begin until it is resumed, over restarts too. Jobs that run go on.
    pub async fn pause(&self, kind: &str) -> Result<KindReport, Refusal> {
        self.set_paused(kind, true).await
    }

    /// Has jobs of this kind begin again.
    pub async fn resume(&self, kind: &str) -> Result<KindReport, Refusal> {
        self.set_paused(kind, false).await
    }

    async fn set_paused(&self, kind: &str, is_paused: bool) -> Result<KindReport, Refusal> {
        let unknown = || Refusal::UnknownKind(kind.to_owned());
        let name = self.0.kinds.iter().find(|known| known.name == kind).ok_or_else(unknown)?.name;
        let write = move |connection: &_| rows::set_paused(connection, name, is_paused);
        if self.0.database.write(write).await? {
            info!(kind = name, is_paused, "jobs paused or resumed");
        }
        self.0.changed.notify_one();
        let report = self.report().await?.into_iter().find(|report| report.kind == name);
        report.ok_or_else(unknown)
    }

    /// One job.
    pub async fn get(&self, id: JobId) -> Result<Job, Refusal> {
        let job = self.0.database.read(move |connection| rows::get(connection, id)).await?;
        job.ok_or(Refusal::Unknown(id))
    }

    /// Up to `limit` jobs, the newest first.
    pub async fn list(&self, filter: Filter, limit: usize) -> Result<Vec<Job>, Refusal> {
        Ok(self.0.database.read(move |connection| rows::list(connection, &filter, limit)).await?)
    }

    /// How each kind stands.
    pub async fn report(&self) -> Result<Vec<KindReport>, Refusal> {
        let read = |connection: &_| Ok((rows::waiting(connection)?, rows::paused(connection)?));
        let (waiting, paused) = self.0.database.read::<_, crate::db::Error>(read).await?;
        let report = |(at, kind): (usize, &Kind)| {
            let of_kind = waiting.iter().find(|waiting| waiting.kind == kind.name);
            KindReport {
                kind: kind.name,
                is_paused: paused.iter().any(|paused| paused == kind.name),
                concurrency: kind.policy.concurrency,
                running: self.0.running.count(at),
                waiting: of_kind.map_or(0, |waiting| waiting.waiting),
                delayed: of_kind.map_or(0, |waiting| waiting.delayed),
            }
        };
        Ok(self.0.kinds.iter().enumerate().map(report).collect())
    }

    /// How far the jobs are that run.
    pub fn progress(&self) -> Vec<Progress> {
        self.0.board.progress()
    }

    /// How many jobs were refused since the start, because too many were waiting.
    pub fn refused(&self) -> u64 {
        self.0.counters.refused.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn kind(&self, name: &str) -> Option<&'static str> {
        self.kinds.iter().find(|kind| kind.name == name).map(|kind| kind.name)
    }

    fn publish_end(&self, kind: &str, id: JobId, state: &'static str) {
        if let Some(kind) = self.kind(kind) {
            self.events.publish(Event::JobEnded { job: id.0, kind, state });
        }
    }
}

/// The time as rows have it: milliseconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
