//! The time-shift of a channel: a file behind the store in memory, and its index.
//!
//! Live viewers never wait for a disk. The stream goes into the store in memory, like that of any
//! channel. Behind that, threads that may block copy whole blocks to the file, and memory drops
//! them. Viewers who are behind the window read the file, on such threads too. So a disk that hangs
//! or is full holds up only the viewers who need it.
//!
//! The file outlives a presentation, and the process. Each channel has one [`Archive`] however
//! often it is opened, since readers of one presentation may still be there when the next begins.

mod disk;
mod spool;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use forebay_core::segmenter::{Segment, SequenceNumbers};
use forebay_core::time::MediaTime;
use forebay_core::timeshift::pace::Span;
use forebay_core::timeshift::{Extract, History, Limits};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use self::disk::{Disk, Folder};
pub(super) use self::spool::Spool;
use super::lookup::Lookup;
use super::playlist::Rendered;
use crate::model::{Channel, ChannelId};

/// Threads that may read one channel's file at a time. The process has 512 for all blocking work.
const READERS: usize = 16;

/// Playlists of different lengths that are kept until the next segment.
const MAX_RENDERED: usize = 8;

/// A file longer than this is begun anew when the process starts: well before 16 TiB, the largest
/// file of some file systems.
const MAX_OFFSET: u64 = 8 << 40;

/// The time-shift of a channel.
#[derive(Debug)]
pub(super) struct Archive {
    folder: PathBuf,
    history: Mutex<History>,
    placement: Mutex<Placement>,
    /// The first byte that may still be read. It is moved before the bytes are freed.
    tail: AtomicU64,
    /// The end of the file.
    written: AtomicU64,
    /// The end of the store.
    head: AtomicU64,
    /// The disk has failed: nothing is written until the channel is opened again.
    is_failing: AtomicBool,
    /// The index on disk is out of date, and must be replaced.
    is_stale: AtomicBool,
    /// Held by the thread that writes.
    writing: Mutex<spool::Writing>,
    readers: Semaphore,
    /// Playlists of the present segments, for the lengths that viewers have asked for.
    rendered: Mutex<Vec<Arc<Rendered>>>,
    /// Held by the task that renders one.
    rendering: Semaphore,
}

/// Where the media is kept.
#[derive(Debug)]
enum Placement {
    /// There is no disk to write to.
    Nowhere,
    /// On this disk.
    Disk(Arc<dyn Disk>),
    /// The files were removed. Viewers behind the window still read them; nothing is written there.
    Removed(Arc<dyn Disk>),
}

/// The status of a time-shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeshiftStatus {
    /// The duration of the kept media.
    pub length: Duration,
    /// The size of the kept media, in bytes.
    pub bytes: u64,
    /// Whether the media is written to the disk.
    pub is_on_disk: bool,
}

impl Archive {
    /// Opens the archive in the folder of this channel. May block for as long as the disk takes.
    pub(super) fn open(hls_dir: &Path, channel: &Channel) -> Option<Arc<Self>> {
        let limits = limits(channel)?;
        let folder = hls_dir.join(channel.id.as_str());
        let (placement, history) = match recover(&folder, limits) {
            Ok((disk, history)) => (Placement::Disk(Arc::new(disk)), history),
            Err(error) => {
                // The channel plays without its past: a broken
                // disk is no reason to keep the channel closed.
                spool::warn_of(&folder, &error);
                (Placement::Nowhere, History::new(limits, Vec::new()))
            }
        };
        if history.length() > Duration::ZERO {
            let (seconds, bytes) = (history.length().as_secs(), history.bytes());
            info!(channel = %channel.id, seconds, bytes, "the time-shift of a channel is there again");
        }
        Some(Arc::new(Self::new(folder, placement, history)))
    }

    /// The archive of a channel that has nothing on disk yet: the first write makes the folder.
    pub(super) fn create(hls_dir: &Path, channel: &Channel) -> Option<Arc<Self>> {
        let limits = limits(channel)?;
        let folder = hls_dir.join(channel.id.as_str());
        Some(Arc::new(Self::new(folder, Placement::Nowhere, History::new(limits, Vec::new()))))
    }

    fn new(folder: PathBuf, placement: Placement, history: History) -> Self {
        let start = history.tail().unwrap_or(0);
        let end = history.segments().last().map_or(0, |last| last.end);
        let writing = spool::Writing::new(start, history.segments().len());
        Self {
            folder,
            placement: Mutex::new(placement),
            tail: AtomicU64::new(start),
            written: AtomicU64::new(end),
            head: AtomicU64::new(end),
            is_failing: AtomicBool::new(false),
            is_stale: AtomicBool::new(false),
            writing: Mutex::new(writing),
            readers: Semaphore::new(READERS),
            rendered: Mutex::default(),
            rendering: Semaphore::new(1),
            history: Mutex::new(history),
        }
    }

