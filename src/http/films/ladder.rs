//! `POST /api/v1/videos/{video}/generate-hls`: has smaller copies of a film made.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request};
use axum::response::{IntoResponse as _, Response};
use forebay_core::jobs::Priority;
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::find;
use crate::films::Ladder;
use crate::http::State;
use crate::http::auth::By;
use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, JsonRequest};
use crate::http::jobs::JobDocument;

/// A body says little, and may come as slowly as a request head.
const MAX_BODY: usize = 1024;
const BODY_TIME: Duration = Duration::from_secs(30);

/// What may be asked besides.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct GenerateHls {
    /// Whether copies that are there are made anew.
    force: bool,
}

impl JsonRequest for GenerateHls {
    const EXAMPLE: &str = r#"{"force":true}"#;
}

/// `POST /api/v1/videos/{video}/generate-hls`: it is a job, and this does not wait for it.
pub(in crate::http) async fn generate_hls(
    state: State,
    By(actor): By,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let video = find(&state, &id)?;
    let GenerateHls { force } = read(request).await?;
    if let Some(refusal) = &video.refusal {
        let message = format!("the film can only be had as a file: {}", refusal.message);
        return Err(ApiError::new(StatusCode::CONFLICT, "not_in_parts", message));
    }
    let job = Ladder::job(video.id, force, Priority::Normal, actor.to_string());
    let job = state.jobs.add(job).await?.into_job();
    let location = [(header::LOCATION, format!("/api/v1/jobs/{}", job.id.0))];
    let document = JobDocument::new(job, &state.jobs.progress());
    Ok((StatusCode::ACCEPTED, location, Json(document)).into_response())
}

/// The body, which may be missing.
async fn read(request: Request) -> Result<GenerateHls, ApiError> {
    let collected = axum::body::to_bytes(request.into_body(), MAX_BODY);
    let body = tokio::time::timeout(BODY_TIME, collected).await;
    let body = body.map_err(|_| ApiError::bad_request("the body did not come"))?;
    let body = body.map_err(|_| ApiError::bad_request("the body is longer than it needs to be"))?;
    if body.is_empty() {
        return Ok(GenerateHls::default());
    }
    Ok(JsonBody::<GenerateHls>::parse(&body)?.0)
}
