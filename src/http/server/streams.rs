//! The answers that an HTTP/2 connection carries, and the end of those that are stuck.
//!
//! On a connection of its own, a viewer who takes nothing is found out by its socket. Here the
//! client opens a window for each answer, and may leave one of them closed while the connection
//! lives; hyper then waits, and does not even ask for the next bytes. So each answer notes when it
//! gave something that nobody has come back after, and the connection looks at these notes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::http::server::WriteLimit;

/// An answer goes out in pieces of this size, a frame each. hyper hands on a piece whole, whatever
/// the client has room for; and who takes one in its time is not stuck.
const PIECE: usize = 16 * 1024;

/// The answers of one connection that are not over.
#[derive(Debug, Clone, Default)]
pub(super) struct Streams(Arc<Mutex<Vec<Weak<Mutex<Answer>>>>>);

/// What a look at the answers of a connection finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Whether there is one that is not stuck.
    pub(super) is_busy: bool,
    /// How many are stuck that the client has not reset: hyper holds the last of what they gave.
    pub(super) stuck: usize,
}

/// One answer, from the request on.
#[derive(Debug)]
pub(super) struct Stream {
    answer: Arc<Mutex<Answer>>,
    limit: WriteLimit,
}

#[derive(Debug)]
struct Answer {
    /// What is sent; nothing before it is known, and after it was found stuck.
    body: Option<Body>,
    /// What is left of what the body gave last.
    rest: Bytes,
    limit: WriteLimit,
    /// Since when nobody has come for more.
    waiting_since: Option<Instant>,
    is_stuck: bool,
}

impl Streams {
    /// An answer begins; it may be stuck for so long.
    pub(super) fn open(&self, limit: Duration) -> Stream {
        let limit = WriteLimit::new(limit);
        let answer = Answer {
            body: None,
            rest: Bytes::new(),
            limit: limit.clone(),
            waiting_since: None,
            is_stuck: false,
        };
        let answer = Arc::new(Mutex::new(answer));
        let mut streams = lock(&self.0);
        // Of those that are over, no more stay here than may be open.
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(Arc::downgrade(&answer));
        Stream { answer, limit }
    }

    /// Ends the answers that are stuck.
    pub(super) fn look(&self) -> Look {
        let now = Instant::now();
        let mut look = Look { is_busy: false, stuck: 0 };
        lock(&self.0).retain(|stream| {
            let Some(stream) = stream.upgrade() else { return false };
            let mut answer = lock(&stream);
            let is_late =
                answer.waiting_since.is_some_and(|since| now.duration_since(since) > answer.limit.get());
            if !answer.is_stuck && !is_late {
                look.is_busy = true;
                return true;
            }
            answer.is_stuck = true;
            look.stuck += 1;
            // The viewer leaves the channel here. What hyper holds of the answer goes when the
            // client resets it, or the connection ends.
            let held = (answer.body.take(), std::mem::take(&mut answer.rest));
            // The lock first: dropping the body ends a viewer, which takes other locks.
            drop(answer);
            drop(held);
            true
        });
        look
    }
}

impl Stream {
    /// How long it may be stuck.
    pub(super) fn limit(&self) -> &WriteLimit {
        &self.limit
    }

    /// Sends this.
    pub(super) fn carry(self, body: Body) -> Carried {
        lock(&self.answer).body = Some(body);
        Carried { answer: self.answer }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(super) struct Carried {
    answer: Arc<Mutex<Answer>>,
}

impl http_body::Body for Carried {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut answer = lock(&self.answer);
        // Whoever comes for more has taken what was given.
        answer.waiting_since = None;
        if answer.is_stuck {
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))));
        }
        if answer.rest.is_empty() {
            let Some(body) = &mut answer.body else { return Poll::Ready(None) };
            let Some(frame) = ready!(Pin::new(body).poll_frame(cx)) else { return Poll::Ready(None) };
            match frame?.into_data() {
                Ok(data) => answer.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        // A larger frame would be handed on whole, and its viewer seem to stand still for as long.
        let length = answer.rest.len().min(PIECE);
        answer.waiting_since = Some(Instant::now());
        Poll::Ready(Some(Ok(Frame::data(answer.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        let answer = lock(&self.answer);
        answer.rest.is_empty() && answer.body.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        // It is asked for before anything is read.
        lock(&self.answer).body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;

    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use http_body::Body as _;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn next(carried: &mut Carried) -> Option<Result<usize, axum::Error>> {
        let frame = poll_fn(|cx| Pin::new(&mut *carried).poll_frame(cx)).await?;
        Some(frame.map(|frame| frame.into_data().map_or(0, |data| data.len())))
    }

    fn endless(blocks: usize, size: usize) -> Body {
        let blocks = stream::iter((0..blocks).map(move |_| Ok::<_, Infallible>(Bytes::from(vec![0; size]))));
        Body::from_stream(blocks.chain(stream::pending()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_is_dropped_in_time_and_what_waits_for_its_source_is_not() {
        let streams = Streams::default();
        let mut patient = streams.open(10 * SECOND).carry(endless(1, 10));
        assert_eq!(next(&mut patient).await.unwrap().unwrap(), 10);
        assert!(next(&mut patient).now_or_never().is_none(), "it waits for more");
        let mut stuck = streams.open(10 * SECOND).carry(endless(2, 10));
        assert_eq!(next(&mut stuck).await.unwrap().unwrap(), 10);

        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(streams.look(), Look { is_busy: true, stuck: 0 });
        assert_eq!(next(&mut stuck).await.unwrap().unwrap(), 10, "it was in time");
        tokio::time::sleep(11 * SECOND).await;
        assert_eq!(streams.look(), Look { is_busy: true, stuck: 1 }, "the patient one is not stuck");
        assert!(lock(&stuck.answer).body.is_none() && lock(&patient.answer).body.is_some());
        assert!(next(&mut stuck).await.unwrap().is_err(), "whoever comes back late is told");
        drop(patient);
        assert_eq!(streams.look(), Look { is_busy: false, stuck: 1 }, "hyper still holds it");
        drop(stuck);
        assert_eq!(streams.look(), Look { is_busy: false, stuck: 0 });
    }

    #[tokio::test]
    async fn large_blocks_go_out_in_pieces() {
        let streams = Streams::default();
        let mut carried = streams.open(SECOND).carry(Body::from(vec![0; 2 * PIECE + 1]));
        assert_eq!(carried.size_hint().exact(), Some(2 * PIECE as u64 + 1));
        let mut sizes = Vec::new();
        while let Some(size) = next(&mut carried).await {
            assert!(!carried.is_end_stream() || size.as_ref().is_ok_and(|&size| size == 1));
            sizes.push(size.unwrap());
        }
        assert_eq!(sizes, [PIECE, PIECE, 1]);
    }
}
