//! A film in parts: playlists, a manifest, and segments, made when they are asked for.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::response::Response;
use forebay_core::manifest::{self, Rendition, Subtitles};
use forebay_core::package::{self, Segment};
use forebay_core::subtitles;
use http::{HeaderMap, Method};

use super::answer::About;
use super::{find, open};
use crate::films::{Content, Opened, Sidecar};
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::query::Query;

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const MANIFEST: &str = "application/dash+xml";
const MP4: &str = "video/mp4";
const WEBVTT: &str = "text/vtt";
pub(super) const TRANSPORT: &str = "video/mp2t";

/// `GET /hls/{video}/{file}`: a playlist.
pub(in crate::http) async fn playlist(
    state: State,
    Path((id, name)): Path<(String, String)>,
    query: Query,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let opened = open(&state, &id).await?;
    let film = &opened.film;
    let in_packets = is_transport(&query);
    let mut texts = texts(&state, &id).await?;
    texts.extend(embedded(&opened));
    let text = match name.strip_suffix(".m3u8") {
        Some("master") if in_packets => {
            manifest::master_of_transport(film).ok_or_else(ApiError::not_in_packets)?
        }
        Some("master") => manifest::with_subtitles(&manifest::master(film, &[]), &texts),
        Some(name) if texts.iter().any(|text| text.name == name) => manifest::subtitles(film, name),
        Some(rendition) => match Rendition::parse(rendition, film) {
            Some(Rendition::KeyFrames) => manifest::key_frames(film),
            Some(rendition) => manifest::media(film, rendition),
            None => return Err(ApiError::no_part(&name)),
        },
        None => return Err(ApiError::no_part(&name)),
    };
    let form = if in_packets { "-ts" } else { "" };
    let tag = format!("{}-{name}{form}{}", opened.tag(), names(&texts));
    Ok(About { method: &method, headers: &headers, media_type: PLAYLIST, tag: &tag }.text(text))
}

/// `GET /dash/{video}/manifest.mpd`
pub(in crate::http) async fn dash(
    state: State,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let opened = open(&state, &id).await?;
    // The segments are those of HLS.
    let text = manifest::manifest(&opened.film, &format!("../../hls/{id}/"));
    let texts = texts(&state, &id).await?;
    let text = manifest::with_texts(&text, &texts);
    let tag = format!("{}-mpd{}", opened.tag(), names(&texts));
    Ok(About { method: &method, headers: &headers, media_type: MANIFEST, tag: &tag }.text(text))
}

