//! How we talk to an authority: over HTTPS, with an end to everything.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, header};
use http_body::Body as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;

/// Who we are; authorities ask for it to know whom to tell when something is wrong (RFC 8555, 6.1).
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Forebay/", env!("CARGO_PKG_VERSION")));

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most that an answer may hold; the longest is a chain of certificates.
const MAX_ANSWER: usize = 1 << 20;

/// A client that trusts these roots besides the usual ones.
pub(super) struct Client(reqwest::Client);

impl Client {
    pub(super) fn new(roots: Vec<CertificateDer<'static>>) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(crate::trust::client_config(roots))
            .https_only(true)
            .http1_only()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(TIMEOUT);
        Ok(Self(client.build()?))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (mut parts, mut body) = request.into_parts();
            parts.headers.insert(header::USER_AGENT, USER_AGENT);
            // It comes in one piece.
            let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            let Ok(frame) = frame.transpose();
            let body = frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
            let request =
                client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
            let response = request.send().await.map_err(|error| other(&error))?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = read(response).await?;
            let mut answer = Response::new(());
            (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
            Ok(BytesResponse { parts: answer.into_parts().0, body: Box::new(body) })
        })
    }
}

async fn read(mut response: reqwest::Response) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| other(&error))? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(Error::Other("the answer is longer than 1 MiB".into()));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// With all its causes: the outer ones say only that a request failed.
fn other(error: &reqwest::Error) -> Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    Error::Other(Box::new(io::Error::other(text)))
}
