//! Who watches by HLS. A player makes many requests; what they have in common is a session.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use forebay_core::playlist::opening::Player;
use forebay_relay::channel::{ListedChannel, Playlist, PlaylistKind, Session};
use forebay_relay::model::{Channel, ChannelId};
use tokio_util::sync::CancellationToken;
use tracing::{Span, info, info_span};

use crate::accounts::{Owner, Seat};
use crate::http::error::ApiError;
use crate::http::extract::Client;
use crate::http::presence::{How, Stay};
use crate::http::shares::Share;
use crate::http::tally::{Tally, Way};
use crate::http::visits::cut;
use crate::http::{Places, State};

/// A session is over after so many target durations without a request.
const MAX_SILENCE: u32 = 3;

/// The target duration of a channel that has no playlist yet.
const USUAL_TARGET: Duration = Duration::from_secs(6);

/// The most sessions at a time: who changes names with each request gets no further than this. As
/// many as connections, by default.
const MAX_SESSIONS: usize = 65_536;

/// What the requests of one player have in common: the channel, and a token, else an address and a
/// `User-Agent`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    channel: ChannelId,
    who: Who,
    /// The user or the key, where there is one: two of them may be behind one address.
    owner: Option<Owner>,
    list: PlaylistKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Token(Token),
    Client { address: IpAddr, agent: Arc<str> },
}

/// What a viewer is known by, and nobody else is to know: it is not printed.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Token(Box<str>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Key {
    pub(super) fn new(channel: &Channel, token: Option<&str>, list: PlaylistKind, client: &Client) -> Self {
        let who = match token.filter(|token| !token.is_empty()) {
            // Cut, since it comes from the address and is kept for each session.
            Some(token) => Who::Token(Token(cut(token).into())),
            None => Who::Client { address: client.address, agent: client.agent.clone() },
        };
        let owner = client.watching.watcher.owner();
        Self { channel: channel.id.clone(), who, owner, list }
    }

    /// Which player it is. One with a token is not led to another list, whose address has none.
    fn player(&self, client: &Client) -> Player {
        match (Player::of(&client.agent), &self.who) {
            (Player::Native, Who::Token(_)) => Player::Strict,
            (player, _) => player,
        }
    }
}

/// The sessions of all channels.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Sessions {
    all: Arc<Mutex<HashMap<Key, Arc<Watched>>>>,
    idle: Arc<Mutex<Idle>>,
}

/// Sessions with a token that have fetched no segment, by channel and address.
type Idle = HashMap<(ChannelId, IpAddr), Vec<Weak<Watched>>>;

/// A session, and whose it is.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) session: Session,
    key: Key,
    /// The other end of the connection with which it began.
    peer: SocketAddr,
    since: Instant,
    /// When it is over, if no request comes until then.
    until: Mutex<Instant>,
    /// Whether the log tells of it.
    is_told: bool,
    places: Mutex<Places>,
    stay: Stay,
    tally: Tally,
}

impl Sessions {
    /// The session of `key`, a new one if there is none.
    pub(super) fn watch(
        &self,
        state: &State,
        found: &ListedChannel,
        key: Key,
        client: &Client,
        seat: Option<Arc<Seat>>,
    ) -> Result<Arc<Watched>, ApiError> {
        let mut sessions = self.sessions();
        if let Some(watched) = sessions.get(&key) {
            // A channel that was closed meanwhile is opened anew, as for somebody who comes.
            if !watched.session.is_over() && !watched.is_ended() {
                watched.touch();
                return Ok(Arc::clone(watched));
            }
            sessions.remove(&key);
        }
        // Behind the look: those who are here go on, however many there are.
        if sessions.len() >= MAX_SESSIONS {
            return Err(ApiError::session_limit(MAX_SESSIONS));
        }
        let (reader, places) = state.admit_idle(found, client)?;
        let stay = state.audience.presence.enter(client, found.channel.id.shared(), How::Hls, seat);
        let watched = Arc::new(Watched {
            session: Session::new(reader, key.player(client), key.list),
            key: key.clone(),
            peer: client.peer.address,
            is_told: state.is_visit_told(client.address),
            since: Instant::now(),
            until: Mutex::new(Instant::now() + USUAL_TARGET * MAX_SILENCE),
            places: Mutex::new(places),
            stay,
            tally: state.tally.clone(),
        });
        if matches!(key.who, Who::Token(_)) {
            let mut idle = self.idle();
            // Segments do not name a token, so a session
            // with one is found by its channel and address.
            idle.entry((found.channel.id.clone(), client.address))
                .or_default()
                .push(Arc::downgrade(&watched));
        }
        sessions.insert(key, Arc::clone(&watched));
        Ok(watched)
    }

    /// How many there are.
    pub(in crate::http) fn count(&self) -> usize {
        self.sessions().len()
    }

