//! What becomes of a source that loses packets all the time, too few to be a fault.
//!
//! Where the active source has been lossy for a minute, others are probed. One that is not lossy
//! while it proves itself becomes active. A source that was found lossy, as the active one or in a
//! probe, is not probed again for a while, longer each time: so two sources that are equally bad do
//! not take turns.

use super::{Aim, AttemptId, Lifecycle, Reason};
use crate::health::Grade;
use crate::time::Moment;

impl Lifecycle {
    /// A stretch of a source has ended, in which so much was lost.
    pub(super) fn handle_grade(&mut self, now: Moment, id: AttemptId, grade: Grade) {
        self.listed(id).losses.note(grade);
        if self.is_active(id) && grade == Grade::Clean {
            // A probe may have been opened for what is over.
            return self.end_needless_probe(now);
        }
        let probe = self.opened().standby_of(id).filter(|standby| standby.aim == Aim::Probe);
        let is_no_better = self.active().is_some_and(|active| !active.is_unhealthy);
        if let Some(probe) =
            probe.filter(|probe| is_no_better && !self.failover.is_pinned(probe.attempt.source))
            && grade == Grade::Lossy
        {
            self.failover.note_lossy(now, probe.attempt.source);
            self.close_standby(now, Reason::Lossy);
        }
    }

    /// Whether a probe that has shown pictures for long enough may become active. Where losses are
    /// why it was opened, or were known of it, a whole stretch without them must have ended.
    pub(super) fn is_clean_enough(&self, now: Moment, id: AttemptId) -> bool {
        let (Some(probe), Some(active)) = (self.find(id), self.active()) else { return true };
        let is_asked = active.losses.are_constant() || self.failover.was_lossy(now, probe.source);
        let is_wanted = active.is_unhealthy || self.failover.is_pinned(probe.source);
        is_wanted || !is_asked || probe.losses.last() == Some(Grade::Clean)
    }
}
