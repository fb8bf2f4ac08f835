//! A film in parts: playlists, a manifest, and segments, made when they are asked for.

use std::sync::Arc;

use axum::extract::Path;
use axum::response::Response;
use bytes::Bytes;
use forebay_core::manifest::{self, Addresses, FilmCopy, Rendition};
use forebay_core::package;
use http::{HeaderMap, Method};

use super::answer::About;
use super::texts::{self, embedded, texts};
use super::viewers::FilmViewer;
use super::{copies, find, open, pictures};
use crate::films::{Content, Kept, OpenCopy, OpenError, Opened};
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::extract::Client;
use crate::http::query::Query;

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const MANIFEST: &str = "application/dash+xml";
const MP4: &str = "video/mp4";
pub(super) const TRANSPORT: &str = "video/mp2t";

/// `GET /hls/{video}/{file}`: a playlist.
pub(in crate::http) async fn playlist(
    state: State,
    Path((id, name)): Path<(String, String)>,
    query: Query,
    client: Client,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if pictures::is_one(&name) {
        return pictures::send(&state, &client, (&id, &name), &method, &headers).await;
    }
    let (opened, _) = opened_for(&state, &client, &id, &method).await?;
    let film = &opened.film;
    let all = copies(&state, &id, &opened).await?;
    let find = |name: &str| all.iter().find(|copy| copy.name == name).map(film_copy);
    let in_packets = is_transport(&query);
    let mut texts = texts(&state, &id).await?;
    texts.extend(embedded(&opened));
    let form = if in_packets { "-ts" } else { "" };
    // All that the text depends on: a subtitle that is added must not stay unseen in a cache.
    let mut tag = format!("{}-{name}{form}{}", opened.tag(), texts::names(&texts));
    let text = match name.strip_suffix(".m3u8") {
        Some("master") if in_packets => {
            manifest::master_of_transport(film).ok_or_else(ApiError::not_in_packets)?
        }
        Some("master") => {
            // A copy of an older state of the film still plays for
            // those who began with it, and is offered to nobody new.
            let offered: Vec<_> = all.iter().filter(|copy| copy.is_current).map(film_copy).collect();
            tag.push_str(&names_of(&offered));
            manifest::with_subtitles(&manifest::master(film, &offered), &texts)
        }
        Some(name) if texts.iter().any(|text| text.name == name) => manifest::subtitles(film, name),
        Some(rendition) => match (Rendition::parse(rendition, film), find(rendition)) {
            (Some(Rendition::KeyFrames), _) => manifest::key_frames(film),
            (Some(rendition), _) => manifest::media(film, rendition),
            (None, Some(copy)) => manifest::copy(copy),
            (None, None) => return Err(ApiError::no_part(&name)),
        },
        None => return Err(ApiError::no_part(&name)),
    };
    let query = client.watching.carried.query();
    // A player that came by `?token=` drops the query
    // from relative addresses, so each line carries it.
    let text = if query.is_empty() { text } else { manifest::with_query(&text, &query) };
    Ok(About { method: &method, headers: &headers, media_type: PLAYLIST, tag: &tag }.text(text))
}

/// What a tag says of copies: whoever has a manifest without them asks again.
fn names_of(copies: &[FilmCopy<'_>]) -> String {
    copies.iter().flat_map(|copy| ["-", copy.name]).collect()
}

fn film_copy(copy: &OpenCopy) -> FilmCopy<'_> {
    FilmCopy { name: &copy.name, film: &copy.opened.film }
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
    let texts = texts(&state, &id).await?;
    let all = copies(&state, &id, &opened).await?;
    let offered: Vec<_> = all.iter().filter(|copy| copy.is_current).map(film_copy).collect();
    // The segments are those of HLS.
    let addresses = Addresses { base: &format!("../../hls/{id}/"), query: &query };
    let text = manifest::manifest(&opened.film, &offered, &texts, addresses);
    let tag = format!("{}-mpd{}{}", opened.tag(), names_of(&offered), texts::names(&texts));
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
    if rendition == pictures::STORYBOARD {
        return pictures::send_sheet(&state, &client, (&id, &name), &method, &headers).await;
    }
    let (opened, viewer) = opened_for(&state, &client, &id, &method).await?;
    if texts::is_name(&opened, &rendition) {
        return texts::send(&state, &opened, (&id, &rendition, &name), &method, &headers).await;
    }
    let all = copies(&state, &id, &opened).await?;
    let part = Part::parse(&opened, &all, &rendition, &name);
    let part = part.ok_or_else(|| ApiError::no_part(&format!("{rendition}/{name}")))?;
    let tag = format!("{}-{}-{name}", part.opened.tag(), part.rendition);
    let is_transport = part.rendition == Rendition::Transport;
    let media_type = if is_transport { TRANSPORT } else { MP4 };
    let about = About { method: &method, headers: &headers, media_type, tag: &tag };
    // Before anything is made: a segment that the player has costs no work.
    if let Some(known) = about.known() {
        return Ok(known);
    }
    let content = part.content(&state).await?;
    Ok(about.bytes(content, &state.films, viewer))
}

