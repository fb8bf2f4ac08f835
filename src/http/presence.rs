//! Who watches now, one by one: for operators, who see it and may end it.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Shutdown};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, OptionFuture};
use jiff::Timestamp;
use serde::Serialize;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::admission::household;
use super::extract::Client;
use crate::accounts::{Seat, Viewing, Watcher};

/// For how long a player whose stream was ended is not let in again: players come back by
/// themselves, and give up within that.
const AWAY: Duration = Duration::from_mins(1);

/// Players that are kept away at a time. Of more, those that were sent away first come back.
const MAX_AWAY: usize = 1024;

/// How often those who have gone are looked for where nobody's end is told.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The least time from one look to the next: each goes through all viewers, and ends may come in
/// crowds.
const MIN_LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How somebody is sent what he or she watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum How {
    /// A channel as MPEG-TS.
    Ts,
    /// A channel by HLS.
    Hls,
    /// A film.
    Film,
    /// What a channel has kept of its past.
    Catchup,
}

/// The viewers. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Presence(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    present: Mutex<Present>,
    /// Told when an operator has ended a viewer.
    ended: Notify,
    away: Mutex<HashMap<Player, Instant>>,
}

#[derive(Debug, Default)]
struct Present {
    /// The number of the viewer who came last.
    last: u64,
    /// How long all have watched together who have gone.
    watched: Duration,
    viewers: BTreeMap<u64, Arc<Known>>,
}

/// One who watches. There is one record for each viewer, and whoever serves it holds the same.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) player: Player,
    pub(super) how: How,
    /// The name of the user, where it is known.
    pub(super) user: Option<Box<str>>,
    pub(super) address: IpAddr,
    pub(super) since: Timestamp,
    is_ended: AtomicBool,
    /// The seat of its user, which ends too when the user may not go on.
    seat: Option<Arc<Seat>>,
    /// Its socket, where it has one for itself.
    socket: OnceLock<Weak<TcpStream>>,
}

/// A player and what it plays, as far as one can tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Player {
    /// The id of the channel or the film.
    pub(super) title: Arc<str>,
    pub(super) agent: Arc<str>,
    household: IpAddr,
}

/// The time of one viewer. Dropping it says that it has gone.
#[derive(Debug)]
pub(super) struct Stay {
    shared: Arc<Shared>,
    number: u64,
    known: Arc<Known>,
}

impl Player {
    fn new(client: &Client, title: Arc<str>) -> Self {
        Self { title, agent: Arc::clone(&client.agent), household: household(client.address) }
    }
}

impl Presence {
    /// `client` begins to watch the channel or the film `title`, on a seat of its user, where it
    /// has one.
    pub(super) fn enter(&self, client: &Client, title: Arc<str>, how: How, seat: Option<Arc<Seat>>) -> Stay {
        let user = match &client.watching.watcher {
            Watcher::User(user, _) => Some(user.spec.name.as_str().into()),
            Watcher::Anybody | Watcher::Key(_) | Watcher::Token(_) | Watcher::Link(_) => None,
        };
        let known = Arc::new(Known {
            player: Player::new(client, title),
            how,
            user,
            address: client.address,
            since: Timestamp::now(),
            is_ended: AtomicBool::new(false),
            seat,
            socket: OnceLock::new(),
        });
        let mut present = self.0.present();
        present.last += 1;
        let number = present.last;
        present.viewers.insert(number, Arc::clone(&known));
        Stay { shared: Arc::clone(&self.0), number, known }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.present().viewers.len()
    }

    /// How many have come since the start.
    pub(super) fn total(&self) -> u64 {
        self.0.present().last
    }

    /// How long those have watched who have gone, on average.
    pub(super) fn average_duration(&self) -> Duration {
        let present = self.0.present();
        let gone = present.last - present.viewers.len() as u64;
        present.watched / u32::try_from(gone.max(1)).unwrap_or(u32::MAX)
    }

    /// Up to `limit` viewers behind number `after`, of one channel or film where that is said.
    pub(super) fn list(&self, title: Option<&str>, after: u64, limit: usize) -> Vec<(u64, Arc<Known>)> {
        let present = self.0.present();
        let all = present.viewers.range(after.saturating_add(1)..);
        let wanted = all.filter(|(_, known)| title.is_none_or(|title| *known.player.title == *title));
        wanted.take(limit).map(|(&number, known)| (number, Arc::clone(known))).collect()
    }

