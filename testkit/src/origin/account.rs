//! A provider's account, which allows only so many connections at once.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::behaviour::Behaviour;
use super::lock;

/// How long an HLS session lasts after its last request, if nothing else is said: longer than between two polls of
/// playlists with segments of a second.
const HLS_IDLE: Duration = Duration::from_millis(2500);

/// How often who waits looks: sessions end by time, which is no event.
const LOOK: Duration = Duration::from_millis(5);

/// An account with a limit of connections, over any number of paths and broadcasts of any origins. Clones are the same
/// account.
///
/// - A stream ([`Behaviour::account`]) uses one connection from its request until its socket is closed, by whichever
///   side. What the client has already closed never counts, even if the origin had no time yet to notice.
/// - A broadcast ([`Hls::account`](super::Hls::account)) uses one connection from its first request until there was no
///   request for a while, whatever sockets come and go, and whoever asks: one session.
#[derive(Debug, Clone)]
pub struct Account(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limit: usize,
    beyond: Beyond,
    frees_after: Duration,
    hls_idle: Duration,
    /// What uses a connection, oldest first.
    uses: BTreeMap<u64, Use>,
    /// Until when connections count that are closed.
    fading: Vec<Instant>,
    counts: Counts,
}

#[derive(Debug)]
enum Beyond {
    Answer(Box<Behaviour>),
    KickOldest,
}

#[derive(Debug)]
enum Use {
    /// A second handle of the socket, to ask whether the client is still there; what tells its task to close it.
    Stream(Socket, Arc<Notify>),
    /// The broadcast's number, and its last request.
    Session(usize, Instant),
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    opened: usize,
    most: usize,
    violations: usize,
    refused: usize,
    kicked: usize,
}

/// A connection of an account; dropped, it is free.
#[derive(Debug)]
pub(super) struct Lease {
    account: Account,
    id: u64,
    kick: Arc<Notify>,
}

impl Account {
    /// At most so many connections. Who comes beyond gets a 403.
    pub fn new(limit: usize) -> Self {
        let full = Behaviour::status(403, "text/plain", "too many connections\n");
        Self(Arc::new(Mutex::new(State {
            limit,
            beyond: Beyond::Answer(Box::new(full)),
            frees_after: Duration::ZERO,
            hls_idle: HLS_IDLE,
            uses: BTreeMap::new(),
            fading: Vec::new(),
            counts: Counts::default(),
        })))
    }

    /// Who comes beyond the limit gets this: another status, a clip, a redirect to a notice.
    #[must_use]
    pub fn answers_beyond(self, behaviour: Behaviour) -> Self {
        self.with(|state| state.beyond = Beyond::Answer(Box::new(behaviour)))
    }

    /// Who comes beyond the limit is let in, and the oldest connection is reset.
    #[must_use]
    pub fn kicks_oldest(self) -> Self {
        self.with(|state| state.beyond = Beyond::KickOldest)
    }

    /// A closed connection goes on to count for so long, as with a panel that notices late.
    #[must_use]
    pub fn frees_after(self, span: Duration) -> Self {
        self.with(|state| state.frees_after = span)
    }

    /// How long an HLS session lasts after its last request; 2.5 s otherwise.
    #[must_use]
    pub fn hls_idle(self, span: Duration) -> Self {
        self.with(|state| state.hls_idle = span)
    }

