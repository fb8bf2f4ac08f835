//! Sample entries of media that comes without: of Matroska files and transport streams
//! (ISO/IEC 14496-12, 12.1 and 12.2; 14496-14; ETSI TS 102 366, annex F; and the mappings of Opus,
//! FLAC and VP9 to MP4).

use crate::ts::bits::Bits;
use crate::ts::codec_headers::AudioFrame;
use crate::ts::stream::Codec;

/// The objects of an `esds` box (ISO/IEC 14496-1, 7.2.6.6): MPEG-4 sound, and MPEG-1 sound.
pub(super) const AAC: u8 = 0x40;
pub(super) const MP3: u8 = 0x6B;

/// A sampling rate above does not fit its field, and is left to the codec's own description.
const MAX_RATE: u32 = 0xFFFF;

/// The body of a `stsd` box with one entry of pictures: `pixels` across and down, which are
/// `aspect` wide and high.
pub(super) fn visual(
    kind: [u8; 4],
    pixels: (u16, u16),
    aspect: (u32, u32),
    configuration: ([u8; 4], &[u8]),
) -> Vec<u8> {
    let mut body = vec![0; 24];
    body[7] = 1; // the one file that a `dref` box names
    body.extend(pixels.0.to_be_bytes());
    body.extend(pixels.1.to_be_bytes());
    // 72 dots per inch across and down, and one picture per sample.
    body.extend([0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]);
    body.extend([0; 32]);
    body.extend([0, 0x18, 0xFF, 0xFF]);
    write_box(&mut body, configuration.0, configuration.1);
    if aspect.0 != aspect.1 {
        let spacing = [aspect.0.to_be_bytes(), aspect.1.to_be_bytes()].concat();
        write_box(&mut body, *b"pasp", &spacing);
    }
    described(kind, &body)
}

/// The same of sound.
pub(super) fn sound(kind: [u8; 4], channels: u16, rate: u32, configuration: ([u8; 4], &[u8])) -> Vec<u8> {
    let mut body = vec![0; 16];
    body[7] = 1;
    body.extend(channels.to_be_bytes());
    body.extend([0, 16, 0, 0, 0, 0]);
    body.extend((if rate > MAX_RATE { 0 } else { rate << 16 }).to_be_bytes());
    write_box(&mut body, configuration.0, configuration.1);
    described(kind, &body)
}

fn described(kind: [u8; 4], entry: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1];
    write_box(&mut body, kind, entry);
    body
}

fn write_box(out: &mut Vec<u8>, kind: [u8; 4], body: &[u8]) {
    out.extend(u32::try_from(body.len() + 8).expect("what describes a codec is short").to_be_bytes());
    out.extend(kind);
    out.extend_from_slice(body);
}

/// The body of an `esds` box. `specific` has a limit of 100 bytes, and is cut off there.
pub(super) fn esds(object: u8, specific: &[u8]) -> Vec<u8> {
    // A descriptor tells its length in one byte here, which reaches to 127.
    let specific = &specific[..specific.len().min(100)];
    let length = |bytes: usize| u8::try_from(bytes).expect("descriptors here are short");
    let mut decoder = vec![object, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    if !specific.is_empty() {
        decoder.extend([5, length(specific.len())]);
        decoder.extend_from_slice(specific);
    }
    let mut stream = vec![0, 0, 0, 4, length(decoder.len())];
    stream.extend(decoder);
    stream.extend([6, 1, 2]);
    [&[0, 0, 0, 0, 3, length(stream.len())], &stream[..]].concat()
}

/// An `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1): what kind of AAC it is, the index of the
/// rate, and the layout of channels.
pub(super) fn specific(kind: u8, rate: u8, channels: u8) -> [u8; 2] {
    [kind << 3 | rate >> 1, rate << 7 | channels << 3]
}

/// The rate of an `AudioSpecificConfig`, and how many samples its frames have.
pub(super) fn aac_frames(specific: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits::new(specific);
    let kind = |bits: &mut Bits<'_>| match bits.read(5)? {
        31 => Some(32 + bits.read(6)?),
        kind => Some(kind),
    };
    let mut object = kind(&mut bits)?;
    let rate = |bits: &mut Bits<'_>| match bits.read(4)? {
        15 => bits.read(24),
        index => AAC_RATES.get(index as usize).copied(),
    };
    let core = rate(&mut bits)?;
    bits.read(4)?;
    // With SBR or PS, the object that carries them names the core behind it.
    if matches!(object, 5 | 29) {
        rate(&mut bits)?;
        object = kind(&mut bits)?;
    }
    // Only these kinds of objects have the flag in this place.
    let is_short = matches!(object, 1..=4) && bits.bit() == Some(true);
    Some((core, if is_short { 960 } else { 1024 })).filter(|(rate, _)| *rate > 0)
}

