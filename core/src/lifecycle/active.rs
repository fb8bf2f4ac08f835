//! How a source becomes the active one, and how the active one is left.

use std::time::Duration;

use super::attempt::Attempt;
use super::state::{Aim, ConnectionWait, Stage};
use super::{Action, AttemptId, Lifecycle, PROBE_PAUSE, Reason};
use crate::failover::Loss;
use crate::time::Moment;

impl Lifecycle {
    /// A keyframe is whole: its source becomes active, unless it has to prove itself.
    pub(super) fn handle_keyframe(&mut self, now: Moment, id: AttemptId) {
        let (stall, proof) = (self.times.stall, self.proof());
        let attempt = self.listed(id);
        attempt.show(now, stall);
        let shown = attempt.shows_since().map_or(Duration::ZERO, |since| now.since(since));
        if self.is_active(id) {
            return self.end_needless_hedge(now);
        }
        let standby = self.opened().standby_of(id);
        let is_wanted = match standby.map(|standby| standby.aim) {
            // If it failed at once, viewers would see two switches instead of none.
            Some(Aim::Probe) => shown >= proof && self.is_clean_enough(now, id),
            // Beside an active source, it waits for the end of that.
            Some(Aim::Hedge) => self.active().is_none(),
            Some(Aim::Relief | Aim::Swap) | None => true,
        };
        if is_wanted {
            self.activate(now, id);
        }
    }

    /// Closes the active source, if there is one, and remembers what was wrong with it.
    pub(super) fn close_active(&mut self, now: Moment, reason: Reason) {
        let Some(active) = self.active() else { return };
        self.failover.handle_left(now);
        let is_lossy = reason == Reason::Replaced && active.losses.are_constant();
        // What viewers and the log are told is what was wrong with the source, rather than that
        // another one was there.
        let reason = match reason {
            _ if active.is_unhealthy => Reason::Unhealthy,
            _ if is_lossy => Reason::Lossy,
            reason => reason,
        };
        if active.is_unhealthy {
            self.failover.cool_down(now, active.source, Loss::Unhealthy);
        } else if is_lossy {
            self.failover.note_lossy(now, active.source);
        }
        self.actions.push_back(Action::Close { attempt: active.id, reason });
    }

    /// The candidate or the standby takes the place of whatever else is open.
    pub(super) fn activate(&mut self, now: Moment, id: AttemptId) {
        let is_it = |attempt: &Attempt| attempt.id == id;
        let standby = self.opened().standby.take().map(|standby| standby.attempt);
        let candidate = self.opened().stage.candidate();
        let is_candidate = candidate.as_ref().is_some_and(is_it);
        let [chosen, other] = if is_candidate { [candidate, standby] } else { [standby, candidate] };
        let chosen = chosen.expect("a source that shows a picture is open");
        // Before the other becomes active: at no time are there two.
        self.close_active(now, Reason::Replaced);
        if let Some(other) = other {
            self.actions.push_back(Action::Close { attempt: other.id, reason: Reason::Replaced });
        }
        // It had its chance, and another one was faster.
        if let Some(late) = candidate.filter(|_| !is_candidate) {
            self.failover.cool_down(now, late.source, late.lateness());
        }
        if let Some(dropped) = self.opened().dropped.take().filter(|&dropped| dropped != chosen.source) {
            self.failover.cool_down(now, dropped, Loss::Ended);
        }
        self.failover.handle_live(now, chosen.source);
        let open = self.opened();
        open.stage = Stage::Active(chosen);
        open.starts_until = None;
        open.connection_wait = ConnectionWait::default();
        // Viewers who were just switched are left alone for a while, even for a better source.
        open.pauses.probes_from = now + PROBE_PAUSE;
        self.actions.push_back(Action::Activate { attempt: id });
    }
}