/// `GET /hls/{video}/{rendition}/{segment}`: a segment, or the initialisation segment.
pub(in crate::http) async fn segment(
    state: State,
    Path((id, rendition, name)): Path<(String, String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let opened = open(&state, &id).await?;
    if rendition.starts_with("s-") || embedded(&opened).any(|text| text.name == rendition) {
        return text(&state, &opened, (&id, &rendition, &name), &method, &headers).await;
    }
    let part = Part::parse(&opened, &rendition, &name);
    let part = part.ok_or_else(|| ApiError::no_part(&format!("{rendition}/{name}")))?;
    let tag = format!("{}-{}-{name}", opened.tag(), part.rendition);
    let media_type = if part.rendition == Rendition::Transport { TRANSPORT } else { MP4 };
    let about = About { method: &method, headers: &headers, media_type, tag: &tag };
    if let Some(known) = about.known() {
        return Ok(known);
    }
    let file = Arc::clone(&opened.file);
    let made = if part.rendition == Rendition::Transport {
        state.shelf.aside_in_memory(move || part.make(&opened)).await
    } else {
        state.shelf.aside(move || part.make(&opened)).await
    };
    let made = made.map_err(crate::films::OpenError::from)??;
    Ok(about.bytes(Content::segment(made, file), &state.shelf))
}

/// The subtitles that lie beside a film.
async fn texts(state: &State, id: &str) -> Result<Vec<Subtitles>, ApiError> {
    let video = find(state, id)?;
    let found = state.shelf.aside(move || Sidecar::find(video.path())).await;
    let found = found.map_err(crate::films::OpenError::from)?;
    Ok(found.into_iter().map(|sidecar| sidecar.subtitles).collect())
}

/// The subtitles in a film.
fn embedded(opened: &Opened) -> impl Iterator<Item = Subtitles> {
    opened.film.texts().iter().enumerate().map(|(at, track)| Subtitles {
        name: format!("e{at}"),
        title: track.title.clone(),
        language: track.language.clone(),
        is_forced: track.is_forced,
    })
}

/// What a tag says of subtitles: whoever has a playlist without them asks again.
fn names(texts: &[Subtitles]) -> String {
    texts.iter().flat_map(|text| ["-", &text.name]).collect()
}

/// Subtitles as `WebVTT`: those of a segment (`3.vtt`), or all of them (`all.vtt`).
async fn text(
    state: &State,
    opened: &Arc<Opened>,
    (id, rendition, name): (&str, &str, &str),
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let missing = || ApiError::no_part(&format!("{rendition}/{name}"));
    let number = match name.strip_suffix(".vtt").ok_or_else(missing)? {
        "all" => None,
        number => Some(number.parse().ok().filter(|&n| n < opened.film.segments()).ok_or_else(missing)?),
    };
    if let Some(at) = embedded(opened).position(|text| text.name == rendition) {
        return embedded_text(state, opened, (at, number.ok_or_else(missing)?), method, headers).await;
    }
    let (video, wanted) = (find(state, id)?, rendition.to_owned());
    let read = move || Sidecar::named(video.path(), &wanted).map(|sidecar| sidecar.read());
    let found = state.shelf.aside(read).await.map_err(crate::films::OpenError::from)?;
    let (cues, tag) = found.ok_or_else(missing)?.map_err(crate::films::OpenError::from)?;
    let text = match number {
        None => subtitles::whole(&cues),
        Some(n) => {
            let at = |n| Duration::from_micros(opened.film.begin(n));
            subtitles::part(&cues, at(n), at(n + 1))
        }
    };
    let tag = format!("{}-{tag}-{rendition}-{name}", opened.tag());
    Ok(About { method, headers, media_type: WEBVTT, tag: &tag }.text(text))
}

/// What a track of text in a film shows in a segment, by their numbers.
async fn embedded_text(
    state: &State,
    opened: &Arc<Opened>,
    (at, n): (usize, usize),
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let film = Arc::clone(opened);
    let read = move || film.text(at, n);
    let cues = state.shelf.aside(read).await.map_err(crate::films::OpenError::from)??;
    let begin = |n| Duration::from_micros(opened.film.begin(n));
    let text = subtitles::part(&cues, begin(n), begin(n + 1));
    let tag = format!("{}-e{at}-{n}.vtt", opened.tag());
    Ok(About { method, headers, media_type: WEBVTT, tag: &tag }.text(text))
}

/// Whether the request wants a transport stream.
pub(super) fn is_transport(query: &Query) -> bool {
    query.value("format").as_deref() == Some("ts")
}

/// What of a film is asked for.
struct Part {
    rendition: Rendition,
    /// The number of the segment; none for the initialisation segment.
    number: Option<usize>,
}

impl Part {
    fn parse(opened: &Opened, rendition: &str, name: &str) -> Option<Self> {
        let rendition = Rendition::parse(rendition, &opened.film)?;
        let is_transport = rendition == Rendition::Transport;
        if name == "init.mp4" && !is_transport {
            return Some(Self { rendition, number: None });
        }
        let number: usize = name.strip_suffix(if is_transport { ".ts" } else { ".m4s" })?.parse().ok()?;
        (number < opened.film.segments()).then_some(Self { rendition, number: Some(number) })
    }

    /// Waits for the disk.
    fn make(&self, opened: &Opened) -> Result<Segment, ApiError> {
        let tracks = self.rendition.tracks(&opened.film);
        Ok(match self.number {
            Some(number) if self.rendition == Rendition::Transport => {
                let head = opened.transport(number, &tracks)?;
                Segment { head, ranges: Vec::new() }
            }
            None => Segment { head: package::init(&opened.film, &tracks), ranges: Vec::new() },
            Some(number) => opened.segment(number, &tracks, self.rendition == Rendition::KeyFrames)?,
        })
    }
}
