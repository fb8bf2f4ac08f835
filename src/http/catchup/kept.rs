//! What a channel has kept itself.
//!
//! An answer is a file that is there: its length is known, players may seek, and take it as fast as
//! they like. It holds whole segments, so it may begin some seconds earlier than was asked for. Of
//! a programme that is still on it holds what has been shown.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use forebay_relay::channel::{Excerpt, ExcerptReader};
use forebay_relay::model::Channel;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::Asked;
use super::playlist;
use super::stretch::Stretch;
use crate::accounts::Title;
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::extract::Client;
use crate::http::films::FilmViewer;
use crate::http::hls::MARK;
use crate::http::live::no_body;
use crate::http::presence::How;
use crate::http::range::Part;

/// A stretch of a channel as one file of MPEG-TS, or the range of it that was asked for. The
/// channel is one that whoever asks may watch.
pub(super) async fn file(
    state: &State,
    channel: &Channel,
    excerpt: Excerpt,
    Asked { client, method, headers }: Asked<'_>,
) -> Result<Response, ApiError> {
    let (length, tag) = (excerpt.size(), format!("\"{}\"", excerpt.tag()));
    let part = match *method {
        // A range is defined for `GET` alone (RFC 9110, section 14.2).
        Method::HEAD => Part::Whole,
        // More may have been shown since, which is another file for who joins two parts.
        _ => Part::of_tagged(headers, length, &tag),
    };
    let (at, end) = match part {
        Part::Whole => (0, length),
        Part::Of { start, end } => (start, end),
        Part::Nothing => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response());
        }
    };
    let body = if method == Method::HEAD {
        no_body()
    } else {
        let how = (How::Catchup, excerpt.rate());
        let viewer = state.films.viewers.admit_to(state, client, &Title::from(channel), how).await?;
        body(excerpt.into_reader(), viewer, at..end)
    };
    let fixed = [
        (header::CONTENT_TYPE, HeaderValue::from_static("video/mp2t")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::CONTENT_LENGTH, HeaderValue::from(end - at)),
        // Whoever seeks leaves an answer in the middle: nginx in front must not read all of it.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let mut response = (fixed, [(header::ETAG, tag)], body).into_response();
    if part != Part::Whole {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = HeaderValue::try_from(format!("bytes {at}-{}/{length}", end - 1));
        response.headers_mut().extend(range.ok().map(|range| (header::CONTENT_RANGE, range)));
    }
    Ok(response)
}

fn body(reader: ExcerptReader, viewer: Arc<FilmViewer>, part: std::ops::Range<u64>) -> Body {
    Body::from_stream(stream::try_unfold(
        (reader, viewer, part.start),
        move |(reader, viewer, at)| async move {
            if at >= part.end {
                // At the end: a slow line may take longer for it than a viewer is waited for.
                viewer.touch();
                return Ok::<_, io::Error>(None);
            }
            let bytes = tokio::select! {
                biased;
                () = viewer.ended() => return Err(io::Error::other("the viewer may not go on")),
                bytes = reader.read(at, part.end) => bytes?,
            };
            let at = at + bytes.len() as u64;
            Ok(Some((bytes, (reader, viewer, at))))
        },
    ))
}

/// A stretch of a channel as an HLS playlist, whose segments are those of the channel's own.
pub(super) async fn playlist_of(
    state: &State,
    channel: &Channel,
    stretch: Stretch,
    client: &Client,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let find = || stretch.find(&state.channels, channel).ok_or_else(|| stretch.nowhere());
    let how = (How::Catchup, find()?.rate());
    let _viewer = state.films.viewers.admit_to(state, client, &Title::from(channel), how).await?;
    let carried = client.watching.carried.query();
    let render = || {
        // Only now, and not while it waits: a day of segments takes megabytes, too.
        let excerpt = find()?;
        let mark = if carried.is_empty() { MARK.to_owned() } else { format!("{MARK}&{carried}") };
        Ok(move || excerpt.playlist().with_query(&mark))
    };
    playlist::answer(state, headers, render).await
}
