//! Copies media from memory to the file: blocks of the store, records of the index, and holes
//! behind the kept media.

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

/// How many more outdated than present records the index may have before it is replaced.
const SPARE_RECORDS: usize = 4096;

/// The writing thread's state of the files.
#[derive(Debug)]
pub(super) struct Writing {
    /// The end of the freed bytes.
    freed: u64,
    /// The records in the index.
    records: usize,
}

impl Writing {
    pub(super) fn new(freed: u64, records: usize) -> Self {
        Self { freed, records }
    }
}

/// One copy of media from the store to the file, for a thread that may block.
#[derive(Debug)]
pub(in crate::channel) struct Spool {
    pub(in crate::channel) store: Arc<Store>,
    pub(in crate::channel) archive: Arc<Archive>,
    /// The bytes to copy, as offsets into the store.
    pub(in crate::channel) from: u64,
    pub(in crate::channel) until: u64,
    /// The segments that end in those bytes.
    pub(in crate::channel) segments: Vec<Segment>,
}

impl Spool {
    /// Copies the media and frees what is no longer kept. If that fails, the archive goes on
    /// without the file.
    pub(in crate::channel) fn run(self) {
        // A thread may still be writing for an earlier presentation.
        let mut writing = self.archive.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.write(&mut writing) {
            self.archive.fail(&error);
        }
        // Bytes behind the kept media are freed even if nothing more is written.
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
        // An earlier thread may have written part of it already.
        let mut at = self.from.max(archive.written());
        // The disk may have been given up meanwhile: see `Archive::give_up`.
        while at < self.until && !archive.is_failing() {
            let end = self.until.min(at + BLOCK);
            let bytes = self.store.read(at, end)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            disk.write(at, &bytes)?;
            at = end;
            // After each block, so that memory can drop it before the rest is written.
            archive.written.store(at, Ordering::SeqCst);
        }
        if at < self.until {
            return Ok(());
        }
        let kept = archive.history().segments().len();
        if archive.is_stale.swap(false, Ordering::SeqCst) || writing.records > 2 * kept + SPARE_RECORDS {
            let index = {
                let history = archive.history();
                // Media first, then what names it: a crash in between loses
                // a segment, and never names bytes that are not there.
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
        // No further than the file goes: what is written later would fill the hole again.
        let tail = self.archive.tail.load(Ordering::SeqCst).min(self.archive.written()) / GRAIN * GRAIN;
        if tail > writing.freed {
            disk.punch(writing.freed, tail)?;
            writing.freed = tail;
        }
        Ok(())
    }
}

impl Archive {
    /// The disk to write to.
    fn usable_disk(&self) -> Option<Arc<dyn Disk>> {
        match &*self.placement() {
            Placement::Disk(disk) => Some(Arc::clone(disk)),
            Placement::Nowhere | Placement::Removed(_) => None,
        }
    }

    /// Makes new files, if there was no disk when the process began, or its files were removed.
    /// Files that are in the folder now are not used: they may be anything.
    fn open_late(&self) -> io::Result<Arc<dyn Disk>> {
        let (folder, _) = Folder::open(&self.folder)?;
        folder.tidy(&[])?;
        let folder: Arc<dyn Disk> = Arc::new(folder);
        let before = std::mem::replace(&mut *self.placement(), Placement::Disk(Arc::clone(&folder)));
        // Not under the lock: with the last handle of a removed file the system frees the whole
        // file.
        drop(before);
        Ok(folder)
    }

    pub(super) fn fail(&self, error: &io::Error) {
        self.is_stale.store(true, Ordering::SeqCst);
        if !self.is_failing.swap(true, Ordering::SeqCst) {
            warn_of(&self.folder, error);
        }
    }

    /// Treats the disk as failed: it is so slow that memory is full of media that it has not taken.
    pub(in crate::channel) fn give_up(&self) {
        self.fail(&io::Error::new(io::ErrorKind::TimedOut, "the disk is too slow"));
    }
}

/// Logs once what is wrong with the disk, and what to do.
pub(super) fn warn_of(folder: &Path, error: &io::Error) {
    warn!(
        folder = %folder.display(), %error,
        "cannot write a channel's time-shift to disk: it goes on in memory, with less of it, until the channel is opened again. Give the folder \
         room, a file system with sparse files and the right to write, or lower timeshift or timeshift_bytes"
    );
}
