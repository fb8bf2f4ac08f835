//! The world: channels, sources, providers, and a clock that jumps to what comes next.

use std::time::Duration;

use forebay_core::failover::{SourceId, SourceOverride};
use forebay_core::lifecycle::Times;
use forebay_core::provider::Limits;
use forebay_core::time::Moment;

use crate::account::Account;
use crate::outside::{Outside, State, place};
use crate::source::{Mood, Source};
use crate::station::Station;
use crate::tally::Tally;

/// Things that may happen in one moment. A world that does more spins.
const MAX_AT_ONCE: usize = 2000;

/// What happens to the world.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Join(usize),
    Leave(usize),
    /// All viewers of a channel leave.
    Empty(usize),
    /// A source changes; `is_felt` is whether those who are connected notice.
    Mood {
        source: usize,
        mood: Mood,
        is_felt: bool,
    },
    SourceOverride(usize, SourceOverride),
    Reload(usize, Vec<SourceId>, Times),
    Limits(usize, Limits),
    Latecomer(usize),
    Stop(usize),
}

/// A channel as it is configured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) priority: i32,
    pub(crate) times: Times,
    pub(crate) lineup: Vec<SourceId>,
}

pub(crate) struct World {
    pub(crate) outside: Outside,
    pub(crate) stations: Vec<Station>,
}

impl World {
    pub(crate) fn new(limits: &[Limits], sources: Vec<Source>, plans: &[Plan]) -> Self {
        let accounts = limits.iter().map(|&limits| Account::new(limits)).collect();
        let station =
            |(id, plan): (usize, &Plan)| Station::new(id, plan.priority, plan.times, plan.lineup.clone());
        Self {
            outside: Outside {
                now: Moment::ZERO,
                accounts,
                sources,
                tally: Tally::default(),
                is_logging: std::env::var_os("MODEL_LOG").is_some(),
            },
            stations: plans.iter().enumerate().map(station).collect(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        self.outside.now
    }

    /// Takes event in, and plays until nothing is left to do at this moment.
    pub(crate) fn tell(&mut self, event: Event) {
        let Self { outside, stations } = self;
        match event {
            Event::Join(at) => stations[at].join(outside),
            Event::Leave(at) => stations[at].leave(),
            Event::Empty(at) => (0..stations[at].viewers).for_each(|_| stations[at].leave()),
            Event::Mood { source, mood, is_felt } => self.set_mood(source, mood, is_felt),
            Event::SourceOverride(at, order) => stations[at].commands.push_back(order),
            Event::Reload(at, lineup, times) => stations[at].settings = Some((lineup, times)),
            Event::Limits(at, limits) => {
                outside.accounts[at].set_limits(outside.now, limits, &mut outside.tally);
            }
            Event::Latecomer(at) => stations[at].latecomers = 1,
            Event::Stop(at) => stations[at].is_stopping = true,
        }
        self.settle();
        let now = self.now();
        let open = self.stations.iter_mut().filter(|station| station.is_open);
        open.for_each(|station| station.hear_late_news(now));
    }

    fn set_mood(&mut self, source: usize, mood: Mood, is_felt: bool) {
        self.outside.sources[source].mood = mood;
        let ingests = self.stations.iter_mut().flat_map(|station| &mut station.ingests);
        for ingest in ingests.filter(|ingest| is_felt && place(ingest.source) == source) {
            if let State::Open(_, connection) = &mut ingest.state {
                connection.touch(self.outside.now, mood);
            }
        }
    }

    /// Plays for so long.
    pub(crate) fn advance(&mut self, span: Duration) {
        let until = self.now() + span;
        self.settle();
        while let Some(at) = self.timer().filter(|&at| at <= until) {
            assert!(at > self.now(), "time stands still");
            self.outside.now = at;
            self.settle();
        }
        self.outside.now = until;
    }

    fn timer(&self) -> Option<Moment> {
        let accounts = self.outside.accounts.iter().filter_map(Account::timer);
        accounts.chain(self.stations.iter().filter_map(Station::timer)).min()
    }

    /// Does all that there is to do now.
    fn settle(&mut self) {
        for _ in 0..MAX_AT_ONCE {
            let Outside { now, accounts, tally, .. } = &mut self.outside;
            for account in accounts.iter_mut() {
                account.run(*now, tally);
            }
            let mut is_done = true;
            for station in &mut self.stations {
                is_done &= !station.run(&mut self.outside);
            }
            if is_done {
                self.outside.accounts.iter().for_each(Account::check);
                self.stations.iter().for_each(|station| station.check(&self.outside));
                return;
            }
        }
        panic!("it spins");
    }
}
