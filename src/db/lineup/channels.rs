//! Channels as everybody sees them.

use std::ops::RangeInclusive;

use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::number::ChannelNumber;
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, named_params};

use super::{PlaylistId, id_of, signed};
use crate::db::Error;

/// A channel as lists show it. Texts are empty where there is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number for ever.
    pub id: SourceId,
    /// Its place in lists.
    pub rank: i64,
    /// Its name in addresses, for ever.
    pub path: String,
    /// Its number for people.
    pub number: Option<ChannelNumber>,
    /// Its name for people.
    pub name: String,
    /// The group.
    pub group_title: String,
    /// The address of the logo.
    pub logo: String,
    /// Its id in guides.
    pub guide_id: String,
    /// Its number at Gracenote.
    pub gracenote_id: String,
    /// Whether it is for adults.
    pub is_adult: bool,
}

/// Whether a channel is left out of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// It is not.
    No = 0,
    /// A rule leaves it out.
    ByRule = 1,
    /// A user does.
    ByUser = 2,
}

/// What is written of a channel; what follows from all channels together is written by
/// [`set_number`] and [`set_merge`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns<'a> {
    /// See [`Row`]; so it is with the texts.
    pub rank: i64,
    /// The name.
    pub name: &'a str,
    /// The group's row.
    pub group: i64,
    /// The group.
    pub group_title: &'a str,
    /// The logo.
    pub logo: &'a str,
    /// The id in guides.
    pub guide_id: &'a str,
    /// The number at Gracenote.
    pub gracenote_id: &'a str,
    /// See [`searched`](super::searched).
    pub search: &'a str,
    /// Whether it is for adults.
    pub is_adult: bool,
    /// Whether it is left out.
    pub hidden: Hidden,
    /// Whether its source is missing or cannot be opened.
    pub is_absent: bool,
    /// What its number has to be in.
    pub range: Option<RangeInclusive<u32>>,
    /// See [`Candidate::marks`](forebay_core::lineup::merge::Candidate::marks).
    pub marks: [u64; 3],
}

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
}

const LISTED: &str =
    "id, rank, path, number, number_minor, name, group_title, logo, guide_id, gracenote_id, is_adult";

const MORE: &str = "playlist_id, is_hidden, is_absent, leader";

