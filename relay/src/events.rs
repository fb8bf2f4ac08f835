//! What happens, for whoever wants to know: the log of an interface, counters, tests.
//!
//! Whoever publishes never waits. A reader that is slow loses the oldest events, and is told how
//! many. What is published is counted as well.

mod counts;

use std::sync::Arc;
use std::time::Duration;

use forebay_core::channel::SwitchReason;
use forebay_core::failover::SourceId;
use tokio::sync::broadcast;

use self::counts::Counts;
pub use self::counts::Happened;
use crate::model::{ChannelId, ProviderId};

/// Events that are kept for readers who are behind: some seconds of a crowd that comes at once.
const MAX_KEPT: usize = 4096;

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Somebody watches a channel that nobody did.
    StreamOpened {
        /// The channel.
        channel: ChannelId,
    },
    /// A source is shown, the first one or another.
    StreamStarted {
        /// The channel.
        channel: ChannelId,
        /// The source.
        source: SourceId,
    },
    /// A source was left for another, or opened again.
    StreamSwitched {
        /// The channel.
        channel: ChannelId,
        /// The source that was left.
        from: SourceId,
        /// The source that is shown instead.
        to: SourceId,
        /// Why.
        reason: SwitchReason,
    },
    /// Viewers have no source from now on.
    OutageBegun {
        /// The channel.
        channel: ChannelId,
    },
    /// They have one again.
    OutageEnded {
        /// The channel.
        channel: ChannelId,
        /// How long they had none.
        lasted: Duration,
    },
    /// A channel is closed.
    StreamClosed {
        /// The channel.
        channel: ChannelId,
    },
    /// Somebody begins to watch.
    ViewerJoined {
        /// The channel.
        channel: ChannelId,
    },
    /// Somebody stops watching, or is dropped.
    ViewerLeft {
        /// The channel.
        channel: ChannelId,
        /// Bytes that were sent.
        sent: u64,
    },
    /// A viewer was too slow, and goes on with what is newest.
    ViewerMovedOn {
        /// The channel.
        channel: ChannelId,
        /// Bytes that were missed.
        missed: u64,
    },
    /// A channel has a connection to a provider.
    ConnectionGranted {
        /// The channel.
        channel: ChannelId,
        /// The provider.
        provider: ProviderId,
    },
    /// A channel gets no connection to a provider.
    ConnectionRefused {
        /// The channel.
        channel: ChannelId,
        /// The provider.
        provider: ProviderId,
    },
    /// A channel gives up a connection that another needs more.
    ConnectionPreempted {
        /// The channel.
        channel: ChannelId,
        /// The provider.
        provider: ProviderId,
    },
    /// Another configuration is in force.
    ConfigurationReloaded {
        /// Channels that are new.
        added: usize,
        /// Channels that are gone.
        removed: usize,
        /// Channels that are not as before.
        changed: usize,
    },
    /// A configuration has faults, and the one in force stays.
    ConfigurationRefused {
        /// How many.
        faults: usize,
    },
    /// A playlist was read, and is not as before.
    PlaylistRefreshed {
        /// Its number.
        playlist: i64,
        /// Channels that are new.
        added: u64,
        /// Channels that are not as before.
        changed: u64,
        /// Channels that are missing.
        absent: u64,
    },
    /// A list is held: an admin is to look at it.
    PlaylistHeld {
        /// The number of its playlist.
        playlist: i64,
        /// The code of what is wrong with it.
        reason: &'static str,
    },
    /// A list does not come.
    PlaylistFailed {
        /// The number of its playlist.
        playlist: i64,
    },
    /// An attempt of a job begins.
    JobStarted {
        /// The number of the job.
        job: i64,
        /// What kind of job it is.
        kind: &'static str,
    },
    /// An attempt of a job has ended, or the job was cancelled before it began.
    JobEnded {
        /// The number of the job.
        job: i64,
        /// What kind of job it is.
        kind: &'static str,
        /// The name of the state of the job now.
        state: &'static str,
    },
    /// A server takes a channel that is pushed to it.
    PushPublished {
        /// The id of the push.
        push: Arc<str>,
        /// The channel.
        channel: ChannelId,
    },
    /// A push that was published is so no more.
    PushEnded {
        /// The id of the push.
        push: Arc<str>,
        /// The channel.
        channel: ChannelId,
        /// The code of the reason.
        reason: &'static str,
    },
    /// A part of the program has failed.
    ServiceFailed {
        /// Its name.
        service: &'static str,
        /// The pause before it is started again; none where the program ends.
        restarts_in: Option<Duration>,
    },
}

