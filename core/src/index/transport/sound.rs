//! Frames of sound in PES packets, which may begin in one and end in the next.

use crate::remux::access_unit;
use crate::time::Pts;
use crate::ts::codec_headers::AudioFrame;
use crate::ts::stream::Codec;

/// Bytes without a whole frame that are held: several times the longest frame.
const MAX_HELD: usize = 64 * 1024;

/// Puts the frames of a stream together.
#[derive(Debug)]
pub(super) struct Frames {
    codec: Codec,
    /// The beginning of a frame that goes on in the next PES packet.
    held: Vec<u8>,
    /// When the frame that comes next is shown.
    next: Option<Pts>,
    /// Samples since that time was told, at this rate.
    since: (u64, u32),
}

/// A whole frame.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) shown: Pts,
    /// As MP4 has it: of AAC without its header.
    pub(super) content: &'a [u8],
}

impl Frames {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, held: Vec::new(), next: None, since: (0, 1) }
    }

    /// Takes the content of a PES packet, and gives the frames that end in it.
    pub(super) fn push(&mut self, pts: Option<Pts>, content: &[u8], mut take: impl FnMut(Frame<'_>)) {
        // The time of a PES packet is that of the first frame that begins in it.
        let begins = self.held.len();
        let mut told = pts;
        self.held.extend_from_slice(content);
        let bytes = std::mem::take(&mut self.held);
        let mut at = 0;
        loop {
            if at >= begins
                && let Some(pts) = told.take()
            {
                (self.next, self.since) = (Some(pts), (0, 1));
            }
            let Some((length, frame)) = access_unit(self.codec, &bytes[at..]) else {
                // Too little for a frame, or none begins here.
                if AudioFrame::parse(self.codec, &bytes[at..]).is_none() && at + 16 <= bytes.len() {
                    at += 1;
                    continue;
                }
                break;
            };
            if let Some(shown) = self.advance(&frame) {
                let header = header(self.codec, &bytes[at..]).min(length);
                take(Frame { shown, content: &bytes[at + header..at + length] });
            }
            at += length;
        }
        self.held = bytes[at..].to_vec();
        if self.held.len() > MAX_HELD {
            self.held.clear();
        }
        // It was told of a frame that has not begun.
        if let Some(pts) = told {
            (self.next, self.since) = (Some(pts), (0, 1));
        }
    }

    /// When a frame is shown, behind those before.
    fn advance(&mut self, frame: &AudioFrame) -> Option<Pts> {
        let base = self.next?;
        let rate = frame.format.sample_rate.max(1);
        if self.since.1 != rate {
            self.since = (0, rate);
        }
        let ticks = self.since.0 * 90_000 / u64::from(rate);
        self.since.0 += u64::from(frame.samples);
        Some(base.shifted(i64::try_from(ticks).unwrap_or(0)))
    }
}

/// Bytes of the header that MP4 does not have.
fn header(codec: Codec, frame: &[u8]) -> usize {
    match (codec, frame) {
        // With a checksum, it is longer.
        (Codec::Aac, [_, second, ..]) => {
            if second & 1 == 1 {
                7
            } else {
                9
            }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AAC at 48 kHz in stereo, ten bytes a frame.
    const FRAME: [u8; 10] = [0xFF, 0xF1, 0x4C, 0x80, 0x01, 0x5F, 0xFC, 0x21, 0x25, 0x00];

    #[test]
    fn frames_go_on_in_the_next_packet() {
        let stream = FRAME.repeat(40);
        for size in [1, 7, 10, 33, 400] {
            let (mut frames, mut found) = (Frames::new(Codec::Aac), Vec::new());
            for (at, piece) in stream.chunks(size).enumerate() {
                // The first frame that begins in the piece.
                let first = (at * size).div_ceil(FRAME.len());
                let begins_here = first * FRAME.len() < at * size + piece.len();
                let pts = begins_here.then(|| Pts::new(first as u64 * 1920));
                frames.push(pts, piece, |frame| found.push((frame.shown.ticks(), frame.content.to_vec())));
            }
            let expected: Vec<_> = (0..40).map(|at| (at * 1920, FRAME[7..].to_vec())).collect();
            // Hold bytes that are too few for a search.
            assert_eq!(found, expected[..found.len()], "pieces of {size}");
            assert!(found.len() >= 38, "{} in pieces of {size}", found.len());
        }
    }

    #[test]
    fn what_is_no_frame_is_passed_over() {
        let (mut frames, mut found) = (Frames::new(Codec::Aac), 0);
        let content = [&[1; 40][..], &FRAME.repeat(3), &[0; 30], &FRAME.repeat(2)].concat();
        frames.push(Some(Pts::new(0)), &content, |_| found += 1);
        assert_eq!(found, 5);
    }
}
