//! Time-shift: which segments are kept beyond the usual window, for how long, and how a viewer is
//! paced who watches behind live.
//!
//! A channel is on demand, so its time-shift has holes: each time it is open is a presentation of its
//! own, with a timeline of its own. Within one, offsets and times go on; between two, a segment is
//! discontinuous.

pub mod index;
pub mod pace;

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use crate::segmenter::{Segment, SequenceNumbers};
use crate::time::{MediaTime, ticks_to_duration};

/// How much is kept: whichever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How far back, on the clock on the wall.
    pub window: Duration,
    /// The most bytes.
    pub bytes: u64,
}

/// The segments that are kept, of one presentation or of several. Their numbers have no gap once a
/// presentation has begun.
#[derive(Debug)]
pub struct History {
    limits: Limits,
    segments: VecDeque<Segment>,
    /// How long they play together.
    ticks: i64,
    bytes: u64,
    /// How many discontinuities lie before the first (RFC 8216, section 4.3.3.3).
    discontinuity: u64,
}

/// Some of the newest segments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extract {
    /// The oldest first.
    pub segments: Vec<Segment>,
    /// How many discontinuities lie before them.
    pub discontinuity_sequence: u64,
}

impl History {
    /// With these segments, the oldest first.
    pub fn new(limits: Limits, segments: Vec<Segment>) -> Self {
        let ticks = segments.iter().map(|segment| segment.ticks).sum();
        let bytes = segments.iter().map(size).sum();
        Self { limits, segments: segments.into(), ticks, bytes, discontinuity: 0 }
    }

    /// Changes what is kept, from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// A presentation begins whose numbers are to go on at `numbers`; returns where they do. Where
    /// the segments that are here do not end just before that (others were numbered after them, and
    /// are lost, or might have been), or one between them is lost, all of them get new numbers:
    /// none must ever come again with another content.
    pub fn resume(&mut self, mut numbers: SequenceNumbers) -> SequenceNumbers {
        let breaks = self.segments.iter().filter(|segment| segment.is_discontinuous).count() as u64;
        // An empty history goes on wherever the channel wants.
        let first = self.segments.front().map_or(numbers.segment, |first| first.number);
        let mut expected = (first..).zip(&self.segments);
        let goes_on = first + self.segments.len() as u64 == numbers.segment
            && expected.all(|(number, segment)| number == segment.number);
        // A list must never name fewer discontinuities before a segment than there were.
        if !goes_on || numbers.discontinuity < breaks {
            for segment in &mut self.segments {
                segment.number = numbers.segment;
                numbers.segment += 1;
            }
            numbers.discontinuity += breaks;
        }
        self.discontinuity = numbers.discontinuity - breaks;
        numbers
    }

    /// A segment has ended: the one after the last. Should one have been left out, those before it
    /// are of no use.
    pub fn push(&mut self, segment: Segment) {
        // A gap in the numbers cannot be told to players, who count segments.
        while self.segments.back().is_some_and(|last| last.number + 1 != segment.number) {
            self.pop();
        }
        self.ticks += segment.ticks;
        self.bytes += size(&segment);
        self.segments.push_back(segment);
        self.trim(segment.wall + segment.duration());
    }

    /// Lets go of what is beyond the limits now.
    pub fn trim(&mut self, now: SystemTime) {
        while let Some(first) = self.segments.front()
            // By when it ends: the segment that the window's edge lies in is still needed.
            && (self.bytes > self.limits.bytes || first.wall + first.duration() + self.limits.window < now)
        {
            self.pop();
        }
    }

    /// Lets go of what begins before this byte of the store.
    pub fn forget_before(&mut self, offset: u64) {
        while self.segments.front().is_some_and(|first| first.start < offset) {
            self.pop();
        }
    }

    /// Lets go of what ends behind this byte of the store.
    pub fn forget_behind(&mut self, offset: u64) {
        while let Some(last) = self.segments.pop_back_if(|last| last.end > offset) {
            self.ticks -= last.ticks;
            self.bytes -= size(&last);
        }
    }

    fn pop(&mut self) {
        if let Some(first) = self.segments.pop_front() {
            self.ticks -= first.ticks;
            self.bytes -= size(&first);
            // Noted when it goes: players know later segments by it (RFC 8216, 6.2.2).
            self.discontinuity += u64::from(first.is_discontinuous);
        }
    }

