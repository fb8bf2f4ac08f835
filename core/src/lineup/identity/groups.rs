//! Which group of a new list is which of the known ones.

use std::collections::HashMap;

use super::{UnixTime, fold};
use crate::lineup::mark::{Of, mark};

/// Groups that one list may have. Lists have tens of them, big ones a thousand; more is an attack,
/// or no list.
pub const MAX_GROUPS: usize = 10_000;

/// The number of a group. It is the caller's, and never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// A group that is known from earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownGroup {
    /// Its number.
    pub id: GroupId,
    /// What it is known by: [`GroupRefresh::key`].
    pub key: u64,
    /// Since when no entry has it.
    pub absent_since: Option<UnixTime>,
}

/// The group of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// A known one.
    Known(GroupId),
    /// A new one. They are numbered from 0 in the order of the list, and come behind the known
    /// ones.
    New(u32),
    /// One too many: the entry has none.
    TooMany,
}

/// Which groups a list has. Their order is the user's: it changes for new ones only.
#[derive(Debug)]
pub struct GroupRefresh {
    known: HashMap<u64, (KnownGroup, bool)>,
    new: HashMap<u64, u32>,
    too_many: u64,
}

impl GroupRefresh {
    /// Begins with these known groups.
    pub fn new(known: impl IntoIterator<Item = KnownGroup>) -> Self {
        let known = known.into_iter().map(|group| (group.key, (group, false))).collect();
        Self { known, new: HashMap::new(), too_many: 0 }
    }

    /// What a group is known by: its name without differences of capitals, accents and blanks.
    pub fn key(name: &str) -> u64 {
        mark(Of::Group, &fold(name))
    }

    /// The group of this name.
    pub fn observe(&mut self, name: &str) -> Group {
        let key = Self::key(name);
        if let Some((group, is_seen)) = self.known.get_mut(&key) {
            *is_seen = true;
            return Group::Known(group.id);
        }
        let (next, is_full) = (self.new.len(), self.known.len() + self.new.len() >= MAX_GROUPS);
        match self.new.get(&key) {
            Some(&new) => Group::New(new),
            None if is_full => {
                self.too_many += 1;
                Group::TooMany
            }
            None => {
                let next = u32::try_from(next).expect("there are not so many");
                self.new.insert(key, next);
                Group::New(next)
            }
        }
    }

    /// Entries that have no group, since there are too many.
    pub fn too_many(&self) -> u64 {
        self.too_many
    }

    /// The known groups that are missing, and those that were and are there again.
    pub fn finish(self) -> (Vec<GroupId>, Vec<GroupId>) {
        let ids = |is_wanted: fn(&KnownGroup, bool) -> bool| {
            let wanted = self.known.values().filter(|(group, is_seen)| is_wanted(group, *is_seen));
            let mut ids: Vec<GroupId> = wanted.map(|(group, _)| group.id).collect();
            ids.sort_unstable();
            ids
        };
        let absent = ids(|group, is_seen| !is_seen && group.absent_since.is_none());
        let returned = ids(|group, is_seen| is_seen && group.absent_since.is_some());
        (absent, returned)
    }
}
