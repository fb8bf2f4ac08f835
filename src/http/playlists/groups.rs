//! `/api/lineup/groups`: the groups of playlists, and their order.

use axum::Json;
use forebay_core::lineup::identity::GroupId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wrong_fields;
use crate::db::lineup::{GroupRow, PlaylistId};
use crate::http::State;
use crate::http::auth::By;
use crate::http::error::{ApiError, WrongField};
use crate::http::extract::{JsonBody, JsonRequest};
use crate::http::query::Query;

/// Groups in one answer, where nothing else is asked.
const DEFAULT_LIMIT: usize = 100;

/// Groups in one answer.
const MAX_LIMIT: usize = 500;

/// Groups that can be moved at once.
const MAX_MOVED: usize = 10_000;

/// A part of the list of groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct GroupList {
    /// In the order of lists.
    groups: Vec<GroupDocument>,
    /// `after` of the next part; null where this is the last one.
    #[schema(required)]
    next: Option<u32>,
}

/// A group of a playlist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct GroupDocument {
    /// Channels in it, hidden and missing ones too.
    channels: u64,
    /// Its number, which is never given to another group.
    id: u32,
    /// Its name; empty for channels without a group.
    name: String,
    /// The number of its playlist.
    playlist: i64,
}

/// Groups to move to another place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct GroupMove {
    /// The group in front of which they come; null or absent for the end.
    #[serde(default)]
    before: Option<u32>,
    /// The groups, in the order that they are to have.
    groups: Vec<u32>,
}

/// The result of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct GroupsMoved {
    /// Groups that are at another place now: those that were moved, and those that made room.
    moved: usize,
}

impl JsonRequest for GroupMove {
    const EXAMPLE: &'static str = r#"{"groups": [7, 9], "before": 3}"#;
}

impl From<GroupRow> for GroupDocument {
    fn from(GroupRow { id, playlist, name, channels, .. }: GroupRow) -> Self {
        Self { channels, id: id.0, name, playlist: playlist.0 }
    }
}

/// `GET /api/lineup/groups`
pub(in crate::http) async fn list_groups(state: State, query: Query) -> Result<Json<GroupList>, ApiError> {
    let limit = query.parsed("limit").unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let playlist = query.parsed("playlist").map(PlaylistId);
    let after = query.parsed("after").unwrap_or_default();
    let groups = state.lineup.groups(playlist, after, limit).await?;
    let next = groups.last().filter(|_| groups.len() == limit).map(|group| group.position);
    Ok(Json(GroupList { groups: groups.into_iter().map(GroupDocument::from).collect(), next }))
}

/// `POST /api/lineup/groups/moves`
pub(in crate::http) async fn move_groups(
    state: State,
    By(actor): By,
    JsonBody(GroupMove { before, groups }): JsonBody<GroupMove>,
) -> Result<Json<GroupsMoved>, ApiError> {
    if groups.len() > MAX_MOVED {
        let message = format!("groups: more than {MAX_MOVED}");
        return Err(wrong_fields(vec![WrongField { message, path: "groups".to_owned() }]));
    }
    let groups = groups.into_iter().map(GroupId).collect();
    let moved = state.lineup.move_groups(groups, before.map(GroupId), &actor).await?;
    Ok(Json(GroupsMoved { moved }))
}
