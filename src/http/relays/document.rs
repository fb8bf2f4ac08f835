//! A relay as the API writes it.
//!
//! It has the words of a channel in the configuration file, but for two: the channel's `id` is
//! `output_path`, for `id` is the relay's number, and `sources` is `source_urls`.

use std::path::Path;

use forebay_relay::model::FieldError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::catalogue::RelayFault;
use crate::db::relays::Relay;
use crate::http::error::WrongField;
use crate::http::extract::JsonRequest;
use crate::http::playlists::UnplayableReason;

/// Words of the API, and of the configuration file.
const RENAMED: [(&str, &str); 2] = [("output_path", "id"), ("source_urls", "sources")];

/// What only the server says: a document that was read may be sent back as it is.
const READ_ONLY: [&str; 4] = ["id", "created_at", "changed_at", "unplayable"];

/// A relay, as it is told to an admin: addresses are whole.
// The fields are in alphabetical order.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct RelayDocument {
    /// When it was last changed, in UTC (RFC 3339).
    changed_at: String,
    /// When it was created, in UTC (RFC 3339).
    created_at: String,
    /// Its number, which is never given to another relay.
    id: i64,
    /// Its name for people.
    name: String,
    /// Its name in addresses: `/stream/{output_path}`.
    output_path: String,
    /// Its sources, the preferred one first: an address, or an object as in the configuration file.
    #[schema(value_type = Vec<Value>)]
    source_urls: Value,
    /// Why it cannot be watched with the configuration in force; null where it can.
    #[schema(required)]
    unplayable: Option<UnplayableReason>,
    /// Whatever else was set of a channel, in the words of the configuration file.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
}

/// A part of the list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct RelayList {
    /// `after` of the next part; null where this is the last one.
    #[schema(required)]
    pub(super) next: Option<i64>,
    /// In the order in which they were created.
    pub(super) relays: Vec<RelayDocument>,
    /// How many there are in all.
    pub(super) total: u64,
}

/// What a relay is to be, or what of it is to change.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub(in crate::http) struct RelayFields(Map<String, Value>);

impl JsonRequest for RelayFields {
    const EXAMPLE: &'static str = r#"{"name": "Sport TV", "output_path": "sport-tv", "source_urls": ["http://cdn1.example/sport.m3u8"]}"#;
}

impl RelayFields {
    /// The same in the words of the configuration file.
    pub(super) fn into_words(self) -> Result<Map<String, Value>, WrongField> {
        let Self(mut fields) = self;
        for word in READ_ONLY {
            fields.remove(word);
        }
        for (name, word) in RENAMED {
            if fields.contains_key(word) {
                let message = format!("unknown field: it is called {name} here");
                return Err(WrongField { message, path: word.to_owned() });
            }
            if let Some(value) = fields.remove(name) {
                fields.insert(word.into(), value);
            }
        }
        Ok(fields)
    }
}

impl RelayDocument {
    /// The relay with `fault`, which it has with the configuration of this file.
    pub(super) fn new(relay: &Relay, fault: Option<RelayFault>, file: &Path) -> Self {
        let mut settings = relay.document.fields().clone();
        let path = relay.document.spec().id.clone().unwrap_or_default();
        let [_, source_urls] = RENAMED.map(|(_, word)| settings.remove(word));
        settings.remove("name");
        let time = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Self {
            changed_at: time(relay.changed_at),
            created_at: time(relay.created_at),
            id: relay.id.0,
            name: relay.document.spec().name.clone().unwrap_or_else(|| path.clone()),
            output_path: path,
            source_urls: source_urls.unwrap_or_default(),
            unplayable: fault.map(|fault| reason_of(&fault, file)),
            settings,
        }
    }
}

fn reason_of(fault: &RelayFault, file: &Path) -> UnplayableReason {
    match fault {
        RelayFault::PathOfFile => UnplayableReason {
            code: "in_configuration",
            message: format!("a channel of {} has its path, and is served there", file.display()).into(),
        },
        RelayFault::Fields(errors) => {
            let told = |WrongField { path, message }: WrongField| format!("{path}: {message}");
            let all: Vec<String> = errors.iter().map(|error| told(wrong_field(error))).collect();
            UnplayableReason { code: "not_allowed", message: all.join("; ").into() }
        }
    }
}

/// A field that is wrong, in the words of the API.
pub(super) fn wrong_field(error: &FieldError) -> WrongField {
    let (mut path, mut message) = (error.path.to_string(), error.message.clone());
    for (name, word) in RENAMED {
        if let Some(rest) =
            path.strip_prefix(word).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        {
            path = format!("{name}{rest}");
        }
        if let Some(rest) = message.strip_prefix(&format!("{word}: ")) {
            message = format!("{name}: {rest}");
        }
        message = message.replace(&format!("`{word}`"), &format!("`{name}`"));
    }
    WrongField { message, path }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::db::Document;
    use crate::db::relays::RelayId;

    fn fields(value: Value) -> RelayFields {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_was_read_may_be_sent_back() {
        let sent = json!({
            "name": "Sport TV", "output_path": "sport-tv", "source_urls": ["http://h/1", { "url": "http://h/2" }], "slate": true,
        });
        let relay = Relay {
            id: RelayId(7),
            document: Document::new(fields(sent.clone()).into_words().unwrap()).unwrap(),
            created_at: jiff::Timestamp::from_second(0).unwrap(),
            changed_at: jiff::Timestamp::from_second(1).unwrap(),
        };
        let document = RelayDocument::new(&relay, None, Path::new("channels.toml"));
        let told = serde_json::to_value(document).unwrap();
        let mut expected = sent;
        expected["id"] = 7.into();
        expected["created_at"] = "1970-01-01T00:00:00Z".into();
        expected["changed_at"] = "1970-01-01T00:00:01Z".into();
        expected["unplayable"] = Value::Null;
        assert_eq!(told, expected);
        assert_eq!(Document::new(fields(told).into_words().unwrap()).unwrap(), relay.document);
    }

    #[test]
    fn wrong_fields_are_told_in_the_words_of_the_api() {
        let wrong = |value| {
            let words = fields(value).into_words();
            let read = words.and_then(|words| <Document>::new(words).map_err(|error| wrong_field(&error)));
            let WrongField { path, message } = read.unwrap_err();
            format!("{path} | {message}")
        };
        assert_eq!(wrong(json!({ "sources": [] })), "sources | unknown field: it is called source_urls here");
        assert!(wrong(json!({ "source_urls": [5] })).starts_with("source_urls[0] | expected an address"));
        assert!(wrong(json!({ "output_path": 5 })).starts_with("output_path | expected a string"));
        let unknown = wrong(json!({ "nmae": "A" }));
        assert!(
            unknown.starts_with("nmae | unknown field `nmae`, expected one of `output_path`, "),
            "{unknown}"
        );
        assert!(unknown.contains("`source_urls`") && !unknown.contains("`sources`"), "{unknown}");
    }
}
