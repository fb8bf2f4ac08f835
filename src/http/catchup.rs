//! Catch-up: what a channel has kept of its past, by the time at which it was shown.
//!
//! A list offers it by `catchup="append"`, with which players put a query behind the address of
//! the channel. They may use the older way `shift`, too, which appends `utc` and `lutc`. Players of
//! Xtream Codes ask for `/timeshift/…` instead.
//!
//! An answer is a file that is there: its length is known, players may seek, and take it as fast as
//! they like. It holds whole segments, so it may begin some seconds earlier than was asked for. Of
//! a programme that is still on it holds what has been shown.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Path, RawPathParams};
use axum::response::{IntoResponse as _, Response};
use forebay_core::lineup::xtream;
use forebay_relay::channel::{Excerpt, ExcerptReader, ListedChannel};
use forebay_relay::model::Channel;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

use super::State;
use super::auth::WayUp;
use super::encoding::takes_gzip;
use super::error::ApiError;
use super::extract::{ByFile, ByPlayerFile, Client, Named, Naming};
use super::films::{self, FilmViewer};
use super::hls::{self, MARK};
use super::live::{self, no_body};
use super::presence::How;
use super::query::Query;
use super::range::Part;
use super::tally::Count;
use crate::accounts::Title;

/// The longest stretch that is sent as one: longer than any programme.
const LONGEST: Duration = Duration::from_hours(24);

/// Playlists that are made at the same time: one of a day takes some milliseconds, and megabytes.
const MAX_RENDERED: usize = 4;

/// The turns of those who want a playlist made.
#[derive(Debug, Clone)]
pub(super) struct Rendering(Arc<Semaphore>);

impl Default for Rendering {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_RENDERED)))
    }
}

/// A stretch of the past that somebody wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    /// When it begins, in seconds since 1970.
    start: i64,
    length: Duration,
}

impl Stretch {
    /// What the query of a channel's address asks for: `utc` with `duration`, `utcend` or `lutc`,
    /// which is the present; all in seconds. `None` where there is no `utc`: that is live.
    fn of_query(query: &Query) -> Option<Result<Self, ApiError>> {
        let start = query.value("utc")?;
        let number = |key| query.value(key).map(|text| text.trim().parse::<i64>().ok());
        let length = match (number("duration"), number("utcend").or_else(|| number("lutc"))) {
            (Some(duration), _) => duration,
            (None, Some(end)) => {
                end.zip(start.trim().parse::<i64>().ok()).and_then(|(end, start)| end.checked_sub(start))
            }
            (None, None) => i64::try_from(LONGEST.as_secs()).ok(),
        };
        Some(Self::new(&start, length))
    }

    /// What the path of a panel asks for: the beginning, and the length in minutes.
    fn of_panel(start: &str, minutes: &str) -> Result<Self, ApiError> {
        Self::new(start, minutes.trim().parse().ok().map(|minutes: i64| minutes.saturating_mul(60)))
    }

    fn new(start: &str, seconds: Option<i64>) -> Result<Self, ApiError> {
        let wrong = || {
            ApiError::bad_request(
                "use utc (seconds since 1970) and duration (seconds), or minutes and a start such as \
                 2026-01-31:18-30 (UTC)",
            )
        };
        let start = xtream::start(start).ok_or_else(wrong)?;
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|&it| it > 0);
        Ok(Self { start, length: Duration::from_secs(seconds.ok_or_else(wrong)?).min(LONGEST) })
    }

    /// The query by which our own addresses ask for it.
    fn query(self) -> String {
        format!("utc={}&duration={}", self.start, self.length.as_secs())
    }

    /// What is kept of it.
    fn find(self, state: &State, channel: &Channel) -> Result<Excerpt, ApiError> {
        let start = u64::try_from(self.start).unwrap_or(0);
        let from = SystemTime::UNIX_EPOCH + Duration::from_secs(start);
        let found = state.channels.excerpt(&channel.id, from, from + self.length);
        found.ok_or_else(|| {
            let at = Timestamp::from_second(self.start).unwrap_or_default();
            let message = format!("the channel has kept nothing of {at} and the {:?} behind it", self.length);
            ApiError::new(StatusCode::NOT_FOUND, "no_archive", message)
        })
    }
}

