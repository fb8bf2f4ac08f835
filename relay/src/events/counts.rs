//! How often each thing has happened since the start.
//!
//! Events are counted where they are published: whoever reads the counts now and then misses
//! nothing, however much happens in between.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_core::histogram::{Histogram, Reading};

use super::Event;

/// How long outages last: from one that nobody sees to one that every viewer has given up.
const OUTAGES: &[Duration] = &[
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
];

/// The counts of a bus.
#[derive(Debug)]
pub(super) struct Counts {
    streams_opened: AtomicU64,
    viewers_joined: AtomicU64,
    viewers_moved_on: AtomicU64,
    bytes_missed: AtomicU64,
    /// By the code of the reason. They are rare enough for a lock.
    switches: Mutex<BTreeMap<&'static str, u64>>,
    outages: Histogram,
}

/// What has happened since the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// Channels that were opened.
    pub streams_opened: u64,
    /// Viewers who have begun to watch.
    pub viewers_joined: u64,
    /// Times that a viewer was too slow.
    pub viewers_moved_on: u64,
    /// Bytes that those viewers missed.
    pub bytes_missed: u64,
    /// Times that a source was left, by the code of the reason.
    pub switches: BTreeMap<&'static str, u64>,
    /// How long viewers had no source, of outages that have ended.
    pub outages: Reading,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            streams_opened: AtomicU64::new(0),
            viewers_joined: AtomicU64::new(0),
            viewers_moved_on: AtomicU64::new(0),
            bytes_missed: AtomicU64::new(0),
            switches: Mutex::default(),
            outages: Histogram::new(OUTAGES),
        }
    }

    pub(super) fn note(&self, event: &Event) {
        let add = |count: &AtomicU64, more| count.fetch_add(more, Ordering::Relaxed);
        match event {
            Event::StreamOpened { .. } => drop(add(&self.streams_opened, 1)),
            Event::ViewerJoined { .. } => drop(add(&self.viewers_joined, 1)),
            Event::ViewerMovedOn { missed, .. } => {
                add(&self.viewers_moved_on, 1);
                add(&self.bytes_missed, *missed);
            }
            Event::StreamSwitched { reason, .. } => {
                *self.switches().entry(reason.name()).or_default() += 1;
            }
            Event::OutageEnded { lasted, .. } => self.outages.note(*lasted),
            _ => {}
        }
    }

    pub(super) fn read(&self) -> Happened {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Happened {
            streams_opened: read(&self.streams_opened),
            viewers_joined: read(&self.viewers_joined),
            viewers_moved_on: read(&self.viewers_moved_on),
            bytes_missed: read(&self.bytes_missed),
            switches: self.switches().clone(),
            outages: self.outages.read(),
        }
    }

    fn switches(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
