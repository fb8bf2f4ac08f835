//! Separate sound that falls behind its picture for good while both play.

use super::*;
use crate::remux::{Extent, Pairing};
use crate::time::{MediaTime, duration_to_ticks};

const MASTER: &str = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",URI=\"http://s/\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO=\"s\"\nhttp://v/\n";

/// How long a segment is, in milliseconds.
const SEGMENT: u64 = 2_000;

/// A live window of so many segments, named by where they begin in seconds, of media that ends at
/// 60 s at first. It ends `late` milliseconds earlier.
fn list(now: u64, size: u64, late: u64) -> String {
    let end = (60_000 + now - late) / SEGMENT;
    let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n", end - size);
    (end - size..end).fold(head, |list, number| list + &format!("#EXTINF:2,\n{}\n", number * 2))
}

/// A follower with a remuxer and viewers, as far as they matter here.
struct Play {
    follower: Follower,
    now: u64,
    extents: [Option<Extent>; 2],
    passed: Option<MediaTime>,
    /// Where viewers are, less the time.
    offset: i64,
    pair: Pair,
    /// The pictures, and the sound, that were asked for, by where they begin.
    asked: [Vec<u64>; 2],
    /// How long nothing was passed on.
    stood: Duration,
    /// How often pictures were let out without their sound.
    let_out: u32,
}

impl Play {
    fn begin() -> Self {
        let follower = Follower::new(Moment::ZERO, Url::parse(ENTRY).unwrap(), Options::default());
        let pair = Pair { pairing: Pairing::Unknown, void: [false; 2], least: Duration::ZERO };
        let mut play = Self {
            follower,
            now: 0,
            extents: [None; 2],
            passed: None,
            offset: 0,
            pair,
            asked: [Vec::new(), Vec::new()],
            stood: Duration::ZERO,
            let_out: 0,
        };
        let answer = version(ENTRY, MASTER, &Variables::default());
        play.follower.handle_playlist(Moment::ZERO, Rendition::Main, answer);
        play
    }

    fn ticks(millis: u64) -> i64 {
        duration_to_ticks(Duration::from_millis(millis))
    }

    /// Goes on for so many milliseconds, with the list of a host (`v` or `s`) at a time.
    fn run(&mut self, millis: u64, lists: impl Fn(u64, &str) -> String) {
        let until = self.now + millis;
        while self.now < until {
            self.look();
            while let Some(action) = self.follower.poll_action(Moment::from_millis(self.now)) {
                self.carry_out(action, &lists);
            }
            self.pass_on();
            self.now += 50;
            self.follower.handle_timeout(Moment::from_millis(self.now));
        }
    }

    /// Tells whether anything is in store.
    fn look(&mut self) {
        let now = Moment::from_millis(self.now);
        let viewer = MediaTime::new(Self::ticks(self.now) + self.offset);
        let fetched = self.extents[0].map_or(viewer, |picture| picture.end);
        self.follower.set_hungry(now, fetched.since(viewer) <= self.follower.ahead());
        let is_dry = self.passed.is_none_or(|passed| passed <= viewer);
        self.follower.set_dry(now, is_dry);
        if is_dry && let Some(passed) = self.passed {
            self.offset = passed.ticks() - Self::ticks(self.now);
            self.stood += Duration::from_millis(50);
        }
    }

    fn carry_out(&mut self, action: Action, lists: &impl Fn(u64, &str) -> String) {
        let now = Moment::from_millis(self.now);
        match action {
            Action::FetchPlaylist { of, url, inherited, .. } => {
                let text = lists(self.now, url.host_str().unwrap());
                self.follower.handle_playlist(now, of, version(url.as_str(), &text, &inherited));
            }
            Action::FetchSegment(fetch) => {
                let seconds: u64 = fetch.url.path()[1..].parse().unwrap();
                let of = fetch.rendition as usize;
                self.asked[of].push(seconds);
                let begin = MediaTime::new(Self::ticks(seconds * 1_000));
                let end = begin.shifted(Self::ticks(SEGMENT));
                let extent = &mut self.extents[of];
                *extent = Some(Extent { begin: extent.map_or(begin, |extent| extent.begin), end });
                self.pass_on();
                self.follower.handle_extents(self.extents, self.passed);
                self.follower.handle_segment(now, fetch.rendition, Outcome::Done);
            }
            Action::Pair(pair) => {
                self.let_out += u32::from(!pair.least.is_zero());
                self.pair = pair;
                for (extent, _) in self.extents.iter_mut().zip(pair.void).filter(|(_, is_void)| *is_void) {
                    *extent = None;
                }
                if pair.void == [true; 2] {
                    self.passed = None;
                }
                self.pass_on();
            }
            other => panic!("{other:?}"),
        }
    }

