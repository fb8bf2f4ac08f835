//! Choosing a channel's source, which is for admins only.
//!
//! Who that is, says [`admin`]. What a page sends without saying so cannot say that it is JSON
//! without asking first, which is not granted.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use forebay_core::failover::{SourceId, Steer, Unsteerable};
use http::{HeaderMap, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::info;

use super::address::Reader;
use super::admin::NoAdmin;
use super::error::{self, Error};
use super::{Peer, State, admin, status};

/// What is wanted takes forty bytes, and may be written with room to spare.
const MAX_BODY: usize = 1024;

/// How long those may take: as long as a request head.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Why nothing is done.
#[derive(Debug, PartialEq)]
pub(super) enum Refused {
    NoAdmin(NoAdmin),
    UnknownChannel(String),
    NotJson,
    TooLong,
    TooSlow,
    /// What is wrong with the body.
    Unclear(String),
    NoSuchSource {
        source: Option<usize>,
        sources: usize,
    },
    NoOther,
}

/// What is wanted, as it is typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    action: String,
    source: Option<usize>,
}

/// What is wanted, with a place in the channel's list where a source is meant.
#[derive(Debug, Clone, Copy)]
struct Wish {
    action: Action,
    source: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    /// About a source.
    With(fn(SourceId) -> Steer),
    Alone(Steer),
}

impl Wish {
    /// The same of a channel with these sources; none where there is no such source.
    fn steer(&self, sources: &[SourceId]) -> Option<Steer> {
        match self.action {
            Action::Alone(steer) => Some(steer),
            Action::With(steer) => Some(steer(*sources.get(self.source?)?)),
        }
    }
}

/// `POST /api/streams/{id}/source`: answers with the channel's status.
pub(super) async fn steer(
    state: State,
    Path(id): Path<String>,
    Extension(peer): Extension<Peer>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Refused> {
    let address = admin::check(&state, peer, &uri, &headers).await.map_err(Refused::NoAdmin)?;
    let Some(channel) = state.channels.find(&id) else { return Err(Refused::UnknownChannel(id)) };
    let wish = parse(&read(&headers, body).await?).map_err(Refused::Unclear)?;
    let sources = channel.sources.len();
    let no_such_source = || Refused::NoSuchSource { source: wish.source, sources };
    let steer = wish.steer(&channel.source_ids()).ok_or_else(no_such_source)?;
    let done = state.channels.steer(&channel, steer).await;
    let (action, source) = (steer.name(), wish.source);
    info!(channel = %channel.id, %address, action, source, ?done, "an admin chooses a source");
    match done {
        Ok(()) => status::entry(&state, &id, Reader::Admin).map(Json).ok_or(Refused::UnknownChannel(id)),
        Err(Unsteerable::NoOther) => Err(Refused::NoOther),
        // It has left the list since it was looked up.
        Err(Unsteerable::NoSuchSource) => Err(no_such_source()),
    }
}

/// The body, if it is JSON and short.
async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Refused::NotJson);
    }
    timeout(BODY_TIMEOUT, collect(body)).await.unwrap_or(Err(Refused::TooSlow))
}

