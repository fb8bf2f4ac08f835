//! `/api/streaming`: tokens of streams, in the shapes of the documents that fix these routes.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::{IntoResponse, Response};
use forebay_relay::channel::Found;
use http::request::Parts;
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::State;
use super::admission::household;
use super::auth::Watching;
use super::extract::{Client, JsonBody, JsonRequest};
use super::live;
use super::query::Query;
use crate::accounts::{Actor, Maker, Refusal, Watcher};
use crate::catalogue::BEGINNING;
use crate::db;
use crate::db::stream_tokens::{StreamToken, TokenId, TokenSpec};
use crate::db::users::Role;

/// The longest title, in bytes.
const MAX_TITLE: usize = 256;

/// A token that is wanted: of a channel, of a group, or of the channel that an address names.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenFields {
    /// A channel, by id or number.
    channel: Option<String>,
    /// A group, whose channels may all be watched.
    group: Option<String>,
    /// The address of a channel, as in a list.
    video_url: Option<String>,
    /// What people call it.
    title: Option<String>,
    /// Whether only the household that asks may use it.
    #[serde(default)]
    bind_ip: bool,
    /// Whether only a player with the `User-Agent` that asks may use it.
    #[serde(default)]
    bind_user_agent: bool,
    /// Whether it is good for one stream.
    #[serde(default)]
    single_use: bool,
}

impl JsonRequest for TokenFields {
    const EXAMPLE: &'static str = r#"{"channel": "sport-tv"}"#;
}

/// A token that was made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenMade {
    /// In UTC (RFC 3339).
    #[schema(value_type = String)]
    expires_at: Timestamp,
    message: &'static str,
    /// Where it plays.
    stream_url: String,
    /// It is shown now and never again.
    token: String,
}

/// A token that lives on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenRefreshed {
    /// In UTC (RFC 3339).
    #[schema(value_type = String)]
    expires_at: Timestamp,
    message: &'static str,
}

/// What was done.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    message: &'static str,
}

/// The tokens of whoever asks that are good now.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenList {
    count: usize,
    tokens: Vec<TokenEntry>,
}

/// A token, without itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenEntry {
    channel: Option<String>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    expires_at: Timestamp,
    group: Option<String>,
    id: i64,
    title: Option<String>,
}

/// The answer to a request that is refused, in the shape of these routes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamingError {
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    retry_after: Option<u64>,
    /// For programs.
    code: &'static str,
    /// For people.
    error: String,
}

impl StreamingError {
    fn new(status: StatusCode, code: &'static str, error: impl Into<String>) -> Self {
        Self { status, retry_after: None, error: error.into(), code }
    }

    fn invalid(error: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION_FAILED", error)
    }

    /// The channels cannot be read now.
    fn database(error: &db::Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "DATABASE_UNAVAILABLE", error.to_string())
    }

    fn unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "TOKEN_NOT_FOUND", "there is no such token, or it is over")
    }
}

impl IntoResponse for StreamingError {
    fn into_response(self) -> Response {
        let (status, after) = (self.status, self.retry_after);
        // Pages of other origins may read why, as with every other error.
        let fields = [(header::CACHE_CONTROL, "no-store"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
        let mut response = (status, fields, Json(self)).into_response();
        if let Some(after) = after {
            response.headers_mut().insert(header::RETRY_AFTER, after.into());
        }
        response
    }
}

impl From<Refusal> for StreamingError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::TooManyTokens { span, .. } => {
                let (code, after) = match span {
                    "in a day" => ("SUBSCRIPTION_LIMIT_EXCEEDED", 3600),
                    "in an hour" => ("RATE_LIMIT_EXCEEDED", 600),
                    _ => ("RATE_LIMIT_EXCEEDED", 60),
                };
                let error = Self::new(StatusCode::TOO_MANY_REQUESTS, code, message);
                Self { retry_after: Some(after), ..error }
            }
            Refusal::Unknown { .. } => Self::unknown(),
            _ => Self::new(StatusCode::SERVICE_UNAVAILABLE, "DATABASE_UNAVAILABLE", message),
        }
    }
}

