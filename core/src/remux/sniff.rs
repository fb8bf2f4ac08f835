//! What a segment is, by its first bytes: names and declared types lie.

use std::fmt;

use crate::ts::codec_headers::AudioFrame;
use crate::ts::packet::{PACKET_SIZE, SYNC_BYTE};
use crate::ts::stream::Codec;
use crate::ts::sync::LOCK;

use super::{MAX_COVER, id3};

/// How far junk in front of a transport stream may reach, as a picture that disguises it and is not
/// whole.
const MAX_JUNK: usize = MAX_COVER;

/// Sync bytes that make a transport stream where the bytes end before there are [`LOCK`]: an
/// initialisation segment is PAT and PMT.
const FEWEST_PACKETS: usize = 2;

/// Bytes from the first sync byte of a lock to the last: fewer packets behind junk are taken for
/// more junk.
const WHOLE_LOCK: usize = (LOCK - 1) * PACKET_SIZE;

/// What a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Transport packets.
    TransportStream {
        /// Where the first begins: what is in front of it is junk.
        at: usize,
    },
    /// An initialisation segment or fragments of fMP4 (ISO/IEC 14496-12, CMAF).
    Fmp4,
    /// Packed audio (RFC 8216, 3.4): frames of this codec, mostly behind an ID3 tag.
    PackedAudio(Codec),
    /// `WebVTT` subtitles.
    WebVtt,
    /// An HTML page, as error pages are.
    Html,
    /// Other text.
    Text,
    /// Nothing at all.
    Empty,
    /// None of these.
    Unknown,
}

impl Content {
    /// Whether it takes a [`Remuxer`](super::Remuxer) to make a transport stream of it;
    /// `with_audio` when an audio rendition comes with it. Without one, transport streams are
    /// passed on as they are. What is no media at all is refused there.
    pub const fn needs_remux(self, with_audio: bool) -> bool {
        match self {
            Self::TransportStream { .. } => with_audio,
            _ => true,
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TransportStream { .. } => "a transport stream",
            Self::Fmp4 => "fragmented MP4",
            Self::PackedAudio(codec) => return write!(f, "packed {codec}"),
            Self::WebVtt => "WebVTT subtitles",
            Self::Html => "an HTML page",
            Self::Text => "text",
            Self::Empty => "nothing",
            Self::Unknown => "unknown data",
        })
    }
}

/// What `bytes` are, the beginning of a segment or all of it, already decrypted. [`MAX_COVER`]
/// bytes are enough.
pub fn sniff(bytes: &[u8]) -> Content {
    if bytes.is_empty() {
        return Content::Empty;
    }
    if is_packets(bytes) {
        return Content::TransportStream { at: 0 };
    }
    if is_box(bytes) {
        return Content::Fmp4;
    }
    if let Some(codec) = packed_audio(&bytes[id3::length(bytes)..]) {
        return Content::PackedAudio(codec);
    }
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    if text.starts_with(b"WEBVTT") {
        return Content::WebVtt;
    }
    let junk = bytes.len().min(MAX_JUNK);
    if let Some(at) = (1..junk).find(|&at| bytes.len() - at > WHOLE_LOCK && is_packets(&bytes[at..])) {
        return Content::TransportStream { at };
    }
    match std::str::from_utf8(&text[..text.len().min(512)]) {
        // A character that the cut divides is none that is wrong.
        Err(error) if error.error_len().is_some() => Content::Unknown,
        _ if text.iter().take(512).any(|&byte| byte < 0x20 && !byte.is_ascii_whitespace()) => {
            Content::Unknown
        }
        _ if text.first() == Some(&b'<') => Content::Html,
        _ => Content::Text,
    }
}

/// Whether packets begin here: [`LOCK`] sync bytes in a row, or as many as there is room for.
fn is_packets(bytes: &[u8]) -> bool {
    let places = bytes.len().div_ceil(PACKET_SIZE).min(LOCK);
    places >= FEWEST_PACKETS && (0..places).all(|n| bytes[n * PACKET_SIZE] == SYNC_BYTE)
}

/// Whether one of the boxes that segments begin with begins here.
fn is_box(bytes: &[u8]) -> bool {
    const FIRST: [&[u8]; 9] =
        [b"styp", b"ftyp", b"moof", b"sidx", b"moov", b"emsg", b"prft", b"free", b"skip"];
    bytes.get(4..8).is_some_and(|kind| FIRST.contains(&kind))
}

