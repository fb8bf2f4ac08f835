//! The samples of one segment.

use std::ops::Range;

use super::cursor::{Cursor, Place};
use super::film::{Film, Form, Shares, Track};
use super::matroska;
use super::source::{Pause, Source};
use super::transport;
use super::{Error, Sample};

/// Bytes that are asked for at once: the sizes of two minutes of pictures.
const AHEAD: u64 = 4096;

/// Reads what a file says of the samples of a segment.
///
/// As with an [`Indexer`](super::Indexer): as long as [`Self::poll_read`] gives a range, its bytes
/// are to be brought.
#[derive(Debug)]
pub struct SampleReader {
    source: Source,
    form: Reading,
    found: Samples,
}

#[derive(Debug)]
enum Reading {
    /// The rest: cursors, and how many samples of the file they have passed at the segment's
    /// end.
    Movie(Vec<(Cursor, u32)>),
    Matroska(Box<matroska::Reader>),
    Transport(Box<transport::Reader>),
}

/// The samples of a segment.
#[derive(Debug, Default)]
pub struct Samples {
    /// Those of each track that was asked for.
    pub tracks: Vec<Vec<Sample>>,
    /// The bytes in which they lie, where the file has them not as they are sent. Else they lie in
    /// the file.
    pub payload: Option<Vec<u8>>,
}

impl SampleReader {
    /// Of segment `n`, and these tracks.
    pub fn new(film: &Film, n: usize, tracks: &[usize]) -> Self {
        let form = match &film.form {
            Form::Movie => {
                Reading::Movie(tracks.iter().filter_map(|&track| cursor(&film.tracks[track], n)).collect())
            }
            Form::Matroska(layout) => Reading::Matroska(Box::new(matroska::Reader::new(layout, n, tracks))),
            Form::Transport(layout) => {
                Reading::Transport(Box::new(transport::Reader::new(layout, n, tracks)))
            }
        };
        let found = Samples { tracks: vec![Vec::new(); tracks.len()], payload: None };
        Self { source: Source::new(film.length, AHEAD), form, found }
    }

    /// The next range of the file that is needed; `None` at the end.
    ///
    /// # Errors
    /// When the file is not what it was.
    pub fn poll_read(&mut self) -> Result<Option<Range<u64>>, Error> {
        match self.run() {
            Ok(()) => Ok(None),
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

    /// The samples, once nothing more is needed.
    pub fn into_samples(self) -> Samples {
        self.found
    }

    fn run(&mut self) -> Result<(), Pause> {
        let tracks = match &mut self.form {
            Reading::Movie(tracks) => tracks,
            Reading::Matroska(reader) => {
                self.found.tracks = reader.run(&mut self.source)?;
                return Ok(());
            }
            Reading::Transport(reader) => {
                let (tracks, payload) = reader.run(&mut self.source)?;
                self.found = Samples { tracks, payload: Some(payload) };
                return Ok(());
            }
        };
        for ((cursor, end), found) in tracks.iter_mut().zip(&mut self.found.tracks) {
            while cursor.place().samples < *end {
                let Some(sample) = cursor.next(&mut self.source)? else {
                    return Err(Error::Short(self.source.length()).into());
                };
                found.push(sample);
            }
        }
        Ok(())
    }
}

/// A cursor for the samples of a segment, and where it ends.
fn cursor(track: &Track, n: usize) -> Option<(Cursor, u32)> {
    let Shares::Counted { descriptions, marks } = &track.shares else { return None };
    let (begin, end): (Place, Place) = (marks[n], marks[n + 1]);
    Some((Cursor::new(descriptions, begin), end.samples))
}
