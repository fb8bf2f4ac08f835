//! What a file says of itself in front of its clusters (RFC 9559, section 5.1).

use super::ebml::{children, float, text, unsigned};
use crate::remux::language;

/// Tracks that are looked at.
const MAX_TRACKS: usize = 64;

/// What a track has (section 5.1.4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrackKind {
    Video,
    Audio,
    Subtitle,
    /// Buttons, controls, what nobody knows.
    Other,
}

/// How the frames of a track are changed before they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Encoding {
    /// They lie in the file as they are.
    #[default]
    Plain,
    /// The bytes that all begin with are left out.
    Stripped(Vec<u8>),
    /// They are compressed.
    Compressed,
    Encrypted,
}

/// A track as the file describes it: each field is one element of its `TrackEntry`.
#[derive(Debug, Clone, Default)]
pub(super) struct TrackHead {
    pub(super) number: u64,
    kind: u64,
    /// As in the registry of codecs, such as `V_MPEG4/ISO/AVC`.
    pub(super) codec: String,
    /// What decoders need in front of the first frame.
    pub(super) private: Vec<u8>,
    /// Nanoseconds of a frame, where all last as long.
    pub(super) frame: Option<u64>,
    /// ISO 639-2, unless it is undetermined.
    pub(super) language: Option<String>,
    /// Nanoseconds by which decoders are late.
    pub(super) delay: u64,
    /// Pixels across and down, and the shape in which they are shown.
    pub(super) pixels: (u16, u16),
    display: (u64, u64),
    display_unit: u64,
    /// What people call it.
    pub(super) title: Option<String>,
    /// Whether it is for those parts alone that nobody would understand without.
    pub(super) is_forced: bool,
    /// Samples of sound a second.
    pub(super) rate: u32,
    pub(super) channels: u16,
    pub(super) encoding: Encoding,
}

impl TrackHead {
    pub(super) fn kind(&self) -> TrackKind {
        match self.kind {
            1 => TrackKind::Video,
            2 => TrackKind::Audio,
            17 => TrackKind::Subtitle,
            _ => TrackKind::Other,
        }
    }

    /// The size in which pictures are shown, and the shape of a pixel.
    pub(super) fn shown(&self) -> ((u32, u32), (u32, u32)) {
        /// `DisplayUnit`: pixels, and a ratio alone.
        const PIXELS: u64 = 0;
        const RATIO: u64 = 3;
        let (width, height) = (u64::from(self.pixels.0), u64::from(self.pixels.1));
        let (across, down) = match (self.display_unit, self.display) {
            (PIXELS | RATIO, (across @ 1..=0xFFFF, down @ 1..=0xFFFF)) => (across, down),
            _ => (width, height),
        };
        let number = |value: u64| u32::try_from(value).unwrap_or(0);
        // Nobody scales down to show a picture: it is as high as its pixels are.
        let shown = (height * across).checked_div(down).unwrap_or(width);
        let aspect = (across * height, down * width);
        let common = gcd(aspect.0, aspect.1).max(1);
        ((number(shown), number(height)), (number(aspect.0 / common), number(aspect.1 / common)))
    }

    fn parse(content: &[u8]) -> Self {
        // A file that says nothing of it has English in it, by the specification.
        let mut head = Self { channels: 1, rate: 8000, ..Self::default() };
        let (mut old, mut new) = ("eng".to_owned(), None);
        for (id, content) in children(content) {
            let value = || unsigned(content).unwrap_or(0);
            match id {
                0xD7 => head.number = value(),
                0x83 => head.kind = value(),
                0x86 => head.codec = text(content),
                0x63A2 => head.private = content.to_vec(),
                0x23_E383 => head.frame = Some(value()).filter(|&frame| frame > 0),
                0x536E => head.title = Some(text(content)).filter(|title| !title.is_empty()),
                0x55AA => head.is_forced = value() == 1,
                0x22_B59C => old = text(content),
                0x22_B59D => new = Some(text(content)),
                0x56AA => head.delay = value(),
                0xE0 => head.handle_video(content),
                0xE1 => head.handle_audio(content),
                0x6D80 => head.encoding = encoding(content),
                _ => {}
            }
        }
        let letters = language::three_letters(new.as_ref().unwrap_or(&old));
        head.language = letters.and_then(|letters| String::from_utf8(letters.to_vec()).ok());
        head
    }

    fn handle_video(&mut self, content: &[u8]) {
        for (id, content) in children(content) {
            let value = unsigned(content).unwrap_or(0);
            let pixels = u16::try_from(value).unwrap_or(0);
            match id {
                0xB0 => self.pixels.0 = pixels,
                0xBA => self.pixels.1 = pixels,
                0x54B0 => self.display.0 = value,
                0x54BA => self.display.1 = value,
                0x54B2 => self.display_unit = value,
                _ => {}
            }
        }
    }

    fn handle_audio(&mut self, content: &[u8]) {
        for (id, content) in children(content) {
            match id {
                0xB5 => {
                    let rate = float(content).unwrap_or(0.0).clamp(0.0, 1e6).round();
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "it was brought into range"
                    )]
                    let rate = rate as u32;
                    self.rate = rate;
                }
                0x9F => {
                    self.channels =
                        unsigned(content).and_then(|count| u16::try_from(count).ok()).unwrap_or(0);
                }
                _ => {}
            }
        }
    }
}

