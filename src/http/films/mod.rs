//! Films: as files, by HLS and by DASH, and as data.

mod answer;
mod api;
mod file;
mod growing;
mod ladder;
mod link;
mod parts;
mod pictures;
mod sending;
mod stats;
mod texts;
mod viewers;

pub(super) use self::api::{StreamConfig, VideoList, list, stream_config};
pub(super) use self::file::{head, send, watch};
pub(super) use self::ladder::{GenerateHls, generate_hls};
pub(super) use self::link::{FilmLinkMade, LinkFields, sign_link};
pub(super) use self::parts::{dash, playlist, segment};
pub(super) use self::sending::{FilmBody, FilmTraffic, Sending};
pub(super) use self::stats::{VideoServerStats, VideoServerStatus, stats, status};
pub(super) use self::viewers::FilmViewer;
use self::viewers::Viewers;

use std::path::Path;
use std::sync::Arc;

use super::State;
use super::error::ApiError;
use super::extract::Client;
use crate::config::InForce;
use crate::db::Database;
use crate::films::{
    Copies, FilmId, Ladder, Library, Made, OpenCopy, Opened, Pictures, Shelf, Storyboard, Video,
};
use crate::jobs::Kind;

/// The films of the server.
#[derive(Debug, Clone)]
pub(crate) struct Films {
    /// Which there are.
    pub(crate) library: Arc<Library>,
    /// Those that are open.
    shelf: Shelf,
    /// Segments that are kept in memory.
    pub(super) made: Made,
    /// What was sent of them.
    pub(super) traffic: Arc<FilmTraffic>,
    /// Smaller copies of them.
    copies: Arc<Copies>,
    /// Posters and storyboards of them.
    pictures: Arc<Pictures>,
    pub(super) viewers: Viewers,
}

impl Films {
    /// The films; copies of them are below the folder `data`, and segments that are kept may take
    /// `memory` bytes.
    pub(super) fn new(database: Database, data: &Path, memory: u64) -> Self {
        Self {
            library: Arc::new(Library::new(database)),
            shelf: Shelf::default(),
            made: Made::new(memory),
            traffic: Arc::default(),
            copies: Arc::new(Copies::new(data)),
            pictures: Arc::new(Pictures::new(data)),
            viewers: Viewers::default(),
        }
    }

    /// The jobs that make copies, and those that make storyboards.
    pub(super) fn jobs(&self, config: &InForce) -> [Kind; 2] {
        let (library, copies) = (&self.library, Arc::clone(&self.copies));
        [
            Ladder::kind(Arc::clone(library), copies, config.clone()),
            Storyboard::kind(Arc::clone(library), Arc::clone(&self.pictures), config.clone()),
        ]
    }
}

/// Whether an address names a film.
pub(super) fn is_there(state: &State, id: &str) -> bool {
    find(state, id).is_ok()
}

/// The film that an address names.
pub(super) fn find(state: &State, id: &str) -> Result<Arc<Video>, ApiError> {
    let video = FilmId::parse(id).and_then(|id| state.films.library.videos().find(id));
    video.ok_or_else(|| ApiError::unknown_video(id))
}

/// The same, if `client` may watch it.
fn find_for(state: &State, client: &Client, id: &str) -> Result<Arc<Video>, ApiError> {
    let video = find(state, id)?;
    let is_allowed = state.sight(&client.watching).sees_film(&video);
    if is_allowed { Ok(video) } else { Err(ApiError::not_allowed(id)) }
}

/// The same, open, for one who may watch it; nothing is taken up.
async fn open(state: &State, client: &Client, id: &str) -> Result<Arc<Opened>, ApiError> {
    let (video, films) = (find_for(state, client, id)?, state.config().films.clone());
    if let Some(refusal) = &video.refusal {
        let message = format!("the film can only be had as a file: {}", refusal.message);
        return Err(ApiError::new(http::StatusCode::CONFLICT, "not_in_parts", message));
    }
    Ok(state.films.shelf.open(&video, films.segment, films.index_memory).await?)
}

/// The smaller copies of a film that is open.
async fn copies(state: &State, id: &str, opened: &Arc<Opened>) -> Result<Arc<Vec<OpenCopy>>, ApiError> {
    let id = FilmId::parse(id).ok_or_else(|| ApiError::unknown_video(id))?;
    Ok(state.films.copies.of(id, opened).await.map_err(crate::films::OpenError::from)?)
}
