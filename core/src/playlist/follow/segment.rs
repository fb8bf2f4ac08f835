//! Which segment is asked for next, and with which address, key and vector.

use std::time::Duration;

use url::Url;

use super::super::model::{Init, Key};
use super::action::{Action, Aes128, Failure, Fetch, FetchInit, Rendition};
use super::speed::MIN_PATIENCE;
use super::token::inherit;
use super::track::Track;
use super::{Follower, InFlight, PAUSE, Phase, SEGMENT_TIMEOUT, UNEVEN};
use crate::remux::Pairing;
use crate::time::Moment;

/// How long the picture waits for a segment of sound that is on its way before the next one of its
/// own is asked for: on a slow link the sound comes first, and what hangs holds nothing up.
const SOUND_PATIENCE: Duration = Duration::from_secs(1);

impl Follower {
    pub(super) fn poll_segment(&mut self, now: Moment) -> Option<Action> {
        if self.awaits_variant() || !self.has_begun() {
            return None;
        }
        // Sound that is behind comes first: the picture waits for it.
        let audio = if self.wants_sound(now) { self.fetch_next(now, Rendition::Audio) } else { None };
        audio.or_else(|| if self.wants_picture(now) { self.fetch_next(now, Rendition::Main) } else { None })
    }

    /// Has the segment of a rendition fetched that comes next, if it is listed.
    fn fetch_next(&mut self, now: Moment, rendition: Rendition) -> Option<Action> {
        let patience = self.segment_patience(now);
        // The query is inherited from the list only where addresses without it were refused.
        let inherited =
            self.entrance.inherits.then(|| self.track(rendition).map(|track| track.url.clone())).flatten();
        let entry = self.entrance.entry.clone();
        let audio = self.language();
        let counts = &mut self.counts;
        let track = match rendition {
            Rendition::Main => self.main.as_mut()?,
            Rendition::Audio => self.audio.as_mut()?,
        };
        let [least, most] = SEGMENT_TIMEOUT;
        // The list says how long the segment is there: to wait longer brings a 404.
        let timeout = track.window().clamp(least, most);
        let idle_timeout = track.target().clamp(least / 2, most);
        let offer = track.offer(counts)?;
        let duration = offer.segment.duration;
        // With a lower variant at hand, a slow segment is given up sooner than it would vanish.
        let patience = patience.map(|times| (duration * times).max(MIN_PATIENCE));
        let timeout = patience.map_or(timeout, |patience| timeout.min(patience));
        let with_query = |url: &Url| match &inherited {
            Some(playlist) => {
                inherit(url, playlist).or_else(|| inherit(url, &entry)).unwrap_or_else(|| url.clone())
            }
            None => url.clone(),
        };
        let locked = |key: Option<&Key>| with_iv(key, offer.sequence, with_query);
        let init = offer.segment.init.as_deref().map(|Init { url, range, key }| {
            Ok(FetchInit { url: with_query(url), range: *range, key: locked(key.as_deref())? })
        });
        let (key, init) = match (locked(offer.segment.key.as_deref()), init.transpose()) {
            (Ok(key), Ok(init)) => (key, init),
            (Err(_), _) | (_, Err(_)) if rendition == Rendition::Audio => {
                // The picture does without sound that cannot be decrypted.
                self.lose_sound(now);
                return None;
            }
            (Err(reason), _) | (_, Err(reason)) => {
                // What follows is encrypted in the same way: to go on would only fetch in vain.
                self.phase = Phase::Over;
                return Some(Action::Fail(Failure::Encrypted(reason)));
            }
        };
        let url = with_query(&offer.segment.url);
        let fetch = Fetch {
            rendition,
            range: offer.segment.range,
            key,
            init,
            audio,
            only_compares: offer.only_compares,
            is_discontinuous: offer.is_discontinuous,
            begins_part: offer.segment.is_discontinuity,
            duration: offer.segment.duration,
            timeout,
            idle_timeout,
            pause: PAUSE,
            url,
        };
        // Noted now, since a refusal is judged when the list has moved on.
        let (has_query, inherits) = (offer.segment.url.query().is_some(), fetch.url != offer.segment.url);
        let position = track.next_position();
        self.fetches.in_flight[rendition as usize] = Some(InFlight {
            asked_at: now,
            is_late: false,
            is_void: false,
            position,
            duration,
            patience,
            inherits,
            has_query,
        });
        Some(Action::FetchSegment(Box::new(fetch)))
    }

    /// Whether the next segment of the picture may be asked for.
    fn wants_picture(&self, now: Moment) -> bool {
        self.appetite.is_hungry
            && self.fetches.in_flight[Rendition::Main as usize].is_none()
            && !self.retries_later(now, Rendition::Main)
            && !self.ends_part()
            && !self.picture_waits()
    }

