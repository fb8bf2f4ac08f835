//! A channel as an endless MPEG transport stream.

mod socket;
mod viewer;

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use forebay_relay::channel::ListedChannel;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};

pub(super) use self::socket::send;
pub(super) use self::viewer::{Live, Viewer};
use super::State;
use super::auth::WayUp;
use super::error::ApiError;
use super::extract::{Client, Named, Naming};
use super::query::Query;
use crate::accounts::{Form, Title};

/// `GET`: joins the channel, and answers as if it had a picture already. The connection waits for
/// that, and sends the stream or says why there is none.
pub(super) async fn watch<N: Naming>(
    state: State,
    Named { found, .. }: Named<N>,
    query: Query,
    client: Client,
) -> Result<Response, ApiError> {
    watch_channel(state, found, query, client).await
}

/// The same with a channel that whoever asks may watch.
pub(super) async fn watch_channel(
    state: State,
    found: ListedChannel,
    query: Query,
    client: Client,
) -> Result<Response, ApiError> {
    // In front of the admission, which opens the channel: one beyond the limit costs no connection.
    let seat = state.seat(&client, &Title::from(&*found.channel), Form::Endless).await?;
    let (subscription, places) = state.admit(&found, &client)?;
    let offset = query.span("offset");
    let viewer = Viewer::new(&state, found.channel, &client, subscription, (places, seat), offset);
    let mut response = answer(no_body());
    // The viewer goes with the answer: where that is dropped, the viewer has left.
    response.extensions_mut().insert(Live::new(viewer));
    Ok(response)
}

/// `GET` and `HEAD /live/{user}/{password}/{id}`, as players of Xtream Codes ask: the stream, or
/// with `.m3u8` behind the id the way to the playlist, below a path that carries who asks.
pub(super) async fn watch_as_user<N: Naming>(
    state: State,
    named: Named<N>,
    query: Query,
    client: Client,
    (uri, way): (Uri, WayUp),
    method: Method,
) -> Result<Response, ApiError> {
    if uri.path().strip_suffix(".m3u8").is_none() {
        return if method == Method::HEAD {
            Ok(answer_to_head())
        } else {
            watch(state, named, query, client).await
        };
    }
    let (prefix, id) = (client.watching.prefix(), named.found.channel.id.as_str());
    // Relative, since a proxy may serve Forebay below a path.
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let playlist = format!("{way}{prefix}stream/{id}/index.m3u8{query}");
    Ok((StatusCode::FOUND, [(header::LOCATION, playlist)]).into_response())
}

/// `HEAD`: players ask for the type; nothing is opened.
pub(super) fn head<N: Naming>(_: Named<N>) -> Response {
    answer_to_head()
}

/// The head of a stream.
pub(super) fn answer_to_head() -> Response {
    answer(no_body())
}

/// Of unknown length: players take a length of 0 for an empty file.
pub(super) fn no_body() -> Body {
    Body::from_stream(stream::empty::<Result<Bytes, Infallible>>())
}

/// How far behind live an answer begins, in seconds, where that was asked for.
const OFFSET: HeaderName = HeaderName::from_static("x-forebay-offset");

/// 200 whatever range was asked for: a live stream has no beginning, and players take
/// `Accept-Ranges` for a file they can seek in.
fn answer(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("video/mp2t")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONNECTION, HeaderValue::from_static("close")),
        // nginx in front must not collect the stream before it sends it on.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (StatusCode::OK, headers, body).into_response()
}
