//! Reading jobs.

use rusqlite::{Connection, OptionalExtension as _, named_params};

use super::job::{Job, JobId, read};
use crate::db::error::Error;

/// Which jobs are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this kind.
    pub kind: Option<String>,
    /// Those with this name of a state.
    pub state: Option<String>,
    /// Those before this one.
    pub before: Option<JobId>,
}

/// The jobs of a kind that have not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The kind.
    pub kind: String,
    /// Those that could run now.
    pub waiting: u64,
    /// Those that are tried again later.
    pub delayed: u64,
    /// When the first of the latter is due, in milliseconds since 1970.
    pub next_due: Option<i64>,
}

/// One job.
pub fn get(connection: &Connection, id: JobId) -> Result<Option<Job>, Error> {
    let mut find = connection.prepare_cached("SELECT * FROM jobs WHERE id = ?1")?;
    find.query_row([id.0], |row| Ok(read(row))).optional()?.transpose()
}

/// Up to `limit` jobs, the newest first.
pub fn list(connection: &Connection, filter: &Filter, limit: usize) -> Result<Vec<Job>, Error> {
    let sql = "SELECT * FROM jobs
               WHERE (:kind IS NULL OR kind = :kind) AND (:state IS NULL OR state = :state)
                   AND id < :before
               ORDER BY id DESC LIMIT :limit";
    let before = filter.before.map_or(i64::MAX, |id| id.0);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = named_params! {
        ":kind": filter.kind, ":state": filter.state, ":before": before, ":limit": limit,
    };
    let mut find = connection.prepare(sql)?;
    let rows = find.query_map(values, |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

/// What waits, by kind.
pub fn waiting(connection: &Connection) -> Result<Vec<Waiting>, Error> {
    let sql = "SELECT kind, sum(waiting), sum(delayed), min(due) FROM (
                   SELECT kind, count(*) AS waiting, 0 AS delayed, NULL AS due
                   FROM jobs WHERE state = 'waiting' GROUP BY kind
                   UNION ALL
                   SELECT kind, 0, count(*), min(due_at) FROM jobs WHERE state = 'delayed' GROUP BY kind)
               GROUP BY kind";
    let mut find = connection.prepare_cached(sql)?;
    let rows = find.query_map([], |row| {
        Ok(Waiting {
            kind: row.get(0)?,
            waiting: row.get::<_, i64>(1)?.unsigned_abs(),
            delayed: row.get::<_, i64>(2)?.unsigned_abs(),
            next_due: row.get(3)?,
        })
    })?;
    rows.map(|row| Ok(row?)).collect()
}

/// How many jobs of one kind there are, by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Those that could run now.
    pub waiting: u64,
    /// Of them, the most urgent ones.
    pub urgent: u64,
    /// Those that are tried again later.
    pub delayed: u64,
    /// Those that run.
    pub running: u64,
    /// Those that are done, as long as they are kept.
    pub completed: u64,
    /// Those that are given up, as long as they are kept.
    pub failed: u64,
}

/// How many jobs of a kind there are.
pub fn counts(connection: &Connection, kind: &str) -> Result<Counts, Error> {
    let sql = "SELECT count(*) FILTER (WHERE state = 'waiting'),
                      count(*) FILTER (WHERE state = 'waiting' AND priority = 0),
                      count(*) FILTER (WHERE state = 'delayed'),
                      count(*) FILTER (WHERE state IN ('running', 'cancelling')),
                      count(*) FILTER (WHERE state = 'completed'),
                      count(*) FILTER (WHERE state = 'failed')
               FROM jobs WHERE kind = ?1";
    let counts = connection.query_row(sql, [kind], |row| {
        let count = |at| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.unsigned_abs());
        Ok(Counts {
            waiting: count(0)?,
            urgent: count(1)?,
            delayed: count(2)?,
            running: count(3)?,
            completed: count(4)?,
            failed: count(5)?,
        })
    })?;
    Ok(counts)
}

/// How many jobs of a kind that this owner has added wait or run.
pub fn live(connection: &Connection, kind: &str, owner: &str) -> Result<u64, Error> {
    let sql = "SELECT count(*) FROM jobs WHERE kind = ?1 AND owner = ?2
                   AND state IN ('waiting', 'delayed', 'running', 'cancelling')";
    Ok(connection.query_row(sql, [kind, owner], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// The kinds of which no job begins.
pub fn paused(connection: &Connection) -> Result<Vec<String>, Error> {
    let mut find = connection.prepare("SELECT kind FROM paused_jobs ORDER BY kind")?;
    let rows = find.query_map([], |row| row.get(0))?;
    rows.map(|row| Ok(row?)).collect()
}
