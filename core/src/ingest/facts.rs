//! What an input says of itself.

use std::time::Duration;

/// How fast an input may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as it comes: it comes live.
    Live,
    /// No faster than it plays: it could be read at any speed.
    MediaTime,
}

/// What is known of an input when it is open, and holds as long as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// How fast it may be read.
    pub pace: Pace,
    /// The server told its length, and all has come when it ends: a file, and no live stream.
    pub has_length: bool,
    /// It is meant to begin again at its end, as a file does: the same seconds once more are no
    /// fault.
    pub begins_again: bool,
    /// It waits by itself for more, so that its end is the end: whoever opened it again at once
    /// would get what was played already.
    pub ends_for_good: bool,
}

impl Facts {
    /// An input of which nothing else is known.
    pub const fn new(pace: Pace) -> Self {
        Self { pace, has_length: false, begins_again: false, ends_for_good: false }
    }
}

/// What an input that comes in parts, such as the segments of HLS, says of them at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartsState {
    /// Parts of which nothing more is to be taken.
    pub taken: u64,
    /// Media that was fetched and has not been taken.
    pub waiting: Duration,
    /// Media that viewers may be given at once when the input has been opened.
    pub at_once: Duration,
    /// Media that may be given beyond that, since the input began with as much earlier.
    pub head_start: Duration,
    /// How long nothing new may come until the source has stalled.
    pub stall_after: Duration,
}

/// What a channel allows an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How far behind live a new viewer begins.
    pub burst: Duration,
    /// How far media may be ahead of time.
    pub read_ahead: Duration,
    /// How many bytes the store keeps.
    pub buffer_bytes: u64,
}
