//! A channel as an endless MPEG transport stream.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tracing::{Instrument, Span, info, info_span};

use super::error::Error;
use super::{App, Peer, WriteLimit};
use crate::channel::{Start, Subscription};
use crate::config::Channel;

type Caller = (Extension<WriteLimit>, Extension<Peer>);

/// `GET /stream/{id}`, with or without `.ts`.
pub(super) async fn by_id(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let channel = find_by_id(&app, &id)?;
    watch(app, channel, caller, &headers).await
}

/// `HEAD /stream/{id}`: players ask for the type; nothing is opened.
pub(super) async fn head_by_id(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Error> {
    find_by_id(&app, &id).map(|_| answer(no_body()))
}

/// `GET /api/proxy/channel/{id}`, by number or id.
pub(super) async fn by_number_or_id(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let channel = find_by_number_or_id(&app, &id)?;
    watch(app, channel, caller, &headers).await
}

/// `HEAD /api/proxy/channel/{id}`.
pub(super) async fn head_by_number_or_id(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    find_by_number_or_id(&app, &id).map(|_| answer(no_body()))
}

/// Of unknown length: players take a length of 0 for an empty file.
fn no_body() -> Body {
    Body::from_stream(stream::empty::<Result<Bytes, Infallible>>())
}

fn find_by_id(app: &App, id: &str) -> Result<Arc<Channel>, Error> {
    let channel = app.channels.find(id.strip_suffix(".ts").unwrap_or(id));
    channel.ok_or_else(|| Error::UnknownChannel(id.to_owned()))
}

fn find_by_number_or_id(app: &App, id: &str) -> Result<Arc<Channel>, Error> {
    app.channels.find_by_number_or_id(id).ok_or_else(|| Error::UnknownChannel(id.to_owned()))
}

/// Joins the channel, waits for its first picture, and answers with what follows.
async fn watch(
    app: App,
    channel: Arc<Channel>,
    (Extension(limit), Extension(Peer(peer))): Caller,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let mut subscription = app.channels.subscribe(&channel).ok_or(Error::Closing)?;
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("-");
    let session =
        Session { span: info_span!("session", channel = %channel.id, %peer, agent), since: Instant::now() };
    match subscription.started().instrument(session.span.clone()).await {
        Start::Started => {}
        Start::Failed(failure) => return Err(Error::NoSource(failure)),
        Start::Ended => return Err(Error::Closing),
    }
    session.span.in_scope(|| info!(after_ms = session.since.elapsed().as_millis(), "viewer joined"));
    limit.set(channel.policy.viewer_timeout);
    let viewer = Viewer { subscription, session };
    let body = stream::try_unfold(viewer, |mut viewer| async move {
        let bytes = viewer.subscription.next().instrument(viewer.session.span.clone()).await?;
        Ok::<_, std::io::Error>(bytes.map(|bytes| (bytes, viewer)))
    });
    Ok(answer(Body::from_stream(body)))
}

/// One viewer on one channel.
struct Viewer {
    subscription: Subscription,
    session: Session,
}

struct Session {
    span: Span,
    since: Instant,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let seconds = self.session.since.elapsed().as_secs();
        self.session.span.in_scope(|| info!(seconds, bytes = self.subscription.sent(), "viewer left"));
    }
}

/// 200 whatever range was asked for: a live stream has no beginning, and players take `Accept-Ranges` for a file they can seek in.
fn answer(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("video/mp2t")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONNECTION, HeaderValue::from_static("close")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        // nginx in front must not collect the stream before it sends it on.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (StatusCode::OK, headers, body).into_response()
}
