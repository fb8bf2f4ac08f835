//! Backups: one file that makes an empty machine the same server again.
//!
//! A backup is a copy of the database at one moment, with the configuration file in a table of its
//! own. Making one holds up nobody. Restoring one needs that no process uses the folder; what was
//! there is kept beside it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use forebay_relay::error::reason;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::copy::{CopyError, copy_to_new, folder_of};
use super::error::OpenError;
use super::folder::{DATABASE, beside, create, sync};
use super::migrations::{self, MIGRATIONS};
use super::open::{configure, lock};

/// What stands beside the database in a backup: files by name.
const FILES: &str = "CREATE TABLE backup_files (name TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT";

/// The name of the configuration file there, whatever it is called elsewhere.
const CONFIGURATION: &str = "channels.toml";

/// Why a backup was not made or not restored. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("there is no database at {}", .0.display())]
    NoDatabase(PathBuf),
    /// The file is something else.
    #[error("{} is no backup of Forebay", .0.display())]
    NoBackup(PathBuf),
    /// The file is something else, which would be lost.
    #[error("{} is there already and is no backup of Forebay: name another file", .0.display())]
    Taken(PathBuf),
    /// The file is the database.
    #[error("{} is the database itself: name another file", .0.display())]
    Itself(PathBuf),
    /// A database cannot be used: that of the folder, or that of the backup.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file cannot be written.
    #[error("cannot write {}: {reason}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

/// What a restored backup has taken the place of.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    /// The database.
    pub database: PathBuf,
    /// Where the one is that was there before, if there was one.
    pub kept: Option<PathBuf>,
}

impl BackupError {
    fn write(path: &Path, error: &CopyError) -> Self {
        Self::Write { path: path.to_owned(), reason: error.to_string() }
    }
}

/// Copies the database of a folder, and the configuration file, to a file that its owner alone can
/// read. It is there whole, or not at all. A process may use the database meanwhile: what it has
/// answered is in the copy.
pub fn backup(folder: &Path, configuration: &Path, to: &Path) -> Result<(), BackupError> {
    let database = folder.join(DATABASE);
    let connection = open_existing(&database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    migrations::version(&connection, &database)?;
    // Before anything is written: a wrong word on the command line must not cost a file.
    check_target(&database, to)?;
    let new = beside(to, ".new");
    let write = |error: CopyError| BackupError::write(to, &error);
    copy_to_new(&connection, &new).map_err(write)?;
    let finish = || {
        add_file(&new, CONFIGURATION, &read_if_there(configuration)?)?;
        // Synced before it gets its name, so a power failure leaves no half backup under it.
        fs::File::open(&new)?.sync_all()?;
        fs::rename(&new, to)?;
        Ok(sync(folder_of(to))?)
    };
    finish().map_err(|error| {
        let _ = fs::remove_file(&new);
        write(error)
    })
}

/// Whether what is at `to` may be replaced.
fn check_target(database: &Path, to: &Path) -> Result<(), BackupError> {
    let Ok(there) = fs::metadata(to) else { return Ok(()) };
    // By device and inode: the same file may have two names.
    if fs::metadata(database).is_ok_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino())) {
        return Err(BackupError::Itself(to.to_owned()));
    }
    match is_ours(to) {
        Ok(true) => Ok(()),
        _ => Err(BackupError::Taken(to.to_owned())),
    }
}

