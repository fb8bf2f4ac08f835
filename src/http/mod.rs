//! The HTTP surface: one file per subject, and the server that carries them.

mod accounts;
mod acme_challenge;
mod address;
mod admin;
mod admission;
mod auth;
mod backups;
mod catchup;
mod channels;
mod compatibility;
mod encoding;
mod epg;
mod error;
mod events;
mod extract;
mod films;
mod forwarded;
mod fresh;
mod hdhomerun;
mod head;
mod hls;
mod jobs;
#[cfg(test)]
mod linear_time;
mod lineup;
mod live;
mod local_program;
mod logo;
mod logs;
mod metrics;
mod monitoring;
mod nosniff;
mod ops;
mod pages;
mod peer;
mod pieces;
mod playlists;
mod presence;
mod pushes;
mod query;
mod range;
mod refusals;
mod relays;
mod resolve;
mod resources;
mod room;
mod routes;
mod server;
mod settings;
mod shares;
mod sight;
mod socket;
mod source_override;
mod status;
mod streaming;
mod tally;
mod token;
mod turns;
mod viewers;
mod visits;
mod webhooks;
mod xtream;

use std::convert::Infallible;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use forebay_relay::channel::{Changes, Channels};
use forebay_relay::provider_archives::ProviderArchives;
use forebay_relay::push::Pushes;
use http::request::Parts;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use self::admin::Admins;
use self::auth::{Rates, Tries, Watching};
use self::error::ApiError;
use self::extract::Client;
use self::films::Films;
use self::fresh::Fresh;
use self::hls::Sessions;
pub use self::peer::Peer;
use self::presence::Presence;
use self::room::{Admission, Places};
pub(crate) use self::server::Acceptor;
pub use self::server::Server;
use self::server::{Slots, WriteLimit, connections_of, raise_descriptor_limit};
use self::sight::Sight;
use self::tally::{Count, Tally};
use self::token::Token;
use self::visits::Visits;
use crate::accounts::{Accounts, Device, Form, Seat, Title};
use crate::backups::Backups;
use crate::catalogue::Catalogue;
use crate::config::{Config, InForce};
use crate::db::Database;
use crate::guide::Guides;
use crate::jobs::Queue;
use crate::lineup::{Lineup, PutInForce};
use crate::oidc::Oidc;
use crate::page_jobs::{Downloads, News, analysis};
use crate::reels::Reels;
use crate::relays::{InForceChannels, Relays};
use crate::resolver::Resolver;
use crate::supervisor::Board;
use crate::tls::Challenges;
use crate::tuners::Refused;
use crate::variants::Variants;
use crate::webhooks::Webhooks;

/// The state that all handlers share. A request clones it several times, so a clone is one count.
#[derive(Debug, Clone)]
pub struct State(Arc<Shared>);

/// What is shared.
///
/// It has many fields since each is a handle to one part of the program, and a handler takes the
/// one that it needs. Those that only this module uses are grouped.
#[derive(Debug)]
pub struct Shared {
    /// The configuration in force.
    pub(crate) config: InForce,
    /// What people and imports make.
    pub(crate) database: Database,
    /// Which channels there are.
    pub catalogue: Arc<Catalogue>,
    /// Those that are open.
    pub channels: Arc<Channels>,
    /// What their providers have kept.
    archives: ProviderArchives,
    /// Those that are made by the API.
    pub(crate) relays: Relays,
    /// Playlists, and the channels of theirs.
    pub(crate) lineup: Lineup,
    /// What is on.
    pub(crate) guides: Guides,
    pub(crate) films: Films,
    /// Who there is, and what they may do.
    pub(crate) accounts: Accounts,
    /// Channels that are sent to servers elsewhere.
    pub(crate) pushes: Pushes,
    /// Channels through a profile.
    pub(crate) variants: Variants,
    /// Work that takes longer than a request.
    pub(crate) jobs: Queue,
    /// Who resolves pages of video platforms.
    pub(crate) resolver: Resolver,
    /// Files of such pages.
    pub(crate) reels: Reels,
    /// Those that people keep.
    pub(crate) downloads: Downloads,
    /// What becomes of what people have done about pages.
    pub(crate) news: News,
    /// What looks after the server.
    pub(crate) upkeep: Upkeep,
    guards: Guards,
    admission: Admission,
    audience: Audience,
    documents: Documents,
    tally: Tally,
    monitor: monitoring::Monitor,
    pub(crate) process: Process,
}

