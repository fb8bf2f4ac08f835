//! `/api/backups`: copies of the database and the configuration.

use std::io;

use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde_json::json;
use tokio::task::spawn_blocking;
use tracing::info;
use utoipa::ToSchema;

use super::State;
use super::auth::By;
use super::error::ApiError;
use crate::accounts::Actor;
use crate::backups::Backup;
use crate::db::backup::BackupError;
use crate::guide::read_all;

/// How much of a backup is sent at once, in bytes.
const PIECE: usize = 64 * 1024;

/// The backups that there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackupList {
    /// The newest first.
    backups: Vec<BackupDocument>,
    /// How often one is made, in seconds; null for never.
    #[schema(required)]
    every: Option<u64>,
    /// How many are kept.
    keep: usize,
    /// Why the last one was not made; null where it was.
    #[schema(required)]
    last_error: Option<String>,
    /// The name of the one that is restored at the next start; null where none is.
    #[schema(required)]
    restores_next: Option<String>,
}

/// A file with a copy of the database and the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackupDocument {
    /// In UTC (RFC 3339).
    made_at: String,
    /// The name of the file.
    name: String,
    /// In bytes.
    size: u64,
}

/// What is going to be restored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RestoreDocument {
    /// The name of the file.
    name: String,
    /// Always true: it is done at the next start.
    restart_needed: bool,
}

impl From<Backup> for BackupDocument {
    fn from(Backup { name, made_at, size }: Backup) -> Self {
        Self { made_at: made_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), name, size }
    }
}

/// `GET /api/backups`
pub(super) async fn list(state: State) -> Json<BackupList> {
    let config = state.config();
    let backups = &state.upkeep.backups;
    Json(BackupList {
        backups: backups.list().await.into_iter().map(BackupDocument::from).collect(),
        every: config.backups.every.map(|every| every.as_secs()),
        keep: config.backups.keep,
        last_error: backups.going().error,
        restores_next: backups.next(),
    })
}

/// `POST /api/backups`
pub(super) async fn make(
    state: State,
    By(actor): By,
) -> Result<(StatusCode, Json<BackupDocument>), ApiError> {
    let made = state.upkeep.backups.make().await.map_err(|error| match error {
        BackupError::NoDatabase(_) => ApiError::unavailable("no_database", "there is no database"),
        error => ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "no_backup", error.to_string()),
    })?;
    info!(file = %made.name, %actor, "backup made");
    note(&state, &actor, "backup.make", &made.name).await;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// `GET /api/backups/{name}`: the file. It holds the hashes of passwords and the addresses of
/// sources, so nothing on the way may keep it.
pub(super) async fn download(
    state: State,
    By(actor): By,
    method: Method,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let opened =
        state.upkeep.backups.open(&name).await.map_err(|error| {
            ApiError::unavailable("unreadable_backup", forebay_relay::error::reason(&error))
        })?;
    let (file, length) = opened.ok_or_else(|| unknown(&name))?;
    if method == Method::GET {
        info!(file = %name, %actor, "backup downloaded");
        note(&state, &actor, "backup.download", &name).await;
    }
    let disposition = format!("attachment; filename=\"{name}\"");
    let fields = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, length.into()),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::try_from(disposition).expect("names of backups are plain ASCII"),
        ),
    ];
    let body = stream::try_unfold(file, |mut file| async {
        let read = spawn_blocking(move || read_all(&mut file, PIECE).map(|piece| (piece, file)));
        let (piece, file) = read.await.map_err(io::Error::other)??;
        Ok::<_, io::Error>((!piece.is_empty()).then(|| (Bytes::from(piece), file)))
    });
    Ok((fields, Body::from_stream(body)))
}

/// Whoever has a backup has the secrets in it, and whoever restores one changes everything.
async fn note(state: &State, actor: &Actor, action: &'static str, name: &str) {
    state.accounts.note(actor, action, format!("backup:{name}"), json!({})).await;
}

fn unknown(name: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_backup", format!("there is no backup {name:?}"))
}

/// `POST /api/backups/{name}/restore`
pub(super) async fn restore(
    state: State,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<RestoreDocument>), ApiError> {
    if !state.upkeep.backups.restore_next(&name).await.map_err(refusal)? {
        return Err(unknown(&name));
    }
    info!(file = %name, %actor, "a backup is restored at the next start");
    note(&state, &actor, "backup.restore", &name).await;
    Ok((StatusCode::ACCEPTED, Json(RestoreDocument { name, restart_needed: true })))
}

/// `DELETE /api/backups/{name}/restore`
pub(super) async fn leave(
    state: State,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    if !state.upkeep.backups.leave_next(&name).await.map_err(refusal)? {
        return Err(unknown(&name));
    }
    info!(file = %name, %actor, "no backup is restored at the next start");
    note(&state, &actor, "backup.leave", &name).await;
    Ok(StatusCode::NO_CONTENT)
}

fn refusal(error: BackupError) -> ApiError {
    match error {
        BackupError::Write { .. } => {
            ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "no_backup", error.to_string())
        }
        error => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unusable_backup", error.to_string()),
    }
}
