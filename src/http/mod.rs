//! The HTTP surface: one file per subject, and the server that carries them.

mod accounts;
mod acme_challenge;
mod address;
mod admin;
mod admission;
mod auth;
mod channels;
mod encoding;
mod error;
mod events;
mod extract;
mod films;
mod forwarded;
mod head;
mod hls;
mod jobs;
#[cfg(test)]
mod linear_time;
mod lineup;
mod live;
mod local_program;
mod logo;
mod nosniff;
mod ops;
mod pages;
mod peer;
mod playlists;
mod query;
mod refusals;
mod relays;
mod routes;
mod server;
mod shares;
mod sight;
mod source_override;
mod status;
mod streaming;
mod token;
mod visits;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use forebay_relay::channel::{Changes, Channels, Found, Reader, ReaderKind, Refusal, Room, Subscription};
use forebay_relay::model::Channel;
use http::request::Parts;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use self::admin::Admins;
use self::admission::{Addresses, Place};
use self::auth::{Rates, Tries, Watching};
use self::error::ApiError;
use self::extract::Client;
use self::hls::Sessions;
pub use self::peer::Peer;
use self::refusals::{Kind, Refusals};
pub(crate) use self::server::Acceptor;
pub use self::server::Server;
use self::server::{Slots, WriteLimit, connections_of, may_open, raise_descriptor_limit};
use self::shares::{Share, Shares};
use self::sight::Sight;
use self::token::Token;
use self::visits::Visits;
use crate::accounts::{Accounts, Device, Form, Seat};
use crate::catalogue::Catalogue;
use crate::config::{Config, InForce, PerAddress, Quota};
use crate::db::Database;
use crate::films::{Library, Shelf};
use crate::jobs::Queue;
use crate::lineup::{Lineup, PutInForce};
use crate::relays::{InForceChannels, Relays};
use crate::supervisor::Board;

/// So many channels may be open for the sake of one address, where nothing else is said: more than
/// a house, a hotel or an office needs.
const MOST_OPENED: usize = 256;

/// The state that all handlers share.
#[derive(Debug, Clone)]
pub struct State {
    /// Which channels there are.
    pub catalogue: Arc<Catalogue>,
    /// Those that are open.
    pub channels: Arc<Channels>,
    /// What people and imports make.
    pub(crate) database: Database,
    /// The channels among it.
    pub(crate) relays: Relays,
    /// Playlists, and the channels of theirs.
    pub(crate) lineup: Lineup,
    pub(crate) in_force: Arc<InForceChannels>,
    /// Who there is, and what they may do.
    pub(crate) accounts: Accounts,
    /// Which films there are, and those that are open.
    pub(crate) library: Arc<Library>,
    shelf: Shelf,
    /// Work that takes longer than a request.
    pub(crate) jobs: Queue,
    /// What an authority that signs certificates is going to ask.
    pub(crate) challenges: crate::tls::Challenges,
    /// The configuration in force.
    pub(crate) config: InForce,
    /// When the server began.
    started: Instant,
    admins: Admins,
    /// Wrong passwords of late.
    tries: Tries,
    /// Requests of the last minute.
    rates: Rates,
    /// Viewers by address; of them those for whose sake a channel was opened; and of those the ones
    /// that have no picture yet.
    viewers: Addresses,
    openers: Addresses,
    opening: Addresses,
    refusals: Refusals,
    shares: Shares,
    sessions: Sessions,
    visits: Visits,
    status: status::Document,
    logos: logo::Logos,
    /// For pages that show what is on now.
    messages: events::Messages,
    /// Places for open connections.
    slots: Slots,
    /// The tasks of open connections.
    pub(crate) connections: TaskTracker,
    /// How the services of the program are doing.
    pub(crate) services: Board,
    /// File descriptors that the process may have.
    descriptors: usize,
}

/// What a viewer takes up of what its address may have.
#[derive(Debug)]
struct Places {
    _viewer: Place,
    /// If a channel was opened for its sake.
    _opener: Option<Place>,
    /// Until there is a picture.
    opening: Option<Place>,
    /// From when it is sent something.
    share: Option<Share>,
    /// Of those that its user may have, where there is one.
    seat: Option<Arc<Seat>>,
}

