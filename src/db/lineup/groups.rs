//! Groups of channels, which keep their place in lists.

use forebay_core::lineup::identity::{GroupId, KnownGroup, SourceId};
use rusqlite::{Connection, OptionalExtension as _};

use super::{PlaylistId, id_of, signed};
use crate::db::Error;

/// A group as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredGroup {
    /// What it is known by.
    pub known: KnownGroup,
    /// Its name.
    pub name: String,
    /// Its place in lists.
    pub position: u32,
}

/// The groups of a playlist, in the order of lists.
pub fn groups(connection: &Connection, playlist: PlaylistId) -> Result<Vec<StoredGroup>, Error> {
    let sql =
        "SELECT id, key, name, position FROM channel_groups WHERE playlist_id = ?1 ORDER BY position, id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([playlist.0], |row| {
        let key = row.get::<_, i64>("key")?.cast_unsigned();
        let known = KnownGroup { id: GroupId(row.get("id")?), key, absent_since: None };
        Ok(StoredGroup { known, name: row.get("name")?, position: row.get("position")? })
    })?;
    rows.map(|row| Ok(row?)).collect()
}

/// Adds a group behind all others of all playlists.
pub fn insert_group(
    connection: &Connection,
    playlist: PlaylistId,
    key: u64,
    name: &str,
) -> Result<StoredGroup, Error> {
    let sql = "INSERT INTO channel_groups (playlist_id, key, name, position)
               VALUES (?1, ?2, ?3, (SELECT coalesce(max(position), 0) + 1 FROM channel_groups))
               RETURNING id, position";
    let values = (playlist.0, signed(key), name);
    let (id, position) =
        connection.prepare_cached(sql)?.query_row(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let known = KnownGroup { id: GroupId(id), key, absent_since: None };
    Ok(StoredGroup { known, name: name.to_owned(), position })
}

/// A group as lists of groups show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Its number.
    pub id: GroupId,
    /// Its playlist.
    pub playlist: PlaylistId,
    /// Its name; empty for channels without a group.
    pub name: String,
    /// Its place in lists, which no other group has.
    pub position: u32,
    /// Channels in it, hidden and missing ones too.
    pub channels: u64,
}

/// Up to `limit` groups of a playlist or of all of them in the order of lists, those behind the
/// position `after`.
pub fn list_groups(
    connection: &Connection,
    playlist: Option<PlaylistId>,
    after: u32,
    limit: usize,
) -> Result<Vec<GroupRow>, Error> {
    let sql = "SELECT id, playlist_id, name, position,
                      (SELECT count(*) FROM channels c WHERE c.group_id = g.id) AS channels
               FROM channel_groups g WHERE position > ?1 AND (?3 IS NULL OR playlist_id = ?3)
               ORDER BY position LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((after, limit, playlist.map(|it| it.0)), |row| {
        Ok(GroupRow {
            id: GroupId(row.get("id")?),
            playlist: PlaylistId(row.get("playlist_id")?),
            name: row.get("name")?,
            position: row.get("position")?,
            channels: row.get::<_, i64>("channels")?.unsigned_abs(),
        })
    })?;
    rows.map(|row| Ok(row?)).collect()
}

/// The groups of all playlists in the order of lists, with their positions.
pub fn group_positions(connection: &Connection) -> Result<Vec<(GroupId, u32)>, Error> {
    let mut statement = connection.prepare("SELECT id, position FROM channel_groups ORDER BY position")?;
    let rows = statement.query_map([], |row| Ok((GroupId(row.get(0)?), row.get(1)?)))?;
    rows.map(|row| Ok(row?)).collect()
}

/// Moves a group with its channels from one position to another.
pub fn move_group(
    connection: &Connection,
    GroupId(group): GroupId,
    [from, to]: [u32; 2],
) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE channel_groups SET position = ?2 WHERE id = ?1")?
        .execute((group, to))?;
    // The rest of a rank is the channel's own place: see `rank`.
    let step = (i64::from(to) - i64::from(from)) << 32;
    connection
        .prepare_cached("UPDATE channels SET rank = rank + ?2 WHERE group_id = ?1")?
        .execute((group, step))?;
    Ok(())
}

/// The group of a channel.
pub fn group_of(connection: &Connection, SourceId(id): SourceId) -> Result<Option<GroupId>, Error> {
    let sql = "SELECT group_id FROM channels WHERE id = ?1";
    let group = connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
    Ok(group.map(GroupId))
}

/// All channels of a group in their order, and how many of them users have placed.
pub fn order_of_group(
    connection: &Connection,
    GroupId(group): GroupId,
) -> Result<(Vec<SourceId>, usize), Error> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM channels WHERE group_id = ?1 ORDER BY rank")?;
    let rows = statement.query_map([group], |row| id_of(row, "id"))?;
    let order = rows.collect::<rusqlite::Result<_>>()?;
    let sql = "SELECT count(*) FROM channels c JOIN edits e ON e.channel_id = c.id
               WHERE c.group_id = ?1 AND e.field = 'place'";
    let placed: i64 = connection.query_row(sql, [group], |row| row.get(0))?;
    Ok((order, usize::try_from(placed).unwrap_or_default()))
}
