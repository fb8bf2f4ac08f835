//! Where a film is cut into segments.
//!
//! One track decides, the pictures if there are any: a segment begins with a key frame. Where the
//! others are cut follows from that, by time or by where their samples lie in the file.

use super::Sample;
use super::cursor::{Cursor, Place};
use crate::segmenter::is_nearest;

/// The most that sound may be apart from its picture where a segment is one range of the file, in
/// seconds: players hold back as much of the one until the other comes.
const MAX_SKEW: i64 = 1;

/// The most segments of a film: a week of them, if they are as long as usual.
pub(super) const MAX_SEGMENTS: usize = 100_000;

/// How much earlier than the pictures sound has to begin to be a segment of its own, in hundredths
/// of a second. Some players put the first picture of a segment where its playlist says that the
/// segment begins.
const LEAD: i64 = 50;

/// A cut of the track that decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// When the sample is shown, in units of the track's timescale.
    pub(super) time: i64,
    /// Where the sample lies in the file.
    at: u64,
    pub(super) place: Place,
}

/// Cuts the track that decides.
#[derive(Debug)]
pub(super) struct Cutter {
    /// How long segments are to be, in units of the track's timescale.
    target: i64,
    /// What is added to the times of samples.
    shift: i64,
    pub(super) cuts: Vec<Found>,
    /// Whether the first cut is a sample that a decoder can start with.
    begins_with_key: bool,
    last_key: i64,
    /// Whether samples in front of the first cut are left out.
    pub(super) is_trimmed: bool,
    /// When the last sample has been shown.
    pub(super) end: i64,
}

impl Cutter {
    pub(super) fn new(target: i64, shift: i64) -> Self {
        let (cuts, end) = (Vec::new(), i64::MIN);
        Self { target, shift, cuts, begins_with_key: false, last_key: 0, is_trimmed: false, end }
    }

    /// Takes the sample that the cursor gave last.
    #[inline]
    pub(super) fn handle_sample(&mut self, sample: &Sample, cursor: &Cursor) {
        let time = sample.shown().saturating_add(self.shift);
        self.end = self.end.max(time.saturating_add(sample.duration.into()));
        if sample.is_sync || self.cuts.is_empty() {
            self.handle_key(time, sample, cursor);
        }
    }

    fn handle_key(&mut self, time: i64, sample: &Sample, cursor: &Cursor) {
        let cut = Found { time, at: sample.at, place: cursor.place_of(sample) };
        let gop = time.saturating_sub(self.last_key);
        self.last_key = time;
        match self.cuts[..] {
            [] => {
                self.begins_with_key = sample.is_sync;
                self.cuts.push(cut);
            }
            // The film begins here or later: in front of it is what nobody is to see.
            [_] if !self.begins_with_key || time <= 0 => {
                self.is_trimmed = true;
                self.begins_with_key = true;
                self.cuts = vec![cut];
            }
            [.., last] => {
                // Pictures are not always shown in the order of decoding; key frames that are
                // would make a segment of no time.
                let elapsed = time.saturating_sub(last.time);
                if elapsed > 0 && is_nearest(elapsed, gop, self.target) {
                    self.cuts.push(cut);
                }
            }
        }
    }
}

/// Where another track has to be cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// In units of this track's timescale.
    pub(super) time: i64,
    /// In bytes of the file.
    at: u64,
}

impl Bound {
    /// The cut for the track that decides, which is at `place` then.
    pub(super) fn found(self, place: Place, convert: impl Fn(i64) -> i64) -> Found {
        Found { time: convert(self.time), at: self.at, place }
    }
}

/// Cuts a track that follows.
#[derive(Debug)]
pub(super) struct Follower {
    shift: i64,
    timescale: i64,
    bounds: Vec<Bound>,
    /// Where the track begins, and then the cuts by time and by where samples lie, as far as they
    /// are found.
    by_time: Vec<Place>,
    by_range: Vec<Place>,
    /// Where the sample before lay.
    last_at: u64,
    /// Whether the cuts by range are good.
    pub(super) is_interleaved: bool,
    pub(super) first: Option<i64>,
    pub(super) end: i64,
    /// Where this track may add cuts: those behind the end of the one that decides.
    tail: Option<Tail>,
}

