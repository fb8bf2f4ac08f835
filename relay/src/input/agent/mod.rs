//! The requests of one upstream: the same headers and cookies on all of them, wherever they lead,
//! and credentials to the source's own host only.

mod digest;
mod proxies;
mod reach;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cookie_store::CookieStore;
use forebay_core::playlist::parse::MAX_URL;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use url::{Position, Url};

use self::proxies::{Environment, proxy_for};
use self::reach::Bounds;
use super::{Error, SocketGuard};
use crate::model::{Access, Source, UrlPattern};
use crate::net::{self, Body, Connection, Connector, Credentials, IdleConnections, Route, USER_AGENT};

/// Redirects that are followed: load balancers chain two or three.
const MAX_REDIRECTS: usize = 10;

/// Challenges that are answered for one request: a first one, and one that says that the nonce has
/// become stale.
const MAX_ANSWERS: usize = 2;

/// Cookies of one upstream; with more, it begins anew. Providers set one or two, and some a new one
/// with every answer, of which only the last counts.
const MAX_COOKIES: usize = 100;

/// Bytes of a cookie with its attributes: as many as every client can keep (RFC 6265, 6.1).
const MAX_COOKIE: usize = 4096;

/// Headers that are for the source's own host.
const CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// What all upstreams share: the trusted roots, and what the environment says about proxies.
#[derive(Clone)]
pub(super) struct Client {
    connector: Connector,
    environment: Arc<Environment>,
}

impl Client {
    /// Reads the trusted roots and the environment.
    pub(super) fn new() -> Self {
        Self {
            connector: Connector::new(net::trust::client_config(Vec::new())),
            environment: Arc::new(Environment::new()),
        }
    }

    /// One that connects so.
    #[cfg(test)]
    pub(super) fn over(connector: Connector) -> Self {
        Self { connector, environment: Arc::default() }
    }
}

/// Makes the requests of one upstream.
#[derive(Clone)]
pub(in crate::input) struct Agent(Arc<Inner>);

struct Inner {
    connector: Connector,
    environment: Arc<Environment>,
    access: Access,
    hold: SocketGuard,
    bounds: Bounds,
    source: Url,
    slates: Arc<[UrlPattern]>,
    /// For every host, and for the source's own.
    headers: HeaderMap,
    credentials: HeaderMap,
    cookies: Mutex<CookieStore>,
    /// The challenge that requests answer, since a server has asked for it.
    digest: Mutex<Option<digest::Session>>,
}

/// What was answered.
pub(in crate::input) struct Response {
    /// Where the answer came from in the end.
    pub(in crate::input) url: Url,
    pub(in crate::input) status: StatusCode,
    pub(in crate::input) headers: HeaderMap,
    pub(in crate::input) body: Body,
}

impl Agent {
    /// For this source; each connection holds a clone of `hold`.
    pub(super) fn new(client: &Client, source: &Source, hold: SocketGuard) -> Self {
        let (mut headers, mut credentials) = (HeaderMap::new(), HeaderMap::new());
        // It stands first, so that a configured `Accept` replaces it.
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        for (name, value) in &source.headers {
            // Each name is there once.
            let list = if CREDENTIALS.contains(name) { &mut credentials } else { &mut headers };
            list.insert(name.clone(), value.clone());
        }
        // A configured `User-Agent` wins: many providers let only known players in.
        let typed = source.user_agent.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
        headers.insert(header::USER_AGENT, typed.unwrap_or(USER_AGENT));
        Self(Arc::new(Inner {
            connector: client.connector.clone(),
            environment: Arc::clone(&client.environment),
            access: source.access.clone(),
            hold,
            bounds: Bounds::new(source.access.scope),
            source: source.url.expose().clone(),
            slates: Arc::clone(&source.slate_urls),
            headers,
            credentials,
            cookies: Mutex::default(),
            digest: Mutex::default(),
        }))
    }

