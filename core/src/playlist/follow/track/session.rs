//! The list of another session: the same media, under numbers and names that may be others.
//!
//! Where it goes on is guessed like for another variant, by its dates, its numbers or by how much
//! is left of it. Dates may be wrong, and numbers may mean other segments. So the guess is proved:
//! the segment in front of it is fetched and compared with those that were passed on. If it is one
//! of them, the list goes on behind the last of those, as if nothing had happened. Otherwise the
//! segments before it are compared, and if none is known, the list begins at the guess.

use super::super::super::model::Media;
use super::Track;
use crate::time::Moment;

/// Segments that are compared before the guess is taken. Two servers of a provider are rarely
/// further apart, and what is in store has to last for so many downloads.
const MAX_COMPARED: u32 = 4;

/// The search for the place where the list of another session goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    /// Where it goes on unless a segment is recognised.
    guess: i64,
    /// Segments compared in vain.
    compared: u32,
}

impl Track {
    /// Puts the list of another session in place of the one on hand.
    pub(super) fn join_session(&mut self, now: Moment, media: &Media, is_fetching: bool) {
        // A segment that is only compared is not taken when it arrives.
        let is_fetching = is_fetching && self.search.is_none();
        let reached = if is_fetching { Some(self.place.next + 1) } else { self.place.reached };
        let Some(reached) = reached else {
            // Nothing was taken: the list is begun with like any other.
            return self.replace(media, Self::start(media));
        };
        let guess = self.align(now, media, reached);
        self.replace(media, guess);
        // Should this session end before a segment of it is taken, the next one goes on from here.
        self.place.reached = Some(self.place.next);
        if guess > 0 {
            self.search = Some(Search { guess: self.place.next, compared: 0 });
            self.place.next -= 1;
        }
    }

    /// The list has moved on past the segment on offer, and begins at `base` now. A search goes on
    /// there, or is over where nothing in front of the guess is left.
    pub(super) fn search_from(&mut self, base: i64) {
        if let Some(search) = self.search.take_if(|search| search.guess <= base) {
            self.place.next = search.guess;
        }
        if self.search.is_some() {
            self.place.next = base;
        }
    }

    /// Whether it is still being found out where the list goes on.
    pub(in super::super) fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    /// The segment on offer was passed on before, and so many others `since`: the list goes on
    /// behind those.
    pub(in super::super) fn recognise(&mut self, since: usize) {
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        self.place.next = self.place.next.saturating_add(1).saturating_add(since);
        self.search = None;
        self.place.is_discontinuous = false;
        self.place.reached = Some(self.place.next);
    }

    /// The segment on offer was not recognised: the one before it is next, or the search is over.
    pub(in super::super) fn search_on(&mut self) {
        let first = self.first_listed();
        let Some(search) = &mut self.search else { return };
        search.compared += 1;
        if search.compared < MAX_COMPARED && self.place.next > first {
            self.place.next -= 1;
        } else {
            self.place.next = search.guess;
            self.search = None;
        }
    }
}
