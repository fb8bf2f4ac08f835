//! Pictures of channels: small files that are fetched whole.

use std::fmt;
use std::path::Path;

use bytes::Bytes;

use super::{Error, agent};
use crate::model::{Scope, Source, SourceUrl};

/// Fetches pictures, as sources are fetched: by the proxies of the environment, and from the
/// internet to nowhere else.
#[derive(Clone)]
pub struct Pictures(agent::Client);

/// A picture that a browser shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its media type, by its first bytes: servers say many things.
    pub kind: &'static str,
    /// All of it.
    pub bytes: Bytes,
}

impl Pictures {
    /// Reads the trusted roots and the environment.
    pub fn new() -> Self {
        Self(agent::Client::new())
    }

    /// Fetches the picture at this http or https address, which leads to addresses of this scope
    /// and has no more than so many bytes.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from coming, and [`Error::File`] where it is none, or too long.
    pub async fn fetch(&self, url: &str, scope: Scope, most: usize) -> Result<Picture, Error> {
        let url = SourceUrl::parse(url, Path::new("")).map_err(|error| Error::Request(error.to_string()))?;
        let mut source = Source::new(url);
        // The address stands in a provider's list, so it must not lead to this network by default.
        source.access.scope = scope;
        let bytes = self.0.whole(&source, most).await?;
        let kind = kind(&bytes).ok_or_else(|| Error::File("it is no picture".to_owned()))?;
        Ok(Picture { kind, bytes })
    }
}

impl Default for Pictures {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Pictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pictures").finish_non_exhaustive()
    }
}

/// What browsers show in an `<img>`.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f', ..] => Some("image/avif"),
        [0, 0, 1, 0, ..] => Some("image/x-icon"),
        // Last, because it reads the most: text has no magic number.
        _ if is_svg(bytes) => Some("image/svg+xml"),
        _ => None,
    }
}

/// A text that begins with `<`, and is about a drawing soon: before it may stand a declaration, a
/// document type and comments.
fn is_svg(bytes: &[u8]) -> bool {
    let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]);
    let beginning = beginning.trim_start_matches('\u{feff}').trim_start();
    beginning.starts_with('<') && beginning.contains("<svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_its_first_bytes() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n"[..], Some("image/png")),
            (b"\xFF\xD8\xFF\xE0", Some("image/jpeg")),
            (b"GIF89a", Some("image/gif")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"\0\0\0\x1cftypavif", Some("image/avif")),
            (b"<?xml version='1.0'?>\n<!-- a logo -->\n<svg xmlns='", Some("image/svg+xml")),
            (b"<!doctype html><html>", None),
            (b"RIFF\x10\0\0\0WAVE", None),
            (b"", None),
        ] {
            assert_eq!(kind(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
