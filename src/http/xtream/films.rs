//! The films, as panels list them and send them.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::RawPathParams;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::json_of;
use super::live::{Category, category_of};
use crate::films::Video;
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::extract::Client;
use crate::http::films::send;
use crate::http::sight::Sight;

/// Films that are written at once: 150 kB.
const AT_ONCE: usize = 500;

/// The folder that a film lies in.
fn group(video: &Video) -> Option<&str> {
    video.groups.last().map(String::as_str)
}

/// What stands behind the dot of its file's name.
fn container(video: &Video) -> String {
    video.path().extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// When its file was last written to, in seconds since 1970.
fn added(video: &Video) -> String {
    (video.modified() / 1_000_000_000).to_string()
}

/// The folders in the order of the titles in them.
pub(super) fn categories(state: &State, sight: &Sight) -> Vec<Category> {
    let (mut known, videos) = (HashSet::new(), state.films.library.videos());
    let seen = videos.all().iter().filter(|video| sight.sees_film(video));
    seen.filter(|video| known.insert(category_of(group(video))))
        .map(|video| Category::new(group(video)))
        .collect()
}

/// The films, of one folder if one is named.
pub(super) fn streams(state: &State, sight: Sight, category: Option<u32>) -> Response {
    let videos = state.films.library.videos();
    let pieces = stream::unfold((0, 0_u32), move |(from, mut num)| {
        let Some(rest) = videos.all().get(from..).filter(|_| from <= videos.len()) else {
            return std::future::ready(None);
        };
        let mut out = if from == 0 { "[".to_owned() } else { String::new() };
        for video in rest.iter().take(AT_ONCE) {
            let is_wanted = category.is_none_or(|wanted| wanted == category_of(group(video)));
            if is_wanted && sight.sees_film(video) {
                out.push_str(if num > 0 { "," } else { "" });
                num += 1;
                out.push_str(&stream_of(num, video).to_string());
            }
        }
        let mut next = from + AT_ONCE;
        if rest.len() <= AT_ONCE {
            out.push(']');
            // The next call finds nothing there and ends the list.
            next = usize::MAX;
        }
        std::future::ready(Some((Ok::<_, Infallible>(Bytes::from(out)), (next, num))))
    });
    json_of(Body::from_stream(pieces))
}

fn stream_of(num: u32, video: &Video) -> Value {
    let category = category_of(group(video));
    json!({
        "num": num,
        "name": video.title(),
        "stream_type": "movie",
        "stream_id": video.id.player_id(),
        "stream_icon": "",
        "rating": "0",
        "rating_5based": 0,
        "added": added(video),
        "is_adult": "0",
        "category_id": category.to_string(),
        "category_ids": [category],
        "container_extension": container(video),
        "custom_sid": "",
        "direct_source": "",
    })
}

/// What is known of one film; of one that there is not, nothing, in the words of panels.
pub(super) fn info(state: &State, sight: &Sight, id: Option<u32>) -> Value {
    let videos = state.films.library.videos();
    let found = id.and_then(|id| videos.find_by_player_id(id)).filter(|video| sight.sees_film(video));
    // An empty list where an object would be: that is
    // how panels write it in PHP, and players know it.
    let Some(video) = found else { return json!({ "info": [], "movie_data": [] }) };
    let seconds = video.duration.map_or(0, |duration| duration.as_secs());
    let category = category_of(group(video));
    json!({
        "info": {
            "name": video.title(),
            "o_name": video.title(),
            "movie_image": "",
            "plot": "",
            "cast": "",
            "director": "",
            "genre": "",
            "releasedate": "",
            "rating": "0",
            "backdrop_path": [],
            "youtube_trailer": "",
            "duration_secs": seconds,
            "duration": format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
            "bitrate": video.rate() / 1000,
        },
        "movie_data": {
            "stream_id": video.id.player_id(),
            "name": video.title(),
            "added": added(video),
            "category_id": category.to_string(),
            "category_ids": [category],
            "container_extension": container(video),
            "custom_sid": "",
            "direct_source": "",
        },
    })
}

/// `GET /movie/{user}/{password}/{id}`: the file, whatever stands behind the dot.
pub(in crate::http) async fn movie(
    state: State,
    path: RawPathParams,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let video = find(&state, &path)?;
    send(&state, &video, &client, &Method::GET, &headers).await
}

/// `HEAD`: takes up nothing.
pub(in crate::http) async fn head_movie(
    state: State,
    path: RawPathParams,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let video = find(&state, &path)?;
    send(&state, &video, &client, &Method::HEAD, &headers).await
}

fn find(state: &State, path: &RawPathParams) -> Result<Arc<Video>, ApiError> {
    let file = path.iter().find(|(name, _)| *name == "id").map_or("", |(_, id)| id);
    // The ending is the container that the list named; players change it as they like.
    let id = file.split('.').next().and_then(|id| id.parse().ok());
    let videos = state.films.library.videos();
    let video = id.and_then(|id| videos.find_by_player_id(id)).cloned();
    video.ok_or_else(|| ApiError::unknown_video(file))
}
