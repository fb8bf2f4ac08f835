//! The pace of a viewer behind live: bytes go out as their pictures play, since players read all
//! that they can get.

use std::collections::VecDeque;
use std::time::Duration;

use crate::segmenter::Segment;
use crate::time::{MediaTime, Moment, TICKS_PER_SECOND, duration_to_ticks, ticks_to_duration};
use crate::ts::PACKET_SIZE;
use crate::ts::splice::AccessPoint;

/// A stretch of the store, and how long it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Its first byte.
    pub start: u64,
    /// Its end.
    pub end: u64,
    /// How long it plays, in ticks of 90 kHz; not negative.
    pub ticks: i64,
}

impl From<&Segment> for Span {
    fn from(segment: &Segment) -> Self {
        Self { start: segment.start, end: segment.end, ticks: segment.ticks }
    }
}

impl Span {
    /// How long it plays up to this byte, in ticks.
    fn until(&self, at: u64) -> i64 {
        let part = i128::from(at.clamp(self.start, self.end) - self.start);
        let length = i128::from((self.end - self.start).max(1));
        i64::try_from(i128::from(self.ticks) * part / length).unwrap_or(i64::MAX)
    }

    /// The last whole packet that has begun to play when it has played for so many ticks.
    fn after(&self, ticks: i64) -> u64 {
        if ticks >= self.ticks {
            return self.end;
        }
        let length = i128::from(self.end - self.start);
        let part = i128::from(ticks.max(0)) * length / i128::from(self.ticks.max(1));
        let part = u64::try_from(part).unwrap_or(0);
        self.start + part / PACKET_SIZE as u64 * PACKET_SIZE as u64
    }
}

/// Where the newest part of a presentation's bytes lies on its timeline: the random access points
/// that are in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyframeIndex {
    /// Where each lies and when its picture is shown, the oldest first.
    entries: VecDeque<(u64, MediaTime)>,
    head: u64,
    /// The media time at the head.
    position: MediaTime,
}

impl KeyframeIndex {
    /// The store has got to `head`, and the stream to `position`.
    pub fn advance(&mut self, head: u64, position: MediaTime) {
        (self.head, self.position) = (head, position);
    }

    /// There is another random access point at this byte.
    pub fn push(&mut self, at: u64, point: &AccessPoint) {
        self.entries.push_back((at, point.shown));
    }

    /// What lies before `tail` is in memory no more.
    pub fn trim(&mut self, tail: u64) {
        while self.entries.pop_front_if(|&mut (at, _)| at < tail).is_some() {}
    }

    /// Where the store has got to.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The media time at the head.
    pub fn position(&self) -> MediaTime {
        self.position
    }

    /// The random access point at which one is in the stream at `time`, else the oldest: where it
    /// lies, when it is shown, and whether it is that late.
    pub fn reach(&self, time: MediaTime) -> Option<(u64, MediaTime, bool)> {
        let behind = self.entries.partition_point(|&(_, shown)| shown <= time);
        let &(at, shown) = self.entries.get(behind.saturating_sub(1))?;
        Some((at, shown, shown > time))
    }

    /// The stretch from one random access point to the next in which this byte lies; the last one
    /// ends at the head.
    pub fn at(&self, offset: u64) -> Option<Span> {
        let behind = self.entries.partition_point(|&(at, _)| at <= offset);
        let &(start, shown) = self.entries.get(behind.checked_sub(1)?)?;
        let &(end, next) = self.entries.get(behind).unwrap_or(&(self.head, self.position));
        // Reordering may show a later point earlier.
        (offset < end).then(|| Span { start, end, ticks: (next.ticks() - shown.ticks()).max(0) })
    }
}

/// When each byte is due to a viewer who began behind live.
#[derive(Debug)]
pub struct Pace {
    began: Moment,
    lead: Duration,
    span: Span,
    /// How long what was sent before `span` plays, in ticks.
    before: i64,
}

impl Pace {
    /// Wake-ups are so far apart, in media time: as for viewers of a busy server.
    const STEP: i64 = TICKS_PER_SECOND / 4;

    /// A pace that begins now at the byte `at`; the first `lead` of media are due at once.
    pub fn new(now: Moment, lead: Duration, at: u64) -> Self {
        Self { began: now, lead, span: Span { start: at, end: at, ticks: 0 }, before: 0 }
    }

    /// Whether the byte `at` lies where [`Pace::enter`] was told last.
    pub fn knows(&self, at: u64) -> bool {
        (self.span.start..self.span.end).contains(&at)
    }

    /// The byte `at`, which is the next one to be sent, lies in `span`.
    pub fn enter(&mut self, span: Span, at: u64) {
        self.before += self.span.until(at) - span.until(at);
        self.span = span;
    }

