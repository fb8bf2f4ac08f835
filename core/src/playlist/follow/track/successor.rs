//! A list that takes the place of the one on hand: one that began anew, or that of another variant.

use std::time::Duration;

use super::super::super::model::Media;
use super::{BY_DATE, Track};
use crate::time::Moment;

impl Track {
    /// The list has begun anew, and goes on behind what was taken: where dates say that nothing is
    /// missing or comes twice, or else like any list that begins.
    pub(super) fn restart(&mut self, now: Moment, media: &Media) {
        let age = now.since(self.polling.changed_at);
        let reached = self
            .place
            .reached
            .and_then(|reached| self.goes_on_by_date(media, reached, age, self.target() * BY_DATE));
        let start = reached.map_or_else(|| Self::start(media), |index| i64::try_from(index).unwrap_or(0));
        self.replace(media, start);
    }

    /// Puts a list in place of the one on hand, beginning with its segment `start`.
    pub(super) fn replace(&mut self, media: &Media, start: i64) {
        self.older = None;
        self.search = None;
        // Positions count on, so that none means two segments.
        self.list.base = self.end().max(self.place.next);
        self.list.segments = media.segments.iter().cloned().collect();
        self.list.sequence = media.sequence;
        self.place.next = self.list.base + start;
        self.place.is_discontinuous = true;
    }

    /// Puts the list of another variant in place of the one on hand, behind what was taken of that.
    pub(super) fn change(&mut self, now: Moment, media: &Media, is_fetching: bool) {
        let reached = if is_fetching { Some(self.place.next + 1) } else { self.place.reached };
        let start = reached.map_or_else(|| Self::start(media), |reached| self.align(now, media, reached));
        // Segments that were passed over can be taken from the other list, if it still has them.
        let passed = |reached| self.ahead_of(reached).saturating_sub(self.ahead_of(self.place.next));
        self.place.taken = self.place.taken.saturating_sub(reached.map_or(Duration::ZERO, passed));
        self.replace(media, start);
        self.has_had = false;
        self.lost = 0;
    }

    /// The segment of another variant's list that follows the position `reached` of this one: by
    /// its date; or by its media sequence number, if both lists then have about as much left, since
    /// the number need not mean the same in both (RFC 8216, 6.3.3); or else by what is left alone.
    pub(super) fn align(&self, now: Moment, media: &Media, reached: i64) -> i64 {
        // A live list has grown by as much since it was asked for.
        let age = if media.is_ended { Duration::ZERO } else { now.since(self.polling.changed_at) };
        let ahead = self.ahead_of(reached) + age;
        if let Some(index) = self.goes_on_by_date(media, reached, age, self.target() * BY_DATE) {
            return i64::try_from(index).unwrap_or(0);
        }
        let index = i128::from(self.list.sequence) + i128::from(reached - self.list.base)
            - i128::from(media.sequence);
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
}
