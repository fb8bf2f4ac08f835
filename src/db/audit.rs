//! What was changed by whom: rows that are only added.

use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params};
use serde_json::Value;

use super::error::Error;
use super::time::{now, timestamp};

/// Names an entry; later ones have larger ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId(pub i64);

/// What is to be written. Nothing of it is a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// Who did it.
    pub actor: String,
    /// What was done: `user.create`.
    pub action: &'static str,
    /// To what: `user:7`.
    pub object: String,
    /// What it was before; nothing if it was not there.
    pub before: Option<Value>,
    /// What it is; nothing if it is gone.
    pub after: Option<Value>,
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its place in the log.
    pub id: EntryId,
    /// When it was done, to the second.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub object: String,
    /// What it was before; nothing if it was not there.
    pub before: Option<Value>,
    /// What it is; nothing if it is gone.
    pub after: Option<Value>,
}

/// Entries that are kept: years of a household's, and some hundred MiB at the very most.
const MAX_ENTRIES: i64 = 100_000;

/// Adds an entry. Of too many, the oldest go.
pub fn insert(connection: &Connection, entry: &NewEntry) -> Result<EntryId, Error> {
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let sql = "INSERT INTO audit (at, actor, action, object, before, after)
               VALUES (:at, :actor, :action, :object, :before, :after)";
    let values = named_params! {
        ":at": now(), ":actor": entry.actor, ":action": entry.action, ":object": entry.object,
        ":before": text(&entry.before), ":after": text(&entry.after),
    };
    connection.execute(sql, values)?;
    let id = connection.last_insert_rowid();
    connection.execute("DELETE FROM audit WHERE id <= ?1", [id - MAX_ENTRIES])?;
    Ok(EntryId(id))
}

/// The newest entry; 0 where there is none.
pub fn newest(connection: &Connection) -> Result<EntryId, Error> {
    let sql = "SELECT coalesce(max(id), 0) FROM audit";
    Ok(EntryId(connection.query_row(sql, [], |row| row.get(0))?))
}

/// Up to `limit` entries from the newest back, those before `before`.
pub fn list(connection: &Connection, before: Option<EntryId>, limit: usize) -> Result<Vec<Entry>, Error> {
    let sql = "SELECT id, at, actor, action, object, before, after FROM audit
               WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((before.map_or(i64::MAX, |id| id.0), limit), |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<Entry, Error> {
    let id: i64 = row.get("id")?;
    let value = |name| -> Result<Option<Value>, Error> {
        let text: Option<String> = row.get(name)?;
        let value = text.map(|text| serde_json::from_str(&text)).transpose();
        value.map_err(|_| Error::Damaged(format!("audit entry {id}: {name} is no JSON")))
    };
    Ok(Entry {
        id: EntryId(id),
        at: timestamp(row.get("at")?)?,
        actor: row.get("actor")?,
        action: row.get("action")?,
        object: row.get("object")?,
        before: value("before")?,
        after: value("after")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_are_read_from_the_newest_back_a_part_at_a_time() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema/0002-people.sql")).unwrap();
        assert_eq!(newest(&connection), Ok(EntryId(0)));
        for number in 1..=5 {
            let entry = NewEntry {
                actor: "user:ann".into(),
                action: "user.change",
                object: format!("user:{number}"),
                before: None,
                after: Some(json!({ "name": "ben" })),
            };
            assert_eq!(insert(&connection, &entry), Ok(EntryId(number)));
        }
        let objects = |before, limit| -> Vec<String> {
            list(&connection, before, limit).unwrap().into_iter().map(|entry| entry.object).collect()
        };
        assert_eq!(objects(None, 2), ["user:5", "user:4"]);
        assert_eq!(objects(Some(EntryId(4)), 9), ["user:3", "user:2", "user:1"]);
        assert_eq!(newest(&connection), Ok(EntryId(5)));
    }
}
