//! What a channel's provider has kept, passed on as it comes.
//!
//! It costs a connection of the provider for as long as it is sent, and counts as a viewer like
//! what is kept here. Whether it has a length and ranges is up to the provider.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use forebay_relay::channel::Feed;
use forebay_relay::input::byte_range::RangeRequest;
use forebay_relay::model::Channel;
use forebay_relay::provider_archives::{NoPlayback, Wanted};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;

use super::Asked;
use super::playback;
use super::stretch::Stretch;
use crate::accounts::Title;
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::extract::Client;
use crate::http::films::FilmViewer;
use crate::http::live::no_body;
use crate::http::presence::How;
use crate::http::tally::Count;
use crate::http::turns::Turn;

/// A stretch of a channel as one file of MPEG-TS, or the range of it that was asked for. Where it
/// has to end with the stretch, only those providers are asked who can be told so.
///
/// The inner error is that of the providers, where nobody but them stands in the way.
///
/// `HEAD` opens nothing: a provider that allows one connection would still count it when the player
/// comes back for the file.
pub(super) async fn file(
    state: &State,
    channel: &Channel,
    (stretch, needs_end): (Stretch, bool),
    Asked { client, method, headers }: Asked<'_>,
) -> Result<Result<Response, ApiError>, ApiError> {
    if method == Method::HEAD {
        return Ok(Ok((described(), no_body()).into_response()));
    }
    let viewer = admit(state, channel, client).await?;
    let Turn { replaced, hold } = tokio::select! {
        biased;
        () = viewer.ended() => return Err(ended(state, channel, client)),
        () = viewer.closed() => return Err(closing()),
        turn = viewer.turns.take() => turn.ok_or_else(overtaken)?,
    };
    let wanted = Wanted {
        stretch: stretch.of_provider(Timestamp::now().as_second()),
        priority: client.watching.watcher.priority(),
        needs_end,
        range: RangeRequest::of(headers),
        hold,
    };
    let opened = tokio::select! {
        biased;
        () = viewer.ended() => return Err(ended(state, channel, client)),
        () = viewer.closed() => return Err(closing()),
        () = replaced.cancelled() => return Err(overtaken()),
        opened = state.archives.open(channel, &wanted) => opened,
    };
    // Only sockets hold the turn from now on.
    drop(wanted);
    match opened {
        Ok(mut playback) => {
            state.tally.note(Count::ArchivesSent);
            let (status, headers) = (playback.status, std::mem::take(&mut playback.headers));
            let body = playback::body(state, &channel.id, playback, viewer, replaced);
            Ok(Ok((status, headers, described(), body).into_response()))
        }
        Err(why) => {
            // Nothing was sent, so nobody is to be waited for.
            viewer.leave();
            Ok(Err(refusal(state, stretch, &why)))
        }
    }
}

/// Lets `client` watch, if it may and if the limits allow it.
pub(super) async fn admit(
    state: &State,
    channel: &Channel,
    client: &Client,
) -> Result<Arc<FilmViewer>, ApiError> {
    // What it needs is known only when it has come. An open channel tells.
    let open = state.channels.report(channel.id.as_str()).map(|report| report.bitrate);
    let rate = open.filter(|&rate| rate > 0).unwrap_or(Feed::ASSUMED_BITRATE);
    state.films.viewers.admit_to(state, client, &Title::from(channel), (How::Catchup, rate)).await
}

fn ended(state: &State, channel: &Channel, client: &Client) -> ApiError {
    let id = channel.id.as_str();
    state.audience.presence.away(client, id).map_or_else(|| ApiError::not_allowed(id), ApiError::ended)
}

fn closing() -> ApiError {
    ApiError::unavailable("closing", "the server is ending".to_owned())
}

/// A player has one archive at a time, the one that it asked for last.
fn overtaken() -> ApiError {
    let message = "a later request of the same player has taken the place of this one";
    ApiError::new(StatusCode::CONFLICT, "overtaken", message)
}

fn refusal(state: &State, stretch: Stretch, why: &NoPlayback) -> ApiError {
    match why {
        NoPlayback::None => stretch.nowhere(),
        NoPlayback::Full => {
            state.tally.note(Count::ArchivesRefused);
            let message = "the provider has no connection to spare for its archive of this channel";
            ApiError::unavailable("provider_limit", message)
        }
        NoPlayback::Failed(code) => {
            state.tally.note(Count::ArchivesFailed);
            // Anybody may see this: no more than the kind of the failure.
            let message = format!("the provider does not send its archive of this channel: {code}");
            ApiError::new(StatusCode::BAD_GATEWAY, "archive_failed", message)
        }
    }
}

fn described() -> [(HeaderName, HeaderValue); 3] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("video/mp2t")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // Whoever seeks leaves an answer in the middle: nginx in front must not read all of it.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ]
}
