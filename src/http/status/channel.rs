//! What one channel does.

use std::collections::BTreeMap;

use forebay_core::failover::SourceHealth;
use forebay_core::health::Rule;
use forebay_core::lifecycle::Phase;
use forebay_relay::channel::{Playlist, ReaderKind, Report, SourceReport, Switch, TimeshiftStatus};
use forebay_relay::model::Channel;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::source::{ClosedSource, OpenSource};
use super::{millis, seconds, seconds_of, to_the_second};
use crate::http::address::Reader;

/// A channel, open or not.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum ChannelStatus {
    Open(Box<OpenChannel>),
    Closed(ClosedChannel),
}

/// A channel that is not open.
// Nothing else is in it, which tells it from an open one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ClosedChannel {
    /// False.
    active: bool,
    bytes_streamed: u64,
    clients: usize,
    id: String,
    /// Null.
    #[schema(required)]
    last_activity: Option<String>,
    name: String,
    #[schema(required)]
    number: Option<u32>,
    /// Null.
    #[schema(required)]
    source_url: Option<String>,
    sources: Vec<ClosedSource>,
    /// `idle`.
    state: ChannelState,
    uptime_seconds: f64,
}

/// A channel that is open.
// One field for each key of the document, in alphabetical order.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct OpenChannel {
    /// There has been a picture, and the channel is still open.
    active: bool,
    /// Bits a second, over the last seconds, without packets that only keep connections alive.
    bitrate: u64,
    buffer: Buffer,
    bytes_received: u64,
    /// Bytes from upstream that were no part of any packet.
    bytes_skipped: u64,
    /// Bytes to viewers.
    bytes_streamed: u64,
    /// Viewers.
    clients: usize,
    clients_by_kind: ClientsByKind,
    /// Viewers since the channel opened.
    clients_total: u64,
    /// Times that a source's clock jumped or broke.
    clock_jumps: u64,
    /// Times that a stream went on in another codec.
    codec_changes: u64,
    /// Breaks since the current source, or pass of a file, began.
    continuity_errors_in: u64,
    /// Breaks of all sources that viewers were shown.
    continuity_errors_out: u64,
    delivery: Delivery,
    failovers: Failovers,
    /// How often each rule of `[stream.health]` found fault with a source, by its name, since the
    /// channel opened.
    #[schema(value_type = BTreeMap<String, u64>)]
    faults: BTreeMap<&'static str, u64>,
    /// The playlist, while it is wanted.
    #[schema(required)]
    hls: Option<HlsOutput>,
    id: String,
    /// Times that packets were sent that only keep connections alive.
    keep_alives: u64,
    /// When media was last shown, in UTC, to the second.
    last_activity: String,
    memory: ChannelMemory,
    /// Null where the channel was taken out of the configuration.
    #[schema(required)]
    name: Option<String>,
    #[schema(required)]
    number: Option<u32>,
    /// Times that reading from upstream paused, since that was enough.
    read_pauses: u64,
    /// Who reads the channel, by kind. Viewers are `viewer` and `hls`; all but `timeshift` keep it
    /// open.
    #[schema(value_type = BTreeMap<String, usize>)]
    readers: BTreeMap<&'static str, usize>,
    slow_viewers: SlowViewers,
    /// How long the media that has come still lasts.
    source_ahead_seconds: f64,
    /// The current source's place in the list, from 0; null where it is listed no more.
    #[schema(required)]
    source_index: Option<usize>,
    /// Whether the current source delivers right now.
    source_live: bool,
    /// The position in the list of the standby source.
    #[schema(required)]
    source_standby: Option<usize>,
    /// The current source: its scheme and host.
    #[schema(required)]
    source_url: Option<String>,
    sources: Vec<OpenSource>,
    /// Times that the timeline was put together, each pass of a looped file included.
    splices: u64,
    state: ChannelState,
    /// The elementary streams: codec, and language where it is known.
    streams: Vec<String>,
    /// The time-shift.
    #[schema(required)]
    timeshift: Option<Timeshift>,
    /// Attempts to open a source, since the channel opened.
    upstream_connections_opened: u64,
    uptime_seconds: f64,
}

