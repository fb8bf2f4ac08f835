//! When a viewer may have its first playlist, and with which target duration.
//!
//! A player that was told something new asks again after a target duration and no sooner (RFC 8216,
//! section 6.3.4). Until then it plays what it was told of, and media comes no faster than it
//! plays. So the picture stands still, sooner or later, unless a viewer begins far enough behind:
//! a target duration until it asks, and a segment that is being made whenever it does.
//! Nothing later makes up for a first playlist that came too early.
//!
//! There is a way around that wait: a playlist that also names the segment that is being made, and
//! those behind it. They are sent as they come, so no player ever waits for the next playlist. It
//! goes beyond what the standard promises (section 6.2.1 wants whole segments), so only players
//! that were seen to play such playlists get one.

use std::time::Duration;

use crate::segmenter::SHORTEST;

/// Added to what a player needs. VLC stops where the clock (PCR) of what it has ends, and muxers
/// send that up to 0.7 s ahead of the pictures; the rest is for what a request takes, and for
/// timers that are not exact.
const MARGIN: Duration = Duration::from_secs(1);

/// Media that a player which plays segments as they come begins with: as much as it may be without
/// new media before its picture stands still. Players of transport streams have as much.
const RESERVE: Duration = Duration::from_secs(1);

/// What a player that plays whole segments has left when it asks for the second playlist, at least.
const LEFT: Duration = Duration::from_millis(500);

/// Players begin with the first segment of a playlist that names no more than this, and others with
/// the third from the end. Of a longer one VLC passes over one segment or two, for fear that they
/// are about to be removed.
pub const NAMED_FROM_THE_START: usize = 3;

/// The most segments that a player passes over.
const PASSED_OVER: usize = 2;

/// The shortest target duration for a viewer with little in store, in seconds: `ExoPlayer` gives a
/// playlist up that has nothing new for three and a half of them.
const SHORTEST_TARGET: u64 = 2;

/// The most segments that are named before they are there.
pub const MAX_ANNOUNCED: u64 = 6;

/// How a player takes segments that are not whole yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Player {
    /// It plays them as they come: VLC and ffmpeg.
    Streaming,
    /// It waits until they are whole, and can: hls.js.
    Whole,
    /// It takes the durations of segments at their word, and its decoder goes on from one to the
    /// next, so that they need not begin with a key picture: `AVPlayer`, `ExoPlayer`, `GStreamer`,
    /// and apps, which are built on those.
    Native,
    /// It may want a key picture at the beginning of each segment, too: a player in a page of a
    /// television set, or one of which nothing is known.
    Strict,
}

impl Player {
    /// The player that calls itself `agent` (`User-Agent`). It is a hint: a player with another's
    /// name may stand still for a moment when it begins on a closed channel.
    ///
    /// An agent that no page has is an app with the player of its system (`ExoPlayer` for most),
    /// with ffmpeg or with VLC: each of these goes on from one segment to the next. Players in
    /// pages do not: hls.js never begins, and `mux.js` drops what stands in front of a key picture.
    pub fn of(agent: &str) -> Self {
        let has = |names: &[&str]| names.iter().any(|name| agent.contains(name));
        if has(&["VLC/", "Lavf/"]) {
            Self::Streaming
        } else if has(&["Chrome/", "Firefox/"]) && !has(&["TV", "Tizen", "Web0S"]) {
            Self::Whole
        } else if has(&["AppleCoreMedia/", "ExoPlayer", "AndroidXMedia3/", "GStreamer"]) {
            Self::Native
        } else if agent.is_empty() || agent == "-" || has(&["Mozilla/", "Roku"]) {
            Self::Strict
        } else {
            Self::Native
        }
    }

    /// The first of the whole segments that is named to a new viewer. `whole` says how long the
    /// whole ones play, `grown` how much there is of the one that is being made, and `next` how
    /// long that and those behind it may be. `None` if more is needed first.
    pub fn begin(self, whole: &[Duration], grown: Duration, next: Duration) -> Option<usize> {
        let there = whole.iter().sum::<Duration>() + grown;
        match self {
            // Three of them would be played before the player asks again.
            Self::Streaming if next < SHORTEST => None,
            Self::Streaming if grown >= RESERVE => Some(whole.len()),
            Self::Streaming => (there >= RESERVE).then(|| whole.len().saturating_sub(1)),
            Self::Whole => (!whole.is_empty() && there >= next + MARGIN).then_some(0),
            Self::Native | Self::Strict => None,
        }
    }
}

