//! What becomes of an admin's wishes.

use super::{Action, Aim, Lifecycle, Reason, State, Steer, Unsteerable};
use crate::failover::{Choice, Loss};
use crate::time::Moment;

impl Lifecycle {
    /// An admin wants something else. What is on air stays there until the other one has a picture, if there is a slot for both.
    pub fn steer(&mut self, now: Moment, steer: Steer) -> Result<(), Unsteerable> {
        self.failover.steer(steer)?;
        let current = self.source();
        match steer {
            Steer::Unpin | Steer::Enable(_) => {}
            _ if self.state != State::Open => {}
            Steer::Pin(source) if source != current => self.swap(now, source),
            Steer::Pin(_) => {}
            Steer::Skip => self.leave(now, current),
            Steer::Disable(source) if source == current => self.leave(now, source),
            Steer::Disable(source) if self.beside() == Some(source) => self.close_rival(now, Reason::Skipped),
            Steer::Disable(_) => {}
        }
        Ok(())
    }

    /// Another source than this one, which is on hand.
    fn leave(&mut self, now: Moment, source: usize) {
        match self.failover.beside(now) {
            Some(other) => {
                self.failover.avoid(now, source, Loss::Skipped);
                self.swap(now, other);
            }
            None => self.make_room_for_next(now),
        }
    }

    /// `source` beside what is on air, to take its place; instead of it, if none is.
    fn swap(&mut self, now: Moment, source: usize) {
        self.close_rival(now, Reason::Skipped);
        if self.air.is_some() {
            self.open_rival(source, Aim::Swap);
        } else {
            self.make_room(now, source);
        }
    }

    /// There is no slot for both: what is on hand is closed first.
    pub(super) fn make_room(&mut self, now: Moment, source: usize) {
        self.close_on_hand();
        self.next_trial(now, Choice { source, at: now, is_reopening: false });
    }

    fn make_room_for_next(&mut self, now: Moment) {
        self.close_rival(now, Reason::Skipped);
        self.close_on_hand();
        let choice = self.failover.handle_loss(now, Loss::Skipped);
        self.next_trial(now, choice);
    }

    fn close_on_hand(&mut self) {
        self.pause = None;
        if let Some(line) = self.air.take().or_else(|| self.trial.take()) {
            self.actions.push_back(Action::Close { attempt: line.attempt, reason: Reason::Skipped });
        }
    }
}
