//! The life of an open channel, as a value: when to open a source, when to leave it, when to give up, when to close.
//!
//! The contract: after each `handle_*`, drain [`Lifecycle::poll_action`]; call [`Lifecycle::handle_timeout`] when the time that
//! [`Lifecycle::poll_timeout`] names has come. Every attempt to open a source has a number, and news of an attempt
//! that is no longer the current one is ignored, so that late news does no harm.

use std::collections::VecDeque;
use std::time::Duration;

use crate::failover::{Choice, Failover, Loss};
use crate::time::Moment;

/// How long a source that was just live has, when it is reopened, to deliver.
pub const REOPEN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a source may send a transport stream without a picture that a viewer could start with. Longer than the splice stage's patience,
/// which takes lesser pictures before this.
pub const PICTURE_TIMEOUT: Duration = Duration::from_secs(15);

/// The least of that time that each of several sources has while the viewers still wait for their first picture.
pub const MIN_PICTURE_TIMEOUT: Duration = Duration::from_secs(4);

/// The times of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// From the last viewer's leaving to the closing.
    pub idle: Duration,
    /// From opening a source to its first packets.
    pub connect: Duration,
    /// Without progress of media time.
    pub stall: Duration,
    /// From the first viewer to the first picture, over all sources.
    pub start: Duration,
}

/// The number of an attempt to open a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Attempt(pub u64);

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// There are viewers.
    Wanted,
    /// The last viewer has left.
    Unwanted,
    /// Packets of a transport stream come.
    Locked(Attempt),
    /// The first picture of the source is in the store.
    Picture(Attempt),
    /// Media time went on.
    Progress(Attempt),
    /// The source refused, failed or ended.
    Ended(Attempt),
    /// The upstream itself has waited long enough for more, and found that there is none.
    Stalled(Attempt),
    /// The list of sources has changed: there are `sources`, and the one on hand now has the index `current`, if it is still among them.
    Reconfigured {
        /// How many there are.
        sources: usize,
        /// Where the current one stands now.
        current: Option<usize>,
    },
    /// The process ends.
    Shutdown,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Open a source.
    Open {
        /// The attempt's number, to be given with its news.
        attempt: Attempt,
        /// The source's index.
        source: usize,
    },
    /// Close the current upstream and forget its attempt.
    Close {
        /// Why.
        reason: Reason,
    },
    /// Tell the viewers who wait that no source answered.
    GiveUp,
    /// The channel is done: if nobody has come meanwhile, remove it; else say [`Event::Wanted`].
    Finish,
}

/// Why an upstream is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No packets came in time.
    ConnectTimeout,
    /// Packets came, but no picture.
    NoPicture,
    /// Media time stood still.
    Stalled,
    /// Nobody watches.
    Idle,
    /// The time for a start ran out.
    StartTimeout,
    /// It is no longer among the channel's sources.
    Removed,
    /// The process ends.
    Shutdown,
}

/// What a channel is doing, as users are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not opened yet.
    Idle,
    /// A source is being opened and there has been no picture yet.
    Starting,
    /// There are pictures, or there were and the next source is being opened.
    Active,
    /// Nobody watches; it closes soon.
    Stopping,
    /// Closed.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// Opened; packets are awaited.
    Opening {
        attempt: Attempt,
        until: Moment,
    },
    /// Packets come; a picture is awaited.
    Tuning {
        attempt: Attempt,
        until: Moment,
        stalls_at: Moment,
    },
    Live {
        attempt: Attempt,
        stalls_at: Moment,
    },
    BackingOff {
        choice: Choice,
    },
    Closed,
}

/// The life of one channel.
#[derive(Debug)]
pub struct Lifecycle {
    times: Times,
    sources: usize,
    state: State,
    failover: Failover,
    attempts: u64,
    /// Set while nobody watches.
    lingers_until: Option<Moment>,
    /// Set until the first picture.
    starts_until: Option<Moment>,
    /// How long the upstream on hand may stand still, if that is more than usual.
    patience: Option<Duration>,
    actions: VecDeque<Action>,
}

impl Lifecycle {
    /// A channel with so many sources, not opened; it will begin with the source `first`.
    pub fn new(times: Times, sources: usize, first: usize) -> Self {
        let mut failover = Failover::new(sources);
        failover.set_sources(sources, first);
        Self {
            times,
            sources,
            state: State::Idle,
            failover,
            attempts: 0,
            lingers_until: None,
            starts_until: None,
            patience: None,
            actions: VecDeque::new(),
        }
    }

    /// Changes the times, for what begins from now on.
    pub fn set_times(&mut self, times: Times) {
        self.times = times;
    }

