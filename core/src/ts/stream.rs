//! What an elementary stream is: its codec, from its `stream_type` and descriptors (ISO/IEC
//! 13818-1, Table 2-34; ETSI EN 300 468).

use std::fmt;

use super::packet::Pid;
use super::psi::PmtStream;

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Text or bitmaps over the picture.
    Subtitle,
    /// Everything else that comes in PES packets.
    Data,
    /// What comes in sections, as SCTE-35 does.
    Sections,
}

/// How a stream is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// MPEG-1 video.
    Mpeg1Video,
    /// MPEG-2 video (H.262).
    Mpeg2Video,
    /// H.264 (AVC).
    H264,
    /// H.265 (HEVC).
    Hevc,
    /// Video whose random access points are not looked for in the elementary stream: the
    /// `stream_type`.
    OtherVideo(u8),
    /// MPEG-1 or MPEG-2 audio: MP2, MP3.
    MpegAudio,
    /// AAC in ADTS frames.
    Aac,
    /// AAC in LATM.
    AacLatm,
    /// AC-3.
    Ac3,
    /// Enhanced AC-3.
    Eac3,
    /// AC-4.
    Ac4,
    /// DTS and its extensions.
    Dts,
    /// Opus.
    Opus,
    /// DVB bitmap subtitles.
    DvbSubtitle,
    /// Teletext.
    Teletext,
    /// Timed ID3 metadata.
    Id3,
    /// SCTE-35 splice information.
    Scte35,
    /// Anything else in PES packets: the `stream_type`.
    Data(u8),
    /// Anything else in sections: the `stream_type`.
    Sections(u8),
}

impl Codec {
    /// The codec of a stream in a map.
    pub fn of(stream: &PmtStream) -> Self {
        match stream.stream_type {
            0x01 => Self::Mpeg1Video,
            0x02 | 0x80 => Self::Mpeg2Video,
            0x03 | 0x04 => Self::MpegAudio,
            0x06 => Self::of_private(&stream.descriptors),
            0x0F => Self::Aac,
            0x11 => Self::AacLatm,
            0x15 => Self::Id3,
            0x1B => Self::H264,
            0x24 => Self::Hevc,
            0x81 => Self::Ac3,
            0x82 | 0x88 | 0x8A => Self::Dts,
            0x86 => Self::Scte35,
            0x87 => Self::Eac3,
            0xAC => Self::Ac4,
            other @ (0x10 | 0x20 | 0x33 | 0x42 | 0xEA) => Self::OtherVideo(other),
            other @ (0x05 | 0x08..=0x0E | 0x14 | 0x16..=0x19) => Self::Sections(other),
            other => Self::Data(other),
        }
    }

    /// Private PES data says in its descriptors what it is.
    fn of_private(descriptors: &[u8]) -> Self {
        for (tag, body) in each_descriptor(descriptors) {
            match (tag, body) {
                (0x6A, _) | (0x05, [b'A', b'C', b'-', b'3', ..]) => return Self::Ac3,
                (0x7A, _) | (0x05, [b'E', b'A', b'C', b'3', ..]) => return Self::Eac3,
                (0x7B, _) | (0x05, [b'D', b'T', b'S', b'1'..=b'3', ..]) => return Self::Dts,
                (0x7F, [0x15, ..]) => return Self::Ac4,
                (0x7F, [0x80, ..]) | (0x05, [b'O', b'p', b'u', b's', ..]) => return Self::Opus,
                (0x05, [b'H', b'E', b'V', b'C', ..]) => return Self::Hevc,
                (0x59, _) => return Self::DvbSubtitle,
                (0x56, _) => return Self::Teletext,
                _ => {}
            }
        }
        Self::Data(0x06)
    }

