//! Who may have a connection to a provider, who waits for one, and who has to give one up: a ledger
//! of leases, as a value.
//!
//! A claim is granted at once where a connection is free. A claim for an active source that finds
//! none waits, and another lease is asked to yield where one matters less: a probe, a hedge of
//! another channel, another channel that nobody watches, a retry of another channel, an archive, a
//! watched channel of lower priority, in this order; among equals that of the lowest priority, and
//! of these the youngest. Hedges and probes only take what is free.
//!
//! A retry, of a source that has just failed, will most likely fail again: it waits behind all
//! others, whatever its priority, and only probes and channels that nobody watches yield to it. So
//! a channel whose sources are all down takes no connection from one that plays.
//!
//! Whoever watches the past from a provider's archive matters less than whoever watches live: such
//! a claim waits behind those of active sources, only probes and channels that nobody watches yield
//! to it, and its lease yields to a live claim of the same priority or a higher one.
//!
//! The contract: after each `handle_*`, drain [`Ledger::poll_action`]; call
//! [`Ledger::handle_timeout`] when the time that [`Ledger::poll_timeout`] names has come. A lease
//! is released when its sockets are closed and not before: nothing is granted in its place until
//! then.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

use crate::assumption::broken;
use crate::time::Moment;

/// How long a claim for an active source waits if no lease is to yield. A zap's old socket is
/// noticed well within it, and a viewer who is refused learns it soon enough to try something else.
pub const CLAIM_PATIENCE: Duration = Duration::from_secs(1);

/// How much longer it waits for somebody who was asked to yield, the provider's time to settle not
/// included. Closing a socket takes milliseconds; this is for a machine that is out of breath.
pub const YIELD_PATIENCE: Duration = Duration::from_secs(5);

/// Claims that may wait at a time. No provider has more connections, so more would wait in vain.
pub const MAX_WAITING: usize = 1000;

/// What a provider allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// How many of them may be probes.
    pub probes: usize,
    /// How long the provider still counts a connection that is closed.
    pub settle: Duration,
}

/// The number of a claim, and of the lease that comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// For the active source: viewers need it.
    Active,
    /// To try a source for viewers once more that failed a moment ago.
    Retry,
    /// For a viewer of what the provider has kept of a channel's past.
    Archive,
    /// To stand beside a source that is late, until one of them has a picture.
    Hedge,
    /// To find out how a source does that is not needed now.
    Probe,
}

/// Whether somebody watches the channel of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Demand {
    /// Somebody does.
    Watched,
    /// Nobody does any more; it is kept for who comes back.
    Lingering,
}

/// Who wants a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<C> {
    /// The channel.
    pub channel: C,
    /// Its priority; the higher one comes first.
    pub priority: i32,
    /// What for.
    pub purpose: Purpose,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The claim has become a lease.
    Grant(Ticket),
    /// The claim is over.
    Refuse(Ticket, Refusal),
    /// Ask the holder of a lease to give it up.
    Yield {
        /// The lease.
        ticket: Ticket,
        /// The claim it is asked for.
        to: Ticket,
    },
}

/// Why a claim is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// All connections are taken, and nobody gave one up in time.
    AllTaken,
    /// There are as many probes as there may be.
    TooManyProbes,
    /// The provider is no longer configured.
    Removed,
}

/// How things stand, and what has happened since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Connections at a time; none once the provider is removed.
    pub limit: usize,
    /// Leases, those that yield included.
    pub open: usize,
    /// Leases that were asked to yield and have not been released.
    pub yielding: usize,
    /// Released connections that the provider may still count.
    pub settling: usize,
    /// Claims that wait.
    pub waiting: usize,
    /// Claims granted.
    pub granted_total: u64,
    /// Claims refused.
    pub refused_total: u64,
    /// Leases asked to yield.
    pub preempted_total: u64,
}

