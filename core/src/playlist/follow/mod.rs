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
//! - A segment is tried three times, at most a target duration long, and then passed over. One that broke off is not tried again.

mod place;
#[cfg(test)]
mod tests;
mod track;

use std::time::Duration;

use url::Url;

use self::track::Track;
use super::ladder::{Rung, ladder};
use super::model::{Init, Key, Media, Multivariant, Playlist, Range, Variables};
use super::parse::{self, parse};
use crate::time::Moment;

/// The least time from one request for a playlist to the next.
pub const MIN_RELOAD: Duration = Duration::from_millis(500);

/// How many segments from the end it begins (RFC 8216, 6.3.3, in segments of the target duration).
pub const START_BEHIND: usize = 3;

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

/// How to follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The most bits a second that a variant should have.
    pub max_bandwidth: Option<u64>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Fetch a playlist.
    FetchPlaylist {
        /// Its address.
        url: Url,
        /// The version that is on hand, for a conditional request.
        etag: Option<String>,
        /// How long it may take.
        timeout: Duration,
    },
    /// Fetch a segment.
    FetchSegment(Box<Fetch>),
    /// The list was complete, and all of it was taken.
    End,
    /// Give up.
    Fail(Failure),
}

/// A segment to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Whether it is of the variant or of its separate sound.
    pub rendition: Rendition,
    /// Where it is.
    pub url: Url,
    /// Which bytes of it.
    pub range: Option<Range>,
    /// The address of its key, and the initialisation vector.
    pub key: Option<(Url, [u8; 16])>,
    /// What must stand in front of it, with the address of its key if it has one.
    pub init: Option<(Init, Option<(Url, [u8; 16])>)>,
    /// The language of the separate sound, or nothing where that is not said; `None` where there is none.
    pub audio: Option<String>,
    /// It does not follow what was fetched before.
    pub has_seam: bool,
    /// How long it plays.
    pub duration: Duration,
    /// How long fetching it may take.
    pub timeout: Duration,
    /// How long fetching it may stand still.
    pub idle_timeout: Duration,
}

/// Which of two playlists something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendition {
    /// The variant.
    Main,
    /// Its separate sound.
    Audio,
}

/// What a request for a playlist came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'a> {
    /// A body.
    Body {
        /// Where it came from in the end.
        url: Url,
        /// The body, as it came.
        body: &'a [u8],
        /// Its version.
        etag: Option<String>,
    },
    /// It is still what it was (HTTP 304).
    NotModified,
    /// Another HTTP status.
    Refused(u16),
    /// No answer.
    Failed,
}

/// What a request for a segment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it has come.
    Done,
    /// All of it has come, and it is the same media as the one before.
    Repeated,
    /// Some of it has come, and has been passed on.
    Truncated,
    /// An HTTP status that is no success, of the segment, its key or what must stand in front of it. Nothing was passed on.
    Refused(u16),
    /// No answer, or one of no use. Nothing was passed on.
    Failed,
    /// It is of a kind that cannot be passed on, and so will be the next.
    Unusable,
}

/// Why it was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// What came is not to be played.
    Playlist(parse::Error),
    /// No variant is of a kind that can be carried.
    NoVariant,
    /// The segments are encrypted with what is not to be had; what it is, in words.
    Encrypted(String),
    /// The playlist was refused with this HTTP status for as long as patience goes, or when it was first asked for.
    Refused(u16),
    /// The playlist could not be fetched when it was first asked for.
    Unreachable,
    /// The segments are of a kind that cannot be passed on.
    Unusable,
    /// Nothing new came in time.
    Stalled,
}