fn is_ours(file: &Path) -> Result<bool, BackupError> {
    let connection = open_existing(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(migrations::version(&connection, file).is_ok_and(|version| version > 0))
}

fn open_existing(file: &Path, flags: OpenFlags) -> Result<Connection, BackupError> {
    if !file.exists() {
        return Err(BackupError::NoDatabase(file.to_owned()));
    }
    let of = |error| BackupError::Open(OpenError::of(file, &error));
    let connection =
        Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(of)?;
    configure(&connection).map_err(of)?;
    Ok(connection)
}

fn add_file(backup: &Path, name: &str, content: &[u8]) -> Result<(), CopyError> {
    let connection = Connection::open(backup)?;
    // An old backup may have been restored by hand, with its files.
    connection.execute_batch("DROP TABLE IF EXISTS backup_files")?;
    connection.execute_batch(FILES)?;
    connection.execute("INSERT INTO backup_files VALUES (?1, ?2)", (name, content))?;
    Ok(())
}

/// The configuration file that a backup holds; nothing if it holds none.
pub fn configuration(backup: &Path) -> Result<Option<Vec<u8>>, BackupError> {
    let connection = open_backup(backup)?;
    let read = || {
        let has_files = connection.table_exists(None, "backup_files")?;
        if !has_files {
            return Ok(None);
        }
        let query = "SELECT content FROM backup_files WHERE name = ?1 AND length(content) > 0";
        connection.query_row(query, [CONFIGURATION], |row| row.get(0)).optional()
    };
    read().map_err(|error| OpenError::of(backup, &error).into())
}

/// Puts a backup in the place of the database of a folder, which is made where it is missing, and
/// upgrades it. What was there is kept under another name.
pub fn restore(backup: &Path, folder: &Path) -> Result<Restored, BackupError> {
    // Held to the end: a server that starts in the middle would open the old file.
    let _lock = lock(folder)?;
    let database = folder.join(DATABASE);
    let connection = open_backup(backup)?;
    // Of the backup and before the copy: nothing of the old database is touched for a bad one.
    check_whole(&connection, backup)?;
    let new = beside(&database, ".new");
    copy_to_new(&connection, &new).map_err(|error| BackupError::write(&new, &error))?;
    let put = || {
        // Upgraded while it has no name yet: what cannot be upgraded replaces nothing.
        prepare(&new)?;
        let kept = keep(&database).map_err(|error| OpenError::unwritable(&database, &error))?;
        let place = || {
            fs::rename(&new, &database)?;
            sync(folder)
        };
        place().map_err(|error| OpenError::unwritable(&database, &error))?;
        Ok(Restored { database: database.clone(), kept })
    };
    put().inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

/// Whether a file is a backup that can be restored, looked through to its end.
pub fn check(backup: &Path) -> Result<(), BackupError> {
    check_whole(&open_backup(backup)?, backup)
}

fn open_backup(backup: &Path) -> Result<Connection, BackupError> {
    let connection = match open_existing(backup, OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Err(BackupError::Open(OpenError::Foreign { path })) => return Err(BackupError::NoBackup(path)),
        result => result?,
    };
    let known = migrations::number(MIGRATIONS.len());
    match migrations::version(&connection, backup) {
        Ok(0) | Err(OpenError::Foreign { .. }) => Err(BackupError::NoBackup(backup.to_owned())),
        // Refused here: an older program would not know what to do with the columns it lacks.
        Ok(found) if found > known => Err(OpenError::Newer { path: backup.to_owned(), found, known }.into()),
        Ok(_) => Ok(connection),
        Err(error) => Err(error.into()),
    }
}

/// Looks at every page and every reference: a backup lies about for years, and is made by anybody.
fn check_whole(connection: &Connection, backup: &Path) -> Result<(), BackupError> {
    let of = |error| BackupError::Open(OpenError::of(backup, &error));
    let found: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(of)?;
    let lost = connection.query_row("PRAGMA foreign_key_check", [], |_| Ok(())).optional().map_err(of)?;
    let reason = match (&*found, lost) {
        ("ok", None) => return Ok(()),
        ("ok", Some(())) => "a row refers to one that is not there".into(),
        _ => found,
    };
    Err(OpenError::Damaged { path: backup.to_owned(), reason }.into())
}

/// Makes a database of a backup's copy, of the newest schema and on the disk.
/// The content of a file; nothing where there is none.
fn read_if_there(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

fn prepare(new: &Path) -> Result<(), OpenError> {
    let of = |error| OpenError::of(new, &error);
    let connection = Connection::open(new).map_err(of)?;
    configure(&connection).map_err(of)?;
    connection.execute_batch("DROP TABLE IF EXISTS backup_files").map_err(of)?;
    migrations::upgrade(&connection, new, MIGRATIONS)?;
    drop(connection);
    let synced = fs::File::open(new).and_then(|file| file.sync_all());
    synced.map_err(|error| OpenError::unwritable(new, &error))
}

/// Gives the database of before another name as well, so that at each moment one is there under the
/// usual one. Its log goes with it: SQLite would put it into whatever lies beside it. Neither is
/// opened, since it may be damaged.
fn keep(database: &Path) -> io::Result<Option<PathBuf>> {
    if !database.try_exists()? {
        return Ok(None);
    }
    let kept = free_name(database);
    // Some disks know no second names.
    if fs::hard_link(database, &kept).is_err() {
        create(&kept)?;
        fs::copy(database, &kept)?;
    }
    // Last: until the database has its second name, its log is not touched.
    for suffix in ["-wal", "-shm"] {
        rename_if_there(&beside(database, suffix), &beside(&kept, suffix))?;
    }
    Ok(Some(kept))
}

fn free_name(database: &Path) -> PathBuf {
    let now = Timestamp::now().strftime("%Y%m%d-%H%M%S");
    let name = |more: String| database.with_file_name(format!("forebay-before-restore-{now}{more}.db"));
    let more = (2..).map(|number| name(format!("-{number}")));
    std::iter::once(name(String::new())).chain(more).find(|path| !path.exists()).expect("numbers do not end")
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file that is not there, for its owner alone.
pub fn write_new(path: &Path, content: &[u8]) -> Result<(), BackupError> {
    let write = || {
        create(path)?;
        fs::write(path, content)?;
        fs::File::open(path)?.sync_all()
    };
    write().map_err(|error| BackupError::Write { path: path.to_owned(), reason: reason(&error) })
}
