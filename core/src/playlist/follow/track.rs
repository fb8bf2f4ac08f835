//! One media playlist of a source: which of its segments have been taken, and what each new version
//! of it means.
//!
//! Segments have a *position* that counts on, whatever happens to the media sequence numbers: 0 is
//! the first segment that was ever listed. Of what was taken, the last segments stay remembered in
//! front of what is listed, so that a list whose numbers cannot be trusted is known by its
//! segments.

mod session;
mod successor;
mod window;

use std::collections::VecDeque;
use std::time::Duration;

use url::Url;

use self::session::Search;
use super::super::model::{Media, Segment, Variables};
use super::alignment::{Alignment, Known, alignment};
use super::{Counts, HEAD_START, MIN_RELOAD, START_BEHIND};
use crate::time::Moment;

/// Taken segments that are remembered, to recognise them when a playlist's numbers cannot be
/// trusted.
const REMEMBERED: i64 = 64;

/// A list that is older than the one on hand counts as a new beginning after so many halves of the
/// target duration, if it grows.
const OLDER_HALVES: u32 = 3;

/// The longest target duration, or segment at the end of a list, that is waited for. No live source
/// has a longer one, and a typing error should not stop the reloading for a day.
const MAX_TARGET: Duration = Duration::from_mins(1);

/// How many target durations a position in another list, found by its date, may be off: as far as
/// such lists lag behind one another.
const BY_DATE: u32 = 4;

/// Where [`Track::taken`] begins: separate sound may be behind the beginning of the picture.
const ORIGIN: Duration = Duration::from_hours(1);

/// One media playlist.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Track {
    /// Its address, after redirects.
    pub(super) url: Url,
    /// The `ETag` of the version on hand.
    pub(super) etag: Option<String>,
    pub(super) variables: Variables,
    /// When to ask for it again; `None` when it is complete.
    pub(super) reload_at: Option<Moment>,
    /// The segments that are listed, behind those that are only remembered.
    segments: VecDeque<Segment>,
    /// How many of `segments` the playlist lists: the last ones.
    listed: usize,
    /// The position of the first of `segments`.
    base: i64,
    /// The media sequence number of the first of `segments`.
    sequence: u64,
    /// The position of the segment that is taken next.
    next: i64,
    has_begun: bool,
    /// What the next version is.
    successor: Successor,
    /// While it is being found out where a list of another session goes on.
    search: Option<Search>,
    is_ended: bool,
    /// The next segment does not follow the one that was taken last.
    is_discontinuous: bool,
    /// The target duration as stated.
    target: Duration,
    /// The longest listed segment.
    longest: Option<Duration>,
    /// The duration of all listed segments.
    window: Duration,
    /// Since when the list that comes is older than the one on hand, and where it ended then.
    older: Option<(Moment, u64)>,
    /// Media time taken or passed over, from [`ORIGIN`] on.
    pub(super) taken: Duration,
    /// The same at the last discontinuity that was taken.
    part_at: Option<Duration>,
    /// When the list was last asked for.
    asked_at: Moment,
    /// When the last version with something new was asked for.
    changed_at: Moment,
    last_taken: Option<Segment>,
    /// The position behind the last segment that was taken; `None` before the first.
    reached: Option<i64>,
    /// Whether any segment of this list has arrived.
    has_had: bool,
    /// How many segments in a row did not arrive.
    lost: u32,
    /// How many requests for the list failed in a row.
    pub(super) failures: u32,
}

/// What the next version of a list is, beside the one on hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Successor {
    /// A later version of the same list.
    #[default]
    Version,
    /// The same media as another session has it: its numbers and names may be others.
    Session,
    /// The list of another variant: it has nothing in common with this one.
    Variant,
}

/// A segment that may be taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer<'a> {
    pub(super) segment: &'a Segment,
    /// It is fetched only to be compared with those that were passed on.
    pub(super) only_compares: bool,
    /// Its media sequence number.
    pub(super) sequence: u64,
    /// The segment does not follow the one that was taken before.
    pub(super) is_discontinuous: bool,
}

