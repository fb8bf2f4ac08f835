//! Opening the database, and every reason not to.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::OpenError;
use super::folder::{self, DATABASE, Lock, LockError};
use super::migrations::{self, MIGRATIONS, Migration};

/// How long a statement waits for another program that holds the file, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How large the log stays on the disk when it is in the database: SQLite lets it grow to about
/// 4 MiB by itself before that.
const LOG_KEPT: &str = "8388608";

/// Memory for pages, of each connection, in KiB.
pub(super) const CACHE: &str = "-2048";

/// Statements that a connection keeps compiled, some kilobytes each: those of a refresh, which has
/// the most, and of the queue of jobs.
const STATEMENTS: usize = 64;

/// A database for one who writes.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) lock: Lock,
    pub(super) connection: Connection,
    pub(super) file: PathBuf,
}

/// Opens the database in a folder, makes both where they are missing, and upgrades it.
pub(super) fn open(folder: &Path) -> Result<Opened, OpenError> {
    open_with(folder, MIGRATIONS)
}

pub(super) fn open_with(folder: &Path, migrations: &[Migration]) -> Result<Opened, OpenError> {
    // In front of everything: two processes must not both find the file missing, or old.
    let lock = lock(folder)?;
    let file = folder.join(DATABASE);
    match folder::create(&file) {
        Ok(()) => folder::sync(folder).map_err(|error| OpenError::unwritable(folder, &error))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(OpenError::unwritable(&file, &error)),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let of = |error: &rusqlite::Error| OpenError::of(&file, error);
    let connection = Connection::open_with_flags(&file, flags).map_err(|error| of(&error))?;
    configure(&connection).map_err(|error| of(&error))?;
    // A file that may not be written is opened for reading without a word.
    if connection.is_readonly("main").map_err(|error| of(&error))? {
        let reason = "it is read-only".into();
        return Err(OpenError::Unwritable { path: file, reason });
    }
    // Before the upgrade, which would write into what is damaged.
    check(&connection, &file)?;
    migrations::migrate(&connection, &file, migrations)?;
    if !keep_log(&connection).map_err(|error| of(&error))? {
        let reason = "its disk cannot share memory among connections: it must be a local one".into();
        return Err(OpenError::Other { path: file, reason });
    }
    Ok(Opened { lock, connection, file })
}

/// Locks the folder, which is made where it is missing.
pub(super) fn lock(folder: &Path) -> Result<Lock, OpenError> {
    folder::lock(folder).map_err(|error| match error {
        LockError::Taken(process) => OpenError::InUse { folder: folder.to_owned(), process },
        LockError::Io(error) => OpenError::unwritable(folder, &error),
    })
}

/// Whether the content is sound.
pub(super) fn check(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let damaged = |reason| OpenError::Damaged { path: file.to_owned(), reason };
    let found = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        .map_err(|error| OpenError::of(file, &error))?;
    if found == "ok" { Ok(()) } else { Err(damaged(found)) }
}

/// What every connection needs.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What a schema calls could come from a file that somebody made to be restored.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    // SQLite looks at the values of a statement when it plans it, and plans it anew for each other
    // value: with a bound LIMIT, at every call. No plan here gains by that.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Has commits go to a log that is on the disk when they return, so that who reads waits for
/// nobody. Says whether the disk can do that.
fn keep_log(connection: &Connection) -> rusqlite::Result<bool> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_KEPT, |_| Ok(()))?;
    // SQLite keeps the mode of before, without an error, where a disk cannot share memory.
    Ok(mode == "wal")
}
