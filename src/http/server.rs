//! Accepts connections and runs the router on each.
//!
//! Its own loop on hyper's HTTP/1 builder, since that is what closes a client that connects and says nothing. A connection's task is
//! tracked; at the end every connection is told to finish.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::guarded::{Guarded, WriteLimit};

/// A client must have sent its request head by then; it is also how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long any answer may be stuck; a live viewer's limit is its channel's.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections waiting to be accepted: a burst of viewers who all come back at once.
const BACKLOG: i32 = 4096;

/// Connections at a time; further ones wait in the backlog.
const MAX_CONNECTIONS: usize = 65_536;

/// hyper's buffers for a connection. The body's blocks are shared, so this need only hold a request head.
const CONNECTION_BUFFER: usize = 16 * 1024;

/// Unsent bytes the kernel holds for a connection: what a viewer who reads slowly pins, and what a viewer who keeps up needs between
/// two ticks.
const UNSENT: u32 = 128 * 1024;

/// After an accept that failed for lack of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is asking: the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The listening server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
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
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets open answers end; returns when the last connection is closed.
    pub async fn run(self, router: Router, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = accept(&self.listener, &slots) => accepted,
            };
            match accepted {
                Ok((stream, peer, slot)) => {
                    let connection = serve(stream, Peer(peer), router.clone(), stop.clone());
                    tasks.spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                Err(error) if is_of_one_connection(&error) => {
                    debug!(%error, "a connection ended before it began");
                }
                Err(error) => {
                    warn!(%error, "cannot accept connections, trying on");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        tasks.close();
        tasks.wait().await;
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> io::Result<Accepted> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, slot))
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn serve(stream: TcpStream, peer: Peer, router: Router, stop: CancellationToken) {
    if let Err(error) = prepare(&stream) {
        debug!(%error, "cannot set up a connection");
        return;
    }
    let limit = WriteLimit::new(WRITE_TIMEOUT);
    let of_connection = limit.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        tidy_path(&mut request);
        of_connection.set(WRITE_TIMEOUT);
        request.extensions_mut().insert(of_connection.clone());
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(CONNECTION_BUFFER)
        .serve_connection(TokioIo::new(Guarded::new(stream, limit)), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%error, peer = %peer.0, "connection ended");
    }
}

/// Small answers go out at once, a dead peer is found out, and a slow one pins little memory.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(5));
    socket.set_tcp_keepalive(&keepalive.with_retries(3))?;
    socket.set_tcp_notsent_lowat(UNSENT)
}

/// Players and hand-written lists double slashes: `//stream//one` is `/stream/one`.
fn tidy_path<B>(request: &mut Request<B>) {
    let uri = request.uri();
    if !uri.path().contains("//") {
        return;
    }
    let mut path = uri.path().to_owned();
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    if let Some(query) = uri.query() {
        path = format!("{path}?{query}");
    }
    if let Ok(uri) = path.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
}
