//! `/api/resources`: what jobs of variants take, and what the machine has to spare.

use axum::Json;
use forebay_core::transcode::Pictures;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use crate::variants::{JobReport, Report};

/// How it stands with processors.
// The fields are in alphabetical order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Resources {
    /// Processors that jobs and all else may use; null where there is no limit.
    #[schema(required)]
    budget: Option<f64>,
    /// The processors of this machine.
    cores: usize,
    counts: Decisions,
    /// Processors that are free for jobs; null where there is no limit.
    #[schema(required)]
    free: Option<f64>,
    /// The oldest first.
    jobs: Vec<TranscodeJob>,
    /// Null where there is no limit.
    #[schema(required)]
    max_jobs: Option<u32>,
    /// The share of the time in which something waits for a processor, in percent; null where the
    /// system does not tell.
    #[schema(required)]
    pressure: Option<f64>,
    /// Processors that all jobs take.
    used_by_jobs: f64,
    /// Processors that are busy with anything else.
    used_by_others: f64,
}

/// What was decided since the start.
#[derive(Debug, Serialize, ToSchema)]
struct Decisions {
    /// Jobs that got a lesser profile.
    lowered: u64,
    /// Jobs that got a better one again.
    raised: u64,
    /// Jobs that were refused.
    refused: u64,
    /// Jobs that were stopped.
    stopped: u64,
}

/// A job that makes a variant.
#[derive(Debug, Serialize, ToSchema)]
struct TranscodeJob {
    /// Bytes of the channel that it has taken.
    bytes_read: u64,
    bytes_written: u64,
    /// The variant: the id of the channel, `@` and the name of the profile.
    channel: String,
    /// Processors that it takes.
    cpu: f64,
    /// Whether pictures are encoded.
    encodes: bool,
    /// Media that it has written, on the time of the channel.
    media_seconds: f64,
    /// Its process; null where none runs at the moment.
    #[schema(required)]
    pid: Option<u32>,
    /// What it encodes now: a lesser one than the variant's while processors are short.
    profile: String,
    /// In UTC (RFC 3339).
    since: String,
    /// Times that its program was begun.
    starts: u64,
}

/// `GET /api/resources`
pub(super) async fn show(state: State) -> Json<Resources> {
    Json(state.variants.report().into())
}

impl From<Report> for Resources {
    fn from(report: Report) -> Self {
        let Report { cores, max_jobs, summary, jobs } = report;
        let free = summary.budget.map(|budget| (budget - summary.jobs - summary.others).max(0.0));
        Self {
            budget: summary.budget,
            cores,
            counts: Decisions {
                lowered: summary.counts.lowered,
                raised: summary.counts.raised,
                refused: summary.counts.refused,
                stopped: summary.counts.stopped,
            },
            free,
            jobs: jobs.into_iter().map(TranscodeJob::from).collect(),
            max_jobs,
            pressure: summary.pressure,
            used_by_jobs: summary.jobs,
            used_by_others: summary.others,
        }
    }
}

impl From<JobReport> for TranscodeJob {
    fn from(job: JobReport) -> Self {
        Self {
            bytes_read: job.bytes.0,
            bytes_written: job.bytes.1,
            channel: job.channel.as_str().to_owned(),
            cpu: job.cpu,
            encodes: matches!(job.profile.pictures, Pictures::Encode(_)),
            media_seconds: job.out_time.as_secs_f64(),
            pid: job.pid,
            profile: job.profile.name.to_string(),
            since: job.since.to_string(),
            starts: job.starts,
        }
    }
}
