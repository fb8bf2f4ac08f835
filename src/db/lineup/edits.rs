//! What users have set of channels, field by field, and how that is undone.

use std::collections::HashMap;

use forebay_core::lineup::edits::{Edit, Edits, Field};
use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::number::ChannelNumber;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{PlaylistId, id_of};
use crate::db::Error;

/// Edits that were made at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub i64);

/// Batches that can be undone; older ones are forgotten.
pub const MAX_BATCHES: i64 = 50;

/// Words for fields. They never change.
const FIELDS: [(Field, &str); 9] = [
    (Field::Name, "name"),
    (Field::Number, "number"),
    (Field::Group, "group"),
    (Field::Logo, "logo"),
    (Field::GuideId, "tvg_id"),
    (Field::GracenoteId, "gracenote_id"),
    (Field::Hidden, "hidden"),
    (Field::Adult, "adult"),
    (Field::Place, "place"),
];

/// The word of a field, in the API too.
pub fn word(field: Field) -> &'static str {
    FIELDS.iter().find(|(known, _)| *known == field).expect("all are there").1
}

/// The field of a word.
pub fn field_of(word: &str) -> Option<Field> {
    FIELDS.iter().find(|(_, known)| *known == word).map(|(field, _)| *field)
}

/// The edit that sets a field to a stored text, or resets it; `None` if the text is none for it.
pub fn edit_of(field: Field, value: Option<&str>) -> Option<Edit> {
    let text = value.map(str::to_owned);
    let flag = |value: Option<&str>| match value {
        None => Some(None),
        Some("0") => Some(Some(false)),
        Some("1") => Some(Some(true)),
        Some(_) => None,
    };
    Some(match field {
        Field::Name => Edit::Name(text),
        Field::Number => Edit::Number(value.map(str::parse).transpose().ok()?),
        Field::Group => Edit::Group(text),
        Field::Logo => Edit::Logo(text),
        Field::GuideId => Edit::GuideId(text),
        Field::GracenoteId => Edit::GracenoteId(text),
        Field::Hidden => Edit::Hidden(flag(value)?),
        Field::Adult => Edit::Adult(flag(value)?),
        Field::Place => Edit::Place(value.map(str::parse).transpose().ok()?),
    })
}

/// The field of an edit, and the text to store; none where it resets.
pub fn stored(edit: &Edit) -> (Field, Option<String>) {
    let flag = |value: &Option<bool>| value.map(|it| if it { "1" } else { "0" }.to_owned());
    match edit {
        Edit::Name(value) => (Field::Name, value.clone()),
        Edit::Number(value) => (Field::Number, value.map(|it| it.to_string())),
        Edit::Group(value) => (Field::Group, value.clone()),
        Edit::Logo(value) => (Field::Logo, value.clone()),
        Edit::GuideId(value) => (Field::GuideId, value.clone()),
        Edit::GracenoteId(value) => (Field::GracenoteId, value.clone()),
        Edit::Hidden(value) => (Field::Hidden, flag(value)),
        Edit::Adult(value) => (Field::Adult, flag(value)),
        Edit::Place(value) => (Field::Place, value.map(|it| it.to_string())),
    }
}

/// The edits of all channels of a playlist that have any.
pub fn edits_of_playlist(
    connection: &Connection,
    playlist: PlaylistId,
) -> Result<HashMap<SourceId, Edits>, Error> {
    let sql =
        "SELECT e.channel_id AS id, e.field, e.value FROM edits e JOIN channels c ON c.id = e.channel_id
               WHERE c.playlist_id = ?1";
    collect(connection, sql, playlist.0)
}

/// The edits of one channel.
pub fn edits(connection: &Connection, channel: SourceId) -> Result<Edits, Error> {
    let sql = "SELECT channel_id AS id, field, value FROM edits WHERE channel_id = ?1";
    Ok(collect(connection, sql, channel.0.into())?.remove(&channel).unwrap_or_default())
}

