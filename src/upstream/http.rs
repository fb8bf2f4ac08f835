//! HTTP and HTTPS: an endless body.
//!
//! Providers' servers are old and odd, so the client is lenient: it follows redirects (to https too), keeps cookies on the way,
//! sends basic credentials from the address (and to that host only), and takes a body with or without chunks or a length. One client and
//! one connection per upstream: its cookies are its own, and dropping it closes the connection, which frees the provider's slot.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use reqwest::redirect::Policy;

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
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*self.tls).clone())
            .user_agent(source.user_agent.as_deref().unwrap_or(USER_AGENT))
            .cookie_store(true)
            .redirect(Policy::limited(MAX_REDIRECTS))
            .referer(false)
            .no_proxy()
            .http1_only()
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .pool_max_idle_per_host(0)
            .tcp_nodelay(true)
            .build();
        let request = client.map(|client| {
            let headers = source.headers.iter().cloned().collect();
            client.get(source.url.expose().clone()).headers(headers)
        });
        async move {
            let request = request.map_err(|error| Error::Request(causes(&error)))?;
            let response = request.send().await.map_err(|error| describe(&error))?;
            let status = response.status();
            if !status.is_success() {
                return Err(Error::Status { status: status.as_u16() });
            }
            let body = response.bytes_stream().map(|bytes| match bytes {
                Ok(bytes) => Ok(Piece::Bytes(bytes)),
                Err(error) => Err(Error::Broken(causes(&error))),
            });
            let pieces = body.chain(stream::once(std::future::ready(Err(Error::Ended)))).boxed();
            Ok(Upstream { pieces, pace: Pace::Live })
        }
        .boxed()
    }
}

/// Sorts a failed request.
fn describe(error: &reqwest::Error) -> Error {
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
fn causes(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if cause.is::<reqwest::Error>() { "the HTTP exchange failed".to_owned() } else { cause.to_string() }
}
