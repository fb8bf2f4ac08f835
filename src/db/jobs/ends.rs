//! How attempts end, jobs are cancelled, and old rows go.

use std::time::Duration;

use forebay_core::jobs::{Attempts, Ended, Next, Policy, Priority, after_attempt, rank};
use rusqlite::{Connection, OptionalExtension as _, named_params};

use super::job::{Boot, Job, JobId, State, read};
use super::lists::get;
use crate::db::error::Error;

/// Jobs that have completed are kept for a day, in milliseconds, and no more than this many.
const COMPLETED_KEPT: i64 = 24 * 3600 * 1000;
const MAX_COMPLETED: i64 = 1000;

/// Jobs that failed or were cancelled are kept for a week, in milliseconds.
const OTHERS_KEPT: i64 = 7 * 24 * 3600 * 1000;

/// Rows that one transaction deletes, so that other writes do not wait for it.
const MAX_CLEANED: i64 = 500;

/// Lets only the attempt change a job that was begun last, and only in the life in which it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The job.
    pub id: JobId,
    /// The number of the attempt.
    pub attempt: u32,
    /// The life.
    pub boot: Boot,
}

/// What an attempt has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// How it ended.
    pub ended: Ended,
    /// What came of it, as JSON, or why it failed.
    pub text: &'a str,
}

/// What cancelling did.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelling {
    /// The job had not begun, and has ended.
    Ended(Job),
    /// The job runs: whoever runs it has to stop it.
    Running(Job),
    /// The job has ended before.
    TooLate(Job),
    /// No job has this number.
    Unknown,
}

/// Ends an attempt, and returns what the job is then; `None` where the fence does not let it.
/// `chance` spreads the pause before another attempt.
pub fn end(
    connection: &Connection,
    fence: Fence,
    policy: &Policy,
    outcome: Outcome<'_>,
    (chance, now): (u8, i64),
) -> Result<Option<State>, Error> {
    let sql = "SELECT begun, failed, priority, state FROM jobs
               WHERE id = :id AND begun = :attempt AND boot = :boot
                   AND state IN ('running', 'cancelling')";
    let values = named_params! { ":id": fence.id.0, ":attempt": fence.attempt, ":boot": fence.boot.0 };
    let mut find = connection.prepare_cached(sql)?;
    let row = find.query_row(values, |row| {
        let attempts = Attempts { begun: row.get(0)?, failed: row.get(1)? };
        Ok((attempts, row.get::<_, i64>(2)?, row.get_ref(3)?.as_str()? == "cancelling"))
    });
    let Some((attempts, class, is_cancelled)) = row.optional()? else { return Ok(None) };
    let next = after_attempt(policy, attempts, outcome.ended, is_cancelled, chance);
    let priority = Priority::of_class(class).unwrap_or_default();
    write(connection, fence.id, priority, next, outcome.text, now).map(Some)
}

/// Interrupts what runs in another life than this one. Returns how many jobs that were.
pub fn recover(connection: &Connection, boot: Boot, policy: &Policy, now: i64) -> Result<usize, Error> {
    let sql = "SELECT * FROM jobs WHERE state IN ('running', 'cancelling') AND boot <> ?1";
    let mut find = connection.prepare(sql)?;
    let rows = find.query_map([boot.0], |row| Ok(read(row)))?;
    let jobs = rows.map(|row| row?).collect::<Result<Vec<Job>, Error>>()?;
    for job in &jobs {
        let is_cancelled = matches!(job.state, State::Cancelling { .. });
        let next = after_attempt(policy, job.attempts, Ended::Interrupted, is_cancelled, 0);
        write(connection, job.id, job.priority, next, "the server ended while it ran", now)?;
    }
    Ok(jobs.len())
}

