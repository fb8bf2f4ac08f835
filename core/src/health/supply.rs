//! Whether a source that comes in parts, as HLS does, brings them as fast as they play.
//!
//! Parts come in lumps, some late, and are read no faster than they play. So nothing is said of
//! what happens within one: when each is over, it is noted how far media leads time. A source that
//! keeps up has the same lead each time, however late it once was, since the reader waits from then
//! on and the parts do. Of a slow one the lead falls with part after part.

use std::time::Duration;

use super::rules::Seen;
use crate::time::{Moment, duration_to_ticks, ticks_to_duration};

/// A lead that falls by less than this part of the longest part has not fallen: readers follow
/// clocks that are off by 1 %, and references are up to 100 ms apart.
const TENTH: i64 = 10;

/// Parts in a row with which the lead has not fallen: what was late is forgotten. A list that is
/// asked for at intervals shows some parts of a slow source in time.
const STEADY: u32 = 2;

/// Times that it must have fallen: once is a pause of the source or of the way to it, which stays
/// behind.
const FALLS: u32 = 2;

/// By how much it must have fallen, in halves of the longest part: a list may be late by a part,
/// and comes as late as it was asked for.
const LATE_HALVES: i64 = 3;

/// Watches the pace of a source that is read by media time.
#[derive(Debug, Default)]
pub(super) struct Supply {
    /// Where time and media are counted from; `None` before the end of the first part.
    origin: Option<(Moment, i64)>,
    /// Where media stood, in ticks, when the last part was over.
    media: i64,
    /// The longest part, in ticks.
    longest: i64,
    /// The lead of media over time when the last part was over, and the best since it was last
    /// steady.
    lead: i64,
    best: i64,
    falls: u32,
    steady: u32,
    verdict: Option<Seen>,
}

impl Supply {
    /// A part is over at `now`, and with it media stands at `media` ticks.
    pub(super) fn handle_part(&mut self, now: Moment, media: i64, threshold: Duration) {
        let Some((since, first)) = self.origin else {
            *self = Self { origin: Some((now, media)), media, ..Self::default() };
            return;
        };
        self.longest = self.longest.max(media - self.media);
        let lead = media - first - duration_to_ticks(now.since(since));
        let has_fallen = self.lead - lead > self.longest / TENTH;
        (self.media, self.lead) = (media, lead);
        if has_fallen {
            (self.falls, self.steady) = (self.falls + 1, 0);
        } else {
            self.steady += 1;
        }
        if self.steady >= STEADY || lead >= self.best {
            (self.best, self.falls) = (lead, 0);
        }
        let lag = self.best - lead;
        let is_slow =
            self.falls >= FALLS && lag >= duration_to_ticks(threshold).max(self.longest * LATE_HALVES / 2);
        self.verdict = is_slow.then(|| Seen::Behind(ticks_to_duration(lag)));
    }

    /// What is to be said of the last parts.
    pub(super) fn verdict(&self) -> Option<Seen> {
        self.verdict
    }
}
