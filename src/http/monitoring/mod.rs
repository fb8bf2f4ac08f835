//! `/api/monitoring`: how the server is, now and in the last day.
//!
//! A service looks every ten seconds, tells those who look after the server where something is
//! worse than it was (event `alert`), and writes the figures of each minute.

mod check;
mod document;
mod sample;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::check::{Level, Levels, Window};
use self::document::{
    Alert, Checks, ErrorCheck, MemoryCheck, Queues, RedisCheck, ServiceCheck, StatusServices,
    StatusStreaming, StatusSystem, StreamCheck, TokenCounts,
};
pub(super) use self::document::{
    CleanedUp, MetricsHistory, MetricsNow, MonitoringHealth, QueueStatistics, Sample, SystemStatus,
    TokenStatistics,
};
use self::sample::memory_summary;
use super::State;
use super::error::ApiError;
use super::query::Query;
use super::tally::Count;
use crate::db::jobs as rows;
use crate::db::{Error, metric_minutes, stream_tokens};
use crate::page_jobs::Audience;

/// How often somebody looks.
const LOOK: Duration = Duration::from_secs(10);

/// Looks from one written minute to the next.
const WRITE: u32 = 6;

/// How long the figures of a minute are kept, in hours.
const KEPT_HOURS: i64 = 24;

/// What those who look have found.
#[derive(Debug, Clone, Default)]
pub(super) struct Monitor(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    window: Window,
    told: Levels,
}

impl Monitor {
    fn lock(&self) -> MutexGuard<'_, Found> {
        // Each change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error_rate(&self) -> f64 {
        self.lock().window.error_rate()
    }
}

impl State {
    /// Looks how the server is, until `stop`.
    pub(crate) async fn run_monitor(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK);
        let mut looks = 0;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.look();
            if looks % WRITE == 0 && self.database.is_on() {
                self.write_minute().await;
            }
            looks += 1;
        }
    }

    /// Notes the figures of now, and tells what is worse or better than it was.
    fn look(&self) {
        let (answers, errors) = (self.tally.read(Count::Answers), self.tally.read(Count::Errors));
        self.monitor.lock().window.note(answers, errors);
        let levels = Levels::of(&sample::figures(self));
        let before = std::mem::replace(&mut self.monitor.lock().told, levels);
        for ((metric, level), (_, old)) in levels.named().into_iter().zip(before.named()) {
            if level == old {
                continue;
            }
            if level == Level::Healthy {
                info!(metric, "a figure of the server is well again");
            } else {
                warn!(metric, ?level, "a figure of the server is not well");
            }
            self.news.tell(Audience::Staff, "alert", &Alert { level, metric, timestamp: now() });
        }
    }

    async fn write_minute(&self) {
        let sample = Sample::now(self);
        let (at, text) = (sample.timestamp, serde_json::to_string(&sample).expect("its keys are texts"));
        let oldest = at - KEPT_HOURS * 3_600_000;
        let write = move |connection: &_| metric_minutes::insert(connection, at, &text, oldest);
        if let Err(error) = self.database.write::<_, Error>(write).await {
            warn!(%error, "the figures of a minute cannot be written");
        }
    }
}

