//! Audio frame headers: ADTS (ISO/IEC 14496-3, 1.A.2), MPEG audio (ISO/IEC 11172-3, 2.4.1.3), AC-3
//! and E-AC-3 (ETSI TS 102 366, 4.3 and E.1.2).

use super::AudioFormat;
use crate::ts::bits::Bits;

/// Enough bytes for the header of any frame.
const HEADER: usize = 9;

/// A frame header: what it declares, the length of its frame in bytes, and how many samples that
/// is.
pub(super) type Frame = (AudioFormat, usize, u32);

/// The format of the first frame that `parse` accepts, and whose follower it accepts too.
pub(super) fn first_frame(stream: &[u8], parse: fn(&[u8]) -> Option<Frame>) -> Option<AudioFormat> {
    (0..stream.len()).find_map(|at| {
        let (format, length, _) = parse(&stream[at..])?;
        let next = stream.get(at + length..).unwrap_or_default();
        (next.len() < HEADER || parse(next).is_some()).then_some(format)
    })
}

/// How long the frames are that begin in `stream`, in ticks of 90 kHz. They follow one another; the
/// last may run on behind.
pub(super) fn duration(stream: &[u8], parse: fn(&[u8]) -> Option<Frame>) -> Option<i64> {
    let mut at = (0..stream.len()).find(|&at| parse(&stream[at..]).is_some())?;
    let (mut samples, mut rate) = (0, 1);
    while let Some((format, length, of_frame)) = stream.get(at..).and_then(parse) {
        samples += i64::from(of_frame);
        rate = i64::from(format.sample_rate);
        at += length.max(1);
    }
    Some(samples * 90_000 / rate)
}

/// An ADTS header in front of a frame of AAC.
pub(super) fn adts(bytes: &[u8]) -> Option<Frame> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ];
    let mut bits = Bits::new(bytes);
    if bits.read(12)? != 0xFFF {
        return None;
    }
    bits.skip(1)?; // MPEG-4 or MPEG-2
    if bits.read(2)? != 0 {
        return None; // a layer: MPEG audio
    }
    bits.skip(1)?;
    let profile = ["Main", "LC", "SSR", "LTP"][bits.read(2)? as usize];
    let sample_rate = *RATES.get(bits.read(4)? as usize)?;
    bits.skip(1)?;
    let channels = match bits.read(3)? {
        0 => None,
        7 => Some(8),
        count => u8::try_from(count).ok(),
    };
    bits.skip(4)?;
    let length = bits.read(13)? as usize;
    (length >= 7).then_some((AudioFormat { sample_rate, channels, profile: Some(profile) }, length, 1024))
}

