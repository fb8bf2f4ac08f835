//! Downloads as data.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::runs::Live;
use crate::db::downloads::{Download, State};

/// A download.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownloadDocument {
    /// Bytes that are there.
    bytes: u64,
    /// In UTC (RFC 3339).
    created_at: String,
    /// When it was completed, or has failed, in UTC (RFC 3339).
    #[schema(required)]
    ended_at: Option<String>,
    /// Why it has failed.
    #[schema(required)]
    error: Option<String>,
    /// Seconds until all of it is there; null where that is not known.
    #[schema(required)]
    eta: Option<u64>,
    /// Where it is to be had; null until all of it is there.
    #[schema(required)]
    file_url: Option<String>,
    format_id: String,
    id: i64,
    /// `youtube/dQw4w9WgXcQ`.
    page: String,
    /// `1080p`, `audio`.
    quality: String,
    /// Bytes a second; null where it does not run.
    #[schema(required)]
    speed: Option<u64>,
    /// `queued`, `running`, `paused`, `completed`, `failed`, or, once and for all, `cancelled`.
    state: &'static str,
    title: String,
    /// Bytes of the whole file; null until that is known.
    #[schema(required)]
    total: Option<u64>,
}

impl DownloadDocument {
    /// A download, and how it goes where it runs.
    pub fn new(download: Download, live: Option<Live>) -> Self {
        let Download { id, of, state, file, kept, error, created_at, ended_at } = download;
        let live = live.filter(|_| state == State::Active);
        let time = |millis| Timestamp::from_millisecond(millis).unwrap_or_default().to_string();
        let total = file.map(|file| file.length);
        let state = match state {
            State::Active if live.is_some() => "running",
            State::Active => "queued",
            State::Paused => "paused",
            State::Completed => "completed",
            State::Failed => "failed",
        };
        Self {
            // A run that has just begun knows of none yet, and the bar must not jump back.
            bytes: live.map_or(kept, |live| live.bytes.max(kept)),
            created_at: time(created_at),
            ended_at: ended_at.map(time),
            error,
            eta: live.and_then(|live| live.eta).map(|eta| eta.as_secs()),
            file_url: (state == "completed").then(|| format!("/api/streaming/downloads/{}/file", id.0)),
            format_id: of.format,
            id: id.0,
            page: of.page,
            quality: of.quality,
            speed: live.and_then(|live| live.speed),
            state,
            title: of.title,
            total,
        }
    }

    /// The same of one that nobody wants any more.
    #[must_use]
    pub fn cancelled(self) -> Self {
        Self { state: "cancelled", speed: None, eta: None, file_url: None, ..self }
    }
}