    /// What is due now: up to this byte, at most to the end of the stretch.
    pub fn due(&self, now: Moment) -> u64 {
        let played = duration_to_ticks(now.since(self.began) + self.lead);
        self.span.after(played.saturating_sub(self.before))
    }

    /// When there is enough behind the byte `at` to be sent.
    pub fn next(&self, at: u64) -> Moment {
        let ticks = self.before + (self.span.until(at) + Self::STEP).min(self.span.ticks);
        self.began + ticks_to_duration(ticks - duration_to_ticks(self.lead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: u64 = PACKET_SIZE as u64;
    const SECOND: i64 = TICKS_PER_SECOND;

    #[test]
    fn bytes_are_due_as_their_pictures_play() {
        let spans = [(0, 100, 4), (100, 130, 4), (130, 530, 2)].map(|(start, end, seconds)| Span {
            start: start * P,
            end: end * P,
            ticks: seconds * SECOND,
        });
        let mut pace = Pace::new(Moment::from_millis(1000), Duration::from_secs(1), 0);
        let mut at = 0;
        let mut got = Vec::new();
        // Looked at every quarter of a second of ten, of which the first is sent at once.
        for quarter in 0..40 {
            let now = Moment::from_millis(1000 + quarter * 250);
            while at < 530 * P {
                if !pace.knows(at) {
                    pace.enter(*spans.iter().find(|span| at < span.end).unwrap(), at);
                }
                let due = pace.due(now);
                if due <= at {
                    assert!(pace.next(at) > now, "at {at}");
                    break;
                }
                at = due;
            }
            got.push(at / P);
        }
        let by_second: Vec<u64> = got.iter().step_by(4).copied().collect();
        assert_eq!(by_second, [25, 50, 75, 100, 107, 115, 122, 130, 330, 530]);
    }

    #[test]
    fn a_stretch_may_be_cut_anew_on_the_way() {
        let long = Span { start: 0, end: 1000 * P, ticks: 10 * SECOND };
        let mut pace = Pace::new(Moment::ZERO, Duration::ZERO, 0);
        pace.enter(long, 0);
        let at = pace.due(Moment::from_millis(5000));
        assert_eq!(at, 500 * P);
        pace.enter(Span { start: 400 * P, end: 600 * P, ticks: 2 * SECOND }, at);
        assert_eq!(pace.due(Moment::from_millis(5000)), at);
        assert_eq!(pace.due(Moment::from_millis(5500)), 550 * P);
        assert_eq!(pace.next(at), Moment::from_millis(5250));
        assert_eq!(pace.next(595 * P), Moment::from_millis(6000), "no later than the next stretch begins");
        assert_eq!(pace.due(Moment::from_millis(60_000)), 600 * P, "no further than is known");
    }

    #[test]
    fn a_long_way_of_odd_stretches_does_not_drift() {
        let mut pace = Pace::new(Moment::ZERO, Duration::ZERO, 0);
        let (mut at, mut ticks) = (0, 0);
        for n in 0..10_000 {
            let span =
                Span { start: at, end: at + (1000 + n % 7) * P, ticks: 360_001 + (n % 3).cast_signed() };
            pace.enter(span, at);
            // In three parts.
            for part in 1..=3 {
                at = span.start + (span.end - span.start) / P * part / 3 * P;
                pace.enter(span, at);
            }
            ticks += span.ticks;
        }
        pace.enter(Span { start: at, end: at + P, ticks: SECOND }, at);
        let due = ticks_to_duration(ticks + Pace::STEP);
        assert_eq!(pace.next(at), Moment::new(due));
    }

    #[test]
    fn the_trail_tells_where_a_time_and_a_byte_are() {
        let time = |seconds: i64| MediaTime::new(seconds * SECOND);
        let mut keyframes = KeyframeIndex::default();
        assert_eq!((keyframes.reach(time(1)), keyframes.at(0)), (None, None));
        keyframes.entries =
            [(5 * P, time(4)), (10 * P, time(5)), (20 * P, time(6)), (40 * P, time(8))].into();
        keyframes.trim(10 * P);
        keyframes.advance(50 * P, time(9));
        for (asked, at, is_late) in
            [(4, 10, true), (5, 10, false), (7, 20, false), (8, 40, false), (99, 40, false)]
        {
            let (got, _, late) = keyframes.reach(time(asked)).unwrap();
            assert_eq!((got / P, late), (at, is_late), "{asked}");
        }
        let span =
            |start, end, seconds| Some(Span { start: start * P, end: end * P, ticks: seconds * SECOND });
        for (at, expected) in
            [(9, None), (10, span(10, 20, 1)), (39, span(20, 40, 2)), (45, span(40, 50, 1)), (50, None)]
        {
            assert_eq!(keyframes.at(at * P), expected, "{at}");
        }
    }
}
