//! How separate sound keeps in step with the picture, by the stamps of what has come.
//!
//! Lists say where they end and not which of their segments belong together: sound may be listed
//! later than its picture, or sooner, and in segments of another length. So both begin at the same
//! distance from the end of their lists, or at the same date where both have dates, and nothing is
//! passed on until the first of both has come.
//! Then the stamps tell:
//!
//! - **Sound that is behind** is fetched on until it has caught up. If less of it is listed than
//!   has to last until its next segment, the picture begins earlier, as far as its list goes back.
//! - **Sound that is ahead** begins earlier, or else the picture later.
//! - From then on the segments of both that belong together are fetched at the same time. Sound
//!   that is behind is fetched before more of the picture, unless it takes long.
//! - **A picture whose sound has not come** is held back as long as there is something in store,
//!   and then for a segment of the sound more: once, since everything is played so much later from
//!   then on. After that it goes on in small steps, and what comes of the sound in time is heard.
//!   Where none does for good, the picture goes back to its sound
//!   ([`late_sound`](super::late_sound)).

use std::time::Duration;

use super::action::{Action, Pair, Rendition};
use super::track::Track;
use super::{Follower, UNEVEN};
use crate::remux::{Extent, Pairing};
use crate::time::{MediaTime, Moment, duration_to_ticks, ticks_to_duration};

/// Stamps that are further apart have nothing to do with each other.
const MAX_LAG: Duration = Duration::from_mins(5);

/// Lists say within this how far sound and picture are apart. Stamps that say more are of different
/// parts (`EXT-X-DISCONTINUITY`): the sound of the picture's part comes later.
const MAX_APART: Duration = Duration::from_secs(30);

/// Sound that begins later than its picture by less is as good as in step.
const TOLERANCE: Duration = Duration::from_millis(500);

/// How much longer than it plays the next segment of sound may take to be seen in its list, and to
/// come.
const LATE: Duration = Duration::from_secs(2);

/// The longest that a picture waits for its sound with nothing in store: a source that stands still
/// for [`MIN_STALL`](super::MIN_STALL) is given up.
const MAX_WAIT: Duration = Duration::from_secs(4);

/// The same before anything was passed on: viewers are given up after ten seconds by default.
pub(super) const MAX_START_WAIT: Duration = Duration::from_secs(7);

/// How much of the picture goes on at a time without its sound: so little that sound which comes
/// back is heard soon.
const STEP: Duration = Duration::from_secs(1);

/// How often it is looked whether something is in store while a picture waits.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// What is known of both renditions together.
#[derive(Debug, Default)]
pub(super) struct Step {
    phase: Phase,
    /// What has come of the picture and of the sound.
    extents: [Option<Extent>; 2],
    /// Up to where both were passed on.
    passed: Option<MediaTime>,
    /// What the remuxer was told last.
    told: Option<Pairing>,
    /// What is held back of the picture, and of the sound, is void, and the remuxer is to be told.
    void: [bool; 2],
    /// Since when nothing is in store.
    dry_since: Option<Moment>,
    /// When that was looked at.
    looked_at: Moment,
    /// The picture goes on without sound, which has been waited for.
    is_released: bool,
}

/// How far it is known where both begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first segments are compared.
    Start {
        /// Since when there is one of the picture.
        since: Option<Moment>,
        /// Where each begins has been changed.
        has_moved: [bool; 2],
    },
    Going,
}

impl Default for Phase {
    fn default() -> Self {
        Self::Start { since: None, has_moved: [false; 2] }
    }
}

impl Step {
    /// The picture goes on without its sound, which has been waited for.
    pub(super) fn is_released(&self) -> bool {
        self.is_released
    }

    /// The picture has gone on without sound: it stays where it is.
    pub(super) fn keep_picture(&mut self) {
        self.phase = Phase::Going;
    }

    /// Both begin elsewhere, the picture as it was decided, and it is compared again how they fit
    /// together.
    pub(super) fn start_again(&mut self) {
        self.phase = Phase::Start { since: None, has_moved: [true, false] };
        (self.dry_since, self.is_released) = (None, false);
    }

    /// What was held back of a rendition is void.
    fn begin_anew(&mut self, rendition: Rendition) {
        // Stamps of what is void would be compared with those of what comes instead.
        self.void[rendition as usize] = true;
        self.extents[rendition as usize] = None;
        self.passed = None;
    }

    /// By how much the sound is behind the picture, in ticks; `None` while one is missing.
    fn lag(&self) -> Option<i64> {
        let [main, audio] = self.extents;
        Some(main?.end.ticks() - audio?.end.ticks())
    }

    /// Whether pictures wait for their sound.
    fn holds_pictures(&self) -> bool {
        self.extents[0].is_some() && self.lag().is_none_or(|lag| lag > duration_to_ticks(UNEVEN))
    }
}

