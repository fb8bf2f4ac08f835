//! Random access points, found in the elementary stream.
//!
//! `random_access_indicator` is only a hint: many encoders never set it, and some set it wrongly.
//! So the beginning of every video PES packet is read up to its first coded slice: H.264 (ITU-T
//! H.264, 7.3), HEVC (ITU-T H.265, 7.3) and MPEG-2 video (ISO/IEC 13818-2, 6.2). Broadcast H.264
//! often has no IDR at all; there an I slice behind its parameter sets serves.

use super::bits::Bits;
use super::stream::Codec;

/// Why a decoder can start here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RandomAccess {
    /// H.264 IDR, or HEVC IDR or BLA: nothing after it needs anything before it.
    Idr,
    /// H.264 I slice with parameter sets, HEVC CRA, MPEG-2 I picture: pictures shown before it may
    /// need what came earlier.
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
    /// A further slice of the picture before: some multiplexers give each slice a PES packet.
    Continuation,
    /// A decoder can start here.
    RandomAccess(RandomAccess),
    /// Parameter sets and a recovery point: the pictures become right after a while (intra
    /// refresh).
    Refresh,
    /// Parameter sets, but the picture needs earlier ones.
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
    /// Set once anything has come that stands in front of a picture's first slice: a delimiter,
    /// parameter sets, a message.
    prefix: Option<Prefix>,
}

/// What came in front of a picture's first slice.
#[derive(Debug, Clone, Copy, Default)]
struct Prefix {
    has_sps: bool,
    has_pps: bool,
    has_recovery_point: bool,
}

/// The NAL unit or start code that is being read.
#[derive(Debug, Clone)]
enum Unit {
    /// Before the first, or in one that says nothing.
    Passing,
    /// A start code came; its header is next.
    Header,
    /// A slice with this first byte of its header, or an MPEG-2 picture with this start code, and
    /// the bytes behind: enough for the type of the picture, and for its first slice to be known.
    Slice { kind: u8, bytes: [u8; 8], length: usize },
    /// Supplemental enhancement information (H.264 and HEVC, 7.3.2.3.1): messages in a row.
    Messages(Message),
}

/// Where in a message of supplemental enhancement information it is read.
#[derive(Debug, Clone)]
enum Message {
    /// Its type, of which so much has been read.
    Type(u32),
    /// Its size, of which so much has been read.
    Size { kind: u32, size: u32 },
    /// Bytes that are passed over.
    Body { left: u32 },
}

/// The message that says that decoding may begin here (H.264, D.1.8; HEVC, D.2.8).
const RECOVERY_POINT: u32 = 6;

/// What the header of a slice says.
#[derive(Debug, Clone, Copy)]
struct Slice {
    /// It is the first of its picture, as far as it says so itself.
    is_first: bool,
    /// What makes its picture a random access point, if parameter sets stand in front of it.
    entry: Option<RandomAccess>,
}

impl Scan {
    /// A scan of one PES packet; `hinted` is its first packet's `random_access_indicator`.
    pub fn new(codec: Codec, hinted: bool) -> Self {
        let verdict = match codec {
            Codec::H264 | Codec::Hevc | Codec::Mpeg1Video | Codec::Mpeg2Video => Verdict::Undecided,
            _ if hinted => Verdict::RandomAccess(RandomAccess::Hint),
            _ => Verdict::Ordinary,
        };
        Self { codec, verdict, zeros: 0, unit: Unit::Passing, prefix: None }
    }

    /// What is known so far.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether the beginning of a picture has come, and none of its slices.
    pub fn is_prefix(&self) -> bool {
        self.prefix.is_some() && self.verdict == Verdict::Undecided
    }