    /// All of them, the oldest first.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &Segment> {
        self.segments.iter()
    }

    /// The first byte of the store that is still needed.
    pub fn tail(&self) -> Option<u64> {
        self.segments.front().map(|segment| segment.start)
    }

    /// How long they play together.
    pub fn length(&self) -> Duration {
        ticks_to_duration(self.ticks)
    }

    /// The bytes that they take together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The segment with this number.
    pub fn find(&self, number: u64) -> Option<&Segment> {
        let first = self.segments.front()?.number;
        self.segments.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// The segment in which this byte of the store lies.
    pub fn at(&self, offset: u64) -> Option<&Segment> {
        let behind = self.segments.partition_point(|segment| segment.start <= offset);
        self.segments.get(behind.checked_sub(1)?).filter(|segment| offset < segment.end)
    }

    /// Of the presentation that begins at the byte `from`, the segment in which `time` is shown,
    /// else the oldest.
    pub fn reach(&self, from: u64, time: MediaTime) -> Option<&Segment> {
        // The segments lie in the order of the store, so the presentation begins at the first
        // behind `from`.
        let first = self.segments.partition_point(|segment| segment.start < from);
        let behind = self.segments.partition_point(|segment| segment.start < from || segment.shown <= time);
        self.segments.get(behind.saturating_sub(1).max(first))
    }

    /// The segments that show anything from `from` until `until` by the clock on the wall, of those
    /// that are not older than is kept `now`: a channel that is closed lets go of nothing by
    /// itself.
    ///
    /// Everything between the first and the last of them belongs to it: if the clock on the wall
    /// was set back, the times of the segments are not in order.
    pub fn between(&self, from: SystemTime, until: SystemTime, now: SystemTime) -> Extract {
        let from = from.max(self.oldest(now));
        let is_wanted = |segment: &Segment| segment.wall < until && segment.wall + segment.duration() > from;
        let first = self.segments.iter().position(is_wanted);
        let last = self.segments.iter().rposition(is_wanted);
        let (Some(first), Some(last)) = (first, last) else { return Extract::default() };
        let before = self.segments.range(..first).filter(|segment| segment.is_discontinuous).count();
        Extract {
            segments: self.segments.range(first..=last).copied().collect(),
            discontinuity_sequence: self.discontinuity + before as u64,
        }
    }

    /// From when until when there is something that is not older than is kept `now`, the oldest
    /// first.
    pub fn stretches(&self, now: SystemTime) -> Vec<(SystemTime, SystemTime)> {
        let oldest = self.oldest(now);
        let mut all: Vec<(SystemTime, SystemTime)> = Vec::new();
        for segment in &self.segments {
            let (start, end) = (segment.wall, segment.wall + segment.duration());
            match all.last_mut() {
                // Clocks on the wall are set now and then; that makes no hole.
                Some((_, last)) if start <= *last + SEAM => *last = end.max(*last),
                _ if end <= oldest => {}
                _ => all.push((start.max(oldest), end)),
            }
        }
        all
    }

    /// The segment with this number, if it is not older than is kept `now`.
    pub fn find_kept(&self, number: u64, now: SystemTime) -> Option<&Segment> {
        let oldest = self.oldest(now);
        self.find(number).filter(|segment| segment.wall + segment.duration() > oldest)
    }

    fn oldest(&self, now: SystemTime) -> SystemTime {
        now.checked_sub(self.limits.window).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// The newest segments, as far back as `length` on the clock on the wall.
    pub fn extract(&self, length: Duration) -> Extract {
        let Some(last) = self.segments.back() else { return Extract::default() };
        let newest = last.wall + last.duration();
        let count = self
            .segments
            .iter()
            .rev()
            .take_while(|segment| segment.wall + segment.duration() + length > newest)
            .count();
        let skipped = self.segments.len() - count;
        let before = self.segments.range(..skipped).filter(|segment| segment.is_discontinuous).count();
        Extract {
            segments: self.segments.range(skipped..).copied().collect(),
            discontinuity_sequence: self.discontinuity + before as u64,
        }
    }
}

/// Segments that are no further apart show one stretch of time.
const SEAM: Duration = Duration::from_secs(2);

fn size(segment: &Segment) -> u64 {
    segment.end - segment.start
}

#[cfg(test)]
mod tests;
