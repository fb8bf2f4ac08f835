//! A film in parts: playlists, a manifest, and segments, made when they are asked for.

use std::sync::Arc;

use axum::extract::Path;
use axum::response::Response;
use forebay_core::manifest::{self, Rendition};
use forebay_core::package::{self, Segment};
use http::{HeaderMap, Method};

use super::answer::About;
use super::viewers::FilmViewer;
use super::{find, open};
use crate::films::{Content, Opened};
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::extract::Client;

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const MANIFEST: &str = "application/dash+xml";
const MP4: &str = "video/mp4";

/// `GET /hls/{video}/{file}`: a playlist.
pub(in crate::http) async fn playlist(
    state: State,
    Path((id, name)): Path<(String, String)>,
    client: Client,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (opened, _) = opened_for(&state, &client, &id, &method).await?;
    let film = &opened.film;
    let text = match name.strip_suffix(".m3u8") {
        Some("master") => manifest::master(film, &[]),
        Some(rendition) => match Rendition::parse(rendition, film) {
            Some(Rendition::KeyFrames) => manifest::key_frames(film),
            Some(rendition) => manifest::media(film, rendition),
            None => return Err(ApiError::no_part(&name)),
        },
        None => return Err(ApiError::no_part(&name)),
    };
    let query = client.watching.carried.query();
    let text = if query.is_empty() { text } else { manifest::with_query(&text, &query) };
    let tag = format!("{}-{name}", opened.tag());
    Ok(About { method: &method, headers: &headers, media_type: PLAYLIST, tag: &tag }.text(text))
}

/// `GET /dash/{video}/manifest.mpd`
pub(in crate::http) async fn dash(
    state: State,
    Path(id): Path<String>,
    client: Client,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (opened, _) = opened_for(&state, &client, &id, &method).await?;
    let query = client.watching.carried.query();
    let query = if query.is_empty() { query } else { format!("?{query}") };
    // The segments are those of HLS.
    let text = manifest::manifest(&opened.film, &format!("../../hls/{id}/"), &query);
    let tag = format!("{}-mpd", opened.tag());
    Ok(About { method: &method, headers: &headers, media_type: MANIFEST, tag: &tag }.text(text))
}

/// `GET /hls/{video}/{rendition}/{segment}`: a segment, or the initialisation segment.
pub(in crate::http) async fn segment(
    state: State,
    Path((id, rendition, name)): Path<(String, String, String)>,
    client: Client,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (opened, viewer) = opened_for(&state, &client, &id, &method).await?;
    let part = Part::parse(&opened, &rendition, &name);
    let part = part.ok_or_else(|| ApiError::no_part(&format!("{rendition}/{name}")))?;
    let tag = format!("{}-{}-{name}", opened.tag(), part.rendition);
    let about = About { method: &method, headers: &headers, media_type: MP4, tag: &tag };
    if let Some(known) = about.known() {
        return Ok(known);
    }
    let file = Arc::clone(&opened.file);
    let made = state
        .films
        .shelf
        .aside(move || part.make(&opened))
        .await
        .map_err(crate::films::OpenError::from)??;
    Ok(about.bytes(Content::segment(made, file), &state.films.shelf, viewer))
}

/// A film, open, and the viewer who asks for something of it. Whoever asks for heads alone does not
/// watch.
async fn opened_for(
    state: &State,
    client: &Client,
    id: &str,
    method: &Method,
) -> Result<(Arc<Opened>, Option<Arc<FilmViewer>>), ApiError> {
    let opened = open(state, client, id).await?;
    if method == Method::HEAD {
        return Ok((opened, None));
    }
    let viewer = state.films.viewers.admit(state, client, &*find(state, id)?).await?;
    Ok((opened, Some(viewer)))
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
        if name == "init.mp4" {
            return Some(Self { rendition, number: None });
        }
        let number: usize = name.strip_suffix(".m4s")?.parse().ok()?;
        (number < opened.film.segments()).then_some(Self { rendition, number: Some(number) })
    }

    /// Waits for the disk.
    fn make(&self, opened: &Opened) -> Result<Segment, ApiError> {
        let tracks = self.rendition.tracks(&opened.film);
        Ok(match self.number {
            None => Segment { head: package::init(&opened.film, &tracks), ranges: Vec::new() },
            Some(number) => opened.segment(number, &tracks, self.rendition == Rendition::KeyFrames)?,
        })
    }
}