    /// Reads on; bytes after the verdict are not looked at.
    pub fn push(&mut self, bytes: &[u8]) -> Verdict {
        for &byte in bytes {
            // A large picture is read no further than to its first slice.
            if self.verdict != Verdict::Undecided {
                break;
            }
            let zeros = self.zeros;
            self.zeros = if byte == 0 { zeros + 1 } else { 0 };
            // More zeros may stand in front of a start code (Annex B).
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
            Unit::Messages(message) => {
                let prefix = self.prefix.get_or_insert_default();
                prefix.has_recovery_point |= message.advance(byte) == Some(RECOVERY_POINT);
            }
            Unit::Slice { kind, bytes, length } => {
                bytes[*length] = byte;
                *length += 1;
                let seen = &bytes[..*length];
                let slice = match self.codec {
                    Codec::H264 => h264_slice(*kind, seen),
                    Codec::Hevc => hevc_slice(*kind, seen),
                    _ => mpeg2_picture(seen),
                };
                match slice {
                    Some(slice) => self.decide(slice),
                    // No header of a slice is so long: what it is cannot be told.
                    None if *length == bytes.len() => self.verdict = Verdict::Ordinary,
                    None => {}
                }
            }
        }
    }

    fn handle_h264_header(&mut self, byte: u8) {
        match byte & 0x1F {
            1 | 2 | 5 => self.begin_slice(byte),
            kind @ (6..=9 | 14..=18) => {
                let prefix = self.prefix.get_or_insert_default();
                prefix.has_sps |= kind == 7;
                prefix.has_pps |= kind == 8;
                if kind == 6 {
                    self.unit = Unit::Messages(Message::Type(0));
                }
            }
            _ => {}
        }
    }

    fn handle_hevc_header(&mut self, byte: u8) {
        match byte >> 1 & 0x3F {
            0..=23 => self.begin_slice(byte),
            kind @ (32..=35 | 39 | 41..=44 | 48..=55) => {
                let prefix = self.prefix.get_or_insert_default();
                prefix.has_sps |= kind == 33;
                prefix.has_pps |= kind == 34;
                if kind == 39 {
                    // The second byte of the header comes first.
                    self.unit = Unit::Messages(Message::Body { left: 1 });
                }
            }
            _ => {}
        }
    }

    fn handle_mpeg2_code(&mut self, code: u8) {
        match code {
            0x00 => self.begin_slice(code),
            // A slice without the header of a picture in front of it.
            0x01..=0xAF => self.verdict = Verdict::Continuation,
            // A sequence header is MPEG-2's one parameter set.
            0xB3 => {
                self.prefix = Some(Prefix { has_sps: true, has_pps: true, has_recovery_point: false });
            }
            0xB8 => {
                // A group header alone is no parameter set, but stands in front of a picture.
                self.prefix.get_or_insert_default();
            }
            _ => {}
        }
    }

    fn begin_slice(&mut self, kind: u8) {
        self.unit = Unit::Slice { kind, bytes: [0; 8], length: 0 };
    }

    /// The first slice is here: it is an entry only with the parameter sets in front of it.
    fn decide(&mut self, Slice { is_first, entry }: Slice) {
        let Prefix { has_sps, has_pps, has_recovery_point } = self.prefix.unwrap_or_default();
        self.verdict = match entry {
            _ if !is_first && self.prefix.is_none() => Verdict::Continuation,
            _ if !(has_sps && has_pps) => Verdict::Ordinary,
            Some(entry) => Verdict::RandomAccess(entry),
            None if has_recovery_point => Verdict::Refresh,
            None => Verdict::ParametersOnly,
        };
    }
}

impl Message {
    /// Reads a byte; the type of the message, once it is known. Type and size are so many 255 and a
    /// last byte that is less.
    fn advance(&mut self, byte: u8) -> Option<u32> {
        let more = u32::from(byte);
        let mut found = None;
        *self = match *self {
            Self::Type(kind) if byte == 0xFF => Self::Type(kind.saturating_add(more)),
            Self::Type(kind) => Self::Size { kind: kind.saturating_add(more), size: 0 },
            Self::Size { kind, size } if byte == 0xFF => Self::Size { kind, size: size.saturating_add(more) },
            Self::Size { kind, size } => {
                found = Some(kind);
                Self::behind(size.saturating_add(more))
            }
            Self::Body { left } => Self::behind(left - 1),
        };
        found
    }

