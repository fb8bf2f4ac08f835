//! Ranges of files at the addresses of pages: asked for as the platform wants it, and never without
//! a range, which makes platforms slow or refuse.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::Url;

use super::agent::{Agent, Client, Response};
use super::byte_range::ContentRange;
use super::page::Address;
use super::{Error, SocketGuard};
use crate::model::{Source, SourceUrl};
use crate::net::{Body, IdleConnections};

/// Who fetches them.
#[derive(Clone)]
pub struct Ranges(Client);

/// A file at one address.
pub struct RangedFile {
    agent: Agent,
    url: Url,
    kept: IdleConnections,
}

/// A part of a file.
pub struct FilePart {
    /// Which bytes come.
    pub range: Range<u64>,
    /// Bytes of the whole file.
    pub length: u64,
    /// What tells this state of the file from others, if the server says it.
    pub tag: Option<String>,
    /// `Content-Type`.
    pub media_type: Option<String>,
    body: Body,
}

impl Ranges {
    /// Reads the trusted roots and the environment.
    #[allow(clippy::new_without_default, reason = "it reads files")]
    pub fn new() -> Self {
        Self(Client::new())
    }

    /// The file at this address of a page.
    pub fn at(&self, address: &Address) -> RangedFile {
        let source = address.source(&Source::new(SourceUrl::led_to(address.url.clone())));
        RangedFile {
            agent: Agent::new(&self.0, &source, SocketGuard::default()),
            url: address.url.clone(),
            kept: IdleConnections::default(),
        }
    }
}

impl RangedFile {
    /// Closes connections that wait for a request.
    pub fn close_idle(&mut self) {
        // Those that still carry a part go nowhere when it is over.
        self.kept = IdleConnections::default();
    }

    /// Asks for a range of the file; what comes may be less of it.
    pub async fn get(&self, range: Range<u64>) -> Result<FilePart, Error> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::try_from(format!("bytes={}-{}", range.start, range.end - 1));
        headers.insert(header::RANGE, value.expect("digits make a header"));
        let Response { status, headers, body, .. } =
            self.agent.get(&self.url, &headers, Some(&self.kept)).await?;
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (range, length) = match status {
            StatusCode::PARTIAL_CONTENT => ContentRange::of(&headers)
                // A server may send less than was asked for (RFC 9110, 15.3.7). What begins
                // elsewhere would damage the file.
                .filter(|sent| sent.first == range.start)
                .and_then(|sent| Some((sent.first..sent.last + 1, sent.total?)))
                .ok_or_else(|| Error::Broken("the server sends another range".to_owned()))?,
            // It knows no ranges: the whole will do where its beginning is wanted.
            StatusCode::OK if range.start == 0 => {
                let length = text(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
                let length = length.ok_or_else(|| Error::Broken("the file has no length".to_owned()))?;
                (0..length, length)
            }
            status => return Err(Error::Status { status: status.as_u16() }),
        };
        // A date is a weaker mark, but platforms that send no `ETag` send one.
        let tag = text(header::ETAG).or_else(|| text(header::LAST_MODIFIED));
        Ok(FilePart { range, length, tag, media_type: text(header::CONTENT_TYPE), body })
    }
}

impl FilePart {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        Some(self.body.next().await?.map_err(Error::from))
    }
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ranges")
    }
}

impl fmt::Debug for RangedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RangedFile")
    }
}

impl fmt::Debug for FilePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilePart").field("range", &self.range).finish_non_exhaustive()
    }
}
