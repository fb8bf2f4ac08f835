//! A channel that is driven as the application drives it.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use forebay_core::channel::claims::{self, Server};
use forebay_core::channel::{Presence, PresenceTracker, ReaderCounts};
use forebay_core::failover::{self, Failover, SourceId};
use forebay_core::lifecycle::{
    Action, AttemptId, Event, Lifecycle, Phase, Purpose, Reason, SourceOverride, Times,
};
use forebay_core::provider::{self, Claim, Demand, Refusal, Ticket};
use forebay_core::time::Moment;

use crate::outside::{Ingest, Outside, State, account, place};
use crate::source::{Connection, Piece, Signal};
use crate::watch::Watch;

/// A channel, its driver while it is open, and its viewers.
pub(crate) struct Station {
    pub(crate) id: usize,
    pub(crate) priority: i32,
    pub(crate) times: Times,
    /// Its sources.
    pub(crate) lineup: Vec<SourceId>,
    pub(crate) viewers: usize,
    pub(crate) is_stopping: bool,
    /// Those who come in the moment in which it is closed.
    pub(crate) latecomers: usize,
    pub(crate) commands: VecDeque<SourceOverride>,
    pub(crate) settings: Option<(Vec<SourceId>, Times)>,
    pub(crate) has_new_demand: bool,
    presence: PresenceTracker,
    /// What an admin wants, while that is being carried out.
    order: Option<SourceOverride>,
    pub(crate) life: Lifecycle,
    pub(crate) is_open: bool,
    pub(crate) failover: Failover,
    pub(crate) ingests: Vec<Ingest>,
    pub(crate) active: Option<AttemptId>,
    pub(crate) opened: BTreeSet<AttemptId>,
    /// Sources whose provider had no connection to spare when it was asked last.
    pub(crate) without_connection: BTreeSet<SourceId>,
    pub(crate) watch: Watch,
}

impl Station {
    pub(crate) fn new(id: usize, priority: i32, times: Times, lineup: Vec<SourceId>) -> Self {
        let failover = Failover::new(&lineup);
        Self {
            id,
            priority,
            times,
            viewers: 0,
            is_stopping: false,
            latecomers: 0,
            commands: VecDeque::new(),
            settings: None,
            has_new_demand: false,
            presence: PresenceTracker::default(),
            order: None,
            life: Lifecycle::new(times, failover.clone()),
            is_open: false,
            failover,
            ingests: Vec::new(),
            active: None,
            opened: BTreeSet::new(),
            without_connection: BTreeSet::new(),
            watch: Watch::new(times),
            lineup,
        }
    }

    /// A viewer comes, and opens the channel if it is closed.
    pub(crate) fn join(&mut self, outside: &mut Outside) {
        if self.is_stopping {
            return;
        }
        self.viewers += 1;
        self.has_new_demand = true;
        if !self.is_open {
            self.apply_settings_while_closed();
            self.is_open = true;
            self.begin(outside);
            self.carry_out(outside);
        }
    }

    /// A viewer leaves.
    pub(crate) fn leave(&mut self) {
        if self.viewers > 0 {
            self.viewers -= 1;
            self.has_new_demand = true;
        }
    }

    /// When it has something to do, if nothing happens before.
    pub(crate) fn timer(&self) -> Option<Moment> {
        if !self.is_open {
            return None;
        }
        let dues = self.ingests.iter().filter_map(|ingest| match &ingest.state {
            State::Open(_, connection) => connection.due(),
            State::Unasked(_) | State::Refused | State::Waiting(_) => None,
        });
        dues.chain(self.life.poll_timeout()).min()
    }

    /// Does one thing that there is to do now, the first of these; tells whether there was any.
    pub(crate) fn run(&mut self, outside: &mut Outside) -> bool {
        if !self.is_open {
            self.apply_settings_while_closed();
            while let Some(order) = self.commands.pop_front() {
                // The order may be about a source that is not listed.
                let _ = self.failover.override_source(order);
            }
            return false;
        }
        let now = outside.now;
        if self.is_stopping {
            self.life.handle_event(now, Event::Shutdown);
        } else if std::mem::take(&mut self.has_new_demand) {
            self.handle_demand(outside);
        } else if let Some((lineup, times)) = self.settings.take() {
            self.handle_settings(now, lineup, times);
        } else if let Some(order) = self.commands.pop_front() {
            self.order = Some(order);
            outside.tally.overrides += u64::from(self.life.override_source(now, order).is_ok());
            if order == SourceOverride::Skip {
                self.without_connection.clear(); // it is not wanted
            }
        } else if let Some(source) = self.source_with_connection(outside) {
            outside.tally.connection_wakes += 1;
            self.life.handle_event(now, Event::ConnectionFree(source));
        } else if self.life.poll_timeout().is_some_and(|at| at <= now) {
            self.life.handle_timeout(now);
        } else if !self.run_ingests(outside) {
            return false;
        }
        self.carry_out(outside);
        self.order = None;
        true
    }

