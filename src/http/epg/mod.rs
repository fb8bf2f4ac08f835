//! The guide: as XMLTV for players (`document`), and as JSON for pages and programs.

mod document;

use std::panic::resume_unwind;
use std::sync::Arc;

use axum::Json;
use forebay_core::guide::Tag;
use forebay_core::guide::details::Details;
use forebay_core::guide::document::id as guide_id;
use forebay_core::lineup::UnixTime;
use forebay_core::lineup::names::fold;
use forebay_relay::channel::ListedChannel;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use tokio::task::{JoinError, spawn_blocking};
use tracing::warn;
use utoipa::ToSchema;

pub(super) use self::document::{packed, xml, xmltv};
use super::State;
use super::auth::Watching;
use super::error::ApiError;
use super::extract::{ById, Named};
use super::query::Query;
use crate::catalogue::{BEGINNING, Search};
use crate::guide::{Airing, Error, GuideStatus, Snapshot, Suggested, Wanted};

/// Channels that one answer tells of.
const MAX_CHANNELS: usize = 500;

/// Likewise, unless more are asked for.
const DEFAULT_CHANNELS: usize = 100;

/// Programmes that one answer has of a channel: two weeks of music videos have fewer.
pub(super) const MAX_PROGRAMMES: usize = 5_000;

/// Programmes that a search finds.
const MAX_FOUND: usize = 200;

/// The shortest text that is searched for, in bytes.
const MIN_TEXT: usize = 2;

/// A day, in seconds.
pub(super) const DAY: i64 = 24 * 3600;

/// A programme.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProgrammeDocument {
    categories: Vec<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Its number as people write it, or as the guide has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    episode: Option<String>,
    is_new: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rating: Option<String>,
    /// When it begins.
    #[schema(value_type = String)]
    start: Timestamp,
    /// When it ends.
    #[schema(value_type = String)]
    stop: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_title: Option<String>,
    title: String,
}

/// What is on one channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NowDocument {
    /// The id of the channel.
    channel: String,
    /// Its id in our guide.
    #[serde(skip_serializing_if = "Option::is_none")]
    guide_id: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<ProgrammeDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<ProgrammeDocument>,
}

/// What is on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NowList {
    channels: Vec<NowDocument>,
    /// There are more programmes than one answer may have: those of the last channels are missing.
    is_cut: bool,
    /// All channels that match.
    total: usize,
}

/// The programmes of a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelGuide {
    /// The id of the channel.
    channel: String,
    /// There are more programmes than one answer may have: the last ones are missing.
    is_cut: bool,
    programmes: Vec<ProgrammeDocument>,
}

/// A programme that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FoundProgramme {
    /// The id of the channel.
    channel: String,
    #[serde(flatten)]
    programme: ProgrammeDocument,
}

/// Programmes that were found, in the order of time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FoundProgrammes {
    programmes: Vec<FoundProgramme>,
}

/// How a guide is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GuideDocument {
    channels: u64,
    /// Why it could not be read the last time: what is in force is that of before.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Parts that were left out or changed because they were wrong.
    faults: u64,
    /// All of it had come.
    is_whole: bool,
    key: String,
    /// Channels of the lineup that it tells of.
    matched: u64,
    /// Its name in the configuration, or the playlist that names it.
    name: String,
    programmes: u64,
    /// When the version was taken that is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    taken_at: Option<Timestamp>,
}

/// The guides, in the order in which they are asked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GuideList {
    guides: Vec<GuideDocument>,
}

/// A channel of a guide that may be the one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GuideSuggestion {
    /// The name of the guide.
    guide: String,
    /// The id to give the channel as its guide id.
    id: String,
    /// The name that is alike.
    name: String,
    /// How much: 100 where they are the same.
    score: u32,
}

/// Channels of guides that may be the one, the best first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GuideSuggestions {
    suggestions: Vec<GuideSuggestion>,
}

