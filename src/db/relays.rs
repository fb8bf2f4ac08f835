//! Channels that were made through the API, a row each.

use jiff::Timestamp;
use rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, named_params};

use super::document::Document;
use super::error::Error;
use super::listing;

/// Names a relay for ever, whatever else of it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayId(pub i64);

/// A relay as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Relay {
    /// Its number in the API.
    pub id: RelayId,
    /// What it is.
    pub document: Document,
    /// When it was made, to the second.
    pub created_at: Timestamp,
    /// When it was last changed, to the second.
    pub changed_at: Timestamp,
}

/// Why a relay was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// Another relay has this path.
    #[error("the path \"{0}\" is taken by another relay")]
    PathTaken(String),
    /// Another relay has this number.
    #[error("the number {0} is taken by another relay")]
    NumberTaken(i64),
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] Error),
}

/// Adds a relay. Its document has an id and was checked.
pub fn insert(connection: &Connection, document: &Document) -> Result<Relay, RelayError> {
    let sql = "INSERT INTO relays (path, name, number, group_title, logo, tvg_id, search,
                                   timeshift, spec, created_at, changed_at)
               VALUES (:path, :name, :number, :group, :logo, :tvg_id, :search,
                       :timeshift, :spec, :now, :now)
               RETURNING id, spec, created_at, changed_at";
    let inserted =
        Columns::of(document).bind(|values| connection.query_row(sql, values, |row| Ok(read(row))));
    Ok(inserted.map_err(|error| refusal(error, document))??)
}

/// Changes a relay into what `change` makes of it; `None` if there is no such relay.
pub fn update<E: From<RelayError>>(
    connection: &Connection,
    id: RelayId,
    change: impl FnOnce(&Relay) -> Result<Document, E>,
) -> Result<Option<Relay>, E> {
    let Some(relay) = get(connection, id).map_err(RelayError::from)? else { return Ok(None) };
    let document = change(&relay)?;
    let sql = format!(
        "UPDATE relays SET path = :path, name = :name, number = :number, group_title = :group,
                           logo = :logo, tvg_id = :tvg_id, search = :search,
                           timeshift = :timeshift, spec = :spec, changed_at = :now
         WHERE id = {}
         RETURNING id, spec, created_at, changed_at",
        id.0
    );
    let updated =
        Columns::of(&document).bind(|values| connection.query_row(&sql, values, |row| Ok(read(row))));
    let updated = updated.map_err(|error| refusal(error, &document))?;
    Ok(Some(updated.map_err(RelayError::from)?))
}

/// Removes a relay, and returns what it was; `None` if there is no such relay.
pub fn remove(connection: &Connection, id: RelayId) -> Result<Option<Relay>, Error> {
    let sql = "DELETE FROM relays WHERE id = ?1 RETURNING id, spec, created_at, changed_at";
    connection.query_row(sql, [id.0], |row| Ok(read(row))).optional()?.transpose()
}

/// One relay.
pub fn get(connection: &Connection, id: RelayId) -> Result<Option<Relay>, Error> {
    let sql = "SELECT id, spec, created_at, changed_at FROM relays WHERE id = ?1";
    connection.query_row(sql, [id.0], |row| Ok(read(row))).optional()?.transpose()
}

/// The relay with this path.
pub fn find(connection: &Connection, path: &str) -> Result<Option<Relay>, Error> {
    let sql = "SELECT id, spec, created_at, changed_at FROM relays WHERE path = ?1";
    connection.query_row(sql, [path], |row| Ok(read(row))).optional()?.transpose()
}