    /// A new life, of a channel that was closed or whose end came too early.
    fn begin(&mut self, outside: &mut Outside) {
        assert!(self.ingests.is_empty(), "something is open from before");
        self.life = Lifecycle::new(self.times, self.failover.clone());
        self.opened.clear();
        self.without_connection.clear();
        self.watch.begin(outside.now, self.times);
        self.has_new_demand = false;
        self.presence = PresenceTracker::default();
        self.handle_demand(outside);
    }

    fn handle_demand(&mut self, outside: &mut Outside) {
        let counts = ReaderCounts { keeping_open: self.viewers, lingering: self.viewers };
        let presence = self.presence.update(outside.now, counts);
        for ingest in &self.ingests {
            if let State::Open(Some(ticket), _) = ingest.state {
                let account = account(outside, ingest.source);
                account.0.set_demand(account.1, ticket, presence.demand(), account.2);
            }
        }
        if presence == Presence::Present && self.life.phase() == Phase::Stopping {
            self.watch.begin_anew(outside.now);
        }
        self.life.handle_event(outside.now, presence.event());
    }

    fn apply_settings_while_closed(&mut self) {
        if let Some((lineup, times)) = self.settings.take() {
            self.failover.set_sources(&lineup);
            (self.lineup, self.times) = (lineup, times);
        }
    }

    fn handle_settings(&mut self, now: Moment, lineup: Vec<SourceId>, times: Times) {
        let stays = |source: &&SourceId| lineup.contains(source);
        let kept: Vec<SourceId> = self.lineup.iter().filter(stays).copied().collect();
        let healths = |life: &Lifecycle| -> Vec<Option<failover::SourceHealth>> {
            kept.iter().map(|&source| life.failover().health(now, source)).collect()
        };
        let before = healths(&self.life);
        let shown = self.shows();
        self.watch.widen(times);
        self.life.set_times(times);
        self.life.set_sources(now, &lineup);
        assert_eq!(healths(&self.life), before, "a source that stays is taken for another");
        let plays_on = |source| !lineup.contains(&source) || self.shows() == Some(source);
        assert!(shown.is_none_or(plays_on), "a source that stays plays on");
        self.without_connection.retain(|source| lineup.contains(source));
        self.lineup = lineup;
        self.times = times;
    }

    /// The first source for which there may be a connection now.
    fn source_with_connection(&self, outside: &Outside) -> Option<SourceId> {
        self.life.waiting_for_slot().into_iter().find(|&source| self.would_have_connection(outside, source))
    }

    /// Whether a claim for this source would be served.
    fn would_have_connection(&self, outside: &Outside, source: SourceId) -> bool {
        let purpose = claims::purpose_at(outside.now, self.life.failover(), source, Purpose::Active);
        let claim = Claim { channel: self.id, priority: self.priority, purpose };
        let provider = outside.source(source).provider;
        provider.is_some_and(|provider| outside.accounts[provider].would_serve(&claim))
    }

    /// The first signal of a ingest.
    fn run_ingests(&mut self, outside: &mut Outside) -> bool {
        let now = outside.now;
        for at in 0..self.ingests.len() {
            let ingest = &mut self.ingests[at];
            let attempt = ingest.attempt;
            let (accounts, tally) = (&mut outside.accounts, &mut outside.tally);
            let source = &outside.sources[place(ingest.source)];
            if let State::Open(Some(ticket), _) = ingest.state
                && !ingest.is_told_to_yield
                && source.provider.is_some_and(|provider| accounts[provider].is_asked(ticket))
            {
                ingest.is_told_to_yield = true;
                self.lose_connection(now, attempt);
                self.life.handle_event(now, Event::Yield(attempt));
                return true;
            }
            match &mut ingest.state {
                State::Unasked(claim) => {
                    let Some(provider) = source.provider else {
                        self.grant(outside, at, None);
                        return true;
                    };
                    ingest.state = State::Waiting(accounts[provider].claim(now, *claim, tally));
                    return true;
                }
                State::Refused => {
                    self.refuse(outside, at);
                    return true;
                }
                State::Waiting(ticket) => {
                    let (ticket, provider) = (*ticket, source.provider.expect("it was asked"));
                    match accounts[provider].verdict(now, ticket, tally) {
                        None => {}
                        Some(Ok(())) => {
                            self.grant(outside, at, Some(ticket));
                            return true;
                        }
                        Some(Err(refusal)) => {
                            if refusal == Refusal::AllTaken {
                                self.without_connection.insert(self.ingests[at].source);
                            }
                            self.refuse(outside, at);
                            return true;
                        }
                    }
                }
                State::Open(_, connection) => {
                    if connection.due().is_some_and(|due| due <= now) {
                        let signal = connection.signal(now);
                        self.handle_signal(outside, at, signal);
                        return true;
                    }
                }
            }
        }
        false
    }

