//! What several handlers need of a request.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::body::HttpBody as _;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, RawPathParams, Request};
use axum::response::{IntoResponse as _, Response};
use forebay_relay::channel::ListedChannel;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::address::Reader;
use super::auth::{Watching, is_operator};
use super::error::ApiError;
use super::forwarded::client_address;
use super::query::Query;
use super::visits::agent;
use super::{Peer, State};
use crate::catalogue::Catalogue;
use crate::db::Error;

/// The query with which an operator asks for whole addresses of sources: `urls=full`.
const WHOLE_URLS: (&str, &str) = ("urls", "full");

/// A viewer's player, as the limits and the log know it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) peer: Peer,
    /// Where it is, behind proxies that are trusted.
    pub(super) address: IpAddr,
    /// Its `User-Agent`, or a dash.
    pub(super) agent: Arc<str>,
    /// Who watches.
    pub(super) watching: Watching,
}

impl FromRequestParts<State> for Client {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let peer = Peer::from_request_parts(parts, state).await?;
        let address = client_address(&state.config().server, peer, &parts.headers);
        let watching = Watching::of(parts);
        Ok(Self { peer, address, agent: agent(&parts.headers).into(), watching })
    }
}

impl FromRequestParts<State> for Peer {
    type Rejection = Response;

    /// Every connection puts its own into each request.
    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, Response> {
        let peer = parts.extensions.get::<Self>().copied();
        debug_assert!(peer.is_some(), "a connection has to say who is at the other end");
        peer.ok_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

/// How an address names a channel.
pub(super) trait Naming: Send + 'static {
    /// The id without what stands behind it.
    fn bare(id: &str) -> &str {
        id
    }

    fn find(
        catalogue: &Catalogue,
        id: &str,
    ) -> impl Future<Output = Result<Option<ListedChannel>, Error>> + Send;
}

/// By its id.
#[derive(Debug)]
pub(super) struct ById;

/// By its id, with or without `.ts` behind it.
#[derive(Debug)]
pub(super) struct ByFile;

/// By its id, else by its number.
#[derive(Debug)]
pub(super) struct ByNumberOrId;

/// By its id, else by its number, with or without `.ts` or `.m3u8` behind it.
#[derive(Debug)]
pub(super) struct ByPlayerFile;

impl Naming for ByPlayerFile {
    fn bare(id: &str) -> &str {
        id.strip_suffix(".ts").or_else(|| id.strip_suffix(".m3u8")).unwrap_or(id)
    }

    async fn find(catalogue: &Catalogue, id: &str) -> Result<Option<ListedChannel>, Error> {
        catalogue.find_by_id_or_number(Self::bare(id)).await
    }
}

impl Naming for ById {
    async fn find(catalogue: &Catalogue, id: &str) -> Result<Option<ListedChannel>, Error> {
        catalogue.find(id).await
    }
}

impl Naming for ByFile {
    fn bare(id: &str) -> &str {
        id.strip_suffix(".ts").unwrap_or(id)
    }

    async fn find(catalogue: &Catalogue, id: &str) -> Result<Option<ListedChannel>, Error> {
        catalogue.find(Self::bare(id)).await
    }
}

impl Naming for ByNumberOrId {
    async fn find(catalogue: &Catalogue, id: &str) -> Result<Option<ListedChannel>, Error> {
        catalogue.find_by_id_or_number(id).await
    }
}

/// The channel that `{id}` in the path names; 404 where there is none, and 403 where whoever asks
/// may not watch it.
#[derive(Debug)]
pub(super) struct Named<N> {
    pub(super) found: ListedChannel,
    naming: PhantomData<N>,
}

impl<N: Naming> FromRequestParts<State> for Named<N> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        // Fails for an id that is no UTF-8.
        // Raw, since routes have different numbers of
        // parameters, and a typed extractor wants all of them.
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(axum::response::IntoResponse::into_response)?;
        let id = params.iter().find(|(name, _)| *name == "id").map_or("", |(_, id)| id);
        let found = match N::find(&state.catalogue, id).await {
            Ok(Some(found)) => found,
            // The id as it was asked for: an answer that names another one puzzles people.
            Ok(None) => return Err(no_channel(state, id, N::bare(id)).await.into_response()),
            Err(error) => return Err(ApiError::from(error).into_response()),
        };
        let watching = Watching::of(parts);
        if !watching.watcher.may_watch(&found.channel, &state.accounts.adult_groups()) {
            return Err(ApiError::not_allowed(id).into_response());
        }
        Ok(Self { found, naming: PhantomData })
    }
}

