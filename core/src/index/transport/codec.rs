//! How streams are coded, and what that is in MP4.

use super::super::Error;
use super::super::entry::Entry;
use super::super::layouts::transport::Sets;
use super::super::made;
use crate::ts::codec_headers::AudioFrame;
use crate::ts::stream::Codec;

/// A stream as MP4 has it.
#[derive(Debug)]
pub(super) struct Coded {
    pub(super) entry: Entry,
    pub(super) sets: Sets,
    pub(super) size: (u32, u32),
    pub(super) channels: u16,
    /// Samples of sound a second, and in a frame.
    pub(super) rate: u32,
    pub(super) frame: u32,
}

/// Whether pictures of this codec are played in parts.
pub(super) fn is_picture(codec: Codec) -> bool {
    matches!(codec, Codec::H264 | Codec::Hevc)
}

/// Whether sound of this codec is.
pub(super) fn is_sound(codec: Codec) -> bool {
    matches!(codec, Codec::Aac | Codec::Ac3 | Codec::Eac3 | Codec::MpegAudio)
}

/// Pictures that begin with this access unit.
///
/// # Errors
/// When it has not the sets that decoders need.
pub(super) fn pictures(codec: Codec, stream: &[u8]) -> Result<Coded, Error> {
    let refused = || Error::Codec(format!("{codec} without its parameter sets"));
    let sets = Sets::find(codec, stream);
    let (body, size) = sets.describe(codec, stream).ok_or_else(refused)?;
    let entry = Entry::parse(&body, *b"vide")?.ok_or_else(refused)?;
    Ok(Coded { entry, sets, size, channels: 0, rate: 0, frame: 0 })
}

/// Sound that has this frame. `None` where it is of no use.
pub(super) fn sound(codec: Codec, frame: &[u8]) -> Option<Result<Coded, Error>> {
    let parsed = AudioFrame::parse(codec, frame)?;
    let (rate, samples) = (parsed.format.sample_rate, parsed.samples);
    let (kind, configuration) = match codec {
        Codec::Aac => (*b"mp4a", (*b"esds", made::esds(made::AAC, &adts_specific(frame)?))),
        Codec::Ac3 => (*b"ac-3", (*b"dac3", made::dac3(frame)?)),
        Codec::Eac3 => (*b"ec-3", (*b"dec3", made::dec3(frame)?)),
        Codec::MpegAudio if parsed.format.profile == Some("Layer III") => {
            (*b"mp4a", (*b"esds", made::esds(made::MP3, &[])))
        }
        _ => {
            let layer = parsed.format.profile.unwrap_or("sound");
            return Some(Err(Error::Codec(format!("{codec} {layer}"))));
        }
    };
    let channels = u16::from(parsed.format.channels.unwrap_or(2));
    let body = made::sound(kind, channels, rate, (configuration.0, &configuration.1));
    let refused = || Error::Codec(codec.to_string());
    let entry = Entry::parse(&body, *b"soun").and_then(|entry| entry.ok_or_else(refused));
    let sets = Sets::default();
    Some(entry.map(|entry| Coded { entry, sets, size: (0, 0), channels, rate, frame: samples }))
}

/// What an ADTS header says, as an `AudioSpecificConfig` (ISO/IEC 14496-3, 1.A.2.2.1).
fn adts_specific(frame: &[u8]) -> Option<[u8; 2]> {
    let &[_, _, third, fourth, ..] = frame else { return None };
    let (kind, rate) = ((third >> 6) + 1, third >> 2 & 0xF);
    let channels = (third & 1) << 2 | fourth >> 6;
    Some(made::specific(kind, rate, channels))
}