/// What looks after the server.
#[derive(Debug, Clone)]
pub(crate) struct Upkeep {
    pub(crate) backups: Backups,
    /// What has happened to each channel lately.
    pub(crate) history: events::History,
    pub(crate) webhooks: Webhooks,
    /// Questions for tuners that were too many.
    pub(crate) searches: Refused,
}

/// What keeps out those who may not ask, or ask too often.
#[derive(Debug, Clone)]
struct Guards {
    admins: Admins,
    /// Wrong passwords of late.
    tries: Tries,
    /// Beginnings at the provider of identities of late that have led to nothing.
    starts: Tries,
    /// Requests of the last minute.
    rates: Rates,
    /// Browsers that are at the provider of identities.
    oidc: Oidc,
}

/// Who watches, beyond what the channels know.
#[derive(Debug, Clone, Default)]
struct Audience {
    presence: Presence,
    sessions: Sessions,
    visits: Visits,
    /// Those who hear how their downloads go on.
    listeners: streaming::Listeners,
}

/// Documents that are made once for all requests.
#[derive(Debug, Clone, Default)]
struct Documents {
    status: Fresh,
    metrics: Fresh,
    /// For pages that show what is on now.
    messages: events::Messages,
    logos: logo::Logos,
    catchup: catchup::Rendering,
}

/// What the process has.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    started: Instant,
    /// File descriptors that it may have.
    descriptors: usize,
    /// Places for open connections.
    slots: Slots,
    /// The tasks of open connections.
    pub(crate) connections: TaskTracker,
    /// How its services are doing.
    pub(crate) services: Board,
    /// What an authority that signs certificates is going to ask.
    pub(crate) challenges: Challenges,
}

impl Process {
    /// One that starts now.
    fn start() -> Self {
        Self {
            started: Instant::now(),
            descriptors: raise_descriptor_limit(),
            slots: Slots::default(),
            connections: TaskTracker::new(),
            services: Board::default(),
            challenges: Challenges::default(),
        }
    }
}

impl State {
    /// The state at the start.
    pub fn new(
        catalogue: Catalogue,
        database: Database,
        accounts: Accounts,
        resolver: Resolver,
        variants: Variants,
        config: Arc<Config>,
    ) -> Self {
        let token = Token::create(&config.hls_dir).inspect_err(
            |error| warn!(%error, "no admin.token in hls.dir: only programs of this user are admins here"),
        );
        accounts.set_adult_groups(&config.auth.adult_groups);
        accounts.set_token_limits(config.tokens);
        let config = InForce::new(config);
        let channels = Arc::clone(catalogue.channels());
        let catalogue = Arc::new(catalogue);
        let in_force =
            Arc::new(InForceChannels::new(Arc::clone(&catalogue), database.clone(), config.clone()));
        let into = Arc::clone(&in_force);
        let put_in_force: PutInForce = Arc::new(move |_, changed| into.lineup_changed(changed));
        let (events, folder) = (channels.events().clone(), &config.get().data.path);
        let films = Films::new(database.clone(), folder, config.get().films.cache);
        let reels = Reels::new(resolver.clone(), folder.join("reels"), config.get().resolver.cache);
        let news = News::default();
        let limit = config.get().resolver.downloads;
        let downloads = Downloads::new(database.clone(), reels.clone(), news.clone(), folder, limit);
        let [ladder, storyboard] = films.jobs(&config);
        let analysis = analysis::kind(resolver.clone(), news.clone());
        let kinds = vec![ladder, storyboard, analysis, downloads.kind()];
        let jobs = Queue::new(database.clone(), events.clone(), kinds);
        Self(Arc::new(Shared {
            relays: Relays::new(database.clone(), in_force),
            guides: Guides::new(database.clone(), config.clone(), Arc::clone(&catalogue), folder),
            lineup: Lineup::new(database.clone(), config.clone(), put_in_force, events, folder),
            films,
            guards: Guards {
                admins: Admins::new(token.ok()),
                tries: Tries::default(),
                starts: Tries::default(),
                rates: Rates::default(),
                oidc: Oidc::default(),
            },
            admission: Admission::default(),
            audience: Audience::default(),
            documents: Documents::default(),
            tally: Tally::default(),
            monitor: monitoring::Monitor::default(),
            process: Process::start(),
            archives: ProviderArchives::new(channels.connections().clone()),
            pushes: Pushes::new(Arc::clone(&channels)),
            variants,
            upkeep: Upkeep {
                backups: Backups::new(config.clone()),
                history: events::History::default(),
                webhooks: Webhooks::default(),
                searches: Refused::default(),
            },
            catalogue,
            jobs,
            reels,
            downloads,
            news,
            resolver,
            channels,
            database,
            accounts,
            config,
        }))
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.get()
    }

