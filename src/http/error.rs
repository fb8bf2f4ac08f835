//! The one error of the HTTP surface: `{"error":{"code","message"}}`, with the right status.
//!
//! What goes wrong in the relay becomes an [`ApiError`] here and nowhere else.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use forebay_core::channel::ErrorCode;
use forebay_core::transcode::NoCpu;
use forebay_relay::channel::{NoPlaylist, Refusal, StartFailure};
use forebay_relay::model::FieldError;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::refusals::Kind;
use super::{address, nosniff};
use crate::accounts::NoSeat;
use crate::films::OpenError;

/// How long a client waits before it tries again what may work then: one try of a source.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Pages of other origins may read an error, and `Retry-After`: a page that may play a stream may
/// know why it cannot. Routes that are closed to pages take these fields away again.
const CORS: [(HeaderName, HeaderValue); 2] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After")),
];

/// Why a request is refused, as the client is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    /// For programs: never renamed.
    pub(super) code: &'static str,
    /// For people.
    pub(super) message: Cow<'static, str>,
    pub(super) details: Details,
    /// Where the same request may work later.
    pub(super) retry_after: Option<Duration>,
}

/// What an error tells besides.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Details {
    None,
    /// The sources of a channel that does not start: `error.sources`.
    Sources(Vec<FailedSource>),
    /// The fields of a body that are wrong: `error.details`.
    Fields(Vec<WrongField>),
}

/// A source of a channel that does not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct FailedSource {
    /// What happened; null where it has not failed.
    #[schema(required)]
    message: Option<String>,
    /// The code of what happened; null where it has not failed.
    #[schema(required)]
    reason: Option<&'static str>,
    /// Its scheme and host.
    url: String,
}

/// A field of a body that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct WrongField {
    /// What was found, and what was expected.
    pub(super) message: String,
    /// The way to it from the outside: `sources[1].url`.
    pub(super) path: String,
}

/// The answer to a request that is refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorDocument {
    error: ErrorBody,
}

