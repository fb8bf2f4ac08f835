//! Sources whose provider has no connection to spare, and the pauses in which they wait for one, as
//! long as somebody watches.

use super::attempt::Attempt;
use super::state::{Candidate, ConnectionWait, Stage};
use super::{Action, Aim, AttemptId, Lifecycle, Purpose, Reason, SourceId};
use crate::failover::{Choice, Loss};
use crate::time::Moment;

impl Lifecycle {
    /// The sources that wait for a connection to their provider, the next one first. Only in a
    /// pause, and while the channel has readers.
    pub fn waiting_for_slot(&self) -> Vec<SourceId> {
        if self.pause_until().is_some() { self.failover.waiting_for_slot() } else { Vec::new() }
    }

    /// When the pause is over. It lasts while the channel has no readers.
    pub(super) fn pause_until(&self) -> Option<Moment> {
        self.pause().filter(|_| self.is_watched()).map(|choice| choice.at)
    }

    /// There is a connection for this attempt.
    pub(super) fn handle_connection(&mut self, now: Moment, id: AttemptId) {
        let attempt = self.listed(id);
        attempt.grant(now);
        // The provider weighs a claim by its purpose: viewers may depend on this one now.
        let was_standby = attempt.purpose != Purpose::Active;
        // If there is no picture now, it is not for lack of a connection.
        self.opened().connection_wait = ConnectionWait::default();
        let is_candidate = self.candidate().is_some_and(|candidate| candidate.id == id);
        if is_candidate && was_standby {
            self.actions.push_back(Action::Promote { attempt: id });
        }
    }

    /// There is no connection for this attempt.
    pub(super) fn handle_no_connection(&mut self, now: Moment, id: AttemptId) {
        let Some(standby) = self.take_standby(now, id, Loss::NoConnection) else {
            return self.lose(now, id, Loss::NoConnection);
        };
        // A source that an admin has pinned is not passed over for a third one.
        let is_ordered = standby.aim == Aim::Swap && self.failover.is_pinned(standby.attempt.source);
        if (is_ordered || !self.open_another(now, standby.aim)) && self.is_worth_room(now, standby.aim) {
            self.make_room(now, standby.attempt.source);
        }
    }

    /// The last reader left: attempts that wait for a connection leave it to other channels until
    /// a reader comes back.
    pub(super) fn withdraw(&mut self, now: Moment) {
        // One that has its connection stays: a reader may come back, and needs it then.
        if self.opened().standby.is_some_and(|standby| !standby.attempt.has_connection()) {
            self.close_standby(now, Reason::Idle);
        }
        if let Some(candidate) = self.candidate().filter(|candidate| !candidate.has_connection()) {
            self.actions.push_back(Action::Close { attempt: candidate.id, reason: Reason::Idle });
            // The interrupted pause goes on, so that coming and going readers do not shorten it.
            let again = Choice { source: candidate.source, at: now, is_reopening: false };
            self.next_candidate(now, candidate.interrupts.unwrap_or(again));
        }
    }

    /// There may be a connection for this source: it is opened before the pause is over.
    pub(super) fn interrupt_pause(&mut self, now: Moment, source: SourceId) {
        if !self.waiting_for_slot().contains(&source) {
            return;
        }
        let pause = self.pause();
        self.open_candidate(now, Choice { source, at: now, is_reopening: false });
        if let Stage::Candidate(Candidate { attempt, .. }) = &mut self.opened().stage {
            attempt.interrupts = pause;
        }
    }

    /// What follows a candidate that interrupted a pause and is lost: the rest of that pause, so
    /// that other sources are not asked more often.
    pub(super) fn interrupted(&mut self, now: Moment, candidate: &Attempt, loss: Loss) -> Option<Choice> {
        // A pause that is over, with the same source, would open it again at once.
        let is_other = |pause: &Choice| pause.at > now || pause.source != candidate.source;
        let pause = candidate.interrupts.filter(is_other)?;
        if loss == Loss::NoConnection {
            self.opened().connection_wait.since.get_or_insert(now);
        }
        self.failover.cool_down(now, candidate.source, loss);
        Some(pause)
    }

    /// The sources that interrupted pauses were to end with may be gone, or not wanted any more.
    pub(super) fn forget_pauses(&mut self) {
        self.opened().attempts_mut().for_each(|attempt| attempt.interrupts = None);
    }

    pub(super) fn note_connection(&mut self, now: Moment, loss: Loss) {
        let connection_wait = &mut self.opened().connection_wait;
        if loss == Loss::NoConnection {
            connection_wait.candidates += 1;
            connection_wait.since.get_or_insert(now);
        } else {
            // Any other loss says that the provider does have connections.
            *connection_wait = ConnectionWait::default();
        }
    }

    /// The provider needs the connection of this attempt.
    pub(super) fn give_way(&mut self, now: Moment, id: AttemptId) {
        // Nobody is watching: the connection goes to those who do, and nothing replaces it.
        if !self.is_watched() && !self.is_standby(id) {
            return self.finish(Reason::Preempted);
        }
        self.actions.push_back(Action::Close { attempt: id, reason: Reason::Preempted });
        self.lose(now, id, Loss::NoConnection);
    }

    /// When viewers who have seen pictures are told that there is no connection any more.
    pub(super) fn connection_wait_ends(&self) -> Option<Moment> {
        let open = self.open()?;
        // At the start `starts_until` is the limit; with a picture, nobody waits.
        let since = open.connection_wait.since.filter(|_| !self.is_starting() && self.active().is_none())?;
        Some(since + self.times.start)
    }
}
