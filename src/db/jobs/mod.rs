//! The queue of jobs: a row for each job that waits, runs, or has ended lately.
//!
//! Every function takes the time, in milliseconds since 1970. What is to become of a job is decided
//! by `forebay_core::jobs`; here it is carried out, each change in one transaction.

mod ends;
mod job;
mod lists;
#[cfg(test)]
mod tests;

use forebay_core::jobs::rank;
use rusqlite::{Connection, OptionalExtension as _, named_params};

pub use self::ends::{Cancelling, Fence, Outcome, cancel, clean, end, recover, set_progress};
pub use self::job::{Boot, Job, JobId, NewJob, State};
pub use self::lists::{Counts, Filter, Waiting, counts, get, list, live, paused, waiting};
use super::error::Error;

/// A job that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Added {
    /// It is new.
    New(Job),
    /// A job with the same key waits or runs already.
    Known(Job),
}

impl Added {
    /// The job.
    pub fn into_job(self) -> Job {
        match self {
            Self::New(job) | Self::Known(job) => job,
        }
    }
}

/// Begins a life of the server.
pub fn begin_boot(connection: &Connection, now: i64) -> Result<Boot, Error> {
    let sql = "INSERT INTO boots (at) VALUES (?1) RETURNING id";
    let boot = connection.query_row(sql, [now], |row| row.get(0))?;
    // Only numbers are asked for later.
    connection.execute("DELETE FROM boots WHERE id < ?1 - 100", [boot])?;
    Ok(Boot(boot))
}

/// Adds a job, unless one with the same key waits or runs.
pub fn insert(connection: &Connection, new: &NewJob, now: i64) -> Result<Added, Error> {
    let sql = "INSERT INTO jobs (kind, args, priority, unique_key, owner, state, due_at, rank, created_at)
               VALUES (:kind, :args, :priority, :key, :owner, 'waiting', :now, :rank, :now)
               ON CONFLICT (unique_key)
                   WHERE unique_key IS NOT NULL AND state IN ('waiting', 'delayed', 'running')
                   DO NOTHING
               RETURNING *";
    let values = named_params! {
        ":kind": new.kind, ":args": new.args.to_string(), ":priority": new.priority.class(),
        ":key": new.unique_key, ":owner": new.owner, ":now": now, ":rank": rank(new.priority, now),
    };
    let mut insert = connection.prepare_cached(sql)?;
    if let Some(job) = insert.query_row(values, |row| Ok(job::read(row))).optional()? {
        return Ok(Added::New(job?));
    }
    let sql = "SELECT * FROM jobs WHERE unique_key = ?1 AND state IN ('waiting', 'delayed', 'running')";
    let mut find = connection.prepare_cached(sql)?;
    Ok(Added::Known(find.query_row([&new.unique_key], |row| Ok(job::read(row)))??))
}

/// An update without an index would look at every row.
const CLAIM: &str = "UPDATE jobs SET state = 'running', begun = begun + 1, boot = :boot,
                                    started_at = :now, progress = NULL
                     WHERE id IN (SELECT id FROM jobs WHERE state = 'waiting' AND kind = :kind
                                  AND NOT EXISTS (SELECT 1 FROM paused_jobs WHERE kind = :kind)
                                  ORDER BY rank, id LIMIT :limit)
                     RETURNING *";

/// Begins up to `limit` jobs of a kind, the first ones by rank, unless the kind is paused.
pub fn claim(
    connection: &Connection,
    kind: &str,
    limit: usize,
    boot: Boot,
    now: i64,
) -> Result<Vec<Job>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = named_params! { ":kind": kind, ":limit": limit, ":boot": boot.0, ":now": now };
    let mut claim = connection.prepare_cached(CLAIM)?;
    let rows = claim.query_map(values, |row| Ok(job::read(row)))?;
    let mut jobs = rows.map(|row| row?).collect::<Result<Vec<Job>, Error>>()?;
    // The rows come in any order.
    jobs.sort_by_key(|job| (job.rank, job.id));
    Ok(jobs)
}

/// Has the jobs run whose pause is over.
pub fn promote(connection: &Connection, now: i64) -> Result<usize, Error> {
    let sql = "UPDATE jobs SET state = 'waiting' WHERE state = 'delayed' AND due_at <= ?1";
    Ok(connection.prepare_cached(sql)?.execute([now])?)
}

/// Pauses a kind of job, or lets it go on. Jobs that run are left alone. Says whether that changed
/// anything.
pub fn set_paused(connection: &Connection, kind: &str, is_paused: bool) -> Result<bool, Error> {
    let sql = if is_paused {
        "INSERT INTO paused_jobs (kind) VALUES (?1) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM paused_jobs WHERE kind = ?1"
    };
    Ok(connection.execute(sql, [kind])? > 0)
}
