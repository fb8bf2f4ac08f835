//! Follows a playlist: what to fetch next, and when, and what becomes of what goes wrong. A value: news in, actions out.
//!
//! The contract: after each `handle_*`, drain [`Follower::poll_action`]; call [`Follower::handle_timeout`] when the time that
//! [`Follower::poll_timeout`] names has come. At most one playlist and one segment are asked for at a time, and each is answered by
//! [`Follower::handle_playlist`] or [`Follower::handle_segment`]. A separate rendition of sound takes turns with the variant.
//!
//! The policy, where the standard leaves it open or providers leave the standard:
//!
//! - It begins three segments from the end of a list that goes on, and with the first of a complete one.
//! - After a version that brings something it waits for the last segment's duration, or the target duration if that is less; after
//!   another one half of that; never less than [`MIN_RELOAD`].
//! - Media sequence numbers count as long as the segments' names do not contradict them. A list that is a little older comes from another
//!   server of the provider and is passed over. One that is far behind, or older and going on, is a new beginning.
//! - The address to which the entry redirected is asked again, until it is refused. Then, and when nothing new came for half the time
//!   after which a source counts as stalled, it goes back to the entry, which may lead elsewhere or bring a fresh token.
//! - A variant that stays away is left for the next one.
//! - A segment is tried three times, at most a target duration long, and then passed over. One that broke off is not tried again. Where two
//!   in a row stand still and there is nothing in store, the source has stalled.

mod action;
mod news;
mod place;
mod segment;
#[cfg(test)]
mod tests;
mod track;
mod variant;

use std::mem;
use std::time::Duration;

use url::Url;

pub use self::action::{Action, Aes128, Failure, Fetch, FetchInit, Rendition};
pub use self::news::{Answer, Counts, Outcome};

use self::track::Track;
use super::ladder::{Prefer, Rung};
use super::model::{Media, Playlist, Variables};
use crate::time::Moment;

/// The least time from one request for a playlist to the next.
pub const MIN_RELOAD: Duration = Duration::from_millis(500);

/// How many segments from the end it begins (RFC 8216, 6.3.3, in segments of the target duration).
pub const START_BEHIND: u8 = 3;

/// The least time from one request for the entry to the next: its server may count them.
pub const ENTRY_PAUSE: Duration = Duration::from_secs(3);

/// How often a segment is asked for.
pub const MAX_TRIES: u32 = 3;

/// Without a new segment for three times the target duration a source has stalled, and no sooner than this: a short list may be late.
pub const MIN_STALL: Duration = Duration::from_secs(6);

/// Multivariant playlists that may lead to one another.
const MAX_NESTED: u32 = 2;

/// The least pause before a segment is tried again.
const MIN_RETRY: Duration = Duration::from_millis(250);

/// The bounds of the time that one fetch of a playlist may take: its own next version is due then.
const PLAYLIST_TIMEOUT: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(10)];

/// The bounds of the time that one fetch of a segment may take; between them it is as long as the list is: then it is gone.
const SEGMENT_TIMEOUT: [Duration; 2] = [Duration::from_secs(4), Duration::from_mins(1)];

/// How long the body of a segment may stand still: half as long again, and that is as much as a transport stream may by default.
const PAUSE: Duration = Duration::from_secs(2);

/// How to follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The most bits a second that a variant should have.
    pub max_bandwidth: Option<u64>,
    /// Which variant is the best.
    pub prefer: Prefer,
}

/// Which playlist was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Entry,
    Of(Rendition),
}

/// A segment that was asked for.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    rendition: Rendition,
    /// Its place in the list, which may move on past it.
    place: i64,
    /// The query of the playlist was added to its address.
    inherits: bool,
    has_query: bool,
}

/// A segment that is tried again.
#[derive(Debug, Clone, Copy)]
struct Retry {
    rendition: Rendition,
    /// Its place in the list. When the list has moved on past it, there is nothing to try.
    place: i64,
    tries: u32,
    at: Moment,
}

/// How far it has come.
#[derive(Debug)]
enum Phase {
    Going,
    /// It is about to say so.
    Failing(Failure),
    /// Its last action has been given out.
    Over,
}

