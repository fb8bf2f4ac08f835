//! Keys and initialisation sections that stand in their own addresses (RFC 2397).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use url::Url;

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes that a `data:` address holds; `None` where it is another address, or damaged. How long
/// one may be is the playlist's matter
/// ([`MAX_DATA_URL`](forebay_core::playlist::parse::MAX_DATA_URL)).
pub(super) fn decode(url: &Url) -> Option<Bytes> {
    let (kind, data) = url.path().split_once(',').filter(|_| url.scheme() == "data")?;
    // A question mark is a byte like any other here.
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let bytes: Vec<u8> = percent_decode_str(data).chain(percent_decode_str(&query)).collect();
    // `;base64` is the last word if it is there (RFC 2397, 3); media types may hold it elsewhere.
    let is_base64 = kind.rsplit(';').next().is_some_and(|word| word.trim().eq_ignore_ascii_case("base64"));
    if !is_base64 {
        return Some(bytes.into());
    }
    let digits: Vec<u8> = bytes.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(digits).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_however_they_are_written() {
        for (url, bytes) in [
            ("data:application/octet-stream;base64,AAEC/w==", Some(&[0, 1, 2, 255][..])),
            ("data:;base64,AAEC%2Fw", Some(&[0, 1, 2, 255])),
            ("DATA:text/plain;charset=utf-8,a%20b,c?d", Some(b"a b,c?d")),
            ("data:,", Some(b"")),
            ("data:;base64,*", None),
            ("data:nothing", None),
            ("http://h/,a", None),
        ] {
            assert_eq!(decode(&Url::parse(url).unwrap()).as_deref(), bytes, "{url}");
        }
    }
}
