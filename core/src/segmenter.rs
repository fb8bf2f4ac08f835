//! Cuts a channel's stream into HLS segments, and says which of them the playlist names (RFC 8216).
//!
//! A segment is a stretch of the store from one random access point to another: PAT and PMT stand
//! in front of each of them, and no PES packet lies across one. So nothing is copied, and what is
//! decided here is only where to cut, how the segments are numbered, and how long each is kept.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use crate::time::{MediaTime, TICKS_PER_SECOND, WallClock, duration_to_ticks, ticks_to_duration};
use crate::ts::random_access::RandomAccess;
use crate::ts::splice::{AccessPoint, Boundary};

/// The shortest segments while in haste, and those that are cut short because the next group of
/// pictures may be too long: three of them last until a player asks again.
pub const SHORTEST: Duration = Duration::from_millis(1500);

/// The segments that a playlist has at least: with one, players wait for the next before they
/// start.
pub const FEWEST: usize = 2;

/// The least window, in target durations (RFC 8216, section 6.2.2).
const MIN_WINDOW: u32 = 3;

/// How many groups of pictures tell what the next one may be like.
const GOPS: usize = 8;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a segment is to be, as near as random access points allow.
    pub segment: Duration,
    /// How much the playlist names.
    pub window: Duration,
    /// The most bytes that are kept for it, besides the segment that is being made; two segments
    /// are kept however large they are.
    pub bytes: u64,
}

/// Where the numbers of a playlist stand. They must never go back, and so outlive the segmenter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SequenceNumbers {
    /// The media sequence number of the next segment (RFC 8216, section 4.3.3.2).
    pub segment: u64,
    /// The discontinuity sequence number of the segment before it (section 4.3.3.3).
    pub discontinuity: u64,
    /// The target duration, once there is one: it must not change (section 4.3.3.1).
    pub target: Option<Target>,
}

/// A target duration, and what it was chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The target duration in seconds.
    pub seconds: u64,
    /// How long segments were to be.
    pub segment: Duration,
    /// The longest segment since, in seconds, rounded: more than `seconds` when the source had
    /// longer groups of pictures than were seen when it was chosen.
    pub longest: u64,
}

/// A stretch of the store that can be played by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its media sequence number.
    pub number: u64,
    /// Its first byte.
    pub start: u64,
    /// Its end: where the next one begins.
    pub end: u64,
    /// When its first picture is shown.
    pub shown: MediaTime,
    /// When that was, on the clock on the wall.
    pub wall: SystemTime,
    /// How long it plays, in ticks of 90 kHz, by the presentation times of its first picture and
    /// that of the next one.
    pub ticks: i64,
    /// Whether its streams are coded otherwise than before, or its timeline is another.
    pub is_discontinuous: bool,
    /// Whether nothing in it needs anything before it.
    pub is_independent: bool,
}

impl Segment {
    /// How long it plays.
    pub fn duration(&self) -> Duration {
        ticks_to_duration(self.ticks)
    }
}

/// A random access point at which a segment may begin.
#[derive(Debug, Clone, Copy)]
struct Cut {
    at: u64,
    point: AccessPoint,
    is_discontinuous: bool,
}

impl Cut {
    fn is_independent(&self) -> bool {
        matches!(self.point.kind, RandomAccess::Idr | RandomAccess::Audio)
    }
}

/// The segments of an open channel.
#[derive(Debug)]
pub struct Segmenter {
    settings: Settings,
    numbers: SequenceNumbers,
    /// The oldest first: those that are kept for players who know of them, then those that the
    /// playlist names.
    segments: VecDeque<Segment>,
    /// How many of the first ones the playlist does not name any more.
    removed: usize,
    /// The discontinuity sequence number of the playlist.
    discontinuity: u64,
    /// Where the segment that is being made begins.
    open: Option<Cut>,
    /// When the picture of the last random access point is shown.
    last: Option<MediaTime>,
    /// The way from each of the last ones to the next, in ticks, by turns.
    gops: [i64; GOPS],
    turn: usize,
    /// Segments that the playlist names no more before their time, since they took too many bytes.
    evicted: u64,
    is_hasty: bool,
    /// When the timeline is, once that is known.
    clock: Option<WallClock>,
}

impl Segmenter {
    /// One that goes on with these numbers.
    ///
    /// A target duration that no longer fits what is wanted, or that was exceeded, is chosen anew.
    pub fn new(settings: Settings, mut numbers: SequenceNumbers) -> Self {
        // Players must see one target duration all the time (4.3.3.1); a new one is for a new
        // beginning.
        numbers.target = numbers.target.filter(|target| target.segment == settings.segment);
        if let Some(target) = &mut numbers.target {
            target.seconds = target.seconds.max(target.longest);
        }
        Self {
            settings,
            numbers,
            segments: VecDeque::new(),
            removed: 0,
            discontinuity: numbers.discontinuity,
            open: None,
            last: None,
            gops: [0; GOPS],
            turn: 0,
            evicted: 0,
            is_hasty: false,
            clock: None,
        }
    }

