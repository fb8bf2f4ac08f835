//! Choosing a channel's source, which is for operators only.

use axum::Json;
use forebay_core::failover::{SourceId, Steer, Unsteerable};
use forebay_relay::channel::Found;
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
struct Wish {
    action: Action,
    source: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    /// About a source.
    With(fn(SourceId) -> Steer),
    Alone(Steer),
}

impl Wish {
    /// The same of a channel with these sources; none where there is no such source.
    fn steer(&self, sources: &[SourceId]) -> Option<Steer> {
        match self.action {
            Action::Alone(steer) => Some(steer),
            Action::With(steer) => Some(steer(*sources.get(self.source?)?)),
        }
    }
}

/// `POST /api/streams/{id}/source`: answers with the channel's status.
pub(super) async fn steer(
    state: State,
    By(actor): By,
    Named { found: Found { channel, .. }, .. }: Named<ById>,
    JsonBody(choice): JsonBody<SourceChoice>,
) -> Result<Json<ChannelStatus>, ApiError> {
    let wish = choice.check().map_err(ApiError::bad_request)?;
    let sources = channel.sources.len();
    let no_such_source = || {
        let source = wish.source.map_or_else(String::new, |source| format!(" {source}"));
        let message = format!("there is no source{source}: the channel has {sources}, counted from 0");
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "no_such_source", message)
    };
    let steer = wish.steer(&channel.source_ids()).ok_or_else(no_such_source)?;
    let done = state.channels.steer(&channel, steer).await;
    let (action, source) = (steer.name(), wish.source);
    info!(channel = %channel.id, %actor, action, source, ?done, "a source is chosen");
    done.map_err(|why| match why {
        Unsteerable::NoOther => {
            let message = "there is no other source that may be used: enable or add one";
            ApiError::new(StatusCode::CONFLICT, "no_other_source", message)
        }
        // It has left the list since it was looked up.
        Unsteerable::NoSuchSource => no_such_source(),
    })?;
    // It may have been removed meanwhile.
    let id = channel.id.as_str();
    let entry = status::entry(&state, id, Reader::Admin).await?;
    entry.map(Json).ok_or_else(|| ApiError::unknown_channel(id))
}

impl SourceChoice {
    /// What is wanted, or what is wrong with how that is said.
    fn check(&self) -> Result<Wish, String> {
        let Self { action, source } = self;
        let wanted = match &action[..] {
            "pin" => Action::With(Steer::Pin),
            "unpin" => Action::Alone(Steer::Unpin),
            "skip" => Action::Alone(Steer::Skip),
            "disable" => Action::With(Steer::Disable),
            "enable" => Action::With(Steer::Enable),
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
            _ => Ok(Wish { action: wanted, source: *source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Result<Wish, String> {
        let JsonBody(choice) =
            JsonBody::<SourceChoice>::parse(body).map_err(|error| error.message.into_owned())?;
        choice.check()
    }

    #[test]
    fn what_is_wanted_is_said_in_one_way_only() {
        for (body, steer) in [
            (r#"{"action":"pin","source":1}"#, Some(Steer::Pin(SourceId(6)))),
            (r#" { "source": 0, "action": "disable" } "#, Some(Steer::Disable(SourceId(7)))),
            (r#"{"action":"enable","source":1}"#, Some(Steer::Enable(SourceId(6)))),
            (r#"{"action":"enable","source":31}"#, None),
            (r#"{"action":"unpin"}"#, Some(Steer::Unpin)),
            (r#"{"action":"skip","source":null}"#, Some(Steer::Skip)),
        ] {
            let wish = parse(body.as_bytes()).unwrap();
            assert_eq!(wish.steer(&[7, 6].map(SourceId)), steer, "{body}");
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
