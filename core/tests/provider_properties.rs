//! A provider's ledger under random inputs: what holds after each.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use forebay_core::provider::{
    Action, CLAIM_PATIENCE, Claim, Demand, Ledger, Limits, Purpose, Refusal, Ticket, Usage, YIELD_PATIENCE,
};
use forebay_core::time::Moment;
use proptest::prelude::*;

/// The longest time to settle.
const MAX_SETTLE: u64 = 4000;

#[derive(Debug, Clone, Copy)]
enum Input {
    Claim(Claim<u8>),
    /// Of the waiting claim that stands there, counted round and round; and so on.
    Withdraw(usize),
    Release(usize),
    /// Of a lease that nobody took.
    Untaken(usize),
    /// Who was asked to yield does.
    Obey(usize),
    Demand(usize, Demand),
    /// A hedge has become active.
    Activate(usize),
    Priority(usize, i32),
    Limits(Option<Limits>),
}

/// Milliseconds since the input before, and the input.
fn script() -> impl Strategy<Value = Vec<(u64, Input)>> {
    let after = prop_oneof![4 => Just(0), 4 => 1..300u64, 1 => 300..8000u64];
    prop::collection::vec((after, input()), 0..120)
}

fn input() -> impl Strategy<Value = Input> {
    let purpose = prop_oneof![4 => Just(Purpose::Active), 2 => Just(Purpose::Retry), 2 => Just(Purpose::Archive), 1 => Just(Purpose::Hedge), 1 => Just(Purpose::Probe)];
    let demand = prop_oneof![Just(Demand::Watched), Just(Demand::Lingering)];
    let claim = (0..6u8, -2..3i32, purpose)
        .prop_map(|(channel, priority, purpose)| Input::Claim(Claim { channel, priority, purpose }));
    prop_oneof![
        8 => claim,
        1 => any::<usize>().prop_map(Input::Withdraw),
        3 => any::<usize>().prop_map(Input::Release),
        1 => any::<usize>().prop_map(Input::Untaken),
        3 => any::<usize>().prop_map(Input::Obey),
        3 => (any::<usize>(), demand).prop_map(|(at, demand)| Input::Demand(at, demand)),
        1 => any::<usize>().prop_map(Input::Activate),
        1 => (any::<usize>(), -2..3i32).prop_map(|(at, priority)| Input::Priority(at, priority)),
        1 => prop::option::weighted(0.8, limits()).prop_map(Input::Limits),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (1..5usize, 0..3usize, prop_oneof![Just(0), 1..=MAX_SETTLE]).prop_map(|(connections, probes, settle)| {
        Limits { connections, probes, settle: Duration::from_millis(settle) }
    })
}

#[derive(Debug, Clone, Copy)]
struct Held {
    claim: Claim<u8>,
    demand: Demand,
    is_asked: bool,
}

/// What the ledger was told and has answered, kept in another way.
#[derive(Debug)]
struct Model {
    ledger: Ledger<u8>,
    limits: Option<Limits>,
    now: Moment,
    waiting: BTreeMap<Ticket, (Claim<u8>, Moment)>,
    held: BTreeMap<Ticket, Held>,
    /// In the order of their grants.
    order: Vec<Ticket>,
    settling: Vec<Moment>,
    totals: Usage,
}

impl Model {
    fn new(limits: Limits) -> Self {
        Self {
            ledger: Ledger::new(limits),
            limits: Some(limits),
            now: Moment::ZERO,
            waiting: BTreeMap::new(),
            held: BTreeMap::new(),
            order: Vec::new(),
            settling: Vec::new(),
            totals: Usage::default(),
        }
    }

    fn advance(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(timeout) = self.ledger.poll_timeout().filter(|&timeout| timeout <= until) {
            assert!(timeout > self.now, "{timeout:?} is over, and will be again");
            self.now = timeout;
            self.ledger.handle_timeout(timeout);
            self.drain();
        }
        self.now = until;
    }

    fn tell(&mut self, input: Input) {
        let now = self.now;
        let nth = |tickets: &mut dyn Iterator<Item = Ticket>, at: usize| {
            let tickets: Vec<_> = tickets.collect();
            (!tickets.is_empty()).then(|| tickets[at % tickets.len()])
        };
        let any_held = |at| nth(&mut self.held.keys().copied(), at);
        match input {
            Input::Claim(claim) => {
                self.claim(claim);
            }
            Input::Withdraw(at) => {
                let Some(ticket) = nth(&mut self.waiting.keys().copied(), at) else { return };
                self.waiting.remove(&ticket);
                self.ledger.handle_withdrawal(now, ticket);
            }
            Input::Release(at) => {
                if let Some(ticket) = any_held(at) {
                    self.release(ticket);
                }
            }
            Input::Untaken(at) => {
                let Some(ticket) = any_held(at) else { return };
                self.held.remove(&ticket);
                self.order.retain(|&other| other != ticket);
                self.ledger.handle_withdrawal(now, ticket);
            }
            Input::Obey(at) => {
                let mut asked = self.held.iter().filter(|(_, held)| held.is_asked).map(|(&ticket, _)| ticket);
                if let Some(ticket) = nth(&mut asked, at) {
                    self.release(ticket);
                }
            }
            Input::Demand(at, demand) => {
                let Some(ticket) = any_held(at) else { return };
                self.held(ticket).demand = demand;
                self.ledger.handle_demand(now, ticket, demand);
            }
            Input::Activate(at) => {
                let hedges = self.held.iter().filter(|(_, held)| held.claim.purpose == Purpose::Hedge);
                let Some(ticket) = nth(&mut hedges.map(|(&ticket, _)| ticket), at) else { return };
                self.held(ticket).claim.purpose = Purpose::Active;
                self.ledger.handle_purpose(now, ticket, Purpose::Active);
            }
            Input::Priority(at, priority) => {
                let Some(ticket) = any_held(at) else { return };
                self.held(ticket).claim.priority = priority;
                self.ledger.handle_priority(now, ticket, priority);
            }
            Input::Limits(limits) => {
                self.limits = limits;
                self.ledger.handle_limits(now, limits);
            }
        }
        self.drain();
    }

    fn claim(&mut self, claim: Claim<u8>) -> Ticket {
        let ticket = self.ledger.handle_claim(self.now, claim);
        let is_new = self.waiting.insert(ticket, (claim, self.now)).is_none();
        assert!(is_new && !self.held.contains_key(&ticket));
        ticket
    }

    fn held(&mut self, ticket: Ticket) -> &mut Held {
        self.held.get_mut(&ticket).expect("it is held")
    }

    fn limit(&self) -> usize {
        self.limits.expect("a removed provider has no limit, and nobody waits for it").connections
    }

    fn release(&mut self, ticket: Ticket) {
        self.held.remove(&ticket).expect("it is held");
        self.order.retain(|&other| other != ticket);
        self.settling.push(self.now + self.limits.map_or(Duration::ZERO, |limits| limits.settle));
        self.ledger.handle_release(self.now, ticket);
    }

    /// Takes what is to be done, and looks at each and at the whole.
    fn drain(&mut self) {
        self.settling.retain(|&until| until > self.now);
        while let Some(action) = self.ledger.poll_action() {
            match action {
                Action::Grant(ticket) => self.granted(ticket),
                Action::Refuse(ticket, refusal) => self.refused(ticket, refusal),
                Action::Yield { ticket, to } => self.asked(ticket, to),
            }
        }
        for &(claim, since) in self.waiting.values() {
            assert!(is_for_viewers(claim.purpose), "{claim:?} waits");
            let most = CLAIM_PATIENCE + YIELD_PATIENCE + Duration::from_millis(MAX_SETTLE);
            assert!(self.now.since(since) < most, "{claim:?} waits for ever");
            let taken = self.held.len() + self.settling.len();
            assert!(taken >= self.limit(), "{claim:?} waits though a connection is free");
        }
        let usage = Usage {
            limit: self.limits.map_or(0, |limits| limits.connections),
            open: self.held.len(),
            yielding: self.held.values().filter(|held| held.is_asked).count(),
            settling: self.settling.iter().filter(|&&until| until > self.now).count(),
            waiting: self.waiting.len(),
            ..self.totals
        };
        assert_eq!(self.ledger.usage(self.now), usage);
    }

    fn granted(&mut self, ticket: Ticket) {
        let (claim, since) = self.waiting.remove(&ticket).expect("a claim is granted once");
        let before = |&(other, other_since): &(Claim<u8>, Moment)| {
            let class = |claim: Claim<u8>| match claim.purpose {
                Purpose::Retry => 0,
                Purpose::Archive => 1,
                _ => 2,
            };
            match class(other).cmp(&class(claim)) {
                Ordering::Equal if class(claim) > 0 && other.priority != claim.priority => {
                    other.priority > claim.priority
                }
                Ordering::Equal => other_since < since,
                order => order == Ordering::Greater,
            }
        };
        assert!(
            !is_for_viewers(claim.purpose) || !self.waiting.values().any(before),
            "{claim:?} jumps the queue"
        );
        self.held.insert(ticket, Held { claim, demand: Demand::Watched, is_asked: false });
        self.order.push(ticket);
        self.totals.granted_total += 1;
        let limits = self.limits.expect("a removed provider grants nothing");
        assert!(self.held.len() + self.settling.len() <= limits.connections, "{self:?}");
        let probes = self.held.values().filter(|held| held.claim.purpose == Purpose::Probe).count();
        assert!(claim.purpose != Purpose::Probe || probes <= limits.probes, "{self:?}");
    }

    fn refused(&mut self, ticket: Ticket, refusal: Refusal) {
        let (claim, since) = self.waiting.remove(&ticket).expect("a claim is refused once");
        self.totals.refused_total += 1;
        match (refusal, claim.purpose) {
            (Refusal::Removed, _) => assert!(self.limits.is_none()),
            (Refusal::TooManyProbes, purpose) => assert_eq!(purpose, Purpose::Probe),
            (Refusal::AllTaken, Purpose::Active | Purpose::Retry | Purpose::Archive) => {
                assert!(self.now.since(since) >= CLAIM_PATIENCE);
            }
            (Refusal::AllTaken, _) => {
                assert!(self.held.len() + self.settling.len() >= self.limit());
            }
        }
    }

    fn asked(&mut self, ticket: Ticket, to: Ticket) {
        let (claim, _) = self.waiting[&to];
        let victim = self.held[&ticket];
        assert!(!victim.is_asked, "{victim:?} is asked twice");
        let key = |ticket: Ticket| {
            let held = self.held[&ticket];
            let rank = rank(&held, claim)?;
            let age = self.order.iter().rev().position(|&other| other == ticket);
            Some((rank, held.claim.priority, age))
        };
        let chosen = key(ticket).expect("who is asked may be asked");
        let others = self.held.iter().filter(|(_, held)| !held.is_asked).filter_map(|(&other, _)| key(other));
        assert_eq!(others.min(), Some(chosen), "{victim:?} for {claim:?}");
        self.held(ticket).is_asked = true;
        self.totals.preempted_total += 1;
    }
}

fn is_for_viewers(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Active | Purpose::Retry | Purpose::Archive)
}

