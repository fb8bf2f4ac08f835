//! How we talk to an authority: over HTTPS only.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use http::Request;
use http_body::Body as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::CertificateDer;
use url::Url;

use crate::exchange;

/// A client that trusts these roots besides the usual ones.
pub(super) struct Client(exchange::Client);

impl Client {
    pub(super) fn new(roots: Vec<CertificateDer<'static>>) -> Self {
        Self(exchange::Client::new(roots))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(send(self.0.clone(), request))
    }
}

async fn send(
    client: exchange::Client,
    request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Error> {
    let (parts, mut body) = request.into_parts();
    // It comes in one piece.
    let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
    let Ok(frame) = frame.transpose();
    let body = frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
    let url = Url::parse(&parts.uri.to_string()).ok().filter(|url| url.scheme() == "https");
    let url = url.ok_or_else(|| Error::Other("the authority names an address that is not https".into()))?;
    let answer = client.send(parts.method, &url, parts.headers, body).await;
    let (parts, body) = answer.map_err(|error| Error::Other(Box::new(io::Error::other(error))))?.into_parts();
    Ok(BytesResponse { parts, body: Box::new(body) })
}
