//! Random access points, found in the elementary stream.
//!
//! `random_access_indicator` is only a hint: many encoders never set it, and some set it wrongly. So the beginning of every
//! video PES packet is read up to its first coded slice: H.264 (ITU-T H.264, 7.3), HEVC (ITU-T H.265, 7.3) and MPEG-2
//! video (ISO/IEC 13818-2, 6.2). Broadcast H.264 often has no IDR at all; there an I slice behind its parameter sets serves.

use super::bits::Bits;
use super::stream::Codec;

/// Why a decoder can start here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// H.264 IDR, or HEVC IDR or BLA: nothing after it needs anything before it.
    Idr,
    /// H.264 I slice with parameter sets, HEVC CRA, MPEG-2 I picture: pictures shown before it may need what came earlier.
    OpenGop,
    /// A codec that is not looked into; the packet says so itself.
    Hint,
    /// A sound-only channel: any PES start.
    Audio,
    /// No better point came for long: parameter sets only, or not even those.
    Blind,
}

/// What is known of a PES packet so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The first slice has not been seen.
    Undecided,
    /// A decoder can start here.
    Entry(Entry),
    /// Parameter sets, but the picture needs earlier ones: the next best (intra refresh).
    ParametersOnly,
    /// An ordinary picture.
    Ordinary,
}

/// Reads one PES packet's elementary stream from its beginning, in pieces of any size.
#[derive(Debug, Clone)]
pub struct Scan {
    codec: Codec,
    verdict: Verdict,
    /// Zero bytes in a row, up to here.
    zeros: u32,
    unit: Unit,
    has_sps: bool,
    has_pps: bool,
}

/// The NAL unit or start code that is being read.
#[derive(Debug, Clone)]
enum Unit {
    /// Before the first, or in one that says nothing.
    Passing,
    /// A start code came; its header is next.
    Header,
    /// Bytes after an H.264 slice header's first, or MPEG-2 picture start code's: enough for the picture type.
    Picture { bytes: [u8; 8], length: usize },
}

impl Scan {
    /// A scan of one PES packet; `hinted` is its first packet's `random_access_indicator`.
    pub fn new(codec: Codec, hinted: bool) -> Self {
        let verdict = match codec {
            Codec::H264 | Codec::Hevc | Codec::Mpeg1Video | Codec::Mpeg2Video => Verdict::Undecided,
            _ if hinted => Verdict::Entry(Entry::Hint),
            _ => Verdict::Ordinary,
        };
        Self { codec, verdict, zeros: 0, unit: Unit::Passing, has_sps: false, has_pps: false }
    }

    /// What is known so far.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Reads on; bytes after the verdict are not looked at.
    pub fn push(&mut self, bytes: &[u8]) -> Verdict {
        for &byte in bytes {
            if self.verdict != Verdict::Undecided {
                break;
            }
            let zeros = self.zeros;
            self.zeros = if byte == 0 { zeros + 1 } else { 0 };
            if zeros >= 2 && byte == 1 {
                self.unit = Unit::Header;
            } else if zeros >= 2 && byte == 3 && self.has_emulation_prevention() {
                // An escape byte, no part of the content.
            } else {
                self.handle_byte(byte);
            }
        }
        self.verdict
    }

    fn has_emulation_prevention(&self) -> bool {
        matches!(self.codec, Codec::H264 | Codec::Hevc)
    }

    fn handle_byte(&mut self, byte: u8) {
        match &mut self.unit {
            Unit::Passing => {}
            Unit::Header => {
                self.unit = Unit::Passing;
                match self.codec {
                    Codec::H264 => self.handle_h264_header(byte),
                    Codec::Hevc => self.handle_hevc_header(byte),
                    _ => self.handle_mpeg2_code(byte),
                }
            }
            Unit::Picture { bytes, length } => {
                bytes[*length] = byte;
                *length += 1;
                let seen = &bytes[..*length];
                let is_intra =
                    if self.codec == Codec::H264 { h264_is_intra(seen) } else { mpeg2_is_intra(seen) };
                match is_intra {
                    Some(is_intra) => self.decide(is_intra.then_some(Entry::OpenGop)),
                    None if *length == bytes.len() => self.verdict = Verdict::Ordinary,
                    None => {}
                }
            }
        }
    }

    fn handle_h264_header(&mut self, byte: u8) {
        match byte & 0x1F {
            1 | 2 => self.unit = Unit::Picture { bytes: [0; 8], length: 0 },
            5 => self.decide(Some(Entry::Idr)),
            7 => self.has_sps = true,
            8 => self.has_pps = true,
            _ => {}
        }
    }

    fn handle_hevc_header(&mut self, byte: u8) {
        match byte >> 1 & 0x3F {
            16..=20 => self.decide(Some(Entry::Idr)),
            21..=23 => self.decide(Some(Entry::OpenGop)),
            0..=15 => self.decide(None),
            33 => self.has_sps = true,
            34 => self.has_pps = true,
            _ => {}
        }
    }

    fn handle_mpeg2_code(&mut self, code: u8) {
        match code {
            0x00 => self.unit = Unit::Picture { bytes: [0; 8], length: 0 },
            // A sequence header is MPEG-2's one parameter set.
            0xB3 => (self.has_sps, self.has_pps) = (true, true),
            _ => {}
        }
    }

