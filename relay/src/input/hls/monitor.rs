//! What an HLS upstream tells about itself while it runs.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forebay_core::playlist::follow::{Counts, Follower, START_BEHIND};
use forebay_core::time::Moment;
use tokio::sync::Notify;

use crate::input::Error;

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
    /// What is shown of it.
    pub fn snapshot(&self) -> Snapshot {
        self.edit(|state| Snapshot { sound_trouble: state.sound_trouble.clone(), ..state.snapshot.clone() })
    }

    pub(super) fn note_sound_trouble(&self, reason: Option<String>) {
        self.edit(|state| state.sound_trouble = reason);
    }

    /// How long nothing new may come until the source has stalled.
    pub fn stall_after(&self) -> Duration {
        self.edit(|state| state.stall_after)
    }

    /// Media that viewers may be given at once when the source has been opened: one of the three
    /// segments that lie between the beginning and the end of a list. The others tide over until
    /// there is another, and over one that comes late.
    pub fn at_once(&self) -> Duration {
        self.edit(|state| state.ahead / u32::from(START_BEHIND))
    }

    /// Media that may be given beyond that, since the list was begun with as much earlier.
    pub fn head_start(&self) -> Duration {
        self.edit(|state| state.head_start)
    }

    /// Media that was fetched and has not been taken, in whole segments.
    pub fn waiting(&self) -> Duration {
        self.edit(|state| state.waiting)
    }

    /// Segments of which nothing more is to be taken.
    pub fn segments_taken(&self) -> u64 {
        self.edit(|state| state.taken)
    }

    /// Why the last segment that was asked for did not come.
    pub fn trouble(&self) -> Option<Error> {
        self.edit(|state| state.trouble.clone())
    }

    pub(super) fn note_trouble(&self, trouble: Option<Error>) {
        self.edit(|state| state.trouble = trouble);
    }

    pub(super) fn fetched(&self, media: Duration) {
        self.edit(|state| state.waiting += media);
    }

    pub(super) fn took(&self, media: Duration) {
        self.edit(|state| {
            state.waiting = state.waiting.saturating_sub(media);
            state.taken += 1;
        });
        self.taken.notify_one();
    }

    /// Media falls behind: asks for a lower variant, if there is one that may help. Whether there
    /// is.
    pub fn ask_for_less(&self) -> bool {
        let has_lower = self.edit(|state| {
            state.wants_lower = state.has_lower;
            state.has_lower
        });
        self.taken.notify_one();
        has_lower
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
