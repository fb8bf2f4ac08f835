//! Says what bytes are that should have been a transport stream.
//!
//! The kind goes to everybody: into the status and into answers to viewers. The bytes themselves
//! may be anything, also what was not meant for viewers, so they go no further than the log.

use std::fmt::Write as _;

use tracing::debug;

/// Bytes that are looked at.
pub const LOOKED_AT: usize = 512;

/// Characters of a text that are quoted.
const QUOTED: usize = 20;

/// Names what `bytes` begin like, for everybody; their beginning goes to the log, at debug.
pub fn describe(bytes: &[u8]) -> String {
    let kind = kind(bytes);
    debug!(kind, beginning = quote(bytes), "no transport stream");
    kind.to_owned()
}

/// Names what `bytes` begin like, and quotes their beginning: for an operator who asks for it.
pub fn describe_whole(bytes: &[u8]) -> String {
    match kind(bytes) {
        kind if bytes.is_empty() => kind.to_owned(),
        kind => format!("{kind}, beginning {}", quote(bytes)),
    }
}

fn kind(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        return "nothing was sent";
    }
    let body = body(bytes);
    let begins =
        |magic: &[u8]| body.get(..magic.len()).is_some_and(|start| start.eq_ignore_ascii_case(magic));
    let is_text = is_text(body);
    if begins(b"<!doctype html") || begins(b"<html") {
        "an HTML page"
    } else if begins(b"#EXTM3U") && (find(body, b"#EXT-X-") || !find(body, b"#EXTINF")) {
        // Lists of channels begin with the same line. `#EXT-X-`
        // tells them apart, or that no entry is there yet.
        "an HLS playlist"
    } else if begins(b"#EXTM3U") {
        "a list of channels"
    } else if find(&body[..body.len().min(200)], b"<MPD") {
        "a DASH manifest"
    } else if begins(b"<") && is_text {
        "XML or HTML"
    } else if (begins(b"{") || begins(b"[")) && is_text {
        "JSON"
    } else if begins(b"\x89PNG") {
        "a PNG picture"
    } else if begins(b"\xFF\xD8\xFF") {
        "a JPEG picture"
    } else if begins(b"GIF8") {
        "a GIF picture"
    } else if body.get(4..8) == Some(b"ftyp") {
        "an MP4 file"
    } else if begins(b"\x1A\x45\xDF\xA3") {
        "a Matroska or WebM file"
    } else if begins(b"FLV\x01") {
        "an FLV stream"
    } else if begins(b"ID3") || begins(b"\xFF\xFB") || begins(b"\xFF\xF1") {
        "bare audio"
    } else if begins(b"\x1F\x8B") {
        "gzip data"
    } else if is_text {
        "text"
    } else {
        "unknown data"
    }
}

/// What is looked at, without what editors put in front of it.
fn body(bytes: &[u8]) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(LOOKED_AT)];
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start()
}

fn is_text(body: &[u8]) -> bool {
    // The bytes that are looked at may end within a character, which is no error of the text.
    std::str::from_utf8(body).map_or_else(|error| error.error_len().is_none(), |_| true)
        && !body.iter().any(|&byte| byte < 0x20 && !byte.is_ascii_whitespace())
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn quote(bytes: &[u8]) -> String {
    let body = body(bytes);
    if is_text(body) {
        let text = String::from_utf8_lossy(body);
        // No more than tells what it is: what follows may hold addresses and passwords.
        let text = text.split("://").next().unwrap_or_default();
        let text: String = text.chars().take(QUOTED).collect();
        return format!("{text:?}");
    }
    body.iter().take(QUOTED).fold(String::new(), |mut out, byte| {
        let gap = if out.is_empty() { "" } else { " " };
        let _ = write!(out, "{gap}{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_providers_send_instead_is_named() {
        for (bytes, name) in [
            (&b""[..], "nothing was sent"),
            (b"\xEF\xBB\xBF\r\n<!DOCTYPE html><title>Sorry</title>", "an HTML page, beginning \"<!DOCTYPE"),
            (b"{\"error\":\"max connections\"}", "JSON, beginning \"{\\\"error"),
            (b"#EXTM3U\n#EXT-X-VERSION:3\n", "an HLS playlist"),
            (b"#EXTM3U\n#EXTINF:-1,One\nhttp://h/1\n", "a list of channels"),
            (b"FAILED TO CONNECT", "text, beginning \"FAILED TO CONNECT\""),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG picture, beginning 89 50 4e 47"),
            (b"\0\0\0\x20ftypisom", "an MP4 file"),
            (b"\0\x01\x02\x03", "unknown data, beginning 00 01 02 03"),
        ] {
            assert!(describe_whole(bytes).starts_with(name), "{}", describe_whole(bytes));
            let kind = describe(bytes);
            assert!(name.starts_with(&kind), "{kind}: nothing is quoted");
        }
    }
}
