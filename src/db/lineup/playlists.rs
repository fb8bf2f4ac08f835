//! Playlists.

use jiff::Timestamp;
use rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE;
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::Value;

use crate::config::playlist::PlaylistSpec;
use crate::db::{Document, Error};

/// Names a playlist for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaylistId(pub i64);

/// A playlist as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Playlist {
    /// Its number in the API.
    pub id: PlaylistId,
    /// Its id in the configuration file, if that owns it.
    pub file_key: Option<String>,
    /// Whether a command on this machine gave it its list.
    pub is_of_host: bool,
    /// Whether its channels were written as such that may be on private networks.
    pub reaches_private: Option<bool>,
    /// What it is.
    pub document: Document<PlaylistSpec>,
    /// When it was made, to the second.
    pub created_at: Timestamp,
    /// When it was last changed, to the second.
    pub changed_at: Timestamp,
}

/// Why a playlist was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaylistError {
    /// Another one has this name.
    #[error("the name \"{0}\" is taken by another playlist")]
    NameTaken(String),
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] Error),
}

impl PlaylistId {
    /// The id of its provider, where its account has a limit of connections.
    pub fn provider(self) -> String {
        format!("playlist-{}", self.0)
    }
}

impl Playlist {
    /// Whether the operator wrote its settings: in the configuration file, or by a command.
    pub fn has_operators_settings(&self) -> bool {
        self.file_key.is_some() || self.is_of_host
    }

    /// Whether its list is one that the operator named: what is in it may be on private networks,
    /// then. To whom a list is uploaded is not enough: that says nothing of who uploads it.
    pub fn has_operators_list(&self) -> bool {
        let spec = self.document.spec();
        let is_named = spec.url.is_some() || spec.allow_private == Some(true);
        self.is_of_host || (self.file_key.is_some() && is_named)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        name_of(&self.document)
    }
}

const COLUMNS: &str = "id, file_key, is_of_host, reaches_private, settings, created_at, changed_at";

/// Adds a playlist, whose settings were checked. `file_key` is its id in the configuration file.
pub fn insert_playlist(
    connection: &Connection,
    document: &Document<PlaylistSpec>,
    file_key: Option<&str>,
) -> Result<Playlist, PlaylistError> {
    let sql = format!(
        "INSERT INTO playlists (file_key, name, settings, created_at, changed_at)
         VALUES (?1, ?2, ?3, ?4, ?4) RETURNING {COLUMNS}"
    );
    let (name, now) = (name_of(document), Timestamp::now().as_second());
    let values = (file_key, name, text(document), now);
    let inserted = connection.query_row(&sql, values, |row| Ok(read(row)));
    Ok(inserted.map_err(|error| refusal(error, name))??)
}

/// Gives a playlist other settings, which were checked; `None` if there is no such playlist.
pub fn update_playlist(
    connection: &Connection,
    id: PlaylistId,
    document: &Document<PlaylistSpec>,
) -> Result<Option<Playlist>, PlaylistError> {
    let sql = format!(
        "UPDATE playlists SET name = ?2, settings = ?3, changed_at = ?4 WHERE id = ?1 RETURNING {COLUMNS}"
    );
    let (name, now) = (name_of(document), Timestamp::now().as_second());
    let values = (id.0, name, text(document), now);
    let updated = connection.query_row(&sql, values, |row| Ok(read(row))).optional();
    Ok(updated.map_err(|error| refusal(error, name))?.transpose()?)
}

/// Says whether a command on this machine gave a playlist its list.
pub fn set_of_host(connection: &Connection, id: PlaylistId, is_of_host: bool) -> Result<(), Error> {
    let sql = "UPDATE playlists SET is_of_host = ?2 WHERE id = ?1 AND is_of_host <> ?2";
    connection.execute(sql, (id.0, is_of_host))?;
    Ok(())
}

/// Notes whether its channels are written as such that may be on private networks.
pub fn note_reach(connection: &Connection, id: PlaylistId, reaches_private: bool) -> Result<(), Error> {
    let sql = "UPDATE playlists SET reaches_private = ?2 WHERE id = ?1 AND reaches_private IS NOT ?2";
    connection.execute(sql, (id.0, reaches_private))?;
    Ok(())
}

/// Removes a playlist with all of its channels; says whether there was one.
pub fn remove_playlist(connection: &Connection, id: PlaylistId) -> Result<bool, Error> {
    Ok(connection.execute("DELETE FROM playlists WHERE id = ?1", [id.0])? > 0)
}

/// One playlist.
pub fn playlist(connection: &Connection, id: PlaylistId) -> Result<Option<Playlist>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM playlists WHERE id = ?1");
    connection.query_row(&sql, [id.0], |row| Ok(read(row))).optional()?.transpose()
}

/// The playlist of this id in the configuration file.
pub fn playlist_of_file(connection: &Connection, key: &str) -> Result<Option<Playlist>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM playlists WHERE file_key = ?1");
    connection.query_row(&sql, [key], |row| Ok(read(row))).optional()?.transpose()
}

/// All of them, in the order of their ids. People have a handful.
pub fn all_playlists(connection: &Connection) -> Result<Vec<Playlist>, Error> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM playlists ORDER BY id"))?;
    let rows = statement.query_map([], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn name_of(document: &Document<PlaylistSpec>) -> &str {
    let spec = document.spec();
    spec.name.as_deref().or(spec.id.as_deref()).expect("what is written was checked, and so has a name")
}

fn text(document: &Document<PlaylistSpec>) -> String {
    serde_json::to_string(document.fields()).expect("the keys of a JSON object are texts")
}

fn read(row: &Row<'_>) -> Result<Playlist, Error> {
    let id: i64 = row.get("id")?;
    let wrong = |what| Error::Damaged(format!("playlist {id}: {what}"));
    let text: String = row.get("settings")?;
    let Ok(Value::Object(fields)) = serde_json::from_str(&text) else {
        return Err(wrong("its settings are no JSON object"));
    };
    let document = Document::new(fields).map_err(|_| wrong("its settings are none of a playlist"))?;
    let time =
        |name| Timestamp::from_second(row.get(name)?).map_err(|_| wrong("its time is out of all range"));
    Ok(Playlist {
        id: PlaylistId(id),
        file_key: row.get("file_key")?,
        is_of_host: row.get("is_of_host")?,
        reaches_private: row.get("reaches_private")?,
        document,
        created_at: time("created_at")?,
        changed_at: time("changed_at")?,
    })
}

fn refusal(error: rusqlite::Error, name: &str) -> PlaylistError {
    let is_taken = error.sqlite_error().is_some_and(|code| code.extended_code == SQLITE_CONSTRAINT_UNIQUE);
    if is_taken { PlaylistError::NameTaken(name.to_owned()) } else { PlaylistError::Database(error.into()) }
}
