//! Why a rendition cannot be turned into a transport stream.

use std::fmt;

use super::{Content, Rendition};

/// What went wrong, and with which rendition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rendition}: {reason}")]
pub struct Error {
    /// Whose bytes they were.
    pub rendition: Rendition,
    /// What is wrong with them.
    pub reason: Reason,
}

/// What is wrong with a rendition's bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Its samples are encrypted, by this scheme: `cenc`, `cbcs`, or how else it is known.
    #[error("the media is encrypted ({0}), which nothing here can decrypt: choose a source without DRM")]
    Encrypted(String),
    /// It is coded so that a transport stream, or the players of one, cannot carry it: by its RFC
    /// 6381 name or its four letters.
    #[error(
        "the codec {0} is not supported: choose a variant with H.264 or HEVC and AAC, AC-3, E-AC-3 or MP3"
    )]
    Codec(String),
    /// Fragments came, and no initialisation segment has described their tracks.
    #[error("fragments came without an initialisation segment: the playlist's EXT-X-MAP is missing or wrong")]
    NoInit,
    /// It is something else than media.
    #[error("{0} came where media should be")]
    NotMedia(Content),
    /// A part of it cannot be read. What could be has been taken.
    #[error("{what}, {at} bytes into the segment: the source may have sent it cut or damaged")]
    Damaged {
        /// What cannot be read.
        what: &'static str,
        /// Where in the bytes that were pushed.
        at: usize,
    },
}

impl Reason {
    /// A short word for logs, metrics and the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Encrypted(_) => "encrypted",
            Self::Codec(_) => "unsupported_codec",
            Self::NoInit => "no_init_segment",
            Self::NotMedia(_) => "not_media",
            Self::Damaged { .. } => "damaged_segment",
        }
    }

    /// Whether the next segment will be no better: the source, or this variant of it, is of no use.
    pub const fn is_lasting(&self) -> bool {
        matches!(self, Self::Encrypted(_) | Self::Codec(_) | Self::NoInit)
    }
}

impl fmt::Display for Rendition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "the main rendition",
            Self::Audio => "the audio rendition",
        })
    }
}
