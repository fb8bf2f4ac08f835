//! Follows a playlist: what to fetch next, and when, and what becomes of what goes wrong. A value:
//! inputs in, actions out.
//!
//! The contract: after each `handle_*`, drain [`Follower::poll_action`]; call
//! [`Follower::handle_timeout`] when the time that [`Follower::poll_timeout`] names has come. Of
//! the variant, and of its separate sound, at most one playlist and one segment are asked for at a
//! time, and each is answered by [`Follower::handle_playlist`] or [`Follower::handle_segment`].
//!
//! The policy, where the standard leaves it open or providers leave the standard:
//!
//! - It begins three segments from the end of a list that goes on, or [`MIN_STALL`] from it if
//!   another source would be gone to when nothing came for as long; and with the first of a
//!   complete one.
//! - After a version that brings something it waits for the last segment's duration, or the target
//!   duration if that is less; after another one half of that; never less than [`MIN_RELOAD`].
//! - Media sequence numbers count as long as the segments' names do not contradict them. A list
//!   that is a little older comes from another server of the provider and is passed over. One that
//!   is far behind, or older and going on, is a new beginning.
//! - The address to which the entry redirected is asked again, until it is refused. Then, and when
//!   nothing new came for half of [`STALL_TARGETS`], it goes back to the entry, which may lead
//!   elsewhere or bring a fresh token.
//! - An entry may get another address ([`Follower::renew`]). What is found there is the same media,
//!   and where it goes on is found out by comparing segments (`track/session`).
//! - A variant that stays away is left for the next one. Separate sound that does never takes the
//!   picture with it.
//! - Without a new segment for [`STALL_TARGETS`] target durations ([`LONE_STALL_TARGETS`] of an
//!   only source), or for longer than any interval at which the list has grown so far, the source
//!   has stalled. Where another source is active, it then begins as far from the end as that
//!   interval is long.
//! - A complete list that is opened again goes on behind what was played; where nothing is left of
//!   it, it is played again only if it was complete at first and no other source is active.
//! - A segment is tried three times, at most a target duration long, and then passed over. One that
//!   broke off is not tried again. Where two in a row stand still and there is nothing in store,
//!   the source has stalled.

mod action;
mod alignment;
mod input;
mod late_sound;
mod memory;
mod outcome;
mod pairing;
mod parts;
mod playlist;
mod segment;
mod sound;
mod speed;
#[cfg(test)]
mod tests;
mod token;
mod track;
mod variant;

use std::mem;
use std::time::Duration;

use url::Url;

pub use self::action::{Action, Aes128, Failure, Fetch, FetchInit, Pair, Rendition};
pub use self::input::{Answer, Counts, Outcome};
pub use self::memory::{LadderMemory, Left, MAX_AVOIDED, MIN_AVOIDED};
pub use self::outcome::MAX_TRIES;
pub use self::sound::SOUND_RETRY;
pub use self::speed::Transfer;
pub use self::variant::{QUICK_RETRY, ROUND_PAUSE};

use self::late_sound::LateSound;
use self::pairing::Step;
use self::parts::{Appetite, Entrance, Fetches, Requests};
use self::sound::Sound;
use self::speed::Speed;
use self::track::{Successor, Track};
use self::variant::Variants;
use super::ladder::{Prefer, Rung};
use crate::time::Moment;

/// Pictures ahead of the sound by less are not held back: segments of both end where their samples
/// do.
const UNEVEN: Duration = Duration::from_millis(250);

/// The least time from one request for a playlist to the next.
pub const MIN_RELOAD: Duration = Duration::from_millis(500);

/// How many segments from the end it begins (RFC 8216, 6.3.3, in segments of the target duration).
pub const START_BEHIND: u8 = 3;

/// How much earlier it begins where viewers wait for whole segments, at least: what they need
/// beyond a segment of one or two seconds.
pub const HEAD_START: Duration = Duration::from_secs(2);

/// The least time from one request for the entry to the next: its server may count them.
pub const ENTRY_PAUSE: Duration = Duration::from_secs(3);

/// Without a new segment for so many target durations, and [`STALL_SLACK`], a source has stalled:
/// what it began with is played then.
pub const STALL_TARGETS: u32 = START_BEHIND as u32;

