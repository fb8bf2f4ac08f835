//! The requests of one HLS upstream, for playlists, keys and segments: over few connections, which
//! are kept between them.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use forebay_core::playlist::model::Range;
use forebay_core::playlist::parse::MAX_BODY;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::Url;

use crate::input::Error;
use crate::input::agent::{Agent, Response};
use crate::input::encoding::Decoded;
use crate::model::Source;
use crate::net::{Body, IdleConnections};

/// Makes requests.
#[derive(Clone)]
pub(in crate::input) struct Session {
    agent: Agent,
    kept: IdleConnections,
}

impl Session {
    pub(in crate::input) fn new(agent: Agent) -> Self {
        Self { agent, kept: IdleConnections::default() }
    }

    /// Asks for what may turn out to be a playlist or anything else. Its connection is not kept.
    pub(in crate::input) async fn entry(&self, source: &Source) -> Result<Response, Error> {
        let headers = if looks_like_a_playlist(source) { takes_gzip() } else { HeaderMap::new() };
        self.agent.get(source.url.expose(), &headers, None).await
    }

    /// Asks for a playlist; with the version that is on hand, for a newer one.
    pub(super) async fn playlist(&self, url: &Url, etag: Option<&str>) -> Result<Response, Error> {
        let mut headers = takes_gzip();
        if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            headers.insert(header::IF_NONE_MATCH, etag);
        }
        self.agent.get(url, &headers, Some(&self.kept)).await
    }

    /// Asks for a segment, a key or an initialisation section; with the version (`ETag`) that is on
    /// hand, for another one.
    pub(super) async fn media(
        &self,
        url: &Url,
        range: Option<Range>,
        etag: Option<HeaderValue>,
    ) -> Result<Media, Error> {
        let mut headers = HeaderMap::new();
        if let Some(Range { offset, length }) = range {
            let value = HeaderValue::try_from(format!("bytes={offset}-{}", offset + length - 1));
            // No `Accept-Encoding` beside a range: it would count bytes of the compressed body.
            headers.insert(header::RANGE, value.expect("digits make a header"));
        }
        if let Some(etag) = etag {
            headers.insert(header::IF_NONE_MATCH, etag);
        }
        let Response { status, headers, body, .. } = self.agent.get(url, &headers, Some(&self.kept)).await?;
        if !status.is_success() {
            return Err(Error::Status { status: status.as_u16() });
        }
        // Some servers answer a range with the whole.
        let (skip, left) = match range {
            None => (0, u64::MAX),
            Some(range) if status == StatusCode::PARTIAL_CONTENT => (0, range.length),
            Some(range) => (range.offset, range.length),
        };
        // Kept as it came: a weak one (`W/`) is compared as a whole by the server.
        let etag = headers.get(header::ETAG).cloned();
        Ok(Media { body: Decoded::as_said(body, &headers)?, etag, skip, left })
    }

    /// Closes connections that have waited long for a request, and those that the other end has
    /// closed.
    pub(super) fn tidy(&self) {
        self.kept.tidy();
    }
}

/// For where a playlist is expected.
fn takes_gzip() -> HeaderMap {
    HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"))])
}

/// The body of a segment, as it comes.
pub(super) struct Media {
    body: Decoded<Body>,
    etag: Option<HeaderValue>,
    /// Bytes in front of the range.
    skip: u64,
    /// Bytes of the range that are still to come.
    left: u64,
}

impl Media {
    /// Its version.
    pub(super) fn etag(&self) -> Option<&HeaderValue> {
        self.etag.as_ref()
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while self.left > 0 {
            let Some(mut bytes) = self.body.next().await.transpose()? else {
                // A range has an end that is known, so a body that stops before it was cut off.
                let is_short = self.left != u64::MAX;
                return if is_short {
                    Err(Error::Broken("the range is not complete".to_owned()))
                } else {
                    Ok(None)
                };
            };
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            self.skip -= skipped as u64;
            let mut bytes = bytes.split_off(skipped);
            bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            if self.left != u64::MAX {
                self.left -= bytes.len() as u64;
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// All of it, if it is no more than `limit` bytes.
    pub(super) async fn whole(mut self, limit: usize) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            if whole.len() + bytes.len() > limit {
                return Err(Error::Segments(format!("one has more than {limit} bytes")));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }
}

/// Reads the body of a playlist that belongs to this head; of a longer one than [`MAX_BODY`] a
/// little more than that.
pub(super) async fn read_playlist(body: Body, headers: &HeaderMap) -> Result<Bytes, Error> {
    let mut body = Decoded::new(body, headers)?;
    let mut whole = BytesMut::new();
    while whole.len() <= MAX_BODY
        && let Some(bytes) = body.next().await
    {
        whole.extend_from_slice(&bytes?);
    }
    Ok(whole.freeze())
}

/// Whether an address looks like that of a playlist, so that gzip is asked for; an endless stream
/// had better come as it is.
fn looks_like_a_playlist(source: &Source) -> bool {
    let extension = Path::new(source.url.expose().path()).extension();
    extension.is_some_and(|text| text.eq_ignore_ascii_case("m3u8") || text.eq_ignore_ascii_case("m3u"))
}
