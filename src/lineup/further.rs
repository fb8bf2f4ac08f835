//! Further addresses of a channel: entries of a list that are sources of the entry before.
//!
//! Each is a row of its own, so that its health and its place are its own, and stands behind the
//! channel from the beginning: both are decided to be one, as a user would decide it. So a user may
//! part them, and no refresh puts them together again.

use std::collections::{HashMap, HashSet};

use forebay_core::lineup::Entry;
use forebay_core::lineup::identity::{Identity, Key, SourceId};
use forebay_core::lineup::merge::{Decision, Pair};
use rusqlite::Connection;

use super::touched::Touched;
use crate::db::Error;
use crate::db::lineup::{self, PlaylistId};

/// The further addresses of a list, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Further {
    /// The place of the next entry.
    next: u32,
    /// The last entry that is none of them.
    channel: Option<Identity>,
    /// Each with the entry whose channel it is of.
    pairs: Vec<(Identity, Identity)>,
    places: HashSet<u32>,
}

impl Further {
    /// Takes the next entry of the list.
    pub(super) fn observe(&mut self, entry: &Entry, is_further: bool) {
        let place = self.next;
        self.next = self.next.saturating_add(1);
        match self.channel {
            Some(channel) if is_further => {
                self.pairs.push((channel, Identity::of(entry)));
                self.places.insert(place);
            }
            // What comes first may be further only since the channel itself is left out.
            _ => self.channel = Some(Identity::of(entry)),
        }
    }

    /// Whether the entry at this place is one of them.
    pub(super) fn is_at(&self, place: u32) -> bool {
        self.places.contains(&place)
    }

    /// Decides that those of this refresh are one with their channels, where nobody has decided
    /// anything.
    pub(super) fn join(
        self,
        connection: &Connection,
        playlist: PlaylistId,
        touched: &mut Touched,
    ) -> Result<(), Error> {
        if self.pairs.is_empty() {
            return Ok(());
        }
        let known = lineup::known(connection, playlist)?;
        let mark = |identity: &Identity| -> (Key, u64) { (identity.key, identity.content) };
        let ids: HashMap<_, SourceId> = known.iter().map(|it| (mark(&it.identity), it.id)).collect();
        let mut decisions = lineup::decisions(connection)?;
        for (channel, further) in &self.pairs {
            let (Some(channel), Some(further)) = (ids.get(&mark(channel)), ids.get(&mark(further))) else {
                continue;
            };
            // What was there before has been seen by users: it is one, or they have parted it.
            let is_new = touched.is_new(*channel) || touched.is_new(*further);
            if let Some(pair) = Pair::new(*channel, *further).filter(|_| is_new)
                && decisions.decide(pair, Some(Decision::Force)).is_none()
            {
                lineup::decide(connection, pair, Some(Decision::Force))?;
                touched.merge_anew();
            }
        }
        Ok(())
    }
}
