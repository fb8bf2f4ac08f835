//! The guide: as XMLTV for players, and as JSON for pages and programs.

use std::io::Read;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use forebay_core::guide::Tag;
use forebay_core::guide::details::Details;
use forebay_core::guide::document::id as guide_id;
use forebay_core::lineup::names::fold;
use forebay_relay::channel::ListedChannel;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use super::State;
use super::auth::Watching;
use super::encoding::takes_gzip;
use super::error::ApiError;
use super::extract::{ById, Named};
use super::query::Query;
use super::sight::Sight;
use crate::catalogue::{BEGINNING, Search};
use crate::guide::{Airing, Error, GuideStatus, Made, Seen, Snapshot, Suggested, read_all};

/// How much of a guide is sent at once.
const PIECE: usize = 64 * 1024;

/// Channels that one answer tells of.
const MAX_CHANNELS: usize = 500;

/// Likewise, unless more are asked for.
const DEFAULT_CHANNELS: usize = 100;

/// Programmes that one answer has of a channel: two weeks of music videos have fewer.
const MAX_PROGRAMMES: usize = 5_000;

/// Programmes that a search finds.
const MAX_FOUND: usize = 200;

/// The shortest text that is searched for, in bytes.
const MIN_TEXT: usize = 2;

/// A day, in seconds.
const DAY: i64 = 24 * 3600;

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
    /// All channels that match.
    total: usize,
}

/// The programmes of a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelGuide {
    /// The id of the channel.
    channel: String,
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

/// How a guide is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    /// The packed file is what was asked for.
    Packed,
    /// It is packed on the way.
    Encoded,
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_guide", format!("the guide cannot be had: {error}"))
    }
}

/// `GET /epg.xml`
pub(super) async fn xml(state: State, watching: Watching, headers: HeaderMap) -> Result<Response, ApiError> {
    let form = if takes_gzip(&headers) { Form::Encoded } else { Form::Plain };
    document(&state, state.sight(&watching), &headers, form).await
}

/// `GET /epg.xml.gz`
pub(super) async fn packed(
    state: State,
    watching: Watching,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    document(&state, state.sight(&watching), &headers, Form::Packed).await
}

/// `GET /xmltv.php`
pub(super) async fn xmltv(
    state: State,
    watching: Watching,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let is_packed = query.value("gzip").is_some_and(|value| value != "0");
    if is_packed { packed(state, watching, headers).await } else { xml(state, watching, headers).await }
}