    fn with(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut lock(&self.0));
        self
    }

    /// Connections in use now.
    pub fn open(&self) -> usize {
        let mut state = lock(&self.0);
        state.sweep();
        state.uses.len()
    }

    /// Connections ever let in.
    pub fn opened(&self) -> usize {
        lock(&self.0).counts.opened
    }

    /// The most connections that there were at once, those that were then refused or had another kicked included.
    pub fn most(&self) -> usize {
        lock(&self.0).counts.most
    }

    /// How often somebody came while as many connections as are allowed were in use.
    pub fn violations(&self) -> usize {
        lock(&self.0).counts.violations
    }

    /// How often somebody was turned away, be it only because a closed connection still counted.
    pub fn refused(&self) -> usize {
        lock(&self.0).counts.refused
    }

    /// How many connections were reset because somebody else came.
    pub fn kicked(&self) -> usize {
        lock(&self.0).counts.kicked
    }

    /// Waits until exactly so many connections are in use.
    ///
    /// # Panics
    /// After `limit`, with how many are.
    pub async fn wait_open(&self, count: usize, limit: Duration) {
        let wait = async {
            while self.open() != count {
                sleep(LOOK).await;
            }
        };
        let in_time = timeout(limit, wait).await.is_ok();
        assert!(in_time, "waited {limit:?} for {count} connections of an account; {} are open", self.open());
    }

    /// Lets a stream in, or says what it gets instead.
    pub(super) fn admit(&self, stream: &TcpStream) -> Result<Lease, Box<Behaviour>> {
        let kick = Arc::new(Notify::new());
        let id = {
            let mut state = lock(&self.0);
            state.make_room()?;
            // A socket that cannot be asked is one that is gone already: its task is about to see that.
            let Ok(socket) = SockRef::from(stream).try_clone() else {
                return Err(Box::new(Behaviour::refuse()));
            };
            state.enter(Use::Stream(socket, kick.clone()))
        };
        Ok(Lease { account: self.clone(), id, kick })
    }

    /// Notes a request of a broadcast, or says what it gets instead.
    pub(super) fn visit(&self, broadcast: usize) -> Result<(), Box<Behaviour>> {
        let mut state = lock(&self.0);
        state.sweep();
        let known = state.uses.values_mut().find_map(|one| match one {
            Use::Session(number, last) if *number == broadcast => Some(last),
            Use::Session(..) | Use::Stream(..) => None,
        });
        if let Some(last) = known {
            *last = Instant::now();
            return Ok(());
        }
        state.make_room()?;
        state.enter(Use::Session(broadcast, Instant::now()));
        Ok(())
    }
}

impl State {
    /// Forgets what is over.
    fn sweep(&mut self) {
        let now = Instant::now();
        let mut closed = Vec::new();
        self.uses.retain(|_, one| {
            let ended = match one {
                Use::Stream(socket, _) => is_closed(socket).then_some(now),
                Use::Session(_, last) => Some(*last + self.hls_idle).filter(|end| *end <= now),
            };
            closed.extend(ended);
            ended.is_none()
        });
        self.fading.extend(closed.into_iter().map(|end| end + self.frees_after));
        self.fading.retain(|until| *until > now);
    }

    /// Makes room for one more, or says what it gets instead.
    fn make_room(&mut self) -> Result<(), Box<Behaviour>> {
        self.sweep();
        self.counts.most = self.counts.most.max(self.uses.len() + 1);
        self.counts.violations += usize::from(self.uses.len() >= self.limit);
        if self.uses.len() + self.fading.len() < self.limit {
            return Ok(());
        }
        let beyond = match &self.beyond {
            Beyond::Answer(behaviour) => Some(behaviour.clone()),
            Beyond::KickOldest => None,
        };
        match (beyond, self.uses.pop_first()) {
            (None, Some((_, oldest))) => {
                self.counts.kicked += 1;
                if let Use::Stream(_, kick) = oldest {
                    kick.notify_one();
                }
                Ok(())
            }
            // Nobody is there to be kicked: all that counts is closed.
            (None, None) => Ok(()),
            (Some(behaviour), oldest) => {
                self.uses.extend(oldest);
                self.counts.refused += 1;
                Err(behaviour)
            }
        }
    }

    fn enter(&mut self, one: Use) -> u64 {
        self.counts.opened += 1;
        let id = self.counts.opened as u64;
        self.uses.insert(id, one);
        id
    }
}

impl Lease {
    /// Waits until the connection has to make room for another.
    pub(super) async fn kicked(&self) {
        self.kick.notified().await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = lock(&self.account.0);
        if state.uses.remove(&self.id).is_some() {
            let until = Instant::now() + state.frees_after;
            state.fading.push(until);
        }
    }
}

/// Whether the client has closed or reset the connection. It has nothing to send after its request but the end (and
/// the announcement of it, with TLS).
fn is_closed(socket: &Socket) -> bool {
    let mut one = [MaybeUninit::uninit()];
    !socket.peek(&mut one).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests;
