//! The HTTP surface: one file per subject, and the server that carries them.

mod admission;
mod error;
mod forwarded;
mod lineup;
mod live;
mod ops;
mod server;
mod status;
pub(crate) mod tls;

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::routing::get;

use self::admission::Addresses;
pub use self::server::{Peer, Server};
use self::server::{Slots, WriteLimit, connections_of, raise_descriptor_limit};
use crate::channel::Channels;
use crate::config::Config;

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct App {
    /// The channels.
    pub channels: Arc<Channels>,
    /// What an authority that signs certificates is going to ask.
    pub(crate) challenges: tls::Challenges,
    /// The configuration in force.
    config: Arc<RwLock<Arc<Config>>>,
    addresses: Addresses,
    status: status::Document,
    /// Open connections.
    slots: Slots,
    /// File descriptors that the process may have.
    descriptors: usize,
}

impl App {
    /// What the handlers share, at the start.
    pub fn new(channels: Arc<Channels>, config: Arc<Config>) -> Self {
        Self {
            channels,
            challenges: tls::Challenges::default(),
            config: Arc::new(RwLock::new(config)),
            addresses: Addresses::default(),
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

    /// Puts another configuration in force.
    pub fn set_config(&self, config: Arc<Config>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

/// All routes.
fn router(app: App) -> Router {
    // HEAD has its own handlers on the live routes: a GET's answer without its body would open an upstream.
    Router::new()
        .route("/stream/{id}", get(live::by_id).head(live::head_by_id))
        .route("/api/proxy/channel/{id}", get(live::by_number_or_id).head(live::head_by_number_or_id))
        .route("/api/streams/status", get(status::all))
        .route("/api/streams/{id}/status", get(status::one))
        .route("/playlist.m3u", get(lineup::playlist))
        .route("/health", get(ops::health))
        .route("/.well-known/acme-challenge/{token}", get(tls::answer_challenge))
        .fallback(error::no_such_route)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(app)
}
