//! The report of an open channel, for the status document and the metrics.

use std::sync::Arc;
use std::time::Duration;

use forebay_core::channel::{ErrorCode, SwitchReason};
use forebay_core::failover::{SourceHealth, SourceId};
use forebay_core::health::Rule;
use forebay_core::lifecycle::Phase;
use forebay_core::ts::{demux, splice};
use jiff::Timestamp;

use super::archive::TimeshiftStatus;
use super::playlist::Playlist;
use super::reader_kind::Readers;
use crate::input::hls::Snapshot;
use crate::model::{Channel, ChannelId, Source};

/// Why a channel could not be started: how each of its sources failed. Shows no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartFailure {
    /// In the order of the configuration.
    pub sources: Vec<SourceReport>,
}

impl StartFailure {
    /// Whether each source failed only because its provider has no free connection.
    pub fn is_provider_limit_only(&self) -> bool {
        self.is_only(ErrorCode::ProviderLimit)
    }

    /// Whether each source failed only because there is no processor time for it.
    pub fn is_no_cpu_only(&self) -> bool {
        self.is_only(ErrorCode::NoCpu)
    }

    fn is_only(&self, code: ErrorCode) -> bool {
        let mut codes = self
            .sources
            .iter()
            .filter(|source| source.health.is_none_or(|health| !health.is_disabled))
            .map(|source| source.last_error.as_ref().map(|(code, _)| *code))
            .peekable();
        codes.peek().is_some() && codes.all(|found| found == Some(code))
    }
}

/// A source in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReport {
    /// The source.
    pub id: SourceId,
    /// Its address without credentials.
    pub url: String,
    /// The code and the text of its last failure.
    pub last_error: Option<(ErrorCode, String)>,
    /// Its score, its cool-down and an admin's overrides; none where nothing is known.
    pub health: Option<SourceHealth>,
}

impl SourceReport {
    /// The report of a source that has not been opened yet.
    fn new(source: &Source) -> Self {
        Self { id: source.id, url: source.url.to_string(), last_error: None, health: None }
    }
}

/// A switch from one active source to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// When.
    pub at: Timestamp,
    /// The source that was left.
    pub from: SourceId,
    /// The source that became active instead; the same one if it was reopened.
    pub to: SourceId,
    /// Why.
    pub reason: SwitchReason,
}

/// A snapshot of an open channel.
///
/// It has many fields since each is one figure of the status document or the metrics.
#[derive(Debug, Clone)]
pub struct Report {
    /// The channel.
    pub id: ChannelId,
    /// Its present settings; none once it was removed from the list.
    pub channel: Option<Arc<Channel>>,
    /// What the channel is doing.
    pub phase: Phase,
    /// Whether a source delivers pictures now.
    pub is_live: bool,
    /// The readers by kind.
    pub readers: Readers,
    /// Viewers since the channel opened.
    pub viewers_total: u64,
    /// The playlist, if one is wanted.
    pub playlist: Option<Arc<Playlist>>,
    /// The media that is kept beyond the window, if any is.
    pub timeshift: Option<TimeshiftStatus>,
    /// When the feed was made.
    pub opened_at: Timestamp,
    /// When media last went into the store; keep-alive packets do not count.
    pub last_activity: Timestamp,
    /// The active source, or the one that is or was last opened.
    pub source: SourceId,
    /// All sources.
    pub sources: Vec<SourceReport>,
    /// The standby source.
    pub standby: Option<SourceId>,
    /// How often each rule of health found a fault, in the order of [`Rule::ALL`].
    pub faults: [u64; Rule::COUNT],
    /// If the current source is HLS: how it is followed.
    pub hls: Option<Snapshot>,
    /// Upstream connections opened.
    pub upstreams_opened: u64,
    /// The last ten switches.
    pub switches: Vec<Switch>,
    /// All switches.
    pub switches_total: u64,
    /// Bytes that came from upstream.
    pub bytes_received: u64,
    /// Of these, bytes outside of transport stream packets.
    pub bytes_skipped: u64,
    /// Times that reading from upstream paused, since enough media had arrived for now.
    pub read_pauses: u64,
    /// How long the media that has come of the current source still lasts.
    pub ahead: Duration,
    /// Bytes handed to viewers.
    pub bytes_sent: u64,
    /// Bits a second of the output over the last seconds, without keep-alive packets.
    pub bitrate: u64,
    /// The elementary streams.
    pub streams: Vec<String>,
    /// The time between two writes to the store.
    pub tick: Duration,
    /// The time between two sends to a viewer that keeps up.
    pub send_interval: Duration,
    /// Media time in the window.
    pub window: Duration,
    /// Bytes in the window.
    pub window_bytes: u64,
    /// Memory that the store takes, in bytes.
    pub store_bytes: u64,
    /// Memory that the driver takes for the index and for media that is not stored yet, in bytes.
    pub engine_bytes: u64,
    /// Times that a viewer fell out of the window and was moved on.
    pub moved_on: u64,
    /// Bytes that viewers who were moved on have missed.
    pub bytes_missed: u64,
    /// The counts of the output timeline.
    pub output: splice::Counts,
    /// The counts of the current source.
    pub input: demux::Counts,
}

impl Report {
    /// The report of a channel that has just been opened.
    pub(super) fn new(channel: &Channel) -> Self {
        let now = Timestamp::now();
        Self {
            id: channel.id.clone(),
            channel: None,
            phase: Phase::Idle,
            is_live: false,
            readers: Readers::default(),
            viewers_total: 0,
            playlist: None,
            timeshift: None,
            opened_at: now,
            last_activity: now,
            source: channel.sources[0].id,
            sources: channel.sources.iter().map(SourceReport::new).collect(),
            standby: None,
            faults: [0; Rule::COUNT],
            hls: None,
            upstreams_opened: 0,
            switches: Vec::new(),
            switches_total: 0,
            bytes_received: 0,
            bytes_skipped: 0,
            read_pauses: 0,
            ahead: Duration::ZERO,
            bytes_sent: 0,
            bitrate: 0,
            streams: Vec::new(),
            tick: Duration::ZERO,
            send_interval: Duration::ZERO,
            window: Duration::ZERO,
            window_bytes: 0,
            store_bytes: 0,
            engine_bytes: 0,
            moved_on: 0,
            bytes_missed: 0,
            output: splice::Counts::default(),
            input: demux::Counts::default(),
        }
    }

    /// The position of a source in the list, from 0; none if it is no longer listed.
    pub fn position(&self, source: SourceId) -> Option<usize> {
        self.sources.iter().position(|listed| listed.id == source)
    }
}
