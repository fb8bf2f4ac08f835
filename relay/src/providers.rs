//! Who may have a connection to a provider: claims, and the leases that come of them.
//!
//! [`forebay_core::provider`] decides; here are the callers that wait for it. Nothing runs on
//! its own: a claim that waits keeps the time of its provider's ledger, and a lease that is dropped
//! wakes whoever is next.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_core::assumption::broken;
use forebay_core::provider::{self, Action, Ledger, Limits, Refusal, Ticket};
pub use forebay_core::provider::{Demand, Purpose, Usage};
use forebay_core::time::Moment;
use tokio::sync::{Notify, watch};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::clock::Clock;
use crate::model::{ChannelId, Provider, ProviderId};

/// All providers. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Providers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    accounts: Mutex<BTreeMap<ProviderId, Arc<Account>>>,
    changed: watch::Sender<u64>,
}

/// A request for a connection. One for an active source waits; a hedge and a probe only take what
/// is free.
pub type Claim = provider::Claim<ChannelId>;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoConnection {
    /// All are taken, and nobody gave one up in time.
    #[error("{} of provider \"{provider}\" {}", all(*.limit), if *.limit == 1 { "is taken" } else { "are taken" })]
    AllTaken {
        /// The provider.
        provider: ProviderId,
        /// How many connections it allows.
        limit: usize,
    },
    /// There are as many probes as there may be.
    #[error("provider \"{provider}\" is probed by as many connections as may be")]
    TooManyProbes {
        /// The provider.
        provider: ProviderId,
    },
    /// The same server is asked already, and no provider says how many connections it allows.
    #[error(
        "its server is connected to already, and no provider is configured that allows more than one connection"
    )]
    SameServer,
    /// The configuration has changed meanwhile.
    #[error("provider \"{provider}\" is no longer configured")]
    Removed {
        /// The provider.
        provider: ProviderId,
    },
}

fn all(limit: usize) -> String {
    if limit == 1 { "the only connection".into() } else { format!("all {limit} connections") }
}

/// How one provider stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which one.
    pub id: ProviderId,
    /// Its connections.
    pub usage: Usage,
}

impl Providers {
    /// These providers, of whose connections none is taken.
    pub fn new(configured: &[Provider]) -> Self {
        let clock = Clock::start();
        let providers =
            Self(Arc::new(Shared { clock, accounts: Mutex::default(), changed: watch::Sender::new(0) }));
        providers.configure(configured);
        providers
    }

    /// Takes over the providers of a new configuration. Nobody loses a lease by that.
    pub fn configure(&self, configured: &[Provider]) {
        let mut accounts = self.accounts();
        for provider in configured {
            let limits = limits(provider);
            if let Some(account) = accounts.get(&provider.id) {
                account.limit(Some(limits));
            } else {
                let account = Account::new(provider.id.clone(), limits, &self.0);
                accounts.insert(provider.id.clone(), Arc::new(account));
            }
        }
        // A provider that is no longer configured stays until its
        // last lease is gone: its connections are still open there.
        accounts.retain(|id, account| {
            if !configured.iter().any(|provider| provider.id == *id) {
                account.limit(None);
            }
            !account.state().ledger.is_over()
        });
    }

