//! A channel as an endless MPEG transport stream.

mod socket;
mod viewer;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use forebay_relay::model::Channel;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

pub(super) use self::socket::send;
pub(super) use self::viewer::{Live, Viewer};
use super::error::Error;
use super::{Peer, State, query};

/// `GET /stream/{id}`, with or without `.ts`.
pub(super) async fn by_id(
    state: State,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    peer: Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let channel = find_by_id(&state, &id)?;
    watch(&state, &channel, query.as_deref(), peer, &headers)
}

/// `HEAD /stream/{id}`: players ask for the type; nothing is opened.
pub(super) async fn head_by_id(state: State, Path(id): Path<String>) -> Result<Response, Error> {
    find_by_id(&state, &id).map(|_| answer(no_body()))
}

/// `GET /api/proxy/channel/{id}`, by number or id.
pub(super) async fn by_number_or_id(
    state: State,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    peer: Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let channel = find_by_number_or_id(&state, &id)?;
    watch(&state, &channel, query.as_deref(), peer, &headers)
}

/// `HEAD /api/proxy/channel/{id}`.
pub(super) async fn head_by_number_or_id(state: State, Path(id): Path<String>) -> Result<Response, Error> {
    find_by_number_or_id(&state, &id).map(|_| answer(no_body()))
}

/// Of unknown length: players take a length of 0 for an empty file.
pub(super) fn no_body() -> Body {
    Body::from_stream(stream::empty::<Result<Bytes, Infallible>>())
}

fn find_by_id(state: &State, id: &str) -> Result<Arc<Channel>, Error> {
    let channel = state.channels.find(id.strip_suffix(".ts").unwrap_or(id));
    channel.ok_or_else(|| Error::UnknownChannel(id.to_owned()))
}

fn find_by_number_or_id(state: &State, id: &str) -> Result<Arc<Channel>, Error> {
    state.channels.find_by_number_or_id(id).ok_or_else(|| Error::UnknownChannel(id.to_owned()))
}

/// Joins the channel and answers as if it had a picture already: the connection waits for that, and sends what follows or says why not.
fn watch(
    state: &State,
    channel: &Arc<Channel>,
    query: Option<&str>,
    Extension(peer): Extension<Peer>,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let (subscription, places) = state.admit(channel, peer, headers)?;
    let offset = query::span(query, "offset");
    let viewer = Viewer::new(state, channel, peer, headers, subscription, places, offset);
    let mut response = answer(no_body());
    response.extensions_mut().insert(Live::new(viewer));
    Ok(response)
}

/// How far behind live an answer begins, in seconds, where that was asked for.
const OFFSET: HeaderName = HeaderName::from_static("x-forebay-offset");

/// 200 whatever range was asked for: a live stream has no beginning, and players take `Accept-Ranges` for a file they can seek in.
fn answer(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("video/mp2t")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONNECTION, HeaderValue::from_static("close")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        // nginx in front must not collect the stream before it sends it on.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (StatusCode::OK, headers, body).into_response()
}
