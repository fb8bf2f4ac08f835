//! A film as the file that it is. Its address is like that of a channel.

use std::fs::File;
use std::io;
use std::sync::Arc;

use axum::extract::Path;
use axum::response::Response;
use http::{HeaderMap, Method};

use super::answer::About;
use super::{find, find_for};
use crate::films::{Content, Video, file_tag};
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::extract::{ByFile, Client, Named};
use crate::http::live;
use crate::http::query::Query;

/// `GET /stream/{id}`: the channel with this id, else the film.
pub(in crate::http) async fn watch(
    state: State,
    Path(id): Path<String>,
    channel: Result<Named<ByFile>, Response>,
    query: Query,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    match (channel, find(&state, &id)) {
        (Ok(channel), _) => live::watch(state, channel, query, client).await,
        (Err(_), Ok(video)) => send(&state, &video, &client, &Method::GET, &headers).await,
        // It is unknown, or not for whoever asks.
        (Err(refusal), Err(_)) => Ok(refusal),
    }
}

/// `HEAD /stream/{id}`: opens no channel.
pub(in crate::http) async fn head(
    state: State,
    Path(id): Path<String>,
    channel: Result<Named<ByFile>, Response>,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    match (channel, find(&state, &id)) {
        (Ok(channel), _) => Ok(live::head(channel).await),
        (Err(_), Ok(video)) => send(&state, &video, &client, &Method::HEAD, &headers).await,
        (Err(refusal), Err(_)) => Ok(refusal),
    }
}

/// The file of a film, or the range of it that was asked for, for one who may watch it.
pub(in crate::http) async fn send(
    state: &State,
    video: &Video,
    client: &Client,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let viewer = if method == Method::HEAD {
        find_for(state, client, &video.id.to_string())?;
        None
    } else {
        Some(state.films.viewers.admit(state, client, video).await?)
    };
    let path = video.path().to_owned();
    let open = move || {
        let file = File::open(path)?;
        let data = file.metadata()?;
        Ok::<_, io::Error>((file, data))
    };
    let opened = state.films.shelf.aside(open).await.and_then(|opened| opened);
    let (file, data) = opened.map_err(crate::films::OpenError::from)?;
    let content = Content::whole(Arc::new(file), data.len());
    let tag = file_tag(&data);
    let about = About { method, headers, media_type: video.media_type(), tag: &tag };
    Ok(about.bytes(content, &state.films.shelf, viewer))
}
