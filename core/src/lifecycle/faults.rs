//! What becomes of an unhealthy source.

use super::{Action, Aim, AttemptId, Lifecycle, Reason};
use crate::failover::Loss;
use crate::health::Severity;
use crate::time::Moment;

impl Lifecycle {
    /// A rule of health found fault with a source. A source that is better than nothing stays until
    /// there is another. If there is none, a source that shows a notice is opened anew: when the
    /// notice is first seen, and then less and less often. A source that an admin has disabled is
    /// not opened anew, unless all are disabled.
    pub(super) fn handle_fault(&mut self, now: Moment, id: AttemptId, severity: Severity) {
        let active = self.active().filter(|active| active.id == id);
        let is_candidate = self.candidate().is_some_and(|candidate| candidate.id == id);
        // Open nothing while nobody is watching.
        let other = self.failover.eligible_standby(now).filter(|_| self.is_watched());
        let stays = match severity {
            Severity::Programme => active.is_some() || is_candidate && other.is_none(),
            Severity::Notice => active.is_some(),
            Severity::Nothing => false,
        };
        if !stays {
            self.actions.push_back(Action::Close { attempt: id, reason: Reason::Unhealthy });
            return self.lose(now, id, Loss::Unhealthy);
        }
        let was_unhealthy = std::mem::replace(&mut self.listed(id).is_unhealthy, true);
        let has_standby = self.opened().standby.is_some();
        match (active, other) {
            // The standby is what is being done about it.
            (Some(_), _) if was_unhealthy && has_standby => {}
            (Some(_), Some(other)) => self.swap(now, other, Aim::Relief),
            (Some(active), None)
                if severity == Severity::Notice
                    && self.is_watched()
                    && !self.failover.failed_recently(now)
                    && self.failover.may_open(active.source) =>
            {
                self.make_room(now, active.source);
            }
            _ => {}
        }
    }

    /// Whether the active source gives its connection to a standby with this aim.
    pub(super) fn is_worth_room(&self, now: Moment, aim: Aim) -> bool {
        match aim {
            Aim::Swap => true,
            Aim::Relief => !self.failover.failed_recently(now),
            Aim::Hedge | Aim::Probe => false,
        }
    }
}