/// How many segments that are not whole a playlist names: enough until the player asks again. The
/// first time no more than VLC begins with, `named` of them being whole.
pub fn announced(named_first: Option<usize>, target: Duration, next: Duration) -> u64 {
    if let Some(named) = named_first {
        return NAMED_FROM_THE_START.saturating_sub(named).max(2) as u64;
    }
    let until_it_asks = target.as_millis().div_ceil(next.as_millis().max(1));
    u64::try_from(until_it_asks).unwrap_or(MAX_ANNOUNCED).saturating_add(2).min(MAX_ANNOUNCED)
}

/// The first playlist of a viewer, of whole segments only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The target duration in seconds, for as long as the viewer stays.
    pub target: u64,
    /// How many segments it names, counted from the first one that there is.
    pub named: usize,
    /// How much of the growing segment must be there beside them.
    pub grown: Duration,
}

impl Opening {
    /// The first playlist for any player that must not run dry, with this target duration.
    /// `segments` says how long they play, and `next` how long those that follow may be. `None` if
    /// more of them are needed first.
    ///
    /// It is enough for VLC, too, which does not play the last segment of a live playlist before it
    /// knows of another behind that.
    pub fn new(segments: &[Duration], target: u64, next: Duration) -> Option<Self> {
        let until_it_asks = Duration::from_secs(target) + MARGIN;
        let opening = |named: usize| {
            let passed_over = named.saturating_sub(NAMED_FROM_THE_START).min(PASSED_OVER);
            let there: Duration = segments[passed_over..].iter().sum();
            let grown = (until_it_asks + 2 * next).saturating_sub(there);
            let played: Duration = segments[passed_over..named.saturating_sub(1)].iter().sum();
            (grown <= next && played >= until_it_asks).then_some(Self { target, named, grown })
        };
        // Fewer are named only where somebody who knew of all could not begin yet.
        let all = segments.len();
        [all, all.min(NAMED_FROM_THE_START)]
            .into_iter()
            .filter_map(opening)
            .min_by_key(|opening| opening.grown)
    }

    /// The same for a `player` that does not begin with plenty, and so is promised short segments:
    /// with the shortest target duration that fits them, but no more than `longest`.
    pub fn in_haste(player: Player, segments: &[Duration], longest: u64, next: Duration) -> Option<Self> {
        let target = target_in_haste(segments, longest, next);
        if player == Player::Streaming {
            return Self::new(segments, target, next);
        }
        // The request is held when it comes a little before the next segment is whole.
        let until_it_asks = Duration::from_secs(target);
        let there: Duration = segments.iter().sum();
        let grown = (until_it_asks + next).saturating_sub(there);
        (there >= until_it_asks + LEFT && grown <= next).then_some(Self {
            target,
            named: segments.len(),
            grown,
        })
    }
}