    /// Passes on what may be.
    fn pass_on(&mut self) {
        let [Some(picture), sound] = self.extents else { return };
        let free = match (self.pair.pairing, sound) {
            (Pairing::PictureAlone, _) => Some(picture.end),
            (Pairing::InStep, Some(sound)) => Some(picture.end.min(sound.end)),
            _ => None,
        };
        let least = duration_to_ticks(mem::take(&mut self.pair.least));
        let released = (least > 0).then(|| self.passed.unwrap_or(picture.begin).shifted(least));
        let first = self.passed.is_none();
        self.passed = self.passed.max(free).max(released.map(|to| to.min(picture.end)));
        if first && self.passed.is_some() {
            self.offset = picture.begin.ticks() - Self::ticks(self.now);
        }
    }

    /// By how much the sound is behind what was passed on.
    fn silence(&self) -> Duration {
        let sound = self.extents[1].map_or(MediaTime::new(0), |sound| sound.end);
        self.passed.map_or(Duration::MAX, |passed| passed.since(sound))
    }
}

/// What becomes of sound whose list stands still for so many milliseconds after ten seconds, beside
/// a list of so many pictures: how often the picture went back, how long it stood still, and by how
/// much the sound is behind in the end.
fn falls_behind(late: u64, size: u64) -> (u64, Duration, Duration, Play) {
    let mut play = Play::begin();
    let sound = |now: u64| if now < 10_000 { 0 } else { (now - 10_000).min(late) };
    play.run(60_000, |now, host| if host == "v" { list(now, size, 0) } else { list(now, size, sound(now)) });
    (play.follower.counts().sounds_rejoined, play.stood, play.silence(), play)
}

#[test]
fn the_picture_goes_back_to_sound_that_is_late_for_good() {
    for (late, size) in [(12_000, 10), (14_000, 10), (14_000, 7), (20_000, 15)] {
        let (rejoined, stood, silence, play) = falls_behind(late, size);
        let what = format!("{late} ms, {size} segments: stood {stood:?}, {:?}", play.asked);
        assert_eq!((rejoined, silence), (1, Duration::ZERO), "{what}");
        assert!(stood < Duration::from_secs(11), "{what}");
    }
}

#[test]
fn pictures_in_step_with_their_sound_are_never_let_out_alone() {
    let mut play = Play::begin();
    play.run(30_000, |now, _| list(now, 10, 0));
    assert_eq!((play.let_out, play.silence()), (0, Duration::ZERO), "{:?}", play.asked);
}

#[test]
fn sound_that_was_late_in_time_needs_no_return() {
    for late in [2_000, 4_000, 8_000] {
        let (rejoined, stood, silence, play) = falls_behind(late, 10);
        assert_eq!((rejoined, silence), (0, Duration::ZERO), "{late} ms: {stood:?}, {:?}", play.asked);
    }
}

#[test]
fn sound_that_catches_up_is_awaited() {
    let mut play = Play::begin();
    // Its list stands still for 14 s and then grows twice as fast as it plays.
    let late = |now: u64| match now {
        0..10_000 => 0,
        10_000..24_000 => now - 10_000,
        _ => 14_000_u64.saturating_sub(now - 24_000),
    };
    play.run(60_000, |now, host| list(now, 10, if host == "v" { 0 } else { late(now) }));
    let counts = play.follower.counts();
    assert_eq!((counts.sounds_rejoined, play.silence()), (0, Duration::ZERO), "{:?}", play.asked);
}

#[test]
fn pictures_that_are_listed_no_more_are_not_waited_for() {
    let (rejoined, _, silence, play) = falls_behind(30_000, 6);
    assert_eq!(rejoined, 0, "{:?}", play.asked);
    assert!(silence > Duration::from_secs(20), "{silence:?}");
    let pictures = &play.asked[0];
    assert!(pictures.windows(2).all(|pair| pair[0] < pair[1]), "nothing is played twice: {pictures:?}");
}

#[test]
fn sound_that_comes_too_slowly_is_heard_with_pictures_that_wait() {
    let mut play = Play::begin();
    // It comes at four fifths of its speed.
    play.run(150_000, |now, host| list(now, 20, if host == "v" { 0 } else { now / 5 }));
    let counts = play.follower.counts();
    assert_eq!((counts.sounds_rejoined, play.silence()), (0, Duration::ZERO), "{:?}", play.asked);
}

#[test]
fn pictures_are_played_again_once_a_minute_at_most() {
    let mut play = Play::begin();
    // Its list stands still for 14 s out of 28, three times.
    let late = |now: u64| (0..3).map(|time| now.saturating_sub(10_000 + 28_000 * time).min(14_000)).sum();
    play.run(110_000, |now, host| list(now, 30, if host == "v" { 0 } else { late(now) }));
    assert_eq!(play.follower.counts().sounds_rejoined, 2, "{:?}", play.asked);
}