/// How much later than that a list may be seen that is renewed every [`START_BEHIND`] segments,
/// besides the time for its answer.
pub const STALL_SLACK: Duration = Duration::from_secs(1);

/// The same as [`STALL_TARGETS`] of an only source: to open it again would bring nothing sooner, as
/// its entry is asked for anew in any case.
pub const LONE_STALL_TARGETS: u32 = 6;

/// The least of that time, and twice as long for an only source: a short list may be late.
pub const MIN_STALL: Duration = Duration::from_secs(6);

/// Multivariant playlists that may lead to one another.
const MAX_NESTED: u32 = 2;

/// The bounds of the time that one fetch of a segment may take; between them it is as long as the
/// list is: then it is gone.
const SEGMENT_TIMEOUT: [Duration; 2] = [Duration::from_secs(4), Duration::from_mins(1)];

/// How long the body of a segment may stand still: half as long again, and that is as much as a
/// transport stream may by default.
const PAUSE: Duration = Duration::from_secs(2);

/// How to follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The most bits a second that a variant should have.
    pub max_bandwidth: Option<u64>,
    /// Which variant is the best.
    pub prefer: Prefer,
    /// What viewers have besides this source.
    pub others: Others,
    /// Viewers wait for whole segments: a list that goes on is begun with a segment earlier, or
    /// as many as last for [`HEAD_START`], so that some can be given at once.
    pub has_head_start: bool,
}

/// What viewers of a source have besides it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Others {
    /// Nothing: the source is waited for longer, since there is none to go to.
    None,
    /// Sources that may be opened when this one fails.
    #[default]
    Idle,
    /// One that is active: a list that has ended, and of which all was played, is not played again.
    Active,
}

/// Which playlist was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Entry,
    Of(Rendition),
    /// That of a variant that was left since: its answer is not used.
    OfFormer,
}

/// A segment that was asked for.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct InFlight {
    asked_at: Moment,
    /// It takes long: the picture does not wait for it.
    is_late: bool,
    /// It is no longer wanted: another comes in its place.
    is_void: bool,
    /// Its place in the list, which may move on past it.
    position: i64,
    duration: Duration,
    /// How long it may take, if that is less than usual since there is a lower variant.
    patience: Option<Duration>,
    /// The query of the playlist was added to its address.
    inherits: bool,
    has_query: bool,
}

/// A segment that is tried again.
#[derive(Debug, Clone, Copy)]
struct Retry {
    /// Its place in the list. When the list has moved on past it, there is nothing to try.
    position: i64,
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
    options: Options,
    entrance: Entrance,
    variants: Variants,
    speed: Speed,
    main: Option<Track>,
    audio: Option<Track>,
    sound: Sound,
    late_sound: LateSound,
    step: Step,
    requests: Requests,
    fetches: Fetches,
    appetite: Appetite,
    phase: Phase,
    counts: Counts,
}

impl Follower {
    /// Follows what is found at `entry`, which has been asked for: its answer is awaited.
    pub fn new(now: Moment, entry: Url, options: Options) -> Self {
        Self {
            options,
            entrance: Entrance {
                entry,
                nested: 0,
                entered_at: now,
                enters: false,
                at_entry: Successor::Version,
                inherits: false,
            },
            variants: Variants::default(),
            speed: Speed::default(),
            main: None,
            audio: None,
            sound: Sound::default(),
            late_sound: LateSound::default(),
            step: Step::default(),
            requests: Requests {
                // The entry was asked for by whoever made the follower, so an answer is due.
                asked: [Some((Asked::Entry, now)), None],
                polled_at: Moment::ZERO,
                slowest_answer: Duration::ZERO,
            },
            fetches: Fetches { in_flight: [None; 2], retry: [None; 2], progress_at: now, refused: None },
            appetite: Appetite { is_hungry: true, head_start: Duration::ZERO },
            phase: Phase::Going,
            counts: Counts::default(),
        }
    }

    /// With what is known of the variants from before. Its times are of the same clock.
    #[must_use]
    pub fn remembering(mut self, memory: LadderMemory) -> Self {
        self.variants.memory = memory;
        self
    }

    /// The address that it was given last.
    pub fn entry(&self) -> &Url {
        &self.entrance.entry
    }

