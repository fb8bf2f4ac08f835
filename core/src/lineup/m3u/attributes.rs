//! The attributes of `#EXTINF` and `#EXTM3U`, as people and panels write them.
//!
//! Values may stand in `"`, in `'`, or in nothing; they hold commas, `=` and quotes; a closing
//! quote may be missing. So a quote closes a value only where the line goes on as it would behind
//! one: with a comma, with the next key, or with its end. All decisions look back or ahead no
//! further than the next quote, which keeps the time linear.

use crate::lineup::{Origin, Properties};

/// The contents of an `#EXTINF:` line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    /// The text behind the comma.
    pub(super) title: &'a str,
    /// Quotes that were missing, and attributes for which there was no room.
    pub(super) faults: u64,
    /// There was no comma.
    pub(super) has_no_comma: bool,
}

/// No key is longer. Looking back from a quote ends there.
const MAX_KEY_BYTES: usize = 48;

/// Reads what stands behind `#EXTINF:`: a duration, attributes, a comma and the title.
pub(super) fn read_entry<'a>(text: &'a str, into: &mut Properties) -> Found<'a> {
    let mut scan = Scan { text: behind_duration(text), at: 0, faults: 0 };
    let (mut has_attributes, mut words) = (false, None);
    loop {
        scan.skip_blanks();
        let here = scan.at;
        if scan.rest().is_empty() {
            // Without a comma, the title begins behind the last attribute.
            let title = words.map_or("", |words: usize| &scan.text[words..]).trim();
            return Found { title, faults: scan.faults, has_no_comma: true };
        }
        if scan.rest().starts_with(',') {
            scan.at += 1;
            // Some write a comma behind the duration, and another before the title.
            if has_attributes || !attributes_follow(scan.rest()) {
                return Found { title: scan.rest().trim(), faults: scan.faults, has_no_comma: false };
            }
        } else if let Some((key, value)) = scan.attribute() {
            has_attributes = true;
            scan.store(into, key, value);
        } else {
            words = words.or(Some(here));
            scan.skip_word();
        }
    }
}

/// Reads what stands behind `#EXTM3U`: attributes. Returns the faults.
pub(super) fn read_header(text: &str, into: &mut Properties) -> u64 {
    let mut scan = Scan { text, at: 0, faults: 0 };
    while !scan.rest().is_empty() {
        if let Some((key, value)) = scan.attribute() {
            scan.store(into, key, value);
        } else {
            scan.skip_word();
            scan.at += usize::from(scan.rest().starts_with(','));
        }
        scan.skip_blanks();
    }
    scan.faults
}

fn behind_duration(text: &str) -> &str {
    let text = text.trim_start();
    let behind_sign = text.strip_prefix(['-', '+']).unwrap_or(text);
    let behind_digits = behind_sign.trim_start_matches(|it: char| it.is_ascii_digit() || it == '.');
    // A name may begin with digits where nothing but the name is written.
    let is_duration = behind_digits.is_empty()
        || behind_digits.starts_with(|it: char| it.is_whitespace() || it == ',')
        || key_at(behind_digits).is_some();
    if is_duration { behind_digits } else { text }
}

/// Whether attributes that are known follow a comma, and another comma follows them.
fn attributes_follow(rest: &str) -> bool {
    let rest = rest.trim_start();
    let known = ["tvg-", "group-title", "catchup", "channel-id", "tvc-", "timeshift"];
    known.iter().any(|start| rest.starts_with(start)) && key_at(rest).is_some()
}

