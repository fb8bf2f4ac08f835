//! Our own guide as XMLTV, plain and packed.

use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use crate::guide::{Document, Error, Visibility, read_all};
use crate::http::State;
use crate::http::auth::Watching;
use crate::http::encoding::takes_gzip;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::sight::Sight;

/// How much of a guide is sent at once.
const PIECE: usize = 64 * 1024;

/// How a guide is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    /// The packed file is what was asked for.
    Packed,
    /// It is packed on the way.
    Encoded,
}

/// `GET /epg.xml`
pub(in crate::http) async fn xml(
    state: State,
    watching: Watching,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let form = if takes_gzip(&headers) { Form::Encoded } else { Form::Plain };
    document(&state, state.sight(&watching), &headers, form).await
}

/// `GET /epg.xml.gz`
pub(in crate::http) async fn packed(
    state: State,
    watching: Watching,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    document(&state, state.sight(&watching), &headers, Form::Packed).await
}

/// `GET /xmltv.php`
pub(in crate::http) async fn xmltv(
    state: State,
    watching: Watching,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let is_packed = query.value("gzip").is_some_and(|value| value != "0");
    if is_packed { packed(state, watching, headers).await } else { xml(state, watching, headers).await }
}

async fn document(
    state: &State,
    sight: Sight,
    headers: &HeaderMap,
    form: Form,
) -> Result<Response, ApiError> {
    let is_all = sight.sees_all();
    let visibility = Visibility { sees: Box::new(move |entry| sight.sees(entry)), is_all };
    let guide = state.guides.document(visibility).await?;
    let suffix = if form == Form::Plain { "" } else { "-gz" };
    let tag = format!("\"{}{suffix}\"", guide.tag);
    let changed = Timestamp::from_second(guide.changed_at).unwrap_or_default();
    let changed = changed.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let kind = if form == Form::Packed { "application/gzip" } else { "application/xml; charset=utf-8" };
    let mut fields = HeaderMap::new();
    let value = |text: &str| HeaderValue::from_str(text).expect("it is made of plain ASCII");
    fields.insert(header::ETAG, value(&tag));
    fields.insert(header::LAST_MODIFIED, value(&changed));
    // Asked again each time, which costs nothing as long as it is the same.
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if form != Form::Packed {
        fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if is_known(headers, &tag, &changed) {
        return Ok((StatusCode::NOT_MODIFIED, fields).into_response());
    }
    fields.insert(header::CONTENT_TYPE, value(kind));
    let length = if form == Form::Plain { guide.length } else { guide.packed_length };
    fields.insert(header::CONTENT_LENGTH, length.into());
    if form == Form::Encoded {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let opening = spawn_blocking(move || {
        let from: Box<dyn Read + Send> = match form {
            Form::Plain => Box::new(guide.plain()?),
            Form::Packed | Form::Encoded => Box::new(guide.packed()?),
        };
        Ok::<_, std::io::Error>((from, guide))
    });
    let opened = opening.await.map_err(std::io::Error::other).flatten();
    let (from, guide) = opened.map_err(Error::File)?;
    Ok((fields, body(from, guide)).into_response())
}

/// Whether whoever asks has these bytes (RFC 9110, section 13.1): an `ETag` counts, else a date.
fn is_known(headers: &HeaderMap, tag: &str, changed: &str) -> bool {
    let text = |name| headers.get_all(name).iter().filter_map(|it| it.to_str().ok()).collect::<Vec<_>>();
    let tags = text(header::IF_NONE_MATCH);
    if !tags.is_empty() {
        let mut tags = tags.iter().flat_map(|it| it.split(',')).map(str::trim);
        return tags.any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    }
    text(header::IF_MODIFIED_SINCE).contains(&changed)
}

/// The bytes, read as they are taken. The file stays until its last reader is done.
fn body(from: Box<dyn Read + Send>, guide: Arc<Document>) -> Body {
    Body::from_stream(stream::try_unfold((from, guide), |(mut from, guide)| async {
        let read = spawn_blocking(move || read_all(&mut from, PIECE).map(|piece| (piece, from)));
        let (piece, from) = read.await.map_err(std::io::Error::other)??;
        Ok::<_, std::io::Error>((!piece.is_empty()).then(|| (Bytes::from(piece), (from, guide))))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_24_whoever_has_the_bytes_is_told_so() {
        let asked =
            |name, value: &'static str| HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        let date = "Sat, 31 Jan 2026 18:30:00 GMT";
        for (headers, expected) in [
            (asked(header::IF_NONE_MATCH, "\"a\""), true),
            (asked(header::IF_NONE_MATCH, "\"b\", W/\"a\""), true),
            (asked(header::IF_NONE_MATCH, "\"a-gz\""), false),
            (asked(header::IF_MODIFIED_SINCE, date), true),
            (asked(header::IF_MODIFIED_SINCE, "Sat, 31 Jan 2026 18:29:59 GMT"), false),
            (HeaderMap::new(), false),
        ] {
            assert_eq!(is_known(&headers, "\"a\"", date), expected, "{headers:?}");
        }
    }
}
