//! Films: as files, by HLS and by DASH, and as data.

mod answer;
mod api;
mod file;
mod parts;
mod viewers;

pub(super) use self::api::{StreamConfig, VideoList, list, stream_config};
pub(super) use self::file::{head, send, watch};
pub(super) use self::parts::{dash, playlist, segment};
use self::viewers::Viewers;

use std::sync::Arc;

use super::State;
use super::error::ApiError;
use super::extract::Client;
use crate::db::Database;
use crate::films::{FilmId, Library, Opened, Shelf, Video};

/// The films of the server.
#[derive(Debug, Clone)]
pub(crate) struct Films {
    /// Which there are.
    pub(crate) library: Arc<Library>,
    /// Those that are open.
    shelf: Shelf,
    pub(super) viewers: Viewers,
}

impl Films {
    pub(super) fn new(database: Database) -> Self {
        Self {
            library: Arc::new(Library::new(database)),
            shelf: Shelf::default(),
            viewers: Viewers::default(),
        }
    }
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
