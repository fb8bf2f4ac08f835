//! A film, open: its file, and the index of it.

use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::index::{self, Film, Indexer, SampleReader};
use forebay_core::package::{self, Segment};

use super::walk::identity;
use crate::db::films::Identity;

/// A film, open.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: Arc<File>,
    /// The index of it.
    pub film: Film,
    identity: Identity,
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
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::File(Arc::new(error))
    }
}

impl Opened {
    /// What tells this state of the file from any other, for `ETag`.
    pub fn tag(&self) -> String {
        tag(&self.identity)
    }

    /// Which file it is, and in which state.
    pub(super) fn identity(&self) -> Identity {
        self.identity
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
}

/// What tells this state of a file from any other, for `ETag`.
pub fn file_tag(data: &Metadata) -> String {
    tag(&identity(data))
}

fn tag(identity: &Identity) -> String {
    let Identity { device, inode, size, modified } = identity;
    format!("{size:x}-{modified:x}-{inode:x}-{device:x}")
}

/// Opens a film, and indexes it. Waits for the disk.
pub fn open(path: &Path, segment: Duration) -> Result<Opened, OpenError> {
    let file = File::open(path)?;
    let identity = identity(&file.metadata()?);
    let mut indexer = Indexer::new(identity.size, segment);
    while let Some(range) = indexer.poll_read()? {
        indexer.handle_bytes(read(&file, range)?)?;
    }
    let whole = indexer.into_film().expect("an index that needs nothing more is whole");
    Ok(Opened { file: Arc::new(file), film: whole, identity })
}

fn read(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}
