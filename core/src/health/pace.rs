//! Whether media goes on as fast as time does.
//!
//! Nobody sends evenly. So nothing is said of a source that stands still and then catches up, and a
//! slow one is known by two signs:
//!
//! - It *drips*: packets came in each of [`SLICES`] slices in a row, brought something, but less
//!   than nine tenths of the time, in each, and less than three quarters in all. A pause of two
//!   seconds in which a little comes is made up for in the fifth slice at the latest.
//! - It *falls behind*: media lags its best lead by the threshold, and packets that came for as
//!   long did not make up for it.

use std::time::Duration;

use super::rules::Seen;
use crate::time::{Moment, duration_to_ticks, ticks_to_duration};

/// How time is cut: packets that come in each slice are a stream that does not stand still.
const SLICE: Duration = Duration::from_millis(500);

/// Slices that are looked at together: 2.5 s, so that a drip is known within 3 s.
const SLICES: usize = 5;

/// The time of [`SLICES`].
const SPAN: Duration = Duration::from_millis(2_500);

/// How much of the time media must take, in percent.
const MIN_PACE: i64 = 75;

/// The same of a single slice: one with more is no part of a drip. Clock references are up to 100
/// ms apart.
const MAX_SLICE: i64 = 90;

/// How fast the best lead is forgotten, as a part of time: clocks may differ by 1 %.
const LEAK: i64 = 100;

/// Watches the pace of a source that sends by itself.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The slice on hand; `None` before the first packet.
    slice: Option<Slice>,
    /// Slices with packets in a row, and where media stood, in ticks, as each of the last ones
    /// began: the newest last.
    steady: usize,
    begins: [i64; SLICES],
    /// The greatest lead of media over time, in ticks.
    best: i64,
    /// Since when packets come and media is behind.
    behind: Option<Moment>,
    verdict: Option<Seen>,
}

#[derive(Debug)]
struct Slice {
    begin: Moment,
    /// Where time and media are counted from.
    origin: (Moment, i64),
}

impl Pace {
    /// Packets came at `now`, and with them media stands at `media` ticks.
    pub(super) fn advance(&mut self, now: Moment, media: i64, threshold: Duration) {
        let Some(slice) = &mut self.slice else {
            let slice = Slice { begin: now, origin: (now, media) };
            *self = Self { slice: Some(slice), begins: [media; SLICES], ..Self::default() };
            return;
        };
        let end = slice.begin + SLICE;
        if now < end {
            return;
        }
        // A slice begins with packets, or goes on from one that had some: where a whole one is
        // empty, they are not in a row.
        let (is_next, origin) = (now < end + SLICE, slice.origin);
        slice.begin = if is_next { end } else { now };
        self.steady += 1;
        self.verdict = self.judge(end, media, origin, threshold);
        if !is_next {
            self.steady = 0;
        }
        self.begins.rotate_left(1);
        self.begins[SLICES - 1] = media;
    }

    /// What is to be said of the last slice.
    pub(super) fn verdict(&self) -> Option<Seen> {
        self.verdict
    }

    /// The slice on hand, in which packets came, is over at `end`.
    fn judge(&mut self, end: Moment, media: i64, origin: (Moment, i64), threshold: Duration) -> Option<Seen> {
        let lead = media - origin.1 - duration_to_ticks(end.since(origin.0));
        self.best = lead.max(self.best - duration_to_ticks(SLICE) / LEAK);
        let lag = ticks_to_duration(self.best - lead);
        let came = media - self.begins[0];
        if came <= 0 {
            return None; // a standstill, which is not slow
        }
        if lag < threshold {
            self.behind = None;
        } else if end.since(*self.behind.get_or_insert(end)) >= SPAN {
            return Some(Seen::Behind(lag));
        }
        let takes = |ticks: i64, time, percent| ticks * 100 < duration_to_ticks(time) * percent;
        let ends = self.begins.iter().skip(1).chain([&media]);
        let mut slices = ends.zip(&self.begins).map(|(end, begin)| end - begin);
        let is_each_short = slices.all(|slice| slice > 0 && takes(slice, SLICE, MAX_SLICE));
        let is_drip = self.steady >= SLICES && is_each_short && takes(came, SPAN, MIN_PACE);
        is_drip.then(|| Seen::Drip { media: ticks_to_duration(came), time: SPAN })
    }
}