/// `POST /api/streaming/token`
pub(super) async fn create(
    state: State,
    client: Client,
    JsonBody(fields): JsonBody<TokenFields>,
) -> Result<Response, StreamingError> {
    let home = household(client.address);
    let maker = client.watching.watcher.maker(home);
    let forbidden = |error| StreamingError::new(StatusCode::FORBIDDEN, "FORBIDDEN", error);
    let (maker, tier) = maker.ok_or_else(|| forbidden("a token makes no token"))?;
    let (channel, group) = target(&state, &client.watching.watcher, &fields).await?;
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > MAX_TITLE);
    if is_long(&fields.title) || is_long(&group) {
        return Err(StreamingError::invalid("the title or the group is too long"));
    }
    // Whoever is at home may let others at home watch, and nobody elsewhere.
    let is_bound = fields.bind_ip || matches!(maker, Maker::Household(_));
    let spec = TokenSpec {
        channel,
        group,
        title: fields.title,
        household: is_bound.then_some(home),
        agent: fields.bind_user_agent.then(|| client.agent.to_string()),
        single_use: fields.single_use,
    };
    let made = state.accounts.create_token(maker, tier, spec).await?;
    let token = made.text.reveal().to_owned();
    let answer = TokenMade {
        message: "Stream token created",
        stream_url: format!("/api/streaming/stream/{token}"),
        token,
        expires_at: made.token.expires_at,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// What a token is to be good for: a channel, or a group.
async fn target(
    state: &State,
    watcher: &Watcher,
    fields: &TokenFields,
) -> Result<(Option<String>, Option<String>), StreamingError> {
    let named = fields.channel.clone().or_else(|| channel_of(fields.video_url.as_deref()?));
    let adult = state.accounts.adult_groups();
    match (named, &fields.group) {
        (Some(id), None) => match look_up(state, &id).await? {
            Some(Found { channel, .. }) if watcher.may_watch(&channel, &adult) => {
                Ok((Some(channel.id.as_str().to_owned()), None))
            }
            _ => Err(StreamingError::new(
                StatusCode::NOT_FOUND,
                "CHANNEL_NOT_FOUND",
                "there is no such channel",
            )),
        },
        (None, Some(group)) => {
            let (watcher, wanted) = (watcher.clone(), group.clone());
            // All that is listed is looked at.
            let list = state.catalogue.list();
            let read = list.read(move |list, connection| {
                let (mut is_there, mut is_allowed) = (false, true);
                list.walk(connection, BEGINNING, |entry| {
                    if entry.group.is_some_and(|own| own.eq_ignore_ascii_case(&wanted)) {
                        is_there = true;
                        is_allowed = watcher.may_watch_one(entry.id, entry.group, &adult);
                    }
                    is_allowed
                })?;
                Ok(is_there && is_allowed)
            });
            let is_allowed = read.await.map_err(|error| StreamingError::database(&error))?;
            let unknown =
                || StreamingError::new(StatusCode::NOT_FOUND, "GROUP_NOT_FOUND", "there is no such group");
            if is_allowed { Ok((None, Some(group.clone()))) } else { Err(unknown()) }
        }
        _ => Err(StreamingError::invalid("name one of channel, group and videoUrl")),
    }
}

/// The channel that an address of ours names: `/stream/one.ts`, `/api/proxy/channel/1/hls`.
fn channel_of(text: &str) -> Option<String> {
    let base = Url::parse("http://forebay/").expect("it is an address");
    let url = base.join(text).ok()?;
    let path = url.path();
    let behind = |prefix| path.find(prefix).map(|at| &path[at + str::len(prefix)..]);
    let rest = behind("/stream/").or_else(|| behind("/api/proxy/channel/"))?;
    let id = rest.split('/').next().filter(|id| !id.is_empty())?;
    Some(id.strip_suffix(".ts").unwrap_or(id).to_owned())
}

/// The token that `{token}` in the path is, or whose number that is, of whoever asks; an admin's
/// are all.
#[derive(Debug)]
pub(super) struct Own {
    id: TokenId,
    actor: Actor,
}

impl FromRequestParts<State> for Own {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(IntoResponse::into_response)?;
        let text = params.iter().find(|(name, _)| *name == "token").map_or("", |(_, text)| text);
        let client = Client::from_request_parts(parts, state).await?;
        let people = state.accounts.people();
        let token = match text.parse() {
            Ok(id) => people.token_of(TokenId(id)),
            Err(_) => people.token(text, Timestamp::now()),
        };
        let home = household(client.address);
        let watcher = &client.watching.watcher;
        let is_admin = matches!(watcher, Watcher::User(user, _) if user.spec.role == Role::Admin);
        let maker = watcher.maker(home).map(|(maker, _)| maker.to_string());
        let token = token.filter(|token| is_admin || maker.as_ref() == Some(&token.owner));
        let token = token.ok_or_else(|| StreamingError::unknown().into_response())?;
        let actor = match watcher {
            Watcher::User(user, _) => Actor::User(Arc::clone(user)),
            Watcher::Key(key) => Actor::Key(Arc::clone(key)),
            Watcher::Anybody | Watcher::Token(_) => Actor::Address(client.address),
        };
        Ok(Self { id: token.id, actor })
    }
}

