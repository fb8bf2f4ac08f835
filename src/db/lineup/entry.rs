//! An entry of a list as one JSON array: its title, its address, and its properties with their
//! origins.

use std::borrow::Cow;

use forebay_core::lineup::{Entry, Origin};
use serde::{Deserialize, Serialize};

use crate::db::Error;

/// Origin, key, value.
type Property<'a> = (u8, Cow<'a, str>, Cow<'a, str>);

#[derive(Serialize, Deserialize)]
struct Stored<'a>(Cow<'a, str>, Cow<'a, str>, Vec<Property<'a>>);

/// Writes an entry.
pub(super) fn encode(entry: &Entry) -> String {
    let properties = entry.properties().iter();
    let stored = Stored(
        entry.title().into(),
        entry.url().into(),
        properties.map(|(origin, key, value)| (origin.code(), key.into(), value.into())).collect(),
    );
    serde_json::to_string(&stored).expect("it is made of texts and numbers")
}

/// Reads what [`encode`] wrote into `entry`.
pub(super) fn decode(text: &str, entry: &mut Entry) -> Result<(), Error> {
    let damaged = || Error::Damaged("an entry of a playlist cannot be read".to_owned());
    let Stored(title, url, properties) = serde_json::from_str(text).map_err(|_| damaged())?;
    entry.clear();
    entry.set_title(&title);
    entry.set_url(&url);
    for (origin, key, value) in properties {
        entry.push(Origin::from_code(origin).ok_or_else(damaged)?, &key, &value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_as_it_was() {
        let mut entry = Entry::default();
        entry.set_title("Das \"Erste\"\n");
        entry.set_url("http://h/live/u/p/1.ts");
        for origin in Origin::ALL {
            entry.push(origin, "kéy", "a=\"b\" ★");
        }
        let (text, mut back) = (encode(&entry), Entry::default());
        decode(&text, &mut back).unwrap();
        assert_eq!(back, entry);
        for damaged in ["", "[]", "[\"a\",\"b\",[[99,\"k\",\"v\"]]]"] {
            assert!(matches!(decode(damaged, &mut back), Err(Error::Damaged(_))), "{damaged}");
        }
    }
}
