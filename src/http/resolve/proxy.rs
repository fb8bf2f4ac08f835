//! The files of pages, sent through this server.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use forebay_core::resolve::Need;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{NO_FILE, Refused, alone, one, page, quality, title};
use crate::accounts::{Form, Title};
use crate::http::State;
use crate::http::admission::Place;
use crate::http::extract::Client;
use crate::http::hls::range::Part;
use crate::http::live::no_body;
use crate::http::presence::{How, Stay};
use crate::http::query::Query;
use crate::reels::{Key, Reader, Reel, ReelError};
use crate::resolver::{Document, Format};

const PLATFORM: HeaderName = HeaderName::from_static("x-platform");
const QUALITY: HeaderName = HeaderName::from_static("x-quality");

/// Characters of the name under which a file is kept.
const MAX_NAME: usize = 100;

/// `GET /api/v2/stream/proxy/{platform}/{video_id}`, and HEAD, which fetches nothing.
pub(in crate::http) async fn proxy(
    state: State,
    Path((platform, id)): Path<(String, String)>,
    query: Query,
    method: Method,
    headers: HeaderMap,
    client: Client,
) -> Result<Response, Refused> {
    let page = page(&platform, &id, &query)?;
    let title = title(&state, &client, &page)?;
    let wanted = quality(&query)?;
    let known = state.resolver.ask(&page, Need::Addresses).await?;
    let format = match query.value("format_id") {
        Some(id) => one(&known.document, &id)?,
        None => alone(&known.document, wanted, Format::is_file)?,
    };
    if !format.is_file() {
        return Err(Refused::conflict("no_file", NO_FILE));
    }
    let is_head = method == Method::HEAD;
    let visit = if is_head { None } else { Some(Visit::begin(&state, &client, &title).await?) };
    let key = Key { page, format: format.id.clone().unwrap_or_default() };
    let reel = match state.reels.opened(&key) {
        None if is_head => None,
        _ => Some(state.reels.open(&key).await?),
    };
    let mut fields = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        // What cannot stand in a header is left out.
        fields.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
    };
    set(header::CONTENT_TYPE, media_type(reel.as_deref(), format));
    set(header::ACCEPT_RANGES, "bytes");
    set(header::CACHE_CONTROL, "no-cache");
    set(PLATFORM, key.page.platform().name());
    set(QUALITY, &format.quality());
    if query.is_set("download") {
        set(header::CONTENT_DISPOSITION, &attachment(&known.document, format));
    }
    match reel {
        Some(reel) => Ok(send(&reel, fields, &headers, visit)),
        None => Ok((fields, no_body()).into_response()),
    }
}

/// Somebody who is sent a file. Dropping it frees what it takes up.
#[derive(Debug)]
struct Visit {
    _place: Place,
    stay: Stay,
}

impl Visit {
    /// Lets `client` be sent a file, if the limits allow it.
    async fn begin(state: &State, client: &Client, title: &Title) -> Result<Self, Refused> {
        // The requests of one player for a page are one stream.
        let seat = state.seat(client, title, Form::Hls).await?;
        let place = state.admit_film(client.address)?;
        let stay = state.audience.presence.enter(client, title.id().into(), How::Film, seat);
        Ok(Self { _place: place, stay })
    }
}

/// The file, or the range of it that was asked for; without its bytes where nobody is to be sent
/// them.
fn send(reel: &Arc<Reel>, mut fields: HeaderMap, headers: &HeaderMap, visit: Option<Visit>) -> Response {
    let (length, tag) = (reel.length(), format!("\"{}\"", reel.tag()));
    let part = Part::of_tagged(headers, length, &tag);
    let value = |text: &str| HeaderValue::from_str(text).expect("digits make a header");
    fields.insert(header::ETAG, value(&tag));
    let (status, range) = match part {
        Part::Whole => (StatusCode::OK, 0..length),
        Part::Of { start, end } => {
            fields.insert(header::CONTENT_RANGE, value(&format!("bytes {start}-{}/{length}", end - 1)));
            (StatusCode::PARTIAL_CONTENT, start..end)
        }
        Part::Nothing => {
            fields.insert(header::CONTENT_RANGE, value(&format!("bytes */{length}")));
            return (StatusCode::RANGE_NOT_SATISFIABLE, fields).into_response();
        }
    };
    fields.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    let body = visit.map_or_else(no_body, |visit| body(reel.reader(range), visit));
    (status, fields, body).into_response()
}

fn body(reader: Reader, visit: Visit) -> Body {
    Body::from_stream(stream::try_unfold((reader, visit), |(mut reader, visit)| async move {
        let bytes = tokio::select! {
            // A file that is there already never keeps the reader waiting.
            biased;
            () = visit.stay.ended() => return Err(io::Error::other("the viewer may not go on")),
            bytes = reader.next() => bytes?,
        };
        Ok(bytes.map(|bytes| (bytes, (reader, visit))))
    }))
}

/// The platform's media type, or the one of the file's extension.
fn media_type<'a>(reel: Option<&'a Reel>, format: &Format) -> &'a str {
    let is_media = |text: &&str| text.starts_with("video/") || text.starts_with("audio/");
    reel.and_then(Reel::media_type).filter(is_media).unwrap_or(match format.ext.as_deref() {
        Some("mp4") => "video/mp4",
        Some("m4a") => "audio/mp4",
        Some("webm") => "video/webm",
        Some("mp3") => "audio/mpeg",
        _ => "application/octet-stream",
    })
}

/// `attachment` with the title as a name.
fn attachment(document: &Document, format: &Format) -> String {
    let title = document.title.as_deref().unwrap_or("video");
    let fits = |character: char| character.is_ascii_alphanumeric() || " -_.()".contains(character);
    let name: String =
        title.chars().take(MAX_NAME).map(|character| if fits(character) { character } else { '_' }).collect();
    format!("attachment; filename=\"{name}.{}\"", format.ext.as_deref().unwrap_or("mp4"))
}

impl From<ReelError> for Refused {
    fn from(error: ReelError) -> Self {
        let message = error.to_string();
        match error {
            ReelError::Unknown(unknown) => unknown.into(),
            ReelError::Upstream(_) => Self::new(StatusCode::BAD_GATEWAY, "upstream", message),
            ReelError::NoRoom { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_room", message),
            ReelError::Disk(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_store", message),
        }
    }
}
