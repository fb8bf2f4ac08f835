//! Models of HLS players: where they begin, when they ask for the playlist again, and how long the
//! picture stands still. They have no clock: times are what the caller says.

use std::time::Duration;

/// From the first playlist to the first picture.
const START: Duration = Duration::from_millis(150);

/// From a playlist to the first bytes of a segment.
const FETCH: Duration = Duration::from_millis(50);

/// VLC 3 plays as far as the clock (PCR) of what it has, which muxers send this much ahead of the
/// pictures.
const CLOCK_LEAD: Duration = Duration::from_millis(800);

/// How a player behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// VLC 3.0.24: asks each target duration, passes over up to two segments of more than three,
    /// and does not play the last one that it knows of.
    Vlc,
    /// RFC 8216, 6.3.4 to the letter, from the first segment on.
    Strict,
    /// `ExoPlayer` and `AVPlayer`: the same, three target durations behind the end.
    ThreeTargets,
    /// ffmpeg and hls.js: begins three segments from the end, and asks again after the last one's
    /// length.
    LastSegment,
}

/// A player at work.
#[derive(Debug)]
pub struct Model {
    rules: Rules,
    /// The number of the segment it began with, and how long the ones from there on play.
    told: Option<(u64, Vec<Duration>)>,
    began: Option<Duration>,
    stood: Duration,
    playable: Duration,
    asked: Duration,
}

impl Model {
    /// One that has not begun.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            told: None,
            began: None,
            stood: Duration::ZERO,
            playable: Duration::ZERO,
            asked: Duration::ZERO,
        }
    }

    /// When the first picture was shown.
    pub fn began(&self) -> Option<Duration> {
        self.began
    }

    /// When it got its last playlist.
    pub fn asked(&self) -> Duration {
        self.asked
    }

    /// How long the picture has stood still since then, until `now`.
    pub fn stood(&self, now: Duration) -> Duration {
        self.stood
            + self
                .began
                .map_or(Duration::ZERO, |began| now.saturating_sub(began + self.stood + self.playable))
    }

    /// Takes the playlist that came at `now`, and says after how long it asks again.
    ///
    /// # Panics
    /// If the text is not a media playlist.
    pub fn take(&mut self, now: Duration, text: &str) -> Duration {
        let number = |tag: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(tag)?.parse::<u64>().ok());
            value.unwrap_or_else(|| panic!("no {tag} in {text}"))
        };
        let target = Duration::from_secs(number("#EXT-X-TARGETDURATION:"));
        let first = number("#EXT-X-MEDIA-SEQUENCE:");
        let segments: Vec<Duration> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#EXTINF:")?.trim_end_matches(',').parse().ok())
            .map(Duration::from_secs_f64)
            .collect();
        let rules = self.rules;
        let begin = || {
            let start = begin_at(rules, &segments, target);
            (first + start as u64, segments[start..].to_vec())
        };
        let (start, told) = self.told.get_or_insert_with(begin);
        let known = told.len();
        let next = usize::try_from(*start + known as u64 - first).expect("it is in the window");
        told.extend(&segments[next..]);
        let has_new = known < told.len() || self.began.is_none();
        let playable = match rules {
            Rules::Vlc => told[..told.len() - 1].iter().sum::<Duration>().saturating_sub(CLOCK_LEAD),
            _ => told.iter().sum(),
        };
        if self.began.is_none() && !playable.is_zero() {
            self.began = Some(now + START);
        } else if playable > self.playable {
            self.stood = self.stood(now + FETCH);
        }
        (self.playable, self.asked) = (playable, now);
        match rules {
            Rules::Vlc => target,
            Rules::LastSegment if has_new => segments.last().copied().unwrap_or(target).min(target),
            Rules::Strict | Rules::ThreeTargets if has_new => target,
            _ => target / 2,
        }
    }
}

fn begin_at(rules: Rules, segments: &[Duration], target: Duration) -> usize {
    match rules {
        Rules::Vlc => segments.len().saturating_sub(3).min(2),
        Rules::Strict => 0,
        Rules::LastSegment => segments.len().saturating_sub(3),
        Rules::ThreeTargets => {
            let mut behind = Duration::ZERO;
            let from_end = segments.iter().rev().take_while(|segment| {
                let is_near = behind < 3 * target;
                behind += **segment;
                is_near
            });
            segments.len() - from_end.count()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playlist(target: u64, first: u64, segments: &[u64]) -> String {
        let lines: Vec<String> = segments.iter().map(|seconds| format!("#EXTINF:{seconds},\ns\n")).collect();
        let segments = lines.concat();
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{first}\n{segments}")
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// As VLC was seen to: two groups of 2 s, and again after 5 s.
    #[test]
    fn vlc_runs_dry_before_it_asks_again() {
        let mut vlc = Model::new(Rules::Vlc);
        assert_eq!(vlc.take(seconds(4.0), &playlist(5, 0, &[2, 2])), seconds(5.0));
        assert_eq!((vlc.began(), vlc.stood(seconds(5.0))), (Some(seconds(4.15)), Duration::ZERO));
        vlc.take(seconds(9.0), &playlist(5, 0, &[2, 2, 2, 2]));
        assert_eq!(vlc.stood(seconds(9.05)), seconds(3.7));
    }

    #[test]
    fn others_ask_sooner_or_begin_where_they_should() {
        let mut ffmpeg = Model::new(Rules::LastSegment);
        assert_eq!(ffmpeg.take(seconds(4.0), &playlist(5, 0, &[2, 2])), seconds(2.0));
        assert_eq!(ffmpeg.take(seconds(6.0), &playlist(5, 0, &[2, 2])), seconds(2.5), "there is nothing new");
        let mut strict = Model::new(Rules::Strict);
        assert_eq!(strict.take(seconds(4.0), &playlist(4, 7, &[2, 2])), seconds(4.0));
        strict.take(seconds(9.0), &playlist(4, 8, &[2, 2]));
        assert_eq!(strict.stood(seconds(9.05)), seconds(0.9));
        let mut exo = Model::new(Rules::ThreeTargets);
        exo.take(seconds(1.0), &playlist(2, 0, &[2; 9]));
        assert_eq!(exo.stood(seconds(8.15)), seconds(1.0), "it began with three of them");
    }
}
