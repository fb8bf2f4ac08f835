//! A film, open: its file, and the index of it.

use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::index::{self, Film, Indexer, SampleReader, TextReader};
use forebay_core::manifest::Rendition;
use forebay_core::package::{self, Segment, TransportStream};
use forebay_core::subtitles::Cue;

use super::content::Content;
use super::key::SegmentKey;
use super::pages::read;
use super::walk::identity;
use crate::db::films::Identity;

/// The largest segment that is put together in memory.
pub(super) const MAX_MADE: u64 = 64 << 20;

/// A film, open.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: Arc<File>,
    /// The index of it.
    pub film: Film,
    identity: Identity,
    /// How long its segments are to be.
    segment: Duration,
}

/// Why a film cannot be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    File(Arc<io::Error>),
    /// It cannot be played in parts.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// It cannot be sent as a transport stream.
    #[error("no transport stream can be made of it: {0}")]
    Remux(forebay_core::remux::Error),
    /// There is no memory left to put a segment together.
    #[error("the segments that are being sent take as much memory as they may")]
    Full,
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::File(Arc::new(error))
    }
}

impl Opened {
    /// What tells this state of the file, cut into segments of this length, from any other, for
    /// `ETag`.
    pub fn tag(&self) -> String {
        // With the length, since segment 5 of six seconds and
        // segment 5 of two seconds have the same address.
        format!("{}-{}", tag(&self.identity), self.segment.as_millis())
    }

    /// The same, whose segments are told in the times of `film`, of which it is a copy.
    pub(super) fn begun_with(self, film: &Film) -> Self {
        Self { film: self.film.begun_with(film), ..self }
    }

    /// Which file it is, and in which state.
    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// How long its segments are to be.
    pub(super) fn segment_length(&self) -> Duration {
        self.segment
    }

    /// Names segment `number` of a rendition.
    pub fn key(&self, rendition: Rendition, number: usize) -> SegmentKey {
        SegmentKey { film: self.identity, segment: self.segment, rendition, number }
    }

    /// Segment `n` of these tracks; of the key pictures alone with `is_keys`. Waits for the disk.
    pub fn segment(&self, n: usize, tracks: &[usize], is_keys: bool) -> Result<Segment, OpenError> {
        let mut reader = SampleReader::new(&self.film, n, tracks);
        while let Some(range) = reader.poll_read()? {
            reader.handle_bytes(read(&self.file, range)?)?;
        }
        let mut samples = reader.into_samples();
        if is_keys {
            samples = package::key_picture(samples);
        }
        Ok(package::fragment(&self.film, n, tracks, &samples))
    }

    /// Writes the key pictures of these segments to a file of its own, one after the other, in the
    /// times that they have in the film. Waits for the disk.
    pub(super) fn write_key_pictures(&self, to: &Path, segments: &[usize]) -> Result<(), OpenError> {
        let mut file = BufWriter::new(File::create(to)?);
        file.write_all(&package::init(&self.film, &[0]))?;
        for &n in segments {
            let segment = self.segment(n, &[0], true)?;
            let content = Content::new(segment.head.into(), Arc::clone(&self.file), &segment.ranges);
            file.write_all(&content.read_all()?)?;
        }
        Ok(file.flush()?)
    }

    /// What track `text` of the film's subtitles shows in segment `n`. Waits for the disk.
    pub fn text(&self, text: usize, n: usize) -> Result<Vec<Cue>, OpenError> {
        let mut reader = TextReader::new(&self.film, text, n);
        while let Some(range) = reader.poll_read()? {
            reader.handle_bytes(read(&self.file, range)?)?;
        }
        Ok(reader.into_cues())
    }

    /// Segment `n` of these tracks as a transport stream. Waits for the disk.
    pub fn transport(&self, n: usize, tracks: &[usize]) -> Result<Vec<u8>, OpenError> {
        let init = package::init(&self.film, tracks);
        package::transport(&init, &self.whole(n, tracks)?).map_err(OpenError::Remux)
    }

    /// The transport stream of these tracks, to which segments are added one after the other.
    pub fn transport_stream(&self, tracks: &[usize]) -> Result<TransportStream, OpenError> {
        TransportStream::new(&package::init(&self.film, tracks)).map_err(OpenError::Remux)
    }

    /// The packets of segment `n`, which is the next of a transport stream. Waits for the disk.
    pub fn append(
        &self,
        stream: &mut TransportStream,
        n: usize,
        tracks: &[usize],
    ) -> Result<Vec<u8>, OpenError> {
        stream.push(&self.whole(n, tracks)?).map_err(OpenError::Remux)
    }

    /// All bytes of segment `n` of these tracks.
    fn whole(&self, n: usize, tracks: &[usize]) -> Result<Vec<u8>, OpenError> {
        let segment = self.segment(n, tracks, false)?;
        // Known before the samples are read: what is too large takes no memory.
        if segment.length() > MAX_MADE {
            let what = "bytes of a segment that is put together";
            return Err(index::Error::TooLarge { what, limit: MAX_MADE }.into());
        }
        let content = Content::new(segment.head.into(), Arc::clone(&self.file), &segment.ranges);
        Ok(content.read_all()?)
    }
}

/// What tells this state of a file from any other, for `ETag`.
pub fn file_tag(data: &Metadata) -> String {
    tag(&identity(data))
}

/// The same of a state that is known.
pub fn tag(identity: &Identity) -> String {
    let Identity { device, inode, size, modified } = identity;
    format!("{size:x}-{modified:x}-{inode:x}-{device:x}")
}

/// Opens a film, and indexes it. Waits for the disk.
pub fn open(path: &Path, segment: Duration) -> Result<Opened, OpenError> {
    let file = File::open(path)?;
    // Of what is open, not of the path, which may lead to another file by now.
    let identity = identity(&file.metadata()?);
    let mut indexer = Indexer::new(identity.size, segment);
    while let Some(range) = indexer.poll_read()? {
        indexer.handle_bytes(read(&file, range)?)?;
    }
    let whole = indexer.into_film().expect("an index that needs nothing more is whole");
    Ok(Opened { file: Arc::new(file), film: whole, identity, segment })
}
