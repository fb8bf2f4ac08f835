//! The heads of HTTP/1 answers as servers of providers send them, written anew so that a strict
//! parser reads them.
//!
//! Old and home-made servers answer `ICY 200 OK`, announce chunks under HTTP/1.0, or claim a length
//! of -1. Players take all that. What such a head means for the body is decided here, once, and
//! what goes out says it in one way only: one status line, at most one `Content-Length` or
//! `Transfer-Encoding: chunked`. Where neither can be relied upon, the body lasts until the
//! connection ends (RFC 9112, 6.3), and no other answer is ever read behind a head that had to be
//! mended: it goes out with `Connection: close`.

use std::fmt;

/// Bytes of one head. Real ones have up to a few kilobytes, those with tokens and policies some
/// tens.
pub const MAX_HEAD: usize = 48 << 10;

/// Fields of one head.
pub const MAX_FIELDS: usize = 1000;

/// Interim answers (1xx) before the real one. Servers send one, if any.
pub const MAX_INTERIM: usize = 16;

/// The head of an answer, and what came behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status code; never that of an interim answer, but 101.
    pub status: u16,
    /// The head, written anew.
    pub bytes: Vec<u8>,
    /// The beginning of the body, as far as it came together with the head.
    pub rest: Vec<u8>,
}

/// Why bytes are no head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// They do not begin with a status line.
    #[error("what came is no HTTP answer")]
    NotHttp,
    /// More bytes than [`MAX_HEAD`].
    #[error("the head of the answer is longer than {} KiB", MAX_HEAD >> 10)]
    TooLong,
    /// More fields than [`MAX_FIELDS`].
    #[error("the head of the answer has more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// More interim answers than [`MAX_INTERIM`].
    #[error("more than {MAX_INTERIM} interim answers came, and no real one")]
    TooManyInterim,
}

/// Is pushed what a server sends until the head of its answer is complete. After that, or a fault,
/// it is used up.
#[derive(Default)]
pub struct HeadReader {
    bytes: Vec<u8>,
    /// Where the line begins that is not complete yet.
    line: usize,
    /// Where the search for its end goes on.
    scanned: usize,
    /// Whether the status line was there.
    has_status: bool,
    interim: usize,
}

impl HeadReader {
    /// Takes more bytes; the head of the answer when it is complete. Interim answers are left out.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Head>, Fault> {
        self.bytes.extend_from_slice(bytes);
        while let Some(end) = self.find_end()? {
            // Interim answers and the real one may come in one piece.
            let rest = self.bytes.split_off(end);
            let head = std::mem::replace(&mut self.bytes, rest);
            (self.line, self.scanned, self.has_status) = (0, 0, false);
            let (status, bytes) = mend(&head)?;
            if !matches!(status, 100 | 102..200) {
                return Ok(Some(Head { status, bytes, rest: std::mem::take(&mut self.bytes) }));
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(Fault::TooManyInterim);
            }
        }
        Ok(None)
    }

    /// Where the head ends, behind its empty line. Each byte is looked at once, however the bytes
    /// come.
    fn find_end(&mut self) -> Result<Option<usize>, Fault> {
        while let Some(at) = self.bytes[self.scanned..].iter().position(|&byte| byte == b'\n') {
            let (line, end) = (&self.bytes[self.line..self.scanned + at], self.scanned + at + 1);
            (self.line, self.scanned) = (end, end);
            if end > MAX_HEAD {
                return Err(Fault::TooLong);
            }
            if !line.trim_ascii().is_empty() {
                if !self.has_status {
                    status_line(line).ok_or(Fault::NotHttp)?;
                }
                self.has_status = true;
            } else if self.has_status && line.len() <= 1 {
                return Ok(Some(end));
            }
        }
        self.scanned = self.bytes.len();
        if self.scanned > MAX_HEAD { Err(Fault::TooLong) } else { Ok(None) }
    }
}

impl fmt::Debug for HeadReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadReader").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// A status line, taken apart.
struct StatusLine<'a> {
    is_http11: bool,
    /// Whether it is written as the standard says.
    is_strict: bool,
    status: u16,
    reason: &'a [u8],
}

/// Reads `HTTP/1.1 200 OK`, and what is meant so: other blanks, other versions, `ICY`, no reason.
fn status_line(line: &[u8]) -> Option<StatusLine<'_>> {
    let line = line.trim_ascii();
    // A code must follow, so a line of one word is no status line.
    let end = line.iter().position(u8::is_ascii_whitespace)?;
    let (protocol, rest) = line.split_at(end);
    let is_http = protocol.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP"));
    if !is_http && !protocol.eq_ignore_ascii_case(b"ICY") {
        return None;
    }
    let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let (code, reason) = rest[blanks..].split_at_checked(3)?;
    // Four digits are no status code.
    if !code.iter().all(u8::is_ascii_digit) || reason.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let status = code.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    let is_http11 = is_http && &protocol[4..] == b"/1.1";
    let is_strict = blanks == 1 && rest[0] == b' ' && matches!(protocol, b"HTTP/1.1" | b"HTTP/1.0");
    (status >= 100).then(|| StatusLine { is_http11, is_strict, status, reason: reason.trim_ascii() })
}

