//! Subtitles: read from files beside a film, and written as `WebVTT`.
//!
//! `SubRip` (`.srt`) has no standard, and files of it come in any encoding and with any mistake;
//! what can be read of one is shown. `WebVTT` is that of the W3C recommendation of 2019.

mod parse;
mod render;
mod text;

pub use self::parse::{Kind, parse, spoken, styled};
pub(crate) use self::render::Stamp;
pub use self::render::{part, whole};

use std::time::Duration;

/// The largest file that is read: a hundred hours of talk.
pub const MAX_FILE: u64 = 8 << 20;

/// Lines of text that are shown for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// When it is shown, and until when: later than that.
    pub begin: Duration,
    /// When it is taken away.
    pub end: Duration,
    /// Where it is shown, as `WebVTT` says it; mostly nothing.
    pub settings: String,
    /// The text, as `WebVTT` has it.
    pub text: String,
}