/// The numbers that users have set, of all channels.
pub fn numbers_set(connection: &Connection) -> Result<HashMap<SourceId, ChannelNumber>, Error> {
    let sql = "SELECT channel_id AS id, field, value FROM edits WHERE field = 'number'";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found = HashMap::new();
    while let Some(row) = rows.next()? {
        if let Edit::Number(Some(number)) = read(row)? {
            found.insert(id_of(row, "id")?, number);
        }
    }
    Ok(found)
}

/// A place that no channel has or may get back by an undo: those behind it are free, too.
pub fn free_place(connection: &Connection) -> Result<u32, Error> {
    let sql = "SELECT max(coalesce((SELECT max(CAST(value AS INTEGER)) FROM edits WHERE field = 'place'), 0),
                          coalesce((SELECT max(CAST(before AS INTEGER)) FROM edit_batch_items
                                    WHERE field = 'place'), 0))";
    let last: u32 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(last.saturating_add(1))
}

fn collect(connection: &Connection, sql: &str, value: i64) -> Result<HashMap<SourceId, Edits>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([value])?;
    let mut found: HashMap<SourceId, Edits> = HashMap::new();
    while let Some(row) = rows.next()? {
        found.entry(id_of(row, "id")?).or_default().apply(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Edit, Error> {
    let (word, value): (String, Option<String>) = (row.get("field")?, row.get("value")?);
    let edit = field_of(&word).and_then(|field| edit_of(field, value.as_deref()));
    edit.ok_or_else(|| Error::Damaged(format!("an edit of \"{word}\" cannot be read")))
}

/// Begins a batch, and forgets the oldest where there are too many.
pub fn begin_batch(connection: &Connection) -> Result<BatchId, Error> {
    connection.execute("INSERT INTO edit_batches (made_at) VALUES (?1)", [Timestamp::now().as_second()])?;
    let batch = connection.last_insert_rowid();
    connection.execute("DELETE FROM edit_batches WHERE id <= ?1", [batch - MAX_BATCHES])?;
    Ok(BatchId(batch))
}

/// Sets or resets a field, and notes in the batch what was there. Says whether anything changed.
pub fn write_edit(
    connection: &Connection,
    batch: BatchId,
    channel: SourceId,
    edit: &Edit,
) -> Result<bool, Error> {
    let (field, value) = stored(edit);
    let word = word(field);
    let before = connection
        .prepare_cached("SELECT value FROM edits WHERE channel_id = ?1 AND field = ?2")?
        .query_row((channel.0, word), |row| row.get::<_, String>(0))
        .optional()?;
    if before == value {
        return Ok(false);
    }
    connection
        .prepare_cached("INSERT OR IGNORE INTO edit_batch_items VALUES (?1, ?2, ?3, ?4)")?
        .execute((batch.0, channel.0, word, before))?;
    match value {
        Some(value) => connection
            .prepare_cached("INSERT OR REPLACE INTO edits VALUES (?1, ?2, ?3)")?
            .execute((channel.0, word, value))?,
        None => connection
            .prepare_cached("DELETE FROM edits WHERE channel_id = ?1 AND field = ?2")?
            .execute((channel.0, word))?,
    };
    Ok(true)
}

/// The newest batch that can be undone.
pub fn last_batch(connection: &Connection) -> Result<Option<BatchId>, Error> {
    let last: Option<i64> = connection.query_row("SELECT max(id) FROM edit_batches", [], |row| row.get(0))?;
    Ok(last.map(BatchId))
}

/// What undoes a batch, which is forgotten; `None` if there is no such batch.
pub fn take_batch(connection: &Connection, batch: BatchId) -> Result<Option<Vec<(SourceId, Edit)>>, Error> {
    let sql = "SELECT channel_id AS id, field, before AS value FROM edit_batch_items WHERE batch_id = ?1";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([batch.0])?;
    let mut undo = Vec::new();
    while let Some(row) = rows.next()? {
        undo.push((id_of(row, "id")?, read(row)?));
    }
    let is_there = connection.execute("DELETE FROM edit_batches WHERE id = ?1", [batch.0])? > 0;
    Ok(is_there.then_some(undo))
}