    /// Asks for `url` with these headers besides, and follows where it leads, over connections that
    /// are kept or that go to be kept there, if anywhere. Otherwise no two are ever open at once.
    pub(in crate::input) async fn get(
        &self,
        url: &Url,
        besides: &HeaderMap,
        kept: Option<&IdleConnections>,
    ) -> Result<Response, Error> {
        let (mut url, mut is_own) = (url.clone(), self.is_own(url));
        // One more than the redirects: the first request follows none.
        for _ in 0..=MAX_REDIRECTS {
            let response = self.ask_answering(url, is_own, besides, kept).await?;
            let Some(next) = response.leads_to()? else { return Ok(response) };
            // Where it leads to may be another's, on another port too, and so may be whatever that
            // leads to.
            is_own &= next.origin() == response.url.origin();
            // With it goes its connection.
            drop(response);
            url = next;
        }
        Err(Error::Redirect("too many redirects".to_owned()))
    }

    /// Asks, and asks again with the answer to a challenge, if the server has one that can be
    /// answered.
    async fn ask_answering(
        &self,
        mut url: Url,
        is_own: bool,
        besides: &HeaderMap,
        kept: Option<&IdleConnections>,
    ) -> Result<Response, Error> {
        let mut answered = 0;
        loop {
            let response = self.ask(url, is_own, besides, kept).await?;
            // A server that challenges every answer anew would be asked for ever.
            if answered == MAX_ANSWERS || !self.takes_challenge(&response, is_own) {
                return Ok(response);
            }
            answered += 1;
            // The response is dropped with this turn, so its connection is
            // closed before the next opens: an account may allow only one.
            url = response.url.clone();
        }
    }

    async fn ask(
        &self,
        url: Url,
        is_own: bool,
        besides: &HeaderMap,
        kept: Option<&IdleConnections>,
    ) -> Result<Response, Error> {
        if self.is_slate(&url) {
            return Err(Error::Slate);
        }
        let mut headers = self.headers(&url, is_own);
        // These come last and replace configured ones: a configured
        // `Range` would spoil what the caller counts on.
        headers.extend(besides.clone());
        let request = net::request(Method::GET, &url, headers, Bytes::new())?;
        let mut answer = None;
        while answer.is_none()
            && let Some(connection) = kept.and_then(|kept| kept.take(&url.origin()))
        {
            // One that the other end closed just now has not carried the request, or not to
            // anybody: it is no try.
            answer = connection.send(request.clone()).await.ok();
        }
        let answer = match answer {
            Some(answer) => answer,
            None => self.connect(&url).await?.send(request).await?,
        };
        let (head, mut body) = answer.into_parts();
        // Before anything of the answer is read: whatever it names was chosen by this server.
        self.0.bounds.note(body.peer());
        if let Some(kept) = kept {
            body.keep(kept, url.origin());
        }
        self.note_cookies(&url, &head.headers);
        Ok(Response { url, status: head.status, headers: head.headers, body })
    }

    async fn connect(&self, url: &Url) -> Result<Connection, Error> {
        let access = &self.0.access;
        let proxy = proxy_for(&access.proxy, &self.0.environment, url)?;
        let route = Route { reach: self.0.bounds.reach(), proxy, trust: access.trust };
        // It is seldom made, and takes many times the state of a request.
        Ok(Box::pin(self.0.connector.connect(url, route, self.0.hold.clone())).await?)
    }

    /// Whether an answer is a challenge that the next request can answer better than the last one
    /// did.
    fn takes_challenge(&self, response: &Response, is_own: bool) -> bool {
        // A configured `Authorization` stands for the
        // account; an answer to a challenge would replace it.
        let is_configured = is_own && self.0.credentials.contains_key(header::AUTHORIZATION);
        if response.status != StatusCode::UNAUTHORIZED
            || is_configured
            || self.credentials_for(&response.url, is_own).is_none()
        {
            return false;
        }
        let Some(next) = digest::Session::new(response.url.origin(), &response.headers) else { return false };
        let mut digest = self.0.digest.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = digest.as_ref().is_none_or(|before| next.is_news(before));
        if is_news {
            *digest = Some(next);
        }
        is_news
    }

