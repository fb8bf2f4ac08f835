//! A source on its way to become active, and what comes after it if it fails.

use std::time::Duration;

use super::attempt::Attempt;
use super::state::{Audience, Candidate, ConnectionWait, Stage};
use super::{
    Action, AttemptId, Lifecycle, MIN_PICTURE_TIMEOUT, PICTURE_TIMEOUT, Purpose, REOPEN_TIMEOUT, SourceId,
};
use crate::failover::{Choice, Loss};
use crate::time::Moment;

impl Lifecycle {
    /// An attempt has come to its end.
    pub(super) fn lose(&mut self, now: Moment, id: AttemptId, loss: Loss) {
        if let Some(standby) = self.take_standby(now, id, loss) {
            self.open_another(now, standby.aim);
        } else if let Some(active) = self.active().filter(|attempt| attempt.id == id) {
            self.lose_active(now, &active, loss);
        } else if let Some(candidate) = self.candidate().filter(|attempt| attempt.id == id) {
            self.lose_candidate(now, &candidate, loss);
        }
    }

    pub(super) fn lose_active(&mut self, now: Moment, active: &Attempt, loss: Loss) {
        // An unhealthy source would be as unhealthy if it were opened again at once.
        let loss = if active.is_unhealthy && loss == Loss::Ended { Loss::Unhealthy } else { loss };
        let choice = self.failover.handle_loss(now, loss);
        let open = self.opened();
        open.stage = Stage::Pause(choice);
        // Reopening it would cost viewers more than the standby that is on its way. If that one
        // becomes active, the source has failed after all.
        open.dropped = (choice.is_reopening && open.standby.is_some()).then_some(active.source);
        self.note_connection(now, loss);
        self.next_candidate(now, choice);
    }

    pub(super) fn lose_candidate(&mut self, now: Moment, candidate: &Attempt, loss: Loss) {
        let loss = if loss == Loss::NoConnection { loss } else { Loss::Undelivered };
        if let Some(pause) = self.interrupted(now, candidate, loss) {
            return self.next_candidate(now, pause);
        }
        self.note_connection(now, loss);
        let choice = self.failover.handle_loss(now, loss);
        let sources = self.failover.enabled().max(1);
        let open = self.opened();
        open.stage = Stage::Pause(choice);
        // Viewers who wait for their first picture are told at once when no source had a
        // connection for a whole round: waiting longer would not help them.
        let is_told = open.starts_until.is_some() && open.connection_wait.candidates >= sources;
        if is_told && open.standby.is_none() {
            return self.give_up();
        }
        self.next_candidate(now, choice);
    }

    /// The standby becomes the candidate; if there is none, `choice` does when its time has come.
    pub(super) fn next_candidate(&mut self, now: Moment, choice: Choice) {
        let hedges_from = self.hedge_at(now);
        let open = self.opened();
        let is_watched = open.audience == Audience::Watching;
        if let Some(standby) = open.standby.take() {
            let attempt = standby.attempt;
            open.stage = Stage::Candidate(Candidate { attempt, hedges_from });
            // Viewers depend on the standby now, which the provider must know. An attempt without
            // a connection is promoted when it gets one.
            if attempt.has_connection() {
                open.connection_wait = ConnectionWait::default();
                self.actions.push_back(Action::Promote { attempt: attempt.id });
            }
            self.failover.take(attempt.source);
            if attempt.shows_since().is_some() {
                self.activate(now, attempt.id);
            }
        } else if choice.at <= now && is_watched {
            self.open_candidate(now, choice);
        } else {
            open.stage = Stage::Pause(choice);
            // An order of an admin during the pause is about this source.
            self.failover.take(choice.source);
        }
    }

    pub(super) fn open_candidate(&mut self, now: Moment, choice: Choice) {
        let connect =
            if choice.is_reopening { self.times.connect.min(REOPEN_TIMEOUT) } else { self.times.connect };
        self.failover.take(choice.source);
        let mut attempt = self.begin_attempt(choice.source, connect, Purpose::Active);
        attempt.is_reopened = choice.is_reopening;
        let hedges_from = self.hedge_at(now);
        self.opened().stage = Stage::Candidate(Candidate { attempt, hedges_from });
    }

    /// Begins an attempt to open a source.
    pub(super) fn begin_attempt(&mut self, source: SourceId, connect: Duration, purpose: Purpose) -> Attempt {
        self.attempts += 1;
        let id = AttemptId(self.attempts);
        self.actions.push_back(Action::Open { attempt: id, source, purpose });
        Attempt::new(id, source, connect, purpose)
    }

    /// Whether viewers still wait for their first picture.
    pub(super) fn is_starting(&self) -> bool {
        self.open().is_some_and(|open| open.starts_until.is_some())
    }

    /// While the first picture is awaited, the sources share the time for the start.
    pub(super) fn picture_timeout(&self) -> Duration {
        if !self.is_starting() || self.failover.enabled() < 2 {
            return PICTURE_TIMEOUT;
        }
        let share = self.times.start / u32::try_from(self.failover.enabled()).unwrap_or(u32::MAX);
        share.clamp(MIN_PICTURE_TIMEOUT, PICTURE_TIMEOUT)
    }

    /// The first reader came back, and has not waited yet.
    pub(super) fn resume(&mut self, now: Moment) {
        let start = self.times.start;
        let open = self.opened();
        open.starts_until = open.starts_until.map(|_| now + start);
        open.connection_wait =
            ConnectionWait { since: open.connection_wait.since.map(|_| now), candidates: 0 };
        if let Some(choice) = self.pause().filter(|choice| choice.at <= now) {
            // The source is no longer the one that was live a moment ago: it needs the usual time.
            self.open_candidate(now, Choice { is_reopening: false, ..choice });
        }
    }
}
