//! How often somebody was refused since its address has as much as it may: counted for the status,
//! and told in the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

/// The log tells of the refusals of one kind no more often than this.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Of what the address has as much as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Viewers.
    Viewers,
    /// Channels that are being opened for its sake.
    Opening,
    /// Channels that are open for its sake.
    Opened,
}

impl Kind {
    /// What there is too much of.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Viewers => "viewers",
            Self::Opening => "channels opening",
            Self::Opened => "channels open",
        }
    }

    /// The key of the configuration that sets the limit.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Viewers | Self::Opened => "max_viewers_per_address",
            Self::Opening => "max_opening_per_address",
        }
    }
}

/// The refusals of each kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusals(Arc<[Refused; 3]>);

#[derive(Debug, Default)]
struct Refused {
    count: AtomicU64,
    told_at: Mutex<Option<Instant>>,
}

impl Refusals {
    /// Counts one more, where the address has `limit` of them; true if the log told of it.
    pub(super) fn note(&self, kind: Kind, limit: usize) -> bool {
        let refused = &self.0[kind as usize];
        let total = refused.count.fetch_add(1, Ordering::Relaxed) + 1;
        let now = Instant::now();
        let mut told_at = refused.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is refused comes again at once; a line for each would fill the disk.
        if told_at.is_some_and(|at| now - at < TELL_EVERY) {
            return false;
        }
        *told_at = Some(now);
        warn!(limit, key = kind.key(), total, "one address has all the {} that it may: refused", kind.what());
        true
    }

    /// How many there were.
    pub(super) fn count(&self, kind: Kind) -> u64 {
        self.0[kind as usize].count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_and_few_are_told() {
        let refusals = Refusals::default();
        let told = [(); 3].map(|()| refusals.note(Kind::Opening, 32));
        assert_eq!((told, refusals.note(Kind::Viewers, 4)), ([true, false, false], true));
        assert_eq!([Kind::Viewers, Kind::Opening, Kind::Opened].map(|kind| refusals.count(kind)), [1, 3, 0]);
    }
}
