//! `/api/viewers`: who watches now, and the end of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::State;
use super::auth::By;
use super::error::ApiError;
use super::presence::{How, Known};
use super::query::Query;

/// Viewers in one answer, unless the request says otherwise, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 500;

/// Somebody who watches.
// The fields are in alphabetical order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ViewerDocument {
    /// Where the player is.
    address: String,
    /// What the player says it is (`User-Agent`).
    agent: String,
    form: How,
    /// Its number, which is never given to another viewer while the server runs.
    id: u64,
    /// When it came, in UTC (RFC 3339).
    #[schema(value_type = String)]
    since: Timestamp,
    /// The id of the channel or the film.
    title: String,
    /// The name of the user, where it is known.
    #[schema(required)]
    user: Option<String>,
}

/// A part of the viewers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ViewerList {
    /// In the order in which they came.
    viewers: Vec<ViewerDocument>,
}

impl ViewerDocument {
    fn new((id, known): (u64, Arc<Known>)) -> Self {
        Self {
            address: known.address.to_string(),
            agent: known.player.agent.to_string(),
            form: known.how,
            id,
            since: known.since,
            title: known.player.title.to_string(),
            user: known.user.as_deref().map(str::to_owned),
        }
    }
}

/// `GET /api/viewers`
pub(super) async fn list(state: State, query: Query) -> Json<ViewerList> {
    let limit = query.parsed("limit").unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let (title, after) = (query.value("title"), query.parsed("after").unwrap_or(0));
    let found = state.audience.presence.list(title.as_deref(), after, limit);
    Json(ViewerList { viewers: found.into_iter().map(ViewerDocument::new).collect() })
}

/// `DELETE /api/viewers/{id}`
pub(super) async fn end(state: State, By(actor): By, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let number = id.parse().ok();
    let ended = number.and_then(|number| state.audience.presence.end(number));
    let known = ended.ok_or_else(|| ApiError::unknown_viewer(&id))?;
    // Into the log: when somebody asks later why the stream ended, the viewer is long gone.
    let what = json!({
        "title": &*known.player.title, "user": known.user, "address": known.address.to_string(),
        "agent": &*known.player.agent,
    });
    state.accounts.note(&actor, "viewer.end", format!("viewer:{id}"), what).await;
    Ok(StatusCode::NO_CONTENT)
}
