//! Why the database did not do something, and why it cannot be used at all.

use std::io;
use std::path::{Path, PathBuf};

use forebay_relay::error::reason;
use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

/// Why a read or a write failed. Nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Until there is room again.
    #[error("the disk that holds the database is full")]
    Full,
    /// The queue of this name is full.
    #[error("too many {0} are waiting")]
    Busy(&'static str),
    /// Another program has held it for too long.
    #[error("another program holds the database")]
    Locked,
    /// The disk fails, or may not be written any more.
    #[error("the disk that holds the database fails: {0}")]
    Disk(String),
    /// What is in it makes no sense.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// There is no database, for this reason.
    #[error("there is no database: {0}")]
    Off(String),
    /// The server ends.
    #[error("the database is closed")]
    Closed,
    /// A fault of ours.
    #[error("the database refused a statement: {0}")]
    Refused(String),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error() {
            // The index of the log could not grow, which takes room on the disk.
            Some(code) if code.extended_code == SQLITE_IOERR_SHMSIZE => Self::Full,
            Some(code) => match code.code {
                ErrorCode::DiskFull => Self::Full,
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Locked,
                // A disk that fails is often mounted read-only
                // by the system, so these are one case.
                ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen => Self::Disk(text),
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged(text),
                _ => Self::Refused(text),
            },
            None => Self::Refused(text),
        }
    }
}

/// A panic of somebody's work, which goes on where the work was asked for.
pub(super) type Caught<T> = std::thread::Result<T>;

/// Why the database cannot be used. Each says which file, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error(
        "another Forebay{} uses {}: stop it, or give this one a folder of its own by [data] dir",
        .process.map_or_else(String::new, |id| format!(" (process {id})")),
        .folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The other process.
        process: Option<u32>,
    },
    /// It, or its folder, cannot be made or written.
    #[error(
        "cannot write {}: {reason}: make room, let the user who runs Forebay write there, or name another folder by \
         [data] dir",
        .path.display()
    )]
    Unwritable {
        /// The folder or the file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A newer Forebay has written it.
    #[error(
        "{} is of a newer Forebay: its schema is {found}, and this one knows those up to {known}: run the newer one, \
         or restore a backup that was made before",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The newest that this program knows.
        known: i32,
    },
    /// It is a file of something else.
    #[error("{} is no database of Forebay: move it away, or name another folder by [data] dir", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Its content makes no sense.
    #[error(
        "{} is damaged: {reason}: restore a backup with \"forebay restore FILE\", or move the file away to begin anew",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// The copy that is made before an upgrade could not be made.
    #[error("cannot copy {} to {} before its upgrade: {reason}", .path.display(), .copy.display())]
    NoCopy {
        /// The file.
        path: PathBuf,
        /// Where the copy should be.
        copy: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// An upgrade failed, and the file is as it was.
    #[error(
        "cannot upgrade {} from schema {from} to {to}: {reason}: nothing of it was changed, and the older Forebay can still use it",
        .path.display()
    )]
    Upgrade {
        /// The file.
        path: PathBuf,
        /// Its version.
        from: i32,
        /// That of the step that failed.
        to: i32,
        /// What went wrong.
        reason: String,
    },
    /// Anything else.
    #[error("cannot open {}: {reason}", .path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
}

impl OpenError {
    /// What SQLite's error means for somebody who opens `path`.
    pub(super) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, reason) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, reason },
            Some(
                ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::PermissionDenied,
            ) => Self::Unwritable { path, reason },
            _ => Self::Other { path, reason },
        }
    }

    /// What SQLite or the system says; else all of it.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Unwritable { reason, .. } | Self::Damaged { reason, .. } | Self::Other { reason, .. } => {
                reason
            }
            error => error.to_string(),
        }
    }

    pub(super) fn unwritable(path: &Path, error: &io::Error) -> Self {
        Self::Unwritable { path: path.to_owned(), reason: reason(error) }
    }
}
