//! Which variant is followed, where its playlists are, and what it is left for.
//!
//! The best variant is followed that is not avoided. One whose playlist fails is asked for once
//! more after [`QUICK_RETRY`], and then left for the next one (at once, if its server hangs); so is
//! one of which two segments in a row were not to be had. It is avoided for a while, also when the
//! source is opened again ([`LadderMemory`]). Where all have failed, the source is in trouble and
//! not its variants: all are forgiven, and the best one is asked for patiently, with a round of the
//! others every [`ROUND_PAUSE`].

use std::time::Duration;

use url::Url;

use super::super::ladder::{Rung, ladder};
use super::super::model::{Media, Multivariant, Variables};
use super::action::{Failure, Rendition};
use super::memory::{LadderMemory, Left, Name, Played};
use super::token::inherit;
use super::track::Track;
use super::{Asked, Follower, MAX_NESTED, MIN_STALL, Others, START_BEHIND};
use crate::assumption::broken;
use crate::time::Moment;

/// After how long a playlist that failed is asked for again where there is another variant.
pub const QUICK_RETRY: Duration = Duration::from_millis(250);

/// How often all variants are tried while none of them works: a server in trouble is not to be
/// stormed.
pub const ROUND_PAUSE: Duration = Duration::from_secs(3);

/// Segments in a row that are not to be had, after which the variant is left.
pub(super) const MAX_LOST: u32 = 2;

/// Why a rendition has a list: a segment is asked for only of a list, and what was asked for of one
/// that is gone is void.
const HAS_LIST: &str = "a segment that is taken, lost or first belongs to a list";

/// The variants on offer.
#[derive(Debug, Default)]
pub(super) struct Variants {
    /// The best one first; empty where the entry is a list of segments.
    pub(super) rungs: Vec<Rung>,
    /// Which one is followed.
    pub(super) current: usize,
    pub(super) memory: LadderMemory,
    /// When the current one was taken.
    taken_at: Moment,
    /// When all had failed.
    exhausted_at: Option<Moment>,
    /// The list was complete when the source was first opened.
    is_complete: bool,
    /// Segments of the one before are no longer wanted: they were not to be had.
    is_held: bool,
}

impl Variants {
    fn name(&self, index: usize) -> Option<Name> {
        Name::of(&self.rungs, index)
    }

    /// Why a variant was left last, if it was.
    pub(super) fn left_for(&self, index: usize) -> Option<Left> {
        self.memory.left_for(&self.name(index)?)
    }

    /// The current one is left.
    pub(super) fn avoid_current(&mut self, now: Moment, why: Left) {
        if let Some(name) = self.name(self.current) {
            self.memory.leave(now, name, why);
        }
    }

    pub(super) fn avoids(&self, now: Moment, index: usize) -> Option<Left> {
        self.memory.avoids(now, &self.name(index)?)
    }

    /// The best one that is not avoided; where all are, one that was only slow.
    fn best(&self, now: Moment) -> Option<usize> {
        let mut all = 0..self.rungs.len();
        let fit = all.find(|&index| self.avoids(now, index).is_none());
        // Of the slow ones, the lowest has the best chance.
        let slow = || (0..self.rungs.len()).rfind(|&index| self.avoids(now, index) == Some(Left::Slow));
        fit.or_else(slow)
    }

    /// Where to go from the current one when its `rendition` fails: to the best that is not avoided
    /// and has another playlist for it.
    fn alternative(&self, now: Moment, rendition: Rendition) -> Option<usize> {
        let address = |index: usize| {
            let rung = self.rungs.get(index)?;
            match rendition {
                Rendition::Main => Some(&rung.variant.url),
                Rendition::Audio => rung.sound(),
            }
        };
        let current = self.current;
        // A backup with the same address would fail in the same way.
        let other = |&index: &usize| index != current && address(index) != address(current);
        let is_fit = |index: &usize| self.avoids(now, *index) != Some(Left::Broken);
        let others = (0..self.rungs.len()).filter(other).filter(is_fit);
        // One that was only slow is better than none.
        others.min_by_key(|&index| self.avoids(now, index).is_some())
    }

    /// Whether all have just failed, so that the current one is kept.
    fn rests(&self, now: Moment) -> bool {
        self.exhausted_at.is_some_and(|at| now.since(at) < ROUND_PAUSE)
    }
}

