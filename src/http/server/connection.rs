//! One connection over plain HTTP/1: requests go through the router, and where a live stream is the
//! answer, the socket is taken out of hyper's hands.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use forebay_relay::model::Delivery;
use http::{Request, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::debug;

use super::guarded::{Guarded, WriteLimit};
use super::{Peer, Slot};
use crate::http::auth::take_token;
use crate::http::live::{self, Live, Viewer};

/// A client must have sent its request head by then; it is also how long an idle connection is
/// kept.
pub(in crate::http) const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long any answer may be stuck; a live viewer's limit is its channel's.
pub(in crate::http) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// hyper's buffers for a connection. The body's blocks are shared, so this need only hold a request
/// head.
pub(in crate::http) const CONNECTION_BUFFER: usize = 16 * 1024;

/// Unsent bytes the kernel holds for a connection: what a viewer who reads slowly pins, and what a
/// viewer who keeps up needs between two sends.
const UNSENT: u32 = 128 * 1024;

/// What all connections share.
#[derive(Debug, Clone)]
pub(in crate::http) struct Connections {
    pub(in crate::http) router: Router,
    pub(in crate::http) stop: CancellationToken,
    pub(in crate::http) tasks: TaskTracker,
}

/// A live answer that leaves hyper.
struct Handover {
    version: http::Version,
    head: http::response::Parts,
    viewer: Box<Viewer>,
}

impl Connections {
    /// Serves one connection to its end. Live streams leave hyper.
    pub(super) async fn serve(self, stream: TcpStream, peer: Peer, delivery: Delivery, slot: Slot) {
        if let Err(error) = prepare(&stream) {
            debug!(%error, "cannot set up a connection");
            return;
        }
        let limit = WriteLimit::new(WRITE_TIMEOUT);
        let (give, mut taken) = oneshot::channel();
        let give = Arc::new(Mutex::new(Some(give)));
        let (router, of_connection) = (self.router, limit.clone());
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            tidy_path(&mut request);
            take_token(&mut request);
            of_connection.set(WRITE_TIMEOUT);
            request.extensions_mut().insert(peer);
            let version = request.version();
            let answer = router.clone().oneshot(request.map(Body::new));
            let (give, limit) = (Arc::clone(&give), of_connection.clone());
            async move {
                let Ok(response) = answer.await;
                if limit.is_stuck() {
                    return Ok::<_, Infallible>(Live::into_body(response, &limit).await);
                }
                let Some(viewer) = response.extensions().get::<Live>().and_then(Live::take) else {
                    return Ok(response);
                };
                let (head, _) = response.into_parts();
                let give = give.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(give) = give {
                    let _ = give.send(Handover { version, head, viewer });
                }
                // The connection is dismantled now, and this answer with it.
                std::future::pending().await
            }
        });
        let mut connection = builder().serve_connection(TokioIo::new(Guarded::new(stream, limit)), service);
        let mut is_stopping = false;
        let result = loop {
            tokio::select! {
                biased;
                result = &mut connection => break result,
                Ok(Handover { version, head, viewer }) = &mut taken => {
                    let stream = connection.into_parts().io.into_inner().into_inner();
                    // A task of its own: it is much smaller than one that has room for hyper's
                    // connection.
                    self.tasks.spawn(live::send(stream, version, &head, viewer, delivery, slot));
                    return;
                }
                () = self.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        if let Err(error) = result {
            debug!(%error, peer = %peer.address, "connection ended");
        }
    }
}

/// HTTP/1 as we speak it.
pub(in crate::http) fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(CONNECTION_BUFFER);
    builder
}

/// Small answers go out at once, a dead peer is found out, and a slow one pins little memory.
pub(in crate::http) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(5));
    socket.set_tcp_keepalive(&keepalive.with_retries(3))?;
    socket.set_tcp_notsent_lowat(UNSENT)
}

/// Players and hand-written lists double slashes: `//stream//one` is `/stream/one`.
pub(in crate::http) fn tidy_path<B>(request: &mut Request<B>) {
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
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}