/// Follows the playlist of one source.
#[derive(Debug)]
pub struct Follower {
    entry: Url,
    options: Options,
    rungs: Vec<Rung>,
    rung: usize,
    /// How deep the multivariant playlist on hand is nested.
    nested: u32,
    main: Option<Track>,
    audio: Option<Track>,
    asked: Option<(Asked, Moment)>,
    in_flight: Option<InFlight>,
    retry: Option<Retry>,
    /// When the entry was asked for last.
    entered_at: Moment,
    /// When the last playlist was asked for.
    polled_at: Moment,
    /// The entry is to be asked for again.
    enters: bool,
    /// Addresses without a query get that of the playlist.
    inherits: bool,
    /// When a segment last came.
    progress_at: Moment,
    /// The status with which a playlist was refused since then.
    refused: Option<u16>,
    /// Whether more is wanted.
    is_hungry: bool,
    phase: Phase,
    counts: Counts,
}

impl Follower {
    /// Follows what is found at `entry`, which has been asked for: its answer is awaited.
    pub fn new(now: Moment, entry: Url, options: Options) -> Self {
        Self {
            entry,
            options,
            rungs: Vec::new(),
            rung: 0,
            nested: 0,
            main: None,
            audio: None,
            asked: Some((Asked::Entry, now)),
            in_flight: None,
            retry: None,
            entered_at: now,
            polled_at: Moment::ZERO,
            enters: false,
            inherits: false,
            progress_at: now,
            refused: None,
            is_hungry: true,
            phase: Phase::Going,
            counts: Counts::default(),
        }
    }

    /// What was seen.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The variant that is played, where there are several.
    pub fn rung(&self) -> Option<&Rung> {
        self.rungs.get(self.rung)
    }

    /// The target duration as stated; zero until there is a playlist.
    pub fn target(&self) -> Duration {
        self.main.as_ref().map(Track::stated_target).unwrap_or_default()
    }

    /// The media sequence number of the segment that comes next.
    pub fn sequence(&self) -> u64 {
        self.main.as_ref().map(Track::next_sequence).unwrap_or_default()
    }

    /// Whether segments of separate sound come besides those of the variant.
    pub fn has_audio(&self) -> bool {
        self.audio.is_some()
    }

    /// Whether there is a list of segments to take from.
    pub fn has_begun(&self) -> bool {
        [&self.main, &self.audio].into_iter().flatten().all(Track::has_begun) && self.main.is_some()
    }

    /// How long nothing new may come until the source has stalled.
    pub fn stall_after(&self) -> Duration {
        self.main.as_ref().map(Track::target).unwrap_or_default().saturating_mul(3).max(MIN_STALL)
    }

    /// How much media may wait for its turn, until no more is fetched: what lies between the beginning and the end of a list.
    pub fn ahead(&self) -> Duration {
        self.main.as_ref().map(Track::target).unwrap_or_default() * u32::from(START_BEHIND)
    }

    /// Whether more segments are wanted. While they are not, nothing stalls.
    pub fn set_hungry(&mut self, now: Moment, is_hungry: bool) {
        if is_hungry && !self.is_hungry {
            self.progress_at = now;
        }
        self.is_hungry = is_hungry;
    }

    /// What became of the playlist that was asked for last.
    pub fn handle_playlist(&mut self, now: Moment, answer: Answer) {
        let Some((asked, asked_at)) = self.asked.take() else { return };
        self.polled_at = asked_at;
        match answer {
            Answer::Playlist { url, playlist, etag } => {
                self.counts.playlists += 1;
                match (playlist, asked) {
                    (Ok(Playlist::Multivariant(list)), _) => self.handle_multivariant(now, asked, &list),
                    (Ok(Playlist::Media(media)), Asked::Entry) => {
                        self.settle(now, url, Variables::default());
                        self.handle_media(now, asked_at, Rendition::Main, &media, etag);
                    }
                    (Ok(Playlist::Media(media)), Asked::Of(rendition)) => {
                        if let Some(track) = self.track_mut(rendition) {
                            track.url = url;
                        }
                        self.handle_media(now, asked_at, rendition, &media, etag);
                    }
                    (Err(error), _) => self.handle_loss(now, asked, asked_at, Failure::Playlist(error)),
                }
            }
            Answer::NotModified => {
                // The entry is asked for without a condition, but servers are odd; then all stays as it is.
                let [main, audio] = [Rendition::Main, Rendition::Audio].map(|of| match asked {
                    Asked::Entry => true,
                    Asked::Of(rendition) => rendition == of,
                });
                for (track, is_meant) in [(&mut self.main, main), (&mut self.audio, audio)] {
                    if let Some(track) = track.as_mut().filter(|_| is_meant) {
                        track.handle_unchanged(asked_at);
                    }
                }
                self.counts.playlists += 1;
                self.counts.unchanged += 1;
            }
            Answer::Refused(status) => {
                if status == 403 && self.inherit_for_playlist(now, asked) {
                    return;
                }
                self.refused = Some(status);
                self.handle_loss(now, asked, asked_at, Failure::Refused(status));
            }
            Answer::Failed => self.handle_loss(now, asked, asked_at, Failure::Unreachable),
        }
    }

