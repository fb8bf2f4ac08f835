//! Figures of the server, a row for each minute of the last day.

use rusqlite::Connection;

use super::error::Error;

/// Adds the figures of a minute, and removes those before `oldest`. Times are milliseconds since
/// 1970.
pub fn insert(connection: &Connection, at: i64, document: &str, oldest: i64) -> Result<(), Error> {
    // A clock that was set back comes to the same minute again.
    let sql = "INSERT INTO metric_minutes (at, document) VALUES (?1, ?2)
               ON CONFLICT (at) DO UPDATE SET document = excluded.document";
    connection.execute(sql, (at, document))?;
    clean(connection, oldest)?;
    Ok(())
}

/// Removes the figures before `oldest`; says how many.
pub fn clean(connection: &Connection, oldest: i64) -> Result<usize, Error> {
    Ok(connection.execute("DELETE FROM metric_minutes WHERE at < ?1", [oldest])?)
}

/// The figures from `since` on, the oldest first.
pub fn since(connection: &Connection, since: i64) -> Result<Vec<String>, Error> {
    let mut find = connection.prepare("SELECT document FROM metric_minutes WHERE at >= ?1 ORDER BY at")?;
    let rows = find.query_map([since], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
