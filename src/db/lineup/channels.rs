//! Channels as everybody sees them.

use std::ops::RangeInclusive;

use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::number::ChannelNumber;
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, Statement};

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

/// Why the source of a channel cannot be opened, whatever its server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It is on a private network, and somebody gave it who may not name those.
    Private = 1,
    /// It is a file of this machine, and the list is none.
    File = 2,
    /// It is no address, or of a kind that cannot be played.
    Unsupported = 3,
}

impl Unusable {
    /// The word for it in the API.
    pub fn code(self) -> &'static str {
        match self {
            Self::Private => "private_address",
            Self::File => "local_file",
            Self::Unsupported => "unsupported_address",
        }
    }

    /// The same for people, with what to do.
    pub fn message(self) -> &'static str {
        match self {
            Self::Private => {
                "its address is on a private network, and its list was given through the API: set \
                 server.allow_private_sources, or give the list by [[playlists]] or forebay import"
            }
            Self::File => "its address is a file of this machine, which only a list in a file may name",
            Self::Unsupported => "its address is none that can be played: http, https or file",
        }
    }
}

/// What is written of a channel; what follows from all channels together is written by
/// [`set_number`](super::set_number) and [`set_merge`](super::set_merge).
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
    /// Seconds that are to be added to the times of its guide.
    pub guide_shift: i32,
    /// Days of the past that its provider has kept; 0 without an archive.
    pub archive_days: u32,
    /// See [`searched`](super::searched).
    pub search: &'a str,
    /// Whether it is for adults.
    pub is_adult: bool,
    /// Whether it is left out.
    pub hidden: Hidden,
    /// Whether its source is missing.
    pub is_missing: bool,
    /// Why its source cannot be opened.
    pub unusable: Option<Unusable>,
    /// What its number has to be in.
    pub range: Option<RangeInclusive<u32>>,
    /// See [`Candidate::marks`](forebay_core::lineup::merge::Candidate::marks).
    pub marks: [u64; 3],
}

/// Columns that are written once, when a channel is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct New<'a> {
    /// Its playlist.
    pub playlist: PlaylistId,
    /// Its name in addresses, for ever.
    pub path: &'a str,
    /// Its first number.
    pub number: Option<ChannelNumber>,
}

/// The columns of [`Columns`], and where their values stand: behind the id.
const WRITTEN: &str = "rank, name, group_id, group_title, logo, guide_id, gracenote_id, search, is_adult,
    is_hidden, is_absent, unusable, range_start, range_end, merge_guide_id, merge_name, merge_source,
    guide_shift, archive_days";
const VALUES: &str = "?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20";

const LISTED: &str =
    "id, rank, path, number, number_minor, name, group_title, logo, guide_id, gracenote_id, is_adult";

const MORE: &str = "playlist_id, is_hidden, is_absent, unusable, leader";

/// Places are below this: a rank has 31 bits for them.
pub const MAX_PLACE: u32 = 1 << 31;

/// The rank of a channel: where its group stands, then where it stands in its group. Channels that
/// users have placed come first, in ranks that those of the group before never reach.
pub fn rank(group: u32, place: Option<u32>, SourceId(id): SourceId) -> i64 {
    let group = i64::from(group) << 32;
    match place {
        Some(place) => group - i64::from(MAX_PLACE) + i64::from(place.min(MAX_PLACE - 1)),
        None => group | i64::from(id),
    }
}

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

/// Why the channel with this path cannot be played; `None` for one that can, or that is left out of
/// lists.
pub fn why_unusable(connection: &Connection, path: &str) -> Result<Option<Unusable>, Error> {
    let sql = "SELECT unusable FROM channels WHERE path = ?1 AND NOT is_shown AND is_hidden = 0";
    let found = connection.prepare_cached(sql)?.query_row([path], |row| row.get(0)).optional()?;
    Ok(found.and_then(unusable_of))
}

/// Adds a channel that is merged with no other.
pub fn insert(
    connection: &Connection,
    id: SourceId,
    new: &New<'_>,
    columns: &Columns<'_>,
) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO channels (id, {WRITTEN}, playlist_id, path, number, number_minor, is_shown)
         VALUES (?1, {VALUES}, ?21, ?22, ?23, ?24, ?25)"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    columns.bind(&mut statement, id)?;
    statement.raw_bind_parameter(21, new.playlist.0)?;
    statement.raw_bind_parameter(22, new.path)?;
    statement.raw_bind_parameter(23, new.number.map(ChannelNumber::major))?;
    statement.raw_bind_parameter(24, new.number.map_or(0, ChannelNumber::minor))?;
    statement.raw_bind_parameter(25, columns.is_shown_alone())?;
    statement.raw_execute()?;
    Ok(())
}