/// What was refused, and why.
// The fields are in alphabetical order, as in the status: that is part of the contract.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorBody {
    /// For programs: never renamed.
    code: &'static str,
    /// The fields of the body that are wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<WrongField>>,
    /// For people.
    #[schema(value_type = String)]
    message: Cow<'static, str>,
    /// The sources of a channel that does not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<Vec<FailedSource>>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), details: Details::None, retry_after: None }
    }

    /// The same request may work in some seconds.
    fn retried(self) -> Self {
        Self { retry_after: Some(RETRY_AFTER), ..self }
    }

    pub(super) fn unavailable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retried()
    }

    /// The body is not as it should be.
    pub(super) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(super) fn unknown_channel(id: &str) -> Self {
        let message = format!("there is no channel {id:?}");
        Self::new(StatusCode::NOT_FOUND, "unknown_channel", message)
    }

    /// A playlist has the channel, and its address cannot be opened.
    pub(super) fn unplayable_channel(id: &str, why: &str) -> Self {
        let message = format!("the channel {id:?} cannot be played: {why}");
        Self::new(StatusCode::NOT_FOUND, "unplayable_channel", message)
    }

    pub(super) fn unknown_video(id: &str) -> Self {
        let message = format!("there is no film {id:?}");
        Self::new(StatusCode::NOT_FOUND, "unknown_video", message)
    }

    /// The film has no such playlist or segment.
    pub(super) fn no_part(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_part", format!("the film has no {name:?}"))
    }

    /// The codecs of a film are in no transport stream.
    pub(super) fn not_in_packets() -> Self {
        let message = "the film has codecs that no transport stream carries";
        Self::new(StatusCode::CONFLICT, "not_in_packets", message)
    }

    pub(super) fn no_such_route(uri: &Uri) -> Self {
        let message = format!("there is nothing at {}", uri.path());
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn method_not_allowed(method: &Method, uri: &Uri) -> Self {
        let message = format!("{} does not take {method}", uri.path());
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    pub(super) fn bad_host() -> Self {
        let message = "the request is to name one host, as in Host: tv.example:8080";
        Self::new(StatusCode::BAD_REQUEST, "bad_host", message)
    }

    /// The channel has none, or it does not come.
    pub(super) fn no_logo() -> Self {
        let message = "the channel has no logo, or it cannot be had now";
        Self::new(StatusCode::NOT_FOUND, "no_logo", message)
    }

    /// Too many logos are fetched, of this server or of all.
    pub(super) fn logo_busy() -> Self {
        Self::unavailable("logo_busy", "too many logos are being fetched")
    }

    pub(super) fn no_segment(name: &str) -> Self {
        let message = format!("there is no segment {name:?} now");
        Self::new(StatusCode::NOT_FOUND, "no_segment", message)
    }

    pub(super) fn session_limit(limit: usize) -> Self {
        Self::unavailable("session_limit", format!("the server has its {limit} HLS viewers"))
    }

    pub(super) fn too_many_connections() -> Self {
        Self::unavailable("too_many_connections", "the server takes no more connections now")
    }

    /// The address has as many of something as it may.
    pub(super) fn address_limit(kind: Kind, limit: usize) -> Self {
        let (what, key) = (kind.what(), kind.key());
        let message = format!(
            "your address has its {limit} {what}: whoever runs this server can raise {key}, \
             or list a proxy in trusted_proxies"
        );
        Self::new(StatusCode::TOO_MANY_REQUESTS, "address_limit", message).retried()
    }

    /// Whoever asks has guessed too often.
    pub(super) fn too_many_tries(wait: Duration) -> Self {
        let message = "too many wrong tries: wait some minutes";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", message);
        Self { retry_after: Some(wait), ..error }
    }

    /// The channel is none of those that whoever asks may watch.
    pub(super) fn not_allowed(id: &str) -> Self {
        let message = format!("you may not watch the channel {id:?}");
        Self::new(StatusCode::FORBIDDEN, "not_allowed", message)
    }

    /// Nobody with this number watches.
    pub(super) fn unknown_viewer(id: &str) -> Self {
        let message = format!("there is no viewer {id:?}, or it has gone");
        Self::new(StatusCode::NOT_FOUND, "unknown_viewer", message)
    }

    /// An operator has ended what this player plays, which came back.
    pub(super) fn ended(wait: Duration) -> Self {
        let message = "whoever runs this server has ended the stream";
        let error = Self::new(StatusCode::FORBIDDEN, "ended", message);
        Self { retry_after: Some(wait), ..error }
    }

    /// The address has asked too often.
    pub(super) fn rate_limit(limit: u32, wait: Duration) -> Self {
        let message = format!("your address has made its {limit} requests of this minute");
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit", message);
        Self { retry_after: Some(wait), ..error }
    }

    /// The body as it is sent.
    pub(super) fn into_document(self) -> ErrorDocument {
        let (details, sources) = match self.details {
            Details::None => (None, None),
            Details::Sources(sources) => (None, Some(sources)),
            Details::Fields(fields) => (Some(fields), None),
        };
        ErrorDocument { error: ErrorBody { code: self.code, details, message: self.message, sources } }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Closing => Self::unavailable("closing", "the channel or the server is closing"),
            Refusal::ChannelFull { limit } => {
                Self::unavailable("channel_full", format!("this channel has its {limit} viewers"))
            }
            Refusal::NoBandwidth { limit } => {
                let message = format!("one more viewer would need more than {} kbit/s", limit / 1000);
                Self::unavailable("no_bandwidth", message)
            }
            Refusal::AddressShare => {
                let message = "your address has three quarters of what there is for all";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "address_limit", message).retried()
            }
            Refusal::Unreadable => Self::unavailable("no_database", "the channel cannot be read now"),
            Refusal::NoStore => {
                Self::unavailable("no_store", "the system gives no memory or no file for this channel")
            }
        }
    }
}

impl From<NoCpu> for ApiError {
    fn from(refusal: NoCpu) -> Self {
        Self::unavailable("no_cpu", format!("there is no processor time to encode this channel: {refusal}"))
    }
}

impl From<NoSeat> for ApiError {
    fn from(NoSeat { limit }: NoSeat) -> Self {
        let message = format!("you watch as many streams at once as you may: {limit}");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "stream_limit", message).retried()
    }
}

impl From<&StartFailure> for ApiError {
    fn from(failure: &StartFailure) -> Self {
        let (code, message) = if failure.is_provider_limit_only() {
            ("provider_limit", "the provider has no connection to spare for this channel")
        } else if failure.is_no_cpu_only() {
            ("no_cpu", "there is no processor time to encode this channel")
        } else {
            ("no_source", "no source of this channel answered in time")
        };
        let sources = failure.sources.iter().map(|source| {
            let (code, message) = source.last_error.clone().unzip();
            FailedSource {
                message,
                reason: code.map(ErrorCode::name),
                // Anybody may see this answer; the rest of an address may be a password.
                url: address::public(&source.url).to_owned(),
            }
        });
        let details = Details::Sources(sources.collect());
        Self { details, ..Self::unavailable(code, message) }
    }
}

