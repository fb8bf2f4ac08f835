//! `/api/v2`: pages of video platforms, resolved.

mod document;

use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::response::IntoResponse;
use forebay_core::resolve::{Choice, Class, Need, NotAPage, Page, Platform, Quality, Target, choose};
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;

pub(super) use self::document::{Failed, VideoDocument};
use super::State;
use super::query::Query;
use crate::resolver::{Document, Format, Unknown};

/// Why an address of the platform is not given.
const DIRECT: HeaderName = HeaderName::from_static("x-direct");

/// What comes in the place of the platform where the address of the page is asked along with it.
const ANY: &str = "auto";

/// A refusal in the shape of these routes.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    reason: &'static str,
    message: String,
    retry_after: Option<Duration>,
}

impl Refused {
    fn bad(reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status: StatusCode::BAD_REQUEST, reason, message, retry_after: None }
    }
}

impl From<NotAPage> for Refused {
    fn from(error: NotAPage) -> Self {
        Self::bad("bad_id", error.to_string())
    }
}

impl From<Unknown> for Refused {
    fn from(unknown: Unknown) -> Self {
        let failure = &unknown.failure;
        let status = match failure.class {
            Class::Unsupported => StatusCode::BAD_REQUEST,
            Class::Unavailable => StatusCode::NOT_FOUND,
            Class::LoginRequired => StatusCode::FORBIDDEN,
            Class::Geo => StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
            Class::NotLive => StatusCode::CONFLICT,
            Class::Drm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Class::RateLimited | Class::Busy | Class::Missing => StatusCode::SERVICE_UNAVAILABLE,
            Class::Network | Class::Crashed | Class::Broken => StatusCode::BAD_GATEWAY,
            Class::Timeout => StatusCode::GATEWAY_TIMEOUT,
        };
        let message = failure.message.to_string();
        Self { status, reason: failure.class.name(), message, retry_after: Some(unknown.retry_after) }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> axum::response::Response {
        let mut response =
            (self.status, Json(Failed::new(self.status, self.reason, self.message))).into_response();
        if let Some(after) = self.retry_after.filter(|after| !after.is_zero()) {
            // Not before it may work.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// `GET /api/v2/videos/{platform}/{video_id}`
pub(super) async fn video(
    state: State,
    Path((platform, id)): Path<(String, String)>,
    query: Query,
) -> Result<Json<VideoDocument>, Refused> {
    let page = page(&platform, &id, &query)?;
    if query.value("no_cache").is_some_and(|value| matches!(&*value, "true" | "1")) {
        state.resolver.outdate(&page);
    }
    let known = state.resolver.ask(&page, Need::Info).await?;
    Ok(Json(VideoDocument::new(&page, &known, Timestamp::now())))
}

/// `GET /api/v2/stream/direct/{platform}/{video_id}`
pub(super) async fn direct(
    state: State,
    Path((platform, id)): Path<(String, String)>,
    query: Query,
) -> Result<impl IntoResponse, Refused> {
    let page = page(&platform, &id, &query)?;
    let quality = match query.value("quality") {
        Some(quality) => {
            quality.parse::<Quality>().map_err(|error| Refused::bad("bad_quality", error.to_string()))?
        }
        None => Quality::Best,
    };
    let known = state.resolver.ask(&page, Need::Addresses).await?;
    let format_id = query.value("format_id");
    let format = match &format_id {
        Some(id) => one(&known.document, id)?,
        None => alone(&known.document, quality)?,
    };
    let is_strict = query.value("strict").is_some_and(|value| matches!(&*value, "true" | "1"));
    if !is_strict && !format.opens_by_itself() {
        return Err(conflict("headers", "the platform wants to see header fields with this address"));
    }
    let url = format.url.as_deref().unwrap_or_default();
    let location = HeaderValue::from_str(url).map_err(|_| conflict("broken", "the address is no address"))?;
    let fields = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (DIRECT, HeaderValue::from_static("platform")),
    ];
    Ok((StatusCode::FOUND, fields))
}

/// The page that is asked for: by platform and id, or by the address in `url`.
fn page(platform: &str, id: &str, query: &Query) -> Result<Page, Refused> {
    if platform != ANY {
        let known = Platform::named(platform);
        let unknown = || Refused::bad("unsupported", format!("there is no platform {platform:?}"));
        return Ok(Page::new(known.ok_or_else(unknown)?, id)?);
    }
    let address = query.value("url").ok_or_else(|| Refused::bad("bad_id", "\"auto\" needs `url`"))?;
    match Target::read(&address)? {
        Target::Page(page) => Ok(page),
        Target::Short(_) => {
            Err(Refused::bad("unsupported", "this short address is not followed: give the long one"))
        }
    }
}

fn one<'a>(document: &'a Document, id: &str) -> Result<&'a Format, Refused> {
    let found = document.formats.iter().find(|format| format.id.as_deref() == Some(id));
    let unknown = Refused {
        status: StatusCode::NOT_FOUND,
        reason: "unknown_format",
        message: format!("this page has no format {id:?}"),
        retry_after: None,
    };
    found.filter(|format| !format.has_drm && format.url.is_some()).ok_or(unknown)
}

/// The one address that plays by itself in this quality.
fn alone(document: &Document, quality: Quality) -> Result<&Format, Refused> {
    // What the platform only has in two halves is of no use to a player that gets one address.
    let has_pictures = document.formats.iter().any(|format| format.video_codec.is_some());
    let is_whole =
        |format: &&Format| format.audio_codec.is_some() && (format.video_codec.is_some() || !has_pictures);
    let whole: Vec<&Format> = document
        .formats
        .iter()
        .filter(|format| format.url.is_some())
        .filter(|format| quality == Quality::Audio || is_whole(format))
        .collect();
    let forms: Vec<_> = whole.iter().map(|format| format.form()).collect();
    match choose(&forms, quality) {
        Some(Choice::One(index)) => Ok(whole[index]),
        _ if choose(&document.forms(), quality).is_some() => {
            Err(conflict("split", "the platform has picture and sound at two addresses"))
        }
        _ => Err(conflict("drm", "nothing of this page can be played")),
    }
}

fn conflict(reason: &'static str, message: &str) -> Refused {
    Refused { status: StatusCode::CONFLICT, reason, message: message.to_owned(), retry_after: None }
}
