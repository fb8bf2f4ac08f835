//! The tags and texts of a document that claims to be XML.
//!
//! A parser of XML has to stop at the first fault; guides are full of them. Here a `<` that begins
//! no tag is a character, a quote that is never closed ends with its tag, and what is too long is
//! cut.

use memchr::{memchr, memchr2, memmem};

/// A tag or a text may have so many bytes; a longer one is cut.
pub(super) const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// The beginning of a token is looked at again where its end may have come, but at no more than so
/// many bytes for each that comes: pieces of one byte would cost 64 KiB each.
const LOOKS: usize = 16;

/// A part of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `<name a="b">`: the name, what stands behind it, and whether it ends with `/`.
    Open { name: &'a [u8], attributes: Attributes<'a>, is_empty: bool },
    /// `</name>`
    Close { name: &'a [u8] },
    /// Characters, and whether entities may stand in them.
    Text { bytes: &'a [u8], is_plain: bool },
    /// `<?xml encoding="…"?>`
    Declaration(Attributes<'a>),
}

/// What stands behind the name of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributes<'a>(&'a [u8]);

/// Finds them.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// The beginning of a token whose end has not come.
    held: Vec<u8>,
    /// So many bytes of it may be looked at again: [`LOOKS`] for each byte that has come.
    budget: usize,
    skipping: Option<Skip>,
    /// Tags and texts that were cut, since they are too long.
    pub(super) cut: u64,
}

/// A part of the document that is skipped until its end comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skip {
    /// `<!-- … -->`
    Comment,
    /// `<!DOCTYPE … [ … ]>`, within the brackets.
    Subset,
    /// The rest of a CDATA section that is too long.
    Cdata,
}

impl Skip {
    fn end(self) -> &'static [u8] {
        match self {
            Self::Comment => b"-->",
            Self::Subset => b"]",
            Self::Cdata => b"]]>",
        }
    }
}

