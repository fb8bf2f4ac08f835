//! What playlists have.

use forebay_core::lineup::identity::{Identity, Key, Known, SourceId};
use forebay_core::lineup::{Entry, UnixTime};
use rusqlite::{Connection, OptionalExtension as _};

use super::entry::{decode, encode};
use super::{PlaylistId, id_of, signed};
use crate::db::Error;

/// A source of a playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its number, and that of its channel.
    pub id: SourceId,
    /// The playlist.
    pub playlist: PlaylistId,
    /// Since when it is missing.
    pub absent_since: Option<UnixTime>,
    /// What the playlist says of it.
    pub entry: Entry,
}

/// What is known of the sources of a playlist when it is refreshed.
pub fn known(connection: &Connection, playlist: PlaylistId) -> Result<Vec<Known>, Error> {
    let sql = "SELECT id, key, content, address, name, absent_since FROM sources WHERE playlist_id = ?1";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([playlist.0], |row| {
        let identity = Identity {
            key: Key::from_bytes(row.get("key")?),
            content: row.get::<_, i64>("content")?.cast_unsigned(),
            address: row.get("address")?,
            name: row.get("name")?,
        };
        let absent_since = row.get::<_, Option<i64>>("absent_since")?.map(UnixTime::from_seconds);
        Ok(Known { id: id_of(row, "id")?, identity, absent_since })
    })?;
    rows.map(|row| Ok(row?)).collect()
}

/// Adds a source.
pub fn insert_source(
    connection: &Connection,
    playlist: PlaylistId,
    entry: &Entry,
    identity: &Identity,
) -> Result<SourceId, Error> {
    let sql = "INSERT INTO sources (playlist_id, key, content, address, name, entry)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Identity { key, content, address, name } = *identity;
    let values = (playlist.0, key.to_bytes(), signed(content), address, name, encode(entry));
    connection.prepare_cached(sql)?.execute(values)?;
    let id = u32::try_from(connection.last_insert_rowid());
    id.map(SourceId).map_err(|_| Error::Refused("there are no more numbers for channels".to_owned()))
}

/// Gives a source another entry. It is not missing any more.
pub fn update_source(
    connection: &Connection,
    id: SourceId,
    entry: &Entry,
    identity: &Identity,
) -> Result<(), Error> {
    let sql = "UPDATE sources SET key = ?2, content = ?3, address = ?4, name = ?5, entry = ?6,
                                  absent_since = NULL
               WHERE id = ?1";
    let Identity { key, content, address, name } = *identity;
    let values = (id.0, key.to_bytes(), signed(content), address, name, encode(entry));
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Says since when a source is missing, or that it is there again.
pub fn set_absent(connection: &Connection, id: SourceId, since: Option<UnixTime>) -> Result<(), Error> {
    let sql = "UPDATE sources SET absent_since = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute((id.0, since.map(UnixTime::seconds)))?;
    Ok(())
}

/// One source.
pub fn source(connection: &Connection, id: SourceId) -> Result<Option<Source>, Error> {
    let sql = "SELECT playlist_id, absent_since, entry FROM sources WHERE id = ?1";
    let read = connection
        .prepare_cached(sql)?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, String>(2)?)));
    let Some((playlist, absent_since, text)) = read.optional()? else { return Ok(None) };
    let mut entry = Entry::default();
    decode(&text, &mut entry)?;
    let absent_since = absent_since.map(UnixTime::from_seconds);
    Ok(Some(Source { id, playlist: PlaylistId(playlist), absent_since, entry }))
}

/// The playlist of a source.
pub fn playlist_of(connection: &Connection, id: SourceId) -> Result<Option<PlaylistId>, Error> {
    let sql = "SELECT playlist_id FROM sources WHERE id = ?1";
    let playlist = connection.prepare_cached(sql)?.query_row([id.0], |row| row.get(0)).optional()?;
    Ok(playlist.map(PlaylistId))
}

/// Hands out the entries of a playlist, one at a time, in the order of their numbers.
pub fn for_each_entry<E: From<Error>>(
    connection: &Connection,
    playlist: PlaylistId,
    mut take: impl FnMut(SourceId, &Entry, Option<UnixTime>) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT id, absent_since, entry FROM sources WHERE playlist_id = ?1 ORDER BY id";
    let mut statement = connection.prepare(sql).map_err(Error::from)?;
    let mut rows = statement.query([playlist.0]).map_err(Error::from)?;
    let mut entry = Entry::default();
    while let Some(row) = rows.next().map_err(Error::from)? {
        let text = row.get_ref("entry").map_err(Error::from)?;
        decode(text.as_str().map_err(|_| Error::Damaged("an entry is no text".to_owned()))?, &mut entry)?;
        let since = row.get::<_, Option<i64>>("absent_since").map_err(Error::from)?;
        take(id_of(row, "id").map_err(Error::from)?, &entry, since.map(UnixTime::from_seconds))?;
    }
    Ok(())
}