/// The key that `text` begins with, if `=` follows it.
fn key_at(text: &str) -> Option<&str> {
    let is_of_key = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    let length = text.bytes().take(MAX_KEY_BYTES + 1).take_while(is_of_key).count();
    let is_key = (1..=MAX_KEY_BYTES).contains(&length) && text.as_bytes().get(length) == Some(&b'=');
    is_key.then(|| &text[..length])
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    faults: u64,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn store(&mut self, into: &mut Properties, key: &str, value: &str) {
        // An empty value says as much as none.
        if !value.is_empty() && !into.push(Origin::Attribute, key, value) {
            self.faults += 1;
        }
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn skip_word(&mut self) {
        let ends = |it: char| it.is_whitespace() || it == ',';
        let rest = self.rest();
        self.at += rest.find(ends).unwrap_or(rest.len());
    }

    /// The attribute that begins here, if one does.
    fn attribute(&mut self) -> Option<(&'a str, &'a str)> {
        let key = key_at(self.rest())?;
        self.at += key.len() + 1;
        let behind = self.rest().trim_start_matches(' ');
        let value = match behind.as_bytes().first() {
            Some(&quote @ (b'"' | b'\'')) => {
                self.at = self.text.len() - behind.len() + 1;
                self.quoted(quote)
            }
            _ => self.unquoted(),
        };
        Some((key, value.trim()))
    }

    /// The value behind an opening quote.
    fn quoted(&mut self, quote: u8) -> &'a str {
        let start = self.at;
        let bytes = self.text.as_bytes();
        // The first quote that may close the value: a blank follows it.
        let mut doubtful = None;
        let mut from = start;
        while let Some(found) = bytes[from..].iter().position(|&byte| byte == quote) {
            let here = from + found;
            if closes(&self.text[here + 1..]) {
                self.at = here + 1;
                return &self.text[start..here];
            }
            if let Some(key) = key_before(self.text, start, here) {
                // This quote opens the next value: that of this one is missing.
                self.faults += 1;
                self.at = key;
                let end: usize = doubtful.unwrap_or(key);
                return &self.text[start..end];
            }
            if bytes.get(here + 1).is_some_and(u8::is_ascii_whitespace) {
                doubtful = doubtful.or(Some(here));
            }
            from = here + 1;
        }
        self.faults += 1;
        let (end, next) = if let Some(quote) = doubtful {
            (quote, quote + 1)
        } else {
            let end = self.text[start..].find(',').map_or(self.text.len(), |at| start + at);
            (end, end)
        };
        self.at = next;
        &self.text[start..end]
    }

    /// The value without quotes: up to a comma, or a blank with a key behind it.
    fn unquoted(&mut self) -> &'a str {
        let rest = self.rest();
        let mut was_blank = false;
        let mut ends = |(at, char): (usize, char)| {
            let is_blank = char.is_whitespace();
            // Only the first blank of a run looks ahead, which keeps the time linear.
            let starts_run = is_blank && !was_blank;
            was_blank = is_blank;
            (char == ',' || (starts_run && key_at(rest[at..].trim_start()).is_some())).then_some(at)
        };
        let length = rest.char_indices().find_map(&mut ends).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }
}

/// Whether a line goes on so behind a quote that closes a value.
fn closes(rest: &str) -> bool {
    let behind = rest.trim_start();
    if behind.is_empty() || behind.starts_with(',') {
        return true;
    }
    match key_at(behind) {
        // Without a blank between only a quoted value tells a key from a value with `=`.
        Some(key) if behind.len() == rest.len() => behind[key.len() + 1..].starts_with(['"', '\'']),
        Some(_) => true,
        None => false,
    }
}

