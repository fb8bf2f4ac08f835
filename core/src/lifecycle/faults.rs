//! What becomes of a source that delivers what it should not.

use super::{Action, Aim, Attempt, Lifecycle, Reason};
use crate::failover::Loss;
use crate::health::Worth;
use crate::time::Moment;

impl Lifecycle {
    /// A source delivers what it should not. One that is better than nothing stays until there is
    /// another. Where there is none, a source that shows a notice is opened anew: when the notice
    /// is first seen, and then less and less often. A source that an admin has disabled is not,
    /// unless all are.
    pub(super) fn handle_fault(&mut self, now: Moment, attempt: Attempt, worth: Worth) {
        let active = self.active().filter(|active| active.attempt == attempt);
        let is_candidate = self.candidate().is_some_and(|candidate| candidate.attempt == attempt);
        // Open nothing while nobody is watching.
        let other = self.failover.beside(now).filter(|_| self.is_watched());
        let stays = match worth {
            Worth::Programme => active.is_some() || is_candidate && other.is_none(),
            Worth::Notice => active.is_some(),
            Worth::Nothing => false,
        };
        if !stays {
            self.actions.push_back(Action::Close { attempt, reason: Reason::Unhealthy });
            return self.lose(now, attempt, Loss::Unhealthy);
        }
        let was_ailing = std::mem::replace(&mut self.listed(attempt).is_ailing, true);
        let has_standby = self.opened().standby.is_some();
        match (active, other) {
            // Something is being done about it.
            (Some(_), _) if was_ailing && has_standby => {}
            (Some(_), Some(other)) => self.swap(now, other, Aim::Relief),
            (Some(active), None)
                if worth == Worth::Notice
                    && self.is_watched()
                    && !self.failover.is_in_disgrace(now)
                    && self.failover.may_open(active.source) =>
            {
                self.make_room(now, active.source);
            }
            _ => {}
        }
    }

    /// Whether the active source makes room for a standby with this aim for which there is no
    /// connection.
    pub(super) fn is_worth_room(&self, now: Moment, aim: Aim) -> bool {
        match aim {
            Aim::Swap => true,
            Aim::Relief => !self.failover.is_in_disgrace(now),
            Aim::Hedge | Aim::Probe => false,
        }
    }
}