/// `GET` and `HEAD /stream/{id}`: with `utc` what the channel has kept, else the channel or the
/// film.
pub(super) async fn watch(
    state: State,
    path: Path<String>,
    channel: Result<Named<ByFile>, Response>,
    query: Query,
    client: Client,
    (method, headers): (Method, HeaderMap),
) -> Result<Response, ApiError> {
    match (channel, Stretch::of_query(&query)) {
        (Ok(Named { found, .. }), Some(stretch)) => {
            file(&state, &found.channel, stretch?, (&client, &method, &headers)).await
        }
        (channel, _) if method == Method::HEAD => {
            films::head(state, path, channel, query, client, headers).await
        }
        (channel, _) => films::watch(state, path, channel, query, client, headers).await,
    }
}

/// The same where the address is a channel's by its number or for a user.
pub(super) async fn watch_channel<N: Naming>(
    state: State,
    named: Named<N>,
    query: Query,
    client: Client,
    (uri, way): (Uri, WayUp),
    (method, headers): (Method, HeaderMap),
) -> Result<Response, ApiError> {
    match Stretch::of_query(&query) {
        // What leads to the playlist takes the query along.
        Some(stretch) if uri.path().strip_suffix(".m3u8").is_none() => {
            file(&state, &named.found.channel, stretch?, (&client, &method, &headers)).await
        }
        _ => live::watch_as_user(state, named, query, client, (uri, way), method).await,
    }
}

/// `GET` and `HEAD` of a channel's playlist: with `utc` that of what the channel has kept.
pub(super) async fn watch_by_hls<N: Naming>(
    state: State,
    named: Named<N>,
    query: Query,
    client: Client,
    (method, headers): (Method, HeaderMap),
) -> Result<Response, ApiError> {
    let channel = &named.found.channel;
    match Stretch::of_query(&query) {
        Some(stretch) if method == Method::HEAD => {
            // The same refusals as for `GET`.
            stretch?.find(&state, channel)?;
            Ok(hls::head_playlist(named).into_response())
        }
        Some(stretch) => playlist(&state, channel, stretch?, &client, &headers).await,
        None if method == Method::HEAD => Ok(hls::head_playlist(named).into_response()),
        None => hls::playlist(state, named, query, client, headers).await,
    }
}

/// A stretch of a channel as one file of MPEG-TS, or the range of it that was asked for. The
/// channel is one that whoever asks may watch.
async fn file(
    state: &State,
    channel: &Channel,
    stretch: Stretch,
    (client, method, headers): (&Client, &Method, &HeaderMap),
) -> Result<Response, ApiError> {
    let excerpt = stretch.find(state, channel)?;
    let (length, tag) = (excerpt.size(), format!("\"{}\"", excerpt.tag()));
    let part = match *method {
        // A range is defined for `GET` alone (RFC 9110, section 14.2).
        Method::HEAD => Part::Whole,
        // More may have been shown since, which is another file for who joins two parts.
        _ => Part::of_tagged(headers, length, &tag),
    };
    let (at, end) = match part {
        Part::Whole => (0, length),
        Part::Of { start, end } => (start, end),
        Part::Nothing => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response());
        }
    };
    let body = if method == Method::HEAD {
        no_body()
    } else {
        let how = (How::Catchup, excerpt.rate());
        let viewer = state.films.viewers.admit_to(state, client, &Title::from(channel), how).await?;
        body(excerpt.into_reader(), viewer, at..end)
    };
    let fixed = [
        (header::CONTENT_TYPE, HeaderValue::from_static("video/mp2t")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::CONTENT_LENGTH, HeaderValue::from(end - at)),
        // Whoever seeks leaves an answer in the middle: nginx in front must not read all of it.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let mut response = (fixed, [(header::ETAG, tag)], body).into_response();
    if part != Part::Whole {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = HeaderValue::try_from(format!("bytes {at}-{}/{length}", end - 1));
        response.headers_mut().extend(range.ok().map(|range| (header::CONTENT_RANGE, range)));
    }
    Ok(response)
}

fn body(reader: ExcerptReader, viewer: Arc<FilmViewer>, part: std::ops::Range<u64>) -> Body {
    Body::from_stream(stream::try_unfold(
        (reader, viewer, part.start),
        move |(reader, viewer, at)| async move {
            if at >= part.end {
                // At the end: a slow line may take longer for it than a viewer is waited for.
                viewer.touch();
                return Ok::<_, io::Error>(None);
            }
            let bytes = tokio::select! {
                biased;
                () = viewer.ended() => return Err(io::Error::other("the viewer may not go on")),
                bytes = reader.read(at, part.end) => bytes?,
            };
            let at = at + bytes.len() as u64;
            Ok(Some((bytes, (reader, viewer, at))))
        },
    ))
}

