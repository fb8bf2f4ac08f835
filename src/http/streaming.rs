//! `/api/streaming`: tokens of streams, in the shapes of the documents that fix these routes.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use forebay_relay::channel::Found;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::State;
use super::admission::household;
use super::auth::Watching;
use super::error::ApiError;
use super::extract::{Client, JsonBody, JsonRequest};
use super::query::Query;
use super::tally::Count;
use super::{films, live};
use crate::accounts::{Actor, Maker, Proof, Refusal, Watcher};
use crate::catalogue::BEGINNING;
use crate::db;
use crate::db::stream_tokens::{StreamToken, TokenId, TokenSpec};
use crate::db::users::Role;
use crate::films::Video;

/// The longest title, in bytes.
const MAX_TITLE: usize = 256;

/// A token that is wanted: of a channel, a film or a group, or of what an address names.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenFields {
    /// A channel, by id or number.
    channel: Option<String>,
    /// A film, by id.
    film: Option<String>,
    /// A group, whose channels and films may all be watched.
    group: Option<String>,
    /// The address of a channel, as in a list, or of a film.
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
    film: Option<String>,
    group: Option<String>,
    id: i64,
    /// Who made it: `user:7`, `key:3`, or the address of a household.
    owner: String,
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

    fn no_channel() -> Self {
        Self::new(StatusCode::NOT_FOUND, "CHANNEL_NOT_FOUND", "there is no such channel or film")
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

/// Counts the requests of a user or a program, and refuses those that are too many, in the shape of
/// these routes. What others have done from the same address is another matter.
pub(super) async fn count_owner(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
    next: Next,
) -> Response {
    let owner = request.extensions().get::<Watching>().and_then(|watching| watching.watcher.owner());
    let server = &state.config().server;
    let Some(rate) = owner.and_then(|owner| state.guards.rates.count_known(server, owner)) else {
        return next.run(request).await;
    };
    let mut response = match rate.excess() {
        None => next.run(request).await,
        Some((limit, wait)) => {
            state.tally.note(Count::RequestsRefused);
            let message = format!("you have made your {limit} requests of this minute");
            let error = StreamingError::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED", message);
            StreamingError { retry_after: Some(wait), ..error }.into_response()
        }
    };
    rate.tell(response.headers_mut());
    response
}

/// `POST /api/streaming/token`
pub(super) async fn create(
    state: State,
    client: Client,
    body: Result<JsonBody<TokenFields>, ApiError>,
) -> Result<Response, StreamingError> {
    let JsonBody(fields) = match body {
        Ok(body) => body,
        // What is wrong with the words of a request is told in the shape of these routes.
        Err(error) if error.status == StatusCode::BAD_REQUEST => {
            return Err(StreamingError::invalid(&error.message));
        }
        Err(error) => return Ok(error.into_response()),
    };
    let home = household(client.address);
    let maker = client.watching.watcher.maker(home);
    let forbidden = |error| StreamingError::new(StatusCode::FORBIDDEN, "FORBIDDEN", error);
    let (maker, tier) = maker.ok_or_else(|| forbidden("a token makes no token"))?;
    let target = target(&state, &client.watching, &fields).await?;
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > MAX_TITLE);
    if is_long(&fields.title) || is_long(&fields.group) {
        return Err(StreamingError::invalid("the title or the group is too long"));
    }
    // Whoever is at home may let others at home watch, and nobody elsewhere.
    let is_bound = fields.bind_ip || matches!(maker, Maker::Household(_));
    let (channel, film, group) = match target {
        Target::Channel(id) => (Some(id), None, None),
        Target::Film(id) => (None, Some(id), None),
        Target::Group(name) => (None, None, Some(name)),
    };
    let spec = TokenSpec {
        channel,
        film,
        group,
        title: fields.title,
        household: is_bound.then_some(home),
        agent: fields.bind_user_agent.then(|| client.agent.to_string()),
        single_use: fields.single_use,
    };
    let made = state.accounts.create_token(maker, tier, spec).await.inspect_err(|refusal| {
        if matches!(refusal, Refusal::TooManyTokens { .. }) {
            state.tally.note(Count::TokensRefused);
        }
    })?;
    state.tally.note(Count::TokensMade);
    let token = made.text.reveal().to_owned();
    let answer = TokenMade {
        message: "Stream token created",
        stream_url: format!("/api/streaming/stream/{token}"),
        token,
        expires_at: made.token.expires_at,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// What a token is to be good for.
enum Target {
    /// A channel, by its id.
    Channel(String),
    /// A film, by its id.
    Film(String),
    Group(String),
}

impl Target {
    /// What an address of ours names: `/stream/one.ts`, `/api/proxy/channel/1/hls`,
    /// `/hls/{uuid}/master.m3u8`. A film may have the address of a channel.
    fn of_url(text: &str) -> Option<Self> {
        let base = Url::parse("http://forebay/").expect("it is an address");
        let url = base.join(text).ok()?;
        let path = url.path();
        let behind = |prefix| {
            let rest = path.find(prefix).map(|at| &path[at + str::len(prefix)..])?;
            rest.split('/').next().filter(|id| !id.is_empty())
        };
        if let Some(id) = behind("/stream/").or_else(|| behind("/api/proxy/channel/")) {
            return Some(Self::Channel(id.strip_suffix(".ts").unwrap_or(id).to_owned()));
        }
        behind("/hls/").or_else(|| behind("/dash/")).map(|id| Self::Film(id.to_owned()))
    }

    /// What a request names, if it names one thing.
    fn of(fields: &TokenFields) -> Option<Self> {
        let TokenFields { channel, film, group, video_url, .. } = fields;
        match (channel, film, group, video_url) {
            (Some(id), None, None, _) => Some(Self::Channel(id.clone())),
            (None, Some(id), None, _) => Some(Self::Film(id.clone())),
            (None, None, Some(name), None) => Some(Self::Group(name.clone())),
            (None, None, None, Some(url)) => Self::of_url(url),
            _ => None,
        }
    }
}

/// What a token is to be good for, if whoever asks may watch it.
async fn target(state: &State, watching: &Watching, fields: &TokenFields) -> Result<Target, StreamingError> {
    let invalid = || StreamingError::invalid("name one of channel, film, group and videoUrl");
    match Target::of(fields).ok_or_else(invalid)? {
        Target::Channel(id) => channel_or_film(state, watching, &id).await,
        Target::Film(id) => film(state, watching, &id).ok_or_else(StreamingError::no_channel),
        Target::Group(name) => group(state, &watching.watcher, name).await,
    }
}

async fn channel_or_film(state: &State, watching: &Watching, id: &str) -> Result<Target, StreamingError> {
    match look_up(state, id).await? {
        Some(Found { channel, .. })
            if watching.watcher.may_watch(&channel, &state.accounts.adult_groups()) =>
        {
            Ok(Target::Channel(channel.id.as_str().to_owned()))
        }
        Some(_) => Err(StreamingError::no_channel()),
        None => film(state, watching, id).ok_or_else(StreamingError::no_channel),
    }
}

fn film(state: &State, watching: &Watching, id: &str) -> Option<Target> {
    let video = films::find(state, id).ok()?;
    state.sight(watching).sees_film(&video).then(|| Target::Film(video.id.to_string()))
}

/// A group whose channels and films whoever asks may all watch.
async fn group(state: &State, watcher: &Watcher, name: String) -> Result<Target, StreamingError> {
    let (watcher, wanted, adult) = (watcher.clone(), name.clone(), state.accounts.adult_groups());
    let is_wanted = |own: &str| own.eq_ignore_ascii_case(&name);
    let videos = state.films.library.videos();
    let mut films = videos.all().iter().filter(|video| video.groups.iter().any(|own| is_wanted(own)));
    let has_film = films.clone().next().is_some();
    let may_watch_films =
        films.all(|video| watcher.may_watch_one(&video.id.to_string(), &video.groups, &adult));
    // All that is listed is looked at.
    let list = state.catalogue.list();
    let read = list.read(move |list, connection| {
        let (mut is_there, mut is_allowed) = (false, true);
        list.walk(connection, BEGINNING, |entry| {
            if entry.group.is_some_and(|own| own.eq_ignore_ascii_case(&wanted)) {
                is_there = true;
                is_allowed = watcher.may_watch_one(entry.id, entry.group.as_slice(), &adult);
            }
            is_allowed
        })?;
        Ok((is_there, is_allowed))
    });
    let (has_channel, may_watch_channels) = read.await.map_err(|error| StreamingError::database(&error))?;
    if (has_channel || has_film) && may_watch_channels && may_watch_films {
        return Ok(Target::Group(name));
    }
    Err(StreamingError::new(StatusCode::NOT_FOUND, "GROUP_NOT_FOUND", "there is no such group"))
}

/// The token that `{token}` in the path is, or whose number that is, of whoever asks; an admin's
/// are all.
#[derive(Debug)]
pub(super) struct Own {
    id: TokenId,
    actor: Actor,
}

/// Whether it is an admin who is signed in. A stream key, which stands in addresses, is not enough.
fn is_admin(watcher: &Watcher) -> bool {
    matches!(watcher, Watcher::User(user, Proof::Account) if user.spec.role == Role::Admin)
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
        let maker = watcher.maker(home).map(|(maker, _)| maker.to_string());
        let token = token.filter(|token| is_admin(watcher) || maker.as_ref() == Some(&token.owner));
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
    state.tally.note(Count::TokensRefreshed);
    Ok(Json(TokenRefreshed { message: "Token refreshed", expires_at: token.expires_at }))
}

/// `DELETE /api/streaming/token/{token}`: whoever watches by it ends.
pub(super) async fn revoke(state: State, own: Own) -> Result<Json<Done>, StreamingError> {
    state.accounts.revoke_token(&own.actor, own.id).await?;
    state.tally.note(Count::TokensRevoked);
    Ok(Json(Done { message: "Token revoked" }))
}

/// `GET /api/streaming/tokens`
pub(super) async fn list(state: State, query: Query, client: Client) -> Json<TokenList> {
    let watcher = &client.watching.watcher;
    let wants_all = query.value("all").is_some_and(|all| all == "true");
    let tokens = if wants_all && is_admin(watcher) {
        state.accounts.all_tokens()
    } else {
        let maker = watcher.maker(household(client.address));
        maker.map_or_else(Vec::new, |(maker, _)| state.accounts.tokens_of(maker))
    };
    let tokens: Vec<TokenEntry> = tokens.iter().map(|token| TokenEntry::from(&**token)).collect();
    Json(TokenList { count: tokens.len(), tokens })
}

impl From<&StreamToken> for TokenEntry {
    fn from(token: &StreamToken) -> Self {
        let TokenSpec { channel, film, group, title, .. } = token.spec.clone();
        let StreamToken { id, created_at, expires_at, .. } = *token;
        let owner = token.owner.clone();
        Self { id: id.0, channel, film, group, owner, title, created_at, expires_at }
    }
}

/// `GET /api/streaming/stream/{token}`
pub(super) async fn stream(
    state: State,
    watching: Watching,
    query: Query,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, Response> {
    match find(&state, &watching, &query).await.map_err(IntoResponse::into_response)? {
        Playable::Channel(found) => live::watch_channel(state, found, query, client).await,
        Playable::Film(video) => films::send(&state, &video, &client, &Method::GET, &headers).await,
    }
    .map_err(IntoResponse::into_response)
}

/// `HEAD`: nothing is opened.
pub(super) async fn head(
    state: State,
    watching: Watching,
    query: Query,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, Response> {
    match find(&state, &watching, &query).await.map_err(IntoResponse::into_response)? {
        Playable::Channel(_) => Ok(live::answer_to_head()),
        Playable::Film(video) => {
            let answer = films::send(&state, &video, &client, &Method::HEAD, &headers).await;
            answer.map_err(IntoResponse::into_response)
        }
    }
}

/// What a token plays.
enum Playable {
    Channel(Found),
    Film(Arc<Video>),
}

/// The channel with this id or number.
async fn look_up(state: &State, id: &str) -> Result<Option<Found>, StreamingError> {
    state.catalogue.find_by_id_or_number(id).await.map_err(|error| StreamingError::database(&error))
}

async fn find(state: &State, watching: &Watching, query: &Query) -> Result<Playable, StreamingError> {
    let Watcher::Token(holder) = &watching.watcher else { return Err(StreamingError::unknown()) };
    let TokenSpec { channel, film, .. } = &holder.token.spec;
    let asked = |key| query.value(key).map(std::borrow::Cow::into_owned);
    if let Some(id) = film.clone().or_else(|| asked("film")) {
        let video = films::find(state, &id).ok().filter(|video| state.sight(watching).sees_film(video));
        return video.map(Playable::Film).ok_or_else(StreamingError::no_channel);
    }
    let id = channel.clone().or_else(|| asked("channel"));
    let id =
        id.ok_or_else(|| StreamingError::invalid("the token is for a group: name a ?channel= or a ?film="))?;
    let adult = state.accounts.adult_groups();
    let found = look_up(state, &id).await?;
    let found = found.filter(|found| watching.watcher.may_watch(&found.channel, &adult));
    found.map(Playable::Channel).ok_or_else(StreamingError::no_channel)
}
