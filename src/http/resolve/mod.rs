//! `/api/v2`: pages of video platforms, resolved.

mod document;
mod health;
mod metrics;
mod proxy;

use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::response::IntoResponse;
use forebay_core::resolve::{
    Choice, Class, Need, NotAPage, Page, Platform, Quality, Target, WrongQuality, choose,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use url::Url;

pub(super) use self::document::{Failed, VideoDocument};
pub(super) use self::health::{SystemHealth, health};
pub(super) use self::metrics::{PageMetrics, metrics};
pub(super) use self::proxy::{Visit, attachment, find_file, media_type_of, proxy, send_file, send_part};
use super::State;
use super::error::ApiError;
use super::extract::Client;
use super::query::Query;
use crate::accounts::Title;
use crate::resolver::{Document, Format, Unknown};

/// Why an address of the platform is not given.
const DIRECT: HeaderName = HeaderName::from_static("x-direct");

/// What comes in the place of the platform where the address of the page is asked along with it.
const ANY: &str = "auto";

/// What is said of a form that cannot be sent in ranges.
const NO_FILE: &str = "this form is no file: watch the page as a channel";

/// A refusal in the shape of these routes.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
}

impl Refused {
    fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into(), retry_after: None }
    }

    fn bad(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason, message)
    }

    fn conflict(reason: &'static str, message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, reason, message)
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

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        let ApiError { status, code, message, retry_after, .. } = error;
        Self { status, reason: code, message: message.into_owned(), retry_after }
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
    client: Client,
) -> Result<Json<VideoDocument>, Refused> {
    let page = page(&platform, &id, &query)?;
    title(&state, &client, &page)?;
    if query.is_set("no_cache") {
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
    client: Client,
) -> Result<impl IntoResponse, Refused> {
    let page = page(&platform, &id, &query)?;
    title(&state, &client, &page)?;
    let quality = quality(&query)?;
    let known = state.resolver.ask(&page, Need::Addresses).await?;
    let format_id = query.value("format_id");
    let format = match &format_id {
        Some(id) => one(&known.document, id)?,
        None => alone(&known.document, quality, |_| true)?,
    };
    let needs_us = if query.is_set("strict") { None } else { why_not(format, client.address) };
    let (location, direct) = match needs_us {
        None => (format.url.clone().unwrap_or_default(), "platform".to_owned()),
        Some(reason) if format.is_file() => {
            (proxied(&page, format, &client.watching.carried.query()), format!("proxied; reason={reason}"))
        }
        Some(reason) => {
            return Err(Refused::conflict(reason, "this address does not work for other players"));
        }
    };
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| Refused::conflict("broken", "the address is no address"))
    };
    let fields = [
        (header::LOCATION, value(&location)?),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (DIRECT, value(&direct)?),
    ];
    Ok((StatusCode::FOUND, fields))
}

/// The page as something to watch, if `client` may. It is in no group: whoever may watch certain
/// channels or groups only may not watch it.
pub(super) fn title(state: &State, client: &Client, page: &Page) -> Result<Title, Refused> {
    let title = Title::of_page(&page.to_string());
    let adult = state.accounts.adult_groups();
    if client.watching.watcher.may_watch_one(title.id(), title.groups(), &adult) {
        Ok(title)
    } else {
        Err(Refused::new(StatusCode::FORBIDDEN, "not_allowed", "you may not watch this page"))
    }
}

/// Why the address of a form is of no use to a client at this address, if it is not.
fn why_not(format: &Format, client: IpAddr) -> Option<&'static str> {
    if !format.opens_by_itself() {
        return Some("headers");
    }
    let url = Url::parse(format.url.as_deref()?).ok()?;
    let bound = url.query_pairs().find(|(name, _)| name == "ip").and_then(|(_, ip)| ip.parse().ok());
    bound.is_some_and(|bound: IpAddr| bound != client).then_some("ip_bound")
}

/// The address of a form below that of this server, with what the client has shown to be known.
fn proxied(page: &Page, format: &Format, carried: &str) -> String {
    let id = format.id.as_deref().unwrap_or_default();
    let query: String =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("format_id", id).finish();
    let carried = if carried.is_empty() { String::new() } else { format!("&{carried}") };
    format!("/api/v2/stream/proxy/{page}?{query}{carried}")
}

/// The quality that is asked for.
fn quality(query: &Query) -> Result<Quality, Refused> {
    let Some(quality) = query.value("quality") else { return Ok(Quality::Best) };
    quality.parse().map_err(|error: WrongQuality| Refused::bad("bad_quality", error.to_string()))
}

/// The page that is asked for: by platform and id, or by the address in `url`.
fn page(platform: &str, id: &str, query: &Query) -> Result<Page, Refused> {
    if platform != ANY {
        let known = Platform::named(platform);
        let unknown = || Refused::bad("unsupported", format!("there is no platform {platform:?}"));
        return Ok(Page::new(known.ok_or_else(unknown)?, id)?);
    }
    let address = query.value("url").ok_or_else(|| Refused::bad("bad_id", "\"auto\" needs `url`"))?;
    read_page(&address)
}

/// The page at this address.
pub(super) fn read_page(address: &str) -> Result<Page, Refused> {
    match Target::read(address)? {
        Target::Page(page) => Ok(page),
        Target::Short(_) => {
            Err(Refused::bad("unsupported", "this short address is not followed: give the long one"))
        }
    }
}

/// The same, of an address that may be something else than one of a platform; then `None`.
pub(super) fn page_at(address: &str) -> Option<Result<Page, Refused>> {
    match Target::read(address) {
        Err(NotAPage::NotAnAddress | NotAPage::NotPlain | NotAPage::UnknownPlatform) => None,
        _ => Some(read_page(address)),
    }
}

fn one<'a>(document: &'a Document, id: &str) -> Result<&'a Format, Refused> {
    let found = document.formats.iter().find(|format| format.id.as_deref() == Some(id));
    let message = format!("this page has no format {id:?}");
    let unknown = Refused::new(StatusCode::NOT_FOUND, "unknown_format", message);
    found.filter(|format| !format.has_drm && format.url.is_some()).ok_or(unknown)
}

/// The one address that plays by itself in this quality, of a form that `fits`.
fn alone(document: &Document, quality: Quality, fits: impl Fn(&Format) -> bool) -> Result<&Format, Refused> {
    // What the platform only has in two halves is of no use to a player that gets one address.
    let has_pictures = document.formats.iter().any(|format| format.video_codec.is_some());
    let is_whole =
        |format: &&Format| format.audio_codec.is_some() && (format.video_codec.is_some() || !has_pictures);
    let whole: Vec<&Format> = document
        .formats
        .iter()
        .filter(|format| format.url.is_some() && fits(format))
        .filter(|format| quality == Quality::Audio || is_whole(format))
        .collect();
    let forms: Vec<_> = whole.iter().map(|format| format.form()).collect();
    match (choose(&forms, quality), choose(&document.forms(), quality)) {
        (Some(Choice::One(index)), _) => Ok(whole[index]),
        (_, Some(Choice::One(_))) => Err(Refused::conflict("no_file", NO_FILE)),
        (_, Some(Choice::Pair { .. })) => {
            Err(Refused::conflict("split", "the platform has picture and sound at two addresses"))
        }
        (_, None) => Err(Refused::conflict("drm", "nothing of this page can be played")),
    }
}
