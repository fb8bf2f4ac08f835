//! Three providers with limits, and what happens to their sources.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Account, Behaviour, Broadcast, Hls, Origin};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::dice::Dice;
use crate::relay::channel;

const SECOND: Duration = Duration::from_secs(1);

/// Channels. Each has a source at two providers.
pub(super) const CHANNELS: usize = 20;

/// Providers: the first refuses who comes beyond its limit, the second frees late, and the third has HLS.
pub(super) const PROVIDERS: [Provider; 3] = [
    Provider { id: "strict", limit: 5, settle: Duration::ZERO },
    Provider { id: "late", limit: 4, settle: Duration::from_millis(600) },
    Provider { id: "hls", limit: 4, settle: Duration::from_millis(3500) },
];

/// How long the second one's closed connections count.
const FREES_AFTER: Duration = Duration::from_millis(300);

/// How often another source is looked for that is open.
const TRIES: usize = 3;

/// Sources that are not well at a time.
const MOST_ILL: usize = 8;

/// As it is configured.
pub(super) struct Provider {
    pub(super) id: &'static str,
    pub(super) limit: usize,
    settle: Duration,
}

/// All there is.
pub(super) struct World {
    origins: Vec<Origin>,
    pub(super) accounts: Vec<Account>,
    sources: Vec<Source>,
    /// What happened, for who reads a failure.
    pub(super) history: Mutex<Vec<(Instant, String)>>,
}

/// One source of a channel.
struct Source {
    channel: usize,
    provider: usize,
    path: String,
    broadcast: Option<Broadcast>,
    /// Since when it is well; nothing while it is not.
    well_since: Mutex<Option<Instant>>,
}

impl World {
    pub(super) async fn new() -> Self {
        let accounts: Vec<Account> = PROVIDERS.iter().map(|provider| Account::new(provider.limit)).collect();
        let accounts =
            vec![accounts[0].clone(), accounts[1].clone().frees_after(FREES_AFTER), accounts[2].clone()];
        let origins = vec![Origin::start().await, Origin::start().await, Origin::start().await];
        let source = |channel: usize, preference: usize| {
            let provider = (channel + preference) % PROVIDERS.len();
            let (origin, account) = (&origins[provider], &accounts[provider]);
            let broadcast = (provider == 2).then(|| {
                let hls = Hls::live(Clip::get(Kind::Small)).segment(SECOND).account(account);
                hls.mount(origin, &format!("/{channel}"))
            });
            let path = format!("/{channel}.ts");
            if broadcast.is_none() {
                origin.serve(&path, stream(account));
            }
            let well_since = Mutex::new(Some(Instant::now()));
            Source { channel, provider, path, broadcast, well_since }
        };
        let sources = (0..CHANNELS).flat_map(|channel| [source(channel, 0), source(channel, 1)]).collect();
        Self { sources, origins, accounts, history: Mutex::default() }
    }

    /// The configuration of it.
    pub(super) fn config(&self) -> String {
        let mut text =
            String::from("[hls]\nsegment = \"2s\"\n[stream]\nidle_timeout = \"2s\"\nreturn_after = \"4s\"\n");
        for Provider { id, limit, settle } in &PROVIDERS {
            let settle = settle.as_millis();
            writeln!(
                text,
                "[[providers]]\nid = \"{id}\"\nmax_connections = {limit}\nsettle = \"{settle}ms\""
            )
            .expect("a string takes everything");
        }
        for number in 0..CHANNELS {
            let sources = self.sources.iter().filter(|source| source.channel == number).map(|source| {
                let url = source.broadcast.as_ref().map(|live| live.url().to_owned());
                let url = url.unwrap_or_else(|| self.origins[source.provider].url(&source.path));
                format!("{{ url = \"{url}\", provider = \"{}\" }}", PROVIDERS[source.provider].id)
            });
            let sources = sources.collect::<Vec<_>>().join(", ");
            // Some are dearer than others.
            let priority = number % 3;
            let one = channel(&id(number), &[], &format!("priority = {priority}"));
            text += &one.replace("sources = []", &format!("sources = [{sources}]"));
        }
        text
    }

    /// Lets things happen until told to stop; then all is well again.
    pub(super) async fn happen(&self, mut dice: Dice, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let (well, ill): (Vec<&Source>, Vec<&Source>) =
                self.sources.iter().partition(|source| source.well_since().is_some());
            if ill.len() >= MOST_ILL || !ill.is_empty() && dice.below(2) == 0 {
                self.set(ill[dice.below(ill.len())], "is well again", 100);
            } else {
                // What is on air is worth more trouble.
                let mut source = well[dice.below(well.len())];
                for _ in 0..TRIES {
                    if !self.is_open(source) {
                        source = well[dice.below(well.len())];
                    }
                }
                match dice.below(4) {
                    0 | 1 => self.set(source, "is killed", 100),
                    2 => self.set(source, "stalls", 0),
                    _ => self.set(source, "is slow", 30),
                }
            }
            sleep(dice.between(SECOND / 5, SECOND)).await;
        }
        for source in &self.sources {
            self.set(source, "is well again", 100);
        }
    }

    fn set(&self, source: &Source, what: &str, percent: u32) {
        let (is_killed, is_well) = (what == "is killed", what == "is well again");
        let origin = &self.origins[source.provider];
        if is_well {
            *lock(&source.well_since) = Some(Instant::now());
        } else {
            *lock(&source.well_since) = None;
        }
        lock(&self.history).push((Instant::now(), format!("{} of {} {what}", source.path, origin.address())));
        if let Some(live) = &source.broadcast {
            let speed = f64::from(percent.max(1)) / 100.0;
            live.change(|hls| {
                hls.playlist_status(is_killed.then_some(503)).speed(speed).frozen(percent == 0)
            });
            return;
        }
        origin.pace(&source.path, percent);
        if is_killed {
            origin.serve(&source.path, Behaviour::status(503, "text/plain", "no"));
            origin.kill(&source.path);
        } else if is_well {
            origin.serve(&source.path, stream(&self.accounts[source.provider]));
        }
    }

    /// For each channel, whether each of its sources could be watched now: it is well, and its provider has a connection
    /// left, or it is open already.
    pub(super) fn usable(&self) -> Vec<[bool; 2]> {
        let free: Vec<bool> =
            PROVIDERS.iter().zip(&self.accounts).map(|(of, is)| is.open() < of.limit).collect();
        let is_usable = |source: &Source| {
            source.well_since().is_some() && (free[source.provider] || self.is_open(source))
        };
        self.sources.chunks(2).map(|pair| [is_usable(&pair[0]), is_usable(&pair[1])]).collect()
    }

    /// Whether there is a connection; of HLS, which has none between two requests, that is not known.
    fn is_open(&self, source: &Source) -> bool {
        self.origins[source.provider].connections(&source.path) > 0
    }

    pub(super) async fn shutdown(self) {
        for origin in self.origins {
            origin.shutdown().await;
        }
    }
}

impl Source {
    fn well_since(&self) -> Option<Instant> {
        *lock(&self.well_since)
    }
}

fn stream(account: &Account) -> Behaviour {
    Behaviour::ts(Clip::get(Kind::Small)).live().account(account)
}

/// The id of a channel.
pub(super) fn id(number: usize) -> String {
    format!("c{number}")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