    /// What became of the segment that was asked for last.
    pub fn handle_segment(&mut self, now: Moment, outcome: Outcome) {
        let Some(in_flight) = self.in_flight.take() else { return };
        let rendition = in_flight.rendition;
        let is_next = self.track(rendition).is_some_and(|track| track.next_place() == in_flight.place);
        match outcome {
            Outcome::Done | Outcome::Repeated | Outcome::Truncated => {
                self.counts.segments += 1;
                self.counts.truncated += u64::from(outcome == Outcome::Truncated);
                self.counts.repeated += u64::from(outcome == Outcome::Repeated);
                (self.retry, self.refused) = (None, None);
                if outcome != Outcome::Repeated {
                    self.progress_at = now;
                }
                if let Some(track) = self.track_mut(rendition).filter(|_| is_next) {
                    track.take();
                }
            }
            Outcome::Unusable if !self.take_next_variant(now) => self.fail(Failure::Unusable),
            Outcome::Unusable => {}
            Outcome::Stalled => self.fail(Failure::Stalled),
            Outcome::Refused(403) if !in_flight.has_query && !in_flight.inherits && !self.inherits => {
                self.inherits = true;
                self.counts.retries += 1;
                self.try_again(rendition, self.tries(rendition), now);
            }
            Outcome::Refused(_) | Outcome::Failed => {
                if matches!(outcome, Outcome::Refused(401 | 403 | 410)) {
                    // The token may have expired. Asked once more without the query, should it come from elsewhere.
                    (self.enters, self.inherits) = (true, false);
                }
                let tries = self.tries(rendition) + 1;
                if !is_next {
                    self.retry = None;
                } else if tries < MAX_TRIES {
                    self.counts.retries += 1;
                    let pause = self.track(rendition).map(Track::target).unwrap_or_default() / 4;
                    self.try_again(rendition, tries, now + pause.max(MIN_RETRY));
                } else {
                    self.retry = None;
                    self.counts.skipped += 1;
                    if let Some(track) = self.track_mut(rendition) {
                        track.pass();
                    }
                }
            }
        }
    }

