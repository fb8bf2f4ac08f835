//! Connections that wait for their next request.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::Origin;

/// Connections to one origin that wait: an HLS source needs one for playlists and one for segments.
const MAX_PER_ORIGIN: usize = 2;

/// Connections that wait in all. Providers spread segments over some hosts; one that names ever new
/// ones shall not use up our sockets.
const MAX: usize = 8;

/// How long one waits. Servers wait for 5 s to 75 s; live playlists are asked for more often than
/// that.
const MAX_IDLE: Duration = Duration::from_secs(90);

/// What can wait for its next request.
pub(crate) trait Reusable {
    /// Whether another request can be sent over it.
    fn is_idle(&mut self) -> bool;
}

/// Connections of one upstream that wait for their next request; nobody else gets to use them.
pub(crate) struct IdlePool<C>(Arc<Mutex<Vec<Idle<C>>>>);

impl<C> Clone for IdlePool<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Default for IdlePool<C> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

struct Idle<C> {
    origin: Origin,
    connection: C,
    since: Instant,
}

impl<C: Reusable> IdlePool<C> {
    /// The one to this origin that was used last, if one is still open.
    pub(crate) fn take(&self, origin: &Origin) -> Option<C> {
        let mut kept = self.tidied();
        // The last one in: servers close idle connections
        // after some time, so it is the likeliest to be open.
        let at = kept.iter().rposition(|idle| idle.origin == *origin)?;
        Some(kept.remove(at).connection)
    }

    /// Closes those that have waited long, and those that the other end has closed.
    pub(crate) fn tidy(&self) {
        drop(self.tidied());
    }

    /// Keeps a connection, if another request can be sent over it; the oldest makes room.
    pub(super) fn put(&self, origin: Origin, mut connection: C) {
        // One that cannot be used again must not push out one that can.
        if !connection.is_idle() {
            return;
        }
        let mut kept = self.tidied();
        let is_alike = |idle: &Idle<C>| idle.origin == origin;
        if kept.iter().filter(|idle| is_alike(idle)).count() == MAX_PER_ORIGIN {
            kept.iter().position(is_alike).map(|oldest| kept.remove(oldest));
        } else if kept.len() == MAX {
            kept.remove(0);
        }
        kept.push(Idle { origin, connection, since: Instant::now() });
    }

    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        self.0.lock().unwrap().iter_mut().for_each(|idle| idle.since -= by);
    }

    fn tidied(&self) -> MutexGuard<'_, Vec<Idle<C>>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain_mut(|idle| idle.since.elapsed() < MAX_IDLE && idle.connection.is_idle());
        kept
    }
}

impl<C> fmt::Debug for IdlePool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdlePool").finish_non_exhaustive()
    }
}
