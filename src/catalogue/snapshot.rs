//! The channels at one moment.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use forebay_relay::channel::{Difference, Lookup};
use forebay_relay::model::{Channel, ChannelId};

/// The channels at one moment, in memory. It never changes.
#[derive(Debug, Default)]
pub struct Snapshot {
    in_order: Arc<[Arc<Channel>]>,
    by_id: HashMap<ChannelId, Arc<Channel>>,
    by_number: HashMap<u32, Arc<Channel>>,
}

impl Snapshot {
    /// These channels, each id and number once.
    pub fn new(channels: Vec<Arc<Channel>>) -> Self {
        let in_order: Arc<[Arc<Channel>]> = channels.into();
        let by_id = in_order.iter().map(|channel| (channel.id.clone(), Arc::clone(channel))).collect();
        let by_number = in_order.iter().filter_map(|c| Some((c.number?, Arc::clone(c)))).collect();
        Self { in_order, by_id, by_number }
    }

    /// All channels, in the order of lists.
    pub fn channels(&self) -> &Arc<[Arc<Channel>]> {
        &self.in_order
    }

    /// What is different in `self`.
    pub(super) fn since(self: &Arc<Self>, before: &Self) -> Difference {
        let (mut added, mut changed) = (HashSet::new(), HashSet::new());
        for channel in &*self.in_order {
            match before.by_id.get(&channel.id) {
                None => _ = added.insert(channel.id.clone()),
                // At once, where both are one object.
                Some(old) if old == channel => {}
                Some(_) => _ = changed.insert(channel.id.clone()),
            }
        }
        let is_gone = |id: &&ChannelId| !self.by_id.contains_key(*id);
        let removed = before.by_id.keys().filter(is_gone).cloned().collect();
        Difference { lookup: Arc::clone(self) as _, added, changed, removed }
    }
}

impl Lookup for Snapshot {
    fn find(&self, id: &str) -> Option<Arc<Channel>> {
        self.by_id.get(id).cloned()
    }

    fn find_by_number(&self, number: u32) -> Option<Arc<Channel>> {
        self.by_number.get(&number).cloned()
    }

    fn with_past(&self) -> Vec<Arc<Channel>> {
        self.in_order.iter().filter(|channel| channel.policy.timeshift.is_some()).cloned().collect()
    }
}
