//! People who administer or watch, a row each.

use std::fmt;

use jiff::Timestamp;
use rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Error;
use super::time::{now, timestamp};

/// Names a user for ever, whatever else of it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub i64);

/// What a user may do besides watching. Each role may do what those before it may.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Watches.
    #[default]
    Viewer,
    /// Changes channels and their sources.
    Operator,
    /// Changes users and keys as well.
    Admin,
}

/// What a user is and may do, as the API and the database have it. It holds no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// Unique, whatever the case of its letters.
    pub name: String,
    /// What the user may do besides watching.
    #[serde(default)]
    pub role: Role,
    /// Whether the user may do nothing at all for now.
    #[serde(default)]
    pub disabled: bool,
    /// From when on the user may do nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The groups whose channels the user may watch, in any case of letters; with `channels` none
    /// too, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// The ids of channels that the user may watch besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// Whether the user may watch what is for adults.
    #[serde(default)]
    pub adult: bool,
    /// Streams that the user may watch at once; no limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_streams: Option<u32>,
    /// What is done with one more.
    #[serde(default)]
    pub on_limit: OnLimit,
    /// Whether a channel that the user watches already counts once.
    #[serde(default)]
    pub same_channel_free: bool,
    /// Added to that of a channel that the user watches, where the connections of a provider are
    /// short.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// How many tokens of streams the user may make.
    #[serde(default)]
    pub tier: Tier,
    /// Who the user is at a provider of identities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like this")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// Who somebody is at a provider of identities: for ever, whatever name he or she has there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Which provider.
    pub issuer: String,
    /// Its name for the person, which it never gives to another one.
    pub subject: String,
}

/// How many tokens of streams a user may make in a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// 10.
    #[default]
    Free,
    /// 100.
    Pro,
}

/// What is done with a stream that is one too many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// It is refused.
    #[default]
    Refuse,
    /// The oldest one ends.
    EndOldest,
    /// The newest one ends.
    EndNewest,
}

/// A user as it is kept. It never prints its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its number in the API.
    pub id: UserId,
    /// What it is.
    pub spec: UserSpec,
    /// The hash of the password (PHC); none where nobody can sign in.
    pub password: Option<String>,
    /// Stands for the user in addresses of streams.
    pub stream_key: String,
    /// When it was made, to the second.
    pub created_at: Timestamp,
    /// When it was last changed, to the second.
    pub changed_at: Timestamp,
}

/// Why a user was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// Another user has this name.
    #[error("the name \"{0}\" is taken by another user")]
    NameTaken(String),
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] Error),
}

const COLUMNS: &str = "id, spec, password, stream_key, created_at, changed_at";

impl User {
    /// Whether it may do anything at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        !self.spec.disabled && self.spec.expires_at.is_none_or(|at| now < at)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// Adds a user.
pub fn insert(
    connection: &Connection,
    spec: &UserSpec,
    password: Option<&str>,
    stream_key: &str,
) -> Result<User, UserError> {
    let sql = format!(
        "INSERT INTO users (name, spec, password, stream_key, created_at, changed_at)
         VALUES (:name, :spec, :password, :stream_key, :now, :now) RETURNING {COLUMNS}"
    );
    let values = named_params! {
        ":name": spec.name, ":spec": text(spec), ":password": password, ":stream_key": stream_key, ":now": now(),
    };
    let inserted = connection.query_row(&sql, values, |row| Ok(read(row)));
    Ok(inserted.map_err(|error| refusal(error, spec))??)
}

/// Writes a user as it is to be; `None` if there is no such user.
pub fn update(
    connection: &Connection,
    id: UserId,
    spec: &UserSpec,
    password: Option<&str>,
    stream_key: &str,
) -> Result<Option<User>, UserError> {
    let sql = format!(
        "UPDATE users SET name = :name, spec = :spec, password = :password, stream_key = :stream_key,
                          changed_at = :now
         WHERE id = :id RETURNING {COLUMNS}"
    );
    let values = named_params! {
        ":id": id.0, ":name": spec.name, ":spec": text(spec), ":password": password, ":stream_key": stream_key,
        ":now": now(),
    };
    let updated = connection.query_row(&sql, values, |row| Ok(read(row))).optional();
    Ok(updated.map_err(|error| refusal(error, spec))?.transpose()?)
}

/// Removes a user, with its sessions, and returns what it was; `None` if there is no such user.
pub fn remove(connection: &Connection, id: UserId) -> Result<Option<User>, Error> {
    let sql = format!("DELETE FROM users WHERE id = ?1 RETURNING {COLUMNS}");
    connection.query_row(&sql, [id.0], |row| Ok(read(row))).optional()?.transpose()
}

/// One user.
pub fn get(connection: &Connection, id: UserId) -> Result<Option<User>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE id = ?1");
    connection.query_row(&sql, [id.0], |row| Ok(read(row))).optional()?.transpose()
}

/// The user of this name, whatever the case of its letters.
pub fn find(connection: &Connection, name: &str) -> Result<Option<User>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE name = ?1");
    connection.query_row(&sql, [name], |row| Ok(read(row))).optional()?.transpose()
}

