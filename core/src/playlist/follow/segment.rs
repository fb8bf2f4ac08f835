//! Which segment is asked for next, and with which address, key and vector.

use std::time::Duration;

use url::Url;

use super::super::model::{Init, Key};
use super::action::{Action, Aes128, Failure, Fetch, FetchInit, Rendition};
use super::speed::MIN_PATIENCE;
use super::token::inherit;
use super::track::Track;
use super::{Follower, InFlight, PAUSE, Phase, SEGMENT_TIMEOUT, UNEVEN};
use crate::time::Moment;

impl Follower {
    pub(super) fn poll_segment(&mut self, now: Moment) -> Option<Action> {
        if self.in_flight.is_some() || self.awaits_variant() || !self.has_begun() {
            return None;
        }
        let rendition = self.turn(now)?;
        // Sound that is behind is fetched on whatever is in store: the picture waits for it.
        let is_behind = rendition == Rendition::Audio;
        if !self.is_hungry && !is_behind {
            return None;
        }
        let patience = self.segment_patience(now);
        let inherited = self.inherits.then(|| self.track(rendition).map(|track| track.url.clone())).flatten();
        let entry = self.entry.clone();
        let (audio, pairing) = (self.language(), self.pairing());
        let counts = &mut self.counts;
        let track = match rendition {
            Rendition::Main => self.main.as_mut()?,
            Rendition::Audio => self.audio.as_mut()?,
        };
        let [least, most] = SEGMENT_TIMEOUT;
        let timeout = track.window().clamp(least, most);
        let idle_timeout = track.target().clamp(least / 2, most);
        let offer = track.offer(counts)?;
        let duration = offer.segment.duration;
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
                self.lose_sound(now);
                return None;
            }
            (Err(reason), _) | (_, Err(reason)) => {
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
            has_seam: offer.has_seam,
            begins_part: offer.segment.is_discontinuity,
            void: self.step.tell(pairing),
            pairing,
            duration: offer.segment.duration,
            timeout,
            idle_timeout,
            pause: PAUSE,
            url,
        };
        let (has_query, inherits) = (offer.segment.url.query().is_some(), fetch.url != offer.segment.url);
        let place = track.next_place();
        self.in_flight = Some(InFlight { rendition, place, duration, patience, inherits, has_query });
        Some(Action::FetchSegment(Box::new(fetch)))
    }

    /// Whose segment comes next: of what is to be tried again, else of what is behind. Where the
    /// sound has nothing, the picture goes on up to where its part ends.
    fn turn(&self, now: Moment) -> Option<Rendition> {
        // What failed is tried again behind the playlist that is on its way: its addresses are
        // fresher.
        let retry = self.retry().map(|retry| {
            let is_early = retry.at > now || self.enters || self.asked.is_some();
            (retry.rendition, is_early)
        });
        match retry {
            Some((Rendition::Main, true)) => return None,
            Some((rendition, false)) => return Some(rendition),
            Some((Rendition::Audio, true)) | None => {}
        }
        let (main, audio) = (self.main.as_ref()?, self.sound_track());
        let Some(audio) = audio.filter(|audio| !audio.is_over()) else { return Some(Rendition::Main) };
        let has_sound = audio.has_next() && retry.is_none();
        let ends_part = self.awaits_part() && !self.step.is_released();
        let is_behind = audio.taken < main.taken && !waits_for_picture(main, audio);
        match (has_sound, ends_part || is_behind) {
            (true, true) => Some(Rendition::Audio),
            (false, true) if ends_part => None,
            _ => Some(Rendition::Main),
        }
    }

    /// Whether the picture's next segment begins another part, and sound of the part before is
    /// still to come.
    pub(super) fn awaits_part(&self) -> bool {
        let (Some(main), Some(audio)) = (&self.main, self.sound_track()) else { return false };
        let tolerance = tolerance(main);
        main.is_at_part()
            && !audio.is_over()
            && !(audio.is_at_part() && audio.taken.abs_diff(main.taken) <= tolerance)
            && audio.taken + UNEVEN < main.taken
            && audio.has_part_near(main.taken, tolerance) != Some(false)
    }

    pub(super) fn tries(&self, rendition: Rendition) -> u32 {
        self.retry().filter(|retry| retry.rendition == rendition).map_or(0, |retry| retry.tries)
    }
}

/// Whether the sound's next segment begins a part that the picture has yet to begin.
fn waits_for_picture(main: &Track, audio: &Track) -> bool {
    let tolerance = tolerance(main);
    let has_crossed = main.last_part_at().is_some_and(|at| at.abs_diff(audio.taken) <= tolerance);
    audio.is_at_part() && !has_crossed && main.has_part_near(audio.taken, tolerance) != Some(false)
}

/// How far apart the same seam may be in both lists: less than the shortest part, which is one
/// segment.
fn tolerance(main: &Track) -> Duration {
    main.target() / 2
}

/// How a segment is encrypted; as the initialisation vector, the media sequence number where none is stated (RFC 8216, 5.2).
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
