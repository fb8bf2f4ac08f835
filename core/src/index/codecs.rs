//! The names of codecs as in `CODECS` (RFC 6381), made of the boxes that configure decoders.
//!
//! Browsers refuse a wrong name before they have seen a byte, so it is computed and never guessed.

use std::fmt::Write as _;

use crate::ts::bits::Bits;

/// The NAL unit types of the sets that HEVC needs: video, sequence, picture.
const HEVC_SETS: [u8; 3] = [32, 33, 34];

/// The tags of the descriptors in an `esds` box (ISO/IEC 14496-1, 7.2.2.1).
const STREAM: u8 = 3;
const DECODER: u8 = 4;
const SPECIFIC: u8 = 5;

/// H.264, from `avcC` (ISO/IEC 14496-15, 5.3.3.1): profile, constraints, level.
pub(super) fn avc(kind: [u8; 4], avcc: &[u8]) -> Option<String> {
    let &[1, profile, constraints, level, ..] = avcc else { return None };
    Some(format!("{}.{profile:02x}{constraints:02x}{level:02x}", letters(kind)))
}

/// HEVC, from `hvcC` (ISO/IEC 14496-15, 8.3.3.1 and Annex E.3).
pub(super) fn hevc(kind: [u8; 4], hvcc: &[u8]) -> Option<String> {
    let fields = hvcc.first_chunk::<13>()?;
    let [_, general, compatible @ .., level] = fields;
    let (compatible, constraints) = compatible.split_first_chunk::<4>()?;
    let space = ["", "A", "B", "C"][usize::from(general >> 6)];
    let tier = if general >> 5 & 1 == 1 { 'H' } else { 'L' };
    // The lowest bit stands for the first profile.
    let compatible = u32::from_be_bytes(*compatible).reverse_bits();
    let profile = general & 0x1F;
    let mut text = format!("{}.{space}{profile}.{compatible:X}.{tier}{level}", letters(kind));
    let used = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        let _ = write!(text, ".{byte:X}");
    }
    Some(text)
}

/// Whether an `hvcC` box has all sets, so that none need be in the samples.
pub(super) fn has_all_sets(hvcc: &[u8]) -> bool {
    let mut found = [false; HEVC_SETS.len()];
    let mut rest = hvcc.get(22..).unwrap_or_default();
    let Some((&arrays, tail)) = rest.split_first() else { return false };
    rest = tail;
    for _ in 0..arrays {
        let Some((&[kind, high, low], mut units)) = rest.split_first_chunk::<3>() else { return false };
        for _ in 0..u16::from_be_bytes([high, low]) {
            let Some((length, tail)) = units.split_first_chunk::<2>() else { return false };
            let Some(tail) = tail.get(usize::from(u16::from_be_bytes(*length))..) else { return false };
            units = tail;
            if let Some(at) = HEVC_SETS.iter().position(|&set| set == kind & 0x3F) {
                found[at] = true;
            }
        }
        rest = units;
    }
    found.iter().all(|&found| found)
}

/// Dolby Vision, from `dvcC` or `dvvC`: profile and level.
pub(super) fn dolby_vision(kind: [u8; 4], configuration: &[u8]) -> Option<String> {
    let fields = u16::from_be_bytes([*configuration.get(2)?, *configuration.get(3)?]);
    Some(format!("{}.{:02}.{:02}", letters(kind), fields >> 9, fields >> 3 & 0x3F))
}

/// AV1, from `av1C` (AV1 in ISOBMFF, section 5): profile, level and tier, bit depth.
pub(super) fn av1(av1c: &[u8]) -> Option<String> {
    let mut bits = Bits::new(av1c.get(1..3)?);
    let (profile, level) = (bits.read(3)?, bits.read(5)?);
    let (tier, is_high, is_twelve) = (bits.bit()?, bits.bit()?, bits.bit()?);
    let depth = match (is_high, is_twelve) {
        (true, true) if profile == 2 => 12,
        (true, _) => 10,
        _ => 8,
    };
    Some(format!("av01.{profile}.{level:02}{}.{depth:02}", if tier { 'H' } else { 'M' }))
}

/// VP8 and VP9, from `vpcC` (VP Codec ISO Media File Format Binding): profile, level, bit depth.
pub(super) fn vp(kind: [u8; 4], vpcc: &[u8]) -> Option<String> {
    let &[profile, level, depth, ..] = vpcc.get(4..)? else { return None };
    Some(format!("{}.{profile:02}.{level:02}.{:02}", letters(kind), depth >> 4))
}

