//! One media playlist that is followed: which of its segments have been taken, and what each new version of it means.

mod window;

use std::collections::VecDeque;
use std::time::Duration;

use url::Url;

use super::super::model::{Media, Segment, Variables};
use super::place::{Known, Place, place};
use super::{Counts, HEAD_START, MIN_RELOAD, START_BEHIND};
use crate::time::Moment;

/// Taken segments that are remembered, to know them again when a playlist's numbers cannot be trusted.
const REMEMBERED: i64 = 64;

/// Of a list that is older than what we have: after so many halves of the target duration it counts as a beginning, if it goes on.
const OLDER_HALVES: u32 = 3;

/// A longer target duration, or segment at the end of a list, is not waited for: no live source has any, and a slip of the pen should
/// not keep us from looking again for a day.
const MAX_TARGET: Duration = Duration::from_mins(1);

/// How many target durations a place in another list, found by its date, may be nearer to the end
/// of that than it should be, or further: as far as such lists lag behind one another.
const BY_DATE: u32 = 4;

/// Where [`Track::taken`] begins: separate sound may be behind the beginning of the picture.
const ORIGIN: Duration = Duration::from_hours(1);

/// One media playlist.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Track {
    /// Where it was found last.
    pub(super) url: Url,
    /// The version that is on hand.
    pub(super) etag: Option<String>,
    pub(super) variables: Variables,
    /// When it is asked for again; `None` when it is complete.
    pub(super) reload_at: Option<Moment>,
    /// What it holds, and the segments before that are remembered.
    segments: VecDeque<Segment>,
    /// How many of them the playlist lists: the last ones.
    listed: usize,
    /// The place of the first of them. Places count on through whatever happens to the media sequence numbers.
    base: i64,
    /// The media sequence number of the first of them.
    sequence: u64,
    /// The place of the segment that is taken next.
    next: i64,
    has_begun: bool,
    /// The next version has nothing to do with this one.
    is_strange: bool,
    is_ended: bool,
    /// What comes next does not follow what was taken last.
    has_seam: bool,
    /// As stated.
    target: Duration,
    /// The longest of the segments that are listed.
    longest: Option<Duration>,
    /// How long all that is listed plays.
    window: Duration,
    /// Since when it is older than what is on hand, and where it ended then.
    older: Option<(Moment, u64)>,
    /// Media time taken, or passed over, from [`ORIGIN`] on.
    pub(super) taken: Duration,
    /// The same where the part began that was taken last.
    part_at: Option<Duration>,
    /// When it was last asked for.
    asked_at: Moment,
    /// When the last version with something new was asked for.
    changed_at: Moment,
    /// The last segment that was taken.
    last_taken: Option<Segment>,
    /// The place behind the last segment that was taken; `None` before the first.
    reached: Option<i64>,
    /// Whether a segment of this list was had, and how many in a row were not.
    has_had: bool,
    lost: u32,
    /// Times in a row that the list could not be had.
    pub(super) failures: u32,
}