    /// How many connections there may be.
    fn max_connections(&self) -> usize {
        let channels = self.catalogue.list().len();
        self.config().server.max_connections.min(connections_of(self.process.descriptors, channels))
    }

    /// Takes one guess at a password of this address, if it has one left.
    fn take_try(&self, address: IpAddr, now: Instant) -> Result<(), ApiError> {
        self.guards.tries.take(address, now).map_err(|wait| {
            self.tally.note(Count::GuessesRefused);
            ApiError::too_many_tries(wait)
        })
    }

    /// A seat for one more stream of whoever is known, before it begins.
    async fn seat(&self, client: &Client, title: &Title, form: Form) -> Result<Option<Arc<Seat>>, ApiError> {
        if let Some(wait) = self.audience.presence.away(client, title.id()) {
            return Err(ApiError::ended(wait));
        }
        let device = Device { address: admission::household(client.address), agent: (&*client.agent).into() };
        Ok(self.accounts.viewing().seat(&client.watching.watcher, title, device, form).await?)
    }

    /// What of lists somebody may see: the channels that he or she may watch.
    fn sight(&self, watching: &Watching) -> Sight {
        Sight::new(watching.watcher.clone(), self.accounts.adult_groups())
    }

    /// Whether the log tells of one more viewer.
    fn is_visit_told(&self, address: IpAddr) -> bool {
        self.audience.visits.is_told(address)
    }

    /// Ends the sessions of HLS viewers who have gone, and tells of visits, until `stop`.
    pub(crate) async fn run_sessions(&self, stop: CancellationToken) {
        let Audience { sessions, visits, .. } = &self.audience;
        let films = self.films.viewers.run(self, stop.clone());
        tokio::join!(sessions.run(self, stop.clone()), visits.run(stop), films);
    }

    /// Puts another configuration in force, with its channels and all relays. Waits for the disk.
    pub fn configure(&self, config: Arc<Config>) -> Changes {
        self.accounts.set_adult_groups(&config.auth.adult_groups);
        self.accounts.set_token_limits(config.tokens);
        let (pushes, max_bandwidth) = (config.pushes.clone(), config.server.max_bandwidth);
        // Before the channels, which are opened anew where their profile has changed.
        self.variants.configure(&config.transcode);
        self.upkeep.webhooks.configure(&config.webhooks);
        let changes = self.relays.configure(config);
        // Behind the channels, which they may need.
        self.pushes.configure(&pushes, max_bandwidth);
        changes
    }
}

impl Deref for State {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Handlers take the state as it is, without a wrapper.
impl FromRequestParts<Self> for State {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &Self) -> Result<Self, Infallible> {
        Ok(state.clone())
    }
}
