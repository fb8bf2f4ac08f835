//! Films as data.

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use forebay_core::index::Kind;
use http::{HeaderMap, Uri};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::{copies, find_for, open};
use crate::films::{OpenCopy, Video};
use crate::http::State;
use crate::http::auth::Watching;
use crate::http::error::ApiError;
use crate::http::extract::Client;
use crate::http::forwarded::base_url;
use crate::http::query::Query;

/// Films in one answer, unless the request says otherwise, and at most.
const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;

/// The answer to `GET /api/v1/videos`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct VideoList {
    /// As it was asked for.
    offset: usize,
    /// Films that match.
    total: usize,
    videos: Vec<VideoEntry>,
}

/// A film.
#[derive(Debug, Serialize, ToSchema)]
struct VideoEntry {
    /// Seconds; null where it is only to be had as a file.
    #[schema(required)]
    duration: Option<f64>,
    id: String,
    /// Why it is only to be had as a file; null where it is not so.
    #[schema(required)]
    refusal: Option<VideoRefusal>,
    /// Bytes of the file.
    size: u64,
    title: String,
}

/// Why a film is only to be had as a file.
#[derive(Debug, Serialize, ToSchema)]
struct VideoRefusal {
    /// For programs: never renamed.
    code: String,
    /// For people.
    message: String,
}

/// The answer to `GET /api/v1/videos/{video}/stream-config`: how a film is played.
// One field for each key of the document, in alphabetical order.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct StreamConfig {
    /// Codecs of tracks that HLS and DASH leave out.
    #[schema(required)]
    codecs_left_out: Vec<String>,
    /// The manifest for DASH; null where the film is only to be had as a file.
    #[schema(required)]
    dash_url: Option<String>,
    /// Seconds; null where the film is only to be had as a file.
    #[schema(required)]
    duration: Option<f64>,
    features: Features,
    /// The playlist for HLS; null where the film is only to be had as a file.
    #[schema(required)]
    hls_url: Option<String>,
    id: String,
    /// The best first; empty where the film is only to be had as a file.
    qualities: Vec<Quality>,
    /// The stream to begin with: `hls`, or `progressive` where there is only the file.
    recommended: &'static str,
    /// Why it is only to be had as a file; null where it is not so.
    #[schema(required)]
    refusal: Option<VideoRefusal>,
    /// Bytes of the file.
    size: u64,
    /// The file.
    stream_url: String,
    /// What serves it: `forebay`.
    streaming_method: &'static str,
    streams: Streams,
    /// Always true: an error has another form.
    success: bool,
    title: String,
    video: VideoSummary,
}

/// What a player can do.
#[expect(clippy::struct_excessive_bools, reason = "players of other servers ask for these")]
#[derive(Debug, Serialize, ToSchema)]
struct Features {
    /// Whether there are several qualities.
    adaptive_streaming: bool,
    preload: bool,
    quality_selection: bool,
    seeking: bool,
}

/// The addresses of a film by the names of their forms.
#[derive(Debug, Serialize, ToSchema)]
struct Streams {
    /// As `dash_url`.
    #[schema(required)]
    dash: Option<String>,
    /// As `hls_url`.
    #[schema(required)]
    hls: Option<String>,
    /// As `stream_url`.
    progressive: String,
}

/// What a film is.
#[derive(Debug, Serialize, ToSchema)]
struct VideoSummary {
    /// Seconds.
    #[schema(required)]
    duration: Option<f64>,
    /// A picture of it; null, since there is none.
    #[schema(required)]
    poster: Option<String>,
    title: String,
    uuid: String,
}

/// A quality in which a film can be played.
#[derive(Debug, Serialize, ToSchema)]
struct Quality {
    /// Bits a second, of the segment with the most.
    bandwidth: u64,
    /// As in `CODECS` (RFC 6381).
    codecs: String,
    /// Pixels; 0 of sound alone.
    height: u32,
    /// `source` is the film as it is; else that of a smaller copy, such as `720p`.
    name: String,
    /// Pixels; 0 of sound alone.
    width: u32,
}