    /// What is read when so many bytes of the body are left.
    fn behind(left: u32) -> Self {
        if left == 0 { Self::Type(0) } else { Self::Body { left } }
    }
}

/// An H.264 slice with this NAL header, from the bytes behind that: `first_mb_in_slice` and
/// `slice_type`, both Exp-Golomb coded (7.3.3). `None` when more bytes are needed.
fn h264_slice(header: u8, bytes: &[u8]) -> Option<Slice> {
    let mut bits = Bits::new(bytes);
    let is_first = bits.exp_golomb()? == 0;
    if header & 0x1F == 5 {
        return Some(Slice { is_first, entry: Some(RandomAccess::Idr) });
    }
    let is_intra = matches!(bits.exp_golomb()? % 5, 2 | 4); // I or SI
    Some(Slice { is_first, entry: is_intra.then_some(RandomAccess::OpenGop) })
}

/// An HEVC slice segment with this first byte of its NAL header, from the bytes behind that: the
/// header's second byte, and `first_slice_segment_in_pic_flag` (7.3.6.1).
fn hevc_slice(header: u8, bytes: &[u8]) -> Option<Slice> {
    let is_first = bytes.get(1)? & 0x80 != 0;
    let entry = match header >> 1 & 0x3F {
        16..=20 => Some(RandomAccess::Idr),
        21..=23 => Some(RandomAccess::OpenGop),
        _ => None,
    };
    Some(Slice { is_first, entry })
}

