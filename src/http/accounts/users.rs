//! `/api/users`: those who administer and those who watch.

use std::fmt;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Base, Number};
use crate::accounts::{Refusal, UserChange};
use crate::db::users::{Identity, OnLimit, Role, Tier, User, UserId};
use crate::http::State;
use crate::http::auth::By;
use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, JsonRequest};

/// A user.
// One field for each key of the document, in alphabetical order.
#[expect(clippy::struct_excessive_bools, reason = "it is a document, and each is a word of it")]
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct UserDocument {
    /// Whether the user may watch what is for adults.
    adult: bool,
    /// When it was last changed, in UTC (RFC 3339).
    #[schema(value_type = String)]
    changed_at: Timestamp,
    /// The ids of channels that the user may watch besides those of `groups`.
    #[schema(required)]
    channels: Option<Vec<String>>,
    /// When it was made, in UTC (RFC 3339).
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// Whether the user may do nothing at all for now.
    disabled: bool,
    /// From when on the user may do nothing any more; null for never.
    #[schema(required, value_type = Option<String>)]
    expires_at: Option<Timestamp>,
    /// The groups whose channels the user may watch; null for all, unless `channels` names some.
    #[schema(required)]
    groups: Option<Vec<String>>,
    /// Whether there is a password, without which nobody signs in.
    has_password: bool,
    /// Its number, which is never given to another user.
    id: i64,
    /// Who the user is at the provider of identities ([oidc]); null for nobody.
    #[schema(required)]
    identity: Option<Identity>,
    /// Streams at once; null for no limit.
    #[schema(required)]
    max_streams: Option<u32>,
    /// Unique, whatever the case of its letters.
    name: String,
    /// What is done with a stream that is one too many.
    on_limit: OnLimit,
    /// The user's list of channels, which opens without a password. It is as secret as one.
    playlist_url: String,
    /// Added to that of a channel that the user watches, where the connections of a provider are
    /// short: -1000 to 1000.
    priority: i32,
    /// What the user may do besides watching.
    role: Role,
    /// Whether a channel that the user watches already counts once.
    same_channel_free: bool,
    /// How many tokens of streams the user may make.
    tier: Tier,
}

/// All users.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct UserList {
    /// In the order in which they were made.
    users: Vec<UserDocument>,
}

/// What a user is to be, or what of it is to change.
#[derive(Clone, PartialEq, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub(in crate::http) struct UserFields(Map<String, Value>);

/// What only the server says: a document that was read may be sent back as it is.
const READ_ONLY: [&str; 5] = ["id", "created_at", "changed_at", "has_password", "playlist_url"];

impl JsonRequest for UserFields {
    const EXAMPLE: &'static str = r#"{"name": "ann", "password": "correct horse", "role": "viewer"}"#;
}

/// It may hold a password.
impl fmt::Debug for UserFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl UserFields {
    fn into_words(self) -> Map<String, Value> {
        let Self(mut fields) = self;
        for word in READ_ONLY {
            fields.remove(word);
        }
        fields
    }
}

impl UserDocument {
    /// `base` is the address under which whoever asks reaches us.
    fn new(user: &User, base: &Base) -> Self {
        let spec = user.spec.clone();
        Self {
            adult: spec.adult,
            channels: spec.channels,
            groups: spec.groups,
            identity: spec.identity,
            max_streams: spec.max_streams,
            on_limit: spec.on_limit,
            playlist_url: format!("{}t/{}/playlist.m3u", base.0, user.stream_key),
            same_channel_free: spec.same_channel_free,
            priority: spec.priority,
            tier: spec.tier,
            changed_at: user.changed_at,
            created_at: user.created_at,
            disabled: spec.disabled,
            expires_at: spec.expires_at,
            has_password: user.password.is_some(),
            id: user.id.0,
            name: spec.name,
            role: spec.role,
        }
    }
}

/// `GET /api/users`
pub(in crate::http) async fn list(state: State, base: Base) -> Json<UserList> {
    let users = state.accounts.people().users();
    Json(UserList { users: users.iter().map(|user| UserDocument::new(user, &base)).collect() })
}

/// `GET /api/users/{id}`
pub(in crate::http) async fn one(
    state: State,
    base: Base,
    Number(id): Number,
) -> Result<Json<UserDocument>, ApiError> {
    let people = state.accounts.people();
    let user = people.user(UserId(id)).ok_or(Refusal::Unknown { what: "user", id })?;
    Ok(Json(UserDocument::new(user, &base)))
}

/// `POST /api/users`
pub(in crate::http) async fn create(
    state: State,
    By(actor): By,
    base: Base,
    JsonBody(fields): JsonBody<UserFields>,
) -> Result<Response, ApiError> {
    let user = state.accounts.create_user(&actor, UserChange::new(fields.into_words())?).await?;
    let location = [(header::LOCATION, format!("/api/users/{}", user.id.0))];
    Ok((StatusCode::CREATED, location, Json(UserDocument::new(&user, &base))).into_response())
}

/// `PATCH /api/users/{id}`: what is not named stays; `null` takes away (RFC 7396).
pub(in crate::http) async fn change(
    state: State,
    By(actor): By,
    base: Base,
    Number(id): Number,
    JsonBody(fields): JsonBody<UserFields>,
) -> Result<Json<UserDocument>, ApiError> {
    let user = state.accounts.change_user(&actor, UserId(id), fields.into_words()).await?;
    Ok(Json(UserDocument::new(&user, &base)))
}

/// `DELETE /api/users/{id}`
pub(in crate::http) async fn remove(
    state: State,
    By(actor): By,
    Number(id): Number,
) -> Result<StatusCode, ApiError> {
    state.accounts.remove_user(&actor, UserId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/users/{id}/stream-key`: the addresses that the user has end, and there are others.
pub(in crate::http) async fn renew_stream_key(
    state: State,
    By(actor): By,
    Number(id): Number,
) -> Result<StatusCode, ApiError> {
    state.accounts.renew_stream_key(&actor, UserId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
