//! Titles of songs among the sound of radio, as Shoutcast and Icecast send them.
//!
//! They are sent to clients that ask for them, which this one does not; but some servers send them
//! to all. Left where they are, each would damage a frame of sound.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::HeaderMap;

use crate::input::Error;

/// Says how many bytes of sound stand between two titles.
const INTERVAL: &str = "icy-metaint";

/// The byte in front of a title counts its length in these.
const UNIT: usize = 16;

/// A body without its titles.
#[derive(Debug)]
pub(super) struct Untitled<S> {
    body: S,
    titles: Option<Titles>,
}

impl<S> Untitled<S> {
    /// The body of an answer with these header fields.
    pub(super) fn new(body: S, headers: &HeaderMap) -> Self {
        let interval = headers.get(INTERVAL).and_then(|interval| interval.to_str().ok()?.trim().parse().ok());
        let titles = interval.filter(|&interval| interval > 0).map(Titles::new);
        Self { body, titles }
    }
}

impl<S: Stream<Item = Result<Bytes, Error>> + Unpin> Stream for Untitled<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let piece = ready!(self.body.poll_next_unpin(context));
            let (Some(Ok(bytes)), Some(titles)) = (&piece, &mut self.titles) else {
                return Poll::Ready(piece);
            };
            let sound = titles.take_out(bytes);
            // A piece that holds nothing but a title is no end.
            if !sound.is_empty() {
                return Poll::Ready(Some(Ok(sound)));
            }
        }
    }
}

/// Where in a body with titles the next byte is.
#[derive(Debug)]
struct Titles {
    interval: usize,
    next: Next,
}

/// What comes next, and how much of it.
#[derive(Debug)]
enum Next {
    Sound(usize),
    Length,
    Title(usize),
}

impl Titles {
    fn new(interval: usize) -> Self {
        Self { interval, next: Next::Sound(interval) }
    }

    /// The sound in the next bytes of the body.
    fn take_out(&mut self, bytes: &Bytes) -> Bytes {
        if let Next::Sound(left) = &mut self.next
            && bytes.len() < *left
        {
            *left -= bytes.len();
            return bytes.clone();
        }
        let (mut sound, mut rest) = (BytesMut::with_capacity(bytes.len()), &bytes[..]);
        while let Some(&first) = rest.first() {
            let length = match self.next {
                Next::Sound(left) | Next::Title(left) => left.min(rest.len()),
                Next::Length => 1,
            };
            let (part, behind) = rest.split_at(length);
            self.next = match self.next {
                Next::Sound(left) => {
                    sound.extend_from_slice(part);
                    if left == length { Next::Length } else { Next::Sound(left - length) }
                }
                Next::Length if first > 0 => Next::Title(UNIT * usize::from(first)),
                Next::Title(left) if left > length => Next::Title(left - length),
                Next::Length | Next::Title(_) => Next::Sound(self.interval),
            };
            rest = behind;
        }
        sound.freeze()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, TryStreamExt as _, stream};
    use http::{HeaderName, HeaderValue};

    use super::*;

    /// What is left of a body that comes in such pieces, and says this of its titles.
    fn left(interval: &'static str, body: &[u8], piece: usize) -> Vec<u8> {
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static(INTERVAL), HeaderValue::from_static(interval))]);
        let pieces: Vec<_> = body.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let pieces: Vec<Bytes> =
            Untitled::new(stream::iter(pieces), &headers).try_collect().now_or_never().unwrap().unwrap();
        pieces.concat()
    }

    #[test]
    fn titles_are_taken_out_however_the_body_is_cut() {
        let title = [&[2][..], &[b'x'; 2 * UNIT]].concat();
        // One title, none, and one that is not whole.
        let body = [b"aaaa", &title[..], b"bbbb", &[0], b"cccc", &title[..20]].concat();
        for piece in 1..=body.len() {
            assert_eq!(left("4", &body, piece), b"aaaabbbbcccc", "{piece}");
            assert_eq!(left(" 4 ", &body, piece), b"aaaabbbbcccc", "{piece}");
        }
    }

    #[test]
    fn a_body_of_which_nothing_is_said_is_left_alone() {
        for interval in ["", "0", "-1", "many", "99999999999999999999999"] {
            assert_eq!(left(interval, b"aaaa\x01bbbb", 3), b"aaaa\x01bbbb", "{interval}");
        }
        assert_eq!(left("1000", b"aaaa\x01bbbb", 3), b"aaaa\x01bbbb");
    }
}
