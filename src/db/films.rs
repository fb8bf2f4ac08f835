//! Films: a row for each file that was ever seen, so that it keeps its id.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rusqlite::{Connection, named_params};

use super::error::Error;

/// A film as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its id, as text.
    pub id: String,
    /// Its file.
    pub path: PathBuf,
    /// The state of the file in which it was read.
    pub identity: Identity,
    /// Microseconds; none where it cannot be played in parts.
    pub duration: Option<i64>,
    /// Why it cannot: a code, and a message behind a colon.
    pub refusal: Option<String>,
}

/// Which file it is, and in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The number of the file system.
    pub device: u64,
    /// The number of the file in it.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// When it was last written to, in nanoseconds since 1970.
    pub modified: i64,
}

/// All rows.
pub fn all(connection: &Connection) -> Result<Vec<Row>, Error> {
    let sql = "SELECT id, path, device, inode, size, modified, duration, refusal FROM films";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let number = |name| row.get::<_, i64>(name).map(i64::cast_unsigned);
        let path: Vec<u8> = row.get("path")?;
        Ok(Row {
            id: row.get("id")?,
            path: PathBuf::from(OsStr::from_bytes(&path)),
            identity: Identity {
                device: number("device")?,
                inode: number("inode")?,
                size: number("size")?,
                modified: row.get("modified")?,
            },
            duration: row.get("duration")?,
            refusal: row.get("refusal")?,
        })
    })?;
    rows.map(|row| Ok(row?)).collect()
}

/// Writes these rows, in the place of those with the same ids.
pub fn put(connection: &Connection, rows: &[Row]) -> Result<(), Error> {
    let sql = "INSERT INTO films (id, path, device, inode, size, modified, duration, refusal)
               VALUES (:id, :path, :device, :inode, :size, :modified, :duration, :refusal)
               ON CONFLICT (id) DO UPDATE SET path = :path, device = :device, inode = :inode,
                   size = :size, modified = :modified, duration = :duration, refusal = :refusal";
    let mut statement = connection.prepare(sql)?;
    for Row { id, path, identity, duration, refusal } in rows {
        statement.execute(named_params! {
            ":id": id,
            ":path": path.as_os_str().as_bytes(),
            ":device": identity.device.cast_signed(),
            ":inode": identity.inode.cast_signed(),
            ":size": identity.size.cast_signed(),
            ":modified": identity.modified,
            ":duration": duration,
            ":refusal": refusal,
        })?;
    }
    Ok(())
}
