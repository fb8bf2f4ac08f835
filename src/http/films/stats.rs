//! The server of films as figures, in the words of those who ask a video server for them.

use axum::Json;
use http::{HeaderMap, Uri};
use serde::Serialize;
use tokio::runtime::Handle;
use utoipa::ToSchema;

use super::sending::FilmTraffic;
use crate::http::State;
use crate::http::extract::Client;
use crate::http::forwarded::base_url;
use crate::http::ops::{ProcessMemory, is_healthy, uptime};
use crate::http::presence::How;

/// The answer to `GET /stats`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct VideoServerStats {
    cache: CacheStats,
    /// Films that there are.
    films: usize,
    /// Collections of garbage: there are none.
    gc_runs: u32,
    /// Tasks that the program has now.
    goroutines: usize,
    /// What the process has in physical memory: `12.5 MB`.
    memory_alloc: String,
    /// Address space of the process.
    memory_sys: String,
    /// Bytes of films that were sent since the start.
    sent_bytes: u64,
    /// Since the start: `1h 30m 45s`.
    uptime: String,
    /// Viewers of films.
    viewers: usize,
}

/// Segments of films that are kept in memory.
#[derive(Debug, Serialize, ToSchema)]
struct CacheStats {
    /// Whether there is room for any.
    enabled: bool,
    /// Of the requests for such segments, those for which one was there: `87.30%`.
    hit_rate: String,
    hits: u64,
    /// Segments that are kept.
    items: usize,
    max_size: String,
    misses: u64,
    /// What they take: `234.5 MB`.
    size: String,
}

/// The answer to `GET /api/v1/video-server/status`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct VideoServerStatus {
    go_server: VideoServer,
    /// Always true: there would be no answer else.
    success: bool,
}

/// The server of films, which is this one.
#[derive(Debug, Serialize, ToSchema)]
struct VideoServer {
    /// Whether films are offered: whether the configuration names folders.
    enabled: bool,
    healthy: bool,
    stats: VideoServerStats,
    /// Where it is.
    url: String,
}

/// `GET /stats`
pub(in crate::http) async fn stats(state: State) -> Json<VideoServerStats> {
    Json(VideoServerStats::now(&state))
}

/// `GET /api/v1/video-server/status`
pub(in crate::http) async fn status(
    state: State,
    client: Client,
    uri: Uri,
    headers: HeaderMap,
) -> Json<VideoServerStatus> {
    let url = base_url(&state.config().server, client.peer, &uri, &headers);
    let go_server = VideoServer {
        enabled: !state.config().films.folders.is_empty(),
        healthy: is_healthy(&state),
        stats: VideoServerStats::now(&state),
        url: url.as_str().trim_end_matches('/').to_owned(),
    };
    Json(VideoServerStatus { success: true, go_server })
}

impl VideoServerStats {
    fn now(state: &State) -> Self {
        let (made, memory) = (state.films.made.counts(), ProcessMemory::now());
        Self {
            cache: CacheStats {
                enabled: made.limit > 0,
                items: made.segments,
                size: binary(made.held),
                max_size: binary(made.limit),
                hits: made.hits,
                misses: made.misses,
                hit_rate: percent(made.hits, made.hits + made.misses),
            },
            films: state.films.library.videos().len(),
            gc_runs: 0,
            goroutines: Handle::current().metrics().num_alive_tasks(),
            memory_alloc: binary(memory.resident.unwrap_or(0)),
            memory_sys: binary(memory.reserved.unwrap_or(0)),
            sent_bytes: FilmTraffic::PATHS.map(|(path, _)| state.films.traffic.sent(path)).iter().sum(),
            uptime: uptime(state.process.started.elapsed().as_secs()),
            viewers: state.films.viewers.count(How::Film),
        }
    }
}

/// `512 B`, `12.5 MB`: in powers of 1024.
fn binary(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = bytes.ilog2() / 10;
    // To tenths, rounded down.
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    let unit = char::from(b"KMGTPE"[power as usize - 1]);
    format!("{}.{} {unit}B", tenths / 10, tenths % 10)
}

/// `87.30%`, rounded down; of nothing, `0.00%`.
fn percent(part: u64, whole: u64) -> String {
    let hundredths = u128::from(part) * 10_000 / u128::from(whole.max(1));
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shares_are_told_as_people_do() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KB"),
            (13_107_200, "12.5 MB"),
            (1 << 30, "1.0 GB"),
            (u64::MAX, "15.9 EB"),
        ] {
            assert_eq!(binary(bytes), text);
        }
        assert_eq!((percent(873, 1000), percent(0, 0)), ("87.30%".to_owned(), "0.00%".to_owned()));
    }
}
