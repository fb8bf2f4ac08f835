//! Indexes films: which tracks a file has, and where it can be cut into segments.
//!
//! An [`Indexer`] reads an MP4 file (ISO/IEC 14496-12), progressive, fragmented, or first the one
//! and then the other; or a Matroska file (RFC 9559), or an
//! MPEG transport stream. It asks for ranges of the file and is brought their bytes; nothing here
//! opens anything. What describes the samples may have a hundred megabytes: it is read in stretches
//! and forgotten, and what stays is a [`Film`], with some ten bytes a second of it.
//!
//! - **A segment begins with a key frame**, the nearest to a grid of equal segments. Every duration
//!   that is told comes from the same cuts that cut.
//! - **The file's own zero is zero.** Edit lists move tracks against each other, as they say. Where
//!   an edit begins behind a key frame, the film begins with that key frame: players of parts show
//!   nothing else.
//! - **What is cut off is left out.** Samples beyond the end of the file are not there.

mod codecs;
mod cursor;
mod cuts;
mod edits;
mod entry;
mod error;
mod film;
mod fragments;
mod growing;
mod indexer;
mod layouts;
mod made;
mod matroska;
mod movie;
mod outline;
mod samples;
mod scale;
mod source;
mod tables;
mod texts;
mod transport;

pub use self::entry::Kind;
pub use self::error::Error;
pub use self::film::{Film, Rates, TextTrack, Track};
pub use self::growing::{BEGINNING, plays_as_it_grows};
pub use self::indexer::Indexer;
pub(crate) use self::layouts::transport::Sets;
pub use self::samples::{SampleReader, Samples};
pub use self::texts::TextReader;
pub(crate) use self::transport::units;

/// One sample: a picture, or a frame of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When it is decoded, in units of its track's timescale, as the file counts.
    pub decode: i64,
    /// From then until it is shown.
    pub offset: i32,
    /// How long it lasts.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Where it lies in the file.
    pub at: u64,
    /// Which of its track's sample entries describes it, from 1.
    pub description: u8,
    /// Whether it is flagged as one that a decoder can start with.
    pub is_sync: bool,
}

impl Sample {
    /// Where it ends in the file.
    pub(crate) fn end(&self) -> u64 {
        self.at.saturating_add(self.size.into())
    }

    /// When it is shown, in units of its track's timescale, as the file counts.
    pub(crate) fn shown(&self) -> i64 {
        self.decode.saturating_add(self.offset.into())
    }
}
