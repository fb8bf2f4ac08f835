//! A film as the file that it is. Its address is like that of a channel.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use forebay_core::manifest::Rendition;
use futures_util::stream;
use http::{HeaderMap, Method, header};

use super::answer::About;
use super::parts::{TRANSPORT, is_transport, opened_for};
use super::{find, find_for, growing, sending};
use crate::films::{Content, Video, tag};
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
        // A channel wins: its address was there first, and players have kept it.
        (Ok(channel), _) => live::watch(state, channel, query, client).await,
        (Err(_), Ok(video)) => send_as_asked(&state, &video, (&client, &query), &Method::GET, &headers).await,
        // It is unknown, or not for whoever asks.
        (Err(refusal), Err(_)) => Ok(refusal),
    }
}

/// `HEAD /stream/{id}`: opens no channel.
pub(in crate::http) async fn head(
    state: State,
    Path(id): Path<String>,
    channel: Result<Named<ByFile>, Response>,
    query: Query,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    match (channel, find(&state, &id)) {
        (Ok(channel), _) => Ok(live::head(channel)),
        (Err(_), Ok(video)) => {
            send_as_asked(&state, &video, (&client, &query), &Method::HEAD, &headers).await
        }
        (Err(refusal), Err(_)) => Ok(refusal),
    }
}

/// The file, or a transport stream of it if that is asked for and it is none.
async fn send_as_asked(
    state: &State,
    video: &Video,
    (client, query): (&Client, &Query),
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    if is_transport(query) && video.media_type() != TRANSPORT {
        return send_transport(state, video, client, method).await;
    }
    send(state, video, client, method, headers).await
}

/// All segments as one transport stream, each made when those before have been sent. Its length is
/// not known before.
async fn send_transport(
    state: &State,
    video: &Video,
    client: &Client,
    method: &Method,
) -> Result<Response, ApiError> {
    let (opened, viewer) = opened_for(state, client, &video.id.to_string(), method).await?;
    let tracks = Rendition::Transport.tracks(&opened.film);
    if tracks.is_empty() {
        return Err(ApiError::not_in_packets());
    }
    let media_type = [(header::CONTENT_TYPE, TRANSPORT)];
    let Some(viewer) = viewer else { return Ok((media_type, live::no_body()).into_response()) };
    // One state for the whole answer: continuity counters go on from segment to segment.
    let packets = opened.transport_stream(&tracks)?;
    let (shelf, traffic) = (state.films.shelf.clone(), Arc::clone(&state.films.traffic));
    let body = Body::from_stream(stream::try_unfold((0, packets), move |(n, mut packets)| {
        let (opened, shelf, tracks) = (Arc::clone(&opened), shelf.clone(), tracks.clone());
        let (viewer, traffic) = (Arc::clone(&viewer), Arc::clone(&traffic));
        async move {
            // Not before: a viewer is there until the last segment was taken.
            if n == opened.film.segments() {
                viewer.touch();
                return Ok::<_, io::Error>(None);
            }
            let append = move || (opened.append(&mut packets, n, &tracks), packets);
            let (made, packets) = tokio::select! {
                biased;
                () = viewer.ended() => return Err(io::Error::other("the viewer may not go on")),
                made = shelf.aside_in_memory(append) => made?,
            };
            let bytes = Bytes::from(made.map_err(io::Error::other)?);
            traffic.note(sending::Path::Read, bytes.len());
            Ok(Some((bytes, (n + 1, packets))))
        }
    }));
    Ok((media_type, body).into_response())
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
    // Behind the admission: a file is not opened for one who is refused.
    let opened = state.films.shelf.file(video).await;
    let (file, identity) = opened.map_err(crate::films::OpenError::from)?;
    if video.is_growing() {
        let answer = growing::send(&state.films, video, file, viewer, (method, headers)).await;
        return Ok(answer.map_err(crate::films::OpenError::from)?);
    }
    let content = Arc::new(Content::whole(file, identity.size));
    let tag = tag(&identity);
    let about = About { method, headers, media_type: video.media_type(), tag: &tag };
    Ok(about.bytes(content, &state.films, viewer))
}