    /// Ends what a viewer watches, and keeps its player away from it for a while; `None` if there
    /// is no such viewer.
    pub(super) fn end(&self, number: u64) -> Option<Arc<Known>> {
        let known = self.0.present().viewers.get(&number).cloned()?;
        let now = Instant::now();
        let mut away = self.0.away();
        // Before anything ends: a player that comes back at once must find itself here.
        away.retain(|_, since| now.duration_since(*since) < AWAY);
        if away.len() >= MAX_AWAY {
            let first = away.iter().min_by_key(|(_, since)| **since).map(|(player, _)| player.clone());
            first.map(|player| away.remove(&player));
        }
        away.insert(known.player.clone(), now);
        // Ending wakes others, who may ask whether they are kept away.
        drop(away);
        known.end();
        self.0.ended.notify_waiters();
        Some(known)
    }

    /// Calls `look` when somebody may not go on, and each half second, until `stop`.
    pub(super) async fn watch_ends(
        &self,
        viewing: &Viewing,
        stop: &CancellationToken,
        mut look: impl FnMut(),
    ) {
        loop {
            // Made before the look: an end between the two is then not missed.
            let (by_operator, by_rights) = (self.0.ended.notified(), viewing.any_ended());
            look();
            let next = async {
                tokio::time::sleep(MIN_LOOK_INTERVAL).await;
                tokio::select! {
                    () = by_operator => {}
                    () = by_rights => {}
                }
            };
            let next = tokio::time::timeout(LOOK_INTERVAL, next);
            if stop.run_until_cancelled(next).await.is_none() {
                return;
            }
        }
    }

    /// How long this player is still kept away from what it wants to play.
    pub(super) fn away(&self, client: &Client, title: &str) -> Option<Duration> {
        let away = self.0.away();
        // Nearly always.
        if away.is_empty() {
            return None;
        }
        let since = away.get(&Player::new(client, title.into()))?;
        AWAY.checked_sub(since.elapsed()).filter(|rest| !rest.is_zero())
    }
}

impl Shared {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn away(&self) -> MutexGuard<'_, HashMap<Player, Instant>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn end(&self) {
        self.is_ended.store(true, Ordering::Release);
        // `Stay::has_socket` stores the socket, and then reads whether it is ended; this stores that it
        // is, and then reads the socket. With a fence between on both sides, at least one of the two
        // sees what the other has stored, and shuts the socket.
        fence(Ordering::SeqCst);
        if let Some(seat) = &self.seat {
            seat.ended().cancel();
        }
        if let Some(stream) = self.socket.get().and_then(Weak::upgrade) {
            // Whoever sends to it learns that there is nobody any more. It may be closed already.
            let _ = SockRef::from(&*stream).shutdown(Shutdown::Read);
        }
    }

    /// Whether it may not go on.
    fn is_ended(&self) -> bool {
        let is_seat_ended = || self.seat.as_ref().is_some_and(|seat| seat.is_ended());
        self.is_ended.load(Ordering::Acquire) || is_seat_ended()
    }
}

impl Stay {
    /// How the viewer is sent what it watches.
    pub(super) fn how(&self) -> How {
        self.known.how
    }

    /// What the player says it is.
    pub(super) fn agent(&self) -> &str {
        &self.known.player.agent
    }

    /// The viewer has this socket for itself: it is shut when an operator ends the viewer. Whoever
    /// sends to it need wait for [`Self::seat_ended`] alone, which costs nothing for most.
    pub(super) fn has_socket(&self, stream: &Arc<TcpStream>) {
        self.known.socket.get_or_init(|| Arc::downgrade(stream));
        // See `Known::end`.
        fence(Ordering::SeqCst);
        if self.known.is_ended() {
            // It was ended in between.
            self.known.end();
        }
    }

    /// Completes when the user may not go on; none where nobody is known.
    pub(super) fn seat_ended(&self) -> OptionFuture<BoxFuture<'static, ()>> {
        self.known.seat.as_ref().map(|seat| seat.ended().cancelled_owned().boxed()).into()
    }

    /// Whether the viewer may not go on.
    pub(super) fn is_ended(&self) -> bool {
        self.known.is_ended()
    }

    /// Completes when the viewer may not go on.
    pub(super) fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let (shared, known, mut seat_ended) =
            (Arc::clone(&self.shared), Arc::clone(&self.known), self.seat_ended());
        async move {
            loop {
                // Made before the look: an end between the two is then not missed.
                let told = shared.ended.notified();
                if known.is_ended() {
                    return;
                }
                tokio::select! {
                    () = told => {}
                    Some(()) = &mut seat_ended => return,
                }
            }
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let watched = Timestamp::now().duration_since(self.known.since);
        let mut present = self.shared.present();
        present.watched += Duration::try_from(watched).unwrap_or_default();
        // Its time counts only now, so that the average is one of whole visits.
        present.viewers.remove(&self.number);
    }
}
