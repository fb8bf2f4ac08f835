//! Subtitles of films, beside them and in them, as `WebVTT`.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use forebay_core::manifest::Subtitles;
use forebay_core::subtitles;
use http::{HeaderMap, Method};

use super::answer::About;
use super::find;
use crate::films::{Opened, Sidecar};
use crate::http::State;
use crate::http::error::ApiError;

const WEBVTT: &str = "text/vtt";

/// The subtitles that lie beside a film.
pub(super) async fn texts(state: &State, id: &str) -> Result<Vec<Subtitles>, ApiError> {
    let video = find(state, id)?;
    let found = state.films.shelf.aside(move || Sidecar::find(video.path())).await;
    let found = found.map_err(crate::films::OpenError::from)?;
    Ok(found.into_iter().map(|sidecar| sidecar.subtitles).collect())
}

/// The subtitles in a film.
pub(super) fn embedded(opened: &Opened) -> impl Iterator<Item = Subtitles> {
    opened.film.texts().iter().enumerate().map(|(at, track)| Subtitles {
        name: format!("e{at}"),
        title: track.title.clone(),
        language: track.language.clone(),
        is_forced: track.is_forced,
    })
}

/// Whether this is the name of subtitles.
pub(super) fn is_name(opened: &Opened, name: &str) -> bool {
    name.starts_with("s-") || embedded(opened).any(|text| text.name == name)
}

/// What a tag says of subtitles: whoever has a playlist without them asks again.
pub(super) fn names(texts: &[Subtitles]) -> String {
    texts.iter().flat_map(|text| ["-", &text.name]).collect()
}

/// Subtitles as `WebVTT`: those of a segment (`3.vtt`), or all of them (`all.vtt`).
pub(super) async fn send(
    state: &State,
    opened: &Arc<Opened>,
    (id, rendition, name): (&str, &str, &str),
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let missing = || ApiError::no_part(&format!("{rendition}/{name}"));
    let number = match name.strip_suffix(".vtt").ok_or_else(missing)? {
        // DASH takes subtitles as one file; HLS wants them in segments (RFC 8216, 3.5).
        "all" => None,
        number => Some(number.parse().ok().filter(|&n| n < opened.film.segments()).ok_or_else(missing)?),
    };
    if let Some(at) = embedded(opened).position(|text| text.name == rendition) {
        return embedded_text(state, opened, (at, number.ok_or_else(missing)?), method, headers).await;
    }
    let (video, wanted) = (find(state, id)?, rendition.to_owned());
    let read = move || Sidecar::named(video.path(), &wanted).map(|sidecar| sidecar.read());
    let found = state.films.shelf.aside(read).await.map_err(crate::films::OpenError::from)?;
    let (cues, tag) = found.ok_or_else(missing)?.map_err(crate::films::OpenError::from)?;
    let text = match number {
        None => subtitles::whole(&cues, Duration::from_micros(opened.film.begin(opened.film.segments()))),
        Some(n) => {
            // The same borders as of the pictures, so that
            // each cue is in the segment in which it shows.
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
    let cues = state.films.shelf.aside(read).await.map_err(crate::films::OpenError::from)??;
    let begin = |n| Duration::from_micros(opened.film.begin(n));
    let text = subtitles::part(&cues, begin(n), begin(n + 1));
    let tag = format!("{}-e{at}-{n}.vtt", opened.tag());
    Ok(About { method, headers, media_type: WEBVTT, tag: &tag }.text(text))
}
