//! The status document: what the open channels, the providers and the server do.
//!
//! The fields of each object are in alphabetical order. That is part of the contract, like their
//! names.

mod channel;
mod server;
mod source;

use std::cmp::Reverse;
use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use forebay_relay::channel::ListedChannel;
use http::{HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use self::channel::ChannelStatus;
use self::channel::OpenChannel;
use self::server::{ProviderStatus, ServerStatus};
use super::State;
use super::address::Reader;
use super::error::ApiError;
use super::extract::no_channel;
use super::pushes::PushSummary;

/// The answer to `GET /api/streams/status`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// In the order of their ids. One that was taken out of the configuration is listed as long as
    /// it has connections.
    providers: Vec<ProviderStatus>,
    /// Channels that are sent to servers elsewhere.
    pushes: Vec<PushSummary>,
    server: ServerStatus,
    /// The channels that are open.
    streams: Vec<OpenChannel>,
    total_streams: usize,
}

/// `GET /api/streams/status`: the channels that are open.
pub(super) async fn all(state: State, reader: Reader) -> Response {
    if reader == Reader::Admin {
        return Json(Status::new(&state, reader)).into_response();
    }
    let make = || serde_json::to_vec(&Status::new(&state, reader)).expect("its keys are texts");
    let document = state.documents.status.get(make);
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document).into_response()
}

/// `GET /api/streams/{id}/status`: one channel, open or not.
pub(super) async fn one(
    state: State,
    Path(id): Path<String>,
    reader: Reader,
) -> Result<Json<ChannelStatus>, ApiError> {
    match entry(&state, &id, reader).await? {
        Some(status) => Ok(Json(status)),
        None => Err(no_channel(&state, &id, &id).await),
    }
}

/// What is known of one channel, if there is such a one. It may be open still, and configured no
/// more.
pub(super) async fn entry(
    state: &State,
    id: &str,
    reader: Reader,
) -> Result<Option<ChannelStatus>, ApiError> {
    if let Some(report) = state.channels.report(id) {
        return Ok(Some(OpenChannel::new(report, reader).into()));
    }
    let Some(ListedChannel { channel, .. }) = state.catalogue.find(id).await? else { return Ok(None) };
    let health = state.channels.source_health(&channel);
    Ok(Some(ChannelStatus::closed(&channel, &health, reader)))
}

impl Status {
    fn new(state: &State, reader: Reader) -> Self {
        let reports = state.channels.reports();
        Self {
            providers: state.channels.providers().iter().map(ProviderStatus::new).collect(),
            pushes: state.pushes.reports().iter().map(PushSummary::from).collect(),
            server: ServerStatus::new(state, &reports),
            total_streams: reports.len(),
            streams: reports.into_iter().map(|report| OpenChannel::new(report, reader)).collect(),
        }
    }

    /// The same with no more than `most` streams, those with the most viewers; as the public sees
    /// it.
    pub(super) fn of_most_watched(state: &State, most: usize) -> Self {
        let mut status = Self::new(state, Reader::Public);
        status.streams.sort_by_key(|stream| Reverse(stream.viewers()));
        status.streams.truncate(most);
        status
    }
}

/// To the second, as in `2025-12-08T19:20:00Z`.
fn to_the_second(at: Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}

/// Seconds with three decimals.
fn seconds(span: SignedDuration) -> f64 {
    (span.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The same of a span that is not negative.
fn seconds_of(span: Duration) -> f64 {
    seconds(span.try_into().unwrap_or_default())
}

/// Whole milliseconds.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
