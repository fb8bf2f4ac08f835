//! Who watches what is there as files: films, and what channels have kept. A player makes many
//! requests; what they have in common is a viewer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forebay_relay::channel::Refusal;
use tokio_util::sync::CancellationToken;

use crate::accounts::{Form, Owner, Title};
use crate::films::Video;
use crate::http::State;
use crate::http::admission::{Place, household};
use crate::http::error::ApiError;
use crate::http::extract::Client;
use crate::http::presence::{How, Stay};
use crate::http::turns::Turns;

/// A viewer is gone after so long without a request. Players that have fetched half a minute ahead
/// come back before that.
const SILENCE: Duration = Duration::from_secs(30);

/// The most viewers at a time: as many as connections, by default.
const MAX_VIEWERS: usize = 65_536;

/// What the requests of one player have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    /// The id of the film or the channel.
    title: Arc<str>,
    address: IpAddr,
    agent: Arc<str>,
    owner: Option<Owner>,
}

/// All of these viewers. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Viewers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    all: Mutex<HashMap<Key, Arc<FilmViewer>>>,
    /// Bits a second that all of them need.
    rate: AtomicU64,
    /// The server ends: nobody is sent what does not end by itself.
    closing: CancellationToken,
}

/// Somebody who watches a film, or what a channel has kept. Dropping it frees what it takes up.
#[derive(Debug)]
pub(in crate::http) struct FilmViewer {
    shared: Arc<Shared>,
    /// Bits a second.
    rate: u64,
    household: IpAddr,
    until: Mutex<Instant>,
    /// One of them at a time has a connection to an archive of a provider.
    pub(in crate::http) turns: Turns,
    _place: Place,
    stay: Stay,
}

impl Viewers {
    /// How many watch like this.
    pub(in crate::http) fn count(&self, how: How) -> usize {
        self.0.all().values().filter(|viewer| viewer.stay.how() == how).count()
    }

    /// Bits a second that all of them need.
    pub(in crate::http) fn rate(&self) -> u64 {
        self.0.rate.load(Ordering::Relaxed)
    }

    /// Lets `client` watch a film, or go on, if it may and if the limits allow it.
    pub(super) async fn admit(
        &self,
        state: &State,
        client: &Client,
        video: &Video,
    ) -> Result<Arc<FilmViewer>, ApiError> {
        if !state.sight(&client.watching).sees_film(video) {
            return Err(ApiError::not_allowed(&video.id.to_string()));
        }
        let title = Title::new(&video.id.to_string(), video.groups.iter().map(String::as_str));
        self.admit_to(state, client, &title, (How::Film, video.rate())).await
    }

    /// The same with something that whoever asks may watch, and that needs so many bits a second.
    pub(in crate::http) async fn admit_to(
        &self,
        state: &State,
        client: &Client,
        title: &Title,
        (how, rate): (How, u64),
    ) -> Result<Arc<FilmViewer>, ApiError> {
        let key = Key::new(client, title.id());
        if let Some(viewer) = self.0.going_on(&key) {
            return Ok(viewer);
        }
        // Waited for without the lock: it may take two seconds until another stream has ended.
        let seat = state.seat(client, title, Form::Hls).await?;
        let place = state.admit_film(client.address)?;
        // The channels are asked before the lock is taken.
        let outgoing = state.outgoing();
        let mut all = self.0.all();
        // Looked at again: another request of this player may have
        // come first, and what was taken for this one goes back.
        if let Some(viewer) = all.get(&key).filter(|viewer| !viewer.is_ended()) {
            return Ok(Arc::clone(viewer));
        }
        if all.len() >= MAX_VIEWERS {
            return Err(ApiError::session_limit(MAX_VIEWERS));
        }
        let household = household(client.address);
        if let Some(limit) = state.config().server.max_bandwidth {
            let own = all.values().filter(|viewer| viewer.household == household);
            let own: u64 = own.map(|viewer| viewer.rate).sum();
            // A film that alone needs more than there is may be watched when nobody else is.
            if outgoing + self.rate() + rate.min(limit) > limit {
                return Err(Refusal::NoBandwidth { limit }.into());
            }
            // The first one of an address may need more than its share.
            if own > 0 && own + rate > limit - limit / 4 {
                return Err(Refusal::AddressShare.into());
            }
        }
        self.0.rate.fetch_add(rate, Ordering::Relaxed);
        let until = Mutex::new(Instant::now() + SILENCE);
        let shared = Arc::clone(&self.0);
        let stay = state.audience.presence.enter(client, title.id().into(), how, seat);
        let viewer = Arc::new(FilmViewer {
            shared,
            rate,
            household,
            until,
            turns: Turns::default(),
            _place: place,
            stay,
        });
        all.insert(key, Arc::clone(&viewer));
        Ok(viewer)
    }

    /// Lets viewers go whose time has come, until `stop`.
    pub(in crate::http) async fn run(&self, state: &State, stop: CancellationToken) {
        let (presence, viewing) = (&state.audience.presence, state.accounts.viewing());
        presence.watch_ends(viewing, &stop, || self.let_go()).await;
        self.0.closing.cancel();
        self.0.all().clear();
    }

    fn let_go(&self) {
        let now = Instant::now();
        // One who is being sent something is there.
        let is_there = |viewer: &Arc<FilmViewer>| {
            !viewer.is_ended() && (Arc::strong_count(viewer) > 1 || *viewer.until() > now)
        };
        let gone: Vec<_> = self.0.all().extract_if(|_, viewer| !is_there(viewer)).collect();
        // Outside the lock: their seats and places take other locks when they go.
        drop(gone);
    }
}

impl Key {
    fn new(client: &Client, title: &str) -> Self {
        let owner = client.watching.watcher.owner();
        Self { title: title.into(), address: client.address, agent: client.agent.clone(), owner }
    }
}

impl Shared {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, Arc<FilmViewer>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn going_on(&self, key: &Key) -> Option<Arc<FilmViewer>> {
        let viewer = self.all().get(key).filter(|viewer| !viewer.is_ended()).cloned()?;
        viewer.touch();
        Some(viewer)
    }
}

impl FilmViewer {
    /// Whether the viewer may not go on.
    pub(in crate::http) fn is_ended(&self) -> bool {
        self.stay.is_ended()
    }

    /// Completes when the viewer may not go on.
    pub(in crate::http) async fn ended(&self) {
        self.stay.ended().await;
    }

    /// Completes when the server ends.
    pub(in crate::http) async fn closed(&self) {
        self.shared.closing.cancelled().await;
    }

    /// Something of it was asked for, or sent to the end.
    pub(in crate::http) fn touch(&self) {
        *self.until() = Instant::now() + SILENCE;
    }

    /// Nothing is sent to it: it goes, unless another request of its player is answered.
    pub(in crate::http) fn leave(&self) {
        *self.until() = Instant::now();
    }

    fn until(&self) -> MutexGuard<'_, Instant> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FilmViewer {
    fn drop(&mut self) {
        self.shared.rate.fetch_sub(self.rate, Ordering::Relaxed);
    }
}
