//! Reads a file once, whatever kind of file it is.

use std::ops::Range;
use std::time::Duration;

use super::Error;
use super::film::Film;
use super::matroska;
use super::movie::MovieIndexer;
use super::source::{Lane, Pause, Source};
use super::transport;

/// Bytes of a table that are asked for at once: enough that asking does not count, and little for
/// seven of them.
const AHEAD: u64 = 64 * 1024;

/// Bytes that tell what kind of file it is.
const LOOK: u64 = 32 * 1024;

/// What an MP4 file may begin with.
const OUTER: [[u8; 4]; 8] = [*b"ftyp", *b"moov", *b"mdat", *b"free", *b"skip", *b"wide", *b"styp", *b"pnot"];

/// Makes a [`Film`] of a file.
///
/// As long as [`Self::poll_read`] gives a range, its bytes are to be brought by
/// [`Self::handle_bytes`]; then [`Self::into_film`] has the film.
#[derive(Debug)]
pub struct Indexer {
    source: Source,
    /// How long segments are to be.
    segment: Duration,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The first bytes tell what kind of file it is.
    Sniff,
    Movie(Box<MovieIndexer>),
    Matroska(Box<matroska::Indexer>),
    Transport(Box<transport::Indexer>),
    Done(Box<Film>),
    /// An error was told.
    Failed,
}

impl Indexer {
    /// Of a file of `length` bytes, for segments that are about so long.
    pub fn new(length: u64, segment: Duration) -> Self {
        Self { source: Source::new(length, AHEAD), segment, stage: Stage::Sniff }
    }

    /// The next range of the file that is needed; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be played in parts. It is of no use to go on then.
    pub fn poll_read(&mut self) -> Result<Option<Range<u64>>, Error> {
        loop {
            let film = match &mut self.stage {
                Stage::Sniff => match sniff(&mut self.source, self.segment) {
                    Ok(stage) => {
                        self.stage = stage;
                        continue;
                    }
                    Err(pause) => Err(pause),
                },
                Stage::Movie(indexer) => indexer.run(&mut self.source),
                Stage::Matroska(indexer) => indexer.run(&mut self.source),
                Stage::Transport(indexer) => indexer.run(&mut self.source),
                Stage::Done(_) | Stage::Failed => return Ok(None),
            };
            match film {
                Ok(film) => self.stage = Stage::Done(Box::new(film)),
                Err(Pause::Read) => return Ok(self.source.wanted()),
                Err(Pause::Failed(error)) => {
                    self.stage = Stage::Failed;
                    return Err(*error);
                }
            }
        }
    }

    /// Takes the bytes of the range that was asked for last.
    ///
    /// # Errors
    /// When there are too few of them.
    pub fn handle_bytes(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.source.handle_bytes(bytes)
    }

    /// The film, once nothing more is needed.
    pub fn into_film(self) -> Option<Film> {
        match self.stage {
            Stage::Done(film) => Some(*film),
            _ => None,
        }
    }
}

/// What is told by the first bytes. What is nothing else may be an MP4 file.
fn sniff(source: &mut Source, segment: Duration) -> Result<Stage, Pause> {
    let size = source.length().min(LOOK);
    let movie = || Stage::Movie(Box::new(MovieIndexer::new(segment)));
    if size < 8 {
        return Ok(movie());
    }
    let bytes = source.get(Lane::Boxes, 0, usize::try_from(size).expect("it is short"), LOOK)?;
    if bytes.starts_with(&matroska::MAGIC) {
        return Ok(Stage::Matroska(Box::new(matroska::Indexer::new(segment))));
    }
    let is_box = OUTER.iter().any(|kind| bytes[4..8] == *kind);
    let stride = if is_box { None } else { transport::stride(bytes) };
    Ok(stride
        .map_or_else(movie, |stride| Stage::Transport(Box::new(transport::Indexer::new(segment, stride)))))
}
