//! Where the figures come from.

use jiff::Timestamp;

use super::check::Figures;
use super::document::{CpuUsage, MemorySummary, MemoryUsage, QueueCounts, Queues, Sample};
use crate::db::Error;
use crate::db::jobs as rows;
use crate::http::State;
use crate::http::ops::{ProcessMemory, is_healthy};
use crate::page_jobs::{DOWNLOAD, analysis};

/// The figures that are looked at.
pub(super) fn figures(state: &State) -> Figures {
    Figures {
        memory: Machine::now().map_or(0.0, Machine::percentage),
        streams: state.audience.presence.count(),
        max_streams: state.max_connections(),
        error_rate: state.monitor.error_rate(),
        runs: is_healthy(state),
    }
}

impl Sample {
    /// The figures of now.
    pub(super) fn now(state: &State) -> Self {
        let (presence, asked) = (&state.audience.presence, state.resolver.asked());
        let ProcessMemory { resident, reserved } = ProcessMemory::now();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let cache_hit_rate =
            if asked.requests == 0 { 0.0 } else { asked.hits as f64 / asked.requests as f64 };
        Self {
            active_streams: presence.count(),
            average_stream_duration: presence.average_duration().as_secs_f64(),
            cache_hit_rate,
            cpu_usage: CpuUsage::now().unwrap_or_default(),
            error_rate: state.monitor.error_rate(),
            memory_usage: MemoryUsage { reserved: reserved.unwrap_or(0), rss: resident.unwrap_or(0) },
            timestamp: Timestamp::now().as_millisecond(),
            total_streams: presence.total(),
        }
    }
}

impl CpuUsage {
    /// As Linux tells it; elsewhere nothing.
    fn now() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program stands in brackets, and may hold blanks.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let micros = |ticks: u64| ticks * 1_000_000 / u64::max(rustix::param::clock_ticks_per_second(), 1);
        Some(Self { user: micros(ticks(11)?), system: micros(ticks(12)?) })
    }
}

/// Bytes of the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Machine {
    total: u64,
    available: u64,
}

impl Machine {
    /// As Linux tells it; elsewhere nothing.
    fn now() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/meminfo").ok()?)
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
        };
        Some(Self { total: bytes("MemTotal")?, available: bytes("MemAvailable")? })
    }

    fn used(self) -> u64 {
        self.total.saturating_sub(self.available)
    }

    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    fn percentage(self) -> f64 {
        (self.used() as f64 * 1000.0 / u64::max(self.total, 1) as f64).round() / 10.0
    }
}

/// Memory in words.
pub(super) fn memory_summary() -> MemorySummary {
    let machine = Machine::now().unwrap_or(Machine { total: 0, available: 0 });
    MemorySummary {
        percentage: machine.percentage(),
        process: words(ProcessMemory::now().resident.unwrap_or(0)),
        total: words(machine.total),
        used: words(machine.used()),
    }
}

/// `25.4 MB`
fn words(bytes: u64) -> String {
    const UNITS: &[&str] = &["Bytes", "KB", "MB", "GB", "TB"];
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{} {}", (size * 100.0).round() / 100.0, UNITS[unit])
}

impl Queues {
    /// How the queues of pages stand.
    pub(super) async fn read(state: &State) -> Result<Self, Error> {
        let read = |connection: &_| {
            let counts = |kind| rows::counts(connection, kind);
            let paused = rows::paused(connection)?;
            let is_paused = |kind: &str| paused.iter().any(|other| other == kind);
            let of = |kind| Ok::<_, Error>(QueueCounts::new(counts(kind)?, is_paused(kind)));
            Ok::<_, Error>(Self { streaming: of(DOWNLOAD)?, video_analysis: of(analysis::ANALYZE)? })
        };
        state.database.read(read).await
    }
}

impl QueueCounts {
    fn new(counts: rows::Counts, paused: bool) -> Self {
        let rows::Counts { waiting, urgent, delayed, running, completed, failed } = counts;
        Self { active: running, completed, delayed, failed, paused, prioritized: urgent, waiting }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_percent_and_in_words() {
        let text = "MemTotal:       1000 kB\nMemFree:  1 kB\nMemAvailable:    250 kB\n";
        let machine = Machine::read(text).unwrap();
        assert_eq!((machine.percentage(), machine.used()), (75.0, 750 << 10));
        assert_eq!(Machine::read("MemTotal: many\n"), None);
        for (bytes, expected) in [
            (0, "0 Bytes"),
            (1023, "1023 Bytes"),
            (1536, "1.5 KB"),
            (26_633_830, "25.4 MB"),
            (u64::MAX, "16777216 TB"),
        ] {
            assert_eq!(words(bytes), expected);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_tells() {
        assert!(Machine::now().unwrap().total > 1 << 20);
        CpuUsage::now().unwrap();
    }
}
