//! NAL units of a byte stream (ITU-T H.264 and H.265, Annex B), and the sets that decoders need.

use super::super::layouts::transport::Sets;
use super::super::made;
use crate::ts::bits::Bits;
use crate::ts::codec_headers::VideoFormat;
use crate::ts::stream::Codec;

/// Sets that are kept: films that were put together have a handful.
const MAX_SETS: usize = 32;

/// What a NAL unit is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Which the container says as well.
    Delimiter,
    /// Sets, in the order in which they are written.
    Video,
    Sequence,
    Picture,
    Other,
}

fn kind(codec: Codec, unit: &[u8]) -> Kind {
    let first = unit.first().copied().unwrap_or(0);
    match codec {
        Codec::Hevc => match first >> 1 & 0x3F {
            32 => Kind::Video,
            33 => Kind::Sequence,
            34 => Kind::Picture,
            35 | 38 => Kind::Delimiter,
            _ => Kind::Other,
        },
        _ => match first & 0x1F {
            7 => Kind::Sequence,
            8 => Kind::Picture,
            9 | 12 => Kind::Delimiter,
            _ => Kind::Other,
        },
    }
}

/// The NAL units of a byte stream, without what fills up behind them.
pub(crate) fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(stream).map(|(_, behind)| &stream[behind..]);
    std::iter::from_fn(move || {
        let from = rest?;
        let (unit, next) = match start_code(from) {
            Some((at, behind)) => (&from[..at], Some(&from[behind..])),
            None => (from, None),
        };
        rest = next;
        // Zeros at the end fill up to the next start code and are no part of the unit (B.1.1).
        let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        Some(&unit[..end])
    })
    .filter(|unit| !unit.is_empty())
}

/// Where the first start code begins and ends.
fn start_code(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        // Looks at each third byte: one above 1 is in no start code.
        match *bytes.get(at + 2)? {
            0 => at += 1,
            1 if bytes[at] == 0 && bytes[at + 1] == 0 => return Some((at, at + 3)),
            _ => at += 3,
        }
    }
}

impl Sets {
    /// The sets in an access unit that a decoder can start with.
    pub(crate) fn find(codec: Codec, stream: &[u8]) -> Self {
        let mut sets: Vec<Vec<u8>> = Vec::new();
        let is_set = |unit: &&[u8]| matches!(kind(codec, unit), Kind::Video | Kind::Sequence | Kind::Picture);
        for unit in units(stream).filter(is_set).take(MAX_SETS) {
            // Encoders repeat their sets at each key picture.
            if !sets.iter().any(|set| set == unit) {
                sets.push(unit.to_vec());
            }
        }
        Self(sets)
    }

    fn of(&self, codec: Codec, wanted: Kind) -> Vec<&Vec<u8>> {
        self.0.iter().filter(|set| kind(codec, set) == wanted).collect()
    }

