//! What a provider has kept of a channel's past: asked for as a source is, and passed on as it
//! comes. Unlike a source it may have a length, and it has an end.

use std::fmt;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use forebay_core::playlist::parse::begins_like_a_playlist;
use forebay_core::ts::sync::Sync;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future};
use http::{HeaderMap, HeaderName, StatusCode, header};
use url::Url;

use super::agent::{Agent, Client, Response};
use super::encoding::Decoded;
use super::hls::{self, Session};
use super::http::read_whole;
use super::sniff::describe;
use super::{Context, Error, Piece, SocketGuard};
use crate::model::{Source, SourceUrl};

/// Bytes in which a transport stream or a playlist has to begin. An error page is told from both
/// within the first hundred.
const MAX_BEGINNING: usize = 64 << 10;

/// What is told of a file that is passed on byte by byte.
const PASSED_ON: [HeaderName; 5] = [
    header::ACCEPT_RANGES,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// Who asks.
#[derive(Clone)]
pub struct ArchiveClient(Client);

/// What was answered: a transport stream, or a part of one.
pub struct ArchiveAnswer {
    /// 200, 206, or 416 where the file has nothing of the range that was asked for.
    pub status: StatusCode,
    /// What the server tells of the file, of the headers that are passed on.
    pub headers: HeaderMap,
    /// The bytes, which end where the archive does.
    pub bytes: BoxStream<'static, Result<Bytes, Error>>,
}

impl ArchiveClient {
    /// Reads the trusted roots and the environment.
    #[allow(clippy::new_without_default, reason = "it reads files")]
    pub fn new() -> Self {
        Self(Client::new())
    }

    /// Asks the provider of `source` for the archive at `url`, with these headers besides; each
    /// socket has a clone of `hold`. Dropping the future or the answer closes all of them.
    pub async fn open(
        &self,
        source: &Source,
        url: &Url,
        besides: &HeaderMap,
        hold: SocketGuard,
    ) -> Result<ArchiveAnswer, Error> {
        // Made for the source as it is: its credentials are for its own host, and the archive may
        // be elsewhere.
        let agent = Agent::new(&self.0, source, hold.clone());
        let besides = if looks_like_a_playlist(url) { &HeaderMap::new() } else { besides };
        let Response { url: found, status, headers, body } = agent.get(url, besides, None).await?;
        match status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
            StatusCode::RANGE_NOT_SATISFIABLE if besides.contains_key(header::RANGE) => {
                let range = headers.get(header::CONTENT_RANGE).cloned();
                // The rest is about the page that says so, which is not passed on.
                let headers = range.into_iter().map(|range| (header::CONTENT_RANGE, range)).collect();
                return Ok(ArchiveAnswer { status, headers, bytes: stream::empty().boxed() });
            }
            status => return Err(Error::Status { status: status.as_u16() }),
        }
        let mut answer =
            ArchiveAnswer { status, headers: passed_on(&headers), bytes: stream::empty().boxed() };
        let mut body = Decoded::as_said(body, &headers)?;
        // The middle of a file begins with anything.
        if status == StatusCode::PARTIAL_CONTENT && !begins_at_start(&headers) {
            let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if kind.is_some_and(|kind| kind.to_ascii_lowercase().contains("mpegurl")) {
                return Err(Error::NotTransportStream("a part of a playlist".to_owned()));
            }
            answer.bytes = body.boxed();
            return Ok(answer);
        }
        let beginning = begin(&mut body).await?;
        if !beginning.is_playlist {
            answer.bytes = stream::iter([Ok(beginning.bytes.freeze())]).chain(body).boxed();
            return Ok(answer);
        }
        let body = read_whole(beginning.bytes, body).await?;
        let source = Source { url: SourceUrl::led_to(url.clone()), ..source.clone() };
        let bytes = follow(Session::new(agent), &source, (found, body), hold).await?;
        // What the server told was of the playlist.
        Ok(ArchiveAnswer { status: StatusCode::OK, headers: HeaderMap::new(), bytes })
    }
}

