//! A driver's part in time-shift: it hands out the work of copying the stream to disk, and keeps memory no longer than until that is done.

use std::sync::Arc;

use forebay_core::segmenter::Segment;
use tokio::task::JoinHandle;
use tracing::Span;

use super::Driver;
use crate::channel::archive::{Archive, Spool};
use crate::channel::feed::Feed;
use crate::channel::reader::Reader;
use crate::channel::reader_kind::ReaderKind;
use crate::channel::store::BLOCK;

/// So much is copied at once, in bytes, unless a segment ends before: some eight calls for a second of HD.
const BATCH: u64 = 4 * BLOCK;

/// The past of an open channel.
#[derive(Debug)]
pub(super) struct Timeshift {
    archive: Arc<Archive>,
    /// It is counted as long as it reads.
    _reader: Reader,
    /// Segments that are not in the index yet.
    segments: Vec<Segment>,
    /// The work that is being done.
    spool: Option<JoinHandle<()>>,
}

impl Timeshift {
    pub(super) fn new(archive: Arc<Archive>, feed: &Arc<Feed>) -> Self {
        let reader = Reader::new(feed, ReaderKind::Timeshift);
        Self { archive, _reader: reader, segments: Vec::new(), spool: None }
    }

    /// A segment has ended.
    pub(super) fn push(&mut self, segment: Segment) {
        self.archive.push(segment);
        self.segments.push(segment);
    }
}

impl Driver {
    /// The channel has new settings. Whether the past is kept at all is asked when it is opened.
    pub(super) fn set_timeshift(&mut self) {
        if let Some(timeshift) = &self.timeshift {
            timeshift.archive.configure(&self.channel);
        }
    }

    /// Sees to it that the file follows the store, of which nothing before `tail` is needed; returns from where on memory must
    /// keep it.
    pub(super) fn spool(&mut self, tail: u64) -> u64 {
        let Some(timeshift) = &mut self.timeshift else { return tail };
        let (head, limit) = (self.ring.head(), self.channel.policy.hls.max_bytes);
        let archive = &timeshift.archive;
        let past = archive.advance(head, limit);
        archive.release(past.min(tail));
        let written = archive.written().max(self.feed.base);
        if head - written > limit && !archive.is_failing() {
            archive.give_up();
        }
        let has_work = !timeshift.segments.is_empty() || head - written >= BATCH && !archive.is_failing();
        if has_work && timeshift.spool.as_ref().is_none_or(JoinHandle::is_finished) {
            self.spawn_spool(head);
        }
        tail.min(past.max(written.saturating_sub(BLOCK))).max(self.feed.base)
    }

    /// The last segments go to the file too.
    pub(super) fn end_timeshift(&mut self) {
        if self.timeshift.as_ref().is_some_and(|timeshift| !timeshift.segments.is_empty()) {
            self.spawn_spool(self.ring.head());
        }
    }

    fn spawn_spool(&mut self, until: u64) {
        let timeshift = self.timeshift.as_mut().expect("only a channel with a past spools");
        let spool = Spool {
            store: Arc::clone(&self.feed.store),
            archive: Arc::clone(&timeshift.archive),
            from: timeshift.archive.written().max(self.feed.base).min(until),
            until,
            segments: std::mem::take(&mut timeshift.segments),
        };
        let span = Span::current();
        timeshift.spool = Some(self.tasks.spawn_blocking(move || span.in_scope(|| spool.run())));
    }
}
