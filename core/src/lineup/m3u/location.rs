//! The line of an address: `url|headers`, `url$label`, and addresses that are relative.

use std::borrow::Cow;

use url::Url;

use crate::lineup::headers::{is_token, pairs};
use crate::lineup::{Entry, Origin};

/// Reads the line into the entry. Returns the properties for which there was no room.
pub(super) fn read(line: &str, base: Option<&Url>, entry: &mut Entry) -> u64 {
    let mut lost = 0;
    let (line, suffix) = split_suffix(line);
    let (address, label) = split_label(line);
    for (name, value) in suffix.map(pairs).unwrap_or_default() {
        lost += u64::from(!entry.push(Origin::UrlSuffix, name, &value));
    }
    if let Some(label) = label {
        lost += u64::from(!entry.push(Origin::Label, "", label));
    }
    entry.set_url(&resolved(address, base));
    lost
}

/// The scheme of an absolute address, such as `http` or `udp`.
pub(super) fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme =
        scheme.starts_with(|it: char| it.is_ascii_alphabetic()) && scheme.bytes().all(is_of_scheme);
    is_scheme.then_some(scheme)
}

/// Parts the address from `|Name=value…`. A `|` with anything else behind it is a part of the
/// address.
fn split_suffix(line: &str) -> (&str, Option<&str>) {
    let is_suffix = |suffix: &str| suffix.split_once('=').is_some_and(|(name, _)| is_token(name.trim()));
    match line.split_once('|').filter(|(address, _)| !address.trim_end().is_empty()) {
        Some((address, suffix)) if is_suffix(suffix) => (address.trim_end(), Some(suffix)),
        Some((address, suffix)) if suffix.trim().is_empty() => (address.trim_end(), None),
        _ => (line, None),
    }
}

/// Parts the address from `$label`. A `$` may be a part of the address too: a label has no `/` and
/// no
/// `=`, and behind a query it is told from a value by letters that are not ASCII.
fn split_label(line: &str) -> (&str, Option<&str>) {
    match line.rsplit_once('$') {
        Some((address, label))
            if !address.is_empty()
                && !label.is_empty()
                && !label.contains(['/', '=', '&', '}'])
                && (!address.contains('?') || !label.is_ascii()) =>
        {
            (address, Some(label))
        }
        _ => (line, None),
    }
}

/// The absolute address where `base` tells it. Remarks in the place of an address, such as
/// `[NO PUBLIC STREAM]`, stay as they are.
fn resolved<'a>(address: &'a str, base: Option<&Url>) -> Cow<'a, str> {
    let is_relative =
        scheme(address).is_none() && !address.contains(char::is_whitespace) && !address.starts_with('[');
    match base.filter(|_| is_relative).and_then(|base| base.join(address).ok()) {
        Some(url) => Cow::Owned(url.into()),
        None => Cow::Borrowed(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_headers_and_labels() {
        let base = Url::parse("https://h/lists/a.m3u?x=1").expect("it is one");
        let table: [(&str, &str, &str); 14] = [
            ("http://h/1.ts", "http://h/1.ts", ""),
            (
                "http://h/1.ts|User-Agent=a b&Referer=http://r/",
                "http://h/1.ts",
                "User-Agent=a b;Referer=http://r/;",
            ),
            ("http://h/1.ts | user-agent=x", "http://h/1.ts", "user-agent=x;"),
            ("http://h/1.ts|", "http://h/1.ts", ""),
            ("http://h/a|b.ts", "http://h/a|b.ts", ""),
            ("http://h/1.m3u8$线路2", "http://h/1.m3u8", "=线路2;"),
            ("http://h/1.m3u8$HD", "http://h/1.m3u8", "=HD;"),
            ("http://h/$abc/1.m3u8", "http://h/$abc/1.m3u8", ""),
            ("http://h/1?sig=a$b", "http://h/1?sig=a$b", ""),
            ("http://[2409::e5]:6610/x", "http://[2409::e5]:6610/x", ""),
            ("1.ts", "https://h/lists/1.ts", ""),
            ("/1.ts", "https://h/1.ts", ""),
            ("udp://@239.0.0.1:1234", "udp://@239.0.0.1:1234", ""),
            ("[NO PUBLIC STREAM]", "[NO PUBLIC STREAM]", ""),
        ];
        for (line, url, properties) in table {
            let mut entry = Entry::default();
            read(line, Some(&base), &mut entry);
            let listed: Vec<String> =
                entry.properties().iter().map(|(_, key, value)| format!("{key}={value};")).collect();
            assert_eq!((entry.url(), &*listed.concat()), (url, properties), "{line}");
        }
    }

    #[test]
    fn without_a_base_the_line_stays() {
        for line in ["stream/1.m3u8", "$A", "|a=b"] {
            let mut entry = Entry::default();
            read(line, None, &mut entry);
            assert_eq!((entry.url(), entry.properties().is_empty()), (line, true));
        }
    }
}
