//! The requests of one HLS upstream: the same headers and cookies on playlists, keys and segments, wherever they lie, and credentials to
//! the source's own host only.

use std::io::{self, Read as _};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use forebay_core::playlist::model::Range;
use forebay_core::playlist::parse::MAX_BODY;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::{Client, RequestBuilder, Response};
use url::Url;

use super::super::Error;
use super::super::http::describe;
use crate::config::Source;

/// Connections to one host that are kept for the next request: one for playlists, one for segments.
pub(in crate::upstream) const CONNECTIONS: usize = 2;

/// Headers that are for the source's own host.
const CREDENTIALS: [header::HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Makes requests.
#[derive(Debug, Clone)]
pub(in crate::upstream) struct Session {
    client: Client,
    source: Url,
    /// For every host, and for the source's own.
    headers: HeaderMap,
    credentials: HeaderMap,
}

impl Session {
    pub(in crate::upstream) fn new(client: Client, source: &Source) -> Self {
        let (mut headers, mut credentials) = (HeaderMap::new(), HeaderMap::new());
        for (name, value) in &source.headers {
            let list = if CREDENTIALS.contains(name) { &mut credentials } else { &mut headers };
            list.append(name.clone(), value.clone());
        }
        Self { client, source: source.url.expose().clone(), headers, credentials }
    }

    /// A request by `client` as each of this source's is; gzip is asked for where a playlist is expected.
    pub(in crate::upstream) fn address(
        &self,
        client: &Client,
        url: &Url,
        is_playlist: bool,
    ) -> RequestBuilder {
        let mut url = url.clone();
        let mut headers = self.headers.clone();
        if self.is_own(&url) {
            headers.extend(self.credentials.clone());
            if url.username().is_empty() && url.password().is_none() {
                // The http and https schemes take both.
                let _ = url.set_username(self.source.username());
                let _ = url.set_password(self.source.password());
            }
        }
        let mut request = client.get(url).headers(headers);
        if is_playlist {
            request = request.header(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        request
    }

    /// Asks for a playlist; with the version that is on hand, for a newer one.
    pub(super) async fn playlist(&self, url: &Url, etag: Option<&str>) -> Result<Response, Error> {
        let mut request = self.address(&self.client, url, true);
        if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        send(request).await
    }

    /// Asks for a segment, a key or an initialisation section.
    pub(super) async fn media(&self, url: &Url, range: Option<Range>) -> Result<Media, Error> {
        let mut request = self.address(&self.client, url, false);
        if let Some(Range { offset, length }) = range {
            request = request.header(header::RANGE, format!("bytes={offset}-{}", offset + length - 1));
        }
        let response = send(request).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(Error::Status { status: status.as_u16() });
        }
        // Some servers answer a range with the whole.
        let (skip, left) = match range {
            None => (0, u64::MAX),
            Some(range) if status == StatusCode::PARTIAL_CONTENT => (0, range.length),
            Some(range) => (range.offset, range.length),
        };
        let is_zipped = response
            .headers()
            .get(header::CONTENT_ENCODING)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
        let gunzip = is_zipped.then(|| flate2::write::MultiGzDecoder::new(Vec::new()));
        Ok(Media { response, skip, left, gunzip })
    }

    fn is_own(&self, url: &Url) -> bool {
        let is_exposed = self.source.scheme() == "https" && url.scheme() == "http";
        url.host() == self.source.host() && !is_exposed
    }
}

async fn send(request: RequestBuilder) -> Result<Response, Error> {
    request.send().await.map_err(|error| describe(&error))
}

/// The body of a segment, as it comes.
pub(super) struct Media {
    response: Response,
    /// Bytes in front of the range.
    skip: u64,
    /// Bytes of the range that are still to come.
    left: u64,
    gunzip: Option<flate2::write::MultiGzDecoder<Vec<u8>>>,
}

impl Media {
    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while self.left > 0 {
            let Some(mut bytes) = self.response.chunk().await.map_err(|error| describe(&error))? else {
                let is_short = self.left != u64::MAX;
                return if is_short {
                    Err(Error::Broken("the range is not complete".to_owned()))
                } else {
                    Ok(None)
                };
            };
            if let Some(gunzip) = &mut self.gunzip {
                let written = io::Write::write_all(gunzip, &bytes).and_then(|()| io::Write::flush(gunzip));
                written.map_err(|error| Error::Broken(format!("gzip: {error}")))?;
                bytes = std::mem::take(gunzip.get_mut()).into();
            }
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

/// Reads a playlist's body, unzipped; of a longer one than [`MAX_BODY`] a little more than that.
pub(super) async fn read_playlist(mut response: Response) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while body.len() <= MAX_BODY
        && let Some(bytes) = response.chunk().await.map_err(|error| describe(&error))?
    {
        body.extend_from_slice(&bytes);
    }
    Ok(gunzip(body.freeze()))
}

/// Whether a body begins like gzip (RFC 1952, 2.3.1): some servers zip without being asked, and without saying so.
pub(in crate::upstream) fn looks_like_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1F, 0x8B, 0x08])
}

/// Unzips what looks like gzip, up to a little more than [`MAX_BODY`]; damaged, as far as it goes.
pub(in crate::upstream) fn gunzip(body: Bytes) -> Bytes {
    if !looks_like_gzip(&body) {
        return body;
    }
    let mut out = Vec::new();
    let limit = MAX_BODY as u64 + 1;
    // What cannot be unzipped is judged by what has come of it.
    let _ = flate2::read::MultiGzDecoder::new(&body[..]).take(limit).read_to_end(&mut out);
    out.into()
}

/// Whether an address looks like that of a playlist, so that gzip is asked for; an endless stream had better come as it is.
pub(in crate::upstream) fn looks_like_a_playlist(source: &Source) -> bool {
    let extension = Path::new(source.url.expose().path()).extension();
    extension.is_some_and(|text| text.eq_ignore_ascii_case("m3u8") || text.eq_ignore_ascii_case("m3u"))
}
