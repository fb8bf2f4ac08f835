//! What an HLS upstream tells about itself while it runs.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forebay_core::ingest;
use forebay_core::playlist::follow::{Counts, Follower, START_BEHIND};
use forebay_core::time::Moment;
use tokio::sync::Notify;

use crate::input::{Error, Parts};

/// What is known of an HLS upstream, shared by the task that fetches and the driver.
#[derive(Debug, Default)]
pub struct Monitor {
    state: Mutex<State>,
    /// Media was taken from what waits.
    pub(super) taken: Notify,
}

#[derive(Debug, Default, Clone)]
struct State {
    snapshot: Snapshot,
    stall_after: Duration,
    /// What may wait for its turn: what lies between the beginning and the end of a list.
    ahead: Duration,
    head_start: Duration,
    waiting: Duration,
    taken: u64,
    trouble: Option<Error>,
    sound_trouble: Option<String>,
    has_lower: bool,
    wants_lower: bool,
}

/// What the status document shows.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The variant that is played, where there are several.
    pub variant: Option<Variant>,
    /// The target duration as stated.
    pub target: Duration,
    /// The media sequence number of the segment that comes next.
    pub sequence: u64,
    /// Whether the sound comes from a playlist of its own.
    pub has_audio: bool,
    /// Why the separate sound does not come, while the picture goes on without it.
    pub sound_trouble: Option<String>,
    /// What was seen.
    pub counts: Counts,
}

/// A variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Peak bits a second; 0 where that is not said.
    pub bandwidth: u64,
    /// Width and height in pixels.
    pub resolution: Option<(u64, u64)>,
    /// As in RFC 6381.
    pub codecs: Vec<String>,
}

impl Monitor {
    pub(super) fn note_sound_trouble(&self, reason: Option<String>) {
        self.edit(|state| state.sound_trouble = reason);
    }

    /// Media that was fetched and has not been taken, in whole segments.
    pub(super) fn waiting(&self) -> Duration {
        self.edit(|state| state.waiting)
    }

    pub(super) fn note_trouble(&self, trouble: Option<Error>) {
        self.edit(|state| state.trouble = trouble);
    }

    pub(super) fn fetched(&self, media: Duration) {
        self.edit(|state| state.waiting += media);
    }

    pub(super) fn took(&self, media: Duration) {
        self.edit(|state| {
            // Each segment was counted in before its end entered the queue, so this never
            // saturates.
            state.waiting = state.waiting.saturating_sub(media);
            state.taken += 1;
        });
        // The follower may have paused since there was enough in store.
        self.taken.notify_one();
    }

    /// Whether a lower variant was asked for since the last time.
    pub(super) fn take_wish(&self) -> bool {
        self.edit(|state| mem::take(&mut state.wants_lower))
    }

    pub(super) fn note(&self, follower: &Follower, now: Moment) {
        let variant = follower.rung().map(|rung| Variant {
            bandwidth: rung.variant.bandwidth,
            resolution: rung.variant.resolution,
            codecs: rung.variant.codecs.clone(),
        });
        let snapshot = Snapshot {
            variant,
            target: follower.target(),
            sequence: follower.sequence(),
            has_audio: follower.has_audio(),
            sound_trouble: None,
            counts: follower.counts(),
        };
        self.edit(|state| {
            state.snapshot = snapshot;
            state.stall_after = follower.stall_after();
            state.has_lower = follower.has_lower(now);
            state.ahead = follower.ahead();
            state.head_start = follower.head_start();
        });
    }

    fn edit<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Parts for Monitor {
    fn state(&self) -> ingest::PartsState {
        self.edit(|state| ingest::PartsState {
            taken: state.taken,
            waiting: state.waiting,
            // One of the three segments that lie between the beginning and the end of a list. The
            // others tide over until there is another, and over one that comes late.
            at_once: state.ahead / u32::from(START_BEHIND),
            head_start: state.head_start,
            stall_after: state.stall_after,
        })
    }

    fn ask_for_less(&self) -> bool {
        let has_lower = self.edit(|state| {
            // A wish that no variant can fulfil must not wait for one that appears later.
            state.wants_lower = state.has_lower;
            state.has_lower
        });
        self.taken.notify_one();
        has_lower
    }

    fn trouble(&self) -> Option<Error> {
        self.edit(|state| state.trouble.clone())
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let snapshot = |state: &mut State| Snapshot {
            sound_trouble: state.sound_trouble.clone(),
            ..state.snapshot.clone()
        };
        Some(self.edit(snapshot))
    }
}