/// Up to `limit` channels in the order of lists, those behind the rank `after`.
pub fn list(connection: &Connection, after: Option<i64>, limit: usize) -> Result<Vec<Row>, Error> {
    let sql = format!(
        "SELECT {LISTED} FROM channels
         WHERE rank > ?1 AND is_shown AND leader IS NULL ORDER BY rank LIMIT ?2"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((after.unwrap_or(i64::MIN), limit), read)?;
    rows.map(|row| Ok(row?)).collect()
}

/// How many are listed.
pub fn count(connection: &Connection) -> Result<u64, Error> {
    let count: i64 = connection.query_row("SELECT count(*) FROM lineup_channels", [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// The row of a channel that can be had, listed or behind a leader.
pub(super) fn by_path(connection: &Connection, path: &str) -> Result<Option<(Row, Option<SourceId>)>, Error> {
    let sql = format!("SELECT {LISTED}, leader FROM channels WHERE path = ?1 AND is_shown");
    let row = connection.prepare_cached(&sql)?.query_row([path], with_leader).optional()?;
    Ok(row)
}

/// The first listed channel with this number.
pub(super) fn by_number(
    connection: &Connection,
    number: u32,
) -> Result<Option<(Row, Option<SourceId>)>, Error> {
    let sql = format!(
        "SELECT {LISTED}, leader FROM channels
         WHERE number = ?1 AND number_minor = 0 AND is_shown AND leader IS NULL ORDER BY rank LIMIT 1"
    );
    let row = connection.prepare_cached(&sql)?.query_row([number], with_leader).optional()?;
    Ok(row)
}

/// Adds a channel without a number, not merged with any other.
pub fn insert(
    connection: &Connection,
    id: SourceId,
    playlist: PlaylistId,
    path: &str,
    columns: &Columns<'_>,
) -> Result<(), Error> {
    let sql = "INSERT INTO channels
        (id, playlist_id, path, rank, number_minor, name, group_id, group_title, logo, guide_id,
         gracenote_id, search, is_adult, is_hidden, is_absent, range_start, range_end, merge_guide_id,
         merge_name, merge_source, is_shown)
        VALUES (:id, :playlist, :path, :rank, 0, :name, :group, :group_title, :logo, :guide_id,
         :gracenote_id, :search, :is_adult, :hidden, :is_absent, :start, :end, :mark_guide_id, :mark_name,
         :mark_source, :is_shown)";
    let Columns { range, marks: [mark_guide_id, mark_name, mark_source], .. } = columns;
    connection.prepare_cached(sql)?.execute(named_params! {
        ":id": id.0, ":playlist": playlist.0, ":path": path, ":rank": columns.rank, ":name": columns.name,
        ":group": columns.group, ":group_title": columns.group_title, ":logo": columns.logo,
        ":guide_id": columns.guide_id, ":gracenote_id": columns.gracenote_id,
        ":search": columns.search, ":is_adult": columns.is_adult,
        ":hidden": columns.hidden as u8, ":is_absent": columns.is_absent,
        ":start": range.as_ref().map(RangeInclusive::start), ":end": range.as_ref().map(RangeInclusive::end),
        ":mark_guide_id": signed(*mark_guide_id), ":mark_name": signed(*mark_name),
        ":mark_source": signed(*mark_source), ":is_shown": columns.is_shown_alone(),
    })?;
    Ok(())
}

/// Writes a channel anew, if anything is different. Says whether it was, and could be had before.
pub fn update(connection: &Connection, id: SourceId, columns: &Columns<'_>) -> Result<Option<bool>, Error> {
    let names =
        "rank, name, group_id, group_title, logo, guide_id, gracenote_id, search, is_adult, is_hidden,
        is_absent, range_start, range_end, merge_guide_id, merge_name, merge_source";
    let values =
        ":rank, :name, :group, :group_title, :logo, :guide_id, :gracenote_id, :search, :is_adult, :hidden,
        :is_absent, :start, :end, :mark_guide_id, :mark_name, :mark_source";
    let sql = format!(
        "UPDATE channels SET ({names}) = ({values}) WHERE id = :id AND ({names}) IS NOT ({values})
         RETURNING is_shown"
    );
    let Columns { range, marks: [mark_guide_id, mark_name, mark_source], .. } = columns;
    let values = named_params! {
        ":id": id.0, ":rank": columns.rank, ":name": columns.name,
        ":group": columns.group, ":group_title": columns.group_title, ":logo": columns.logo,
        ":guide_id": columns.guide_id, ":gracenote_id": columns.gracenote_id,
        ":search": columns.search, ":is_adult": columns.is_adult,
        ":hidden": columns.hidden as u8, ":is_absent": columns.is_absent,
        ":start": range.as_ref().map(RangeInclusive::start), ":end": range.as_ref().map(RangeInclusive::end),
        ":mark_guide_id": signed(*mark_guide_id), ":mark_name": signed(*mark_name),
        ":mark_source": signed(*mark_source),
    };
    let was_shown = connection.prepare_cached(&sql)?.query_row(values, |row| row.get(0)).optional()?;
    Ok(was_shown)
}

/// Removes a channel with its source and its edits. Says what its path was, and whether it could be
/// had.
pub fn remove(connection: &Connection, id: SourceId) -> Result<Option<(String, bool)>, Error> {
    let row = path(connection, id)?;
    connection.prepare_cached("DELETE FROM sources WHERE id = ?1")?.execute([id.0])?;
    Ok(row)
}

/// The path of a channel, and whether it can be had.
pub fn path(connection: &Connection, id: SourceId) -> Result<Option<(String, bool)>, Error> {
    let sql = "SELECT path, is_shown FROM channels WHERE id = ?1";
    let read = |row: &SqlRow<'_>| Ok((row.get(0)?, row.get(1)?));
    Ok(connection.prepare_cached(sql)?.query_row([id.0], read).optional()?)
}

/// The paths of the channels of a playlist that can be had.
pub fn paths(connection: &Connection, playlist: PlaylistId) -> Result<Vec<String>, Error> {
    let sql = "SELECT path FROM channels WHERE playlist_id = ?1 AND is_shown";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([playlist.0], |row| row.get(0))?;
    rows.map(|row| Ok(row?)).collect()
}

/// A channel as admins see it, whether it is listed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// As it would be listed.
    pub row: Row,
    /// Its playlist.
    pub playlist: PlaylistId,
    /// Whether it is left out.
    pub hidden: Hidden,
    /// Whether its source is missing.
    pub is_absent: bool,
    /// The channel that is listed for it.
    pub leader: Option<SourceId>,
}

/// One channel.
pub fn detail(connection: &Connection, id: SourceId) -> Result<Option<Detail>, Error> {
    let sql = format!("SELECT {LISTED}, {MORE} FROM channels WHERE id = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([id.0], detail_of).optional()?)
}

/// Up to `limit` channels in the order of lists, those behind the rank `after`; of one playlist, if
/// it is named, and with this text in their folded names and groups.
pub fn details(
    connection: &Connection,
    playlist: Option<PlaylistId>,
    search: &str,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<Detail>, Error> {
    let sql = format!(
        "SELECT {LISTED}, {MORE} FROM channels
         WHERE rank > ?1 AND (?2 IS NULL OR playlist_id = ?2) AND (?3 = '' OR instr(search, ?3))
         ORDER BY rank LIMIT ?4"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = (after.unwrap_or(i64::MIN), playlist.map(|it| it.0), search, limit);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(values, detail_of)?;
    rows.map(|row| Ok(row?)).collect()
}

/// What merging knows of all channels, in the order of their numbers.
pub fn merge_rows(connection: &Connection) -> Result<Vec<MergeRow>, Error> {
    let sql = "SELECT id, playlist_id, is_hidden, is_absent, merge_guide_id, merge_name, merge_source,
                      leader, is_duplicate, is_shown
               FROM channels ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let mark = |name| Ok::<_, rusqlite::Error>(row.get::<_, i64>(name)?.cast_unsigned());
        Ok(MergeRow {
            id: id_of(row, "id")?,
            playlist: PlaylistId(row.get("playlist_id")?),
            hidden: hidden_of(row)?,
            is_absent: row.get("is_absent")?,
            marks: [mark("merge_guide_id")?, mark("merge_name")?, mark("merge_source")?],
            merged: Merged {
                leader: row.get::<_, Option<u32>>("leader")?.map(SourceId),
                is_duplicate: row.get("is_duplicate")?,
                is_shown: row.get("is_shown")?,
            },
        })
    })?;
    rows.map(|row| Ok(row?)).collect()
}

/// Writes what merging made of a channel.
pub fn set_merge(connection: &Connection, id: SourceId, merged: Merged) -> Result<(), Error> {
    let sql = "UPDATE channels SET leader = ?2, is_duplicate = ?3, is_shown = ?4 WHERE id = ?1";
    let Merged { leader, is_duplicate, is_shown } = merged;
    connection.prepare_cached(sql)?.execute((id.0, leader.map(|it| it.0), is_duplicate, is_shown))?;
    Ok(())
}

/// The numbers of all channels, in the order of lists.
pub fn number_rows(connection: &Connection) -> Result<Vec<NumberRow>, Error> {
    let sql = "SELECT id, number, number_minor, range_start, range_end, is_hidden FROM channels ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let range: Option<(u32, u32)> = row.get::<_, Option<u32>>("range_start")?.zip(row.get("range_end")?);
        let range = range.map(|(start, end)| start..=end);
        Ok(NumberRow { id: id_of(row, "id")?, number: number_of(row)?, range, hidden: hidden_of(row)? })
    })?;
    rows.map(|row| Ok(row?)).collect()
}

/// The numbers of relays, which channels of playlists do not get.
pub fn relay_numbers(connection: &Connection) -> Result<Vec<u32>, Error> {
    let mut statement = connection.prepare("SELECT number FROM relays WHERE number IS NOT NULL")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.map(|row| Ok(row?)).collect()
}

/// Says that the source of a channel is missing. Says whether the channel could be had.
pub fn set_channel_absent(connection: &Connection, id: SourceId) -> Result<bool, Error> {
    let sql = "UPDATE channels SET is_absent = 1 WHERE id = ?1 RETURNING is_shown";
    Ok(connection.prepare_cached(sql)?.query_row([id.0], |row| row.get(0))?)
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

impl Columns<'_> {
    /// Whether it can be had where it is merged with no other.
    pub fn is_shown_alone(&self) -> bool {
        self.hidden == Hidden::No && !self.is_absent
    }
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: id_of(row, "id")?,
        rank: row.get("rank")?,
        path: row.get("path")?,
        number: number_of(row)?,
        name: row.get("name")?,
        group_title: row.get("group_title")?,
        logo: row.get("logo")?,
        guide_id: row.get("guide_id")?,
        gracenote_id: row.get("gracenote_id")?,
        is_adult: row.get("is_adult")?,
    })
}

fn detail_of(row: &SqlRow<'_>) -> rusqlite::Result<Detail> {
    let (row_of, leader) = with_leader(row)?;
    let (playlist, is_absent) = (PlaylistId(row.get("playlist_id")?), row.get("is_absent")?);
    Ok(Detail { row: row_of, playlist, hidden: hidden_of(row)?, is_absent, leader })
}

fn with_leader(row: &SqlRow<'_>) -> rusqlite::Result<(Row, Option<SourceId>)> {
    Ok((read(row)?, row.get::<_, Option<u32>>("leader")?.map(SourceId)))
}

fn hidden_of(row: &SqlRow<'_>) -> rusqlite::Result<Hidden> {
    Ok(match row.get("is_hidden")? {
        0 => Hidden::No,
        1 => Hidden::ByRule,
        _ => Hidden::ByUser,
    })
}

fn number_of(row: &SqlRow<'_>) -> rusqlite::Result<Option<ChannelNumber>> {
    let minor = row.get("number_minor")?;
    Ok(row.get::<_, Option<u32>>("number")?.and_then(|major| ChannelNumber::of_parts(major, minor)))
}
