//! One connection, polled by whoever waits for what comes over it.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use forebay_core::http_head::{MAX_FIELDS, MAX_HEAD};
use futures_util::Stream;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use tokio::net::TcpStream;
use tokio::task::coop;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use url::Origin;

use super::answers::{Answers, Turn};
use super::idle_pool::{IdlePool, Reusable};
use super::peer::Peer;
use super::{Error, SocketGuard};

/// A socket, in clear or over TLS.
pub(super) type Socket = Either<TcpStream, Box<TlsStream<TcpStream>>>;

type Wire = http1::Connection<TokioIo<Answers<Socket>>, Full<Bytes>>;

/// What hyper reads from a socket at once, in bytes. More would be handled in one go, while others
/// wait for the thread. A whole head must fit in.
const READ: usize = 64 * 1024;
const _: () = assert!(READ > MAX_HEAD * 9 / 8);

/// Chunks are joined until they are so many bytes, as far as they have come: some servers send a
/// packet or a byte in each.
const JOINED: usize = 16 * 1024;

/// How the target of a request is written (RFC 9112, 3.2).
#[derive(Debug)]
pub(super) enum Form {
    /// Path and query, for the server itself.
    Origin,
    /// The whole address, for a proxy, which may want to know who asks.
    Absolute { authorization: Option<HeaderValue> },
}

impl Form {
    fn apply(&self, request: &mut Request<Full<Bytes>>) {
        match self {
            Self::Origin => {
                let target = request.uri().path_and_query().cloned();
                *request.uri_mut() = target.map_or_else(|| Uri::from_static("/"), Uri::from);
            }
            Self::Absolute { authorization } => {
                let headers = request.headers_mut();
                headers.extend(authorization.clone().map(|value| (header::PROXY_AUTHORIZATION, value)));
            }
        }
    }
}

/// An open connection on which no answer is awaited.
pub struct Connection {
    requests: http1::SendRequest<Full<Bytes>>,
    /// The socket with hyper's state, and what lives as long as it, dropped in this order; `None`
    /// once it is closed.
    wire: Option<(Wire, SocketGuard)>,
    turn: Turn,
    form: Form,
    peer: Peer,
}

impl Connection {
    /// Readies hyper; the heads of old and odd servers are mended before it sees them.
    pub(super) async fn begin(
        socket: Socket,
        peer: Peer,
        form: Form,
        hold: SocketGuard,
    ) -> Result<Self, Error> {
        let (socket, turn) = Answers::new(socket);
        let (requests, wire) = http1::Builder::new()
            .max_buf_size(READ)
            // Some servers compare names letter by letter, with those that browsers have always
            // sent.
            .title_case_headers(true)
            // A few more for what is written in place of others.
            .max_headers(MAX_FIELDS + 4)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|error| Error::exchanging(&error))?;
        Ok(Self { requests, wire: Some((wire, hold)), turn, form, peer })
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn send(mut self, mut request: Request<Full<Bytes>>) -> Result<Response<Body>, Error> {
        self.form.apply(&mut request);
        // Before the request goes out: an answer may come with the first poll.
        self.turn.begin();
        let mut answer = pin!(self.requests.send_request(request));
        let answer = poll_fn(|cx| {
            // Driven by whoever waits, in its own task: so dropping the wait closes the socket.
            self.drive(cx);
            answer.as_mut().poll(cx)
        });
        let answer = answer.await.map_err(|error| Error::exchanging(&error))?;
        Ok(answer.map(|incoming| Body {
            incoming: Some(incoming),
            peer: self.peer,
            failed: None,
            connection: Some(self),
            kept: None,
        }))
    }

    /// Reads and writes what can be read and written now.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some((wire, _)) = &mut self.wire
            && Pin::new(wire).poll(cx).is_ready()
        {
            // An error has been given to whoever waits for the answer or the body.
            self.wire = None;
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("is_open", &self.wire.is_some()).finish_non_exhaustive()
    }
}

/// Connections of one upstream that wait for their next request.
pub(crate) type IdleConnections = IdlePool<Connection>;

impl Reusable for Connection {
    /// Whether another request can be sent: nothing is left to be read, and the other end has not
    /// closed the connection.
    fn is_idle(&mut self) -> bool {
        // Nobody waits for it, so nobody need be woken.
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.wire.is_some() && self.requests.is_ready()
    }
}

/// The body of an answer, and the connection it comes over. Dropping it closes the connection,
/// unless that is to be kept.
#[derive(Debug)]
pub struct Body {
    /// `None` only while it is being dropped.
    incoming: Option<Incoming>,
    peer: Peer,
    /// What came of reading on behind the chunks that were handed out last.
    failed: Option<Error>,
    connection: Option<Connection>,
    /// Where the connection goes when the body has been read, and where it leads to.
    kept: Option<(IdleConnections, Origin)>,
}

impl Body {
    /// Who sends it.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether the server has told how long it is.
    pub fn has_length(&self) -> bool {
        self.incoming.as_ref().is_some_and(|incoming| incoming.size_hint().exact().is_some())
    }

    /// Puts the connection there when the body has been read to its end, for the next request to
    /// this origin.
    pub(crate) fn keep(&mut self, kept: &IdleConnections, origin: Origin) {
        self.kept = Some((kept.clone(), origin));
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    /// Whatever has come, up to `JOINED` bytes and a chunk. Each chunk takes of the task's
    /// budget: a server that sends many small ones gets no more of the thread than another.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let mut joined = BytesMut::new();
        while joined.len() < JOINED {
            // The runtime wakes this task again by itself; what was joined so far goes out first.
            let Poll::Ready(budget) = coop::poll_proceed(cx) else { break };
            let Poll::Ready(chunk) = self.poll_chunk(cx) else { break };
            budget.made_progress();
            match chunk {
                // Large enough as it is: it is passed on without a copy.
                Some(Ok(bytes)) if joined.is_empty() && bytes.len() >= JOINED => {
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Ok(bytes)) => joined.extend_from_slice(&bytes),
                None | Some(Err(_)) if joined.is_empty() => return Poll::Ready(chunk),
                None => break,
                Some(Err(error)) => {
                    // What came before the failure is handed out
                    // first, and the failure with the next poll.
                    self.failed = Some(error);
                    break;
                }
            }
        }
        if joined.is_empty() { Poll::Pending } else { Poll::Ready(Some(Ok(joined.freeze()))) }
    }
}

impl Body {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let mut has_driven = false;
        loop {
            let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
            match Pin::new(incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // What is no data are trailers, which nobody needs.
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(Error::exchanging(&error)))),
                Poll::Ready(None) => return Poll::Ready(None),
                // Once only: a connection that was driven and
                // brought nothing has registered its waker.
                Poll::Pending if has_driven => return Poll::Pending,
                Poll::Pending => {
                    if let Some(connection) = &mut self.connection {
                        connection.drive(cx);
                    }
                    has_driven = true;
                }
            }
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // hyper takes a connection for idle only when nobody holds the body any more.
        self.incoming = None;
        if let (Some((kept, origin)), Some(connection)) = (self.kept.take(), self.connection.take()) {
            // A body that was not read to its end leaves bytes on
            // the wire; `put` sees that it is not idle and drops it.
            kept.put(origin, connection);
        }
    }
}