/// Sound in an `mp4a` entry, from the descriptors in `esds`: the kind of object, and of MPEG-4
/// sound also its type.
pub(super) fn mp4a(esds: &[u8]) -> Option<String> {
    let stream = descriptor(esds.get(4..)?, STREAM)?;
    let flags = *stream.get(2)?;
    let mut at = 3;
    at += if flags & 0x80 != 0 { 2 } else { 0 };
    at += if flags & 0x40 != 0 { 1 + usize::from(*stream.get(at)?) } else { 0 };
    at += if flags & 0x20 != 0 { 2 } else { 0 };
    let decoder = descriptor(stream.get(at..)?, DECODER)?;
    let object = *decoder.first()?;
    if object != 0x40 {
        return Some(format!("mp4a.{object:02X}"));
    }
    let configuration = descriptor(decoder.get(13..)?, SPECIFIC)?;
    let mut bits = Bits::new(configuration);
    let kind = match bits.read(5)? {
        31 => 32 + bits.read(6)?,
        kind => kind,
    };
    Some(format!("mp4a.40.{kind}"))
}

/// The content of the first descriptor with this tag; of one that is cut off, what there is.
fn descriptor(mut bytes: &[u8], tag: u8) -> Option<&[u8]> {
    loop {
        let (&found, mut rest) = bytes.split_first()?;
        let mut length = 0;
        // A length has up to four bytes, of which all but the last are marked.
        for _ in 0..4 {
            let (&byte, tail) = rest.split_first()?;
            rest = tail;
            length = length << 7 | usize::from(byte & 0x7F);
            if byte & 0x80 == 0 {
                break;
            }
        }
        if found == tag {
            return Some(&rest[..length.min(rest.len())]);
        }
        bytes = rest.get(length..)?;
    }
}

fn letters(kind: [u8; 4]) -> String {
    kind.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_the_configuration_says() {
        let hevc_main = [1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93];
        let hevc_main_10 = [1, 0x22, 0x20, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 123];
        for (found, expected) in [
            (avc(*b"avc1", &[1, 0x4D, 0x40, 0x1F, 0xFF]), "avc1.4d401f"),
            (avc(*b"avc3", &[1, 0x64, 0, 0x28]), "avc3.640028"),
            (hevc(*b"hvc1", &hevc_main), "hvc1.1.6.L93.90"),
            (hevc(*b"hev1", &hevc_main_10), "hev1.2.4.H123.90"),
            (dolby_vision(*b"dvh1", &[1, 0, 0x0A, 0x35, 0x10]), "dvh1.05.06"),
            (av1(&[0x81, 0x04, 0x0C, 0]), "av01.0.04M.08"),
            (av1(&[0x81, 0x2D, 0xC0, 0]), "av01.1.13H.10"),
            (vp(*b"vp09", &[1, 0, 0, 0, 0, 21, 0x82, 2, 2]), "vp09.00.21.08"),
        ] {
            assert_eq!(found.as_deref(), Some(expected));
        }
    }

    #[test]
    fn sound_is_named_by_its_descriptors() {
        let esds = |object: u8, configuration: &[u8]| {
            let specific = [&[SPECIFIC, u8::try_from(configuration.len()).unwrap()], configuration].concat();
            let decoder = [&[object][..], &[0; 12], &specific].concat();
            // The longer form of a length.
            let decoder =
                [&[DECODER, 0x80, 0x80, 0x80, u8::try_from(decoder.len()).unwrap()], &decoder[..]].concat();
            [&[0, 0, 0, 0, STREAM, 100, 0, 0, 0], &decoder[..]].concat()
        };
        for (object, configuration, expected) in [
            (0x40, &[0x11, 0x90][..], "mp4a.40.2"),
            (0x40, &[0x2B, 0x11, 0x88], "mp4a.40.5"),
            (0x40, &[0xF8, 0x80, 0], "mp4a.40.36"),
            (0x6B, &[], "mp4a.6B"),
            (0xA5, &[], "mp4a.A5"),
        ] {
            assert_eq!(mp4a(&esds(object, configuration)).as_deref(), Some(expected), "{object:x}");
        }
        let whole = esds(0x40, &[0x11, 0x90]);
        for cut in 0..whole.len() - 1 {
            assert_eq!(mp4a(&whole[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn sets_are_counted() {
        let array = |kind: u8| [kind | 0x80, 0, 1, 0, 2, 0xAA, 0xBB];
        let sets = |kinds: &[u8]| {
            let arrays: Vec<u8> = kinds.iter().flat_map(|&kind| array(kind)).collect();
            [&[0; 22][..], &[u8::try_from(kinds.len()).unwrap()], &arrays].concat()
        };
        assert!(has_all_sets(&sets(&[32, 33, 34])) && has_all_sets(&sets(&[34, 39, 33, 32])));
        assert!(!has_all_sets(&sets(&[32, 33])) && !has_all_sets(&sets(&[])));
        assert!(!has_all_sets(&sets(&[32, 33, 34])[..30]) && !has_all_sets(&[]));
    }
}
