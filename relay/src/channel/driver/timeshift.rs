//! The reader that keeps a channel's time-shift: it has threads copy the store to the archive, and
//! says how much of the store memory must keep until that is done.

use std::sync::Arc;

use forebay_core::segmenter::Segment;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Span;

use crate::channel::archive::{Archive, Spool};
use crate::channel::feed::Feed;
use crate::channel::reader::Reader;
use crate::channel::reader_kind::ReaderKind;
use crate::channel::store::BLOCK;
use crate::model::Channel;

/// The bytes that are copied at once, unless a segment ends before: some eight calls for a second
/// of HD.
const BATCH: u64 = 4 * BLOCK;

/// The time-shift of an open channel.
pub(super) struct Timeshift {
    archive: Arc<Archive>,
    /// Counts as a reader of its kind.
    _reader: Reader,
    /// Segments that are not in the index yet.
    segments: Vec<Segment>,
    /// The copying that is under way.
    spool: Option<JoinHandle<()>>,
    tasks: TaskTracker,
}

impl Timeshift {
    pub(super) fn new(archive: Arc<Archive>, feed: &Arc<Feed>, tasks: TaskTracker) -> Self {
        let reader = Reader::new(feed, ReaderKind::Timeshift, 0);
        Self { archive, _reader: reader, segments: Vec::new(), spool: None, tasks }
    }

    /// Takes a segment that has ended.
    pub(super) fn push(&mut self, segment: Segment) {
        self.archive.push(segment);
        self.segments.push(segment);
    }

    /// The channel has new settings. Whether it has a time-shift at all is decided when it is
    /// opened.
    pub(super) fn configure(&self, channel: &Channel) {
        self.archive.configure(channel);
    }

    /// Makes the file follow the store up to `head`. Other readers need nothing before `tail`, and
    /// memory keeps no more than `limit` bytes for the file. Returns the first byte that memory
    /// must keep.
    pub(super) fn follow(&mut self, feed: &Feed, head: u64, tail: u64, limit: u64) -> u64 {
        let archive = &self.archive;
        let past = archive.advance(head, limit);
        archive.release(past.min(tail));
        let written = archive.written().max(feed.media.base);
        // Memory would grow without end for a disk that hangs.
        if head - written > limit && !archive.is_failing() {
            archive.give_up();
        }
        let has_work = !self.segments.is_empty() || head - written >= BATCH && !archive.is_failing();
        // One at a time: a disk that hangs holds up one thread
        // of each channel, not one more with each tick.
        if has_work && self.spool.as_ref().is_none_or(JoinHandle::is_finished) {
            self.spawn_spool(feed, head);
        }
        tail.min(past.max(written.saturating_sub(BLOCK))).max(feed.media.base)
    }

    /// Copies the last segments to the file, when the channel closes.
    pub(super) fn end(&mut self, feed: &Feed, head: u64) {
        if !self.segments.is_empty() {
            self.spawn_spool(feed, head);
        }
    }

    fn spawn_spool(&mut self, feed: &Feed, until: u64) {
        let spool = Spool {
            store: Arc::clone(&feed.media.store),
            archive: Arc::clone(&self.archive),
            from: self.archive.written().max(feed.media.base).min(until),
            until,
            segments: std::mem::take(&mut self.segments),
        };
        let span = Span::current();
        self.spool = Some(self.tasks.spawn_blocking(move || span.in_scope(|| spool.run())));
    }
}
