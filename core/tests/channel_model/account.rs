//! A provider's connections: the ledger, and around it what the application's shell does.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_core::provider::{Action, Claim, Demand, Ledger, Limits, Purpose, Refusal, Ticket, Usage};
use forebay_core::time::Moment;

use crate::tally::Tally;

/// One provider.
pub(crate) struct Account {
    ledger: Ledger<usize>,
    limits: Limits,
    /// What the limit was, or what was taken when it was lowered below that.
    allowed: usize,
    /// By the tickets of claims that wait, and of leases.
    holders: BTreeMap<Ticket, Holder>,
    /// Connections that are being closed.
    closing: Vec<(Moment, Ticket)>,
    settling: Vec<Moment>,
}

#[derive(Debug)]
struct Holder {
    claim: Claim<usize>,
    demand: Demand,
    since: Moment,
    /// None while it waits.
    verdict: Option<Result<(), Refusal>>,
    is_asked: bool,
}

impl Account {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            ledger: Ledger::new(limits),
            limits,
            allowed: limits.connections,
            holders: BTreeMap::new(),
            closing: Vec::new(),
            settling: Vec::new(),
        }
    }

    pub(crate) fn set_limits(&mut self, now: Moment, limits: Limits, tally: &mut Tally) {
        self.limits = limits;
        self.allowed = self.allowed.max(limits.connections);
        self.ledger.handle_limits(now, Some(limits));
        self.carry_out(now, tally);
    }

    pub(crate) fn claim(&mut self, now: Moment, claim: Claim<usize>, tally: &mut Tally) -> Ticket {
        let ticket = self.ledger.handle_claim(now, claim);
        let demand = Demand::Watched;
        let holder = Holder { claim, demand, since: now, verdict: None, is_asked: false };
        self.holders.insert(ticket, holder);
        self.carry_out(now, tally);
        ticket
    }

    /// What has become of a claim. One that is refused is forgotten.
    pub(crate) fn verdict(
        &mut self,
        now: Moment,
        ticket: Ticket,
        tally: &mut Tally,
    ) -> Option<Result<(), Refusal>> {
        let verdict = self.holders[&ticket].verdict?;
        if verdict.is_err() {
            self.withdraw(now, ticket, tally);
        }
        Some(verdict)
    }

    /// Nobody waits for a claim any more, or takes what it was granted.
    pub(crate) fn withdraw(&mut self, now: Moment, ticket: Ticket, tally: &mut Tally) {
        self.holders.remove(&ticket).expect("it is withdrawn once");
        self.ledger.handle_withdrawal(now, ticket);
        self.carry_out(now, tally);
    }

    /// The connection of a lease is closed from now on, which takes as long as it takes.
    pub(crate) fn close(&mut self, now: Moment, ticket: Ticket, takes: Duration) {
        assert!(self.closing.iter().all(|&(_, other)| other != ticket), "a connection is closed once");
        self.closing.push((now + takes, ticket));
    }

    pub(crate) fn is_asked(&self, ticket: Ticket) -> bool {
        self.holders[&ticket].is_asked
    }

    pub(crate) fn purpose(&self, ticket: Ticket) -> Purpose {
        self.holders[&ticket].claim.purpose
    }

    pub(crate) fn set_demand(&mut self, now: Moment, ticket: Ticket, demand: Demand, tally: &mut Tally) {
        self.holder(ticket).demand = demand;
        self.ledger.handle_demand(now, ticket, demand);
        self.carry_out(now, tally);
    }

    pub(crate) fn set_purpose(&mut self, now: Moment, ticket: Ticket, purpose: Purpose, tally: &mut Tally) {
        self.holder(ticket).claim.purpose = purpose;
        self.ledger.handle_purpose(now, ticket, purpose);
        self.carry_out(now, tally);
    }

    /// When something is to be done.
    pub(crate) fn timer(&self) -> Option<Moment> {
        self.closing.iter().map(|&(at, _)| at).chain(self.ledger.poll_timeout()).min()
    }

    /// Does what is due.
    pub(crate) fn run(&mut self, now: Moment, tally: &mut Tally) {
        while let Some(at) = self.closing.iter().position(|&(at, _)| at <= now) {
            let (_, ticket) = self.closing.remove(at);
            self.holders.remove(&ticket).expect("it is released once");
            self.settling.push(now + self.limits.settle);
            self.ledger.handle_release(now, ticket);
            self.carry_out(now, tally);
        }
        if self.ledger.poll_timeout().is_some_and(|at| at <= now) {
            self.ledger.handle_timeout(now);
            self.carry_out(now, tally);
            assert!(self.ledger.poll_timeout().is_none_or(|at| at > now), "the ledger's time stands still");
        }
    }

    /// What holds whenever nothing is left to do.
    pub(crate) fn check(&self) {
        let is_full = self.taken() + self.settling.len() >= self.limits.connections;
        assert!(is_full || self.usage().waiting == 0, "somebody waits, and there is room");
    }

    /// Whether nobody has or wants a connection.
    pub(crate) fn is_idle(&self) -> bool {
        let usage = self.usage();
        self.holders.is_empty() && self.closing.is_empty() && usage.open == 0 && usage.waiting == 0
    }

    /// Connections that are open, to be opened or being closed.
    fn taken(&self) -> usize {
        self.holders.values().filter(|holder| holder.verdict == Some(Ok(()))).count()
    }

    /// What settles is not asked of it.
    fn usage(&self) -> Usage {
        self.ledger.usage(Moment::ZERO)
    }

    /// Whether whoever asks now is served at once.
    pub(crate) fn is_free(&self, now: Moment) -> bool {
        let usage = self.ledger.usage(now);
        usage.waiting == 0 && usage.open + usage.settling < usage.limit
    }

    /// What the ledger says of that.
    pub(crate) fn would_serve(&self, claim: &Claim<usize>) -> bool {
        self.ledger.would_serve(claim)
    }

    fn holder(&mut self, ticket: Ticket) -> &mut Holder {
        self.holders.get_mut(&ticket).expect("it is held")
    }

    fn carry_out(&mut self, now: Moment, tally: &mut Tally) {
        self.settling.retain(|&until| until > now);
        while let Some(action) = self.ledger.poll_action() {
            match action {
                Action::Grant(ticket) => self.granted(now, ticket, tally),
                Action::Refuse(ticket, refusal) => {
                    self.holder(ticket).verdict = Some(Err(refusal));
                    tally.refusals += 1;
                }
                Action::Yield { ticket, to } => {
                    let wanted = self.holders[&to].claim;
                    let holder = self.holder(ticket);
                    holder.is_asked = true;
                    match (holder.claim.purpose, holder.demand) {
                        (Purpose::Active, Demand::Watched) => tally.preempted_watched += 1,
                        (Purpose::Retry, Demand::Watched) => tally.preempted_retries += 1,
                        (Purpose::Active | Purpose::Retry, Demand::Lingering) => {
                            tally.preempted_lingering += 1;
                        }
                        (Purpose::Hedge | Purpose::Probe | Purpose::Archive, _) => {
                            tally.preempted_beside += 1;
                        }
                    }
                    match wanted.purpose {
                        Purpose::Active => {}
                        Purpose::Retry => assert!(
                            holder.claim.purpose == Purpose::Probe || holder.demand == Demand::Lingering,
                            "viewers are interrupted for a source that has just failed"
                        ),
                        Purpose::Hedge | Purpose::Probe | Purpose::Archive => {
                            panic!("nobody yields to {wanted:?}")
                        }
                    }
                }
            }
        }
        let taken = self.taken();
        self.allowed = self.limits.connections.max(taken.min(self.allowed));
        assert!(taken <= self.allowed, "{taken} connections where there may be {}", self.allowed);
    }

    fn granted(&mut self, now: Moment, ticket: Ticket, tally: &mut Tally) {
        let claim = self.holder(ticket).claim;
        tally.settled += u64::from(!self.limits.settle.is_zero() && now > self.holder(ticket).since);
        let waits = |holder: &Holder| holder.verdict.is_none() && holder.claim.purpose == Purpose::Active;
        let is_last = self.taken() + self.settling.len() + 1 == self.limits.connections;
        assert!(
            claim.purpose == Purpose::Active || !is_last || !self.holders.values().any(waits),
            "{claim:?} takes what another one waits for"
        );
        self.holder(ticket).verdict = Some(Ok(()));
        let taken = self.taken() + self.settling.len();
        assert!(taken <= self.limits.connections, "{taken} connections, {:?}", self.limits);
        match claim.purpose {
            // No channel claims a connection for an archive.
            Purpose::Active | Purpose::Archive => {}
            Purpose::Retry => tally.retries += 1,
            Purpose::Hedge => tally.hedges += 1,
            Purpose::Probe => {
                tally.probes += 1;
                let probes = |holder: &&Holder| {
                    holder.claim.purpose == Purpose::Probe && holder.verdict == Some(Ok(()))
                };
                assert!(self.holders.values().filter(probes).count() <= self.limits.probes);
            }
        }
    }
}
