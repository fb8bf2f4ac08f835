//! The documents that were taken, and those that are held.

use forebay_core::lineup::UnixTime;
use rusqlite::{Connection, OptionalExtension as _};

use super::PlaylistId;
use crate::db::Error;

/// SHA-256 of a document.
pub type Digest = [u8; 32];

/// The document that the sources of a playlist are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// When it was taken.
    pub at: UnixTime,
    /// What it is known by.
    pub digest: Digest,
    /// The server's mark of it.
    pub etag: Option<String>,
    /// When the server says that it was changed.
    pub last_modified: Option<String>,
    /// What was in it, as JSON.
    pub summary: String,
}

/// A document that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDocument {
    /// When.
    pub at: UnixTime,
    /// What it is known by.
    pub digest: Digest,
    /// Why, as JSON.
    pub reason: String,
    /// Whether an admin may accept it.
    pub is_acceptable: bool,
    /// The name of the file that has it.
    pub file: String,
}

/// The document that a playlist's sources are of; `None` before the first one.
pub fn taken(connection: &Connection, playlist: PlaylistId) -> Result<Option<Taken>, Error> {
    let sql = "SELECT taken_at, digest, etag, last_modified, summary FROM refreshes WHERE playlist_id = ?1";
    let taken = connection.prepare_cached(sql)?.query_row([playlist.0], |row| {
        Ok(Taken {
            at: UnixTime::from_seconds(row.get(0)?),
            digest: row.get(1)?,
            etag: row.get(2)?,
            last_modified: row.get(3)?,
            summary: row.get(4)?,
        })
    });
    Ok(taken.optional()?)
}

/// Notes the document that was taken.
pub fn set_taken(connection: &Connection, playlist: PlaylistId, taken: &Taken) -> Result<(), Error> {
    let sql = "INSERT OR REPLACE INTO refreshes
               (playlist_id, taken_at, digest, etag, last_modified, summary) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Taken { at, digest, etag, last_modified, summary } = taken;
    connection.execute(sql, (playlist.0, at.seconds(), digest, etag, last_modified, summary))?;
    Ok(())
}

/// Forgets what the document that was taken is known by: the next one is taken whatever it is.
pub fn forget_marks(connection: &Connection, playlist: PlaylistId) -> Result<(), Error> {
    let sql = "UPDATE refreshes SET digest = zeroblob(32), etag = NULL, last_modified = NULL
               WHERE playlist_id = ?1";
    connection.execute(sql, [playlist.0])?;
    Ok(())
}

/// The document of a playlist that is held.
pub fn held(connection: &Connection, playlist: PlaylistId) -> Result<Option<HeldDocument>, Error> {
    let sql =
        "SELECT held_at, digest, reason, is_acceptable, file FROM held_refreshes WHERE playlist_id = ?1";
    let held = connection.prepare_cached(sql)?.query_row([playlist.0], |row| {
        Ok(HeldDocument {
            at: UnixTime::from_seconds(row.get(0)?),
            digest: row.get(1)?,
            reason: row.get(2)?,
            is_acceptable: row.get(3)?,
            file: row.get(4)?,
        })
    });
    Ok(held.optional()?)
}

/// Holds a document, in the place of an older one.
pub fn hold(connection: &Connection, playlist: PlaylistId, held: &HeldDocument) -> Result<(), Error> {
    let sql = "INSERT OR REPLACE INTO held_refreshes
               (playlist_id, held_at, digest, reason, is_acceptable, file) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let HeldDocument { at, digest, reason, is_acceptable, file } = held;
    connection.execute(sql, (playlist.0, at.seconds(), digest, reason, is_acceptable, file))?;
    Ok(())
}

/// Forgets the document that is held. Says whether there was one.
pub fn release(connection: &Connection, playlist: PlaylistId) -> Result<bool, Error> {
    Ok(connection.execute("DELETE FROM held_refreshes WHERE playlist_id = ?1", [playlist.0])? > 0)
}
