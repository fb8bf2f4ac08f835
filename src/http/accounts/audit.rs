//! `/api/audit`: what was changed by whom.

use axum::Json;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::db::audit::{Entry, EntryId};
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::query::Query;

/// Entries in one answer, where nothing else is asked.
const DEFAULT_LIMIT: usize = 100;

/// Entries in one answer.
const MAX_LIMIT: usize = 500;

/// A part of the log.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct AuditList {
    /// The newest first.
    entries: Vec<AuditEntry>,
    /// `before` of the next part; null where this is the last one.
    #[schema(required)]
    next: Option<i64>,
}

/// A change.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct AuditEntry {
    /// What was done, such as `user.create`.
    action: String,
    /// Who did it: `user:1:ann`, `key:2:script`, `address:127.0.0.1`, `command` or `console`.
    actor: String,
    /// What it is behind; null if it is gone.
    #[schema(required, value_type = Option<Object>)]
    after: Option<Value>,
    /// When, in UTC (RFC 3339).
    #[schema(value_type = String)]
    at: Timestamp,
    /// What it was before; null if it was not there.
    #[schema(required, value_type = Option<Object>)]
    before: Option<Value>,
    /// Its place in the log.
    id: i64,
    /// What was changed, such as `user:7`.
    object: String,
}

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        let Entry { id, at, actor, action, object, before, after } = entry;
        Self { action, actor, after, at, before, id: id.0, object }
    }
}

/// `GET /api/audit`
pub(in crate::http) async fn list(state: State, query: Query) -> Result<Json<AuditList>, ApiError> {
    let limit = query.parsed("limit").unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let entries = state.accounts.audit(query.parsed("before").map(EntryId), limit).await?;
    let next = entries.last().filter(|_| entries.len() == limit).map(|entry| entry.id.0);
    Ok(Json(AuditList { entries: entries.into_iter().map(AuditEntry::from).collect(), next }))
}
