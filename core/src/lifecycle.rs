//! The life of an open channel, as a value: when to open a source, when to leave it, when to give
//! up, when to close.
//!
//! The contract: after each `handle_*`, drain [`Lifecycle::poll_action`]; call
//! [`Lifecycle::handle_timeout`] when the time that [`Lifecycle::poll_timeout`] names has come.
//! Every attempt to open a source has a number. Events of an attempt that is no longer there are
//! ignored, since events and decisions may cross.
//!
//! At most one source is *active*. A source is opened as a *candidate* and becomes active when it
//! has a whole picture. A *standby* may be open beside the candidate or beside the active one, if
//! there is a connection for it: a hedge against a candidate that takes long or an active source
//! that stands still, a probe of a source that is preferred, or a source that an admin wants.

mod active;
mod attempt;
mod candidate;
mod connections;
mod event;
mod faults;
mod last_hope;
mod loss_rate;
mod source_override;
mod standby;
mod state;

use std::collections::VecDeque;
use std::time::Duration;

use self::attempt::Attempt;
pub use self::event::{
    Action, AttemptId, Event, HEDGE_IN_OUTAGE, MIN_PICTURE_TIMEOUT, PICTURE_TIMEOUT, PROBE_PAUSE, Phase,
    Purpose, REOPEN_TIMEOUT, Reason, Times,
};
use self::state::{Aim, Audience, Open, State};
use crate::failover::{Choice, Failover, Loss};
pub use crate::failover::{OverrideError, SourceId, SourceOverride};
use crate::time::Moment;

/// Why a channel is open in which something is to be done with its sources.
const OPEN: &str = "only an open channel has sources that are open or awaited";

/// The life of one channel.
#[derive(Debug)]
pub struct Lifecycle {
    times: Times,
    failover: Failover,
    /// Attempts so far.
    attempts: u64,
    state: State,
    actions: VecDeque<Action>,
}

impl Lifecycle {
    /// A channel that is not opened; `failover` knows its sources.
    pub fn new(times: Times, failover: Failover) -> Self {
        Self { times, failover, attempts: 0, state: State::Idle, actions: VecDeque::new() }
    }

    /// Changes the times, for what begins from now on.
    pub fn set_times(&mut self, times: Times) {
        self.times = times;
    }

