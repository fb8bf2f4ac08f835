//! `/api/keys`: keys of programs.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Number;
use crate::accounts::Accounts;
use crate::db::api_keys::{ApiKey, KeyId, Scope};
use crate::http::State;
use crate::http::auth::By;
use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, JsonRequest};

/// A key, without itself.
// The fields are in alphabetical order.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct KeyDocument {
    /// When it was made, in UTC (RFC 3339).
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// From when on it is good for nothing; null for never.
    #[schema(required, value_type = Option<String>)]
    expires_at: Option<Timestamp>,
    /// How it begins.
    hint: String,
    /// Its number, which is never given to another key.
    id: i64,
    /// When it was last used; null for never.
    #[schema(required, value_type = Option<String>)]
    last_used_at: Option<Timestamp>,
    name: String,
    /// What it is good for.
    scopes: Vec<Scope>,
}

/// All keys.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct KeyList {
    /// In the order in which they were made.
    keys: Vec<KeyDocument>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct MadeKey {
    /// The key. It is shown now and never again.
    key: String,
    /// What is told of it from now on.
    details: KeyDocument,
}

/// A key that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct KeyFields {
    /// What people call it.
    name: String,
    /// What it is to be good for.
    scopes: Vec<Scope>,
    /// From when on it is to be good for nothing.
    #[schema(value_type = Option<String>)]
    expires_at: Option<Timestamp>,
}

impl JsonRequest for KeyFields {
    const EXAMPLE: &'static str = r#"{"name": "backup script", "scopes": ["read"]}"#;
}

impl KeyDocument {
    fn new(accounts: &Accounts, key: &ApiKey) -> Self {
        Self {
            created_at: key.created_at,
            expires_at: key.expires_at,
            hint: key.hint.clone(),
            id: key.id.0,
            last_used_at: accounts.last_use(key),
            name: key.name.clone(),
            scopes: key.scopes.clone(),
        }
    }
}

/// `GET /api/keys`
pub(in crate::http) async fn list_keys(state: State) -> Json<KeyList> {
    let keys = state.accounts.people().keys();
    Json(KeyList { keys: keys.iter().map(|key| KeyDocument::new(&state.accounts, key)).collect() })
}

/// `POST /api/keys`
pub(in crate::http) async fn create_key(
    state: State,
    By(actor): By,
    JsonBody(KeyFields { name, scopes, expires_at }): JsonBody<KeyFields>,
) -> Result<Response, ApiError> {
    let (key, secret) = state.accounts.create_key(&actor, &name, scopes, expires_at).await?;
    let details = KeyDocument::new(&state.accounts, &key);
    let made = MadeKey { key: secret.reveal().to_owned(), details };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(made)).into_response())
}

/// `DELETE /api/keys/{id}`
pub(in crate::http) async fn remove_key(
    state: State,
    By(actor): By,
    Number(id): Number,
) -> Result<StatusCode, ApiError> {
    state.accounts.remove_key(&actor, KeyId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