/// The header of an MPEG-2 picture: `picture_coding_type`, behind 10 bits of `temporal_reference`
/// (6.2.3).
fn mpeg2_picture(bytes: &[u8]) -> Option<Slice> {
    let is_intra = bytes.get(1)? >> 3 & 7 == 1;
    Some(Slice { is_first: true, entry: is_intra.then_some(RandomAccess::OpenGop) })
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
        // `first_mb` 0 (1), `slice_type` 7 (0001000)
        let i_slice: &[u8] = &[0, 0, 1, 0x41, 0b1000_1000];
        let p_slice: &[u8] = &[0, 0, 1, 0x41, 0b1001_1000]; // first_mb 0 (1), slice_type 5 (00110)
        assert_eq!(h264(&[AUD, SPS, PPS, SEI, idr]), Verdict::RandomAccess(RandomAccess::Idr));
        assert_eq!(h264(&[AUD, SPS, PPS, SEI, i_slice]), Verdict::RandomAccess(RandomAccess::OpenGop));
        assert_eq!(h264(&[AUD, SPS, PPS, SEI, p_slice]), Verdict::ParametersOnly);
        // As x264 writes it with intra refresh, behind another message and in front of one.
        let refresh: &[u8] = &[0, 0, 1, 6, 5, 3, 1, 2, 3, 6, 1, 0xC4, 1, 1, 0x80, 0x80];
        assert_eq!(h264(&[AUD, SPS, PPS, refresh, p_slice]), Verdict::Refresh);
        let long: &[u8] = &[&[0, 0, 1, 6, 5, 0xFF, 1][..], &[6; 256], &[0x80]].concat();
        assert_eq!(h264(&[AUD, SPS, PPS, long, p_slice]), Verdict::ParametersOnly);
        assert_eq!(h264(&[AUD, SEI, p_slice]), Verdict::Ordinary);
        assert_eq!(h264(&[AUD, SPS, idr]), Verdict::Ordinary);
        assert_eq!(h264(&[AUD, i_slice]), Verdict::Ordinary);
        assert_eq!(h264(&[AUD, SPS, PPS, SEI]), Verdict::Undecided);
        // As the second slice of a picture is: first_mb 1 (010).
        let (idr_slice, slice): (&[u8], &[u8]) = (&[0, 0, 1, 0x65, 0x58], &[0, 0, 1, 0x41, 0b0100_1100]);
        assert_eq!([h264(&[idr_slice]), h264(&[slice])], [Verdict::Continuation; 2]);
        assert_eq!(
            h264(&[SPS, PPS, idr_slice]),
            Verdict::RandomAccess(RandomAccess::Idr),
            "its first slice is lost"
        );
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
        assert_eq!(hevc(&[&sets, &unit(19)]), Verdict::RandomAccess(RandomAccess::Idr));
        assert_eq!(hevc(&[&sets, &unit(39), &unit(21)]), Verdict::RandomAccess(RandomAccess::OpenGop));
        assert_eq!(hevc(&[&sets, &unit(1)]), Verdict::ParametersOnly);
        assert_eq!(hevc(&[&sets, &[0, 0, 1, 39 << 1, 1, 6, 1, 0x80], &unit(1)]), Verdict::Refresh);
        assert_eq!(hevc(&[&unit(35), &unit(1)]), Verdict::Ordinary);
        assert_eq!(hevc(&[&unit(35), &unit(19)]), Verdict::Ordinary);
        assert_eq!(hevc(&[&[0, 0, 1, 19 << 1, 1, 0x2F]]), Verdict::Continuation);
    }

    #[test]
    fn mpeg2_points() {
        let mpeg2 = |parts: &[&[u8]]| verdict(Codec::Mpeg2Video, parts);
        let sequence: &[u8] = &[0, 0, 1, 0xB3, 0x2D, 0x02, 0x40];
        let group: &[u8] = &[0, 0, 1, 0xB8, 0, 8, 0, 0];
        let picture = |kind: u8| [0, 0, 1, 0, 0, kind << 3, 0xFF];
        assert_eq!(mpeg2(&[sequence, group, &picture(1)]), Verdict::RandomAccess(RandomAccess::OpenGop));
        assert_eq!(mpeg2(&[&picture(2)]), Verdict::Ordinary);
        assert_eq!(mpeg2(&[&picture(1)]), Verdict::Ordinary);
        assert_eq!(mpeg2(&[sequence, &picture(2)]), Verdict::ParametersOnly);
        assert_eq!(mpeg2(&[&[0, 0, 1, 7, 0x2B, 0x80]]), Verdict::Continuation);
    }

    #[test]
    fn what_stands_in_front_of_a_picture_is_told_from_what_stands_behind_one() {
        let is_prefix = |codec, bytes: &[u8]| {
            let mut scan = Scan::new(codec, false);
            scan.push(bytes);
            scan.is_prefix()
        };
        for prefix in [AUD, SPS, PPS, SEI] {
            assert!(is_prefix(Codec::H264, prefix));
        }
        let (end_of_sequence, filler): (&[u8], &[u8]) = (&[0, 0, 1, 10], &[0, 0, 1, 12, 0xFF]);
        for other in [end_of_sequence, filler, &[0xA5; 20], &[0, 0, 1, 0x41, 0x9A]] {
            assert!(!is_prefix(Codec::H264, other), "{other:?}");
        }
        assert!(
            is_prefix(Codec::Hevc, &[0, 0, 1, 39 << 1, 1]) && !is_prefix(Codec::Hevc, &[0, 0, 1, 40 << 1, 1])
        );
        assert!(
            is_prefix(Codec::Mpeg2Video, &[0, 0, 1, 0xB8, 0])
                && !is_prefix(Codec::Mpeg2Video, &[0, 0, 1, 0xB5])
        );
    }

    #[test]
    fn other_codecs_go_by_the_hint() {
        assert_eq!(
            Scan::new(Codec::OtherVideo(0xEA), true).push(&[1, 2]),
            Verdict::RandomAccess(RandomAccess::Hint)
        );
        assert_eq!(Scan::new(Codec::OtherVideo(0xEA), false).push(&[1, 2]), Verdict::Ordinary);
    }
}
