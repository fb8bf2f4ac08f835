//! What the API was given, as a JSON object in the words of the configuration file.

use forebay_relay::model::{FieldError, FieldPath, Spec, Step};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment, Track};

/// The object and what it means: a channel, unless `S` is something else. It may hold passwords, so
/// it never prints itself.
#[derive(Clone, PartialEq)]
pub struct Document<S = Spec> {
    fields: Map<String, Value>,
    spec: S,
}

impl<S: DeserializeOwned> Document<S> {
    /// Reads an object; what is `null` counts as not there.
    ///
    /// # Errors
    ///
    /// The first field that there is not, or whose value is of another kind.
    pub fn new(mut fields: Map<String, Value>) -> Result<Self, FieldError> {
        fields.retain(|_, value| !value.is_null());
        let spec = read(Value::Object(fields.clone()))?;
        Ok(Self { fields, spec })
    }

    /// Its fields, in the order of their names.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// What it means.
    pub fn spec(&self) -> &S {
        &self.spec
    }

    /// This one with changes: of objects each field, of everything else the whole value; `null`
    /// removes (RFC 7396).
    pub fn merged(&self, changes: &Map<String, Value>) -> Result<Self, FieldError> {
        let mut fields = self.fields.clone();
        merge(&mut fields, changes);
        Self::new(fields)
    }
}

impl<S> std::fmt::Debug for Document<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = self.fields.get("id").and_then(Value::as_str);
        f.debug_struct("Document").field("id", &id).finish_non_exhaustive()
    }
}

/// Reads what somebody has sent. The error names the first field that there is not, or whose value
/// is of another kind, and repeats no value.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, FieldError> {
    let mut track = Track::new();
    let read = T::deserialize(serde_path_to_error::Deserializer::new(value, &mut track));
    read.map_err(|error| FieldError { path: path(&track.path()), message: reword(&error.to_string()) })
}

/// Changes fields: of objects each field, of everything else the whole value; `null` removes (RFC
/// 7396).
pub(crate) fn merge(fields: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (key, change) in changes {
        match (change, fields.get_mut(key)) {
            (Value::Null, _) => {
                fields.remove(key);
            }
            // Depth is bounded by the JSON reader, which refuses more than 128 levels.
            (Value::Object(change), Some(Value::Object(field))) => merge(field, change),
            (Value::Object(change), _) => {
                // Merged into nothing rather than cloned: its `null`s
                // mean "absent", and must not be kept (RFC 7396).
                let mut field = Map::new();
                merge(&mut field, change);
                fields.insert(key.clone(), Value::Object(field));
            }
            _ => {
                fields.insert(key.clone(), change.clone());
            }
        }
    }
}

/// The reader's message without the value: an address in the wrong place may hold a password.
fn reword(message: &str) -> String {
    let mismatch = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let Some((found, expected)) = mismatch.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    let found = match found.split(' ').next() {
        Some("string") => "a string",
        Some("integer" | "floating") => "a number",
        Some("boolean") => "true or false",
        Some("sequence") => "a list",
        Some("map") => "an object",
        _ => "something else",
    };
    format!("expected {expected}, found {found}")
}

fn path(path: &Path) -> FieldPath {
    path.iter().fold(FieldPath::default(), |path, segment| match segment {
        Segment::Seq { index } => path.to(*index),
        Segment::Map { key } => path.to(key.clone()),
        Segment::Enum { variant } => path.to(variant.clone()),
        Segment::Unknown => path.to(Step::from("?")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(value: Value) -> Result<Document, String> {
        let Value::Object(fields) = value else { panic!("an object") };
        Document::new(fields).map_err(|error| format!("{}: {}", error.path, error.message))
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        for (value, wrong) in [
            (json!({ "id": 1 }), "id: expected a string, found a number"),
            (
                json!({ "sources": ["http://h/", 5] }),
                "sources[1]: expected an address or a table with the key url, found a number",
            ),
            (json!({ "nmae": "A" }), "nmae: unknown field `nmae`, expected one of `id`, "),
            (json!({ "sources": [{ "ulr": "http://h/" }] }), "sources[0].ulr: unknown field `ulr`"),
            (json!({ "health": { "slow": [] } }), "health.slow: expected "),
        ] {
            let error = document(value).unwrap_err();
            assert!(error.starts_with(wrong), "{error}");
        }
    }

    #[test]
    fn changes_are_merged_and_null_removes() {
        let before = json!({
            "id": "a", "name": "A", "number": null, "sources": ["http://h/1", "http://h/2"], "health": { "slow": "off", "damaged": 5 },
        });
        let changes =
            json!({ "name": null, "sources": ["http://h/3"], "health": { "slow": null }, "slate": true });
        let after = document(before).unwrap().merged(changes.as_object().unwrap()).unwrap();
        let expected =
            json!({ "id": "a", "sources": ["http://h/3"], "health": { "damaged": 5 }, "slate": true });
        assert_eq!(Value::Object(after.fields().clone()), expected);
        assert_eq!((after.spec().id.as_deref(), after.spec().name.as_deref()), (Some("a"), None));
    }

    #[test]
    fn it_prints_no_address() {
        let document = document(json!({ "id": "a", "sources": ["http://joe:hunter2@h/"] })).unwrap();
        assert_eq!(format!("{document:?}"), "Document { id: Some(\"a\"), .. }");
    }

    #[test]
    fn an_address_in_the_wrong_place_is_not_repeated() {
        let address = "http://joe:hunter2@h/, expected a, hunter2";
        for key in ["sources", "number", "program", "slate", "health", "slate_urls"] {
            let error = document(json!({ key: address })).unwrap_err();
            assert!(
                error.starts_with(&format!("{key}: expected ")) && error.ends_with(", found a string"),
                "{error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
