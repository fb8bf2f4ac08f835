//! `/api/lineup`: channels of playlists, and what users make of them.

use std::borrow::Cow;

use axum::Json;
use forebay_core::lineup::edits::{Edit, Field};
use forebay_core::lineup::identity::SourceId;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Number, unknown, wrong_fields};
use crate::db::lineup::{BatchId, Hidden, PlaylistId, Unusable, edit_of, field_of, stored, word};
use crate::http::State;
use crate::http::auth::By;
use crate::http::error::{ApiError, WrongField};
use crate::http::extract::{JsonBody, JsonRequest};
use crate::http::query::Query;
use crate::lineup::{ChannelEdit, ChannelView, MAX_EDITED};

/// Channels in one answer, where nothing else is asked.
const DEFAULT_LIMIT: usize = 100;

/// Channels in one answer.
const MAX_LIMIT: usize = 500;

/// A channel of a playlist, whether it is listed or not.
// One field for each key of the document, in alphabetical order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct ChannelDocument {
    /// Whether it is for adults.
    adult: bool,
    /// The fields that a user has set.
    edited: Vec<&'static str>,
    /// The number of its station at Gracenote.
    gracenote_id: String,
    /// The group.
    group: String,
    /// `no`, `by_rule` or `by_user`.
    hidden: &'static str,
    /// Its number in the API, which never changes.
    id: u32,
    /// The channel that is listed for it; null where it is listed itself.
    #[schema(required)]
    leader: Option<u32>,
    /// The address of the logo.
    logo: String,
    /// Whether the playlist does not have it any more.
    missing: bool,
    /// The name.
    name: String,
    /// The number for people, such as `5` or `5.1`; null where it has none.
    #[schema(required)]
    number: Option<String>,
    /// Its name in addresses, which never changes: `/stream/{path}`.
    path: String,
    /// The number of its playlist.
    playlist: i64,
    /// The id in guides.
    tvg_id: String,
    /// Why it cannot be played and is not listed; null where it can be tried.
    #[schema(required)]
    unplayable: Option<UnplayableReason>,
}

/// Why a channel cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct UnplayableReason {
    /// `private_address`, `local_file` or `unsupported_address`; of a relay `in_configuration` or
    /// `not_allowed`.
    pub(in crate::http) code: &'static str,
    /// The same for people.
    pub(in crate::http) message: Cow<'static, str>,
}

impl From<Unusable> for UnplayableReason {
    fn from(why: Unusable) -> Self {
        Self { code: why.code(), message: why.message().into() }
    }
}

/// A part of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct ChannelPage {
    /// In the order of lists.
    channels: Vec<ChannelDocument>,
    /// `after` of the next part; null where this is the last one.
    #[schema(required)]
    next: Option<i64>,
}

/// Fields to set; `null` resets one to what the playlist and its rules say.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub(in crate::http) struct ChannelChanges(Map<String, Value>);

/// Fields to set of many channels.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ManyChanges {
    /// Their numbers in the API.
    channels: Vec<u32>,
    /// Fields to set; `null` resets one.
    #[schema(value_type = Object)]
    set: Map<String, Value>,
}

/// Channels to move to another place in their group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ChannelMove {
    /// The channel in front of which they come; null or absent for the end of the group.
    #[serde(default)]
    before: Option<u32>,
    /// The channels, of one group, in the order that they are to have.
    channels: Vec<u32>,
}

/// Edits that were made at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct EditBatch {
    /// To undo them: `DELETE /api/lineup/edits/{batch}`.
    batch: i64,
}

impl JsonRequest for ChannelChanges {
    const EXAMPLE: &'static str = r#"{"name": "News", "number": "101", "logo": null}"#;
}

impl JsonRequest for ManyChanges {
    const EXAMPLE: &'static str = r#"{"channels": [17, 18], "set": {"group": "News", "hidden": false}}"#;
}

impl JsonRequest for ChannelMove {
    const EXAMPLE: &'static str = r#"{"channels": [17, 18], "before": 5}"#;
}

impl From<ChannelView> for ChannelDocument {
    fn from(ChannelView { detail, edits }: ChannelView) -> Self {
        let row = detail.row;
        Self {
            adult: row.is_adult,
            edited: edits.list().iter().map(|edit| word(stored(edit).0)).collect(),
            gracenote_id: row.gracenote_id,
            group: row.group_title,
            hidden: match detail.hidden {
                Hidden::No => "no",
                Hidden::ByRule => "by_rule",
                Hidden::ByUser => "by_user",
            },
            id: row.id.0,
            leader: detail.leader.map(|leader| leader.0),
            logo: row.logo,
            missing: detail.is_missing,
            name: row.name,
            number: row.number.map(|number| number.to_string()),
            path: row.path,
            playlist: detail.playlist.0,
            tvg_id: row.guide_id,
            unplayable: detail.unusable.map(UnplayableReason::from),
        }
    }
}