/// Why a film is not played, or not in parts. As a file it is to be had all the same.
impl From<OpenError> for ApiError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::File(_) => {
                Self::unavailable("unreadable_video", "the file of the film cannot be read now")
            }
            OpenError::Index(error) => {
                let message = format!("the film can only be had as a file: {error}");
                Self::new(StatusCode::CONFLICT, "not_in_parts", message)
            }
            OpenError::Full => Self::unavailable("segment_memory", error.to_string()),
            OpenError::Remux(error) => Self::new(StatusCode::CONFLICT, "not_in_packets", error.to_string()),
        }
    }
}

impl From<NoPlaylist> for ApiError {
    fn from(why: NoPlaylist) -> Self {
        match why {
            NoPlaylist::Failed(failure) => Self::from(&*failure),
            NoPlaylist::Ended => Refusal::Closing.into(),
            NoPlaylist::NoSegment => {
                let message = "the channel has no second key frame yet to end a segment at";
                Self::unavailable("no_segment", message)
            }
        }
    }
}

/// What is wrong with a specification that somebody sent: at least one field.
impl From<Vec<FieldError>> for ApiError {
    fn from(errors: Vec<FieldError>) -> Self {
        let message = match &errors[..] {
            [only] => format!("{}: {}", only.path, only.message),
            all => format!("{} fields are wrong: see details", all.len()),
        };
        let fields = errors
            .into_iter()
            .map(|error| WrongField { message: error.message, path: error.path.to_string() });
        let details = Details::Fields(fields.collect());
        Self { details, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after);
        let caching = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        let mut response = (status, caching, CORS, Json(self.into_document())).into_response();
        let fields = response.headers_mut();
        if let Some(after) = retry_after {
            // Rounded up: a second too late is better than one too early.
            let seconds = u64::try_from(after.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
            fields.insert(header::RETRY_AFTER, seconds.into());
        }
        // Some errors do not pass through the router: a viewer's, when no source has answered.
        nosniff::set_nosniff(fields);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    async fn answer(error: ApiError) -> (u16, Option<String>, String) {
        let response = error.into_response();
        let retry = response.headers().get(header::RETRY_AFTER);
        let retry = retry.map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        (status, retry, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn an_error_is_a_code_and_a_message() {
        let text = r#"{"error":{"code":"unknown_channel","message":"there is no channel \"x\""}}"#;
        assert_eq!(answer(ApiError::unknown_channel("x")).await, (404, None, text.to_owned()));
        let text = r#"{"error":{"code":"channel_full","message":"this channel has its 3 viewers"}}"#;
        let full = Refusal::ChannelFull { limit: 3 };
        assert_eq!(answer(full.into()).await, (503, Some("5".into()), text.to_owned()));
    }

    #[tokio::test]
    async fn a_channel_that_does_not_start_names_its_sources_and_no_path_of_them() {
        let source = |url: &str, last_error| forebay_relay::channel::SourceReport {
            id: forebay_core::failover::SourceId(0),
            url: url.to_owned(),
            last_error,
            health: None,
        };
        let sources = vec![
            source("http://h/user/pass", Some((ErrorCode::Refused, "no".to_owned()))),
            source("http://i/", None),
        ];
        let text = r#"{"error":{"code":"no_source","message":"no source of this channel answered in time","sources":[{"message":"no","reason":"refused","url":"http://h"},{"message":null,"reason":null,"url":"http://i"}]}}"#;
        assert_eq!(
            answer(ApiError::from(&StartFailure { sources })).await,
            (503, Some("5".into()), text.to_owned())
        );
    }

    #[tokio::test]
    async fn wrong_fields_are_told_each_with_its_path() {
        let wrong = "[[channels]]\nid = 'a b'\nsources = [{ url = 'gopher://h/' }]\n";
        assert!(Config::parse(wrong, Path::new("channels.toml")).is_err());
        let field = |path: &[&'static str], message: &str| FieldError {
            path: path.iter().fold(forebay_relay::model::FieldPath::default(), |path, key| path.to(*key)),
            message: message.to_owned(),
        };
        let errors = vec![field(&["id"], "is empty"), field(&["stream", "buffer"], "is too short")];
        let text = r#"{"error":{"code":"invalid","details":[{"message":"is empty","path":"id"},{"message":"is too short","path":"stream.buffer"}],"message":"2 fields are wrong: see details"}}"#;
        assert_eq!(answer(errors.into()).await, (422, None, text.to_owned()));
        let one = vec![field(&["id"], "is empty")];
        assert!(answer(one.into()).await.2.ends_with(r#""message":"id: is empty"}}"#));
    }
}
