//! The reader that keeps a channel's past on disk: it hands out the work of copying, and says how
//! long memory must be kept for it.

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

/// Bytes that are copied at once, unless a segment ends before: some eight calls for a second of
/// HD.
const BATCH: u64 = 4 * BLOCK;

/// The past of an open channel.
pub(super) struct Timeshift {
    archive: Arc<Archive>,
    /// Counts as one as long as the past is kept.
    _reader: Reader,
    /// Segments that are not in the index yet.
    segments: Vec<Segment>,
    /// The work that is being done.
    spool: Option<JoinHandle<()>>,
    tasks: TaskTracker,
}

impl Timeshift {
    pub(super) fn new(archive: Arc<Archive>, feed: &Arc<Feed>, tasks: TaskTracker) -> Self {
        let reader = Reader::new(feed, ReaderKind::Timeshift);
        Self { archive, _reader: reader, segments: Vec::new(), spool: None, tasks }
    }

    /// A segment has ended.
    pub(super) fn push(&mut self, segment: Segment) {
        self.archive.push(segment);
        self.segments.push(segment);
    }

    /// The channel has new settings. Whether the past is kept at all is asked when it is opened.
    pub(super) fn configure(&self, channel: &Channel) {
        self.archive.configure(channel);
    }

    /// Sees to it that the file follows the store up to `head`, of which nothing before `tail` is
    /// needed otherwise and no more than `limit` bytes are kept. Returns from where on memory must
    /// keep the store.
    pub(super) fn follow(&mut self, feed: &Feed, head: u64, tail: u64, limit: u64) -> u64 {
        let archive = &self.archive;
        let past = archive.advance(head, limit);
        archive.release(past.min(tail));
        let written = archive.written().max(feed.base);
        if head - written > limit && !archive.is_failing() {
            archive.give_up();
        }
        let has_work = !self.segments.is_empty() || head - written >= BATCH && !archive.is_failing();
        if has_work && self.spool.as_ref().is_none_or(JoinHandle::is_finished) {
            self.spawn_spool(feed, head);
        }
        tail.min(past.max(written.saturating_sub(BLOCK))).max(feed.base)
    }

    /// The channel closes: the last segments go to the file too.
    pub(super) fn end(&mut self, feed: &Feed, head: u64) {
        if !self.segments.is_empty() {
            self.spawn_spool(feed, head);
        }
    }

    fn spawn_spool(&mut self, feed: &Feed, until: u64) {
        let spool = Spool {
            store: Arc::clone(&feed.store),
            archive: Arc::clone(&self.archive),
            from: self.archive.written().max(feed.base).min(until),
            until,
            segments: std::mem::take(&mut self.segments),
        };
        let span = Span::current();
        self.spool = Some(self.tasks.spawn_blocking(move || span.in_scope(|| spool.run())));
    }
}
