//! A look at the database that changes nothing.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::error::OpenError;
use super::folder::{DATABASE, LOCK};
use super::migrations::{self, MIGRATIONS};
use super::open::{check, configure, lock};

/// What was found in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Examined {
    /// Whether there is a database, which then is sound.
    pub is_there: bool,
    /// Whether a process uses it.
    pub is_in_use: bool,
}

/// Looks at the database of a folder, whether a process uses it or not.
///
/// # Errors
///
/// It is damaged, of a newer Forebay, no database of Forebay's, or cannot be read.
pub fn examine(folder: &Path) -> Result<Examined, OpenError> {
    let file = folder.join(DATABASE);
    let is_in_use = folder.join(LOCK).exists() && matches!(lock(folder), Err(OpenError::InUse { .. }));
    if !file.exists() {
        return Ok(Examined { is_there: false, is_in_use });
    }
    let of = |error| OpenError::of(&file, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&file, flags).map_err(of)?;
    configure(&connection).map_err(of)?;
    let (found, known) = (migrations::version(&connection, &file)?, migrations::number(MIGRATIONS.len()));
    if found > known {
        return Err(OpenError::Newer { path: file, found, known });
    }
    check(&connection, &file)?;
    Ok(Examined { is_there: true, is_in_use })
}
