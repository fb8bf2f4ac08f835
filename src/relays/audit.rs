//! Entries of the audit log: who changed which relay, without secrets.

use std::path::Path;

use forebay_relay::model::{SourceSpec, SourceUrl, UrlText};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::accounts::Actor;
use crate::db::audit::{self, NewEntry};
use crate::db::relays::RelayId;
use crate::db::{Document, Error};

/// Notes what somebody has done, in the transaction that does it.
pub(super) fn note(
    connection: &Connection,
    actor: &Actor,
    action: &'static str,
    RelayId(id): RelayId,
    documents: [Option<&Document>; 2],
) -> Result<(), Error> {
    let [before, after] = documents.map(|document| document.map(told));
    let object = format!("relay:{id}");
    audit::insert(connection, &NewEntry { actor: actor.to_string(), action, object, before, after })?;
    Ok(())
}

/// A relay by its path, its name, its sources without what is in them of passwords, and the other
/// fields that are set.
fn told(document: &Document) -> Value {
    let spec = document.spec();
    let sources: Vec<String> = spec.sources.iter().flatten().map(shown).collect();
    let fields: Vec<&String> = document.fields().keys().collect();
    json!({ "output_path": spec.id, "name": spec.name, "source_urls": sources, "fields": fields })
}

fn shown(source: &SourceSpec) -> String {
    let url = match source {
        SourceSpec::Url(url) => Some(url),
        SourceSpec::Fields(fields) => fields.url.as_ref(),
    };
    let url = url.and_then(|UrlText(url)| SourceUrl::parse(url, Path::new("/")).ok());
    url.map_or_else(|| "…".to_owned(), |url| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_in_what_is_told() {
        let fields = json!({
            "id": "a", "sources": ["http://joe:hunter2@h.example/1.ts?token=hunter2", { "url": "http://h/2",
            "headers": { "X": "hunter2" } }],
        });
        let told = told(&Document::new(fields.as_object().unwrap().clone()).unwrap()).to_string();
        assert!(told.contains("h.example") && told.contains("http://h/2"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
