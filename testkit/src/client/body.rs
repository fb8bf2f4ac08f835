//! The three ways in which a body can be delimited.

use std::io;

use super::{Ended, find_header};

/// Takes the framing off a body.
#[derive(Debug)]
pub(super) enum Decoder {
    /// To the end of the connection.
    Close,
    /// So many bytes are still to come.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
}

#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// A line that has begun.
    line: Vec<u8>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    Done,
}

impl Decoder {
    pub(super) fn for_answer(headers: &[(String, String)], no_body: bool) -> io::Result<Self> {
        if no_body {
            return Ok(Self::Length(0));
        }
        if find_header(headers, "Transfer-Encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return Ok(Self::Chunked(Chunks::default()));
        }
        let Some(length) = find_header(headers, "Content-Length") else { return Ok(Self::Close) };
        length
            .parse()
            .map(Self::Length)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("Content-Length is {length:?}")))
    }

    /// Decodes into `out`; true when the body is complete.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, String> {
        match self {
            Self::Close => {
                out.extend_from_slice(bytes);
                Ok(false)
            }
            Self::Length(left) => {
                if bytes.len() as u64 > *left {
                    return Err(format!(
                        "{} bytes more than Content-Length says",
                        bytes.len() as u64 - *left
                    ));
                }
                out.extend_from_slice(bytes);
                *left -= bytes.len() as u64;
                Ok(*left == 0)
            }
            Self::Chunked(chunks) => chunks.push(bytes, out),
        }
    }

    /// What it means that the connection is closed now.
    pub(super) fn close(&self) -> Ended {
        match self {
            Self::Close | Self::Length(0) | Self::Chunked(Chunks { state: State::Done, .. }) => {
                Ended::Cleanly
            }
            Self::Length(left) => Ended::Early(format!("closed with {left} bytes still to come")),
            Self::Chunked(_) => Ended::Early("closed without the last chunk".into()),
        }
    }
}

impl Chunks {
    fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, String> {
        while !bytes.is_empty() {
            if let State::Data(left) = self.state {
                let size = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let (now, later) = bytes.split_at(size);
                out.extend_from_slice(now);
                bytes = later;
                let left = left - size as u64;
                self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                continue;
            }
            let byte = bytes[0];
            bytes = &bytes[1..];
            self.line.push(byte);
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line).into_owned();
                let Some(text) = line.strip_suffix("\r\n") else {
                    return Err(format!("a bare newline: {line:?}"));
                };
                self.line_ended(text)?;
            }
        }
        Ok(matches!(self.state, State::Done))
    }

    fn line_ended(&mut self, text: &str) -> Result<(), String> {
        self.state = match self.state {
            State::Size => {
                let digits = text.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(digits, 16) {
                    Ok(0) => State::Trailer,
                    Ok(size) => State::Data(size),
                    Err(_) => return Err(format!("not the size of a chunk: {text:?}")),
                }
            }
            State::DataEnd if text.is_empty() => State::Size,
            State::Trailer if text.is_empty() => State::Done,
            State::Trailer => State::Trailer,
            State::Data(_) | State::DataEnd | State::Done => return Err(format!("out of place: {text:?}")),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_in_pieces_of_any_size() {
        let coded = b"4\r\nWiki\r\n6;x=1\r\npedia \r\n0\r\nTrailer: 1\r\n\r\n";
        for size in 1..coded.len() {
            let mut decoder = Decoder::Chunked(Chunks::default());
            let (mut out, mut done) = (Vec::new(), false);
            for piece in coded.chunks(size) {
                done = decoder.push(piece, &mut out).unwrap();
            }
            assert_eq!((&out[..], done), (&b"Wikipedia "[..], true));
            assert_eq!(decoder.close(), Ended::Cleanly);
        }
    }

    #[test]
    fn broken_framing_is_found() {
        let mut out = Vec::new();
        assert!(Decoder::Chunked(Chunks::default()).push(b"zz\r\n", &mut out).is_err());
        assert!(Decoder::Chunked(Chunks::default()).push(b"1\r\nab\r\n", &mut out).is_err());
        assert!(Decoder::Length(3).push(b"four", &mut out).is_err());
        assert!(matches!(Decoder::Length(3).close(), Ended::Early(_)));
        assert!(matches!(Decoder::Chunked(Chunks::default()).close(), Ended::Early(_)));
    }
}
