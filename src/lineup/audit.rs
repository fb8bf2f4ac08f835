//! Entries of the audit log: who changed which playlist or channel, without secrets.

use std::path::Path;

use forebay_relay::model::SourceUrl;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use crate::accounts::Actor;
use crate::config::playlist::PlaylistSpec;
use crate::db::audit::{self, NewEntry};
use crate::db::{Document, Error};

/// Fields of a playlist whose values are nobody's business. That they are set is told.
const SECRETS: [&str; 4] = ["username", "password", "headers", "proxy"];

/// Notes what somebody has done, in the transaction that does it.
pub(super) fn note(
    connection: &Connection,
    actor: &Actor,
    action: &'static str,
    object: String,
    [before, after]: [Option<Value>; 2],
) -> Result<(), Error> {
    audit::insert(connection, &NewEntry { actor: actor.to_string(), action, object, before, after })?;
    Ok(())
}

/// The settings of a playlist, without what is in them of passwords.
pub(super) fn settings(document: &Document<PlaylistSpec>) -> Value {
    let mut fields: Map<String, Value> = document.fields().clone();
    for secret in SECRETS {
        fields.entry(secret).and_modify(|value| *value = json!("…"));
    }
    fields.entry("url").and_modify(|url| {
        let shown = url.as_str().and_then(|url| SourceUrl::parse(url, Path::new("/")).ok());
        *url = shown.map_or_else(|| json!("…"), |url| json!(url.to_string()));
    });
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_in_what_is_told() {
        let fields = json!({
            "name": "A", "url": "http://joe:hunter2@h.example/get.php?username=joe&password=hunter2",
            "password": "hunter2", "headers": { "X": "hunter2" }, "proxy": "http://u:hunter2@p/",
        });
        let document = Document::new(fields.as_object().unwrap().clone()).unwrap();
        let told = settings(&document).to_string();
        assert!(told.contains("h.example") && told.contains("\"A\"") && !told.contains("hunter2"), "{told}");
    }
}
