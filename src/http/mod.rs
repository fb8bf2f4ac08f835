//! The HTTP surface: one file per subject, and the server that carries them.

mod address;
mod admin;
mod admission;
mod encoding;
mod error;
mod forwarded;
mod head;
mod hls;
mod lineup;
mod live;
mod local_program;
mod ops;
mod query;
mod server;
mod status;
mod steering;
pub(crate) mod tls;
mod token;
mod visits;
mod watch;

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::middleware::{map_request, map_response};
use axum::routing::{get, post};
use http::HeaderMap;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::admin::Admins;
use self::admission::{Addresses, Place};
use self::error::Error;
use self::forwarded::client_address;
use self::hls::Sessions;
pub use self::server::{Peer, Server};
use self::server::{Slots, WriteLimit, connections_of, raise_descriptor_limit};
use self::token::Token;
use self::visits::Visits;
use crate::channel::{Channels, Subscription};
use crate::config::{Channel, Config};

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct App {
    /// The channels.
    pub channels: Arc<Channels>,
    /// What an authority that signs certificates is going to ask.
    pub(crate) challenges: tls::Challenges,
    /// The configuration in force.
    config: Arc<RwLock<Arc<Config>>>,
    admins: Admins,
    addresses: Addresses,
    sessions: Sessions,
    visits: Visits,
    status: status::Document,
    /// Open connections.
    slots: Slots,
    /// File descriptors that the process may have.
    descriptors: usize,
}

impl App {
    /// What the handlers share, at the start.
    pub fn new(channels: Arc<Channels>, config: Arc<Config>) -> Self {
        let token = Token::create(&config.hls_dir).inspect_err(
            |error| warn!(%error, "no admin.token in hls.dir: only programs of this user are admins here"),
        );
        Self {
            channels,
            admins: Admins::new(token.ok()),
            challenges: tls::Challenges::default(),
            config: Arc::new(RwLock::new(config)),
            addresses: Addresses::default(),
            sessions: Sessions::default(),
            visits: Visits::default(),
            status: status::Document::default(),
            slots: Slots::default(),
            descriptors: raise_descriptor_limit(),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many connections there may be.
    fn max_connections(&self) -> usize {
        let config = self.config();
        config.server.max_connections.min(connections_of(self.descriptors, config.channels.len()))
    }

    /// Lets one more watch, if the limits allow it.
    fn admit(
        &self,
        channel: &Arc<Channel>,
        peer: Peer,
        headers: &HeaderMap,
    ) -> Result<(Subscription, Option<Place>), Error> {
        let config = self.config();
        let place = match config.server.max_viewers_per_address {
            None => None,
            Some(limit) => {
                let address = client_address(&config.server, peer, headers);
                Some(self.addresses.admit(address, limit).ok_or(Error::AddressLimit { limit })?)
            }
        };
        let subscription = self.channels.subscribe(channel, config.server.max_bandwidth);
        Ok((subscription.map_err(Error::Refused)?, place))
    }

    /// Whether the log tells of one more viewer.
    fn is_visit_told(&self, peer: Peer, headers: &HeaderMap) -> bool {
        self.visits.is_told(client_address(&self.config().server, peer, headers))
    }

    /// Ends the sessions of HLS viewers who have gone, and tells of visits, until `stop`.
    pub(crate) async fn run_sessions(&self, stop: CancellationToken) {
        tokio::join!(self.sessions.run(stop.clone()), self.visits.run(stop));
    }

    /// Puts another configuration in force.
    pub fn set_config(&self, config: Arc<Config>) {
        let old =
            std::mem::replace(&mut *self.config.write().unwrap_or_else(PoisonError::into_inner), config);
        // Not under the lock: it may hold a hundred thousand channels.
        drop(old);
    }
}

/// All routes.
fn router(app: App) -> Router {
    // HEAD has its own handlers on the live routes: a GET's answer without its body would open an upstream.
    let playlist = || get(hls::by_id).head(hls::head_by_id).options(hls::preflight);
    let playlist_by_number =
        get(hls::by_number_or_id).head(hls::head_by_number_or_id).options(hls::preflight);
    let segment = || get(hls::segment).head(hls::head_segment).options(hls::preflight);
    // The layer is around what is here before it, so the answer to other methods is named here too.
    let steering =
        post(steering::steer).fallback(error::method_not_allowed).layer(map_response(error::of_no_page));
    Router::new()
        .route("/stream/{id}", get(live::by_id).head(live::head_by_id))
        .route("/stream/{id}/hls", playlist())
        .route("/stream/{id}/index.m3u8", playlist())
        .route("/stream/{id}/hls/{segment}", segment())
        .route("/api/proxy/channel/{id}/hls", playlist_by_number)
        .route("/api/proxy/channel/{id}/hls/{segment}", segment())
        .route("/api/proxy/channel/{id}", get(live::by_number_or_id).head(live::head_by_number_or_id))
        .route("/api/streams/status", get(status::all))
        .route("/api/streams/{id}/status", get(status::one))
        .route("/api/streams/{id}/source", steering)
        .route("/playlist.m3u", get(lineup::playlist))
        .route("/watch/{id}", get(watch::page))
        .route("/watch/assets/{file}", get(watch::asset))
        .route("/health", get(ops::health))
        .route("/.well-known/acme-challenge/{token}", get(tls::answer_challenge))
        .fallback(error::no_such_route)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(map_request(head::check))
        .layer(map_response(head::forbid_sniffing))
        .with_state(app)
}
