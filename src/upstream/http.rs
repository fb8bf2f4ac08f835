//! HTTP and HTTPS: an endless body, or a playlist that leads to others.
//!
//! Providers' servers are old and odd, so the client is lenient: it follows redirects (to https too), keeps cookies on the way,
//! sends basic credentials from the address (and to that host only), and takes a body with or without chunks or a length. One client and
//! one connection per upstream: its cookies are its own, and dropping it closes the connection, which frees the provider's slot.
//!
//! Whether the body is a transport stream or an HLS playlist is decided by its first bytes, whatever the address and the declared type say.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use forebay_core::playlist::parse::{MAX_BODY, begins_like_a_playlist};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};
use reqwest::cookie::Jar;
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Response};

use super::hls::{self, Session, gunzip, looks_like_gzip};
use super::{Error, Pace, Piece, Upstream};
use crate::config::Source;

/// What a source is told we are, unless it is configured otherwise.
const USER_AGENT: &str = concat!("Forebay/", env!("CARGO_PKG_VERSION"));

/// Redirects that are followed: load balancers chain two or three.
const MAX_REDIRECTS: usize = 10;

/// What all upstreams share.
#[derive(Debug, Clone)]
pub(super) struct Client {
    tls: Arc<rustls::ClientConfig>,
}

impl Client {
    /// Reads the trusted roots.
    pub(super) fn new() -> Self {
        Self { tls: Arc::new(crate::trust::client_config(Vec::new())) }
    }

    /// Sends the request; what comes back is an upstream if the answer is a success.
    pub(super) fn open(&self, source: &Source) -> BoxFuture<'static, Result<Upstream, Error>> {
        let jar = Arc::new(Jar::default());
        let builder = || self.builder(source, &jar);
        let client = builder().pool_max_idle_per_host(0).build();
        let sessions = builder().pool_max_idle_per_host(hls::CONNECTIONS).build();
        let session = sessions.map(|client| Session::new(client, source));
        let source = source.clone();
        async move {
            let request = client.map_err(|error| Error::Request(causes(&error)))?;
            let session = session.map_err(|error| Error::Request(causes(&error)))?;
            let request = session.address(&request, source.url.expose(), hls::looks_like_a_playlist(&source));
            let response = request.send().await.map_err(|error| describe(&error))?;
            let status = response.status();
            if !status.is_success() {
                return Err(Error::Status { status: status.as_u16() });
            }
            let url = response.url().clone();
            let mut body = body(response);
            let beginning = begin(&mut body).await;
            if beginning.is_playlist {
                let bytes = read_whole(beginning.bytes, body).await?;
                return hls::open(session, &source, url, bytes).await;
            }
            let pieces = stream::iter((!beginning.bytes.is_empty()).then(|| Ok(beginning.bytes.freeze())))
                .chain(stream::iter(beginning.error.map(Err)))
                .chain(body)
                .map(|bytes| bytes.map(Piece::Bytes))
                .chain(stream::once(std::future::ready(Err(Error::Ended))));
            Ok(Upstream::new(pieces.boxed(), Pace::Live))
        }
        .boxed()
    }

    fn builder(&self, source: &Source, jar: &Arc<Jar>) -> ClientBuilder {
        reqwest::Client::builder()
            .tls_backend_preconfigured((*self.tls).clone())
            .user_agent(source.user_agent.as_deref().unwrap_or(USER_AGENT))
            .cookie_provider(Arc::clone(jar))
            .redirect(Policy::limited(MAX_REDIRECTS))
            .referer(false)
            .no_proxy()
            .http1_only()
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .tcp_nodelay(true)
    }
}

type Body = BoxStream<'static, Result<Bytes, Error>>;

fn body(response: Response) -> Body {
    response.bytes_stream().map(|bytes| bytes.map_err(|error| Error::Broken(causes(&error)))).boxed()
}

/// The first bytes of a body.
struct Beginning {
    bytes: BytesMut,
    is_playlist: bool,
    /// What followed them instead of more.
    error: Option<Error>,
}

/// Reads no further than it takes to tell a playlist from anything else.
async fn begin(body: &mut Body) -> Beginning {
    let mut bytes = BytesMut::new();
    loop {
        let verdict = if looks_like_gzip(&bytes) { Some(true) } else { begins_like_a_playlist(&bytes) };
        if let Some(is_playlist) = verdict {
            return Beginning { bytes, is_playlist, error: None };
        }
        match body.next().await {
            Some(Ok(more)) => bytes.extend_from_slice(&more),
            Some(Err(error)) => return Beginning { bytes, is_playlist: false, error: Some(error) },
            None => return Beginning { bytes, is_playlist: false, error: None },
        }
    }
}

/// The whole of a playlist, unzipped.
async fn read_whole(mut bytes: BytesMut, mut body: Body) -> Result<Bytes, Error> {
    while bytes.len() <= MAX_BODY
        && let Some(more) = body.next().await
    {
        bytes.extend_from_slice(&more?);
    }
    Ok(gunzip(bytes.freeze()))
}

/// Sorts a failed request.
pub(super) fn describe(error: &reqwest::Error) -> Error {
    // A configured address is of a good kind; one that cannot be requested is where it has led to.
    if error.is_redirect() || error.is_builder() {
        return Error::Redirect(causes(error));
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            return Error::Refused;
        }
        cause = inner.source();
    }
    if error.is_connect() { Error::Unreachable(causes(error)) } else { Error::Broken(causes(error)) }
}

/// The innermost cause: the outer ones say only that a request failed, and name its address.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if cause.is::<reqwest::Error>() { "the HTTP exchange failed".to_owned() } else { cause.to_string() }
}