impl Track {
    pub(super) fn new(url: Url, variables: Variables, now: Moment) -> Self {
        Self {
            url,
            etag: None,
            variables,
            reload_at: Some(now),
            segments: VecDeque::new(),
            listed: 0,
            base: 0,
            sequence: 0,
            next: 0,
            has_begun: false,
            successor: Successor::Version,
            search: None,
            is_ended: false,
            is_discontinuous: false,
            target: Duration::ZERO,
            longest: None,
            window: Duration::ZERO,
            older: None,
            taken: ORIGIN,
            part_at: None,
            asked_at: Moment::ZERO,
            changed_at: Moment::ZERO,
            last_taken: None,
            reached: None,
            has_had: false,
            lost: 0,
            failures: 0,
        }
    }

    /// The list has another address from now on, where such a `successor` of it is.
    pub(super) fn relocate(&mut self, url: Url, variables: Variables, now: Moment, successor: Successor) {
        self.url = url;
        self.etag = None;
        self.variables = variables;
        self.reload_at = Some(now);
        self.successor = self.successor.max(successor);
        self.is_ended = false;
        self.failures = 0;
    }

    /// Whether the list of another variant is awaited.
    pub(super) fn is_strange(&self) -> bool {
        self.successor == Successor::Variant
    }

    /// Whether any segment of this list has arrived.
    pub(super) fn has_had(&self) -> bool {
        self.has_had
    }

    /// How many segments in a row did not arrive.
    pub(super) fn lost(&self) -> u32 {
        self.lost
    }

    /// The target duration, or the longest segment if that is shorter, and at most [`MAX_TARGET`].
    /// Zero until there is a playlist.
    pub(super) fn target(&self) -> Duration {
        self.longest.unwrap_or(self.target).min(self.target).min(MAX_TARGET)
    }

    /// The target duration as stated.
    pub(super) fn stated_target(&self) -> Duration {
        self.target
    }

    /// The duration of all listed segments.
    pub(super) fn window(&self) -> Duration {
        self.window
    }

    /// Whether there has been a playlist.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether all segments of a complete list have been taken.
    pub(super) fn is_over(&self) -> bool {
        self.is_ended && self.next >= self.end()
    }

    /// The media sequence number of the segment that is taken next.
    pub(super) fn next_sequence(&self) -> u64 {
        self.sequence.wrapping_add_signed(self.next - self.base)
    }

    /// The position of the segment that is taken next.
    pub(super) fn next_position(&self) -> i64 {
        self.next
    }

    fn end(&self) -> i64 {
        self.base.saturating_add_unsigned(self.segments.len() as u64)
    }

