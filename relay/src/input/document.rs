//! Documents of providers, such as lists of channels: fetched as streams are, with the same
//! headers, by the same proxies and within the same reach.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::Url;

use super::agent::{Agent, Client, Response};
use super::encoding::Decoded;
use super::{Error, SocketGuard};
use crate::model::Source;
use crate::net::Body;

/// Who fetches them.
#[derive(Clone)]
pub struct Documents(Client);

/// The marks that a server gave the version that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What a server answered.
#[derive(Debug)]
pub enum Fetched {
    /// The version with these marks is the newest.
    Unchanged,
    /// A document begins.
    Document(Box<Document>),
}

/// A document on its way, decompressed as it comes.
#[derive(Debug)]
pub struct Document {
    /// Where it came from in the end.
    pub url: Url,
    /// The marks of this version.
    pub marks: Marks,
    /// The character set that the server names.
    pub charset: Option<String>,
    /// How long it is, where it is not compressed and the server tells.
    pub length: Option<u64>,
    body: Decoded<Body>,
}

impl Documents {
    /// Reads the trusted roots and the environment.
    #[allow(clippy::new_without_default, reason = "it reads files")]
    pub fn new() -> Self {
        Self(Client::new())
    }

    /// Asks the server of `source` for `url`, unless the version with these marks is the newest.
    pub async fn fetch(&self, source: &Source, url: &Url, known: &Marks) -> Result<Fetched, Error> {
        let agent = Agent::new(&self.0, source, SocketGuard::default());
        let mut headers = HeaderMap::new();
        // Lists of channels are long and repeat themselves: gzip leaves a fraction of them.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let conditions =
            [(header::IF_NONE_MATCH, &known.etag), (header::IF_MODIFIED_SINCE, &known.last_modified)];
        for (name, mark) in conditions {
            // What cannot be sent was not theirs.
            if let Some(value) = mark.as_deref().and_then(|mark| HeaderValue::from_str(mark).ok()) {
                headers.insert(name, value);
            }
        }
        let Response { url, status, headers, body } = agent.get(url, &headers, None).await?;
        match status {
            // A 304 to a request without conditions leaves
            // nothing to go on with: it is a failure below.
            StatusCode::NOT_MODIFIED if *known != Marks::default() => return Ok(Fetched::Unchanged),
            status if !status.is_success() => return Err(Error::Status { status: status.as_u16() }),
            _ => {}
        }
        let text = |name| headers.get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
        let marks = Marks { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) };
        let charset = text(header::CONTENT_TYPE).as_deref().and_then(charset_of);
        let is_plain = !headers.contains_key(header::CONTENT_ENCODING);
        // The length of a compressed body says nothing about the document.
        let length = text(header::CONTENT_LENGTH).filter(|_| is_plain).and_then(|it| it.parse().ok());
        let body = Decoded::new(body, &headers)?;
        Ok(Fetched::Document(Box::new(Document { url, marks, charset, length, body })))
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").finish_non_exhaustive()
    }
}

impl Stream for Document {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// A document from elsewhere, such as a file: decompressed if it begins like gzip.
pub fn decompressed<B, E>(body: B) -> impl Stream<Item = Result<Bytes, Error>> + Unpin
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
    Error: From<E>,
{
    Decoded::new(body, &HeaderMap::new()).expect("no header says that it is in a coding that cannot be read")
}

/// `charset` in a `Content-Type`.
fn charset_of(kind: &str) -> Option<String> {
    let mut parameters = kind.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(value.trim().trim_matches('"').to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_stands_behind_the_type() {
        for (kind, expected) in [
            ("audio/x-mpegurl; charset=windows-1251", Some("windows-1251")),
            ("text/plain;Charset=\"UTF-8\"; x=y", Some("UTF-8")),
            ("text/plain", None),
            ("text/plain; charset=", None),
        ] {
            assert_eq!(charset_of(kind).as_deref(), expected, "{kind}");
        }
    }
}
