//! Bodies that are compressed on their way: decompressed in slices, as they are asked for.
//!
//! Whoever reads decides how fast; nothing is ever in memory but what came last and one slice. And
//! a body that would swell without measure is a failure.

use std::io::{self, BufRead, ErrorKind, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use futures_util::Stream;
use http::{HeaderMap, header};

use super::Error;

/// The most bytes in a slice.
const SLICE: usize = 64 << 10;

/// So many bytes are unpacked before others have their turn: some 16 MiB may come of a body that is
/// there whole, and take a tenth of a second.
const TURN: usize = 4 * SLICE;

/// The most bytes that may come of one. Playlists of equal lines reach some tens, null packets
/// several hundred, and deflate cannot do more than 1032.
const MAX_RATIO: u64 = 200;

/// What may come of a body before its ratio counts: as much as any playlist has, so that short ones
/// may be dense.
const SLACK: u64 = 4 << 20;

/// Bytes by which a body is known to be compressed.
const MAGIC: usize = 3;

/// Codings that are registered (RFC 9110, 8.4.1) or in use, and that nobody is asked for.
const UNREADABLE: [&str; 8] = ["br", "zstd", "compress", "x-compress", "dcb", "dcz", "bzip2", "xz"];

/// A body as it was before it was compressed, if it was.
#[derive(Debug)]
pub(super) struct Decoded<B> {
    body: B,
    state: State,
    /// Bytes that were unpacked in this turn.
    unpacked: usize,
}

/// What the head of an answer says about its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Gzip,
    Deflate,
}

#[derive(Debug)]
enum State {
    /// The first bytes tell, for some servers compress without saying so, and some say so and do
    /// not.
    Undecided {
        said: Said,
        first: BytesMut,
    },
    Plain,
    Compressed(Box<Decoder>),
    Ended,
}

impl<B> Decoded<B> {
    /// The body that belongs to this head, whatever its coding; what begins like gzip is gzip,
    /// whatever the head says.
    pub(super) fn new(body: B, headers: &HeaderMap) -> Result<Self, Error> {
        Ok(Self {
            body,
            state: State::Undecided { said: said(headers)?, first: BytesMut::new() },
            unpacked: 0,
        })
    }

    /// As [`new`](Self::new), but the body is only taken for compressed if the head says so: its
    /// first bytes mean nothing, since it may be encrypted.
    pub(super) fn as_said(body: B, headers: &HeaderMap) -> Result<Self, Error> {
        let state = match said(headers)? {
            Said::Nothing => State::Plain,
            said => State::Undecided { said, first: BytesMut::new() },
        };
        Ok(Self { body, state, unpacked: 0 })
    }
}

fn said(headers: &HeaderMap) -> Result<Said, Error> {
    let mut said = Said::Nothing;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for coding in value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            said = match (said, &*coding.to_ascii_lowercase()) {
                (said, b"" | b"identity") => said,
                (Said::Nothing, b"gzip" | b"x-gzip") => Said::Gzip,
                (Said::Nothing, b"deflate") => Said::Deflate,
                // Nobody sends two on purpose, and one inside the
                // other would get past the limit of the ratio.
                (Said::Gzip | Said::Deflate, b"gzip" | b"x-gzip" | b"deflate") => {
                    return Err(Error::Encoding("two codings"));
                }
                // Any other word is no coding: `utf-8` and `none` stand there, and players pass
                // over them.
                (said, word) => match UNREADABLE.iter().find(|name| name.as_bytes() == word) {
                    Some(name) => return Err(Error::Encoding(name)),
                    None => said,
                },
            };
        }
    }
    Ok(said)
}