    /// The same media is at another address from now on: the one before ends, or is refused. It is
    /// asked for, and gone on with behind what was taken, however segments are numbered there.
    pub fn renew(&mut self, entry: Url) {
        self.entrance.entry = entry;
        self.entrance.at_entry = Successor::Session;
        // The answer that is awaited may come from there already.
        self.entrance.enters |=
            !matches!(self.requests.asked[Rendition::Main as usize], Some((Asked::Entry, _)));
    }

    /// What was seen.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The variant that is played, where there are several.
    pub fn rung(&self) -> Option<&Rung> {
        self.variants.rungs.get(self.variants.current)
    }

    /// What is known of the variants, for the next time that the source is opened.
    pub fn memory(&self) -> &LadderMemory {
        &self.variants.memory
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

    /// Whether the entry was a playlist that can be followed.
    pub fn has_entered(&self) -> bool {
        self.main.is_some() && matches!(self.phase, Phase::Going)
    }

    /// Whether there is a list of segments to take from.
    pub fn has_begun(&self) -> bool {
        // Sound on trial must not hold up a picture that plays without it.
        let has_sound = self.sound.is_on_trial() || self.audio.as_ref().is_none_or(Track::has_begun);
        has_sound && self.main.as_ref().is_some_and(Track::has_begun)
    }

    /// How long nothing new may come until the source has stalled.
    pub fn stall_after(&self) -> Duration {
        let target = self.main.as_ref().map(Track::target).unwrap_or_default();
        let rhythm = self.variants.memory.rhythm.longest;
        // One interval and a segment more: a list that has grown so slowly before will do so again.
        let next = if rhythm.is_zero() { rhythm } else { rhythm + target };
        let (targets, least) = match self.options.others {
            Others::None => (LONE_STALL_TARGETS, MIN_STALL * 2),
            Others::Idle | Others::Active => (STALL_TARGETS, MIN_STALL),
        };
        // A slow server is seen late: what it lists arrived that much earlier.
        let slack = STALL_SLACK + self.requests.slowest_answer;
        (target.saturating_mul(targets) + slack).max(least).max(next)
    }

    /// How much media may wait for its turn, until no more is fetched: what lies between the
    /// beginning and the end of a list.
    pub fn ahead(&self) -> Duration {
        self.main.as_ref().map(Track::target).unwrap_or_default() * u32::from(START_BEHIND)
    }

    /// Media that viewers may be given at once beyond what is usual: it began as much earlier, so
    /// that as much as ever waits for its turn. Zero unless [`Options::has_head_start`].
    pub fn head_start(&self) -> Duration {
        self.appetite.head_start
    }

    /// Whether more segments are wanted. While they are not, nothing stalls.
    pub fn set_hungry(&mut self, now: Moment, is_hungry: bool) {
        // What stood still while nothing was wanted is no stall.
        if is_hungry && !self.appetite.is_hungry {
            self.fetches.progress_at = now;
        }
        self.appetite.is_hungry = is_hungry;
    }

    /// Whether the segment of this rendition that was asked for last is still wanted. To be asked
    /// before any of it is passed on.
    pub fn wants(&self, rendition: Rendition) -> bool {
        self.fetches.in_flight[rendition as usize].is_some_and(|in_flight| !in_flight.is_void)
    }

    /// The time named by [`Follower::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.lateness_at().is_some_and(|at| at <= now)
            && let Some(in_flight) = &mut self.fetches.in_flight[Rendition::Audio as usize]
        {
            in_flight.is_late = true;
        }
        let Some(stalls_at) = self.stalls_at() else { return };
        if stalls_at <= now {
            // A refusal says more to an operator than a stall, which it led to.
            let refused = self.fetches.refused.map(Failure::Refused);
            self.fail(refused.unwrap_or(Failure::Stalled));
        } else if self.doubts_at().is_some_and(|at| at <= now) {
            self.entrance.enters = true;
        }
    }

