//! A live answer on a socket of our own: the head is written here, and the kernel moves the stream
//! from the store to the socket.

use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse;
use bytes::Bytes;
use forebay_relay::channel::{Membership, Sent, Subscription};
use forebay_relay::model::Delivery;
use http::{Version, header, response};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tracing::debug;

use super::viewer::{Ended, Viewer};
use crate::http::error::ApiError;
use crate::http::socket::{self, render, room, write};

/// A viewer has nothing more to say; who goes on talking is no player. In bytes.
const MAX_CHATTER: usize = 64 * 1024;

/// The most that is said about why there is no stream, in bytes.
const MAX_REFUSAL: usize = 1 << 20;

/// Waits for a picture, and sends the head and then the stream, until the feed is over, or the
/// viewer has left or takes nothing. The body has no length and no chunks: it ends with the
/// connection (RFC 9112, section 6.3). `slot` is dropped at the end.
///
/// There is one such future for each viewer: what is needed seldom lies elsewhere.
pub(in crate::http) fn send(
    stream: TcpStream,
    version: Version,
    head: &response::Parts,
    mut viewer: Box<Viewer>,
    delivery: Delivery,
    slot: impl Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let head = Bytes::from(render(version, head, false));
    let stream = Arc::new(stream);
    // Captured values keep their place as long as the viewer stays: a `let` inside would take a
    // second one.
    viewer.visit.stay.has_socket(&stream);
    async move {
        // Only the seat: an operator's end shuts the socket itself.
        let mut ended = viewer.visit.stay.seat_ended();
        // Boxed, since it is over soon.
        let started = tokio::select! {
            biased;
            started = Box::pin(viewer.start()) => started,
            () = left(&stream) => return,
            Some(()) = &mut ended => return,
        };
        let head = match started {
            Ok(None) => head,
            Ok(Some((name, value))) => with_field(&head, name.as_str(), value.as_bytes()),
            Err(error) => return Box::pin(refuse(&stream, version, error, viewer.visit.timeout)).await,
        };
        let Viewer { subscription, mut visit } = *viewer;
        let limit = visit.timeout;
        // More follows at once, so the head shares a packet with the first of the stream.
        let mut done = Box::pin(write(&stream, head, true, limit)).await;
        let mut following =
            Following { stream: &stream, subscription: Some(subscription), delivery, limit, ended };
        if done.is_ok() {
            done = following.run().await;
        }
        if done.is_ok() && visit.stay.is_ended() {
            following.say_farewell();
        }
        visit.sent = following.subscription.map_or(0, |subscription| subscription.sent());
        if let Err(error) = socket::finish(&stream, done) {
            visit.span().in_scope(|| debug!(%error, "live connection ended"));
        }
        // Last: the place is free for another connection only when this one is over.
        drop(slot);
    }
}

/// There is no stream: says why, and closes the connection.
async fn refuse(stream: &TcpStream, version: Version, error: ApiError, limit: Duration) {
    let (mut head, body) = error.into_response().into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_REFUSAL).await else { return };
    head.headers.insert(header::CONTENT_LENGTH, body.len().into());
    let answer = [render(version, &head, false), body.into()].concat();
    let sent = write(stream, answer.into(), false, limit).await;
    let ended = if sent.is_ok() { SockRef::from(stream).shutdown(Shutdown::Write) } else { sent };
    if let Err(error) = ended {
        debug!(%error, "refused connection ended");
    }
}

/// A rendered head with another field.
fn with_field(head: &[u8], name: &str, value: &[u8]) -> Bytes {
    // The empty line that ends the head.
    let fields = head.strip_suffix(b"\r\n").unwrap_or(head);
    [fields, name.as_bytes(), b": ", value, b"\r\n\r\n"].concat().into()
}

/// A viewer who is sent the stream.
struct Following<'a> {
    stream: &'a Arc<TcpStream>,
    /// None while the viewer is in a crew.
    subscription: Option<Box<Subscription>>,
    delivery: Delivery,
    limit: Duration,
    /// When the viewer may not go on.
    ended: Ended,
}