/// Whose turn it is to give way for `claim`, the lowest first.
fn rank(held: &Held, claim: Claim<u8>) -> Option<u8> {
    if held.claim.purpose == Purpose::Probe {
        return Some(0);
    }
    if held.claim.channel == claim.channel {
        return None;
    }
    if held.claim.purpose == Purpose::Hedge {
        return (claim.purpose == Purpose::Active).then_some(1);
    }
    if held.demand == Demand::Lingering {
        return Some(2);
    }
    if matches!(claim.purpose, Purpose::Retry | Purpose::Archive) {
        return None;
    }
    if held.claim.purpose == Purpose::Retry {
        return Some(3);
    }
    if held.claim.purpose == Purpose::Archive {
        return (held.claim.priority <= claim.priority).then_some(4);
    }
    (held.claim.priority < claim.priority).then_some(5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_ledger_keeps_its_word(limits in limits(), script in script()) {
        let mut model = Model::new(limits);
        for (after, input) in script {
            model.advance(Duration::from_millis(after));
            model.tell(input);
        }
        // Who is left gets an answer; and when all is given back, all is free.
        model.advance(CLAIM_PATIENCE + YIELD_PATIENCE + Duration::from_millis(MAX_SETTLE));
        prop_assert!(model.waiting.is_empty(), "{:?}", model);
        while !model.held.is_empty() {
            model.tell(Input::Release(0));
        }
        model.tell(Input::Limits(Some(limits)));
        model.advance(Duration::from_millis(MAX_SETTLE));
        for channel in 0..limits.connections {
            let channel = u8::try_from(channel).unwrap();
            model.tell(Input::Claim(Claim { channel, priority: 0, purpose: Purpose::Active }));
        }
        prop_assert_eq!(model.held.len(), limits.connections);
    }

    #[test]
    fn where_all_obey_at_once_nobody_who_comes_first_is_refused(limits in limits(), script in script()) {
        let mut model = Model::new(limits);
        for (after, input) in script {
            model.advance(Duration::from_millis(after));
            let is_limits = matches!(input, Input::Limits(_));
            if !is_limits {
                model.tell(input);
            }
            while model.held.values().any(|held| held.is_asked) {
                model.tell(Input::Obey(0));
            }
        }
        // A channel of the highest priority, which has nothing yet, and a provider full of others.
        model.advance(CLAIM_PATIENCE + YIELD_PATIENCE + Duration::from_millis(MAX_SETTLE));
        let refused = model.totals.refused_total;
        model.tell(Input::Claim(Claim { channel: 100, priority: 100, purpose: Purpose::Active }));
        while model.held.values().any(|held| held.is_asked) {
            model.tell(Input::Obey(0));
        }
        model.advance(limits.settle);
        prop_assert_eq!(model.totals.refused_total, refused);
        prop_assert!(model.held.values().any(|held| held.claim.channel == 100));
    }

    #[test]
    fn what_it_would_serve_it_serves_and_nothing_else(
        limits in limits(), script in script(), channel in 0..6u8, priority in -3..4i32,
    ) {
        let mut model = Model::new(limits);
        for (after, input) in script {
            model.advance(Duration::from_millis(after));
            model.tell(input);
        }
        let claim = Claim { channel, priority, purpose: Purpose::Active };
        let (would_serve, is_alone) = (model.ledger.would_serve(&claim), model.waiting.is_empty());
        let ticket = model.claim(claim);
        model.drain();
        while model.held.values().any(|held| held.is_asked) {
            model.tell(Input::Obey(0));
        }
        model.advance(CLAIM_PATIENCE + YIELD_PATIENCE + Duration::from_millis(MAX_SETTLE));
        let is_served = model.held.contains_key(&ticket);
        prop_assert!(is_served || !would_serve, "{:?}", model);
        // Where others wait, one of them may be refused and leave its place.
        prop_assert!(!is_served || would_serve || !is_alone, "{:?}", model);
    }
}
