//! Keys of programs, a row each.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Error;
use super::time::{now, timestamp};

/// Names a key for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub i64);

/// What a program with a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Whatever an operator may read.
    Read,
    /// Whatever an operator may do.
    Operate,
    /// Whatever an admin may do.
    Admin,
    /// Watch all channels.
    Watch,
}

/// A key as it is kept. The key itself is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its number in the API.
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// How the key begins.
    pub hint: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// When it was made, to the second.
    pub created_at: Timestamp,
    /// From when on it is good for nothing.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute or so.
    pub last_used_at: Option<Timestamp>,
}

/// A key that is to be kept.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// See [`ApiKey`].
    pub name: String,
    /// See [`ApiKey`].
    pub hash: [u8; 32],
    /// See [`ApiKey`].
    pub hint: String,
    /// See [`ApiKey`].
    pub scopes: Vec<Scope>,
    /// See [`ApiKey`].
    pub expires_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, name, hash, hint, scopes, created_at, expires_at, last_used_at";

/// Adds a key.
pub fn insert(connection: &Connection, key: &NewKey) -> Result<ApiKey, Error> {
    let sql = format!(
        "INSERT INTO api_keys (name, hash, hint, scopes, created_at, expires_at)
         VALUES (:name, :hash, :hint, :scopes, :now, :expires_at) RETURNING {COLUMNS}"
    );
    let scopes = serde_json::to_string(&key.scopes).expect("scopes are words");
    let values = named_params! {
        ":name": key.name, ":hash": key.hash, ":hint": key.hint, ":scopes": scopes, ":now": now(),
        ":expires_at": key.expires_at.map(Timestamp::as_second),
    };
    connection.query_row(&sql, values, |row| Ok(read(row)))?
}

/// Takes a key away, and returns what it was; `None` if there is no such key.
pub fn remove(connection: &Connection, id: KeyId) -> Result<Option<ApiKey>, Error> {
    let sql = format!("DELETE FROM api_keys WHERE id = ?1 RETURNING {COLUMNS}");
    connection.query_row(&sql, [id.0], |row| Ok(read(row))).optional()?.transpose()
}

/// Notes when a key was last used.
pub fn note_use(connection: &Connection, id: KeyId, at: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, 0), ?2) WHERE id = ?1";
    connection.execute(sql, (id.0, at.as_second()))?;
    Ok(())
}

/// All keys, in the order in which they were made.
pub fn all(connection: &Connection) -> Result<Vec<ApiKey>, Error> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM api_keys ORDER BY id"))?;
    let rows = statement.query_map([], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<ApiKey, Error> {
    let id: i64 = row.get("id")?;
    let time = |name| row.get::<_, Option<i64>>(name)?.map(timestamp).transpose();
    let scopes: String = row.get("scopes")?;
    let scopes = serde_json::from_str(&scopes);
    Ok(ApiKey {
        id: KeyId(id),
        name: row.get("name")?,
        hash: row.get("hash")?,
        hint: row.get("hint")?,
        scopes: scopes.map_err(|_| Error::Damaged(format!("key {id}: its scopes are none")))?,
        created_at: timestamp(row.get("created_at")?)?,
        expires_at: time("expires_at")?,
        last_used_at: time("last_used_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_was_written_and_its_last_use_never_goes_back() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema/0002-people.sql")).unwrap();
        let new = NewKey {
            name: "grafana".into(),
            hash: [1; 32],
            hint: "fbk_ab".into(),
            scopes: vec![Scope::Read, Scope::Watch],
            expires_at: Some(Timestamp::from_second(2_000_000_000).unwrap()),
        };
        let key = insert(&connection, &new).unwrap();
        assert_eq!((key.scopes.clone(), key.last_used_at), (new.scopes, None));
        for (at, last) in [(50, 50), (40, 50), (60, 60)] {
            note_use(&connection, key.id, Timestamp::from_second(at).unwrap()).unwrap();
            let told = all(&connection).unwrap()[0].last_used_at;
            assert_eq!(told, Some(Timestamp::from_second(last).unwrap()));
        }
        assert_eq!(remove(&connection, key.id).unwrap().map(|key| key.name), Some("grafana".into()));
        assert_eq!((remove(&connection, key.id), all(&connection)), (Ok(None), Ok(Vec::new())));
    }
}
