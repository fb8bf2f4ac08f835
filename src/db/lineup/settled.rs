//! What follows from all channels together: their numbers, and which of them are one.

use std::ops::RangeInclusive;

use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::number::ChannelNumber;
use rusqlite::{Connection, Row as SqlRow};

use super::channels::{Hidden, hidden_of, number_of};
use super::{PlaylistId, id_of};
use crate::db::Error;

/// What merging knows of a channel, and what it made of it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeRow {
    /// Its number.
    pub id: SourceId,
    /// Its playlist.
    pub playlist: PlaylistId,
    /// Whether it is left out.
    pub hidden: Hidden,
    /// Whether its source is missing.
    pub is_absent: bool,
    /// Its marks.
    pub marks: [u64; 3],
    /// What merging made of it.
    pub merged: Merged,
}

/// What merging makes of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// The channel that is listed for it.
    pub leader: Option<SourceId>,
    /// Another channel of its group has the same source.
    pub is_duplicate: bool,
    /// It can be had.
    pub is_shown: bool,
}

/// What speaks for the number of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberRow {
    /// The channel.
    pub id: SourceId,
    /// The number that it has.
    pub number: Option<ChannelNumber>,
    /// What it has to be in.
    pub range: Option<RangeInclusive<u32>>,
    /// Whether it is left out.
    pub hidden: Hidden,
    /// Whether another one is listed for it.
    pub is_behind: bool,
}

/// What merging knows of all channels, in the order of their ids.
pub fn merge_rows(connection: &Connection) -> Result<Vec<MergeRow>, Error> {
    let sql = "SELECT id, playlist_id, is_hidden, is_absent, merge_guide_id, merge_name, merge_source,
                      leader, is_duplicate, is_shown
               FROM channels ORDER BY id";
    let mut all = Vec::with_capacity(channel_count(connection)?);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mark = |at| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.cast_unsigned());
        all.push(MergeRow {
            id: SourceId(row.get(0)?),
            playlist: PlaylistId(row.get(1)?),
            hidden: hidden_of(row.get(2)?),
            is_absent: row.get(3)?,
            marks: [mark(4)?, mark(5)?, mark(6)?],
            merged: Merged {
                leader: row.get::<_, Option<u32>>(7)?.map(SourceId),
                is_duplicate: row.get(8)?,
                is_shown: row.get(9)?,
            },
        });
    }
    Ok(all)
}

/// A channel as people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRow {
    /// The channel.
    pub id: SourceId,
    /// Its playlist.
    pub playlist: PlaylistId,
    /// Its name.
    pub name: String,
    /// The channel that is listed for it.
    pub leader: Option<SourceId>,
}

/// Shows `take` all channels that can be had, in the order of their ids.
pub fn for_each_name(connection: &Connection, mut take: impl FnMut(NamedRow)) -> Result<(), Error> {
    let sql = "SELECT id, playlist_id, name, leader FROM channels WHERE is_shown ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(NamedRow {
            id: SourceId(row.get(0)?),
            playlist: PlaylistId(row.get(1)?),
            name: row.get(2)?,
            leader: row.get::<_, Option<u32>>(3)?.map(SourceId),
        });
    }
    Ok(())
}

/// Whether any channel is one with another.
pub fn has_merges(connection: &Connection) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM channels WHERE leader IS NOT NULL)";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Writes what merging made of a channel.
pub fn set_merge(connection: &Connection, id: SourceId, merged: Merged) -> Result<(), Error> {
    let sql = "UPDATE channels SET leader = ?2, is_duplicate = ?3, is_shown = ?4 WHERE id = ?1";
    let Merged { leader, is_duplicate, is_shown } = merged;
    connection.prepare_cached(sql)?.execute((id.0, leader.map(|it| it.0), is_duplicate, is_shown))?;
    Ok(())
}

/// The numbers of all channels, in the order of their ids.
pub fn number_rows(connection: &Connection) -> Result<Vec<NumberRow>, Error> {
    let sql = "SELECT id, number, number_minor, range_start, range_end, is_hidden,
                      leader IS NOT NULL AS is_behind
               FROM channels ORDER BY id";
    let mut all = Vec::with_capacity(channel_count(connection)?);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let range: Option<(u32, u32)> = row.get::<_, Option<u32>>("range_start")?.zip(row.get("range_end")?);
        let range = range.map(|(start, end)| start..=end);
        let (number, hidden) = (number_of(row)?, hidden_of(row.get("is_hidden")?));
        let is_behind = row.get("is_behind")?;
        all.push(NumberRow { id: id_of(row, "id")?, number, range, hidden, is_behind });
    }
    Ok(all)
}

/// All numbers that channels have, in any order.
pub fn numbers(connection: &Connection) -> Result<Vec<ChannelNumber>, Error> {
    let sql = "SELECT number, number_minor FROM channels WHERE number IS NOT NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row: &SqlRow<'_>| number_of(row))?;
    rows.filter_map(Result::transpose).map(|number| Ok(number?)).collect()
}

/// The numbers of relays, which channels of playlists do not get.
pub fn relay_numbers(connection: &Connection) -> Result<Vec<u32>, Error> {
    let mut statement = connection.prepare("SELECT number FROM relays WHERE number IS NOT NULL")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.map(|row| Ok(row?)).collect()
}

/// Writes the number of a channel. Says whether it can be had.
pub fn set_number(
    connection: &Connection,
    id: SourceId,
    number: Option<ChannelNumber>,
) -> Result<bool, Error> {
    let sql = "UPDATE channels SET number = ?2, number_minor = ?3 WHERE id = ?1 RETURNING is_shown";
    let minor = number.map_or(0, ChannelNumber::minor);
    let values = (id.0, number.map(ChannelNumber::major), minor);
    Ok(connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
}

/// The greatest id that a source has had; 0 before the first one. Later ones are greater.
pub fn last_id(connection: &Connection) -> Result<SourceId, Error> {
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'sources'";
    Ok(SourceId(connection.query_row(sql, [], |row| row.get(0))?))
}

fn channel_count(connection: &Connection) -> Result<usize, Error> {
    let count: i64 = connection.query_row("SELECT count(*) FROM channels", [], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or_default())
}
