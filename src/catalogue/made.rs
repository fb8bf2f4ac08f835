//! Channels that were made of rows, kept for those who ask next.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_relay::model::{Channel, ChannelId};

/// How many of those that were asked for last are kept at least: more than one machine has open. A
/// channel takes some two kilobytes.
const KEPT: usize = 1024;

/// Channels that were made of the rows of one list.
#[derive(Debug, Default)]
pub(super) struct Made(Mutex<Both>);

#[derive(Debug, Clone, Default)]
struct Both {
    by_id: Recent<ChannelId>,
    /// Of numbers that are no channel's id.
    by_number: Recent<u32>,
}

impl Made {
    /// What the next list can still use, in which these channels are other ones.
    pub(super) fn without(&self, changed: &HashSet<ChannelId>) -> Self {
        let mut by_id = self.lock().by_id.clone();
        by_id.retain(|id| !changed.contains(id));
        // Which channel a number leads to depends on all that have it.
        Self(Mutex::new(Both { by_id, by_number: Recent::default() }))
    }

    /// The channel with this id.
    pub(super) fn by_id(&self, id: &str) -> Option<Arc<Channel>> {
        self.lock().by_id.get(id)
    }

    /// The channel with this number.
    pub(super) fn by_number(&self, number: u32) -> Option<Arc<Channel>> {
        self.lock().by_number.get(&number)
    }

    /// Keeps a channel that was asked for by its id, or by this number.
    pub(super) fn keep(&self, channel: &Arc<Channel>, number: Option<u32>) {
        // What goes for it is dropped outside the lock: it may be a thousand.
        match number {
            Some(number) => {
                let _gone = self.lock().by_number.insert(number, Arc::clone(channel));
            }
            None => {
                let _gone = self.lock().by_id.insert(channel.id.clone(), Arc::clone(channel));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Both> {
        // Each change is one insertion: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was asked for last, in two halves: when the younger one is full, the older one goes.
#[derive(Debug, Clone)]
struct Recent<K> {
    young: HashMap<K, Arc<Channel>>,
    old: HashMap<K, Arc<Channel>>,
}

impl<K> Default for Recent<K> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Eq + Hash + Clone> Recent<K> {
    fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<Arc<Channel>>
    where
        K: Borrow<Q>,
    {
        if let Some(found) = self.young.get(key) {
            return Some(Arc::clone(found));
        }
        // Asked for again, so it belongs to the young half: what is watched is never thrown away.
        let (key, found) = self.old.remove_entry(key)?;
        // What goes was not asked for lately, and is hardly ever a full half.
        self.insert(key, Arc::clone(&found));
        Some(found)
    }

    /// Returns what goes for it.
    fn insert(&mut self, key: K, channel: Arc<Channel>) -> HashMap<K, Arc<Channel>> {
        let is_full = self.young.len() >= KEPT;
        let gone = if is_full {
            let full = mem::take(&mut self.young);
            mem::replace(&mut self.old, full)
        } else {
            HashMap::new()
        };
        self.young.insert(key, channel);
        gone
    }

    fn retain(&mut self, is_kept: impl Fn(&K) -> bool) {
        self.young.retain(|key, _| is_kept(key));
        self.old.retain(|key, _| is_kept(key));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn channel(id: &str) -> Arc<Channel> {
        let text = format!("[[channels]]\nid = '{id}'\nsources = ['testcard://']\n");
        Config::parse(&text, Path::new("channels.toml")).unwrap().channels.remove(0)
    }

    #[test]
    fn what_is_asked_for_again_stays_and_there_is_a_limit() {
        let made = Made::default();
        let watched = channel("watched");
        made.keep(&watched, None);
        for at in 0..5 * KEPT {
            made.keep(&channel(&format!("c{at}")), None);
            let found = made.by_id("watched").expect("it was asked for a moment ago");
            assert!(Arc::ptr_eq(&found, &watched));
        }
        let both = made.lock();
        assert!(both.by_id.young.len() + both.by_id.old.len() <= 2 * KEPT);
        assert!(both.by_id.young.len() + both.by_id.old.len() >= KEPT);
    }

    #[test]
    fn the_next_list_begins_without_what_has_changed() {
        let made = Made::default();
        let [a, b] = ["a", "b"].map(channel);
        made.keep(&a, None);
        made.keep(&b, None);
        made.keep(&a, Some(7));
        let next = made.without(&HashSet::from([b.id.clone()]));
        assert!(next.by_id("a").is_some_and(|kept| Arc::ptr_eq(&kept, &a)));
        assert_eq!((next.by_id("b"), next.by_number(7)), (None, None));
        assert!(made.by_id("b").is_some() && made.by_number(7).is_some());
    }
}
