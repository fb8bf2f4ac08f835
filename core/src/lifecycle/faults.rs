//! What becomes of a source that delivers what it should not.

use super::{Action, Aim, Attempt, Lifecycle, Reason};
use crate::failover::Loss;
use crate::health::Worth;
use crate::time::Moment;

impl Lifecycle {
    /// A source delivers what it should not. One that is better than nothing stays until there is another. Where there is none, a notice is
    /// opened anew: when it is first seen, and then less and less often. (One that an admin has disabled is not, unless all are.)
    pub(super) fn handle_fault(&mut self, now: Moment, attempt: Attempt, worth: Worth) {
        let on_air = self.air.filter(|air| air.attempt == attempt);
        let is_trial = self.trial.is_some_and(|trial| trial.attempt == attempt);
        // Nothing is opened for nobody.
        let other = self.failover.beside(now).filter(|_| self.lingers_until.is_none());
        let stays = match worth {
            Worth::Programme => on_air.is_some() || is_trial && other.is_none(),
            Worth::Notice => on_air.is_some(),
            Worth::Nothing => false,
        };
        if !stays {
            if self.line(attempt).is_some() {
                self.actions.push_back(Action::Close { attempt, reason: Reason::Unhealthy });
                self.lose(now, attempt, Loss::Unhealthy);
            }
            return;
        }
        let was_ailing = self.line(attempt).is_some_and(|line| std::mem::replace(&mut line.is_ailing, true));
        match (on_air, other) {
            // Something is being done about it.
            (Some(_), _) if was_ailing && self.rival.is_some() => {}
            (Some(_), Some(other)) => self.swap(now, other, Aim::Relief),
            (Some(air), None)
                if worth == Worth::Notice
                    && self.lingers_until.is_none()
                    && !self.failover.is_in_disgrace(now)
                    && self.failover.may_open(air.source) =>
            {
                self.make_room(now, air.source);
            }
            _ => {}
        }
    }

    /// Whether what is on air makes room for what is opened beside it with this aim and has no slot.
    pub(super) fn is_worth_room(&self, now: Moment, aim: Aim) -> bool {
        match aim {
            Aim::Swap => true,
            Aim::Relief => !self.failover.is_in_disgrace(now),
            Aim::Hedge | Aim::Probe => false,
        }
    }
}
