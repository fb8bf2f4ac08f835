//! The life of an open channel, as a value: when to open a source, when to leave it, when to give
//! up, when to close.
//!
//! The contract: after each `handle_*`, drain [`Lifecycle::poll_action`]; call
//! [`Lifecycle::handle_timeout`] when the time that [`Lifecycle::poll_timeout`] names has come.
//! Every attempt to open a source has a number. News of an attempt that is no longer there is
//! ignored, since news and decisions may cross.
//!
//! At most one source is *active*. A source is opened as a *candidate* and becomes active when it
//! has a whole picture. A *standby* may be open beside the candidate or beside the active one, if
//! there is a connection for it: a hedge against a candidate that takes long or an active source
//! that stands still, a probe of a source that is preferred, or a source that an admin wants.

mod beside;
mod faults;
mod last_hope;
mod line;
mod losses;
mod news;
mod slots;
mod state;
mod steering;

use std::collections::VecDeque;
use std::time::Duration;

use self::line::Line;
pub use self::news::{
    Action, Attempt, Event, HEDGE_IN_GAP, MIN_PICTURE_TIMEOUT, PICTURE_TIMEOUT, PROBE_PAUSE, Phase, Purpose,
    REOPEN_TIMEOUT, Reason, Times,
};
use self::state::{Aim, Audience, Candidate, Drought, Open, Stage, State};
use crate::failover::{Choice, Failover, Loss};
pub use crate::failover::{SourceId, Steer, Unsteerable};
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

    /// This upstream comes in pieces, and stands still between two of them: for so long that is no
    /// stall.
    pub fn set_patience(&mut self, attempt: Attempt, patience: Duration) {
        if let Some(line) = self.line(attempt) {
            line.set_patience(patience);
        }
    }

    /// The media of this upstream is so far ahead of time when it comes, as told with the next news
    /// of it: it stands still no sooner than that is played.
    pub fn set_ahead(&mut self, attempt: Attempt, ahead: Duration) {
        if let Some(line) = self.line(attempt) {
            line.set_ahead(ahead);
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
        let line = self.open().and_then(|open| open.stage.line());
        line.map_or_else(|| self.failover.current(), |line| line.source)
    }

    /// The source that is open beside.
    pub fn beside(&self) -> Option<SourceId> {
        Some(self.open()?.standby?.line.source)
    }

    /// Whether this attempt is the one that is open beside.
    pub fn is_beside(&self, attempt: Attempt) -> bool {
        self.open().is_some_and(|open| open.standby_of(attempt).is_some())
    }

    /// How the sources have done.
    pub fn failover(&self) -> &Failover {
        &self.failover
    }

    /// Takes news in.
    pub fn handle_event(&mut self, now: Moment, event: Event) {
        match (&self.state, event) {
            (State::Closed, _) => {}
            (_, Event::Shutdown) => self.finish(Reason::Shutdown),
            (State::Idle, Event::Wanted) => self.begin(now),
            (State::Idle, Event::Unwanted(_)) => self.finish(Reason::Idle),
            // Of an attempt of an earlier life.
            (State::Idle, _) => {}
            (State::Open(_), Event::Wanted) => self.handle_audience(now),
            (State::Open(_), Event::Unwanted(since)) => self.handle_no_audience(now, since),
            (State::Open(_), Event::SlotFree(source)) => self.interrupt_pause(now, source),
            (State::Open(_), event) => {
                // Late news is about an attempt that was given up before it was told.
                if event.attempt().is_some_and(|attempt| self.line(attempt).is_some()) {
                    self.handle_news(now, event);
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
        if self.opened().standby.is_some_and(|standby| standby.aim == Aim::Probe) {
            self.close_standby(now, Reason::Idle);
        }
        self.withdraw(now);
    }

    /// Takes news of an attempt that is there.
    fn handle_news(&mut self, now: Moment, event: Event) {
        let (picture, stall) = (self.picture_timeout(), self.times.stall);
        match event {
            Event::Granted(attempt) => self.handle_connection(now, attempt),
            Event::NoSlot(attempt) => self.handle_no_connection(now, attempt),
            Event::Alive(attempt) => self.handle_life(now, attempt),
            Event::Locked(attempt) => self.listed(attempt).lock(now, picture, stall),
            Event::GettingReady(attempt) => {
                if self.is_last_hope(attempt) {
                    self.listed(attempt).get_ready(now);
                }
            }
            Event::Picture(attempt) => self.handle_picture(now, attempt),
            Event::Blind(attempt) => self.listed(attempt).go_blind(now + PICTURE_TIMEOUT),
            Event::Progress(attempt) => {
                self.listed(attempt).progress(now, stall);
                if self.is_active(attempt) {
                    self.end_needless_spare(now);
                }
            }
            Event::Ended(attempt) => self.lose(now, attempt, Loss::Ended),
            Event::Stalled(attempt) => self.lose(now, attempt, Loss::Stalled),
            Event::Unhealthy { attempt, worth } => self.handle_fault(now, attempt, worth),
            Event::Graded { attempt, grade } => self.handle_grade(now, attempt, grade),
            Event::Yield(attempt) => self.give_way(now, attempt),
            // These are not about an attempt.
            Event::Wanted | Event::Unwanted(_) | Event::SlotFree(_) | Event::Shutdown => {}
        }
    }

    /// The time named by [`Lifecycle::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        let is_due = |until: Moment| until <= now;
        let Some(open) = self.open() else { return };
        if let Audience::Lingering { until } = open.audience
            && is_due(until)
        {
            return self.finish(Reason::Idle);
        }
        if open.starts_until.is_some_and(is_due) || self.slotless_until().is_some_and(is_due) {
            return self.give_up();
        }
        // What becomes of one may change what is there of the others.
        for attempt in open.lines().map(|line| line.attempt).collect::<Vec<_>>() {
            let deadline = self.find(attempt).and_then(|line| self.deadline(&line));
            if let Some((_, reason, loss)) = deadline.filter(|&(until, ..)| is_due(until)) {
                self.actions.push_back(Action::Close { attempt, reason });
                self.lose(now, attempt, loss);
            }
        }
        if let Some(choice) = self.pause().filter(|_| self.pause_until().is_some_and(is_due)) {
            self.open_candidate(now, choice);
        }
        if let Some((source, aim, _)) = self.next_beside().filter(|&(.., at)| is_due(at)) {
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
            self.slotless_until(),
            self.pause_until(),
            self.next_beside().map(|(.., at)| at),
        ];
        let of_lines = open.lines().filter_map(|line| self.deadline(&line).map(|(at, ..)| at));
        of_lines.chain(others.into_iter().flatten()).min()
    }

    /// Takes a new list of sources: at least one, the preferred source first, each once. A source
    /// that stays in it stays open; one that does not is closed.
    pub fn set_sources(&mut self, now: Moment, sources: &[SourceId]) {
        self.failover.set_sources(sources);
        let State::Open(open) = &mut self.state else { return };
        let is_gone = |source: SourceId| !sources.contains(&source);
        open.dropped.take_if(|source| is_gone(*source));
        // Another source may have its turn after them now.
        open.lines_mut().for_each(|line| line.interrupts = None);
        for line in open.lines().filter(|line| is_gone(line.source)) {
            self.actions.push_back(Action::Close { attempt: line.attempt, reason: Reason::Removed });
        }
        open.standby.take_if(|standby| is_gone(standby.line.source));
        // A pause is over, too: a new list is a reason to try at once.
        if open.stage.line().is_none_or(|line| is_gone(line.source)) {
            let choice = Choice { source: self.failover.start(now), at: now, is_reopening: false };
            self.next_candidate(now, choice);
        }
        self.end_needless_probe(now);
    }

    /// A picture is whole: its source becomes active, unless it has to prove itself.
    fn handle_picture(&mut self, now: Moment, attempt: Attempt) {
        let (stall, proof) = (self.times.stall, self.proof());
        let line = self.listed(attempt);
        line.show(now, stall);
        let shown = line.shows_since().map_or(Duration::ZERO, |since| now.since(since));
        if self.is_active(attempt) {
            return self.end_needless_spare(now);
        }
        let standby = self.opened().standby_of(attempt);
        let is_wanted = match standby.map(|standby| standby.aim) {
            Some(Aim::Probe) => shown >= proof && self.is_clean_enough(now, attempt),
            // Beside an active source, it waits for the end of that.
            Some(Aim::Hedge) => self.active().is_none(),
            Some(Aim::Relief | Aim::Swap) | None => true,
        };
        if is_wanted {
            self.activate(now, attempt);
        }
    }

    /// The active source, if there is one, makes way. If there was something wrong with it, that is
    /// remembered.
    fn close_active(&mut self, now: Moment, reason: Reason) {
        let Some(active) = self.active() else { return };
        self.failover.handle_left(now);
        let is_lossy = reason == Reason::Replaced && active.losses.are_constant();
        let reason = match reason {
            _ if active.is_ailing => Reason::Unhealthy,
            _ if is_lossy => Reason::Lossy,
            reason => reason,
        };
        if active.is_ailing {
            self.failover.avoid(now, active.source, Loss::Unhealthy);
        } else if is_lossy {
            self.failover.note_lossy(now, active.source);
        }
        self.actions.push_back(Action::Close { attempt: active.attempt, reason });
    }

    /// The candidate or the standby takes the place of whatever else is open.
    fn activate(&mut self, now: Moment, attempt: Attempt) {
        let is_it = |line: &Line| line.attempt == attempt;
        let standby = self.opened().standby.take().map(|standby| standby.line);
        let candidate = self.opened().stage.candidate();
        let is_candidate = candidate.as_ref().is_some_and(is_it);
        let [chosen, other] = if is_candidate { [candidate, standby] } else { [standby, candidate] };
        let chosen = chosen.expect("a source that shows a picture is open");
        self.close_active(now, Reason::Replaced);
        if let Some(other) = other {
            self.actions.push_back(Action::Close { attempt: other.attempt, reason: Reason::Replaced });
        }
        // It had its chance, and another one was faster.
        if let Some(late) = candidate.filter(|_| !is_candidate) {
            self.failover.avoid(now, late.source, late.lateness());
        }
        if let Some(dropped) = self.opened().dropped.take().filter(|&dropped| dropped != chosen.source) {
            self.failover.avoid(now, dropped, Loss::Ended);
        }
        self.failover.handle_live(now, chosen.source);
        let open = self.opened();
        open.stage = Stage::Active(chosen);
        open.starts_until = None;
        open.drought = Drought::default();
        open.pauses.probes_from = now + PROBE_PAUSE;
        self.actions.push_back(Action::Air { attempt });
    }

    /// An upstream is no more.
    fn lose(&mut self, now: Moment, attempt: Attempt, loss: Loss) {
        if let Some(standby) = self.take_standby(now, attempt, loss) {
            self.open_another(now, standby.aim);
        } else if let Some(active) = self.active().filter(|line| line.attempt == attempt) {
            self.lose_active(now, &active, loss);
        } else if let Some(candidate) = self.candidate().filter(|line| line.attempt == attempt) {
            self.lose_candidate(now, &candidate, loss);
        }
    }

    fn lose_active(&mut self, now: Moment, active: &Line, loss: Loss) {
        // What was not as it should be is not opened again at once.
        let loss = if active.is_ailing && loss == Loss::Ended { Loss::Unhealthy } else { loss };
        let choice = self.failover.handle_loss(now, loss);
        let open = self.opened();
        open.stage = Stage::Pause(choice);
        open.dropped = (choice.is_reopening && open.standby.is_some()).then_some(active.source);
        self.note_slot(now, loss);
        self.next_candidate(now, choice);
    }

    fn lose_candidate(&mut self, now: Moment, candidate: &Line, loss: Loss) {
        let loss = if loss == Loss::NoSlot { loss } else { Loss::Undelivered };
        if let Some(pause) = self.interrupted(now, candidate, loss) {
            return self.next_candidate(now, pause);
        }
        self.note_slot(now, loss);
        let choice = self.failover.handle_loss(now, loss);
        let sources = self.failover.enabled().max(1);
        let open = self.opened();
        open.stage = Stage::Pause(choice);
        // Before the first picture, a whole round for which there was no connection is told at
        // once.
        let is_told = open.starts_until.is_some() && open.drought.candidates >= sources;
        if is_told && open.standby.is_none() {
            return self.give_up();
        }
        self.next_candidate(now, choice);
    }

    /// The standby becomes the candidate; if there is none, `choice` does when its time has come.
    fn next_candidate(&mut self, now: Moment, choice: Choice) {
        let hedges_from = self.hedge_at(now);
        let open = self.opened();
        let is_watched = open.audience == Audience::Watching;
        if let Some(standby) = open.standby.take() {
            let line = standby.line;
            open.stage = Stage::Candidate(Candidate { line, hedges_from });
            if line.has_slot() {
                open.drought = Drought::default();
                self.actions.push_back(Action::Raise { attempt: line.attempt });
            }
            self.failover.take(line.source);
            if line.shows_since().is_some() {
                self.activate(now, line.attempt);
            }
        } else if choice.at <= now && is_watched {
            self.open_candidate(now, choice);
        } else {
            open.stage = Stage::Pause(choice);
            // What an admin wants meanwhile is about this one.
            self.failover.take(choice.source);
        }
    }

    fn open_candidate(&mut self, now: Moment, choice: Choice) {
        let connect =
            if choice.is_reopening { self.times.connect.min(REOPEN_TIMEOUT) } else { self.times.connect };
        self.failover.take(choice.source);
        let line = self.attempt(choice.source, connect, Purpose::Air);
        let hedges_from = self.hedge_at(now);
        self.opened().stage = Stage::Candidate(Candidate { line, hedges_from });
    }

    /// Begins an attempt to open a source.
    fn attempt(&mut self, source: SourceId, connect: Duration, purpose: Purpose) -> Line {
        self.attempts += 1;
        let attempt = Attempt(self.attempts);
        self.actions.push_back(Action::Open { attempt, source, purpose });
        Line::new(attempt, source, connect, purpose)
    }

    /// Whether viewers still wait for their first picture.
    fn is_starting(&self) -> bool {
        self.open().is_some_and(|open| open.starts_until.is_some())
    }

    /// While the first picture is awaited, the sources share the time for the start.
    fn picture_timeout(&self) -> Duration {
        if !self.is_starting() || self.failover.enabled() < 2 {
            return PICTURE_TIMEOUT;
        }
        let share = self.times.start / u32::try_from(self.failover.enabled()).unwrap_or(u32::MAX);
        share.clamp(MIN_PICTURE_TIMEOUT, PICTURE_TIMEOUT)
    }

    /// Somebody came back, and has not waited yet.
    fn resume(&mut self, now: Moment) {
        let start = self.times.start;
        let open = self.opened();
        open.starts_until = open.starts_until.map(|_| now + start);
        open.drought = Drought { since: open.drought.since.map(|_| now), candidates: 0 };
        if let Some(choice) = self.pause().filter(|choice| choice.at <= now) {
            // What was active is so no more, and needs its time to be opened.
            self.open_candidate(now, Choice { is_reopening: false, ..choice });
        }
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

    fn active(&self) -> Option<Line> {
        self.open()?.stage.active()
    }

    fn is_active(&self, attempt: Attempt) -> bool {
        self.active().is_some_and(|line| line.attempt == attempt)
    }

    fn candidate(&self) -> Option<Line> {
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
    fn line(&mut self, attempt: Attempt) -> Option<&mut Line> {
        let State::Open(open) = &mut self.state else { return None };
        open.lines_mut().find(|line| line.attempt == attempt)
    }

    /// An attempt as it is, if it is still there.
    fn find(&self, attempt: Attempt) -> Option<Line> {
        self.open()?.lines().find(|line| line.attempt == attempt)
    }

    /// An attempt that is there.
    fn listed(&mut self, attempt: Attempt) -> &mut Line {
        self.line(attempt).expect("late news is not taken")
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
        for line in self.open().map(Open::lines).into_iter().flatten() {
            self.actions.push_back(Action::Close { attempt: line.attempt, reason });
        }
    }

    fn end(&mut self) {
        self.state = State::Closed;
        self.actions.push_back(Action::Finish);
    }
}

#[cfg(test)]
mod tests;
