//! Which channels there are: a list that the application makes and the relay asks.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::model::{Channel, ChannelId};

/// The channels that there are. Another list is another value, so that who holds one needs no lock.
///
/// A list of a hundred thousand keeps its channels as rows of a database, and makes a [`Channel`]
/// of the few that are watched. So the question may wait for a disk: it is asked without a lock, by
/// whoever takes another list, and by nobody who watches.
pub trait Lookup: fmt::Debug + Send + Sync {
    /// The channel with this id.
    fn find(&self, id: &str) -> Result<Option<Arc<Channel>>, Unreadable>;
}

/// The list could not be read: nobody knows whether there is such a channel. Whoever keeps the list
/// has told why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list of channels cannot be read")]
pub struct Unreadable;

/// Which list is in force. Each one that is taken has another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revision(pub(super) u64);

/// A channel, and the list in which it was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The channel.
    pub channel: Arc<Channel>,
    revision: Revision,
}

impl Found {
    /// A channel of the list that was in force when this revision was asked for, or of a later one.
    pub fn new(channel: Arc<Channel>, revision: Revision) -> Self {
        Self { channel, revision }
    }

    /// The list in which it was found.
    pub fn revision(&self) -> Revision {
        self.revision
    }
}

/// Another list of channels, and what is different in it.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The list from now on.
    pub lookup: Arc<dyn Lookup>,
    /// Channels that were not in the list before.
    pub added: HashSet<ChannelId>,
    /// Channels whose settings differ, or may.
    pub changed: HashSet<ChannelId>,
    /// Channels that are no longer in the list; their viewers are cut off.
    pub removed: HashSet<ChannelId>,
    /// Whether channels that are not named may be other ones, too: rows of a database are not read
    /// to see what another default makes of them.
    pub is_open_ended: bool,
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
