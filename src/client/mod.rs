//! How we speak HTTP to others: one connection at a time carries one request at a time, and has no task of its own.
//!
//! A connection of hyper is a future that somebody must poll. Here it is whoever waits for the answer or reads the body, and it belongs to them:
//! dropping them closes the socket there and then. So what must live exactly as long as a socket can lie beside it: a [`Hold`].

mod address;
mod answers;
mod connect;
mod connection;
mod kept;
mod network;
mod race;
#[cfg(test)]
pub(crate) mod site;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::Full;
use url::{Position, Url};

pub(crate) use self::connect::{Connector, Peer, Reach};
pub(crate) use self::connection::{Body, Connection};
pub(crate) use self::kept::Kept;

/// Who we are, unless it is configured otherwise.
pub(crate) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("Forebay/", env!("CARGO_PKG_VERSION")));

/// What must live as long as any socket of an upstream: a provider's lease. A clone of it lies beside each socket, and goes when that is closed.
#[derive(Clone, Default)]
pub struct Hold(Option<Arc<dyn Any + Send + Sync>>);

impl Hold {
    /// Keeps `value` until the last clone is gone.
    pub fn new(value: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(value)))
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&self.0.is_some()).finish()
    }
}

/// Why there is no answer, or no more of it. No text holds an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing listens there.
    #[error("the connection was refused")]
    Refused,
    /// The name does not resolve, the network is not reachable, TLS failed.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// Every address that the name resolves to is out of reach (see [`Reach`]).
    #[error("it leads to an address that is not on the internet")]
    Private,
    /// The connection broke, or what came is no HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The address cannot be asked for by HTTP.
    #[error("the address cannot be asked for: {0}")]
    Address(String),
}

impl Error {
    fn connecting(error: &(dyn std::error::Error + 'static)) -> Self {
        let is_refused = causes(error).any(|cause| {
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        });
        if is_refused { Self::Refused } else { Self::Unreachable(innermost(error)) }
    }

    fn exchanging(error: &hyper::Error) -> Self {
        Self::Broken(innermost(error))
    }
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The innermost cause: the outer ones say only that something failed.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
}

/// A request as it goes over a connection to the host of `url`, in origin form (RFC 9112, 3.2.1).
pub(crate) fn request(
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Error> {
    let address = |error: http::Error| Error::Address(error.to_string());
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]);
    let mut request = Request::builder().method(method).uri(target).body(Full::new(body)).map_err(address)?;
    // First in the head, as it should be (RFC 9110, 7.2).
    request.headers_mut().insert(header::HOST, host.map_err(|error| address(error.into()))?);
    request.headers_mut().extend(headers);
    Ok(request)
}
