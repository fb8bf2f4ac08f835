//! What viewers are sent while nothing is on air: packets that keep their connections alive, and a slate where the channel wants one.

use std::time::Duration;

use forebay_core::health::Rules;
use forebay_core::time::Moment;
use tracing::info;

use super::Driver;
use super::input::{Input, Lead};
use crate::channel::reader_kind::ReaderKind;
use crate::events::Event as Happened;
use crate::input::{Error, Piece, slate};

/// Without anything from the source for so long, connections are kept alive.
const KEEP_ALIVE_AFTER: Duration = Duration::from_millis(500);

/// How often they are.
const KEEP_ALIVE_EVERY: Duration = Duration::from_millis(250);

/// From the beginning of a gap to the slate: what is shorter, players bridge with what they have in store.
const SLATE_AFTER: Duration = Duration::from_secs(2);

/// The time between two sources.
#[derive(Default)]
pub(super) struct Gap {
    /// When it began, while it lasts; never before the first picture.
    since: Option<Moment>,
    /// When an outage began that viewers have, while it lasts.
    outage: Option<Moment>,
    /// When the splice stage gave something last, a packet that keeps alive included.
    fed_at: Option<Moment>,
    /// Bytes of the output that is not stored yet, of packets that keep alive.
    filler: usize,
    /// Whether the last gap was none to viewers, since they had the slate or since there was none.
    was_covered: bool,
    pub(super) slate: Option<Input>,
}

impl Gap {
    /// Nothing is on air any more.
    pub(super) fn begin(&mut self, now: Moment) {
        self.since.get_or_insert(now);
    }

    /// Somebody came back when nobody was there, and has had no gap yet.
    pub(super) fn begin_anew(&mut self, now: Moment) {
        self.since = self.since.map(|_| now);
    }

    /// Whether viewers had no gap before what is on air.
    pub(super) fn was_covered(&self) -> bool {
        self.was_covered
    }

    /// The splice stage has given so many bytes; returns how many of them are more than packets that keep alive.
    pub(super) fn feed(&mut self, now: Moment, bytes: usize) -> usize {
        let content = bytes.saturating_sub(std::mem::take(&mut self.filler));
        if content > 0 {
            self.fed_at = Some(now);
        }
        content
    }
}

impl Driver {
    /// When something is to be done in a gap.
    pub(super) fn gap_at(&self) -> Option<Moment> {
        let policy = &self.channel.policy;
        let gap = &self.gap;
        let slate =
            gap.since.filter(|_| self.wants_slate() && gap.slate.is_none()).map(|since| since + SLATE_AFTER);
        let is_kept = policy.keep_alive && gap.slate.is_none() && self.has_live_viewers();
        let packets = gap.fed_at.filter(|_| is_kept).map(|fed_at| fed_at + KEEP_ALIVE_AFTER);
        [slate, packets].into_iter().flatten().min()
    }

    /// Whether anybody has a connection that could be taken for dead. By HLS nobody has; and who comes in a gap waits for its end.
    fn has_live_viewers(&self) -> bool {
        let readers = self.demand.readers();
        readers.keeping_open() > readers.of(ReaderKind::Hls)
    }

    /// Does what is due in a gap.
    pub(super) fn fill_gap(&mut self, now: Moment) {
        if self.gap_at().is_none_or(|at| at > now) {
            return;
        }
        if self.wants_slate() && self.gap.since.is_some_and(|since| since + SLATE_AFTER <= now) {
            info!("showing the slate");
            let upstream = slate::open();
            let mut slate = Input::new(upstream, Rules::OFF, None, &self.channel.policy);
            // It is no part of a multiplex.
            self.splice.set_program(None);
            self.splice.begin();
            slate.go_on_air(now, &mut self.splice, Lead::None);
            self.gap.slate = Some(slate);
            return;
        }
        let before = self.splice.output().0.len();
        if self.splice.keep_alive() {
            self.gap.filler += self.splice.output().0.len() - before;
            self.gap.fed_at = Some(now + KEEP_ALIVE_EVERY - KEEP_ALIVE_AFTER);
        } else {
            self.gap.fed_at = None; // no picture yet, or a gap of hours
        }
    }

    /// The slate goes on.
    pub(super) fn handle_slate(&mut self, now: Moment, piece: Result<Piece, Error>) {
        let slate = self.gap.slate.as_mut().expect("a piece comes of a slate that is shown");
        let was_open = self.splice.is_open();
        let taken = piece.and_then(|piece| slate.take(now, &piece, &mut self.splice));
        if taken.is_err() {
            self.drop_slate(); // it has no end, and nothing to go wrong
        } else if !was_open && self.splice.is_open() {
            self.show_at_once(now);
        }
        self.tick_if_due(now);
    }

    /// Whether the slate is wanted, and there is somebody to see it.
    fn wants_slate(&self) -> bool {
        self.channel.policy.slate && self.demand.is_read()
    }

    /// Nothing is on air any more, at a time when viewers are there or not.
    pub(super) fn begin_gap(&mut self, now: Moment) {
        self.gap.begin(now);
        if self.demand.is_read() && self.gap.outage.is_none() {
            self.gap.outage = Some(now);
            self.happened(|channel| Happened::OutageBegun { channel });
        }
    }

    /// Something goes on air.
    pub(super) fn end_gap(&mut self, now: Moment) {
        if let Some(begun) = self.gap.outage.take() {
            let lasted = now.since(begun);
            self.happened(|channel| Happened::OutageEnded { channel, lasted });
        }
        let gap = &mut self.gap;
        gap.was_covered = gap.fed_at.is_some() && (gap.slate.is_some() || gap.since.is_none());
        (gap.since, gap.fed_at) = (None, Some(now));
        self.drop_slate();
    }

    /// The slate is shown no longer.
    pub(super) fn drop_slate(&mut self) {
        if self.gap.slate.take().is_some() {
            self.splice.set_program(self.channel.program);
            self.splice.begin();
        }
    }
}
