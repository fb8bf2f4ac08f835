//! What viewers were sent and refused, and how soon: counted for the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_core::histogram::{Histogram, Reading};
use forebay_relay::channel::Traffic;

/// How long viewers wait: from a channel that is open to one whose sources are all tried.
const WAITS: &[Duration] = &[
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// How a stream is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As one answer of MPEG-TS.
    Ts,
    /// As a playlist and segments.
    Hls,
}

/// Events that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// Requests for playlists of channels.
    Playlists,
    /// Requests for segments of channels.
    Segments,
    /// Requests that were too many of one household.
    RequestsRefused,
    /// Guesses at passwords that were too many of one household.
    GuessesRefused,
    TokensMade,
    TokensRefreshed,
    TokensRevoked,
    /// Tokens of which somebody had made too many.
    TokensRefused,
    /// Archives of providers that were passed on.
    ArchivesSent,
    /// Those that no provider has sent.
    ArchivesFailed,
    /// Those for which no provider had a connection to spare.
    ArchivesRefused,
    /// Answers to requests.
    Answers,
    /// Of them, those that were errors of the server.
    Errors,
}

/// The counts since the start. Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct Tally(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    counts: [AtomicU64; Count::Errors as usize + 1],
    first_byte: [Histogram; 2],
    first_key_frame: [Histogram; 2],
    received: AtomicU64,
    sent: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        let waits = || [(); 2].map(|()| Histogram::new(WAITS));
        Self(Arc::new(Inner {
            counts: Default::default(),
            first_byte: waits(),
            first_key_frame: waits(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }))
    }
}

impl Tally {
    /// Counts one more.
    pub(super) fn note(&self, count: Count) {
        self.0.counts[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub(super) fn read(&self, count: Count) -> u64 {
        self.0.counts[count as usize].load(Ordering::Relaxed)
    }

    /// The first byte for a viewer was there so long after the request.
    pub(super) fn note_first_byte(&self, way: Way, after: Duration) {
        self.0.first_byte[way as usize].note(after);
    }

    /// The first key frame for a viewer was there so long after the first request.
    pub(super) fn note_first_key_frame(&self, way: Way, after: Duration) {
        self.0.first_key_frame[way as usize].note(after);
    }

    pub(super) fn first_byte(&self, way: Way) -> Reading {
        self.0.first_byte[way as usize].read()
    }

    pub(super) fn first_key_frame(&self, way: Way) -> Reading {
        self.0.first_key_frame[way as usize].read()
    }

    /// What was received and sent so far, as it is known now: at least what was said before. A
    /// channel that is being closed is for a moment neither among the open ones nor the closed.
    pub(super) fn advance(&self, now: Traffic) -> Traffic {
        // A counter that falls looks like a restart to
        // Prometheus, which then counts all of it again.
        let advance = |of: &AtomicU64, now: u64| now.max(of.fetch_max(now, Ordering::Relaxed));
        Traffic { received: advance(&self.0.received, now.received), sent: advance(&self.0.sent, now.sent) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_never_goes_back() {
        let tally = Tally::default();
        for (sent, told) in [(10, 10), (5, 10), (12, 12)] {
            let traffic = tally.advance(Traffic { received: 1, sent });
            assert_eq!(traffic, Traffic { received: 1, sent: told });
        }
    }
}
