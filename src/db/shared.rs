//! The database for a command beside the server, or without one.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::error::{Error, OpenError};
use super::folder::{DATABASE, Lock};
use super::migrations::{self, MIGRATIONS};
use super::open::{self, Opened, configure};

/// A connection that writes, whether a server uses the database at the same time or not.
#[derive(Debug)]
pub struct Shared {
    connection: Connection,
    /// None while a server has it.
    _lock: Option<Lock>,
}

impl Shared {
    /// Opens the database in this folder, and makes both where they are missing.
    ///
    /// # Errors
    ///
    /// A server of another version that runs is not disturbed: its schema has to be ours.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        match open::open(folder) {
            Ok(Opened { lock, connection, .. }) => Ok(Self { connection, _lock: Some(lock) }),
            Err(OpenError::InUse { .. }) => Self::beside_a_server(folder),
            Err(error) => Err(error),
        }
    }

    fn beside_a_server(folder: &Path) -> Result<Self, OpenError> {
        let file = folder.join(DATABASE);
        let of = |error| OpenError::of(&file, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&file, flags).map_err(of)?;
        configure(&connection).map_err(of)?;
        let (found, known) = (migrations::version(&connection, &file)?, migrations::number(MIGRATIONS.len()));
        // An upgrade under a server that runs would change the tables beneath it.
        if found != known {
            let reason =
                format!("a Forebay runs whose schema is {found}, and this one's is {known}: use that one");
            return Err(OpenError::Other { path: file, reason });
        }
        Ok(Self { connection, _lock: None })
    }

    /// Does `work` in a transaction, which is on the disk when this returns.
    pub fn write<T, E: From<Error>>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        // Immediate: a transaction that reads first could
        // not become a writing one while the server writes.
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(Error::from)?;
        let done = work(&self.connection);
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.connection.execute_batch(end);
        // A commit that failed, as on a full disk, leaves the transaction open.
        if ended.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        let value = done?;
        ended.map_err(Error::from)?;
        Ok(value)
    }
}