/// `GET /api/v1/videos`
pub(in crate::http) async fn list(state: State, watching: Watching, query: Query) -> Json<VideoList> {
    let search = query.value("search").unwrap_or_default().to_lowercase();
    let offset = query.parsed("offset").unwrap_or(0);
    let limit = query.parsed("limit").unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let videos = state.films.library.videos();
    let sight = state.sight(&watching);
    let is_found = |video: &Video| search.is_empty() || video.title().to_lowercase().contains(&search);
    let is_wanted = |video: &&Arc<Video>| is_found(video) && sight.sees_film(video);
    // All are counted, so that a page can tell how many parts there are.
    let found: Vec<_> = videos.all().iter().filter(is_wanted).collect();
    let part = found.iter().skip(offset).take(limit);
    let entries = part.map(|video| VideoEntry {
        duration: video.duration.map(|duration| duration.as_secs_f64()),
        id: video.id.to_string(),
        refusal: refusal(video),
        size: video.size(),
        title: video.title(),
    });
    Json(VideoList { offset, total: found.len(), videos: entries.collect() })
}

/// `GET /api/v1/videos/{video}/stream-config`
pub(in crate::http) async fn stream_config(
    state: State,
    client: Client,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<StreamConfig>, ApiError> {
    let video = find_for(&state, &client, &id)?;
    let base = base_url(&state.config().server, client.peer, &uri, &headers);
    // Each address opens by itself, in a player that shows nothing else.
    let prefix = client.watching.prefix();
    let url = |path: String| {
        let path = format!("{prefix}{path}");
        base.join(&path).as_ref().map_or(path, |url: &Url| url.to_string())
    };
    let opened = if video.refusal.is_none() { Some(open(&state, &client, &id).await?) } else { None };
    let id = video.id.to_string();
    let all = match &opened {
        Some(opened) => copies(&state, &id, opened).await?,
        None => Arc::default(),
    };
    let quality = opened.as_ref().map(|opened| {
        let film = &opened.film;
        let tracks = forebay_core::manifest::Rendition::Main.tracks(film);
        let codecs: Vec<&str> = tracks.iter().map(|&track| film.tracks()[track].codec.as_str()).collect();
        let first = &film.tracks()[0];
        let (width, height) = if first.kind == Kind::Video { first.size } else { (0, 0) };
        Quality {
            bandwidth: film.rates(&tracks).peak,
            codecs: codecs.join(","),
            height,
            name: "source".to_owned(),
            width,
        }
    });
    let in_parts = opened.is_some();
    let qualities: Vec<Quality> =
        quality.into_iter().chain(all.iter().filter(|copy| copy.is_current).map(of_copy)).collect();
    let has_choice = qualities.len() > 1;
    let streams = Streams {
        dash: in_parts.then(|| url(format!("dash/{id}/manifest.mpd"))),
        hls: in_parts.then(|| url(format!("hls/{id}/master.m3u8"))),
        progressive: url(format!("stream/{id}")),
    };
    let duration = video.duration.map(|duration| duration.as_secs_f64());
    Ok(Json(StreamConfig {
        codecs_left_out: opened.map(|opened| opened.film.left_out().to_vec()).unwrap_or_default(),
        dash_url: streams.dash.clone(),
        duration,
        features: Features {
            adaptive_streaming: has_choice,
            preload: true,
            quality_selection: has_choice,
            seeking: true,
        },
        hls_url: streams.hls.clone(),
        qualities,
        recommended: if in_parts { "hls" } else { "progressive" },
        refusal: refusal(&video),
        size: video.size(),
        stream_url: streams.progressive.clone(),
        streaming_method: "forebay",
        streams,
        success: true,
        title: video.title(),
        video: VideoSummary { duration, poster: None, title: video.title(), uuid: id.clone() },
        id,
    }))
}

fn of_copy(copy: &OpenCopy) -> Quality {
    let film = &copy.opened.film;
    let pictures = &film.tracks()[0];
    let (width, height) = pictures.size;
    Quality {
        bandwidth: film.rates(&[0]).peak,
        codecs: pictures.codec.clone(),
        height,
        name: copy.rung.name(),
        width,
    }
}

fn refusal(video: &Video) -> Option<VideoRefusal> {
    let refusal = video.refusal.as_ref()?;
    Some(VideoRefusal { code: refusal.code.clone(), message: refusal.message.clone() })
}
