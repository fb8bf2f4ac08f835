//! One viewer on one channel, on the way from the handler to the connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::stream;
use http::{HeaderName, HeaderValue};

use forebay_relay::channel::{Refusal, Start, Subscription};
use forebay_relay::model::Channel;
use tracing::{Span, info, info_span};

use super::OFFSET;
use crate::accounts::Seat;
use crate::http::error::ApiError;
use crate::http::extract::Client;
use crate::http::presence::{How, Stay};
use crate::http::tally::{Tally, Way};
use crate::http::{Places, State, WriteLimit};

/// Completes when a viewer may not go on.
pub(super) type Ended = OptionFuture<BoxFuture<'static, ()>>;

/// Who watches. Dropping it is leaving.
#[derive(Debug)]
pub(in crate::http) struct Viewer {
    pub(super) subscription: Box<Subscription>,
    pub(super) visit: Box<Visit>,
}

/// What is known of a viewer besides what it is sent. Dropping it tells the log that it has left.
#[derive(Debug)]
pub(super) struct Visit {
    /// How long the viewer may take nothing.
    pub(super) timeout: Duration,
    /// What it was sent, in bytes.
    pub(super) sent: u64,
    channel: Arc<Channel>,
    /// The other end of its connection.
    peer: SocketAddr,
    since: Instant,
    is_started: bool,
    /// Whether the log tells of it.
    is_told: bool,
    /// How far behind live it wants to begin.
    offset: Option<Duration>,
    places: Places,
    pub(super) stay: Stay,
    tally: Tally,
}

impl Viewer {
    pub(super) fn new(
        state: &State,
        channel: Arc<Channel>,
        client: &Client,
        subscription: Subscription,
        (places, seat): (Places, Option<Arc<Seat>>),
        offset: Option<Duration>,
    ) -> Self {
        let stay = state.audience.presence.enter(client, channel.id.shared(), How::Ts, seat);
        let visit = Visit {
            timeout: channel.policy.viewer_timeout,
            sent: 0,
            is_told: state.is_visit_told(client.address),
            channel,
            peer: client.peer.address,
            since: Instant::now(),
            is_started: false,
            offset,
            places,
            stay,
            tally: state.tally.clone(),
        };
        Self { subscription: Box::new(subscription), visit: Box::new(visit) }
    }

    /// Waits for a picture; returns what the head of the answer then says besides.
    pub(super) async fn start(&mut self) -> Result<Option<(HeaderName, HeaderValue)>, ApiError> {
        match self.subscription.started().await {
            Start::Started => {}
            Start::Failed(failure) => return Err(ApiError::from(&*failure)),
            Start::Ended => return Err(Refusal::Closing.into()),
        }
        self.visit.start();
        let Some(offset) = self.visit.offset else { return Ok(None) };
        let behind = self.subscription.go_back(offset).as_secs_f64();
        Ok(HeaderValue::try_from(format!("{behind:.3}")).ok().map(|value| (OFFSET, value)))
    }

    /// The next bytes; `None` when the feed is over.
    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        let bytes = self.subscription.next().await;
        self.visit.sent = self.subscription.sent();
        bytes
    }
}

impl Visit {
    /// There is a picture.
    fn start(&mut self) {
        self.is_started = true;
        if let Some(opener) = &mut self.places.opener {
            opener.opening = None;
        }
        let after = self.since.elapsed();
        // A stream begins with a key frame.
        self.tally.note_first_byte(Way::Ts, after);
        self.tally.note_first_key_frame(Way::Ts, after);
        if self.is_told {
            self.span().in_scope(|| info!(after_ms = after.as_millis(), "viewer joined"));
        }
    }

    /// Made for each event: one that lived as long as the viewer would take more memory than all
    /// the rest.
    pub(super) fn span(&self) -> Span {
        info_span!("session", channel = %self.channel.id, peer = %self.peer, agent = self.stay.agent())
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.is_started && self.is_told {
            let seconds = self.since.elapsed().as_secs();
            self.span().in_scope(|| info!(seconds, bytes = self.sent, "viewer left"));
        }
    }
}

/// The viewer whom a response is for. The handler puts it into the response's extensions and leaves
/// the body empty: how it is sent, the connection knows, which takes it out again.
#[derive(Debug, Clone)]
pub(in crate::http) struct Live(Arc<Mutex<Option<Box<Viewer>>>>);

impl Live {
    pub(super) fn new(viewer: Viewer) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(viewer)))))
    }

    /// The viewer; `None` the second time.
    pub(in crate::http) fn take(&self) -> Option<Box<Viewer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The answer for a connection that hyper keeps: waits for a picture, and gives the response
    /// the body that feeds its viewer. Other responses stay as they are. `limit` is that of the
    /// connection.
    pub(in crate::http) async fn into_body(mut response: Response, limit: &WriteLimit) -> Response {
        let Some(mut viewer) = response.extensions_mut().remove::<Self>().and_then(|live| live.take()) else {
            return response;
        };
        let mut ended = Box::pin(viewer.visit.stay.ended());
        let started = tokio::select! {
            biased;
            () = &mut ended => Err(Refusal::Closing.into()),
            started = viewer.start() => started,
        };
        match started {
            Ok(says) => response.headers_mut().extend(says),
            Err(error) => return error.into_response(),
        }
        // From here on the channel's limit holds; while it waited, nothing was to be written.
        limit.set(viewer.visit.timeout);
        let body = stream::try_unfold((viewer, Some(ended)), |(mut viewer, ended)| async move {
            let Some(mut ended) = ended else { return Ok(None) };
            let (bytes, ended) = tokio::select! {
                biased;
                () = &mut ended => {
                    let farewell = viewer.subscription.farewell();
                    (farewell.map(|packet| Bytes::copy_from_slice(&packet)), None)
                }
                bytes = viewer.next() => (bytes?, Some(ended)),
            };
            Ok::<_, std::io::Error>(bytes.map(|bytes| (bytes, (viewer, ended))))
        });
        response.map(|_| Body::from_stream(body))
    }
}