    /// The segment to take next. Passes over segments that are marked as missing, and those that
    /// only repeat the one before.
    pub(super) fn offer(&mut self, counts: &mut Counts) -> Option<Offer<'_>> {
        loop {
            let index = usize::try_from(self.next - self.base).ok()?;
            let segment = self.segments.get(index)?;
            let repeats = index > 0 && is_same(&self.segments[index - 1], segment);
            if !segment.is_gap && !repeats {
                break;
            }
            counts.gaps += u64::from(segment.is_gap);
            counts.repeated += u64::from(repeats && !segment.is_gap);
            self.pass();
        }
        let index = usize::try_from(self.next - self.base).ok()?;
        let segment = self.segments.get(index)?;
        let is_discontinuous = self.is_discontinuous || segment.is_discontinuity;
        let only_compares = self.search.is_some();
        Some(Offer { segment, only_compares, sequence: self.next_sequence(), is_discontinuous })
    }

    /// Takes the segment on offer, which has arrived.
    pub(super) fn take(&mut self) {
        let index = usize::try_from(self.next - self.base).ok();
        self.last_taken = index.and_then(|index| self.segments.get(index)).cloned();
        self.step();
        self.is_discontinuous = false;
        self.reached = Some(self.next);
        self.has_had = true;
        self.lost = 0;
    }

    /// The last segment that was taken.
    pub(super) fn last_taken(&self) -> Option<&Segment> {
        self.last_taken.as_ref()
    }

    /// Leaves out the first so many segments of a list that has just begun: they were played
    /// before. A live list may begin behind them in any case.
    pub(super) fn resume(&mut self, index: usize) {
        let behind = self.base.saturating_add_unsigned(index as u64);
        self.next = if self.is_ended { behind } else { behind.max(self.next) };
    }

    /// Begins `span` before the end of a list that has just begun, or at its start if it is
    /// shorter.
    pub(super) fn begin_behind(&mut self, span: Duration) {
        let mut left = Duration::ZERO;
        let is_beyond = |segment: &Segment| {
            left += segment.duration;
            left >= span
        };
        let index = self.segments.iter().rposition(is_beyond).unwrap_or(0);
        self.next = self.base.saturating_add_unsigned(index as u64);
    }

    /// Begins earlier in a list that has just begun, as far as it goes back. Returns by how much;
    /// of a complete list, all segments are there in any case.
    pub(super) fn take_head_start(&mut self) -> Duration {
        let usual = self.ahead();
        if self.is_ended {
            return self.target().max(HEAD_START).min(usual);
        }
        // The target duration is the longest segment, so going by it alone would often gain
        // nothing.
        self.begin_behind(usual + HEAD_START.max(self.target() / 2));
        self.ahead().saturating_sub(usual)
    }

    /// The media sequence number behind the last segment.
    pub(super) fn end_sequence(&self) -> u64 {
        self.sequence.wrapping_add(self.segments.len() as u64)
    }

    /// Passes over the segment on offer, which did not arrive.
    pub(super) fn lose(&mut self) {
        self.lost += 1;
        self.pass();
    }

    /// Goes on behind the segment on offer: the next one does not follow what was taken.
    fn pass(&mut self) {
        self.step();
        self.is_discontinuous = true;
    }

    fn step(&mut self) {
        let index = usize::try_from(self.next - self.base).ok();
        if let Some(segment) = index.and_then(|index| self.segments.get(index)) {
            // The part begins where this segment does, whether it was taken or passed over.
            if segment.is_discontinuity {
                self.part_at = Some(self.taken);
            }
            self.taken += segment.duration;
        }
        self.next += 1;
        self.forget();
    }

    /// Drops the segments that are no longer remembered.
    fn forget(&mut self) {
        while self.base < self.next - REMEMBERED && self.segments.pop_front().is_some() {
            self.base += 1;
            self.sequence = self.sequence.wrapping_add(1);
        }
    }

    /// No new version arrived: the same as before, or one that cannot be read.
    pub(super) fn handle_unchanged(&mut self, asked_at: Moment) {
        self.asked_at = asked_at;
        // Half as long as usual, as RFC 8216 says in 6.3.4.
        let wait = self.last() / 2;
        self.reload_at = (!self.is_ended).then(|| asked_at + wait.max(MIN_RELOAD));
    }

    /// A version with new segments has arrived.
    fn handle_changed(&mut self, asked_at: Moment) {
        self.asked_at = asked_at;
        self.changed_at = asked_at;
        // A list of one or two segments may have moved past one of them when the next version is
        // due.
        let wait = if self.listed < usize::from(START_BEHIND) { self.last() / 2 } else { self.last() };
        self.reload_at = (!self.is_ended).then(|| asked_at + wait.max(MIN_RELOAD));
    }

    /// When to ask for the list again if playback waits for it: a second after the last time, or
    /// sooner.
    pub(super) fn hurried_reload_at(&self) -> Option<Moment> {
        Some(self.reload_at?.min(self.asked_at + MIN_RELOAD * 2))
    }

    /// The duration of the last segment, or the target duration if that is shorter, and at most
    /// [`MAX_TARGET`].
    fn last(&self) -> Duration {
        self.segments.back().map_or(self.target, |segment| segment.duration).min(self.target).min(MAX_TARGET)
    }

    /// Takes a version that was asked for at `asked_at`; `is_fetching` is whether the segment on
    /// offer is on its way. Returns whether there are segments that were not known.
    pub(super) fn handle_version(
        &mut self,
        now: Moment,
        asked_at: Moment,
        media: &Media,
        is_fetching: bool,
        counts: &mut Counts,
    ) -> bool {
        counts.faults += media.faults;
        self.failures = 0;
        let before = self.end();
        let is_kept = self.accept(now, media, is_fetching, counts);
        if !is_kept {
            counts.older += 1;
            self.handle_unchanged(asked_at);
            return false;
        }
        self.listed = media.segments.len();
        self.target = media.target;
        self.longest = media.segments.iter().map(|segment| segment.duration).max();
        self.window = media.duration();
        self.is_ended = media.is_ended;
        let is_new = self.end() > before;
        if is_new {
            self.handle_changed(asked_at);
        } else {
            counts.unchanged += 1;
            self.handle_unchanged(asked_at);
        }
        self.forget();
        is_new
    }

    /// Puts a version in place of the one on hand. Returns false if it is older, and not used.
    fn accept(&mut self, now: Moment, media: &Media, is_fetching: bool, counts: &mut Counts) -> bool {
        let length = media.segments.len() as u64;
        if !self.has_begun {
            self.begin(media);
            return true;
        }
        match std::mem::take(&mut self.successor) {
            Successor::Version => {}
            Successor::Session => {
                self.join_session(now, media, is_fetching);
                return true;
            }
            Successor::Variant => {
                self.change(now, media, is_fetching);
                return true;
            }
        }
        let known = Known { segments: &self.segments, base: self.base, sequence: self.sequence };
        let base = match alignment(&known, media) {
            Alignment::Numbered(base) => base,
            Alignment::Renumbered(base) => {
                counts.renumbered += 1;
                base
            }
            Alignment::Elsewhere => {
                counts.restarts += 1;
                self.restart(now, media);
                return true;
            }
        };
        let end = base.saturating_add_unsigned(length);
        if end < self.end() {
            // Caches behind one address are a version or two apart. A list further back than its
            // own length is no late copy: it began anew.
            let is_far = end.saturating_add_unsigned(length) < self.next;
            if !is_far && !self.goes_on_older(now, media) {
                return false;
            }
            counts.restarts += 1;
            self.restart(now, media);
            return true;
        }
        self.older = None;
        // The list has moved on past segments that were never taken: live again, rather than at the
        // edge where they vanish next.
        if base > self.next && !self.search_from(base) {
            counts.ran_past += 1;
            self.next = base.max(end.saturating_sub_unsigned(START_BEHIND.into()));
            self.is_discontinuous = true;
        }
        // The taken segments stay remembered in front of the listed ones, unless there is a hole
        // between both.
        if base > self.base && base <= self.end() {
            self.segments.truncate(usize::try_from(base - self.base).unwrap_or(0));
            self.segments.extend(media.segments.iter().cloned());
            self.sequence = media.sequence.wrapping_sub(base.abs_diff(self.base));
        } else {
            self.segments = media.segments.iter().cloned().collect();
            (self.base, self.sequence) = (base, media.sequence);
        }
        true
    }

    /// Whether a version that is older than the one on hand is a new beginning: lists have been
    /// older for long, and they grow.
    fn goes_on_older(&mut self, now: Moment, media: &Media) -> bool {
        let end = media.sequence.wrapping_add(media.segments.len() as u64);
        let &mut (since, first_end) = self.older.get_or_insert((now, end));
        now.since(since) > self.target() * OLDER_HALVES / 2 && end != first_end
    }

    fn begin(&mut self, media: &Media) {
        self.has_begun = true;
        self.segments = media.segments.iter().cloned().collect();
        (self.base, self.sequence) = (0, media.sequence);
        self.next = Self::start(media);
    }

    /// The duration of the segments from a position on.
    fn ahead_of(&self, position: i64) -> Duration {
        let index = usize::try_from(position - self.base).unwrap_or(0);
        self.segments.iter().skip(index).map(|segment| segment.duration).sum()
    }

    /// The segment to begin with: three from the end of a live list, the first of a complete one.
    fn start(media: &Media) -> i64 {
        let start = if media.is_ended { 0 } else { media.segments.len().saturating_sub(START_BEHIND.into()) };
        i64::try_from(start).unwrap_or(0)
    }
}

/// Whether a segment only repeats the one listed before it. Behind a discontinuity the same address
/// is new media: an advertisement break may be one file, listed again and again.
fn is_same(before: &Segment, segment: &Segment) -> bool {
    before.url == segment.url && before.range == segment.range && !segment.is_discontinuity
}