    /// The session of `key`, if there is one, which goes on.
    pub(super) fn touch(&self, key: &Key) -> Option<Arc<Watched>> {
        let watched = self.sessions().get(key).cloned()?;
        watched.touch();
        Some(watched)
    }

    /// Somebody at `address` fetches a segment of `channel`: the session of `key`, or one with a
    /// token, which segments do not name. Each segment speaks for one session that has fetched none
    /// before, which then counts for the limits; where it does not fit in, it ends.
    pub(super) fn serve(
        &self,
        state: &State,
        channel: &Channel,
        key: &Key,
        address: IpAddr,
    ) -> Result<Option<Arc<Watched>>, ApiError> {
        let known = self.touch(key);
        let idle = match &known {
            Some(watched) if watched.session.is_served() => return Ok(known),
            Some(watched) => Some(Arc::clone(watched)),
            None => self.take_idle(&channel.id, address),
        };
        if let Some(watched) = idle {
            match state.serve(channel, address) {
                Ok(share) => watched.note_fetch(share),
                Err(error) => {
                    self.forget(&watched);
                    return Err(error);
                }
            }
        }
        Ok(known)
    }

    /// A session with a token from `address` on `channel` that has fetched nothing yet.
    fn take_idle(&self, channel: &ChannelId, address: IpAddr) -> Option<Arc<Watched>> {
        let mut idle = self.idle();
        let waiting = idle.get_mut(&(channel.clone(), address))?;
        // The newest first: a player asks for segments right behind its playlist.
        let found = std::iter::from_fn(|| waiting.pop())
            .filter_map(|watched| watched.upgrade())
            .find(|watched| !watched.session.is_served());
        if waiting.is_empty() {
            idle.remove(&(channel.clone(), address));
        }
        found
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a session for which there is no playlist.
    pub(super) fn forget(&self, watched: &Arc<Watched>) {
        let mut sessions = self.sessions();
        // Another session may have taken its place under the same key.
        if sessions.get(&watched.key).is_some_and(|current| Arc::ptr_eq(current, watched)) {
            sessions.remove(&watched.key);
        }
    }

    /// Ends sessions whose time has come, until `stop`.
    pub(in crate::http) async fn run(&self, state: &State, stop: CancellationToken) {
        let (presence, viewing) = (&state.audience.presence, state.accounts.viewing());
        presence.watch_ends(viewing, &stop, || self.end_those_over()).await;
        self.sessions().clear();
    }

    fn end_those_over(&self) {
        let now = Instant::now();
        // Who waits for a playlist, or is being sent a segment, is there. Of a channel that is
        // over, nothing is kept for nobody.
        let is_there = |watched: &Arc<Watched>| {
            let is_live = *watched.until() > now && !watched.session.is_over();
            !watched.is_ended() && (Arc::strong_count(watched) > 1 || is_live)
        };
        let gone: Vec<_> = self.sessions().extract_if(|_, watched| !is_there(watched)).collect();
        // Outside the lock: their seats and places take other locks when they go.
        drop(gone);
        self.idle().retain(|_, waiting| {
            waiting.retain(|watched| watched.strong_count() > 0);
            !waiting.is_empty()
        });
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Key, Arc<Watched>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Whether the viewer may not go on.
    pub(super) fn is_ended(&self) -> bool {
        self.stay.is_ended()
    }

    /// Completes when the viewer may not go on.
    pub(super) async fn ended(&self) {
        self.stay.ended().await;
    }

    pub(super) fn touch(&self) {
        let target = self.session.target_duration().unwrap_or(USUAL_TARGET);
        *self.until() = Instant::now() + target * MAX_SILENCE;
    }

    fn until(&self) -> MutexGuard<'_, Instant> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channel has been opened, or not.
    pub(super) fn opened(&self) {
        if let Some(opener) = &mut self.places().opener {
            opener.opening = None;
        }
    }

    fn note_fetch(&self, share: Share) {
        self.tally.note_first_key_frame(Way::Hls, self.since.elapsed());
        self.places().share = Some(share);
        self.session.note_fetch();
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session has got a playlist.
    pub(super) fn note_sent(&self, playlist: &Playlist) {
        if self.session.note_sent(playlist) {
            let after = self.since.elapsed();
            self.tally.note_first_byte(Way::Hls, after);
            if self.is_told {
                self.span().in_scope(|| info!(after_ms = after.as_millis(), "viewer joined"));
            }
        }
        self.touch();
    }

    fn span(&self) -> Span {
        info_span!(
            "session",
            channel = %self.key.channel,
            peer = %self.peer,
            agent = self.stay.agent(),
            kind = "hls"
        )
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.session.has_begun() && self.is_told {
            let (seconds, bytes) = (self.since.elapsed().as_secs(), self.session.sent());
            self.span().in_scope(|| info!(seconds, bytes, "viewer left"));
        }
    }
}
