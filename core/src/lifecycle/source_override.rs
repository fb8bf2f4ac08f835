//! What an admin's order does to the sources that are open.

use super::{Action, Aim, Lifecycle, OverrideError, Reason, SourceId, SourceOverride, State};
use crate::failover::{Choice, Loss};
use crate::time::Moment;

impl Lifecycle {
    /// Carries out an order of an admin. The active source stays active until the other one has a
    /// picture, if there is a connection for both.
    pub fn override_source(&mut self, now: Moment, order: SourceOverride) -> Result<(), OverrideError> {
        self.failover.override_source(order)?;
        // An order for a closed channel counts when it opens.
        let State::Open(_) = self.state else { return Ok(()) };
        self.forget_pauses();
        // Asked before anything changes: what follows closes and opens attempts.
        let (current, is_paused) = (self.source(), self.pause().is_some());
        match order {
            SourceOverride::Pin(source) if source != current || is_paused => {
                self.swap(now, source, Aim::Swap);
            }
            // The pinned source is active: a standby could only replace it.
            SourceOverride::Pin(_) if self.is_live() => self.close_standby(now, Reason::Skipped),
            // All were disabled, and one of them was to be opened nevertheless.
            SourceOverride::Enable(source) if is_paused && self.failover.is_disabled(current) => {
                self.swap(now, source, Aim::Swap);
            }
            SourceOverride::Skip => self.leave(now, current),
            SourceOverride::Disable(source) if source == current => self.leave(now, source),
            SourceOverride::Disable(source) if self.standby() == Some(source) => {
                self.close_standby(now, Reason::Skipped);
            }
            SourceOverride::Pin(_)
            | SourceOverride::Unpin
            | SourceOverride::Disable(_)
            | SourceOverride::Enable(_) => {}
        }
        self.end_needless_probe(now);
        Ok(())
    }

    /// Leaves this source, which is the current one, for another.
    fn leave(&mut self, now: Moment, source: SourceId) {
        if let Some((other, _)) = self.failover.alternative(now) {
            self.failover.cool_down(now, source, Loss::Skipped);
            self.swap(now, other, Aim::Swap);
        }
    }

    /// Opens `source` beside the active one, to take its place; instead of the candidate, if
    /// nothing is active.
    pub(super) fn swap(&mut self, now: Moment, source: SourceId, aim: Aim) {
        let open = self.opened().standby.filter(|standby| standby.attempt.source == source);
        // A standby of the wanted source is kept: it may have a picture already.
        if open.is_none() {
            self.close_standby(now, Reason::Skipped);
        }
        match open.map(|standby| standby.attempt) {
            _ if !self.is_live() => self.make_room(now, source),
            None => self.open_standby(source, aim),
            Some(attempt) if attempt.shows_since().is_some() => self.activate(now, attempt.id),
            Some(_) => self.opened().standby.iter_mut().for_each(|standby| standby.aim = aim),
        }
    }

    /// Closes the current source first: there is no connection for both, or nothing is active.
    pub(super) fn make_room(&mut self, now: Moment, source: SourceId) {
        let choice = Choice { source, at: now, is_reopening: false };
        self.close_active(now, Reason::Skipped);
        if let Some(candidate) = self.candidate() {
            self.actions.push_back(Action::Close { attempt: candidate.id, reason: Reason::Skipped });
        }
        self.next_candidate(now, choice);
        // The admin wants this source, even at the price of an outage.
        self.delay_hedge(now);
    }
}