    /// The first slice is here: it is an entry only with the parameter sets in front of it.
    fn decide(&mut self, entry: Option<Entry>) {
        self.verdict = match entry {
            _ if !(self.has_sps && self.has_pps) => Verdict::Ordinary,
            Some(entry) => Verdict::Entry(entry),
            None => Verdict::ParametersOnly,
        };
    }
}

/// Whether an H.264 slice is an I or SI slice, from the bytes behind its NAL header: `first_mb_in_slice` and `slice_type`,
/// both Exp-Golomb coded (7.3.3). `None` when more bytes are needed.
fn h264_is_intra(bytes: &[u8]) -> Option<bool> {
    let mut bits = Bits::new(bytes);
    bits.exp_golomb()?;
    let slice_type = bits.exp_golomb()?;
    Some(matches!(slice_type % 5, 2 | 4))
}

/// Whether an MPEG-2 picture is an I picture: `picture_coding_type`, behind 10 bits of `temporal_reference` (6.2.3).
fn mpeg2_is_intra(bytes: &[u8]) -> Option<bool> {
    bytes.get(1).map(|byte| byte >> 3 & 7 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 0x42, 0, 0, 3, 0x1E, 0xAB];
    const PPS: &[u8] = &[0, 0, 1, 0x68, 0xCE];
    const AUD: &[u8] = &[0, 0, 0, 1, 9, 0xF0];
    const SEI: &[u8] = &[0, 0, 1, 6, 5, 3, 1, 2, 3, 0x80];

    /// The verdict, and that it is the same however the bytes are cut.
    fn verdict(codec: Codec, parts: &[&[u8]]) -> Verdict {
        let bytes = parts.concat();
        let whole = Scan::new(codec, false).push(&bytes);
        for size in [1, 2, 3, 7] {
            let mut scan = Scan::new(codec, false);
            bytes.chunks(size).for_each(|piece| {
                scan.push(piece);
            });
            assert_eq!(scan.verdict(), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn h264_points() {
        let h264 = |parts: &[&[u8]]| verdict(Codec::H264, parts);
        let idr: &[u8] = &[0, 0, 1, 0x65, 0x88];
        let i_slice: &[u8] = &[0, 0, 1, 0x41, 0b1000_1000]; // first_mb 0 (1), slice_type 7 (0001000)
        let p_slice: &[u8] = &[0, 0, 1, 0x41, 0b1001_1000]; // first_mb 0 (1), slice_type 5 (00110)
        assert_eq!(h264(&[AUD, SPS, PPS, SEI, idr]), Verdict::Entry(Entry::Idr));
        assert_eq!(h264(&[AUD, SPS, PPS, SEI, i_slice]), Verdict::Entry(Entry::OpenGop));
        assert_eq!(h264(&[AUD, SPS, PPS, SEI, p_slice]), Verdict::ParametersOnly);
        assert_eq!(h264(&[AUD, SEI, p_slice]), Verdict::Ordinary);
        assert_eq!(h264(&[AUD, SPS, idr]), Verdict::Ordinary);
        assert_eq!(h264(&[AUD, i_slice]), Verdict::Ordinary);
        assert_eq!(h264(&[AUD, SPS, PPS, SEI]), Verdict::Undecided);
        assert_eq!(
            h264(&[AUD, SPS, PPS, &[0, 0, 1, 0x41, 0, 0, 3, 0, 0, 3, 0, 0, 3, 0, 0, 3, 0, 0]]),
            Verdict::Ordinary
        );
    }

    #[test]
    fn hevc_points() {
        let hevc = |parts: &[&[u8]]| verdict(Codec::Hevc, parts);
        let unit = |kind: u8| [0, 0, 1, kind << 1, 1, 0xAF];
        let sets = [unit(32), unit(33), unit(34)].concat();
        assert_eq!(hevc(&[&sets, &unit(19)]), Verdict::Entry(Entry::Idr));
        assert_eq!(hevc(&[&sets, &unit(39), &unit(21)]), Verdict::Entry(Entry::OpenGop));
        assert_eq!(hevc(&[&sets, &unit(1)]), Verdict::ParametersOnly);
        assert_eq!(hevc(&[&unit(35), &unit(1)]), Verdict::Ordinary);
        assert_eq!(hevc(&[&unit(35), &unit(19)]), Verdict::Ordinary);
    }

    #[test]
    fn mpeg2_points() {
        let mpeg2 = |parts: &[&[u8]]| verdict(Codec::Mpeg2Video, parts);
        let sequence: &[u8] = &[0, 0, 1, 0xB3, 0x2D, 0x02, 0x40];
        let group: &[u8] = &[0, 0, 1, 0xB8, 0, 8, 0, 0];
        let picture = |kind: u8| [0, 0, 1, 0, 0, kind << 3, 0xFF];
        assert_eq!(mpeg2(&[sequence, group, &picture(1)]), Verdict::Entry(Entry::OpenGop));
        assert_eq!(mpeg2(&[&picture(2)]), Verdict::Ordinary);
        assert_eq!(mpeg2(&[&picture(1)]), Verdict::Ordinary);
        assert_eq!(mpeg2(&[sequence, &picture(2)]), Verdict::ParametersOnly);
    }

    #[test]
    fn other_codecs_go_by_the_hint() {
        assert_eq!(Scan::new(Codec::OtherVideo(0xEA), true).push(&[1, 2]), Verdict::Entry(Entry::Hint));
        assert_eq!(Scan::new(Codec::OtherVideo(0xEA), false).push(&[1, 2]), Verdict::Ordinary);
    }
}
