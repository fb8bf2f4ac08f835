//! One upstream on its way to the air, or on it.

use std::time::Duration;

use super::{Attempt, Purpose, Reason};
use crate::failover::{Choice, Loss};
use crate::time::Moment;

/// An attempt to open a source, and what has become of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) attempt: Attempt,
    pub(super) source: usize,
    /// What it was opened for.
    pub(super) purpose: Purpose,
    /// It is not as it should be, and stays for want of another.
    pub(super) is_ailing: bool,
    /// The pause in which it was opened, since a connection had become free.
    pub(super) interrupts: Option<Choice>,
    /// How long it may take until packets come, from when it has a slot.
    connect: Duration,
    step: Step,
    /// How long it may stand still.
    stall: Duration,
    /// The same, if that is more than usual.
    patience: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its provider is asked for a connection.
    Claiming,
    /// Opened; packets are awaited.
    Opening { until: Moment },
    /// Packets come; a picture is awaited.
    Tuning { until: Moment, moved_at: Moment },
    /// There was a picture.
    Showing { since: Moment, moved_at: Moment },
}

impl Line {
    pub(super) fn new(attempt: Attempt, source: usize, connect: Duration, purpose: Purpose) -> Self {
        let (step, stall, patience) = (Step::Claiming, Duration::ZERO, Duration::ZERO);
        let (is_ailing, interrupts) = (false, None);
        Self { attempt, source, purpose, is_ailing, interrupts, connect, step, stall, patience }
    }

    /// Whether its provider has given it a connection, as far as is known.
    pub(super) fn has_slot(&self) -> bool {
        self.step != Step::Claiming
    }

    /// It has a slot: the time for connecting begins.
    pub(super) fn grant(&mut self, now: Moment) {
        if self.step == Step::Claiming {
            self.step = Step::Opening { until: now + self.connect };
        }
    }

    /// Packets come; a picture must within `picture`, and media time must go on within `stall`.
    pub(super) fn lock(&mut self, now: Moment, picture: Duration, stall: Duration) {
        if matches!(self.step, Step::Claiming | Step::Opening { .. }) {
            self.stall = stall;
            self.step = Step::Tuning { until: now + picture, moved_at: now };
        }
    }

    /// A picture is whole.
    pub(super) fn show(&mut self, now: Moment, stall: Duration) {
        self.stall = stall;
        self.step = Step::Showing { since: self.shows_since().unwrap_or(now), moved_at: now };
    }

    /// It has no picture to go on air with any more; the next must come until then.
    pub(super) fn go_blind(&mut self, until: Moment) {
        if let Step::Showing { moved_at, .. } = self.step {
            self.step = Step::Tuning { until, moved_at };
        }
    }

    /// Media time goes on.
    pub(super) fn progress(&mut self, now: Moment, stall: Duration) {
        self.stall = stall;
        if let Step::Tuning { moved_at, .. } | Step::Showing { moved_at, .. } = &mut self.step {
            *moved_at = now;
        }
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

    /// When media time went on last, of one that has shown pictures.
    pub(super) fn moved_at(&self) -> Option<Moment> {
        match self.step {
            Step::Showing { moved_at, .. } => Some(moved_at),
            Step::Claiming | Step::Opening { .. } | Step::Tuning { .. } => None,
        }
    }

    /// When it fails, unless something happens before, and how. One that `is_replaceable` need not be borne longer than others are.
    pub(super) fn deadline(&self, is_replaceable: bool) -> Option<(Moment, Reason, Loss)> {
        let stall = if is_replaceable { self.stall } else { self.stall.max(self.patience) };
        match self.step {
            Step::Claiming => None, // who claims is told in time
            Step::Opening { until } => Some((until, Reason::ConnectTimeout, Loss::Undelivered)),
            Step::Tuning { until, moved_at } if moved_at + stall <= until => {
                Some((moved_at + stall, Reason::Stalled, Loss::Undelivered))
            }
            Step::Tuning { until, .. } => Some((until, Reason::NoPicture, Loss::Undelivered)),
            Step::Showing { moved_at, .. } => Some((moved_at + stall, Reason::Stalled, Loss::Stalled)),
        }
    }
}