impl From<&Error> for ApiError {
    fn from(error: &Error) -> Self {
        match error {
            Error::Database(error) => Self::from(error.clone()),
            Error::Busy(_) => Self::unavailable("guide_busy", error.to_string()),
            Error::Cancelled => Self::unavailable("closing", "the server ends"),
            error => {
                // It may name files of the server, so only the log tells it.
                warn!("guides cannot be read: {error}");
                Self::unavailable("no_guide", "the guide cannot be read now")
            }
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<Arc<Error>> for ApiError {
    fn from(error: Arc<Error>) -> Self {
        Self::from(&*error)
    }
}

/// Asks the guides on a thread that may wait for the disk, and makes the answer there.
async fn ask<T: Send + 'static>(
    state: &State,
    work: impl FnOnce(&Snapshot) -> Result<T, Error> + Send + 'static,
) -> Result<T, ApiError> {
    let snapshot = state.guides.snapshot();
    match spawn_blocking(move || work(&snapshot)).await.map_err(JoinError::try_into_panic) {
        Ok(done) => Ok(done?),
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_)) => Err(Error::Cancelled.into()),
    }
}

/// `GET /api/epg/now`, `?search=`, `?skip=` and `?limit=`
pub(super) async fn now(state: State, watching: Watching, query: Query) -> Result<Json<NowList>, ApiError> {
    let sight = state.sight(&watching);
    let search = Search {
        text: query.value("search").unwrap_or_default().into_owned(),
        skip: query.parsed("skip").unwrap_or_default(),
        limit: query.parsed("limit").unwrap_or(DEFAULT_CHANNELS).clamp(1, MAX_CHANNELS),
        ..Search::default()
    };
    let list = state.catalogue.list();
    let read = list.read(move |list, connection| {
        let mut channels = Vec::new();
        let total = list.search_among(
            connection,
            &search,
            |entry| sight.sees(entry),
            |entry| {
                channels.push((entry.id.to_owned(), entry.name.to_owned(), entry.player_id));
            },
        )?;
        Ok((total, channels))
    });
    let (total, channels) = read.await?;
    let at = Timestamp::now().as_second();
    let ids: Vec<String> = channels.iter().map(|(id, ..)| id.clone()).collect();
    let wanted = Wanted { from: at, to: at + DAY, is_from_running: true, limit: 2 };
    let answer = ask(&state, move |guides| {
        let found = guides.programmes(&ids, wanted)?;
        let channels = channels.into_iter().zip(found.channels).map(|((channel, name, player_id), all)| {
            let mut all = all.iter().map(ProgrammeDocument::from).peekable();
            let now = all.next_if(|it| it.start.as_second() <= at);
            NowDocument { channel, name, guide_id: player_id.map(guide_id), now, next: all.next() }
        });
        Ok(NowList { channels: channels.collect(), is_cut: found.is_cut, total })
    });
    let answer = answer.await?;
    tell_cut(&state, answer.is_cut);
    Ok(Json(answer))
}

/// Counts an answer that had no room for all that was found.
fn tell_cut(state: &State, is_cut: bool) {
    if is_cut {
        state.guides.note_cut();
    }
}

/// `GET /api/epg/{id}`, `?from=` and `?to=` in seconds since 1970 or as in ISO 8601.
pub(super) async fn of_channel(
    state: State,
    Named { found: ListedChannel { channel, .. }, .. }: Named<ById>,
    query: Query,
) -> Result<Json<ChannelGuide>, ApiError> {
    let time = |key| {
        let text = query.value(key)?;
        let seconds = || text.parse::<Timestamp>().ok().map(Timestamp::as_second);
        text.parse::<i64>().ok().or_else(seconds)
    };
    let from = time("from").unwrap_or_else(|| Timestamp::now().as_second());
    let to = time("to").unwrap_or_else(|| from.saturating_add(DAY));
    let id = channel.id.as_str().to_owned();
    let wanted = Wanted { from, to, is_from_running: false, limit: MAX_PROGRAMMES };
    let read = |all: &[Airing]| all.iter().map(ProgrammeDocument::from).collect();
    let (programmes, is_cut) = programmes_of(&state, id.clone(), wanted, read).await?;
    Ok(Json(ChannelGuide { channel: id, is_cut, programmes }))
}

/// What `read` makes of the programmes of a channel, and whether there are too many for an answer.
pub(super) async fn programmes_of<T: Send + 'static>(
    state: &State,
    id: String,
    wanted: Wanted,
    read: impl FnOnce(&[Airing]) -> T + Send + 'static,
) -> Result<(T, bool), ApiError> {
    let asking = ask(state, move |guides| {
        let found = guides.programmes(&[id], wanted)?;
        let all = found.channels.into_iter().next().unwrap_or_default();
        Ok((read(&all), found.is_cut))
    });
    let (answer, is_cut) = asking.await?;
    tell_cut(state, is_cut);
    Ok((answer, is_cut))
}

