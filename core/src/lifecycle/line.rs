//! One upstream on its way to the air, or on it.

use std::time::Duration;

use super::{Attempt, Purpose, Reason, SourceId, Times};
use crate::failover::{Choice, Loss};
use crate::health::Grade;
use crate::time::Moment;

/// Stretches in a row that must be lossy before another source is looked for: a minute, so that bad
/// weather on the way is waited out.
const LOSSY_STRETCHES: u32 = 6;

/// An attempt to open a source, and what has become of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) attempt: Attempt,
    pub(super) source: SourceId,
    /// What it was opened for.
    pub(super) purpose: Purpose,
    /// It is not as it should be, and stays for want of another.
    pub(super) is_ailing: bool,
    /// How much of it is lost.
    pub(super) losses: Losses,
    /// The pause in which it was opened, since a connection had become free.
    pub(super) interrupts: Option<Choice>,
    /// How long it may take until packets come, from when it has a slot.
    connect: Duration,
    step: Step,
    /// How long it may stand still.
    stall: Duration,
    /// The same, if that is more than usual.
    patience: Duration,
    /// How far the media that has come is ahead of time.
    ahead: Duration,
}

/// What is known of the losses of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Losses {
    last: Option<Grade>,
    /// Lossy stretches in a row.
    lossy: u32,
}

impl Losses {
    /// A stretch has ended.
    pub(super) fn note(&mut self, grade: Grade) {
        self.last = Some(grade);
        self.lossy = if grade == Grade::Lossy { self.lossy + 1 } else { 0 };
    }

    /// The grade of the last stretch, if one has ended.
    pub(super) fn last(self) -> Option<Grade> {
        self.last
    }

    /// Whether it has been lossy for a minute without an end.
    pub(super) fn are_constant(self) -> bool {
        self.lossy >= LOSSY_STRETCHES
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its provider is asked for a connection.
    Claiming,
    /// Opened; packets are awaited.
    Opening { since: Moment, until: Moment },
    /// Packets come; a picture is awaited. The media that has come lasts until `lasts_until`.
    Tuning { until: Moment, lasts_until: Moment },
    /// There was a picture.
    Showing { since: Moment, lasts_until: Moment },
}

impl Line {
    pub(super) fn new(attempt: Attempt, source: SourceId, connect: Duration, purpose: Purpose) -> Self {
        Self {
            attempt,
            source,
            purpose,
            is_ailing: false,
            losses: Losses::default(),
            interrupts: None,
            connect,
            step: Step::Claiming,
            stall: Duration::ZERO,
            patience: Duration::ZERO,
            ahead: Duration::ZERO,
        }
    }

    /// Whether its provider has given it a connection, as far as is known.
    pub(super) fn has_slot(&self) -> bool {
        self.step != Step::Claiming
    }

    /// Whether it was live a moment ago, and has less time to answer.
    pub(super) fn is_reopened(&self, times: &Times) -> bool {
        self.connect < times.connect
    }

    /// It has a slot: the time for connecting begins.
    pub(super) fn grant(&mut self, now: Moment) {
        if self.step == Step::Claiming {
            self.step = Step::Opening { since: now, until: now + self.connect };
        }
    }

    /// How long it may take until packets come.
    pub(super) fn connect(&self) -> Duration {
        self.connect
    }

    /// Data comes, if no packets yet: for them there is the time for connecting once more, up
    /// to `longest` in all.
    pub(super) fn live(&mut self, now: Moment, longest: Duration) {
        if let Step::Opening { since, until } = &mut self.step {
            *until = (*until).max((now + self.connect).min(*since + longest));
        }
    }

    /// Packets come; a picture must within `picture`, and media time must go on within `stall`.
    pub(super) fn lock(&mut self, now: Moment, picture: Duration, stall: Duration) {
        if matches!(self.step, Step::Claiming | Step::Opening { .. }) {
            self.stall = stall;
            self.step = Step::Tuning { until: now + picture, lasts_until: now };
        }
    }

    /// A picture is whole.
    pub(super) fn show(&mut self, now: Moment, stall: Duration) {
        self.stall = stall;
        self.step = Step::Showing { since: self.shows_since().unwrap_or(now), lasts_until: now + self.ahead };
    }

    /// It has no picture to go on air with any more; the next must come until then.
    pub(super) fn go_blind(&mut self, until: Moment) {
        if let Step::Showing { lasts_until, .. } = self.step {
            self.step = Step::Tuning { until, lasts_until };
        }
    }

    /// Media time goes on.
    pub(super) fn progress(&mut self, now: Moment, stall: Duration) {
        self.stall = stall;
        if let Step::Tuning { lasts_until, .. } | Step::Showing { lasts_until, .. } = &mut self.step {
            *lasts_until = now + self.ahead;
        }
    }

    /// It gets ready: packets come, and no media yet.
    pub(super) fn get_ready(&mut self, now: Moment) {
        if let Step::Tuning { lasts_until, .. } = &mut self.step {
            *lasts_until = now;
        }
    }

    /// The media that comes is so far ahead of time: for so long, that it does not move is no
    /// stall.
    pub(super) fn set_ahead(&mut self, ahead: Duration) {
        self.ahead = ahead;
    }

    /// It comes in pieces, and stands still between two of them.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// How it is lost where another one was faster.
    pub(super) fn lateness(&self) -> Loss {
        match self.step {
            Step::Claiming => Loss::NoSlot,
            Step::Opening { .. } => Loss::Undelivered,
            Step::Tuning { .. } | Step::Showing { .. } => Loss::Late,
        }
    }

    /// When its first picture was whole.
    pub(super) fn shows_since(&self) -> Option<Moment> {
        match self.step {
            Step::Showing { since, .. } => Some(since),
            Step::Claiming | Step::Opening { .. } | Step::Tuning { .. } => None,
        }
    }

    /// Until when the media lasts that has come, of one that has shown pictures: no earlier than
    /// when media time went on last.
    pub(super) fn lasts_until(&self) -> Option<Moment> {
        match self.step {
            Step::Showing { lasts_until, .. } => Some(lasts_until),
            Step::Claiming | Step::Opening { .. } | Step::Tuning { .. } => None,
        }
    }

    /// When it fails, unless something happens before, and how. One that `is_replaceable` need not be borne longer than others are.
    pub(super) fn deadline(&self, is_replaceable: bool) -> Option<(Moment, Reason, Loss)> {
        let stall = if is_replaceable { self.stall } else { self.stall.max(self.patience) };
        match self.step {
            Step::Claiming => None, // who claims is told in time
            Step::Opening { until, .. } => Some((until, Reason::ConnectTimeout, Loss::Undelivered)),
            Step::Tuning { until, lasts_until } if lasts_until + stall <= until => {
                Some((lasts_until + stall, Reason::Stalled, Loss::Undelivered))
            }
            Step::Tuning { until, .. } => Some((until, Reason::NoPicture, Loss::Undelivered)),
            Step::Showing { lasts_until, .. } => Some((lasts_until + stall, Reason::Stalled, Loss::Stalled)),
        }
    }
}
