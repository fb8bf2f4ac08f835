//! Turns what the TOML reader says into words for whoever typed the file, without the values:
//! `sources` typed as one string would show its address.

use std::path::Path;

use forebay_relay::model::nearest::did_you_mean;

use super::error::{Error, Faults};

/// The one fault at which reading stopped.
pub(super) fn explain(error: &toml::de::Error, text: &str, path: &Path) -> Error {
    let span = error.span().unwrap_or(0..0);
    let found = text.get(span.clone()).unwrap_or_default();
    let mut faults = Faults::default();
    faults.push(span.start, reword(error.message(), found));
    faults.into_result(text, path).expect_err("there is a fault")
}

/// Rewords one message about the text `found`. The messages are those of serde and toml; the tests
/// pin each.
fn reword(message: &str, found: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
        let key = rest.split('`').next().unwrap_or_default();
        let expected = match known[..] {
            [only] => only.into(),
            _ => format!("one of {}", known.join(", ")),
        };
        return format!("unknown key \"{key}\", expected {expected}{}", did_you_mean(key, &known));
    }
    if let Some(key) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return format!("the key \"{key}\" is missing");
    }
    if let Some((what, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
    {
        return format!("expected {}, found {}", plain(expected), kind(what, found));
    }
    match message {
        // toml's word for it, for keys and for tables.
        "duplicate key" => format!("\"{found}\" stands here a second time"),
        // A bare word after `=`.
        _ if message.starts_with("string values must be quoted") => {
            "a text needs quotes: key = \"value\"".into()
        }
        // An address, a duration or a size without them begins like a number.
        _ if NUMBERS.iter().any(|number| message.starts_with(number)) => {
            "not a number; a text needs quotes: key = \"value\"".into()
        }
        _ => format!("not TOML: {message}"),
    }
}

/// How toml's messages about numbers begin.
const NUMBERS: &[&str] = &[
    "invalid float",
    "invalid integer",
    "invalid decimal",
    "invalid date",
    "invalid time",
    "invalid number",
];

/// The kind of value serde found, which it names together with the value.
fn kind(what: &str, found: &str) -> String {
    match what.split_whitespace().next().unwrap_or_default() {
        "string" => "a text".into(),
        "integer" | "boolean" | "floating" => found.into(),
        "sequence" => "a list".into(),
        // A date comes as a table with one secret key.
        "map" if found.starts_with(|c: char| c.is_ascii_digit()) => "a date".into(),
        "map" => "a table".into(),
        _ => "something else".into(),
    }
}

/// The kind of value serde expected.
fn plain(expected: &str) -> &str {
    match expected {
        "a string" => "a text in quotes",
        "a sequence" => "a list in [ ]",
        "a map" => "a table",
        "i64" => "a whole number",
        "a boolean" => "true or false",
        other => other,
    }
}