    /// The upstream on hand comes in pieces, and stands still between two of them: for so long that is no stall.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = Some(patience);
    }

    /// How long media time may stand still.
    fn stall(&self) -> Duration {
        self.patience.unwrap_or_default().max(self.times.stall)
    }

    /// What users are told.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Idle => Phase::Idle,
            State::Closed => Phase::Stopped,
            _ if self.lingers_until.is_some() => Phase::Stopping,
            _ if self.starts_until.is_some() => Phase::Starting,
            _ => Phase::Active,
        }
    }

    /// Whether the current source is showing pictures.
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Live { .. })
    }

    /// The index of the source that is or was last opened.
    pub fn source(&self) -> usize {
        self.failover.current()
    }

    /// Takes news in.
    pub fn handle_event(&mut self, now: Moment, event: Event) {
        match (self.state, event) {
            (State::Closed, _) => {}
            (State::Idle, Event::Wanted) => {
                self.starts_until = Some(now + self.times.start);
                self.open(now, Choice { source: self.failover.current(), at: now, is_reopening: false });
            }
            (_, Event::Wanted) => self.lingers_until = None,
            (State::Idle, Event::Unwanted | Event::Shutdown) => self.finish(Reason::Shutdown),
            (_, Event::Unwanted) => self.lingers_until = Some(now + self.times.idle),
            (_, Event::Shutdown) => self.finish(Reason::Shutdown),
            (State::Opening { attempt, .. }, Event::Locked(of)) if attempt == of => {
                let stalls_at = now + self.stall();
                self.state = State::Tuning { attempt, until: now + self.picture_timeout(), stalls_at };
            }
            (State::Opening { attempt, .. } | State::Tuning { attempt, .. }, Event::Picture(of))
                if attempt == of =>
            {
                self.failover.handle_live(now);
                self.starts_until = None;
                self.state = State::Live { attempt, stalls_at: now + self.stall() };
            }
            (State::Tuning { attempt, until, .. }, Event::Progress(of)) if attempt == of => {
                self.state = State::Tuning { attempt, until, stalls_at: now + self.stall() };
            }
            (State::Live { attempt, .. }, Event::Progress(of)) if attempt == of => {
                self.state = State::Live { attempt, stalls_at: now + self.stall() };
            }
            (State::Opening { attempt, .. } | State::Tuning { attempt, .. }, Event::Ended(of))
                if attempt == of =>
            {
                self.lose(now, Loss::Undelivered);
            }
            (State::Live { attempt, .. }, Event::Ended(of)) if attempt == of => self.lose(now, Loss::Ended),
            (State::Opening { attempt, .. } | State::Tuning { attempt, .. }, Event::Stalled(of))
                if attempt == of =>
            {
                self.lose(now, Loss::Undelivered);
            }
            (State::Live { attempt, .. }, Event::Stalled(of)) if attempt == of => {
                self.lose(now, Loss::Stalled);
            }
            (_, Event::Reconfigured { sources, current }) => self.reconfigure(now, sources, current),
            (
                _,
                Event::Locked(_)
                | Event::Picture(_)
                | Event::Progress(_)
                | Event::Ended(_)
                | Event::Stalled(_),
            ) => {} // late news
        }
    }

    /// The time named by [`Lifecycle::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        let is_due = |until: Moment| until <= now;
        if self.lingers_until.is_some_and(is_due) {
            return self.finish(Reason::Idle);
        }
        if self.starts_until.is_some_and(is_due) {
            self.actions.push_back(Action::GiveUp);
            return self.finish(Reason::StartTimeout);
        }
        let (reason, loss) = match self.state {
            State::Opening { until, .. } if is_due(until) => (Reason::ConnectTimeout, Loss::Undelivered),
            State::Tuning { stalls_at, .. } if is_due(stalls_at) => (Reason::Stalled, Loss::Undelivered),
            State::Tuning { until, .. } if is_due(until) => (Reason::NoPicture, Loss::Undelivered),
            State::Live { stalls_at, .. } if is_due(stalls_at) => (Reason::Stalled, Loss::Stalled),
            State::BackingOff { choice } if is_due(choice.at) => return self.open(now, choice),
            _ => return,
        };
        self.actions.push_back(Action::Close { reason });
        self.lose(now, loss);
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Lifecycle::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let of_state = match self.state {
            State::Idle | State::Closed => return None,
            State::Opening { until, .. } => until,
            State::Tuning { until, stalls_at, .. } => until.min(stalls_at),
            State::Live { stalls_at, .. } => stalls_at,
            State::BackingOff { choice } => choice.at,
        };
        [self.lingers_until, self.starts_until, Some(of_state)].into_iter().flatten().min()
    }

    /// While the first picture is awaited, the sources share the time for the start.
    fn picture_timeout(&self) -> Duration {
        if self.starts_until.is_none() || self.sources < 2 {
            return PICTURE_TIMEOUT;
        }
        let share = self.times.start / u32::try_from(self.sources).unwrap_or(u32::MAX);
        share.clamp(MIN_PICTURE_TIMEOUT, PICTURE_TIMEOUT)
    }

    fn open(&mut self, now: Moment, choice: Choice) {
        self.attempts += 1;
        self.patience = None;
        let attempt = Attempt(self.attempts);
        let connect =
            if choice.is_reopening { self.times.connect.min(REOPEN_TIMEOUT) } else { self.times.connect };
        self.state = State::Opening { attempt, until: now + connect };
        self.actions.push_back(Action::Open { attempt, source: choice.source });
    }

    fn lose(&mut self, now: Moment, loss: Loss) {
        let choice = self.failover.handle_loss(now, loss);
        if choice.at <= now {
            self.open(now, choice);
        } else {
            self.state = State::BackingOff { choice };
        }
    }

    fn reconfigure(&mut self, now: Moment, sources: usize, current: Option<usize>) {
        self.sources = sources;
        self.failover.set_sources(sources, current.unwrap_or(0));
        let choice = Choice { source: self.failover.current(), at: now, is_reopening: false };
        match self.state {
            State::Idle | State::Closed => {}
            // What was chosen is an index into the old list; and new settings are a reason to try.
            State::BackingOff { .. } => self.open(now, choice),
            _ if current.is_some() => {}
            _ => {
                self.actions.push_back(Action::Close { reason: Reason::Removed });
                self.open(now, choice);
            }
        }
    }

    fn finish(&mut self, reason: Reason) {
        if !matches!(self.state, State::Idle | State::BackingOff { .. }) {
            self.actions.push_back(Action::Close { reason });
        }
        self.actions.push_back(Action::Finish);
        self.state = State::Closed;
    }
}

#[cfg(test)]
mod tests;
