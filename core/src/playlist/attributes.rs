//! Attribute lists (RFC 8216, 4.2), one attribute at a time: what is wrong with one costs only that
//! one.

use std::borrow::Cow;

/// The attributes of a tag, in order.
pub(super) struct Attributes<'a>(Vec<(&'a str, &'a str)>);

/// More than any tag has; the rest is not looked at.
const MAX_ATTRIBUTES: usize = 64;

impl<'a> Attributes<'a> {
    /// Reads them. Values may be quoted or not, whatever the standard asks for; blanks around names
    /// and values are passed over, and so is what has no `=`.
    pub(super) fn read(text: &'a str) -> Self {
        let mut list = Vec::new();
        let mut rest = text;
        while list.len() < MAX_ATTRIBUTES
            && let Some((name, behind)) = rest.split_once('=')
        {
            // A stray value without a name ends at its comma.
            let name = name.rsplit(',').next().unwrap_or_default().trim();
            let behind = behind.trim_start();
            let (value, next) = match behind.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => behind.split_once(',').unwrap_or((behind, "")),
            };
            list.push((name, value.trim()));
            rest = next;
        }
        Self(list)
    }

    /// The value of an attribute, without its quotes.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|&(_, value)| value)
    }

    /// The value as a whole number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(number)
    }
}

/// The whole number that a text begins with, past blanks.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

/// The decimal number that a text begins with, past blanks; never negative or infinite. A comma is
/// no decimal point: a title may follow it.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..digits].parse().ok().filter(|value: &f64| value.is_finite())
}

/// The bytes of a number like `0x1F`, padded in front to 16; `None` if it is none, or longer.
pub(super) fn hex_128(text: &str) -> Option<[u8; 16]> {
    let digits = text.trim().strip_prefix("0x").or_else(|| text.trim().strip_prefix("0X"))?;
    let is_good = !digits.is_empty() && digits.len() <= 32 && digits.bytes().all(|c| c.is_ascii_hexdigit());
    let value = is_good.then(|| u128::from_str_radix(digits, 16).ok())?;
    value.map(u128::to_be_bytes)
}

/// Longest value of a variable, and how many there may be: a few of them in each line must not make
/// a playlist a thousand times as long.
const MAX_VALUE: usize = 1024;
const MAX_VARIABLES: usize = 64;

/// The variables of a playlist (successor draft, 4.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(Vec<(String, String)>);

impl Variables {
    pub(super) fn define(&mut self, name: &str, value: &str) {
        if self.0.len() < MAX_VARIABLES && name.len() <= MAX_VALUE && value.len() <= MAX_VALUE {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Puts values in place of `{$name}`; `None` when that makes more than `limit` bytes. What is
    /// not defined stays as it stands: no provider means it otherwise.
    pub(super) fn fill<'t>(&self, text: &'t str, limit: usize) -> Option<Cow<'t, str>> {
        if self.0.is_empty() || !text.contains("{$") {
            return (text.len() <= limit).then_some(Cow::Borrowed(text));
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{$") {
            // No name has a brace in it. So each byte is looked at twice at most.
            let end = behind.find(['{', '}']).filter(|&end| behind.as_bytes()[end] == b'}');
            let filled = end.and_then(|end| Some((self.get(&behind[..end])?, &behind[end + 1..])));
            let (value, next) = filled.unwrap_or(("{$", behind));
            if out.len() + before.len() + value.len() > limit {
                return None;
            }
            out.push_str(before);
            out.push_str(value);
            rest = next;
        }
        out.push_str(rest);
        (out.len() <= limit).then_some(Cow::Owned(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_however_they_are_written() {
        let attributes =
            Attributes::read(r#"BANDWIDTH=128, CODECS="a,b=c" ,NAME=x y,EMPTY="",,URI=a?b=c,LAST="open"#);
        for (name, value) in [
            ("BANDWIDTH", Some("128")),
            ("CODECS", Some("a,b=c")),
            ("NAME", Some("x y")),
            ("EMPTY", Some("")),
            ("URI", Some("a?b=c")),
            ("LAST", Some("open")),
            ("OTHER", None),
        ] {
            assert_eq!(attributes.get(name), value, "{name}");
        }
        assert_eq!(Attributes::read("stray,BANDWIDTH=\"7\"").number("BANDWIDTH"), Some(7));
    }

    #[test]
    fn numbers_are_what_a_text_begins_with() {
        assert_eq!(
            [number("10"), number(" 9.6"), number("x"), number("-1")],
            [Some(10), Some(9), None, None]
        );
        assert_eq!(number("99999999999999999999999"), None);
        for (text, value) in [
            ("9.009,t", Some(9.009)),
            (" 6 ,x", Some(6.0)),
            (".5", Some(0.5)),
            ("-1,", None),
            ("", None),
            ("1.2.3", None),
        ] {
            assert_eq!(decimal(text), value, "{text}");
        }
        assert_eq!(hex_128("0x0102").map(|bytes| bytes[14..].to_vec()), Some(vec![1, 2]));
        assert_eq!(
            [hex_128("0102"), hex_128("0x"), hex_128("0xZZ"), hex_128(&format!("0x{}", "0".repeat(33)))],
            [None; 4]
        );
    }

    #[test]
    fn variables_are_filled_in_once() {
        let mut variables = Variables::default();
        variables.define("host", "h/{$host}");
        let filled = variables.fill("http://{$host}/{$other}/{$}{${$host}{$", 100);
        assert_eq!(filled.as_deref(), Some("http://h/{$host}/{$other}/{$}{$h/{$host}{$"));
    }

    #[test]
    fn no_more_is_filled_in_than_there_is_room_for() {
        let mut variables = Variables::default();
        variables.define("a", "12345");
        assert_eq!(variables.fill("{$a}{$a}", 10).as_deref(), Some("1234512345"));
        assert_eq!(variables.fill("{$a}{$a}", 9), None);
        assert_eq!(variables.fill("{$a}{$a}x", 10), None);
        assert_eq!(variables.fill("12345", 4), None);
        variables.define("b", &"b".repeat(MAX_VALUE));
        // A gigabyte, if all of it were written.
        assert_eq!(variables.fill(&"{$b}".repeat(1_000_000), 8192), None);
        assert!(variables.fill(&"{$".repeat(1_000_000), 2_000_000).is_some(), "and in no time");
    }
}
