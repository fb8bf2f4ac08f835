//! `/api/lineup/merges`: which channels are one.

use std::collections::BTreeMap;

use axum::Json;
use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::merge::{Decision, Pair};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::channels::channel;
use super::{Number, wrong_fields};
use crate::db::lineup::PlaylistId;
use crate::http::State;
use crate::http::auth::By;
use crate::http::error::{ApiError, WrongField};
use crate::http::extract::{JsonBody, JsonRequest};
use crate::lineup::{MergePreview, MergeTrial, Suggestion};

/// Decisions that one preview tries.
const MAX_TRIED: usize = 1000;

/// A decision about two channels.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct MergeDecision {
    /// One.
    channel: u32,
    /// `force`, `forbid`, or null to leave it to the rules of merging.
    decision: Option<String>,
    /// The other.
    other: u32,
}

/// The decision before: sending it again undoes this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct Decided {
    /// `force`, `forbid`, or null.
    #[schema(required)]
    before: Option<&'static str>,
}

/// Channels that are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct MergeList {
    /// By their leaders.
    merges: Vec<MergeGroup>,
}

/// Channels that are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct MergeGroup {
    /// The channel that is listed.
    leader: u32,
    /// Those behind it.
    members: Vec<u32>,
}

/// Decisions and playlists to try, on top of those in force.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct MergeTrialDocument {
    /// Decisions, as they would be sent one by one.
    #[serde(default)]
    decisions: Vec<MergeDecision>,
    /// Playlists by their numbers, and whether their channels may be one with those of others.
    #[serde(default)]
    playlists: BTreeMap<String, bool>,
}

/// What merging would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct MergeEffect {
    /// Channels that would stand behind another channel than now, or would be listed by themselves
    /// again: the first 500.
    changes: Vec<MergeChangeDocument>,
    /// How many there are of these.
    changes_total: u64,
    /// Channels that would be listed.
    listed: u64,
    /// Channels that are listed now.
    listed_before: u64,
}

/// What merging would do to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct MergeChangeDocument {
    /// The channel that is listed for it now; null where it is listed itself.
    #[schema(required)]
    before: Option<u32>,
    /// The channel.
    channel: u32,
    /// The channel that would be listed for it; null where it would be listed itself.
    #[schema(required)]
    leader: Option<u32>,
    /// The name of that one.
    #[schema(required)]
    leader_name: Option<String>,
    /// The name of the channel.
    name: String,
}

/// Channels that may be the same as another one.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct SuggestionList {
    /// The likest first.
    suggestions: Vec<SuggestionDocument>,
}

/// A channel that may be the same as another one.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct SuggestionDocument {
    /// The channel.
    channel: u32,
    /// How alike the names are, up to 1.
    likeness: f64,
    /// Its name.
    name: String,
    /// The number of its playlist.
    playlist: i64,
}

impl JsonRequest for MergeDecision {
    const EXAMPLE: &'static str = r#"{"channel": 17, "other": 1042, "decision": "forbid"}"#;
}

impl JsonRequest for MergeTrialDocument {
    const EXAMPLE: &'static str =
        r#"{"decisions": [{"channel": 17, "other": 1042, "decision": "force"}], "playlists": {"3": true}}"#;
}

impl MergeDecision {
    /// The pair, and what is said of it. `place` stands in front of the paths of fields.
    fn read(&self, place: &str) -> Result<(Pair, Option<Decision>), ApiError> {
        let wrong = |field: &str, message: &str| {
            let (message, path) = (format!("{field}: {message}"), format!("{place}{field}"));
            wrong_fields(vec![WrongField { message, path }])
        };
        let pair = Pair::new(SourceId(self.channel), SourceId(self.other));
        let pair = pair.ok_or_else(|| wrong("other", "it is the same channel"))?;
        let decision = match self.decision.as_deref() {
            None => None,
            Some("force") => Some(Decision::Force),
            Some("forbid") => Some(Decision::Forbid),
            Some(_) => return Err(wrong("decision", "expected force, forbid or null")),
        };
        Ok((pair, decision))
    }
}

impl MergeTrialDocument {
    fn read(&self) -> Result<MergeTrial, ApiError> {
        let wrong =
            |path: &str, message: String| wrong_fields(vec![WrongField { message, path: path.to_owned() }]);
        if self.decisions.len() > MAX_TRIED {
            return Err(wrong("decisions", format!("decisions: more than {MAX_TRIED}")));
        }
        let decisions = self.decisions.iter().enumerate();
        let decisions = decisions.map(|(at, decision)| decision.read(&format!("decisions[{at}].")));
        let playlist = |(id, is_merged): (&String, &bool)| {
            let path = format!("playlists.{id}");
            let number =
                id.parse().map_err(|_| wrong(&path, format!("{path}: expected the number of a playlist")));
            Ok((PlaylistId(number?), *is_merged))
        };
        Ok(MergeTrial {
            decisions: decisions.collect::<Result<_, _>>()?,
            playlists: self.playlists.iter().map(playlist).collect::<Result<_, ApiError>>()?,
        })
    }
}

impl From<MergePreview> for MergeEffect {
    fn from(preview: MergePreview) -> Self {
        let change = |change: crate::lineup::MergeChange| MergeChangeDocument {
            before: change.before.map(|it| it.0),
            channel: change.channel.0,
            leader: change.leader.map(|it| it.0),
            leader_name: change.leader_name,
            name: change.name,
        };
        Self {
            changes: preview.examples.into_iter().map(change).collect(),
            changes_total: preview.changes,
            listed: preview.listed,
            listed_before: preview.listed_before,
        }
    }
}

impl From<Suggestion> for SuggestionDocument {
    fn from(Suggestion { channel, name, playlist, likeness }: Suggestion) -> Self {
        Self { channel: channel.0, likeness, name, playlist: playlist.0 }
    }
}

/// `GET /api/lineup/merges`
pub(in crate::http) async fn merges(state: State) -> Result<Json<MergeList>, ApiError> {
    let group = |(SourceId(leader), members): (SourceId, Vec<SourceId>)| MergeGroup {
        leader,
        members: members.into_iter().map(|SourceId(id)| id).collect(),
    };
    Ok(Json(MergeList { merges: state.lineup.merges().await?.into_iter().map(group).collect() }))
}

/// `POST /api/lineup/merges`
pub(in crate::http) async fn decide(
    state: State,
    By(actor): By,
    JsonBody(decision): JsonBody<MergeDecision>,
) -> Result<Json<Decided>, ApiError> {
    let (pair, decision) = decision.read("")?;
    let before = state.lineup.decide(pair, decision, &actor).await?.map(|before| match before {
        Decision::Force => "force",
        Decision::Forbid => "forbid",
    });
    Ok(Json(Decided { before }))
}

/// `POST /api/lineup/merges/preview`
pub(in crate::http) async fn preview_merges(
    state: State,
    JsonBody(trial): JsonBody<MergeTrialDocument>,
) -> Result<Json<MergeEffect>, ApiError> {
    Ok(Json(state.lineup.preview_merges(trial.read()?).await?.into()))
}

/// `GET /api/lineup/channels/{id}/suggestions`
pub(in crate::http) async fn suggestions(state: State, id: Number) -> Result<Json<SuggestionList>, ApiError> {
    let suggestions = state.lineup.suggest_merges(channel(id)?).await?;
    Ok(Json(SuggestionList { suggestions: suggestions.into_iter().map(SuggestionDocument::from).collect() }))
}