    /// Those of an address, or else the source's, for its own host.
    fn credentials_for(&self, url: &Url, is_own: bool) -> Option<Credentials> {
        Credentials::of(url).or_else(|| Credentials::of(&self.0.source).filter(|_| is_own))
    }

    /// Basic until a server asks for more.
    fn authorization(&self, url: &Url, is_own: bool) -> Option<HeaderValue> {
        let credentials = self.credentials_for(url, is_own)?;
        let mut digest = self.0.digest.lock().unwrap_or_else(PoisonError::into_inner);
        match digest.as_mut().filter(|digest| digest.is_for(&url.origin())) {
            Some(digest) => {
                // The same bytes as in the request line: servers
                // compare `uri` with it (RFC 7616, 3.4).
                let target = &url[Position::BeforePath..Position::AfterQuery];
                digest.authorization(&credentials, Method::GET.as_str(), target)
            }
            // Sent unasked: a challenge in front of each request would cost a round trip, and a
            // connection where the server closes it.
            None => credentials.basic(),
        }
    }

    fn is_slate(&self, url: &Url) -> bool {
        // Patterns are written without credentials.
        let address =
            [&url[..Position::BeforeUsername], &url[Position::BeforeHost..Position::AfterQuery]].concat();
        self.0.slates.iter().any(|slate| slate.matches(&address))
    }

    fn headers(&self, url: &Url, is_own: bool) -> HeaderMap {
        let mut headers = self.0.headers.clone();
        if is_own {
            headers.extend(self.0.credentials.clone());
        }
        if !headers.contains_key(header::AUTHORIZATION)
            && let Some(authorization) = self.authorization(url, is_own)
        {
            headers.insert(header::AUTHORIZATION, authorization);
        }
        if let Some(cookies) = self.cookies(url) {
            // A configured `Cookie` is the operator's word;
            // those that a server sets do not replace it.
            headers.entry(header::COOKIE).or_insert(cookies);
        }
        headers
    }

    fn is_own(&self, url: &Url) -> bool {
        // What the operator gave to TLS must not go out in clear text, to the same host either.
        let is_exposed = self.0.source.scheme() == "https" && url.scheme() == "http";
        url.host() == self.0.source.host() && !is_exposed
    }

    fn cookies(&self, url: &Url) -> Option<HeaderValue> {
        let cookies = self.0.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<_> =
            cookies.get_request_values(url).map(|(name, value)| format!("{name}={value}")).collect();
        // Making a header of them needs no lock; playlists and segments ask at the same time.
        drop(cookies);
        let mut value = HeaderValue::try_from(pairs.join("; ")).ok().filter(|value| !value.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }

    fn note_cookies(&self, url: &Url, headers: &HeaderMap) {
        let mut cookies = self.0.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for value in headers.get_all(header::SET_COOKIE) {
            let Ok(text) = std::str::from_utf8(value.as_bytes()) else { continue };
            if text.len() > MAX_COOKIE {
                continue;
            }
            if cookies.iter_any().count() >= MAX_COOKIES {
                // Dropping single ones would need a rule which; a
                // server that sets so many needs the newest only.
                cookies.clear();
            }
            // What is no cookie, or for somebody else, is left out.
            let _ = cookies.parse(text, url);
        }
    }
}

impl Response {
    /// Where it leads to, if it does.
    fn leads_to(&self) -> Result<Option<Url>, Error> {
        // Not 300 and 304: they may carry `Location` and lead nowhere (RFC 9110, 15.4).
        let is_redirect = matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let location = self.headers.get(header::LOCATION).filter(|_| is_redirect);
        let location = location.and_then(|location| std::str::from_utf8(location.as_bytes()).ok());
        match location.and_then(|location| self.url.join(location).ok()) {
            // A loop that appends to its address at each hop would grow without measure.
            Some(next) if next.as_str().len() > MAX_URL => {
                Err(Error::Redirect(format!("it leads to an address of more than {MAX_URL} bytes")))
            }
            Some(next) if !matches!(next.scheme(), "http" | "https") => {
                Err(Error::Redirect(format!("it leads to an address that begins with {}:", next.scheme())))
            }
            next => Ok(next),
        }
    }
}
