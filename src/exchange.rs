//! One request to a server that the operator names, and its whole answer: an authority that signs
//! certificates, or a provider of identities. Everything has an end.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, Response, header};
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;
use url::Url;

use forebay_relay::net::{self, Body, Connector, Route, SocketGuard, USER_AGENT};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer, in bytes: a chain of certificates, or the keys of a provider, has some
/// thousand.
const MAX_ANSWER: usize = 1 << 20;

/// Makes a connection for each request. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Client {
    connector: Connector,
    /// The longest answer, in bytes.
    limit: usize,
}

/// Why there is no answer. No text holds an address.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be reached, or does not answer in HTTP.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// The answer does not come.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    TooSlow,
    /// The answer does not end.
    #[error("the answer is longer than {} MiB", .0 >> 20)]
    TooLong(usize),
}

impl Client {
    /// Trusts these roots besides the system's. Reads those from the disk.
    pub fn new(roots: Vec<CertificateDer<'static>>) -> Self {
        Self { connector: Connector::new(net::trust::client_config(roots)), limit: MAX_ANSWER }
    }

    /// The same, for answers of up to `limit` bytes.
    #[must_use]
    pub fn up_to(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Sends a request and reads the whole answer. Redirects are answers like others.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, Error> {
        // Authorities ask for a name that can be looked
        // up when a client misbehaves (RFC 8555, 6.1).
        headers.insert(header::USER_AGENT, USER_AGENT);
        let exchange = async {
            let request = net::request(method, url, headers, body)?;
            // Anywhere: the operator has named the server, which is often in the same network.
            let connection = self.connector.connect(url, Route::DIRECT, SocketGuard::default()).await?;
            let (parts, body) = connection.send(request).await?.into_parts();
            Ok(Response::from_parts(parts, read(body, self.limit).await?))
        };
        timeout(TIMEOUT, exchange).await.unwrap_or(Err(Error::TooSlow))
    }
}

/// The whole of an answer, of up to `limit` bytes.
pub async fn read(mut body: Body, limit: usize) -> Result<Bytes, Error> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        if whole.len() + piece.len() > limit {
            return Err(Error::TooLong(limit));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
