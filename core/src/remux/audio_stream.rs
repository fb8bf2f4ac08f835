//! An endless run of audio frames, as radio servers send them, made into a transport stream.

use super::packed::access_unit;
use super::{Remuxer, Rendition, id3, sniff};
use crate::ts::codec_headers::AudioFrame;
use crate::ts::stream::Codec;

/// The longest that a frame or an ID3 tag in front of frames may be. An ADTS frame has 8191 bytes
/// at most; stations put a picture into a tag.
const MAX_HELD: usize = 1 << 20;

/// Frames that must follow one another for a codec to be believed, where the bytes may begin
/// anywhere.
const PROOF: usize = 3;

/// Where the first of several frames in a row begins, and of which codec they are. A server sends
/// from the middle of a frame on, if that is where it is.
pub fn find_frames(bytes: &[u8]) -> Option<(usize, Codec)> {
    (id3::length(bytes)..bytes.len()).find_map(|at| {
        let codec = sniff::packed_audio(&bytes[at..])?;
        let mut end = at;
        for _ in 0..PROOF {
            end += AudioFrame::parse(codec, bytes.get(end..)?)?.length.max(1);
        }
        (end <= bytes.len()).then_some((at, codec))
    })
}

/// Makes a transport stream of frames that come in pieces of any size. The first frame is at time
/// zero.
#[derive(Debug)]
pub struct AudioStream {
    codec: Codec,
    remuxer: Remuxer,
    /// The beginning of a frame, or of a tag.
    held: Vec<u8>,
    /// Bytes that were no part of a frame.
    skipped: u64,
}

impl AudioStream {
    /// A stream of frames of `codec`.
    pub fn new(codec: Codec) -> Self {
        Self { codec, remuxer: Remuxer::new(), held: Vec::new(), skipped: 0 }
    }

    /// Takes bytes, and gives the packets of all frames that are complete.
    pub fn push(&mut self, bytes: &[u8]) -> &[u8] {
        self.remuxer.clear(1 << 16);
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(unit) = self.next_unit(at) {
            match unit {
                Unit::Frames(end) => {
                    // Whole frames of the codec that was found: nothing about them can be wrong.
                    let pushed = self.remuxer.push(Rendition::Main, &self.held[at..end]);
                    debug_assert!(pushed.is_ok(), "{pushed:?}");
                    at = end;
                }
                Unit::Other(end) => {
                    self.skipped += (end - at) as u64;
                    at = end;
                }
            }
        }
        self.held.drain(..at);
        self.remuxer.output()
    }

    /// Bytes so far that were no part of a frame: tags, and damage.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// What comes at `at`; `None` until more bytes have come.
    fn next_unit(&self, at: usize) -> Option<Unit> {
        let rest = &self.held[at..];
        let mut length = 0;
        while let Some((next, _)) = access_unit(self.codec, &rest[length..]) {
            length += next;
        }
        if length > 0 {
            return Some(Unit::Frames(at + length));
        }
        if rest.len() < id3::HEADER {
            return None;
        }
        let is_full = rest.len() > MAX_HELD;
        if id3::is_tag(rest) {
            // A tag that reaches to the end of what is there may go on.
            let length = id3::length(rest);
            return (length < rest.len() || is_full).then_some(Unit::Other(at + length));
        }
        if AudioFrame::parse(self.codec, rest).is_some_and(|frame| frame.length > rest.len()) {
            return None;
        }
        let is_beginning = |rest: &[u8]| id3::is_tag(rest) || sniff::packed_audio(rest) == Some(self.codec);
        let next = (1..rest.len() - id3::HEADER).find(|&next| is_beginning(&rest[next..]));
        // The last bytes may be the beginning of a header.
        let end = next.unwrap_or(rest.len() - id3::HEADER);
        (end > 0).then_some(Unit::Other(at + end))
    }
}

/// A stretch of what came, by where it ends.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Frames(usize),
    Other(usize),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Pts;
    use crate::ts::packet::{PACKET_SIZE, Packet};
    use crate::ts::pes::Header;

    /// AAC at 48 kHz in stereo, ten bytes a frame.
    const AAC: [u8; 10] = [0xFF, 0xF1, 0x4C, 0x80, 0x01, 0x5F, 0xFC, 0x21, 0x25, 0x00];

    /// The times of the frames that come out, in ticks since the first; and what was passed over.
    fn play(bytes: &[u8], size: usize) -> (Vec<i64>, u64) {
        let mut stream = AudioStream::new(Codec::Aac);
        let mut times: Vec<Pts> = Vec::new();
        for piece in bytes.chunks(size) {
            let (packets, rest) = stream.push(piece).as_chunks::<PACKET_SIZE>();
            assert!(rest.is_empty());
            let units = packets.iter().map(Packet::new).filter(|packet| packet.starts_unit());
            times.extend(units.filter_map(|packet| Header::parse(packet.payload()?)?.pts));
        }
        (times.iter().map(|time| time.since(times[0])).collect(), stream.skipped())
    }

    fn steps(count: i64) -> Vec<i64> {
        (0..count).map(|frame| 1920 * frame).collect()
    }

    #[test]
    fn frames_pass_however_they_are_cut() {
        for size in [1, 3, 10, 64, 1000] {
            assert_eq!(play(&AAC.repeat(50), size), (steps(50), 0), "in pieces of {size}");
        }
    }

    #[test]
    fn tags_and_damage_are_passed_over() {
        let tag = [&b"ID3\x04\0\0\0\0\0\x0A"[..], &[0xFF; 10]].concat();
        let bytes = [tag, AAC.repeat(3), vec![0; 33], AAC.repeat(4), vec![0; 20]].concat();
        for size in [1, 7, 200] {
            let (times, skipped) = play(&bytes, size);
            assert_eq!(times, steps(7), "in pieces of {size}");
            assert!((53..=73).contains(&skipped), "{skipped} bytes passed over");
        }
    }

    #[test]
    fn the_first_frame_is_found_in_the_middle_of_one() {
        let bytes = [&AAC[4..], &AAC.repeat(4)].concat();
        assert_eq!(find_frames(&bytes), Some((6, Codec::Aac)));
        assert_eq!(find_frames(&[0x47; 2000]), None);
        assert_eq!(find_frames(b"<html>not found</html>"), None);
    }

    #[test]
    fn no_more_is_held_than_a_tag() {
        let mut stream = AudioStream::new(Codec::Aac);
        stream.push(b"ID3\x04\0\0\x7F\x7F\x7F\x7F");
        for _ in 0..300 {
            stream.push(&[0; 8192]);
            assert!(stream.held.len() <= MAX_HELD + 8192);
        }
    }
}
