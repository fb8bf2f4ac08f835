//! Files of video platforms, fetched once for all who watch them.
//!
//! A reel is the file of one form of a page: a sparse file on the disk, and what is known of which
//! bytes of it are there (`forebay_core::reel`). One task fetches what its readers want next, in
//! bounded ranges, and resolves the page anew when its address is refused: viewers notice nothing.
//! A reel that nobody reads is kept until its place is needed.

mod fetch;
mod reel;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use forebay_core::resolve::Page;
use forebay_relay::input;
use forebay_relay::input::ranges::Ranges;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use self::fetch::Source;
pub use self::reel::{Reader, Reel};
use crate::resolver::{Resolver, Unknown};

/// The form of a page whose file a reel is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The page.
    pub page: Page,
    /// What the platform calls the form.
    pub format: String,
}

/// All reels. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Reels(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    resolver: Resolver,
    ranges: Ranges,
    folder: PathBuf,
    /// Bytes that all reels may take on the disk.
    limit: u64,
    slots: Mutex<HashMap<Key, Slot>>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Slot {
    reel: Arc<OnceCell<Arc<Reel>>>,
    /// Bytes that it may take on the disk; 0 until that is known.
    length: u64,
    used_at: Instant,
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Bytes handed to viewers.
    pub served: AtomicU64,
    /// Bytes that came from platforms.
    pub fetched: AtomicU64,
    /// Requests that are being answered.
    pub readers: AtomicUsize,
}

/// Why a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ReelError {
    /// The page is not resolved.
    #[error("the page is not resolved")]
    Unknown(Unknown),
    /// The platform does not give the file.
    #[error("the platform does not give the file: {0}")]
    Upstream(#[from] input::Error),
    /// There is no room for it beside the files that are read.
    #[error("there is no room for a file of {length} bytes; see cache in [resolver]")]
    NoRoom {
        /// Its bytes.
        length: u64,
    },
    /// The disk does not take it.
    #[error("the file cannot be kept: {0}")]
    Disk(#[from] io::Error),
}

impl From<Unknown> for ReelError {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}

impl Reels {
    /// Files of pages that `resolver` resolves, in a `folder` of at most `limit` bytes.
    pub fn new(resolver: Resolver, folder: PathBuf, limit: u64) -> Self {
        Self(Arc::new(Inner {
            resolver,
            ranges: Ranges::new(),
            folder,
            limit,
            slots: Mutex::default(),
            counts: Arc::default(),
        }))
    }

    /// The file of a form of a page, of which something is there when this returns. All who ask at
    /// the same time wait for the same answer.
    pub async fn open(&self, key: &Key) -> Result<Arc<Reel>, ReelError> {
        let cell = {
            let mut slots = self.slots();
            slots.retain(|_, slot| match slot.reel.get() {
                Some(reel) => !reel.is_broken(),
                // Clones are made under this lock only: without another one nobody begins the file.
                None => Arc::strong_count(&slot.reel) > 1,
            });
            let slot = slots.entry(key.clone()).or_insert_with(|| Slot {
                reel: Arc::default(),
                length: 0,
                used_at: Instant::now(),
            });
            slot.used_at = Instant::now();
            Arc::clone(&slot.reel)
        };
        // A failure leaves the cell empty, so the next who asks tries again.
        cell.get_or_try_init(|| self.begin(key)).await.cloned()
    }

    /// The file, if it is open.
    pub fn opened(&self, key: &Key) -> Option<Arc<Reel>> {
        self.slots().get(key)?.reel.get().cloned()
    }

    /// The counters.
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    async fn begin(&self, key: &Key) -> Result<Arc<Reel>, ReelError> {
        let (resolver, ranges) = (self.0.resolver.clone(), self.0.ranges.clone());
        let (source, first) = Source::open(resolver, ranges, key.clone()).await?;
        self.make_room(key, first.length)?;
        let folder = self.0.folder.clone();
        let file = spawn_blocking(move || unnamed(&folder)).await.map_err(io::Error::other)??;
        Ok(Reel::start(file, source, first, Arc::clone(&self.0.counts)))
    }

    /// Drops files that nobody reads, those first that were asked for longest ago, until there is
    /// room for the file of `key`, and keeps that room for it.
    fn make_room(&self, key: &Key, length: u64) -> Result<(), ReelError> {
        let mut slots = self.slots();
        let others = |slots: &HashMap<Key, Slot>| -> u64 {
            slots.iter().filter(|(other, _)| *other != key).map(|(_, slot)| slot.length).sum()
        };
        while others(&slots).saturating_add(length) > self.0.limit {
            // One that is read is never dropped: its viewer would stand still.
            let unread = slots.iter().filter(|(_, slot)| slot.reel.get().is_some_and(|reel| !reel.is_read()));
            let oldest = unread.min_by_key(|(_, slot)| slot.used_at).map(|(key, _)| key.clone());
            let oldest = oldest.ok_or(ReelError::NoRoom { length })?;
            slots.remove(&oldest);
        }
        // Others begin files at the same time, which have to fit beside it.
        slots.get_mut(key).expect("whoever begins a file holds its slot").length = length;
        Ok(())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new file that has a name for a moment only: nothing is left however the server ends.
fn unnamed(folder: &Path) -> io::Result<File> {
    /// Files that were made so far: several are begun at the same time.
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("reel-{}-{number}", std::process::id()));
    // One may be left of a server that was killed at this very place: in containers, all servers
    // have the same process id.
    let _ = fs::remove_file(&path);
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    // From here on only the descriptor holds it.
    fs::remove_file(&path)?;
    Ok(file)
}

impl Counts {
    fn note(count: &AtomicU64, bytes: usize) {
        count.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::thread;

    use super::*;

    #[test]
    fn files_that_are_begun_at_the_same_time_are_not_one() {
        let folder = tempfile::tempdir().unwrap();
        let begin = || (0..50).map(|_| unnamed(folder.path()).unwrap()).collect::<Vec<File>>();
        let files: Vec<File> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let mut inodes: Vec<u64> = files.iter().map(|file| file.metadata().unwrap().ino()).collect();
        inodes.sort_unstable();
        inodes.dedup();
        assert_eq!(inodes.len(), files.len());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "none has a name");
    }
}
