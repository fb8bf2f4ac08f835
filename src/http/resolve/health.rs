//! How the server is, in the words of other streaming APIs.

use axum::Json;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::State;
use crate::http::ops::{ProcessMemory, is_healthy, uptime};

/// The answer to `GET /api/v2/system/health`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct SystemHealth {
    memory: Memory,
    services: Services,
    /// `healthy`, or else `unhealthy`, with the status 503.
    status: &'static str,
    /// In UTC (RFC 3339).
    #[schema(value_type = String)]
    timestamp: Timestamp,
    /// Since the start: `1h 30m 45s`.
    uptime: String,
    version: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct Services {
    /// `not_used`: there is none, and none is needed.
    redis: &'static str,
    /// `available` or `missing`.
    #[serde(rename = "yt-dlp")]
    yt_dlp: &'static str,
}

/// In MiB, as far as the system tells. There is no garbage to collect.
#[derive(Debug, Serialize, ToSchema)]
struct Memory {
    /// What the process has in physical memory.
    alloc_mb: u64,
    /// Always 0.
    num_gc: u64,
    /// Address space of the process.
    sys_mb: u64,
    /// Always 0: nobody counts what was freed again.
    total_alloc_mb: u64,
}

/// `GET /api/v2/system/health`
pub(in crate::http) async fn health(state: State) -> (StatusCode, Json<SystemHealth>) {
    let (status, code) = if is_healthy(&state) {
        ("healthy", StatusCode::OK)
    } else {
        ("unhealthy", StatusCode::SERVICE_UNAVAILABLE)
    };
    let resolver = state.resolver.clone();
    // It looks into folders.
    let looked = tokio::task::spawn_blocking(move || resolver.is_installed()).await;
    let ProcessMemory { resident, reserved } = ProcessMemory::now();
    let mebibytes = |bytes: Option<u64>| bytes.unwrap_or(0) >> 20;
    let health = SystemHealth {
        status,
        timestamp: Timestamp::now(),
        version: env!("CARGO_PKG_VERSION"),
        services: Services {
            redis: "not_used",
            yt_dlp: if looked.is_ok_and(|found| found) { "available" } else { "missing" },
        },
        uptime: uptime(state.process.started.elapsed().as_secs()),
        memory: Memory {
            alloc_mb: mebibytes(resident),
            total_alloc_mb: 0,
            sys_mb: mebibytes(reserved),
            num_gc: 0,
        },
    };
    (code, Json(health))
}
