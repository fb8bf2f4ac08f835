//! Walks the tables: every route, with every method, for everybody.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use bytes::Bytes;
use forebay_relay::channel::Channels;
use forebay_relay::input::{Context, Error, Opener, SocketGuard, Upstream};
use forebay_relay::model::Source;
use futures_util::future::{BoxFuture, FutureExt as _, pending};
use futures_util::stream;
use http::{HeaderMap, Method, Request, header};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tower::ServiceExt as _;

use super::route::{Access, Cors, Route};
use super::{render, router, surfaces};
use crate::accounts::Accounts;
use crate::accounts::OWN_PARTS;
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::db::Database;
use crate::http::auth::take_token;
use crate::http::{Peer, State};
use crate::resolver::Resolver;
use crate::variants::Variants;

/// Longer than any handler waits for a source.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

pub(super) const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Counts what is opened; nothing ever comes of it.
#[derive(Debug, Default)]
struct Silent(AtomicUsize);

impl Opener for Silent {
    fn open(&self, _: &Source, _: &Context, _: SocketGuard) -> BoxFuture<'static, Result<Upstream, Error>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        pending().boxed()
    }
}

/// A server with two channels, without a socket.
pub(super) struct House {
    pub(super) state: State,
    router: Router,
    opener: Arc<Silent>,
    token: String,
    _folder: TempDir,
}

impl House {
    fn new() -> Self {
        Self::of(|_| Database::off("none is needed".into()))
    }

    /// One that keeps what people make.
    pub(super) fn with_database() -> Self {
        Self::of(|folder| Database::open(&folder.join("data")).unwrap())
    }

    fn of(database: impl FnOnce(&Path) -> Database) -> Self {
        let text = "[server]\nmax_requests_per_address = 'off'\n\
                    [[providers]]\nid = 'p'\nmax_connections = 1\n\
                    [[channels]]\nid = 'one'\nnumber = 1\nsources = ['http://127.0.0.1:9/user/pass']\n\
                    [[channels]]\nid = 'two'\nname = 'Two'\ngroup = 'G'\nsources = ['testcard://']\n";
        let mut config = Config::parse(text, Path::new("channels.toml")).unwrap();
        let folder = TempDir::new().unwrap();
        folder.path().clone_into(&mut config.hls_dir);
        let opener = Arc::new(Silent::default());
        let shared = Arc::clone(&opener) as Arc<dyn Opener>;
        let config = Arc::new(config);
        let (providers, hls_dir) = (&config.providers, &config.hls_dir);
        let run = |lookup| Channels::new(lookup, providers, hls_dir, shared, Handle::current());
        let database = database(folder.path());
        let catalogue = Catalogue::start(&config, database.clone(), run).unwrap();
        let accounts = Accounts::read(database.clone()).unwrap();
        let resolver = Resolver::new(config.resolver.clone());
        let variants = Variants::new(&config.transcode);
        let state = State::new(catalogue, database, accounts, resolver, variants, config);
        let token = std::fs::read_to_string(folder.path().join("admin.token")).unwrap().trim().to_owned();
        Self { router: router(state.clone()), state, opener, token, _folder: folder }
    }

    pub(super) async fn ask(&self, method: &Method, path: &str, sender: &Sender<'_>) -> Response {
        self.send(method, path, sender, Body::empty()).await
    }

    /// What it is answered who sends a body as JSON, if any.
    async fn send(&self, method: &Method, path: &str, sender: &Sender<'_>, body: Body) -> Response {
        let address = (sender.address.parse::<std::net::IpAddr>().unwrap(), 50_000).into();
        let mut request = Request::builder().method(method).uri(path).body(body).unwrap();
        request.extensions_mut().insert(Peer { address, local: ([127, 0, 0, 1], 8080).into() });
        let mut set = |name: &'static str, value: &str| {
            request.headers_mut().insert(name, value.parse().unwrap());
        };
        set("host", sender.host);
        if sender.has_token {
            set("authorization", &format!("Bearer {}", self.token));
        }
        sender.fields.iter().for_each(|(name, value)| set(name, value));
        // As the connection does.
        take_token(&mut request);
        let answer = self.router.clone().oneshot(request);
        tokio::time::timeout(PATIENCE, answer).await.expect("every handler has a limit").unwrap()
    }
}

/// Who asks, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'a> {
    name: &'static str,
    address: &'static str,
    host: &'static str,
    has_token: bool,
    fields: &'a [(&'static str, &'a str)],
    is_admin: bool,
    /// Whether streams are open to it.
    is_near: bool,
}

