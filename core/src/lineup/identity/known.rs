//! The known sources of a list, in order of their keys, and which of them have been seen.

use std::collections::HashMap;
use std::ops::Range;

use super::{Identity, Key, Known};

#[derive(Debug)]
pub(super) struct KnownSources {
    /// By key, address, name, id: sources with the same key are told apart by their address, then
    /// by their name, then by their age.
    list: Vec<Known>,
    is_seen: Vec<bool>,
    /// For each run of equal sources that was searched: where the first may be that is not seen. So
    /// all searches of a run together take linear time, however many are equal.
    taken: HashMap<(usize, usize), usize>,
}

impl KnownSources {
    pub(super) fn new(mut list: Vec<Known>) -> Self {
        list.sort_unstable_by_key(|it| (it.identity.key, it.identity.address, it.identity.name, it.id));
        let is_seen = vec![false; list.len()];
        Self { list, is_seen, taken: HashMap::new() }
    }

    pub(super) fn get(&self, at: usize) -> &Known {
        &self.list[at]
    }

    pub(super) fn see(&mut self, at: usize) {
        self.is_seen[at] = true;
    }

    /// All that were not seen.
    pub(super) fn unseen(&self) -> impl Iterator<Item = (usize, &Known)> {
        self.list.iter().enumerate().filter(|(at, _)| !self.is_seen[*at])
    }

    pub(super) fn present(&self) -> u64 {
        self.list.iter().map(|it| u64::from(it.absent_since.is_none())).sum()
    }

    pub(super) fn has_key(&self, key: Key) -> bool {
        !self.with_key(key).is_empty()
    }

    /// Whether a source has the same guide id.
    pub(super) fn has_guide_id(&self, key: Key) -> bool {
        let at = self.list.partition_point(|it| it.identity.key.id < key.id);
        self.list.get(at).is_some_and(|it| it.identity.key.id == key.id)
    }

    /// The unseen source that this entry is without a doubt: of the same key and address, and of
    /// the same name unless there is only one.
    pub(super) fn exact(&mut self, identity: &Identity) -> Option<usize> {
        let same_address = self.with_address(identity);
        let of_name = |it: &Known| it.identity.name;
        let start = partition(&self.list, &same_address, |it| of_name(it) < identity.name);
        let end = partition(&self.list, &same_address, |it| of_name(it) <= identity.name);
        let is_only = same_address.len() == 1;
        self.first_unseen(start..end).or_else(|| if is_only { self.first_unseen(same_address) } else { None })
    }

    /// The oldest unseen source with the key and the address.
    pub(super) fn by_address(&mut self, identity: &Identity) -> Option<usize> {
        let range = self.with_address(identity);
        self.first_unseen(range)
    }

    /// The first unseen source with the key.
    pub(super) fn by_key(&mut self, key: Key) -> Option<usize> {
        let range = self.with_key(key);
        self.first_unseen(range)
    }

    fn with_key(&self, key: Key) -> Range<usize> {
        let whole = 0..self.list.len();
        let start = partition(&self.list, &whole, |it| it.identity.key < key);
        start..partition(&self.list, &(start..whole.end), |it| it.identity.key <= key)
    }

    fn with_address(&self, identity: &Identity) -> Range<usize> {
        let same_key = self.with_key(identity.key);
        let of_address = |it: &Known| it.identity.address;
        let start = partition(&self.list, &same_key, |it| of_address(it) < identity.address);
        start..partition(&self.list, &same_key, |it| of_address(it) <= identity.address)
    }

    fn first_unseen(&mut self, range: Range<usize>) -> Option<usize> {
        if range.len() <= 1 {
            return range.into_iter().find(|&at| !self.is_seen[at]);
        }
        let from = self.taken.entry((range.start, range.end)).or_insert(range.start);
        while *from < range.end && self.is_seen[*from] {
            *from += 1;
        }
        (*from < range.end).then_some(*from)
    }
}

/// The first position within `range` for which `is_before` no longer holds.
fn partition(list: &[Known], range: &Range<usize>, is_before: impl Fn(&Known) -> bool) -> usize {
    range.start + list[range.clone()].partition_point(is_before)
}
