//! What becomes of each segment that was asked for.

use std::time::Duration;

use super::action::{Failure, Rendition};
use super::input::Outcome;
use super::track::Track;
use super::{Follower, InFlight, Phase};
use crate::assumption::broken;
use crate::time::Moment;

/// How often a segment is asked for before it is passed over.
pub const MAX_TRIES: u32 = 3;

/// The least pause before a segment is tried again.
const MIN_RETRY: Duration = Duration::from_millis(250);

impl Follower {
    /// What became of the segment of this rendition that was asked for last. The outcome of a
    /// segment that is no longer wanted changes nothing.
    pub fn handle_segment(&mut self, now: Moment, rendition: Rendition, outcome: Outcome) {
        let Some(in_flight) = self.fetches.in_flight[rendition as usize].take() else {
            return broken("each outcome is of a segment that was asked for");
        };
        if in_flight.is_void {
            return;
        }
        let is_main = rendition == Rendition::Main;
        if is_main && outcome == Outcome::Failed && self.gives_up_on_speed(now) {
            return;
        }
        self.settle_segment(now, rendition, outcome, in_flight);
        if is_main && matches!(self.phase, Phase::Going) {
            self.adapt(now);
        }
    }

    fn settle_segment(&mut self, now: Moment, rendition: Rendition, outcome: Outcome, in_flight: InFlight) {
        // The list may have moved on meanwhile: then what came or failed is not what is next.
        let is_next = self.track(rendition).is_some_and(|track| track.next_position() == in_flight.position);
        match outcome {
            Outcome::Done | Outcome::Repeated | Outcome::Truncated => {
                self.note_arrival(now, rendition, outcome);
                if is_next {
                    self.take_segment(now, rendition);
                    self.compare(now, rendition);
                }
            }
            Outcome::Known(_) | Outcome::Unknown if !is_next => {}
            Outcome::Known(since) => self.recognise_segment(rendition, since),
            Outcome::Unknown => self.search_on(rendition),
            Outcome::Unusable | Outcome::Stalled if rendition == Rendition::Audio => self.lose_sound(now),
            Outcome::Unusable if !self.leave_with_segments(now, rendition) => self.fail(Failure::Unusable),
            Outcome::Unusable => {}
            Outcome::Stalled => self.fail(Failure::Stalled),
            // Some servers want the query of the entry at each segment, though the list has none.
            Outcome::Refused(403)
                if !in_flight.has_query && !in_flight.inherits && !self.entrance.inherits =>
            {
                self.entrance.inherits = true;
                self.counts.retries += 1;
                self.try_again(rendition, self.tries(rendition), now);
            }
            Outcome::Refused(_) | Outcome::Failed if is_next && self.tries_others(now, rendition) => {
                self.lose_segment(now, rendition);
            }
            Outcome::Refused(_) | Outcome::Failed => {
                if matches!(outcome, Outcome::Refused(401 | 403 | 410)) {
                    // The token may have expired: the entry names a fresh one. The segment is asked
                    // for once more without the query, should the token come from elsewhere.
                    self.entrance.enters = true;
                    self.entrance.inherits = false;
                }
                self.retry_or_lose(now, rendition, is_next);
            }
        }
    }

    fn note_arrival(&mut self, now: Moment, rendition: Rendition, outcome: Outcome) {
        self.counts.segments += 1;
        self.counts.truncated += u64::from(outcome == Outcome::Truncated);
        self.counts.repeated += u64::from(outcome == Outcome::Repeated);
        self.fetches.retry[rendition as usize] = None;
        self.fetches.refused = None;
        // The same media again is no progress: a source that repeats its last segment has stalled.
        if outcome != Outcome::Repeated {
            self.fetches.progress_at = now;
        }
    }

    /// A segment did not come: it is tried again, or passed over after so many tries.
    fn retry_or_lose(&mut self, now: Moment, rendition: Rendition, is_next: bool) {
        let tries = self.tries(rendition) + 1;
        if !is_next {
            self.fetches.retry[rendition as usize] = None;
        } else if tries < MAX_TRIES {
            self.counts.retries += 1;
            let pause = self.track(rendition).map(Track::target).unwrap_or_default() / 4;
            self.try_again(rendition, tries, now + pause.max(MIN_RETRY));
        } else {
            self.lose_segment(now, rendition);
        }
    }
}
