//! What is different in another list.

use std::collections::HashSet;
use std::sync::Arc;

use forebay_relay::channel::{Difference, Lookup};
use forebay_relay::model::ChannelId;
use rusqlite::Connection;

use super::RelayChange;
use super::list::List;
use super::rows::{Kind, tell};
use crate::db::Error;

impl List {
    /// What is different in `self`, which is of another configuration. Waits for the disk.
    ///
    /// Rows are not compared: which of them are other channels with another configuration is looked
    /// at where they are open.
    pub(super) fn since(self: &Arc<Self>, before: &Self) -> Difference {
        let (mut added, mut changed) = (HashSet::new(), HashSet::new());
        for channel in self.file.channels() {
            match before.file.find(channel.id.as_str()) {
                None => _ = added.insert(channel.id.clone()),
                // At once, where both are one object.
                Some(old) if old == channel => {}
                Some(_) => _ = changed.insert(channel.id.clone()),
            }
        }
        let all = before.file.channels().iter().map(|channel| &channel.id);
        let is_gone = |id: &&ChannelId| self.file.find(id.as_str()).is_none();
        let mut removed: HashSet<ChannelId> = all.filter(is_gone).cloned().collect();
        if self.has_rows() {
            // A row had it before, or has it now.
            for ids in [&mut added, &mut removed] {
                // It is neither new nor gone then: the same
                // path leads to the row, with other sources.
                let of_rows = self.of_rows(ids);
                ids.retain(|id| !of_rows.contains(id));
                changed.extend(of_rows);
            }
        }
        Difference { lookup: Arc::clone(self) as _, added, changed, removed, is_incomplete: self.has_rows() }
    }

    /// Those of these ids that rows have, too.
    fn of_rows(&self, ids: &HashSet<ChannelId>) -> HashSet<ChannelId> {
        let read = self.database.read_here(|connection| {
            let mut found = HashSet::new();
            for id in ids {
                if has_row(connection, id)? {
                    found.insert(id.clone());
                }
            }
            Ok::<_, Error>(found)
        });
        read.unwrap_or_else(|error| {
            tell(&error);
            HashSet::new()
        })
    }
}

/// Whether a row has this id, listed or not.
fn has_row(connection: &Connection, id: &ChannelId) -> Result<bool, Error> {
    for kind in Kind::ALL {
        if kind.table().key(connection, id.as_str())?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl RelayChange {
    /// The same as a difference of lists.
    pub(super) fn difference(&self, lookup: Arc<dyn Lookup>) -> Difference {
        let [before, after] =
            [&self.before, &self.after].map(|id| id.iter().cloned().collect::<HashSet<_>>());
        Difference {
            lookup,
            added: &after - &before,
            changed: &after & &before,
            removed: &before - &after,
            is_incomplete: false,
        }
    }
}
