//! Radio: a server that sends bare frames of sound, as Icecast and Shoutcast do.

use bytes::{Bytes, BytesMut};
use forebay_core::remux::{AudioStream, find_frames, id3_length, id3_whole};
use forebay_core::ts::packet::SYNC_BYTE;
use forebay_core::ts::stream::Codec;
use forebay_core::ts::sync::Sync;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, header};

use crate::input::Error;

/// Bytes in which frames are looked for: some thirty of the longest.
const MAX_SEARCHED: usize = 64 * 1024;

/// Bytes that are read in all: tags with cover art, as stations send it, come in front of frames.
const MAX_READ: usize = 2 << 20;

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
pub(super) async fn find(
    bytes: &mut BytesMut,
    body: &mut (impl Stream<Item = Result<Bytes, Error>> + Unpin),
) -> Result<Option<Codec>, Error> {
    let (mut searched, mut tags) = (0, 0);
    loop {
        if bytes.len() >= searched + SEARCH_EVERY || searched == 0 {
            // Nothing is in a tag, and to search it each time would take longer and longer; so
            // would passing over many tags from the first on.
            tags += id3_whole(&bytes[tags..]);
            let rest = &bytes[tags..];
            let behind_tags = &rest[id3_length(rest)..];
            // Before frames are looked for: a transport stream that
            // begins in the middle of a packet holds frames of sound.
            if is_transport_stream(behind_tags) {
                return Ok(None);
            }
            if let Some((_, codec)) = find_frames(behind_tags) {
                return Ok(Some(codec));
            }
            if behind_tags.len() >= MAX_SEARCHED || bytes.len() >= MAX_READ {
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

#[cfg(test)]
mod tests {
    use forebay_testkit::linear::assert_linear;
    use futures_util::{FutureExt as _, stream};

    use super::*;

    /// What is found in these bytes, which come in pieces, and how many were read for it.
    async fn found(bytes: Vec<u8>) -> (Option<Codec>, usize) {
        let pieces: Vec<_> = bytes.chunks(4096).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut read = BytesMut::new();
        (find(&mut read, &mut stream::iter(pieces)).await.unwrap(), read.len())
    }

    /// A tag of so many bytes behind its header.
    fn tag(size: u8) -> Vec<u8> {
        // The third of four bytes with 7 bits each.
        [&b"ID3\x04\0\0\0\0"[..], &[size, 0], &vec![0; usize::from(size) << 7]].concat()
    }

    #[tokio::test]
    async fn frames_are_found_behind_a_long_tag_and_not_looked_for_for_ever_behind_a_short_one() {
        // AAC at 48 kHz in stereo, ten bytes a frame.
        let frames = [0xFF, 0xF1, 0x4C, 0x80, 0x01, 0x5F, 0xFC, 0x21, 0x25, 0x00].repeat(1000);
        let long: Vec<u8> = std::iter::repeat_with(|| tag(127)).take(20).flatten().collect();
        assert!(long.len() > 4 * MAX_SEARCHED);
        assert_eq!(found([&long[..], &frames].concat()).await.0, Some(Codec::Aac));
        let (codec, read) = found([tag(1), vec![0; 16 * MAX_SEARCHED]].concat()).await;
        assert!(codec.is_none() && read < 2 * MAX_SEARCHED, "{read}");
    }

    #[test]
    fn tags_are_passed_over_in_linear_time() {
        let tags = |length: usize| tag(0).repeat(length / 10);
        assert_linear("tags in front of radio", MAX_READ, tags, |bytes| {
            let (codec, _) = found(bytes.clone()).now_or_never().expect("all has come");
            assert_eq!(codec, None);
        });
    }
}
