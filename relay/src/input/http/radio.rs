//! Radio: a server that sends bare frames of sound, as Icecast and Shoutcast do.

use bytes::{Bytes, BytesMut};
use forebay_core::remux::{AudioStream, find_frames};
use forebay_core::ts::packet::SYNC_BYTE;
use forebay_core::ts::stream::Codec;
use forebay_core::ts::sync::Sync;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, header};

use crate::input::Error;
use crate::input::encoding::Decoded;
use crate::net::Body;

/// Bytes in which frames are looked for: some thirty of the longest. Cover art in front of them, as
/// stations send it, comes on top.
const MAX_SEARCHED: usize = 64 * 1024;

/// Bytes that come between two searches.
const SEARCH_EVERY: usize = 4 * 1024;

/// Whether an answer may be radio: it does not begin like a transport stream, nor says that it is
/// something else. Many servers say nothing, and begin in the middle of a frame.
pub(super) fn may_be_radio(headers: &HeaderMap, beginning: &[u8]) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    // `application/octet-stream` is not among them: it says nothing.
    let is_other = [&b"video/"[..], b"text/", b"image/", b"application/json"];
    let is_other = is_other
        .iter()
        .any(|other| kind.get(..other.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(other)));
    !is_other && beginning.first().is_some_and(|&byte| byte != SYNC_BYTE)
}

/// Reads on until frames of sound are found, or something else is. What was read stays in `bytes`.
pub(super) async fn find(bytes: &mut BytesMut, body: &mut Decoded<Body>) -> Result<Option<Codec>, Error> {
    let mut searched = 0;
    loop {
        if bytes.len() >= searched + SEARCH_EVERY || searched == 0 {
            // Before frames are looked for: a transport stream that
            // begins in the middle of a packet holds frames of sound.
            if is_transport_stream(bytes) {
                return Ok(None);
            }
            if let Some((_, codec)) = find_frames(bytes) {
                return Ok(Some(codec));
            }
            // A tag with cover art comes first and may be as long as 2 MiB; frames begin behind it.
            if bytes.len() >= MAX_SEARCHED && !bytes.starts_with(b"ID3") || bytes.len() >= 32 * MAX_SEARCHED {
                return Ok(None);
            }
            searched = bytes.len();
        }
        match body.next().await {
            Some(more) => bytes.extend_from_slice(&more?),
            // Too short for a search, or nothing found.
            None => return Ok(find_frames(bytes).map(|(_, codec)| codec)),
        }
    }
}

fn is_transport_stream(bytes: &[u8]) -> bool {
    let mut sync = Sync::new();
    let mut items = sync.push(bytes);
    while items.next().is_some() {}
    // A stride is known only when several packets lie at
    // equal distances; one sync byte occurs in any data.
    sync.stride().is_some()
}

/// Makes packets of a transport stream of the frames of sound in `bytes`.
pub(super) fn remux(
    codec: Codec,
    bytes: impl Stream<Item = Result<Bytes, Error>>,
) -> impl Stream<Item = Result<Bytes, Error>> {
    let mut frames = AudioStream::new(codec);
    bytes.filter_map(move |bytes| {
        let packets = bytes.map(|bytes| Bytes::copy_from_slice(frames.push(&bytes)));
        // A piece that completes no frame makes no packets.
        std::future::ready(Some(packets).filter(|packets| !packets.as_ref().is_ok_and(Bytes::is_empty)))
    })
}
