//! The database from outside: what is killed, full, read-only, damaged, old, newer, in use; backups.

mod accounts;
mod audited;
mod backups;
mod disks;
mod killed;
mod killed_jobs;
mod killed_server;
mod playlists;
mod processes;
mod progress;
mod refreshed;
mod relays;
mod upgrades;

use std::path::Path;

pub(crate) use self::processes::unshared;

use forebay::db::relays::{self as rows, Relay};
use forebay::db::{Database, Document, Error};
use serde_json::{Value, json};

/// A channel by the test card, in the words of the configuration file.
fn card(id: &str) -> Document {
    let Value::Object(fields) = json!({ "id": id, "sources": ["testcard://"] }) else { unreachable!() };
    Document::new(fields).expect("it is a channel")
}

/// Makes a database in this folder with these relays.
async fn fill(folder: &Path, ids: &[&str]) {
    let database = Database::open(folder).expect("it can be made");
    for id in ids {
        let document = card(id);
        database.write(move |connection| rows::insert(connection, &document)).await.expect("there is room");
    }
    database.close().await;
}

/// All relays of a database.
async fn all(database: &Database) -> Vec<Relay> {
    let read = database.read(|connection| rows::list(connection, None, usize::MAX));
    read.await.expect("it can be read")
}

/// What SQLite finds wrong with a database.
async fn integrity(database: &Database) -> String {
    let check = database.read(|connection| {
        let found = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0));
        found.map_err(Error::from)
    });
    check.await.expect("it can be read")
}
