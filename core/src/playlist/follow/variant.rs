//! Which variant is followed, and where its playlists are.

use url::Url;

use super::super::ladder::{Rung, ladder};
use super::super::model::{Multivariant, Variables};
use super::action::Failure;
use super::segment::inherit;
use super::track::Track;
use super::{Asked, Follower, MAX_NESTED};
use crate::time::Moment;

impl Follower {
    pub(super) fn handle_multivariant(&mut self, now: Moment, asked: Asked, list: &Multivariant) {
        self.nested = if asked == Asked::Entry { 1 } else { self.nested + 1 };
        let rungs = ladder(list, self.options.max_bandwidth, self.options.prefer)
            .filter(|_| self.nested <= MAX_NESTED);
        let Some(rungs) = rungs else {
            self.fail(Failure::NoVariant);
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

    pub(super) fn settle(&mut self, now: Moment, url: Url, variables: Variables) {
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

    /// Leaves the variant for the next one, if there is one.
    pub(super) fn take_next_variant(&mut self, now: Moment) -> bool {
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
    pub(super) fn inherit_for_playlist(&mut self, now: Moment, asked: Asked) -> bool {
        let entry = self.entry.clone();
        let Asked::Of(rendition) = asked else { return false };
        let Some(track) = self.track_mut(rendition) else { return false };
        let Some(url) = inherit(&track.url, &entry) else { return false };
        (track.url, track.reload_at) = (url, Some(now));
        true
    }
}