    fn grant(&mut self, outside: &mut Outside, at: usize, ticket: Option<Ticket>) {
        let now = outside.now;
        let ingest = &mut self.ingests[at];
        ingest.state = State::Open(ticket, Connection::open(now, outside.source(ingest.source)));
        if let Some(ticket) = ticket
            && self.viewers == 0
        {
            let (account, now, tally) = account(outside, ingest.source);
            account.set_demand(now, ticket, Demand::Lingering, tally);
        }
        self.watch.grant();
        self.without_connection.remove(&self.ingests[at].source);
        self.life.handle_event(now, Event::Granted(self.ingests[at].attempt));
    }

    fn refuse(&mut self, outside: &mut Outside, at: usize) {
        let attempt = self.ingests.remove(at).attempt;
        self.lose_connection(outside.now, attempt);
        self.life.handle_event(outside.now, Event::NoConnection(attempt));
    }

    /// An attempt has no slot: unless there is another, that is what keeps the channel dark.
    fn lose_connection(&mut self, now: Moment, attempt: AttemptId) {
        if self.ingests.iter().all(|ingest| ingest.attempt == attempt) {
            self.watch.lose_connection(now);
        }
    }

    fn handle_signal(&mut self, outside: &mut Outside, at: usize, signal: Signal) {
        let now = outside.now;
        let ingest = &mut self.ingests[at];
        let attempt = ingest.attempt;
        match signal {
            Signal::Opened { patience } => self.life.set_patience(attempt, patience),
            Signal::Life => self.life.handle_event(now, Event::Alive(attempt)),
            Signal::Failed { is_conclusive } => {
                let event = if is_conclusive { Event::Stalled } else { Event::Ended };
                self.drop_ingest(outside, at);
                self.life.handle_event(now, event(attempt));
            }
            Signal::Piece(Piece { is_found, has_picture, fault }) => {
                if is_found {
                    self.life.handle_event(now, Event::InSync(attempt));
                }
                self.life.handle_event(now, Event::Progress(attempt));
                if has_picture && self.active != Some(attempt) {
                    self.ingests[at].has_picture = true;
                    self.life.handle_event(now, Event::KeyframeReady(attempt));
                }
                if let Some(severity) = fault {
                    outside.tally.faults += 1;
                    self.life.handle_event(now, Event::Unhealthy { attempt, severity });
                }
            }
        }
    }

    /// Does what the lifecycle wants.
    fn carry_out(&mut self, outside: &mut Outside) {
        let mut is_given_up = false;
        while let Some(action) = self.life.poll_action() {
            outside.log(self.id, action);
            match action {
                Action::Open { attempt, source, purpose } => self.open(outside, attempt, source, purpose),
                Action::Promote { attempt } => {
                    assert!(
                        self.ingests.iter().any(|ingest| ingest.attempt == attempt),
                        "{attempt:?} is gone"
                    );
                    outside.tally.promotions += 1;
                    self.promote(outside, attempt);
                }
                Action::Activate { attempt } => self.activate(outside, attempt),
                Action::Close { attempt, reason } => {
                    let at = self.ingests.iter().position(|ingest| ingest.attempt == attempt);
                    let at = at
                        .unwrap_or_else(|| panic!("{attempt:?} is closed for {reason:?}, and was not open"));
                    outside.tally.removals += u64::from(reason == Reason::Removed);
                    outside.tally.stalls += u64::from(reason == Reason::Stalled);
                    let is_listed = self.lineup.contains(&self.ingests[at].source);
                    assert_eq!(is_listed, reason != Reason::Removed);
                    self.drop_ingest(outside, at);
                }
                Action::GiveUp => {
                    is_given_up = true;
                    outside.tally.give_ups += 1;
                    outside.tally.told_of_slots += u64::from(self.watch.was_live());
                    self.watch.give_up();
                }
                Action::Finish => {
                    assert_eq!(self.life.poll_action(), None, "the end is the last");
                    assert!(self.ingests.is_empty(), "something is open at the end");
                    self.failover = self.life.failover().clone();
                    let is_sure = is_given_up || self.is_stopping;
                    if !is_sure {
                        self.viewers += std::mem::take(&mut self.latecomers);
                    }
                    if self.viewers > 0 && !is_sure {
                        outside.tally.latecomers += 1;
                        self.begin(outside);
                    } else {
                        self.end(outside.now);
                    }
                }
            }
        }
    }

