//! What is known of the variants of a source. It outlives the follower, so that a source that is
//! opened again does not begin with the variant that has just failed.

use std::time::Duration;

use super::super::dating;
use super::super::ladder::Rung;
use super::super::model::{Date, Range, Segment};
use crate::time::Moment;

/// How long a variant that was left is avoided at first. The time doubles with each try in vain, up
/// to [`MAX_AVOIDED`].
pub const MIN_AVOIDED: Duration = Duration::from_mins(1);

/// The longest time for which a variant is avoided: a backup packager is no reason to stay away
/// from the first one for hours.
pub const MAX_AVOIDED: Duration = Duration::from_mins(16);

/// The longest interval at which a list is expected to grow.
const MAX_INTERVAL: Duration = Duration::from_mins(1);

/// How long a list may have been out of sight for an interval to be measured over that: a source
/// that stalled is opened again sooner.
const MAX_UNSEEN: Duration = Duration::from_secs(6);

/// How many segments a list grows by at once, if it does: two may have met between two requests.
const MIN_AT_ONCE: u64 = 3;

/// If it grows by more than this it was begun anew, or its numbers changed.
const MAX_AT_ONCE: u64 = 30;

/// Variants that are remembered. Ladders have ten rungs, or twice as many with backups; the oldest
/// record makes room.
const MAX_RECORDS: usize = 32;

/// Why a variant was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Its playlist or its segments are not to be had.
    Broken,
    /// It comes slower than it plays.
    Slow,
}

/// What a variant is known by when its address changes, as one with a token does: its attributes,
/// and its number among those that have the same ones (redundant streams, RFC 8216, 6.2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    bandwidth: u64,
    codecs: Vec<String>,
    resolution: Option<(u64, u64)>,
    number: usize,
}

impl Name {
    /// The name of the rung at `index`.
    pub(super) fn of(rungs: &[Rung], index: usize) -> Option<Self> {
        let attributes =
            |rung: &Rung| (rung.variant.bandwidth, rung.variant.codecs.clone(), rung.variant.resolution);
        let own = attributes(rungs.get(index)?);
        let number = rungs[..index].iter().filter(|rung| attributes(rung) == own).count();
        let (bandwidth, codecs, resolution) = own;
        Some(Self { bandwidth, codecs, resolution, number })
    }
}

/// What is known of a source by HLS: which of its variants were left, and until when they are
/// avoided; what was played; how its list grows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LadderMemory {
    records: Vec<Record>,
    pub(super) rhythm: Rhythm,
    pub(super) played: Option<Played>,
}

/// How the list of segments grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rhythm {
    /// The media sequence number behind its last segment.
    end: u64,
    /// When it last grew.
    grown_at: Moment,
    /// When it was last seen.
    seen_at: Option<Moment>,
    /// The longest time from one growth to the next, up to [`MAX_INTERVAL`].
    pub(super) longest: Duration,
}

impl Rhythm {
    /// A version that was asked for at `asked_at` ends in front of this media sequence number. The
    /// last of its segments play for `durations`, from the end.
    pub(super) fn note(&mut self, asked_at: Moment, end: u64, durations: impl Iterator<Item = Duration>) {
        let new = end.wrapping_sub(self.end);
        if new != 0 {
            let waited = asked_at.since(self.grown_at);
            // A list that grows by several segments at once has its reasons, which may be there
            // again: it will do so when as much has been made.
            let comes_at_once = self.is_fresh(asked_at) && (MIN_AT_ONCE..=MAX_AT_ONCE).contains(&new);
            let made = if comes_at_once {
                durations.take(usize::try_from(new).unwrap_or(0)).sum()
            } else {
                Duration::ZERO
            };
            self.longest = self.longest.max(waited).max(made).min(MAX_INTERVAL);
            (self.end, self.grown_at) = (end, asked_at);
        }
        self.seen_at = Some(asked_at);
    }

    /// Whether the list was seen lately.
    fn is_fresh(&self, now: Moment) -> bool {
        self.seen_at.is_some_and(|at| now.since(at) <= MAX_UNSEEN)
    }

    /// The same of the version with which a source is opened. What has happened since it was open
    /// last is known if that was just now.
    pub(super) fn begin(&mut self, asked_at: Moment, end: u64, durations: impl Iterator<Item = Duration>) {
        if !self.is_fresh(asked_at) {
            (self.end, self.grown_at) = (end, asked_at);
        }
        self.note(asked_at, end, durations);
    }
}

/// The segment that was taken last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Played {
    /// Its address without the query, which may be a token.
    path: String,
    range: Option<Range>,
    /// When it ends.
    ends: Option<Date>,
    /// The list was complete when it was first opened, as that of a film is.
    pub(super) was_complete: bool,
}

impl Played {
    pub(super) fn new(segment: &Segment, was_complete: bool) -> Self {
        let ends = segment.date.map(|date| date.after(segment.duration));
        Self { path: segment.url.path().to_owned(), range: segment.range, ends, was_complete }
    }

    /// Where in a list what was taken ends: by its name, or where every list has names of its own,
    /// by its date.
    pub(super) fn end_in(&self, segments: &[Segment]) -> Option<usize> {
        let is_it = |segment: &Segment| segment.url.path() == self.path && segment.range == self.range;
        let by_date = || dating::find(segments, self.ends?, |segment| segment.duration / 2);
        segments.iter().rposition(is_it).map(|at| at + 1).or_else(by_date)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    name: Name,
    why: Left,
    /// For how long it is avoided.
    span: Duration,
    until: Moment,
}

impl LadderMemory {
    /// A variant is left at `now`.
    pub(super) fn leave(&mut self, now: Moment, name: Name, why: Left) {
        let before = self.records.iter().position(|record| record.name == name);
        let span = before.map_or(MIN_AVOIDED, |at| (self.records.remove(at).span * 2).min(MAX_AVOIDED));
        if self.records.len() == MAX_RECORDS {
            self.records.remove(0);
        }
        self.records.push(Record { name, why, span, until: now + span });
    }

    /// Why a variant is avoided, if it is.
    pub(super) fn avoids(&self, now: Moment, name: &Name) -> Option<Left> {
        self.record(name).filter(|record| record.until > now).map(|record| record.why)
    }

    /// Why a variant was left last, if it was.
    pub(super) fn left_for(&self, name: &Name) -> Option<Left> {
        self.record(name).map(|record| record.why)
    }

    /// A variant has been followed for so long without trouble: its past is forgotten after the
    /// time for which it was avoided.
    pub(super) fn prove(&mut self, name: &Name, followed_for: Duration) {
        self.records.retain(|record| record.name != *name || followed_for < record.span);
    }

    /// All variants have failed: then none of them is to blame, but the source is.
    pub(super) fn forgive_broken(&mut self) {
        self.records.retain(|record| record.why != Left::Broken);
    }

    fn record(&self, name: &Name) -> Option<&Record> {
        self.records.iter().find(|record| record.name == *name)
    }
}
