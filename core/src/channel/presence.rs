//! Whether anybody reads a channel, and for how long nobody has: what keeps its sources open.

use std::time::Duration;

use crate::lifecycle::Event;
use crate::provider::Demand;
use crate::time::Moment;

/// How many readers a channel has, as far as that keeps it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReaderCounts {
    /// Those who keep the channel open.
    pub keeping_open: usize,
    /// Those among them after whom it lingers, since they may come back.
    pub lingering: usize,
}

/// Whether a channel has readers who keep it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has.
    Present,
    /// It has none. The last one who may come back left so long ago; if that is absent, none may.
    Absent(Option<Duration>),
}

/// Follows the readers of a channel.
#[derive(Debug, Default)]
pub struct PresenceTracker {
    last: Last,
}

/// The last one of the readers after whom a channel lingers.
#[derive(Debug, Clone, Copy, Default)]
enum Last {
    /// There was none yet.
    #[default]
    None,
    Present,
    LeftAt(Moment),
}

impl Presence {
    /// What the lifecycle of the channel is told.
    pub fn event(self) -> Event {
        match self {
            Self::Present => Event::ReadersPresent,
            // Without anybody who may come back, nothing is worth waiting for.
            Self::Absent(since) => Event::NoReaders(since.unwrap_or(Duration::MAX)),
        }
    }

    /// What the providers of its open connections are told.
    pub fn demand(self) -> Demand {
        match self {
            Self::Present => Demand::Watched,
            Self::Absent(_) => Demand::Lingering,
        }
    }
}

impl PresenceTracker {
    /// Notes the readers at `now`.
    pub fn update(&mut self, now: Moment, readers: ReaderCounts) -> Presence {
        self.last = match self.last {
            _ if readers.lingering > 0 => Last::Present,
            Last::Present => Last::LeftAt(now),
            last => last,
        };
        match self.last {
            _ if readers.keeping_open > 0 => Presence::Present,
            Last::LeftAt(left_at) => Presence::Absent(Some(now.since(left_at))),
            Last::None | Last::Present => Presence::Absent(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_lingers_after_the_last_one_who_may_come_back() {
        let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
        let readers = |keeping_open, lingering| ReaderCounts { keeping_open, lingering };
        let mut tracker = PresenceTracker::default();
        assert_eq!(tracker.update(at(0), readers(0, 0)), Presence::Absent(None), "nobody was there");
        // A recording keeps the channel open, and nobody waits for it to come back.
        assert_eq!(tracker.update(at(1), readers(1, 0)), Presence::Present);
        assert_eq!(tracker.update(at(2), readers(0, 0)), Presence::Absent(None));
        assert_eq!(tracker.update(at(3), readers(2, 1)), Presence::Present);
        // The viewer leaves, the recording stays: the time runs from here.
        assert_eq!(tracker.update(at(4), readers(1, 0)), Presence::Present);
        assert_eq!(tracker.update(at(9), readers(0, 0)), Presence::Absent(Some(Duration::from_secs(5))));
    }
}