    /// Changes what is wanted, from the next segment on.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Says when the timeline is: before the first segment ends, and only once.
    pub fn set_clock(&mut self, clock: WallClock) {
        self.clock.get_or_insert(clock);
    }

    /// In haste, segments are as short as they may be: somebody waits, or plays with nothing in
    /// store.
    pub fn set_hasty(&mut self, is_hasty: bool) {
        self.is_hasty = is_hasty;
    }

    /// There is a random access point with this mark at this byte of the store. True when it ended
    /// a segment.
    pub fn push(&mut self, at: u64, point: AccessPoint) -> bool {
        let gop = self.last.replace(point.shown).map_or(0, |last| point.shown.ticks() - last.ticks());
        let Some(open) = self.open else {
            // Whoever knows the segments before has them on another timeline.
            let is_discontinuous = self.numbers.segment > 0;
            self.open = Some(Cut { at, point, is_discontinuous });
            return false;
        };
        // Only the source's own distances tell of the next group: a splice is as far as it happens
        // to be.
        if point.boundary == Boundary::Continued {
            self.gops[self.turn % GOPS] = gop;
            self.turn = self.turn.wrapping_add(1);
        }
        let ticks = point.shown.ticks() - open.point.shown.ticks();
        // Boundaries always end a segment, so that its parts are coded alike and of one timeline.
        if ticks <= 0 || point.boundary == Boundary::Continued && !self.is_due(ticks, gop) {
            return false;
        }
        self.segments.push_back(Segment {
            number: self.numbers.segment,
            start: open.at,
            end: at,
            shown: open.point.shown,
            wall: self.wall(open.point.shown),
            ticks,
            is_discontinuous: open.is_discontinuous,
            is_independent: open.is_independent(),
        });
        // Noted for the next time only: the target itself must not change while it is in force.
        if let Some(target) = &mut self.numbers.target {
            target.longest = target.longest.max(rounded(ticks));
        }
        self.numbers.segment += 1;
        self.numbers.discontinuity += u64::from(open.is_discontinuous);
        self.open = Some(Cut { at, point, is_discontinuous: point.boundary == Boundary::Recoded });
        self.trim(at);
        true
    }

    /// Whether a segment that plays for `ticks` ends here, when the next random access point is
    /// likely to be `gop` away.
    fn is_due(&self, ticks: i64, gop: i64) -> bool {
        if self.shortens(self.is_hasty) {
            return ticks >= duration_to_ticks(SHORTEST);
        }
        let is_nearest = is_nearest(ticks, gop, duration_to_ticks(self.settings.segment));
        // A half more than the target would round up.
        let limit = |target: u64| i64::try_from(target).unwrap_or(i64::MAX / 100_000) * TICKS_PER_SECOND;
        let would_be_too_long = self
            // Cut now, or the next group would make a segment longer than players were told.
            .numbers
            .target
            .is_some_and(|target| ticks + self.longest_gop() >= limit(target.seconds) + TICKS_PER_SECOND / 2);
        is_nearest || would_be_too_long && ticks >= duration_to_ticks(SHORTEST)
    }

    /// Whether haste makes segments shorter than they are wanted anyway.
    fn shortens(&self, is_hasty: bool) -> bool {
        is_hasty && self.settings.segment > SHORTEST
    }

    fn trim(&mut self, head: u64) {
        let listed: i64 = self.listed().map(|segment| segment.ticks).sum();
        let window = self.window();
        let mut rest = listed;
        // Only while enough is left without it: a window shorter than promised stops players.
        while let Some(first) = self.segments.get(self.removed)
            && rest - first.ticks >= window
        {
            rest -= first.ticks;
            self.remove();
        }
        // Whoever has got a playlist may ask for what it names as long as that plays, and then has
        // a segment to play (section 6.2.2). What it named, and when it was removed, is a window
        // each.
        let newest = self.segments.back().map_or(0, |last| last.shown.ticks() + last.ticks);
        let longest = window + 2 * duration_to_ticks(self.target());
        while let Some(first) = self.segments.front()
            // then play.
            && (self.removed > 0 && newest - first.shown.ticks() - 2 * first.ticks > 2 * longest
                || head - first.start > self.settings.bytes && self.segments.len() > FEWEST)
        {
            if self.removed == 0 {
                self.evicted += 1;
                self.remove();
            }
            self.removed -= 1;
            self.segments.pop_front();
        }
    }

    /// How much the playlist names, in ticks.
    fn window(&self) -> i64 {
        duration_to_ticks(self.settings.window.max(self.target() * MIN_WINDOW))
    }

