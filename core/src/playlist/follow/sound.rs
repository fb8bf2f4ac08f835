//! What becomes of separate sound that is not to be had: it never takes the picture with it.
//!
//! Its list is asked for once more, in mid-play several times, and then the next sound of its group
//! is taken, or another variant that has another sound. Where there is none, the picture goes on
//! alone, and the sound is asked for again every [`SOUND_RETRY`].

use std::time::Duration;

use url::Url;

use super::super::model::Variables;
use super::action::Rendition;
use super::playlist::QUICK_TIMEOUT;
use super::track::Track;
use super::variant::QUICK_RETRY;
use super::{Follower, Phase};
use crate::time::Moment;

/// How often sound that is away is asked for.
pub const SOUND_RETRY: Duration = Duration::from_secs(5);

/// Times in a row that the list of the sound may fail in mid-play, and before anything of it was
/// had.
const MAX_FAILURES: [u32; 2] = [4, 2];

/// Which sound is followed.
#[derive(Debug, Default)]
pub(super) struct Sound {
    /// Its number among those of its group.
    choice: usize,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is followed, or there is none.
    #[default]
    Followed,
    /// It was away, and nothing of it was had since: the picture does not wait for it.
    OnTrial,
    /// It is away, and is asked for again at this time.
    Away(Moment),
}

impl Sound {
    /// Whether the picture does not wait for it, although it is followed.
    pub(super) fn is_on_trial(&self) -> bool {
        self.state == State::OnTrial
    }
}

impl Follower {
    /// Whether the separate sound of the variant is away, so that the picture goes on alone.
    pub fn lacks_sound(&self) -> bool {
        self.sound.state != State::Followed
    }

    /// The separate sound, once its list is there.
    pub(super) fn sound_track(&self) -> Option<&Track> {
        self.audio.as_ref().filter(|audio| audio.has_begun())
    }

    /// The separate sounds on offer with the variant, the best one first.
    fn sounds(&self) -> &[(Url, String)] {
        self.rung().map(|rung| &rung.sounds[..]).unwrap_or_default()
    }

    /// The language of the separate sound; empty where that is not said, `None` where there is no
    /// such sound.
    pub(super) fn language(&self) -> Option<String> {
        self.sounds().get(self.sound.choice).map(|(_, language)| language.clone())
    }

    /// The variant was chosen, and may be `another` than before, with the sounds `before`.
    pub(super) fn settle_sound(
        &mut self,
        now: Moment,
        before: &[(Url, String)],
        another: bool,
        variables: &Variables,
    ) {
        let is_same = self.sounds() == before;
        if !is_same && (another || self.sounds().len() != before.len()) {
            self.sound = Sound::default();
        }
        let sound = self.sounds().get(self.sound.choice).cloned();
        let successor = self.successor(another);
        match (&mut self.audio, sound) {
            // Variants often share their sound: it goes on as it was, or stays away.
            (Some(_), _) if another && is_same => {}
            (None, Some(_)) if matches!(self.sound.state, State::Away(_)) => {}
            (Some(track), Some((url, _))) => {
                track.relocate(url, variables.clone(), now, successor);
                self.forget_list(Rendition::Audio);
            }
            (slot, sound) => {
                *slot = sound.map(|(url, _)| Track::new(url, variables.clone(), now));
                self.forget_sound();
            }
        }
    }

    /// The list of the sound is not to be had; `is_gone` is what servers say of what is not there.
    pub(super) fn handle_sound_loss(&mut self, now: Moment, asked_at: Moment, is_gone: bool) {
        let may_enter = self.main.as_ref().is_some_and(Track::has_begun);
        let Some(track) = &mut self.audio else { return };
        track.polling.failures += 1;
        let has_had = track.has_had();
        // A server that hangs has had its time, and who says that it is gone will not think better.
        let is_final = !has_had && (is_gone || now.since(asked_at) >= QUICK_TIMEOUT);
        if is_final || track.polling.failures >= MAX_FAILURES[usize::from(!has_had)] {
            return self.lose_sound(now);
        }
        if track.polling.failures == 1 {
            track.polling.reload_at = Some(now + QUICK_RETRY);
        } else {
            track.handle_unchanged(asked_at);
        }
        // The entry may name another address by now.
        self.entrance.enters |= is_gone && may_enter;
    }

    /// The sound is not to be had: takes the next one, or goes on without.
    pub(super) fn lose_sound(&mut self, now: Moment) {
        let had_begun = self.has_begun();
        self.counts.sounds_lost += 1;
        self.forget_sound();
        let next = self.sound.choice + 1;
        if next < self.sounds().len() {
            return self.try_sound(now, next);
        }
        self.sound.choice = 0;
        if self.has_alternative(now, Rendition::Audio) && self.leave_variant(now, Rendition::Audio) {
            return;
        }
        self.audio = None;
        self.sound.state = State::Away(now + SOUND_RETRY);
        if !had_begun && self.has_begun() {
            self.fetches.progress_at = now;
        }
    }

    /// Nothing of the sound that was followed is wanted any more.
    pub(super) fn forget_sound(&mut self) {
        self.fetches.retry[Rendition::Audio as usize] = None;
        self.forget_list(Rendition::Audio);
        self.forget_segment(Rendition::Audio);
    }

    /// When sound that is away is asked for again: never, where the variant of now has none.
    pub(super) fn sound_at(&self) -> Option<Moment> {
        match self.sound.state {
            State::Away(at) if matches!(self.phase, Phase::Going) && !self.sounds().is_empty() => Some(at),
            _ => None,
        }
    }

    /// Asks for sound that is away, if it is time.
    pub(super) fn retry_sound(&mut self, now: Moment) {
        if self.sound_at().is_some_and(|at| at <= now) {
            self.try_sound(now, 0);
        }
    }

    /// Follows the sound of this number, without having the picture wait for it once that is on its
    /// way.
    fn try_sound(&mut self, now: Moment, choice: usize) {
        let Some((url, _)) = self.sounds().get(choice).cloned() else { return };
        let variables = self.main.as_ref().map(|track| track.variables.clone()).unwrap_or_default();
        let has_had = self.main.as_ref().is_some_and(Track::has_had);
        let is_on_trial = has_had || self.sound.state != State::Followed;
        self.sound = Sound { choice, state: if is_on_trial { State::OnTrial } else { State::Followed } };
        self.audio = Some(Track::new(url, variables, now));
        self.begin_anew(Rendition::Audio);
        if is_on_trial {
            self.step.keep_picture();
        }
    }

    /// A segment of the sound was had.
    pub(super) fn prove_sound(&mut self) {
        self.sound.state = State::Followed;
    }
}
