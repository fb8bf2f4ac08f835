//! What a player has yet to fetch, and until when it has something to play.

use std::collections::VecDeque;

use super::list::{Entry, Playlist};
use crate::clock::Mono;

/// Players begin so many segments before the end (RFC 8216, section 6.3.3: not less than three target durations).
const BEGIN: usize = 3;

/// A player's way through the segments.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The number after the last one that was seen in a playlist.
    next: Option<u64>,
    /// To be fetched.
    queue: VecDeque<Entry>,
    plays_until: Option<Mono>,
    /// How often there was nothing to play.
    pub(super) stalls: u64,
    /// For how many seconds.
    pub(super) stood: f64,
    /// Segments that were gone from the playlist before it was asked for.
    pub(super) missed: u64,
}

impl Course {
    /// Takes over what is new in `playlist`; false if nothing is.
    pub(super) fn listed(&mut self, playlist: &Playlist) -> bool {
        let from = self.next.unwrap_or_else(|| {
            let count = playlist.segments.len().saturating_sub(BEGIN);
            playlist.first + count as u64
        });
        self.missed += playlist.first.saturating_sub(from);
        let new = playlist.segments.iter().filter(|entry| entry.number >= from);
        let before = self.queue.len();
        self.queue.extend(new.cloned());
        self.next = self.queue.back().map(|entry| entry.number + 1).or(self.next);
        self.queue.len() > before
    }

    /// What is to be fetched next.
    pub(super) fn wanted(&self) -> Option<&Entry> {
        self.queue.front()
    }

    /// What was wanted has come at `now`, or cannot be had; returns it.
    pub(super) fn done(&mut self, has_come: bool, now: Mono) -> Option<Entry> {
        let entry = self.queue.pop_front()?;
        if has_come {
            self.look(now);
            let from = self.plays_until.map_or(now, |until| until.max(now));
            self.plays_until = Some(from.plus(entry.seconds));
        }
        Some(entry)
    }

    /// Counts a stall if there is nothing to play at `now`.
    pub(super) fn look(&mut self, now: Mono) {
        if let Some(until) = self.plays_until.filter(|&until| until < now) {
            self.stalls += 1;
            self.stood += now.since(until);
        }
    }

    /// Whether it has ever had something to play.
    pub(super) fn has_begun(&self) -> bool {
        self.plays_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playlist(first: u64, count: u64) -> Playlist {
        let entry = |number| Entry { number, seconds: 2.0, uri: String::new() };
        Playlist { target: 2.0, first, segments: (first..first + count).map(entry).collect() }
    }

    fn fetch(course: &mut Course, at: f64) -> Option<u64> {
        course.done(true, Mono(0).plus(at)).map(|entry| entry.number)
    }

    #[test]
    fn each_segment_is_fetched_once_from_the_third_before_the_end() {
        let mut course = Course::default();
        assert!(course.listed(&playlist(10, 8)));
        assert_eq!(
            [1.0, 1.1, 1.2, 1.3].map(|at| fetch(&mut course, at)),
            [Some(15), Some(16), Some(17), None]
        );
        assert!(!course.listed(&playlist(10, 8)), "nothing is new");
        assert!(course.listed(&playlist(12, 8)));
        assert_eq!([2.0, 2.1, 2.2].map(|at| fetch(&mut course, at)), [Some(18), Some(19), None]);
        assert!(course.listed(&playlist(23, 2)));
        assert_eq!((course.missed, fetch(&mut course, 3.0)), (3, Some(23)));
    }

    #[test]
    fn who_has_nothing_to_play_has_stalled() {
        let mut course = Course::default();
        course.listed(&playlist(0, 3));
        course.look(Mono(0).plus(100.0));
        assert!(!course.has_begun(), "it has not begun to play");
        for at in [10.0, 10.5, 11.0] {
            fetch(&mut course, at);
        }
        course.look(Mono(0).plus(15.9));
        assert_eq!(course.stalls, 0, "three segments last until 16 s");
        course.listed(&playlist(1, 4));
        fetch(&mut course, 16.5);
        assert!(course.stalls == 1 && (course.stood - 0.5).abs() < 1e-6, "{course:?}");
        course.done(false, Mono(0).plus(17.0));
        course.look(Mono(0).plus(18.6));
        assert_eq!(course.stalls, 2, "what cannot be had is not played");
    }
}
