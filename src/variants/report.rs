//! How jobs are, for documents.

use std::sync::atomic::Ordering;
use std::time::Duration;

use forebay_core::transcode::{JobReport as Entry, Profile, Summary};
use forebay_relay::model::ChannelId;
use jiff::Timestamp;

use super::meter::Meter;

/// How it stands with processors.
#[derive(Debug, Clone)]
pub struct Report {
    /// The processors of this machine.
    pub cores: usize,
    /// Jobs at a time; no limit if absent.
    pub max_jobs: Option<u32>,
    /// The ledger.
    pub summary: Summary,
    /// The jobs, the oldest first.
    pub jobs: Vec<JobReport>,
}

/// How a job is.
#[derive(Debug, Clone)]
pub struct JobReport {
    /// The variant that it is the source of.
    pub channel: ChannelId,
    /// What it encodes now.
    pub profile: Profile,
    /// Since when.
    pub since: Timestamp,
    /// Its process.
    pub pid: Option<u32>,
    /// Processors that it takes.
    pub cpu: f64,
    /// Media that it has written.
    pub out_time: Duration,
    /// Bytes to it and of it.
    pub bytes: (u64, u64),
    /// Times that its program was begun.
    pub starts: u64,
}

impl JobReport {
    pub(super) fn new(entry: &Entry, channel: &ChannelId, since: Timestamp, meter: &Meter) -> Self {
        Self {
            channel: channel.clone(),
            profile: entry.profile.clone(),
            since,
            pid: meter.pid(),
            cpu: entry.cpu,
            out_time: meter.out_time(),
            bytes: (meter.read.load(Ordering::Relaxed), meter.written.load(Ordering::Relaxed)),
            starts: meter.starts.load(Ordering::Relaxed),
        }
    }
}
