//! Who may watch: by where it is, or by what it shows.
//!
//! A player shows what its address holds, since most can show nothing else: `?token=`, a path that
//! begins with `/t/TOKEN/`, or `/live/NAME/PASSWORD/`; or HTTP Basic. What an address holds is a
//! user's stream key, which stays when the password changes, or a key of a program.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_core::address::is_public;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::credentials::{bearer, is_of_own_page, session};
use super::panel_path::{WayUp, name_panel_path, set_path};
use super::signed::{SIGNED_PATH, Signed};
use crate::accounts::keys::PREFIX;
use crate::accounts::{NoToken, Owner, Proof, Refusal, Watcher};
use crate::config::{Server, StreamAccess};
use crate::http::admission::household;
use crate::http::error::ApiError;
use crate::http::forwarded::{Sender, base_url, client_address, sender};
use crate::http::query::Query;
use crate::http::visits::agent;
use crate::http::{Peer, State};

/// How an address shows a token, in front of the path that it is for.
const TOKEN_PATH: &str = "/t/";

/// How players of Xtream Codes show a name and a password in the path.
const PANEL_PATHS: [&str; 3] = ["/live/", "/movie/", "/timeshift/"];

/// Where they show them in the query.
const PANEL_DOCUMENTS: [&str; 2] = ["/get.php", "/xmltv.php"];

/// What stands for itself in a query (RFC 3986, section 2.3); all else is escaped.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a token of streams plays at.
const STREAM_PATH: &str = "/api/streaming/stream/";

/// The longest token in an address, in bytes.
const MAX_TOKEN: usize = 2048;

/// What a request showed in its path, which is without it behind.
#[derive(Debug, Clone)]
struct InPath(Arc<str>);

/// Who watches, on routes for viewers.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Watching {
    pub(in crate::http) watcher: Watcher,
    /// What addresses in a document are to carry, so that they open as this one did.
    pub(in crate::http) carried: Carried,
}

/// How the addresses that a document names show who asks.
#[derive(Debug, Clone, Default)]
pub(in crate::http) enum Carried {
    /// They need not, or relative ones do.
    #[default]
    Nothing,
    /// By the query, as the document's own address did.
    InQuery(Arc<str>),
    /// By a path in front of theirs, in documents whose addresses are not relative.
    InPath(Arc<str>),
}

/// What a request shows.
enum Shown {
    Nothing,
    /// In the query. Where streams are open, it need not be a token: it tells players apart.
    Query(String),
    /// As a bearer. It need not be a token for streams either: admins have another one.
    Bearer(Arc<str>),
    /// In the path: it is meant to be a token.
    Token(Arc<str>),
    Password {
        name: String,
        password: String,
    },
}

/// Takes a token or a signature out of the path: `/t/TOKEN/stream/one` is `/stream/one` behind.
/// Before the router, since any route for viewers may be asked for like that. So it is with the
/// path of a panel.
pub(in crate::http) fn take_token<B>(request: &mut http::Request<B>) {
    let path = request.uri().path();
    let is_signed = path.starts_with(SIGNED_PATH);
    let Some(rest) = path.strip_prefix(if is_signed { SIGNED_PATH } else { TOKEN_PATH }) else {
        return name_panel_path(request);
    };
    let Some((shown, path)) = rest.split_once('/').filter(|(shown, _)| shown.len() <= MAX_TOKEN) else {
        return;
    };
    let shown: Arc<str> = shown.into();
    let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
    let path = format!("/{path}{query}");
    let way = WayUp::from(request.uri().path());
    if !set_path(request, &path) {
        return;
    }
    request.extensions_mut().insert(way);
    if is_signed {
        request.extensions_mut().insert(Signed(shown));
    } else {
        request.extensions_mut().insert(InPath(shown));
    }
}

