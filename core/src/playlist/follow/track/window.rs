//! Where in its list a track stands, in media time: what lies before it, and where parts begin.

use std::time::Duration;

use super::super::super::dating;
use super::super::super::model::{Date, Media, Segment};
use super::super::UNEVEN;
use super::Track;

/// How much further from the end of its list than it would be without dates a track may begin, and
/// how much nearer: as far as separate sound may be from its picture.
const MAX_BY_DATE: Duration = Duration::from_secs(30);

/// How far a date may be from where a segment begins that is shown with it.
const AS_GOOD_AS_SAME: Duration = Duration::from_millis(500);

impl Track {
    /// How long what is listed and not taken plays.
    pub(in super::super) fn ahead(&self) -> Duration {
        self.ahead_of(self.place.next)
    }

    /// How much later its version on hand was asked for than that of `other`.
    pub(in super::super) fn age_since(&self, other: &Self) -> Duration {
        self.polling.asked_at.since(other.polling.asked_at)
    }

    /// Whether the list is complete.
    pub(in super::super) fn is_ended(&self) -> bool {
        self.stated.is_ended
    }

    /// Whether there is a segment to take.
    pub(in super::super) fn has_next(&self) -> bool {
        self.place.next < self.end()
    }

    /// Whether the segment that is taken next begins another part of the media
    /// (`EXT-X-DISCONTINUITY`).
    pub(in super::super) fn is_at_part(&self) -> bool {
        self.listed_from(self.place.next).next().is_some_and(|segment| segment.is_discontinuity)
    }

    /// Whether another part begins with any of the segments that are listed.
    pub(in super::super) fn lists_part(&self) -> bool {
        // Of the list only: remembered segments in front of it are not to come again.
        self.list.segments.iter().rev().take(self.list.listed).any(|segment| segment.is_discontinuity)
    }

    /// Where the part began that was taken last, as [`Track::taken`] is counted.
    pub(in super::super) fn last_part_at(&self) -> Option<Duration> {
        self.place.part_at
    }

    /// Whether another part begins near a time that is counted as [`Track::taken`] is. `None` where
    /// the list does not go so far yet.
    pub(in super::super) fn has_part_near(&self, at: Duration, tolerance: Duration) -> Option<bool> {
        if self.place.part_at.is_some_and(|began| began.abs_diff(at) <= tolerance) {
            return Some(true);
        }
        let mut begin = self.place.taken;
        for segment in self.listed_from(self.place.next) {
            if segment.is_discontinuity && begin.abs_diff(at) <= tolerance {
                return Some(true);
            }
            begin += segment.duration;
        }
        // Beyond the time asked for, a part would have been listed; before it, one may still come.
        (begin > at + tolerance).then_some(false)
    }

    /// When the segment that is taken next was made.
    pub(in super::super) fn next_date(&self) -> Option<Date> {
        self.listed_from(self.place.next).next()?.date
    }

    /// Begins with the segment of that date instead, of a list that has just been begun with.
    pub(in super::super) fn begin_at(&mut self, date: Date) {
        let index = dating::find(&self.list.segments, date, |_| AS_GOOD_AS_SAME);
        let position = index.map(|index| self.list.base.saturating_add_unsigned(index as u64));
        // A wrong date must not throw the beginning far from the live end.
        let is_near = |position: i64| self.ahead_of(position).abs_diff(self.ahead()) <= MAX_BY_DATE;
        self.place.next = position
            .filter(|&position| position < self.end() && is_near(position))
            .unwrap_or(self.place.next);
    }

    /// The index of the segment in another list that goes on behind the place `reached` of this
    /// one, by their dates, if it is no further from the end than it should be after `age`, give or
    /// take `tolerance`.
    pub(super) fn goes_on_by_date(
        &self,
        media: &Media,
        reached: i64,
        age: Duration,
        tolerance: Duration,
    ) -> Option<usize> {
        let last = self.listed_from(reached.checked_sub(1)?.max(self.list.base)).next()?;
        let date = last.date?.after(last.duration);
        let is_later = media.segments.first()?.date? > date;
        // What lies between both lists is listed nowhere.
        let found = dating::find(&media.segments, date, |segment| segment.duration / 2);
        let index = found.or_else(|| is_later.then_some(0))?;
        let left: Duration = media.segments[index..].iter().map(|segment| segment.duration).sum();
        // Dates of servers drift: one that contradicts the length of the list is not believed.
        (left.abs_diff(self.ahead_of(reached) + age) <= tolerance).then_some(index)
    }

