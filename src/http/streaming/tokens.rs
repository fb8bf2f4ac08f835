//! Tokens of streams.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::{IntoResponse, Response};
use forebay_relay::channel::ListedChannel;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::body;
use super::error::StreamingError;
use super::owner::{actor, is_admin};
use crate::accounts::{Actor, Maker, Refusal, Watcher};
use crate::catalogue::BEGINNING;
use crate::db::stream_tokens::{StreamToken, TokenId, TokenSpec};
use crate::films::Video;
use crate::http::State;
use crate::http::admission::household;
use crate::http::auth::Watching;
use crate::http::error::ApiError;
use crate::http::extract::{Client, JsonBody, JsonRequest};
use crate::http::query::Query;
use crate::http::resolve;
use crate::http::tally::Count;
use crate::http::{films, live};
use crate::page_jobs::read_page;
use crate::reels::Key;

/// The longest title, in bytes.
const MAX_TITLE: usize = 256;

/// A token that is wanted: of a channel, a film or a group, or of what an address names.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct TokenFields {
    /// A channel, by id or number.
    channel: Option<String>,
    /// A film, by id.
    film: Option<String>,
    /// A group, whose channels and films may all be watched.
    group: Option<String>,
    /// The address of a channel, as in a list, or of a film, or of a page of a video platform.
    video_url: Option<String>,
    /// Of a page, the form: what the platform calls it, as an analysis tells; the best one that is a
    /// file unless given.
    format_id: Option<String>,
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
pub(in crate::http) struct TokenMade {
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
pub(in crate::http) struct TokenRefreshed {
    /// In UTC (RFC 3339).
    #[schema(value_type = String)]
    expires_at: Timestamp,
    message: &'static str,
}

/// What was done.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Done {
    pub(super) message: &'static str,
}

/// The tokens of whoever asks that are good now.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TokenList {
    count: usize,
    tokens: Vec<TokenEntry>,
}

/// A token, without itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct TokenEntry {
    channel: Option<String>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    expires_at: Timestamp,
    film: Option<String>,
    /// Of a page, what the platform calls its form.
    #[schema(required)]
    format_id: Option<String>,
    group: Option<String>,
    id: i64,
    /// Who made it: `user:7`, `key:3`, or the address of a household.
    owner: String,
    title: Option<String>,
    /// The address of a page of a video platform.
    #[schema(required)]
    video_url: Option<String>,
}

/// `POST /api/streaming/token`
pub(in crate::http) async fn create(
    state: State,
    client: Client,
    given: Result<JsonBody<TokenFields>, ApiError>,
) -> Result<Response, Response> {
    let made = make(&state, &client, body(given)?).await.map_err(IntoResponse::into_response)?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(made)).into_response())
}

async fn make(state: &State, client: &Client, fields: TokenFields) -> Result<TokenMade, StreamingError> {
    let home = household(client.address);
    let maker = client.watching.watcher.maker(home);
    let forbidden = |error| StreamingError::new(StatusCode::FORBIDDEN, "FORBIDDEN", error);
    let (maker, tier) = maker.ok_or_else(|| forbidden("a token makes no token"))?;
    let target = target(state, client, &fields).await?;
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > MAX_TITLE);
    if is_long(&fields.title) || is_long(&fields.group) {
        return Err(StreamingError::invalid("the title or the group is too long"));
    }
    // Whoever is at home may let others at home watch, and nobody elsewhere.
    let is_bound = fields.bind_ip || matches!(maker, Maker::Household(_));
    let mut spec = TokenSpec {
        title: fields.title,
        household: is_bound.then_some(home),
        agent: fields.bind_user_agent.then(|| client.agent.to_string()),
        single_use: fields.single_use,
        ..TokenSpec::default()
    };
    match target {
        Target::Channel(id) => spec.channel = Some(id),
        Target::Film(id) => spec.film = Some(id),
        Target::Group(name) => spec.group = Some(name),
        Target::Page(Key { page, format }) => {
            (spec.page, spec.format) = (Some(page.to_string()), Some(format));
        }
    }
    let made = state.accounts.create_token(maker, tier, spec).await.inspect_err(|refusal| {
        if matches!(refusal, Refusal::TooManyTokens { .. }) {
            state.tally.note(Count::TokensRefused);
        }
    })?;
    state.tally.note(Count::TokensMade);
    let token = made.text.reveal().to_owned();
    Ok(TokenMade {
        message: "Stream token created",
        stream_url: format!("/api/streaming/stream/{token}"),
        token,
        expires_at: made.token.expires_at,
    })
}

