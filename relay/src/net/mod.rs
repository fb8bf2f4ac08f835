//! How we speak HTTP to others: one connection at a time carries one request at a time, and has no
//! task of its own.
//!
//! A connection of hyper is a future that somebody must poll. Here it is whoever waits for the
//! answer or reads the body, and it belongs to them: dropping them closes the socket there and
//! then. So what must live exactly as long as a socket can lie beside it: a [`SocketGuard`].

mod answers;
mod connect;
mod connection;
mod credentials;
mod idle_pool;
mod network;
mod peer;
pub mod pem;
mod proxy;
mod race;
#[cfg(test)]
pub(crate) mod site;
#[cfg(test)]
mod tests;
pub mod trust;

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::Full;
use url::{Position, Url};

use crate::net::trust::HandshakeFault;

pub use self::connect::{Connector, Reach, Route};
use self::connection::Form;
pub(crate) use self::connection::IdleConnections;
pub use self::connection::{Body, Connection};
pub(crate) use self::credentials::Credentials;
pub use self::peer::Peer;

/// Who we are, unless it is configured otherwise.
pub const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Forebay/", env!("CARGO_PKG_VERSION")));

/// What must live as long as any socket of an upstream: a provider's lease. A clone of it lies
/// beside each socket, and goes when that is closed.
#[derive(Clone, Default)]
pub struct SocketGuard(Option<Arc<dyn Any + Send + Sync>>);

impl SocketGuard {
    /// Keeps `value` until the last clone is gone.
    pub fn new(value: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(value)))
    }
}

impl fmt::Debug for SocketGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SocketGuard").field(&self.0.is_some()).finish()
    }
}

/// Why there is no answer, or no more of it. No text holds an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing listens there.
    #[error("the connection was refused")]
    Refused,
    /// The name does not resolve, the network is not reachable, TLS broke off.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// Every address that the name resolves to is out of reach (see [`Reach`]).
    #[error("it leads to an address that is not on the internet")]
    Private,
    /// What the server showed over TLS proves nothing.
    #[error("the server cannot be trusted: {0}")]
    Untrusted(String),
    /// What answers speaks no TLS that is spoken here, or none at all.
    #[error("TLS does not come about: {0}")]
    Tls(&'static str),
    /// The proxy cannot be used, or does not get through.
    #[error("the proxy does not get through: {0}")]
    Proxy(String),
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
        // A refusal is told apart: the machine is there, and the service is not.
        if is_refused { Self::Refused } else { Self::Unreachable(innermost(error)) }
    }

    /// Why TLS did not come about.
    pub fn shaking_hands(error: &io::Error) -> Self {
        let fault = error.get_ref().and_then(|error| error.downcast_ref()).and_then(HandshakeFault::of);
        match fault {
            Some(HandshakeFault::Untrusted(why)) => Self::Untrusted(why),
            Some(HandshakeFault::Outdated) => Self::Tls(
                "the server has only versions or ciphers that are out of use (TLS 1.0 or 1.1, RSA key exchange, CBC); \
                 use its http:// address, or a proxy in front of it that speaks them",
            ),
            Some(HandshakeFault::NoTls) => {
                Self::Tls("the server does not speak it there; is it an http:// address?")
            }
            None => Self::connecting(error),
        }
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

/// A request for `url`, with the whole address as its target: the connection writes it as whoever
/// is at its other end reads it.
pub fn request(
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Error> {
    let address = |error: http::Error| Error::Address(error.to_string());
    let target =
        // Without credentials, which go into a header, and without
        // a fragment, which is never sent (RFC 9110, 7.1).
        [&url[..Position::BeforeUsername], &url[Position::BeforeHost..Position::AfterQuery]].concat();
    let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]);
    let mut request = Request::builder().method(method).uri(target).body(Full::new(body)).map_err(address)?;
    // First in the head, as it should be (RFC 9110, 7.2).
    request.headers_mut().insert(header::HOST, host.map_err(|error| address(error.into()))?);
    request.headers_mut().extend(headers);
    Ok(request)
}
