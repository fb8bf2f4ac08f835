//! What panels say of accounts, and the providers that follow.

use forebay_core::lineup::UnixTime;
use forebay_relay::model::{Checker, House, Provider};
use rusqlite::{Connection, OptionalExtension as _};

use super::{PlaylistId, all_playlists};
use crate::db::Error;

/// An account, as its panel sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// In the panel's words.
    pub status: String,
    /// When it ends.
    pub expires_at: Option<UnixTime>,
    /// Connections at a time.
    pub max_connections: Option<u32>,
    /// Whether it is for trying only.
    pub is_trial: bool,
    /// What the panel has to say.
    pub message: String,
    /// The zone of the times in its guide and archive; may be empty.
    pub time_zone: String,
    /// How far that zone is ahead of UTC, in seconds.
    pub utc_offset: Option<i32>,
}

/// The account of a playlist.
pub fn account(connection: &Connection, playlist: PlaylistId) -> Result<Option<Account>, Error> {
    let sql = "SELECT status, expires_at, max_connections, is_trial, message, time_zone, utc_offset
               FROM accounts WHERE playlist_id = ?1";
    let account = connection.prepare_cached(sql)?.query_row([playlist.0], |row| {
        Ok(Account {
            status: row.get(0)?,
            expires_at: row.get::<_, Option<i64>>(1)?.map(UnixTime::from_seconds),
            max_connections: row.get(2)?,
            is_trial: row.get(3)?,
            message: row.get(4)?,
            time_zone: row.get(5)?,
            utc_offset: row.get(6)?,
        })
    });
    Ok(account.optional()?)
}

/// Writes what the panel says, if it is news. Says whether it was.
pub fn set_account(connection: &Connection, playlist: PlaylistId, news: &Account) -> Result<bool, Error> {
    if account(connection, playlist)?.as_ref() == Some(news) {
        return Ok(false);
    }
    let sql = "INSERT OR REPLACE INTO accounts
               (playlist_id, status, expires_at, max_connections, is_trial, message, time_zone, utc_offset)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let Account { status, expires_at, max_connections, is_trial, message, time_zone, utc_offset } = news;
    let expires_at = expires_at.map(UnixTime::seconds);
    let values = (playlist.0, status, expires_at, max_connections, is_trial, message, time_zone, utc_offset);
    connection.execute(sql, values)?;
    Ok(true)
}

/// The providers of all playlists whose connections are limited. Each is named by
/// [`PlaylistId::provider`].
pub fn providers(connection: &Connection) -> Result<Vec<Provider>, Error> {
    let mut providers = Vec::new();
    for playlist in all_playlists(connection)? {
        let limit = account(connection, playlist.id)?.and_then(|account| account.max_connections);
        let spec = playlist.document.spec().provider(playlist.id.provider(), limit);
        // It was checked with its playlist.
        providers.extend(spec.and_then(|spec| spec.check(&mut Checker::default(), &mut House::default())));
    }
    Ok(providers)
}
