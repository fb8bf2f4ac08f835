//! Analyses: which forms there are of a page.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use forebay_core::resolve::{Need, Page};
use forebay_relay::model::Scope;
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{StreamingError, body};
use super::owner::Owner;
use super::tokens::Done;
use crate::db::jobs::{self as rows, Job, JobId, State as JobState};
use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, JsonRequest};
use crate::http::resolve::{Refused, read_page, title};
use crate::http::{State, logo};
use crate::page_jobs;
use crate::page_jobs::analysis::{self, Analysis};
use crate::resolver::{Document, Format};

/// Analyses of one owner that may wait or run: the page of a browser needs one, a program a few.
const MAX_OWN: u64 = 20;

/// Seconds that an analysis takes, as far as anybody can tell.
const ESTIMATE: u64 = 5;

/// The page that is to be looked at.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct AnalyzeFields {
    /// The address of a page of a video platform.
    url: String,
}

impl JsonRequest for AnalyzeFields {
    const EXAMPLE: &'static str = r#"{"url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ"}"#;
}

/// An analysis that has begun.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AnalysisStarted {
    /// Seconds, as far as anybody can tell.
    estimated_time: u64,
    job_id: String,
    message: &'static str,
    /// What the result is asked for by.
    request_id: String,
}

/// How an analysis stands.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Analyzed {
    /// What it does now, for people; none where it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    /// Of a hundred.
    progress: u8,
    /// None where it is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<AnalysisResult>,
    /// `processing` or `completed`.
    status: &'static str,
}

/// What a page is, and in which forms it is to be had.
#[derive(Debug, Serialize, ToSchema)]
struct AnalysisResult {
    /// In UTC (RFC 3339).
    #[serde(rename = "analysisCompletedAt")]
    analysis_completed_at: String,
    /// Forms that this server can send.
    available_formats: usize,
    platform: &'static str,
    #[serde(rename = "requestId")]
    request_id: String,
    /// Forms that this server can send.
    #[serde(rename = "supportedFormatsCount")]
    supported_formats_count: usize,
    /// Forms that the platform has.
    total_formats: usize,
    #[serde(rename = "videoInfo")]
    video_info: VideoInfo,
}

/// A page.
#[derive(Debug, Serialize, ToSchema)]
struct VideoInfo {
    #[schema(required)]
    description: Option<String>,
    /// Seconds; null where it has no end.
    #[schema(required)]
    duration: Option<f64>,
    /// Those that this server can send, the best first.
    formats: Vec<InfoFormat>,
    id: String,
    #[schema(required)]
    like_count: Option<u64>,
    #[schema(required)]
    live_status: Option<String>,
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
    webpage_url: String,
}

/// A form in which the platform has the media.
#[derive(Debug, Serialize, ToSchema)]
struct InfoFormat {
    #[schema(required)]
    acodec: Option<String>,
    ext: String,
    /// Bytes, where they are known or guessed.
    #[schema(required)]
    filesize: Option<u64>,
    format_id: String,
    /// What the platform says of it.
    #[schema(required)]
    format_note: Option<String>,
    /// Pictures a second.
    #[schema(required)]
    fps: Option<f64>,
    /// Whether it has sound.
    has_audio: bool,
    /// `1080p`, `audio`.
    quality_label: String,
    /// `1920x1080`; null of sound alone.
    #[schema(required)]
    resolution: Option<String>,
    #[schema(required)]
    vcodec: Option<String>,
}

/// `POST /api/streaming/analyze`
pub(in crate::http) async fn analyze(
    state: State,
    owner: Owner,
    given: Result<JsonBody<AnalyzeFields>, ApiError>,
) -> Result<Json<AnalysisStarted>, Response> {
    let AnalyzeFields { url } = body(given)?;
    let page = read_page(&url).map_err(refused)?;
    begin(&state, &owner, page).await
}

/// `POST /api/streaming/analyze/{id}/retry`: once more, after it has failed or was cancelled.
pub(in crate::http) async fn retry_analysis(
    state: State,
    owner: Owner,
    Path(id): Path<String>,
) -> Result<Json<AnalysisStarted>, Response> {
    let (_, Analysis { page, .. }) = find(&state, &owner, &id).await.map_err(IntoResponse::into_response)?;
    begin(&state, &owner, page).await
}

async fn begin(state: &State, owner: &Owner, page: Page) -> Result<Json<AnalysisStarted>, Response> {
    title(state, &owner.client, &page).map_err(refused)?;
    let job = add(state, owner, page).await.map_err(IntoResponse::into_response)?;
    analysis::tell(&state.news, &job);
    let id = job.id.0.to_string();
    Ok(Json(AnalysisStarted {
        estimated_time: ESTIMATE,
        job_id: id.clone(),
        message: "Video analysis started",
        request_id: id,
    }))
}

async fn add(state: &State, owner: &Owner, page: Page) -> Result<Job, StreamingError> {
    let actor = owner.actor.clone();
    let live = state.database.read(move |connection| rows::live(connection, analysis::ANALYZE, &actor)).await;
    if live.map_err(|error| StreamingError::database(&error))? >= MAX_OWN {
        let message = format!("{MAX_OWN} analyses of yours wait already");
        let error = StreamingError::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED", message);
        return Err(error.retry_after(ESTIMATE));
    }
    let wanted = Analysis { page, owner: owner.name.clone() };
    Ok(state.jobs.add(analysis::job(&wanted, owner.actor.clone())).await?.into_job())
}

