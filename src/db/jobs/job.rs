//! A job, as its row has it.

use forebay_core::jobs::{Attempts, Priority};
use rusqlite::Row;
use serde_json::Value;

use crate::db::error::Error;

/// Names a job for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

/// A life of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Boot(pub i64);

/// A job to be added.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// What does it.
    pub kind: &'static str,
    /// What it works on.
    pub args: Value,
    /// How urgent it is.
    pub priority: Priority,
    /// Of jobs that wait or run, only one has this key.
    pub unique_key: Option<String>,
    /// Who adds it, as the audit log names it.
    pub owner: String,
}

/// A job as it is kept. All times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its number in the API.
    pub id: JobId,
    /// What does it.
    pub kind: String,
    /// What it works on.
    pub args: Value,
    /// How urgent it is.
    pub priority: Priority,
    /// Who added it.
    pub owner: String,
    /// Its attempts so far.
    pub attempts: Attempts,
    /// When it was added.
    pub created_at: i64,
    /// How it stands.
    pub state: State,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// Its place among the jobs that wait.
    pub(crate) rank: i64,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// It runs as soon as there is room.
    Waiting,
    /// It failed, and is tried again at `due_at`.
    Delayed {
        /// When.
        due_at: i64,
    },
    /// It runs.
    Running {
        /// The life in which it runs.
        boot: Boot,
        /// Since when.
        started_at: i64,
        /// From 0 to 1, some seconds old.
        progress: Option<f64>,
    },
    /// It still runs, and is to end.
    Cancelling {
        /// The life in which it runs.
        boot: Boot,
        /// Since when.
        started_at: i64,
    },
    /// The work is done.
    Completed {
        /// When.
        at: i64,
        /// What came of it.
        result: Value,
    },
    /// No attempt succeeded.
    Failed {
        /// When it was given up.
        at: i64,
    },
    /// Somebody did not want it any more.
    Cancelled {
        /// When it ended.
        at: i64,
    },
}

impl State {
    /// Its name in the database and in documents.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delayed { .. } => "delayed",
            Self::Running { .. } => "running",
            Self::Cancelling { .. } => "cancelling",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Completed { .. } | Self::Failed { .. } | Self::Cancelled { .. })
    }
}

/// Reads a row with all columns. Somebody may have changed it by hand.
pub(super) fn read(row: &Row<'_>) -> Result<Job, Error> {
    let id: i64 = row.get("id")?;
    let damaged = |what: &str| Error::Damaged(format!("job {id}: {what}"));
    let json = |text: String| serde_json::from_str(&text).map_err(|_| damaged("a text is no JSON"));
    let boot = || Ok::<_, Error>(Boot(row.get("boot")?));
    let name: String = row.get("state")?;
    let state = match &*name {
        "waiting" => State::Waiting,
        "delayed" => State::Delayed { due_at: row.get("due_at")? },
        "running" => State::Running {
            boot: boot()?,
            started_at: row.get("started_at")?,
            progress: row.get("progress")?,
        },
        "cancelling" => State::Cancelling { boot: boot()?, started_at: row.get("started_at")? },
        "completed" => State::Completed { at: row.get("finished_at")?, result: json(row.get("result")?)? },
        "failed" => State::Failed { at: row.get("finished_at")? },
        "cancelled" => State::Cancelled { at: row.get("finished_at")? },
        _ => return Err(damaged("its state is none")),
    };
    let priority = Priority::of_class(row.get("priority")?);
    Ok(Job {
        id: JobId(id),
        kind: row.get("kind")?,
        args: json(row.get("args")?)?,
        priority: priority.ok_or_else(|| damaged("its priority is none"))?,
        owner: row.get("owner")?,
        attempts: Attempts { begun: row.get("begun")?, failed: row.get("failed")? },
        created_at: row.get("created_at")?,
        state,
        error: row.get("error")?,
        rank: row.get("rank")?,
    })
}
