//! Which tracks are sent together, and what that is called in addresses.

use std::fmt;

use crate::index::{Film, Kind};
use crate::package::carried;

/// What one media playlist is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rendition {
    /// Pictures and the first sound in the same segments; of sound alone, that.
    Main,
    /// A single track, by its number in [`Film::tracks`].
    Track(usize),
    /// The key frame of each segment, for fast forward and pictures on a time bar.
    KeyFrames,
    /// Pictures and sound as a transport stream, for players that take nothing else.
    Transport,
}

impl Rendition {
    /// The one with this name, if the film has it.
    pub fn parse(name: &str, film: &Film) -> Option<Self> {
        let has_video = film.tracks()[0].kind == Kind::Video;
        match name {
            "main" => Some(Self::Main),
            "keys" => has_video.then_some(Self::KeyFrames),
            "ts" => (!carried(film).is_empty()).then_some(Self::Transport),
            _ => {
                let digits =
                    name.strip_prefix('t').filter(|digits| digits.len() == 1 || !digits.starts_with('0'));
                let track: usize = digits?.parse().ok()?;
                (track < film.tracks().len()).then_some(Self::Track(track))
            }
        }
    }

    /// The tracks in its segments.
    pub fn tracks(self, film: &Film) -> Vec<usize> {
        match self {
            Self::Main => {
                let sound = audio(film).next().filter(|&track| track != 0);
                [0].into_iter().chain(sound).collect()
            }
            Self::Track(track) => vec![track],
            Self::KeyFrames => vec![0],
            Self::Transport => carried(film),
        }
    }
}

impl fmt::Display for Rendition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str("main"),
            Self::Track(track) => write!(f, "t{track}"),
            Self::KeyFrames => f.write_str("keys"),
            Self::Transport => f.write_str("ts"),
        }
    }
}

/// The tracks of sound.
pub(super) fn audio(film: &Film) -> impl Iterator<Item = usize> {
    (0..film.tracks().len()).filter(|&track| film.tracks()[track].kind == Kind::Audio)
}
