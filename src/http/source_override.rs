//! Choosing a channel's source, which is for operators only.

use axum::Json;
use forebay_core::failover::{OverrideError, SourceId, SourceOverride};
use forebay_relay::channel::ListedChannel;
use http::StatusCode;
use serde::Deserialize;
use tracing::info;
use utoipa::ToSchema;

use super::State;
use super::address::Reader;
use super::auth::By;
use super::error::ApiError;
use super::extract::{ById, JsonBody, JsonRequest, Named};
use super::status::{self, ChannelStatus};

/// The source of a channel that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceChoice {
    /// `pin`, `unpin`, `skip`, `disable` or `enable`.
    action: String,
    /// The source's place in the channel's list, from 0: for `pin`, `disable` and `enable` only.
    source: Option<usize>,
}

impl JsonRequest for SourceChoice {
    const EXAMPLE: &'static str = r#"{"action": "pin", "source": 1}"#;
}

/// What is wanted, with a place in the channel's list where a source is meant.
#[derive(Debug, Clone, Copy)]
struct OverrideRequest {
    action: Action,
    source: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    /// About a source.
    With(fn(SourceId) -> SourceOverride),
    Alone(SourceOverride),
}

impl OverrideRequest {
    /// The same of a channel with these sources; none where there is no such source.
    fn resolve(&self, sources: &[SourceId]) -> Option<SourceOverride> {
        match self.action {
            Action::Alone(order) => Some(order),
            Action::With(order) => Some(order(*sources.get(self.source?)?)),
        }
    }
}

/// `POST /api/streams/{id}/source`: answers with the channel's status.
pub(super) async fn override_source(
    state: State,
    By(actor): By,
    Named { found: ListedChannel { channel, .. }, .. }: Named<ById>,
    JsonBody(choice): JsonBody<SourceChoice>,
) -> Result<Json<ChannelStatus>, ApiError> {
    let request = choice.check().map_err(ApiError::bad_request)?;
    let sources = channel.sources.len();
    let no_such_source = || {
        let source = request.source.map_or_else(String::new, |source| format!(" {source}"));
        let message = format!("there is no source{source}: the channel has {sources}, counted from 0");
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "no_such_source", message)
    };
    let order = request.resolve(&channel.source_ids()).ok_or_else(no_such_source)?;
    // By the source's own id: places move when somebody edits the list at the same time.
    let done = state.channels.override_source(&channel, order).await;
    let (action, source) = (order.name(), request.source);
    info!(channel = %channel.id, %actor, action, source, ?done, "a source is chosen");
    done.map_err(|why| match why {
        OverrideError::NoOther => {
            let message = "there is no other source that may be used: enable or add one";
            ApiError::new(StatusCode::CONFLICT, "no_other_source", message)
        }
        // It has left the list since it was looked up.
        OverrideError::NoSuchSource => no_such_source(),
    })?;
    // It may have been removed meanwhile.
    let id = channel.id.as_str();
    let entry = status::entry(&state, id, Reader::Admin).await?;
    entry.map(Json).ok_or_else(|| ApiError::unknown_channel(id))
}

impl SourceChoice {
    /// What is wanted, or what is wrong with how that is said.
    fn check(&self) -> Result<OverrideRequest, String> {
        let Self { action, source } = self;
        let wanted = match &action[..] {
            "pin" => Action::With(SourceOverride::Pin),
            "unpin" => Action::Alone(SourceOverride::Unpin),
            "skip" => Action::Alone(SourceOverride::Skip),
            "disable" => Action::With(SourceOverride::Disable),
            "enable" => Action::With(SourceOverride::Enable),
            _ => {
                let expected = "expected pin, unpin, skip, disable or enable";
                return Err(format!("unknown action {action:?}, {expected}"));
            }
        };
        match (wanted, source) {
            (Action::With(_), None) => {
                Err(format!("\"{action}\" needs a \"source\": its place in the channel's list, from 0"))
            }
            (Action::Alone(_), Some(_)) => Err(format!("\"{action}\" takes no \"source\"")),
            _ => Ok(OverrideRequest { action: wanted, source: *source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Result<OverrideRequest, String> {
        let JsonBody(choice) =
            JsonBody::<SourceChoice>::parse(body).map_err(|error| error.message.into_owned())?;
        choice.check()
    }

    #[test]
    fn what_is_wanted_is_said_in_one_way_only() {
        for (body, order) in [
            (r#"{"action":"pin","source":1}"#, Some(SourceOverride::Pin(SourceId(6)))),
            (r#" { "source": 0, "action": "disable" } "#, Some(SourceOverride::Disable(SourceId(7)))),
            (r#"{"action":"enable","source":1}"#, Some(SourceOverride::Enable(SourceId(6)))),
            (r#"{"action":"enable","source":31}"#, None),
            (r#"{"action":"unpin"}"#, Some(SourceOverride::Unpin)),
            (r#"{"action":"skip","source":null}"#, Some(SourceOverride::Skip)),
        ] {
            let request = parse(body.as_bytes()).unwrap();
            assert_eq!(request.resolve(&[7, 6].map(SourceId)), order, "{body}");
        }
        for (body, says) in [
            ("", "the body is to be JSON such as {\"action\": \"pin\", \"source\": 1}: EOF"),
            ("action=skip", "expected value at line 1 column 1"),
            ("[]", "invalid length 0"),
            ("{}", "missing field `action`"),
            (r#"{"action":"skip"} {}"#, "trailing characters"),
            (r#"{"action":"skip","force":true}"#, "unknown field `force`"),
            (r#"{"action":"pin"}"#, "\"pin\" needs a \"source\": its place"),
            (r#"{"action":"disable","source":null}"#, "\"disable\" needs a \"source\""),
            (r#"{"action":"skip","source":0}"#, "\"skip\" takes no \"source\""),
            (r#"{"action":"pin","source":-1}"#, "invalid value: integer `-1`"),
            (r#"{"action":"pin","source":"1"}"#, "invalid type: string \"1\""),
            (r#"{"action":"Pin","source":1}"#, "unknown action \"Pin\", expected pin, unpin, skip"),
        ] {
            let message = parse(body.as_bytes()).unwrap_err();
            assert!(message.contains(says), "{body}: {message}");
        }
    }
}