/// `ContentEncodings`. More than one is what nobody writes.
fn encoding(content: &[u8]) -> Encoding {
    let mut found = Encoding::Plain;
    for (_, encoding) in children(content).filter(|(id, _)| *id == 0x6240) {
        // The default: all frames, compressed by zlib.
        let (mut scope, mut kind, mut compression) = (1, 0, (0, Vec::new()));
        for (id, content) in children(encoding) {
            match id {
                0x5032 => scope = unsigned(content).unwrap_or(1),
                0x5033 => kind = unsigned(content).unwrap_or(0),
                0x5034 => {
                    for (id, content) in children(content) {
                        match id {
                            0x4254 => compression.0 = unsigned(content).unwrap_or(0),
                            0x4255 => compression.1 = content.to_vec(),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if scope & 1 == 0 {
            continue; // only what decoders need in front of the first frame
        }
        found = match (&found, kind, compression) {
            (Encoding::Plain, 0, (3, bytes)) => Encoding::Stripped(bytes),
            (_, 0, _) => Encoding::Compressed,
            _ => return Encoding::Encrypted,
        };
    }
    found
}

/// The tracks in the content of `Tracks`.
pub(super) fn tracks(content: &[u8]) -> Vec<TrackHead> {
    let entries = children(content).filter(|(id, _)| *id == 0xAE);
    entries.take(MAX_TRACKS).map(|(_, content)| TrackHead::parse(content)).collect()
}

/// Nanoseconds of the unit in which a file counts, in the content of `Info`.
pub(super) fn scale(content: &[u8]) -> u64 {
    const DEFAULT: u64 = 1_000_000;
    let found = children(content).find(|(id, _)| *id == 0x2A_D7B1).and_then(|(_, content)| unsigned(content));
    // A second at most: no file has a larger one, and sums are far from where they overflow.
    found.filter(|scale| (1..=1_000_000_000).contains(scale)).unwrap_or(DEFAULT)
}

/// Where in the segment's content `Cues` is, in the content of `SeekHead`.
pub(super) fn cues_position(content: &[u8]) -> Option<u64> {
    const CUES: u64 = 0x1C53_BB6B;
    children(content).filter(|(id, _)| *id == 0x4DBB).find_map(|(_, seek)| {
        let field =
            |wanted| children(seek).find(|(id, _)| *id == wanted).and_then(|(_, content)| unsigned(content));
        (field(0x53AB) == Some(CUES)).then(|| field(0x53AC))?
    })
}

/// A key frame as `Cues` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CuePoint {
    pub(super) time: i64,
    /// Where in the segment's content its cluster is, and in that its block.
    pub(super) cluster: u64,
    pub(super) relative: Option<u64>,
}

/// What the content of a `CuePoint` says of a track.
pub(super) fn cue_point(content: &[u8], track: u64) -> Option<CuePoint> {
    let time = children(content).find(|(id, _)| *id == 0xB3).and_then(|(_, content)| unsigned(content))?;
    let time = i64::try_from(time).ok().filter(|&time| time < 1 << 55)?;
    children(content).filter(|(id, _)| *id == 0xB7).find_map(|(_, positions)| {
        let field = |wanted| {
            children(positions).find(|(id, _)| *id == wanted).and_then(|(_, content)| unsigned(content))
        };
        let cluster = (field(0xF7) == Some(track)).then(|| field(0xF1))??;
        Some(CuePoint { time, cluster, relative: field(0xF0) })
    })
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element of this id.
    fn make(id: &[u8], content: &[u8]) -> Vec<u8> {
        let size = u16::try_from(content.len()).unwrap() | 0x4000;
        [id, &size.to_be_bytes(), content].concat()
    }

    #[test]
    fn pictures_are_shown_in_the_shape_that_the_file_says() {
        let head = |pixels, display, display_unit| TrackHead {
            pixels,
            display,
            display_unit,
            ..TrackHead::default()
        };
        for (head, expected) in [
            (head((720, 576), (1024, 576), 0), ((1024, 576), (64, 45))),
            (head((1920, 1080), (0, 0), 0), ((1920, 1080), (1, 1))),
            (head((720, 480), (4, 3), 3), ((640, 480), (8, 9))),
            (head((720, 480), (16, 9), 1), ((720, 480), (1, 1))),
            (head((0, 0), (0, 0), 0), ((0, 0), (0, 0))),
        ] {
            assert_eq!(head.shown(), expected);
        }
    }

    #[test]
    fn what_is_done_to_frames_is_known() {
        let compression = |kind: u8, settings: &[u8]| {
            let inner = [make(&[0x42, 0x54], &[kind]), make(&[0x42, 0x55], settings)].concat();
            make(&[0x62, 0x40], &make(&[0x50, 0x34], &inner))
        };
        let encrypted = make(&[0x62, 0x40], &make(&[0x50, 0x33], &[1]));
        for (content, expected) in [
            (Vec::new(), Encoding::Plain),
            (compression(3, &[0x0B, 0x77]), Encoding::Stripped(vec![0x0B, 0x77])),
            (compression(0, &[]), Encoding::Compressed),
            (encrypted, Encoding::Encrypted),
        ] {
            assert_eq!(encoding(&content), expected);
        }
    }

    #[test]
    fn a_cue_point_is_of_a_track() {
        let positions = |track: u8, cluster: u8| {
            make(&[0xB7], &[make(&[0xF7], &[track]), make(&[0xF1], &[cluster])].concat())
        };
        let point = [make(&[0xB3], &[9]), positions(2, 20), positions(1, 10)].concat();
        assert_eq!(cue_point(&point, 1), Some(CuePoint { time: 9, cluster: 10, relative: None }));
        assert_eq!(cue_point(&point, 3), None);
        assert_eq!(cue_point(&[], 1), None);
    }
}
