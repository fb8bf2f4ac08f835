//! The subtitles of one segment.

use std::ops::Range;

use super::Error;
use super::film::{Film, Form};
use super::matroska::Texts;
use super::source::{Pause, Source};
use crate::subtitles::Cue;

/// Bytes that are asked for at once.
const AHEAD: u64 = 4096;

/// Reads what a track of text shows in a segment, and what began in the segment before.
///
/// As with an [`Indexer`](super::Indexer): as long as [`Self::poll_read`] gives a range, its bytes
/// are to be brought.
#[derive(Debug)]
pub struct TextReader {
    source: Source,
    texts: Option<Box<Texts>>,
    found: Vec<Cue>,
}

impl TextReader {
    /// Of track `text` of [`Film::texts`], and segment `n`.
    pub fn new(film: &Film, text: usize, n: usize) -> Self {
        let texts = match &film.form {
            Form::Matroska(layout) => Some(Box::new(Texts::new(layout, text, n))),
            // Their text is not read.
            Form::Movie | Form::Transport(_) => None,
        };
        Self { source: Source::new(film.length(), AHEAD), texts, found: Vec::new() }
    }

    /// The next range of the file that is needed; `None` at the end.
    ///
    /// # Errors
    /// When the file is not what it was.
    pub fn poll_read(&mut self) -> Result<Option<Range<u64>>, Error> {
        let Some(texts) = &mut self.texts else { return Ok(None) };
        match texts.run(&mut self.source) {
            Ok(found) => {
                (self.found, self.texts) = (found, None);
                Ok(None)
            }
            Err(Pause::Read) => Ok(self.source.wanted()),
            Err(Pause::Failed(error)) => Err(*error),
        }
    }

    /// Takes the bytes of the range that was asked for last.
    ///
    /// # Errors
    /// When there are too few of them.
    pub fn handle_bytes(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.source.handle_bytes(bytes)
    }

    /// The cues in the order in which they are shown, once nothing more is needed.
    pub fn into_cues(mut self) -> Vec<Cue> {
        self.found.sort_by_key(|cue| cue.begin);
        self.found
    }
}
