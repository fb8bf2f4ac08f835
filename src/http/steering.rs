//! Choosing a channel's source, which is for admins only.
//!
//! As long as there are no users, an admin is known by the address. A page in a browser has the address of whoever looks at it, so nothing is
//! done for pages: what comes from one carries `Origin`, or cannot say that it is JSON without asking first, which is not granted.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use forebay_core::failover::{Steer, Unsteerable};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::info;

use super::error::{self, Error};
use super::forwarded::{client_address, is_trusted};
use super::{App, Peer, status};
use crate::config::Server;

/// What is wanted takes forty bytes, and may be written with room to spare.
const MAX_BODY: usize = 1024;

/// How long those may take: as long as a request head.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Why nothing is done.
#[derive(Debug, PartialEq)]
pub(super) enum Refused {
    /// Not from there.
    Address(IpAddr),
    /// Not through a proxy that is not known.
    Proxy(IpAddr),
    /// Not from a page.
    Page,
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
struct Wish {
    action: String,
    source: Option<usize>,
}

/// `POST /api/streams/{id}/source`: answers with the channel's status.
pub(super) async fn steer(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Refused> {
    let address = check_sender(&app.config().server, peer, &headers)?;
    let Some(channel) = app.channels.find(&id) else { return Err(Refused::UnknownChannel(id)) };
    let steer = parse(&read(&headers, body).await?).map_err(Refused::Unclear)?;
    let done = app.channels.steer(&channel, steer).await;
    info!(channel = %channel.id, %address, ?steer, ?done, "an admin chooses a source");
    match done {
        Ok(()) => status::entry(&app, &id).map(Json).ok_or(Refused::UnknownChannel(id)),
        Err(Unsteerable::NoOther) => Err(Refused::NoOther),
        Err(Unsteerable::NoSuchSource) => {
            Err(Refused::NoSuchSource { source: steer.source(), sources: channel.sources.len() })
        }
    }
}

/// Where a request is from that may change something.
fn check_sender(server: &Server, peer: Peer, headers: &HeaderMap) -> Result<IpAddr, Refused> {
    // A proxy on this machine that nobody has told us of would make everybody an admin.
    let is_passed_on = ["x-forwarded-for", "forwarded", "via"].iter().any(|name| headers.contains_key(*name));
    if is_passed_on && !is_trusted(server, peer.0.ip()) {
        return Err(Refused::Proxy(peer.0.ip()));
    }
    let address = client_address(server, peer, headers);
    if !server.admin_from.iter().any(|network| network.contains(&address)) {
        return Err(Refused::Address(address));
    }
    // A page's host may have been made to lead to this machine, so its own origin is no better than another.
    if headers.contains_key(header::ORIGIN) { Err(Refused::Page) } else { Ok(address) }
}

/// The body, if it is JSON and short.
async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Refused::NotJson);
    }
    match timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        // Or it broke off, and nobody hears the answer.
        Ok(Err(_)) => Err(Refused::TooLong),
        Err(_) => Err(Refused::TooSlow),
    }
}

/// What is wanted, or what is wrong with how that is said.
fn parse(body: &[u8]) -> Result<Steer, String> {
    let wish = serde_json::from_slice(body);
    let Wish { action, source } = wish.map_err(|error| {
        format!("the body is to be JSON such as {{\"action\": \"pin\", \"source\": 1}}: {error}")
    })?;
    match (&action[..], source) {
        ("pin", Some(source)) => Ok(Steer::Pin(source)),
        ("unpin", None) => Ok(Steer::Unpin),
        ("skip", None) => Ok(Steer::Skip),
        ("disable", Some(source)) => Ok(Steer::Disable(source)),
        ("enable", Some(source)) => Ok(Steer::Enable(source)),
        ("pin" | "disable" | "enable", None) => {
            Err(format!("\"{action}\" needs a \"source\": its place in the channel's list, from 0"))
        }
        ("unpin" | "skip", Some(_)) => Err(format!("\"{action}\" takes no \"source\"")),
        _ => Err(format!("unknown action {action:?}, expected pin, unpin, skip, disable or enable")),
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::UnknownChannel(id) => return Error::UnknownChannel(id).into_response(),
            Self::Address(address) => {
                let message = format!("{address} may not change anything: it is not in server.admin_from");
                (StatusCode::FORBIDDEN, "forbidden", message)
            }
            Self::Proxy(peer) => {
                let message =
                    format!("the proxy {peer} is not in server.trusted_proxies, so nobody knows who asks");
                (StatusCode::FORBIDDEN, "forbidden", message)
            }
            Self::Page => {
                let message = "pages in browsers may not change anything: the request has an Origin";
                (StatusCode::FORBIDDEN, "forbidden", message.to_owned())
            }
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
            (r#"{"action":"pin","source":1}"#, Steer::Pin(1)),
            (r#" { "source": 0, "action": "disable" } "#, Steer::Disable(0)),
            (r#"{"action":"enable","source":31}"#, Steer::Enable(31)),
            (r#"{"action":"unpin"}"#, Steer::Unpin),
            (r#"{"action":"skip","source":null}"#, Steer::Skip),
        ] {
            assert_eq!(parse(body.as_bytes()), Ok(steer), "{body}");
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

    #[test]
    fn nobody_from_elsewhere_and_no_page_changes_anything() {
        let server = Server { admin_from: vec!["10.0.0.0/8".parse().unwrap()], ..Server::default() };
        let check = |server: &Server, address: &str, headers: &HeaderMap| {
            let peer = Peer((address.parse::<IpAddr>().unwrap(), 1234).into());
            check_sender(server, peer, headers).map(|_| ())
        };
        let none = HeaderMap::new();
        assert_eq!(check(&server, "10.1.2.3", &none), Ok(()));
        for address in ["127.0.0.1", "11.0.0.1", "::1"] {
            assert_eq!(
                check(&server, address, &none),
                Err(Refused::Address(address.parse().unwrap())),
                "{address}"
            );
        }
        let nobody = Server { admin_from: Vec::new(), ..Server::default() };
        assert!(check(&nobody, "127.0.0.1", &none).is_err());
        for address in ["127.0.0.1", "127.8.8.8", "::1"] {
            assert_eq!(check(&Server::default(), address, &none), Ok(()), "{address}");
        }
        for origin in ["http://tv.example", "http://127.0.0.1:8080", "null"] {
            let of_page = HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())]);
            assert_eq!(check(&server, "10.1.2.3", &of_page), Err(Refused::Page), "{origin}");
        }
        // Behind a proxy it is the address that the proxy tells of, if the proxy is known.
        let home = "127.0.0.1".parse::<IpAddr>().unwrap();
        for name in ["x-forwarded-for", "forwarded", "via"] {
            let name = header::HeaderName::from_static(name);
            let passed_on = HeaderMap::from_iter([(name, "10.1.2.3".parse().unwrap())]);
            assert_eq!(check(&Server::default(), "127.0.0.1", &passed_on), Err(Refused::Proxy(home)));
        }
        let proxied = Server { trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()], ..server };
        for (from, allowed) in [("10.1.2.3", true), ("8.8.8.8", false)] {
            let name = header::HeaderName::from_static("x-forwarded-for");
            let passed_on = HeaderMap::from_iter([(name, from.parse().unwrap())]);
            assert_eq!(check(&proxied, "127.0.0.1", &passed_on).is_ok(), allowed, "{from}");
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