/// What a channel does.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ChannelState {
    Idle,
    /// There has been no picture yet.
    Starting,
    Active,
    /// Nobody watches, and it closes soon.
    Stopping,
    Stopped,
}

/// The window.
#[derive(Debug, Serialize, ToSchema)]
struct Buffer {
    bytes: u64,
    seconds: f64,
}

/// Viewers by the way in which they watch.
#[derive(Debug, Serialize, ToSchema)]
struct ClientsByKind {
    hls: usize,
    ts: usize,
}

#[derive(Debug, Serialize, ToSchema)]
struct Delivery {
    /// How often a viewer who keeps up is sent to.
    interval_ms: u64,
    /// How often the channel writes.
    tick_ms: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Failovers {
    /// The latest ten.
    last: Vec<SourceSwitch>,
    /// Times that the active source was left, and it or another became active.
    total: u64,
}

/// A source was left for another.
#[derive(Debug, Serialize, ToSchema)]
struct SourceSwitch {
    /// When, in UTC, to the second.
    at: String,
    /// The place in the list; null where the source is listed no more.
    #[schema(required)]
    from: Option<usize>,
    /// The code of the reason.
    reason: &'static str,
    /// The place in the list; null where the source is listed no more.
    #[schema(required)]
    to: Option<usize>,
}

/// The HLS playlist.
#[derive(Debug, Serialize, ToSchema)]
struct HlsOutput {
    /// Bytes that are kept for it in the store.
    bytes: u64,
    discontinuity_sequence: u64,
    /// Segments that it no longer names, earlier than their time, because of `hls.max_bytes`.
    evicted: u64,
    media_sequence: u64,
    /// How long the segments play that it names.
    seconds: f64,
    /// Segments that it names.
    segments: usize,
    target_duration: u64,
}

/// Memory in bytes.
#[derive(Debug, Serialize, ToSchema)]
struct ChannelMemory {
    /// Index, pictures that are not complete, output.
    engine: u64,
    /// The store, which is not part of the process's own memory.
    store: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct SlowViewers {
    bytes_missed: u64,
    /// Times that a viewer fell out of the window.
    moved_on: u64,
}

/// The time-shift.
#[derive(Debug, Serialize, ToSchema)]
struct Timeshift {
    bytes: u64,
    /// Whether it is written to disk, else it goes on in memory.
    on_disk: bool,
    /// How long it plays.
    seconds: f64,
}

impl ChannelStatus {
    /// A channel that is not open.
    pub(super) fn closed(channel: &Channel, health: &[SourceHealth], reader: Reader) -> Self {
        let sources = channel.sources.iter().zip(health);
        Self::Closed(ClosedChannel {
            active: false,
            bytes_streamed: 0,
            clients: 0,
            id: channel.id.as_str().to_owned(),
            last_activity: None,
            name: channel.name.clone(),
            number: channel.number,
            source_url: None,
            sources: sources
                .map(|(known, health)| ClosedSource::new(&known.url.to_string(), *health, reader))
                .collect(),
            state: ChannelState::Idle,
            uptime_seconds: 0.0,
        })
    }
}

impl From<OpenChannel> for ChannelStatus {
    fn from(channel: OpenChannel) -> Self {
        Self::Open(Box::new(channel))
    }
}

impl OpenChannel {
    pub(super) fn viewers(&self) -> usize {
        self.clients
    }

