//! Video parameter sets: H.264 (ITU-T H.264, 7.3.2.1), HEVC (ITU-T H.265, 7.3.2.2), MPEG-1 and
//! MPEG-2 (ISO/IEC 13818-2, 6.2.2).

use h264_reader::nal::sps::{FrameMbsFlags, SeqParameterSet};
use h264_reader::rbsp::BitReader;

use super::VideoFormat;
use crate::ts::bits::Bits;

/// The most start codes that are looked at in front of a picture: several times what any has.
const MAX_UNITS: usize = 64;

/// The first sequence parameter set of an H.264 stream.
pub(super) fn h264(stream: &[u8]) -> Option<VideoFormat> {
    let unit = units(stream).find(|unit| unit.first().is_some_and(|header| header & 0x1F == 7))?;
    let sps = SeqParameterSet::from_bits(BitReader::new(&unescape(&unit[1..])[..])).ok()?;
    let (width, height) = sps.pixel_dimensions().ok()?;
    Some(VideoFormat {
        width,
        height,
        frame_rate: sps.fps().filter(|rate| rate.is_normal()),
        is_interlaced: matches!(sps.frame_mbs_flags, FrameMbsFlags::Fields { .. }),
        profile: format!("{:?}", sps.profile()),
        level: format!("{}.{}", sps.level_idc / 10, sps.level_idc % 10),
    })
}

/// The first sequence parameter set of an HEVC stream.
pub(super) fn hevc(stream: &[u8]) -> Option<VideoFormat> {
    let unit = units(stream).find(|unit| unit.first().is_some_and(|header| header >> 1 & 0x3F == 33))?;
    let content = unescape(unit.get(2..)?);
    let mut bits = Bits::new(&content);
    bits.skip(4)?;
    let sub_layers = bits.read(3)?;
    bits.skip(1 + 3)?;
    let profile = bits.read(5)?;
    bits.skip(32)?;
    let (is_progressive, is_interlaced) = (bits.bit()?, bits.bit()?);
    bits.skip(46)?;
    let level = bits.read(8)?;
    skip_sub_layers(&mut bits, sub_layers)?;
    bits.exp_golomb()?;
    let chroma = bits.exp_golomb()?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    let (width, height) = (bits.exp_golomb()?, bits.exp_golomb()?);
    let mut window = [0; 4];
    if bits.bit()? {
        for offset in &mut window {
            *offset = bits.exp_golomb()?;
        }
    }
    // The window counts in samples of the chroma planes.
    let (across, down) = match chroma {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let [left, right, top, bottom] = window;
    let name = match profile {
        1 => "Main",
        2 => "Main 10",
        3 => "Main Still Picture",
        4 => "Format Range Extensions",
        _ => "unknown",
    };
    Some(VideoFormat {
        width: width.checked_sub(left.checked_add(right)?.checked_mul(across)?)?,
        height: height.checked_sub(top.checked_add(bottom)?.checked_mul(down)?)?,
        frame_rate: None,
        is_interlaced: is_interlaced && !is_progressive,
        profile: name.to_owned(),
        level: format!("{}.{}", level / 30, level % 30 / 3),
    })
}

/// Passes over the profiles and levels of the `count` temporal sub-layers, 0 to 7 (7.3.3).
fn skip_sub_layers(bits: &mut Bits<'_>, count: u32) -> Option<()> {
    let mut lengths = 0;
    for _ in 0..count {
        lengths += if bits.bit()? { 88 } else { 0 };
        lengths += if bits.bit()? { 8 } else { 0 };
    }
    if count > 0 {
        bits.skip(2 * (8 - count as usize))?;
    }
    bits.skip(lengths)
}

/// The sequence header of an MPEG-1 or MPEG-2 stream, and its extension in MPEG-2.
pub(super) fn mpeg2(stream: &[u8]) -> Option<VideoFormat> {
    const RATES: [f64; 8] =
        [24_000.0 / 1001.0, 24.0, 25.0, 30_000.0 / 1001.0, 30.0, 50.0, 60_000.0 / 1001.0, 60.0];
    let mut units = units(stream).skip_while(|unit| unit.first() != Some(&0xB3));
    let mut bits = Bits::new(units.next()?);
    bits.skip(8)?;
    let (mut width, mut height) = (bits.read(12)?, bits.read(12)?);
    bits.skip(4)?;
    let rate = bits.read(4)? as usize;
    let mut frame_rate = rate.checked_sub(1).and_then(|index| RATES.get(index)).copied();
    let Some(&[0xB5, ref extension @ ..]) = units.next().filter(|unit| unit.len() > 6 && unit[1] >> 4 == 1)
    else {
        let (profile, level) = ("MPEG-1".to_owned(), String::new());
        return Some(VideoFormat { width, height, frame_rate, is_interlaced: false, profile, level });
    };
    let mut bits = Bits::new(extension);
    bits.skip(4)?;
    let (profile, level) = (bits.read(4)?, bits.read(4)?);
    let is_interlaced = !bits.bit()?;
    bits.skip(2)?;
    width |= bits.read(2)? << 12;
    height |= bits.read(2)? << 12;
    bits.skip(12 + 1 + 8 + 1)?;
    let (more, less) = (bits.read(2)?, bits.read(5)?);
    frame_rate = frame_rate.map(|rate| rate * f64::from(more + 1) / f64::from(less + 1));
    let profile = match profile {
        1 => "High",
        2 => "Spatially Scalable",
        3 => "SNR Scalable",
        4 => "Main",
        5 => "Simple",
        8.. => "4:2:2",
        _ => "unknown",
    };
    let level = match level {
        2 | 4 => "High",
        6 => "High 1440",
        5 | 8 => "Main",
        10 => "Low",
        _ => "unknown",
    };
    Some(VideoFormat {
        width,
        height,
        frame_rate,
        is_interlaced,
        profile: profile.to_owned(),
        level: level.to_owned(),
    })
}

/// The bytes behind each start code, up to the next.
fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let start =
        |from: usize| stream[from..].windows(3).position(|code| code == [0, 0, 1]).map(|at| from + at);
    let mut next = start(0);
    let units = std::iter::from_fn(move || {
        let from = next? + 3;
        next = start(from);
        Some(&stream[from..next.unwrap_or(stream.len())])
    });
    units.take(MAX_UNITS)
}

