//! The life of an open channel, as a value: when to open a source, when to leave it, when to give up, when to close.
//!
//! The contract: after each `handle_*`, drain [`Lifecycle::poll_action`]; call [`Lifecycle::handle_timeout`] when the time that
//! [`Lifecycle::poll_timeout`] names has come. Every attempt to open a source has a number, and news of an attempt
//! that is no longer there is ignored, so that late news does no harm.
//!
//! At most one source is *on air*. A source is opened as a candidate and goes on air when it has a whole picture. Where none is on air, one
//! candidate is the *trial*. A *rival* may be open beside it, or beside the one on air, if there is a slot for it: a hedge against a trial
//! that takes long or one on air that stands still, a probe of a source that is preferred, or a source that an admin wants.

mod beside;
mod faults;
mod last_hope;
mod line;
mod news;
mod slots;
mod steering;

use std::collections::VecDeque;
use std::time::Duration;

use self::beside::Aim;
use self::line::Line;
pub use self::news::{
    Action, Attempt, Event, HEDGE_IN_GAP, MIN_PICTURE_TIMEOUT, PICTURE_TIMEOUT, PROBE_PAUSE, Phase, Purpose,
    REOPEN_TIMEOUT, Reason, Times,
};
use crate::failover::{Choice, Failover, Loss};
pub use crate::failover::{SourceId, Steer, Unsteerable};
use crate::time::Moment;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Open,
    Closed,
}

/// The life of one channel.
#[derive(Debug)]
pub struct Lifecycle {
    times: Times,
    state: State,
    failover: Failover,
    attempts: u64,
    air: Option<Line>,
    /// Only where none is on air.
    trial: Option<Line>,
    rival: Option<(Line, Aim)>,
    /// Only where none is on air, and there is no trial. It lasts while nobody watches.
    pause: Option<Choice>,
    /// From when on a hedge may be opened beside the trial.
    hedges_from: Option<Moment>,
    /// What ended and was not reopened, since another was open beside it: if that goes on air, it has failed.
    dropped: Option<SourceId>,
    /// When a probe may be opened at the earliest.
    probes_from: Moment,
    /// When another may be opened beside one on air that stands still, at the earliest.
    spares_from: Moment,
    /// Set while nobody watches.
    lingers_until: Option<Moment>,
    /// Set until the first picture.
    starts_until: Option<Moment>,
    /// Set while nothing is on air for lack of slots.
    slotless_since: Option<Moment>,
    /// Trials in a row, each in its turn, for which there was no slot.
    slotless_trials: usize,
    actions: VecDeque<Action>,
}

impl Lifecycle {
    /// A channel that is not opened; `failover` knows its sources.
    pub fn new(times: Times, failover: Failover) -> Self {
        Self {
            times,
            state: State::Idle,
            failover,
            attempts: 0,
            air: None,
            trial: None,
            rival: None,
            pause: None,
            hedges_from: None,
            dropped: None,
            probes_from: Moment::ZERO,
            spares_from: Moment::ZERO,
            lingers_until: None,
            starts_until: None,
            slotless_since: None,
            slotless_trials: 0,
            actions: VecDeque::new(),
        }
    }

    /// Changes the times, for what begins from now on.
    pub fn set_times(&mut self, times: Times) {
        self.times = times;
    }

