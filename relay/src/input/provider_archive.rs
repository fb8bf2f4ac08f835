//! What a provider has kept of a channel's past: asked for as a source is, and passed on as it
//! comes. Unlike a source it may have a length, and it has an end.

use std::fmt;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use forebay_core::playlist::parse::begins_like_a_playlist;
use forebay_core::ts::sync::{LOCK, STRIDES, Sync};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use url::Url;

use super::agent::{Agent, Client, Response};
use super::byte_range::{ContentRange, RangeRequest};
use super::encoding::Decoded;
use super::hls::{self, Session};
use super::http::read_whole;
use super::sniff::describe;
use super::{Context, Error, Piece, SocketGuard};
use crate::model::{Source, SourceUrl};

/// Bytes in which a transport stream or a playlist has to begin. An error page is told from both
/// within the first hundred.
const MAX_BEGINNING: usize = 64 << 10;

/// Bytes of the segments of a playlist that wait for the viewer, who takes them at the pace of its
/// player: a second of the highest rate. A channel has more, since many watch it and its sources
/// are late at times.
const MAX_WAITING: usize = 2 << 20;

/// In so many bytes of a transport stream, from anywhere in it, its packets are found: one that is
/// cut, and those that must follow each other.
const LOCK_BYTES: usize = (LOCK + 1) * STRIDES[2];

/// Bytes of the shortest film: a minute of a poor radio station. Whatever else is smaller.
const MIN_FILM: u64 = 256 << 10;

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

    /// Asks the provider of `source` for the archive at `url`, or this range of it; each socket has
    /// a clone of `hold`. Dropping the future or the answer closes all of them.
    pub async fn open(
        &self,
        source: &Source,
        url: &Url,
        asked: Option<&RangeRequest>,
        hold: SocketGuard,
    ) -> Result<ArchiveAnswer, Error> {
        // Made for the source as it is: it bounds where the archive may be, and its credentials are
        // for its own host.
        let agent = Agent::new(&self.0, source, hold.clone());
        let asked = asked.filter(|_| !looks_like_a_playlist(url));
        let besides = asked.map(RangeRequest::headers).unwrap_or_default();
        let Response { url: found, status, headers, body } = agent.get(url, &besides, None).await?;
        let (sent, mut body) = match status {
            StatusCode::OK => (None, Decoded::as_said(body, &headers)?.boxed()),
            StatusCode::PARTIAL_CONTENT => {
                let sent = sent(asked, &headers)?;
                (Some(sent), body.map_err(Error::from).boxed())
            }
            StatusCode::RANGE_NOT_SATISFIABLE if asked.is_some() => {
                return Ok(ArchiveAnswer::beyond(ContentRange::total_of_unsatisfied(&headers)));
            }
            status => return Err(Error::Status { status: status.as_u16() }),
        };
        let Beginning { bytes, form } = begin(&mut body, sent).await?;
        match form {
            Some(Form::Packets) => {}
            Some(Form::Playlist) if sent.is_none_or(ContentRange::is_whole) => {
                let body = read_whole(bytes, body).await?;
                let source = Source { url: SourceUrl::led_to(url.clone()), ..source.clone() };
                let bytes = follow(Session::new(agent), &source, (found, body), hold).await?;
                // What the server told was of the playlist.
                return Ok(ArchiveAnswer { status: StatusCode::OK, headers: HeaderMap::new(), bytes });
            }
            None if sent.is_some_and(|sent| is_scrap_of_film(sent, &headers, bytes.len())) => {}
            _ => return Err(Error::NotTransportStream(describe(&bytes))),
        }
        let bytes = stream::iter([Ok(bytes.freeze())]).chain(body).boxed();
        Ok(ArchiveAnswer { status, headers: passed_on(&headers), bytes })
    }
}

impl ArchiveAnswer {
    /// The file, of which so much is known, ends before what was asked for.
    fn beyond(total: Option<u64>) -> Self {
        let range = total.and_then(|total| HeaderValue::try_from(format!("bytes */{total}")).ok());
        Self {
            status: StatusCode::RANGE_NOT_SATISFIABLE,
            // The rest is about the page that says so, which is not passed on.
            headers: range.into_iter().map(|range| (header::CONTENT_RANGE, range)).collect(),
            bytes: stream::empty().boxed(),
        }
    }
}

/// Which part of the file comes, if it is the one that was asked for.
fn sent(asked: Option<&RangeRequest>, headers: &HeaderMap) -> Result<ContentRange, Error> {
    let sent = ContentRange::of(headers).zip(asked).filter(|(sent, asked)| sent.answers(asked.range));
    // A part of a compressed file cannot be read.
    let sent = sent.filter(|_| !is_coded(headers));
    let (sent, _) = sent.ok_or_else(|| Error::Broken("the server sends another range".to_owned()))?;
    Ok(sent)
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
    let upstream = hls::open(session, source, context, entry, MAX_WAITING, hold).await?;
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

/// The first bytes of a body, and what they are, if that is known.
struct Beginning {
    bytes: BytesMut,
    form: Option<Form>,
}

/// What an archive is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Packets,
    Playlist,
}