    /// The body of a `stsd` box for pictures with these sets, which are in front of them in
    /// `stream`, and their size.
    pub(super) fn describe(&self, codec: Codec, stream: &[u8]) -> Option<(Vec<u8>, (u32, u32))> {
        let format = VideoFormat::find(codec, stream)?;
        let pixels = (u16::try_from(format.width).ok()?, u16::try_from(format.height).ok()?);
        let body = match codec {
            Codec::H264 => made::visual(*b"avc1", pixels, (1, 1), (*b"avcC", &self.avcc()?)),
            Codec::Hevc => made::visual(*b"hvc1", pixels, (1, 1), (*b"hvcC", &self.hvcc()?)),
            _ => return None,
        };
        Some((body, (format.width, format.height)))
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a decoder needs before the first picture: `avcC` or `hvcC`.
    pub(crate) fn configuration(&self, codec: Codec) -> Option<Vec<u8>> {
        match codec {
            Codec::H264 => self.avcc(),
            Codec::Hevc => self.hvcc(),
            _ => None,
        }
    }

    /// `avcC` (ISO/IEC 14496-15, 5.3.3.1).
    fn avcc(&self) -> Option<Vec<u8>> {
        let (sequences, pictures) =
            (self.of(Codec::H264, Kind::Sequence), self.of(Codec::H264, Kind::Picture));
        let first = sequences.first()?;
        let &[_, profile, constraints, level, ..] = &first[..] else { return None };
        let mut out = vec![1, profile, constraints, level, 0xFF];
        out.push(0xE0 | u8::try_from(sequences.len()).ok()?);
        sequences.iter().try_for_each(|set| write_set(&mut out, set))?;
        out.push(u8::try_from(pictures.len()).ok()?);
        pictures.iter().try_for_each(|set| write_set(&mut out, set))?;
        // Only these profiles have the fields (5.3.3.1.2).
        if matches!(profile, 100 | 110 | 122 | 144) {
            let (chroma, luma_depth, chroma_depth) = high_profile(&first[4..])?;
            out.extend([0xFC | chroma, 0xF8 | luma_depth, 0xF8 | chroma_depth, 0]);
        }
        (!pictures.is_empty()).then_some(out)
    }

    /// `hvcC` (ISO/IEC 14496-15, 8.3.3.1).
    fn hvcc(&self) -> Option<Vec<u8>> {
        let kinds = [(Kind::Video, 32), (Kind::Sequence, 33), (Kind::Picture, 34)];
        let sequences = self.of(Codec::Hevc, Kind::Sequence);
        let content = unescape(sequences.first()?.get(2..)?);
        let mut bits = Bits::new(&content);
        bits.skip(4)?;
        let (layers, is_nested) = (bits.read(3)?, bits.read(1)?);
        // Profile, compatibility, constraints and level lie in the following bytes as they are.
        let general = content.get(1..13)?;
        bits.skip(96)?;
        skip_layers(&mut bits, layers)?;
        bits.exp_golomb()?;
        let chroma = bits.exp_golomb()?;
        if chroma == 3 {
            bits.skip(1)?;
        }
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        if bits.bit()? {
            for _ in 0..4 {
                bits.exp_golomb()?;
            }
        }
        let byte = |value: u32| u8::try_from(value & 7).expect("three bits");
        let (luma_depth, chroma_depth) = (byte(bits.exp_golomb()?), byte(bits.exp_golomb()?));
        let mut out = vec![1];
        out.extend_from_slice(general);
        out.extend([0xF0, 0, 0xFC, 0xFC | byte(chroma & 3), 0xF8 | luma_depth, 0xF8 | chroma_depth, 0, 0]);
        out.push(byte(layers + 1) << 3 | byte(is_nested) << 2 | 3);
        out.push(3);
        for (wanted, number) in kinds {
            let sets = self.of(Codec::Hevc, wanted);
            out.push(0x80 | number);
            out.extend(u16::try_from(sets.len()).ok().filter(|&count| count > 0)?.to_be_bytes());
            sets.iter().try_for_each(|set| write_set(&mut out, set))?;
        }
        Some(out)
    }

    /// Appends an access unit as a sample: each NAL unit behind its length, without delimiters, and
    /// without the sets that are known.
    pub(crate) fn write_sample(&self, codec: Codec, stream: &[u8], out: &mut Vec<u8>) {
        for unit in units(stream) {
            let is_left_out = match kind(codec, unit) {
                Kind::Delimiter => true,
                Kind::Other => false,
                // A set that differs from those in front stays in the sample, for decoders that
                // take it there.
                _ => self.0.iter().any(|set| set == unit),
            };
            if !is_left_out {
                let length = u32::try_from(unit.len()).expect("a PES packet has a limit");
                out.extend(length.to_be_bytes());
                out.extend_from_slice(unit);
            }
        }
    }
}

fn write_set(out: &mut Vec<u8>, set: &[u8]) -> Option<()> {
    out.extend(u16::try_from(set.len()).ok()?.to_be_bytes());
    out.extend_from_slice(set);
    Some(())
}

/// Of a sequence parameter set behind its level: the format of chroma, and how many more bits than
/// eight samples have (ITU-T H.264, 7.3.2.1.1).
fn high_profile(content: &[u8]) -> Option<(u8, u8, u8)> {
    let content = unescape(&content[..content.len().min(64)]);
    let mut bits = Bits::new(&content);
    bits.exp_golomb()?;
    let chroma = bits.exp_golomb()?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    let byte = |value: u32| u8::try_from(value).ok().filter(|&value| value < 8);
    Some((byte(chroma)?, byte(bits.exp_golomb()?)?, byte(bits.exp_golomb()?)?))
}

/// Passes over the profiles and levels of temporal layers (ITU-T H.265, 7.3.3).
fn skip_layers(bits: &mut Bits<'_>, count: u32) -> Option<()> {
    let mut length = 0;
    for _ in 0..count {
        length += if bits.bit()? { 88 } else { 0 };
        length += if bits.bit()? { 8 } else { 0 };
    }
    if count > 0 {
        bits.skip(2 * (8 - count as usize))?;
    }
    bits.skip(length)
}

/// The content without the bytes that keep start codes out of it.
fn unescape(content: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(content.len());
    let mut zeros = 0;
    for &byte in content {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_what_lies_between_start_codes() {
        let stream = [0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x65, 1, 0, 0, 2, 0, 0, 0, 1, 0x41, 0, 0];
        let found: Vec<&[u8]> = units(&stream).collect();
        assert_eq!(found, [&[9, 0xF0][..], &[0x65, 1, 0, 0, 2], &[0x41]]);
        assert_eq!(units(&[1, 2, 3]).count(), 0);
        assert_eq!(units(&[]).count(), 0);
    }

    #[test]
    fn a_sample_has_lengths_and_no_known_sets() {
        let sets = Sets(vec![vec![0x67, 1], vec![0x68, 2]]);
        let stream = [0, 0, 1, 9, 0xF0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 7, 7];
        let mut out = Vec::new();
        sets.write_sample(Codec::H264, &stream, &mut out);
        // Another picture parameter set than the known one stays.
        assert_eq!(out, [0, 0, 0, 2, 0x68, 3, 0, 0, 0, 3, 0x65, 7, 7]);
    }
}