/// A film, open, and the viewer who asks for something of it. Whoever asks for heads alone does not
/// watch.
pub(super) async fn opened_for(
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

/// Whether the request wants a transport stream.
pub(super) fn is_transport(query: &Query) -> bool {
    query.value("format").as_deref() == Some("ts")
}

/// What of a film is asked for.
struct Part {
    /// The film, or a copy of it.
    opened: Arc<Opened>,
    rendition: Rendition,
    /// The number of the segment; none for the initialisation segment.
    number: Option<usize>,
}

impl Part {
    fn parse(opened: &Arc<Opened>, copies: &[OpenCopy], rendition: &str, name: &str) -> Option<Self> {
        let (opened, rendition) = match Rendition::parse(rendition, &opened.film) {
            Some(rendition) => (opened, rendition),
            // A copy has pictures alone.
            None => (&copies.iter().find(|copy| copy.name == rendition)?.opened, Rendition::Track(0)),
        };
        let opened = Arc::clone(opened);
        let is_transport = rendition == Rendition::Transport;
        if name == "init.mp4" && !is_transport {
            return Some(Self { opened, rendition, number: None });
        }
        let number: usize = name.strip_suffix(if is_transport { ".ts" } else { ".m4s" })?.parse().ok()?;
        let is_there = number < opened.film.segments();
        is_there.then_some(Self { opened, rendition, number: Some(number) })
    }

    /// What it is made of.
    async fn content(&self, state: &State) -> Result<Arc<Content>, ApiError> {
        let (opened, rendition) = (&self.opened, self.rendition);
        let tracks = rendition.tracks(&opened.film);
        let (disk, kept, file) = (&state.films.shelf, &state.films.made, Arc::clone(&opened.file));
        let Some(number) = self.number else {
            let head = package::init(&opened.film, &tracks);
            return Ok(Arc::new(Content::made(head.into(), file)));
        };
        let key = opened.key(rendition, number);
        match kept.find(&key) {
            Some(Kept::Whole(bytes)) => return Ok(Arc::new(Content::made(bytes, file))),
            Some(Kept::Head(head, ranges)) => return Ok(Arc::new(Content::new(head, file, &ranges))),
            None => {}
        }
        let of_job = Arc::clone(opened);
        let is_keys = rendition == Rendition::KeyFrames;
        if rendition == Rendition::Transport || opened.film.is_put_together() {
            let build = move || match rendition {
                Rendition::Transport => of_job.transport(number, &tracks),
                _ => Ok(of_job.segment(number, &tracks, is_keys)?.head),
            };
            return Ok(Arc::new(Content::made(kept.get(key, disk, build).await?, file)));
        }
        let build = move || of_job.segment(number, &tracks, is_keys);
        let segment = disk.aside(build).await.map_err(OpenError::from)??;
        let (head, ranges) = (Bytes::from(segment.head), Arc::from(segment.ranges));
        let content = Arc::new(Content::new(head.clone(), Arc::clone(&file), &ranges));
        // What lies in one piece goes by `sendfile`; only its head is worth memory.
        if !content.is_scattered() {
            let head = kept.keep_head(key, head, Arc::clone(&ranges));
            return Ok(Arc::new(Content::new(head, file, &ranges)));
        }
        // Asked for once only: keeping it would push out what many watch.
        if !kept.is_wanted(key, content.length()) {
            return Ok(content);
        }
        let of_job = Arc::clone(&content);
        match kept.get(key, disk, move || Ok(of_job.read_all()?)).await {
            Ok(bytes) => Ok(Arc::new(Content::made(bytes, file))),
            // It is put together as it is sent.
            Err(OpenError::Full) => Ok(content),
            Err(error) => Err(error.into()),
        }
    }
}
