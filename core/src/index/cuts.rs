//! Where a film is cut into segments.
//!
//! One track decides, the pictures if there are any: a segment begins with a key frame. Where the
//! others are cut follows from that, by time: a player that goes to the beginning of a segment has
//! sound there at once, wherever in the file that lies.

use super::Sample;
use super::cursor::{Cursor, Place};
use crate::segmenter::is_nearest;

/// The most segments of a film: a week of them, if they are as long as usual.
pub(super) const MAX_SEGMENTS: usize = 100_000;

/// How much earlier than the pictures sound has to begin to be a segment of its own, in hundredths
/// of a second. Some players put the first picture of a segment where its playlist says that the
/// segment begins.
pub(super) const LEAD: i64 = 50;

/// A cut of the track that decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// When the sample is shown, in units of the track's timescale.
    pub(super) time: i64,
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
        let cut = Found { time, place: cursor.place_of(sample) };
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

/// Cuts a track that follows.
#[derive(Debug)]
pub(super) struct Follower {
    shift: i64,
    timescale: i64,
    /// When to cut, in units of this track's timescale.
    bounds: Vec<i64>,
    /// Where the track begins, and then the cuts as far as they are found.
    places: Vec<Place>,
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
        let bounds: Vec<i64> = cuts.iter().map(|cut| convert(cut.time)).collect();
        // What comes in front of the first cut belongs to the first segment, unless it is trimmed.
        let mut places = Vec::with_capacity(bounds.len() + 2);
        if !is_trimmed {
            places.push(Place::first());
        }
        Self { shift, timescale: timescale.into(), bounds, places, first: None, end: i64::MIN, tail }
    }

    /// Takes the sample that the cursor gave last.
    #[inline]
    pub(super) fn handle_sample(&mut self, sample: &Sample, cursor: &Cursor) {
        let time = sample.shown().saturating_add(self.shift);
        let end = time.saturating_add(sample.duration.into());
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.end = self.end.max(end);
        if self.places.is_empty() {
            // The frame in front of the film's beginning is what a decoder begins with.
            if end < 0 {
                return;
            }
            self.places.push(cursor.place_of(sample));
        }
        while let Some(&bound) = self.bounds.get(self.places.len() - 1)
            && time >= bound
        {
            self.places.push(cursor.place_of(sample));
        }
        if let (Some(tail), Some(&last)) = (self.tail, self.bounds.last())
            && time >= tail.begins
            && time.saturating_sub(last) >= tail.target
        {
            self.bounds.push(time);
            self.places.push(cursor.place_of(sample));
        }
    }

    /// How many cuts it knows of.
    pub(super) fn cuts(&self) -> usize {
        self.bounds.len()
    }

    /// The cuts that this track has added.
    pub(super) fn added(&self, cuts: usize) -> &[i64] {
        &self.bounds[cuts..]
    }

    /// Whether it begins so early that what is in front of the pictures is a segment.
    pub(super) fn leads(&self) -> bool {
        let begin = self.first.unwrap_or(i64::MAX).max(0);
        self.bounds[0].saturating_sub(begin) >= LEAD * self.timescale / 100
    }

    /// The places of its beginning, if `leads`, else within the first cut, of `cuts` cuts in all
    /// and of the end, `end`.
    pub(super) fn marks(self, leads: bool, cuts: usize, end: Place) -> Vec<Place> {
        let mut marks = self.places;
        if !leads && marks.len() > 1 {
            marks.remove(1);
        }
        marks.resize(cuts + 1, end);
        marks
    }
}