    /// What it is for.
    pub const fn class(self) -> Class {
        match self {
            Self::Mpeg1Video | Self::Mpeg2Video | Self::H264 | Self::Hevc | Self::OtherVideo(_) => {
                Class::Video
            }
            Self::MpegAudio
            | Self::Aac
            | Self::AacLatm
            | Self::Ac3
            | Self::Eac3
            | Self::Ac4
            | Self::Dts
            | Self::Opus => Class::Audio,
            Self::DvbSubtitle | Self::Teletext => Class::Subtitle,
            Self::Id3 | Self::Data(_) => Class::Data,
            Self::Scte35 | Self::Sections(_) => Class::Sections,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mpeg1Video => "MPEG-1 video",
            Self::Mpeg2Video => "MPEG-2 video",
            Self::H264 => "H.264",
            Self::Hevc => "HEVC",
            Self::MpegAudio => "MPEG audio",
            Self::Aac => "AAC",
            Self::AacLatm => "AAC LATM",
            Self::Ac3 => "AC-3",
            Self::Eac3 => "E-AC-3",
            Self::Ac4 => "AC-4",
            Self::Dts => "DTS",
            Self::Opus => "Opus",
            Self::DvbSubtitle => "DVB subtitles",
            Self::Teletext => "teletext",
            Self::Id3 => "ID3",
            Self::Scte35 => "SCTE-35",
            Self::OtherVideo(kind) => return write!(f, "video of type 0x{kind:02x}"),
            Self::Data(kind) => return write!(f, "data of type 0x{kind:02x}"),
            Self::Sections(kind) => return write!(f, "sections of type 0x{kind:02x}"),
        })
    }
}

/// The language of a stream: three letters of ISO 639-2, from the first descriptor that names one.
pub fn language(descriptors: &[u8]) -> Option<[u8; 3]> {
    each_descriptor(descriptors)
        .find(|&(tag, body)| matches!(tag, 0x0A | 0x59 | 0x56) && body.len() >= 3)
        .map(|(_, body)| [body[0], body[1], body[2]])
}

/// Whether the descriptors of a stream of pictures say that they may stand still, and so be few
/// (ISO/IEC 13818-1, 2.6.2, 2.6.64 and 2.6.95).
pub fn has_stills(descriptors: &[u8]) -> bool {
    each_descriptor(descriptors).any(|(tag, body)| match tag {
        0x02 => body.first().is_some_and(|flags| flags & 0x01 != 0),
        0x28 => body.get(3).is_some_and(|flags| flags & 0x80 != 0),
        0x38 => body.get(12).is_some_and(|flags| flags & 0x40 != 0),
        _ => false,
    })
}

/// The PIDs that the `CA_descriptor`s of a programme, a stream or a CAT name: of ECM, or EMM
/// (ISO/IEC 13818-1, 2.6.16).
pub fn access_pids(descriptors: &[u8]) -> impl Iterator<Item = Pid> {
    each_descriptor(descriptors).filter_map(|(tag, body)| match (tag, body) {
        (0x09, &[_, _, high, low, ..]) => Some(Pid::new(u16::from_be_bytes([high, low]))),
        _ => None,
    })
}

/// Tags and bodies; stops where a length runs over.
fn each_descriptor(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[tag, length], tail) = rest.split_first_chunk::<2>()?;
        let (body, next) = tail.split_at_checked(usize::from(length))?;
        rest = next;
        Some((tag, body))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_descriptors_name_the_codec() {
        let of = |stream_type, descriptors: &[u8]| {
            Codec::of(&PmtStream { stream_type, pid: Pid::new(0x100), descriptors: descriptors.to_vec() })
        };
        assert_eq!(of(0x1B, &[]), Codec::H264);
        assert_eq!(of(0x24, &[]).class(), Class::Video);
        assert_eq!(of(0x06, &[0x0A, 4, b'd', b'e', b'u', 0, 0x6A, 1, 0]), Codec::Ac3);
        assert_eq!(of(0x06, &[0x59, 8, b'e', b'n', b'g', 0x10, 0, 1, 0, 1]), Codec::DvbSubtitle);
        assert_eq!(of(0x06, b"\x05\x04Opus\x7f\x02\x80\x02"), Codec::Opus);
        assert_eq!(of(0x06, &[0x52, 1, 5, 0x59, 200]), Codec::Data(6));
        assert_eq!(of(0x86, &[]).class(), Class::Sections);
    }

    #[test]
    fn still_pictures_are_announced() {
        let hevc = [&[0x38, 13][..], &[0; 12], &[0x40]].concat();
        for descriptors in [&[2, 1, 0x1B][..], &[0x0A, 1, 5, 0x28, 4, 77, 0, 30, 0x80], &hevc] {
            assert!(has_stills(descriptors), "{descriptors:?}");
        }
        for descriptors in [&[2, 1, 0x1A][..], &[0x28, 4, 77, 0, 30, 0x3F], &[0x28, 2, 77, 0], &[]] {
            assert!(!has_stills(descriptors), "{descriptors:?}");
        }
    }

    #[test]
    fn the_language_is_found_where_it_stands() {
        assert_eq!(language(&[0x52, 1, 5, 0x0A, 4, b'd', b'e', b'u', 0]), Some(*b"deu"));
        assert_eq!(language(&[0x0A, 2, b'd', b'e']), None);
    }
}