/// `GET /api/lineup/channels`
pub(in crate::http) async fn list_channels(
    state: State,
    query: Query,
) -> Result<Json<ChannelPage>, ApiError> {
    let playlist = query.parsed("playlist").map(PlaylistId);
    let search = query.value("search").unwrap_or_default().into_owned();
    let limit = query.parsed("limit").unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let page = state.lineup.channels(playlist, search, query.parsed("after"), limit).await?;
    let channels = page.channels.into_iter().map(ChannelDocument::from).collect();
    Ok(Json(ChannelPage { channels, next: page.next }))
}

/// `GET /api/lineup/channels/{id}`
pub(in crate::http) async fn one_channel(
    state: State,
    id: Number,
) -> Result<Json<ChannelDocument>, ApiError> {
    Ok(Json(state.lineup.channel(channel(id)?).await?.into()))
}

/// `PATCH /api/lineup/channels/{id}`
pub(in crate::http) async fn change_channel(
    state: State,
    id: Number,
    By(actor): By,
    JsonBody(ChannelChanges(changes)): JsonBody<ChannelChanges>,
) -> Result<Json<ChannelDocument>, ApiError> {
    let id = channel(id)?;
    let edits = edits(&changes, "")?.into_iter().map(|edit| ChannelEdit { channel: id, edit });
    state.lineup.edit(edits.collect(), &actor).await?;
    Ok(Json(state.lineup.channel(id).await?.into()))
}

/// `POST /api/lineup/edits`
pub(in crate::http) async fn change_many(
    state: State,
    By(actor): By,
    JsonBody(ManyChanges { channels, set }): JsonBody<ManyChanges>,
) -> Result<Json<EditBatch>, ApiError> {
    check_count(&channels)?;
    let edits = edits(&set, "set.")?;
    let of = |id: u32| edits.iter().cloned().map(move |edit| ChannelEdit { channel: SourceId(id), edit });
    let BatchId(batch) = state.lineup.edit(channels.into_iter().flat_map(of).collect(), &actor).await?;
    Ok(Json(EditBatch { batch }))
}

/// `POST /api/lineup/moves`
pub(in crate::http) async fn move_channels(
    state: State,
    By(actor): By,
    JsonBody(ChannelMove { before, channels }): JsonBody<ChannelMove>,
) -> Result<Json<EditBatch>, ApiError> {
    check_count(&channels)?;
    let channels = channels.into_iter().map(SourceId).collect();
    let BatchId(batch) = state.lineup.move_channels(channels, before.map(SourceId), &actor).await?;
    Ok(Json(EditBatch { batch }))
}

/// `DELETE /api/lineup/edits/{id}`
pub(in crate::http) async fn undo(
    state: State,
    Number(id): Number,
    By(actor): By,
) -> Result<StatusCode, ApiError> {
    state.lineup.undo(BatchId(id), &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn channel(Number(id): Number) -> Result<SourceId, ApiError> {
    u32::try_from(id).map(SourceId).map_err(|_| unknown("channel", &id.to_string()))
}

fn check_count(channels: &[u32]) -> Result<(), ApiError> {
    if channels.len() <= MAX_EDITED {
        return Ok(());
    }
    let message = format!("channels: more than {MAX_EDITED}");
    Err(wrong_fields(vec![WrongField { message, path: "channels".to_owned() }]))
}

/// The edits that these fields stand for.
fn edits(changes: &Map<String, Value>, place: &str) -> Result<Vec<Edit>, ApiError> {
    let wrong = |key: &str, message: &str| {
        wrong_fields(vec![WrongField { message: format!("{key}: {message}"), path: format!("{place}{key}") }])
    };
    let edit = |(key, value): (&String, &Value)| {
        let field = field_of(key).ok_or_else(|| {
            wrong(
                key,
                "unknown field, expected name, number, group, logo, tvg_id, gracenote_id, hidden, adult or \
                 place",
            )
        })?;
        if field == Field::Place && !value.is_null() {
            return Err(wrong(key, "channels are moved by POST /api/lineup/moves; null takes a place back"));
        }
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(if *flag { "1" } else { "0" }.to_owned()),
            _ => return Err(wrong(key, "expected a text, a number, true, false or null")),
        };
        edit_of(field, text.as_deref()).ok_or_else(|| wrong(key, "the value is none for this field"))
    };
    changes.iter().map(edit).collect()
}