/// What is said about the length of a body.
#[derive(Debug, Default)]
struct Framing {
    length: Length,
    /// The codings in `Transfer-Encoding`, but `identity`, which is none.
    codings: Vec<Vec<u8>>,
    /// Whether `Transfer-Encoding` is there at all.
    has_codings: bool,
    /// What `Connection` says, if anything.
    persistence: Option<Persistence>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Length {
    #[default]
    Unsaid,
    Bytes(u64),
    /// No number, one beyond all files, or several that differ.
    Nonsense,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Persistence {
    Close,
    KeepAlive,
}

impl Framing {
    /// Takes a field into account; whether it is one of those that are written anew.
    fn take(&mut self, name: &[u8], value: &[u8]) -> bool {
        if name.eq_ignore_ascii_case(b"Content-Length") {
            for number in items(value) {
                let said = parse_length(number);
                self.length = if matches!(self.length, Length::Unsaid) || self.length == said {
                    said
                } else {
                    Length::Nonsense
                };
            }
            return true;
        }
        if name.eq_ignore_ascii_case(b"Transfer-Encoding") {
            self.has_codings = true;
            let codings = items(value).map(|coding| {
                let name = coding.split(|&byte| byte == b';').next().unwrap_or_default();
                name.trim_ascii().to_ascii_lowercase()
            });
            self.codings.extend(codings.filter(|coding| is_token(coding) && coding != b"identity"));
            return true;
        }
        if name.eq_ignore_ascii_case(b"Connection") {
            for option in items(value) {
                if option.eq_ignore_ascii_case(b"close") {
                    self.persistence = Some(Persistence::Close);
                } else if option.eq_ignore_ascii_case(b"keep-alive") {
                    self.persistence.get_or_insert(Persistence::KeepAlive);
                }
            }
            return true;
        }
        false
    }
}

/// The members of a list (RFC 9110, 5.6.1).
fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

fn parse_length(text: &[u8]) -> Length {
    let digits = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    // Some say "no end" by the largest number that they know.
    let number =
        digits.and_then(|digits| digits.parse::<u64>().ok()).filter(|&number| number < i64::MAX as u64);
    number.map_or(Length::Nonsense, Length::Bytes)
}

/// Writes a whole head anew.
fn mend(head: &[u8]) -> Result<(u16, Vec<u8>), Fault> {
    let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.find(|line| !line.trim_ascii().is_empty()).ok_or(Fault::NotHttp)?;
    let StatusLine { is_http11, is_strict, status, reason } = status_line(first).ok_or(Fault::NotHttp)?;
    let (fields, framing) = read_fields(lines)?;

    let is_chunked = framing.codings.last().is_some_and(|coding| coding == b"chunked");
    let is_lasting = match framing.persistence {
        Some(Persistence::Close) => false,
        Some(Persistence::KeepAlive) => true,
        None => is_http11,
    };
    let length = match framing.length {
        Length::Bytes(length) if !framing.has_codings || framing.codings.is_empty() => Some(length),
        _ => None,
    };
    let is_plain = is_strict
        && (framing.length != Length::Nonsense)
        && match (framing.has_codings, is_chunked) {
            (false, _) => true,
            (true, true) => is_http11 && framing.length == Length::Unsaid && framing.codings.len() == 1,
            (true, false) => false,
        };
    // Live streams are announced as empty by servers that know no better: by those that mean to end
    // the connection, and by those whose heads are mended. Its end will tell.
    let is_kept = is_lasting && is_plain;
    let length = length.filter(|&length| length > 0 || is_kept || !matches!(status, 200 | 206));

    let mut out = Vec::with_capacity(head.len() + 64);
    // Only HTTP/1.1 knows chunks.
    out.extend_from_slice(if is_http11 || is_chunked { b"HTTP/1.1 " } else { b"HTTP/1.0 " });
    out.extend_from_slice(status.to_string().as_bytes());
    out.push(b' ');
    let reason: Vec<u8> = reason.iter().copied().filter(|byte| !byte.is_ascii_control()).collect();
    out.extend_from_slice(reason.trim_ascii());
    out.extend_from_slice(b"\r\n");
    for (name, value) in &fields {
        write_field(&mut out, name, value);
    }
    // What is coded for the transfer alone is decoded as if it were coded for good.
    let codings: Vec<_> =
        framing.codings.iter().map(Vec::as_slice).filter(|coding| *coding != b"chunked").collect();
    if !codings.is_empty() {
        write_field(&mut out, b"Content-Encoding", &codings.join(&b", "[..]));
    }
    if is_chunked {
        write_field(&mut out, b"Transfer-Encoding", b"chunked");
    } else if let Some(length) = length {
        write_field(&mut out, b"Content-Length", length.to_string().as_bytes());
    }
    if !is_kept {
        write_field(&mut out, b"Connection", b"close");
    } else if !is_http11 {
        write_field(&mut out, b"Connection", b"keep-alive");
    }
    out.extend_from_slice(b"\r\n");
    Ok((status, out))
}

type Fields<'a> = Vec<(&'a [u8], Vec<u8>)>;

/// The fields of a head but those about its framing. Lines that are none are left out.
fn read_fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<(Fields<'a>, Framing), Fault> {
    let mut fields = Fields::new();
    let mut is_field = false;
    for line in lines {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            // It goes on with the line before (RFC 9112, 5.2).
            if let Some((_, value)) = fields.last_mut().filter(|_| is_field) {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
            continue;
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let name = colon.map(|at| line[..at].trim_ascii_end()).filter(|name| is_token(name));
        is_field = name.is_some();
        if let (Some(name), Some(colon)) = (name, colon) {
            if fields.len() == MAX_FIELDS {
                return Err(Fault::TooManyFields);
            }
            fields.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
    }
    let mut framing = Framing::default();
    fields.retain(|(name, value)| !framing.take(name, value));
    for (_, value) in &mut fields {
        value.iter_mut().filter(|byte| byte.is_ascii_control()).for_each(|byte| *byte = b' ');
        *value = value.trim_ascii().to_vec();
    }
    Ok((fields, framing))
}

/// Whether a name is one (RFC 9110, 5.6.2).
fn is_token(name: &[u8]) -> bool {
    !name.is_empty()
        && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