    pub(super) fn new(report: Report, reader: Reader) -> Self {
        let now = Timestamp::now();
        let on_hand = report.position(report.source);
        let source_url = on_hand.map(|at| reader.sees(&report.sources[at].url).to_owned());
        let source_standby = report.standby.and_then(|source| report.position(source));
        let last = report.switches.iter().map(|switch| SourceSwitch::new(switch, &report)).collect();
        let (current, hls) = (report.source, report.hls);
        let describe = |known: SourceReport| {
            let followed = hls.as_ref().filter(|_| known.id == current);
            OpenSource::new(known, followed, reader)
        };
        Self {
            active: matches!(report.phase, Phase::Active | Phase::Stopping),
            bitrate: report.bitrate,
            buffer: Buffer { bytes: report.window_bytes, seconds: seconds_of(report.window) },
            bytes_received: report.bytes_received,
            bytes_skipped: report.bytes_skipped,
            bytes_streamed: report.bytes_sent,
            clients: report.readers.viewers(),
            clients_by_kind: ClientsByKind {
                hls: report.readers.of(ReaderKind::Hls),
                ts: report.readers.of(ReaderKind::Ts),
            },
            clients_total: report.viewers_total,
            clock_jumps: report.output.clock_jumps,
            codec_changes: report.output.codec_changes,
            continuity_errors_in: report.input.continuity_errors,
            continuity_errors_out: report.output.continuity_errors,
            delivery: Delivery { interval_ms: millis(report.send_interval), tick_ms: millis(report.tick) },
            failovers: Failovers { last, total: report.switches_total },
            faults: Rule::ALL
                .iter()
                .zip(report.faults)
                .filter(|&(_, count)| count > 0)
                .map(|(rule, count)| (rule.name(), count))
                .collect(),
            hls: report.playlist.as_deref().map(HlsOutput::new),
            id: report.id.as_str().to_owned(),
            keep_alives: report.output.keep_alives,
            last_activity: to_the_second(report.last_activity),
            memory: ChannelMemory { engine: report.engine_bytes, store: report.store_bytes },
            name: report.channel.as_ref().map(|channel| channel.name.clone()),
            number: report.channel.as_ref().and_then(|channel| channel.number),
            read_pauses: report.read_pauses,
            readers: ReaderKind::ALL.map(|kind| (kind.name(), report.readers.of(kind))).into(),
            slow_viewers: SlowViewers { bytes_missed: report.bytes_missed, moved_on: report.moved_on },
            source_ahead_seconds: seconds_of(report.ahead),
            source_index: on_hand,
            source_live: report.is_live,
            source_standby,
            source_url,
            sources: report.sources.into_iter().map(describe).collect(),
            splices: report.output.splices,
            state: report.phase.into(),
            streams: report.streams,
            timeshift: report.timeshift.map(Timeshift::new),
            upstream_connections_opened: report.upstreams_opened,
            uptime_seconds: seconds(now.duration_since(report.opened_at)),
        }
    }
}

impl From<Phase> for ChannelState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Idle => Self::Idle,
            Phase::Starting => Self::Starting,
            Phase::Active => Self::Active,
            Phase::Stopping => Self::Stopping,
            Phase::Stopped => Self::Stopped,
        }
    }
}

impl SourceSwitch {
    fn new(switch: &Switch, report: &Report) -> Self {
        Self {
            at: to_the_second(switch.at),
            from: report.position(switch.from),
            reason: switch.reason.name(),
            to: report.position(switch.to),
        }
    }
}

impl HlsOutput {
    fn new(playlist: &Playlist) -> Self {
        Self {
            bytes: playlist.bytes(),
            discontinuity_sequence: playlist.discontinuity_sequence,
            evicted: playlist.evicted,
            media_sequence: playlist.media_sequence,
            seconds: seconds_of(playlist.length()),
            segments: playlist.count(),
            target_duration: playlist.target_duration,
        }
    }
}

impl Timeshift {
    fn new(past: TimeshiftStatus) -> Self {
        Self { bytes: past.bytes, on_disk: past.is_on_disk, seconds: seconds_of(past.length) }
    }
}