    /// All viewers are told, and late events do nothing any more.
    fn end(&mut self, now: Moment) {
        (self.is_open, self.viewers) = (false, 0);
        self.hear_late_news(now);
        for event in [
            Event::ConnectionFree(SourceId(0)),
            Event::NoReaders(Duration::ZERO),
            Event::ReadersPresent,
            Event::Shutdown,
        ] {
            self.life.handle_event(now, event);
        }
        let _ = self.life.override_source(now, SourceOverride::Skip);
        self.life.handle_timeout(now + self.times.start + self.times.idle);
        assert_eq!((self.life.poll_action(), self.life.poll_timeout()), (None, None), "it is at its end");
    }

    fn open(&mut self, outside: &mut Outside, attempt: AttemptId, source: SourceId, purpose: Purpose) {
        assert!(self.opened.last().is_none_or(|&last| last < attempt), "{attempt:?} is not new");
        let is_for_nobody = self.life.phase() == Phase::Stopping && self.order.is_none();
        assert!(!is_for_nobody, "{attempt:?} is opened for nobody");
        self.opened.insert(attempt);
        let failover = self.life.failover();
        let health = failover.health(outside.now, source).expect("there is such a source");
        assert!(!health.is_disabled || failover.enabled() == 0, "{source:?} is disabled");
        assert!(self.ingests.iter().all(|ingest| ingest.source != source), "{source:?} is open already");
        let told = claims::purpose_at(outside.now, failover, source, purpose);
        let claim = Claim { channel: self.id, priority: self.priority, purpose: told };
        let server = |source: SourceId| {
            let source = outside.source(source);
            Server { is_counted: source.provider.is_some(), host: Some(source.host) }
        };
        let open = self.ingests.iter().map(|ingest| server(ingest.source));
        let state = if claims::may_open(purpose, &server(source), open) {
            State::Unasked(claim)
        } else {
            State::Refused
        };
        self.ingests.push(Ingest {
            attempt,
            source,
            state,
            purpose,
            is_told_to_yield: false,
            has_picture: false,
        });
    }

    fn promote(&mut self, outside: &mut Outside, attempt: AttemptId) {
        let ingest = self.ingests.iter().find(|ingest| ingest.attempt == attempt);
        if let Some(Ingest { state: State::Open(Some(ticket), _), source, .. }) = ingest {
            let (account, now, tally) = account(outside, *source);
            account.set_purpose(now, *ticket, provider::Purpose::Active, tally);
        }
    }

    fn activate(&mut self, outside: &mut Outside, attempt: AttemptId) {
        self.promote(outside, attempt);
        let at = self.ingests.iter().position(|ingest| ingest.attempt == attempt).expect("it is open");
        assert!(self.ingests[at].has_picture, "{attempt:?} has nothing to show");
        assert_eq!(self.active, None, "one at a time is active");
        self.active = Some(attempt);
        self.ingests.swap(0, at);
        outside.tally.returns += u64::from(self.ingests[0].purpose == Purpose::Probe);
        self.watch.go_live(outside.now, self.ingests[0].source);
    }

    /// An upstream is no more; whoever claims does so no longer.
    fn drop_ingest(&mut self, outside: &mut Outside, at: usize) {
        let ingest = self.ingests.remove(at);
        let now = outside.now;
        if self.active == Some(ingest.attempt) {
            self.active = None;
            self.watch.go_dark(now);
        }
        let takes = outside.source(ingest.source).closes;
        match ingest.state {
            State::Waiting(ticket) => {
                let (account, now, tally) = account(outside, ingest.source);
                account.withdraw(now, ticket, tally);
            }
            State::Open(Some(ticket), _) => account(outside, ingest.source).0.close(now, ticket, takes),
            State::Open(None, _) | State::Unasked(_) | State::Refused => {}
        }
    }
}
