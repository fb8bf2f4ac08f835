//! As much of HTTP/1.1 as a measurement needs: heads, and bodies in chunks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

/// A longer head is refused.
pub(crate) const MAX_HEAD: usize = 16 * 1024;

/// Where a head ends and the body begins.
pub(crate) fn body_at(bytes: &[u8]) -> Option<usize> {
    Some(bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4)
}

/// Method and target of a request.
pub(crate) fn target(head: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(head.split(|&byte| byte == b'\r').next()?).ok()?;
    let mut words = line.split(' ');
    Some((words.next()?, words.next()?))
}

/// A number in a query, as `burst` in `?burst=2`.
pub(crate) fn number(query: &str, name: &str) -> Option<f64> {
    let mut values = query.split('&').filter_map(|pair| pair.split_once('='));
    values.find(|&(key, _)| key == name)?.1.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Status of an answer, and whether its body comes in chunks.
pub(crate) fn answer(head: &[u8]) -> Option<(u16, bool)> {
    let text = std::str::from_utf8(head).ok()?;
    let status = text.split(' ').nth(1)?.get(..3)?.parse().ok()?;
    let coding = field(head, "transfer-encoding");
    Some((status, coding.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))))
}

/// A field of a head.
pub(crate) fn field<'a>(head: &'a [u8], wanted: &str) -> Option<&'a str> {
    let mut fields = std::str::from_utf8(head).ok()?.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}

/// Address and target of `http://127.0.0.1:8080/stream/one`. Only this machine is ever loaded.
pub(crate) fn split_url(url: &str) -> anyhow::Result<(SocketAddr, String)> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address: SocketAddr = host
        .replace("localhost", "127.0.0.1")
        .parse()
        .with_context(|| format!("\"{host}\" is not an IP address and a port"))?;
    ensure!(address.ip().is_loopback(), "{address} is not this machine");
    Ok((address, format!("/{path}")))
}

/// The body of `path` as text; see [`fetch`].
pub(crate) fn get(server: SocketAddr, path: &str) -> anyhow::Result<String> {
    Ok(String::from_utf8(fetch(server, path)?)?)
}

/// The answer to a JSON document; see [`fetch`].
pub(crate) fn post(server: SocketAddr, path: &str, document: &str) -> anyhow::Result<String> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        document.len()
    );
    Ok(String::from_utf8(ask(server, path, &head, document)?)?)
}

/// The body of `path`, which must come soon and be short.
pub(crate) fn fetch(server: SocketAddr, path: &str) -> anyhow::Result<Vec<u8>> {
    ask(server, path, &format!("GET {path} HTTP/1.1\r\n"), "")
}

/// The answer to a request with this line, these fields and this body.
fn ask(server: SocketAddr, path: &str, head: &str, document: &str) -> anyhow::Result<Vec<u8>> {
    // Longer than any server waits for a first segment.
    const PATIENCE: Duration = Duration::from_secs(10);
    const MAX_BODY: u64 = 16 << 20;
    let mut socket = TcpStream::connect_timeout(&server, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(socket, "{head}Host: {server}\r\nConnection: close\r\n\r\n{document}")?;
    let mut bytes = Vec::new();
    socket.take(MAX_BODY).read_to_end(&mut bytes)?;
    let at = body_at(&bytes).context("the answer has no head")?;
    let (status, is_chunked) = answer(&bytes[..at]).context("the answer is not HTTP")?;
    ensure!(matches!(status, 200 | 201), "{path} answered with status {status}");
    let length: Option<usize> = field(&bytes[..at], "content-length").and_then(|length| length.parse().ok());
    let mut body = bytes.split_off(at);
    if is_chunked {
        let chunks = std::mem::take(&mut body);
        let is_whole = Chunked::default().push(&chunks, |data| body.extend_from_slice(data));
        ensure!(is_whole, "the answer is not in chunks");
    } else if let Some(length) = length {
        ensure!(body.len() == length, "{path} has {} bytes of {length}", body.len());
    }
    Ok(body)
}

/// Takes the lengths out of a chunked body.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    state: ChunkState,
}

#[derive(Debug, Default)]
enum ChunkState {
    /// In a line with a length, which has come so far; `None` behind an extension's semicolon.
    #[default]
    Start,
    Length(u64),
    Extension(u64),
    Data(u64),
    /// In the line end behind data.
    End,
}

impl Chunked {
    /// Hands out the data in `bytes`; false where they are no chunks.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) -> bool {
        while let Some((&first, rest)) = bytes.split_first() {
            let state = std::mem::take(&mut self.state);
            self.state = match (state, first) {
                (ChunkState::Data(left), _) => {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    take(&bytes[..count]);
                    bytes = &bytes[count..];
                    let left = left - count as u64;
                    self.state = if left > 0 { ChunkState::Data(left) } else { ChunkState::End };
                    continue;
                }
                (ChunkState::End, b'\r') => ChunkState::End,
                (ChunkState::End, b'\n') => ChunkState::Start,
                (ChunkState::Length(length) | ChunkState::Extension(length), b'\n') => {
                    if length > 0 {
                        ChunkState::Data(length)
                    } else {
                        ChunkState::End
                    }
                }
                (ChunkState::Length(length) | ChunkState::Extension(length), b'\r' | b';') => {
                    ChunkState::Extension(length)
                }
                (ChunkState::Extension(length), _) => ChunkState::Extension(length),
                (ChunkState::Start, digit) => match hexadecimal(digit) {
                    Some(value) => ChunkState::Length(value),
                    None => return false,
                },
                (ChunkState::Length(length), digit) => match hexadecimal(digit) {
                    Some(value) if length < 1 << 32 => ChunkState::Length(length * 16 + value),
                    _ => return false,
                },
                (ChunkState::End, _) => return false,
            };
            bytes = rest;
        }
        true
    }
}

fn hexadecimal(digit: u8) -> Option<u64> {
    char::from(digit).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_understood() {
        assert_eq!(
            target(b"GET /a?burst=2&die=0.5 HTTP/1.1\r\nHost: x\r\n\r\n"),
            Some(("GET", "/a?burst=2&die=0.5"))
        );
        assert_eq!(number("burst=2&die=0.5", "die"), Some(0.5));
        assert_eq!(number("burst=x", "burst"), None);
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!((answer(head), body_at(head)), (Some((200, true)), Some(head.len())));
        assert_eq!(answer(b"HTTP/1.1 503 No\r\n\r\n"), Some((503, false)));
        assert_eq!(field(head, "transfer-encoding"), Some("chunked"));
        assert_eq!(field(head, "content-length"), None);
    }

    #[test]
    fn only_this_machine_is_loaded() {
        assert_eq!(split_url("http://localhost:80/x/y").unwrap().1, "/x/y");
        assert_eq!(split_url("127.0.0.1:80").unwrap().1, "/");
        assert!(split_url("http://192.0.2.1:80/").is_err());
        assert!(split_url("http://example.com:80/").is_err());
    }

    #[test]
    fn chunks_may_be_cut_anywhere() {
        let body = b"5\r\nhello\r\n1a;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n";
        for size in 1..body.len() {
            let (mut chunked, mut out) = (Chunked::default(), Vec::new());
            assert!(body.chunks(size).all(|part| chunked.push(part, |data| out.extend_from_slice(data))));
            assert_eq!(out, b"helloabcdefghijklmnopqrstuvwxyz", "cut every {size}");
        }
        assert!(!Chunked::default().push(b"\x47", |_| ()));
    }
}
