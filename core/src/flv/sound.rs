//! Sound: AAC frames without their ADTS headers, behind the header of an audio tag; and silence.

use crate::ts::codec_headers::AudioFrame;
use crate::ts::stream::Codec;

/// AAC, and what the rest of the byte says of all AAC: 44 kHz, 16 bits, stereo (Annex E, E.4.2.1).
const AAC: u8 = 0xAF;

/// A frame of an ADTS stream that goes on in the next PES packet: the longest is 8191 bytes.
const MAX_HELD: usize = 8191;

/// The configuration of the silence: AAC-LC, 48 kHz, stereo.
const SILENCE_CONFIGURATION: [u8; 2] = [0x11, 0x90];

/// A frame of silence with that configuration, as ffmpeg's encoder writes it.
const SILENCE: [u8; 6] = [0x21, 0x10, 0x04, 0x60, 0x8C, 0x1C];

/// Ticks of 90 kHz from one frame of silence to the next: 1024 samples at 48 kHz.
const SILENCE_FRAME: i64 = 1920;

/// A pause of the pictures that silence does not fill, in ticks of 90 kHz: 5 s.
const LONG_PAUSE: i64 = 5 * 90_000;

/// What the header of a frame says that belongs into a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Configuration {
    kind: u8,
    rate_index: u8,
    pub(super) channels: u8,
    pub(super) rate: u32,
}

impl Configuration {
    /// Of an ADTS header (ISO/IEC 14496-3, 1.A.2.2.1) of a frame with this rate.
    fn of(frame: &[u8], rate: u32) -> Option<Self> {
        let &[_, _, third, fourth, ..] = frame else { return None };
        Some(Self {
            kind: (third >> 6) + 1,
            rate_index: third >> 2 & 0xF,
            channels: (third & 1) << 2 | fourth >> 6,
            rate,
        })
    }

    /// The body of the header's tag: an `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1).
    pub(super) fn header(self) -> Vec<u8> {
        let bits =
            u16::from(self.kind) << 11 | u16::from(self.rate_index) << 7 | u16::from(self.channels) << 3;
        let [high, low] = bits.to_be_bytes();
        vec![AAC, 0, high, low]
    }
}

/// A frame of sound.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// When it is played, in ticks of 90 kHz.
    pub(super) time: i64,
    pub(super) configuration: Configuration,
    pub(super) content: &'a [u8],
}

/// Finds frames of AAC in what PES packets hold.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a frame that goes on.
    held: Vec<u8>,
    /// Where on the timeline the held frame is.
    held_at: Option<i64>,
}

impl Frames {
    /// Takes the content of a PES packet, in which the first frame that begins is played at `time`.
    pub(super) fn push(&mut self, time: Option<i64>, content: &[u8], mut take: impl FnMut(Frame<'_>)) {
        let begun = self.held.len();
        // A held frame has its time from the packet in which it began.
        let (mut at_held, mut origin) = (self.held_at.filter(|_| begun > 0), time);
        self.held.extend_from_slice(content);
        let (mut at, mut samples) = (0, 0_i64);
        while let Some(rest) = self.held.get(at..).filter(|rest| rest.len() >= 7) {
            let parsed = AudioFrame::parse(Codec::Aac, rest);
            let parsed = parsed.filter(|frame| frame.length > header_length(rest));
            let Some(frame) = parsed else {
                at += 1;
                continue;
            };
            let Some(whole) = rest.get(..frame.length) else { break };
            let rate = frame.format.sample_rate;
            let now = if let Some(held) = at_held.take() {
                Some(held)
            } else {
                // Counted in samples from the stamp: frames are no whole number of ticks.
                let now = origin.map(|origin| origin + samples * 90_000 / i64::from(rate));
                samples += i64::from(frame.samples);
                now
            };
            // Without a stamp, what follows a held frame follows it by its length.
            if origin.is_none() {
                origin = now.map(|now| now + i64::from(frame.samples) * 90_000 / i64::from(rate));
                samples = 0;
            }
            if let (Some(time), Some(configuration)) = (now, Configuration::of(whole, rate)) {
                take(Frame { time, configuration, content: &whole[header_length(whole)..] });
            }
            at += frame.length;
        }
        let rate = AudioFrame::parse(Codec::Aac, self.held.get(at..).unwrap_or_default());
        let rate = rate.map_or(48_000, |frame| frame.format.sample_rate);
        self.held_at = at_held.or_else(|| origin.map(|origin| origin + samples * 90_000 / i64::from(rate)));
        self.held.drain(..at);
        if self.held.len() > MAX_HELD {
            self.held.clear();
        }
    }
}

/// With a checksum a header is longer.
fn header_length(frame: &[u8]) -> usize {
    if frame.get(1).is_some_and(|second| second & 1 == 1) { 7 } else { 9 }
}

/// The body of a frame's tag.
pub(super) fn body(content: &[u8]) -> Vec<u8> {
    [&[AAC, 1], content].concat()
}

/// Silence beside pictures.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// When the next frame is due, in ticks of 90 kHz.
    next: Option<i64>,
}

impl Silence {
    /// The rate of the silence.
    pub(super) const RATE: u32 = 48_000;

    /// The body of the header's tag.
    pub(super) fn header() -> Vec<u8> {
        [&[AAC, 0], &SILENCE_CONFIGURATION[..]].concat()
    }

    /// The time of the next frame that is due by `time`, in ticks of 90 kHz.
    pub(super) fn next(&mut self, time: i64) -> Option<i64> {
        let next = self.next.filter(|&next| time - next < LONG_PAUSE).unwrap_or(time);
        self.next = Some(if next <= time { next + SILENCE_FRAME } else { next });
        (next <= time).then_some(next)
    }

    /// The body of a frame's tag.
    pub(super) fn body() -> Vec<u8> {
        body(&SILENCE)
    }
}