/// Up to `limit` relays in the order of their ids, those behind `after`.
pub fn list(connection: &Connection, after: Option<RelayId>, limit: usize) -> Result<Vec<Relay>, Error> {
    let sql = "SELECT id, spec, created_at, changed_at FROM relays WHERE id > ?1 ORDER BY id LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((after.map_or(0, |id| id.0), limit), |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

/// The relay with this number.
pub fn find_by_number(connection: &Connection, number: u32) -> Result<Option<Relay>, Error> {
    let sql = "SELECT id, spec, created_at, changed_at FROM relays WHERE number = ?1";
    connection.query_row(sql, [number], |row| Ok(read(row))).optional()?.transpose()
}

/// The relays that have one of these paths, and those that have one of these numbers.
pub fn clashes<'a>(
    connection: &Connection,
    paths: impl IntoIterator<Item = &'a str>,
    numbers: impl IntoIterator<Item = u32>,
) -> Result<(Vec<Relay>, Vec<Relay>), Error> {
    let one = |column: &str| {
        connection
            .prepare(&format!("SELECT id, spec, created_at, changed_at FROM relays WHERE {column} = ?1"))
    };
    let (mut by_path, mut by_number) = (one("path")?, one("number")?);
    let mut taken = (Vec::new(), Vec::new());
    for path in paths {
        let found = by_path.query_row([path], |row| Ok(read(row))).optional()?.transpose()?;
        taken.0.extend(found);
    }
    for number in numbers {
        let found = by_number.query_row([number], |row| Ok(read(row))).optional()?.transpose()?;
        taken.1.extend(found);
    }
    Ok(taken)
}