/// `POST /api/streaming/token/{token}/refresh`
pub(super) async fn refresh(state: State, own: Own) -> Result<Json<TokenRefreshed>, StreamingError> {
    let token = state.accounts.refresh_token(own.id).await?;
    Ok(Json(TokenRefreshed { message: "Token refreshed", expires_at: token.expires_at }))
}

/// `DELETE /api/streaming/token/{token}`: whoever watches by it ends.
pub(super) async fn revoke(state: State, own: Own) -> Result<Json<Done>, StreamingError> {
    state.accounts.revoke_token(&own.actor, own.id).await?;
    Ok(Json(Done { message: "Token revoked" }))
}

/// `GET /api/streaming/tokens`
pub(super) async fn list(state: State, client: Client) -> Json<TokenList> {
    let maker = client.watching.watcher.maker(household(client.address));
    let tokens = maker.map_or_else(Vec::new, |(maker, _)| state.accounts.tokens_of(maker));
    let tokens: Vec<TokenEntry> = tokens.iter().map(|token| TokenEntry::from(&**token)).collect();
    Json(TokenList { count: tokens.len(), tokens })
}

impl From<&StreamToken> for TokenEntry {
    fn from(token: &StreamToken) -> Self {
        let TokenSpec { channel, group, title, .. } = token.spec.clone();
        let StreamToken { id, created_at, expires_at, .. } = *token;
        Self { id: id.0, channel, group, title, created_at, expires_at }
    }
}

/// `GET /api/streaming/stream/{token}`
pub(super) async fn stream(
    state: State,
    watching: Watching,
    query: Query,
    client: Client,
) -> Result<Response, Response> {
    let found = find(&state, &watching, &query).await.map_err(IntoResponse::into_response)?;
    live::watch_channel(state, found, query, client).await.map_err(IntoResponse::into_response)
}

/// `HEAD`: nothing is opened.
pub(super) async fn head(state: State, watching: Watching, query: Query) -> Result<Response, Response> {
    find(&state, &watching, &query).await.map_err(IntoResponse::into_response)?;
    Ok(live::answer_to_head())
}

/// The channel with this id or number.
async fn look_up(state: &State, id: &str) -> Result<Option<Found>, StreamingError> {
    state.catalogue.find_by_id_or_number(id).await.map_err(|error| StreamingError::database(&error))
}

async fn find(state: &State, watching: &Watching, query: &Query) -> Result<Found, StreamingError> {
    let Watcher::Token(holder) = &watching.watcher else { return Err(StreamingError::unknown()) };
    let asked = query.value("channel").map(std::borrow::Cow::into_owned);
    let id = holder.token.spec.channel.clone().or(asked);
    let id = id.ok_or_else(|| StreamingError::invalid("the token is for a group: name a ?channel="))?;
    let found = look_up(state, &id).await?;
    let adult = state.accounts.adult_groups();
    let found = found.filter(|found| watching.watcher.may_watch(&found.channel, &adult));
    found.ok_or_else(|| {
        StreamingError::new(StatusCode::NOT_FOUND, "CHANNEL_NOT_FOUND", "there is no such channel")
    })
}