    /// When [`Follower::handle_timeout`] is to be called, and [`Follower::poll_action`] after it.
    /// Never, when it is over.
    pub fn poll_timeout(&self) -> Option<Moment> {
        if matches!(self.phase, Phase::Over) {
            return None;
        }
        let [main, audio] = [Rendition::Main, Rendition::Audio].map(|of| self.retry_at(of));
        let main = main.filter(|_| self.appetite.is_hungry);
        let list = self.playlist_at();
        let pairing = self.pairing_at();
        [main, audio, list, self.stalls_at(), self.doubts_at(), pairing, self.lateness_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// What is to be done next.
    pub fn poll_action(&mut self, now: Moment) -> Option<Action> {
        // An action that ends it must be given once and be followed by none.
        match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Going => self.phase = Phase::Going,
            Phase::Failing(failure) => return Some(Action::Fail(failure)),
            Phase::Over => return None,
        }
        // Playlists come first, since the segments that follow depend on them.
        let action = self.poll_playlist(now).or_else(|| self.poll_pairing(now));
        let action = action.or_else(|| self.poll_segment(now));
        // The last segment must arrive before the end is told.
        let is_idle = self.fetches.in_flight.iter().all(Option::is_none);
        if action.is_none() && is_idle && self.main.as_ref().is_some_and(Track::is_over) {
            self.phase = Phase::Over;
            return Some(Action::End);
        }
        action
    }

    fn try_again(&mut self, rendition: Rendition, tries: u32, at: Moment) {
        // By position: the list may be another one when the retry is due.
        let position = self.track(rendition).map(Track::next_position);
        self.fetches.retry[rendition as usize] = position.map(|position| Retry { position, tries, at });
    }

    /// What is tried again of a rendition, as long as it is what comes next.
    fn retry(&self, rendition: Rendition) -> Option<Retry> {
        let next = self.track(rendition)?.next_position();
        self.fetches.retry[rendition as usize].filter(|retry| retry.position == next)
    }

    /// When a segment is tried again, unless that waits for what is on its way.
    fn retry_at(&self, rendition: Rendition) -> Option<Moment> {
        let is_free = self.fetches.in_flight[rendition as usize].is_none() && !self.awaits_list(rendition);
        self.retry(rendition).filter(|_| is_free).map(|retry| retry.at)
    }

    /// Whether a playlist is on its way, or about to be, whose addresses are fresher.
    fn awaits_list(&self, rendition: Rendition) -> bool {
        let enters = self.entrance.enters
            || matches!(self.requests.asked[Rendition::Main as usize], Some((Asked::Entry, _)));
        enters || self.requests.asked[rendition as usize].is_some()
    }

    /// The list of a rendition that was asked for is no longer wanted.
    fn forget_list(&mut self, rendition: Rendition) {
        // Its answer still comes, and must be taken for what it is.
        if let Some((asked @ Asked::Of(_), _)) = &mut self.requests.asked[rendition as usize] {
            *asked = Asked::OfFormer;
        }
    }

    /// The segment of a rendition that is on its way is no longer wanted.
    fn forget_segment(&mut self, rendition: Rendition) {
        if let Some(in_flight) = &mut self.fetches.in_flight[rendition as usize] {
            in_flight.is_void = true;
        }
    }

    fn fail(&mut self, failure: Failure) {
        // The first failure is the cause; later ones follow from it.
        if matches!(self.phase, Phase::Going) {
            self.phase = Phase::Failing(failure);
        }
    }

    /// When the source has stalled, unless something is on its way.
    fn stalls_at(&self) -> Option<Moment> {
        // While a segment is on its way it has a timeout of its own.
        let is_free = self.fetches.in_flight[Rendition::Main as usize].is_none();
        let is_waiting = self.appetite.is_hungry && is_free && self.has_begun();
        is_waiting.then(|| self.fetches.progress_at + self.stall_after())
    }

    /// When to look at the entry, since nothing new has come for long: again and again, while that
    /// is borne.
    fn doubts_at(&self) -> Option<Moment> {
        // While the entry is about to be asked for, there is nothing to doubt.
        self.stalls_at().filter(|_| !self.entrance.enters)?;
        let target = self.main.as_ref().map(Track::target).unwrap_or_default();
        let after = target.saturating_mul(STALL_TARGETS).max(MIN_STALL) / 2;
        // From the last visit on: an entry that leads back to the same list is asked again after as
        // long.
        Some(self.fetches.progress_at.max(self.entrance.entered_at) + after)
    }

    /// How the list at a new address relates to the one on hand.
    fn successor(&self, is_another_variant: bool) -> Successor {
        if is_another_variant { Successor::Variant } else { self.entrance.at_entry }
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
}