/// What was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Versions of playlists that came.
    pub playlists: u64,
    /// Of these, versions that brought nothing new.
    pub unchanged: u64,
    /// Versions that were older than the one on hand.
    pub older: u64,
    /// Lists that began anew, with other numbers or names.
    pub restarts: u64,
    /// Versions whose media sequence numbers contradicted their segments.
    pub renumbered: u64,
    /// Times that a list had moved on past what was to be fetched next.
    pub ran_past: u64,
    /// Segments marked as missing.
    pub gaps: u64,
    /// Segments that only repeated the one before them, by their address or by their bytes.
    pub repeated: u64,
    /// Segments that were fetched.
    pub segments: u64,
    /// Segments that were asked for again.
    pub retries: u64,
    /// Segments that were passed over, since they were not to be had.
    pub skipped: u64,
    /// Segments that broke off.
    pub truncated: u64,
    /// Times that it went back to the entry.
    pub entries: u64,
    /// Variants that were left for another.
    pub variants_left: u64,
    /// Lines and numbers of playlists that were worked around.
    pub faults: u64,
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
    /// The query of the playlist was added to its address.
    inherits: bool,
    has_query: bool,
}

/// A segment that is tried again.
#[derive(Debug, Clone, Copy)]
struct Retry {
    rendition: Rendition,
    tries: u32,
    at: Moment,
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
    is_over: bool,
    failure: Option<Failure>,
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
            is_over: false,
            failure: None,
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
        self.main.as_ref().map(Track::target).unwrap_or_default() * START_BEHIND as u32
    }

    /// Whether more segments are wanted. While they are not, nothing stalls.
    pub fn set_hungry(&mut self, now: Moment, is_hungry: bool) {
        if is_hungry && !self.is_hungry {
            self.progress_at = now;
        }
        self.is_hungry = is_hungry;
    }

    /// What became of the playlist that was asked for last.
    pub fn handle_playlist(&mut self, now: Moment, answer: Answer<'_>) {
        let Some((asked, asked_at)) = self.asked.take() else { return };
        self.polled_at = asked_at;
        match answer {
            Answer::Body { url, body, etag } => {
                self.counts.playlists += 1;
                let inherited = match asked {
                    Asked::Entry => Variables::default(),
                    Asked::Of(rendition) => {
                        self.track(rendition).map(|track| track.variables.clone()).unwrap_or_default()
                    }
                };
                match (parse(body, &url, &inherited), asked) {
                    (Ok(Playlist::Multivariant(list)), _) => self.handle_multivariant(now, asked, &list),
                    (Ok(Playlist::Media(media)), Asked::Entry) => {
                        self.settle(now, url, Variables::default());
                        self.handle_media(now, asked_at, Rendition::Main, media, etag);
                    }
                    (Ok(Playlist::Media(media)), Asked::Of(rendition)) => {
                        if let Some(track) = self.track_mut(rendition) {
                            track.url = url;
                        }
                        self.handle_media(now, asked_at, rendition, media, etag);
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
        match outcome {
            Outcome::Done | Outcome::Repeated | Outcome::Truncated => {
                self.counts.segments += 1;
                self.counts.truncated += u64::from(outcome == Outcome::Truncated);
                self.counts.repeated += u64::from(outcome == Outcome::Repeated);
                (self.retry, self.refused) = (None, None);
                if outcome != Outcome::Repeated {
                    self.progress_at = now;
                }
                if let Some(track) = self.track_mut(rendition) {
                    track.take();
                }
            }
            Outcome::Unusable if !self.take_next_variant(now) => self.failure = Some(Failure::Unusable),
            Outcome::Unusable => {}
            Outcome::Refused(403) if !in_flight.has_query && !in_flight.inherits && !self.inherits => {
                self.inherits = true;
                self.counts.retries += 1;
                self.retry = Some(Retry { rendition, tries: self.tries(rendition), at: now });
            }
            Outcome::Refused(_) | Outcome::Failed => {
                if matches!(outcome, Outcome::Refused(401 | 403 | 410)) {
                    // The token may have expired. Asked once more without the query, should it come from elsewhere.
                    (self.enters, self.inherits) = (true, false);
                }
                let tries = self.tries(rendition) + 1;
                if tries < MAX_TRIES {
                    self.counts.retries += 1;
                    let pause = self.track(rendition).map(Track::target).unwrap_or_default() / 4;
                    self.retry = Some(Retry { rendition, tries, at: now + pause.max(MIN_RETRY) });
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
            self.failure.get_or_insert_with(|| refused.unwrap_or(Failure::Stalled));
        } else if self.doubts_at().is_some_and(|at| at <= now) {
            self.enters = true;
        }
    }

    /// When [`Follower::handle_timeout`] is to be called, and [`Follower::poll_action`] after it.
    pub fn poll_timeout(&self) -> Option<Moment> {
        // It waits for a playlist that is on its way, or about to be.
        let is_free = self.in_flight.is_none() && self.is_hungry && !self.enters && self.asked.is_none();
        let retry = self.retry.filter(|_| is_free).map(|retry| retry.at);
        let playlist = if self.asked.is_none() { self.playlist_at() } else { None };
        [retry, playlist, self.stalls_at(), self.doubts_at()].into_iter().flatten().min()
    }

    /// What is to be done next.
    pub fn poll_action(&mut self, now: Moment) -> Option<Action> {
        if self.is_over {
            return None;
        }
        if let Some(failure) = self.failure.take() {
            self.is_over = true;
            return Some(Action::Fail(failure));
        }
        let action = self.poll_playlist(now).or_else(|| self.poll_segment(now));
        if action.is_none() && self.in_flight.is_none() && self.main.as_ref().is_some_and(Track::is_over) {
            self.is_over = true;
            return Some(Action::End);
        }
        action
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
            return Some(Action::FetchPlaylist { url: self.entry.clone(), etag: None, timeout });
        }
        let due = |track: &Option<Track>| track.as_ref().and_then(|track| track.reload_at);
        let rendition = match (due(&self.main), due(&self.audio)) {
            (Some(main), Some(audio)) if audio < main => Rendition::Audio,
            (None, Some(_)) => Rendition::Audio,
            _ => Rendition::Main,
        };
        let track = self.track(rendition)?;
        let (url, etag) = (track.url.clone(), track.etag.clone());
        self.asked = Some((Asked::Of(rendition), now));
        Some(Action::FetchPlaylist { url, etag, timeout })
    }

    fn poll_segment(&mut self, now: Moment) -> Option<Action> {
        // What failed is tried again behind the playlist that is on its way: its addresses are fresher.
        let is_early = self.retry.is_some_and(|retry| retry.at > now || self.enters || self.asked.is_some());
        if self.in_flight.is_some() || !self.is_hungry || is_early || !self.has_begun() {
            return None;
        }
        let rendition = self.turn()?;
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
        let with_query = |url: &Url| match &inherited {
            Some(playlist) => {
                inherit(url, playlist).or_else(|| inherit(url, &entry)).unwrap_or_else(|| url.clone())
            }
            None => url.clone(),
        };
        let key = match with_iv(offer.segment.key.as_deref(), offer.sequence, with_query) {
            Ok(key) => key,
            Err(reason) => return self.fail(Failure::Encrypted(reason)),
        };
        let init = offer.segment.init.as_deref().map(|init| {
            let key = with_iv(init.key.as_deref(), offer.sequence, with_query);
            key.map(|key| (Init { url: with_query(&init.url), ..init.clone() }, key))
        });
        let init = match init.transpose() {
            Ok(init) => init,
            Err(reason) => return self.fail(Failure::Encrypted(reason)),
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
            url,
        };
        let has_query = offer.segment.url.query().is_some();
        self.in_flight = Some(InFlight { rendition, inherits: fetch.url != offer.segment.url, has_query });
        Some(Action::FetchSegment(Box::new(fetch)))
    }

    fn fail(&mut self, failure: Failure) -> Option<Action> {
        self.is_over = true;
        Some(Action::Fail(failure))
    }

    /// Whose segment comes next: of what is to be tried again, else of what has been taken less of. Where that one has nothing, the other
    /// waits for it, so that sound and picture stay together.
    fn turn(&self) -> Option<Rendition> {
        if let Some(retry) = self.retry {
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

    fn tries(&self, rendition: Rendition) -> u32 {
        self.retry.filter(|retry| retry.rendition == rendition).map_or(0, |retry| retry.tries)
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

    fn handle_multivariant(&mut self, now: Moment, asked: Asked, list: &Multivariant) {
        self.nested = if asked == Asked::Entry { 1 } else { self.nested + 1 };
        let rungs = ladder(list, self.options.max_bandwidth).filter(|_| self.nested <= MAX_NESTED);
        let Some(rungs) = rungs else {
            self.failure = Some(Failure::NoVariant);
            return;
        };
        // Back at the entry, the variant is the one that it was, if it is still offered.
        let same = self.rung().and_then(|before| {
            rungs.iter().position(|rung| {
                let (before, rung) = (&before.variant, &rung.variant);
                (before.bandwidth, &before.codecs, before.resolution)
                    == (rung.bandwidth, &rung.codecs, rung.resolution)
            })
        });
        self.rungs = rungs;
        self.climb(now, same.unwrap_or(0), same.is_none(), &list.variables);
    }

    /// Takes the variant at `rung`; it may be `another` than the one that was followed.
    fn climb(&mut self, now: Moment, rung: usize, another: bool, variables: &Variables) {
        self.rung = rung;
        let Some(Rung { variant, audio }) = self.rungs.get(rung).cloned() else { return };
        self.settle_with(now, variant.url, variables.clone(), another);
        match (&mut self.audio, audio) {
            (Some(track), Some((url, _))) => track.relocate(url, variables.clone(), now, another),
            (slot, audio) => *slot = audio.map(|(url, _)| Track::new(url, variables.clone(), now)),
        }
    }

    fn settle(&mut self, now: Moment, url: Url, variables: Variables) {
        self.audio = None;
        self.rungs.clear();
        self.settle_with(now, url, variables, false);
    }

    fn settle_with(&mut self, now: Moment, url: Url, variables: Variables, another: bool) {
        match &mut self.main {
            Some(track) => track.relocate(url, variables, now, another),
            None => self.main = Some(Track::new(url, variables, now)),
        }
    }

    fn handle_media(
        &mut self,
        now: Moment,
        asked_at: Moment,
        of: Rendition,
        media: Media,
        etag: Option<String>,
    ) {
        let had_begun = self.has_begun();
        let track = match of {
            Rendition::Main => &mut self.main,
            Rendition::Audio => &mut self.audio,
        };
        let Some(track) = track else { return };
        track.etag = etag;
        track.handle_version(now, asked_at, &media, &mut self.counts);
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
            Asked::Entry | Asked::Of(_) => self.failure = Some(failure),
        }
    }

    /// Leaves the variant for the next one, if there is one.
    fn take_next_variant(&mut self, now: Moment) -> bool {
        let next = self.rung + 1;
        if next >= self.rungs.len() {
            return false;
        }
        self.counts.variants_left += 1;
        let variables = self.main.as_ref().map(|track| track.variables.clone()).unwrap_or_default();
        self.climb(now, next, true, &variables);
        true
    }

    /// After a 403, has the playlist asked for again with the query of the entry, if that was not tried yet.
    fn inherit_for_playlist(&mut self, now: Moment, asked: Asked) -> bool {
        let entry = self.entry.clone();
        let Asked::Of(rendition) = asked else { return false };
        let Some(track) = self.track_mut(rendition) else { return false };
        let Some(url) = inherit(&track.url, &entry) else { return false };
        (track.url, track.reload_at) = (url, Some(now));
        true
    }
}

/// `url` with the query of `from`, where it has none itself and is on the same host: a token is nobody else's business.
fn inherit(url: &Url, from: &Url) -> Option<Url> {
    let fits = url.query().is_none() && from.query().is_some() && url.host() == from.host();
    fits.then(|| {
        let mut url = url.clone();
        url.set_query(from.query());
        url
    })
}

/// The address of a key and the initialisation vector of a segment: the media sequence number where none is stated (RFC 8216, 5.2).
fn with_iv(
    key: Option<&Key>,
    sequence: u64,
    with_query: impl Fn(&Url) -> Url,
) -> Result<Option<(Url, [u8; 16])>, String> {
    match key {
        None => Ok(None),
        Some(Key::Aes128 { url, iv }) => {
            Ok(Some((with_query(url), iv.unwrap_or_else(|| u128::from(sequence).to_be_bytes()))))
        }
        Some(Key::Unusable(reason)) => Err(reason.clone()),
    }
}
