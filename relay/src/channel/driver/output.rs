//! The output of a channel: the timeline, the store index, and what viewers are told of both.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::cadence::{Cadence, GROUPS, Load};
use forebay_core::store_index::{Limits, StoreIndex};
use forebay_core::time::Moment;
use forebay_core::ts::splice::{AccessPoint, Splice};
use tracing::{debug, error, info};

use super::gop_notices::GopNotices;
use crate::channel::feed::Feed;
use crate::channel::store::Reclaim;
use crate::channel::window::{Block, Stage};

/// The capacity of the output buffer that is kept from tick to tick, in bytes.
const KEPT_OUTPUT: usize = 1 << 20;

/// The output of a channel.
pub(super) struct Output {
    pub(super) splice: Splice,
    pub(super) index: StoreIndex,
    reclaim: Reclaim,
    /// Whether the last write to the store failed.
    is_failing: bool,
    notices: GopNotices,
    ticks: Ticks,
    /// The head that was announced to each group of viewers last.
    announced: [u64; GROUPS],
    /// The end of the store when the active source became active.
    active_from: u64,
}

/// The ticks at which output is stored.
struct Ticks {
    cadence: Cadence,
    /// Ticks so far.
    count: u64,
    last: Moment,
}

impl Output {
    /// The output of a channel whose store begins at `base`.
    pub(super) fn new(program: Option<u16>, limits: Limits, base: u64) -> Self {
        Self {
            splice: Splice::new(program),
            index: StoreIndex::starting_at(limits, base),
            reclaim: Reclaim::default(),
            is_failing: false,
            notices: GopNotices::default(),
            ticks: Ticks { cadence: Cadence::new(Load::default(), 0), count: 0, last: Moment::ZERO },
            announced: [base; GROUPS],
            active_from: base,
        }
    }

    /// How often output is stored, and viewers are sent to.
    pub(super) fn cadence(&self) -> Cadence {
        self.ticks.cadence
    }

    /// The length of a tick.
    pub(super) fn tick(&self) -> Duration {
        self.ticks.cadence.tick()
    }

    pub(super) fn ticked_at(&self) -> Moment {
        self.ticks.last
    }

    /// Bytes that are not stored yet.
    pub(super) fn pending(&self) -> usize {
        self.splice.output().0.len()
    }

    /// A source becomes active.
    pub(super) fn begin_source(&mut self) {
        self.active_from = self.index.head();
    }

    /// The time of the next tick, if there is something to do.
    pub(super) fn tick_at(&self) -> Option<Moment> {
        let has_unannounced = || self.announced.iter().any(|&head| head < self.index.head());
        (self.pending() > 0 || has_unannounced()).then(|| self.ticks.last + self.tick())
    }

    /// Begins a tick if it is time to, and returns whether it was.
    pub(super) fn begin_tick(&mut self, now: Moment) -> bool {
        let is_due = self.tick_at().is_some_and(|at| at <= now);
        if is_due {
            self.ticks.last = now;
            self.ticks.count += 1;
        }
        is_due
    }

    /// Begins a tick out of turn, for media that viewers should see at once.
    pub(super) fn begin_tick_early(&mut self, now: Moment) {
        self.ticks.last = now;
    }

    /// Sets the cadence by the load of the process and the channel's rate.
    pub(super) fn set_load(&mut self, load: Load, bytes_per_second: u64) {
        self.ticks.cadence = Cadence::new(load, bytes_per_second);
    }

    /// Writes the pending output to the store and its index. The last `not_due` of it is ahead of
    /// real time. Returns the offset at which it was written, or none if that failed.
    /// [`Output::clear`] must follow.
    pub(super) fn store(&mut self, feed: &Feed, not_due: Duration) -> Option<u64> {
        let (bytes, points) = self.splice.output();
        let base = self.index.head();
        if let Err(error) = feed.media.store.write(base, bytes) {
            // The driver goes on: there may be memory again
            // soon, and a gap is better than the end of a channel.
            self.note_failure(&error);
            return None;
        }
        if std::mem::take(&mut self.is_failing) {
            info!("the store can be written to again");
        }
        self.index.set_ahead(not_due);
        // After the write, so that all that the index names can be read.
        self.index.append(bytes.len(), points, self.splice.position().unwrap_or_default());
        self.notices.note_access_points(points);
        let mut keyframes = feed.keyframes();
        keyframes.advance(self.index.head(), self.index.position());
        for point in points {
            keyframes.push(base + point.at as u64, point);
        }
        Some(base)
    }

    /// Drops the pending output.
    pub(super) fn clear(&mut self) {
        self.splice.clear(KEPT_OUTPUT);
    }

    /// Frees the memory in front of `tail`, which can no longer be read.
    pub(super) fn release(&mut self, feed: &Feed, tail: u64) {
        if let Err(error) = self.reclaim.release(&feed.media.store, tail) {
            debug!(%error, "cannot free memory behind the window");
        }
    }

    /// Tells the groups of viewers whose turn it is how far the store reaches.
    pub(super) fn announce_due(&mut self, feed: &Feed, burst: Duration) {
        self.announce(feed, burst, self.ticks.cadence.due(self.ticks.count));
    }

    /// Tells all viewers how far the store reaches, and that there is something to see.
    pub(super) fn announce_to_all(&mut self, feed: &Feed, burst: Duration) {
        self.announce(feed, burst, 0..GROUPS);
        feed.set_stage(Stage::Live);
    }

    fn announce(&mut self, feed: &Feed, burst: Duration, groups: impl Iterator<Item = usize>) {
        let edges = self.index.edges(burst);
        self.notices.note_edges(&edges);
        let mut newest: Option<Arc<Block>> = None;
        for group in groups {
            let announced = std::mem::replace(&mut self.announced[group], edges.head);
            // Viewers are not woken without new media.
            if announced == edges.head {
                continue;
            }
            // Groups whose turn comes together share one block.
            if newest.as_ref().is_none_or(|block| block.start != announced) {
                newest = Some(Arc::new(Block::new(announced, edges.head)));
            }
            let newest = newest.clone();
            feed.windows[group].send_modify(|window| {
                window.edges = edges;
                window.newest = newest;
            });
        }
    }

    fn note_failure(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_failing, true) {
            error!(%error, "cannot write to the store, dropping data");
        }
    }

    /// The random access points of the active source, in the window.
    pub(super) fn entries_of_active(&self) -> impl Iterator<Item = (u64, AccessPoint)> {
        self.index.entries().filter(|(start, _)| *start >= self.active_from)
    }
}
