//! The values in a playlist: text, addresses, names, durations and ranges of bytes.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use url::Url;

use super::{MAX_DURATION, MAX_NAME, MAX_URL};
use crate::playlist::attributes::{Variables, number};

/// A body as text. Bytes that are no UTF-8 are percent-encoded: in an address the server means just
/// them (RFC 3986, 2.5).
pub(super) fn decode(body: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "%{byte:02X}").expect("a string takes whatever is written");
        }
    }
    Cow::Owned(text)
}

pub(super) fn strip_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// The absolute address of a URI, if it is one that can be fetched.
pub(super) fn resolve(uri: &str, base: &Url, variables: &Variables) -> Option<Url> {
    // Before the variables are filled in, which makes it longer still.
    let uri = if uri.len() <= MAX_URL { variables.fill(uri, MAX_URL)? } else { return None };
    let url = base.join(&uri).ok()?;
    // The scheme guards against `file:` and the like, which a hostile list may name.
    let is_good = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= MAX_URL;
    is_good.then_some(url)
}

/// A name that others refer to; none is too long to be true.
pub(super) fn name(text: &str) -> String {
    if text.len() <= MAX_NAME { text.to_owned() } else { String::new() }
}

pub(super) fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(MAX_DURATION).min(MAX_DURATION)
}

/// `n[@o]` (RFC 8216, 4.3.2.2).
pub(super) fn range(text: &str) -> Option<(u64, Option<u64>)> {
    match text.split_once('@') {
        Some((length, offset)) => Some((number(length)?, Some(number(offset)?))),
        None => Some((number(text)?, None)),
    }
}

/// A word of a provider's, shortened for a message.
pub(super) fn quoted(word: &str) -> String {
    let word: String = word.chars().filter(|c| !c.is_control()).take(60).collect();
    format!("\"{word}\"")
}
