//! One attempt to open a source, from the claim for a connection to its pictures.

use std::time::Duration;

use super::{AttemptId, Purpose, Reason, SourceId};
use crate::failover::{Choice, Loss};
use crate::health::Grade;
use crate::time::Moment;

/// Stretches in a row that must be lossy before another source is looked for: a minute, so that bad
/// weather on the way is waited out.
const LOSSY_STRETCHES: u32 = 6;

/// An attempt to open a source, and what has become of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) id: AttemptId,
    pub(super) source: SourceId,
    /// What it was opened for.
    pub(super) purpose: Purpose,
    /// The source was live a moment ago, and has less time to answer.
    pub(super) is_reopened: bool,
    /// A rule of health found fault, and the source stays for want of another.
    pub(super) is_unhealthy: bool,
    /// How much the source loses.
    pub(super) losses: Losses,
    /// The pause that this attempt interrupts, since a connection had become free.
    pub(super) interrupts: Option<Choice>,
    /// The time from a connection to the first packets.
    connect: Duration,
    step: Step,
    /// How long media time may stand still.
    stall: Duration,
    /// The same for a source that delivers in parts, if that is longer.
    patience: Duration,
    /// How far the media that has arrived is ahead of time.
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

    /// Whether the source has been lossy for a minute without an end.
    pub(super) fn are_constant(self) -> bool {
        self.lossy >= LOSSY_STRETCHES
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The provider is asked for a connection.
    Claiming,
    /// The source is being opened; packets are awaited.
    Opening { since: Moment, until: Moment },
    /// Packets arrive; a keyframe is awaited. The media so far lasts until `lasts_until`.
    Tuning { until: Moment, lasts_until: Moment },
    /// There has been a keyframe. The media so far lasts until `lasts_until`.
    Showing { since: Moment, lasts_until: Moment },
}

impl Attempt {
    pub(super) fn new(id: AttemptId, source: SourceId, connect: Duration, purpose: Purpose) -> Self {
        Self {
            id,
            source,
            purpose,
            is_reopened: false,
            is_unhealthy: false,
            losses: Losses::default(),
            interrupts: None,
            connect,
            step: Step::Claiming,
            stall: Duration::ZERO,
            patience: Duration::ZERO,
            ahead: Duration::ZERO,
        }
    }

    /// Whether the provider has granted a connection, as far as is known.
    pub(super) fn has_connection(&self) -> bool {
        self.step != Step::Claiming
    }

    /// The provider has granted a connection: the time for connecting begins.
    pub(super) fn grant(&mut self, now: Moment) {
        // A second grant must not give it its time again.
        if self.step == Step::Claiming {
            self.step = Step::Opening { since: now, until: now + self.connect };
        }
    }

    /// The time for connecting.
    pub(super) fn connect(&self) -> Duration {
        self.connect
    }

    /// Changes the time for connecting, which has not begun.
    pub(super) fn set_connect(&mut self, connect: Duration) {
        self.connect = connect;
    }

    /// Data arrives, but no packets yet: they get the time for connecting once more, up to
    /// `longest` in all.
    pub(super) fn live(&mut self, now: Moment, longest: Duration) {
        if let Step::Opening { since, until } = &mut self.step {
            // Never sooner than before, and never without an end: a server that sends a byte now
            // and then must not hold viewers.
            *until = (*until).max((now + self.connect).min(*since + longest));
        }
    }

    /// Packets arrive. A keyframe must follow within `picture`, and media time must move on within
    /// `stall`.
    pub(super) fn set_in_sync(&mut self, now: Moment, picture: Duration, stall: Duration) {
        if matches!(self.step, Step::Claiming | Step::Opening { .. }) {
            self.stall = stall;
            self.step = Step::Tuning { until: now + picture, lasts_until: now };
        }
    }

    /// A keyframe is whole.
    pub(super) fn show(&mut self, now: Moment, stall: Duration) {
        self.stall = stall;
        // A further keyframe does not begin the proof of a probe anew.
        self.step = Step::Showing { since: self.shows_since().unwrap_or(now), lasts_until: now + self.ahead };
    }

    /// The keyframe to begin with is no longer held. The next one must arrive before `until`.
    pub(super) fn lose_keyframe(&mut self, until: Moment) {
        // What was sent ahead still lasts, so that time is kept.
        if let Step::Showing { lasts_until, .. } = self.step {
            self.step = Step::Tuning { until, lasts_until };
        }
    }

    /// Media time moves on.
    pub(super) fn progress(&mut self, now: Moment, stall: Duration) {
        self.stall = stall;
        // Claiming and opening have limits of their own, which progress of media does not move.
        if let Step::Tuning { lasts_until, .. } | Step::Showing { lasts_until, .. } = &mut self.step {
            *lasts_until = now + self.ahead;
        }
    }

    /// Packets arrive, and no media yet.
    pub(super) fn get_ready(&mut self, now: Moment) {
        if let Step::Tuning { lasts_until, .. } = &mut self.step {
            *lasts_until = now;
        }
    }

    /// Media arrives so far ahead of time. For that long, a source that does not move on has not
    /// stalled.
    pub(super) fn set_ahead(&mut self, ahead: Duration) {
        self.ahead = ahead;
    }

    /// The source delivers in parts, and stands still between two of them.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// How the attempt is lost if another source is faster.
    pub(super) fn lateness(&self) -> Loss {
        match self.step {
            Step::Claiming => Loss::NoConnection,
            Step::Opening { .. } => Loss::Undelivered,
            Step::Tuning { .. } | Step::Showing { .. } => Loss::Late,
        }
    }

    /// When the first keyframe was whole.
    pub(super) fn shows_since(&self) -> Option<Moment> {
        match self.step {
            Step::Showing { since, .. } => Some(since),
            Step::Claiming | Step::Opening { .. } | Step::Tuning { .. } => None,
        }
    }

    /// Until when the media so far lasts, once there were pictures: no earlier than when media time
    /// moved on last.
    pub(super) fn lasts_until(&self) -> Option<Moment> {
        match self.step {
            Step::Showing { lasts_until, .. } => Some(lasts_until),
            Step::Claiming | Step::Opening { .. } | Step::Tuning { .. } => None,
        }
    }

    /// When the attempt fails, unless something happens before, and how. A source that
    /// `is_replaceable` is given no patience beyond the usual.
    pub(super) fn deadline(&self, is_replaceable: bool) -> Option<(Moment, Reason, Loss)> {
        let stall = if is_replaceable { self.stall } else { self.stall.max(self.patience) };
        match self.step {
            Step::Claiming => None, // the ledger answers each claim in time
            Step::Opening { until, .. } => Some((until, Reason::ConnectTimeout, Loss::Undelivered)),
            // Whichever is first: a source that stands still need not be waited for until its
            // picture is due.
            Step::Tuning { until, lasts_until } if lasts_until + stall <= until => {
                Some((lasts_until + stall, Reason::Stalled, Loss::Undelivered))
            }
            Step::Tuning { until, .. } => Some((until, Reason::NoPicture, Loss::Undelivered)),
            Step::Showing { lasts_until, .. } => Some((lasts_until + stall, Reason::Stalled, Loss::Stalled)),
        }
    }
}