/// A segment that may be taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer<'a> {
    pub(super) segment: &'a Segment,
    /// Its media sequence number.
    pub(super) sequence: u64,
    /// It does not follow what was taken before.
    pub(super) has_seam: bool,
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
            is_strange: false,
            is_ended: false,
            has_seam: false,
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

    /// It is found elsewhere from now on: the same, or `another` variant.
    pub(super) fn relocate(&mut self, url: Url, variables: Variables, now: Moment, another: bool) {
        (self.url, self.etag, self.variables, self.reload_at) = (url, None, variables, Some(now));
        self.is_strange |= another;
        self.is_ended = false;
        self.failures = 0;
    }

    /// Whether the list of another variant is awaited.
    pub(super) fn is_strange(&self) -> bool {
        self.is_strange
    }

    /// Whether a segment of this list was had.
    pub(super) fn has_had(&self) -> bool {
        self.has_had
    }

    /// How many segments in a row were not to be had.
    pub(super) fn lost(&self) -> u32 {
        self.lost
    }

    /// The target duration, or what the segments really take where that is less, and at most [`MAX_TARGET`]; zero until there is a
    /// playlist.
    pub(super) fn target(&self) -> Duration {
        self.longest.unwrap_or(self.target).min(self.target).min(MAX_TARGET)
    }

    /// The target duration as stated.
    pub(super) fn stated_target(&self) -> Duration {
        self.target
    }

    /// How long all that is listed plays.
    pub(super) fn window(&self) -> Duration {
        self.window
    }

    /// Whether there has been a playlist.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether everything has been taken, and nothing will come.
    pub(super) fn is_over(&self) -> bool {
        self.is_ended && self.next >= self.end()
    }

    /// The media sequence number of the segment that is taken next.
    pub(super) fn next_sequence(&self) -> u64 {
        self.sequence.wrapping_add_signed(self.next - self.base)
    }

    /// The place of the segment that is taken next.
    pub(super) fn next_place(&self) -> i64 {
        self.next
    }

    fn end(&self) -> i64 {
        self.base.saturating_add_unsigned(self.segments.len() as u64)
    }

    /// The segment that comes next. What is marked as missing, and what only repeats the one before, is passed over.
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
        let has_seam = self.has_seam || segment.is_discontinuity;
        Some(Offer { segment, sequence: self.next_sequence(), has_seam })
    }

    /// The segment on offer was taken.
    pub(super) fn take(&mut self) {
        let index = usize::try_from(self.next - self.base).ok();
        self.last_taken = index.and_then(|index| self.segments.get(index)).cloned();
        self.step();
        self.has_seam = false;
        self.reached = Some(self.next);
        (self.has_had, self.lost) = (true, 0);
    }

    /// The last segment that was taken.
    pub(super) fn last_taken(&self) -> Option<&Segment> {
        self.last_taken.as_ref()
    }

    /// Goes on behind the first so many segments of a list that has just been begun with: they were
    /// played. Those of a list that goes on are left out where it begins behind them in any case.
    pub(super) fn resume(&mut self, index: usize) {
        let behind = self.base.saturating_add_unsigned(index as u64);
        self.next = if self.is_ended { behind } else { behind.max(self.next) };
    }

    /// Begins so far from the end of a list that has just been begun with, if it is as long.
    pub(super) fn begin_behind(&mut self, span: Duration) {
        let mut left = Duration::ZERO;
        let is_beyond = |segment: &Segment| {
            left += segment.duration;
            left >= span
        };
        let index = self.segments.iter().rposition(is_beyond).unwrap_or(0);
        self.next = self.base.saturating_add_unsigned(index as u64);
    }

    /// Begins earlier in a list that has just been begun with; by how much, as far as it goes back.
    /// Of a complete list, all is there in any case.
    pub(super) fn take_head_start(&mut self) -> Duration {
        let usual = self.ahead();
        if self.is_ended {
            return self.target().max(HEAD_START).min(usual);
        }
        // Segments are not all as long as the longest.
        self.begin_behind(usual + HEAD_START.max(self.target() / 2));
        self.ahead().saturating_sub(usual)
    }

    /// The media sequence number behind the last segment.
    pub(super) fn end_sequence(&self) -> u64 {
        self.sequence.wrapping_add(self.segments.len() as u64)
    }

    /// The segment on offer is not to be had.
    pub(super) fn lose(&mut self) {
        self.lost += 1;
        self.pass();
    }

    /// The segment on offer is passed over.
    fn pass(&mut self) {
        self.step();
        self.has_seam = true;
    }

    fn step(&mut self) {
        let index = usize::try_from(self.next - self.base).ok();
        if let Some(segment) = index.and_then(|index| self.segments.get(index)) {
            if segment.is_discontinuity {
                self.part_at = Some(self.taken);
            }
            self.taken += segment.duration;
        }
        self.next += 1;
        self.forget();
    }

    /// Drops what is no longer remembered.
    fn forget(&mut self) {
        while self.base < self.next - REMEMBERED && self.segments.pop_front().is_some() {
            self.base += 1;
            self.sequence = self.sequence.wrapping_add(1);
        }
    }

    /// No new version: the same as before, or none that could be read.
    pub(super) fn handle_unchanged(&mut self, asked_at: Moment) {
        self.asked_at = asked_at;
        let wait = self.last() / 2;
        self.reload_at = (!self.is_ended).then(|| asked_at + wait.max(MIN_RELOAD));
    }

    /// A version with something new has come.
    fn handle_changed(&mut self, asked_at: Moment) {
        (self.asked_at, self.changed_at) = (asked_at, asked_at);
        // A window of one or two has moved on when the next version is due.
        let wait = if self.listed < usize::from(START_BEHIND) { self.last() / 2 } else { self.last() };
        self.reload_at = (!self.is_ended).then(|| asked_at + wait.max(MIN_RELOAD));
    }

    /// When it is asked for again, if something waits for it: a second after the last time, or
    /// sooner.
    pub(super) fn hurried_reload_at(&self) -> Option<Moment> {
        Some(self.reload_at?.min(self.asked_at + MIN_RELOAD * 2))
    }

    /// How long the last segment plays, or the target duration if that is less, and at most [`MAX_TARGET`].
    fn last(&self) -> Duration {
        self.segments.back().map_or(self.target, |segment| segment.duration).min(self.target).min(MAX_TARGET)
    }

    /// A version has come that was asked for at `asked_at`; `is_fetching` is whether the segment on
    /// offer is on its way. True when something is to be taken that was not known.
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

    /// Puts a version in place of the one on hand; false when it is older, and is not to be used.
    fn accept(&mut self, now: Moment, media: &Media, is_fetching: bool, counts: &mut Counts) -> bool {
        let length = media.segments.len() as u64;
        if !self.has_begun {
            self.begin(media);
            return true;
        }
        if std::mem::take(&mut self.is_strange) {
            self.change(now, media, is_fetching);
            return true;
        }
        let known = Known { segments: &self.segments, base: self.base, sequence: self.sequence };
        let base = match place(&known, media) {
            Place::Numbered(base) => base,
            Place::Renumbered(base) => {
                counts.renumbered += 1;
                base
            }
            Place::Elsewhere => {
                counts.restarts += 1;
                self.restart(now, media);
                return true;
            }
        };
        let end = base.saturating_add_unsigned(length);
        if end < self.end() {
            let is_far = end.saturating_add_unsigned(length) < self.next;
            if !is_far && !self.goes_on_older(now, media) {
                return false;
            }
            counts.restarts += 1;
            self.restart(now, media);
            return true;
        }
        self.older = None;
        if base > self.next {
            counts.ran_past += 1;
            self.next = base.max(end.saturating_sub_unsigned(START_BEHIND.into()));
            self.has_seam = true;
        }
        // What was taken stays remembered in front of what is listed, as far as both fit together.
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

    /// Whether a version that is older than the one on hand is the beginning of something: it has been older for long, and goes on.
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

    /// Everything begins anew, behind what there was: where dates say that nothing is missing and
    /// nothing comes twice, or else as ever.
    fn restart(&mut self, now: Moment, media: &Media) {
        let age = now.since(self.changed_at);
        let reached = self
            .reached
            .and_then(|reached| self.goes_on_by_date(media, reached, age, self.target() * BY_DATE));
        let start = reached.map_or_else(|| Self::start(media), |index| i64::try_from(index).unwrap_or(0));
        self.replace(media, start);
    }

    /// This list takes the place of the one on hand, and begins with its segment `start`.
    fn replace(&mut self, media: &Media, start: i64) {
        self.older = None;
        self.base = self.end().max(self.next);
        self.segments = media.segments.iter().cloned().collect();
        self.sequence = media.sequence;
        self.next = self.base + start;
        self.has_seam = true;
    }

    /// The list of another variant takes the place of the one on hand, and goes on behind what was
    /// taken of that.
    fn change(&mut self, now: Moment, media: &Media, is_fetching: bool) {
        let reached = if is_fetching { Some(self.next + 1) } else { self.reached };
        let start = reached.map_or_else(|| Self::start(media), |reached| self.align(now, media, reached));
        // What was passed over is had from the other list, if it is still there.
        let passed = |reached| self.ahead_of(reached).saturating_sub(self.ahead_of(self.next));
        self.taken = self.taken.saturating_sub(reached.map_or(Duration::ZERO, passed));
        self.replace(media, start);
        (self.has_had, self.lost) = (false, 0);
    }

    /// With which segment of another variant's list to go on behind the place `reached` of this
    /// one. By its date; or by the media sequence number, where both lists then have about as much
    /// before them: it need not mean the same in both (RFC 8216, 6.3.3). Else where that is the
    /// case.
    fn align(&self, now: Moment, media: &Media, reached: i64) -> i64 {
        // A list that goes on has as much more by now.
        let age = if media.is_ended { Duration::ZERO } else { now.since(self.changed_at) };
        let ahead = self.ahead_of(reached) + age;
        if let Some(index) = self.goes_on_by_date(media, reached, age, self.target() * BY_DATE) {
            return i64::try_from(index).unwrap_or(0);
        }
        let index = i128::from(self.sequence) + i128::from(reached - self.base) - i128::from(media.sequence);
        let numbered = usize::try_from(index).ok().filter(|&index| index <= media.segments.len());
        let tolerance = self.target() * 2;
        let mut left = media.duration();
        let mut best = (left.abs_diff(ahead), 0);
        for (index, segment) in media.segments.iter().enumerate() {
            if numbered == Some(index) && left.abs_diff(ahead) <= tolerance {
                return i64::try_from(index).unwrap_or(0);
            }
            left = left.saturating_sub(segment.duration);
            best = best.min((left.abs_diff(ahead), index + 1));
        }
        let at_end = numbered.filter(|&index| index == media.segments.len() && ahead <= tolerance);
        i64::try_from(at_end.unwrap_or(best.1)).unwrap_or(0)
    }

    /// How long what is listed behind a place plays.
    fn ahead_of(&self, place: i64) -> Duration {
        let index = usize::try_from(place - self.base).unwrap_or(0);
        self.segments.iter().skip(index).map(|segment| segment.duration).sum()
    }

    /// Which segment to begin with: three from the end of what goes on, and the first of what is complete.
    fn start(media: &Media) -> i64 {
        let start = if media.is_ended { 0 } else { media.segments.len().saturating_sub(START_BEHIND.into()) };
        i64::try_from(start).unwrap_or(0)
    }
}

/// Whether a segment only repeats the one listed before it. Behind a discontinuity the same address
/// is new media: a slate that is as long as a break is one file, listed again and again.
fn is_same(before: &Segment, segment: &Segment) -> bool {
    before.url == segment.url && before.range == segment.range && !segment.is_discontinuity
}
