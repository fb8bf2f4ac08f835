//! A film as the file that it is. Its address is like that of a channel.

use std::fs::File;
use std::io;
use std::sync::Arc;

use axum::extract::Path;
use axum::response::Response;
use http::{HeaderMap, Method};

use super::answer::About;
use super::find;
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
        (Err(_), Ok(video)) => send(&state, &video, &Method::GET, &headers).await,
        // It is unknown, or not for whoever asks.
        (Err(refusal), Err(_)) => Ok(refusal),
    }
}

/// `HEAD /stream/{id}`: opens no channel.
pub(in crate::http) async fn head(
    state: State,
    Path(id): Path<String>,
    channel: Result<Named<ByFile>, Response>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    match (channel, find(&state, &id)) {
        (Ok(channel), _) => Ok(live::head(channel).await),
        (Err(_), Ok(video)) => send(&state, &video, &Method::HEAD, &headers).await,
        (Err(refusal), Err(_)) => Ok(refusal),
    }
}

async fn send(
    state: &State,
    video: &Video,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let path = video.path().to_owned();
    let open = move || {
        let file = File::open(path)?;
        let data = file.metadata()?;
        Ok::<_, io::Error>((file, data))
    };
    let opened = state.shelf.aside(open).await.and_then(|opened| opened);
    let (file, data) = opened.map_err(crate::films::OpenError::from)?;
    let content = Content::whole(Arc::new(file), data.len());
    let tag = file_tag(&data);
    let about = About { method, headers, media_type: video.media_type(), tag: &tag };
    Ok(about.bytes(content, &state.shelf))
}
