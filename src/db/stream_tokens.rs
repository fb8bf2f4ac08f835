//! Tokens of streams, a row each, and the keys that sign them.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::time::{now, timestamp};

/// Names a token for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub i64);

/// What a token is good for, and for whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSpec {
    /// The channel that may be watched.
    pub channel: Option<String>,
    /// The film that may be watched, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub film: Option<String>,
    /// The page of a video platform that may be watched: `youtube/dQw4w9WgXcQ`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// What the platform calls the form of it that is played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The group whose channels and films may be watched.
    pub group: Option<String>,
    /// What its maker calls it.
    pub title: Option<String>,
    /// The only household that may use it.
    pub household: Option<std::net::IpAddr>,
    /// The only `User-Agent` that may use it.
    pub agent: Option<String>,
    /// Whether it is good for one stream.
    pub single_use: bool,
}

/// A token as it is kept. The token itself is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamToken {
    /// Its number in the API.
    pub id: TokenId,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// Who made it: `user:7`, `key:3`, `address:192.168.0.9`.
    pub owner: String,
    /// What it is good for.
    pub spec: TokenSpec,
    /// When it was made, to the second.
    pub created_at: Timestamp,
    /// From when on it is good for nothing.
    pub expires_at: Timestamp,
}

/// A key that signs tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name, which stands in the tokens.
    pub id: String,
    /// 256 bits.
    pub secret: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How many tokens an owner has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Those that are good now.
    pub live: u32,
    /// Those of the last hour.
    pub hour: u32,
    /// Those of the last day.
    pub day: u32,
}

const COLUMNS: &str = "id, hash, owner, spec, created_at, expires_at";

/// Rows stay for so long, in seconds: longer than any limit looks back, so that taking them away
/// frees none.
const KEPT: i64 = 25 * 3600;

/// How many tokens this owner has made.
pub fn made(connection: &Connection, owner: &str) -> Result<Made, Error> {
    let sql = "SELECT count(*) FILTER (WHERE revoked_at IS NULL AND expires_at > :now),
                      count(*) FILTER (WHERE created_at > :now - 3600),
                      count(*) FILTER (WHERE created_at > :now - 86400)
               FROM stream_tokens WHERE owner = :owner AND created_at > :now - 90000";
    let values = named_params! { ":owner": owner, ":now": now() };
    let made = |row: &Row<'_>| Ok(Made { live: row.get(0)?, hour: row.get(1)?, day: row.get(2)? });
    Ok(connection.query_row(sql, values, made)?)
}

/// Adds a token.
pub fn insert(
    connection: &Connection,
    owner: &str,
    hash: &[u8; 32],
    spec: &TokenSpec,
    expires_at: Timestamp,
) -> Result<StreamToken, Error> {
    let sql = format!(
        "INSERT INTO stream_tokens (hash, owner, spec, created_at, expires_at)
         VALUES (:hash, :owner, :spec, :now, :expires_at) RETURNING {COLUMNS}"
    );
    let text = serde_json::to_string(spec).expect("its keys are texts");
    let values = named_params! {
        ":hash": hash, ":owner": owner, ":spec": text, ":now": now(), ":expires_at": expires_at.as_second(),
    };
    connection.query_row(&sql, values, |row| Ok(read(row)))?
}

/// Moves the end of a token that is good; `None` if there is no such token.
pub fn extend(connection: &Connection, id: TokenId, until: Timestamp) -> Result<Option<StreamToken>, Error> {
    let sql = format!(
        "UPDATE stream_tokens SET expires_at = ?2
         WHERE id = ?1 AND revoked_at IS NULL AND expires_at > ?3 RETURNING {COLUMNS}"
    );
    connection.query_row(&sql, (id.0, until.as_second(), now()), |row| Ok(read(row))).optional()?.transpose()
}

/// Ends a token.
pub fn revoke(connection: &Connection, id: TokenId) -> Result<bool, Error> {
    let sql = "UPDATE stream_tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
    Ok(connection.execute(sql, (id.0, now()))? > 0)
}

/// Takes rows away that no limit looks at any more.
pub fn clean(connection: &Connection) -> Result<usize, Error> {
    Ok(connection.execute("DELETE FROM stream_tokens WHERE created_at <= ?1", [now() - KEPT])?)
}

/// All tokens that are good now.
pub fn live(connection: &Connection) -> Result<Vec<StreamToken>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM stream_tokens WHERE revoked_at IS NULL AND expires_at > ?1 ORDER BY id"
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([now()], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<StreamToken, Error> {
    let id: i64 = row.get("id")?;
    let spec: String = row.get("spec")?;
    let spec = serde_json::from_str(&spec);
    Ok(StreamToken {
        id: TokenId(id),
        hash: row.get("hash")?,
        owner: row.get("owner")?,
        spec: spec.map_err(|_| Error::Damaged(format!("token {id}: its spec is none")))?,
        created_at: timestamp(row.get("created_at")?)?,
        expires_at: timestamp(row.get("expires_at")?)?,
    })
}

/// Adds a key that signs from now on.
pub fn insert_key(connection: &Connection, id: &str, secret: &[u8]) -> Result<(), Error> {
    let sql = "INSERT INTO signing_keys (id, secret, created_at) VALUES (?1, ?2, ?3)";
    connection.execute(sql, (id, secret, now()))?;
    Ok(())
}

/// Takes keys away that were made before this; the newest one stays.
pub fn clean_keys(connection: &Connection, before: Timestamp) -> Result<usize, Error> {
    let sql = "DELETE FROM signing_keys WHERE created_at < ?1
               AND created_at < (SELECT max(created_at) FROM signing_keys)";
    Ok(connection.execute(sql, [before.as_second()])?)
}

/// All keys, the newest first.
pub fn keys(connection: &Connection) -> Result<Vec<SigningKey>, Error> {
    let sql = "SELECT id, secret, created_at FROM signing_keys ORDER BY created_at DESC, id";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, i64>(2)?))
    })?;
    rows.map(|row| {
        let (id, secret, created_at) = row?;
        Ok(SigningKey { id, secret, created_at: timestamp(created_at)? })
    })
    .collect()
}