/// What a token is to be good for.
enum Target {
    /// A channel, by its id.
    Channel(String),
    /// A film, by its id.
    Film(String),
    Group(String),
    /// A form of a page of a video platform.
    Page(Key),
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
async fn target(state: &State, client: &Client, fields: &TokenFields) -> Result<Target, StreamingError> {
    let watching = &client.watching;
    if let TokenFields { channel: None, film: None, group: None, video_url: Some(url), format_id, .. } =
        fields
        && let Some(page) = resolve::page_at(url)
    {
        let file = resolve::find_file(state, client, page?, format_id.as_deref()).await?;
        return Ok(Target::Page(file.key));
    }
    let invalid = || StreamingError::invalid("name one of channel, film, group and videoUrl");
    match Target::of(fields).ok_or_else(invalid)? {
        Target::Channel(id) => channel_or_film(state, watching, &id).await,
        Target::Film(id) => film(state, watching, &id).ok_or_else(StreamingError::no_channel),
        Target::Group(name) => group(state, &watching.watcher, name).await,
        page @ Target::Page(_) => Ok(page),
    }
}

async fn channel_or_film(state: &State, watching: &Watching, id: &str) -> Result<Target, StreamingError> {
    match look_up(state, id).await? {
        Some(ListedChannel { channel, .. })
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
pub(in crate::http) struct Own {
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
        let maker = watcher.maker(home).map(|(maker, _)| maker.to_string());
        let token = token.filter(|token| is_admin(watcher) || maker.as_ref() == Some(&token.owner));
        let token = token.ok_or_else(|| StreamingError::unknown().into_response())?;
        let id = token.id;
        Ok(Self { id, actor: actor(&client) })
    }
}

/// `POST /api/streaming/token/{token}/refresh`
pub(in crate::http) async fn refresh(state: State, own: Own) -> Result<Json<TokenRefreshed>, StreamingError> {
    let token = state.accounts.refresh_token(own.id).await?;
    state.tally.note(Count::TokensRefreshed);
    Ok(Json(TokenRefreshed { message: "Token refreshed", expires_at: token.expires_at }))
}

/// `DELETE /api/streaming/token/{token}`: whoever watches by it ends.
pub(in crate::http) async fn revoke(state: State, own: Own) -> Result<Json<Done>, StreamingError> {
    state.accounts.revoke_token(&own.actor, own.id).await?;
    state.tally.note(Count::TokensRevoked);
    Ok(Json(Done { message: "Token revoked" }))
}

/// `GET /api/streaming/tokens`
pub(in crate::http) async fn list(state: State, query: Query, client: Client) -> Json<TokenList> {
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
        let TokenSpec { channel, film, group, title, page, format, .. } = token.spec.clone();
        let StreamToken { id, created_at, expires_at, .. } = *token;
        let owner = token.owner.clone();
        let video_url = page.and_then(|page| Some(read_page(&page)?.address()));
        let format_id = format;
        Self { id: id.0, channel, film, format_id, group, owner, title, video_url, created_at, expires_at }
    }
}

/// `GET /api/streaming/stream/{token}`
pub(in crate::http) async fn stream(
    state: State,
    watching: Watching,
    query: Query,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, Response> {
    match find(&state, &watching, &query).await.map_err(IntoResponse::into_response)? {
        Playable::Channel(found) => live::watch_channel(state, found, query, client).await,
        Playable::Film(video) => films::send(&state, &video, &client, &Method::GET, &headers).await,
        Playable::Page(file) => return send_page(&state, file, &client, (&Method::GET, &headers)).await,
    }
    .map_err(IntoResponse::into_response)
}

/// A form of a page, as a file.
async fn send_page(
    state: &State,
    file: Key,
    client: &Client,
    (method, headers): (&Method, &HeaderMap),
) -> Result<Response, Response> {
    let send = async {
        let file = resolve::find_file(state, client, file.page, Some(&file.format)).await?;
        resolve::send_file(state, &file, client, (method, headers)).await
    };
    send.await.map_err(|refused| StreamingError::from(refused).into_response())
}

/// `HEAD`: nothing is opened.
pub(in crate::http) async fn head(
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
        Playable::Page(file) => send_page(&state, file, &client, (&Method::HEAD, &headers)).await,
    }
}

/// What a token plays.
enum Playable {
    Channel(ListedChannel),
    Film(Arc<Video>),
    Page(Key),
}

/// The channel with this id or number.
async fn look_up(state: &State, id: &str) -> Result<Option<ListedChannel>, StreamingError> {
    state.catalogue.find_by_id_or_number(id).await.map_err(|error| StreamingError::database(&error))
}

async fn find(state: &State, watching: &Watching, query: &Query) -> Result<Playable, StreamingError> {
    let Watcher::Token(holder) = &watching.watcher else { return Err(StreamingError::unknown()) };
    let TokenSpec { channel, film, page, format, .. } = &holder.token.spec;
    if let Some((page, format)) = page.as_ref().zip(format.as_ref()) {
        let page = read_page(page).ok_or_else(StreamingError::no_channel)?;
        return Ok(Playable::Page(Key { page, format: format.clone() }));
    }
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
