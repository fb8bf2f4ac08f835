//! The text of a file, and the text of a cue as `WebVTT` has it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What the bytes from 0x80 on stand for in Windows-1252; 0 where they stand for nothing.
const WESTERN: [u16; 32] = [
    0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0,
    0x017D, 0, 0, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A,
    0x0153, 0, 0x017E, 0x0178,
];

/// Bytes that may stand between brackets: others are text.
const MAX_INSIDE: usize = 100;

/// Tags that both formats have.
const TAGS: [&str; 6] = ["i", "/i", "b", "/b", "u", "/u"];

/// The text of a file: UTF-8 or UTF-16, as its mark says or as it can be read; else as Windows has
/// it in the west.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest),
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes).into(),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes).into(),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => bytes.iter().map(|&byte| western(byte)).collect::<String>().into(),
        },
    }
}

fn wide(bytes: &[u8], number: fn([u8; 2]) -> u16) -> String {
    let (units, _) = bytes.as_chunks::<2>();
    let characters = char::decode_utf16(units.iter().map(|&unit| number(unit)));
    characters.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn western(byte: u8) -> char {
    match byte {
        0x80..=0x9F => match WESTERN[usize::from(byte - 0x80)] {
            0 => char::REPLACEMENT_CHARACTER,
            code => char::from_u32(code.into()).unwrap_or(char::REPLACEMENT_CHARACTER),
        },
        _ => char::from(byte),
    }
}

/// Text of `SubRip` as `WebVTT` has it, and whether it is to be shown at the top: tags that both
/// have stay, others go, and what would be taken for one is written otherwise.
pub(super) fn convert(text: &str) -> (String, bool) {
    let (mut out, mut is_top) = (String::with_capacity(text.len()), false);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let tail = &rest[character.len_utf8()..];
        // No further: each of many brackets that are not closed would read all that follows.
        let inside = |close: u8| {
            let at = tail.bytes().take(MAX_INSIDE + 1).position(|byte| byte == close)?;
            Some((&tail[..at], &tail[at + 1..]))
        };
        match (character, if character == '<' { inside(b'>') } else { None }) {
            ('<', Some((tag, behind))) if is_tag(tag) => {
                let tag = tag.trim().to_ascii_lowercase();
                if TAGS.contains(&tag.as_str()) {
                    let _ = write!(out, "<{tag}>");
                }
                rest = behind;
                continue;
            }
            ('{', _) if tail.starts_with('\\') => {
                if let Some((codes, behind)) = inside(b'}') {
                    is_top |= ["\\an7", "\\an8", "\\an9"].iter().any(|code| codes.contains(code));
                    rest = behind;
                    continue;
                }
                out.push(character);
            }
            ('&', _) => out.push_str("&amp;"),
            ('<', _) => out.push_str("&lt;"),
            ('>', _) => out.push_str("&gt;"),
            ('\0', _) => {}
            _ => out.push(character),
        }
        rest = tail;
    }
    (out, is_top)
}

/// Whether this looks like what stands in a tag.
fn is_tag(inside: &str) -> bool {
    let name = inside.trim().trim_start_matches('/');
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && !inside.contains(['<', '\n'])
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use forebay_testkit::linear::assert_linear;

    use super::*;

    #[test]
    fn any_encoding_is_read() {
        let utf16 = |number: fn(u16) -> [u8; 2], mark: [u8; 2]| {
            let units: Vec<u8> = "Grüße 😀".encode_utf16().flat_map(number).collect();
            [&mark[..], &units].concat()
        };
        for (bytes, expected) in [
            ("Grüße 😀".as_bytes().to_vec(), "Grüße 😀"),
            ([&[0xEF, 0xBB, 0xBF], "Grüße 😀".as_bytes()].concat(), "Grüße 😀"),
            (utf16(u16::to_le_bytes, [0xFF, 0xFE]), "Grüße 😀"),
            (utf16(u16::to_be_bytes, [0xFE, 0xFF]), "Grüße 😀"),
            (b"Gr\xFC\xDFe \x96 caf\xE9".to_vec(), "Grüße – café"),
            (vec![], ""),
        ] {
            assert_eq!(decode(&bytes), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn tags_that_are_known_stay_and_nothing_else_is_taken_for_one() {
        for (text, expected, is_top) in [
            ("<i>No</i> <b>way</B>", "<i>No</i> <b>way</b>", false),
            ("<font color=\"#ff0\">Yes</font>", "Yes", false),
            ("{\\an8}Up there", "Up there", true),
            ("{\\pos(1,2)}a {b}", "a {b}", false),
            ("1 < 2 && 3 > 2 --> 4", "1 &lt; 2 &amp;&amp; 3 &gt; 2 --&gt; 4", false),
            ("a <3 b", "a &lt;3 b", false),
        ] {
            assert_eq!(convert(text), (expected.to_owned(), is_top), "{text}");
        }
    }

    #[test]
    fn brackets_that_are_not_closed_are_read_in_linear_time() {
        for open in ["<", "{\\"] {
            let make = |length: usize| open.repeat(length / open.len());
            assert_linear(open, 1 << 20, make, |text| {
                black_box(convert(text));
            });
        }
    }
}
