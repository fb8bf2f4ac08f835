//! Accepts connections and serves each in a task of its own.
//!
//! The loop is our own, on hyper's HTTP/1 builder, since that is what closes a client that connects and says nothing. There are limits,
//! and who comes beyond them is told so: see [`shed`].

mod connection;
mod descriptors;
mod guarded;
mod shed;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

pub(super) use self::connection::{
    CONNECTION_BUFFER, Connections, HEADER_TIMEOUT, WRITE_TIMEOUT, builder, prepare, tidy_path,
};
pub(super) use self::descriptors::{connections_of, raise_descriptor_limit};
pub(super) use self::guarded::{Guarded, WriteLimit};
use self::shed::Shed;
use super::tls::Acceptor;
use super::{App, router};

/// Connections waiting to be accepted: a burst of viewers who all come back at once.
const BACKLOG: i32 = 4096;

/// After an accept that failed for lack of memory, or of file descriptors even to refuse.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is asking: both ends of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The other end.
    pub address: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
}

impl Peer {
    /// Whether the other end is on this machine, as far as the addresses tell: behind a NAT or a container's proxy it may not be.
    pub(super) fn is_local(&self) -> bool {
        let (address, local) = (self.address.ip().to_canonical(), self.local.ip().to_canonical());
        address.is_loopback() || address == local
    }
}

/// How many connections there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots(Arc<AtomicUsize>);

impl Slots {
    /// Connections that are open.
    pub(super) fn taken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A place for one more, if there are fewer than `limit`.
    fn take(&self, limit: usize) -> Option<Slot> {
        let one_more = |taken| (taken < limit).then_some(taken + 1);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| Slot(Arc::clone(&self.0)))
    }
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
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

    /// Serves until `stop`, then lets open answers end; returns when the last connection is closed.
    pub async fn run(self, app: App, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let connections =
            Connections { router: router(app.clone()), stop: stop.clone(), tasks: tasks.clone() };
        let mut shed = Shed::new(tasks.clone(), self.tls.is_none());
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let config = app.config();
                    let delivery = config.server.delivery;
                    let limit = app.max_connections();
                    if !shed.has_reserve() {
                        shed.refuse(stream, "file descriptors", app.descriptors);
                    } else if let Some(slot) = app.slots.take(limit) {
                        shed.rest();
                        let (connections, peer) = (
                            connections.clone(),
                            Peer { address: peer, local: stream.local_addr().unwrap_or(self.address) },
                        );
                        match &self.tls {
                            None => tasks.spawn(connections.serve(stream, peer, delivery, slot)),
                            Some(acceptor) => {
                                tasks.spawn(acceptor.clone().serve(connections, stream, peer, slot))
                            }
                        };
                    } else {
                        shed.refuse(stream, "connections", limit);
                    }
                }
                Err(error) if is_of_one_connection(&error) => {
                    debug!(%error, "a connection ended before it began");
                }
                Err(error) if is_shortage(&error) && shed.lend_descriptor() => {
                    if let Ok(Ok((stream, _))) =
                        tokio::time::timeout(ACCEPT_PAUSE, self.listener.accept()).await
                    {
                        shed.refuse(stream, "file descriptors", app.descriptors);
                    }
                }
                Err(error) => {
                    if shed.may_log() {
                        warn!(%error, "cannot accept connections, trying on");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        tasks.close();
        tasks.wait().await;
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
