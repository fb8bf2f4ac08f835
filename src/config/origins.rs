//! Where each value that is no default came from.

use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::error::Places;
use super::{Config, Place, read_file};

/// A key that is set, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The key with its section: `stream.idle_timeout`.
    pub key: String,
    /// The value as it was typed: it may hold a password.
    pub value: String,
    /// A place in the file, or the name of a variable.
    pub by: SetBy,
}

/// By what a key is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetBy {
    /// It stands there in the file.
    File(Place),
    /// This variable has it.
    Variable(String),
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(Place { line, .. }) => write!(f, "line {line}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// The keys of all sections that are set, but for those of providers and channels: first those of
/// the file, in its order. Nothing where the file cannot be read any more.
pub fn origins(config: &Config) -> Vec<Origin> {
    let text = read_file(&config.path).unwrap_or_default();
    let Ok(document) = DeTable::parse(&text) else { return Vec::new() };
    let variables = config.environment.keys();
    let mut found = Vec::new();
    collect(document.get_ref(), "", &mut found);
    found.retain(|(key, _)| variables.iter().all(|(set, _)| set != key));
    found.sort_by_key(|(_, at)| at.start);
    let mut places = Places::of(&text);
    let in_file = found.into_iter().map(|(key, at)| {
        let value = text[at.value].trim().to_owned();
        Origin { key, value, by: SetBy::File(places.next(at.start)) }
    });
    let set = variables.into_iter().map(|(key, (name, value))| {
        let value = value.trim().to_owned();
        Origin { key, value, by: SetBy::Variable(name.clone()) }
    });
    in_file.chain(set).collect()
}

/// Where a key stands, and its value, in bytes.
struct Spot {
    start: usize,
    value: Range<usize>,
}

fn collect(table: &DeTable<'_>, section: &str, found: &mut Vec<(String, Spot)>) {
    for (key, value) in table {
        let name = format!("{section}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, &format!("{name}."), found),
            _ if section.is_empty() => {} // providers and channels
            _ => found.push((name, Spot { start: key.span().start, value: value.span() })),
        }
    }
}
