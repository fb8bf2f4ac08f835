//! How the server is, as data, in the shapes of the documents that fix these routes.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::check::Level;

/// The answer to `GET /api/monitoring/health`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct MonitoringHealth {
    pub(super) checks: Checks,
    pub(super) status: Level,
    /// In UTC (RFC 3339).
    pub(super) timestamp: String,
    /// Seconds since the start.
    pub(super) uptime: f64,
    pub(super) version: &'static str,
}

/// What was looked at.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checks {
    pub(super) active_streams: StreamCheck,
    pub(super) error_rate: ErrorCheck,
    pub(super) memory: MemoryCheck,
    pub(super) redis: RedisCheck,
    pub(super) services: ServiceCheck,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamCheck {
    pub(super) count: usize,
    pub(super) status: Level,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorCheck {
    /// Of the answers of the last five minutes, those that were errors of the server: from 0 to 1.
    pub(super) rate: f64,
    pub(super) status: Level,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemoryCheck {
    pub(super) status: Level,
    /// Of the memory of the machine, in percent.
    pub(super) usage: f64,
}

/// There is none, and none is needed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RedisCheck {
    /// Always false.
    pub(super) connected: bool,
    /// Always `not_used`.
    pub(super) status: &'static str,
}

/// The services of the program.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServiceCheck {
    pub(super) status: Level,
}

/// Figures of a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Sample {
    pub(super) active_streams: usize,
    /// Seconds, of the streams that have ended since the start.
    pub(super) average_stream_duration: f64,
    /// Of the requests for pages since the start, those whose page was known: from 0 to 1.
    pub(super) cache_hit_rate: f64,
    pub(super) cpu_usage: CpuUsage,
    /// Of the answers of the last five minutes, those that were errors of the server: from 0 to 1.
    pub(super) error_rate: f64,
    pub(super) memory_usage: MemoryUsage,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
    /// Streams that have begun since the start.
    pub(super) total_streams: u64,
}

/// Microseconds of processor time since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub(super) struct CpuUsage {
    pub(super) system: u64,
    pub(super) user: u64,
}

/// Bytes of the process.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub(super) struct MemoryUsage {
    /// Address space.
    pub(super) reserved: u64,
    /// In physical memory.
    pub(super) rss: u64,
}

/// Memory in words.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemorySummary {
    /// Of the machine, in percent.
    pub(super) percentage: f64,
    /// Of the process: `25.4 MB`.
    pub(super) process: String,
    /// Of the machine.
    pub(super) total: String,
    /// Of the machine, by all programs.
    pub(super) used: String,
}

/// The answer to `GET /api/monitoring/metrics`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct MetricsNow {
    pub(super) current: Sample,
    pub(super) memory: MemorySummary,
    /// In UTC (RFC 3339).
    pub(super) timestamp: String,
}

/// The answer to `GET /api/monitoring/metrics/history`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct MetricsHistory {
    pub(super) count: usize,
    /// One for each minute, the oldest first.
    #[schema(value_type = Vec<Sample>)]
    pub(super) metrics: Vec<Value>,
    /// `24 hours`.
    pub(super) period: String,
}

/// The answer to `GET /api/monitoring/queues`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct QueueStatistics {
    pub(super) queues: Queues,
    /// In UTC (RFC 3339).
    pub(super) timestamp: String,
}

/// The queues of pages.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Queues {
    /// Downloads.
    pub(super) streaming: QueueCounts,
    /// Analyses.
    pub(super) video_analysis: QueueCounts,
}

/// The jobs of one queue.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub(super) struct QueueCounts {
    pub(super) active: u64,
    /// Of the last day.
    pub(super) completed: u64,
    pub(super) delayed: u64,
    /// Of the last week.
    pub(super) failed: u64,
    pub(super) paused: bool,
    /// Of those that wait, the urgent ones.
    pub(super) prioritized: u64,
    pub(super) waiting: u64,
}

/// The answer to `GET /api/monitoring/tokens`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TokenStatistics {
    pub(super) statistics: TokenCounts,
    /// In UTC (RFC 3339).
    pub(super) timestamp: String,
}

/// Since the start, but for those that are good now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenCounts {
    pub(super) made: u64,
    pub(super) refreshed: u64,
    pub(super) refused: u64,
    pub(super) revoked: u64,
    /// Good now.
    pub(super) total_active: usize,
}

/// The answer to `GET /api/monitoring/status`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct SystemStatus {
    pub(super) services: StatusServices,
    pub(super) streaming: StatusStreaming,
    pub(super) system: StatusSystem,
    /// In UTC (RFC 3339).
    pub(super) timestamp: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusServices {
    pub(super) queues: Queues,
    /// Always `not_used`.
    pub(super) redis: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusStreaming {
    pub(super) active_streams: usize,
    pub(super) error_rate: f64,
    /// Tokens that are good now.
    pub(super) total_tokens: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusSystem {
    pub(super) memory: MemorySummary,
    pub(super) status: Level,
    /// Seconds since the start.
    pub(super) uptime: f64,
}

/// The answer to `POST /api/monitoring/cleanup`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct CleanedUp {
    /// Downloads that had ended.
    pub(super) downloads_removed: usize,
    /// Records of tokens that no limit looks at any more.
    pub(super) expired_tokens_removed: usize,
    /// Records of jobs that have ended.
    pub(super) jobs_removed: usize,
    pub(super) message: &'static str,
    /// Minutes whose figures were too old.
    pub(super) metrics_removed: usize,
    /// In UTC (RFC 3339).
    pub(super) timestamp: String,
}

/// Something is worse than it was, or better: an event `alert`.
#[derive(Debug, Serialize)]
pub(super) struct Alert {
    pub(super) level: Level,
    pub(super) metric: &'static str,
    /// In UTC (RFC 3339).
    pub(super) timestamp: String,
}
