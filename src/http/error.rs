//! Errors as JSON: `{"error":{"code","message"}}`, with the right status.

use axum::Json;
use axum::response::{IntoResponse, Response};
use forebay_relay::channel::{NoPlaylist, Refusal, StartFailure};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::refusals::Kind;
use super::{address, nosniff};

/// Seconds that a viewer is asked to wait before trying again, when no source answered.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Error {
    BadHost,
    UnknownChannel(String),
    /// The channel has none, or it does not come.
    NoLogo,
    NoSource(std::sync::Arc<StartFailure>),
    Refused(Refusal),
    /// The address has as many of something as it may.
    AddressLimit {
        limit: usize,
        kind: Kind,
    },
    SessionLimit {
        limit: usize,
    },
    NoPlaylist(NoPlaylist),
    NoSegment(String),
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self {
            Self::BadHost => {
                let message = "the request is to name one host, as in Host: tv.example:8080";
                respond(StatusCode::BAD_REQUEST, json!({ "code": "bad_host", "message": message }))
            }
            Self::UnknownChannel(id) => respond(
                StatusCode::NOT_FOUND,
                json!({ "code": "unknown_channel", "message": format!("there is no channel {id:?}") }),
            ),
            Self::NoLogo => {
                let message = "the channel has no logo, or it cannot be had now";
                respond(StatusCode::NOT_FOUND, json!({ "code": "no_logo", "message": message }))
            }
            Self::NoSource(failure) => {
                let sources: Vec<Value> = failure
                    .sources
                    .iter()
                    .map(|source| {
                        let (code, message) = source.last_error.clone().unzip();
                        json!({ "url": address::public(&source.url), "reason": code, "message": message })
                    })
                    .collect();
                let (code, message) = if failure.is_for_want_of_slots() {
                    ("provider_limit", "the provider has no connection to spare for this channel")
                } else {
                    ("no_source", "no source of this channel answered in time")
                };
                let error = json!({ "code": code, "message": message, "sources": sources });
                with_retry(respond(StatusCode::SERVICE_UNAVAILABLE, error))
            }
            Self::Refused(Refusal::AddressShare) => {
                let message = "your address has three quarters of what there is for all";
                let error = json!({ "code": "address_limit", "message": message });
                with_retry(respond(StatusCode::TOO_MANY_REQUESTS, error))
            }
            Self::Refused(refusal) => {
                let (code, message) = match refusal {
                    Refusal::Closing => ("closing", "the channel or the server is closing".to_owned()),
                    Refusal::ChannelFull { limit } => {
                        ("channel_full", format!("this channel has its {limit} viewers"))
                    }
                    Refusal::NoBandwidth { limit } => {
                        let message = format!("one more viewer would need more than {} kbit/s", limit / 1000);
                        ("no_bandwidth", message)
                    }
                    Refusal::AddressShare | Refusal::NoStore => {
                        ("no_store", "the system gives no memory or no file for this channel".to_owned())
                    }
                };
                let error = json!({ "code": code, "message": message });
                with_retry(respond(StatusCode::SERVICE_UNAVAILABLE, error))
            }
            Self::NoPlaylist(NoPlaylist::Failed(failure)) => Self::NoSource(failure).into_response(),
            Self::NoPlaylist(NoPlaylist::Ended) => Self::Refused(Refusal::Closing).into_response(),
            Self::NoPlaylist(NoPlaylist::NoSegment) => {
                let message = "the channel has no second key frame yet to end a segment at";
                let error = json!({ "code": "no_segment", "message": message });
                with_retry(respond(StatusCode::SERVICE_UNAVAILABLE, error))
            }
            Self::NoSegment(name) => respond(
                StatusCode::NOT_FOUND,
                json!({ "code": "no_segment", "message": format!("there is no segment {name:?} now") }),
            ),
            Self::SessionLimit { limit } => {
                let message = format!("the server has its {limit} HLS viewers");
                let error = json!({ "code": "session_limit", "message": message });
                with_retry(respond(StatusCode::SERVICE_UNAVAILABLE, error))
            }
            Self::AddressLimit { limit, kind } => {
                let (what, key) = (kind.what(), kind.key());
                let message = format!(
                    "your address has its {limit} {what}: whoever runs this server can raise {key}, \
                     or list a proxy in trusted_proxies"
                );
                let error = json!({ "code": "address_limit", "message": message });
                with_retry(respond(StatusCode::TOO_MANY_REQUESTS, error))
            }
        }
    }
}

fn with_retry(mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}

pub(super) fn respond(status: StatusCode, error: Value) -> Response {
    let body = Value::from_iter([("error", error)]);
    let fields = [
        (header::CACHE_CONTROL, "no-store"),
        // A page of another origin, which may play a stream, may know why it cannot.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Retry-After"),
    ];
    let mut response = (status, fields, Json(body)).into_response();
    nosniff::set_nosniff(response.headers_mut());
    response
}

/// Takes away what lets pages of other origins read an answer.
pub(super) async fn of_no_page(mut response: Response) -> Response {
    for field in [header::ACCESS_CONTROL_ALLOW_ORIGIN, header::ACCESS_CONTROL_EXPOSE_HEADERS] {
        response.headers_mut().remove(field);
    }
    response
}

pub(super) async fn no_such_route(uri: Uri) -> Response {
    let message = format!("there is nothing at {}", uri.path());
    respond(StatusCode::NOT_FOUND, json!({ "code": "not_found", "message": message }))
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let message = format!("{} does not take {method}", uri.path());
    respond(StatusCode::METHOD_NOT_ALLOWED, json!({ "code": "method_not_allowed", "message": message }))
}