async fn document(
    state: &State,
    sight: Sight,
    headers: &HeaderMap,
    form: Form,
) -> Result<Response, ApiError> {
    let is_all = sight.sees_all();
    let seen = Seen { sees: Box::new(move |entry| sight.sees(entry)), is_all };
    let made = state.guides.document(seen).await?;
    let suffix = if form == Form::Plain { "" } else { "-gz" };
    let tag = format!("\"{}{suffix}\"", made.tag);
    let changed = Timestamp::from_second(made.changed_at).unwrap_or_default();
    let changed = changed.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let kind = if form == Form::Packed { "application/gzip" } else { "application/xml; charset=utf-8" };
    let mut fields = HeaderMap::new();
    let value = |text: &str| HeaderValue::from_str(text).expect("it is made of plain ASCII");
    fields.insert(header::ETAG, value(&tag));
    fields.insert(header::LAST_MODIFIED, value(&changed));
    // Asked again each time, which costs nothing as long as it is the same.
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if form != Form::Packed {
        fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if is_known(headers, &tag, &changed) {
        return Ok((StatusCode::NOT_MODIFIED, fields).into_response());
    }
    fields.insert(header::CONTENT_TYPE, value(kind));
    let length = if form == Form::Plain { made.length } else { made.packed_length };
    fields.insert(header::CONTENT_LENGTH, length.into());
    if form == Form::Encoded {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let from: Box<dyn Read + Send> = match form {
        Form::Plain => Box::new(made.plain().map_err(Error::File)?),
        Form::Packed | Form::Encoded => Box::new(made.packed().map_err(Error::File)?),
    };
    Ok((fields, body(from, made)).into_response())
}

/// Whether whoever asks has these bytes (RFC 9110, section 13.1): an `ETag` counts, else a date.
fn is_known(headers: &HeaderMap, tag: &str, changed: &str) -> bool {
    let text = |name| headers.get_all(name).iter().filter_map(|it| it.to_str().ok()).collect::<Vec<_>>();
    let tags = text(header::IF_NONE_MATCH);
    if !tags.is_empty() {
        let mut tags = tags.iter().flat_map(|it| it.split(',')).map(str::trim);
        return tags.any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    }
    text(header::IF_MODIFIED_SINCE).contains(&changed)
}

/// The bytes, read as they are taken. The file stays until its last reader is done.
fn body(from: Box<dyn Read + Send>, made: Arc<Made>) -> Body {
    Body::from_stream(stream::try_unfold((from, made), |(mut from, made)| async {
        let read = spawn_blocking(move || read_all(&mut from, PIECE).map(|piece| (piece, from)));
        let (piece, from) = read.await.map_err(std::io::Error::other)??;
        Ok::<_, std::io::Error>((!piece.is_empty()).then(|| (Bytes::from(piece), (from, made))))
    }))
}

/// Asks the guides on a thread that may wait for the disk.
async fn ask<T: Send + 'static>(
    state: &State,
    work: impl FnOnce(&Snapshot) -> Result<T, Error> + Send + 'static,
) -> Result<T, ApiError> {
    let snapshot = state.guides.snapshot();
    let done = spawn_blocking(move || work(&snapshot)).await;
    Ok(done.map_err(|error| Error::File(std::io::Error::other(error)))??)
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
    let programmes = ask(&state, move |guides| guides.programmes(&ids, (at, at + DAY), 2)).await?;
    let channels = channels.into_iter().zip(programmes).map(|((channel, name, player_id), all)| {
        let mut all = all.iter().map(ProgrammeDocument::from).peekable();
        let now = all.next_if(|it| it.start.as_second() <= at);
        NowDocument { channel, name, guide_id: player_id.map(guide_id), now, next: all.next() }
    });
    Ok(Json(NowList { total, channels: channels.collect() }))
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
    let all = programmes_of(&state, id.clone(), (from, to), MAX_PROGRAMMES).await?;
    Ok(Json(ChannelGuide { channel: id, programmes: all.iter().map(ProgrammeDocument::from).collect() }))
}

async fn programmes_of(
    state: &State,
    id: String,
    window: (i64, i64),
    limit: usize,
) -> Result<Vec<Airing>, ApiError> {
    let all = ask(state, move |guides| guides.programmes(&[id], window, limit)).await?;
    Ok(all.into_iter().next().unwrap_or_default())
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
    let found = ask(&state, move |guides| guides.search(&text, at, &seen, MAX_FOUND)).await?;
    let found = found
        .into_iter()
        .map(|(channel, airing)| FoundProgramme { channel, programme: ProgrammeDocument::from(&airing) });
    Ok(Json(FoundProgrammes { programmes: found.collect() }))
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
    let found = ask(&state, move |guides| guides.suggest(&name, 20)).await?;
    let suggestions = found.into_iter().map(|Suggested { guide, id, name, score }| GuideSuggestion {
        guide,
        id,
        name,
        score,
    });
    Ok(Json(GuideSuggestions { suggestions: suggestions.collect() }))
}

/// What `get_short_epg` and `get_simple_data_table` of panels answer: the programmes from now on,
/// four unless told, or all that there are.
pub(super) async fn listings(
    state: &State,
    sight: &Sight,
    query: &Query,
    is_short: bool,
) -> Result<Value, ApiError> {
    let stream = query.value("stream_id").unwrap_or_default();
    let found = state.catalogue.find_by_id_or_number(&stream).await?;
    let nothing = json!({ "epg_listings": [] });
    let Some(ListedChannel { channel, .. }) = found else { return Ok(nothing) };
    let entry = crate::db::listing::Entry::from(&*channel);
    if !sight.sees(&entry) {
        return Ok(nothing);
    }
    let at = Timestamp::now().as_second();
    let limit = query.parsed("limit").filter(|&limit| limit > 0).unwrap_or(4).min(MAX_PROGRAMMES);
    let (window, limit) = if is_short {
        ((at, at + 14 * DAY), limit)
    } else {
        ((at - 14 * DAY, at + 14 * DAY), MAX_PROGRAMMES)
    };
    let all = programmes_of(state, channel.id.as_str().to_owned(), window, limit).await?;
    let id = stream.parse().map_or_else(|_| channel.id.as_str().to_owned(), guide_id);
    let listings: Vec<Value> = all.iter().map(|airing| listing(airing, &stream, &id, at)).collect();
    Ok(json!({ "epg_listings": listings }))
}

/// A programme as panels tell it: texts in Base64, and numbers as texts but for the flags.
fn listing(airing: &Airing, stream: &str, channel_id: &str, now: i64) -> Value {
    let details = Details::read_programme(&airing.body);
    let encoded = |tag| STANDARD.encode(details.texts(tag).next().unwrap_or_default());
    let (start, stop) = (airing.start.seconds(), airing.stop.seconds());
    let local = |seconds| {
        let at = Timestamp::from_second(seconds).unwrap_or_default();
        at.strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    let language = details.first(Tag::Title).and_then(|it| it.attribute("lang")).unwrap_or_default();
    json!({
        "id": start.to_string(),
        "epg_id": stream,
        "title": encoded(Tag::Title),
        "lang": language,
        "start": local(start),
        "end": local(stop),
        "stop": local(stop),
        "description": encoded(Tag::Desc),
        "channel_id": channel_id,
        "start_timestamp": start.to_string(),
        "stop_timestamp": stop.to_string(),
        "now_playing": u8::from(start <= now && now < stop),
        "has_archive": 0,
    })
}

impl From<&Airing> for ProgrammeDocument {
    fn from(airing: &Airing) -> Self {
        let details = Details::read_programme(&airing.body);
        let text = |tag| details.texts(tag).next().map(str::to_owned);
        let numbers = || details.all(Tag::EpisodeNum);
        let onscreen = numbers().find(|it| it.attribute("system").is_none_or(|system| system == "onscreen"));
        let rating = details.first(Tag::Rating).and_then(|it| it.children.first());
        let time =
            |at: forebay_core::lineup::UnixTime| Timestamp::from_second(at.seconds()).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_core::lineup::UnixTime;

    #[test]
    fn rule_31_listings_have_the_types_of_panels() {
        let airing = Airing {
            start: UnixTime::from_seconds(1_735_732_800),
            stop: UnixTime::from_seconds(1_735_736_400),
            body: "><title lang=\"en\">News é</title></programme>\n".to_owned(),
        };
        assert_eq!(
            listing(&airing, "5", "c00000005.forebay", 1_735_732_800),
            json!({
                "id": "1735732800", "epg_id": "5", "title": "TmV3cyDDqQ==", "lang": "en",
                "start": "2025-01-01 12:00:00", "end": "2025-01-01 13:00:00", "stop": "2025-01-01 13:00:00",
                "description": "", "channel_id": "c00000005.forebay", "start_timestamp": "1735732800",
                "stop_timestamp": "1735736400", "now_playing": 1, "has_archive": 0,
            })
        );
    }

    #[test]
    fn rule_24_whoever_has_the_bytes_is_told_so() {
        let asked =
            |name, value: &'static str| HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        let date = "Sat, 31 Jan 2026 18:30:00 GMT";
        for (headers, expected) in [
            (asked(header::IF_NONE_MATCH, "\"a\""), true),
            (asked(header::IF_NONE_MATCH, "\"b\", W/\"a\""), true),
            (asked(header::IF_NONE_MATCH, "\"a-gz\""), false),
            (asked(header::IF_MODIFIED_SINCE, date), true),
            (asked(header::IF_MODIFIED_SINCE, "Sat, 31 Jan 2026 18:29:59 GMT"), false),
            (HeaderMap::new(), false),
        ] {
            assert_eq!(is_known(&headers, "\"a\"", date), expected, "{headers:?}");
        }
    }
}
