//! How the server is, now and in the last day.

use super::NO_DATABASE;
use super::operation::Operation;
use super::route::{Access, Route};
use crate::http::monitoring::{
    self, CleanedUp, MetricsHistory, MetricsNow, MonitoringHealth, QueueStatistics, SystemStatus,
    TokenStatistics,
};

/// What everything here but the health may be refused with.
fn asks(id: &str, summary: &str) -> Operation {
    Operation::new(id, summary).fails(403, &["forbidden"])
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/api/monitoring/health", Access::Machine).get(monitoring::health, || {
            Operation::new("getMonitoringHealth", "Whether memory, streams, errors and services are well")
                .json::<MonitoringHealth>(200, "Nothing is critical")
                .json::<MonitoringHealth>(503, "Something is")
        }),
        Route::new("/api/monitoring/metrics", Access::Operator).get(monitoring::metrics, || {
            asks("getMonitoringMetrics", "The figures of now").json::<MetricsNow>(200, "The figures")
        }),
        Route::new("/api/monitoring/metrics/history", Access::Operator).get(monitoring::history, || {
            asks("getMonitoringHistory", "The figures of each minute of the last day")
                .query("hours", "How far back: 1 to 24, 1 unless given.")
                .json::<MetricsHistory>(200, "The oldest first")
                .fails(400, &["bad_request"])
                .fails(503, NO_DATABASE)
        }),
        Route::new("/api/monitoring/queues", Access::Operator).get(monitoring::queues, || {
            asks("getMonitoringQueues", "How the queues of analyses and downloads stand")
                .json::<QueueStatistics>(200, "The queues")
                .fails(503, NO_DATABASE)
        }),
        Route::new("/api/monitoring/tokens", Access::Operator).get(monitoring::tokens, || {
            asks("getMonitoringTokens", "Tokens of streams, since the start")
                .json::<TokenStatistics>(200, "The counts")
        }),
        Route::new("/api/monitoring/status", Access::Operator).get(monitoring::status, || {
            asks("getMonitoringStatus", "How the server is, in short")
                .json::<SystemStatus>(200, "How it is")
                .fails(503, NO_DATABASE)
        }),
        Route::new("/api/monitoring/cleanup", Access::Operator).act(monitoring::clean_up, || {
            asks("cleanUp", "Removes what is too old, now instead of soon")
                .json::<CleanedUp>(200, "What was removed")
                .fails(503, NO_DATABASE)
                .fails(507, &["disk_full"])
        }),
    ]
}
