//! A channel's transport stream as FLV tags, which is what RTMP carries (Adobe Flash Video File
//! Format 10.1, Annex E; Enhanced RTMP v1 for HEVC).
//!
//! [`Muxer`] takes whole packets and gives [`Tag`]s. What a receiver may rely on:
//!
//! - **The first tags are the headers of pictures and sound, then a key frame,** and the first time
//!   is zero. Media in front of the key frame is left out.
//! - **Times never go back within pictures or within sound,** and both come in the order of
//!   decoding, as far as they come within [`MAX_APART`] of each other.
//! - **Each time is rounded from the timeline by itself.** Rounded steps that are added up drift.
//! - **There is always sound.** Services refuse a stream without any, so pictures alone get silence,
//!   and so do pictures with sound that RTMP cannot carry.
//! - **New parameter sets of pictures of the same size come as a new header in front of the key
//!   frame.** Another size, codec or sampling is a [`Change`]: receivers take that only in a new
//!   connection.

mod elementary;
mod interleave;
mod muxer;
mod pictures;
mod sound;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::muxer::Muxer;
use crate::ts::stream::Codec;

/// How far pictures and sound may come apart and still be put in order. More would be delay for
/// everything.
pub const MAX_APART: Duration = Duration::from_secs(1);

/// What a tag holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Parameter sets of pictures.
    PictureHeader,
    /// A picture that a decoder can start with.
    KeyFrame,
    /// Another picture.
    Picture {
        /// Whether no other picture needs it.
        is_disposable: bool,
    },
    /// The configuration of sound.
    SoundHeader,
    /// A frame of sound.
    Sound,
}

impl Content {
    /// The type of the tag, and of its message in RTMP: 8 for sound, 9 for pictures.
    pub const fn kind(self) -> u8 {
        if matches!(self, Self::SoundHeader | Self::Sound) { 8 } else { 9 }
    }

    /// Whether it is a picture, or what belongs to pictures.
    pub const fn is_of_pictures(self) -> bool {
        self.kind() == 9
    }
}

/// A tag, without the framing of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// What it holds.
    pub content: Content,
    /// When to decode it, in milliseconds.
    pub time: u32,
    /// Its body.
    pub body: Vec<u8>,
}

/// What a stream is like, for `onMetaData`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Format {
    /// H.264 or HEVC; `None` of sound alone.
    pub codec: Option<Codec>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second, where the stream says it.
    pub frame_rate: Option<f64>,
    /// Samples of sound a second; 0 where it is not known yet.
    pub sample_rate: u32,
    /// Channels of sound; 0 where it is not known yet.
    pub channels: u8,
}

/// What a connection cannot take: the stream goes on in a new one, from this key frame on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The pictures have another size or codec.
    Picture,
    /// The sound has another rate or other channels, or is silence no more.
    Sound,
    /// Times are about to leave 31 bits.
    Time,
}

/// Why a stream cannot be carried as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Pictures of another codec.
    #[error("RTMP does not carry {0}")]
    Picture(Codec),
    /// Nothing to send.
    #[error("there is neither a picture nor AAC sound")]
    Nothing,
}

/// What a [`Muxer`] gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// The stream begins: its headers follow.
    Begin(Format),
    /// A tag.
    Tag(Tag),
    /// Nothing follows in this connection.
    Change(Change),
    /// Nothing can be sent.
    Unsupported(Unsupported),
}
