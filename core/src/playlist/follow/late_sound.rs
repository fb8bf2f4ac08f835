//! Separate sound that turns late for good while it plays: the picture goes back to it.
//!
//! When the list of the sound stands still, the picture waits for a moment and goes on alone. If
//! the sound then goes on where it stopped, all of it comes behind its picture, and none would be
//! heard any more. A player that opens the source waits, and plays both later from then on. Viewers
//! of a relay need not wait: the pictures that belong to the sound are still listed, so they are
//! played again, with their sound.

use std::time::Duration;

use super::pairing::{MAX_START_WAIT, next_after};
use super::{Follower, Rendition, UNEVEN};
use crate::assumption::broken;
use crate::remux::Extent;
use crate::time::{MediaTime, Moment, duration_to_ticks};

/// How long sound is late until it is judged whether it catches up: two segments of two seconds.
const JUDGED_AFTER: Duration = Duration::from_secs(4);

/// Sound that comes so much faster than it plays catches up by itself, in percent.
const CATCHES_UP: u32 = 125;

/// The least time from one return to the next: sound that comes slower than it plays would have the
/// same pictures played again and again.
const PAUSE: Duration = Duration::from_mins(1);

/// What is known of sound that comes too late.
#[derive(Debug, Default)]
pub(super) struct LateSound {
    /// When sound came too late to be heard, and where it ended then.
    since: Option<(Moment, MediaTime)>,
    /// When the picture last went back.
    returned_at: Option<Moment>,
}

impl LateSound {
    /// Whether sound that ends here and came too late comes no faster than it plays.
    fn is_lasting(&mut self, now: Moment, end: MediaTime) -> bool {
        let (since, began) = *self.since.get_or_insert((now, end));
        let (waited, came) = (now.since(since), end.since(began));
        if waited < JUDGED_AFTER {
            return false;
        }
        self.since = Some((now, end));
        came < waited * CATCHES_UP / 100
    }

    /// Whether the picture went back lately.
    fn has_returned(&self, now: Moment) -> bool {
        self.returned_at.is_some_and(|at| now.since(at) < PAUSE)
    }
}

impl Follower {
    /// A segment of the sound has come that ends here, while pictures were passed on up to
    /// `passed`. Has the picture go back if the sound stays behind that.
    pub(super) fn handle_late_sound(&mut self, now: Moment, extents: [Extent; 2], passed: MediaTime) {
        let [picture, sound] = extents;
        if passed.since(sound.end) <= UNEVEN {
            self.late_sound.since = None;
            return;
        }
        // What is listed is fetched at once.
        let is_at_end = self.sound_track().is_some_and(|audio| !audio.has_next());
        if is_at_end && self.late_sound.is_lasting(now, sound.end) && !self.late_sound.has_returned(now) {
            self.go_back_to_sound(now, picture, sound);
        }
    }

    /// Has the picture begin again where the sound is, as far as its list goes back, if it then has
    /// to wait no longer than at a beginning. It begins with as much in store as lasts until there
    /// is more of the sound.
    fn go_back_to_sound(&mut self, now: Moment, picture: Extent, sound: Extent) {
        let (Some(main), Some(audio)) = (&mut self.main, &mut self.audio) else {
            return broken("sound that is late has a list, and so has its picture");
        };
        let wanted = picture.end.since(sound.end) + next_after(audio);
        let listed = main.listed_back(wanted);
        if wanted.saturating_sub(listed) > MAX_START_WAIT || !main.rewind(wanted, Duration::ZERO) {
            return;
        }
        let begin = picture.end.shifted(-duration_to_ticks(listed));
        audio.rewind(sound.end.since(begin), Duration::ZERO);
        self.begin_anew(Rendition::Main);
        self.begin_anew(Rendition::Audio);
        self.step.start_again();
        (self.late_sound.since, self.late_sound.returned_at) = (None, Some(now));
        self.counts.sounds_rejoined += 1;
    }
}