    /// This source delivers in parts, and stands still between two of them: a pause of this length
    /// is no stall.
    pub fn set_patience(&mut self, id: AttemptId, patience: Duration) {
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.set_patience(patience);
        }
    }

    /// This source may take so long from a connection to its first packets. To be told in front of
    /// [`Event::Granted`].
    pub fn set_connect(&mut self, id: AttemptId, connect: Duration) {
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.set_connect(connect);
        }
    }

    /// The media of this source arrives so far ahead of time from its next event on. The source
    /// stands still no sooner than that is played.
    pub fn set_ahead(&mut self, id: AttemptId, ahead: Duration) {
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.set_ahead(ahead);
        }
    }

    /// What users are told.
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Idle => Phase::Idle,
            State::Closed => Phase::Stopped,
            State::Open(open) => match open.audience {
                Audience::Lingering { .. } => Phase::Stopping,
                Audience::Watching if open.starts_until.is_some() => Phase::Starting,
                Audience::Watching => Phase::Active,
            },
        }
    }

    /// Whether a source is active.
    pub fn is_live(&self) -> bool {
        self.active().is_some()
    }

    /// The source that is active, or was opened last to become it.
    pub fn source(&self) -> SourceId {
        let attempt = self.open().and_then(|open| open.stage.attempt());
        attempt.map_or_else(|| self.failover.current(), |attempt| attempt.source)
    }

    /// The source of the standby.
    pub fn standby(&self) -> Option<SourceId> {
        Some(self.open()?.standby?.attempt.source)
    }

    /// Whether this attempt is the standby.
    pub fn is_standby(&self, id: AttemptId) -> bool {
        self.open().is_some_and(|open| open.standby_of(id).is_some())
    }

    /// How the sources have done.
    pub fn failover(&self) -> &Failover {
        &self.failover
    }

    /// Takes an event in.
    pub fn handle_event(&mut self, now: Moment, event: Event) {
        match (&self.state, event) {
            (State::Closed, _) => {}
            // A closed channel stays closed: whoever comes next is given a new one.
            (_, Event::Shutdown) => self.finish(Reason::Shutdown),
            (State::Idle, Event::ReadersPresent) => self.begin(now),
            (State::Idle, Event::NoReaders(_)) => self.finish(Reason::Idle),
            // Of an attempt of an earlier life.
            (State::Idle, _) => {}
            (State::Open(_), Event::ReadersPresent) => self.handle_audience(now),
            (State::Open(_), Event::NoReaders(since)) => self.handle_no_audience(now, since),
            (State::Open(_), Event::ConnectionFree(source)) => self.interrupt_pause(now, source),
            (State::Open(_), event) => {
                // A late event is about an attempt that was given up before.
                if event.attempt().is_some_and(|id| self.attempt_mut(id).is_some()) {
                    self.handle_attempt_event(now, event);
                }
            }
        }
    }

    /// Somebody watches a channel that is closed.
    fn begin(&mut self, now: Moment) {
        let choice = Choice { source: self.failover.start(now), at: now, is_reopening: false };
        self.state = State::Open(Box::new(Open::new(now + self.times.start, choice)));
        self.open_candidate(now, choice);
    }

    /// Somebody watches: perhaps nobody did before.
    fn handle_audience(&mut self, now: Moment) {
        let audience = std::mem::replace(&mut self.opened().audience, Audience::Watching);
        if audience != Audience::Watching {
            self.resume(now);
        }
    }

    /// Nobody watches, and the last one left so long ago.
    fn handle_no_audience(&mut self, now: Moment, since: Duration) {
        let until = now + self.times.idle.saturating_sub(since);
        self.opened().audience = Audience::Lingering { until };
        // A probe serves nobody who is there, and its connection may be wanted by others.
        if self.opened().standby.is_some_and(|standby| standby.aim == Aim::Probe) {
            self.close_standby(now, Reason::Idle);
        }
        self.withdraw(now);
    }

    /// Takes an event of an attempt that is there.
    fn handle_attempt_event(&mut self, now: Moment, event: Event) {
        let (picture, stall) = (self.picture_timeout(), self.times.stall);
        match event {
            Event::Granted(id) => self.handle_connection(now, id),
            Event::NoConnection(id) => self.handle_no_connection(now, id),
            Event::Alive(id) => self.handle_life(now, id),
            Event::InSync(id) => self.listed(id).set_in_sync(now, picture, stall),
            Event::GettingReady(id) => {
                if self.is_last_hope(id) {
                    self.listed(id).get_ready(now);
                }
            }
            Event::KeyframeReady(id) => self.handle_keyframe(now, id),
            Event::KeyframeLost(id) => self.listed(id).lose_keyframe(now + PICTURE_TIMEOUT),
            Event::Progress(id) => {
                self.listed(id).progress(now, stall);
                if self.is_active(id) {
                    self.end_needless_hedge(now);
                }
            }
            Event::Ended(id) => self.lose(now, id, Loss::Ended),
            Event::Stalled(id) => self.lose(now, id, Loss::Stalled),
            Event::Unhealthy { attempt: id, severity } => self.handle_fault(now, id, severity),
            Event::Graded { attempt: id, grade } => self.handle_grade(now, id, grade),
            Event::Yield(id) => self.give_way(now, id),
            // These are not about an attempt.
            Event::ReadersPresent | Event::NoReaders(_) | Event::ConnectionFree(_) | Event::Shutdown => {}
        }
    }

    /// The time named by [`Lifecycle::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        let is_due = |until: Moment| until <= now;
        let Some(open) = self.open() else { return };
        if let Audience::Lingering { until } = open.audience
            // First of all: an empty channel is closed, and not told that nothing answered.
            && is_due(until)
        {
            return self.finish(Reason::Idle);
        }
        if open.starts_until.is_some_and(is_due) || self.connection_wait_ends().is_some_and(is_due) {
            return self.give_up();
        }
        // What becomes of one may change what is there of the others.
        for id in open.attempts().map(|attempt| attempt.id).collect::<Vec<_>>() {
            let deadline = self.find(id).and_then(|attempt| self.deadline(&attempt));
            if let Some((_, reason, loss)) = deadline.filter(|&(until, ..)| is_due(until)) {
                // Closed before it is lost: what follows the loss may need its connection.
                self.actions.push_back(Action::Close { attempt: id, reason });
                self.lose(now, id, loss);
            }
        }
        if let Some(choice) = self.pause().filter(|_| self.pause_until().is_some_and(is_due)) {
            self.open_candidate(now, choice);
        }
        if let Some((source, aim, _)) = self.next_standby().filter(|&(.., at)| is_due(at)) {
            self.open_standby(source, aim);
        }
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Lifecycle::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let open = self.open()?;
        let closes_at = match open.audience {
            Audience::Watching => None,
            Audience::Lingering { until } => Some(until),
        };
        let others = [
            closes_at,
            open.starts_until,
            self.connection_wait_ends(),
            self.pause_until(),
            self.next_standby().map(|(.., at)| at),
        ];
        let of_attempts = open.attempts().filter_map(|attempt| self.deadline(&attempt).map(|(at, ..)| at));
        of_attempts.chain(others.into_iter().flatten()).min()
    }

    /// Takes a new list of sources: at least one, the preferred source first, each once. A source
    /// that stays in it stays open; one that does not is closed.
    pub fn set_sources(&mut self, now: Moment, sources: &[SourceId]) {
        self.failover.set_sources(sources);
        let State::Open(open) = &mut self.state else { return };
        let is_gone = |source: SourceId| !sources.contains(&source);
        open.dropped.take_if(|source| is_gone(*source));
        // Another source may have its turn after them now.
        open.attempts_mut().for_each(|attempt| attempt.interrupts = None);
        // A new order of sources does not restart what plays; only what has left the list is
        // closed.
        for attempt in open.attempts().filter(|attempt| is_gone(attempt.source)) {
            self.actions.push_back(Action::Close { attempt: attempt.id, reason: Reason::Removed });
        }
        open.standby.take_if(|standby| is_gone(standby.attempt.source));
        // A pause is over, too: a new list is a reason to try at once.
        if open.stage.attempt().is_none_or(|attempt| is_gone(attempt.source)) {
            let choice = Choice { source: self.failover.start(now), at: now, is_reopening: false };
            self.next_candidate(now, choice);
        }
        self.end_needless_probe(now);
    }

    fn open(&self) -> Option<&Open> {
        match &self.state {
            State::Open(open) => Some(open),
            State::Idle | State::Closed => None,
        }
    }

    /// The channel, which is open.
    fn opened(&mut self) -> &mut Open {
        match &mut self.state {
            State::Open(open) => open,
            State::Idle | State::Closed => unreachable!("{OPEN}"),
        }
    }

    fn active(&self) -> Option<Attempt> {
        self.open()?.stage.active()
    }

    fn is_active(&self, id: AttemptId) -> bool {
        self.active().is_some_and(|attempt| attempt.id == id)
    }

    fn candidate(&self) -> Option<Attempt> {
        self.open()?.stage.candidate()
    }

    fn pause(&self) -> Option<Choice> {
        self.open()?.stage.pause()
    }

    /// Whether the channel is open, and somebody watches.
    fn is_watched(&self) -> bool {
        self.open().is_some_and(|open| open.audience == Audience::Watching)
    }

    /// An attempt, if it is still there.
    fn attempt_mut(&mut self, id: AttemptId) -> Option<&mut Attempt> {
        let State::Open(open) = &mut self.state else { return None };
        open.attempts_mut().find(|attempt| attempt.id == id)
    }

    /// An attempt as it is, if it is still there.
    fn find(&self, id: AttemptId) -> Option<Attempt> {
        self.open()?.attempts().find(|attempt| attempt.id == id)
    }

    /// An attempt that is there.
    fn listed(&mut self, id: AttemptId) -> &mut Attempt {
        self.attempt_mut(id).expect("late events are not taken")
    }

    fn give_up(&mut self) {
        if !self.is_watched() {
            return self.finish(Reason::Idle); // there is nobody to be told
        }
        // What is told to viewers names what each source failed with, so all are closed before.
        self.close_all(Reason::StartTimeout);
        self.actions.push_back(Action::GiveUp);
        self.end();
    }

    fn finish(&mut self, reason: Reason) {
        self.close_all(reason);
        self.end();
    }

    fn close_all(&mut self, reason: Reason) {
        for attempt in self.open().map(Open::attempts).into_iter().flatten() {
            self.actions.push_back(Action::Close { attempt: attempt.id, reason });
        }
    }

    fn end(&mut self) {
        self.state = State::Closed;
        self.actions.push_back(Action::Finish);
    }
}

#[cfg(test)]
mod tests;