/// What whoever asks for a channel is told that is not to be had.
pub(super) async fn no_channel(state: &State, asked: &str, id: &str) -> ApiError {
    match state.catalogue.why_unplayable(id).await {
        Ok(Some(why)) => ApiError::unplayable_channel(asked, why),
        // What cannot be read now was read a moment ago.
        Ok(None) | Err(_) => ApiError::unknown_channel(asked),
    }
}

/// Whoever asks for more than the public is told has to be an operator; anybody else is told what
/// the public is.
impl FromRequestParts<State> for Reader {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let (key, value) = WHOLE_URLS;
        let query = Query::from(parts.uri.query().unwrap_or_default());
        if query.value(key).is_none_or(|asked| asked != value) {
            return Ok(Self::Public);
        }
        let peer = Peer::from_request_parts(parts, state).await?;
        Ok(if is_operator(state, peer, parts).await { Self::Admin } else { Self::Public })
    }
}

/// What the body of a request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyLimits {
    /// Its length in bytes.
    pub(super) bytes: usize,
    /// How long it may take to come.
    pub(super) time: Duration,
}

/// A body that a route takes, as JSON.
pub(super) trait JsonRequest: DeserializeOwned + ToSchema {
    /// One that is right, for the error message and the documentation.
    const EXAMPLE: &'static str;
}

/// A body as JSON, within the limits of its route.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: JsonRequest> FromRequest<State> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &State) -> Result<Self, ApiError> {
        let limits = request.extensions().get::<BodyLimits>().copied();
        let limits = limits.expect("a route that takes a body cannot be made without limits");
        let (parts, body) = request.into_parts();
        Self::parse(&read(&parts.headers, body, limits).await?)
    }
}

/// A body that may be left out.
impl<T: JsonRequest> OptionalFromRequest<State> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &State) -> Result<Option<Self>, ApiError> {
        // A request without a body has no `Content-Type` either, which would be refused below.
        if request.body().is_end_stream() {
            return Ok(None);
        }
        <Self as FromRequest<State>>::from_request(request, state).await.map(Some)
    }
}

impl<T: JsonRequest> JsonBody<T> {
    /// The error names the line and the column.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        serde_json::from_slice(body).map(Self).map_err(|error| {
            ApiError::bad_request(format!("the body is to be JSON such as {}: {error}", T::EXAMPLE))
        })
    }
}

/// The body, if it says that it is JSON, and is short and soon here.
///
/// A page that has not asked first (CORS) cannot say that it sends JSON.
async fn read(headers: &HeaderMap, body: Body, limits: BodyLimits) -> Result<Vec<u8>, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // `charset` may follow; JSON has one only (RFC 8259, 8.1).
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let message = "the body is to be JSON, with Content-Type: application/json";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    // A client that sends a byte a minute would else hold a task and a socket.
    timeout(limits.time, collect(body, limits.bytes)).await.unwrap_or_else(|_| {
        let message = format!("the body did not come within {} s", limits.time.as_secs());
        Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message))
    })
}

/// The bytes of a body, copied: pieces of a few bytes would else hold a whole read buffer each.
async fn collect(mut body: Body, limit: usize) -> Result<Vec<u8>, ApiError> {
    let too_large = || {
        let message = format!("the body is to be whole, and no longer than {limit} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    };
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // If it broke off, nobody hears the answer.
        let Ok(frame) = frame else { return Err(too_large()) };
        let Ok(piece) = frame.into_data() else { continue };
        if bytes.len() + piece.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BodyLimits = BodyLimits { bytes: 1024, time: Duration::from_secs(30) };

    fn typed(kind: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())])
    }

    async fn code(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, (u16, &'static str)> {
        read(headers, body, LIMITS).await.map_err(|error| (error.status.as_u16(), error.code))
    }

    #[tokio::test]
    async fn a_body_is_json_and_short() {
        for kind in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(code(&typed(kind), Body::from("{}")).await, Ok(b"{}".to_vec()), "{kind}");
        }
        let not_json = Err((415, "unsupported_media_type"));
        // What a form can send, or a page that has not asked first.
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json+x", ""] {
            assert_eq!(code(&typed(kind), Body::from("{}")).await, not_json, "{kind}");
        }
        assert_eq!(code(&HeaderMap::new(), Body::from("{}")).await, not_json);
        let json = typed("application/json");
        assert!(code(&json, Body::from(vec![b' '; LIMITS.bytes])).await.is_ok());
        let long = Body::from(vec![b' '; LIMITS.bytes + 1]);
        assert_eq!(code(&json, long).await, Err((413, "body_too_large")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never =
            Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        assert_eq!(code(&typed("application/json"), never).await, Err((408, "body_timeout")));
    }
}
