//! Answers with a part of a film: the same rules for a file and for a segment.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::Films;
use super::sending::{FilmBody, Sending};
use super::viewers::FilmViewer;
use crate::films::Content;
use crate::http::live::no_body;
use crate::http::range::Part;

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

    /// A picture.
    pub(super) fn picture(&self, bytes: Bytes) -> Response {
        self.known().unwrap_or_else(|| (self.fixed(), bytes).into_response())
    }

    /// Content, or the range of it that was asked for.
    pub(super) fn bytes(
        &self,
        content: Arc<Content>,
        films: &Films,
        viewer: Option<Arc<FilmViewer>>,
    ) -> Response {
        if let Some(known) = self.known() {
            return known;
        }
        let length = content.length();
        let part = match *self.method {
            // A range is defined for `GET` alone (RFC 9110, section 14.2).
            Method::HEAD => Part::Whole,
            // A player that resumes must not join halves of two files: the tag in `If-Range`
            // decides.
            _ => Part::of_tagged(self.headers, length, &self.quoted()),
        };
        let (at, end) = match part {
            Part::Whole => (0, length),
            Part::Of { start, end } => (start, end),
            Part::Nothing => {
                let range = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
                return (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response();
            }
        };
        let sized = [(header::CONTENT_LENGTH, HeaderValue::from(end - at))];
        let ranges = [(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))];
        let mut response = (self.fixed(), sized, ranges, no_body()).into_response();
        // The same fields as for `GET`, and nothing is read (RFC 9110, 9.3.2).
        if self.method != Method::HEAD {
            let (disk, traffic) = (films.shelf.clone(), Arc::clone(&films.traffic));
            let body = FilmBody { content, part: at..end, disk, viewer, traffic };
            response.extensions_mut().insert(Sending::new(body));
        }
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
