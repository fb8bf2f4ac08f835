//! One connection over TLS: the handshake, and then HTTP/1.1 or HTTP/2, whichever the client asked
//! for in it (ALPN).

use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::uri::Scheme;
use http::{Request, Uri, header};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::crypto::ring;
use rustls::{Error as TlsError, ServerConfig};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::debug;

use super::connection::with_body;
use super::streams::Streams;
use crate::http::Peer;
use crate::http::auth::take_token;
use crate::http::server::{
    CONNECTION_BUFFER, Connections, Guarded, HEADER_TIMEOUT, Slot, WRITE_TIMEOUT, WriteLimit, builder,
    prepare, tidy_path,
};
use crate::tls::Current;

/// A client must be through with the handshake by then: a few round trips, on a bad line.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What is offered in the handshake, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [H2, b"http/1.1"];
const H2: &[u8] = b"h2";

/// Requests that one HTTP/2 connection may have open: a household's screens behind one proxy. Each
/// may hold [`SEND_BUFFER`].
const MAX_STREAMS: u32 = 32;

/// Bytes of an answer that may wait for the client to open its window: two of the pieces in which
/// it goes out. The kernel holds more.
const SEND_BUFFER: usize = 32 * 1024;

/// Answers on one connection that may be stuck without it being ended. A player that pauses for
/// good leaves one; each holds [`SEND_BUFFER`].
const MAX_STUCK: usize = 2;

/// Bytes of a request that may come before they are read. Nobody has anything to send: the least
/// that HTTP/2 allows for a connection.
const RECEIVE_WINDOW: u32 = 65_535;

/// How often a silent client is asked whether it is still there, and how long it has to answer.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How often the answers of an HTTP/2 connection are looked at, for those that are stuck.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a client has to close a connection that it was told is over.
const FAREWELL: Duration = Duration::from_secs(2);

/// Takes connections through the handshake.
#[derive(Clone)]
pub(crate) struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// With the certificate that is in force when somebody connects.
    pub(crate) fn new(current: Current) -> Result<Self, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(current));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Serves one connection to its end.
    pub(in crate::http) async fn serve(
        self,
        connections: Connections,
        stream: TcpStream,
        peer: Peer,
        _slot: Slot,
    ) {
        if let Err(error) = prepare(&stream) {
            debug!(%error, "cannot set up a connection");
            return;
        }
        let limit = WriteLimit::new(WRITE_TIMEOUT);
        let handshake = timeout(HANDSHAKE_TIMEOUT, self.0.accept(Guarded::new(stream, limit.clone())));
        let stream = tokio::select! {
            biased;
            // Nothing was promised yet, so it may be closed at once.
            () = connections.stop.cancelled() => return,
            stream = handshake => stream,
        };
        let connection = match stream {
            Ok(Ok(stream)) => Connection { stream, limit, peer, connections },
            Ok(Err(error)) => return debug!(%error, peer = %peer.address, "no TLS connection came about"),
            Err(_) => return debug!(peer = %peer.address, "the TLS handshake took too long"),
        };
        // Each in its own memory: the handshake needs less than either, and HTTP/1 less than
        // HTTP/2.
        let result = if connection.stream.get_ref().1.alpn_protocol() == Some(H2) {
            Box::pin(connection.http2()).await
        } else {
            Box::pin(connection.http1()).await
        };
        if let Err(error) = result {
            debug!(%error, peer = %peer.address, "connection ended");
        }
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

/// A connection that is through with the handshake.
struct Connection {
    stream: TlsStream<Guarded<TcpStream>>,
    limit: WriteLimit,
    peer: Peer,
    connections: Connections,
}

impl Connection {
    async fn http1(self) -> hyper::Result<()> {
        let Self { stream, limit, peer, connections } = self;
        let Connections { router, stop, .. } = connections;
        let service = service_fn(move |request| {
            limit.set(WRITE_TIMEOUT);
            let (answer, limit) = (answer(&router, request, peer), limit.clone());
            async move { Ok::<_, Infallible>(with_body(answer.await, &limit).await) }
        });
        let mut connection = pin!(builder().serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            result = connection.as_mut() => result,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    }

    async fn http2(self) -> hyper::Result<()> {
        let Self { stream, peer, connections, .. } = self;
        let Connections { router, stop, tasks } = connections;
        let streams = Streams::default();
        let open = streams.clone();
        let service = service_fn(move |request| {
            let (answer, stream) = (answer(&router, request, peer), open.open(WRITE_TIMEOUT));
            async move {
                // hyper takes `Connection` out, which is an error in HTTP/2.
                let answer = with_body(answer.await, stream.limit()).await;
                Ok::<_, Infallible>(answer.map(|body| stream.carry(body)))
            }
        });
        let mut connection = pin!(
            http2::Builder::new(Tracked(tasks))
                .timer(TokioTimer::new())
                .max_concurrent_streams(MAX_STREAMS)
                .initial_stream_window_size(RECEIVE_WINDOW)
                .initial_connection_window_size(RECEIVE_WINDOW)
                .max_send_buf_size(SEND_BUFFER)
                .max_header_list_size(u32::try_from(CONNECTION_BUFFER).unwrap_or(u32::MAX))
                .keep_alive_interval(PING_EVERY)
                .keep_alive_timeout(PING_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
        );
        let mut looks = interval(CHECK_INTERVAL);
        let mut busy = Instant::now();
        loop {
            tokio::select! {
                result = connection.as_mut() => return result,
                () = stop.cancelled() => break,
                _ = looks.tick() => {
                    let look = streams.look();
                    // A single pause is a viewer's; several show that
                    // the client does not reset what it gives up.
                    if look.stuck > MAX_STUCK {
                        debug!(stuck = look.stuck, peer = %peer.address, "a client takes none of its answers");
                        return Ok(());
                    }
                    if look.is_busy {
                        busy = Instant::now();
                    } else if busy.elapsed() > HEADER_TIMEOUT {
                        break;
                    }
                }
            }
        }
        // GOAWAY: the client finishes what is open and sends no more on it (RFC 9113, 6.8).
        connection.as_mut().graceful_shutdown();
        let mut idle = None;
        loop {
            tokio::select! {
                result = connection.as_mut() => return result,
                _ = looks.tick() => {
                    if streams.look().is_busy {
                        idle = None;
                    } else if idle.get_or_insert_with(Instant::now).elapsed() > FAREWELL {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// What the router answers.
fn answer(
    router: &Router,
    mut request: Request<Incoming>,
    peer: Peer,
) -> impl Future<Output = Response> + Send + use<> {
    tidy_path(&mut request);
    take_token(&mut request);
    request.extensions_mut().insert(peer);
    name_scheme(&mut request);
    let answer = router.clone().oneshot(request.map(Body::new));
    async {
        let Ok(answer) = answer.await;
        answer
    }
}

/// HTTP/2 names the whole address, HTTP/1 the path only. From here on it is whole, for those who
/// tell the viewer of other addresses.
fn name_scheme<B>(request: &mut Request<B>) {
    let mut parts = request.uri().clone().into_parts();
    let host = || request.headers().get(header::HOST)?.to_str().ok()?.parse().ok();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = parts.authority.or_else(host);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Runs the streams of HTTP/2 connections as tasks that are waited for at the end.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
