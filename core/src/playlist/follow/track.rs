//! One media playlist of a source: which of its segments have been taken, and what each new version
//! of it means.
//!
//! Segments have a *position* that counts on, whatever happens to the media sequence numbers: 0 is
//! the first segment that was ever listed. Of what was taken, the last segments stay remembered in
//! front of what is listed, so that a list whose numbers cannot be trusted is known by its
//! segments.

mod parts;
mod session;
mod successor;
mod window;

use std::time::Duration;

use url::Url;

use self::parts::{List, Place, Polling, Stated};
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
pub(super) struct Track {
    /// Its address, after redirects.
    pub(super) url: Url,
    /// The `ETag` of the version on hand.
    pub(super) etag: Option<String>,
    pub(super) variables: Variables,
    pub(super) polling: Polling,
    list: List,
    stated: Stated,
    place: Place,
    has_begun: bool,
    /// How the next version relates to the one on hand.
    successor: Successor,
    /// While it is being found out where a list of another session goes on.
    search: Option<Search>,
    /// Since when the list that comes is older than the one on hand, and where it ended then.
    older: Option<(Moment, u64)>,
    /// Whether any segment of this list has arrived.
    has_had: bool,
    /// How many segments in a row did not arrive.
    lost: u32,
}

/// How the next version of a list relates to the one on hand.
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
        let polling =
            Polling { reload_at: Some(now), asked_at: Moment::ZERO, changed_at: Moment::ZERO, failures: 0 };
        let place = Place {
            next: 0,
            taken: ORIGIN,
            part_at: None,
            last_taken: None,
            reached: None,
            is_discontinuous: false,
        };
        Self {
            url,
            etag: None,
            variables,
            polling,
            list: List::default(),
            stated: Stated::default(),
            place,
            has_begun: false,
            successor: Successor::Version,
            search: None,
            older: None,
            has_had: false,
            lost: 0,
        }
    }

    /// The list has another address from now on, where such a `successor` of it is.
    pub(super) fn relocate(&mut self, url: Url, variables: Variables, now: Moment, successor: Successor) {
        self.url = url;
        // A tag of the old address would say "not modified" about another list.
        self.etag = None;
        self.variables = variables;
        self.polling.reload_at = Some(now);
        // Asked twice before an answer, the looser relation holds: it assumes less.
        self.successor = self.successor.max(successor);
        // The new list may go on where the old one ended.
        self.stated.is_ended = false;
        self.polling.failures = 0;
    }

    /// Media time taken or passed over, from [`ORIGIN`] on.
    pub(super) fn taken(&self) -> Duration {
        self.place.taken
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
        self.stated.longest.unwrap_or(self.stated.target).min(self.stated.target).min(MAX_TARGET)
    }

    /// The target duration as stated.
    pub(super) fn stated_target(&self) -> Duration {
        self.stated.target
    }

    /// The duration of all listed segments.
    pub(super) fn window(&self) -> Duration {
        self.stated.window
    }

    /// Whether there has been a playlist.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether all segments of a complete list have been taken.
    pub(super) fn is_over(&self) -> bool {
        self.stated.is_ended && self.place.next >= self.end()
    }

    /// The media sequence number of the segment that is taken next.
    pub(super) fn next_sequence(&self) -> u64 {
        self.list.sequence.wrapping_add_signed(self.place.next - self.list.base)
    }

    /// The position of the segment that is taken next.
    pub(super) fn next_position(&self) -> i64 {
        self.place.next
    }

    fn end(&self) -> i64 {
        self.list.base.saturating_add_unsigned(self.list.segments.len() as u64)
    }

    /// The segment to take next. Passes over segments that are marked as missing, and those that
    /// only repeat the one before.
    pub(super) fn offer(&mut self, counts: &mut Counts) -> Option<Offer<'_>> {
        loop {
            let index = usize::try_from(self.place.next - self.list.base).ok()?;
            let segment = self.list.segments.get(index)?;
            // A segment that is listed twice in a row would be played twice.
            let repeats = index > 0 && is_same(&self.list.segments[index - 1], segment);
            if !segment.is_gap && !repeats {
                break;
            }
            counts.gaps += u64::from(segment.is_gap);
            counts.repeated += u64::from(repeats && !segment.is_gap);
            self.pass();
        }
        let index = usize::try_from(self.place.next - self.list.base).ok()?;
        let segment = self.list.segments.get(index)?;
        let is_discontinuous = self.place.is_discontinuous || segment.is_discontinuity;
        let only_compares = self.search.is_some();
        Some(Offer { segment, only_compares, sequence: self.next_sequence(), is_discontinuous })
    }

    /// Takes the segment on offer, which has arrived.
    pub(super) fn take(&mut self) {
        let index = usize::try_from(self.place.next - self.list.base).ok();
        self.place.last_taken = index.and_then(|index| self.list.segments.get(index)).cloned();
        self.step();
        // Only what arrives makes the output go on without a break.
        self.place.is_discontinuous = false;
        self.place.reached = Some(self.place.next);
        self.has_had = true;
        self.lost = 0;
    }

    /// The last segment that was taken.
    pub(super) fn last_taken(&self) -> Option<&Segment> {
        self.place.last_taken.as_ref()
    }

    /// Leaves out the first so many segments of a list that has just begun: they were played
    /// before. A live list may begin behind them in any case.
    pub(super) fn resume(&mut self, index: usize) {
        let behind = self.list.base.saturating_add_unsigned(index as u64);
        self.place.next = if self.stated.is_ended { behind } else { behind.max(self.place.next) };
    }

    /// Begins `span` before the end of a list that has just begun, or at its start if it is
    /// shorter.
    pub(super) fn begin_behind(&mut self, span: Duration) {
        let mut left = Duration::ZERO;
        let is_beyond = |segment: &Segment| {
            left += segment.duration;
            left >= span
        };
        let index = self.list.segments.iter().rposition(is_beyond).unwrap_or(0);
        self.place.next = self.list.base.saturating_add_unsigned(index as u64);
    }

    /// Begins earlier in a list that has just begun, as far as it goes back. Returns by how much;
    /// of a complete list, all segments are there in any case.
    pub(super) fn take_head_start(&mut self) -> Duration {
        let usual = self.ahead();
        if self.stated.is_ended {
            return self.target().max(HEAD_START).min(usual);
        }
        // The target duration is the longest segment, so going by it alone would often gain
        // nothing.
        self.begin_behind(usual + HEAD_START.max(self.target() / 2));
        self.ahead().saturating_sub(usual)
    }

    /// The media sequence number behind the last segment.
    pub(super) fn end_sequence(&self) -> u64 {
        self.list.sequence.wrapping_add(self.list.segments.len() as u64)
    }

    /// Passes over the segment on offer, which did not arrive.
    pub(super) fn lose(&mut self) {
        self.lost += 1;
        self.pass();
    }

    /// Goes on behind the segment on offer: the next one does not follow what was taken.
    fn pass(&mut self) {
        self.step();
        self.place.is_discontinuous = true;
    }

    fn step(&mut self) {
        let index = usize::try_from(self.place.next - self.list.base).ok();
        if let Some(segment) = index.and_then(|index| self.list.segments.get(index)) {
            // The part begins where this segment does, whether it was taken or passed over.
            if segment.is_discontinuity {
                self.place.part_at = Some(self.place.taken);
            }
            self.place.taken += segment.duration;
        }
        self.place.next += 1;
        self.forget();
    }

    /// Drops the segments that are no longer remembered.
    fn forget(&mut self) {
        while self.list.base < self.place.next - REMEMBERED && self.list.segments.pop_front().is_some() {
            self.list.base += 1;
            self.list.sequence = self.list.sequence.wrapping_add(1);
        }
    }

    /// No new version arrived: the same as before, or one that cannot be read.
    pub(super) fn handle_unchanged(&mut self, asked_at: Moment) {
        self.polling.asked_at = asked_at;
        // Half as long as usual, as RFC 8216 says in 6.3.4.
        let wait = self.last() / 2;
        self.polling.reload_at = (!self.stated.is_ended).then(|| asked_at + wait.max(MIN_RELOAD));
    }

    /// A version with new segments has arrived.
    fn handle_changed(&mut self, asked_at: Moment) {
        self.polling.asked_at = asked_at;
        self.polling.changed_at = asked_at;
        // A list of one or two segments may have moved past one of them when the next version is
        // due.
        let wait = if self.list.listed < usize::from(START_BEHIND) { self.last() / 2 } else { self.last() };
        self.polling.reload_at = (!self.stated.is_ended).then(|| asked_at + wait.max(MIN_RELOAD));
    }

    /// When to ask for the list again if playback waits for it: a second after the last time, or
    /// sooner.
    pub(super) fn hurried_reload_at(&self) -> Option<Moment> {
        Some(self.polling.reload_at?.min(self.polling.asked_at + MIN_RELOAD * 2))
    }

    /// The duration of the last segment, or the target duration if that is shorter, and at most
    /// [`MAX_TARGET`].
    fn last(&self) -> Duration {
        self.list
            .segments
            .back()
            .map_or(self.stated.target, |segment| segment.duration)
            .min(self.stated.target)
            .min(MAX_TARGET)
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
        self.polling.failures = 0;
        let before = self.end();
        let is_kept = self.accept(now, media, is_fetching, counts);
        if !is_kept {
            counts.older += 1;
            self.handle_unchanged(asked_at);
            return false;
        }
        self.list.listed = media.segments.len();
        self.stated.target = media.target;
        self.stated.longest = media.segments.iter().map(|segment| segment.duration).max();
        self.stated.window = media.duration();
        self.stated.is_ended = media.is_ended;
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
        // Taken out: the relation holds for this version only, whatever comes of it.
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
        let known =
            Known { segments: &self.list.segments, base: self.list.base, sequence: self.list.sequence };
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
            let is_far = end.saturating_add_unsigned(length) < self.place.next;
            if !is_far && !self.goes_on_older(now, media) {
                return false;
            }
            counts.restarts += 1;
            self.restart(now, media);
            return true;
        }
        self.older = None;
        if base > self.place.next {
            self.search_from(base);
        }
        // The list has moved on past segments that were never taken: live again, rather than at the
        // edge where they vanish next.
        if base > self.place.next {
            counts.ran_past += 1;
            self.place.next = base.max(end.saturating_sub_unsigned(START_BEHIND.into()));
            self.place.is_discontinuous = true;
        }
        // The taken segments stay remembered in front of the listed ones, unless there is a hole
        // between both.
        if base > self.list.base && base <= self.end() {
            self.list.segments.truncate(usize::try_from(base - self.list.base).unwrap_or(0));
            self.list.segments.extend(media.segments.iter().cloned());
            self.list.sequence = media.sequence.wrapping_sub(base.abs_diff(self.list.base));
        } else {
            self.list.segments = media.segments.iter().cloned().collect();
            (self.list.base, self.list.sequence) = (base, media.sequence);
        }
        true
    }

    /// Whether a version that is older than the one on hand is a new beginning: lists have been
    /// older for long, and they grow.
    fn goes_on_older(&mut self, now: Moment, media: &Media) -> bool {
        let end = media.sequence.wrapping_add(media.segments.len() as u64);
        let &mut (since, first_end) = self.older.get_or_insert((now, end));
        // And it must have grown: a cache that is stuck at an old version stays where it is.
        now.since(since) > self.target() * OLDER_HALVES / 2 && end != first_end
    }

    fn begin(&mut self, media: &Media) {
        self.has_begun = true;
        self.list.segments = media.segments.iter().cloned().collect();
        (self.list.base, self.list.sequence) = (0, media.sequence);
        self.place.next = Self::start(media);
    }

    /// The duration of the segments from a position on.
    fn ahead_of(&self, position: i64) -> Duration {
        // A position before the list counts from its first segment.
        let index = usize::try_from(position - self.list.base).unwrap_or(0);
        self.list.segments.iter().skip(index).map(|segment| segment.duration).sum()
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