impl State {
    /// The state at the start.
    pub fn new(catalogue: Catalogue, database: Database, accounts: Accounts, config: Arc<Config>) -> Self {
        let token = Token::create(&config.hls_dir).inspect_err(
            |error| warn!(%error, "no admin.token in hls.dir: only programs of this user are admins here"),
        );
        accounts.set_adult_groups(&config.auth.adult_groups);
        let config = InForce::new(config);
        let events = catalogue.channels().events().clone();
        let bus = events.clone();
        let catalogue = Arc::new(catalogue);
        let in_force =
            Arc::new(InForceChannels::new(Arc::clone(&catalogue), database.clone(), config.clone()));
        let into = Arc::clone(&in_force);
        let put_in_force: PutInForce = Arc::new(move |_, changed| into.lineup_changed(changed));
        Self {
            channels: Arc::clone(catalogue.channels()),
            catalogue,
            relays: Relays::new(database.clone(), Arc::clone(&in_force)),
            lineup: Lineup::new(
                database.clone(),
                config.clone(),
                put_in_force,
                events,
                &config.get().data.path,
            ),
            in_force,
            library: Arc::new(Library::new(database.clone())),
            shelf: Shelf::default(),
            jobs: Queue::new(database.clone(), bus, Vec::new()),
            database,
            accounts,
            admins: Admins::new(token.ok()),
            tries: Tries::default(),
            rates: Rates::default(),
            challenges: crate::tls::Challenges::default(),
            config,
            started: Instant::now(),
            viewers: Addresses::default(),
            openers: Addresses::default(),
            opening: Addresses::default(),
            refusals: Refusals::default(),
            shares: Shares::default(),
            sessions: Sessions::default(),
            visits: Visits::default(),
            status: status::Document::default(),
            logos: logo::Logos::default(),
            messages: events::Messages::default(),
            slots: Slots::default(),
            connections: TaskTracker::new(),
            services: Board::default(),
            descriptors: raise_descriptor_limit(),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.get()
    }

    /// How many connections there may be.
    fn max_connections(&self) -> usize {
        let channels = self.catalogue.list().len();
        self.config().server.max_connections.min(connections_of(self.descriptors, channels))
    }

    /// Lets one more watch who is sent something at once, if the limits allow it.
    fn admit(&self, found: &Found, address: IpAddr) -> Result<(Subscription, Places), ApiError> {
        let config = self.config();
        let mut places = self.places(&config.server.per_address, &found.channel, address)?;
        let max_bandwidth = config.server.max_bandwidth;
        let admit = |served: &_| self.channels.subscribe(found, &Room { max_bandwidth, served });
        let (subscription, share) = self.shares.take(address, &found.channel.id, admit)?;
        places.share = Some(share);
        Ok((subscription, places))
    }

    /// Lets one more ask for playlists, if there is room for the segments, too.
    fn admit_idle(&self, found: &Found, address: IpAddr) -> Result<(Reader, Places), ApiError> {
        let config = self.config();
        let places = self.places(&config.server.per_address, &found.channel, address)?;
        let max_bandwidth = config.server.max_bandwidth;
        let admit =
            |served: &_| self.channels.reader(found, ReaderKind::Hls, &Room { max_bandwidth, served });
        let reader = self.shares.look(address, admit)?;
        Ok((reader, places))
    }

    /// Lets one who has asked for playlists be sent segments.
    fn serve(&self, channel: &Channel, address: IpAddr) -> Result<Share, ApiError> {
        let max_bandwidth = self.config().server.max_bandwidth;
        let admit = |served: &_| self.channels.check_room(channel, &Room { max_bandwidth, served });
        let ((), share) = self.shares.take(address, &channel.id, admit)?;
        Ok(share)
    }

    /// What one more viewer of an address takes up whatever it is sent.
    ///
    /// A viewer of a channel that is open anyway costs little, so a crowd behind one address is let
    /// in. An open channel costs much, so of those one address may have no more than a large house
    /// needs, unless the operator said how many viewers it may have.
    fn places(&self, limits: &PerAddress, channel: &Channel, address: IpAddr) -> Result<Places, ApiError> {
        let place = |kind: Kind, of: &Addresses, limit: Option<usize>| {
            of.admit(address, limit).map_err(|limit| self.refuse(kind, limit))
        };
        let viewer = place(Kind::Viewers, &self.viewers, limits.viewers.of(self.max_connections()))?;
        if self.channels.is_open(&channel.id) {
            return Ok(Places { _viewer: viewer, _opener: None, opening: None, share: None, seat: None });
        }
        if !may_open(self.descriptors, self.slots.taken(), self.channels.load().channels) {
            return Err(Refusal::NoStore.into());
        }
        let most_open = (limits.viewers == Quota::Share).then_some(MOST_OPENED);
        let opener = Some(place(Kind::Opened, &self.openers, most_open)?);
        let opening = Some(place(Kind::Opening, &self.opening, limits.opening)?);
        Ok(Places { _viewer: viewer, _opener: opener, opening, share: None, seat: None })
    }

    fn refuse(&self, kind: Kind, limit: usize) -> ApiError {
        self.refusals.note(kind, limit);
        ApiError::address_limit(kind, limit)
    }

    /// Takes one guess at a password of this address, if it has one left.
    fn take_try(&self, address: IpAddr, now: Instant) -> Result<(), ApiError> {
        self.tries.take(address, now).map_err(ApiError::too_many_tries)
    }

    /// A seat for one more stream of whoever is known, before it joins the channel.
    async fn seat(
        &self,
        client: &Client,
        channel: &Arc<Channel>,
        form: Form,
    ) -> Result<Option<Arc<Seat>>, ApiError> {
        let device = Device { address: admission::household(client.address), agent: client.agent.clone() };
        Ok(self.accounts.viewing().seat(&client.watching.watcher, channel, device, form).await?)
    }

    /// What of lists somebody may see: the channels that he or she may watch.
    fn sight(&self, watching: &Watching) -> Sight {
        Sight::new(watching.watcher.clone(), self.accounts.adult_groups())
    }

    /// Whether the log tells of one more viewer.
    fn is_visit_told(&self, address: IpAddr) -> bool {
        self.visits.is_told(address)
    }

    /// Ends the sessions of HLS viewers who have gone, and tells of visits, until `stop`.
    pub(crate) async fn run_sessions(&self, stop: CancellationToken) {
        tokio::join!(self.sessions.run(stop.clone()), self.visits.run(stop));
    }

    /// Puts another configuration in force, with its channels and all relays. Waits for the disk.
    pub fn configure(&self, config: Arc<Config>) -> Changes {
        self.accounts.set_adult_groups(&config.auth.adult_groups);
        self.in_force.configure(config)
    }
}

/// Handlers take the state as it is, without a wrapper.
impl FromRequestParts<Self> for State {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &Self) -> Result<Self, Infallible> {
        Ok(state.clone())
    }
}
