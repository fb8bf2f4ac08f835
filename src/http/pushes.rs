//! `/api/pushes`: channels that are sent to servers elsewhere.

use axum::Json;
use axum::extract::Path;
use forebay_relay::push::{Action, Report, State as PushState};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;

use super::State;
use super::auth::By;
use super::error::ApiError;
use super::extract::{JsonBody, JsonRequest};

/// All pushes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PushList {
    /// In the order of their ids.
    pushes: Vec<PushDocument>,
}

/// A channel that is sent to a server.
// One field for each key of the document, in alphabetical order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PushDocument {
    /// How long ago the server has acknowledged something, in milliseconds; null where it never
    /// does.
    #[schema(required)]
    acked_ms: Option<u64>,
    /// Bits a second of late.
    bitrate: u64,
    /// Bytes to the server, of all connections.
    bytes_sent: u64,
    channel: String,
    /// Connections on which the server took the stream.
    connects: u64,
    /// Pictures that were left out since the server was too slow.
    frames_dropped: u64,
    /// Pictures and frames of sound.
    frames_sent: u64,
    id: String,
    /// Why the last connection ended that did not end in order; null where none did.
    #[schema(required)]
    last_error: Option<PushError>,
    /// How long the stream of this connection is.
    media_seconds: f64,
    /// How long the oldest picture or sound has been waiting for the server, in milliseconds.
    queue_ms: u64,
    /// Connections that went on with a changed stream.
    republishes: u64,
    /// Since when it is in this state, in UTC (RFC 3339).
    since: String,
    /// The codec of sound that RTMP does not carry, for which silence is sent; null where there is
    /// none.
    #[schema(required)]
    sound_replaced: Option<String>,
    state: PushStateName,
    /// The server and the application, without the key.
    url: String,
}

/// What a push does.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PushStateName {
    /// It was stopped, or does not begin by itself.
    Stopped,
    /// The channel has no picture yet.
    Waiting,
    Connecting,
    Publishing,
    /// It is tried again after a pause.
    Retrying,
    /// The server does not take the key or the stream; tried again after a minute.
    Refused,
}

/// Why a connection ended.
#[derive(Debug, Serialize, ToSchema)]
struct PushError {
    /// In UTC (RFC 3339).
    at: String,
    /// For programs.
    code: &'static str,
    /// For people.
    text: String,
}

/// A push, in short.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PushSummary {
    channel: String,
    id: String,
    state: PushStateName,
}

/// What is to be done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PushAction {
    /// `start`, `stop` or `restart`.
    action: String,
}

impl JsonRequest for PushAction {
    const EXAMPLE: &'static str = r#"{"action": "restart"}"#;
}

/// `GET /api/pushes`
pub(super) async fn list(state: State) -> Json<PushList> {
    Json(PushList { pushes: state.pushes.reports().into_iter().map(PushDocument::from).collect() })
}

/// `GET /api/pushes/{id}`
pub(super) async fn one(state: State, Path(id): Path<String>) -> Result<Json<PushDocument>, ApiError> {
    state.pushes.report(&id).map(|report| Json(report.into())).ok_or_else(|| unknown(&id))
}

/// `POST /api/pushes/{id}`
pub(super) async fn act(
    state: State,
    By(actor): By,
    Path(id): Path<String>,
    JsonBody(PushAction { action }): JsonBody<PushAction>,
) -> Result<Json<PushDocument>, ApiError> {
    let wanted = match &*action {
        "start" => Action::Start,
        "stop" => Action::Stop,
        "restart" => Action::Restart,
        _ => {
            let message = format!("unknown action {action:?}, expected start, stop or restart");
            return Err(ApiError::bad_request(message));
        }
    };
    let report = state.pushes.act(&id, wanted).ok_or_else(|| unknown(&id))?;
    info!(push = %report.id, %actor, action, "a push is started or stopped");
    Ok(Json(report.into()))
}

fn unknown(id: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_push", format!("there is no push {id:?}"))
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl From<PushState> for PushStateName {
    fn from(state: PushState) -> Self {
        match state {
            PushState::Stopped => Self::Stopped,
            PushState::Waiting => Self::Waiting,
            PushState::Connecting => Self::Connecting,
            PushState::Publishing => Self::Publishing,
            PushState::Retrying => Self::Retrying,
            PushState::Refused => Self::Refused,
        }
    }
}

impl From<&Report> for PushSummary {
    fn from(report: &Report) -> Self {
        let (channel, id) = (report.channel.as_str().to_owned(), report.id.as_str().to_owned());
        Self { channel, id, state: report.state.into() }
    }
}

impl From<Report> for PushDocument {
    fn from(report: Report) -> Self {
        Self {
            acked_ms: report.acknowledged.map(millis),
            bitrate: report.bitrate,
            bytes_sent: report.bytes_sent,
            channel: report.channel.as_str().to_owned(),
            connects: report.connects,
            frames_dropped: report.frames_dropped,
            frames_sent: report.frames_sent,
            id: report.id.as_str().to_owned(),
            last_error: report.last_error.map(|error| PushError {
                at: error.at.to_string(),
                code: error.code,
                text: error.text,
            }),
            media_seconds: report.media_time.as_secs_f64(),
            queue_ms: millis(report.queue),
            republishes: report.republishes,
            since: report.since.to_string(),
            sound_replaced: report.replaced_sound.map(|codec| codec.to_string()),
            state: report.state.into(),
            url: report.url.to_string(),
        }
    }
}