    /// Begins with the segment of a complete list in which this much of it has passed.
    pub(in super::super) fn begin_after(&mut self, passed: Duration) {
        let mut begin = Duration::ZERO;
        let before = self.list.segments.iter().take_while(|segment| {
            begin += segment.duration;
            begin <= passed
        });
        self.place.next = self.list.base.saturating_add_unsigned(before.count() as u64);
    }

    /// How long what is listed before the segment that is taken next plays.
    pub(in super::super) fn passed(&self) -> Duration {
        let count = usize::try_from(self.place.next - self.list.base).unwrap_or(0);
        self.list.segments.iter().take(count).map(|segment| segment.duration).sum()
    }

    /// It stands at `taken`, as measured.
    pub(in super::super) fn set_taken(&mut self, taken: Duration) {
        let before = self.place.taken;
        // The part began at a fixed media time, so it moves with the scale.
        self.place.part_at = self.place.part_at.map(|at| (at + taken).saturating_sub(before));
        self.place.taken = taken;
    }

    /// Goes back over segments that are still listed, until they play no less than `span`, or to
    /// where their part begins. Whether that is further than the `taken` ones, which have come
    /// already.
    pub(in super::super) fn rewind(&mut self, span: Duration, taken: Duration) -> bool {
        let (position, back) = self.position_back(span);
        // By less than the ends of segments differ, nothing would be gained by fetching again.
        let is_further = back > taken + UNEVEN;
        if is_further {
            (self.place.next, self.place.taken) = (position, self.place.taken.saturating_sub(back));
        }
        is_further
    }

    /// How far it can go back so, up to `span` and a segment.
    pub(in super::super) fn listed_back(&self, span: Duration) -> Duration {
        self.position_back(span).1
    }

    /// The position of the first listed segment that is still remembered.
    pub(super) fn first_listed(&self) -> i64 {
        self.end().saturating_sub_unsigned(self.list.listed as u64).max(self.list.base)
    }

    /// The position of the segment so far back, and how far that is.
    fn position_back(&self, span: Duration) -> (i64, Duration) {
        let first = self.first_listed();
        let (mut back, mut position) = (Duration::ZERO, self.place.next);
        while back < span && position > first {
            // Beyond a discontinuity are other media, and no sound of this part.
            let is_part = self.listed_from(position).next().is_some_and(|segment| segment.is_discontinuity);
            if is_part {
                break;
            }
            position -= 1;
            back += self.listed_from(position).next().map_or(Duration::ZERO, |segment| segment.duration);
        }
        (position, back)
    }

    /// Passes over the segments that have been `taken`, and those that are listed behind them,
    /// until `span` has passed from the beginning of the former: all but the last. Whether that is
    /// any.
    pub(in super::super) fn forward(&mut self, span: Duration, taken: Duration) -> bool {
        // To pass over what has come would lose more than the gap that it closes.
        if taken / 2 >= span || !self.has_next() {
            return false;
        }
        let mut passed = taken;
        // At least one stays: with nothing to take, nothing could be compared.
        while self.place.next + 1 < self.end() {
            let duration =
                self.listed_from(self.place.next).next().map_or(Duration::ZERO, |next| next.duration);
            // To the nearest segment, not beyond it.
            if passed + duration / 2 >= span {
                break;
            }
            passed += duration;
            self.step();
        }
        true
    }

    fn listed_from(&self, position: i64) -> impl Iterator<Item = &Segment> {
        self.list.segments.iter().skip(usize::try_from(position - self.list.base).unwrap_or(0))
    }
}