    /// Asks for a connection to `provider`; without one there is no limit. Dropping the future
    /// withdraws the claim.
    pub fn claim(
        &self,
        provider: Option<&ProviderId>,
        claim: Claim,
    ) -> impl Future<Output = Result<Lease, NoConnection>> + Send + 'static {
        // Looked up now and not when the future is polled: the claim is of this configuration.
        let provider = provider.map(|id| (id.clone(), self.accounts().get(id).cloned()));
        async move {
            match provider {
                // A source without a provider: nobody counts its connections.
                None => Ok(Lease(None)),
                Some((provider, None)) => Err(NoConnection::Removed { provider }),
                Some((_, Some(account))) => ClaimGuard::claim(account, claim).granted().await,
            }
        }
    }

    /// What is wrong where a claim to `provider` still waits.
    pub fn no_connection_yet(&self, provider: &ProviderId) -> NoConnection {
        let limit = self.accounts().get(provider).map_or(0, |account| account.usage().limit);
        NoConnection::AllTaken { provider: provider.clone(), limit }
    }

    /// Whether a claim to `provider` for an active source would get a connection now, or as soon as
    /// another one is closed.
    pub fn would_serve(&self, provider: &ProviderId, claim: &Claim) -> bool {
        self.accounts().get(provider).is_some_and(|account| account.state().ledger.would_serve(claim))
    }

    /// Changes whenever a claim may be served that would not have been before.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// How they stand, by their ids: those that are configured, and those that are not and still
    /// have connections.
    pub fn report(&self) -> Vec<Report> {
        let accounts = self.accounts();
        let there = accounts.values().filter(|account| !account.state().ledger.is_over());
        there.map(|account| Report { id: account.id.clone(), usage: account.usage() }).collect()
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeMap<ProviderId, Arc<Account>>> {
        self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limits(provider: &Provider) -> Limits {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Limits {
        connections: count(provider.max_connections),
        probes: count(provider.max_probes),
        settle: provider.settle,
    }
}

/// The right to one connection, which ends when it is dropped: it has to live as long as every
/// socket that it stands for.
#[derive(Debug)]
pub struct Lease(Option<ClaimGuard>);

impl Lease {
    /// By which its holder is told, and tells what has changed. It does not keep the lease.
    pub fn handle(&self) -> LeaseHandle {
        LeaseHandle(self.0.as_ref().map(|kept| Handled {
            account: Arc::clone(&kept.account),
            ticket: kept.ticket,
            yielded: kept.yielded.clone(),
        }))
    }
}

/// What can be known and said of a lease. Once that is dropped it does nothing.
#[derive(Debug, Clone)]
pub struct LeaseHandle(Option<Handled>);

#[derive(Debug, Clone)]
struct Handled {
    account: Arc<Account>,
    ticket: Ticket,
    yielded: CancellationToken,
}

impl LeaseHandle {
    /// Somebody watches its channel, or nobody does any more.
    pub fn set_demand(&self, demand: Demand) {
        self.tell(|ledger, now, ticket| ledger.handle_demand(now, ticket, demand));
    }

    /// Changes what the lease is for: a hedge has become active.
    pub fn set_purpose(&self, purpose: Purpose) {
        self.tell(|ledger, now, ticket| ledger.handle_purpose(now, ticket, purpose));
    }

    /// Its channel has another priority.
    pub fn set_priority(&self, priority: i32) {
        self.tell(|ledger, now, ticket| ledger.handle_priority(now, ticket, priority));
    }

    /// Completes when the holder is asked to drop the lease, which is never taken back.
    pub fn yielded(&self) -> impl Future<Output = ()> + Send + 'static {
        let yielded = self.0.as_ref().map(|handled| handled.yielded.clone());
        async move {
            match yielded {
                Some(yielded) => yielded.cancelled().await,
                None => std::future::pending().await,
            }
        }
    }

    fn tell(&self, input: impl FnOnce(&mut Ledger<ChannelId>, Moment, Ticket) -> bool) {
        if let Some(Handled { account, ticket, .. }) = &self.0 {
            account.tell(|state, now| input(&mut state.ledger, now, *ticket));
        }
    }
}

/// One provider.
struct Account {
    id: ProviderId,
    clock: Clock,
    changed: watch::Sender<u64>,
    state: Mutex<State>,
}

struct State {
    ledger: Ledger<ChannelId>,
    /// By the tickets of claims that wait, and of leases.
    holders: HashMap<Ticket, Holder>,
}

/// Why a ticket has a holder: both are made and dropped under one lock.
const HAS_HOLDER: &str = "whoever waits for a connection or has one is known";

struct Holder {
    channel: ChannelId,
    /// None while it waits.
    verdict: Option<Result<(), Refusal>>,
    /// Wakes it while it waits: there is a verdict, or another time to wait for.
    decided: Arc<Notify>,
    yielded: CancellationToken,
}

impl Account {
    fn new(id: ProviderId, limits: Limits, shared: &Shared) -> Self {
        let state = State { ledger: Ledger::new(limits), holders: HashMap::new() };
        Self { id, clock: shared.clock, changed: shared.changed.clone(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usage(&self) -> Usage {
        self.state().ledger.usage(self.clock.now())
    }

    fn limit(&self, limits: Option<Limits>) {
        self.tell(|state, now| {
            state.ledger.handle_limits(now, limits);
            true
        });
    }

    /// Tells the ledger something, and then whom it concerns, if that changed something or has
    /// decided something.
    fn tell(&self, tell: impl FnOnce(&mut State, Moment) -> bool) {
        let mut state = self.state();
        let is_changed = tell(&mut state, self.clock.now());
        let is_decided = state.carry_out(&self.id);
        // Whoever hears of the change asks the ledger, and would wait for this lock.
        drop(state);
        if is_changed || is_decided {
            self.note_change();
        }
    }

    fn note_change(&self) {
        self.changed.send_modify(|changes| *changes = changes.wrapping_add(1));
    }
}

impl State {
    /// Carries out what the ledger has decided; tells whether that was anything.
    fn carry_out(&mut self, provider: &ProviderId) -> bool {
        let mut is_decided = false;
        while let Some(action) = self.ledger.poll_action() {
            is_decided = true;
            match action {
                Action::Grant(ticket) => self.decide(ticket, Ok(())),
                Action::Refuse(ticket, refusal) => self.decide(ticket, Err(refusal)),
                Action::Yield { ticket, to } => {
                    let [of, to] = [ticket, to].map(|ticket| self.holders.get(&ticket));
                    let (Some(of), Some(to)) = (of, to) else {
                        broken(HAS_HOLDER);
                        continue;
                    };
                    info!(%provider, channel = %of.channel, to = %to.channel, "connection is to yield");
                    // Asked for, never taken: the socket must
                    // be closed before the provider has room.
                    of.yielded.cancel();
                }
            }
        }
        for holder in self.holders.values().filter(|holder| holder.verdict.is_none()) {
            // Those that wait keep the ledger's time, and what was decided may have moved it.
            holder.decided.notify_one();
        }
        is_decided
    }

    fn decide(&mut self, ticket: Ticket, verdict: Result<(), Refusal>) {
        let Some(holder) = self.holders.get_mut(&ticket) else { return broken(HAS_HOLDER) };
        holder.verdict = Some(verdict);
        holder.decided.notify_one();
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A claim that waits, and then a lease: what is taken back when it is dropped.
#[derive(Debug)]
struct ClaimGuard {
    account: Arc<Account>,
    ticket: Ticket,
    decided: Arc<Notify>,
    yielded: CancellationToken,
    /// Whether anybody got it, and may have opened a connection with it.
    is_lease: bool,
}

impl ClaimGuard {
    fn claim(account: Arc<Account>, claim: Claim) -> Self {
        let (decided, yielded) = (Arc::new(Notify::new()), CancellationToken::new());
        let mut state = account.state();
        let channel = claim.channel.clone();
        // The holder is entered under the same lock: the ledger may decide in this very call.
        let ticket = state.ledger.handle_claim(account.clock.now(), claim);
        let holder =
            Holder { channel, verdict: None, decided: Arc::clone(&decided), yielded: yielded.clone() };
        state.holders.insert(ticket, holder);
        let is_decided = state.carry_out(&account.id);
        drop(state);
        if is_decided {
            account.note_change();
        }
        Self { account, ticket, decided, yielded, is_lease: false }
    }

    /// Waits for the verdict, and keeps the time of the ledger meanwhile.
    async fn granted(mut self) -> Result<Lease, NoConnection> {
        loop {
            let until = {
                // In a block of its own, so that the lock is gone before the wait. A
                // verdict in between is not lost: `Notify` keeps it for the next who waits.
                let (state, now) = (self.account.state(), self.account.clock.now());
                match state.holders.get(&self.ticket).and_then(|holder| holder.verdict) {
                    Some(Ok(())) => break,
                    Some(Err(refusal)) => {
                        return Err(self.no_connection(refusal, state.ledger.usage(now).limit));
                    }
                    None => state.ledger.poll_timeout(),
                }
            };
            match until {
                Some(until) => {
                    let until = self.account.clock.instant(until);
                    // Whoever waits turns the clock of the ledger; it has no task of its own.
                    if timeout_at(until, self.decided.notified()).await.is_err() {
                        self.account.tell(|state, now| {
                            state.ledger.handle_timeout(now);
                            false
                        });
                    }
                }
                None => self.decided.notified().await,
            }
        }
        // From here on dropping it counts as a connection that
        // has closed, and the provider's settling time begins.
        self.is_lease = true;
        Ok(Lease(Some(self)))
    }

    fn no_connection(&self, refusal: Refusal, limit: usize) -> NoConnection {
        let provider = self.account.id.clone();
        match refusal {
            Refusal::AllTaken => NoConnection::AllTaken { provider, limit },
            Refusal::TooManyProbes => NoConnection::TooManyProbes { provider },
            Refusal::Removed => NoConnection::Removed { provider },
        }
    }
}

impl Drop for ClaimGuard {
    fn drop(&mut self) {
        self.account.tell(|state, now| {
            let holder = state.holders.remove(&self.ticket);
            if self.is_lease {
                state.ledger.handle_release(now, self.ticket);
            } else {
                state.ledger.handle_withdrawal(now, self.ticket);
            }
            // A claim that was refused was in nobody's way any more.
            holder.is_some_and(|holder| !matches!(holder.verdict, Some(Err(_))))
        });
    }
}

#[cfg(test)]
mod tests;
