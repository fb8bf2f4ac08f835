//! The files of pages, sent through this server.

use std::io;
use std::ops::Range;

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use forebay_core::resolve::{Need, Page, Quality};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{NO_FILE, Refused, alone, one, page, quality, title};
use crate::accounts::{Form, Title};
use crate::http::State;
use crate::http::admission::Place;
use crate::http::extract::Client;
use crate::http::live::no_body;
use crate::http::presence::{How, Stay};
use crate::http::query::Query;
use crate::http::range::Part;
use crate::reels::{Key, Reader, Reel, ReelError};
use crate::resolver::{Format, Known};

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
    let wanted = quality(&query)?;
    let file = find(&state, &client, page, (query.value("format_id").as_deref(), wanted)).await?;
    let mut response = send_file(&state, &file, &client, (&method, &headers)).await?;
    if query.is_set("download") {
        let name = attachment(file.known.document.title.as_deref(), file.format.ext.as_deref());
        response.headers_mut().extend(name.map(|name| (header::CONTENT_DISPOSITION, name)));
    }
    Ok(response)
}

/// A form of a page that is a file.
#[derive(Debug)]
pub(in crate::http) struct FoundFile {
    pub(in crate::http) key: Key,
    pub(in crate::http) format: Format,
    /// The page.
    pub(in crate::http) known: Known,
    title: Title,
}

/// The form of a page with this id, or the best one that is a file, if `client` may have it.
pub(in crate::http) async fn find_file(
    state: &State,
    client: &Client,
    page: Page,
    format_id: Option<&str>,
) -> Result<FoundFile, Refused> {
    find(state, client, page, (format_id, Quality::Best)).await
}

async fn find(
    state: &State,
    client: &Client,
    page: Page,
    (format_id, quality): (Option<&str>, Quality),
) -> Result<FoundFile, Refused> {
    let title = title(state, client, &page)?;
    let known = state.resolver.ask(&page, Need::Addresses).await?;
    let format = match format_id {
        Some(id) => one(&known.document, id)?,
        None => alone(&known.document, quality, Format::is_file)?,
    };
    if !format.is_file() {
        return Err(Refused::conflict("no_file", NO_FILE));
    }
    let (format, key_format) = (format.clone(), format.id.clone().unwrap_or_default());
    Ok(FoundFile { key: Key { page, format: key_format }, format, known, title })
}

/// Sends the file of a form, or the range of it that was asked for; HEAD fetches nothing.
pub(in crate::http) async fn send_file(
    state: &State,
    file: &FoundFile,
    client: &Client,
    (method, headers): (&Method, &HeaderMap),
) -> Result<Response, Refused> {
    let is_head = method == Method::HEAD;
    let visit = if is_head { None } else { Some(Visit::begin(state, client, &file.title).await?) };
    let reel = match state.reels.opened(&file.key) {
        None if is_head => None,
        _ => Some(state.reels.open(&file.key).await?),
    };
    let mut fields = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        // What cannot stand in a header is left out.
        fields.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
    };
    set(header::CONTENT_TYPE, media_type(reel.as_deref(), &file.format));
    set(header::ACCEPT_RANGES, "bytes");
    set(header::CACHE_CONTROL, "no-cache");
    set(PLATFORM, file.key.page.platform().name());
    set(QUALITY, &file.format.quality());
    let Some(reel) = reel else { return Ok((fields, no_body()).into_response()) };
    let body = |range| visit.map_or_else(no_body, |visit| body(reel.reader(range), visit));
    Ok(send_part((reel.length(), reel.tag()), fields, headers, body))
}

/// Somebody who is sent a file. Dropping it frees what it takes up.
#[derive(Debug)]
pub(in crate::http) struct Visit {
    _place: Place,
    stay: Stay,
}

impl Visit {
    /// Lets `client` be sent a file, if the limits allow it.
    pub(in crate::http) async fn begin(
        state: &State,
        client: &Client,
        title: &Title,
    ) -> Result<Self, Refused> {
        // The requests of one player for a page are one stream.
        let seat = state.seat(client, title, Form::Hls).await?;
        let place = state.admit_film(client.address)?;
        let stay = state.audience.presence.enter(client, title.id().into(), How::Film, seat);
        Ok(Self { _place: place, stay })
    }

    /// Waits until the viewer may not go on.
    pub(in crate::http) async fn ended(&self) {
        self.stay.ended().await;
    }
}

/// A file of this length and in this state, or the range of it that was asked for.
pub(in crate::http) fn send_part(
    (length, tag): (u64, &str),
    mut fields: HeaderMap,
    headers: &HeaderMap,
    body: impl FnOnce(Range<u64>) -> Body,
) -> Response {
    let tag = format!("\"{tag}\"");
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
    (status, fields, body(range)).into_response()
}

fn body(reader: Reader, visit: Visit) -> Body {
    Body::from_stream(stream::try_unfold((reader, visit), |(mut reader, visit)| async move {
        let bytes = tokio::select! {
            // A file that is there already never keeps the reader waiting.
            biased;
            () = visit.ended() => return Err(io::Error::other("the viewer may not go on")),
            bytes = reader.next() => bytes?,
        };
        Ok(bytes.map(|bytes| (bytes, (reader, visit))))
    }))
}

/// The platform's media type, or the one of the file's extension.
fn media_type<'a>(reel: Option<&'a Reel>, format: &Format) -> &'a str {
    let is_media = |text: &&str| text.starts_with("video/") || text.starts_with("audio/");
    let named = reel.and_then(Reel::media_type).filter(is_media);
    named.unwrap_or_else(|| media_type_of(format.ext.as_deref()))
}

/// The media type of files with this extension.
pub(in crate::http) fn media_type_of(extension: Option<&str>) -> &'static str {
    match extension {
        Some("mp4") => "video/mp4",
        Some("m4a") => "audio/mp4",
        Some("webm") => "video/webm",
        Some("mp3") => "audio/mpeg",
        _ => "application/octet-stream",
    }
}

/// `attachment` with the title as a name.
pub(in crate::http) fn attachment(title: Option<&str>, extension: Option<&str>) -> Option<HeaderValue> {
    let fits = |character: char| character.is_ascii_alphanumeric() || " -_.()".contains(character);
    let plain = |text: &str, most: usize| -> String {
        text.chars().take(most).map(|character| if fits(character) { character } else { '_' }).collect()
    };
    let (name, extension) =
        (plain(title.unwrap_or("video"), MAX_NAME), plain(extension.unwrap_or("mp4"), 10));
    HeaderValue::from_str(&format!("attachment; filename=\"{name}.{extension}\"")).ok()
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
