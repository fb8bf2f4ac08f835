//! Sources whose provider has no connection to spare, and the pauses in which they wait for one, as long as somebody watches.

use super::line::Line;
use super::{Action, Attempt, Lifecycle, Reason, SourceId};
use crate::failover::{Choice, Loss};
use crate::time::Moment;

impl Lifecycle {
    /// The sources that wait for a connection that their provider can spare, the one that is to have it first; none but in a pause, and while
    /// somebody watches.
    pub fn slotless(&self) -> Vec<SourceId> {
        if self.pause.is_some() && self.lingers_until.is_none() {
            self.failover.slotless()
        } else {
            Vec::new()
        }
    }

    /// When the pause is over: not while nobody watches.
    pub(super) fn pause_until(&self) -> Option<Moment> {
        self.pause.filter(|_| self.lingers_until.is_none()).map(|choice| choice.at)
    }

    /// Nobody watches any more: what waits for a connection leaves it to others, until somebody comes back.
    pub(super) fn withdraw(&mut self, now: Moment) {
        if self.rival.is_some_and(|(rival, _)| !rival.has_slot()) {
            self.close_rival(now, Reason::Idle);
        }
        if let Some(trial) = self.trial.take_if(|trial| !trial.has_slot()) {
            self.actions.push_back(Action::Close { attempt: trial.attempt, reason: Reason::Idle });
            let again = Choice { source: trial.source, at: now, is_reopening: false };
            self.next_trial(now, trial.interrupts.unwrap_or(again));
        }
    }

    /// This source, for which there may be a connection, is asked for out of its turn.
    pub(super) fn interrupt_pause(&mut self, now: Moment, source: SourceId) {
        if self.slotless().contains(&source)
            && let Some(pause) = self.pause.take()
        {
            self.open_trial(now, Choice { source, at: now, is_reopening: false });
            if let Some(trial) = &mut self.trial {
                trial.interrupts = Some(pause);
            }
        }
    }

    /// What is to be done after a trial that is lost and was asked for out of its turn: as if it had not been, so that others are not
    /// asked more often.
    pub(super) fn interrupted(&mut self, now: Moment, trial: &Line, loss: Loss) -> Option<Choice> {
        let pause = trial.interrupts.filter(|pause| pause.at > now || pause.source != trial.source)?;
        if loss == Loss::NoSlot {
            self.slotless_since.get_or_insert(now);
        }
        self.failover.avoid(now, trial.source, loss);
        Some(pause)
    }

    /// What was to be opened after them may be no more, or not wanted.
    pub(super) fn forget_pauses(&mut self) {
        self.lines_mut().for_each(|line| line.interrupts = None);
    }

    pub(super) fn note_slot(&mut self, now: Moment, loss: Loss) {
        if loss == Loss::NoSlot {
            self.slotless_trials += 1;
            self.slotless_since.get_or_insert(now);
        } else {
            (self.slotless_trials, self.slotless_since) = (0, None);
        }
    }

    /// The provider needs the connection of this attempt.
    pub(super) fn give_way(&mut self, now: Moment, attempt: Attempt) {
        if self.line(attempt).is_none() {
            return;
        }
        let is_rival = self.rival.is_some_and(|(line, _)| line.attempt == attempt);
        if self.lingers_until.is_some() && !is_rival {
            return self.finish(Reason::Preempted);
        }
        self.actions.push_back(Action::Close { attempt, reason: Reason::Preempted });
        self.lose(now, attempt, Loss::NoSlot);
    }

    /// When viewers who have seen pictures, and for whom there is no slot any more, are told so.
    pub(super) fn slotless_until(&self) -> Option<Moment> {
        let since = self.slotless_since.filter(|_| self.starts_until.is_none() && self.air.is_none())?;
        Some(since + self.times.start)
    }
}