impl Follower {
    pub(super) fn handle_multivariant(&mut self, now: Moment, asked: Asked, list: &Multivariant) {
        // Counted from the entry, so a list that names itself ends.
        self.entrance.nested = if asked == Asked::Entry { 1 } else { self.entrance.nested + 1 };
        let rungs = ladder(list, self.options.max_bandwidth, self.options.prefer)
            .filter(|_| self.entrance.nested <= MAX_NESTED);
        let Some(rungs) = rungs else {
            self.fail(Failure::NoVariant);
            return;
        };
        let before = self.variants.name(self.variants.current);
        self.variants.rungs = rungs;
        // Back at the entry, the variant is the one that it was, if it is still offered.
        let is_same = |&index: &usize| before.is_some() && self.variants.name(index) == before;
        let same = (0..self.variants.rungs.len()).find(is_same);
        let rung = same.or_else(|| self.variants.best(now)).unwrap_or_else(|| {
            // All are avoided: then the source is in trouble, and the best one is as good as any.
            self.variants.memory.forgive_broken();
            0
        });
        self.climb(now, rung, same.is_none(), &list.variables);
    }

    /// Takes the variant at `rung`; it may be `another` than the one that was followed.
    pub(super) fn climb(&mut self, now: Moment, rung: usize, another: bool, variables: &Variables) {
        let sounds_before = self.rung().map(|rung| rung.sounds.clone()).unwrap_or_default();
        self.variants.current = rung;
        if another {
            self.variants.taken_at = now;
            // The failed segment belongs to a list that is left.
            self.fetches.retry[Rendition::Main as usize] = None;
            self.forget_list(Rendition::Main);
        }
        let Some(Rung { variant, .. }) = self.rung().cloned() else {
            return broken("a variant that is chosen is in the ladder");
        };
        self.settle_with(now, variant.url, variables.clone(), another);
        self.settle_sound(now, &sounds_before, another, variables);
    }

    pub(super) fn settle(&mut self, now: Moment, url: Url, variables: Variables) {
        self.audio = None;
        self.forget_sound();
        self.variants.rungs.clear();
        self.settle_with(now, url, variables, false);
    }

    fn settle_with(&mut self, now: Moment, url: Url, variables: Variables, another: bool) {
        let successor = self.successor(another);
        match &mut self.main {
            // The track stays, and with it what was taken: the new list goes on behind that.
            Some(track) => track.relocate(url, variables, now, successor),
            None => self.main = Some(Track::new(url, variables, now)),
        }
    }

    /// Whether there is another variant to go to when this `rendition` fails.
    pub(super) fn has_alternative(&self, now: Moment, rendition: Rendition) -> bool {
        !self.variants.rests(now) && self.variants.alternative(now, rendition).is_some()
    }

    /// Leaves the variant, of which this `rendition` is not to be had, for another one, if there is
    /// one.
    pub(super) fn leave_variant(&mut self, now: Moment, rendition: Rendition) -> bool {
        let has_begun = self.has_begun();
        let variants = &mut self.variants;
        if variants.rungs.is_empty() || variants.rests(now) {
            return false;
        }
        variants.avoid_current(now, Left::Broken);
        let next = variants.alternative(now, rendition).or_else(|| {
            variants.memory.forgive_broken();
            variants.exhausted_at = Some(now);
            // Sound that fails is no reason to change a picture that plays.
            let best = variants.best(now).filter(|_| has_begun && rendition == Rendition::Main);
            best.filter(|&best| best != variants.current)
        });
        let Some(next) = next else { return false };
        self.counts.variants_left += 1;
        self.change_variant(now, next);
        true
    }

    /// The same where its playlist is fine and its segments are not: no more of them are asked for.
    pub(super) fn leave_with_segments(&mut self, now: Moment, rendition: Rendition) -> bool {
        let has_left = self.leave_variant(now, rendition);
        if has_left {
            self.hold_segments();
        }
        has_left
    }

    /// No more segments are asked for until the playlist of another variant has come.
    pub(super) fn hold_segments(&mut self) {
        self.variants.is_held = true;
    }

    /// Whether no segment may be asked for until the playlist of another variant has come.
    pub(super) fn awaits_variant(&mut self) -> bool {
        let is_strange = self.main.as_ref().is_some_and(Track::is_strange);
        self.variants.is_held &= is_strange;
        self.variants.is_held
    }

