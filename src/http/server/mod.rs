//! Accepts connections and serves each in a task of its own.
//!
//! The loop is our own, on hyper's HTTP/1 builder, since that is what closes a client that connects
//! and says nothing. There are limits, and who comes beyond them is told so: see [`shed`].

mod connection;
mod descriptors;
mod guarded;
mod https;
mod shed;
mod streams;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub(super) use self::connection::{
    CONNECTION_BUFFER, Connections, HEADER_TIMEOUT, WRITE_TIMEOUT, builder, prepare, tidy_path,
};
pub(super) use self::descriptors::{connections_of, may_open, raise_descriptor_limit};
pub(super) use self::guarded::{Guarded, WriteLimit};
pub(crate) use self::https::Acceptor;
use self::shed::Shed;
use super::admission::{Addresses, Place};
use super::forwarded::is_trusted;
use super::routes::router;
use super::{Peer, State};
use crate::config;

/// Connections waiting to be accepted: a burst of viewers who all come back at once.
const BACKLOG: i32 = 4096;

/// After an accept that failed for lack of memory, or of file descriptors even to refuse.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections there are, and from which addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    taken: Arc<AtomicUsize>,
    addresses: Addresses,
}

impl Slots {
    /// Connections that are open.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// A place for one more of `address`, if there are fewer than `limit`, and fewer of this
    /// address than `of_address`.
    fn take(&self, limit: usize, address: IpAddr, of_address: Option<usize>) -> Result<Slot, Full> {
        // The address first: its place is given back by itself where the server is full.
        let place = self.addresses.admit(address, of_address);
        let place = place.map_err(|limit| Full { what: "connections of one address", limit })?;
        let one_more = |taken| (taken < limit).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.map_err(|_| Full { what: "connections", limit })?;
        Ok(Slot { taken: Arc::clone(&self.taken), _place: place })
    }
}

/// There are as many of something as there may be.
struct Full {
    what: &'static str,
    limit: usize,
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Slot {
    taken: Arc<AtomicUsize>,
    _place: Place,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connections that one address may have, however few there may be: a household's.
const HOUSEHOLD: usize = 16;

/// How many of `limit` connections one address may have. Nobody alone gets more than three
/// quarters, so that there are some left for others; a proxy that speaks for many may have all.
fn of_address(server: &config::Server, address: IpAddr, limit: usize) -> Option<usize> {
    if is_trusted(server, address) {
        return None;
    }
    let share = (limit - limit / 4).max(HOUSEHOLD.min(limit));
    server.per_address.connections.map(|most| most.min(share))
}

/// The listening server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Acceptor>,
}

impl Server {
    /// Listens at `address`; port 0 picks a free one.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait until the connections of the last life are forgotten.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, tls: None })
    }

    /// With TLS on every connection.
    pub(crate) fn with_tls(self, acceptor: Acceptor) -> Self {
        Self { tls: Some(acceptor), ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections until `stop`. Those that are open then go on in
    /// `state.process.connections`: they close when their answer has ended.
    pub async fn run(self, state: State, stop: CancellationToken) {
        let tasks = state.process.connections.clone();
        let connections =
            Connections { router: router(state.clone()), stop: stop.clone(), tasks: tasks.clone() };
        let mut shed = Shed::new(tasks.clone(), self.tls.is_none());
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let config = state.config();
                    let delivery = config.server.delivery;
                    let limit = state.max_connections();
                    // The connection that has come may hold a
                    // descriptor that was kept for refusals.
                    if !shed.has_reserve() {
                        shed.refuse(stream, "file descriptors", state.process.descriptors);
                        continue;
                    }
                    let of_address = of_address(&config.server, peer.ip(), limit);
                    match state.process.slots.take(limit, peer.ip().to_canonical(), of_address) {
                        Ok(slot) => {
                            // Somebody found room, so what was told of a shortage is over.
                            shed.rest();
                            let local = stream.local_addr().unwrap_or(self.address);
                            let (connections, peer) = (connections.clone(), Peer { address: peer, local });
                            match &self.tls {
                                None => tasks.spawn(connections.serve(stream, peer, delivery, slot)),
                                Some(acceptor) => {
                                    tasks.spawn(acceptor.clone().serve(connections, stream, peer, slot))
                                }
                            };
                        }
                        Err(Full { what, limit }) => shed.refuse(stream, what, limit),
                    }
                }
                Err(error) if is_of_one_connection(&error) => {
                    debug!(%error, "a connection ended before it began");
                }
                // Without one in reserve nobody could be accepted even to
                // be refused, and the queue of the system would stay full.
                Err(error) if is_shortage(&error) && shed.lend_descriptor() => {
                    if let Ok(Ok((stream, _))) =
                        tokio::time::timeout(ACCEPT_PAUSE, self.listener.accept()).await
                    {
                        shed.refuse(stream, "file descriptors", state.process.descriptors);
                    }
                }
                Err(error) => {
                    if shed.may_log() {
                        warn!(%error, "cannot accept connections, trying on");
                    }
                    // The same error would come back at once, and take a processor for itself.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The process, or the system, has no file descriptor left.
fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