/// What becomes of what begins with `<`.
enum Step<'a> {
    Token(Token<'a>, usize),
    Nothing(usize),
    Skip(Skip, usize),
    /// The beginning of a text, the rest of which is skipped.
    Cut(Token<'a>, Skip, usize),
    /// Its end has not come.
    Incomplete,
    /// It begins no tag.
    Character,
}

impl Tokens {
    /// Takes the next bytes, and hands out what they complete.
    pub(super) fn push(&mut self, bytes: &[u8], take: &mut impl FnMut(Token<'_>)) {
        if self.held.is_empty() {
            let used = self.scan(bytes, false, take);
            self.held.extend_from_slice(&bytes[used..]);
        } else {
            self.held.extend_from_slice(bytes);
            self.budget = (self.budget + LOOKS * bytes.len()).min(2 * MAX_TOKEN_BYTES);
            let may_end = memchr2(b'<', b'>', bytes).is_some() && self.budget >= self.held.len();
            if !may_end && self.skipping.is_none() && self.held.len() < MAX_TOKEN_BYTES {
                return;
            }
            self.budget = self.budget.saturating_sub(self.held.len());
            let mut held = std::mem::take(&mut self.held);
            let used = self.scan(&held, false, take);
            held.drain(..used);
            self.held = held;
        }
    }

    /// Ends the document.
    pub(super) fn finish(&mut self, take: &mut impl FnMut(Token<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.scan(&held, true, take);
    }

    /// Hands out the tokens that are complete; says how many bytes they have.
    fn scan(&mut self, bytes: &[u8], is_last: bool, take: &mut impl FnMut(Token<'_>)) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if let Some(skip) = self.skipping {
                let end = skip.end();
                match memmem::find(rest, end) {
                    Some(found) => {
                        self.skipping = None;
                        at += found + end.len();
                        continue;
                    }
                    // The end may have begun.
                    None => return bytes.len() - if is_last { 0 } else { (end.len() - 1).min(rest.len()) },
                }
            }
            let length = memchr(b'<', rest);
            match length {
                Some(0) => {}
                Some(length) => {
                    take(Token::Text { bytes: &rest[..length], is_plain: false });
                    at += length;
                    continue;
                }
                None if is_last || rest.len() >= MAX_TOKEN_BYTES => {
                    take(Token::Text { bytes: rest, is_plain: false });
                    return bytes.len();
                }
                None => return at,
            }
            match step(rest, is_last) {
                Step::Token(token, length) => {
                    take(token);
                    at += length;
                }
                Step::Nothing(length) => at += length,
                Step::Skip(skip, length) => {
                    self.skipping = Some(skip);
                    at += length;
                }
                Step::Cut(token, skip, length) => {
                    take(token);
                    self.cut += 1;
                    self.skipping = Some(skip);
                    at += length;
                }
                Step::Incomplete => return at,
                Step::Character => {
                    self.cut += u64::from(rest.len() > MAX_TOKEN_BYTES);
                    take(Token::Text { bytes: b"<", is_plain: true });
                    at += 1;
                }
            }
        }
        at
    }
}

/// What stands at the beginning of `bytes`, which is a `<`.
fn step(bytes: &[u8], is_last: bool) -> Step<'_> {
    let incomplete =
        if is_last || bytes.len() > MAX_TOKEN_BYTES { Step::Character } else { Step::Incomplete };
    let Some(second) = bytes.get(1) else { return incomplete };
    match second {
        b'!' => {
            const COMMENT: &[u8] = b"<!--";
            const CDATA: &[u8] = b"<![CDATA[";
            if bytes.starts_with(COMMENT) {
                return Step::Skip(Skip::Comment, COMMENT.len());
            }
            if let Some(rest) = bytes.strip_prefix(CDATA) {
                let token = |length| Token::Text { bytes: &rest[..length], is_plain: true };
                return match memmem::find(rest, b"]]>") {
                    Some(length) => Step::Token(token(length), CDATA.len() + length + 3),
                    None if is_last => Step::Token(token(rest.len()), bytes.len()),
                    None if rest.len() >= MAX_TOKEN_BYTES => {
                        let length = whole(&rest[..MAX_TOKEN_BYTES]);
                        Step::Cut(token(length), Skip::Cdata, CDATA.len() + length)
                    }
                    None => Step::Incomplete,
                };
            }
            if CDATA.starts_with(bytes) || COMMENT.starts_with(bytes) {
                return incomplete;
            }
            let subset = memchr(b'[', bytes);
            match memchr(b'>', bytes) {
                Some(end) if subset.is_none_or(|subset| end < subset) => Step::Nothing(end + 1),
                // Behind the brackets there is one more `>`, which is text outside of all elements.
                _ => subset.map_or(incomplete, |subset| Step::Skip(Skip::Subset, subset)),
            }
        }
        b'?' => match memmem::find(bytes, b"?>") {
            Some(end) => match bytes[..end].strip_prefix(b"<?xml") {
                Some(rest) => Step::Token(Token::Declaration(Attributes(rest)), end + 2),
                None => Step::Nothing(end + 2),
            },
            None => incomplete,
        },
        b'/' => match memchr(b'>', bytes) {
            Some(end) => Step::Token(Token::Close { name: name(&bytes[2..end]).0 }, end + 1),
            None => incomplete,
        },
        first if is_of_name(*first) && !first.is_ascii_digit() => match end_of_tag(bytes) {
            End::At(end) => {
                let (name, rest) = name(&bytes[1..end]);
                let (rest, is_empty) = match rest.strip_suffix(b"/") {
                    Some(rest) => (rest, true),
                    None => (rest, name.ends_with(b"/")),
                };
                Step::Token(Token::Open { name, attributes: Attributes(rest), is_empty }, end + 1)
            }
            End::Missing => incomplete,
            End::NoTag => Step::Character,
        },
        _ => Step::Character,
    }
}

/// How much of a text that is cut is of whole characters, if it is UTF-8.
fn whole(text: &[u8]) -> usize {
    let is_first = |byte: &u8| !(0x80..0xC0).contains(byte);
    let last = text.iter().rposition(is_first).unwrap_or(text.len());
    if text.len() - last > 4 || str::from_utf8(&text[last..]).is_ok() { text.len() } else { last }
}

enum End {
    At(usize),
    Missing,
    NoTag,
}

/// Where a tag ends: at the first `>` outside of quotes. No `<` can stand in a tag; where one does,
/// a quote is missing, and the tag ends at its first `>`.
fn end_of_tag(bytes: &[u8]) -> End {
    let (mut quote, mut first) = (None, None);
    for (at, &byte) in bytes.iter().enumerate().skip(1).take(MAX_TOKEN_BYTES) {
        match (byte, quote) {
            (b'>', None) => return End::At(at),
            (b'>', Some(_)) => first = first.or(Some(at)),
            (b'<', _) => return first.map_or(End::NoTag, End::At),
            (b'"' | b'\'', None) if bytes[..at].trim_ascii_end().ends_with(b"=") => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            _ => {}
        }
    }
    match first {
        Some(first) if bytes.len() > MAX_TOKEN_BYTES => End::At(first),
        _ => End::Missing,
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.') || byte >= 0x80
}

/// The name in front, and the rest.
fn name(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|&byte| !is_of_name(byte)).unwrap_or(bytes.len()))
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.0.iter().position(|&byte| is_of_name(byte))?;
            let (name, rest) = name(&self.0[start..]);
            let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") else {
                // It has no value.
                self.0 = rest;
                continue;
            };
            let value = value.trim_ascii_start();
            let (value, rest) = match value {
                [quote @ (b'"' | b'\''), value @ ..] => {
                    let end = memchr(*quote, value).unwrap_or(value.len());
                    (&value[..end], value.get(end + 1..).unwrap_or_default())
                }
                _ => value.split_at(value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len())),
            };
            self.0 = rest;
            return Some((name, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of a document that comes in pieces of so many bytes.
    fn tokens(document: &[u8], piece: usize) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (mut tokens, mut out) = (Tokens::default(), Vec::new());
        let mut take = |token: Token<'_>| match token {
            Token::Open { name, attributes, is_empty } => {
                let values = attributes.map(|(name, value)| format!(" {}=[{}]", text(name), text(value)));
                let values = values.collect::<Vec<_>>().concat();
                out.push(format!("<{}{values}{}>", text(name), if is_empty { "/" } else { "" }));
            }
            Token::Close { name } => out.push(format!("</{}>", text(name))),
            Token::Text { bytes, .. } => out.push(text(bytes)),
            Token::Declaration(attributes) => out.push(format!("?{}", attributes.count())),
        };
        for piece in document.chunks(piece) {
            tokens.push(piece, &mut take);
        }
        tokens.finish(&mut take);
        out
    }

    #[test]
    fn whatever_the_pieces_are_the_tokens_are_the_same() {
        let table: [(&str, &[&str]); 12] = [
            ("<?xml version='1.0' encoding=\"x\"?><!DOCTYPE tv SYSTEM \"x>y\"><tv>", &["?2", "y\">", "<tv>"]),
            ("<!DOCTYPE tv [<!ENTITY a \"b>\">]><tv/>", &[">", "<tv/>"]),
            ("<a b = 'c>d' e=f g h=\"i\"/>x", &["<a b=[c>d] e=[f] h=[i]/>", "x"]),
            ("<a>x<!-- <b> --- -->y</a >", &["<a>", "x", "y", "</a>"]),
            ("<a><![CDATA[<b> & ]] c]]></a>", &["<a>", "<b> & ]] c", "</a>"]),
            ("1 < 2 & 3<4 <5", &["1 ", "<", " 2 & 3", "<", "4 ", "<", "5"]),
            ("<a b=\"c>x</a>", &["<a b=[c]>", "x", "</a>"]),
            ("<t l=\"en\"\">It's</t>", &["<t l=[en]>", "It's", "</t>"]),
            ("<title>cut off", &["<title>", "cut off"]),
            ("<title", &["<", "title"]),
            ("I <3 TV, <b and <c>", &["I ", "<", "3 TV, ", "<", "b and ", "<c>"]),
            ("<ä ö='ü'/>", &["<ä ö=[ü]/>"]),
        ];
        for (document, expected) in table {
            for piece in [1, 2, 3, 7, 1000] {
                assert_eq!(tokens(document.as_bytes(), piece), expected, "{document} by {piece}");
            }
        }
    }

    #[test]
    fn a_section_that_is_too_long_is_cut_and_not_lost() {
        let long = "é".repeat(MAX_TOKEN_BYTES);
        for (document, cut) in
            [(format!("<![CDATA[x{long}]]>y"), 1), (format!("<![CDATA[{}]]>y", "é".repeat(100)), 0)]
        {
            let (mut tokens, mut texts) = (Tokens::default(), Vec::new());
            let mut take = |token: Token<'_>| {
                if let Token::Text { bytes, .. } = token {
                    texts.push(String::from_utf8(bytes.to_vec()).unwrap());
                }
            };
            document.as_bytes().chunks(1000).for_each(|piece| tokens.push(piece, &mut take));
            tokens.finish(&mut take);
            assert_eq!((texts.len(), &*texts[1], tokens.cut), (2, "y", cut));
            assert!(texts[0].len() >= 200 && texts[0].len() <= MAX_TOKEN_BYTES, "{}", texts[0].len());
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_no_memory_is_taken() {
        let long = "x".repeat(5 * MAX_TOKEN_BYTES);
        for document in [
            format!("<a>{long}<b>"),
            format!("<a><!--{long}--><b>"),
            format!("<a><![CDATA[{long}]]><b>"),
            format!("<a {long}><b>"),
        ] {
            let (mut tokens, mut last) = (Tokens::default(), String::new());
            for piece in document.as_bytes().chunks(1000) {
                tokens.push(piece, &mut |token| {
                    if let Token::Open { name, .. } = token {
                        last = String::from_utf8_lossy(name).into_owned();
                    }
                });
                assert!(tokens.held.len() <= MAX_TOKEN_BYTES + 1000);
            }
            assert_eq!(last, "b");
        }
    }
}