impl Following<'_> {
    /// Sends what follows the head, until the feed is over or the viewer has left.
    async fn run(&mut self) -> io::Result<()> {
        let mut left = pin!(left(self.stream));
        // Going alone is boxed: of many viewers of a channel hardly one does, and all would hold
        // the room for it.
        while Box::pin(self.go_alone(left.as_mut())).await? && self.go_with_crew(left.as_mut()).await {}
        Ok(())
    }

    /// Sends until a crew can go on: `true`. `false` when the feed is over or the viewer has left.
    async fn go_alone(&mut self, mut left: Pin<&mut impl Future<Output = ()>>) -> io::Result<bool> {
        let stream = self.stream;
        let subscription = self.subscription.as_mut().expect("it comes back from the crew");
        loop {
            match stream.try_io(Interest::WRITABLE, || subscription.send_to(stream, self.delivery)) {
                // One who takes all at once must not keep the others waiting.
                Ok(Sent::Progress) => tokio::task::consume_budget().await,
                Ok(Sent::Ended) => return Ok(false),
                Ok(Sent::UpToDate) if subscription.sends_alone() => tokio::select! {
                    biased;
                    is_going_on = subscription.changed() => if !is_going_on {
                        return Ok(false);
                    },
                    () = &mut left => return Ok(false),
                    Some(()) = &mut self.ended => return Ok(false),
                },
                Ok(Sent::UpToDate) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let room = tokio::select! {
                        room = room(stream, self.limit) => room,
                        Some(()) = &mut self.ended => {
                            return finish(stream, subscription, self.limit).await.map(|()| false);
                        }
                        () = subscription.stopped() => {
                            return finish(stream, subscription, self.limit).await.map(|()| false);
                        }
                    };
                    if let Some(room) = room {
                        room?;
                        continue;
                    }
                    // The system tells of room only when a good part of what waited is gone. Of a
                    // slow viewer that takes some time, but what it has taken meanwhile is room,
                    // and it is not dead.
                    match subscription.send_to(stream, self.delivery) {
                        Ok(Sent::Progress | Sent::UpToDate) => {}
                        Ok(Sent::Ended) => return Ok(false),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            return Err(io::Error::new(io::ErrorKind::TimedOut, "the viewer takes nothing"));
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets the player of a viewer who may not go on drop what it holds, if its socket takes that
    /// at once.
    fn say_farewell(&mut self) {
        let subscription = self.subscription.as_mut().expect("it comes back from the crew");
        if let (Ok(true), Some(packet)) = (subscription.send_last(self.stream), subscription.farewell())
            && let Err(error) = self.stream.try_write(&packet)
        {
            debug!(%error, "no room for a farewell");
        }
    }

    /// Lets a crew send until it gives the viewer back: `true`. `false` when the viewer has left.
    async fn go_with_crew(&mut self, left: Pin<&mut impl Future<Output = ()>>) -> bool {
        let subscription = self.subscription.take().expect("it goes alone until now");
        let membership = Membership::join(subscription, Arc::clone(self.stream), self.delivery);
        let is_here = tokio::select! {
            biased;
            () = membership.returned() => true,
            () = left => false,
            Some(()) = &mut self.ended => false,
        };
        self.subscription = Some(membership.leave());
        is_here
    }
}

/// Ends the stream of a viewer who has no room behind the packet that is on its way. Of the end of
/// it the viewer need not make room: it is we who let the system hold little.
async fn finish(stream: &TcpStream, subscription: &mut Subscription, limit: Duration) -> io::Result<()> {
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(u32::MAX);
    // Whatever the runtime was last told.
    let mut sent = subscription.send_last(stream);
    loop {
        match sent {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                room(stream, limit).await.ok_or(io::ErrorKind::TimedOut)??;
            }
            Err(error) => return Err(error),
        }
        sent = stream.try_io(Interest::WRITABLE, || subscription.send_last(stream));
    }
}

/// Waits until the viewer closes the connection, or breaks it.
async fn left(stream: &TcpStream) {
    let mut said = 0;
    while said < MAX_CHATTER {
        // Not `readable()`: this takes the place of the task in which hyper waited, which the
        // stream would keep in memory.
        if poll_fn(|cx| stream.poll_read_ready(cx)).await.is_err() {
            return;
        }
        match stream.try_read(&mut [0; 1024]) {
            Ok(0) => return,
            Ok(count) => said += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
