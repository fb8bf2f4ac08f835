//! The database: everything that people and imports make, in one SQLite file.
//!
//! One thread writes. It commits many small writes as one transaction and answers each caller when
//! the commit is on the disk (`writer`). A few connections read, each read from one moment
//! (`readers`). Both queues have a limit: what finds no room is refused and counted.
//!
//! No part of the data path asks the database. Where it cannot be written, viewers notice nothing:
//! writes fail with an [`Error`], and reads go on.

pub mod api_keys;
pub mod audit;
pub mod backup;
mod copy;
mod document;
pub mod downloads;
mod error;
mod examine;
pub mod films;
mod folder;
pub mod jobs;
pub mod lineup;
pub mod listing;
pub mod metric_minutes;
mod migrations;
mod open;
mod readers;
pub mod relays;
mod shared;
pub mod stream_tokens;
mod time;
pub mod tuners;
pub mod user_sessions;
pub mod users;
mod writer;

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tracing::warn;

pub use self::document::Document;
pub(crate) use self::document::{merge, read};
pub use self::error::{Error, OpenError};
pub use self::examine::{Examined, examine};
use self::folder::DATABASE;
use self::readers::Readers;
pub use self::shared::Shared;
use self::writer::Writer;
use crate::config::DataDir;

/// The open database. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Database(Arc<State>);

#[derive(Debug)]
enum State {
    On {
        // Closed before the writer, which then is the last one and puts the log into the file.
        readers: Readers,
        writer: Writer,
    },
    /// There is none, for this reason.
    Off(String),
}

/// What has happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Writes that are on the disk.
    pub written: u64,
    /// Transactions that they took.
    pub commits: u64,
    /// Writes that the database could not take: a full disk, for example.
    pub failed: u64,
    /// Writes that were refused because too many were waiting.
    pub refused_writes: u64,
    /// Reads that were begun.
    pub reads: u64,
    /// Reads that were refused because too many were waiting.
    pub refused_reads: u64,
}

impl Database {
    /// Opens the database in this folder, and makes both where they are missing. Waits for the
    /// disk.
    ///
    /// # Errors
    ///
    /// Anything that would lose data or could not keep it. Only where nobody has asked for a
    /// database yet (no folder is configured and no file is there), a folder that cannot be
    /// written means that there is none: a relay that has all its channels in the configuration
    /// runs from a read-only disk.
    pub fn start(folder: &DataDir) -> Result<Self, OpenError> {
        match Self::open(&folder.path) {
            Err(error @ OpenError::Unwritable { .. }) if !is_wanted(folder) => {
                warn!("{error}; until then nothing can be changed through the API");
                Ok(Self::off(error.to_string()))
            }
            result => result,
        }
    }

    /// Opens the database in this folder, and makes both where they are missing. Waits for the
    /// disk.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let open::Opened { lock, connection, file } = open::open(folder)?;
        let readers = Readers::open(&file).map_err(|error| OpenError::of(&file, &error))?;
        let writer = Writer::start(connection, lock);
        Ok(Self(Arc::new(State::On { readers, writer })))
    }

    /// A database that refuses everything, for this reason.
    pub fn off(reason: String) -> Self {
        Self(Arc::new(State::Off(reason)))
    }

    /// Whether there is one.
    pub fn is_on(&self) -> bool {
        matches!(*self.0, State::On { .. })
    }

    /// Does `work` in a transaction. When this returns a value, it is on the disk.
    ///
    /// `work` may run twice, and each time finds the database as if it had not run before: where a
    /// transaction of several callers fails, each gets one of its own. A panic of `work` is
    /// passed on to the caller.
    pub async fn write<T, E>(
        &self,
        work: impl Fn(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &*self.0 {
            State::On { writer, .. } => writer.write(work).await,
            State::Off(reason) => Err(Error::Off(reason.clone()).into()),
        }
    }

    /// Does `work`, which changes nothing and sees the database of one moment.
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &*self.0 {
            State::On { readers, .. } => readers.read(work).await,
            State::Off(reason) => Err(Error::Off(reason.clone()).into()),
        }
    }

    /// The same on the thread that calls, which may wait for the disk.
    pub fn read_here<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        match &*self.0 {
            State::On { readers, .. } => readers.read_here(work),
            State::Off(reason) => Err(Error::Off(reason.clone()).into()),
        }
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        match &*self.0 {
            State::On { readers, writer } => {
                let (reads, refused_reads) = readers.counts();
                Counts { reads, refused_reads, ..writer.counts() }
            }
            State::Off(_) => Counts::default(),
        }
    }

    /// Ends it when all writes so far are on the disk. Later ones are refused.
    pub async fn close(&self) {
        if let State::On { readers, writer } = &*self.0 {
            readers.close().await;
            writer.close().await;
        }
    }
}

/// Whether somebody has asked for a database. Where that cannot be told, one may be there.
fn is_wanted(folder: &DataDir) -> bool {
    folder.is_configured || !matches!(folder.path.join(DATABASE).try_exists(), Ok(false))
}

#[cfg(test)]
mod tests;
