//! `/api/v1/jobs` and `/api/v1/queues`: work that takes longer than a request.

mod document;

use std::borrow::Cow;

use axum::Json;
use axum::extract::Path;
use http::StatusCode;

pub(super) use self::document::{JobDocument, JobList, QueueDocument, RunningJob};
use super::State;
use super::error::ApiError;
use super::query::Query;
use crate::db::jobs::{Filter, JobId};
use crate::jobs::Refusal;

/// Jobs in one answer, where nothing else is asked, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 500;

/// `GET /api/v1/jobs`
pub(super) async fn list(state: State, query: Query) -> Result<Json<JobList>, ApiError> {
    let limit = query.parsed("limit").unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let text = |key| query.value(key).map(Cow::into_owned);
    let filter =
        Filter { kind: text("kind"), state: text("state"), before: query.parsed("before").map(JobId) };
    let jobs = state.jobs.list(filter, limit).await?;
    let running = state.jobs.progress();
    let next = jobs.last().filter(|_| jobs.len() == limit).map(|job| job.id.0);
    let queues = state.jobs.report().await?;
    Ok(Json(JobList {
        jobs: jobs.into_iter().map(|job| JobDocument::new(job, &running)).collect(),
        next,
        queues: queues.into_iter().map(QueueDocument::from).collect(),
        refused_total: state.jobs.refused(),
    }))
}

/// `GET /api/v1/jobs/{id}`
pub(super) async fn one(state: State, Path(id): Path<String>) -> Result<Json<JobDocument>, ApiError> {
    let job = state.jobs.get(number(&id)?).await?;
    Ok(Json(JobDocument::new(job, &state.jobs.progress())))
}

/// `POST /api/v1/jobs/{id}/cancel`
pub(super) async fn cancel(state: State, Path(id): Path<String>) -> Result<Json<JobDocument>, ApiError> {
    let job = state.jobs.cancel(number(&id)?).await?;
    Ok(Json(JobDocument::new(job, &state.jobs.progress())))
}

/// `POST /api/v1/queues/{kind}/pause`
pub(super) async fn pause(state: State, Path(kind): Path<String>) -> Result<Json<QueueDocument>, ApiError> {
    Ok(Json(state.jobs.pause(&kind).await?.into()))
}

/// `POST /api/v1/queues/{kind}/resume`
pub(super) async fn resume(state: State, Path(kind): Path<String>) -> Result<Json<QueueDocument>, ApiError> {
    Ok(Json(state.jobs.resume(&kind).await?.into()))
}

fn number(id: &str) -> Result<JobId, ApiError> {
    let unknown = |_| ApiError::new(StatusCode::NOT_FOUND, "unknown_job", format!("there is no job {id:?}"));
    id.parse().map(JobId).map_err(unknown)
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Full => Self::unavailable("queue_full", message),
            Refusal::TooLong { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message),
            Refusal::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "unknown_job", message),
            Refusal::UnknownKind(_) => Self::new(StatusCode::NOT_FOUND, "unknown_queue", message),
            Refusal::Ended { .. } => Self::new(StatusCode::CONFLICT, "job_ended", message),
            Refusal::Database(error) => error.into(),
        }
    }
}
