//! The headers that the requests for an entry need, out of the five ways to write them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{Origin, Properties};

/// The headers of an entry, each once: of two with one name, that of the later [`Origin`] wins.
pub(super) fn of(properties: &Properties) -> Vec<(&str, Cow<'_, str>)> {
    let mut found = Found::default();
    for (origin, key, value) in properties.iter() {
        match origin {
            Origin::Http | Origin::UrlSuffix => found.add(origin, key, Cow::Borrowed(value)),
            Origin::Vlc => {
                // Without `http-` they are options of VLC that mean something else.
                if let Some(name) = strip_http(key).filter(|name| is_common(name)) {
                    found.add(origin, name, Cow::Borrowed(value));
                }
            }
            Origin::Attribute => {
                let bare = || key.eq_ignore_ascii_case("user-agent").then_some(key);
                if let Some(name) = strip_http(key).filter(|name| is_common(name)).or_else(bare) {
                    found.add(origin, name, Cow::Borrowed(value));
                }
            }
            Origin::Kodi if key.ends_with("_headers") => {
                for (name, value) in pairs(value) {
                    found.add(origin, name, value);
                }
            }
            Origin::Kodi | Origin::Group | Origin::Label => (),
        }
    }
    found.0.into_iter().map(|(_, name, value)| (name, value)).collect()
}

#[derive(Default)]
struct Found<'a>(Vec<(Origin, &'a str, Cow<'a, str>)>);

impl<'a> Found<'a> {
    fn add(&mut self, origin: Origin, name: &'a str, value: Cow<'a, str>) {
        if value.is_empty() {
            return;
        }
        let name = canonical(name);
        match self.0.iter_mut().find(|(_, known, _)| known.eq_ignore_ascii_case(name)) {
            Some(known) if known.0 < origin => *known = (origin, name, value),
            Some(_) => (),
            None => self.0.push((origin, name, value)),
        }
    }
}

fn strip_http(key: &str) -> Option<&str> {
    let (start, rest) = key.split_at_checked("http-".len())?;
    start.eq_ignore_ascii_case("http-").then_some(rest)
}

/// Headers that lists set by options and attributes.
fn is_common(name: &str) -> bool {
    let names = ["user-agent", "referrer", "referer", "origin", "cookie", "authorization"];
    names.iter().any(|it| name.eq_ignore_ascii_case(it))
}

/// The usual spelling of the names that come in several.
pub(super) fn canonical(name: &str) -> &str {
    match name {
        _ if name.eq_ignore_ascii_case("user-agent") => "User-Agent",
        _ if name.eq_ignore_ascii_case("referrer") || name.eq_ignore_ascii_case("referer") => "Referer",
        _ if name.eq_ignore_ascii_case("origin") => "Origin",
        _ if name.eq_ignore_ascii_case("cookie") => "Cookie",
        _ if name.eq_ignore_ascii_case("authorization") => "Authorization",
        _ => name,
    }
}

/// Reads `Name=value&Name=value`, or with `|` between, as it stands behind the `|` of an address.
///
/// Values are percent-decoded. A `Referer` may hold an address with `&` in its query: a part whose
/// name is no usual header belongs to the value before it, if that has a `?`.
pub(super) fn pairs(text: &str) -> Vec<(&str, Cow<'_, str>)> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    let mut at = 0;
    for part in text.split(['&', '|']) {
        let start = at;
        at += part.len() + 1;
        let pair = part.split_once('=').map(|(name, value)| (name.trim().trim_start_matches('!'), value));
        let last = found.last_mut().filter(|(_, value)| value.contains('?'));
        match (pair, last) {
            (Some((name, _)), Some(last)) if !is_usual(name) => {
                last.1 = joined(text, last.1, start + part.len());
            }
            (None, Some(last)) => last.1 = joined(text, last.1, start + part.len()),
            (Some((name, value)), _) if is_token(name) => found.push((name, value)),
            _ => (),
        }
    }
    let decode = |value| percent_decode_str(value).decode_utf8_lossy();
    found.into_iter().map(|(name, value)| (name, decode(value.trim()))).collect()
}

/// `value`, which is a part of `text`, up to `end`.
fn joined<'a>(text: &'a str, value: &str, end: usize) -> &'a str {
    let start = value.as_ptr().addr() - text.as_ptr().addr();
    &text[start..end]
}

/// Whether requests to streams have a header of this name.
fn is_usual(name: &str) -> bool {
    let others = ["accept", "host", "range", "connection", "icy-metadata"];
    let begins = |start: &str| name.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start));
    is_common(name)
        || begins("accept-")
        || begins("x-")
        || others.iter().any(|it| name.eq_ignore_ascii_case(it))
}

/// Whether this may be the name of a header (RFC 9110, 5.6.2).
pub(super) fn is_token(name: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_of_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_in_both_spellings() {
        let table: [(&str, &[(&str, &str)]); 8] = [
            (
                "User-Agent=VLC/3.0 LibVLC&Referer=http://a/",
                &[("User-Agent", "VLC/3.0 LibVLC"), ("Referer", "http://a/")],
            ),
            ("Referer=http://a/|User-Agent=x", &[("Referer", "http://a/"), ("User-Agent", "x")]),
            ("Referer=http%3A%2F%2Fa%2F", &[("Referer", "http://a/")]),
            (
                "Referer=http://a/?b=1&c=2&User-Agent=x",
                &[("Referer", "http://a/?b=1&c=2"), ("User-Agent", "x")],
            ),
            ("!X-Own=1", &[("X-Own", "1")]),
            ("Cookie=a=b; c=d", &[("Cookie", "a=b; c=d")]),
            ("nothing", &[]),
            ("a b=c", &[]),
        ];
        for (text, expected) in table {
            let found = pairs(text);
            let found: Vec<_> = found.iter().map(|(name, value)| (*name, &**value)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn the_header_nearest_to_the_address_wins() {
        let mut properties = Properties::default();
        let agent = |properties: &Properties| {
            of(properties).iter().find(|(name, _)| *name == "User-Agent").map(|(_, value)| value.to_string())
        };
        assert_eq!(agent(&properties), None);
        properties.push(Origin::Http, "user-agent", "of the object");
        properties.push(Origin::Attribute, "user-agent", "of the attribute");
        properties.push(Origin::Vlc, "http-user-agent", "of VLC");
        assert_eq!(agent(&properties).as_deref(), Some("of the object"));
        properties.push(Origin::UrlSuffix, "User-Agent", "of the address");
        properties.push(Origin::Vlc, "http-reconnect", "true");
        properties.push(Origin::Vlc, "http-referrer", "http://a/");
        assert_eq!(agent(&properties).as_deref(), Some("of the address"));
        assert_eq!(of(&properties).len(), 2);
    }
}
