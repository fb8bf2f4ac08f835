//! The requests of one upstream: the same headers and cookies on all of them, wherever they lead, and credentials to the source's own host
//! only.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use cookie_store::CookieStore;
use forebay_core::playlist::parse::MAX_URL;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use super::reach::Bounds;
use crate::client::{self, Body, Connection, Connector, Kept, USER_AGENT};
use crate::config::{Source, UrlPattern};
use crate::upstream::{Error, Hold};

/// Redirects that are followed: load balancers chain two or three.
const MAX_REDIRECTS: usize = 10;

/// Cookies of one upstream; with more, it begins anew. Providers set one or two, and some a new one with every answer, of which only the last counts.
const MAX_COOKIES: usize = 100;

/// Bytes of a cookie with its attributes: as many as every client can keep (RFC 6265, 6.1).
const MAX_COOKIE: usize = 4096;

/// Headers that are for the source's own host.
const CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Makes the requests of one upstream.
#[derive(Clone)]
pub(in crate::upstream) struct Agent(Arc<Inner>);

struct Inner {
    connector: Connector,
    hold: Hold,
    bounds: Bounds,
    source: Url,
    slates: Arc<[UrlPattern]>,
    /// For every host, and for the source's own.
    headers: HeaderMap,
    credentials: HeaderMap,
    cookies: Mutex<CookieStore>,
}

/// What was answered.
pub(in crate::upstream) struct Response {
    /// Where the answer came from in the end.
    pub(in crate::upstream) url: Url,
    pub(in crate::upstream) status: StatusCode,
    pub(in crate::upstream) headers: HeaderMap,
    pub(in crate::upstream) body: Body,
}

impl Agent {
    /// For this source; each connection holds a clone of `hold`.
    pub(super) fn new(connector: Connector, source: &Source, hold: Hold) -> Self {
        let (mut headers, mut credentials) = (HeaderMap::new(), HeaderMap::new());
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        for (name, value) in &source.headers {
            // Each name is there once.
            let list = if CREDENTIALS.contains(name) { &mut credentials } else { &mut headers };
            list.insert(name.clone(), value.clone());
        }
        let typed = source.user_agent.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
        headers.insert(header::USER_AGENT, typed.unwrap_or(USER_AGENT));
        Self(Arc::new(Inner {
            connector,
            hold,
            bounds: Bounds::new(source.access.allow_private),
            source: source.url.expose().clone(),
            slates: Arc::clone(&source.slate_urls),
            headers,
            credentials,
            cookies: Mutex::default(),
        }))
    }

    /// Asks for `url` with these headers besides, and follows where it leads, over connections that are kept or that go to be kept there, if
    /// anywhere. Otherwise no two are ever open at once.
    pub(in crate::upstream) async fn get(
        &self,
        url: &Url,
        besides: &HeaderMap,
        kept: Option<&Kept>,
    ) -> Result<Response, Error> {
        let (mut url, mut is_own) = (url.clone(), self.is_own(url));
        for _ in 0..=MAX_REDIRECTS {
            let response = self.ask(url, is_own, besides, kept).await?;
            let Some(next) = response.leads_to()? else { return Ok(response) };
            // Where it leads to may be another's, on another port too, and so may be whatever that leads to.
            is_own &= next.origin() == response.url.origin();
            // With it goes its connection.
            drop(response);
            url = next;
        }
        Err(Error::Redirect("too many redirects".to_owned()))
    }

    async fn ask(
        &self,
        url: Url,
        is_own: bool,
        besides: &HeaderMap,
        kept: Option<&Kept>,
    ) -> Result<Response, Error> {
        if self.is_slate(&url) {
            return Err(Error::Slate);
        }
        let mut headers = self.headers(&url, is_own);
        headers.extend(besides.clone());
        let request = client::request(Method::GET, &url, headers, Bytes::new())?;
        let mut answer = None;
        while answer.is_none()
            && let Some(connection) = kept.and_then(|kept| kept.take(&url.origin()))
        {
            // One that the other end closed just now has not carried the request, or not to anybody: it is no try.
            answer = connection.send(request.clone()).await.ok();
        }
        let answer = match answer {
            Some(answer) => answer,
            None => self.connect(&url).await?.send(request).await?,
        };
        let (head, mut body) = answer.into_parts();
        self.0.bounds.note(body.peer());
        if let Some(kept) = kept {
            body.keep(kept, url.origin());
        }
        self.note_cookies(&url, &head.headers);
        Ok(Response { url, status: head.status, headers: head.headers, body })
    }

    async fn connect(&self, url: &Url) -> Result<Connection, client::Error> {
        self.0.connector.connect(url, self.0.bounds.reach(), self.0.hold.clone()).await
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
        let basic = basic(url).or_else(|| basic(&self.0.source).filter(|_| is_own));
        if let Some(basic) = basic {
            headers.entry(header::AUTHORIZATION).or_insert(basic);
        }
        if let Some(cookies) = self.cookies(url) {
            headers.entry(header::COOKIE).or_insert(cookies);
        }
        headers
    }

    fn is_own(&self, url: &Url) -> bool {
        let is_exposed = self.0.source.scheme() == "https" && url.scheme() == "http";
        url.host() == self.0.source.host() && !is_exposed
    }

    fn cookies(&self, url: &Url) -> Option<HeaderValue> {
        let cookies = self.0.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<_> =
            cookies.get_request_values(url).map(|(name, value)| format!("{name}={value}")).collect();
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
        let is_redirect = matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let location = self.headers.get(header::LOCATION).filter(|_| is_redirect);
        let location = location.and_then(|location| std::str::from_utf8(location.as_bytes()).ok());
        match location.and_then(|location| self.url.join(location).ok()) {
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

/// The credentials in an address (RFC 7617, 2).
fn basic(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}
