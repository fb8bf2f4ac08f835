//! Figures of pages: requests, hits, bytes.

use std::sync::atomic::Ordering;

use axum::Json;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::State;
use crate::resolver::Asked;

/// The answer to `GET /api/v2/stream/metrics`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PageMetrics {
    data: Figures,
    message: &'static str,
    success: bool,
    /// In UTC (RFC 3339).
    #[schema(value_type = String)]
    timestamp: Timestamp,
}

/// Since the start.
#[derive(Debug, Serialize, ToSchema)]
struct Figures {
    /// Files that are being sent.
    active_streams: usize,
    /// Milliseconds from a request to what is known of its page, on average.
    average_latency_ms: f64,
    /// Of a hundred requests, those whose page was known.
    cache_hit_rate: f64,
    /// Requests whose page was known.
    cache_hits: u64,
    /// Requests whose page had to be resolved, or could not be.
    cache_misses: u64,
    /// Bytes of files that were sent.
    total_bytes_served: u64,
    /// Requests for pages.
    total_requests: u64,
}

/// `GET /api/v2/stream/metrics`
pub(in crate::http) async fn metrics(state: State) -> Json<PageMetrics> {
    let Asked { requests, hits, took } = state.resolver.asked();
    let counts = state.reels.counts();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let share = |part: f64| if requests == 0 { 0.0 } else { (part * 10.0 / requests as f64).round() / 10.0 };
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let data = Figures {
        active_streams: counts.readers.load(Ordering::Relaxed),
        average_latency_ms: share(took.as_secs_f64() * 1000.0),
        cache_hit_rate: share(hits as f64 * 100.0),
        cache_hits: hits,
        cache_misses: requests - hits,
        total_bytes_served: counts.served.load(Ordering::Relaxed),
        total_requests: requests,
    };
    let message = "Streaming metrics retrieved successfully";
    Json(PageMetrics { success: true, message, data, timestamp: Timestamp::now() })
}
