//! `/api/webhooks`: servers that are told what happens.

use axum::Json;
use axum::extract::Path;
use http::StatusCode;
use serde::Serialize;
use tracing::info;
use utoipa::ToSchema;

use super::State;
use super::auth::By;
use super::error::ApiError;
use crate::webhooks::Report;

/// All webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookList {
    /// In the order of their ids.
    webhooks: Vec<WebhookDocument>,
}

/// A server that is told what happens.
// The fields are in alphabetical order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookDocument {
    /// Messages that the server has, since the start.
    delivered: u64,
    /// When it took the last one, in UTC (RFC 3339); null where it has taken none.
    #[schema(required)]
    delivered_at: Option<String>,
    /// Messages that were given up: pushed out by newer ones, or refused again and again.
    dropped: u64,
    /// The types of messages that it gets; null for all.
    #[schema(required)]
    events: Option<Vec<String>>,
    /// Attempts that have failed.
    failed: u64,
    id: String,
    /// Why the last attempt failed; null where it did not.
    #[schema(required)]
    last_error: Option<WebhookError>,
    /// The server, without the path.
    url: String,
    /// Messages that wait for it.
    waiting: usize,
}

/// Why a message was not taken.
#[derive(Debug, Serialize, ToSchema)]
struct WebhookError {
    /// In UTC (RFC 3339).
    at: String,
    /// For people.
    text: String,
}

impl From<Report> for WebhookDocument {
    fn from(report: Report) -> Self {
        Self {
            delivered: report.counts.delivered,
            delivered_at: report.delivered_at.map(|at| at.to_string()),
            dropped: report.counts.dropped,
            events: report.webhook.events,
            failed: report.counts.failed,
            id: report.webhook.id,
            last_error: report.error.map(|(at, text)| WebhookError { at: at.to_string(), text }),
            url: report.webhook.url.to_string(),
            waiting: report.waiting,
        }
    }
}

/// `GET /api/webhooks`
pub(super) async fn list(state: State) -> Json<WebhookList> {
    let reports = state.upkeep.webhooks.reports();
    Json(WebhookList { webhooks: reports.into_iter().map(WebhookDocument::from).collect() })
}

/// `POST /api/webhooks/{id}/test`
pub(super) async fn test(
    state: State,
    By(actor): By,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<WebhookDocument>), ApiError> {
    let unknown =
        || ApiError::new(StatusCode::NOT_FOUND, "unknown_webhook", format!("there is no webhook {id:?}"));
    let report = state.upkeep.webhooks.test(&id).ok_or_else(unknown)?;
    info!(webhook = %id, %actor, "a webhook is tried");
    Ok((StatusCode::ACCEPTED, Json(report.into())))
}
