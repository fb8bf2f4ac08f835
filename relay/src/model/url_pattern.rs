//! Patterns of addresses.

use std::fmt;
use std::str::FromStr;

/// A pattern of whole addresses, in which each `*` stands for any text, none included. It never
/// prints itself, for an address may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlPattern(String);

/// Why a text is no [`UrlPattern`]. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlPatternError {
    /// It would match no address.
    #[error("must begin with http://, https:// or *, for it is a pattern of whole addresses")]
    NoAddress,
    /// It says nothing of the address, so the channel's own would match it, too.
    #[error("needs a letter or a digit of the address: it would match the channel's own, too")]
    Everything,
    /// A character that addresses hold in escaped form only.
    #[error("must not contain {0:?}; write what is no plain ASCII as addresses do (%20)")]
    Character(char),
    /// It is longer than [`UrlPattern::MAX_LEN`].
    #[error("is longer than {} characters", UrlPattern::MAX_LEN)]
    TooLong,
}

impl UrlPattern {
    /// The longest pattern, in characters: servers refuse addresses of more than a few of these.
    pub const MAX_LEN: usize = 2048;

    /// Tells whether it fits the whole of `address`.
    pub fn matches(&self, address: &str) -> bool {
        // The ends are fixed, the pieces between are found from the left:
        // no pattern takes more than one pass, however many stars it has.
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == address };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let inner = address.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
        // The leftmost place of each piece leaves the most to those behind it.
        inner.is_some_and(|inner| {
            let after = |rest: &str, piece: &str| rest.find(piece).map(|at| at + piece.len());
            middle.split('*').try_fold(inner, |rest, piece| rest.get(after(rest, piece)?..)).is_some()
        })
    }
}

impl FromStr for UrlPattern {
    type Err = UrlPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(found) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(UrlPatternError::Character(found));
        }
        if text.len() > Self::MAX_LEN {
            return Err(UrlPatternError::TooLong);
        }
        if !["http://", "https://", "*"].iter().any(|start| text.starts_with(start)) {
            return Err(UrlPatternError::NoAddress);
        }
        let (_, rest) = text.split_once("://").unwrap_or(("", text));
        if !rest.contains(|c: char| c.is_ascii_alphanumeric()) {
            return Err(UrlPatternError::Everything);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlPattern(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_the_rest_is_itself() {
        for (pattern, address, expected) in [
            ("http://h/limit.ts", "http://h/limit.ts", true),
            ("http://h/limit.ts", "http://h/limit.ts?a=b", false),
            ("http://h/limit*", "http://h/limit.ts?a=b", true),
            ("http://h/limit*", "http://h/limit", true),
            ("http://h/limit*", "http://h/LIMIT.ts", false),
            ("*/slate/*", "https://cdn.example/slate/1.m3u8", true),
            ("*/slate/*", "https://cdn.example/live/1.m3u8", false),
            ("*.ts", "http://h/a.ts", true),
            ("*.ts", "http://h/a.ts/b", false),
            ("http://*.example/*/limit*.ts", "http://a.b.example/x/limit/limit-2.ts", true),
            ("http://*.example/*/limit*.ts", "http://example/x/limit-2.ts", false),
            ("*ab*ab*", "http://ab/ab", true),
            ("*ab*ab*", "http://ab/", false),
            ("*aba", "http://aba", true),
            ("http://aba*ba", "http://aba", false),
            ("http://a*", "http://a", true),
            ("*//**/a**", "http://h/é/a", true),
        ] {
            let pattern: UrlPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(address), expected, "{} {address}", pattern.0);
        }
    }

    #[test]
    fn what_would_match_nothing_or_everything_is_refused() {
        use UrlPatternError::{Character, Everything, NoAddress, TooLong};
        for (text, expected) in [
            ("", NoAddress),
            ("limit.ts", NoAddress),
            ("h*", NoAddress),
            ("*", Everything),
            ("**", Everything),
            ("http*", NoAddress),
            ("http://*", Everything),
            ("*://*", Everything),
            ("*/a b", Character(' ')),
            ("*/é", Character('é')),
            (&*format!("*/{}", "x".repeat(2047)), TooLong),
        ] {
            assert_eq!(text.parse::<UrlPattern>(), Err(expected), "{text}");
        }
    }
}
