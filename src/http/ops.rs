//! For machines that look after the server.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::RawQuery;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use super::{State, query};
use crate::{db, supervisor, telemetry};

/// The answer to `GET /health`.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    /// `healthy`; `degraded` while a service waits for its restart; `stopping` from the first signal
    /// to stop on.
    status: &'static str,
    /// When it was asked, in UTC (RFC 3339).
    timestamp: String,
    version: &'static str,
    /// Each service of the program, by name.
    services: BTreeMap<&'static str, supervisor::Health>,
    /// Since the start: `1h 30m 45s`.
    uptime: String,
    memory: Memory,
    /// Channels that are configured.
    channels: usize,
    /// Channels that are open.
    streams: usize,
    /// Viewers.
    clients: usize,
    database: Database,
    log: Log,
}

/// In bytes; absent where the system does not tell.
#[derive(Debug, Serialize)]
struct Memory {
    /// What the process has in physical memory, the stores of its channels included.
    #[serde(skip_serializing_if = "Option::is_none")]
    resident: Option<u64>,
    /// Address space of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved: Option<u64>,
}

/// Since the start.
#[derive(Debug, Serialize)]
struct Database {
    /// Whether there is one.
    is_on: bool,
    written: u64,
    commits: u64,
    failed: u64,
    refused_writes: u64,
    refused_reads: u64,
}

#[derive(Debug, Serialize)]
struct Log {
    lost: u64,
    suppressed: u64,
}

/// `GET /health`: it runs. With `?ready`, 503 from the first signal to stop on, so that a balancer
/// sends nobody any more; with `?live`, 200 for as long as it answers.
pub(super) async fn health(state: State, RawQuery(typed): RawQuery) -> (StatusCode, Json<Health>) {
    let (load, log) = (state.channels.load(), telemetry::left_out());
    let is_stopping = state.channels.is_stopping();
    let asks_ready = query::value(typed.as_deref(), "ready").is_some();
    let code = if is_stopping && asks_ready { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let services = state.services.read();
    let status = match is_stopping {
        true => "stopping",
        false if services.values().all(|health| *health == supervisor::Health::Healthy) => "healthy",
        false => "degraded",
    };
    let health = Health {
        status,
        timestamp: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        version: env!("CARGO_PKG_VERSION"),
        services,
        uptime: uptime(state.started.elapsed().as_secs()),
        memory: Memory::now(),
        channels: state.channels.configured().len(),
        streams: load.channels,
        clients: load.viewers,
        database: Database::of(&state.database),
        log: Log { lost: log.lost, suppressed: log.suppressed },
    };
    (code, Json(health))
}

impl Database {
    fn of(database: &db::Database) -> Self {
        let db::Counts { written, commits, failed, refused_writes, refused_reads } = database.counts();
        Self { is_on: database.is_on(), written, commits, failed, refused_writes, refused_reads }
    }
}

impl Memory {
    /// As Linux tells it; elsewhere nothing.
    fn now() -> Self {
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
fn uptime(seconds: u64) -> String {
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
        let Memory { resident, reserved } = Memory::now();
        assert!(resident.unwrap() > 1 << 20 && reserved.unwrap() > resident.unwrap());
    }
}
