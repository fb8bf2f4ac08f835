//! One connection over plain HTTP/1: requests go through the router, and where a live stream or a
//! long part of a film is the answer, the socket is taken out of hyper's hands.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use forebay_relay::model::Delivery;
use http::{HeaderValue, Request, Uri, header};
use hyper::body::{Body as _, Incoming};
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
use crate::http::films::{FilmBody, Sending};
use crate::http::live::{self, Live, Viewer};
use crate::http::socket::{finish, render};

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

/// An answer that leaves hyper.
struct Handover {
    version: http::Version,
    head: http::response::Parts,
    body: Beyond,
}

/// A body that is sent past hyper.
enum Beyond {
    /// A live stream, which ends with the connection.
    Live(Box<Viewer>),
    /// A part of a film. If the connection `is_kept`, hyper has it again behind that.
    Film { body: Box<FilmBody>, is_kept: bool },
}

impl Beyond {
    /// What of this response leaves hyper, if anything does.
    fn of(response: &Response, is_kept: bool) -> Option<Self> {
        let extensions = response.extensions();
        let live = || extensions.get::<Live>().and_then(Live::take).map(Self::Live);
        let film = || extensions.get::<Sending>().and_then(Sending::take_long);
        live().or_else(|| film().map(|body| Self::Film { body, is_kept }))
    }
}

/// A connection that hyper is done with, for now.
struct Left {
    stream: TcpStream,
    /// What was read beyond the request.
    unread: Bytes,
    handover: Handover,
}

impl Connections {
    /// Serves one connection to its end. Live streams leave hyper, and so do long parts of films.
    pub(super) async fn serve(self, mut stream: TcpStream, peer: Peer, delivery: Delivery, slot: Slot) {
        if let Err(error) = prepare(&stream) {
            debug!(%error, "cannot set up a connection");
            return;
        }
        // Players send the next request before the answer
        // has ended; what hyper read of it comes back here.
        let mut unread = Bytes::new();
        loop {
            // Boxed, like all that follows: what is sent past hyper needs no room for its
            // connection.
            let Some(left) = Box::pin(self.serve_by_hyper(stream, unread, peer)).await else { return };
            let Handover { version, head, body } = left.handover;
            match body {
                Beyond::Live(viewer) => {
                    // A task of its own: it is much smaller than one that has room for the rest.
                    self.tasks.spawn(live::send(left.stream, version, &head, viewer, delivery, slot));
                    return;
                }
                Beyond::Film { body, is_kept } => {
                    // The head must say so before the body: a client must
                    // not send another request to a server that goes.
                    let is_kept = is_kept && !self.stop.is_cancelled();
                    let head = Bytes::from(render(version, &head, is_kept));
                    let sent = Box::pin(body.send(&left.stream, head, delivery, WRITE_TIMEOUT)).await;
                    let sent = sent.and_then(|()| limit_unsent(&left.stream));
                    if sent.is_err() || !is_kept {
                        if let Err(error) = finish(&left.stream, sent) {
                            debug!(%error, peer = %peer.address, "the sending of a film ended");
                        }
                        return;
                    }
                    (stream, unread) = (left.stream, left.unread);
                }
            }
        }
    }

    /// Serves requests until the connection ends: `None`; or until an answer leaves hyper.
    async fn serve_by_hyper(&self, stream: TcpStream, unread: Bytes, peer: Peer) -> Option<Left> {
        let limit = WriteLimit::new(WRITE_TIMEOUT);
        let (give, mut taken) = oneshot::channel();
        let give = Arc::new(Mutex::new(Some(give)));
        let (router, of_connection) = (self.router.clone(), limit.clone());
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            tidy_path(&mut request);
            take_token(&mut request);
            of_connection.set(WRITE_TIMEOUT);
            request.extensions_mut().insert(peer);
            let (version, is_kept) = (request.version(), is_kept(&request));
            let answer = router.clone().oneshot(request.map(Body::new));
            let (give, limit) = (Arc::clone(&give), of_connection.clone());
            async move {
                let Ok(response) = answer.await;
                // While an earlier answer waits to be written,
                // hyper still holds bytes that must go out first.
                let beyond = if limit.is_stuck() { None } else { Beyond::of(&response, is_kept) };
                let Some(body) = beyond else {
                    return Ok::<_, Infallible>(with_body(response, &limit).await);
                };
                let (head, _) = response.into_parts();
                let give = give.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(give) = give {
                    // Nobody receives it when the connection has just ended.
                    let _ = give.send(Handover { version, head, body });
                }
                // The connection is dismantled now, and this answer with it.
                std::future::pending().await
            }
        });
        let guarded = Guarded::resume(stream, unread, limit);
        let mut connection = builder().serve_connection(TokioIo::new(guarded), service);
        let mut is_stopping = false;
        let result = loop {
            tokio::select! {
                // The connection first: what it has to say may
                // be the end, and then nothing is handed over.
                biased;
                result = &mut connection => break result,
                Ok(handover) = &mut taken => {
                    let parts = connection.into_parts();
                    let (stream, rest) = parts.io.into_inner().into_parts();
                    let unread = [parts.read_buf, rest].concat().into();
                    return Some(Left { stream, unread, handover });
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
        None
    }
}

/// The answer for a connection that hyper keeps: what would be sent past it becomes its body.
/// `limit` is that of the connection.
pub(super) async fn with_body(response: Response, limit: &WriteLimit) -> Response {
    Live::into_body(Sending::into_body(response), limit).await
}

/// Whether another request may come on the connection of this one (RFC 9112, section 9.3), and
/// nothing of this one is still to come.
fn is_kept(request: &Request<Incoming>) -> bool {
    let mut options = request.headers().get_all(header::CONNECTION).iter();
    let closes = |value: &HeaderValue| {
        let text = value.as_bytes().to_ascii_lowercase();
        text.windows(5).any(|word| word == b"close")
    };
    // HTTP/1.0 keeps connections only where both say so, and its players do not.
    request.version() == http::Version::HTTP_11 && request.body().is_end_stream() && !options.any(closes)
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
    // A viewer who pulls the plug sends no FIN: without probes its place would stay taken.
    let socket = SockRef::from(stream);
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(5));
    socket.set_tcp_keepalive(&keepalive.with_retries(3))?;
    limit_unsent(stream)
}

fn limit_unsent(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)
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
    // One that cannot be read again leaves the request as it was.
    parts.path_and_query = path.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}
