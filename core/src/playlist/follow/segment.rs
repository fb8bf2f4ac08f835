//! Which segment is asked for next, and with which address, key and vector.

use url::Url;

use super::super::model::{Init, Key};
use super::action::{Action, Aes128, Failure, Fetch, FetchInit, Rendition};
use super::speed::MIN_PATIENCE;
use super::{Follower, InFlight, PAUSE, Phase, SEGMENT_TIMEOUT};
use crate::time::Moment;

impl Follower {
    pub(super) fn poll_segment(&mut self, now: Moment) -> Option<Action> {
        // What failed is tried again behind the playlist that is on its way: its addresses are fresher.
        let is_early =
            self.retry().is_some_and(|retry| retry.at > now || self.enters || self.asked.is_some());
        let is_busy = self.in_flight.is_some() || self.awaits_variant();
        if is_busy || !self.is_hungry || is_early || !self.has_begun() {
            return None;
        }
        let rendition = self.turn()?;
        let patience = self.segment_patience(now);
        let inherited = self.inherits.then(|| self.track(rendition).map(|track| track.url.clone())).flatten();
        let entry = self.entry.clone();
        let audio = self.audio.is_some().then(|| {
            let of_rung = self.rung().and_then(|rung| rung.audio.as_ref());
            of_rung.map(|(_, language)| language.clone()).unwrap_or_default()
        });
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

    /// Whose segment comes next: of what is to be tried again, else of what has been taken less of. Where that one has nothing, the other
    /// waits for it, so that sound and picture stay together.
    fn turn(&self) -> Option<Rendition> {
        if let Some(retry) = self.retry() {
            return Some(retry.rendition);
        }
        match (&self.main, &self.audio) {
            (Some(main), Some(audio)) if audio.taken < main.taken && !audio.is_over() => {
                Some(Rendition::Audio)
            }
            (Some(_), _) => Some(Rendition::Main),
            (None, _) => None,
        }
    }

    pub(super) fn tries(&self, rendition: Rendition) -> u32 {
        self.retry().filter(|retry| retry.rendition == rendition).map_or(0, |retry| retry.tries)
    }
}

/// `url` with the query of `from`, where it has none itself and is on the same host: a token is nobody else's business.
pub(super) fn inherit(url: &Url, from: &Url) -> Option<Url> {
    let fits = url.query().is_none() && from.query().is_some() && url.host() == from.host();
    fits.then(|| {
        let mut url = url.clone();
        url.set_query(from.query());
        url
    })
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
