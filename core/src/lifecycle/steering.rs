//! What becomes of an admin's wishes.

use super::{Action, Aim, Lifecycle, Reason, SourceId, State, Steer, Unsteerable};
use crate::failover::{Choice, Loss};
use crate::time::Moment;

impl Lifecycle {
    /// An admin wants something else. The active source stays active until the other one has a
    /// picture, if there is a connection for both.
    pub fn steer(&mut self, now: Moment, steer: Steer) -> Result<(), Unsteerable> {
        self.failover.steer(steer)?;
        let State::Open(_) = self.state else { return Ok(()) };
        self.forget_pauses();
        let (current, is_paused) = (self.source(), self.pause().is_some());
        match steer {
            Steer::Pin(source) if source != current || is_paused => self.swap(now, source, Aim::Swap),
            Steer::Pin(_) if self.is_live() => self.close_standby(now, Reason::Skipped),
            // All were disabled, and one of them was to be opened nevertheless.
            Steer::Enable(source) if is_paused && self.failover.is_disabled(current) => {
                self.swap(now, source, Aim::Swap);
            }
            Steer::Skip => self.leave(now, current),
            Steer::Disable(source) if source == current => self.leave(now, source),
            Steer::Disable(source) if self.beside() == Some(source) => {
                self.close_standby(now, Reason::Skipped);
            }
            Steer::Pin(_) | Steer::Unpin | Steer::Disable(_) | Steer::Enable(_) => {}
        }
        self.end_needless_probe(now);
        Ok(())
    }

    /// Leaves this source, which is the current one, for another.
    fn leave(&mut self, now: Moment, source: SourceId) {
        if let Some((other, _)) = self.failover.alternative(now) {
            self.failover.avoid(now, source, Loss::Skipped);
            self.swap(now, other, Aim::Swap);
        }
    }

    /// Opens `source` beside the active one, to take its place; instead of the candidate, if
    /// nothing is active.
    pub(super) fn swap(&mut self, now: Moment, source: SourceId, aim: Aim) {
        let open = self.opened().standby.filter(|standby| standby.line.source == source);
        if open.is_none() {
            self.close_standby(now, Reason::Skipped);
        }
        match open.map(|standby| standby.line) {
            _ if !self.is_live() => self.make_room(now, source),
            None => self.open_standby(source, aim),
            Some(line) if line.shows_since().is_some() => self.activate(now, line.attempt),
            Some(_) => self.opened().standby.iter_mut().for_each(|standby| standby.aim = aim),
        }
    }

    /// Closes the current source first: there is no connection for both, or nothing is active.
    pub(super) fn make_room(&mut self, now: Moment, source: SourceId) {
        let choice = Choice { source, at: now, is_reopening: false };
        self.close_active(now, Reason::Skipped);
        if let Some(candidate) = self.candidate() {
            self.actions.push_back(Action::Close { attempt: candidate.attempt, reason: Reason::Skipped });
        }
        self.next_candidate(now, choice);
        // It is wanted more than a short gap.
        self.delay_hedge(now);
    }
}
