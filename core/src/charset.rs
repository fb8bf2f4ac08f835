//! Bytes become text, whatever they were written in, and only bad characters are lost.

use std::borrow::Cow;

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// In front of a reader: UTF-16 becomes UTF-8, everything else passes.
#[derive(Debug)]
pub(crate) enum Transcoder {
    /// Too few bytes have come to tell: these.
    Undecided(Vec<u8>),
    /// It is no UTF-16.
    Bytes,
    /// It is.
    Utf16(Utf16),
}

/// UTF-16 on its way to UTF-8.
pub(crate) struct Utf16 {
    decoder: Decoder,
    text: String,
}

impl std::fmt::Debug for Utf16 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Utf16").finish_non_exhaustive()
    }
}

/// How much of UTF-16 is decoded at a time.
const BLOCK_BYTES: usize = 8 * 1024;

/// So many bytes tell UTF-16.
const START_BYTES: usize = 4;

impl Default for Transcoder {
    fn default() -> Self {
        Self::Undecided(Vec::new())
    }
}

impl Transcoder {
    /// The transcoder for a document that begins so: with a mark of its byte order, or with a
    /// character of ASCII in two bytes.
    fn of(start: &[u8]) -> Self {
        let encoding = match start {
            [0xFF, 0xFE, ..] | [0x01..=0x7F, 0, 0x01..=0x7F, 0, ..] => UTF_16LE,
            [0xFE, 0xFF, ..] | [0, 0x01..=0x7F, 0, 0x01..=0x7F, ..] => UTF_16BE,
            _ => return Self::Bytes,
        };
        let text = String::with_capacity(BLOCK_BYTES);
        Self::Utf16(Utf16 { decoder: encoding.new_decoder_without_bom_handling(), text })
    }

    /// Hands on what these bytes are in UTF-8. The first ones wait until they tell how all that
    /// follow are read, or until `is_last`.
    pub(crate) fn push(&mut self, bytes: &[u8], is_last: bool, take: &mut impl FnMut(&[u8])) {
        let Self::Undecided(start) = self else { return self.pass(bytes, is_last, take) };
        start.extend_from_slice(bytes);
        if start.len() >= START_BYTES || is_last {
            let start = std::mem::take(start);
            *self = Self::of(&start);
            self.pass(&start, is_last, take);
        }
    }

    fn pass(&mut self, mut bytes: &[u8], is_last: bool, take: &mut impl FnMut(&[u8])) {
        let Self::Utf16(Utf16 { decoder, text }) = self else { return take(bytes) };
        loop {
            let (result, read, _) = decoder.decode_to_string(bytes, text, is_last);
            bytes = &bytes[read..];
            take(text.as_bytes());
            text.clear();
            if result == CoderResult::InputEmpty {
                return;
            }
        }
    }
}

/// What the lines of a document are written in.
#[derive(Debug)]
pub(crate) struct Charset {
    /// For lines that are not UTF-8.
    legacy: &'static Encoding,
    /// A line has shown that the document is UTF-8.
    is_utf8: bool,
    /// Characters that could not be read.
    pub(crate) bad_characters: u64,
}

impl Charset {
    /// `label` is what the server or the user says, as in `Content-Type`. Without a word the web's
    /// default holds.
    pub(crate) fn new(label: Option<&str>) -> Self {
        let mut charset = Self { legacy: WINDOWS_1252, is_utf8: false, bad_characters: 0 };
        charset.declare(label.unwrap_or_default());
        charset
    }

    /// Takes the word of the document itself.
    pub(crate) fn declare(&mut self, label: &str) {
        match Encoding::for_label(label.trim().as_bytes()) {
            Some(encoding) if encoding == UTF_8 => self.is_utf8 = true,
            Some(encoding) => self.legacy = encoding,
            None => (),
        }
    }

    /// The text of a line. A line that is no UTF-8 is of a legacy encoding, unless the document has
    /// shown to be UTF-8: then only the bad characters are replaced. Whatever a document says of
    /// itself, a line that is good UTF-8 is UTF-8: nothing else looks like it by accident.
    pub(crate) fn text<'a>(&mut self, line: &'a [u8]) -> Cow<'a, str> {
        without_controls(self.decode(line))
    }

    /// The same with the controls that stand in it.
    pub(crate) fn decode<'a>(&mut self, line: &'a [u8]) -> Cow<'a, str> {
        match str::from_utf8(line) {
            Ok(text) => {
                self.is_utf8 |= !text.is_ascii();
                Cow::Borrowed(text)
            }
            Err(_) => self.mended(line),
        }
    }

    fn mended(&mut self, line: &[u8]) -> Cow<'static, str> {
        let (mut good, mut bad) = (0, 0);
        for chunk in line.utf8_chunks() {
            good += chunk.valid().chars().filter(|it| !it.is_ascii()).count();
            bad += u64::from(!chunk.invalid().is_empty());
        }
        self.is_utf8 |= u64::try_from(good).is_ok_and(|good| good >= bad.max(1));
        if self.is_utf8 {
            self.bad_characters += bad;
            return Cow::Owned(String::from_utf8_lossy(line).into_owned());
        }
        let (text, has_errors) = self.legacy.decode_without_bom_handling(line);
        self.bad_characters += u64::from(has_errors);
        Cow::Owned(text.into_owned())
    }
}

/// The text without NULs, and with a blank for each other control character: none of them can be
/// shown, and some players end a name there.
fn without_controls(text: Cow<'_, str>) -> Cow<'_, str> {
    // 0xC2 begins the controls beyond ASCII, and others.
    if !text.bytes().any(|byte| matches!(byte, 0..b' ' | 0x7F | 0xC2)) {
        return text;
    }
    let kept = text.chars().filter(|&it| it != '\0');
    Cow::Owned(kept.map(|it| if it.is_control() { ' ' } else { it }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(label: Option<&str>, lines: &[&[u8]]) -> Vec<String> {
        let mut charset = Charset::new(label);
        lines.iter().map(|line| charset.text(line).into_owned()).collect()
    }

    #[test]
    fn lines_are_read_in_the_encoding_they_are_in() {
        assert_eq!(texts(None, &[b"Caf\xe9"]), ["Café"]);
        assert_eq!(texts(Some("windows-1251"), &[b"\xcf\xe5\xf0\xe2\xfb\xe9"]), ["Первый"]);
        assert_eq!(texts(Some("gbk"), &[b"\xd1\xeb\xca\xd3"]), ["央视"]);
        // Good UTF-8 is UTF-8, whatever is said.
        assert_eq!(texts(Some("windows-1251"), &["央视".as_bytes()]), ["央视"]);
        assert_eq!(texts(Some("no such"), &[b"\xe9"]), ["é"]);
    }

    #[test]
    fn in_utf8_only_the_bad_character_is_replaced() {
        assert_eq!(texts(None, &["é".as_bytes(), b"Caf\xe9 Zoo"]), ["é", "Caf\u{fffd} Zoo"]);
        assert_eq!(texts(None, &["央视\u{e9}\u{e9}".as_bytes(), b"x"])[0], "央视éé");
        let broken = [&[0xe5][..], "央视".as_bytes()].concat();
        assert_eq!(texts(None, &[&broken]), ["\u{fffd}央视"]);
    }

    #[test]
    fn controls_do_not_stay() {
        assert_eq!(texts(None, &[b"B\0BC\tOne\x1b\x7f\x8f"]), ["BBC One   "]);
    }
}
