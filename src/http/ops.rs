//! For machines that look after the server.

use std::collections::BTreeMap;

use axum::Json;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::query::Query;
use crate::{db, supervisor, telemetry};

/// The answer to `GET /health`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `healthy`; `degraded` while a service waits for its restart; `stopping` from the first
    /// signal to stop on.
    status: &'static str,
    /// When it was asked, in UTC (RFC 3339).
    timestamp: String,
    version: &'static str,
    /// `not_used`: for those who expect the version of a runtime here.
    go: &'static str,
    /// Each service of the program, by name: `healthy`, `restarting` or `failed`.
    #[schema(value_type = BTreeMap<String, String>)]
    services: BTreeMap<&'static str, supervisor::Health>,
    /// Since the start: `1h 30m 45s`.
    uptime: String,
    memory: ProcessMemory,
    /// Channels that are configured.
    channels: usize,
    /// Channels that are open.
    streams: usize,
    /// Viewers.
    clients: usize,
    database: DatabaseHealth,
    log: LogHealth,
}

/// In bytes; absent where the system does not tell.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProcessMemory {
    /// What the process has in physical memory, the stores of its channels included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resident: Option<u64>,
    /// Address space of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reserved: Option<u64>,
}

/// The database since the start.
#[derive(Debug, Serialize, ToSchema)]
struct DatabaseHealth {
    /// Whether there is one.
    is_on: bool,
    /// Changes that are on the disk.
    written: u64,
    commits: u64,
    /// Changes that failed.
    failed: u64,
    /// Changes for which there was no room to wait.
    refused_writes: u64,
    /// Reads for which there was no room to wait.
    refused_reads: u64,
}

/// Lines of the log that were not written.
#[derive(Debug, Serialize, ToSchema)]
struct LogHealth {
    /// Lines that nobody took in time.
    lost: u64,
    /// Lines that repeated others too often.
    suppressed: u64,
}

/// `GET /health`: it runs. With `?ready`, 503 from the first signal to stop on, so that a balancer
/// sends nobody any more; with `?live`, 200 for as long as it answers.
pub(super) async fn health(state: State, query: Query) -> (StatusCode, Json<Health>) {
    let (load, log) = (state.channels.load(), telemetry::left_out());
    let is_stopping = state.channels.is_stopping();
    let asks_ready = query.value("ready").is_some();
    // Only for those who ask whether to send more:
    // whoever asks for life would kill what is draining.
    let code = if is_stopping && asks_ready { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let status = match is_stopping {
        true => "stopping",
        false if is_healthy(&state) => "healthy",
        false => "degraded",
    };
    let health = Health {
        status,
        timestamp: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        version: env!("CARGO_PKG_VERSION"),
        services: state.process.services.read(),
        go: "not_used",
        uptime: uptime(state.process.started.elapsed().as_secs()),
        memory: ProcessMemory::now(),
        channels: state.catalogue.list().len(),
        streams: load.channels,
        clients: load.viewers,
        database: DatabaseHealth::of(&state.database),
        log: LogHealth { lost: log.lost, suppressed: log.suppressed },
    };
    (code, Json(health))
}

/// Whether all services run, and none is going to stop.
pub(super) fn is_healthy(state: &State) -> bool {
    let services = state.process.services.read();
    let are_healthy = services.values().all(|health| *health == supervisor::Health::Healthy);
    are_healthy && !state.channels.is_stopping()
}

impl DatabaseHealth {
    fn of(database: &db::Database) -> Self {
        let db::Counts { written, commits, failed, reads: _, refused_writes, refused_reads } =
            database.counts();
        Self { is_on: database.is_on(), written, commits, failed, refused_writes, refused_reads }
    }
}

impl ProcessMemory {
    /// As Linux tells it; elsewhere nothing.
    pub(super) fn now() -> Self {
        let pages = |text: &str| -> Option<[u64; 2]> {
            let mut numbers = text.split(' ').map(|number| number.parse().ok());
            Some([numbers.next()??, numbers.next()??])
        };
        let size = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
        let told = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| pages(&text));
        let [reserved, resident] = told.map_or([None; 2], |told| told.map(|pages| Some(pages * size)));
        Self { resident, reserved }
    }
}

/// `1d 2h 3m 4s`, from the largest unit that is not zero.
pub(super) fn uptime(seconds: u64) -> String {
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m")];
    let begun = units.iter().skip_while(|(count, _)| *count == 0);
    let seconds = [(seconds % 60, "s")];
    let parts: Vec<String> = begun.chain(&seconds).map(|(count, unit)| format!("{count}{unit}")).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_do() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 0s"),
            (5445, "1h 30m 45s"),
            (90_061, "1d 1h 1m 1s"),
            (86_400, "1d 0h 0m 0s"),
        ] {
            assert_eq!(uptime(seconds), text);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_told() {
        let ProcessMemory { resident, reserved } = ProcessMemory::now();
        assert!(resident.unwrap() > 1 << 20 && reserved.unwrap() > resident.unwrap());
    }
}