impl<B, E> Stream for Decoded<B>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
    Error: From<E>,
{
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let State::Compressed(decoder) = &mut this.state {
                if this.unpacked >= TURN {
                    this.unpacked = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                match decoder.next() {
                    // The compressed body is over; what a server sends behind it is not read.
                    Ok(Some(bytes)) if bytes.is_empty() => this.state = State::Ended,
                    Ok(Some(bytes)) => {
                        this.unpacked += bytes.len();
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    Ok(None) => {}
                    Err(error) => {
                        this.state = State::Ended;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
            if matches!(this.state, State::Ended) {
                return Poll::Ready(None);
            }
            let more = ready!(Pin::new(&mut this.body).poll_next(cx)).transpose()?;
            match &mut this.state {
                State::Undecided { said, first } => {
                    let is_whole = more.is_none();
                    first.extend_from_slice(&more.unwrap_or_default());
                    // Servers send single bytes at first; a shorter
                    // body than this is whole when it ends.
                    if first.len() < MAGIC && !is_whole {
                        continue;
                    }
                    let first = first.split().freeze();
                    if let Some(decoder) = Decoder::new(*said, first.clone(), is_whole) {
                        this.state = State::Compressed(Box::new(decoder));
                        continue;
                    }
                    this.state = if is_whole { State::Ended } else { State::Plain };
                    if !first.is_empty() {
                        return Poll::Ready(Some(Ok(first)));
                    }
                }
                State::Compressed(decoder) => decoder.push(more),
                State::Plain | State::Ended => return Poll::Ready(more.map(Ok)),
            }
        }
    }
}

/// Decompresses one body.
#[derive(Debug)]
struct Decoder {
    format: Format,
    /// Where the next slice goes; those before may still be in use.
    space: BytesMut,
    written: u64,
}

#[derive(Debug)]
enum Format {
    Gzip(MultiGzDecoder<Queue>),
    Zlib(ZlibDecoder<Queue>),
    /// What some servers send as `deflate` (RFC 9110, 8.4.1.2).
    Raw(DeflateDecoder<Queue>),
}

/// Compressed bytes that have come, and not been used yet.
#[derive(Debug)]
struct Queue {
    bytes: Bytes,
    is_whole: bool,
    read: u64,
}

impl Decoder {
    /// For a body that begins so, if that is compressed.
    fn new(said: Said, first: Bytes, is_whole: bool) -> Option<Self> {
        let is_gzip = looks_like_gzip(&first);
        // The two bytes of RFC 1950, 2.2: method 8, and a check that makes them a multiple of 31.
        let is_zlib = matches!(first[..], [low, high, ..]
            if low & 0x0F == 8 && u16::from_be_bytes([low, high]).is_multiple_of(31));
        let queue = Queue { bytes: first, is_whole, read: 0 };
        let format = match said {
            // Several members may follow one another (RFC 1952,
            // 2.2): servers that flush a live stream make them.
            _ if is_gzip => Format::Gzip(MultiGzDecoder::new(queue)),
            Said::Deflate if is_zlib => Format::Zlib(ZlibDecoder::new(queue)),
            Said::Deflate => Format::Raw(DeflateDecoder::new(queue)),
            Said::Gzip | Said::Nothing => return None,
        };
        Some(Self { format, space: BytesMut::new(), written: 0 })
    }

    /// Takes more compressed bytes, when the last are used up; `None` at their end.
    fn push(&mut self, bytes: Option<Bytes>) {
        let queue = self.queue();
        queue.is_whole = bytes.is_none();
        queue.bytes = bytes.unwrap_or_default();
    }

    /// The next slice; an empty one at the end, none if more has to come first.
    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.space.resize(SLICE, 0);
        let read = match &mut self.format {
            Format::Gzip(decoder) => decoder.read(&mut self.space),
            Format::Zlib(decoder) => decoder.read(&mut self.space),
            Format::Raw(decoder) => decoder.read(&mut self.space),
        };
        let length = match read {
            Ok(length) => length,
            // The queue has run dry in the middle of a block; the decoder keeps its place.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(Error::Broken(format!("it cannot be decompressed: {error}"))),
        };
        self.written += length as u64;
        // After each slice, so that a small body cannot
        // swell by more than one slice beyond the limit.
        if self.written > SLACK && self.written > self.queue().read.saturating_mul(MAX_RATIO) {
            return Err(Error::Broken(format!("it is more than {MAX_RATIO} times its compressed size")));
        }
        Ok(Some(self.space.split_to(length).freeze()))
    }

    fn queue(&mut self) -> &mut Queue {
        match &mut self.format {
            Format::Gzip(decoder) => decoder.get_mut(),
            Format::Zlib(decoder) => decoder.get_mut(),
            Format::Raw(decoder) => decoder.get_mut(),
        }
    }
}

/// Whether a body begins like gzip (RFC 1952, 2.3.1).
fn looks_like_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1F, 0x8B, 0x08])
}

impl Read for Queue {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buf)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Queue {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() && !self.is_whole {
            // No bytes would mean the end to the decoder, which then calls the body cut off.
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(&self.bytes)
    }

