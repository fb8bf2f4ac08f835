//! Bytes become text, whatever they were written in, and only bad characters are lost.

use std::borrow::Cow;

use encoding_rs::{
    CoderResult, Decoder, Encoding, ISO_8859_2, ISO_8859_15, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1250,
    WINDOWS_1252, WINDOWS_1254, WINDOWS_1257,
};

/// In front of a reader: UTF-16 becomes UTF-8, everything else passes.
#[derive(Debug)]
pub(crate) enum Transcoder {
    /// The first bytes, too few to tell the encoding by.
    Undecided(Vec<u8>),
    /// Any encoding but UTF-16: its bytes pass.
    Bytes,
    /// UTF-16.
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

/// Bytes at the beginning by which UTF-16 is told.
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

/// What the texts of a document are written in: the lines of a list, or the texts of a guide.
#[derive(Debug)]
pub(crate) struct Charset {
    /// For texts that are not UTF-8.
    legacy: &'static Encoding,
    said: Said,
    /// What speaks for UTF-8, less what speaks against it. A text may be UTF-8 by accident, so none
    /// decides for the others.
    balance: i32,
    /// Characters that could not be read.
    pub(crate) bad_characters: u64,
}

/// What the operator, the server or the document itself says about the encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    /// It is UTF-8.
    Utf8,
    /// It is another one.
    Legacy,
}

/// Characters of two bytes that a text in UTF-8 has, and one in another encoding does not have by
/// accident: of texts in GBK, one in some thousands does.
const SURE_CHARACTERS: usize = 4;

/// Where letters like é stand alone between others, no text is UTF-8 by accident. Servers say these
/// of lists that are UTF-8.
const LATIN: [&Encoding; 6] =
    [WINDOWS_1252, WINDOWS_1250, WINDOWS_1254, WINDOWS_1257, ISO_8859_2, ISO_8859_15];

/// The balance does not go further to either side.
const MAX_BALANCE: i32 = 100;

impl Charset {
    /// `label` is what the server or the operator says, as in `Content-Type`. Without a word the
    /// web's default holds.
    pub(crate) fn new(label: Option<&str>) -> Self {
        let mut charset = Self { legacy: WINDOWS_1252, said: Said::Nothing, balance: 0, bad_characters: 0 };
        charset.declare(label.unwrap_or_default());
        charset
    }

    /// Takes the word of the document itself, which counts only where nobody else has said a word.
    pub(crate) fn declare(&mut self, label: &str) {
        if self.said != Said::Nothing {
            return;
        }
        match Encoding::for_label(label.trim().as_bytes()) {
            Some(encoding) if encoding == UTF_8 => self.said = Said::Utf8,
            // Its bytes have told UTF-16 before: where they have not, the word is wrong.
            Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {}
            Some(encoding) => (self.legacy, self.said) = (encoding, Said::Legacy),
            None => (),
        }
    }

    /// Text of a document, without controls. What is no UTF-8 is of a legacy encoding, unless the
    /// document is known to be UTF-8: then only the bad characters are replaced. Where somebody
    /// names a legacy encoding, a text is UTF-8 only if that cannot be by accident.
    pub(crate) fn text<'a>(&mut self, line: &'a [u8]) -> Cow<'a, str> {
        without_controls(self.decode(line))
    }

    /// The same with the controls that stand in it.
    pub(crate) fn decode<'a>(&mut self, line: &'a [u8]) -> Cow<'a, str> {
        let Ok(text) = str::from_utf8(line) else { return self.mended(line) };
        if text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let strength = strength(text);
        let is_sure = strength >= self.sure() && self.balance >= 0;
        let is_utf8 = is_sure || self.is_utf8() || self.said != Said::Legacy;
        self.weigh(i32::try_from(strength.min(SURE_CHARACTERS)).expect("it is small"));
        if is_utf8 { Cow::Borrowed(text) } else { self.of_legacy(line) }
    }

    /// A text that is not valid UTF-8.
    fn mended(&mut self, line: &[u8]) -> Cow<'static, str> {
        let (mut good, mut bad) = (0, 0);
        for chunk in line.utf8_chunks() {
            good += strength(chunk.valid());
            bad += usize::from(!chunk.invalid().is_empty());
        }
        let is_mostly_good = good >= bad * self.sure() && self.balance >= 0;
        let is_utf8 = is_mostly_good || self.is_utf8();
        if !is_mostly_good {
            self.weigh(-2);
        }
        if is_utf8 {
            self.bad_characters += bad as u64;
            return Cow::Owned(String::from_utf8_lossy(line).into_owned());
        }
        self.of_legacy(line)
    }

    /// Whether the document is known to be UTF-8.
    fn is_utf8(&self) -> bool {
        match self.said {
            Said::Utf8 => true,
            Said::Nothing => self.balance > 0,
            Said::Legacy => self.balance >= 4,
        }
    }

    /// How strong a text must be to be UTF-8 by itself.
    fn sure(&self) -> usize {
        let is_other = self.said == Said::Legacy && !LATIN.contains(&self.legacy);
        if is_other { SURE_CHARACTERS } else { 1 }
    }

    fn of_legacy(&mut self, line: &[u8]) -> Cow<'static, str> {
        let (text, has_errors) = self.legacy.decode_without_bom_handling(line);
        self.bad_characters += u64::from(has_errors);
        Cow::Owned(text.into_owned())
    }

    fn weigh(&mut self, side: i32) {
        self.balance = (self.balance + side).clamp(-MAX_BALANCE, MAX_BALANCE);
    }
}

/// How sure it is that a text that can be read as UTF-8 is UTF-8: its characters beyond ASCII,
/// where those of three and four bytes count twice.
fn strength(text: &str) -> usize {
    text.chars()
        .map(|it| match it.len_utf8() {
            1 => 0,
            2 => 1,
            _ => 2,
        })
        .sum()
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
    fn one_text_that_looks_like_utf8_decides_for_no_other() {
        // Each of the first ones is good UTF-8, too.
        let novel = [&b"\xd0\xa1\xcb\xb5"[..], b"\xd1\xeb\xca\xd3"];
        assert_eq!(texts(Some("gbk"), &novel), ["小说", "央视"]);
        assert_eq!(texts(Some("koi8-r"), &[b"\xc5\xa3", b"\xf0\xc5\xd2"]), ["её", "Пер"]);
        // A document that says nothing and begins so loses one character, and not all.
        let found = texts(None, &["é".as_bytes(), b"Caf\xe9", b"Caf\xe9"]);
        assert_eq!(found, ["é", "Caf\u{fffd}", "Café"]);
        // One that says what it is not is known by what is in it.
        let text = "Первый канал".as_bytes();
        assert_eq!(texts(Some("windows-1251"), &[text, "ё".as_bytes()]), ["Первый канал", "ё"]);
        assert_eq!(texts(Some("iso-8859-1"), &["é".as_bytes(), b"Caf\xe9"])[0], "é");
    }

    #[test]
    fn the_word_of_whoever_knows_counts_more_than_that_of_the_document() {
        let mut charset = Charset::new(Some("windows-1251"));
        charset.declare("iso-8859-1");
        assert_eq!(charset.text(b"\xcf\xe5\xf0"), "Пер");
        let mut charset = Charset::new(Some("windows-1251"));
        charset.declare("utf-8");
        assert_eq!(charset.text(b"\xcf\xe5\xf0"), "Пер");
        // Many a document says so that was UTF-16 before somebody saved it.
        let mut charset = Charset::new(None);
        charset.declare("utf-16");
        assert_eq!(charset.text(b"Caf\xe9"), "Café");
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