/// The codec of the frames that begin here: one frame, and another behind it if the bytes reach
/// that far.
pub(super) fn packed_audio(bytes: &[u8]) -> Option<Codec> {
    let found = [Codec::Aac, Codec::Ac3, Codec::MpegAudio].into_iter().find(|&codec| {
        AudioFrame::parse(codec, bytes).is_some_and(|frame| {
            let next = bytes.get(frame.length..).unwrap_or_default();
            next.len() < id3::HEADER || id3::is_tag(next) || AudioFrame::parse(codec, next).is_some()
        })
    })?;
    // `bsid` tells them apart (ETSI TS 102 366, E.1.3.1.6).
    let is_enhanced = found == Codec::Ac3 && bytes[5] >> 3 > 10;
    Some(if is_enhanced { Codec::Eac3 } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` packets that begin with the sync byte.
    fn packets(count: usize) -> Vec<u8> {
        let packet = || std::iter::once(SYNC_BYTE).chain(std::iter::repeat_n(0xFF, PACKET_SIZE - 1));
        (0..count).flat_map(|_| packet()).collect()
    }

    fn behind(junk: &[u8], rest: &[u8]) -> Vec<u8> {
        [junk, rest].concat()
    }

    #[test]
    fn content_is_known_by_its_bytes() {
        let adts = [0xFF, 0xF1, 0x4C, 0x80, 0x01, 0x7F, 0xFC, 0x21, 0x25, 0, 0].repeat(3);
        let tag = b"ID3\x04\0\0\0\0\0\x0APRIV\0\0\0\0\0\0";
        let mut ac3 = vec![0x0B, 0x77, 0x9D, 0x83, 0x0C, 0x40, 0xEB, 0xF8, 0x40];
        ac3.resize(384, 0);
        let mut eac3 = vec![0x0B, 0x77, 0x03, 0x7F, 0x3F, 0x87, 0xC0, 0x00, 0x20];
        eac3.resize(1792, 0);
        let png = behind(b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR....IEND\xAE\x42\x60\x82\xFF\xFF", &packets(5));
        let cases: Vec<(Vec<u8>, Content)> = vec![
            (packets(9), Content::TransportStream { at: 0 }),
            (packets(2), Content::TransportStream { at: 0 }),
            (png.clone(), Content::TransportStream { at: png.len() - 5 * PACKET_SIZE }),
            (behind(&[0; 376], &packets(5)), Content::TransportStream { at: 376 }),
            (b"\0\0\0\x18stypmsdh".to_vec(), Content::Fmp4),
            (b"\0\0\x02\x18moof\0\0\0\x10mfhd".to_vec(), Content::Fmp4),
            (adts.clone(), Content::PackedAudio(Codec::Aac)),
            (behind(tag, &adts), Content::PackedAudio(Codec::Aac)),
            (behind(tag, &ac3), Content::PackedAudio(Codec::Ac3)),
            (eac3, Content::PackedAudio(Codec::Eac3)),
            (b"\xEF\xBB\xBFWEBVTT\nX-TIMESTAMP-MAP".to_vec(), Content::WebVtt),
            (b"\r\n<!DOCTYPE html><html>".to_vec(), Content::Html),
            (b"FAILED TO CONNECT".to_vec(), Content::Text),
            (vec![], Content::Empty),
            (b"\x89PNG\r\n\x1A\n\0\0".to_vec(), Content::Unknown),
        ];
        for (bytes, content) in cases {
            assert_eq!(sniff(&bytes), content, "{:02x?}", &bytes[..bytes.len().min(24)]);
        }
    }

    #[test]
    fn junk_is_passed_over_up_to_its_limit() {
        assert_eq!(sniff(&behind(&vec![0; MAX_JUNK], &packets(9))), Content::Unknown);
        let at = MAX_JUNK - 1;
        assert_eq!(sniff(&behind(&vec![0; at], &packets(9))), Content::TransportStream { at });
    }

    #[test]
    fn a_transport_stream_alone_passes_as_it_is() {
        let stream = Content::TransportStream { at: 0 };
        assert_eq!((stream.needs_remux(false), stream.needs_remux(true)), (false, true));
        assert!(Content::Fmp4.needs_remux(false));
    }
}
