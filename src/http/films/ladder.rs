//! `POST /api/v1/videos/{video}/generate-hls`: has smaller copies of a film made.

use axum::Json;
use axum::extract::Path;
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
    body: Option<JsonBody<GenerateHls>>,
) -> Result<Response, ApiError> {
    let video = find(&state, &id)?;
    let GenerateHls { force } = body.map(|JsonBody(fields)| fields).unwrap_or_default();
    if let Some(refusal) = &video.refusal {
        let message = format!("the film can only be had as a file: {}", refusal.message);
        return Err(ApiError::new(StatusCode::CONFLICT, "not_in_parts", message));
    }
    let job = Ladder::job(video.id, force, Priority::Normal, actor.to_string());
    let job = state.jobs.add(job).await?.into_job();
    let location = [(header::LOCATION, format!("/api/v1/jobs/{}", job.id.0))];
    let document = JobDocument::new(job, &state.jobs.progress());
    // 202 and where to look: making copies takes as long as the film plays, or longer.
    Ok((StatusCode::ACCEPTED, location, Json(document)).into_response())
}
