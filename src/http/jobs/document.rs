//! Jobs as JSON.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::db::jobs::{Job, State as JobState};
use crate::jobs::{KindReport, Progress};

/// A part of the list of jobs, and the queues.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct JobList {
    /// The newest first.
    pub(super) jobs: Vec<JobDocument>,
    /// `before` of the next part; null where this is the last one.
    #[schema(required)]
    pub(super) next: Option<i64>,
    /// One for each kind of job.
    pub(super) queues: Vec<QueueDocument>,
    /// Jobs that were refused since the start, because too many were waiting.
    pub(super) refused_total: u64,
}

/// The jobs of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct QueueDocument {
    /// Jobs that may run at the same time.
    concurrency: usize,
    /// Jobs that failed, and are tried again later.
    delayed: u64,
    kind: &'static str,
    /// Whether no job of it begins.
    paused: bool,
    running: usize,
    /// Jobs that could run now.
    waiting: u64,
}

/// A job.
// One field for each key of the document, in alphabetical order.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct JobDocument {
    /// What it works on.
    #[schema(value_type = Object)]
    args: Value,
    /// Attempts that have begun.
    attempts: u32,
    /// In UTC (RFC 3339).
    created_at: String,
    /// Why the last attempt failed; null where none did.
    #[schema(required)]
    error: Option<String>,
    /// In UTC (RFC 3339); null until it has ended.
    #[schema(required)]
    finished_at: Option<String>,
    id: i64,
    kind: String,
    /// When the next attempt is due, in UTC (RFC 3339); null where none is.
    #[schema(required)]
    next_at: Option<String>,
    /// What it does now, for people; null where it does not run or does not say.
    #[schema(required)]
    note: Option<String>,
    /// Who added it: `user:1:ann`, `key:2:script`, `address:127.0.0.1` or `command`.
    owner: String,
    /// 0 is the most urgent, 3 the least.
    priority: u8,
    /// From 0 to 1; null where that is not known.
    #[schema(required)]
    progress: Option<f64>,
    /// What came of it; null until it has completed.
    #[schema(required, value_type = Option<Object>)]
    result: Option<Value>,
    /// When the last attempt began, in UTC (RFC 3339); null where it does not run.
    #[schema(required)]
    started_at: Option<String>,
    /// `waiting`, `delayed`, `running`, `cancelling`, `completed`, `failed` or `cancelled`.
    state: &'static str,
}

/// How far a job is that runs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::http) struct RunningJob {
    id: i64,
    kind: &'static str,
    /// What it does now, for people.
    note: String,
    /// From 0 to 1; null where that is not known.
    #[schema(required)]
    progress: Option<f64>,
}

impl From<Progress> for RunningJob {
    fn from(progress: Progress) -> Self {
        let Progress { job, kind, fraction, note } = progress;
        Self { id: job.0, kind, note, progress: fraction }
    }
}

impl From<KindReport> for QueueDocument {
    fn from(report: KindReport) -> Self {
        let KindReport { kind, is_paused, concurrency, running, waiting, delayed } = report;
        Self { concurrency, delayed, kind, paused: is_paused, running, waiting }
    }
}

impl JobDocument {
    /// `running` has the jobs that run; what is in memory is newer than the row.
    pub(in crate::http) fn new(job: Job, running: &[Progress]) -> Self {
        let live = running.iter().find(|progress| progress.job == job.id);
        let mut document = Self {
            args: job.args,
            attempts: job.attempts.begun,
            created_at: time(job.created_at),
            error: job.error,
            finished_at: None,
            id: job.id.0,
            kind: job.kind,
            next_at: None,
            note: live.map(|live| live.note.clone()).filter(|note| !note.is_empty()),
            owner: job.owner,
            priority: job.priority.class(),
            progress: None,
            result: None,
            started_at: None,
            state: job.state.name(),
        };
        match job.state {
            JobState::Waiting => {}
            JobState::Delayed { due_at } => document.next_at = Some(time(due_at)),
            JobState::Running { started_at, progress, .. } => {
                document.started_at = Some(time(started_at));
                document.progress = live.and_then(|live| live.fraction).or(progress);
            }
            JobState::Cancelling { started_at, .. } => document.started_at = Some(time(started_at)),
            JobState::Completed { at, result } => {
                document.finished_at = Some(time(at));
                document.progress = Some(1.0);
                document.result = Some(result);
            }
            JobState::Failed { at } | JobState::Cancelled { at } => document.finished_at = Some(time(at)),
        }
        document
    }
}

/// A time of a row. Somebody may have changed it by hand to one that is none.
fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default().to_string()
}