/// `GET /api/streaming/analyze/{id}`
pub(in crate::http) async fn result(
    state: State,
    owner: Owner,
    Path(id): Path<String>,
) -> Result<Response, Response> {
    let found = find(&state, &owner, &id).await.map_err(IntoResponse::into_response)?;
    let (job, Analysis { page, .. }) = found;
    let processing =
        |progress, message| Analyzed { message: Some(message), progress, result: None, status: "processing" };
    let answer = match job.state {
        JobState::Waiting => processing(0, "Waiting for its turn"),
        JobState::Delayed { .. } => processing(0, "The platform did not answer: asking again soon"),
        JobState::Running { .. } => processing(30, "Asking the platform"),
        JobState::Completed { at, .. } => {
            // It is known, or becomes known anew.
            let known = state.resolver.ask(&page, Need::Info).await;
            let known = known.map_err(|unknown| refused(unknown.into()))?;
            let result = AnalysisResult::new(&page, &known.document, (job.id, at));
            Analyzed { message: None, progress: 100, result: Some(result), status: "completed" }
        }
        JobState::Failed { .. } => {
            let (reason, message) = analysis::failure(&job);
            let error = StreamingError::new(StatusCode::BAD_REQUEST, "ANALYSIS_FAILED", message);
            return Err(error.because(reason).into_response());
        }
        JobState::Cancelling { .. } | JobState::Cancelled { .. } => {
            let error = StreamingError::new(StatusCode::BAD_REQUEST, "ANALYSIS_FAILED", "it was cancelled");
            return Err(error.because(Some("cancelled")).into_response());
        }
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// `GET /api/streaming/thumbnails/{platform}/{video_id}`: the picture of a page, so that browsers
/// need not ask the platform.
pub(in crate::http) async fn thumbnail(
    state: State,
    owner: Owner,
    Path((platform, id)): Path<(String, String)>,
) -> Result<Response, StreamingError> {
    let none = || StreamingError::new(StatusCode::NOT_FOUND, "PAGE_UNAVAILABLE", "the page has no picture");
    let page = page_jobs::read_page(&format!("{platform}/{id}")).ok_or_else(none)?;
    title(&state, &owner.client, &page)?;
    let known = state.resolver.ask(&page, Need::Info).await.map_err(Refused::from)?;
    let scope = if state.config().resolver.allow_private { Scope::Everywhere } else { Scope::Internet };
    let picture = match &known.document.thumbnail {
        Some(url) => state.documents.logos.get(url, scope).await.ok().flatten(),
        None => None,
    };
    picture.map(logo::answer).ok_or_else(none)
}

/// `DELETE /api/streaming/analyze/{id}`
pub(in crate::http) async fn cancel_analysis(
    state: State,
    owner: Owner,
    Path(id): Path<String>,
) -> Result<Json<Done>, StreamingError> {
    let (job, _) = find(&state, &owner, &id).await?;
    let job = state.jobs.cancel(job.id).await?;
    analysis::tell(&state.news, &job);
    Ok(Json(Done { message: "Analysis cancelled" }))
}

/// The analysis of this number that whoever asks has begun.
async fn find(state: &State, owner: &Owner, id: &str) -> Result<(Job, Analysis), StreamingError> {
    let unknown = || {
        StreamingError::new(StatusCode::NOT_FOUND, "REQUEST_NOT_FOUND", "there is no such analysis of yours")
    };
    let id = id.parse().map(JobId).map_err(|_| unknown())?;
    let job = state.jobs.get(id).await?;
    let analysis = analysis::of(&job).filter(|analysis| analysis.owner == owner.name).ok_or_else(unknown)?;
    Ok((job, analysis))
}

fn refused(refused: Refused) -> Response {
    StreamingError::from(refused).into_response()
}

impl AnalysisResult {
    fn new(page: &Page, document: &Document, (job, at): (JobId, i64)) -> Self {
        let formats: Vec<InfoFormat> = sendable(document).into_iter().filter_map(InfoFormat::new).collect();
        Self {
            analysis_completed_at: Timestamp::from_millisecond(at).unwrap_or_default().to_string(),
            available_formats: formats.len(),
            platform: page.platform().name(),
            request_id: job.0.to_string(),
            supported_formats_count: formats.len(),
            total_formats: document.formats.len(),
            video_info: VideoInfo::new(page, document, formats),
        }
    }
}

/// The forms that this server can send, the best first.
fn sendable(document: &Document) -> Vec<&Format> {
    let mut formats: Vec<&Format> = document.formats.iter().filter(|format| format.is_file()).collect();
    formats.sort_by_key(|format| {
        let has_both = format.video_codec.is_some() && format.audio_codec.is_some();
        std::cmp::Reverse((format.video_codec.is_some(), format.height, has_both, format.bitrate))
    });
    formats
}

impl VideoInfo {
    fn new(page: &Page, document: &Document, formats: Vec<InfoFormat>) -> Self {
        Self {
            description: document.description.clone(),
            duration: document.duration,
            formats,
            id: document.id.clone().unwrap_or_else(|| page.id().to_owned()),
            like_count: document.like_count,
            live_status: document.live_status.clone(),
            thumbnail: document.thumbnail.clone(),
            title: document.title.clone().unwrap_or_else(|| page.id().to_owned()),
            upload_date: document.upload_date.clone(),
            uploader: document.uploader.clone(),
            view_count: document.view_count,
            webpage_url: page.address(),
        }
    }
}

impl InfoFormat {
    fn new(format: &Format) -> Option<Self> {
        let height = format.height.filter(|_| format.video_codec.is_some());
        Some(Self {
            acodec: format.audio_codec.clone(),
            ext: format.ext.clone().unwrap_or_default(),
            filesize: format.filesize,
            format_id: format.id.clone()?,
            format_note: format.note.clone(),
            fps: format.frame_rate,
            has_audio: format.audio_codec.is_some(),
            quality_label: format.quality(),
            resolution: format.width.zip(height).map(|(width, height)| format!("{width}x{height}")),
            vcodec: format.video_codec.clone(),
        })
    }
}