/// The header of a frame of MPEG-1 or MPEG-2 audio, any layer.
pub(super) fn mpeg(bytes: &[u8]) -> Option<Frame> {
    /// In kbit/s, by `bitrate_index` from 1.
    const BITRATES: [[usize; 14]; 5] = [
        [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let mut bits = Bits::new(bytes);
    if bits.read(11)? != 0x7FF {
        return None;
    }
    // MPEG-2 halves the rates of MPEG-1, and 2.5, which is no standard, halves them again.
    let halvings = match bits.read(2)? {
        0 => 2,
        2 => 1,
        3 => 0,
        _ => return None,
    };
    let layer = 4 - bits.read(2)?;
    bits.skip(1)?;
    let row = match (halvings, layer) {
        (_, 4) => return None,
        (0, layer) => layer as usize - 1,
        (_, 1) => 3,
        _ => 4,
    };
    let bitrate = 1000 * *BITRATES[row].get((bits.read(4)? as usize).checked_sub(1)?)?;
    let sample_rate = *[44_100, 48_000, 32_000].get(bits.read(2)? as usize)? >> halvings;
    let padding = bits.read(1)? as usize;
    bits.skip(1)?;
    let channels = if bits.read(2)? == 3 { 1 } else { 2 };
    let length = match layer {
        1 => 4 * (12 * bitrate / sample_rate as usize + padding),
        3 if halvings > 0 => 72 * bitrate / sample_rate as usize + padding,
        _ => 144 * bitrate / sample_rate as usize + padding,
    };
    let profile = ["Layer I", "Layer II", "Layer III"][layer as usize - 1];
    let samples = match layer {
        1 => 384,
        3 if halvings > 0 => 576,
        _ => 1152,
    };
    Some((AudioFormat { sample_rate, channels: Some(channels), profile: Some(profile) }, length, samples))
}

/// The header of a frame of AC-3 or E-AC-3: the same beginning, told apart by `bsid`.
pub(super) fn ac3(bytes: &[u8]) -> Option<Frame> {
    let &[0x0B, 0x77, _, _, _, version, ..] = bytes else { return None };
    let mut bits = Bits::new(bytes);
    bits.skip(16)?;
    let (sample_rate, mode, length, samples) = match version >> 3 {
        0..=10 => {
            bits.skip(16)?;
            let (rate, size) = (bits.read(2)?, bits.read(6)?);
            bits.skip(8)?;
            let mode = bits.read(3)?;
            // Levels of the mix: of the centre, of the surround channels, of Dolby surround.
            let has = [mode & 1 != 0 && mode != 1, mode & 4 != 0, mode == 2];
            bits.skip(2 * has.into_iter().filter(|&has| has).count())?;
            (*AC3_RATES.get(rate as usize)?, mode, ac3_length(rate, size as usize)?, 1536)
        }
        11..=16 => {
            bits.skip(5)?;
            let length = 2 * (bits.read(11)? as usize + 1);
            let rate = bits.read(2)? as usize;
            let low = bits.read(2)? as usize;
            // At half the rate `low` belongs to the rate, and a frame has its six blocks.
            let (rate, blocks) = match rate {
                3 => (AC3_RATES.get(low)? / 2, 6),
                rate => (AC3_RATES[rate], [1, 2, 3, 6][low]),
            };
            (rate, bits.read(3)?, length, 256 * blocks)
        }
        _ => return None,
    };
    let channels = [2, 1, 2, 3, 3, 4, 4, 5][mode as usize] + u8::from(bits.bit()?);
    Some((AudioFormat { sample_rate, channels: Some(channels), profile: None }, length, samples))
}

const AC3_RATES: [u32; 3] = [48_000, 44_100, 32_000];

/// Bytes in a frame of AC-3, from `fscod` and `frmsizecod`: 1536 samples of a bitrate.
fn ac3_length(rate: u32, size: usize) -> Option<usize> {
    const BITRATES: [usize; 19] =
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    let bitrate = BITRATES.get(size / 2)?;
    Some(match rate {
        0 => 4 * bitrate,
        1 => 2 * (320 * bitrate / 147 + size % 2),
        _ => 6 * bitrate,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::*;

    fn format(sample_rate: u32, channels: u8, profile: Option<&'static str>) -> AudioFormat {
        AudioFormat { sample_rate, channels: Some(channels), profile }
    }

    /// Frame headers that ffmpeg 5.1 wrote, with the lengths of their frames in its files.
    #[test]
    fn frame_headers_are_read() {
        type Case = (fn(&[u8]) -> Option<Frame>, [u8; HEADER], AudioFormat, usize);
        let cases: [Case; 8] = [
            (adts, [0xFF, 0xF1, 0x4C, 0x80, 0x09, 0x9F, 0xFC, 0x21, 0x25], format(48_000, 2, Some("LC")), 76),
            (
                adts,
                [0xFF, 0xF1, 0x51, 0x80, 0x32, 0x7F, 0xFC, 0xDE, 0x02],
                format(44_100, 6, Some("LC")),
                403,
            ),
            (
                mpeg,
                [0xFF, 0xFD, 0x40, 0xC4, 0x43, 0x22, 0x14, 0x11, 0x11],
                format(44_100, 1, Some("Layer II")),
                208,
            ),
            (
                mpeg,
                [0xFF, 0xF5, 0x84, 0xC4, 0x97, 0x76, 0x76, 0x39, 0x27],
                format(24_000, 1, Some("Layer II")),
                384,
            ),
            (
                mpeg,
                [0xFF, 0xFB, 0x90, 0x64, 0x00, 0x00, 0x02, 0x6B, 0x0B],
                format(44_100, 2, Some("Layer III")),
                417,
            ),
            (ac3, [0x0B, 0x77, 0x9D, 0x83, 0x0C, 0x40, 0xEB, 0xF8, 0x40], format(48_000, 6, None), 384),
            (ac3, [0x0B, 0x77, 0x95, 0xCD, 0x94, 0x40, 0x43, 0xE1, 0x06], format(32_000, 2, None), 1152),
            (ac3, [0x0B, 0x77, 0x03, 0x7F, 0x3F, 0x87, 0xC0, 0x00, 0x20], format(48_000, 6, None), 1792),
        ];
        for (parse, bytes, format, length) in cases {
            let found = parse(&bytes).map(|(format, length, _)| (format, length));
            assert_eq!(found, Some((format, length)), "{bytes:02x?}");
            for cut in 0..4 {
                assert_eq!(parse(&bytes[..cut]), None, "{bytes:02x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_header_counts_only_with_another_behind_its_frame() {
        let mut frame = [0xFF, 0xF1, 0x4C, 0x80, 0x09, 0x9F, 0xFC].to_vec();
        frame.resize(76, 0);
        // 44.1 kHz mono, ten bytes long
        let false_header = [0xFF, 0xF1, 0x50, 0x40, 0x01, 0x40, 0xFC];
        let stream = [&false_header, &frame[..], &frame].concat();
        assert_eq!(AudioFormat::find(Codec::Aac, &stream), Some(format(48_000, 2, Some("LC"))));
        assert_eq!(AudioFormat::find(Codec::Aac, &frame[..20]), Some(format(48_000, 2, Some("LC"))));
        assert_eq!(AudioFormat::find(Codec::Aac, &stream[..10]), Some(format(44_100, 1, Some("LC"))));
        assert_eq!(AudioFormat::find(Codec::MpegAudio, &stream), None);
    }
}
