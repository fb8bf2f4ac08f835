//! `GET /api/streaming/events`: how the analyses and downloads of whoever listens go on.
//!
//! First everything is told as it stands, then what changes. Whoever is too slow for that is told
//! everything anew.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, sleep_until};
use utoipa::ToSchema;

use super::StreamingError;
use super::owner::Owner;
use crate::http::State;
use crate::page_jobs::Message;

/// Those who may listen at the same time.
const MAX_LISTENERS: usize = 1000;

/// How long an answer lasts. The browser asks again by itself, and by then whoever was signed out is
/// refused.
const LIFE: Duration = Duration::from_mins(5);

/// How long nothing may be said: proxies end what stands still.
const QUIET: Duration = Duration::from_secs(15);

/// How soon the browser is to ask again, in ms.
const RETRY: &[u8] = b"retry: 500\n\n";

/// A line that says nothing.
const COMMENT: &[u8] = b": still here\n\n";

/// A proxy that collects what comes would make it late.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Who listens.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Listeners(Arc<AtomicUsize>);

/// The right to listen.
#[derive(Debug)]
struct Seat(Listeners);

/// The jobs of pages, as far as they have not ended.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct QueueNews {
    kind: &'static str,
    running: usize,
    waiting: u64,
}

impl Listeners {
    fn take(&self) -> Option<Seat> {
        let seat = |count: usize| (count < MAX_LISTENERS).then_some(count + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, seat).ok()?;
        Some(Seat(self.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// `GET /api/streaming/events`
pub(in crate::http) async fn listen(state: State, owner: Owner) -> Result<Response, StreamingError> {
    let seat = state.audience.listeners.take().ok_or_else(|| {
        let message = format!("{MAX_LISTENERS} pages listen already");
        StreamingError::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_LISTENERS", message).retry_after(5)
    })?;
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (UNBUFFERED, HeaderValue::from_static("no")),
    ];
    let messages = stream::unfold(Listening::new(state, owner, seat), |mut listening| async {
        let message = listening.next().await?;
        Some((Ok::<_, Infallible>(message), listening))
    });
    Ok((fields, Body::from_stream(messages)).into_response())
}

/// What is left of an answer.
struct Listening {
    state: State,
    owner: Owner,
    _seat: Seat,
    news: Receiver<Message>,
    ends_at: Instant,
    /// Everything is to be told as it stands.
    is_new: bool,
}

impl Listening {
    fn new(state: State, owner: Owner, seat: Seat) -> Self {
        // Before anything is told, so that no change is lost between.
        let news = state.news.listen();
        Self { state, owner, _seat: seat, news, ends_at: Instant::now() + LIFE, is_new: true }
    }

    /// Waits for the next message; none when the answer ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.is_new {
                self.is_new = false;
                return Some(self.everything().await);
            }
            let heard = tokio::select! {
                biased;
                () = self.state.channels.stopping() => return None,
                () = sleep_until(self.ends_at) => return None,
                heard = self.news.recv() => heard,
                () = sleep(QUIET) => return Some(Bytes::from_static(COMMENT)),
            };
            match heard {
                Ok(message) if message.to.has(&self.owner.name, self.owner.is_staff) => {
                    return Some(message.text);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.is_new = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// All downloads, and how full the queues are.
    async fn everything(&self) -> Bytes {
        let mut text = BytesMut::from(RETRY);
        // What cannot be read now is told as it changes.
        for download in self.state.downloads.list(&self.owner.name).await.unwrap_or_default() {
            text.extend_from_slice(&self.state.news.text("fetch", &download));
        }
        for report in self.state.jobs.report().await.unwrap_or_default() {
            let (kind, running, waiting) = (report.kind, report.running, report.waiting + report.delayed);
            text.extend_from_slice(&self.state.news.text("queue", &QueueNews { kind, running, waiting }));
        }
        text.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_seats() {
        let listeners = Listeners::default();
        let seats: Vec<Seat> = (0..MAX_LISTENERS).map(|_| listeners.take().unwrap()).collect();
        assert!(listeners.take().is_none());
        drop(seats);
        assert_eq!(listeners.0.load(Ordering::Relaxed), 0);
    }
}
