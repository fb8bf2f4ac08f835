//! Puts ADTS headers in front of frames of AAC (ISO/IEC 14496-3, 1.6.2.1 and 1.A.2).

use super::super::Reason;
use crate::ts::bits::Bits;

/// Bytes in a header without a checksum.
const HEADER: usize = 7;

/// The longest frame that the 13 bits of its length allow, the header included.
const MAX_FRAME: usize = (1 << 13) - 1;

/// Spectral band replication, and parametric stereo on top of it: HE-AAC and its second version.
const EXTENSIONS: [u32; 2] = [5, 29];

/// Layers I to III of MPEG audio, which have frame headers of their own.
const MPEG_AUDIO: std::ops::RangeInclusive<u32> = 32..=34;

/// Whether an `AudioSpecificConfig` describes MPEG audio (`mp4a.40.34` is MP3).
pub(super) fn is_mpeg_audio(config: &[u8]) -> bool {
    object_type(&mut Bits::new(config)).is_some_and(|kind| MPEG_AUDIO.contains(&kind))
}

/// What a header says of every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Adts {
    /// `profile`: 0 to 3.
    profile: u8,
    /// `sampling_frequency_index`: 0 to 12.
    rate: u8,
    /// `channel_configuration`: 1 to 7.
    channels: u8,
}

impl Adts {
    /// From an `AudioSpecificConfig`. Of HE-AAC the header names the core, at half the rate and,
    /// with parametric stereo, one channel: decoders find the extension in the frames, and players
    /// expect it so.
    pub(super) fn of(config: &[u8]) -> Result<Self, Reason> {
        let damaged = || Reason::Damaged { what: "the description of AAC breaks off", at: 0 };
        let mut bits = Bits::new(config);
        let mut kind = object_type(&mut bits).ok_or_else(damaged)?;
        let rate = rate(&mut bits).ok_or_else(damaged)?;
        let channels = bits.read(4).ok_or_else(damaged)?;
        if EXTENSIONS.contains(&kind) {
            let extended = self::rate(&mut bits);
            kind = extended.and_then(|_| object_type(&mut bits)).ok_or_else(damaged)?;
        }
        // ADTS knows Main, LC, SSR and LTP, and the layouts of channels that have a number of 3
        // bits.
        if !(1..=4).contains(&kind) {
            return Err(Reason::Codec(format!("mp4a.40.{kind}")));
        }
        if !(1..=7).contains(&channels) {
            return Err(Reason::Codec(format!("mp4a.40.{kind} with channel layout {channels}")));
        }
        let [.., profile] = (kind - 1).to_be_bytes();
        let [.., channels] = channels.to_be_bytes();
        Ok(Self { profile, rate, channels })
    }

    /// The header of a frame of `length` bytes; `None` of one that is too long.
    pub(super) fn header(self, length: usize) -> Option<[u8; HEADER]> {
        let length =
            u16::try_from(HEADER + length).ok().filter(|&length| usize::from(length) <= MAX_FRAME)?;
        let [high, low] = (length << 3).to_be_bytes(); // 13 bits, the highest first
        Some([
            0xFF,
            0xF1, // MPEG-4, no checksum
            self.profile << 6 | self.rate << 2 | self.channels >> 2,
            self.channels << 6 | high >> 6,
            high << 2 | low >> 6,
            (low << 2) & 0xE0 | 0x1F, // a buffer fullness of all ones: a variable rate
            0xFC,
        ])
    }
}

fn object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.read(5)? {
        31 => Some(32 + bits.read(6)?),
        kind => Some(kind),
    }
}

/// The index of the sampling rate; one that is written out gets the index of the same rate.
fn rate(bits: &mut Bits<'_>) -> Option<u8> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ];
    let index = match bits.read(4)? {
        15 => {
            let written = bits.read(24)?;
            RATES.iter().position(|&rate| rate == written)?
        }
        index => usize::try_from(index).ok().filter(|&index| index < RATES.len())?,
    };
    u8::try_from(index).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::codec_headers::AudioFrame;
    use crate::ts::stream::Codec;

    #[test]
    fn headers_say_what_the_configuration_says() {
        // LC; HE-AAC at 48 kHz; its second version; LC with the rate written out; HE-AAC announced
        // behind LC.
        let cases: [(&[u8], u32, u8, &str); 5] = [
            (&[0x11, 0x90], 48_000, 2, "LC"),
            (&[0x2B, 0x11, 0x88, 0x00], 24_000, 2, "LC"),
            (&[0xEB, 0x09, 0x88, 0x00], 24_000, 1, "LC"),
            (&[0x17, 0x80, 0x5D, 0xC0, 0x10], 48_000, 2, "LC"),
            (&[0x13, 0x10, 0x56, 0xE5, 0x98], 24_000, 2, "LC"),
        ];
        for (config, rate, channels, profile) in cases {
            let header = Adts::of(config).unwrap().header(300).unwrap();
            let frame = AudioFrame::parse(Codec::Aac, &header).unwrap();
            assert_eq!((frame.length, frame.format.sample_rate), (307, rate), "{config:02x?}");
            assert_eq!((frame.format.channels, frame.format.profile), (Some(channels), Some(profile)));
        }
        // As ffmpeg writes it.
        let written = Adts::of(&[0x11, 0x90]).unwrap().header(0x4CF - 7);
        assert_eq!(written, Some([0xFF, 0xF1, 0x4C, 0x80, 0x99, 0xFF, 0xFC]));
    }

    #[test]
    fn what_adts_cannot_say_is_refused() {
        // USAC, a layout of its own, eight channels with height, and what breaks off.
        let code = |config: &[u8]| Adts::of(config).unwrap_err();
        assert_eq!(code(&[0xF9, 0x46, 0x40]), Reason::Codec("mp4a.40.42".into()));
        assert!(code(&[0x11, 0x80]).to_string().contains("channel layout 0"));
        assert!(code(&[0x11, 0xF0]).to_string().contains("channel layout 14"));
        assert_eq!(code(&[0x11]).code(), "damaged_segment");
        let adts = Adts::of(&[0x11, 0x90]).unwrap();
        assert!(adts.header(MAX_FRAME - HEADER).is_some() && adts.header(MAX_FRAME - HEADER + 1).is_none());
    }
}
