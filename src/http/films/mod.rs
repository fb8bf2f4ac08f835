//! Films: as files, by HLS and by DASH, and as data.

mod answer;
mod api;
mod file;
mod parts;

pub(super) use self::api::{StreamConfig, VideoList, list, stream_config};
pub(super) use self::file::{head, watch};
pub(super) use self::parts::{dash, playlist, segment};

use std::sync::Arc;

use super::State;
use super::error::ApiError;
use crate::films::{FilmId, Opened, Video};

/// The film that an address names.
fn find(state: &State, id: &str) -> Result<Arc<Video>, ApiError> {
    let video = FilmId::parse(id).and_then(|id| state.library.videos().find(id));
    video.ok_or_else(|| ApiError::unknown_video(id))
}

/// The same, open.
async fn open(state: &State, id: &str) -> Result<Arc<Opened>, ApiError> {
    let (video, films) = (find(state, id)?, state.config().films.clone());
    if let Some(refusal) = &video.refusal {
        let message = format!("the film can only be had as a file: {}", refusal.message);
        return Err(ApiError::new(http::StatusCode::CONFLICT, "not_in_parts", message));
    }
    Ok(state.shelf.open(&video, films.segment, films.index_memory).await?)
}