/// Lets only those through to a handler who may watch, which then knows who it is.
pub(in crate::http) async fn require_viewer(
    axum::extract::State(state): axum::extract::State<State>,
    peer: axum::Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    // A browser asks first (OPTIONS) without what the page is going to show.
    if request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    match watching(&state, *peer, &parts).await {
        Ok(watching) => {
            parts.extensions.insert(watching);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => refuse(error, &parts.headers),
    }
}

async fn watching(state: &State, peer: Peer, parts: &Parts) -> Result<Watching, ApiError> {
    if let Some(signed) = parts.extensions.get::<Signed>() {
        let watcher = Watcher::Link(signed.link(state, peer, parts)?.into());
        return Ok(Watching { watcher, carried: Carried::InPath(Arc::clone(&signed.0)) });
    }
    let config = state.config();
    let shown = shown(parts);
    let found = match &shown {
        Shown::Nothing => by_session(state, peer, parts).map(|watcher| (watcher, Carried::Nothing)),
        Shown::Query(token) => {
            let carried = Carried::InQuery(token.as_str().into());
            by_token(state, peer, parts, token)?.map(|watcher| (watcher, carried))
        }
        Shown::Bearer(token) if !token.starts_with(PREFIX) => {
            by_token(state, peer, parts, token)?.map(|watcher| (watcher, Carried::Nothing))
        }
        Shown::Token(token) | Shown::Bearer(token) => {
            let watcher = by_token(state, peer, parts, token)?;
            // Whoever puts one into the path means it: an old link
            // must not open what is open to all, and seem to work.
            let watcher = watcher.ok_or_else(|| unauthorized("the token is unknown, or over"))?;
            Some((watcher, Carried::InPath(Arc::clone(token))))
        }
        Shown::Password { name, password } => {
            let address = client_address(&config.server, peer, &parts.headers);
            Some((by_password(state, address, name, password).await?, Carried::Nothing))
        }
    };
    if let Some((watcher, carried)) = found {
        // Programs and households are no users, nor are the tokens that they made.
        let is_user = matches!(watcher.owner(), Some(Owner::User(_)));
        let is_made_by_user =
            matches!(&watcher, Watcher::Token(holder) if holder.token.owner.starts_with("user:"));
        if config.auth.streams == StreamAccess::User && !is_user && !is_made_by_user {
            return Err(unauthorized("this server's streams are for its users"));
        }
        return Ok(Watching { watcher, carried });
    }
    let is_open = match config.auth.streams {
        StreamAccess::Open => true,
        StreamAccess::Private => is_near(&config.server, peer, &parts.headers),
        StreamAccess::Token | StreamAccess::User => false,
    };
    if is_open {
        return Ok(Watching::default());
    }
    Err(unauthorized(match config.auth.streams {
        StreamAccess::Private => {
            "streams are open to private networks, and need a token elsewhere: whoever runs this server can say \
             otherwise by streams of [auth], or list a proxy in server.trusted_proxies"
        }
        _ => "streams need a token, or a name and a password",
    }))
}

fn shown(parts: &Parts) -> Shown {
    // In the order of how plainly it was said: the path first,
    // the query last, where players leave other things.
    if let Some(InPath(token)) = parts.extensions.get::<InPath>() {
        return Shown::Token(Arc::clone(token));
    }
    if let Some(token) = parts.uri.path().strip_prefix(STREAM_PATH) {
        return Shown::Token(token.into());
    }
    if let Some(rest) = PANEL_PATHS.iter().find_map(|path| parts.uri.path().strip_prefix(path)) {
        let mut segments =
            rest.split('/').map(|text| percent_decode_str(text).decode_utf8_lossy().into_owned());
        let (name, password) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        return Shown::Password { name, password };
    }
    let query = Query::from(parts.uri.query().unwrap_or_default());
    if PANEL_DOCUMENTS.contains(&parts.uri.path())
        && let Some(name) = query.value("username")
    {
        let password = query.value("password").unwrap_or_default().into_owned();
        return Shown::Password { name: name.into_owned(), password };
    }
    if let Some(token) = bearer(&parts.headers) {
        return Shown::Bearer(token.into());
    }
    if let Some((name, password)) = basic(&parts.headers) {
        return Shown::Password { name, password };
    }
    match query.value("token").filter(|token| !token.is_empty() && token.len() <= MAX_TOKEN) {
        Some(token) => Shown::Query(token.into_owned()),
        None => Shown::Nothing,
    }
}

/// A name and a password in `Authorization: Basic`.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, text) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let bytes = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(text.trim()).ok())??;
    let (name, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// A browser sends a cookie with whatever any page asks: it counts for a change only where a page
/// of ours asks.
fn by_session(state: &State, peer: Peer, parts: &Parts) -> Option<Watcher> {
    let user = session(state, peer, &parts.uri, &parts.headers)?;
    let base = || base_url(&state.config().server, peer, &parts.uri, &parts.headers);
    let is_meant = parts.method.is_safe() || is_of_own_page(&base(), &parts.uri, &parts.headers);
    is_meant.then_some(Watcher::User(user, Proof::Account))
}

/// Who watches by this; nobody where it is no token. One that looks like ours and is not good is
/// refused, wherever streams are open.
fn by_token(state: &State, peer: Peer, parts: &Parts, token: &str) -> Result<Option<Watcher>, ApiError> {
    let over = || unauthorized("the token is unknown, or over");
    if token.starts_with(PREFIX) {
        let key = state.accounts.use_key_to_watch(token).ok_or_else(over)?;
        return Ok(Some(Watcher::Key(key)));
    }
    // The form of a compact JWS; stream keys have no dots.
    if token.split('.').count() == 3 {
        let home = household(client_address(&state.config().server, peer, &parts.headers));
        return match state.accounts.token(token, home, agent(&parts.headers)) {
            Ok(holder) => Ok(Some(Watcher::Token(Arc::new(holder)))),
            Err(NoToken::Unknown) => Err(over()),
            Err(NoToken::Bound) => {
                let message = "the token is for another address, or another player";
                Err(ApiError::new(StatusCode::FORBIDDEN, "bound_token", message))
            }
        };
    }
    let user = state.accounts.by_stream_key(token);
    Ok(user.map(|user| Watcher::User(user, Proof::StreamKey)))
}

/// The password may be the stream key: players that ask for a name and a password then have
/// addresses that stay.
pub(in crate::http) async fn by_password(
    state: &State,
    address: IpAddr,
    name: &str,
    password: &str,
) -> Result<Watcher, ApiError> {
    let by_key = state.accounts.by_stream_key(password);
    if let Some(user) = by_key.filter(|user| user.spec.name.eq_ignore_ascii_case(name)) {
        return Ok(Watcher::User(user, Proof::StreamKey));
    }
    if let Some(user) = state.accounts.by_proven_password(name, password) {
        return Ok(Watcher::User(user, Proof::Account));
    }
    // Behind both quick ways: a player that is known sends its password with each request.
    state.take_try(address, Instant::now())?;
    match state.accounts.verify(name, password).await {
        Ok(user) => {
            state.guards.tries.right(address);
            Ok(Watcher::User(user, Proof::Account))
        }
        Err(Refusal::WrongPassword) => Err(unauthorized("the name or the password is wrong")),
        Err(other) => Err(other.into()),
    }
}

/// Whether who asks is on this machine or in a private network, as far as nobody can have made that
/// up: what a proxy passes on that is not known comes from anywhere.
fn is_near(server: &Server, peer: Peer, headers: &HeaderMap) -> bool {
    match sender(server, peer, headers) {
        Sender::Direct(address) => {
            // At home, devices have public addresses of IPv6, all in one network.
            let local = peer.local.ip().to_canonical();
            !is_public(address) || household(address) == household(local)
        }
        Sender::Proxied(address) => !is_public(address),
        // It is not told which header counts, so that of most proxies does.
        Sender::Unnamed(_) => !is_public(client_address(server, peer, headers)),
        // The address is a proxy's, often of this machine:
        // whoever comes through it may be anywhere.
        Sender::Untrusted(_) | Sender::Unknown(_) => false,
    }
}

fn unauthorized(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

/// A player asks its user for a name and a password; a page is not to, since it may ask in a better
/// way.
fn refuse(error: ApiError, headers: &HeaderMap) -> Response {
    let is_asked_for = error.status == StatusCode::UNAUTHORIZED;
    let mut response = error.into_response();
    // A browser would put its own window over the page that knows how to sign in.
    let is_of_page = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    if is_asked_for && !is_of_page {
        let scheme = HeaderValue::from_static("Basic realm=\"Forebay\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

impl Carried {
    /// The query of addresses in a document, without a question mark; empty where they need none.
    pub(in crate::http) fn query(&self) -> String {
        match self {
            // Whatever was sent, it is one word of a line of a playlist, and of a manifest.
            Self::InQuery(token) => format!("token={}", utf8_percent_encode(token, UNRESERVED)),
            Self::Nothing | Self::InPath(_) => String::new(),
        }
    }
}

impl Watching {
    /// Who watches; on routes for everybody, nobody.
    pub(in crate::http) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// What stands in front of the paths in a list, so that each address opens by itself.
    pub(in crate::http) fn prefix(&self) -> String {
        match (&self.watcher, &self.carried) {
            (Watcher::User(user, _), _) => format!("t/{}/", user.stream_key),
            (Watcher::Anybody, _) => String::new(),
            (Watcher::Link(_), Carried::InPath(signed)) => format!("s/{signed}/"),
            (_, Carried::InQuery(token) | Carried::InPath(token)) => format!("t/{token}/"),
            _ => String::new(),
        }
    }
}

impl FromRequestParts<State> for Watching {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_out_of_the_path() {
        for (uri, path, token) in [
            ("/t/abc/stream/one.ts", "/stream/one.ts", Some("abc")),
            ("/t/abc/playlist.m3u?format=hls", "/playlist.m3u?format=hls", Some("abc")),
            ("https://tv.lan/t/abc/stream/one", "https://tv.lan/stream/one", Some("abc")),
            ("/s/12.ab/hls/x/master.m3u8?format=ts", "/hls/x/master.m3u8?format=ts", Some("12.ab")),
            ("/t/abc", "/t/abc", None),
            ("/s/abc", "/s/abc", None),
            ("/stream/t/abc", "/stream/t/abc", None),
        ] {
            let mut request = http::Request::builder().uri(uri).body(()).unwrap();
            take_token(&mut request);
            let extensions = request.extensions();
            let signed = extensions.get::<Signed>().map(|signed| &*signed.0);
            let found = extensions.get::<InPath>().map(|token| &*token.0).or(signed);
            assert_eq!((&*request.uri().to_string(), found), (path, token), "{uri}");
        }
    }

    #[test]
    fn near_is_what_nobody_can_have_made_up() {
        let near = |server: &Server, peer: &str, fields: &[(&'static str, &'static str)]| {
            let local = "[2001:db8:1:2::1]:8080".parse().unwrap();
            let peer = Peer { address: (peer.parse::<IpAddr>().unwrap(), 5000).into(), local };
            let fields = fields
                .iter()
                .map(|&(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_near(server, peer, &fields.collect())
        };
        let plain = Server::default();
        for peer in ["127.0.0.1", "192.168.0.9", "10.1.2.3", "100.64.0.1", "fd00::1", "2001:db8:1:2::99"] {
            assert!(near(&plain, peer, &[]), "{peer}");
        }
        for peer in ["8.8.8.8", "2001:db8:1:3::99"] {
            assert!(!near(&plain, peer, &[]), "{peer}");
        }
        assert!(!near(&plain, "127.0.0.1", &[("x-forwarded-for", "192.168.0.9")]), "whoever passed it on");
        let trusting = Server { trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()], ..Server::default() };
        assert!(near(&trusting, "127.0.0.1", &[("x-forwarded-for", "192.168.0.9")]));
        assert!(!near(&trusting, "127.0.0.1", &[("x-forwarded-for", "192.168.0.9, 8.8.8.8")]));
        let named = Server { proxy_header: Some(crate::config::ProxyHeader::XRealIp), ..trusting };
        assert!(near(&named, "127.0.0.1", &[("x-real-ip", "192.168.0.9")]));
        assert!(!near(&named, "127.0.0.1", &[("x-real-ip", "8.8.8.8")]));
    }
}