/// Writes a channel anew, if anything is different. Says whether it could be had before, if it was
/// written.
pub fn update(connection: &Connection, id: SourceId, columns: &Columns<'_>) -> Result<Option<bool>, Error> {
    let sql = format!(
        "UPDATE channels SET ({WRITTEN}) = ({VALUES}) WHERE id = ?1 AND ({WRITTEN}) IS NOT ({VALUES})
         RETURNING is_shown"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    columns.bind(&mut statement, id)?;
    let mut rows = statement.raw_query();
    let was_shown = rows.next()?.map(|row| row.get(0)).transpose()?;
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
    let sql = "SELECT c.path FROM sources s JOIN channels c USING (id)
               WHERE s.playlist_id = ?1 AND c.is_shown";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([playlist.0], |row| row.get(0))?;
    rows.map(|row| Ok(row?)).collect()
}

/// The paths of the channels of other playlists that can be had, and are one with a channel of this
/// one.
pub fn paths_merged_with(connection: &Connection, playlist: PlaylistId) -> Result<Vec<String>, Error> {
    let sql = "SELECT path FROM channels
               WHERE playlist_id <> ?1 AND is_shown
                 AND coalesce(leader, id) IN (SELECT coalesce(leader, id) FROM channels WHERE playlist_id = ?1)";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([playlist.0], |row| row.get(0))?;
    rows.map(|row| Ok(row?)).collect()
}

/// How many of the channels with ids above this one can be had.
pub fn count_shown_after(connection: &Connection, SourceId(last): SourceId) -> Result<usize, Error> {
    let sql = "SELECT count(*) FROM channels WHERE id > ?1 AND is_shown";
    let count: i64 = connection.query_row(sql, [last], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Says that the source of a channel is missing. Says whether the channel could be had.
pub fn set_channel_absent(connection: &Connection, id: SourceId) -> Result<bool, Error> {
    let sql = "UPDATE channels SET is_absent = 1 WHERE id = ?1 RETURNING is_shown";
    Ok(connection.prepare_cached(sql)?.query_row([id.0], |row| row.get(0))?)
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
    /// Whether its playlist does not have it any more.
    pub is_missing: bool,
    /// Why its source cannot be opened.
    pub unusable: Option<Unusable>,
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

impl Columns<'_> {
    /// Whether it can be had where it is merged with no other.
    pub fn is_shown_alone(&self) -> bool {
        self.hidden == Hidden::No && !self.is_absent()
    }

    /// Whether it has no source of its own.
    fn is_absent(&self) -> bool {
        self.is_missing || self.unusable.is_some()
    }

    /// Gives a statement the id and the values of [`WRITTEN`].
    fn bind(&self, statement: &mut Statement<'_>, id: SourceId) -> rusqlite::Result<()> {
        let [guide_id, name, source] = self.marks.map(signed);
        statement.raw_bind_parameter(1, id.0)?;
        statement.raw_bind_parameter(2, self.rank)?;
        statement.raw_bind_parameter(3, self.name)?;
        statement.raw_bind_parameter(4, self.group)?;
        statement.raw_bind_parameter(5, self.group_title)?;
        statement.raw_bind_parameter(6, self.logo)?;
        statement.raw_bind_parameter(7, self.guide_id)?;
        statement.raw_bind_parameter(8, self.gracenote_id)?;
        statement.raw_bind_parameter(9, self.search)?;
        statement.raw_bind_parameter(10, self.is_adult)?;
        statement.raw_bind_parameter(11, self.hidden as u8)?;
        statement.raw_bind_parameter(12, self.is_absent())?;
        statement.raw_bind_parameter(13, self.unusable.map_or(0, |why| why as u8))?;
        statement.raw_bind_parameter(14, self.range.as_ref().map(RangeInclusive::start))?;
        statement.raw_bind_parameter(15, self.range.as_ref().map(RangeInclusive::end))?;
        statement.raw_bind_parameter(16, guide_id)?;
        statement.raw_bind_parameter(17, name)?;
        statement.raw_bind_parameter(18, source)?;
        statement.raw_bind_parameter(19, self.guide_shift)?;
        statement.raw_bind_parameter(20, self.archive_days)
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
    let (listed, leader) = with_leader(row)?;
    let (playlist, is_absent) = (PlaylistId(row.get("playlist_id")?), row.get::<_, bool>("is_absent")?);
    let (hidden, unusable) = (hidden_of(row.get("is_hidden")?), unusable_of(row.get("unusable")?));
    let is_missing = is_absent && unusable.is_none();
    Ok(Detail { row: listed, playlist, hidden, is_missing, unusable, leader })
}

fn with_leader(row: &SqlRow<'_>) -> rusqlite::Result<(Row, Option<SourceId>)> {
    Ok((read(row)?, row.get::<_, Option<u32>>("leader")?.map(SourceId)))
}

pub(super) fn hidden_of(stored: u8) -> Hidden {
    match stored {
        0 => Hidden::No,
        1 => Hidden::ByRule,
        _ => Hidden::ByUser,
    }
}

fn unusable_of(stored: u8) -> Option<Unusable> {
    match stored {
        0 => None,
        1 => Some(Unusable::Private),
        2 => Some(Unusable::File),
        _ => Some(Unusable::Unsupported),
    }
}

pub(super) fn number_of(row: &SqlRow<'_>) -> rusqlite::Result<Option<ChannelNumber>> {
    let minor = row.get("number_minor")?;
    Ok(row.get::<_, Option<u32>>("number")?.and_then(|major| ChannelNumber::of_parts(major, minor)))
}