impl Follower {
    /// What has come of the picture and of the separate sound on the timeline that they share, and
    /// up to where that was `passed` on. To be told before [`Follower::handle_segment`].
    pub fn handle_extents(&mut self, extents: [Option<Extent>; 2], passed: Option<MediaTime>) {
        // What was passed on before the new beginning says nothing of it.
        self.step.passed = passed.filter(|_| self.step.void == [false; 2]);
        for ((known, new), is_void) in self.step.extents.iter_mut().zip(extents).zip(self.step.void) {
            // The remuxer may still report what it is about to drop.
            *known = new.filter(|_| !is_void);
        }
    }

    /// Whether all that was fetched has been taken. To be told before [`Follower::poll_action`].
    pub fn set_dry(&mut self, now: Moment, is_dry: bool) {
        self.step.looked_at = now;
        self.step.dry_since = is_dry.then(|| self.step.dry_since.unwrap_or(now));
    }

    /// Whether first segments have come, and it is not known yet how they fit together.
    pub fn holds_start(&self) -> bool {
        self.start_ends_at().is_some()
    }

    /// How pictures and separate sound go together now.
    pub(super) fn pairing(&self) -> Pairing {
        if self.sound_track().is_none() || self.sound.is_on_trial() {
            Pairing::PictureAlone
        } else if self.step.phase == Phase::Going {
            Pairing::InStep
        } else {
            Pairing::Unknown
        }
    }

    /// Both lists are there: nothing of them has been taken, or nothing of the sound. Lets them
    /// begin at the same distance from their ends, and no nearer than each would by itself.
    pub(super) fn begin_together(&mut self) {
        let (Some(main), Some(audio)) = (&mut self.main, &mut self.audio) else { return };
        if !main.has_begun() || !audio.has_begun() {
            return;
        }
        if main.is_ended() {
            // Sound of a film stands at the same media time, however long its segments are.
            audio.begin_after(main.passed());
        } else {
            // What was played when the source was open last is not played again.
            if !main.has_had() && self.variants.memory.played.is_none() {
                main.begin_behind(main.ahead().max(audio.ahead()));
            }
            // The list that came first would have as much more by now.
            audio.begin_behind(main.ahead() + audio.age_since(main));
            if let Some(date) = main.next_date() {
                audio.begin_at(date);
            }
        }
        audio.set_taken(main.taken());
    }

    /// A segment has come: measures how far the sound is behind the picture.
    pub(super) fn compare(&mut self, now: Moment, rendition: Rendition) {
        if let (Phase::Start { since, .. }, [Some(_), _]) = (&mut self.step.phase, self.step.extents) {
            since.get_or_insert(now);
        }
        let (Some(main), Some(audio), Some(lag)) = (&self.main, &mut self.audio, self.step.lag()) else {
            return;
        };
        // Clocks of their own: there is nothing to align, and the picture plays on.
        if lag.unsigned_abs() > duration_to_ticks(MAX_LAG).unsigned_abs() {
            self.step.phase = Phase::Going;
            return;
        }
        let distance = ticks_to_duration(lag.abs());
        let is_starting = matches!(self.step.phase, Phase::Start { .. });
        if is_starting && distance > MAX_APART && (audio.lists_part() || main.lists_part()) {
            return;
        }
        // The stamps are exact, and durations in lists are rounded: the lists are corrected by
        // them.
        audio.set_taken(if lag > 0 {
            main.taken().saturating_sub(distance)
        } else {
            main.taken() + distance
        });
        // Sound that has caught up gets the usual patience when it is late the next time.
        self.step.is_released &= self.step.holds_pictures();
        if let Phase::Start { has_moved, .. } = self.step.phase {
            self.begin_in_step(has_moved);
        } else if let (Rendition::Audio, [Some(picture), Some(sound)], Some(passed)) =
            (rendition, self.step.extents, self.step.passed)
        {
            self.handle_late_sound(now, [picture, sound], passed);
        }
    }