impl<'a> Sender<'a> {
    /// Somebody who shows these fields.
    pub(super) fn new(
        name: &'static str,
        address: &'static str,
        host: &'static str,
        fields: &'a [(&'static str, &'a str)],
    ) -> Self {
        Self { name, address, host, has_token: false, fields, is_admin: false, is_near: false }
    }
}

const ADMIN: Sender<'static> = Sender {
    name: "an admin",
    address: "127.0.0.1",
    host: "127.0.0.1:8080",
    has_token: true,
    fields: &[],
    is_admin: true,
    is_near: true,
};

const OTHER: Sender<'static> = Sender { is_admin: false, ..ADMIN };

/// All but the first are no admins, though all but one know the token.
const SENDERS: [Sender<'static>; 10] = [
    ADMIN,
    Sender { name: "a program that may be a proxy", has_token: false, ..OTHER },
    Sender { name: "another address", address: "192.0.2.9", is_near: false, ..OTHER },
    Sender { name: "a name that leads here", host: "rebound.example", ..OTHER },
    Sender {
        name: "a proxy that says so",
        fields: &[("x-forwarded-for", "127.0.0.1")],
        is_near: false,
        ..OTHER
    },
    Sender {
        name: "a proxy of another kind",
        fields: &[("forwarded", "for=127.0.0.1")],
        is_near: false,
        ..OTHER
    },
    Sender {
        name: "another address that claims to pass something on",
        address: "192.0.2.9",
        fields: &[("x-forwarded-for", "127.0.0.1"), ("x-real-ip", "127.0.0.1")],
        is_near: false,
        ..OTHER
    },
    Sender { name: "a page", fields: &[("origin", "http://tv.example")], ..OTHER },
    Sender { name: "a page of ours", fields: &[("sec-fetch-site", "same-origin")], ..OTHER },
    Sender { name: "a page without an origin", fields: &[("sec-fetch-site", "cross-site")], ..OTHER },
];

pub(super) fn routes() -> Vec<Route> {
    surfaces().into_iter().flat_map(|(_, routes)| routes).collect()
}

/// A path that the row matches.
pub(super) fn example(path: &str) -> String {
    path.replace("/relays/{id}", "/relays/1")
        .replace("/users/{id}", "/users/99")
        .replace("/keys/{id}", "/keys/99")
        .replace("/playlists/{id}", "/playlists/1")
        .replace("/lineup/channels/{id}", "/lineup/channels/1")
        .replace("/lineup/edits/{id}", "/lineup/edits/1")
        .replace("{id}", "one")
        .replace("{segment}", "segment_1.ts")
        .replace("{file}", "f.js")
        .replace("{page}", "users")
        .replace("{kind}", "ladder")
        .replace("{token}", "t")
        .replace("{device}", "1")
        .replace("{tune}", "v99")
}

/// Whether the path shows a name and a password, which are nobody's.
pub(super) fn names_user(path: &str) -> bool {
    ["/live/", "/movie/", "/timeshift/"].iter().any(|panel| path.starts_with(panel))
}

