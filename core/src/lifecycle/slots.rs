//! Sources whose provider has no connection to spare, and the pauses in which they wait for one, as
//! long as somebody watches.

use super::line::Line;
use super::state::{Candidate, Drought, Stage};
use super::{Action, Aim, Attempt, Lifecycle, Purpose, Reason, SourceId};
use crate::failover::{Choice, Loss};
use crate::time::Moment;

impl Lifecycle {
    /// The sources that wait for a connection that their provider can spare, the one that is to
    /// have it first. There are none but in a pause, and while somebody watches.
    pub fn slotless(&self) -> Vec<SourceId> {
        if self.pause_until().is_some() { self.failover.slotless() } else { Vec::new() }
    }

    /// When the pause is over: not while nobody watches.
    pub(super) fn pause_until(&self) -> Option<Moment> {
        self.pause().filter(|_| self.is_watched()).map(|choice| choice.at)
    }

    /// There is a connection for this attempt.
    pub(super) fn handle_connection(&mut self, now: Moment, attempt: Attempt) {
        let line = self.listed(attempt);
        line.grant(now);
        let was_opened_beside = line.purpose != Purpose::Air;
        // It is no longer for lack of connections that there is nothing.
        self.opened().drought = Drought::default();
        let is_candidate = self.candidate().is_some_and(|candidate| candidate.attempt == attempt);
        if is_candidate && was_opened_beside {
            self.actions.push_back(Action::Raise { attempt });
        }
    }

    /// There is no connection for this attempt.
    pub(super) fn handle_no_connection(&mut self, now: Moment, attempt: Attempt) {
        let Some(standby) = self.take_standby(now, attempt, Loss::NoSlot) else {
            return self.lose(now, attempt, Loss::NoSlot);
        };
        // What an admin prefers to all others is not passed over for a third one.
        let is_wish = standby.aim == Aim::Swap && self.failover.is_pinned(standby.line.source);
        if (is_wish || !self.open_another(now, standby.aim)) && self.is_worth_room(now, standby.aim) {
            self.make_room(now, standby.line.source);
        }
    }

    /// Nobody watches any more: what waits for a connection leaves it to others, until somebody
    /// comes back.
    pub(super) fn withdraw(&mut self, now: Moment) {
        if self.opened().standby.is_some_and(|standby| !standby.line.has_slot()) {
            self.close_standby(now, Reason::Idle);
        }
        if let Some(candidate) = self.candidate().filter(|candidate| !candidate.has_slot()) {
            self.actions.push_back(Action::Close { attempt: candidate.attempt, reason: Reason::Idle });
            let again = Choice { source: candidate.source, at: now, is_reopening: false };
            self.next_candidate(now, candidate.interrupts.unwrap_or(again));
        }
    }

    /// This source, for which there may be a connection, is asked for out of its turn.
    pub(super) fn interrupt_pause(&mut self, now: Moment, source: SourceId) {
        if !self.slotless().contains(&source) {
            return;
        }
        let pause = self.pause();
        self.open_candidate(now, Choice { source, at: now, is_reopening: false });
        if let Stage::Candidate(Candidate { line, .. }) = &mut self.opened().stage {
            line.interrupts = pause;
        }
    }

    /// What is to be done after a candidate that is lost and was asked for out of its turn: as if
    /// it had not been, so that others are not asked more often.
    pub(super) fn interrupted(&mut self, now: Moment, candidate: &Line, loss: Loss) -> Option<Choice> {
        let is_other = |pause: &Choice| pause.at > now || pause.source != candidate.source;
        let pause = candidate.interrupts.filter(is_other)?;
        if loss == Loss::NoSlot {
            self.opened().drought.since.get_or_insert(now);
        }
        self.failover.avoid(now, candidate.source, loss);
        Some(pause)
    }

    /// What was to be opened after them may be no more, or not wanted.
    pub(super) fn forget_pauses(&mut self) {
        self.opened().lines_mut().for_each(|line| line.interrupts = None);
    }

    pub(super) fn note_slot(&mut self, now: Moment, loss: Loss) {
        let drought = &mut self.opened().drought;
        if loss == Loss::NoSlot {
            drought.candidates += 1;
            drought.since.get_or_insert(now);
        } else {
            *drought = Drought::default();
        }
    }

    /// The provider needs the connection of this attempt.
    pub(super) fn give_way(&mut self, now: Moment, attempt: Attempt) {
        if !self.is_watched() && !self.is_beside(attempt) {
            return self.finish(Reason::Preempted);
        }
        self.actions.push_back(Action::Close { attempt, reason: Reason::Preempted });
        self.lose(now, attempt, Loss::NoSlot);
    }

    /// When viewers who have seen pictures, and for whom there is no connection any more, are told
    /// so.
    pub(super) fn slotless_until(&self) -> Option<Moment> {
        let open = self.open()?;
        let since = open.drought.since.filter(|_| !self.is_starting() && self.active().is_none())?;
        Some(since + self.times.start)
    }
}