    /// Begins a presentation. Without an archive its sequence numbers would go on at `numbers`;
    /// returns those that it has, and the offset of its first byte.
    pub(super) fn begin(&self, channel: &Channel, numbers: SequenceNumbers) -> (u64, SequenceNumbers) {
        let mut history = self.history();
        if self.is_failing.swap(false, Ordering::SeqCst) {
            // Media that was in memory only went with the last presentation.
            history.forget_behind(self.written.load(Ordering::SeqCst));
            self.is_stale.store(true, Ordering::SeqCst);
        }
        if matches!(*self.placement(), Placement::Removed(_)) {
            // The next write makes new files.
            history.forget_behind(0);
        }
        if let Some(limits) = limits(channel) {
            history.set_limits(limits);
        }
        history.trim(SystemTime::now());
        let resumed = history.resume(numbers);
        if resumed != numbers {
            self.is_stale.store(true, Ordering::SeqCst);
        }
        // Offsets never go back, so that a reader of the last
        // presentation does not find the bytes of this one.
        let end = self.head.load(Ordering::SeqCst).max(self.written.load(Ordering::SeqCst));
        self.head.store(end, Ordering::SeqCst);
        (end, resumed)
    }

    /// Takes new settings.
    pub(super) fn configure(&self, channel: &Channel) {
        if let Some(limits) = limits(channel) {
            self.history().set_limits(limits);
        }
    }

    /// Takes a segment that has ended.
    pub(super) fn push(&self, segment: Segment) {
        self.history().push(segment);
        self.rendered().clear();
    }

    /// Notes that the store has grown to `head`. If the disk has failed, memory keeps no more than
    /// `bytes`. Returns the first byte that is kept.
    pub(super) fn advance(&self, head: u64, bytes: u64) -> u64 {
        self.head.store(head, Ordering::SeqCst);
        let mut history = self.history();
        // Only after a failure: a disk that is slow for a
        // moment catches up, and nothing is lost.
        if self.is_failing() && head.saturating_sub(self.written()) > bytes {
            history.forget_before(head - bytes);
        }
        history.tail().unwrap_or(head)
    }

    /// Makes media before `tail` unreadable.
    pub(super) fn release(&self, tail: u64) {
        // It may not go back: the bytes before it may be freed already.
        self.tail.fetch_max(tail, Ordering::SeqCst);
    }