    /// Judges by the first segments whether both begin together, and else has one of them begin
    /// elsewhere: each once.
    fn begin_in_step(&mut self, [picture_moved, sound_moved]: [bool; 2]) {
        let (Some(main), Some(audio)) = (&mut self.main, &mut self.audio) else { return };
        let [Some(picture), Some(sound)] = self.step.extents else { return };
        // Each is moved at most once, or two odd lists would move each other for ever.
        let silence = sound.begin.since(picture.begin);
        if silence > TOLERANCE {
            if !sound_moved && audio.rewind(sound.end.since(picture.begin), sound.duration()) {
                return self.move_begin(Rendition::Audio);
            }
            if !picture_moved && main.forward(silence, picture.duration()) {
                return self.move_begin(Rendition::Main);
            }
        }
        let is_behind = sound.end < picture.begin;
        // More sound is listed: it will catch up by being fetched.
        if is_behind && audio.has_next() {
            return;
        }
        let listed = sound.end.shifted(duration_to_ticks(audio.ahead()));
        let latest = listed.shifted(-duration_to_ticks(next_after(audio)));
        // To fetch the picture again takes time, too.
        let lasts = listed.since(picture.begin);
        if !picture_moved
            && lasts < audio.target() + LATE / 2
            && main.rewind(picture.end.since(latest), picture.duration())
        {
            return self.move_begin(Rendition::Main);
        }
        if !is_behind {
            self.step.phase = Phase::Going;
        }
    }

    /// What came of a rendition is void, and what is on its way: it comes from elsewhere from now
    /// on.
    pub(super) fn begin_anew(&mut self, rendition: Rendition) {
        self.step.begin_anew(rendition);
        self.forget_segment(rendition);
    }

    /// The picture, or the sound, begins elsewhere.
    fn move_begin(&mut self, rendition: Rendition) {
        self.begin_anew(rendition);
        if let Phase::Start { has_moved, .. } = &mut self.step.phase {
            has_moved[rendition as usize] = true;
        }
    }

    /// What the remuxer is to be told.
    pub(super) fn poll_pairing(&mut self, now: Moment) -> Option<Action> {
        if !self.has_paired() {
            return None;
        }
        // Even without any sound, viewers get a picture in time.
        if self.start_ends_at().is_some_and(|at| at <= now) {
            (self.step.phase, self.step.is_released) = (Phase::Going, true);
        }
        let pairing = self.pairing();
        let mut least = Duration::ZERO;
        if self.release_at().is_some_and(|at| at <= now) {
            // Whether there is something in store is looked at anew.
            (self.step.is_released, self.step.dry_since) = (true, None);
            least = STEP;
        }
        let void = std::mem::take(&mut self.step.void);
        let is_new = self.step.told.replace(pairing) != Some(pairing);
        let has_news = is_new || void.contains(&true) || !least.is_zero();
        has_news.then_some(Action::Pair(Pair { pairing, void, least }))
    }

    /// Whether there is separate sound, if only on offer, or was.
    fn has_paired(&self) -> bool {
        self.step.told.is_some() || self.language().is_some()
    }

    /// When [`Follower::poll_pairing`] may have something.
    pub(super) fn pairing_at(&self) -> Option<Moment> {
        if !self.has_paired() {
            return None;
        }
        let looks = self.waits_for_sound() || self.holds_start();
        let look = looks.then(|| self.step.looked_at + CHECK_INTERVAL);
        [self.start_ends_at(), look].into_iter().flatten().min()
    }

    /// When the picture has waited for the first sound for long enough.
    fn start_ends_at(&self) -> Option<Moment> {
        let Phase::Start { since, .. } = self.step.phase else { return None };
        let audio = self.audio.as_ref().filter(|_| self.pairing() == Pairing::Unknown)?;
        let behind = match self.step.extents {
            [Some(picture), Some(sound)] => picture.begin.since(sound.end),
            _ => Duration::ZERO,
        };
        Some(since? + (behind + next_after(audio)).min(MAX_START_WAIT))
    }

    /// When the picture goes on without its sound.
    fn release_at(&self) -> Option<Moment> {
        let since = self.step.dry_since.filter(|_| self.waits_for_sound())?;
        let audio = self.audio.as_ref()?;
        let coming = self.fetches.in_flight[Rendition::Audio as usize];
        // Longer than it plays.
        let is_overdue = coming.is_some_and(|it| it.asked_at + it.duration <= self.step.looked_at);
        // What has failed once is not waited for with nothing in store.
        let fails =
            audio.lost() > 0 || audio.polling.failures > 0 || self.tries(Rendition::Audio) > 0 || is_overdue;
        let wait = if self.step.is_released || fails { Duration::ZERO } else { next_after(audio) };
        Some(since + wait.min(MAX_WAIT))
    }

    /// Whether the picture waits for its sound, which is known to come.
    fn waits_for_sound(&self) -> bool {
        let is_held = self.step.holds_pictures() || self.awaits_part();
        self.pairing() == Pairing::InStep && is_held
    }

    /// Whether the list of the sound is asked for more often, since the picture waits for it.
    pub(super) fn hurries_sound(&self) -> bool {
        self.sound_track().is_some_and(|audio| {
            !audio.has_next() && self.main.as_ref().is_some_and(|main| audio.taken() < main.taken())
        })
    }
}

/// The longest time until there is another segment of sound that goes on.
pub(super) fn next_after(audio: &Track) -> Duration {
    audio.target() + LATE
}
