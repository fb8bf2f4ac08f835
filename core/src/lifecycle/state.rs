//! The states of a channel, each with what is true only in it.

use super::Attempt;
use super::line::Line;
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
    /// A source that is open beside the active one, or beside the candidate.
    pub(super) standby: Option<Standby>,
    pub(super) drought: Drought,
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
    /// There are none, and the channel closes then.
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
    Active(Line),
}

/// A source on its way to become active.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) line: Line,
    /// From when on another one may be opened beside it, as a hedge.
    pub(super) hedges_from: Option<Moment>,
}

/// A source that is open beside another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standby {
    pub(super) line: Line,
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
pub(super) struct Drought {
    pub(super) since: Option<Moment>,
    /// Candidates in a row, each in its turn, for which there was no connection.
    pub(super) candidates: usize,
}

/// When another source may be opened beside the active one, at the earliest.
#[derive(Debug, Clone, Copy)]
pub(super) struct StandbyPauses {
    /// To see whether it is fit to return to.
    pub(super) probes_from: Moment,
    /// To be there if the active one, which stands still, fails.
    pub(super) spares_from: Moment,
}

impl Open {
    /// A channel for which somebody waits until `starts_until`, and which opens `choice` first.
    pub(super) fn new(starts_until: Moment, choice: Choice) -> Self {
        Self {
            audience: Audience::Watching,
            stage: Stage::Pause(choice),
            standby: None,
            drought: Drought::default(),
            starts_until: Some(starts_until),
            dropped: None,
            pauses: StandbyPauses { probes_from: Moment::ZERO, spares_from: Moment::ZERO },
        }
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = Line> + use<> {
        let standby = self.standby.map(|standby| standby.line);
        self.stage.line().into_iter().chain(standby)
    }

    pub(super) fn lines_mut(&mut self) -> impl Iterator<Item = &mut Line> {
        let standby = self.standby.as_mut().map(|standby| &mut standby.line);
        self.stage.line_mut().into_iter().chain(standby)
    }

    /// The standby, if it is this attempt.
    pub(super) fn standby_of(&self, attempt: Attempt) -> Option<Standby> {
        self.standby.filter(|standby| standby.line.attempt == attempt)
    }
}

impl Stage {
    pub(super) fn active(&self) -> Option<Line> {
        match self {
            Self::Active(line) => Some(*line),
            Self::Candidate(_) | Self::Pause(_) => None,
        }
    }

    pub(super) fn candidate(&self) -> Option<Line> {
        match self {
            Self::Candidate(candidate) => Some(candidate.line),
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
    pub(super) fn line(&self) -> Option<Line> {
        self.active().or_else(|| self.candidate())
    }

    fn line_mut(&mut self) -> Option<&mut Line> {
        match self {
            Self::Active(line) | Self::Candidate(Candidate { line, .. }) => Some(line),
            Self::Pause(_) => None,
        }
    }
}