/// `GET /api/epg/search?text=`
pub(super) async fn search(
    state: State,
    watching: Watching,
    query: Query,
) -> Result<Json<FoundProgrammes>, ApiError> {
    let text = fold(&query.value("text").unwrap_or_default());
    if text.len() < MIN_TEXT {
        return Ok(Json(FoundProgrammes { programmes: Vec::new() }));
    }
    let sight = state.sight(&watching);
    let list = state.catalogue.list();
    let read = list.read(move |list, connection| {
        let mut seen = Vec::new();
        list.walk(connection, BEGINNING, |entry| {
            if sight.sees(&entry) {
                seen.push(entry.id.to_owned());
            }
            true
        })?;
        Ok(seen)
    });
    let (seen, at) = (read.await?, Timestamp::now().as_second());
    let searching = state.guides.look_through(move |guides, cancelled| {
        let found = guides.search(&text, at, &seen, MAX_FOUND, cancelled)?;
        let found = found.iter().map(|(channel, airing)| FoundProgramme {
            channel: channel.clone(),
            programme: ProgrammeDocument::from(airing),
        });
        Ok(found.collect())
    });
    Ok(Json(FoundProgrammes { programmes: searching.await? }))
}

/// `GET /api/guides`
pub(super) async fn guides(state: State) -> Result<Json<GuideList>, ApiError> {
    let guides = state.guides.status().await?.into_iter().map(GuideDocument::from).collect();
    Ok(Json(GuideList { guides }))
}

/// `POST /api/guides/refresh`
pub(super) async fn refresh(state: State) -> Result<(StatusCode, Json<GuideList>), ApiError> {
    state.guides.ask();
    Ok((StatusCode::ACCEPTED, guides(state).await?))
}

/// `GET /api/epg/{id}/suggestions`
pub(super) async fn suggestions(
    state: State,
    Named { found: ListedChannel { channel, .. }, .. }: Named<ById>,
) -> Result<Json<GuideSuggestions>, ApiError> {
    let name = channel.name.clone();
    let at = Timestamp::now().as_second();
    let searching =
        state.guides.look_through(move |guides, cancelled| guides.suggest(&name, 20, at, cancelled));
    let found = searching.await?;
    let suggestions = found.into_iter().map(|Suggested { guide, id, name, score }| GuideSuggestion {
        guide,
        id,
        name,
        score,
    });
    Ok(Json(GuideSuggestions { suggestions: suggestions.collect() }))
}

impl From<&Airing> for ProgrammeDocument {
    fn from(airing: &Airing) -> Self {
        let details = Details::read_programme(&airing.body);
        let text = |tag| details.texts(tag).next().map(str::to_owned);
        let numbers = || details.all(Tag::EpisodeNum);
        let onscreen = numbers().find(|it| it.attribute("system").is_none_or(|system| system == "onscreen"));
        let rating = details.first(Tag::Rating).and_then(|it| it.children.first());
        let time = |at: UnixTime| Timestamp::from_second(at.seconds()).unwrap_or_default();
        Self {
            start: time(airing.start),
            stop: time(airing.stop),
            title: text(Tag::Title).unwrap_or_default(),
            sub_title: text(Tag::SubTitle),
            description: text(Tag::Desc),
            categories: details.texts(Tag::Category).map(str::to_owned).collect(),
            episode: onscreen.or_else(|| numbers().next()).map(|it| it.text.clone()),
            date: text(Tag::Date),
            rating: rating.map(|it| it.text.clone()),
            is_new: details.first(Tag::New).is_some(),
        }
    }
}

impl From<GuideStatus> for GuideDocument {
    fn from(status: GuideStatus) -> Self {
        let GuideStatus { key, name, taken_at, channels, programmes, faults, is_whole, matched, error } =
            status;
        let taken_at = taken_at.and_then(|at| Timestamp::from_second(at).ok());
        Self { channels, error, faults, is_whole, key, matched, name, programmes, taken_at }
    }
}
