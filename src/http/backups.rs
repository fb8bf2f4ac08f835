//! `/api/backups`: copies of the database and the configuration.

use axum::Json;
use axum::extract::Path;
use http::StatusCode;
use serde::Serialize;
use tracing::info;
use utoipa::ToSchema;

use super::State;
use super::auth::By;
use super::error::ApiError;
use crate::backups::Backup;
use crate::db::backup::BackupError;

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
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// `POST /api/backups/{name}/restore`
pub(super) async fn restore(
    state: State,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<RestoreDocument>), ApiError> {
    let asked = state.upkeep.backups.restore_next(&name);
    let is_there = asked.map_err(|error| {
        ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "no_backup", forebay_relay::error::reason(&error))
    })?;
    if !is_there {
        let message = format!("there is no backup {name:?}");
        return Err(ApiError::new(StatusCode::NOT_FOUND, "unknown_backup", message));
    }
    info!(file = %name, %actor, "a backup is restored at the next start");
    Ok((StatusCode::ACCEPTED, Json(RestoreDocument { name, restart_needed: true })))
}