/// The rates that have an index (ISO/IEC 14496-3, table 1.18).
pub(super) const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/// The body of a `dac3` box, of the first bytes of a frame of AC-3 (ETSI TS 102 366, F.4).
pub(super) fn dac3(frame: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Bits::new(frame.get(4..)?);
    let (rate, size, version, mode) = (bits.read(2)?, bits.read(6)?, bits.read(5)?, bits.read(3)?);
    let (layout, has_low) = layout(&mut bits)?;
    let fields = rate << 22 | version << 17 | mode << 14 | layout << 11 | has_low << 10 | (size >> 1) << 5;
    Some(fields.to_be_bytes()[1..].to_vec())
}

/// The layout of channels, and whether there is one for low frequencies.
fn layout(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    let layout = bits.read(3)?;
    // Levels of the mix: of the centre, of the surround channels, of Dolby surround.
    let has = [layout & 1 != 0 && layout != 1, layout & 4 != 0, layout == 2];
    bits.skip(2 * has.into_iter().filter(|&has| has).count())?;
    Some((layout, bits.read(1)?))
}

/// The body of a `dec3` box, of the first bytes of a frame of E-AC-3 (F.6): one independent
/// substream and none that depend on it.
pub(super) fn dec3(frame: &[u8]) -> Option<Vec<u8>> {
    let parsed = AudioFrame::parse(Codec::Eac3, frame)?;
    let mut bits = Bits::new(frame.get(4..)?);
    let (rate, _, layout, has_low, version) =
        (bits.read(2)?, bits.read(2)?, bits.read(3)?, bits.read(1)?, bits.read(5)?);
    let kilobits = parsed.length as u64 * 8 * u64::from(parsed.format.sample_rate)
        / (u64::from(parsed.samples.max(1)) * 1000);
    let kilobits = u16::try_from(kilobits.min(0x1FFF)).expect("it has 13 bits");
    let fields = rate << 22 | version << 17 | layout << 9 | has_low << 8;
    Some([&(kilobits << 3).to_be_bytes()[..], &fields.to_be_bytes()[1..]].concat())
}

/// The body of a `dOps` box, of the header that Opus has in other containers (RFC 7845, 5.1).
pub(super) fn dops(header: &[u8]) -> Option<Vec<u8>> {
    let rest = header.strip_prefix(b"OpusHead")?;
    let &[_, channels, s0, s1, r0, r1, r2, r3, g0, g1, family, ..] = rest else { return None };
    // Opus headers are little-endian in Ogg, and big-endian in MP4.
    let mut body = vec![0, channels, s1, s0, r3, r2, r1, r0, g1, g0, family];
    if family != 0 {
        body.extend_from_slice(rest.get(11..13 + usize::from(channels))?);
    }
    Some(body)
}

/// The body of a `dfLa` box, of the header that FLAC has in other containers: the first block,
/// which says what the stream is, as the last.
pub(super) fn dfla(header: &[u8]) -> Option<Vec<u8>> {
    let info = header.strip_prefix(b"fLaC")?.get(..4 + 34)?;
    // The block must be the one that describes the stream, whatever its flag for the last says.
    (info[0] << 1 == 0).then(|| [&[0, 0, 0, 0, 0x80], &info[1..]].concat())
}

