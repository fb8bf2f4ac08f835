//! What a channel's life is told, and what it asks for: events, actions, times.

use std::time::Duration;

use crate::failover::SourceId;
use crate::health::{Grade, Severity};

/// How long a source that was live a moment ago has to deliver when it is reopened.
pub const REOPEN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a source may send a transport stream without a keyframe that a viewer could start with.
/// Longer than the patience of the splice stage, which takes lesser pictures before this.
pub const PICTURE_TIMEOUT: Duration = Duration::from_secs(15);

/// The least of [`PICTURE_TIMEOUT`] that each of several sources has while viewers still wait for
/// their first picture.
pub const MIN_PICTURE_TIMEOUT: Duration = Duration::from_secs(4);

/// The longest time until a hedge is opened in an outage: the buffers of players run dry meanwhile.
pub const HEDGE_IN_OUTAGE: Duration = Duration::from_millis(300);

/// The least time from the end of a probe, or from a switch, to the next probe.
pub const PROBE_PAUSE: Duration = Duration::from_secs(10);

/// The times of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// From the last reader's leaving to the closing.
    pub idle: Duration,
    /// From opening a source to its first packets.
    pub connect: Duration,
    /// Without progress of media time.
    pub stall: Duration,
    /// From the first reader to the first picture, over all sources.
    pub start: Duration,
    /// From opening a source to opening the next one as a standby, as long as there is no picture;
    /// never, if absent.
    pub hedge: Option<Duration>,
    /// How long a preferred source must show pictures, in a probe, until the channel returns to it;
    /// never, if absent.
    pub return_after: Option<Duration>,
}

/// The number of an attempt to open a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AttemptId(pub u64);

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// There are readers who keep the channel open.
    ReadersPresent,
    /// There are none. The last one who may come back left so long ago: [`Duration::MAX`] if none
    /// may, and the channel need not linger.
    NoReaders(Duration),
    /// The provider has a connection for the attempt, which is being opened.
    Granted(AttemptId),
    /// The provider has no connection to spare.
    NoConnection(AttemptId),
    /// Something arrives that will be part of a transport stream, such as a playlist or a part of a
    /// segment.
    Alive(AttemptId),
    /// Packets of a transport stream arrive.
    InSync(AttemptId),
    /// Packets arrive, and no media yet.
    GettingReady(AttemptId),
    /// A keyframe that a viewer could start with is whole.
    KeyframeReady(AttemptId),
    /// The keyframe that a candidate would start with is no longer held, since its group of
    /// pictures is too long. The next one is awaited.
    KeyframeLost(AttemptId),
    /// Media time moved on.
    Progress(AttemptId),
    /// The source refused, failed or ended.
    Ended(AttemptId),
    /// The input itself has waited long enough for more, and found that there is none.
    Stalled(AttemptId),
    /// A rule of health found fault with the source.
    Unhealthy {
        /// The attempt in question.
        attempt: AttemptId,
        /// How bad the fault is for viewers.
        severity: Severity,
    },
    /// A stretch of some seconds has ended in which the source lost so much.
    Graded {
        /// The attempt in question.
        attempt: AttemptId,
        /// How much was lost.
        grade: Grade,
    },
    /// The provider needs the connection for something more important.
    Yield(AttemptId),
    /// The provider may have a connection for this source, for which it had none when it was asked
    /// last.
    ConnectionFree(SourceId),
    /// The process ends.
    Shutdown,
}

impl Event {
    /// The attempt that the event is about.
    pub fn attempt(self) -> Option<AttemptId> {
        match self {
            Self::Granted(attempt)
            | Self::NoConnection(attempt)
            | Self::Alive(attempt)
            | Self::InSync(attempt)
            | Self::GettingReady(attempt)
            | Self::KeyframeReady(attempt)
            | Self::KeyframeLost(attempt)
            | Self::Progress(attempt)
            | Self::Ended(attempt)
            | Self::Stalled(attempt)
            | Self::Unhealthy { attempt, .. }
            | Self::Graded { attempt, .. }
            | Self::Yield(attempt) => Some(attempt),
            Self::ReadersPresent | Self::NoReaders(_) | Self::ConnectionFree(_) | Self::Shutdown => None,
        }
    }
}

/// What a source is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Viewers have nothing else.
    Active,
    /// The source may deliver sooner than another one.
    Hedge,
    /// To find out whether the channel can return to the source.
    Probe,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Open a source, as soon as there is a connection for it.
    Open {
        /// The number by which events tell of the attempt.
        attempt: AttemptId,
        /// The source to open.
        source: SourceId,
        /// What it is opened for.
        purpose: Purpose,
    },
    /// Viewers have nothing but this attempt now, whatever it was opened for.
    Promote {
        /// The attempt in question.
        attempt: AttemptId,
    },
    /// Show this attempt: from its last keyframe that a viewer can start with, which is whole.
    Activate {
        /// The attempt in question.
        attempt: AttemptId,
    },
    /// Close the source and forget the attempt.
    Close {
        /// The attempt in question.
        attempt: AttemptId,
        /// Why it is closed.
        reason: Reason,
    },
    /// Tell the viewers who wait that no source answered.
    GiveUp,
    /// The channel is done: remove it if it has no readers; else say [`Event::ReadersPresent`].
    Finish,
}

/// Why a source is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No packets arrived in time.
    ConnectTimeout,
    /// Packets arrived, but no picture.
    NoPicture,
    /// Media time stood still.
    Stalled,
    /// A rule of health found fault with the source.
    Unhealthy,
    /// Another source is active.
    Replaced,
    /// The source loses packets all the time, and another one does not.
    Lossy,
    /// An admin wants another source.
    Skipped,
    /// The provider needs the connection for something more important.
    Preempted,
    /// The channel has no readers.
    Idle,
    /// The time for a start ran out.
    StartTimeout,
    /// The source has left the channel's list.
    Removed,
    /// The process ends.
    Shutdown,
}

/// What a channel is doing, as users are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not opened yet.
    Idle,
    /// A source is being opened and there has been no picture yet.
    Starting,
    /// There are pictures, or there were and the next source is being opened.
    Active,
    /// There are no readers; the channel closes soon.
    Stopping,
    /// Closed.
    Stopped,
}
