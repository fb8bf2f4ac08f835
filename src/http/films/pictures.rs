//! Pictures of a film: its poster, and small ones along its time.

use std::sync::Arc;

use axum::response::Response;
use forebay_core::manifest;
use http::{HeaderMap, Method};

use super::answer::About;
use super::open;
use crate::films::{FilmId, NoPicture, Opened, Storyboard};
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::extract::Client;

/// The folder of the sheets of small pictures, below that of the film.
pub(super) const STORYBOARD: &str = "storyboard";

const POSTER: &str = "poster.jpg";
const THUMBNAILS: &str = "thumbnails.vtt";
const JPEG: &str = "image/jpeg";
const WEBVTT: &str = "text/vtt";

/// Whether this is the name of a picture, or of their list.
pub(super) fn is_one(name: &str) -> bool {
    [POSTER, THUMBNAILS].contains(&name)
}

/// `GET /hls/{video}/poster.jpg` and `GET /hls/{video}/thumbnails.vtt`: whoever asks is no viewer.
pub(super) async fn send(
    state: &State,
    client: &Client,
    (id, name): (&str, &str),
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let (film, opened) = film(state, client, id).await?;
    let films = &state.films;
    let media_type = if name == POSTER { JPEG } else { WEBVTT };
    let tag = format!("{}-{name}", opened.tag());
    let about = About { method, headers, media_type, tag: &tag };
    if name == POSTER {
        let poster = films.pictures.poster(film, &opened, &films.shelf).await;
        return Ok(about.picture(poster.map_err(|why| refused(why, name))?));
    }
    let list = match films.pictures.storyboard(film, &opened, name, &films.shelf).await {
        Err(NoPicture::NotYet) => {
            state.jobs.add(Storyboard::job(film, "viewer".to_owned())).await?;
            return Err(refused(NoPicture::NotYet, name));
        }
        list => list.map_err(|why| refused(why, name))?,
    };
    let list = String::from_utf8_lossy(&list);
    let query = client.watching.carried.query();
    let list = if query.is_empty() { list.into() } else { manifest::with_query_in_thumbnails(&list, &query) };
    Ok(about.text(list))
}

/// `GET /hls/{video}/storyboard/{sheet}`
pub(super) async fn send_sheet(
    state: &State,
    client: &Client,
    (id, name): (&str, &str),
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let (film, opened) = film(state, client, id).await?;
    let number = name.strip_suffix(".jpg").and_then(|number| number.parse::<u8>().ok());
    let name = format!("{}.jpg", number.ok_or_else(|| ApiError::no_part(name))?);
    let sheet = state.films.pictures.storyboard(film, &opened, &name, &state.films.shelf).await;
    let tag = format!("{}-{STORYBOARD}-{name}", opened.tag());
    let about = About { method, headers, media_type: JPEG, tag: &tag };
    Ok(about.picture(sheet.map_err(|why| refused(why, &name))?))
}

/// The film that an address names, open.
async fn film(state: &State, client: &Client, id: &str) -> Result<(FilmId, Arc<Opened>), ApiError> {
    let opened = open(state, client, id).await?;
    Ok((FilmId::parse(id).ok_or_else(|| ApiError::unknown_video(id))?, opened))
}

fn refused(why: NoPicture, name: &str) -> ApiError {
    match why {
        NoPicture::None => ApiError::no_part(name),
        NoPicture::NotYet => ApiError::unavailable("no_picture_yet", why.to_string()),
        NoPicture::Film(error) => error.into(),
    }
}
