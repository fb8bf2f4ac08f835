//! When a viewer may have its first playlist, and with which target duration.
//!
//! A player that was told something new asks again after a target duration and no sooner (RFC 8216,
//! section 6.3.4). Until then it plays what it was told of, and media comes no faster than it
//! plays. So the picture stands still, sooner or later, unless a viewer begins far enough behind: a
//! target duration until it asks, a segment that is being made whenever it does, and one for VLC,
//! which does not play the last segment of a live playlist before it knows of another behind that.
//! Nothing later makes up for a first playlist that came too early.

use std::time::Duration;

/// Added to what a player needs. VLC stops where the clock (PCR) of what it has ends, and muxers
/// send that up to 0.7 s ahead of the pictures; the rest is for what a request takes, and for
/// timers that are not exact.
const MARGIN: Duration = Duration::from_secs(1);

/// VLC begins with the first segment of a playlist that names no more than this. Of a longer one it
/// passes over one segment or two, for fear that they are about to be removed.
const NAMED_FROM_THE_START: usize = 3;

/// The most segments that a player passes over.
const PASSED_OVER: usize = 2;

/// The shortest target duration for a viewer with little in store, in seconds: players ask as
/// often, and a VLC before 3.0.18 waits a second less, which must be something.
const SHORTEST_TARGET: u64 = 2;

/// The first playlist of a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The target duration in seconds, for as long as the viewer stays.
    pub target: u64,
    /// How many segments it names, counted from the first one that there is.
    pub named: usize,
    /// How much of the segment in the making must be there beside them.
    pub pending: Duration,
}

impl Opening {
    /// The first playlist for a player that must not run dry, with this target duration. `segments`
    /// says how long they play, and `next` how long those that follow may be. `None` if more of
    /// them are needed first.
    pub fn new(segments: &[Duration], target: u64, next: Duration) -> Option<Self> {
        let until_it_asks = Duration::from_secs(target) + MARGIN;
        let opening = |named: usize| {
            let passed_over = named.saturating_sub(NAMED_FROM_THE_START).min(PASSED_OVER);
            let there: Duration = segments[passed_over..].iter().sum();
            let pending = (until_it_asks + 2 * next).saturating_sub(there);
            let played: Duration = segments[passed_over..named.saturating_sub(1)].iter().sum();
            (pending <= next && played >= until_it_asks).then_some(Self { target, named, pending })
        };
        // Fewer are named only where somebody who knew of all could not begin yet.
        let all = segments.len();
        [all, all.min(NAMED_FROM_THE_START)]
            .into_iter()
            .filter_map(opening)
            .min_by_key(|opening| opening.pending)
    }

    /// The same for a viewer who does not begin with plenty, and so is promised short segments:
    /// with the shortest target duration that fits them, but no more than `longest`.
    pub fn in_haste(segments: &[Duration], longest: u64, next: Duration) -> Option<Self> {
        let segment = segments.iter().copied().max().unwrap_or_default().max(next);
        let rounded = (segment + Duration::from_millis(500)).as_secs();
        Self::new(segments, rounded.max(SHORTEST_TARGET).min(longest), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durations(segments: &[u64]) -> Vec<Duration> {
        segments.iter().copied().map(Duration::from_secs).collect()
    }

    /// The target duration, the segments named and the milliseconds beside them, in haste.
    fn opening(segments: &[u64], next: u64) -> Option<(u64, usize, u128)> {
        let opening = Opening::in_haste(&durations(segments), 5, Duration::from_secs(next))?;
        Some((opening.target, opening.named, opening.pending.as_millis()))
    }

    #[test]
    fn a_first_playlist_lasts_until_the_next_one_brings_more() {
        assert_eq!(opening(&[], 1), None);
        assert_eq!(opening(&[2, 1], 1), None, "the next request would come when it has been played");
        assert_eq!(opening(&[2, 1, 1], 1), Some((2, 3, 1000)));
        assert_eq!(opening(&[2, 2], 2), None);
        assert_eq!(opening(&[2, 2, 2], 2), Some((2, 3, 1000)));
        assert_eq!(opening(&[4, 4, 4], 4), Some((4, 3, 1000)));
        assert_eq!(opening(&[10, 10, 10], 10), Some((5, 3, 0)), "the longest that there may be is too short");
    }

    #[test]
    fn a_viewer_who_comes_soon_after_is_told_of_as_many_as_no_player_passes_over() {
        assert_eq!(opening(&[2, 2, 2, 2], 2), Some((2, 3, 0)));
        assert_eq!(
            opening(&[1, 1, 1, 1, 1], 1),
            None,
            "the first three do not last, and of five VLC plays three"
        );
        assert_eq!(opening(&[2, 1, 1, 1, 1, 1, 1, 1], 1), Some((2, 8, 0)));
    }

    #[test]
    fn who_is_not_promised_short_segments_needs_more() {
        let opening = |segments: &[u64]| Opening::new(&durations(segments), 5, Duration::from_secs(4));
        assert_eq!(opening(&[4, 4]), None);
        assert_eq!(opening(&[4, 4, 4]).map(|opening| opening.pending.as_secs()), Some(2));
        assert_eq!(opening(&[4, 4, 4, 4]).map(|opening| opening.named), Some(3));
        assert_eq!(opening(&[4; 6]).map(|opening| opening.named), Some(6));
    }
}
