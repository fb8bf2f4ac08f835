//! `/api/logs`: the latest lines of the log.

use axum::Json;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::query::Query;
use crate::telemetry::recent::{Line, lines_after};

/// How many lines there are in an answer unless somebody says it, and at most.
const DEFAULT_LIMIT: usize = 200;
const MAX_LIMIT: usize = 500;

/// Lines of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogDocument {
    /// The newest last.
    lines: Vec<LineDocument>,
}

/// A line of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineDocument {
    /// In UTC (RFC 3339).
    at: String,
    /// What it says beside the message, by name.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
    /// Counts from the start of the server.
    id: u64,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    level: String,
    /// What it says.
    message: String,
    /// What it is about, the outermost first, each with its `name` and its fields.
    #[schema(value_type = Vec<Object>)]
    spans: Vec<Map<String, Value>>,
    /// The part of the program that wrote it.
    target: String,
}

impl From<Line> for LineDocument {
    fn from(Line { id, at, level, target, message, fields, spans }: Line) -> Self {
        Self { at, fields, id, level, message, spans, target }
    }
}

/// `GET /api/logs`
pub(super) async fn list(query: Query) -> Json<LogDocument> {
    let limit = query.parsed("limit").unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let lines = lines_after(query.parsed("after"), limit);
    Json(LogDocument { lines: lines.into_iter().map(LineDocument::from).collect() })
}
