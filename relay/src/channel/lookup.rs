//! The list of channels, which the application makes and the relay asks.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::model::{Channel, ChannelId};

/// Finds channels by id in one list of channels. The list never changes: a new list is a new value,
/// so its holder needs no lock.
///
/// A list of a hundred thousand keeps its channels as rows of a database, and makes a [`Channel`]
/// only of the few that are watched. So a look-up may wait for a disk. It happens without a lock,
/// when a channel is opened or the list changes, and never for viewers of an open channel.
pub trait Lookup: fmt::Debug + Send + Sync {
    /// The channel with this id.
    fn find(&self, id: &str) -> Result<Option<Arc<Channel>>, Unreadable>;
}

/// The list could not be read, so it is not known whether there is such a channel. The
/// implementation of [`Lookup`] has logged why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list of channels cannot be read")]
pub struct Unreadable;

/// The number of a list of channels. Each list that comes into force gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revision(pub(super) u64);

/// A channel, and the list in which it was found.
#[derive(Debug, Clone)]
pub struct ListedChannel {
    /// The channel.
    pub channel: Arc<Channel>,
    revision: Revision,
}

impl ListedChannel {
    /// `revision` was read before the channel was looked up: the list is that one or a later one.
    pub fn new(channel: Arc<Channel>, revision: Revision) -> Self {
        Self { channel, revision }
    }

    /// The list in which it was found.
    pub fn revision(&self) -> Revision {
        self.revision
    }
}

/// A new list of channels, and how it differs from the one before.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The new list.
    pub lookup: Arc<dyn Lookup>,
    /// Channels that were not in the list before.
    pub added: HashSet<ChannelId>,
    /// Channels whose settings differ, or may.
    pub changed: HashSet<ChannelId>,
    /// Channels that are no longer in the list; their viewers are cut off.
    pub removed: HashSet<ChannelId>,
    /// Whether channels outside of the three sets may differ, too. The rows of a database are not
    /// all read to see how a new default changes them.
    pub is_incomplete: bool,
}

impl Difference {
    /// The number of channels that differ.
    pub fn count(&self) -> Changes {
        Changes { added: self.added.len(), changed: self.changed.len(), removed: self.removed.len() }
    }
}

/// The counts of a [`Difference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Channels that were not there.
    pub added: usize,
    /// Channels that are no longer there; their viewers are cut off.
    pub removed: usize,
    /// Channels whose settings differ.
    pub changed: usize,
}
