//! Documents on the disk: a list is written there as it comes, and read from there as often as it
//! is needed. So no transaction waits for a slow server, and memory does not grow with the list.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use forebay_relay::input::document::Marks;
use forebay_relay::state::{Access, Dir};
use ring::digest::{Context, SHA256};
use tokio::io::AsyncWriteExt as _;
use url::Url;

use super::Authority;
use crate::db::lineup::Digest;

/// The folder beside the database.
const FOLDER: &str = "playlists";

/// Longer documents are refused: that of 600,000 entries has 150 MB.
const MAX_BYTES: u64 = 1 << 30;

/// How a document is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a list, of which relative addresses begin here, in this character set.
    List { base: Option<Url>, charset: Option<String> },
    /// As what a panel said: a line of its categories, then its streams.
    Panel,
}

/// A document that has come.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) file: File,
    pub(crate) form: Form,
    pub(crate) digest: Digest,
    pub(crate) marks: Marks,
    /// All of it has come.
    pub(crate) is_whole: bool,
    /// Who sent it; none where it was fetched from where the playlist says.
    pub(crate) given_by: Option<Authority>,
}

/// A file that goes when it is dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    is_kept: AtomicBool,
}

/// The folder of documents.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    folder: PathBuf,
    /// Longer documents are refused.
    max_bytes: u64,
    /// Documents so far: each has a name of its own.
    count: Arc<AtomicU64>,
}

/// A document on its way.
pub(crate) struct Writer {
    file: File,
    out: tokio::fs::File,
    digest: Context,
    length: u64,
    max_bytes: u64,
}

/// Why a document was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("it has more than {} MiB", max_bytes >> 20)]
    TooLong { max_bytes: u64 },
    #[error("it cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl Spool {
    /// That beside a database in `data`, without what an earlier process has left there.
    pub(crate) fn new(data: &Path) -> Self {
        Self::limited(data, MAX_BYTES)
    }

    /// The same for documents of so many bytes.
    pub(crate) fn limited(data: &Path, max_bytes: u64) -> Self {
        Self::at(data.join(FOLDER), max_bytes)
    }

    /// The same in a folder of its own.
    pub(crate) fn at(folder: PathBuf, max_bytes: u64) -> Self {
        let spool = Self { folder, max_bytes, count: Arc::default() };
        spool.clean();
        spool
    }

    fn clean(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            // Files of a process that was killed; held lists have another ending and stay.
            if path.extension().is_some_and(|extension| extension == "new") {
                // What cannot be removed only takes room.
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Begins a document.
    pub(crate) async fn create(&self) -> io::Result<Writer> {
        Dir::new(&self.folder, Access::Owner).create()?;
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{number}.new"));
        let mut options = tokio::fs::OpenOptions::new();
        // It may hold passwords.
        let out = options.write(true).create(true).truncate(true).mode(0o600).open(&path).await?;
        Ok(Writer {
            file: File { path, is_kept: AtomicBool::new(false) },
            out,
            digest: Context::new(&SHA256),
            length: 0,
            max_bytes: self.max_bytes,
        })
    }

    /// A document that is held.
    pub(crate) fn held(&self, name: &str) -> File {
        File { path: self.folder.join(name), is_kept: AtomicBool::new(true) }
    }
}

impl File {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the file under this name. An older one of that name goes.
    pub(crate) fn keep(&self, name: &str) -> io::Result<()> {
        // In the same folder, so this is one step and the old file is never half replaced.
        fs::rename(&self.path, self.path.with_file_name(name))?;
        self.is_kept.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Has it go in the end.
    pub(crate) fn release(&self) {
        self.is_kept.store(false, Ordering::Relaxed);
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if !self.is_kept.load(Ordering::Relaxed) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Writer {
    /// Takes the next bytes.
    pub(crate) async fn push(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        // Counted after decompression: a small body can swell by a factor of hundreds.
        self.length += bytes.len() as u64;
        if self.length > self.max_bytes {
            return Err(WriteError::TooLong { max_bytes: self.max_bytes });
        }
        self.digest.update(bytes);
        Ok(self.out.write_all(bytes).await?)
    }

    /// How many bytes have come.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Ends it.
    pub(crate) async fn finish(mut self, form: Form, marks: Marks, is_whole: bool) -> io::Result<Document> {
        self.out.flush().await?;
        let digest = self.digest.finish();
        let digest = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
        Ok(Document { file: self.file, form, digest, marks, is_whole, given_by: None })
    }
}
