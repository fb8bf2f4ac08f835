//! How a push is, as its task tells it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_core::ts::stream::Codec;
use jiff::Timestamp;

use super::settings::{Push, PushId, PushUrl};
use crate::model::ChannelId;

/// What a push does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Somebody has stopped it, or it does not begin by itself.
    Stopped,
    /// The channel has no picture yet.
    Waiting,
    /// It asks the server to take the stream.
    Connecting,
    /// The server takes the stream.
    Publishing,
    /// It is tried again after a pause.
    Retrying,
    /// The server does not take the key or the stream; tried again after a minute.
    Refused,
}

impl State {
    /// The word in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Publishing => "publishing",
            Self::Retrying => "retrying",
            Self::Refused => "refused",
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// A word for programs.
    pub code: &'static str,
    /// For people; without the key.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// The report of a push: each field is one figure of the document of `/api/pushes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its id.
    pub id: PushId,
    /// What is sent.
    pub channel: ChannelId,
    /// Where it is sent.
    pub url: PushUrl,
    /// What it does.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Connections on which the server took the stream.
    pub connects: u64,
    /// Those that went on with a changed stream.
    pub republishes: u64,
    /// Why the last connection ended that did not end in order.
    pub last_error: Option<LastError>,
    /// Bytes to the server, of all connections.
    pub bytes_sent: u64,
    /// Bits a second of late.
    pub bitrate: u64,
    /// How long the oldest picture or sound has been waiting for the server.
    pub queue: Duration,
    /// How long ago the server has acknowledged something; none where it never does.
    pub acknowledged: Option<Duration>,
    /// Pictures and frames of sound that were sent.
    pub frames_sent: u64,
    /// Pictures that were left out since the server was too slow.
    pub frames_dropped: u64,
    /// How long the stream of this connection is.
    pub media_time: Duration,
    /// Sound that RTMP does not carry, and silence is sent for.
    pub replaced_sound: Option<Codec>,
}

/// The report that a task writes.
#[derive(Debug)]
pub(super) struct Shared(Mutex<Report>);

impl Shared {
    pub(super) fn new(push: &Push) -> Self {
        Self(Mutex::new(Report {
            id: push.id.clone(),
            channel: push.channel.clone(),
            url: push.url.clone(),
            state: State::Stopped,
            since: Timestamp::now(),
            connects: 0,
            republishes: 0,
            last_error: None,
            bytes_sent: 0,
            bitrate: 0,
            queue: Duration::ZERO,
            acknowledged: None,
            frames_sent: 0,
            frames_dropped: 0,
            media_time: Duration::ZERO,
            replaced_sound: None,
        }))
    }

    /// The same for a task that begins, whose counts go on.
    pub(super) fn begun(&self) -> Self {
        Self(Mutex::new(Report { state: State::Waiting, since: Timestamp::now(), ..self.report() }))
    }

    pub(super) fn report(&self) -> Report {
        self.edit().clone()
    }

    pub(super) fn edit(&self) -> MutexGuard<'_, Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that was stopped stays so, whatever its task still says.
    pub(super) fn set_state(&self, state: State) {
        let mut report = self.edit();
        // Its task may still be in the middle of something and tell of it.
        if report.state == State::Stopped {
            return;
        }
        // The same state again keeps its time: `since` is when it began.
        if report.state != state {
            (report.state, report.since) = (state, Timestamp::now());
        }
        if state != State::Publishing {
            (report.bitrate, report.queue, report.acknowledged) = (0, Duration::ZERO, None);
        }
    }

    pub(super) fn stop(&self) {
        self.set_state(State::Stopped);
    }
}
