//! Answers with a part of a film: the same rules for a file and for a segment.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures_util::future::OptionFuture;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::viewers::FilmViewer;
use crate::films::{Content, Shelf};
use crate::http::hls::range::Part;
use crate::http::live::no_body;

/// It may change with its file: whoever keeps it asks whether it has.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// What is answered, but for its bytes.
pub(super) struct About<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) media_type: &'static str,
    /// What tells this state from any other, without quotes.
    pub(super) tag: &'a str,
}

impl About<'_> {
    /// What the request has already, if it is the same.
    pub(super) fn known(&self) -> Option<Response> {
        let known = self.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
        let opaque = self.quoted();
        let is_known = known
            .flat_map(|tags| tags.split(','))
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == opaque);
        is_known.then(|| (StatusCode::NOT_MODIFIED, self.fixed()).into_response())
    }

    /// A text.
    pub(super) fn text(&self, text: String) -> Response {
        self.known().unwrap_or_else(|| (self.fixed(), text).into_response())
    }

    /// Content, or the range of it that was asked for.
    pub(super) fn bytes(&self, content: Content, disk: &Shelf, viewer: Option<Arc<FilmViewer>>) -> Response {
        if let Some(known) = self.known() {
            return known;
        }
        let length = content.length();
        let part = Part::of_tagged(self.headers, length, &self.quoted());
        let (at, end) = match part {
            Part::Whole => (0, length),
            Part::Of { start, end } => (start, end),
            Part::Nothing => {
                let range = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
                return (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response();
            }
        };
        let body = if self.method == Method::HEAD {
            no_body()
        } else {
            body(content, disk.clone(), viewer, at..end)
        };
        let sized = [(header::CONTENT_LENGTH, HeaderValue::from(end - at))];
        let ranges = [(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))];
        let mut response = (self.fixed(), sized, ranges, body).into_response();
        if part != Part::Whole {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = HeaderValue::try_from(format!("bytes {at}-{}/{length}", end - 1));
            response.headers_mut().extend(range.ok().map(|range| (header::CONTENT_RANGE, range)));
        }
        response
    }

    fn quoted(&self) -> String {
        format!("\"{}\"", self.tag)
    }

    fn fixed(&self) -> [(header::HeaderName, HeaderValue); 3] {
        let tag = HeaderValue::try_from(self.quoted()).expect("tags are hexadecimal digits and names");
        [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.media_type)),
            (header::CACHE_CONTROL, NO_CACHE),
            (header::ETAG, tag),
        ]
    }
}

/// The bytes of this range. A file that has become shorter ends the connection, and so does a
/// viewer who may not go on.
fn body(content: Content, disk: Shelf, viewer: Option<Arc<FilmViewer>>, range: Range<u64>) -> Body {
    let (content, Range { start, end }) = (Arc::new(content), range);
    Body::from_stream(stream::try_unfold(start, move |at| {
        let (content, disk, viewer) = (Arc::clone(&content), disk.clone(), viewer.clone());
        async move {
            if at == end {
                if let Some(viewer) = &viewer {
                    viewer.touch();
                }
                return Ok::<_, io::Error>(None);
            }
            let ended = OptionFuture::from(viewer.as_ref().map(|viewer| viewer.ended()));
            let bytes = tokio::select! {
                biased;
                Some(()) = ended => return Err(io::Error::other("the viewer may not go on")),
                bytes = disk.aside(move || content.read(at, end)) => bytes??,
            };
            let next = at + bytes.len() as u64;
            Ok(Some((bytes, next)))
        }
    }))
}
