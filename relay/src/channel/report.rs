//! What a feed tells about itself.

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

/// Why a channel could not be started: each source, without credentials, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartFailure {
    /// In the order of the configuration.
    pub sources: Vec<SourceReport>,
}

impl StartFailure {
    /// Whether nothing is wrong with any source but that its provider has no connection to spare.
    pub fn is_for_want_of_slots(&self) -> bool {
        let mut codes = self
            .sources
            .iter()
            .filter(|source| source.health.is_none_or(|health| !health.is_disabled))
            .map(|source| source.last_error.as_ref().map(|(code, _)| *code))
            .peekable();
        codes.peek().is_some() && codes.all(|code| code == Some(ErrorCode::ProviderLimit))
    }
}

/// One source in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReport {
    /// Which.
    pub id: SourceId,
    /// Its address without credentials.
    pub url: String,
    /// The code and the text of its last failure.
    pub last_error: Option<(ErrorCode, String)>,
    /// How it has done.
    pub health: Option<SourceHealth>,
}

impl SourceReport {
    /// Of a source of which nothing is known yet.
    fn new(source: &Source) -> Self {
        Self { id: source.id, url: source.url.to_string(), last_error: None, health: None }
    }
}

/// A source was left for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// When.
    pub at: Timestamp,
    /// The source that was left.
    pub from: SourceId,
    /// The source that came on air instead: the same, when reopening it helped.
    pub to: SourceId,
    /// Why.
    pub reason: SwitchReason,
}

/// Everything that a feed tells about itself.
#[derive(Debug, Clone)]
pub struct Report {
    /// The channel.
    pub id: ChannelId,
    /// The same as it is set now; none once it has left the list.
    pub channel: Option<Arc<Channel>>,
    /// What it is doing.
    pub phase: Phase,
    /// Whether its source delivers pictures right now.
    pub is_live: bool,
    /// Who reads it.
    pub readers: Readers,
    /// Who has watched.
    pub viewers_total: u64,
    /// The playlist, if one is wanted.
    pub playlist: Option<Arc<Playlist>>,
    /// What it has of its past, where it keeps one.
    pub timeshift: Option<TimeshiftStatus>,
    /// When the feed was made.
    pub opened_at: Timestamp,
    /// When something was last sent to the store.
    pub last_activity: Timestamp,
    /// The source that is or was last opened.
    pub source: SourceId,
    /// All sources.
    pub sources: Vec<SourceReport>,
    /// The source that is open beside, to be compared or to come on air.
    pub standby: Option<SourceId>,
    /// How often each rule of health found fault, in the order of [`Rule::ALL`].
    pub faults: [u64; Rule::COUNT],
    /// Of the source on hand, if that is HLS: how it is followed.
    pub hls: Option<Snapshot>,
    /// Upstream connections opened.
    pub upstreams_opened: u64,
    /// The last ten times that a source was left.
    pub switches: Vec<Switch>,
    /// How many times there were.
    pub switches_total: u64,
    /// Bytes that came from upstream.
    pub bytes_received: u64,
    /// Bytes of them that were no part of a packet.
    pub bytes_skipped: u64,
    /// Times that reading from upstream paused, since there was enough.
    pub read_pauses: u64,
    /// How long the media of the source on hand still lasts.
    pub ahead: Duration,
    /// Bytes handed to viewers.
    pub bytes_sent: u64,
    /// Bits a second that come from the splice stage, over the last seconds.
    pub bitrate: u64,
    /// The elementary streams.
    pub streams: Vec<String>,
    /// From write to write, and from send to send of a viewer who keeps up.
    pub cadence: (Duration, Duration),
    /// Media time in the window.
    pub window: Duration,
    /// Bytes in the window.
    pub window_bytes: u64,
    /// Memory that the store takes, in bytes.
    pub store_bytes: u64,
    /// Memory that the driver takes for the index and for what is not in the store yet, in bytes.
    pub engine_bytes: u64,
    /// Times that a viewer was moved on, and the bytes they missed.
    pub skipped: (u64, u64),
    /// What the splice stage counted.
    pub output: splice::Counts,
    /// What the source on hand counted.
    pub input: demux::Counts,
}

impl Report {
    /// Of a channel that has just been opened.
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
            cadence: (Duration::ZERO, Duration::ZERO),
            window: Duration::ZERO,
            window_bytes: 0,
            store_bytes: 0,
            engine_bytes: 0,
            skipped: (0, 0),
            output: splice::Counts::default(),
            input: demux::Counts::default(),
        }
    }

    /// The place of a source in the list, from 0; none where it is no longer listed.
    pub fn position(&self, source: SourceId) -> Option<usize> {
        self.sources.iter().position(|listed| listed.id == source)
    }
}