/// Writes what becomes of a job. `text` is its result or its error.
fn write(
    connection: &Connection,
    id: JobId,
    priority: Priority,
    next: Next,
    text: &str,
    now: i64,
) -> Result<State, Error> {
    let (state, failed, due) = match next {
        Next::Complete => {
            let result = serde_json::from_str(text).unwrap_or_default();
            (State::Completed { at: now, result }, None, None)
        }
        // It keeps its place in front of those that were added later.
        Next::Again { pause: Duration::ZERO, failed } => (State::Waiting, Some(failed), None),
        Next::Again { pause, failed } => {
            let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
            let due_at = now.saturating_add(pause);
            (State::Delayed { due_at }, Some(failed), Some(due_at))
        }
        Next::Fail { failed } => (State::Failed { at: now }, Some(failed), None),
        Next::Cancel => (State::Cancelled { at: now }, None, None),
    };
    let sql = "UPDATE jobs SET state = :state, failed = coalesce(:failed, failed),
                   due_at = coalesce(:due, due_at), rank = coalesce(:rank, rank), boot = NULL, progress = NULL, finished_at = :finished,
                   result = :result, error = coalesce(:error, error)
               WHERE id = :id";
    let (result, error) = match next {
        Next::Complete => (Some(text), None),
        Next::Again { .. } | Next::Fail { .. } => (None, Some(text)),
        Next::Cancel => (None, None),
    };
    connection.prepare_cached(sql)?.execute(named_params! {
        ":id": id.0, ":state": state.name(), ":failed": failed, ":due": due,
        ":rank": due.map(|due| rank(priority, due)), ":finished": state.has_ended().then_some(now),
        ":result": result, ":error": error,
    })?;
    Ok(state)
}

/// Ends a job that has not begun; says of one that runs that it is to end.
pub fn cancel(connection: &Connection, id: JobId, now: i64) -> Result<Cancelling, Error> {
    let Some(job) = get(connection, id)? else { return Ok(Cancelling::Unknown) };
    match job.state {
        State::Waiting | State::Delayed { .. } => {
            let state = write(connection, id, job.priority, Next::Cancel, "", now)?;
            Ok(Cancelling::Ended(Job { state, ..job }))
        }
        State::Running { boot, started_at, .. } => {
            connection.execute("UPDATE jobs SET state = 'cancelling' WHERE id = ?1", [id.0])?;
            Ok(Cancelling::Running(Job { state: State::Cancelling { boot, started_at }, ..job }))
        }
        State::Cancelling { .. } => Ok(Cancelling::Running(job)),
        State::Completed { .. } | State::Failed { .. } | State::Cancelled { .. } => {
            Ok(Cancelling::TooLate(job))
        }
    }
}

/// Writes how far a job is, from 0 to 1. Says whether the fence let it.
pub fn set_progress(connection: &Connection, fence: Fence, progress: f64) -> Result<bool, Error> {
    let sql = "UPDATE jobs SET progress = :progress
               WHERE id = :id AND begun = :attempt AND boot = :boot AND state = 'running'";
    let values = named_params! {
        ":id": fence.id.0, ":attempt": fence.attempt, ":boot": fence.boot.0, ":progress": progress,
    };
    Ok(connection.prepare_cached(sql)?.execute(values)? > 0)
}

/// Deletes rows that are old enough, some at a time. Returns how many.
pub fn clean(connection: &Connection, now: i64) -> Result<usize, Error> {
    let old = "DELETE FROM jobs WHERE id IN (
                   SELECT id FROM jobs WHERE state = 'completed' AND finished_at <= :completed
                   UNION ALL
                   SELECT id FROM jobs WHERE state IN ('failed', 'cancelled') AND finished_at <= :others
                   LIMIT :limit)";
    let values = named_params! {
        ":completed": now - COMPLETED_KEPT, ":others": now - OTHERS_KEPT, ":limit": MAX_CLEANED,
    };
    let old = connection.execute(old, values)?;
    let many = "DELETE FROM jobs WHERE id IN (
                    SELECT id FROM jobs WHERE state = 'completed'
                    ORDER BY finished_at DESC, id DESC LIMIT ?1 OFFSET ?2)";
    Ok(old + connection.execute(many, (MAX_CLEANED, MAX_COMPLETED))?)
}