/// A stretch of a channel as an HLS playlist, whose segments are those of the channel's own.
async fn playlist(
    state: &State,
    channel: &Channel,
    stretch: Stretch,
    client: &Client,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    state.tally.note(Count::Playlists);
    let how = (How::Catchup, stretch.find(state, channel)?.rate());
    let _viewer = state.films.viewers.admit_to(state, client, &Title::from(channel), how).await?;
    let carried = client.watching.carried.query();
    let is_compressed = takes_gzip(headers);
    let _turn = state.documents.catchup.0.acquire().await.expect("the semaphore is never closed");
    // Only now, and not while it waits: a day of segments takes megabytes, too.
    let excerpt = stretch.find(state, channel)?;
    // On a thread of its own: a day has some twenty thousand segments.
    let render = move || {
        let mark = if carried.is_empty() { MARK.to_owned() } else { format!("{MARK}&{carried}") };
        let rendered = excerpt.playlist().with_query(&mark);
        if is_compressed {
            rendered.gzip();
        }
        rendered
    };
    match spawn_blocking(render).await.map_err(JoinError::try_into_panic) {
        Ok(rendered) => Ok(hls::answer(&rendered, headers)),
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_)) => Err(ApiError::unavailable("closing", "the server is ending".to_owned())),
    }
}

/// `GET` and `HEAD /timeshift/{user}/{password}/{minutes}/{start}/{id}`, as players of Xtream Codes
/// ask: the file, or with `.m3u8` behind the id the way to the playlist, below a path that carries
/// who asks.
pub(super) async fn of_panel(
    state: State,
    path: RawPathParams,
    Named { found: ListedChannel { channel, .. }, .. }: Named<ByPlayerFile>,
    client: Client,
    way: WayUp,
    (method, headers): (Method, HeaderMap),
) -> Result<Response, ApiError> {
    let part = |wanted: &str| path.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
    let stretch = Stretch::of_panel(part("start"), part("minutes"))?;
    if part("id").strip_suffix(".m3u8").is_none() {
        return file(&state, &channel, stretch, (&client, &method, &headers)).await;
    }
    let (prefix, id, query) = (client.watching.prefix(), channel.id.as_str(), stretch.query());
    // Relative, since a proxy may serve Forebay below a path.
    let playlist = format!("{way}{prefix}stream/{id}/index.m3u8?{query}");
    Ok((StatusCode::FOUND, [(header::LOCATION, playlist)]).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(start: i64, seconds: u64) -> Stretch {
        Stretch { start, length: Duration::from_secs(seconds) }
    }

    #[test]
    fn players_say_in_many_ways_what_they_want() {
        for (query, expected) in [
            ("", None),
            ("offset=600", None),
            ("utc=1769884200&duration=3600", Some(stretch(1_769_884_200, 3600))),
            ("utc=1769884200&utcend=1769886000", Some(stretch(1_769_884_200, 1800))),
            ("utc=1769884200&lutc=1769886000", Some(stretch(1_769_884_200, 1800))),
            ("utc=1769884200", Some(stretch(1_769_884_200, 86_400))),
            ("utc=1769884200&duration=999999999", Some(stretch(1_769_884_200, 86_400))),
        ] {
            let found = Stretch::of_query(&Query::from(query)).map(|found| found.expect(query));
            assert_eq!(found, expected, "{query}");
        }
        for query in [
            "utc=",
            "utc=yesterday&duration=60",
            "utc=1769884200&duration=0",
            "utc=1769884200&duration=-5",
            "utc=1769884200&duration=soon",
            "utc=1769884200&lutc=1769884100",
            "utc=-9223372036854775808&utcend=1",
        ] {
            let error = Stretch::of_query(&Query::from(query)).expect(query).expect_err(query);
            assert_eq!((error.status.as_u16(), error.code), (400, "bad_request"), "{query}");
        }
        let of_panel = |start, minutes| Stretch::of_panel(start, minutes).ok();
        assert_eq!(of_panel("2026-01-31:18-30", "60"), Some(stretch(1_769_884_200, 3600)));
        assert_eq!((of_panel("2026-01-31:18-30", "x"), of_panel("x", "60")), (None, None));
        assert_eq!(stretch(1, 2).query(), "utc=1&duration=2");
    }
}
