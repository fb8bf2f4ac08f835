//! Sources, and connections to them.

use std::time::Duration;

use forebay_core::health::Severity;
use forebay_core::time::Moment;

/// From one group of pictures to the next.
const GROUP: Duration = Duration::from_secs(1);

/// How often a source that drips shows a sign of life.
const DRIP: Duration = Duration::from_millis(250);

/// How often a source is told of that shows a notice.
const REMINDER: Duration = Duration::from_secs(10);

/// What a source does to those who connect to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It delivers.
    Good,
    /// It delivers, so much later.
    Late(Duration),
    /// It answers with an error.
    Refuses,
    /// It never answers, or sends nothing any more.
    Silent,
    /// It shows signs of life for ever, and never sends a transport stream.
    Drips,
    /// It sends a transport stream without a picture.
    Blind,
    /// It shows pictures for a while; then this.
    Until(Duration, Fate),
}

/// How pictures end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Ends,
    Stalls,
    /// The upstream itself has waited long enough.
    GivesUp,
    Sickens(Severity),
}

/// A source.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) mood: Mood,
    /// Whose connections it takes; none has no limit.
    pub(crate) provider: Option<usize>,
    pub(crate) host: u8,
    /// From the request to the first packets.
    pub(crate) answers: Duration,
    /// From there to the first picture.
    pub(crate) tunes: Duration,
    /// How long it takes to close a connection.
    pub(crate) closes: Duration,
    /// How long it may stand still, where it comes in pieces.
    pub(crate) patience: Duration,
}

/// A piece of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Piece {
    pub(crate) is_found: bool,
    pub(crate) has_picture: bool,
    pub(crate) fault: Option<Severity>,
}

/// What comes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Opened { patience: Duration },
    Piece(Piece),
    Life,
    Failed { is_conclusive: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asked,
    Opened,
    Tuning { until: Moment },
    Showing { since: Moment },
}

/// An open connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    mood: Mood,
    stage: Stage,
    tunes: Duration,
    answers: Duration,
    patience: Duration,
    due: Option<Moment>,
}

impl Connection {
    pub(crate) fn open(now: Moment, source: &Source) -> Self {
        let &Source { mood, answers, tunes, patience, .. } = source;
        let mut connection = Self { mood, stage: Stage::Asked, tunes, answers, patience, due: None };
        connection.touch(now, mood);
        connection
    }

    /// The source does something else from now on.
    pub(crate) fn touch(&mut self, now: Moment, mood: Mood) {
        self.mood = mood;
        let late = if let Mood::Late(late) = mood { late } else { Duration::ZERO };
        let until = match self.stage {
            Stage::Asked => now + self.answers + late,
            _ => now,
        };
        if let Stage::Showing { since } = &mut self.stage {
            *since = now;
        }
        self.due = (mood != Mood::Silent).then_some(until);
    }

    /// When there is a signal.
    pub(crate) fn due(&self) -> Option<Moment> {
        self.due
    }

    /// The signal that is due now.
    pub(crate) fn signal(&mut self, now: Moment) -> Signal {
        assert!(self.due.is_some_and(|due| due <= now));
        self.due = None;
        if self.mood == Mood::Refuses {
            return Signal::Failed { is_conclusive: false };
        }
        match self.stage {
            Stage::Asked => {
                (self.stage, self.due) = (Stage::Opened, Some(now));
                Signal::Opened { patience: self.patience }
            }
            Stage::Opened if self.mood == Mood::Drips => {
                self.due = Some(now + DRIP);
                Signal::Life
            }
            Stage::Opened => {
                let until = now + self.tunes;
                (self.stage, self.due) = (Stage::Tuning { until }, Some(until.min(now + GROUP)));
                Signal::Piece(Piece { is_found: true, ..Piece::default() })
            }
            Stage::Tuning { until } if until <= now && self.mood != Mood::Blind => {
                self.stage = Stage::Showing { since: now };
                self.picture(now, now)
            }
            Stage::Tuning { until } => {
                let soon = now + GROUP;
                self.due = Some(if until > now { soon.min(until) } else { soon });
                Signal::Piece(Piece::default())
            }
            Stage::Showing { since } => self.picture(now, since),
        }
    }

    /// Pictures, unless they have an end.
    fn picture(&mut self, now: Moment, since: Moment) -> Signal {
        let mut piece = Piece { has_picture: self.mood != Mood::Blind, ..Piece::default() };
        self.due = Some(now + GROUP);
        if let Mood::Until(span, fate) = self.mood {
            let end = since + span;
            if end > now {
                self.due = Some(end.min(now + GROUP));
            } else {
                self.due = None;
                match fate {
                    Fate::Stalls => {}
                    Fate::Ends => return Signal::Failed { is_conclusive: false },
                    Fate::GivesUp => return Signal::Failed { is_conclusive: true },
                    Fate::Sickens(severity) => {
                        piece.fault = Some(severity);
                        // It goes on, and is as bad as it is. Of a notice is told again.
                        let again = Mood::Until(span + REMINDER, fate);
                        self.mood = if severity == Severity::Notice { again } else { Mood::Good };
                        self.due = Some(now + GROUP);
                    }
                }
            }
        }
        Signal::Piece(piece)
    }
}