/// The leases of one provider, and the claims to them by channels of type `C`.
#[derive(Debug)]
pub struct Ledger<C> {
    /// None once the provider is removed.
    limits: Option<Limits>,
    tickets: u64,
    /// In the order in which they were granted.
    leases: Vec<Lease<C>>,
    /// Until when released connections may still be counted.
    settling: Vec<Moment>,
    /// By precedence, then in the order in which they came. All are for viewers.
    waiting: Vec<Waiting<C>>,
    granted_total: u64,
    refused_total: u64,
    preempted_total: u64,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
struct Lease<C> {
    ticket: Ticket,
    claim: Claim<C>,
    demand: Demand,
    /// Its holder has been asked to give it up, which cannot be taken back.
    is_yielding: bool,
}

#[derive(Debug)]
struct Waiting<C> {
    ticket: Ticket,
    claim: Claim<C>,
    since: Moment,
}

/// What a lease is to who wants it, from what is given up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Probe,
    Hedge,
    Lingering,
    Retry,
    Archive,
    Watched,
}

impl<C: PartialEq> Ledger<C> {
    /// A provider of whose connections none is taken.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits: Some(limits),
            tickets: 0,
            leases: Vec::new(),
            settling: Vec::new(),
            waiting: Vec::new(),
            granted_total: 0,
            refused_total: 0,
            preempted_total: 0,
            actions: VecDeque::new(),
        }
    }

    /// The provider's limits have changed, or it is no longer configured. Nobody loses a lease by
    /// that; it may be that no more are granted.
    pub fn handle_limits(&mut self, now: Moment, limits: Option<Limits>) {
        self.limits = limits;
        self.serve(now);
    }

    /// Somebody wants a connection. The answer is an action with this ticket.
    pub fn handle_claim(&mut self, now: Moment, claim: Claim<C>) -> Ticket {
        // Those who have waited come first.
        self.serve(now);
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let Some(limits) = self.limits else {
            self.refuse(ticket, Refusal::Removed);
            return ticket;
        };
        match claim.purpose {
            Purpose::Active | Purpose::Retry | Purpose::Archive if self.waiting.len() < MAX_WAITING => {
                let at = self.place(&claim);
                self.waiting.insert(at, Waiting { ticket, claim, since: now });
                self.serve(now);
            }
            // Checked before what is free: a provider may forbid probes altogether.
            Purpose::Probe if self.count(|lease| lease.claim.purpose == Purpose::Probe) >= limits.probes => {
                self.refuse(ticket, Refusal::TooManyProbes);
            }
            Purpose::Hedge | Purpose::Probe if self.has_free(limits) => self.grant(ticket, claim),
            Purpose::Active | Purpose::Retry | Purpose::Archive | Purpose::Hedge | Purpose::Probe => {
                self.refuse(ticket, Refusal::AllTaken);
            }
        }
        ticket
    }

    /// Whether a claim for viewers would get a connection now, or as soon as another one
    /// is closed and has settled. That does not change with time alone.
    pub fn would_serve(&self, claim: &Claim<C>) -> bool {
        let is_served =
            // Settling connections are not counted: they end by themselves.
            |limits| self.victims(claim).count() >= self.needed(self.place(claim), limits);
        self.waiting.len() < MAX_WAITING && self.limits.is_some_and(is_served)
    }

    /// Nobody waits for the claim any more, or takes what it was granted: no connection was made
    /// with it.
    pub fn handle_withdrawal(&mut self, now: Moment, ticket: Ticket) {
        self.waiting.retain(|waiting| waiting.ticket != ticket);
        // No connection was made, so nothing has to settle.
        self.leases.retain(|lease| lease.ticket != ticket);
        self.serve(now);
    }

    /// The connections of a lease are closed.
    pub fn handle_release(&mut self, now: Moment, ticket: Ticket) {
        let Some(at) = self.leases.iter().position(|lease| lease.ticket == ticket) else {
            return broken("a lease is released once, and was granted before");
        };
        self.leases.remove(at);
        let settle = self.limits.map_or(Duration::ZERO, |limits| limits.settle);
        // Providers go on counting a closed connection for a while: to take its place at once is
        // refused.
        self.settling.push(now + settle);
        self.serve(now);
    }

    /// Somebody watches the channel of a lease, or nobody does any more. Returns whether that
    /// changes anything.
    pub fn handle_demand(&mut self, now: Moment, ticket: Ticket, demand: Demand) -> bool {
        self.change(now, ticket, |lease| std::mem::replace(&mut lease.demand, demand) != demand)
    }

    /// A lease serves something else from now on: a hedge or a retry has become active. Returns
    /// whether that changes anything.
    pub fn handle_purpose(&mut self, now: Moment, ticket: Ticket, purpose: Purpose) -> bool {
        self.change(now, ticket, |lease| std::mem::replace(&mut lease.claim.purpose, purpose) != purpose)
    }

    /// The channel of a lease has another priority. Returns whether that changes anything.
    pub fn handle_priority(&mut self, now: Moment, ticket: Ticket, priority: i32) -> bool {
        self.change(now, ticket, |lease| std::mem::replace(&mut lease.claim.priority, priority) != priority)
    }

    /// The time named by [`Ledger::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.serve(now);
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Ledger::handle_timeout`] is to be called. Never, while nobody waits.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let settled = self.settling.iter().copied();
        let steady = self.steady();
        let overdue =
            self.waiting.iter().enumerate().map(|(at, waiting)| waiting.since + self.patience(at, steady));
        // Settled connections matter only to those who wait; without them no timer runs.
        overdue.chain(settled.filter(|_| !self.waiting.is_empty())).min()
    }

    /// How things stand.
    pub fn usage(&self, now: Moment) -> Usage {
        Usage {
            limit: self.limits.map_or(0, |limits| limits.connections),
            open: self.leases.len(),
            yielding: self.count(|lease| lease.is_yielding),
            settling: self.settling.iter().filter(|&&until| until > now).count(),
            waiting: self.waiting.len(),
            granted_total: self.granted_total,
            refused_total: self.refused_total,
            preempted_total: self.preempted_total,
        }
    }

    /// Whether the provider is removed and nothing is left of it.
    pub fn is_over(&self) -> bool {
        self.limits.is_none() && self.leases.is_empty()
    }

    fn change(&mut self, now: Moment, ticket: Ticket, change: impl FnOnce(&mut Lease<C>) -> bool) -> bool {
        // A late word about a lease that is released is no fault: messages cross.
        let lease = self.leases.iter_mut().find(|lease| lease.ticket == ticket);
        let is_news = lease.is_some_and(change);
        if is_news {
            self.serve(now);
        }
        is_news
    }

    /// Grants what is free to those who wait, asks for what is not, and refuses who has waited long
    /// enough.
    fn serve(&mut self, now: Moment) {
        self.settling.retain(|&until| until > now);
        let Some(limits) = self.limits else {
            for waiting in std::mem::take(&mut self.waiting) {
                self.refuse(waiting.ticket, Refusal::Removed);
            }
            return;
        };
        while !self.waiting.is_empty() && self.has_free(limits) {
            let Waiting { ticket, claim, .. } = self.waiting.remove(0);
            self.grant(ticket, claim);
        }
        for at in 0..self.waiting.len() {
            self.ask_for(at, limits);
        }
        // Asked first, so that a claim for which a lease now yields gets the longer patience.
        let (mut at, steady) = (0, self.steady());
        while let Some(waiting) = self.waiting.get(at) {
            let ticket = waiting.ticket;
            if waiting.since + self.patience(at, steady) > now {
                at += 1;
            } else {
                self.waiting.remove(at);
                self.refuse(ticket, Refusal::AllTaken);
            }
        }
    }

    fn has_free(&self, limits: Limits) -> bool {
        self.leases.len() + self.settling.len() < limits.connections
    }

    /// How many leases nobody has been asked to give up.
    fn steady(&self) -> usize {
        self.count(|lease| !lease.is_yielding)
    }

    fn count(&self, is_one: impl Fn(&Lease<C>) -> bool) -> usize {
        self.leases.iter().filter(|lease| is_one(lease)).count()
    }

    /// How long the claim that stands at `at` may wait: longer, if all before it and it will be
    /// served by what is being closed. There are `steady` leases that stay.
    fn patience(&self, at: usize, steady: usize) -> Duration {
        match self.limits {
            Some(limits) if at + steady < limits.connections => {
                CLAIM_PATIENCE + YIELD_PATIENCE + limits.settle
            }
            _ => CLAIM_PATIENCE,
        }
    }

    /// Asks as many leases to yield as the waiting claim at `at` needs, after those before it;
    /// none, where these would not be enough.
    fn ask_for(&mut self, at: usize, limits: Limits) {
        let needed = self.needed(at, limits);
        if needed == 0 {
            return;
        }
        let Waiting { ticket: to, claim, .. } = &self.waiting[at];
        let to = *to;
        let mut victims: Vec<_> = self.victims(claim).collect();
        // Nobody is interrupted in vain.
        if victims.len() < needed {
            return;
        }
        victims.sort_unstable();
        for &(_, _, Reverse(at)) in &victims[..needed] {
            let lease = &mut self.leases[at];
            lease.is_yielding = true;
            self.preempted_total += 1;
            self.actions.push_back(Action::Yield { ticket: lease.ticket, to });
        }
    }

    /// How many leases must be given up for the claim that stands at `at`, after those before it.
    fn needed(&self, at: usize, limits: Limits) -> usize {
        (at + 1 + self.steady()).saturating_sub(limits.connections)
    }

    /// The leases, by their places, that could be asked to yield to who makes `claim`; the least is
    /// the first to be asked.
    fn victims(&self, claim: &Claim<C>) -> impl Iterator<Item = (Rank, i32, Reverse<usize>)> {
        let leases = self.leases.iter().enumerate().filter(|(_, lease)| !lease.is_yielding);
        leases.filter_map(|(at, lease)| Some((lease.rank_for(claim)?, lease.claim.priority, Reverse(at))))
    }

    /// Where a claim has its place among those who wait.
    fn place(&self, claim: &Claim<C>) -> usize {
        // Among equals the one who came first stays in front.
        self.waiting.partition_point(|other| other.claim.precedence() >= claim.precedence())
    }

    fn grant(&mut self, ticket: Ticket, claim: Claim<C>) {
        // Watched until the channel says otherwise: who waits for a claim are viewers.
        self.leases.push(Lease { ticket, claim, demand: Demand::Watched, is_yielding: false });
        self.granted_total += 1;
        self.actions.push_back(Action::Grant(ticket));
    }

    fn refuse(&mut self, ticket: Ticket, refusal: Refusal) {
        self.refused_total += 1;
        self.actions.push_back(Action::Refuse(ticket, refusal));
    }
}

impl<C> Claim<C> {
    /// The higher one is served first. Retries are equal: each of them has failed, and in turn they
    /// all come to their next try.
    fn precedence(&self) -> Option<(bool, i32)> {
        let is_live = self.purpose != Purpose::Archive;
        (self.purpose != Purpose::Retry).then_some((is_live, self.priority))
    }
}

impl<C: PartialEq> Lease<C> {
    /// What the lease is to who makes `claim`; none, if it is not to be had.
    fn rank_for(&self, claim: &Claim<C>) -> Option<Rank> {
        let is_other = self.claim.channel != claim.channel;
        let rank = match (self.claim.purpose, self.demand) {
            // Of the own channel only a probe gives way: its hedge serves the same viewers.
            (Purpose::Probe, _) => return Some(Rank::Probe),
            (Purpose::Hedge, _) => Rank::Hedge,
            (Purpose::Active | Purpose::Retry | Purpose::Archive, Demand::Lingering) => Rank::Lingering,
            (Purpose::Retry, Demand::Watched) => Rank::Retry,
            (Purpose::Archive, Demand::Watched) if self.claim.priority <= claim.priority => Rank::Archive,
            (Purpose::Active, Demand::Watched) if self.claim.priority < claim.priority => Rank::Watched,
            (Purpose::Active | Purpose::Archive, Demand::Watched) => return None,
        };
        // Viewers of other channels are not interrupted for what will most likely fail, or is over.
        let is_for_live = !matches!(claim.purpose, Purpose::Retry | Purpose::Archive);
        let is_worth_it = is_for_live || rank == Rank::Lingering;
        (is_other && is_worth_it).then_some(rank)
    }
}

#[cfg(test)]
mod tests;