/// The media of a playlist as one transport stream, which ends where the playlist does.
async fn follow(
    session: Session,
    source: &Source,
    (url, body): (Url, Bytes),
    hold: SocketGuard,
) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
    let context = Context::default();
    let entry = hls::Entry { asked_at: context.memory.now(), url, body };
    let upstream = hls::open(session, source, context, entry, hold).await?;
    let hold = upstream.hold;
    let bytes = upstream.pieces.try_filter_map(|piece| {
        future::ready(Ok(match piece {
            Piece::Bytes(bytes) => Some(bytes),
            // A player finds seams by itself, by the clock of the stream.
            Piece::Discontinuity | Piece::Activity | Piece::SegmentEnd => None,
        }))
    });
    // An upstream never ends well, since a channel has no end. An archive has one.
    let bytes = bytes.take_while(|bytes| future::ready(!matches!(bytes, Err(Error::Ended | Error::Over))));
    let mut bytes = bytes.boxed();
    // The first segment tells whether there is anything: another provider may have more.
    let first = bytes.next().await.ok_or(Error::Ended)??;
    // Between two requests there is no socket that would hold it.
    let bytes = stream::iter([Ok(first)]).chain(bytes).map(move |bytes| {
        let _hold = &hold;
        bytes
    });
    Ok(bytes.boxed())
}

/// The first bytes of a body.
struct Beginning {
    bytes: BytesMut,
    is_playlist: bool,
}

/// Reads no further than it takes to find a playlist or a transport stream. Fails where it is
/// neither: some servers answer 200 to everything.
async fn begin(body: &mut (impl Stream<Item = Result<Bytes, Error>> + Unpin)) -> Result<Beginning, Error> {
    let (mut bytes, mut sync) = (BytesMut::new(), Sync::new());
    while bytes.len() < MAX_BEGINNING
        && let Some(more) = body.next().await
    {
        let more = more?;
        let mut items = sync.push(&more);
        while items.next().is_some() {}
        bytes.extend_from_slice(&more);
        // Asked again with each piece: the first may be a single byte.
        if begins_like_a_playlist(&bytes) == Some(true) {
            return Ok(Beginning { bytes, is_playlist: true });
        }
        if sync.stride().is_some() {
            return Ok(Beginning { bytes, is_playlist: false });
        }
    }
    Err(Error::NotTransportStream(describe(&bytes)))
}

/// What may be told of a file, of all that its server says.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    // The length of a compressed body says nothing about what is passed on.
    if headers.contains_key(header::CONTENT_ENCODING) {
        return HeaderMap::new();
    }
    let values = PASSED_ON.into_iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    values.collect()
}

/// Whether an address looks like that of a playlist: a range of it is none of what it leads to.
fn looks_like_a_playlist(url: &Url) -> bool {
    let extension = Path::new(url.path()).extension();
    extension.is_some_and(|text| text.eq_ignore_ascii_case("m3u8") || text.eq_ignore_ascii_case("m3u"))
}

/// Whether a part of a file is its beginning.
fn begins_at_start(headers: &HeaderMap) -> bool {
    let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.trim_start().trim_start_matches("bytes").trim_start().starts_with("0-"))
}

impl fmt::Debug for ArchiveClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArchiveClient")
    }
}

impl fmt::Debug for ArchiveAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn beginning(pieces: &[&'static [u8]]) -> Result<(usize, bool), Error> {
        let pieces: Vec<_> = pieces.iter().map(|bytes| Ok(Bytes::from_static(bytes))).collect();
        let found = begin(&mut stream::iter(pieces)).await?;
        Ok((found.bytes.len(), found.is_playlist))
    }

    #[tokio::test]
    async fn what_is_neither_a_transport_stream_nor_a_playlist_is_none() {
        const PACKETS: [u8; 6 * 188] = {
            let mut bytes = [0; 6 * 188];
            let mut at = 0;
            while at < bytes.len() {
                bytes[at] = 0x47;
                at += 188;
            }
            bytes
        };
        assert_eq!(beginning(&[b"#", b"EXTM3U\n#EXT-X-VERSION:3\n"]).await, Ok((25, true)));
        assert_eq!(beginning(&[&PACKETS[..100], &PACKETS[100..]]).await, Ok((PACKETS.len(), false)));
        let refused = Err(Error::NotTransportStream("an HTML page".to_owned()));
        assert_eq!(beginning(&[b"<html>", b"No archive"]).await, refused);
        assert_eq!(beginning(&[]).await, Err(Error::NotTransportStream("nothing was sent".to_owned())));
    }

    #[test]
    fn only_what_is_said_of_the_file_itself_is_passed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("content-length", "9"), ("etag", "\"a\""), ("set-cookie", "token=secret")] {
            headers.insert(name, value.parse().unwrap());
        }
        let passed = passed_on(&headers);
        assert_eq!((passed.len(), passed.contains_key("set-cookie")), (2, false));
        headers.insert("content-encoding", "gzip".parse().unwrap());
        assert!(passed_on(&headers).is_empty());
        for (range, expected) in [("bytes 0-9/10", true), ("bytes 5-9/10", false), ("nonsense", false)] {
            headers.insert("content-range", range.parse().unwrap());
            assert_eq!(begins_at_start(&headers), expected, "{range}");
        }
    }
}