    /// The segment that was next has come.
    pub(super) fn take_segment(&mut self, now: Moment, rendition: Rendition) {
        let Some(track) = self.track_mut(rendition) else { return broken(HAS_LIST) };
        track.take();
        if rendition == Rendition::Audio {
            self.prove_sound();
        }
        let Some(track) = self.track(rendition) else { return broken(HAS_LIST) };
        if rendition == Rendition::Main
            // A segment of the former list says nothing for the new variant.
            && !track.is_strange()
            && let Some(name) = self.variants.name(self.variants.current)
        {
            self.variants.memory.prove(&name, now.since(self.variants.taken_at));
        }
        self.note_played();
    }

    /// The segment that was compared has been passed on before, and so many others `since`.
    pub(super) fn recognise_segment(&mut self, rendition: Rendition, since: usize) {
        self.fetches.retry[rendition as usize] = None;
        let Some(track) = self.track_mut(rendition) else { return broken(HAS_LIST) };
        track.recognise(since);
    }

    /// The segment that was compared is not known.
    pub(super) fn search_on(&mut self, rendition: Rendition) {
        self.fetches.retry[rendition as usize] = None;
        let Some(track) = self.track_mut(rendition) else { return broken(HAS_LIST) };
        track.search_on();
    }

    /// Remembers what was played, for the next time that the source is opened.
    fn note_played(&mut self) {
        let Some(last) = self.main.as_ref().and_then(Track::last_taken) else { return };
        let played = Played::new(last, self.variants.is_complete);
        self.variants.memory.played = Some(played);
    }

    /// The first list of segments has come.
    pub(super) fn begin_main(&mut self, media: &Media) {
        let Some(track) = &mut self.main else { return broken(HAS_LIST) };
        let is_spare = self.options.others == Others::Active;
        let interval = self.variants.memory.rhythm.longest;
        if !media.is_ended && is_spare && interval > track.target() * u32::from(START_BEHIND) {
            // Viewers have another source: they can be given what lasts until the list grows.
            track.begin_behind(interval + track.target());
        }
        if self.options.has_head_start {
            self.appetite.head_start = track.take_head_start();
        }
        if !media.is_ended && self.options.others == Others::Idle && track.ahead() < MIN_STALL {
            // Short segments are often listed several at a time, and a source that seems to stand
            // still is given up for another.
            track.begin_behind(MIN_STALL);
        }
        let played = self.variants.memory.played.as_ref();
        self.variants.is_complete = media.is_ended && played.is_none_or(|played| played.was_complete);
        let Some((played, end)) = played.zip(played.and_then(|played| played.end_in(&media.segments))) else {
            return;
        };
        let is_over = end == media.segments.len();
        if !is_over {
            // Separate sound begins where its own list does, and must not fall behind.
            if self.audio.is_none() {
                track.resume(end);
            }
        } else if media.is_ended && (is_spare || !played.was_complete) {
            // An ended list that was live before is not played from its beginning again.
            self.fail(Failure::Over);
        }
    }

    /// Whether a segment is asked for but once, since none of this variant has been had, and there
    /// are others.
    pub(super) fn tries_others(&self, now: Moment, rendition: Rendition) -> bool {
        self.track(rendition).is_some_and(|track| !track.has_had()) && self.has_alternative(now, rendition)
    }

    /// The segment that is next is not to be had: it is passed over, or the variant left.
    pub(super) fn lose_segment(&mut self, now: Moment, rendition: Rendition) {
        self.fetches.retry[rendition as usize] = None;
        let Some(track) = self.track_mut(rendition) else { return broken(HAS_LIST) };
        if track.is_searching() {
            // Nothing of it was to be passed on.
            return track.search_on();
        }
        track.lose();
        self.counts.skipped += 1;
        let Some(track) = self.track(rendition) else { return broken(HAS_LIST) };
        if track.lost() < MAX_LOST || track.is_strange() {
            return;
        }
        match rendition {
            // Without another variant to go to, the next segment is tried.
            Rendition::Main => _ = self.leave_with_segments(now, rendition),
            Rendition::Audio => self.lose_sound(now),
        }
    }

    /// After a 403, has the playlist asked for again with the query of the entry, if that was not
    /// tried yet.
    pub(super) fn inherit_for_playlist(&mut self, now: Moment, asked: Asked) -> bool {
        let entry = self.entrance.entry.clone();
        // The entry itself has its query already.
        let Asked::Of(rendition) = asked else { return false };
        let Some(track) = self.track_mut(rendition) else { return false };
        let Some(url) = inherit(&track.url, &entry) else { return false };
        (track.url, track.polling.reload_at) = (url, Some(now));
        true
    }
}
