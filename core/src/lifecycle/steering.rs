//! What becomes of an admin's wishes.

use super::{Action, Aim, Lifecycle, Reason, SourceId, State, Steer, Unsteerable};
use crate::failover::{Choice, Loss};
use crate::time::Moment;

impl Lifecycle {
    /// An admin wants something else. What is on air stays there until the other one has a picture, if there is a slot for both.
    pub fn steer(&mut self, now: Moment, steer: Steer) -> Result<(), Unsteerable> {
        self.failover.steer(steer)?;
        self.forget_pauses();
        let current = self.source();
        match steer {
            _ if self.state != State::Open => {}
            Steer::Pin(source) if source != current || self.pause.is_some() => {
                self.swap(now, source, Aim::Swap);
            }
            Steer::Pin(_) if self.air.is_some() => self.close_rival(now, Reason::Skipped),
            // All were disabled, and one of them was to be opened nevertheless.
            Steer::Enable(source) if self.pause.is_some() && self.failover.is_disabled(current) => {
                self.swap(now, source, Aim::Swap);
            }
            Steer::Skip => self.leave(now, current),
            Steer::Disable(source) if source == current => self.leave(now, source),
            Steer::Disable(source) if self.beside() == Some(source) => self.close_rival(now, Reason::Skipped),
            Steer::Pin(_) | Steer::Unpin | Steer::Disable(_) | Steer::Enable(_) => {}
        }
        self.end_needless_probe(now);
        Ok(())
    }

    /// Another source than this one, which is on hand.
    fn leave(&mut self, now: Moment, source: SourceId) {
        if let Some((other, _)) = self.failover.alternative(now) {
            self.failover.avoid(now, source, Loss::Skipped);
            self.swap(now, other, Aim::Swap);
        }
    }

    /// `source` beside what is on air, to take its place; instead of what is on hand, if nothing is on air.
    pub(super) fn swap(&mut self, now: Moment, source: SourceId, aim: Aim) {
        let open = self.rival.filter(|(line, _)| line.source == source);
        if open.is_none() {
            self.close_rival(now, Reason::Skipped);
        }
        match open {
            _ if self.air.is_none() => self.make_room(now, source),
            None => self.open_rival(source, aim),
            Some((line, _)) if line.shows_since().is_some() => self.go_on_air(now, line.attempt),
            Some((line, _)) => self.rival = Some((line, aim)),
        }
    }

    /// What is on hand is closed first: there is no slot for both, or nothing is on air.
    pub(super) fn make_room(&mut self, now: Moment, source: SourceId) {
        self.pause = None;
        self.close_air(now, Reason::Skipped);
        if let Some(line) = self.trial.take() {
            self.actions.push_back(Action::Close { attempt: line.attempt, reason: Reason::Skipped });
        }
        self.next_trial(now, Choice { source, at: now, is_reopening: false });
        // It is wanted more than a short gap.
        self.hedges_from = self.times.hedge.map(|after| now + after);
    }
}