/// What sound goes on behind the last picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// The end of the pictures.
    pub(super) begins: i64,
    /// How long segments are to be.
    pub(super) target: i64,
}

impl Follower {
    /// `cuts` are those of the track that decides, and `convert` takes its times to this track.
    pub(super) fn new(
        (shift, timescale): (i64, u32),
        cuts: &[Found],
        convert: impl Fn(i64) -> i64,
        is_trimmed: bool,
        tail: Option<Tail>,
    ) -> Self {
        let bounds: Vec<Bound> =
            cuts.iter().map(|cut| Bound { time: convert(cut.time), at: cut.at }).collect();
        // What comes in front of the first cut belongs to the first segment, unless it is trimmed.
        let mut begun = Vec::with_capacity(bounds.len() + 2);
        if !is_trimmed {
            begun.push(Place::first());
        }
        Self {
            shift,
            timescale: timescale.into(),
            is_interleaved: bounds.is_sorted_by_key(|bound| bound.at),
            bounds,
            by_range: clone_with_room(&begun),
            by_time: begun,
            last_at: 0,
            first: None,
            end: i64::MIN,
            tail,
        }
    }

    /// Takes the sample that the cursor gave last.
    #[inline]
    pub(super) fn handle_sample(&mut self, sample: &Sample, cursor: &Cursor) {
        let time = sample.shown().saturating_add(self.shift);
        let end = time.saturating_add(sample.duration.into());
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.end = self.end.max(end);
        self.is_interleaved &= self.last_at <= sample.at;
        self.last_at = sample.at;
        if self.by_time.is_empty() {
            // The frame in front of the film's beginning is what a decoder begins with.
            if end < 0 {
                return;
            }
            self.by_time.push(cursor.place_of(sample));
            self.by_range.push(cursor.place_of(sample));
        }
        while let Some(bound) = self.bounds.get(self.by_time.len() - 1)
            && time >= bound.time
        {
            self.by_time.push(cursor.place_of(sample));
        }
        while let Some(bound) = self.bounds.get(self.by_range.len() - 1)
            && sample.at >= bound.at
        {
            // Where the first pictures lie counts only if there is something in front of them.
            let counts = self.by_range.len() > 1 || self.leads();
            let is_near = time.abs_diff(bound.time) <= (MAX_SKEW * self.timescale).unsigned_abs();
            self.is_interleaved &= is_near || !counts;
            self.by_range.push(cursor.place_of(sample));
        }
        if let (Some(tail), Some(last)) = (self.tail, self.bounds.last())
            && time >= tail.begins
            && time.saturating_sub(last.time) >= tail.target
        {
            if self.by_range.len() <= self.bounds.len() {
                // Sound that lies in front of its pictures.
                self.is_interleaved = false;
                self.by_range.resize(self.bounds.len() + 1, cursor.place_of(sample));
            }
            self.bounds.push(Bound { time, at: sample.at });
            self.by_time.push(cursor.place_of(sample));
            self.by_range.push(cursor.place_of(sample));
        }
    }

    /// How many cuts it knows of.
    pub(super) fn cuts(&self) -> usize {
        self.bounds.len()
    }

    /// The cuts that this track has added.
    pub(super) fn added(&self, cuts: usize) -> &[Bound] {
        &self.bounds[cuts..]
    }

    /// Whether it begins so early that what is in front of the pictures is a segment.
    pub(super) fn leads(&self) -> bool {
        let begin = self.first.unwrap_or(i64::MAX).max(0);
        self.bounds[0].time.saturating_sub(begin) >= LEAD * self.timescale / 100
    }

    /// The places of its beginning, if `leads`, else within the first cut, of `cuts` cuts in all
    /// and of the end, `end`.
    pub(super) fn marks(self, by_range: bool, leads: bool, cuts: usize, end: Place) -> Vec<Place> {
        let mut marks = if by_range { self.by_range } else { self.by_time };
        if !leads && marks.len() > 1 {
            marks.remove(1);
        }
        marks.resize(cuts + 1, end);
        marks
    }
}

/// A copy that may grow as far as the first.
fn clone_with_room(places: &Vec<Place>) -> Vec<Place> {
    let mut copy = Vec::with_capacity(places.capacity());
    copy.extend_from_slice(places);
    copy
}
