//! Models of HLS players: where they begin, when they ask for the playlist again, which segment
//! they fetch next, and how long the picture stands still. They have no clock: times are what the
//! caller says.

use std::collections::BTreeMap;
use std::time::Duration;

/// From what a player begins with to its first picture.
const START: Duration = Duration::from_millis(150);

/// What VLC and ffmpeg gather before they show anything, of segments that they play as they come.
const GATHERED: Duration = Duration::from_secs(1);

/// VLC 3 plays as far as the clock (PCR) of what it has, which muxers send this much ahead of the
/// pictures.
const CLOCK_LEAD: Duration = Duration::from_millis(800);

/// How a player behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// VLC 3.0.24: asks each target duration, passes over up to two segments of more than three,
    /// does not play the last one that it knows of, and plays segments as they come.
    Vlc,
    /// Begins three segments from the end, asks again after the last one's length, and plays
    /// segments as they come.
    Ffmpeg,
    /// Begins three target durations behind the end, asks again after the last segment's length,
    /// and plays whole segments.
    HlsJs,
    /// RFC 8216, 6.3.4 to the letter, from the first segment on, which must be whole.
    Strict,
    /// `ExoPlayer` and `AVPlayer`: the same, three target durations behind the end.
    ThreeTargets,
}

impl Rules {
    /// Whether it plays segments as they come.
    pub fn is_streaming(self) -> bool {
        matches!(self, Self::Vlc | Self::Ffmpeg)
    }
}

/// A player at work.
#[derive(Debug)]
pub struct Model {
    rules: Rules,
    /// The segments from the one on that it began with, by their numbers, and how long they play.
    told: BTreeMap<u64, Duration>,
    /// The number of the segment that is fetched next, or being fetched.
    next: Option<u64>,
    /// Media of the segments before that.
    fetched: Duration,
    playable: Duration,
    began: Option<Duration>,
    stood: Duration,
    asked: Duration,
}

impl Model {
    /// One that has not begun.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            told: BTreeMap::new(),
            next: None,
            fetched: Duration::ZERO,
            playable: Duration::ZERO,
            began: None,
            stood: Duration::ZERO,
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
    /// If the text is not a media playlist, or names no more what it was about to fetch.
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
        let start = || first + begin_at(self.rules, &segments, target) as u64;
        let next = *self.next.get_or_insert_with(start);
        assert!(next >= first, "{next} is named no more");
        let known = self.told.last_key_value().map(|(&number, _)| number);
        self.told.extend((first..).zip(segments.iter().copied()));
        let has_new = self.told.last_key_value().map(|(&number, _)| number) != known;
        self.asked = now;
        match self.rules {
            Rules::Vlc => target,
            Rules::Ffmpeg | Rules::HlsJs if has_new => segments.last().copied().unwrap_or(target).min(target),
            Rules::Strict | Rules::ThreeTargets if has_new => target,
            _ => target / 2,
        }
    }

    /// The number of the segment that it fetches now, and how long that is said to play.
    pub fn next(&self) -> Option<(u64, Duration)> {
        let next = self.next?;
        let behind = u64::from(self.rules == Rules::Vlc);
        self.told.contains_key(&(next + behind)).then(|| (next, self.told[&next]))
    }

    /// So much of the segment on hand has come by `now`.
    pub fn receive(&mut self, now: Duration, media: Duration) {
        if self.rules.is_streaming() {
            self.play(now, media, GATHERED);
        }
    }

    /// All of the segment on hand has come by `now`, and this is how long it plays.
    pub fn complete(&mut self, now: Duration, media: Duration) {
        let least = if self.rules.is_streaming() { GATHERED } else { Duration::ZERO };
        self.play(now, media, least);
        self.fetched += media;
        self.next = self.next.map(|next| next + 1);
    }

    fn play(&mut self, now: Duration, media: Duration, least: Duration) {
        let there = self.fetched + media;
        if self.began.is_none() {
            self.began = (there >= least).then_some(now + START);
        } else {
            self.stood = self.stood(now);
        }
        // What it gathers covers the clock that runs ahead.
        let lead = if self.rules == Rules::Vlc { CLOCK_LEAD } else { Duration::ZERO };
        self.playable = self.playable.max(there.saturating_sub(lead));
    }
}

fn begin_at(rules: Rules, segments: &[Duration], target: Duration) -> usize {
    match rules {
        Rules::Vlc => segments.len().saturating_sub(3).min(2),
        Rules::Strict => 0,
        Rules::Ffmpeg => segments.len().saturating_sub(3),
        Rules::HlsJs | Rules::ThreeTargets => {
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

    /// Fetches all that it wants, at once.
    fn fetch(model: &mut Model, now: f64) {
        while let Some((_, media)) = model.next() {
            model.complete(seconds(now), media);
        }
    }

    /// As VLC was seen to: two groups of 2 s, and again after 5 s.
    #[test]
    fn vlc_runs_dry_before_it_asks_again() {
        let mut vlc = Model::new(Rules::Vlc);
        assert_eq!(vlc.take(seconds(4.0), &playlist(5, 0, &[2, 2])), seconds(5.0));
        fetch(&mut vlc, 4.0);
        assert_eq!((vlc.began(), vlc.stood(seconds(5.0))), (Some(seconds(4.15)), Duration::ZERO));
        vlc.take(seconds(9.0), &playlist(5, 0, &[2, 2, 2, 2]));
        fetch(&mut vlc, 9.05);
        assert_eq!(vlc.stood(seconds(9.05)), seconds(3.7));
    }

    #[test]
    fn others_ask_sooner_or_begin_where_they_should() {
        let mut ffmpeg = Model::new(Rules::Ffmpeg);
        assert_eq!(ffmpeg.take(seconds(4.0), &playlist(5, 0, &[2, 2])), seconds(2.0));
        assert_eq!(ffmpeg.take(seconds(6.0), &playlist(5, 0, &[2, 2])), seconds(2.5), "there is nothing new");
        let mut strict = Model::new(Rules::Strict);
        assert_eq!(strict.take(seconds(4.0), &playlist(4, 7, &[2, 2])), seconds(4.0));
        fetch(&mut strict, 4.0);
        strict.take(seconds(9.0), &playlist(4, 8, &[2, 2]));
        fetch(&mut strict, 9.05);
        assert_eq!(strict.stood(seconds(9.05)), seconds(0.9));
        let mut exo = Model::new(Rules::ThreeTargets);
        exo.take(seconds(1.0), &playlist(2, 0, &[2; 9]));
        fetch(&mut exo, 1.0);
        assert_eq!(exo.stood(seconds(8.15)), seconds(1.0), "it began with three of them");
    }

    #[test]
    fn some_play_segments_as_they_come() {
        let [mut vlc, mut hls_js] = [Rules::Vlc, Rules::HlsJs].map(Model::new);
        for model in [&mut vlc, &mut hls_js] {
            model.take(seconds(1.0), &playlist(5, 0, &[4, 4, 4]));
            assert_eq!(model.next(), Some((0, seconds(4.0))));
            model.receive(seconds(1.0), seconds(1.0));
        }
        assert_eq!((vlc.began(), hls_js.began()), (Some(seconds(1.15)), None));
        vlc.receive(seconds(2.0), seconds(1.5));
        assert_eq!(vlc.stood(seconds(2.0)), seconds(0.65));
        hls_js.complete(seconds(4.0), seconds(4.0));
        assert_eq!((hls_js.began(), hls_js.next()), (Some(seconds(4.15)), Some((1, seconds(4.0)))));
    }
}