/// The shortest target duration that fits these segments and the `next`, in seconds, but no more
/// than `longest`.
pub fn target_in_haste(segments: &[Duration], longest: u64, next: Duration) -> u64 {
    let segment = segments.iter().copied().max().unwrap_or_default().max(next);
    let rounded = (segment + Duration::from_millis(500)).as_secs();
    rounded.max(SHORTEST_TARGET).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durations(segments: &[u64]) -> Vec<Duration> {
        segments.iter().copied().map(Duration::from_secs).collect()
    }

    /// The target duration, the segments named and the milliseconds beside them, in haste.
    fn in_haste(player: Player, segments: &[u64], next: u64) -> Option<(u64, usize, u128)> {
        let opening = Opening::in_haste(player, &durations(segments), 5, Duration::from_secs(next))?;
        Some((opening.target, opening.named, opening.grown.as_millis()))
    }

    fn opening(segments: &[u64], next: u64) -> Option<(u64, usize, u128)> {
        in_haste(Player::Strict, segments, next)
    }

    #[test]
    fn a_first_playlist_lasts_until_the_next_one_brings_more() {
        assert_eq!(opening(&[], 1), None);
        assert_eq!(opening(&[2], 1), None, "the next request would come when it has been played");
        assert_eq!(opening(&[2, 1], 1), Some((2, 2, 0)));
        assert_eq!(opening(&[2, 1, 1, 1], 1), Some((2, 4, 0)));
        assert_eq!(opening(&[2], 2), None);
        assert_eq!(opening(&[2, 2], 2), Some((2, 2, 0)));
        assert_eq!(opening(&[4, 4], 4), Some((4, 2, 0)));
        assert_eq!(opening(&[10], 10), Some((5, 1, 5000)), "the longest that there may be is too short");
    }

    #[test]
    fn vlc_is_told_of_one_more_where_all_must_be_whole() {
        let opening = |segments: &[u64], next| in_haste(Player::Streaming, segments, next);
        assert_eq!(opening(&[2, 1], 1), None, "the next request would come when it has been played");
        assert_eq!(opening(&[2, 1, 1], 1), Some((2, 3, 1000)));
        assert_eq!(opening(&[2, 2, 2], 2), Some((2, 3, 1000)));
        assert_eq!(opening(&[2, 2, 2, 2], 2), Some((2, 3, 0)), "as many as VLC does not pass over");
        assert_eq!(
            opening(&[1, 1, 1, 1, 1], 1),
            None,
            "the first three do not last, and of five VLC plays three"
        );
        assert_eq!(opening(&[2, 1, 1, 1, 1, 1, 1, 1], 1), Some((2, 8, 0)));
        assert_eq!(opening(&[10, 10, 10], 10), Some((5, 3, 0)));
    }

    #[test]
    fn players_that_play_segments_as_they_come_begin_with_a_second() {
        let begin = |whole: &[u64], grown| {
            let grown = Duration::from_millis(grown);
            Player::Streaming.begin(&durations(whole), grown, Duration::from_secs(4))
        };
        assert_eq!([begin(&[], 900), begin(&[], 1000)], [None, Some(0)]);
        assert_eq!([begin(&[4], 900), begin(&[4, 4], 1000)], [Some(0), Some(2)]);
        let short = Player::Streaming.begin(&durations(&[1, 1]), Duration::ZERO, Duration::from_secs(1));
        assert_eq!(short, None, "three would be over before the next playlist");
    }

    #[test]
    fn players_that_wait_for_whole_segments_begin_when_the_next_will_be_there_in_time() {
        let begin = |whole: &[u64], grown, next| {
            let [grown, next] = [grown, next].map(Duration::from_millis);
            Player::Whole.begin(&durations(whole), grown, next).is_some()
        };
        assert!(!begin(&[], 9000, 2000));
        assert!(!begin(&[2], 900, 2000) && begin(&[2], 1000, 2000));
        assert!(begin(&[2], 0, 1000), "a shorter one follows");
        assert!(!begin(&[2], 900, 10_000), "nobody knows when a longer one ends");
    }

    #[test]
    fn enough_segments_are_named_until_the_player_asks_again() {
        let count =
            |first, target, next| announced(first, Duration::from_secs(target), Duration::from_millis(next));
        assert_eq!([count(Some(0), 5, 4000), count(Some(1), 5, 4000), count(Some(4), 5, 4000)], [3, 2, 2]);
        assert_eq!([count(None, 5, 4000), count(None, 10, 10_000), count(None, 2, 1000)], [4, 3, 4]);
        assert_eq!([count(None, 30, 1), count(None, 30, 0)], [MAX_ANNOUNCED, MAX_ANNOUNCED]);
    }

    #[test]
    fn players_are_known_by_their_names() {
        for (agent, player) in [
            ("VLC/3.0.18 LibVLC/3.0.18", Player::Streaming),
            ("Lavf/59.27.100", Player::Streaming),
            ("GStreamer souphttpsrc 1.22.0 libsoup/3.2.2", Player::Native),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
                Player::Whole,
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Player::Whole),
            (
                "Mozilla/5.0 (SMART-TV; Linux; Tizen 5.0) AppleWebKit/537.36 Chrome/63.0 TV Safari/537.36",
                Player::Strict,
            ),
            (
                "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                Player::Strict,
            ),
            ("AppleCoreMedia/1.0.0.22A3354 (iPhone; U; CPU OS 18_0 like Mac OS X; en_us)", Player::Native),
            ("AndroidXMedia3/1.4.1 (Linux;Android 14)", Player::Native),
            ("TiviMate/4.7.0", Player::Native),
            ("okhttp/4.12.0", Player::Native),
            ("Kodi/21.0 (X11; Linux x86_64) Version/21.0", Player::Native),
            ("Roku/DVP-12.5 (12.5.0.4178-88)", Player::Strict),
            ("Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36", Player::Strict),
            ("-", Player::Strict),
            ("", Player::Strict),
        ] {
            assert_eq!(Player::of(agent), player, "{agent}");
        }
    }

    #[test]
    fn who_is_not_promised_short_segments_needs_more() {
        let opening = |segments: &[u64]| Opening::new(&durations(segments), 5, Duration::from_secs(4));
        assert_eq!(opening(&[4, 4]), None);
        assert_eq!(opening(&[4, 4, 4]).map(|opening| opening.grown.as_secs()), Some(2));
        assert_eq!(opening(&[4, 4, 4, 4]).map(|opening| opening.named), Some(3));
        assert_eq!(opening(&[4; 6]).map(|opening| opening.named), Some(6));
    }
}