/// How many there are.
pub fn count(connection: &Connection) -> Result<u64, Error> {
    let count: i64 = connection.query_row("SELECT count(*) FROM relays", [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// What is written of a document: the whole, and what is listed and looked for.
struct Columns<'a> {
    path: &'a str,
    name: &'a str,
    number: Option<i64>,
    group: Option<&'a str>,
    logo: Option<&'a str>,
    tvg_id: Option<&'a str>,
    search: String,
    timeshift: Option<&'a str>,
    spec: String,
    now: i64,
}

impl<'a> Columns<'a> {
    fn of(document: &'a Document) -> Self {
        let spec = document.spec();
        let path = spec.id.as_deref().expect("what is written was checked, and so has an id");
        let text = |text: &'a Option<String>| text.as_deref().map(str::trim);
        let (name, group) = (text(&spec.name).unwrap_or(path), text(&spec.group));
        Self {
            path,
            name,
            number: spec.number,
            group,
            logo: text(&spec.logo),
            tvg_id: text(&spec.tvg_id),
            search: listing::searched(name, group),
            timeshift: document.fields().get("timeshift").and_then(serde_json::Value::as_str),
            spec: serde_json::to_string(document.fields()).expect("the keys of a JSON object are texts"),
            now: Timestamp::now().as_second(),
        }
    }

    /// Gives `run` the values of a statement that names all of them.
    fn bind<T>(&self, run: impl FnOnce(&[(&str, &dyn ToSql)]) -> T) -> T {
        let Self { path, name, number, group, logo, tvg_id, search, timeshift, spec, now } = self;
        run(named_params! {
            ":path": path, ":name": name, ":number": number, ":group": group, ":logo": logo,
            ":tvg_id": tvg_id, ":search": search, ":timeshift": timeshift, ":spec": spec, ":now": now,
        })
    }
}

fn read(row: &Row<'_>) -> Result<Relay, Error> {
    let id: i64 = row.get("id")?;
    // Somebody has written into the file by hand: it says which row it is, and nothing of its
    // secrets.
    let wrong = |what| Error::Damaged(format!("relay {id}: {what}"));
    let text: String = row.get("spec")?;
    let fields = serde_json::from_str(&text).map_err(|_| wrong("its spec is no JSON object"))?;
    let document = Document::new(fields).map_err(|_| wrong("its spec is no channel"))?;
    let time =
        |name| Timestamp::from_second(row.get(name)?).map_err(|_| wrong("its time is out of all range"));
    Ok(Relay { id: RelayId(id), document, created_at: time("created_at")?, changed_at: time("changed_at")? })
}

/// What an error of SQLite means for somebody who writes this document.
fn refusal(error: rusqlite::Error, document: &Document) -> RelayError {
    let is_taken = error.sqlite_error().is_some_and(|code| code.extended_code == SQLITE_CONSTRAINT_UNIQUE);
    let spec = document.spec();
    match spec.number {
        Some(number) if is_taken && error.to_string().contains("relays.number") => {
            RelayError::NumberTaken(number)
        }
        _ if is_taken => RelayError::PathTaken(spec.id.clone().unwrap_or_default()),
        _ => RelayError::Database(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::db::migrations::{self, MIGRATIONS};

    fn document(value: Value) -> Document {
        let Value::Object(fields) = value else { panic!("an object") };
        Document::new(fields).unwrap()
    }

    fn one(id: &str) -> Document {
        document(json!({ "id": id, "sources": [format!("http://h/{id}")] }))
    }

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        migrations::upgrade(&connection, Path::new("memory"), MIGRATIONS).unwrap();
        connection
    }

    #[test]
    fn a_relay_is_what_was_written_and_its_id_is_never_given_again() {
        let connection = database();
        let a = insert(&connection, &one("a")).unwrap();
        let b = insert(&connection, &one("b")).unwrap();
        assert_eq!((a.id, b.id, &a.document), (RelayId(1), RelayId(2), &one("a")));
        assert_eq!(get(&connection, a.id), Ok(Some(a.clone())));
        assert_eq!(find(&connection, "b"), Ok(Some(b.clone())));
        assert_eq!(remove(&connection, b.id), Ok(Some(b.clone())));
        assert_eq!((get(&connection, b.id), remove(&connection, b.id)), (Ok(None), Ok(None)));
        assert_eq!(insert(&connection, &one("b")).unwrap().id, RelayId(3));
        assert_eq!(count(&connection), Ok(2));
    }

    #[test]
    fn they_are_changed_as_a_whole_and_what_a_change_refuses_stays() {
        let connection = database();
        let a = insert(&connection, &one("a")).unwrap();
        let to = document(
            json!({ "id": "new", "name": "New", "number": 7, "group": "News", "sources": ["http://h/"] }),
        );
        let changed = update(&connection, a.id, |old| {
            assert_eq!(old, &a);
            Ok::<_, RelayError>(to.clone())
        });
        let changed = changed.unwrap().unwrap();
        assert_eq!((changed.id, &changed.document, changed.created_at), (a.id, &to, a.created_at));
        let found = (find(&connection, "a"), find(&connection, "new"));
        assert_eq!(found, (Ok(None), Ok(Some(changed.clone()))));
        let refused = update(&connection, a.id, |_| Err::<Document, _>(RelayError::NumberTaken(1)));
        assert_eq!(refused, Err(RelayError::NumberTaken(1)));
        assert_eq!(get(&connection, a.id), Ok(Some(changed)));
        let nobody = update(&connection, RelayId(99), |_| Err::<Document, _>(RelayError::NumberTaken(1)));
        assert_eq!(nobody, Ok(None));
    }

    #[test]
    fn paths_and_numbers_are_one_relays() {
        let connection = database();
        let numbered = |id: &str| document(json!({ "id": id, "number": 7, "sources": ["http://h/"] }));
        insert(&connection, &one("a")).unwrap();
        let b = insert(&connection, &numbered("b")).unwrap();
        assert_eq!(insert(&connection, &one("a")), Err(RelayError::PathTaken("a".into())));
        assert_eq!(insert(&connection, &numbered("c")), Err(RelayError::NumberTaken(7)));
        let taken = update(&connection, b.id, |_| Ok::<_, RelayError>(one("a")));
        assert_eq!(taken, Err(RelayError::PathTaken("a".into())));
    }

    #[test]
    fn pages_follow_each_other() {
        let connection = database();
        let all: Vec<_> = (0..5).map(|at| insert(&connection, &one(&format!("c{at}"))).unwrap()).collect();
        assert_eq!(list(&connection, None, 3).unwrap(), all[..3]);
        assert_eq!(list(&connection, Some(all[2].id), 3).unwrap(), all[3..]);
        assert_eq!(list(&connection, Some(all[4].id), 3).unwrap(), []);
    }

    #[test]
    fn what_somebody_has_written_by_hand_is_named_without_its_secrets() {
        let connection = database();
        let a = insert(&connection, &one("a")).unwrap();
        for (spec, what) in [("hunter2", "no JSON object"), ("{\"nmae\": \"hunter2\"}", "no channel")] {
            connection.execute("UPDATE relays SET spec = ?1", [spec]).unwrap();
            let message = get(&connection, a.id).unwrap_err().to_string();
            assert_eq!(message, format!("the database is damaged: relay 1: its spec is {what}"));
        }
    }
}
