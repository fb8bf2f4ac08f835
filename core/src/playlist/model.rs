//! What a playlist says.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub use super::attributes::Variables;
pub use super::date::Date;

/// A playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Playlist {
    /// A list of variants (RFC 8216, 4.3.4).
    Multivariant(Multivariant),
    /// A list of segments (RFC 8216, 4.3.3).
    Media(Media),
}

/// A list of variants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Multivariant {
    /// In the order of the playlist; never empty.
    pub variants: Vec<Variant>,
    /// Renditions of sound.
    pub audio: Vec<Rendition>,
    /// What its media playlists may import.
    pub variables: Variables,
}

/// One variant stream (RFC 8216, 4.3.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Its media playlist.
    pub url: Url,
    /// Peak bits a second; 0 where that is not said.
    pub bandwidth: u64,
    /// As in RFC 6381, such as `avc1.4d401f`; empty where that is not said.
    pub codecs: Vec<String>,
    /// Width and height in pixels.
    pub resolution: Option<(u64, u64)>,
    /// The group of its separate sound.
    pub audio: Option<String>,
}

/// A rendition of sound (RFC 8216, 4.3.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// Its media playlist; where there is none, it comes with the variant.
    pub url: Option<Url>,
    /// Its group.
    pub group: String,
    /// As in RFC 5646; empty where that is not said.
    pub language: String,
    /// Whether it is to be played unless the viewer chooses another.
    pub is_default: bool,
}

/// A list of segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// The target duration: as stated, or where that is missing the longest segment's, or 10 s.
    pub target: Duration,
    /// Media sequence number of the first segment.
    pub sequence: u64,
    /// No segment will be added.
    pub is_ended: bool,
    /// In order. At most [`MAX_SEGMENTS`](super::parse::MAX_SEGMENTS), the latest.
    pub segments: Vec<Segment>,
    /// Faults that were worked around.
    pub faults: u64,
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it is.
    pub url: Url,
    /// Which bytes of it.
    pub range: Option<Range>,
    /// How long it plays; at least [`MIN_DURATION`](super::parse::MIN_DURATION).
    pub duration: Duration,
    /// Time stamps, tracks or coding begin anew with it.
    pub is_discontinuity: bool,
    /// It is known to be missing.
    pub is_gap: bool,
    /// When its first picture was made, as the list says or as it follows.
    pub date: Option<Date>,
    /// How to decrypt it.
    pub key: Option<Arc<Key>>,
    /// What must stand in front of it.
    pub init: Option<Arc<Init>>,
}

/// A range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first byte.
    pub offset: u64,
    /// How many, at least one.
    pub length: u64,
}

/// A key (RFC 8216, 4.3.2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// AES-128 in CBC mode with PKCS #7 padding over the whole segment.
    Aes128 {
        /// Where the 16 bytes of the key are.
        url: Url,
        /// The initialisation vector; where it is not stated, the media sequence number is.
        iv: Option<[u8; 16]>,
    },
    /// One that is not to be had; what it is, in words.
    Unusable(String),
}

/// A media initialisation section (RFC 8216, 4.3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// Where it is.
    pub url: Url,
    /// Which bytes of it.
    pub range: Option<Range>,
    /// How to decrypt it.
    pub key: Option<Arc<Key>>,
}

impl Media {
    /// How long all its segments play.
    pub fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum()
    }
}
