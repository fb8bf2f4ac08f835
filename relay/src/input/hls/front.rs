//! What a segment is, by its first bytes, and what hides it.

use bytes::{Buf as _, BytesMut};
use forebay_core::remux::{Content, Cover, Format, MAX_COVER, cover, sniff};
use forebay_core::ts::packet::PACKET_SIZE;

/// In so many bytes a transport stream is found: five packets.
const ENOUGH: usize = 5 * PACKET_SIZE;

/// The beginning of a segment, while it comes.
#[derive(Debug)]
pub(super) struct Front {
    /// It is looked at again when so many bytes have come: twice as many each time, so that all
    /// looks together take no longer than the last two.
    next: usize,
    /// The picture that stood in front.
    picture: Option<Format>,
    /// Whether it is known what stood in front.
    is_uncovered: bool,
    /// Bytes that were taken off.
    hidden: usize,
}

impl Front {
    pub(super) fn new() -> Self {
        Self { next: ENOUGH, picture: None, is_uncovered: false, hidden: 0 }
    }

    /// What `held` begins with, when what hides it is taken off. `None` while more bytes may tell
    /// more; never when the segment `is_whole`.
    pub(super) fn look(&mut self, held: &mut BytesMut, is_whole: bool) -> Option<Content> {
        if held.len() < self.next && !is_whole {
            return None;
        }
        self.next = (2 * held.len()).max(ENOUGH);
        if !self.is_uncovered {
            match cover(held) {
                Cover::Unfinished if !is_whole => return None,
                // A picture that ends with the segment hides no media; it is judged as what it is.
                Cover::Unfinished | Cover::None => {}
                Cover::Picture(format, length) => {
                    self.picture = Some(format);
                    self.take_off(held, length);
                }
            }
            self.is_uncovered = true;
            // What is left behind the picture is too short to tell; the count begins anew there.
            if held.len() < ENOUGH && !is_whole {
                self.next = ENOUGH;
                return None;
            }
        }
        match sniff(held) {
            // Disguises begin like that, and the media may follow within a length that covers have.
            Content::Html | Content::Text | Content::Unknown if held.len() < MAX_COVER && !is_whole => None,
            Content::TransportStream { at } => {
                self.take_off(held, at);
                Some(Content::TransportStream { at: 0 })
            }
            found => Some(found),
        }
    }

    fn take_off(&mut self, held: &mut BytesMut, length: usize) {
        held.advance(length);
        self.hidden += length;
    }

    /// Bytes that were taken off.
    pub(super) fn hidden(&self) -> usize {
        self.hidden
    }

    /// The picture that stood in front.
    pub(super) fn picture(&self) -> Option<Format> {
        self.picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20 packets.
    fn packets() -> Vec<u8> {
        (0..20).flat_map(|_| [&[0x47][..], &[0xFF; PACKET_SIZE - 1]].concat()).collect()
    }

    fn gif() -> Vec<u8> {
        b"GIF89a\x01\0\x01\0\0\0\0\x2C\0\0\0\0\x01\0\x01\0\0\x02\x02\x4C\x01\0\x3B".to_vec()
    }

    /// A PNG whose picture has so many bytes.
    fn png(size: usize) -> Vec<u8> {
        let chunk = |kind: &[u8; 4], content: &[u8]| {
            let length = u32::try_from(content.len()).unwrap().to_be_bytes();
            // Nobody looks at its checksum.
            [&length[..], kind, content, &[0; 4]].concat()
        };
        let head = chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
        [b"\x89PNG\r\n\x1A\n", &head[..], &chunk(b"IDAT", &vec![7; size]), &chunk(b"IEND", &[])].concat()
    }

    /// What a segment is and how many bytes hid it, when it comes in pieces of a size.
    fn look(bytes: &[u8], size: usize) -> (Content, usize, BytesMut) {
        let (mut front, mut held, mut content) = (Front::new(), BytesMut::new(), None);
        for piece in bytes.chunks(size) {
            held.extend_from_slice(piece);
            content = content.or_else(|| front.look(&mut held, false));
        }
        let content = content.or_else(|| front.look(&mut held, true));
        (content.expect("the segment is whole"), front.hidden(), held)
    }

    #[test]
    fn what_hides_media_is_taken_off() {
        let adts = [0xFF, 0xF1, 0x4C, 0x80, 0x01, 0x7F, 0xFC, 0x21, 0x25, 0, 0].repeat(200);
        let fragment = [&b"\0\0\0\x18stypmsdh\0\0\0\0msdhmsix"[..], &[0; 2000]].concat();
        let long = [&b"\xFF\xD8\xFF\xDA\0\x02"[..], &vec![7; 300_000], b"\xFF\xD9"].concat();
        let stream = Content::TransportStream { at: 0 };
        for size in [1, 188, 1000, 1 << 20] {
            for front in [Vec::new(), gif(), long.clone(), png(10), png(100_000), b"\x89PNG cut".to_vec()] {
                let (content, hidden, held) = look(&[&front[..], &packets()].concat(), size);
                assert_eq!((content, hidden), (stream, front.len()), "by {size}");
                assert_eq!(held, packets());
            }
            for front in [Vec::new(), gif(), long.clone(), png(10), png(100_000)] {
                let fmp4 = look(&[&front[..], &fragment].concat(), size);
                assert_eq!((fmp4.0, fmp4.1), (Content::Fmp4, front.len()), "by {size}");
                let sound = look(&[&front[..], &adts].concat(), size);
                assert!(matches!(sound.0, Content::PackedAudio(_)) && sound.1 == front.len(), "by {size}");
            }
        }
    }

    #[test]
    fn what_hides_nothing_is_named() {
        let (content, _, held) = look(&gif(), 7);
        assert!(content == Content::Empty && held.is_empty());
        assert_eq!(look(b"<html>sorry</html>", 5).0, Content::Html);
        assert_eq!(look(b"", 1).0, Content::Empty);
    }
}