    fn consume(&mut self, count: usize) {
        self.bytes.advance(count);
        self.read += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use forebay_testkit::linear::assert_linear;
    use futures_util::{FutureExt as _, StreamExt as _, stream};

    use super::*;

    fn headers(coding: &str) -> HeaderMap {
        let value = Some(coding).filter(|coding| !coding.is_empty());
        value.map(|value| (header::CONTENT_ENCODING, value.parse().unwrap())).into_iter().collect()
    }

    /// What comes of a body that comes in pieces of this size; its largest slice is within the
    /// limit, and others have their turn beside it.
    fn decode(body: &[u8], piece: usize, coding: &str) -> Result<Vec<u8>, Error> {
        let pieces: Vec<_> =
            body.chunks(piece).map(|piece| Ok::<_, Error>(Bytes::copy_from_slice(piece))).collect();
        let mut decoded = Decoded::new(stream::iter(pieces), &headers(coding))?;
        let (mut whole, mut in_turn) = (Vec::new(), Some(0));
        loop {
            match decoded.next().now_or_never() {
                Some(None) => return Ok(whole),
                Some(Some(slice)) => {
                    let slice = slice?;
                    assert!(slice.len() <= SLICE.max(piece));
                    whole.extend_from_slice(&slice);
                    let unpacked = in_turn.unwrap_or(0) + slice.len();
                    assert!(unpacked < TURN + SLICE, "{unpacked} bytes in one turn");
                    in_turn = Some(unpacked);
                }
                // All has come, so it goes on as soon as the others have had their turn.
                None => assert!(in_turn.take().is_some(), "it waits for nothing"),
            }
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Some 200 kB that do not compress to nothing.
    fn text() -> Vec<u8> {
        (0..30_000)
            .flat_map(|number: u32| format!("{:x} ", number.wrapping_mul(2_654_435_761)).into_bytes())
            .collect()
    }

    #[test]
    fn every_coding_in_pieces_of_any_size() {
        let text = text();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&text).unwrap();
        raw.write_all(&text).unwrap();
        let (zlib, raw) = (zlib.finish().unwrap(), raw.finish().unwrap());
        let (first, second) = text.split_at(1000);
        let two = [gzip(first), gzip(second)].concat();
        for (body, coding) in [
            (&gzip(&text), "gzip"),
            (&gzip(&text), "X-GZIP"),
            (&gzip(&text), ""),
            (&gzip(&text), "identity"),
            (&two, "gzip"),
            (&zlib, "deflate"),
            (&raw, "deflate"),
            (&text, ""),
            (&text, "gzip"),
        ] {
            for piece in [1, 7, 4096, usize::MAX] {
                assert!(decode(body, piece, coding) == Ok(text.clone()), "{coding} in pieces of {piece}");
            }
        }
        assert_eq!(decode(b"", 1, "gzip"), Ok(Vec::new()));
        assert_eq!(decode(b"ab", 1, ""), Ok(b"ab".to_vec()));
    }

    #[test]
    fn what_is_encrypted_may_begin_like_gzip() {
        let body = stream::iter([Ok::<_, Error>(Bytes::from_static(b"\x1F\x8B\x08 is chance"))]);
        let mut decoded = Decoded::as_said(body, &headers("")).unwrap();
        assert!(decoded.next().now_or_never().unwrap().unwrap().is_ok());
    }

    #[test]
    fn damage_and_unknown_codings_are_failures() {
        let broken = |outcome: Result<Vec<u8>, Error>| matches!(outcome, Err(Error::Broken(_)));
        let whole = gzip(&text());
        assert!(broken(decode(&whole[..whole.len() / 2], 4096, "gzip")), "its end is missing");
        let damaged: Vec<u8> =
            whole.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 5000)).collect();
        assert!(broken(decode(&damaged, 4096, "gzip")));
        assert_eq!(decode(b"abc", 1, "BR"), Err(Error::Encoding("br")));
        assert_eq!(decode(&whole, 1, "gzip, gzip"), Err(Error::Encoding("two codings")));
        assert_eq!(decode(b"abc", 1, "utf-8"), Ok(b"abc".to_vec()), "a word that is none");
    }

    #[test]
    fn what_swells_without_measure_is_a_failure() {
        let bomb = gzip(&vec![0; 64 << 20]);
        let error = decode(&bomb, 4096, "gzip").unwrap_err();
        assert_eq!(error, Error::Broken("it is more than 200 times its compressed size".into()));
        assert!(decode(&gzip(&vec![0; 3 << 20]), 4096, "gzip").is_ok(), "a short one may be dense");
    }

    #[test]
    fn bodies_are_unpacked_in_linear_time() {
        type Make = fn(usize) -> Vec<u8>;
        let bodies: [(&str, Make); 4] = [
            ("text", |length| gzip(&text().into_iter().cycle().take(length).collect::<Vec<u8>>())),
            ("zeros", |length| gzip(&vec![0; 8 * length])),
            ("many members", |length| gzip(b"a").repeat(length / 21)),
            ("blocks of nothing", |length| {
                [&gzip(b"")[..10], &[0, 0, 0, 0xFF, 0xFF].repeat(length / 5)].concat()
            }),
        ];
        for (name, make) in bodies {
            for piece in [1, 64 << 10] {
                assert_linear(&format!("{name} in pieces of {piece}"), 1 << 20, make, |body| {
                    drop(decode(body, piece, "gzip"));
                });
            }
        }
    }
}
