//! From memory to the file: blocks of the store, records of the index, and holes behind the window.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use forebay_core::segmenter::Segment;
use forebay_core::timeshift::index::{self, RECORD};
use tracing::warn;

use super::disk::{Disk, Folder, GRAIN};
use super::{Archive, Placement, disk};
use crate::channel::store::{BLOCK, Store};

/// Records of segments that are gone, beyond as many as are there, before the index is written anew.
const SPARE_RECORDS: usize = 4096;

/// What the one who writes knows of the files.
#[derive(Debug)]
pub(super) struct Writing {
    /// Freed up to here.
    freed: u64,
    /// In the index.
    records: usize,
}

impl Writing {
    pub(super) fn new(freed: u64, records: usize) -> Self {
        Self { freed, records }
    }
}

/// A piece of work for a thread that may wait.
#[derive(Debug)]
pub(in crate::channel) struct Spool {
    pub(in crate::channel) store: Arc<Store>,
    pub(in crate::channel) archive: Arc<Archive>,
    /// What is to be copied, in the words of the store.
    pub(in crate::channel) from: u64,
    pub(in crate::channel) until: u64,
    /// What ends in it.
    pub(in crate::channel) segments: Vec<Segment>,
}

impl Spool {
    /// Does it. A failure is the archive's: it goes on without the file.
    pub(in crate::channel) fn run(self) {
        // Of an earlier presentation, somebody may still be at it.
        let mut writing = self.archive.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.write(&mut writing) {
            self.archive.fail(&error);
        }
        // Where nothing more is written, what is let go of is freed all the same.
        if let Some(disk) = self.archive.disk()
            && let Err(error) = self.free(&*disk, &mut writing)
        {
            self.archive.fail(&error);
        }
    }

    fn write(&self, writing: &mut Writing) -> io::Result<()> {
        let archive = &self.archive;
        if archive.is_failing() {
            return Ok(());
        }
        let disk = archive.usable_disk().map_or_else(|| archive.open_late(), Ok)?;
        let mut at = self.from.max(archive.written());
        // It may be given up meanwhile: see `Archive::give_up`.
        while at < self.until && !archive.is_failing() {
            let end = self.until.min(at + BLOCK);
            let bytes = self.store.read(at, end)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            disk.write(at, &bytes)?;
            at = end;
            archive.written.store(at, Ordering::SeqCst);
        }
        if at < self.until {
            return Ok(());
        }
        let kept = archive.history().segments().len();
        if archive.is_stale.swap(false, Ordering::SeqCst) || writing.records > 2 * kept + SPARE_RECORDS {
            let index = {
                let history = archive.history();
                disk::render(history.segments().filter(|segment| segment.end <= at))
            };
            disk.replace(&index)?;
            writing.records = index.len() / RECORD - 1;
        } else {
            let records: Vec<u8> = self.segments.iter().flat_map(index::encode).collect();
            disk.append(&records)?;
            writing.records += self.segments.len();
        }
        Ok(())
    }

    fn free(&self, disk: &dyn Disk, writing: &mut Writing) -> io::Result<()> {
        let tail = self.archive.tail.load(Ordering::SeqCst).min(self.archive.written()) / GRAIN * GRAIN;
        if tail > writing.freed {
            disk.punch(writing.freed, tail)?;
            writing.freed = tail;
        }
        Ok(())
    }
}

impl Archive {
    /// What may be written to.
    fn usable_disk(&self) -> Option<Arc<dyn Disk>> {
        match &*self.placement() {
            Placement::Disk(disk) => Some(Arc::clone(disk)),
            Placement::Nowhere | Placement::Removed(_) => None,
        }
    }

    /// There was no disk when the process began, or it was removed. What is there now may be
    /// anything: it is not used.
    fn open_late(&self) -> io::Result<Arc<dyn Disk>> {
        let (folder, _) = Folder::open(&self.folder)?;
        folder.tidy(&[])?;
        let folder: Arc<dyn Disk> = Arc::new(folder);
        let before = std::mem::replace(&mut *self.placement(), Placement::Disk(Arc::clone(&folder)));
        // Not under the lock: with the last handle of a removed file the system frees all of it.
        drop(before);
        Ok(folder)
    }

    pub(super) fn fail(&self, error: &io::Error) {
        self.is_stale.store(true, Ordering::SeqCst);
        if !self.is_failing.swap(true, Ordering::SeqCst) {
            warn_of(&self.folder, error);
        }
    }

    /// The disk is so slow that memory is full of what it has not taken.
    pub(in crate::channel) fn give_up(&self) {
        self.fail(&io::Error::new(io::ErrorKind::TimedOut, "the disk is too slow"));
    }
}

/// Says once what is wrong, and what to do.
pub(super) fn warn_of(folder: &Path, error: &io::Error) {
    warn!(
        folder = %folder.display(), %error,
        "cannot keep a channel's past on disk: it goes on in memory, with less of it, until the channel is opened again. Give the folder \
         room, a file system with sparse files and the right to write, or lower timeshift or timeshift_bytes"
    );
}
