//! When a playlist is asked for, and what its answer means.

use std::time::Duration;

use super::super::model::{Media, Playlist, Variables};
use super::action::{Action, Failure, Rendition};
use super::input::Answer;
use super::track::{Successor, Track};
use super::variant::QUICK_RETRY;
use super::{Asked, ENTRY_PAUSE, Follower, MIN_RELOAD};
use crate::assumption::broken;
use crate::time::Moment;

/// The bounds of the time that one fetch of a playlist may take: its own next version is due then.
const PLAYLIST_TIMEOUT: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(10)];

/// The same of a variant's playlist where there is another variant, and [`SLOW_ANSWERS`] times what
/// answers of this server have taken, if that is more: with one retry there is time for the other
/// within the default `connect_timeout`.
pub(super) const QUICK_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How many times longer than the slowest before an answer may take.
const SLOW_ANSWERS: u32 = 3;

impl Follower {
    /// What became of the playlist of this rendition that was asked for last; of the entry, it is
    /// the variant's.
    pub fn handle_playlist(&mut self, now: Moment, of: Rendition, answer: Answer) {
        let Some((asked, asked_at)) = self.requests.asked[of as usize].take() else {
            return broken("each answer is to a playlist that was asked for");
        };
        if of == Rendition::Main {
            self.requests.polled_at = asked_at;
        }
        if asked == Asked::OfFormer {
            return;
        }
        // The entry of a page that is played may be resolved anew first: that says nothing of how fast
        // the server is.
        let is_of_server = matches!(asked, Asked::Of(_)) || !self.has_begun();
        if is_of_server && matches!(answer, Answer::Playlist { .. } | Answer::NotModified) {
            self.requests.slowest_answer = self.requests.slowest_answer.max(now.since(asked_at));
        }
        let is_new_entry =
            asked == Asked::Entry && matches!(answer, Answer::Playlist { playlist: Ok(_), .. });
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
                            // After redirects: the next request goes there directly.
                            track.url = url;
                        }
                        self.handle_media(now, asked_at, rendition, &media, etag);
                    }
                    (Ok(Playlist::Media(_)), Asked::OfFormer) => {}
                    (Err(error), _) => self.handle_loss(now, asked, asked_at, Failure::Playlist(error)),
                }
            }
            Answer::NotModified => {
                // The entry is asked for without a condition, but servers are odd; then all stays
                // as it is.
                let [main, audio] = [Rendition::Main, Rendition::Audio].map(|of| match asked {
                    Asked::Entry => true,
                    Asked::Of(rendition) => rendition == of,
                    Asked::OfFormer => false,
                });
                for (track, is_meant) in [(&mut self.main, main), (&mut self.audio, audio)] {
                    if let Some(track) = track.as_mut().filter(|_| is_meant) {
                        track.polling.failures = 0;
                        track.handle_unchanged(asked_at);
                    }
                }
                self.counts.playlists += 1;
                self.counts.unchanged += 1;
            }
            Answer::Refused(status) => {
                // Some providers want the token of the entry on each list.
                if status == 403 && self.inherit_for_playlist(now, asked) {
                    return;
                }
                self.fetches.refused = Some(status);
                self.handle_loss(now, asked, asked_at, Failure::Refused(status));
            }
            Answer::Failed => self.handle_loss(now, asked, asked_at, Failure::Unreachable),
        }
        // Behind a good entry its relation is used up; behind a bad one it still counts.
        if is_new_entry {
            self.entrance.at_entry = Successor::Version;
        }
    }

    /// When the entry is asked for again. What was asked for last may have been at the same
    /// address.
    fn entry_at(&self) -> Option<Moment> {
        let is_due = self.entrance.enters && self.requests.asked[Rendition::Main as usize].is_none();
        is_due.then(|| (self.entrance.entered_at + ENTRY_PAUSE).max(self.requests.polled_at + MIN_RELOAD))
    }

    /// When a playlist is asked for next. Until it may be the entry, the one that is known may come
    /// back.
    pub(super) fn playlist_at(&self) -> Option<Moment> {
        [self.entry_at(), self.list_at(Rendition::Main), self.list_at(Rendition::Audio), self.sound_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the list of a rendition is asked for next, unless one is on its way.
    fn list_at(&self, rendition: Rendition) -> Option<Moment> {
        self.reload_at(rendition).filter(|_| self.requests.asked[rendition as usize].is_none())
    }

    /// When the list of a rendition is asked for again.
    fn reload_at(&self, rendition: Rendition) -> Option<Moment> {
        let track = self.track(rendition)?;
        match rendition {
            Rendition::Audio if self.hurries_sound() => track.hurried_reload_at(),
            _ => track.polling.reload_at,
        }
    }

    pub(super) fn poll_playlist(&mut self, now: Moment) -> Option<Action> {
        if self.playlist_at()? > now {
            return None;
        }
        self.retry_sound(now);
        let timeout = self.target().clamp(PLAYLIST_TIMEOUT[0], PLAYLIST_TIMEOUT[1]);
        if self.entry_at().is_some_and(|at| at <= now) {
            (self.entrance.enters, self.entrance.entered_at) = (false, now);
            self.counts.entries += 1;
            self.requests.asked[Rendition::Main as usize] = Some((Asked::Entry, now));
            let (of, url, inherited) = (Rendition::Main, self.entrance.entry.clone(), Variables::default());
            return Some(Action::FetchPlaylist { of, url, is_entry: true, etag: None, inherited, timeout });
        }
        let is_due = |rendition: &Rendition| self.list_at(*rendition).is_some_and(|at| at <= now);
        let rendition = [Rendition::Main, Rendition::Audio].into_iter().find(is_due)?;
        // The picture can do without its sound, and its own list is not to wait.
        let has_alternative = rendition == Rendition::Audio || self.has_alternative(now, rendition);
        let timeout = if has_alternative {
            timeout.min(QUICK_TIMEOUT.max(self.requests.slowest_answer * SLOW_ANSWERS))
        } else {
            timeout
        };
        let track = self.track(rendition)?;
        let (url, etag, inherited) = (track.url.clone(), track.etag.clone(), track.variables.clone());
        self.requests.asked[rendition as usize] = Some((Asked::Of(rendition), now));
        Some(Action::FetchPlaylist { of: rendition, url, is_entry: false, etag, inherited, timeout })
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
        let in_flight = self.fetches.in_flight[of as usize].filter(|in_flight| !in_flight.is_void);
        let is_fetching = |track: &Track| in_flight.is_some_and(|it| it.position == track.next_position());
        let track = match of {
            Rendition::Main => &mut self.main,
            Rendition::Audio => &mut self.audio,
        };
        let Some(track) = track else { return };
        track.etag = etag;
        let had_list = track.has_begun();
        let is_first = of == Rendition::Main && !had_list;
        track.handle_version(now, asked_at, media, is_fetching(track), &mut self.counts);
        if of == Rendition::Main {
            let (end, rhythm) = (track.end_sequence(), &mut self.variants.memory.rhythm);
            let durations = media.segments.iter().rev().map(|segment| segment.duration);
            if is_first {
                rhythm.begin(asked_at, end, durations);
                self.begin_main(media);
            } else {
                rhythm.note(asked_at, end, durations);
            }
        }
        if !had_list {
            self.begin_together();
        }
        if !had_begun && self.has_begun() {
            // The wait for a segment begins only now: before, there was no list to take from.
            self.fetches.progress_at = now;
        }
    }

    /// A playlist is not to be had, or is none.
    fn handle_loss(&mut self, now: Moment, asked: Asked, asked_at: Moment, failure: Failure) {
        let is_gone = match &failure {
            // These say that the address is wrong by now; any other status may pass.
            Failure::Refused(status) => matches!(status, 401 | 403 | 404 | 410),
            Failure::Playlist(_) => true,
            _ => false,
        };
        match asked {
            // Nobody can say more clearly that there is nothing: what is in store lasts while
            // another source is opened.
            Asked::Entry if matches!(failure, Failure::Refused(401 | 403 | 404 | 410)) => self.fail(failure),
            Asked::Entry if self.has_begun() => {
                self.entrance.enters = true;
                // They may be at the same address.
                for track in [&mut self.main, &mut self.audio].into_iter().flatten() {
                    track.handle_unchanged(asked_at);
                }
            }
            Asked::Of(Rendition::Audio) => self.handle_sound_loss(now, asked_at, is_gone),
            Asked::Of(rendition) if self.handle_variant_loss(now, asked_at, rendition, is_gone) => {}
            Asked::Of(rendition) if self.has_begun() => {
                self.entrance.enters |= is_gone;
                if let Some(track) = self.track_mut(rendition) {
                    track.handle_unchanged(asked_at);
                }
            }
            Asked::Entry | Asked::Of(_) => self.fail(failure),
            Asked::OfFormer => {}
        }
    }

    /// A playlist of the variant is not to be had: whether it is asked for once more, or the
    /// variant left for another.
    fn handle_variant_loss(
        &mut self,
        now: Moment,
        asked_at: Moment,
        rendition: Rendition,
        is_gone: bool,
    ) -> bool {
        if is_gone {
            // Its address may be an old one: the entry names it first.
            let has_entered = now.since(self.entrance.entered_at) < ENTRY_PAUSE;
            return has_entered && self.leave_variant(now, rendition);
        }
        let is_one_of_several = self.variants.rungs.len() > 1;
        let Some(track) = self.track_mut(rendition) else { return false };
        track.polling.failures += 1;
        // A server that hangs has had its time: what is in store would not last for the same again.
        let hangs = now.since(asked_at) >= QUICK_TIMEOUT;
        if track.polling.failures == 1 && is_one_of_several && !hangs {
            track.polling.reload_at = Some(now + QUICK_RETRY);
            return true;
        }
        self.leave_variant(now, rendition)
    }
}
