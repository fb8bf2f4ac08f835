//! The rules of a playlist, as texts.

use rusqlite::Connection;

use super::PlaylistId;
use crate::db::Error;

/// The rules of a playlist, in their order, each as JSON.
pub fn rules(connection: &Connection, playlist: PlaylistId) -> Result<Vec<String>, Error> {
    let sql = "SELECT rule FROM rules WHERE playlist_id = ?1 ORDER BY position";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([playlist.0], |row| row.get(0))?;
    rows.map(|row| Ok(row?)).collect()
}

/// Puts these rules in the place of those that there are.
pub fn set_rules(connection: &Connection, playlist: PlaylistId, rules: &[String]) -> Result<(), Error> {
    connection.execute("DELETE FROM rules WHERE playlist_id = ?1", [playlist.0])?;
    let mut statement = connection.prepare("INSERT INTO rules VALUES (?1, ?2, ?3)")?;
    for (position, rule) in (0_i64..).zip(rules) {
        statement.execute((playlist.0, position, rule))?;
    }
    Ok(())
}