    /// Whether the next segment of the sound may be asked for. Whatever is in store, it is as long
    /// as it is behind: the picture waits for it.
    fn wants_sound(&self, now: Moment) -> bool {
        let (Some(main), Some(audio)) = (&self.main, self.sound_track()) else { return false };
        let is_free = self.fetches.in_flight[Rendition::Audio as usize].is_none() && !audio.is_over();
        let is_tried_again = self.retry(Rendition::Audio).is_some();
        let is_behind = audio.taken() < self.reach(Rendition::Main) && !waits_for_picture(main, audio);
        is_free
            && audio.has_next()
            && !self.retries_later(now, Rendition::Audio)
            && (is_tried_again || is_behind || self.ends_part())
    }

    /// Whether the next segment of the picture is asked for behind that of the sound only. Both
    /// come at the same time as long as they are in step; and the sound never holds the picture up
    /// that has nothing to come, or whose segment takes long.
    fn picture_waits(&self) -> bool {
        let (Some(main), Some(audio)) = (&self.main, self.sound_track()) else { return false };
        if audio.taken() >= main.taken() || audio.is_over() {
            return false;
        }
        match self.fetches.in_flight[Rendition::Audio as usize] {
            Some(in_flight) if in_flight.is_late || in_flight.is_void => false,
            // In step, both may come at once, unless what comes of the sound still ends before the
            // picture.
            Some(_) if self.pairing() == Pairing::InStep => self.reach(Rendition::Audio) <= main.taken(),
            Some(_) => true,
            // Sound that is listed has just been asked for.
            None => false,
        }
    }

    /// Up to where a rendition has come, with what is on its way.
    fn reach(&self, rendition: Rendition) -> Duration {
        let taken = self.track(rendition).map(Track::taken).unwrap_or_default();
        let coming = self.fetches.in_flight[rendition as usize].filter(|in_flight| !in_flight.is_void);
        taken + coming.map_or(Duration::ZERO, |in_flight| in_flight.duration)
    }

    /// When the segment of the sound that is on its way takes so long that the picture goes on.
    pub(super) fn lateness_at(&self) -> Option<Moment> {
        let in_flight = self.fetches.in_flight[Rendition::Audio as usize]?;
        (!in_flight.is_late).then(|| in_flight.asked_at + SOUND_PATIENCE)
    }

    /// Whether what failed of a rendition is tried again later: behind the playlist that is on its
    /// way, for instance, whose addresses are fresher.
    fn retries_later(&self, now: Moment, rendition: Rendition) -> bool {
        self.retry(rendition).is_some_and(|retry| retry.at > now || self.awaits_list(rendition))
    }

    /// Whether the picture stops in front of another part, until the sound of this one is there.
    fn ends_part(&self) -> bool {
        self.awaits_part() && !self.step.is_released()
    }

    /// Whether the picture's next segment begins another part, and sound of the part before is
    /// still to come.
    pub(super) fn awaits_part(&self) -> bool {
        let (Some(main), Some(audio)) = (&self.main, self.sound_track()) else { return false };
        let tolerance = tolerance(main);
        main.is_at_part()
            && !audio.is_over()
            && !(audio.is_at_part() && audio.taken().abs_diff(main.taken()) <= tolerance)
            && audio.taken() + UNEVEN < main.taken()
            && audio.has_part_near(main.taken(), tolerance) != Some(false)
    }

    pub(super) fn tries(&self, rendition: Rendition) -> u32 {
        self.retry(rendition).map_or(0, |retry| retry.tries)
    }
}

/// Whether the sound's next segment begins a part that the picture has yet to begin.
fn waits_for_picture(main: &Track, audio: &Track) -> bool {
    let tolerance = tolerance(main);
    let has_crossed = main.last_part_at().is_some_and(|at| at.abs_diff(audio.taken()) <= tolerance);
    audio.is_at_part() && !has_crossed && main.has_part_near(audio.taken(), tolerance) != Some(false)
}

/// How far apart the same discontinuity may be in both lists: less than the shortest part, which is
/// one segment.
fn tolerance(main: &Track) -> Duration {
    main.target() / 2
}

/// How a segment is encrypted; as the initialisation vector, the media sequence number where none
/// is stated (RFC 8216, 5.2).
fn with_iv(
    key: Option<&Key>,
    sequence: u64,
    with_query: impl Fn(&Url) -> Url,
) -> Result<Option<Aes128>, String> {
    match key {
        None => Ok(None),
        Some(Key::Aes128 { url, iv }) => {
            let iv = iv.unwrap_or_else(|| u128::from(sequence).to_be_bytes());
            Ok(Some(Aes128 { url: with_query(url), iv }))
        }
        Some(Key::Unusable(reason)) => Err(reason.clone()),
    }
}
