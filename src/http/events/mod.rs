//! `GET /api/events`: what is on now, and what has happened lately, for pages that show it.
//!
//! Each listener is sent a message a second. It is made once for all of them, when the first one's
//! second has come: so no task stands behind it, and nothing is made while nobody listens. The next
//! one is asked for when the last one is in the socket: a slow listener misses some.

mod event;
mod history;
mod listening;
mod messages;

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::{HeaderName, HeaderValue, header};

pub(crate) use self::history::History;
pub(super) use self::history::{HistoryDocument, of_channel};
use self::listening::Listening;
use self::messages::Seat;
pub(super) use self::messages::{Messages, Now};
use super::State;
use super::error::ApiError;

/// Pages that may listen at the same time: more than a household or a provider has admins.
const MAX_LISTENERS: usize = 64;

/// A proxy that collects what comes would make it late.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// `GET /api/events`
pub(super) async fn listen(state: State) -> Result<Response, ApiError> {
    let seat = Seat::take(&state.documents.messages, state.channels.events(), MAX_LISTENERS);
    let seat = seat.ok_or_else(|| {
        ApiError::unavailable("too_many_listeners", format!("{MAX_LISTENERS} pages listen already"))
    })?;
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        UNBUFFERED,
    ];
    let messages = stream::unfold(Listening::new(state, seat), |mut listening| async {
        let message = listening.next().await?;
        Some((Ok::<_, Infallible>(message), listening))
    });
    Ok((fields, Body::from_stream(messages)).into_response())
}