/// The body of a `vpcC` box, of the first bytes of a key frame of VP9 and its size (VP9 bitstream
/// specification, 6.2).
pub(super) fn vpcc(frame: &[u8], pixels: (u16, u16)) -> Option<Vec<u8>> {
    const RGB: u32 = 7;
    let mut bits = Bits::new(frame);
    if bits.read(2)? != 2 {
        return None;
    }
    let profile = bits.read(1)? | bits.read(1)? << 1;
    if profile == 3 {
        bits.skip(1)?;
    }
    // Neither one that shows another, nor one that needs others.
    let is_key = !bits.bit()? && !bits.bit()?;
    bits.skip(2)?;
    if !is_key || bits.read(24)? != 0x49_8342 {
        return None;
    }
    let depth = match profile {
        0 | 1 => 8,
        _ if bits.bit()? => 12,
        _ => 10,
    };
    let space = bits.read(3)?;
    let (is_full, sampling) = if space == RGB {
        (1, 3)
    } else {
        let full = bits.read(1)?;
        let sampling = match (profile & 1, if profile & 1 == 1 { bits.read(2)? } else { 3 }) {
            (0, _) => 1, // 4:2:0
            (_, 2) => 2, // 4:2:2
            _ => 3,
        };
        (full, sampling)
    };
    let byte = |value: u32| u8::try_from(value).expect("fields of a byte");
    let fields = depth << 4 | sampling << 1 | is_full;
    Some(vec![1, 0, 0, 0, byte(profile), vp9_level(pixels), byte(fields), 2, 2, 2, 0, 0])
}

/// The lowest level whose pictures may be so large (VP9 levels, table of luma picture sizes).
fn vp9_level((width, height): (u16, u16)) -> u8 {
    const LEVELS: [(u32, u8); 8] = [
        (36_864, 10),
        (73_728, 11),
        (122_880, 20),
        (245_760, 21),
        (552_960, 30),
        (983_040, 31),
        (2_228_224, 41),
        (8_912_896, 51),
    ];
    let size = u32::from(width) * u32::from(height);
    LEVELS.iter().find(|(most, _)| size <= *most).map_or(61, |(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Entry, Kind};
    use super::*;

    #[test]
    fn entries_are_read_as_they_were_made() {
        let avcc = [1, 0x4D, 0x40, 0x1F, 0xFF, 0xE0, 0];
        let body = visual(*b"avc1", (720, 576), (16, 15), (*b"avcC", &avcc));
        let entry = Entry::parse(&body, *b"vide").unwrap().unwrap();
        assert_eq!((entry.kind, entry.codec.as_str()), (Kind::Video, "avc1.4d401f"));
        assert!(entry.bytes.windows(4).any(|four| four == b"pasp"));
        for (kind, configuration, codec) in [
            (*b"mp4a", (*b"esds", esds(AAC, &specific(2, 3, 2))), "mp4a.40.2"),
            (*b"mp4a", (*b"esds", esds(MP3, &[])), "mp4a.6B"),
            (*b"Opus", (*b"dOps", vec![0; 11]), "opus"),
        ] {
            let body = sound(kind, 2, 48_000, (configuration.0, &configuration.1));
            let entry = Entry::parse(&body, *b"soun").unwrap().unwrap();
            assert_eq!((entry.kind, entry.codec.as_str()), (Kind::Audio, codec));
        }
    }

    /// As ffmpeg 5.1 writes them for the same frames.
    #[test]
    fn descriptions_are_those_of_the_frames() {
        let ac3 = [0x0B, 0x77, 0x9D, 0x83, 0x0C, 0x40, 0xEB, 0xF8, 0x40];
        let boxed = dac3(&ac3).unwrap();
        // 48 kHz, version 8, complete main, three and two channels and low frequencies, 96 kbit/s.
        assert_eq!(boxed, [0x10, 0x3C, 0xC0]);
        assert_eq!(dac3(&ac3[..5]), None);
        assert_eq!(aac_frames(&specific(2, 4, 2)), Some((44_100, 1024)));
        assert_eq!(aac_frames(&[0x11, 0x94]), Some((48_000, 960)));
        let head = [&b"OpusHead"[..], &[1, 2, 0x38, 1, 0x80, 0xBB, 0, 0, 0, 0, 0]].concat();
        assert_eq!(dops(&head).unwrap(), [0, 2, 1, 0x38, 0, 0, 0xBB, 0x80, 0, 0, 0]);
        assert_eq!(dops(&head[..15]), None);
    }
}