/// The bytes of a body, copied: what comes in tiny pieces would else hold a whole read buffer for
/// each of them.
async fn collect(mut body: Body) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // If it broke off, nobody hears the answer.
        let Ok(frame) = frame else { return Err(Refused::TooLong) };
        let Ok(piece) = frame.into_data() else { continue };
        if bytes.len() + piece.len() > MAX_BODY {
            return Err(Refused::TooLong);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// What is wanted, or what is wrong with how that is said.
fn parse(body: &[u8]) -> Result<Wish, String> {
    let wish = serde_json::from_slice(body);
    let Typed { action, source } = wish.map_err(|error| {
        format!("the body is to be JSON such as {{\"action\": \"pin\", \"source\": 1}}: {error}")
    })?;
    let wanted = match &action[..] {
        "pin" => Action::With(Steer::Pin),
        "unpin" => Action::Alone(Steer::Unpin),
        "skip" => Action::Alone(Steer::Skip),
        "disable" => Action::With(Steer::Disable),
        "enable" => Action::With(Steer::Enable),
        _ => return Err(format!("unknown action {action:?}, expected pin, unpin, skip, disable or enable")),
    };
    match (wanted, source) {
        (Action::With(_), None) => {
            Err(format!("\"{action}\" needs a \"source\": its place in the channel's list, from 0"))
        }
        (Action::Alone(_), Some(_)) => Err(format!("\"{action}\" takes no \"source\"")),
        _ => Ok(Wish { action: wanted, source }),
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::UnknownChannel(id) => return Error::UnknownChannel(id).into_response(),
            Self::NoAdmin(why) => why.describe(),
            Self::NotJson => {
                let message = "the body is to be JSON, with Content-Type: application/json";
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message.to_owned())
            }
            Self::TooLong => {
                let message = format!("the body is to be whole, and no longer than {MAX_BODY} bytes");
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
            }
            Self::TooSlow => {
                let message = format!("the body did not come within {} s", BODY_TIMEOUT.as_secs());
                (StatusCode::REQUEST_TIMEOUT, "body_timeout", message)
            }
            Self::Unclear(message) => (StatusCode::BAD_REQUEST, "bad_request", message),
            Self::NoSuchSource { source, sources } => {
                let source = source.map_or_else(String::new, |source| format!(" {source}"));
                let message =
                    format!("there is no source{source}: the channel has {sources}, counted from 0");
                (StatusCode::UNPROCESSABLE_ENTITY, "no_such_source", message)
            }
            Self::NoOther => {
                let message = "there is no other source that may be used: enable or add one";
                (StatusCode::CONFLICT, "no_other_source", message.to_owned())
            }
        };
        error::respond(status, json!({ "code": code, "message": message }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_said_in_one_way_only() {
        for (body, steer) in [
            (r#"{"action":"pin","source":1}"#, Some(Steer::Pin(SourceId(6)))),
            (r#" { "source": 0, "action": "disable" } "#, Some(Steer::Disable(SourceId(7)))),
            (r#"{"action":"enable","source":1}"#, Some(Steer::Enable(SourceId(6)))),
            (r#"{"action":"enable","source":31}"#, None),
            (r#"{"action":"unpin"}"#, Some(Steer::Unpin)),
            (r#"{"action":"skip","source":null}"#, Some(Steer::Skip)),
        ] {
            let wish = parse(body.as_bytes()).unwrap();
            assert_eq!(wish.steer(&[7, 6].map(SourceId)), steer, "{body}");
        }
        for (body, says) in [
            ("", "the body is to be JSON such as {\"action\": \"pin\", \"source\": 1}: EOF"),
            ("action=skip", "expected value at line 1 column 1"),
            ("[]", "invalid length 0"),
            ("{}", "missing field `action`"),
            (r#"{"action":"skip"} {}"#, "trailing characters"),
            (r#"{"action":"skip","force":true}"#, "unknown field `force`"),
            (r#"{"action":"pin"}"#, "\"pin\" needs a \"source\": its place"),
            (r#"{"action":"disable","source":null}"#, "\"disable\" needs a \"source\""),
            (r#"{"action":"skip","source":0}"#, "\"skip\" takes no \"source\""),
            (r#"{"action":"pin","source":-1}"#, "invalid value: integer `-1`"),
            (r#"{"action":"pin","source":"1"}"#, "invalid type: string \"1\""),
            (r#"{"action":"Pin","source":1}"#, "unknown action \"Pin\", expected pin, unpin, skip"),
        ] {
            let message = parse(body.as_bytes()).unwrap_err();
            assert!(message.contains(says), "{body}: {message}");
        }
    }

    #[tokio::test]
    async fn a_body_is_json_and_short() {
        let typed = |kind: &str| HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        for kind in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(read(&typed(kind), Body::from("{}")).await, Ok(b"{}".to_vec()), "{kind}");
        }
        // What a form can send, or a page that has not asked first.
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json+x", ""] {
            assert_eq!(read(&typed(kind), Body::from("{}")).await, Err(Refused::NotJson), "{kind}");
        }
        assert_eq!(read(&HeaderMap::new(), Body::from("{}")).await, Err(Refused::NotJson));
        let json = typed("application/json");
        assert!(read(&json, Body::from(vec![b' '; MAX_BODY])).await.is_ok());
        assert_eq!(read(&json, Body::from(vec![b' '; MAX_BODY + 1])).await, Err(Refused::TooLong));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let json = HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().unwrap())]);
        let never =
            Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        assert_eq!(read(&json, never).await, Err(Refused::TooSlow));
    }
}
