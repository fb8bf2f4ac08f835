//! Channels that a transaction touches, and what changes for viewers.

use std::collections::HashMap;

use forebay_core::lineup::identity::SourceId;
use rusqlite::Connection;

use crate::db::Error;
use crate::db::lineup::{self, Changed};

/// Channels that a transaction has touched, and whether each could be had before.
///
/// A list may have a hundred thousand new ones. They are known by their ids, which are greater than
/// all that there were, and so take no memory here.
#[derive(Debug)]
pub(super) struct Touched {
    /// The greatest id that there was.
    last_id: SourceId,
    /// There are new ones.
    has_new: bool,
    could_be_had: HashMap<SourceId, bool>,
    removed: Vec<String>,
    /// A channel may have a number that it may not have, or lack one.
    is_numbering_due: bool,
    /// Users have decided something about merges.
    is_merging_due: bool,
}

impl Touched {
    /// Nothing yet: at the beginning of a transaction.
    pub(super) fn begin(connection: &Connection) -> Result<Self, Error> {
        Ok(Self {
            last_id: lineup::last_id(connection)?,
            has_new: false,
            could_be_had: HashMap::new(),
            removed: Vec::new(),
            is_numbering_due: false,
            is_merging_due: false,
        })
    }

    /// A channel is new, and has its number.
    pub(super) fn added(&mut self) {
        self.has_new = true;
    }

    /// A channel was written, if there is a word whether it could be had.
    pub(super) fn written(&mut self, id: SourceId, could_be_had: Option<bool>) {
        if let Some(could_be_had) = could_be_had {
            self.touched(id, could_be_had);
            self.is_numbering_due = true;
        }
    }

    /// A channel has another source, or looks otherwise.
    pub(super) fn touched(&mut self, id: SourceId, could_be_had: bool) {
        if !self.is_new(id) {
            // The first word counts: it is how the channel stood before all of this.
            self.could_be_had.entry(id).or_insert(could_be_had);
        }
    }

    /// Has all merges made anew, whatever was touched.
    pub(super) fn merge_anew(&mut self) {
        self.is_merging_due = true;
    }

    /// A channel goes; `row` is what it was.
    pub(super) fn removed(&mut self, id: SourceId, row: Option<(String, bool)>) {
        // Its row is gone, so nothing can be asked about it at the end.
        let could_be_had = self.could_be_had.remove(&id);
        if let Some((path, is_shown)) = row
            && could_be_had.unwrap_or(is_shown)
        {
            self.removed.push(path);
        }
    }

    /// Whether a channel is one that this transaction added.
    pub(super) fn is_new(&self, id: SourceId) -> bool {
        id > self.last_id
    }

    pub(super) fn is_touched(&self, id: SourceId) -> bool {
        self.is_new(id) || self.could_be_had.contains_key(&id)
    }

    /// Whether nothing was touched.
    pub(super) fn is_empty(&self) -> bool {
        self.has_only_new() && !self.has_new
    }

    /// Whether channels that there were are as they were.
    pub(super) fn has_only_new(&self) -> bool {
        self.could_be_had.is_empty() && self.removed.is_empty() && !self.is_merging_due
    }

    /// Whether numbers are to be looked at.
    pub(super) fn is_numbering_due(&self) -> bool {
        self.is_numbering_due
    }

    /// What has changed for viewers, once all is written.
    pub(super) fn into_changed(self, connection: &Connection) -> Result<Changed, Error> {
        let mut changed = Changed { removed: self.removed, ..Changed::default() };
        if self.has_new {
            changed.new = lineup::count_shown_after(connection, self.last_id)?;
        }
        // In the order of the table, so that each of its pages is read once.
        let mut could_be_had: Vec<(SourceId, bool)> = self.could_be_had.into_iter().collect();
        could_be_had.sort_unstable();
        for (id, could_be_had) in could_be_had {
            let Some((path, can_be_had)) = lineup::path(connection, id)? else { continue };
            match (could_be_had, can_be_had) {
                (false, false) => {}
                (false, true) => changed.added.push(path),
                (true, false) => changed.removed.push(path),
                (true, true) => changed.changed.push(path),
            }
        }
        Ok(changed)
    }
}