/// Where events go and come from. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Bus {
    sender: broadcast::Sender<Event>,
    counts: Arc<Counts>,
}

/// Somebody who reads events, from when this was made.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Event>,
    lost: u64,
}

impl Bus {
    /// One without readers.
    pub fn new() -> Self {
        Self { sender: broadcast::Sender::new(MAX_KEPT), counts: Arc::new(Counts::new()) }
    }

    /// Tells all readers.
    pub fn publish(&self, event: Event) {
        self.counts.note(&event);
        // Without a reader there is nobody to tell.
        let _ = self.sender.send(event);
    }

    /// What has been published since the start.
    pub fn happened(&self) -> Happened {
        self.counts.read()
    }

    /// The events from now on.
    pub fn subscribe(&self) -> Events {
        Events { receiver: self.sender.subscribe(), lost: 0 }
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

impl Events {
    /// Waits for the next event; `None` when nothing can happen any more. Nothing is lost when it
    /// is cancelled.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                // The publisher overwrote the oldest instead of
                // waiting: a slow page must not hold up a channel.
                Err(broadcast::error::RecvError::Lagged(missed)) => self.lost += missed,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// How many events this reader was too slow for.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(id: &str) -> Event {
        Event::StreamClosed { channel: id.parse().unwrap() }
    }

    #[tokio::test]
    async fn each_reader_gets_what_happens_from_its_beginning() {
        let bus = Bus::new();
        bus.publish(closed("nobody-hears"));
        let (mut one, mut other) = (bus.subscribe(), bus.subscribe());
        bus.publish(closed("a"));
        assert_eq!(one.next().await, Some(closed("a")));
        bus.publish(closed("b"));
        drop(bus);
        assert_eq!((other.next().await, other.next().await), (Some(closed("a")), Some(closed("b"))));
        assert_eq!((other.next().await, other.lost()), (None, 0));
    }

    #[test]
    fn what_nobody_reads_is_counted_all_the_same() {
        let bus = Bus::new();
        let channel = || "a".parse().unwrap();
        for millis in [300, 30_000] {
            bus.publish(Event::OutageEnded { channel: channel(), lasted: Duration::from_millis(millis) });
        }
        let (from, to) = (SourceId(0), SourceId(1));
        for reason in [SwitchReason::Pinned, SwitchReason::Returned, SwitchReason::Pinned] {
            bus.publish(Event::StreamSwitched { channel: channel(), from, to, reason });
        }
        for missed in [188, 376] {
            bus.publish(Event::ViewerMovedOn { channel: channel(), missed });
        }
        let happened = bus.happened();
        assert_eq!(happened.switches, [("pinned", 2), ("return", 1)].into());
        assert_eq!((happened.viewers_moved_on, happened.bytes_missed), (2, 564));
        assert_eq!((happened.outages.count, happened.outages.sum), (2, 30.3));
    }

    #[tokio::test]
    async fn a_slow_reader_loses_the_oldest_and_is_told() {
        let bus = Bus::new();
        let mut slow = bus.subscribe();
        for at in 0..MAX_KEPT + 10 {
            bus.publish(closed(&at.to_string()));
        }
        assert_eq!((slow.next().await, slow.lost()), (Some(closed("10")), 10));
    }
}
