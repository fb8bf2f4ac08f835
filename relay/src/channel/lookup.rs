//! Which channels there are: a list that the application makes and the relay asks.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::model::{Channel, ChannelId};

/// The channels that there are at one moment. A value never changes: another list is another value,
/// so that who holds one needs no lock.
///
/// A channel is asked for when somebody watches it. So a list of a hundred thousand may keep them as
/// rows of a database, and make a [`Channel`] of the few that are watched.
pub trait Lookup: fmt::Debug + Send + Sync {
    /// The channel with this id. This may read a file: it is called without a lock.
    fn find(&self, id: &str) -> Option<Arc<Channel>>;

    /// The channel with this number; likewise.
    fn find_by_number(&self, number: u32) -> Option<Arc<Channel>>;

    /// The channel with this id, else the one with this number.
    fn find_by_id_or_number(&self, text: &str) -> Option<Arc<Channel>> {
        self.find(text).or_else(|| self.find_by_number(text.parse().ok()?))
    }

    /// The channels that keep their past on disk, where it is looked after whether they are open
    /// or not.
    fn with_past(&self) -> Vec<Arc<Channel>>;
}

/// Another list of channels, and what is different in it.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The list from now on.
    pub lookup: Arc<dyn Lookup>,
    /// Channels that were not in the list before.
    pub added: HashSet<ChannelId>,
    /// Channels whose settings differ.
    pub changed: HashSet<ChannelId>,
    /// Channels that are no longer in the list; their viewers are cut off.
    pub removed: HashSet<ChannelId>,
}

impl Difference {
    /// How many channels differ.
    pub fn count(&self) -> Changes {
        Changes { added: self.added.len(), changed: self.changed.len(), removed: self.removed.len() }
    }
}

/// How many channels another list has different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Channels that were not there.
    pub added: usize,
    /// Channels that are there no more; their viewers are cut off.
    pub removed: usize,
    /// Channels whose settings differ.
    pub changed: usize,
}
