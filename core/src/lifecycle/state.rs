//! The states of a channel, each with what is true only in it.

use super::AttemptId;
use super::attempt::Attempt;
use crate::failover::{Choice, SourceId};
use crate::time::Moment;

/// Where a channel is in its life.
#[derive(Debug)]
pub(super) enum State {
    /// Not opened yet.
    Idle,
    Open(Box<Open>),
    Closed,
}

/// A channel that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) audience: Audience,
    pub(super) stage: Stage,
    /// Open beside the active source, or beside the candidate.
    pub(super) standby: Option<Standby>,
    pub(super) connection_wait: ConnectionWait,
    /// Viewers are told that nothing answers if there is no picture until then. None after the
    /// first picture.
    pub(super) starts_until: Option<Moment>,
    /// A source that ended and was not reopened, since a standby was there: if that becomes active,
    /// the source has failed.
    pub(super) dropped: Option<SourceId>,
    pub(super) pauses: StandbyPauses,
}

/// Whether there are readers who keep the channel open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    Watching,
    /// There are none, and the channel closes at `until`.
    Lingering {
        until: Moment,
    },
}

/// What viewers have, or are about to have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// No source is open, and this one is opened next. A pause lasts while nobody watches.
    Pause(Choice),
    /// A source is being opened, to become active with its first picture.
    Candidate(Candidate),
    /// A source delivers.
    Active(Attempt),
}

/// A source on its way to become active.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) attempt: Attempt,
    /// From when on another one may be opened beside it, as a hedge.
    pub(super) hedges_from: Option<Moment>,
}

/// A source that is open beside another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standby {
    pub(super) attempt: Attempt,
    pub(super) aim: Aim,
}

/// Why a standby is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// Beside a candidate, the first with a picture wins; beside the active source, the standby
    /// takes over when that fails.
    Hedge,
    /// The standby must prove itself first.
    Probe,
    /// Something is wrong with the active source, which the standby replaces with its first
    /// picture. If there is no connection for both, the active source makes room, but not again and
    /// again.
    Relief,
    /// An admin wants the standby, which replaces the active source with its first picture. If
    /// there is no connection for both, the active source makes room.
    Swap,
}

/// Whether nothing is active for lack of connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ConnectionWait {
    pub(super) since: Option<Moment>,
    /// Candidates in a row, each in its turn, for which there was no connection.
    pub(super) candidates: usize,
}

/// The earliest times at which a standby may be opened beside the active source.
#[derive(Debug, Clone, Copy)]
pub(super) struct StandbyPauses {
    /// For probes.
    pub(super) probes_from: Moment,
    /// For hedges against an active source that stands still.
    pub(super) hedges_from: Moment,
}

impl Open {
    /// A channel for which somebody waits until `starts_until`, and which opens `choice` first.
    pub(super) fn new(starts_until: Moment, choice: Choice) -> Self {
        Self {
            audience: Audience::Watching,
            // Opening starts with a pause that is over at once, so there is one way into a
            // candidate.
            stage: Stage::Pause(choice),
            standby: None,
            connection_wait: ConnectionWait::default(),
            starts_until: Some(starts_until),
            dropped: None,
            pauses: StandbyPauses { probes_from: Moment::ZERO, hedges_from: Moment::ZERO },
        }
    }

    pub(super) fn attempts(&self) -> impl Iterator<Item = Attempt> + use<> {
        let standby = self.standby.map(|standby| standby.attempt);
        self.stage.attempt().into_iter().chain(standby)
    }

    pub(super) fn attempts_mut(&mut self) -> impl Iterator<Item = &mut Attempt> {
        let standby = self.standby.as_mut().map(|standby| &mut standby.attempt);
        self.stage.line_mut().into_iter().chain(standby)
    }

    /// The standby, if it is this attempt.
    pub(super) fn standby_of(&self, id: AttemptId) -> Option<Standby> {
        self.standby.filter(|standby| standby.attempt.id == id)
    }
}

impl Stage {
    pub(super) fn active(&self) -> Option<Attempt> {
        match self {
            Self::Active(attempt) => Some(*attempt),
            Self::Candidate(_) | Self::Pause(_) => None,
        }
    }

    pub(super) fn candidate(&self) -> Option<Attempt> {
        match self {
            Self::Candidate(candidate) => Some(candidate.attempt),
            Self::Active(_) | Self::Pause(_) => None,
        }
    }

    pub(super) fn pause(&self) -> Option<Choice> {
        match self {
            Self::Pause(choice) => Some(*choice),
            Self::Active(_) | Self::Candidate(_) => None,
        }
    }

    /// The source that is active, or on its way there.
    pub(super) fn attempt(&self) -> Option<Attempt> {
        self.active().or_else(|| self.candidate())
    }

    fn line_mut(&mut self) -> Option<&mut Attempt> {
        match self {
            Self::Active(attempt) | Self::Candidate(Candidate { attempt, .. }) => Some(attempt),
            Self::Pause(_) => None,
        }
    }
}
