//! How tracks are coded, and what that is in MP4 (RFC 9559, section 27.2; the registry of codecs).

use super::super::Error;
use super::super::entry::Entry;
use super::super::made;
use super::head::{Encoding, TrackHead, TrackKind};
use super::walk::BEGIN;
use crate::ts::codec_headers::AudioFrame;
use crate::ts::stream::Codec;

/// A track as MP4 has it.
#[derive(Debug)]
pub(super) struct Coded {
    pub(super) entry: Entry,
    /// Samples of sound a second, and in a frame; 0 where frames differ.
    pub(super) rate: u32,
    pub(super) frame: u32,
}

/// What the track is in MP4. `begin` is how its first frame begins.
///
/// # Errors
/// [`Error::Codec`] of what no player of parts plays, or cannot be put into MP4.
pub(super) fn coded(head: &TrackHead, begin: &[u8; BEGIN]) -> Result<Coded, Error> {
    let refused = |why: &str| Error::Codec(format!("{}{why}", head.codec));
    match head.encoding {
        Encoding::Plain => {}
        Encoding::Stripped(_) => {
            return Err(refused(", which is stored without the beginnings of its frames,"));
        }
        Encoding::Compressed => return Err(refused(", which is compressed once more,")),
        Encoding::Encrypted => return Err(Error::Encrypted),
    }
    match head.kind() {
        TrackKind::Video => {
            let entry = video(head, begin).ok_or_else(|| refused(""))??;
            Ok(Coded { entry, rate: 0, frame: 0 })
        }
        _ => sound(head, begin).unwrap_or_else(|| Err(refused(""))),
    }
}

/// `None` of what MP4 does not have.
fn video(head: &TrackHead, begin: &[u8; BEGIN]) -> Option<Result<Entry, Error>> {
    let of_frame;
    let (kind, configuration): (_, (_, &[u8])) = match head.codec.as_str() {
        "V_MPEG4/ISO/AVC" => (*b"avc1", (*b"avcC", &head.private)),
        "V_MPEGH/ISO/HEVC" => (*b"hev1", (*b"hvcC", &head.private)),
        "V_AV1" => (*b"av01", (*b"av1C", &head.private)),
        "V_VP9" => {
            of_frame = made::vpcc(begin, head.pixels)?;
            (*b"vp09", (*b"vpcC", &of_frame))
        }
        _ => return None,
    };
    let (_, aspect) = head.shown();
    let body = made::visual(kind, head.pixels, aspect, configuration);
    let name = || Error::Codec(head.codec.clone());
    Some(Entry::parse(&body, *b"vide").and_then(|entry| entry.ok_or_else(name)))
}

fn sound(head: &TrackHead, begin: &[u8; BEGIN]) -> Option<Result<Coded, Error>> {
    let name = head.codec.as_str();
    let parsed =
        |codec| AudioFrame::parse(codec, begin).map(|found| (found.format.sample_rate, found.samples));
    let (kind, configuration, (rate, frame)) = match name {
        _ if name == "A_AAC" || name.starts_with("A_AAC/") => {
            let specific = if head.private.is_empty() { old_aac(head)? } else { head.private.clone() };
            let frames = made::aac_frames(&specific)?;
            (*b"mp4a", (*b"esds", made::esds(made::AAC, &specific)), frames)
        }
        "A_MPEG/L3" => (*b"mp4a", (*b"esds", made::esds(made::MP3, &[])), parsed(Codec::MpegAudio)?),
        "A_AC3" => (*b"ac-3", (*b"dac3", made::dac3(begin)?), parsed(Codec::Ac3)?),
        "A_EAC3" => (*b"ec-3", (*b"dec3", made::dec3(begin)?), parsed(Codec::Eac3)?),
        "A_OPUS" => (*b"Opus", (*b"dOps", made::dops(&head.private)?), (48_000, 0)),
        "A_FLAC" => (*b"fLaC", (*b"dfLa", made::dfla(&head.private)?), (head.rate, 0)),
        _ => return None,
    };
    if rate == 0 {
        return None;
    }
    let body = made::sound(kind, head.channels, rate, (configuration.0, &configuration.1));
    let refused = || Error::Codec(head.codec.clone());
    let entry = Entry::parse(&body, *b"soun").and_then(|entry| entry.ok_or_else(refused));
    Some(entry.map(|entry| Coded { entry, rate, frame }))
}

/// Of AAC as it was named before it had a description: `A_AAC/MPEG4/LC`.
fn old_aac(head: &TrackHead) -> Option<Vec<u8>> {
    let kind = match head.codec.rsplit('/').next()? {
        "MAIN" => 1,
        "LC" | "SBR" => 2,
        "LTP" => 4,
        _ => return None,
    };
    let rate = made::AAC_RATES.iter().position(|&rate| rate == head.rate)?;
    let channels = u8::try_from(head.channels).ok().filter(|channels| (1..=7).contains(channels))?;
    Some(made::specific(kind, u8::try_from(rate).ok()?, channels).to_vec())
}
