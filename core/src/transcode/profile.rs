//! What a variant of a channel is encoded as.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Names a profile behind the `@` of a variant's id: 1 to 32 characters of `A-Z a-z 0-9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileName(Arc<str>);

/// Why a text is no [`ProfileName`]. It follows the words "the id …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileNameError {
    /// There is no character in it, or more than 32.
    Length,
    /// A character that would need escaping in an address.
    Character(char),
}

/// Presets of x264 that are fast enough to be live, the fastest first.
pub const PRESETS: &[&str] = &["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"];

/// A way to encode a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: ProfileName,
    /// What becomes of the pictures.
    pub pictures: Pictures,
    /// Bits a second of the sound, which becomes AAC with two channels.
    pub sound_bitrate: u32,
}

/// What becomes of pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pictures {
    /// They are passed on as they are.
    Copy,
    /// They become H.264.
    Encode(Encoding),
}

/// How pictures are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// The shorter side of a picture, in pixels, at most: nothing is made larger.
    pub height: u32,
    /// Bits a second.
    pub bitrate: u32,
    /// Pictures a second, at most; as many as come if absent.
    pub frame_rate: Option<u32>,
    /// One of [`PRESETS`].
    pub preset: &'static str,
    /// Threads of the encoder: one costs least in all.
    pub threads: u32,
}

/// What the sound of the built-in profiles takes.
const SOUND: u32 = 96_000;

impl Profile {
    /// The profiles that are there without any configuration.
    pub fn built_in() -> Vec<Self> {
        let encoded = |(name, height, bitrate)| {
            let encoding = Encoding { height, bitrate, frame_rate: None, preset: PRESETS[0], threads: 1 };
            Self {
                name: ProfileName(Arc::from(name)),
                pictures: Pictures::Encode(encoding),
                sound_bitrate: SOUND,
            }
        };
        let rows = [
            ("high", 1080, 2_500_000),
            ("medium", 720, 1_800_000),
            ("low", 720, 1_200_000),
            ("potato", 480, 800_000),
        ];
        let browser = Self {
            name: ProfileName(Arc::from(Self::BROWSER)),
            pictures: Pictures::Copy,
            sound_bitrate: 128_000,
        };
        rows.into_iter().map(encoded).chain([browser]).collect()
    }

    /// The name of the profile whose sound plays in browsers.
    pub const BROWSER: &str = "browser";

    /// How its pictures are encoded; `None` where they are copied.
    pub fn encoding(&self) -> Option<&Encoding> {
        match &self.pictures {
            Pictures::Copy => None,
            Pictures::Encode(encoding) => Some(encoding),
        }
    }

    /// The next cheaper one of `all`: of those that take fewer bits, the best. `None` where the
    /// pictures are copied: that costs next to nothing.
    pub fn next_lower<'a>(&self, all: &'a [Self]) -> Option<&'a Self> {
        let own = self.encoding()?;
        let is_less = |other: &Encoding| other.bitrate < own.bitrate && other.height <= own.height;
        let lower = all.iter().filter(|profile| profile.encoding().is_some_and(is_less));
        lower.max_by_key(|profile| profile.encoding().map(|encoding| encoding.bitrate))
    }
}

impl ProfileName {
    /// The longest, in characters.
    pub const MAX_LEN: usize = 32;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProfileName {
    type Err = ProfileNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return Err(ProfileNameError::Length);
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        match text.chars().find(|&c| !is_allowed(c)) {
            Some(found) => Err(ProfileNameError::Character(found)),
            None => Ok(Self(Arc::from(text))),
        }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for ProfileNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(f, "has no character, or more than {}", ProfileName::MAX_LEN),
            Self::Character(c) => write!(f, "must not contain {c:?}; use A-Z a-z 0-9 _ -"),
        }
    }
}

impl std::error::Error for ProfileNameError {}
