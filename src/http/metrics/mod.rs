//! `GET /metrics`: figures for Prometheus and programs like it, in the format `OpenMetrics`.
//!
//! Everything is read where the status reads it, or was counted where it happened: a scrape asks no
//! channel and no viewer for anything. Labels are of sets with limits: beyond
//! [`MAX_CHANNELS`](channels::MAX_CHANNELS) open channels, the rest is one series.

mod channels;
mod datagrams;
mod family;
mod pushes;
mod server;
#[cfg(test)]
mod tests;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};

use self::family::{Family, render};
use super::State;

/// The media type of `OpenMetrics`.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// `GET /metrics`
pub(super) async fn metrics(state: State) -> Response {
    let body = state.documents.metrics.get(|| render(families(&state)).into_bytes());
    ([(header::CONTENT_TYPE, OPEN_METRICS), (header::CACHE_CONTROL, NO_STORE)], body).into_response()
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

fn families(state: &State) -> Vec<Family> {
    let reports = state.channels.reports();
    let mut families = server::families(state, &reports);
    families.extend(channels::families(&reports));
    families.extend(channels::providers(&state.channels.providers()));
    families.extend(datagrams::families());
    families.extend(pushes::families(&state.pushes.reports()));
    families
}
