//! What the server and its providers do.

use forebay_core::{assumption, cadence};
use forebay_relay::channel::Report;
use forebay_relay::providers;
use serde::Serialize;
use utoipa::ToSchema;

use super::millis;
use crate::http::State;
use crate::http::logo::LogoCounts;
use crate::http::refusals::Kind;

/// The connections to a provider.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProviderStatus {
    /// Requests for a connection that were granted since the start.
    granted_total: u64,
    id: String,
    /// `max_connections`; 0 once it was taken out of the configuration.
    limit: usize,
    /// Connections that are taken.
    open: usize,
    /// Times that a connection had to be given up since the start.
    preempted_total: u64,
    /// Requests for a connection that were refused since the start.
    refused_total: u64,
    /// Connections that were closed, and that the provider may still count.
    settling: usize,
    /// Channels that wait for a connection.
    waiting: usize,
    /// Of the open connections, those that are being given up for a channel that needs them more.
    yielding: usize,
}

/// What the process has, and what for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServerStatus {
    bandwidth: Bandwidth,
    /// Times that the program found a bug in itself and went on; the log has each.
    broken_assumptions: u64,
    connections: Connections,
    delivery: DeliveryRange,
    file_descriptors: FileDescriptors,
    logos: LogoCounts,
    memory: ServerMemory,
    refused_per_address: RefusedPerAddress,
    /// Viewers of all channels.
    viewers: usize,
}

/// Bits a second to viewers.
#[derive(Debug, Serialize, ToSchema)]
struct Bandwidth {
    /// `max_bandwidth`, if it is set.
    #[schema(required)]
    limit: Option<u64>,
    /// By the channels' bitrates.
    now: u64,
}

/// Connections of viewers.
#[derive(Debug, Serialize, ToSchema)]
struct Connections {
    /// `max_connections`, or as many as the file descriptors leave room for.
    limit: usize,
    now: usize,
}

/// How often a viewer who keeps up is sent to: the channels' intervals lie between these.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryRange {
    longest_ms: u64,
    shortest_ms: u64,
}

/// File descriptors of the process.
#[derive(Debug, Serialize, ToSchema)]
struct FileDescriptors {
    limit: usize,
}

/// Memory in bytes.
#[derive(Debug, Serialize, ToSchema)]
struct ServerMemory {
    /// Of the process's memory, that of the channels' engines.
    engines: u64,
    /// Resident memory of the process; null where the system does not say.
    #[schema(required)]
    process: Option<u64>,
    /// The channels' stores, which the memory of the process does not include.
    stores: u64,
}

/// How often viewers were refused since their address had as much as it may, since the start.
#[derive(Debug, Serialize, ToSchema)]
struct RefusedPerAddress {
    /// It had as many channels open as it may.
    open: u64,
    /// It had as many channels opening as it may.
    opening: u64,
    /// It had as many viewers as it may.
    viewers: u64,
}

impl ProviderStatus {
    pub(super) fn new(report: &providers::Report) -> Self {
        let usage = report.usage;
        Self {
            granted_total: usage.granted_total,
            id: report.id.as_str().to_owned(),
            limit: usage.limit,
            open: usage.open,
            preempted_total: usage.preempted_total,
            refused_total: usage.refused_total,
            settling: usage.settling,
            waiting: usage.waiting,
            yielding: usage.yielding,
        }
    }
}

impl ServerStatus {
    pub(super) fn new(state: &State, reports: &[Report]) -> Self {
        let config = state.config();
        let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
        Self {
            bandwidth: Bandwidth {
                limit: config.server.max_bandwidth,
                now: sum(|report| report.bitrate * report.readers.viewers() as u64),
            },
            broken_assumptions: assumption::count(),
            connections: Connections { limit: state.max_connections(), now: state.process.slots.taken() },
            delivery: DeliveryRange {
                longest_ms: millis(cadence::LONGEST),
                shortest_ms: millis(cadence::SHORTEST),
            },
            file_descriptors: FileDescriptors { limit: state.process.descriptors },
            logos: state.documents.logos.report(),
            memory: ServerMemory {
                engines: sum(|report| report.engine_bytes),
                process: resident(),
                stores: sum(|report| report.store_bytes),
            },
            refused_per_address: RefusedPerAddress {
                open: state.admission.refusals.count(Kind::Opened),
                opening: state.admission.refusals.count(Kind::Opening),
                viewers: state.admission.refusals.count(Kind::Viewers),
            },
            viewers: state.channels.load().viewers,
        }
    }
}

/// Memory of the process in bytes, without the stores; `None` where the system does not say.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
