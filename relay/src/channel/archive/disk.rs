//! The two files of a channel's time-shift.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use forebay_core::segmenter::Segment;
use forebay_core::timeshift::index::{self, RECORD};
use tracing::warn;

use crate::state::{Access, Dir};

/// The media: offset `n` of the file is offset `n` of the store.
const STREAM: &str = "stream.ts";

/// The index of the media. It is written first and removed last: a folder with it is ours.
const INDEX: &str = "index";

/// The file that a crash leaves behind while the index is replaced ([`Dir::write`]).
const NEW_INDEX: &str = "index.new";

/// The largest index that is read, in bytes: the segments of seven days, each of a second, with as
/// many outdated ones.
const MAX_INDEX: u64 = 2 * 7 * 86_400 * RECORD as u64;

/// The smallest hole that is worth a call, in bytes; a multiple of any file system's blocks.
pub(super) const GRAIN: u64 = 1 << 20;

/// The files of a time-shift. Calls may block for as long as the disk takes, so none may be made on
/// a thread of the runtime.
pub(super) trait Disk: std::fmt::Debug + Send + Sync {
    /// Writes these bytes at `at`.
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads the bytes from `start` to `end`.
    fn read(&self, start: u64, end: u64) -> io::Result<Bytes>;
    /// Frees the bytes from `start` to `end`.
    fn punch(&self, start: u64, end: u64) -> io::Result<()>;
    /// Appends records to the index.
    fn append(&self, records: &[u8]) -> io::Result<()>;
    /// Replaces the index in one step.
    fn replace(&self, index: &[u8]) -> io::Result<()>;
    /// Fails if the files were removed, so that a restart would not find them.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Two files in a folder of their own.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    stream: File,
    index: Mutex<File>,
    /// Locked, so that no other process writes to the folder.
    _lock: File,
}

impl Folder {
    /// Opens the folder, or makes it, and returns the segments whose bytes are there.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Segment>)> {
        fs::create_dir_all(path)?;
        // The folder itself is locked: a file for the lock
        // would be one more that may be removed under it.
        let lock = File::open(path)?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process uses the folder"));
        }
        let known = read_index(path)?;
        if known.is_none() {
            // A file of this name without our index is somebody's
            // recording: it would be overwritten from its beginning on.
            if path.join(STREAM).symlink_metadata().is_ok() {
                return Err(stranger(STREAM));
            }
            write_index(path, &index::head())?;
        }
        // Not truncated: it is the media of before the restart.
        let stream =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join(STREAM))?;
        if !stream.metadata()?.is_file() {
            return Err(stranger(STREAM));
        }
        let index = Mutex::new(open_index(path)?);
        let folder = Self { path: path.into(), stream, index, _lock: lock };
        let length = folder.stream.metadata()?.len();
        // A hole behind the end costs nothing, and shows whether the file system can punch holes.
        let beyond = length.next_multiple_of(GRAIN);
        folder.punch(beyond, beyond + GRAIN)?;
        let index = known.unwrap_or(index::Index { segments: Vec::new(), is_whole: true });
        if !index.is_whole {
            warn!(folder = %path.display(), "a part of an index was damaged: what it named is not used");
        }
        let is_there = |segment: &Segment| segment.end <= length && folder.holds(segment);
        let mut segments = index.segments.as_slice();
        // Punched segments are at the front, and those that never reached the disk at the end.
        while let Some(rest) =
            segments.split_last().and_then(|(last, rest)| (!is_there(last)).then_some(rest))
        {
            segments = rest;
        }
        while let Some(rest) =
            segments.split_first().and_then(|(first, rest)| (!is_there(first)).then_some(rest))
        {
            segments = rest;
        }
        let segments = segments.to_vec();
        Ok((folder, segments))
    }

    /// Frees everything but the bytes of `segments`.
    pub(super) fn tidy(&self, segments: &[Segment]) -> io::Result<()> {
        let (start, end) = match segments {
            [] => (0, 0),
            [first, .., last] => (first.start, last.end),
            [only] => (only.start, only.end),
        };
        // The index first: a crash in between leaves bytes
        // that nothing names, not names without bytes.
        self.replace(&render(segments.iter()))?;
        self.stream.set_len(end)?;
        if start > 0 {
            self.punch(0, start)?;
        }
        Ok(())
    }

    fn holds(&self, segment: &Segment) -> bool {
        let [first, last] = index::ends(segment).map(|at| {
            let mut byte = [0];
            self.stream.read_exact_at(&mut byte, at).map_or(0, |()| byte[0])
        });
        index::is_stored(first, last)
    }
}

impl Disk for Folder {
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all_at(bytes, at)
    }

    fn read(&self, start: u64, end: u64) -> io::Result<Bytes> {
        let mut bytes = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
        self.stream.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }

    #[cfg(target_os = "linux")]
    fn punch(&self, start: u64, end: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(&self.stream, flags, start, end - start)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn punch(&self, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn append(&self, records: &[u8]) -> io::Result<()> {
        // Not synced: a record that is lost, or whose bytes are, is left out at the next start.
        self.index.lock().unwrap_or_else(PoisonError::into_inner).write_all(records)
    }

    fn replace(&self, index: &[u8]) -> io::Result<()> {
        write_index(&self.path, index)?;
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = open_index(&self.path)?;
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if is_at(&self.path.join(STREAM), &self.stream)? && is_at(&self.path.join(INDEX), &index)? {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "the folder, or a file in it, was removed"))
    }
}

/// Whether this path still names this file.
fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let place = |metadata: Metadata| (metadata.dev(), metadata.ino());
    match path.metadata() {
        Ok(there) => Ok(place(there) == place(file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The index of these segments.
pub(super) fn render<'a>(segments: impl Iterator<Item = &'a Segment>) -> Vec<u8> {
    index::head().into_iter().chain(segments.flat_map(index::encode)).collect()
}

/// The index in this folder; `None` if there is none, an error if it is not ours.
fn read_index(folder: &Path) -> io::Result<Option<index::Index>> {
    let file = match File::open(folder.join(INDEX)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_INDEX).read_to_end(&mut bytes)?;
    index::read(&bytes).map(Some).ok_or_else(|| stranger(INDEX))
}

fn open_index(folder: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(folder.join(INDEX))
}

fn write_index(folder: &Path, bytes: &[u8]) -> io::Result<()> {
    Dir::new(folder, Access::All).write(INDEX, bytes)
}

fn stranger(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, format!("the file {file} there is none of ours"))
}

/// Removes our files from a folder with an index of ours, and the folder if it is empty then.
/// Returns whether it was such a folder.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    if !path.symlink_metadata()?.is_dir() || !matches!(read_index(path), Ok(Some(_))) {
        return Ok(false);
    }
    let lock = File::open(path)?;
    if let Err(TryLockError::WouldBlock) = lock.try_lock() {
        return Ok(false);
    }
    for file in [STREAM, NEW_INDEX, INDEX] {
        match fs::remove_file(path.join(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    match fs::remove_dir(path) {
        // Other files are in the folder: it stays.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(true),
        result => result.map(|()| true),
    }
}