    /// Whether the playlist names as much as it ever will: the next segment takes the first one's
    /// place.
    pub fn is_full(&self) -> bool {
        // The longer of both: haste may end before the next segment does.
        let rest: i64 = self.listed().skip(1).map(|segment| segment.ticks).sum();
        let next = self.longest_next(true).max(self.longest_next(false));
        self.removed > 0 || rest + duration_to_ticks(next) >= self.window()
    }

    /// The playlist names its first segment no more.
    fn remove(&mut self) {
        self.discontinuity += u64::from(self.segments[self.removed].is_discontinuous);
        self.removed += 1;
    }

    fn target(&self) -> Duration {
        Duration::from_secs(self.numbers.target.map_or(0, |target| target.seconds))
    }

    /// The longest of the last groups of pictures, in ticks.
    fn longest_gop(&self) -> i64 {
        self.gops.into_iter().max().unwrap_or(0)
    }

    /// Segments that the playlist names no more before their time, since they took too many bytes.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Those that the playlist names.
    pub fn listed(&self) -> impl ExactSizeIterator<Item = &Segment> {
        self.segments.range(self.removed..)
    }

    /// All that are there, those that the playlist does not name any more first.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &Segment> {
        self.segments.iter()
    }

    /// The first byte that is still needed; `None` before there is any.
    pub fn tail(&self) -> Option<u64> {
        self.segments.front().map(|segment| segment.start).or_else(|| self.open.map(|open| open.at))
    }

    /// The discontinuity sequence number of the playlist.
    pub fn discontinuity_sequence(&self) -> u64 {
        self.discontinuity
    }

    /// How long the next segments may be, by the groups of pictures that were seen.
    pub fn longest_next(&self, is_hasty: bool) -> Duration {
        let is_hasty = self.shortens(is_hasty);
        let wanted = if is_hasty { SHORTEST } else { self.settings.segment };
        let (gop, wanted) = (self.longest_gop(), duration_to_ticks(wanted));
        if gop <= 0 {
            return ticks_to_duration(wanted);
        }
        // In haste, the first group of pictures that reaches what is wanted ends it; else the
        // nearest does.
        let groups = if is_hasty { (wanted + gop - 1) / gop } else { (wanted + gop / 2) / gop };
        ticks_to_duration(groups.max(1) * gop)
    }

    /// The growing segment. It is said to play as long as it does at least, which is as
    /// long as it does in haste; and it ends where it begins, so far.
    pub fn growing(&self) -> Option<Segment> {
        let open = self.open?;
        Some(Segment {
            number: self.numbers.segment,
            start: open.at,
            end: open.at,
            shown: open.point.shown,
            wall: self.wall(open.point.shown),
            ticks: duration_to_ticks(self.longest_next(true)),
            is_discontinuous: open.is_discontinuous,
            is_independent: open.is_independent(),
        })
    }

    fn wall(&self, shown: MediaTime) -> SystemTime {
        self.clock.map_or(SystemTime::UNIX_EPOCH, |clock| clock.at(shown))
    }

    /// How much there is of the growing segment: at least, since it is counted to the
    /// last random access point.
    pub fn grown(&self) -> Duration {
        let ends = self.open.zip(self.last);
        ends.map_or(Duration::ZERO, |(open, last)| ticks_to_duration(last.ticks() - open.point.shown.ticks()))
    }

    /// The target duration in seconds. It is fixed when this is first asked: a quarter more than
    /// what is wanted, which leaves room for the nearest group of pictures, or the longest group
    /// that was seen. Only groups that are longer than all those before exceed it.
    pub fn fix_target_duration(&mut self) -> u64 {
        let (seconds, segment) = (self.planned_target_duration(), self.settings.segment);
        self.numbers.target.get_or_insert(Target { seconds, segment, longest: 0 }).seconds
    }

    /// What the target duration is, or would be if it were fixed now.
    pub fn planned_target_duration(&self) -> u64 {
        if let Some(target) = self.numbers.target {
            return target.seconds;
        }
        let longest =
            self.segments.iter().map(|segment| segment.ticks).max().unwrap_or(0).max(self.longest_gop());
        let wanted = (self.settings.segment * 5 / 4).as_millis().div_ceil(1000);
        rounded(longest).max(u64::try_from(wanted).unwrap_or(u64::MAX))
    }

    /// Where the numbers stand, for the segmenter that comes after this one.
    pub fn numbers(&self) -> SequenceNumbers {
        self.numbers
    }
}

/// Whether a segment of `elapsed` ends here, which is to have `wanted` and may go on for `gop`
/// more: whether that end would be farther off. All in the same units.
pub(crate) fn is_nearest(elapsed: i64, gop: i64, wanted: i64) -> bool {
    elapsed.saturating_add(gop / 2) >= wanted
}

/// In seconds, to the nearest.
fn rounded(ticks: i64) -> u64 {
    u64::try_from((ticks + TICKS_PER_SECOND / 2) / TICKS_PER_SECOND).unwrap_or(0)
}

#[cfg(test)]
mod tests;