/// The user whom a provider of identities knows by this.
pub fn find_identity(connection: &Connection, identity: &Identity) -> Result<Option<User>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM users
         WHERE spec ->> '$.identity.issuer' = ?1 AND spec ->> '$.identity.subject' = ?2 ORDER BY id"
    );
    let Identity { issuer, subject } = identity;
    connection.query_row(&sql, (issuer, subject), |row| Ok(read(row))).optional()?.transpose()
}

/// How many users there are.
pub fn count(connection: &Connection) -> Result<usize, Error> {
    let count: i64 = connection.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// All users, in the order in which they were made.
pub fn all(connection: &Connection) -> Result<Vec<User>, Error> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM users ORDER BY id"))?;
    let rows = statement.query_map([], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn text(spec: &UserSpec) -> String {
    serde_json::to_string(spec).expect("its keys are texts")
}

fn read(row: &Row<'_>) -> Result<User, Error> {
    let id: i64 = row.get("id")?;
    let wrong = |what| Error::Damaged(format!("user {id}: {what}"));
    let spec: String = row.get("spec")?;
    Ok(User {
        id: UserId(id),
        spec: serde_json::from_str(&spec).map_err(|_| wrong("its spec is no user"))?,
        password: row.get("password")?,
        stream_key: row.get("stream_key")?,
        created_at: timestamp(row.get("created_at")?)?,
        changed_at: timestamp(row.get("changed_at")?)?,
    })
}

/// What an error of SQLite means for somebody who writes this user.
fn refusal(error: rusqlite::Error, spec: &UserSpec) -> UserError {
    // By the code and not by a look before: between the two another could take the name.
    let is_taken = error.sqlite_error().is_some_and(|code| code.extended_code == SQLITE_CONSTRAINT_UNIQUE);
    if is_taken { UserError::NameTaken(spec.name.clone()) } else { UserError::Database(error.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema/0002-people.sql")).unwrap();
        connection
    }

    fn named(name: &str) -> UserSpec {
        UserSpec { name: name.into(), role: Role::Operator, ..UserSpec::default() }
    }

    #[test]
    fn a_user_is_what_was_written_and_its_id_is_never_given_again() {
        let connection = database();
        let ann = insert(&connection, &named("Ann"), Some("$argon2id$"), "k1").unwrap();
        assert_eq!((ann.id, &ann.spec), (UserId(1), &named("Ann")));
        assert_eq!(get(&connection, ann.id), Ok(Some(ann.clone())));
        assert_eq!(find(&connection, "aNN"), Ok(Some(ann.clone())));
        assert_eq!(remove(&connection, ann.id), Ok(Some(ann.clone())));
        assert_eq!(update(&connection, ann.id, &named("Ann"), None, "k1"), Ok(None));
        assert_eq!(insert(&connection, &named("Ann"), None, "k2").unwrap().id, UserId(2));
        assert_eq!(all(&connection).unwrap().len(), 1);
    }

    #[test]
    fn names_are_one_users_whatever_their_case() {
        let connection = database();
        insert(&connection, &named("ann"), None, "k1").unwrap();
        let ben = insert(&connection, &named("ben"), None, "k2").unwrap();
        let taken = Err(UserError::NameTaken("ANN".into()));
        assert_eq!(insert(&connection, &named("ANN"), None, "k3"), taken);
        let renamed = update(&connection, ben.id, &named("ANN"), None, "k2");
        assert_eq!(renamed, Err(UserError::NameTaken("ANN".into())));
    }

    #[test]
    fn a_user_is_found_by_issuer_and_subject() {
        let connection = database();
        let of = |issuer: &str, subject: &str| Identity { issuer: issuer.into(), subject: subject.into() };
        insert(&connection, &named("ann"), None, "k1").unwrap();
        let spec = UserSpec { identity: Some(of("https://id.example", "7")), ..named("ben") };
        let ben = insert(&connection, &spec, None, "k2").unwrap();
        assert_eq!(find_identity(&connection, &of("https://id.example", "7")), Ok(Some(ben)));
        for other in [of("https://id.example", "8"), of("https://other.example", "7")] {
            assert_eq!(find_identity(&connection, &other), Ok(None));
        }
        assert_eq!(count(&connection), Ok(2));
    }

    #[test]
    fn it_prints_no_secret() {
        let user = insert(&database(), &named("ann"), Some("hunter2"), "swordfish").unwrap();
        let shown = format!("{user:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
    }

    #[test]
    fn nobody_is_active_who_is_disabled_or_whose_time_is_over() {
        let user = insert(&database(), &named("ann"), None, "k").unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let with = |spec| User { spec, ..user.clone() };
        assert!(user.is_active(at(10)));
        assert!(!with(UserSpec { disabled: true, ..named("ann") }).is_active(at(10)));
        let until = with(UserSpec { expires_at: Some(at(10)), ..named("ann") });
        assert!(until.is_active(at(9)) && !until.is_active(at(10)));
    }
}