/// Where the key begins that ends with `=` right before `quote`, with a blank before it, not before
/// `start`.
fn key_before(text: &str, start: usize, quote: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let before = quote.checked_sub(1).filter(|&at| at > start && bytes[at] == b'=')?;
    let is_of_key = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    let length =
        bytes[start..before].iter().rev().take(MAX_KEY_BYTES + 1).take_while(|it| is_of_key(it)).count();
    let key = before - length;
    let has_blank = key > start && bytes[key - 1].is_ascii_whitespace();
    (has_blank && (1..=MAX_KEY_BYTES).contains(&length)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attributes as `key=value;`, and the title.
    fn read(text: &str) -> (String, String, u64) {
        let mut properties = Properties::default();
        let found = read_entry(text, &mut properties);
        let listed: Vec<String> =
            properties.iter().map(|(_, key, value)| format!("{key}={value};")).collect();
        (listed.concat(), found.title.to_owned(), found.faults)
    }

    #[test]
    fn good_lines() {
        let table = [
            ("-1,BBC One", "", "BBC One"),
            ("-1 tvg-id=\"bbc1.uk\",BBC One", "tvg-id=bbc1.uk;", "BBC One"),
            ("0 tvg-id=\"\" tvg-name=\"X\", X ", "tvg-name=X;", "X"),
            ("-1 group-title=\"News, Sports\",X", "group-title=News, Sports;", "X"),
            (
                "-1 catchup-source=\"http://h/?utc={utc}&a=b\",X",
                "catchup-source=http://h/?utc={utc}&a=b;",
                "X",
            ),
            ("-1 tvg-id=\"a\",One, two, \"three\"", "tvg-id=a;", "One, two, \"three\""),
            (" -1, name,with comma", "", "name,with comma"),
            ("1,=>(★ TURKİYE ★)<=", "", "=>(★ TURKİYE ★)<="),
            ("-1 TVG-ID='a b' x=1,Y", "TVG-ID=a b;x=1;", "Y"),
            ("12.5 a=\"ü\",ß", "a=ü;", "ß"),
            ("-1,", "", ""),
            ("-1 ,- BBC", "", "- BBC"),
            (
                "-1 cn-id=10338245 cn-records=1 group-title=\"Основные\", Первый",
                "cn-id=10338245;cn-records=1;group-title=Основные;",
                "Первый",
            ),
        ];
        for (text, attributes, title) in table {
            assert_eq!(read(text), (attributes.to_owned(), title.to_owned(), 0), "{text}");
        }
    }

    #[test]
    fn bad_lines() {
        let table = [
            // Quotes within values.
            ("-1 tvg-name=\"failing\"item\",title", "tvg-name=failing\"item;", "title", 0),
            (
                "-1 tvg-name=\"The \"Best\" One\" tvg-id=\"x\",T",
                "tvg-name=The \"Best\" One;tvg-id=x;",
                "T",
                0,
            ),
            // Closing quotes that are missing.
            ("-1 tvg-id=\"abc group-title=\"News\",T", "tvg-id=abc;group-title=News;", "T", 1),
            ("-1 tvg-name=\"BBC One,BBC One", "tvg-name=BBC One;", "BBC One", 1),
            ("-1 tvg-id=\"a\" junk tvg-name=\"b\",T", "tvg-id=a;tvg-name=b;", "T", 1),
            ("-1 tvg-id=\"a\" junk,T", "tvg-id=a;", "T", 1),
            // No quotes, no blanks, too many commas.
            (
                "-1 tvg-name=BBC One group-title=UK News,BBC",
                "tvg-name=BBC One;group-title=UK News;",
                "BBC",
                0,
            ),
            ("-1 tvg-id=\"a\"tvg-name=\"b\",T", "tvg-id=a;tvg-name=b;", "T", 0),
            ("-1tvg-id=\"a\",T", "tvg-id=a;", "T", 0),
            ("-1, tvg-id=\"a\" group-title=\"b\",T", "tvg-id=a;group-title=b;", "T", 0),
            ("-1 tvg-id= \"a\",T", "tvg-id=a;", "T", 0),
            // No comma, no duration.
            ("-1 tvg-id=\"a\" BBC One", "tvg-id=a;", "BBC One", 1),
            ("-1 BBC One", "", "BBC One", 0),
            ("3sat", "", "3sat", 0),
            (",BBC", "", "BBC", 0),
        ];
        for (text, attributes, title, faults) in table {
            assert_eq!(read(text), (attributes.to_owned(), title.to_owned(), faults), "{text}");
        }
    }

    #[test]
    fn a_header_has_attributes_only() {
        let mut properties = Properties::default();
        let faults = read_header(
            " url-tvg=\"http://a/1,http://b/2\", x-tvg-url='http://c' junk refresh=3600",
            &mut properties,
        );
        let listed: Vec<_> = properties.iter().map(|(_, key, value)| (key, value)).collect();
        assert_eq!(
            listed,
            [("url-tvg", "http://a/1,http://b/2"), ("x-tvg-url", "http://c"), ("refresh", "3600")]
        );
        assert_eq!(faults, 1);
    }
}
