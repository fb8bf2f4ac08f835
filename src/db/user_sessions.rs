//! Browsers that are signed in, a row each.

use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::error::Error;
use super::time::{now, timestamp};
use super::users::UserId;

/// A session as it is kept: whoever has what `hash` is made of is the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSession {
    /// SHA-256 of what the browser has.
    pub hash: [u8; 32],
    /// Who is signed in.
    pub user: UserId,
    /// The host at which the user signed in.
    pub host: String,
    /// When it is over.
    pub expires_at: Timestamp,
}

/// Sessions that one user may have: a browser for each day of a month, without ever signing out.
const MAX_PER_USER: i64 = 32;

/// Adds a session. Where the user has too many, those that are oldest end.
pub fn insert(connection: &Connection, session: &UserSession) -> Result<(), Error> {
    let sql =
        "INSERT INTO user_sessions (hash, user, host, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let UserSession { hash, user, host, expires_at } = session;
    connection.execute(sql, (hash, user.0, host, now(), expires_at.as_second()))?;
    let old = "DELETE FROM user_sessions WHERE hash IN
               (SELECT hash FROM user_sessions WHERE user = ?1 ORDER BY created_at DESC LIMIT -1 OFFSET ?2)";
    connection.execute(old, (user.0, MAX_PER_USER))?;
    Ok(())
}

/// Ends a session.
pub fn remove(connection: &Connection, hash: &[u8; 32]) -> Result<(), Error> {
    connection.execute("DELETE FROM user_sessions WHERE hash = ?1", [hash])?;
    Ok(())
}

/// Ends all sessions of a user.
pub fn remove_of(connection: &Connection, user: UserId) -> Result<(), Error> {
    connection.execute("DELETE FROM user_sessions WHERE user = ?1", [user.0])?;
    Ok(())
}

/// Takes away sessions that are over; returns how many.
pub fn clean(connection: &Connection) -> Result<usize, Error> {
    Ok(connection.execute("DELETE FROM user_sessions WHERE expires_at <= ?1", [now()])?)
}

/// All sessions.
pub fn all(connection: &Connection) -> Result<Vec<UserSession>, Error> {
    let mut statement = connection.prepare("SELECT hash, user, host, expires_at FROM user_sessions")?;
    let rows = statement.query_map([], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<UserSession, Error> {
    Ok(UserSession {
        hash: row.get("hash")?,
        user: UserId(row.get("user")?),
        host: row.get("host")?,
        expires_at: timestamp(row.get("expires_at")?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::users::{self, UserSpec};
    use super::*;

    #[test]
    fn a_user_has_so_many_sessions_and_they_go_with_the_user() {
        let connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        connection.execute_batch(include_str!("schema/0002-people.sql")).unwrap();
        let spec = |name: &str| UserSpec { name: name.into(), ..UserSpec::default() };
        let ann = users::insert(&connection, &spec("ann"), None, "k1").unwrap().id;
        let ben = users::insert(&connection, &spec("ben"), None, "k2").unwrap().id;
        let session = |user, byte| UserSession {
            hash: [byte; 32],
            user,
            host: "tv.lan".into(),
            expires_at: Timestamp::from_second(2_000_000_000).unwrap(),
        };
        insert(&connection, &session(ben, 255)).unwrap();
        for byte in 0..40 {
            insert(&connection, &session(ann, byte)).unwrap();
        }
        assert_eq!(all(&connection).unwrap().len(), 33);
        remove(&connection, &[255; 32]).unwrap();
        assert_eq!(all(&connection).unwrap().len(), 32);
        users::remove(&connection, ann).unwrap();
        assert_eq!(all(&connection).unwrap(), []);
        let over = UserSession { expires_at: Timestamp::from_second(1).unwrap(), ..session(ben, 1) };
        insert(&connection, &over).unwrap();
        assert_eq!((clean(&connection), all(&connection)), (Ok(1), Ok(Vec::new())));
    }
}
