//! Copies of a database: whole, small and on the disk when they have their name.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rusqlite::Connection;

use super::folder::{beside, create, sync};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Copies the database of this connection, as it is at one moment, to a file that its owner alone
/// can read. Who writes meanwhile is not held up. A file of that name is replaced.
///
/// SQLite writes all pages anew, so a copy has no holes, nothing that was deleted, and no damage
/// that nobody noticed.
pub(super) fn copy(connection: &Connection, to: &Path) -> Result<(), CopyError> {
    let new = beside(to, ".new");
    copy_to_new(connection, &new)?;
    fs::rename(&new, to)?;
    Ok(sync(folder_of(to))?)
}

/// The same, without a name that lasts; nothing is left where it fails.
pub(super) fn copy_to_new(connection: &Connection, new: &Path) -> Result<(), CopyError> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    // Made first, with its mode: SQLite would let everybody read a copy with passwords in it.
    create(new)?;
    let fill = || {
        let name = new.to_str().ok_or_else(|| io::Error::other("its path is no text"))?;
        connection.execute("VACUUM INTO ?1", [name])?;
        Ok(File::open(new)?.sync_all()?)
    };
    fill().inspect_err(|_| {
        // What is left of it would only take room, and the disk may be full.
        let _ = fs::remove_file(new);
    })
}

/// The folder in which a file is.
pub(super) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