/// The content of a NAL unit: without the bytes that keep start codes out of it.
fn unescape(unit: &[u8]) -> Vec<u8> {
    let (mut content, mut zeros) = (Vec::with_capacity(unit.len()), 0);
    for &byte in unit {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        content.push(byte);
    }
    // The zeros behind the last bit are of the next start code.
    content.truncate(content.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
    content
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::*;

    /// Parameter sets that ffmpeg 5.1 wrote with libx264, libx265 and its own MPEG-2 encoder.
    const H264_180P: &[u8] =
        b"\0\0\0\x01\x09\xf0\0\0\0\x01\x67\x4d\x40\x0c\xec\xa0\xa0\xcf\xcf\x80\x88\0\0\x03\0\x08\0\0\x03\x01\
        \x90\x78\xa1\x4c\xb0\0\0\0\x01\x68\xef\xbc\x80\0\0\x01\x06\x05\xff";
    const H264_1080I: &[u8] =
        b"\0\0\0\x01\x67\x64\0\x28\xac\xe8\x07\x80\x44\xfd\xe0\x22\0\0\x03\0\x02\0\0\x03\0\x64\x3e\x2c\
        \x5d\x40\0\0\0\x01\x68\xde\x0f\xcb";
    const HEVC_180P: &[u8] = b"\0\0\0\x01\x40\x01\x0c\x01\xff\xff\x01\x60\0\0\x03\0\x90\0\0\x03\0\0\x03\0\x3c\x95\x98\x09\0\0\0\
        \x01\x42\x01\x01\x01\x60\0\0\x03\0\x90\0\0\x03\0\0\x03\0\x3c\xa0\x0a\x08\x0b\x9f\x79\x65\x66\x92\x4c\xaf\
        \x01\x68\x08\0\0\x03\0\x08\0\0\x03\0\xc8\x40\0\0\0\x01\x44\x01\xc1\x72\xb4\x62\x40";
    const HEVC_1080P_10: &[u8] =
        b"\0\0\0\x01\x42\x01\x01\x02\x20\0\0\x03\0\x90\0\0\x03\0\0\x03\0\x7b\xa0\x03\xc0\x80\x11\x07\
        \xca\xd9\x65\x65\x4a\x4c\x2f\x01\x68\x08\0\0\x03\0\x08\0\0\x03\x01\x90\x40";
    const MPEG2_144P: &[u8] =
        b"\0\0\x01\xb3\x0b\0\x90\x13\xff\xff\xe0\x18\0\0\x01\xb5\x14\x8a\0\x01\0\0\0\0\x01\xb8\0\x08\0@";
    const MPEG2_1080I: &[u8] =
        b"\0\0\x01\xb3\x78\x04\x38\x34\xff\xff\xe0\x18\0\0\x01\xb5\x14\x42\0\x01\0\0\0\0\x01\xb8\0\x08";

    #[test]
    fn parameter_sets_are_read() {
        let cases: [(Codec, &[u8], &str); 6] = [
            (Codec::H264, H264_180P, "320x180 Some(25.0) false Main 1.2"),
            (Codec::H264, H264_1080I, "1920x1080 Some(25.0) true High 4.0"),
            (Codec::Hevc, HEVC_180P, "320x180 None false Main 2.0"),
            (Codec::Hevc, HEVC_1080P_10, "1920x1080 None false Main 10 4.1"),
            (Codec::Mpeg2Video, MPEG2_144P, "176x144 Some(25.0) false Main Main"),
            (Codec::Mpeg2Video, MPEG2_1080I, "1920x1080 Some(29.97002997002997) true Main High"),
        ];
        for (codec, bytes, expected) in cases {
            let VideoFormat { width, height, frame_rate, is_interlaced, profile, level } =
                VideoFormat::find(codec, bytes).unwrap();
            let found = format!("{width}x{height} {frame_rate:?} {is_interlaced} {profile} {level}");
            assert_eq!(found, expected, "{codec}");
        }
    }

    #[test]
    fn what_breaks_off_is_survived() {
        for (codec, bytes) in
            [(Codec::H264, H264_180P), (Codec::Hevc, HEVC_180P), (Codec::Mpeg2Video, MPEG2_144P)]
        {
            for cut in 0..bytes.len() {
                let _ = VideoFormat::find(codec, &bytes[..cut]);
            }
            assert_eq!(VideoFormat::find(codec, &bytes[..7]), None, "{codec}");
        }
        assert_eq!(VideoFormat::find(Codec::Hevc, &[0, 0, 1, 0x42]), None);
    }

    #[test]
    fn an_mpeg1_header_has_no_extension() {
        let format = VideoFormat::find(Codec::Mpeg1Video, &MPEG2_144P[..12]).unwrap();
        assert_eq!((format.width, format.profile.as_str()), (176, "MPEG-1"));
    }

    #[test]
    fn sub_layers_are_passed_over() {
        // Two sub-layers: the first with a profile and a level, the second with neither.
        let mut bytes = vec![0b1100_0000, 0];
        bytes.extend([0xFF; 12]);
        bytes.push(0x2A);
        let mut bits = Bits::new(&bytes);
        assert_eq!((skip_sub_layers(&mut bits, 2), bits.read(8)), (Some(()), Some(0x2A)));
    }
}