    /// The end of the file.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// Whether the disk has failed, so that nothing is written.
    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::SeqCst)
    }

    /// Reads the bytes from `start` to `end` from the file; `None` if they are not there.
    pub(super) async fn read(self: &Arc<Self>, start: u64, end: u64) -> io::Result<Option<Bytes>> {
        let _place = self.readers.acquire().await.expect("nobody closes the semaphore");
        let archive = Arc::clone(self);
        tokio::task::spawn_blocking(move || archive.read_now(start, end)).await.map_err(io::Error::other)?
    }

    fn read_now(&self, start: u64, end: u64) -> io::Result<Option<Bytes>> {
        let disk = self.disk();
        let Some(disk) = disk.filter(|_| end <= self.written()) else { return Ok(None) };
        // Checked after the read: if the bytes are still kept
        // now, no hole was punched in them during the read.
        let bytes = disk.read(start, end)?;
        Ok((self.tail.load(Ordering::SeqCst) <= start).then_some(bytes))
    }

    /// The segment with this number.
    pub(super) fn find(&self, number: u64) -> Option<Segment> {
        self.history().find(number).copied()
    }

    /// The segment with this number, if it is not older than is kept now: a channel that is closed
    /// lets go of nothing by itself.
    pub(super) fn find_kept(&self, number: u64) -> Option<Segment> {
        self.history().find_kept(number, SystemTime::now()).copied()
    }

    /// What is kept of the time from `from` until `until`.
    pub(super) fn between(&self, from: SystemTime, until: SystemTime) -> Extract {
        self.history().between(from, until, SystemTime::now())
    }

    /// Of which times something is kept.
    pub(super) fn stretches(&self) -> Vec<(SystemTime, SystemTime)> {
        self.history().stretches(SystemTime::now())
    }

    /// The times of the segment in which this byte lies.
    pub(super) fn span(&self, offset: u64) -> Option<Span> {
        self.history().at(offset).map(Span::from)
    }

    /// Where to begin to see `time`, in the presentation whose first byte is `from`: the start of
    /// the segment that shows it, or of the oldest segment, and the time that is shown there.
    pub(super) fn reach(&self, from: u64, time: MediaTime) -> Option<(u64, MediaTime)> {
        self.history().reach(from, time).map(|segment| (segment.start, segment.shown))
    }

    /// Its status.
    pub(super) fn status(&self) -> TimeshiftStatus {
        let history = self.history();
        let is_on_disk = !self.is_failing() && matches!(*self.placement(), Placement::Disk(_));
        TimeshiftStatus { length: history.length(), bytes: history.bytes(), is_on_disk }
    }

    /// The playlist of the newest segments, as far back as `length`; `None` if there are fewer than
    /// `fewest`. Rendered once for all viewers who ask for the same.
    pub(super) async fn playlist(
        self: &Arc<Self>,
        length: Duration,
        target_duration: u64,
        fewest: usize,
    ) -> Option<Arc<Rendered>> {
        // One at a time: a week of segments takes a while, and other viewers may want the same.
        let _turn = self.rendering.acquire().await.ok()?;
        let extract = self.history().extract(length);
        if extract.segments.len() < fewest {
            return None;
        }
        let etag = Rendered::etag(target_duration, &extract.segments, extract.discontinuity_sequence);
        if let Some(known) = self.rendered().iter().find(|known| known.etag == etag) {
            return Some(Arc::clone(known));
        }
        let Extract { segments, discontinuity_sequence } = extract;
        let render = move || Rendered::new(target_duration, discontinuity_sequence, &segments);
        let new = Arc::new(tokio::task::spawn_blocking(render).await.ok()?);
        let mut rendered = self.rendered();
        if rendered.len() >= MAX_RENDERED {
            // The oldest, which is the least likely to be asked for again.
            rendered.remove(0);
        }
        rendered.push(Arc::clone(&new));
        Some(new)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notices if the files were removed. May block for as long as the disk takes.
    pub(super) fn check_files(&self) {
        // The writing thread may be about to replace them: then this waits for the next time.
        let Ok(_writing) = self.writing.try_lock() else { return };
        let disk = match &*self.placement() {
            Placement::Disk(disk) => Arc::clone(disk),
            Placement::Nowhere | Placement::Removed(_) => return,
        };
        let Err(error) = disk.check() else { return };
        // Under this lock, so that a presentation that begins meanwhile finds both changes or
        // neither.
        let _history = self.history();
        *self.placement() = Placement::Removed(disk);
        self.fail(&error);
    }

    /// The disk to read from.
    fn disk(&self) -> Option<Arc<dyn Disk>> {
        match &*self.placement() {
            Placement::Nowhere => None,
            Placement::Disk(disk) | Placement::Removed(disk) => Some(Arc::clone(disk)),
        }
    }

    fn placement(&self) -> MutexGuard<'_, Placement> {
        self.placement.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rendered(&self) -> MutexGuard<'_, Vec<Arc<Rendered>>> {
        self.rendered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limits(channel: &Channel) -> Option<Limits> {
    let window = channel.policy.timeshift?;
    Some(Limits { window, bytes: channel.policy.timeshift_bytes })
}

fn recover(folder: &Path, limits: Limits) -> io::Result<(Folder, History)> {
    let (disk, mut segments) = Folder::open(folder)?;
    if segments.last().is_some_and(|last| last.end > MAX_OFFSET) {
        segments.clear();
    }
    let mut history = History::new(limits, segments);
    history.trim(SystemTime::now());
    let kept: Vec<Segment> = history.segments().copied().collect();
    // Before the first reader: frees the bytes that a crash left behind.
    disk.tidy(&kept)?;
    Ok((disk, history))
}

/// The names of all folders that may hold archives.
pub(super) fn folders(hls_dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(hls_dir) else { return Vec::new() };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    // A name that is not UTF-8 is no channel's id, so the folder is not ours.
    folders.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The archives on disk of channels with `timeshift`. Removes those of other channels.
pub(super) fn open_all(hls_dir: &Path, lookup: &dyn Lookup) -> HashMap<ChannelId, Arc<Archive>> {
    let mut archives = HashMap::new();
    for name in folders(hls_dir) {
        let Ok(found) = lookup.find(&name) else {
            // The list cannot be read, so the folder may belong to a channel.
            continue;
        };
        match found.and_then(|channel| Some((channel.id.clone(), Archive::open(hls_dir, &channel)?))) {
            Some((id, archive)) => _ = archives.insert(id, archive),
            None => remove(&hls_dir.join(name)),
        }
    }
    archives
}

/// Removes a folder, if it is one of ours.
fn remove(folder: &Path) {
    match disk::remove(folder) {
        Ok(true) => {
            info!(folder = %folder.display(), "removed the time-shift of a channel that keeps none any more");
        }
        Ok(false) => {}
        Err(error) => {
            warn!(folder = %folder.display(), %error, "cannot remove the time-shift of a channel that keeps none any more");
        }
    }
}

#[cfg(test)]
mod tests;