/// Reads no further than it takes to find a playlist or a transport stream: some servers answer 200
/// to everything, and nothing of what is neither may be passed on, whichever part of it was asked
/// for.
async fn begin(
    body: &mut (impl Stream<Item = Result<Bytes, Error>> + Unpin),
    sent: Option<ContentRange>,
) -> Result<Beginning, Error> {
    let limit = if sent.is_none_or(|sent| sent.first == 0) { MAX_BEGINNING } else { LOCK_BYTES };
    let (mut bytes, mut sync) = (BytesMut::new(), Sync::new());
    while bytes.len() < limit
        && let Some(more) = body.next().await
    {
        let more = more?;
        let mut items = sync.push(&more[..more.len().min(limit - bytes.len())]);
        while items.next().is_some() {}
        bytes.extend_from_slice(&more);
        // Asked again with each piece: the first may be a single byte.
        if begins_like_a_playlist(&bytes) == Some(true) {
            return Ok(Beginning { bytes, form: Some(Form::Playlist) });
        }
        if sync.stride().is_some() {
            return Ok(Beginning { bytes, form: Some(Form::Packets) });
        }
    }
    Ok(Beginning { bytes, form: None })
}

/// Whether a part is too short to tell what it is of, and is said to be of a film: some players ask
/// for two bytes first, to see whether there are ranges.
fn is_scrap_of_film(sent: ContentRange, headers: &HeaderMap, size: usize) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.trim().to_ascii_lowercase();
    let is_film = kind.starts_with("video/") || kind.starts_with("application/octet-stream");
    size < LOCK_BYTES
        && sent.size() == size as u64
        && is_film
        && sent.total.is_some_and(|total| total >= MIN_FILM)
}

/// What may be told of a file, of all that its server says.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    // The length of a compressed body says nothing about what is passed on.
    if is_coded(headers) {
        return HeaderMap::new();
    }
    let values = PASSED_ON.into_iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    values.collect()
}

/// Whether a body is compressed on its way.
fn is_coded(headers: &HeaderMap) -> bool {
    let coding = headers.get(header::CONTENT_ENCODING);
    coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether an address looks like that of a playlist: a range of it is none of what it leads to.
fn looks_like_a_playlist(url: &Url) -> bool {
    let extension = Path::new(url.path()).extension();
    extension.is_some_and(|text| text.eq_ignore_ascii_case("m3u8") || text.eq_ignore_ascii_case("m3u"))
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

    fn packets(count: usize) -> Vec<u8> {
        (0..count * 188).map(|at| if at % 188 == 0 { 0x47 } else { 0 }).collect()
    }

    async fn beginning(pieces: &[&[u8]], sent: Option<ContentRange>) -> (usize, Option<Form>) {
        let pieces: Vec<_> = pieces.iter().map(|bytes| Ok(Bytes::copy_from_slice(bytes))).collect();
        let found = begin(&mut stream::iter(pieces), sent).await.unwrap();
        (found.bytes.len(), found.form)
    }

    #[tokio::test]
    async fn what_is_neither_a_transport_stream_nor_a_playlist_is_none() {
        let packets = packets(6);
        let playlist: [&[u8]; 2] = [b"#", b"EXTM3U\n#EXT-X-VERSION:3\n"];
        assert_eq!(beginning(&playlist, None).await, (25, Some(Form::Playlist)));
        let cut: [&[u8]; 2] = [&packets[..100], &packets[100..]];
        assert_eq!(beginning(&cut, None).await, (packets.len(), Some(Form::Packets)));
        assert_eq!(beginning(&[b"<html>", b"No archive"], None).await, (16, None));
        assert_eq!(beginning(&[], None).await, (0, None));
    }

    #[tokio::test]
    async fn the_middle_of_a_transport_stream_is_known_by_its_first_packets() {
        let middle = Some(ContentRange { first: 5, last: 1 << 20, total: None });
        let packets = packets(20);
        for cut in [1, 100, 187] {
            let (_, form) = beginning(&[&packets[cut..]], middle).await;
            assert_eq!(form, Some(Form::Packets), "{cut}");
        }
        // What has packets only further behind is something else.
        let late = [vec![b'a'; LOCK_BYTES], packets.clone()].concat();
        assert_eq!(beginning(&[&late], middle).await.1, None);
        assert_eq!(beginning(&[&late], None).await.1, Some(Form::Packets));
    }

    #[test]
    fn a_part_that_is_too_short_to_be_known_has_to_be_said_to_be_of_a_film() {
        let of = |total| ContentRange { first: 0, last: 1, total };
        let large = of(Some(MIN_FILM));
        for (sent, kind, size, expected) in [
            (large, "video/mp2t", 2, true),
            (large, "Application/Octet-Stream", 2, true),
            (large, "text/plain", 2, false),
            (large, "", 2, false),
            (large, "video/mp2t", 3, false),
            (of(Some(MIN_FILM - 1)), "video/mp2t", 2, false),
            (of(None), "video/mp2t", 2, false),
            (ContentRange { last: LOCK_BYTES as u64 - 1, ..large }, "video/mp2t", LOCK_BYTES, false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            assert_eq!(is_scrap_of_film(sent, &headers, size), expected, "{sent:?} {kind} {size}");
        }
    }

    #[test]
    fn a_part_that_nobody_asked_for_is_refused() {
        let asked =
            |text: &str| RangeRequest::of(&HeaderMap::from_iter([(header::RANGE, text.parse().unwrap())]));
        for (range, said, coding, expected) in [
            ("bytes=5-", "bytes 5-9/10", "", true),
            ("bytes=5-", "bytes 5-9/10", "identity", true),
            ("bytes=5-", "bytes 5-9/10", "gzip", false),
            ("bytes=5-", "bytes 0-9/10", "", false),
            ("bytes=5-", "", "", false),
            ("", "bytes 5-9/10", "", false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::CONTENT_RANGE, said), (header::CONTENT_ENCODING, coding)] {
                if !value.is_empty() {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(sent(asked(range).as_ref(), &headers).is_ok(), expected, "{range} {said} {coding}");
        }
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
        headers.insert("content-encoding", "identity".parse().unwrap());
        assert_eq!(passed_on(&headers).len(), 2);
    }
}