    /// The time named by [`Follower::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        let Some(stalls_at) = self.stalls_at() else { return };
        if stalls_at <= now {
            let refused = self.refused.map(Failure::Refused);
            self.fail(refused.unwrap_or(Failure::Stalled));
        } else if self.doubts_at().is_some_and(|at| at <= now) {
            self.enters = true;
        }
    }

    /// When [`Follower::handle_timeout`] is to be called, and [`Follower::poll_action`] after it. Never, when it is over.
    pub fn poll_timeout(&self) -> Option<Moment> {
        if matches!(self.phase, Phase::Over) {
            return None;
        }
        // It waits for a playlist that is on its way, or about to be.
        let is_free = self.in_flight.is_none() && self.is_hungry && !self.enters && self.asked.is_none();
        let retry = self.retry().filter(|_| is_free).map(|retry| retry.at);
        let playlist = if self.asked.is_none() { self.playlist_at() } else { None };
        [retry, playlist, self.stalls_at(), self.doubts_at()].into_iter().flatten().min()
    }

    /// What is to be done next.
    pub fn poll_action(&mut self, now: Moment) -> Option<Action> {
        match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Going => self.phase = Phase::Going,
            Phase::Failing(failure) => return Some(Action::Fail(failure)),
            Phase::Over => return None,
        }
        let action = self.poll_playlist(now).or_else(|| self.poll_segment(now));
        if action.is_none() && self.in_flight.is_none() && self.main.as_ref().is_some_and(Track::is_over) {
            self.phase = Phase::Over;
            return Some(Action::End);
        }
        action
    }

    fn try_again(&mut self, rendition: Rendition, tries: u32, at: Moment) {
        let place = self.track(rendition).map(Track::next_place);
        self.retry = place.map(|place| Retry { rendition, place, tries, at });
    }

    /// What is tried again, as long as it is what comes next.
    fn retry(&self) -> Option<Retry> {
        self.retry.filter(|retry| {
            self.track(retry.rendition).is_some_and(|track| track.next_place() == retry.place)
        })
    }

    fn fail(&mut self, failure: Failure) {
        if matches!(self.phase, Phase::Going) {
            self.phase = Phase::Failing(failure);
        }
    }

    /// When the source has stalled, unless something is on its way.
    fn stalls_at(&self) -> Option<Moment> {
        let is_waiting = self.is_hungry && self.in_flight.is_none() && self.has_begun();
        is_waiting.then(|| self.progress_at + self.stall_after())
    }

    /// When to look at the entry, since nothing new has come for long.
    fn doubts_at(&self) -> Option<Moment> {
        let at = self.stalls_at()? - self.stall_after() / 2;
        (self.entered_at < at && !self.enters).then_some(at)
    }

    /// When the entry is asked for again. What was asked for last may have been at the same address.
    fn entry_at(&self) -> Option<Moment> {
        self.enters.then(|| (self.entered_at + ENTRY_PAUSE).max(self.polled_at + MIN_RELOAD))
    }

    /// When a playlist is asked for next. Until it may be the entry, the one that is known may come back.
    fn playlist_at(&self) -> Option<Moment> {
        let tracks = [&self.main, &self.audio].into_iter().flatten().filter_map(|track| track.reload_at);
        tracks.chain(self.entry_at()).min()
    }

    fn poll_playlist(&mut self, now: Moment) -> Option<Action> {
        if self.asked.is_some() || self.playlist_at()? > now {
            return None;
        }
        let timeout = self.target().clamp(PLAYLIST_TIMEOUT[0], PLAYLIST_TIMEOUT[1]);
        if self.entry_at().is_some_and(|at| at <= now) {
            (self.enters, self.entered_at) = (false, now);
            self.counts.entries += 1;
            self.asked = Some((Asked::Entry, now));
            let (url, inherited) = (self.entry.clone(), Variables::default());
            return Some(Action::FetchPlaylist { url, etag: None, inherited, timeout });
        }
        let due = |track: &Option<Track>| track.as_ref().and_then(|track| track.reload_at);
        let rendition = match (due(&self.main), due(&self.audio)) {
            (Some(main), Some(audio)) if audio < main => Rendition::Audio,
            (None, Some(_)) => Rendition::Audio,
            _ => Rendition::Main,
        };
        let track = self.track(rendition)?;
        let (url, etag, inherited) = (track.url.clone(), track.etag.clone(), track.variables.clone());
        self.asked = Some((Asked::Of(rendition), now));
        Some(Action::FetchPlaylist { url, etag, inherited, timeout })
    }

    fn track(&self, rendition: Rendition) -> Option<&Track> {
        match rendition {
            Rendition::Main => self.main.as_ref(),
            Rendition::Audio => self.audio.as_ref(),
        }
    }

    fn track_mut(&mut self, rendition: Rendition) -> Option<&mut Track> {
        match rendition {
            Rendition::Main => self.main.as_mut(),
            Rendition::Audio => self.audio.as_mut(),
        }
    }

    fn handle_media(
        &mut self,
        now: Moment,
        asked_at: Moment,
        of: Rendition,
        media: &Media,
        etag: Option<String>,
    ) {
        let had_begun = self.has_begun();
        let track = match of {
            Rendition::Main => &mut self.main,
            Rendition::Audio => &mut self.audio,
        };
        let Some(track) = track else { return };
        track.etag = etag;
        track.handle_version(now, asked_at, media, &mut self.counts);
        if !had_begun && self.has_begun() {
            self.progress_at = now;
        }
    }

    /// A playlist is not to be had, or is none.
    fn handle_loss(&mut self, now: Moment, asked: Asked, asked_at: Moment, failure: Failure) {
        let is_gone = match &failure {
            Failure::Refused(status) => matches!(status, 401 | 403 | 404 | 410),
            Failure::Playlist(_) => true,
            _ => false,
        };
        let has_entered = now.since(self.entered_at) < ENTRY_PAUSE;
        match asked {
            // Nobody can say more clearly that there is nothing: what is in store lasts while another source is opened.
            Asked::Entry if matches!(failure, Failure::Refused(401 | 403 | 404 | 410)) => self.fail(failure),
            Asked::Entry if self.has_begun() => {
                self.enters = true;
                // They may be at the same address.
                for track in [&mut self.main, &mut self.audio].into_iter().flatten() {
                    track.handle_unchanged(asked_at);
                }
            }
            Asked::Of(_) if is_gone && has_entered && self.take_next_variant(now) => {}
            Asked::Of(rendition) if self.has_begun() => {
                self.enters |= is_gone;
                if let Some(track) = self.track_mut(rendition) {
                    track.handle_unchanged(asked_at);
                }
            }
            Asked::Entry | Asked::Of(_) => self.fail(failure),
        }
    }
}
