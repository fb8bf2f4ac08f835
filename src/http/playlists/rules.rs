//! The rules of a playlist.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Number;
use crate::db::lineup::PlaylistId;
use crate::http::State;
use crate::http::auth::By;
use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, JsonRequest};
use crate::lineup::rules::RuleDocument;
use crate::lineup::{RuleCount, RulesPreview};

/// Rules, in the order in which they are applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RuleList {
    /// The rules.
    rules: Vec<RuleDocument>,
}

impl JsonRequest for RuleList {
    const EXAMPLE: &'static str =
        r#"{"rules": [{"field": "name", "matches": "^UK: *", "action": "rename", "to": ""}]}"#;
}

/// What rules do, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct RulesEffect {
    /// Channels of the playlist.
    channels: u64,
    /// Some of the changes; of a preview only.
    examples: Vec<RuleExample>,
    /// Channels that are left out.
    left_out: u64,
    /// What each rule does, in their order.
    rules: Vec<RuleCount>,
    /// Rules that look wrong.
    warnings: Vec<RuleWarning>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct RuleExample {
    after: String,
    before: String,
    /// The place of the rule, from 0.
    rule: usize,
}

/// What looks wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct RuleWarning {
    /// `matches_all`, `matches_nothing`, `fails` or `stopped`.
    code: &'static str,
    /// The place of the rule, from 0.
    rule: usize,
}

impl From<RulesPreview> for RulesEffect {
    fn from(preview: RulesPreview) -> Self {
        let example = |(rule, before, after)| RuleExample { after, before, rule };
        Self {
            channels: preview.channels,
            examples: preview.examples.into_iter().map(example).collect(),
            left_out: preview.left_out,
            rules: preview.rules,
            warnings: preview.warnings.into_iter().map(|(rule, code)| RuleWarning { code, rule }).collect(),
        }
    }
}

/// `GET /api/playlists/{id}/rules`
pub(in crate::http) async fn rules(state: State, Number(id): Number) -> Result<Json<RuleList>, ApiError> {
    Ok(Json(RuleList { rules: state.lineup.rules(PlaylistId(id)).await? }))
}

/// `PUT /api/playlists/{id}/rules`
pub(in crate::http) async fn replace_rules(
    state: State,
    Number(id): Number,
    By(actor): By,
    JsonBody(list): JsonBody<RuleList>,
) -> Result<Json<RulesEffect>, ApiError> {
    Ok(Json(state.lineup.set_rules(PlaylistId(id), list.rules, &actor).await?.into()))
}

/// `POST /api/playlists/{id}/rules/preview`
pub(in crate::http) async fn preview_rules(
    state: State,
    Number(id): Number,
    JsonBody(list): JsonBody<RuleList>,
) -> Result<Json<RulesEffect>, ApiError> {
    Ok(Json(state.lineup.preview_rules(PlaylistId(id), list.rules).await?.into()))
}