    /// This upstream comes in pieces, and stands still between two of them: for so long that is no stall.
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
        match self.state {
            State::Idle => Phase::Idle,
            State::Closed => Phase::Stopped,
            State::Open if self.lingers_until.is_some() => Phase::Stopping,
            State::Open if self.starts_until.is_some() => Phase::Starting,
            State::Open => Phase::Active,
        }
    }

    /// Whether a source is on air.
    pub fn is_live(&self) -> bool {
        self.air.is_some()
    }

    /// The source that is on air, or was opened last to go there.
    pub fn source(&self) -> SourceId {
        self.air.or(self.trial).map_or_else(|| self.failover.current(), |line| line.source)
    }

    /// The source that is open beside.
    pub fn beside(&self) -> Option<SourceId> {
        self.rival.map(|(line, _)| line.source)
    }

    /// Whether this attempt is the one that is open beside.
    pub fn is_beside(&self, attempt: Attempt) -> bool {
        self.rival.is_some_and(|(line, _)| line.attempt == attempt)
    }

    /// How the sources have done.
    pub fn failover(&self) -> &Failover {
        &self.failover
    }

    /// Takes news in.
    pub fn handle_event(&mut self, now: Moment, event: Event) {
        if self.state == State::Closed {
            return;
        }
        match event {
            Event::Wanted if self.state == State::Idle => {
                self.state = State::Open;
                self.starts_until = Some(now + self.times.start);
                let source = self.failover.start(now);
                self.open_trial(now, Choice { source, at: now, is_reopening: false });
            }
            Event::Wanted => {
                if self.lingers_until.take().is_some() {
                    self.resume(now);
                }
            }
            Event::Unwanted(_) if self.state == State::Idle => self.finish(Reason::Idle),
            Event::Unwanted(since) => {
                self.lingers_until = Some(now + self.times.idle.saturating_sub(since));
                if self.rival.is_some_and(|(_, aim)| aim == Aim::Probe) {
                    self.close_rival(now, Reason::Idle);
                }
                self.withdraw(now);
            }
            Event::Shutdown => self.finish(Reason::Shutdown),
            Event::SlotFree(source) => self.interrupt_pause(now, source),
            Event::Granted(attempt) => {
                if let Some(line) = self.line(attempt) {
                    line.grant(now);
                    // It is no longer for lack of slots that there is nothing.
                    (self.slotless_trials, self.slotless_since) = (0, None);
                    if self.trial.is_some_and(|line| line.attempt == attempt && line.purpose != Purpose::Air)
                    {
                        self.actions.push_back(Action::Raise { attempt });
                    }
                }
            }
            Event::NoSlot(attempt) => match self.take_rival(now, attempt, Loss::NoSlot) {
                Some((line, aim)) => {
                    // What an admin prefers to all others is not passed over for a third one.
                    let is_wish = aim == Aim::Swap && self.failover.is_pinned(line.source);
                    if (is_wish || !self.open_another(now, aim)) && self.is_worth_room(now, aim) {
                        self.make_room(now, line.source);
                    }
                }
                None => self.lose(now, attempt, Loss::NoSlot),
            },
            Event::Alive(attempt) => self.handle_life(now, attempt),
            Event::Locked(attempt) => {
                let (picture, stall) = (self.picture_timeout(), self.times.stall);
                if let Some(line) = self.line(attempt) {
                    line.lock(now, picture, stall);
                }
            }
            Event::GettingReady(attempt) => {
                let is_last_hope = self.is_last_hope(attempt);
                if let Some(line) = self.line(attempt).filter(|_| is_last_hope) {
                    line.get_ready(now);
                }
            }
            Event::Picture(attempt) => self.handle_picture(now, attempt),
            Event::Blind(attempt) => {
                if let Some(line) = self.line(attempt) {
                    line.go_blind(now + PICTURE_TIMEOUT);
                }
            }
            Event::Progress(attempt) => {
                let stall = self.times.stall;
                if let Some(line) = self.line(attempt) {
                    line.progress(now, stall);
                }
                if self.air.is_some_and(|air| air.attempt == attempt) {
                    self.end_needless_spare(now);
                }
            }
            Event::Ended(attempt) => self.lose(now, attempt, Loss::Ended),
            Event::Stalled(attempt) => self.lose(now, attempt, Loss::Stalled),
            Event::Unhealthy { attempt, worth } => self.handle_fault(now, attempt, worth),
            Event::Yield(attempt) => self.give_way(now, attempt),
        }
    }

    /// The time named by [`Lifecycle::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.state != State::Open {
            return;
        }
        let is_due = |until: Moment| until <= now;
        if self.lingers_until.is_some_and(is_due) {
            return self.finish(Reason::Idle);
        }
        if self.starts_until.is_some_and(is_due) || self.slotless_until().is_some_and(is_due) {
            return self.give_up();
        }
        for line in self.lines() {
            if let Some((_, reason, loss)) = self.deadline(&line).filter(|&(until, ..)| is_due(until)) {
                self.actions.push_back(Action::Close { attempt: line.attempt, reason });
                self.lose(now, line.attempt, loss);
            }
        }
        if self.pause_until().is_some_and(is_due)
            && let Some(choice) = self.pause.take()
        {
            self.open_trial(now, choice);
        }
        if let Some((source, aim, _)) = self.next_beside().filter(|&(.., at)| is_due(at)) {
            self.open_rival(source, aim);
        }
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Lifecycle::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Moment> {
        if self.state != State::Open {
            return None;
        }
        let of_lines = self.lines().filter_map(|line| self.deadline(&line).map(|(at, ..)| at));
        let others = [
            self.lingers_until,
            self.starts_until,
            self.slotless_until(),
            self.pause_until(),
            self.next_beside().map(|(.., at)| at),
        ];
        of_lines.chain(others.into_iter().flatten()).min()
    }

    /// Takes a new list of sources: at least one, the preferred source first, each once. A source
    /// that stays in it stays open; one that does not is closed.
    pub fn set_sources(&mut self, now: Moment, sources: &[SourceId]) {
        self.failover.set_sources(sources);
        let is_gone = |source: SourceId| !sources.contains(&source);
        self.dropped.take_if(|source| is_gone(*source));
        // Another source may have its turn after them now.
        self.forget_pauses();
        for line in self.lines().filter(|line| is_gone(line.source)) {
            self.actions.push_back(Action::Close { attempt: line.attempt, reason: Reason::Removed });
        }
        self.rival.take_if(|(line, _)| is_gone(line.source));
        let is_gone = |line: &mut Line| is_gone(line.source);
        let is_lost = self.air.take_if(is_gone).is_some() | self.trial.take_if(is_gone).is_some();
        // A new list is a reason to try at once.
        if is_lost || self.pause.take().is_some() {
            let source = self.failover.start(now);
            self.next_trial(now, Choice { source, at: now, is_reopening: false });
        }
        self.end_needless_probe(now);
    }

    /// A picture is whole: its source goes on air, unless it has to prove itself.
    fn handle_picture(&mut self, now: Moment, attempt: Attempt) {
        let (stall, proof) = (self.times.stall, self.proof());
        let Some(line) = self.line(attempt) else { return };
        line.show(now, stall);
        let shown = line.shows_since().map_or(Duration::ZERO, |since| now.since(since));
        if self.air.is_some_and(|air| air.attempt == attempt) {
            return self.end_needless_spare(now);
        }
        let aim = self.rival.filter(|(line, _)| line.attempt == attempt).map(|(_, aim)| aim);
        let is_wanted = match aim {
            Some(Aim::Probe) => shown >= proof,
            Some(Aim::Hedge) => self.air.is_none(), // else it waits for that one's end
            Some(Aim::Relief | Aim::Swap) | None => true,
        };
        if is_wanted {
            self.go_on_air(now, attempt);
        }
    }

    /// What is on air makes way, and it is remembered if there was something wrong with it.
    fn close_air(&mut self, now: Moment, reason: Reason) {
        let Some(air) = self.air.take() else { return };
        self.failover.handle_left(now);
        let reason = if air.is_ailing { Reason::Unhealthy } else { reason };
        if air.is_ailing {
            self.failover.avoid(now, air.source, Loss::Unhealthy);
        }
        self.actions.push_back(Action::Close { attempt: air.attempt, reason });
    }

    /// A candidate takes the place of whatever else is open.
    fn go_on_air(&mut self, now: Moment, attempt: Attempt) {
        let mut candidates = [self.trial.take(), self.rival.take().map(|(line, _)| line)];
        let chosen = candidates.iter_mut().find_map(|line| line.take_if(|line| line.attempt == attempt));
        self.close_air(now, Reason::Replaced);
        for line in candidates.iter().flatten() {
            self.actions.push_back(Action::Close { attempt: line.attempt, reason: Reason::Replaced });
        }
        if let [Some(late), _] = candidates {
            self.failover.avoid(now, late.source, late.lateness());
        }
        if let Some(air) = chosen {
            if let Some(dropped) = self.dropped.take().filter(|&dropped| dropped != air.source) {
                self.failover.avoid(now, dropped, Loss::Ended);
            }
            self.failover.handle_live(now, air.source);
        }
        self.air = chosen;
        (self.starts_until, self.slotless_since, self.slotless_trials) = (None, None, 0);
        self.probes_from = now + PROBE_PAUSE;
        self.actions.push_back(Action::Air { attempt });
    }

    /// An upstream is no more.
    fn lose(&mut self, now: Moment, attempt: Attempt, loss: Loss) {
        if let Some((_, aim)) = self.take_rival(now, attempt, loss) {
            self.open_another(now, aim);
        } else if let Some(trial) = self.trial.take_if(|line| line.attempt == attempt) {
            let loss = if loss == Loss::NoSlot { loss } else { Loss::Undelivered };
            if let Some(pause) = self.interrupted(now, &trial, loss) {
                return self.next_trial(now, pause);
            }
            self.note_slot(now, loss);
            let choice = self.failover.handle_loss(now, loss);
            let is_told =
                self.starts_until.is_some() && self.slotless_trials >= self.failover.enabled().max(1);
            if is_told && self.rival.is_none() {
                return self.give_up();
            }
            self.next_trial(now, choice);
        } else if let Some(air) = self.air.take_if(|line| line.attempt == attempt) {
            // What was not as it should be is not opened again at once.
            let loss = if air.is_ailing && loss == Loss::Ended { Loss::Unhealthy } else { loss };
            let choice = self.failover.handle_loss(now, loss);
            self.dropped = (choice.is_reopening && self.rival.is_some()).then_some(air.source);
            self.note_slot(now, loss);
            self.next_trial(now, choice);
        }
    }

    /// What is open beside becomes the trial; if there is nothing, `choice` does when its time has come.
    fn next_trial(&mut self, now: Moment, choice: Choice) {
        if let Some((line, _)) = self.rival.take() {
            if line.has_slot() {
                self.actions.push_back(Action::Raise { attempt: line.attempt });
                (self.slotless_trials, self.slotless_since) = (0, None);
            }
            self.failover.take(line.source);
            self.trial = Some(line);
            self.hedges_from = self.hedge_at(now);
            if line.shows_since().is_some() {
                self.go_on_air(now, line.attempt);
            }
        } else if choice.at <= now && self.lingers_until.is_none() {
            self.open_trial(now, choice);
        } else {
            // What an admin wants meanwhile is about this one.
            self.failover.take(choice.source);
            self.pause = Some(choice);
        }
    }

    fn open_trial(&mut self, now: Moment, choice: Choice) {
        let connect =
            if choice.is_reopening { self.times.connect.min(REOPEN_TIMEOUT) } else { self.times.connect };
        self.failover.take(choice.source);
        let line = self.open(choice.source, connect, Purpose::Air);
        self.trial = Some(line);
        self.hedges_from = self.hedge_at(now);
    }

    fn open(&mut self, source: SourceId, connect: Duration, purpose: Purpose) -> Line {
        self.attempts += 1;
        let attempt = Attempt(self.attempts);
        self.actions.push_back(Action::Open { attempt, source, purpose });
        Line::new(attempt, source, connect, purpose)
    }

    /// While the first picture is awaited, the sources share the time for the start.
    fn picture_timeout(&self) -> Duration {
        if self.starts_until.is_none() || self.failover.enabled() < 2 {
            return PICTURE_TIMEOUT;
        }
        let share = self.times.start / u32::try_from(self.failover.enabled()).unwrap_or(u32::MAX);
        share.clamp(MIN_PICTURE_TIMEOUT, PICTURE_TIMEOUT)
    }

    /// Somebody came back, and has not waited yet.
    fn resume(&mut self, now: Moment) {
        self.starts_until = self.starts_until.map(|_| now + self.times.start);
        self.slotless_since = self.slotless_since.map(|_| now);
        self.slotless_trials = 0;
        if let Some(choice) = self.pause.take_if(|choice| choice.at <= now) {
            // What was live is so no more, and needs its time to be opened.
            self.open_trial(now, Choice { is_reopening: false, ..choice });
        }
    }

    fn lines(&self) -> impl Iterator<Item = Line> + use<> {
        [self.air, self.trial, self.rival.map(|(line, _)| line)].into_iter().flatten()
    }

    fn line(&mut self, attempt: Attempt) -> Option<&mut Line> {
        self.lines_mut().find(|line| line.attempt == attempt)
    }

    fn lines_mut(&mut self) -> impl Iterator<Item = &mut Line> {
        let rival = self.rival.as_mut().map(|(line, _)| line);
        [self.air.as_mut(), self.trial.as_mut(), rival].into_iter().flatten()
    }

    fn give_up(&mut self) {
        if self.lingers_until.is_some() {
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
        for line in self.lines() {
            self.actions.push_back(Action::Close { attempt: line.attempt, reason });
        }
        self.air = None;
        self.trial = None;
        self.rival = None;
        self.pause = None;
    }

    fn end(&mut self) {
        self.actions.push_back(Action::Finish);
        self.state = State::Closed;
    }
}

#[cfg(test)]
mod tests;
