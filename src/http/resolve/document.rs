//! Pages of video platforms as data.

use forebay_core::resolve::{Class, Page};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::resolver::{Format, Known};

/// The answer to `GET /api/v2/videos/{platform}/{video_id}`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct VideoDocument {
    data: Video,
    message: &'static str,
    success: bool,
    /// In UTC (RFC 3339).
    #[schema(value_type = String)]
    timestamp: Timestamp,
}

/// A page.
// One field for each key of the document, in alphabetical order.
#[derive(Debug, Serialize, ToSchema)]
struct Video {
    /// Whether it was known before.
    cached: bool,
    #[schema(required)]
    description: Option<String>,
    /// Seconds; null where it has no end.
    #[schema(required)]
    duration: Option<f64>,
    /// When the addresses of the formats end, in UTC (RFC 3339).
    #[schema(value_type = String)]
    expires_at: Timestamp,
    formats: Vec<VideoFormat>,
    id: String,
    #[schema(required)]
    like_count: Option<u64>,
    /// `is_live`, `was_live`, `is_upcoming`, `not_live`; null where the platform does not say.
    #[schema(required)]
    live_status: Option<String>,
    platform: &'static str,
    /// Why the platform tells nothing newer; null where it does.
    #[schema(required)]
    stale: Option<&'static str>,
    #[schema(required)]
    thumbnail: Option<String>,
    title: String,
    /// `20261129`.
    #[schema(required)]
    upload_date: Option<String>,
    #[schema(required)]
    uploader: Option<String>,
    #[schema(required)]
    view_count: Option<u64>,
}

/// A form in which the platform has the media.
#[derive(Debug, Serialize, ToSchema)]
struct VideoFormat {
    /// Kilobits a second.
    #[schema(required)]
    bitrate: Option<u64>,
    /// Of the picture, or of sound alone.
    #[schema(required)]
    codec: Option<String>,
    ext: String,
    /// Bytes, where they are known or guessed.
    #[schema(required)]
    filesize: Option<u64>,
    format_id: String,
    /// Whether it has sound.
    has_audio: bool,
    /// `1080p`, `audio`.
    quality: String,
    /// `1920x1080`; null of sound alone.
    #[schema(required)]
    resolution: Option<String>,
    /// Where it is to be had, below the address of this server.
    url: String,
}

/// The answer to a request that is refused.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Failed {
    /// What the status is called.
    code: &'static str,
    /// For people.
    error: String,
    /// For programs: never renamed.
    reason: &'static str,
    success: bool,
    /// In UTC (RFC 3339).
    #[schema(value_type = String)]
    timestamp: Timestamp,
}

impl Failed {
    pub(super) fn new(status: StatusCode, reason: &'static str, error: String) -> Self {
        let code = status.canonical_reason().unwrap_or("Error");
        Self { success: false, error, code, reason, timestamp: Timestamp::now() }
    }
}

impl VideoDocument {
    pub(super) fn new(page: &Page, known: &Known, now: Timestamp) -> Self {
        let document = &known.document;
        let data = Video {
            id: document.id.clone().unwrap_or_else(|| page.id().to_owned()),
            title: document.title.clone().unwrap_or_else(|| page.id().to_owned()),
            description: document.description.clone(),
            duration: document.duration,
            thumbnail: document.thumbnail.clone(),
            platform: page.platform().name(),
            uploader: document.uploader.clone(),
            view_count: document.view_count,
            like_count: document.like_count,
            formats: document.formats.iter().filter_map(|format| VideoFormat::new(page, format)).collect(),
            upload_date: document.upload_date.clone(),
            live_status: document.live_status.clone(),
            expires_at: now.checked_add(known.lifetime).unwrap_or(now),
            cached: known.is_cached,
            stale: known.stale.map(Class::name),
        };
        Self { success: true, message: "Video information retrieved successfully", data, timestamp: now }
    }
}

impl VideoFormat {
    /// None of a format that cannot be had.
    fn new(page: &Page, format: &Format) -> Option<Self> {
        let id = format.id.clone().filter(|_| format.url.is_some() && !format.has_drm)?;
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("format_id", &id).finish();
        let height = format.height.filter(|_| format.video_codec.is_some());
        Some(Self {
            url: format!("/api/v2/stream/direct/{page}?{query}"),
            format_id: id,
            ext: format.ext.clone().unwrap_or_default(),
            quality: format.quality(),
            resolution: format.width.zip(height).map(|(width, height)| format!("{width}x{height}")),
            filesize: format.filesize,
            bitrate: Some(format.bitrate / 1000).filter(|&kilobits| kilobits > 0),
            codec: format.video_codec.clone().or_else(|| format.audio_codec.clone()),
            has_audio: format.audio_codec.is_some(),
        })
    }
}