/// `GET /api/monitoring/health`
pub(super) async fn health(state: State) -> (StatusCode, Json<MonitoringHealth>) {
    let figures = sample::figures(&state);
    let levels = Levels::of(&figures);
    let status = levels.worst();
    let code = if status == Level::Critical { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let checks = Checks {
        active_streams: StreamCheck { count: figures.streams, status: levels.streams },
        error_rate: ErrorCheck { rate: figures.error_rate, status: levels.errors },
        memory: MemoryCheck { status: levels.memory, usage: figures.memory },
        redis: RedisCheck { connected: false, status: "not_used" },
        services: ServiceCheck { status: levels.services },
    };
    let (uptime, version) = (uptime(&state), env!("CARGO_PKG_VERSION"));
    (code, Json(MonitoringHealth { checks, status, timestamp: now(), uptime, version }))
}

/// `GET /api/monitoring/metrics`
pub(super) async fn metrics(state: State) -> Json<MetricsNow> {
    let (current, memory) = (Sample::now(&state), memory_summary());
    Json(MetricsNow { current, memory, timestamp: now() })
}

/// `GET /api/monitoring/metrics/history`
pub(super) async fn history(state: State, query: Query) -> Result<Json<MetricsHistory>, ApiError> {
    let hours: i64 = match query.value("hours") {
        None => 1,
        Some(hours) => {
            let hours = hours.parse().ok().filter(|hours| (1..=KEPT_HOURS).contains(hours));
            hours.ok_or_else(|| ApiError::bad_request("hours are 1 to 24"))?
        }
    };
    let since = Timestamp::now().as_millisecond() - hours * 3_600_000;
    let read = move |connection: &_| metric_minutes::since(connection, since);
    let texts = state.database.read::<_, Error>(read).await?;
    let metrics: Vec<Value> = texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    Ok(Json(MetricsHistory { count: metrics.len(), metrics, period: format!("{hours} hours") }))
}

/// `GET /api/monitoring/queues`
pub(super) async fn queues(state: State) -> Result<Json<QueueStatistics>, ApiError> {
    Ok(Json(QueueStatistics { queues: Queues::read(&state).await?, timestamp: now() }))
}

/// `GET /api/monitoring/tokens`
pub(super) async fn tokens(state: State) -> Json<TokenStatistics> {
    let read = |count| state.tally.read(count);
    let statistics = TokenCounts {
        made: read(Count::TokensMade),
        refreshed: read(Count::TokensRefreshed),
        refused: read(Count::TokensRefused),
        revoked: read(Count::TokensRevoked),
        total_active: state.accounts.all_tokens().len(),
    };
    Json(TokenStatistics { statistics, timestamp: now() })
}

/// `GET /api/monitoring/status`
pub(super) async fn status(state: State) -> Result<Json<SystemStatus>, ApiError> {
    let figures = sample::figures(&state);
    let total_tokens = state.accounts.all_tokens().len();
    Ok(Json(SystemStatus {
        services: StatusServices { queues: Queues::read(&state).await?, redis: "not_used" },
        streaming: StatusStreaming {
            active_streams: figures.streams,
            error_rate: figures.error_rate,
            total_tokens,
        },
        system: StatusSystem {
            memory: memory_summary(),
            status: Levels::of(&figures).worst(),
            uptime: uptime(&state),
        },
        timestamp: now(),
    }))
}

/// `POST /api/monitoring/cleanup`: what is done every now and then is done now.
pub(super) async fn clean_up(state: State) -> Result<Json<CleanedUp>, ApiError> {
    let millis = Timestamp::now().as_millisecond();
    let clean = move |connection: &_| {
        let tokens = stream_tokens::clean(connection)?;
        let jobs = rows::clean(connection, millis)?;
        let metrics = metric_minutes::clean(connection, millis - KEPT_HOURS * 3_600_000)?;
        Ok::<_, Error>((tokens, jobs, metrics))
    };
    let (expired_tokens_removed, jobs_removed, metrics_removed) = state.database.write(clean).await?;
    let downloads_removed = state.downloads.clean().await.map_err(|error| match error {
        crate::page_jobs::Refusal::Database(error) => ApiError::from(error),
        other => ApiError::unavailable("cleanup_failed", other.to_string()),
    })?;
    let message = "Cleanup completed successfully";
    let timestamp = now();
    Ok(Json(CleanedUp {
        downloads_removed,
        expired_tokens_removed,
        jobs_removed,
        message,
        metrics_removed,
        timestamp,
    }))
}

/// In UTC (RFC 3339).
fn now() -> String {
    Timestamp::now().to_string()
}

/// Seconds since the start.
fn uptime(state: &State) -> f64 {
    (state.process.started.elapsed().as_secs_f64() * 10.0).round() / 10.0
}
