//! How we talk to an authority: over HTTPS, with an end to everything.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{Request, header};
use http_body::Body as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;
use url::Url;

use forebay_relay::net::{self, Body, Connector, Route, SocketGuard, USER_AGENT};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most that an answer may hold; the longest is a chain of certificates.
const MAX_ANSWER: usize = 1 << 20;

/// A client that trusts these roots besides the usual ones.
pub(super) struct Client(Connector);

impl Client {
    pub(super) fn new(roots: Vec<CertificateDer<'static>>) -> Self {
        Self(Connector::new(net::trust::client_config(roots)))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let connector = self.0.clone();
        Box::pin(async move {
            let exchange = timeout(TIMEOUT, exchange(connector, request));
            exchange.await.unwrap_or_else(|_| Err(Error::Other("no answer within 30 s".into())))
        })
    }
}

async fn exchange(
    connector: Connector,
    request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Error> {
    let (mut parts, mut body) = request.into_parts();
    // Authorities ask for it to know whom to tell when something is wrong (RFC 8555, 6.1).
    parts.headers.insert(header::USER_AGENT, USER_AGENT);
    // It comes in one piece.
    let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
    let Ok(frame) = frame.transpose();
    let body = frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
    let url = Url::parse(&parts.uri.to_string()).ok().filter(|url| url.scheme() == "https");
    let url = url.ok_or_else(|| Error::Other("the authority names an address that is not https".into()))?;
    let request = net::request(parts.method, &url, parts.headers, body).map_err(other)?;
    let connection = connector.connect(&url, Route::DIRECT, SocketGuard::default()).await.map_err(other)?;
    let (parts, body) = connection.send(request).await.map_err(other)?.into_parts();
    Ok(BytesResponse { parts, body: Box::new(read(body).await?) })
}

async fn read(mut body: Body) -> Result<Bytes, Error> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(other)?;
        if whole.len() + piece.len() > MAX_ANSWER {
            return Err(Error::Other("the answer is longer than 1 MiB".into()));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

fn other(error: net::Error) -> Error {
    Error::Other(Box::new(io::Error::other(error)))
}
