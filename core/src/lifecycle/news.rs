//! The words in which a channel's life is told: news, actions, times.

use std::time::Duration;

use crate::failover::SourceId;
use crate::health::{Grade, Worth};

/// How long a source that was just live has, when it is reopened, to deliver.
pub const REOPEN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a source may send a transport stream without a picture that a viewer could start with. Longer than the splice stage's patience,
/// which takes lesser pictures before this.
pub const PICTURE_TIMEOUT: Duration = Duration::from_secs(15);

/// The least of that time that each of several sources has while the viewers still wait for their first picture.
pub const MIN_PICTURE_TIMEOUT: Duration = Duration::from_secs(4);

/// The longest time until a hedge is opened when viewers have nothing to see any more: their players' buffers run dry meanwhile.
pub const HEDGE_IN_GAP: Duration = Duration::from_millis(300);

/// From the end of a probe, or from the beginning on air, to the next probe at the earliest.
pub const PROBE_PAUSE: Duration = Duration::from_secs(10);

/// The times of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// From the last viewer's leaving to the closing.
    pub idle: Duration,
    /// From opening a source to its first packets.
    pub connect: Duration,
    /// Without progress of media time.
    pub stall: Duration,
    /// From the first viewer to the first picture, over all sources.
    pub start: Duration,
    /// From opening a source to opening the next one beside it, as long as there is no picture; never, if absent.
    pub hedge: Option<Duration>,
    /// How long a preferred source must show pictures, in a probe, until the channel returns to it; never, if absent.
    pub return_after: Option<Duration>,
}

/// The number of an attempt to open a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Attempt(pub u64);

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// There are readers who keep the channel open.
    Wanted,
    /// There are none. The last one who may come back left so long ago: [`Duration::MAX`] where none
    /// may, and the channel need not linger.
    Unwanted(Duration),
    /// There is a connection to spare for it, and it is being opened.
    Granted(Attempt),
    /// Its provider has no connection to spare.
    NoSlot(Attempt),
    /// Something comes that will be part of a transport stream, such as a playlist or a part of a
    /// segment.
    Alive(Attempt),
    /// Packets of a transport stream come.
    Locked(Attempt),
    /// It gets ready: something comes, and no media yet.
    GettingReady(Attempt),
    /// A picture that a viewer could start with is whole.
    Picture(Attempt),
    /// What a candidate could go on air with is no longer held, since its group of pictures is too long: the next picture is waited for.
    Blind(Attempt),
    /// Media time went on.
    Progress(Attempt),
    /// The source refused, failed or ended.
    Ended(Attempt),
    /// The upstream itself has waited long enough for more, and found that there is none.
    Stalled(Attempt),
    /// It delivers, but not what it should.
    Unhealthy {
        /// Which.
        attempt: Attempt,
        /// What it is worth nevertheless.
        worth: Worth,
    },
    /// How much was lost of it in the last seconds.
    Graded {
        /// Which.
        attempt: Attempt,
        /// How much.
        grade: Grade,
    },
    /// Its provider's connection is needed for something more important.
    Yield(Attempt),
    /// Its provider may have a connection to spare for this source, which had none when it was asked last.
    SlotFree(SourceId),
    /// The process ends.
    Shutdown,
}

impl Event {
    /// The attempt that it is about.
    pub fn attempt(self) -> Option<Attempt> {
        match self {
            Self::Granted(attempt)
            | Self::NoSlot(attempt)
            | Self::Alive(attempt)
            | Self::Locked(attempt)
            | Self::GettingReady(attempt)
            | Self::Picture(attempt)
            | Self::Blind(attempt)
            | Self::Progress(attempt)
            | Self::Ended(attempt)
            | Self::Stalled(attempt)
            | Self::Unhealthy { attempt, .. }
            | Self::Graded { attempt, .. }
            | Self::Yield(attempt) => Some(attempt),
            Self::Wanted | Self::Unwanted(_) | Self::SlotFree(_) | Self::Shutdown => None,
        }
    }
}

/// What a source is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Viewers have nothing else.
    Air,
    /// It may come sooner than another one.
    Hedge,
    /// To see whether it is fit to return to.
    Probe,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Open a source, as soon as there is a slot for it.
    Open {
        /// The attempt's number, to be given with its news.
        attempt: Attempt,
        /// The source.
        source: SourceId,
        /// What for.
        purpose: Purpose,
    },
    /// Viewers have nothing else than this attempt now, whatever it was opened for.
    Raise {
        /// Which.
        attempt: Attempt,
    },
    /// It goes on air with its last picture that a viewer can start with, which is whole, and what has come since.
    Air {
        /// Which.
        attempt: Attempt,
    },
    /// Close this upstream and forget its attempt.
    Close {
        /// Which.
        attempt: Attempt,
        /// Why.
        reason: Reason,
    },
    /// Tell the viewers who wait that no source answered.
    GiveUp,
    /// The channel is done: if nobody has come meanwhile, remove it; else say [`Event::Wanted`].
    Finish,
}

/// Why an upstream is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No packets came in time.
    ConnectTimeout,
    /// Packets came, but no picture.
    NoPicture,
    /// Media time stood still.
    Stalled,
    /// It delivers, but not what it should.
    Unhealthy,
    /// Another source is on air.
    Replaced,
    /// It loses packets all the time, and a source that does not is active.
    Lossy,
    /// An admin wants another one.
    Skipped,
    /// Its provider's connection is needed for something more important.
    Preempted,
    /// Nobody watches.
    Idle,
    /// The time for a start ran out.
    StartTimeout,
    /// It is no longer among the channel's sources.
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
    /// Nobody watches; it closes soon.
    Stopping,
    /// Closed.
    Stopped,
}