pub(super) async fn code(response: Response) -> String {
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let code = json["error"]["code"].as_str().or_else(|| json["code"].as_str());
    code.unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn access_decides_who_reaches_a_handler() {
    let house = House::new();
    for route in routes() {
        let (path, methods) = (example(route.path), route.methods());
        for method in &METHODS {
            for sender in &SENDERS {
                let answer = house.ask(method, &path, sender).await;
                let case = format!("{method} {path} by {}: {}", sender.name, answer.status());
                let allow = answer.headers().get(header::ALLOW).cloned();
                assert!(answer.headers().contains_key(header::X_CONTENT_TYPE_OPTIONS), "{case}");
                if !methods.contains(method) {
                    assert_eq!(answer.status(), 405, "{case}");
                    let names = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(",");
                    assert_eq!(allow.unwrap(), names, "{case}");
                    continue;
                }
                assert_eq!(allow, None, "{case}");
                let is_let_in = match route.access {
                    Access::Public | Access::Machine => true,
                    // It shows a name and a password, which are nobody's.
                    Access::Viewer
                        if names_user(&path)
                            || path.starts_with("/api/streaming/stream/") && *method != Method::OPTIONS =>
                    {
                        assert!([401, 429].contains(&answer.status().as_u16()), "{case}");
                        continue;
                    }
                    Access::Viewer if *method == Method::OPTIONS => true,
                    Access::Viewer => {
                        if !sender.is_near {
                            assert_eq!(answer.status(), 401, "{case}");
                            continue;
                        }
                        true
                    }
                    Access::Operator | Access::Admin => sender.is_admin,
                };
                if is_let_in {
                    assert!(![401, 403, 405].contains(&answer.status().as_u16()), "{case}");
                } else {
                    assert_eq!(answer.status(), 403, "{case}");
                    // The answer to a HEAD has no body.
                    let expected = if method == Method::HEAD { "" } else { "forbidden" };
                    assert_eq!(code(answer).await, expected, "{case}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_within_the_limits_of_the_row() {
    let house = House::new();
    let json = Sender { fields: &[("content-type", "application/json")], ..ADMIN };
    for route in routes() {
        let with_body = |method: &Method| [Method::POST, Method::PUT, Method::PATCH].contains(method);
        let methods: Vec<Method> = route.methods().into_iter().filter(with_body).collect();
        assert!(route.limits.is_none() && !route.has_own_body || !methods.is_empty(), "{}", route.path);
        let Some(limits) = route.limits else { continue };
        assert!(limits.bytes <= 1 << 20 && limits.time <= Duration::from_mins(1), "{}", route.path);
        let path = example(route.path);
        for method in &methods {
            for (body, refusal) in [
                (Body::from(vec![b' '; limits.bytes + 1]), (413, "body_too_large")),
                (Body::from(vec![b' '; limits.bytes]), (400, "bad_request")),
                (Body::from_stream(stream::pending::<io::Result<Bytes>>()), (408, "body_timeout")),
            ] {
                // These routes answer in a shape of their own where a request's words are wrong.
                let is_of_tokens = path.starts_with("/api/streaming/") && refusal.0 == 400;
                let refusal = if is_of_tokens { (400, "VALIDATION_FAILED") } else { refusal };
                let answer = house.send(method, &path, &json, body).await;
                assert_eq!((answer.status().as_u16(), &*code(answer).await), refusal, "{method} {path}");
            }
            let untyped = house.send(method, &path, &ADMIN, Body::from("{}")).await;
            assert_eq!(untyped.status(), 415, "{method} {path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_opens_nothing() {
    let house = House::new();
    let heads: Vec<Route> =
        routes().into_iter().filter(|route| route.methods().contains(&Method::HEAD)).collect();
    for route in &heads {
        house.ask(&Method::HEAD, &example(route.path), &ADMIN).await;
        assert_eq!(house.state.channels.reports().len(), 0, "{}", route.path);
    }
    tokio::time::sleep(PATIENCE).await;
    assert_eq!(house.opener.0.load(Ordering::Relaxed), 0);
    house.ask(&Method::GET, "/stream/one", &ADMIN).await;
    assert_eq!(house.state.channels.reports().len(), 1, "a GET does");
}

#[tokio::test(start_paused = true)]
async fn pages_of_other_origins_read_what_the_row_says() {
    let house = House::new();
    let allowed = |fields: &HeaderMap| {
        fields.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|origin| origin.to_str().unwrap().to_owned())
    };
    for route in routes() {
        let path = example(route.path);
        // The methods that it takes, one that it does not, and a request for no host.
        let mut asked: Vec<(Method, Sender<'static>)> =
            route.methods().into_iter().map(|method| (method, ADMIN)).collect();
        asked.push((Method::PATCH, ADMIN));
        asked.push((Method::GET, Sender { host: "no host", ..ADMIN }));
        for (method, sender) in asked {
            let answer = house.ask(&method, &path, &sender).await;
            let is_error = answer.status().is_client_error() || answer.status().is_server_error();
            let is_open = match route.cors {
                Cors::Nothing => false,
                Cors::Errors => is_error,
                Cors::Answers | Cors::Transfers => true,
            };
            let case = format!("{method} {path} of {}: {}", sender.host, answer.status());
            if sender.host == "no host" {
                assert_eq!(answer.status(), 400, "{case}");
            }
            assert_eq!(allowed(answer.headers()), is_open.then(|| "*".to_owned()), "{case}");
        }
    }
    let nowhere = house.ask(&Method::GET, "/nowhere", &ADMIN).await;
    assert_eq!((nowhere.status().as_u16(), allowed(nowhere.headers())), (404, Some("*".to_owned())));
    let preflight = house.ask(&Method::OPTIONS, "/stream/one/hls", &ADMIN).await;
    let methods = preflight.headers().get(header::ACCESS_CONTROL_ALLOW_METHODS);
    assert_eq!(methods.unwrap(), "GET, HEAD, OPTIONS");
}

/// The rows of the table in docs/http-api.md: path, methods, access.
fn documented() -> Vec<[String; 3]> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http-api.md")).unwrap();
    let table = text.lines().skip_while(|line| !line.starts_with("| route |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|')).map(|line| {
        let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`').to_owned());
        [(); 3].map(|()| cells.next().unwrap())
    });
    rows.collect()
}

#[test]
fn no_route_is_taken_for_the_path_of_a_panel() {
    for route in routes().iter().filter(|route| route.path.split('/').count() == 4) {
        let first = route.path.split('/').nth(1).unwrap_or_default();
        assert!(OWN_PARTS.contains(&first), "{}", route.path);
    }
}

#[test]
fn every_route_is_in_the_documentation_and_nothing_else() {
    let mut known: Vec<[String; 3]> = routes()
        .iter()
        .map(|route| {
            let methods: Vec<String> = route.methods().iter().map(ToString::to_string).collect();
            let access = format!("{:?}", route.access).to_lowercase();
            [route.path.to_owned(), methods.join(", "), access]
        })
        .collect();
    let mut documented = documented();
    known.sort();
    documented.sort();
    assert_eq!(known, documented);
}

#[test]
fn the_openapi_document_has_every_route() {
    let text = render();
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), routes().len());
    let mut ids = std::collections::HashSet::new();
    for route in routes() {
        for (method, _) in &route.operations {
            let operation = &paths[route.path][method.as_str().to_lowercase()];
            let id = operation["operationId"].as_str().expect("it has an id");
            assert!(ids.insert(id.to_owned()), "{id} twice");
            assert_eq!(operation["security"].is_array(), route.access.is_staff(), "{}", route.path);
        }
    }
    for name in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"][name].is_object(), "there is no schema {name}");
    }
}

/// `FOREBAY_WRITE=1 cargo test openapi` writes it anew.
#[test]
fn the_openapi_document_in_the_tree_is_that_of_the_routes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    if std::env::var_os("FOREBAY_WRITE").is_some() {
        std::fs::write(path, render()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == render(), "docs/openapi.json is not what the routes say: write it anew");
}

/// Says where a value is not as its schema has it; a field that the schema does not have is wrong.
fn mismatch(value: &Value, schema: &Value, document: &Value, at: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return mismatch(value, &document["components"]["schemas"][name], document, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let wrong: Vec<String> =
            choices.iter().filter_map(|schema| mismatch(value, schema, document, at)).collect();
        return (wrong.len() + 1 != choices.len()).then(|| wrong.join(", or "));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_kind = |allowed: &Value| allowed == kind || kind == "integer" && allowed == "number";
    let is_allowed = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(is_kind),
        allowed => is_kind(allowed),
    };
    if !is_allowed {
        return Some(format!("{at} is {value}, expected {}", schema["type"]));
    }
    match value {
        Value::Array(items) => {
            items.iter().find_map(|item| mismatch(item, &schema["items"], document, &format!("{at}[]")))
        }
        Value::Object(fields) => {
            let required = schema["required"].as_array().map_or(&[][..], |names| names);
            let missing = required.iter().filter_map(Value::as_str).find(|name| !fields.contains_key(*name));
            if let Some(missing) = missing {
                return Some(format!("{at}.{missing} is missing"));
            }
            fields.iter().find_map(|(name, field)| {
                let schema = match &schema["properties"][name] {
                    Value::Null => &schema["additionalProperties"],
                    schema => schema,
                };
                mismatch(field, schema, document, &format!("{at}.{name}"))
            })
        }
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_as_their_schemas_say() {
    let house = House::new();
    let document: Value = serde_json::from_str(&render()).unwrap();
    let watching = house.ask(&Method::GET, "/stream/one", &ADMIN).await;
    let mut checked = 0;
    for route in routes() {
        for id in ["one", "two", "none"] {
            let path = example(route.path).replace("one", id);
            let answer = house.ask(&Method::GET, &path, &OTHER).await;
            let responses = &document["paths"][route.path]["get"]["responses"];
            let response = &responses[answer.status().as_str()];
            if route.methods().contains(&Method::GET) {
                assert!(response.is_object(), "GET {path} answers {}", answer.status());
            }
            let schema = &response["content"]["application/json"]["schema"];
            if !schema["$ref"].is_string() {
                continue;
            }
            let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            let value: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(mismatch(&value, schema, &document, &path), None);
            // The order of fields is part of the contract: alphabetical, but for one.
            if route.path != "/health" {
                assert_eq!(value.to_string(), body, "{path}");
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
    drop(watching);
}
