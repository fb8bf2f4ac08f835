//! What exists while a channel is open, as its driver, its viewers and the status document share it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use forebay_core::cadence::{GROUPS, Load};
use forebay_core::channel::{ErrorCode, SwitchReason};
use forebay_core::failover::{SourceId, Standing};
use forebay_core::health::Rule;
use forebay_core::lifecycle::Phase;
use forebay_core::ring::Edges;
use forebay_core::timeshift::pace::Trail;
use forebay_core::ts::{demux, splice};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::archive::{Archive, Past};
use super::audience::Audience;
use super::command::Command;
use super::crew::Crews;
use super::making::Making;
use super::playlist::Playlist;
use super::reader_kind::Readers;
use super::store::Store;
use crate::events::Bus;
use crate::input::hls::Snapshot;
use crate::model::{Channel, ChannelId, Source};

/// An open channel.
#[derive(Debug)]
pub struct Feed {
    pub(super) store: Arc<Store>,
    /// The first byte of the store.
    pub(super) base: u64,
    /// What is kept beyond the window, where something is.
    pub(super) archive: Option<Arc<Archive>>,
    /// What lies where in memory.
    trail: Mutex<Trail>,
    /// One for each group of viewers. What concerns all is sent to all; the edges move for each group when its turn comes.
    pub(super) windows: [watch::Sender<Window>; GROUPS],
    /// Those of the viewers who keep up, by group.
    pub(super) crews: Crews,
    /// Who reads it. Changed under the map's lock where that matters: see [`super::Channels`]. It is
    /// announced when the first of those who keep it open comes, and when the last one leaves.
    pub(super) readers: watch::Sender<Readers>,
    /// How many viewers have been given nothing yet: HLS sessions that have fetched no segment.
    pub(super) idle: AtomicUsize,
    pub(super) channel: watch::Sender<Arc<Channel>>,
    /// Those of them who watch by HLS.
    pub(super) audience: watch::Sender<Audience>,
    /// The playlist, while it is wanted and there is a segment.
    pub(super) playlist: watch::Sender<Option<Arc<Playlist>>>,
    /// The short list: the same in short segments that begin anywhere, while somebody may want it.
    pub(super) short: watch::Sender<Option<Arc<Playlist>>>,
    /// The segment that is being made, as far as a playlist is wanted. It changes after the
    /// playlist has named the one before, and both change before the window does.
    pub(super) making: watch::Sender<Option<Making>>,
    pub(super) counts: Counts,
    pub(super) population: Arc<Population>,
    pub(super) events: Bus,
    pub(super) steering: mpsc::Sender<Command>,
    id: ChannelId,
    stop: CancellationToken,
    /// Whether the channel has left the list.
    is_removed: AtomicBool,
    report: Mutex<Report>,
}

/// What a group of viewers needs to know of the store.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    pub(super) edges: Edges,
    /// From the head that the group was told last to the present one: what those who keep up read next.
    pub(super) newest: Option<Arc<Block>>,
    pub(super) stage: Stage,
    /// Whether a source delivers right now.
    pub(super) is_live: bool,
}

impl Window {
    /// Whether nothing more comes.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Failed(_) | Stage::Ended)
    }
}

/// Whether there is something to see.
#[derive(Debug, Clone, Default)]
pub(super) enum Stage {
    /// Sources are being opened.
    #[default]
    Starting,
    /// There has been a picture.
    Started,
    /// No source answered.
    Failed(Arc<StartFailure>),
    /// The feed is over.
    Ended,
}

/// A stretch of the store whose bytes are read once and shared.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) start: u64,
    pub(super) end: u64,
    bytes: OnceLock<Bytes>,
}

impl Block {
    pub(super) fn new(start: u64, end: u64) -> Self {
        Self { start, end, bytes: OnceLock::new() }
    }

    /// The bytes; `None` when they are gone.
    pub(super) fn read(&self, store: &Store) -> std::io::Result<Option<Bytes>> {
        if let Some(bytes) = self.bytes.get() {
            return Ok(Some(bytes.clone()));
        }
        let bytes = store.read(self.start, self.end)?;
        Ok(bytes.map(|bytes| self.bytes.get_or_init(|| bytes).clone()))
    }
}

/// Who is there, in all channels.
#[derive(Debug, Default)]
pub(super) struct Population {
    pub(super) viewers: AtomicUsize,
    pub(super) channels: AtomicUsize,
}

impl Population {
    pub(super) fn load(&self) -> Load {
        Load {
            viewers: self.viewers.load(Ordering::Relaxed),
            channels: self.channels.load(Ordering::Relaxed),
        }
    }
}

/// What viewers add up.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Bytes handed to viewers.
    pub(super) sent: AtomicU64,
    /// Viewers so far.
    pub(super) viewers: AtomicU64,
    /// Readers with a cursor so far.
    pub(super) cursors: AtomicUsize,
    /// Times that a viewer fell out of the window and was moved on.
    pub(super) lagged: AtomicU64,
    /// Bytes that those viewers missed.
    pub(super) missed: AtomicU64,
}

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
            .filter(|source| source.standing.is_none_or(|standing| !standing.is_disabled))
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
    pub standing: Option<Standing>,
}

impl SourceReport {
    /// Of a source of which nothing is known yet.
    fn new(source: &Source) -> Self {
        Self { id: source.id, url: source.url.to_string(), last_error: None, standing: None }
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
    pub past: Option<Past>,
    /// When the feed was made.
    pub opened_at: Timestamp,
    /// When something was last sent to the store.
    pub last_activity: Timestamp,
    /// The source that is or was last opened.
    pub source: SourceId,
    /// All sources.
    pub sources: Vec<SourceReport>,
    /// The source that is open beside, to be compared or to come on air.
    pub beside: Option<SourceId>,
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
    pub lagged: (u64, u64),
    /// What the splice stage counted.
    pub output: splice::Counts,
    /// What the source on hand counted.
    pub input: demux::Counts,
}

impl Report {
    /// The place of a source in the list, from 0; none where it is no longer listed.
    pub fn place(&self, source: SourceId) -> Option<usize> {
        self.sources.iter().position(|listed| listed.id == source)
    }
}

impl Feed {
    pub(super) fn new(
        channel: &Arc<Channel>,
        (store, base): (Store, u64),
        archive: Option<Arc<Archive>>,
        stop: CancellationToken,
        population: Arc<Population>,
        events: Bus,
        steering: mpsc::Sender<Command>,
    ) -> Arc<Self> {
        population.channels.fetch_add(1, Ordering::Relaxed);
        let now = Timestamp::now();
        let report = Report {
            id: channel.id.clone(),
            channel: None,
            phase: Phase::Idle,
            is_live: false,
            readers: Readers::default(),
            viewers_total: 0,
            playlist: None,
            past: None,
            opened_at: now,
            last_activity: now,
            source: channel.sources[0].id,
            sources: channel.sources.iter().map(SourceReport::new).collect(),
            beside: None,
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
            lagged: (0, 0),
            output: splice::Counts::default(),
            input: demux::Counts::default(),
        };
        Arc::new(Self {
            store: Arc::new(store),
            base,
            archive,
            trail: Mutex::default(),
            windows: Default::default(),
            crews: Crews::default(),
            readers: watch::Sender::default(),
            idle: AtomicUsize::new(0),
            channel: watch::Sender::new(Arc::clone(channel)),
            audience: watch::Sender::default(),
            playlist: watch::Sender::default(),
            short: watch::Sender::default(),
            making: watch::Sender::default(),
            counts: Counts::default(),
            population,
            events,
            steering,
            id: channel.id.clone(),
            stop,
            is_removed: AtomicBool::new(false),
            report: Mutex::new(report),
        })
    }

    /// The channel's id.
    pub fn id(&self) -> &ChannelId {
        &self.id
    }

    /// What a channel is taken to need before it is known, in bits a second: a common HD channel.
    pub(super) const ASSUMED_BITRATE: u64 = 8_000_000;

    /// What each viewer is sent, in bits a second.
    pub(super) fn bitrate(&self) -> u64 {
        match self.edit_report().bitrate {
            0 => Self::ASSUMED_BITRATE,
            bitrate => bitrate,
        }
    }

    /// How many watch.
    pub fn viewers(&self) -> usize {
        self.readers().viewers()
    }

    /// How many readers there are of each kind.
    pub fn readers(&self) -> Readers {
        *self.readers.borrow()
    }

    /// How many viewers are sent something: those whom limits are about.
    pub(super) fn served(&self) -> usize {
        self.viewers().saturating_sub(self.idle.load(Ordering::Relaxed))
    }

    /// What is sent over the network, in bits a second.
    pub(super) fn outgoing(&self) -> u64 {
        let idle = self.idle.load(Ordering::Relaxed);
        self.bitrate() * self.readers().taking_bandwidth().saturating_sub(idle) as u64
    }

    /// The group of the next reader who has a cursor.
    pub(super) fn next_group(&self) -> usize {
        self.counts.cursors.fetch_add(1, Ordering::Relaxed) % GROUPS
    }

    /// What it tells about itself.
    pub fn report(&self) -> Report {
        let mut report = self.edit_report().clone();
        report.channel =
            (!self.is_removed.load(Ordering::Relaxed)).then(|| Arc::clone(&self.channel.borrow()));
        report.readers = self.readers();
        report.playlist.clone_from(&self.playlist.borrow());
        report.past = self.archive.as_ref().map(|archive| archive.past());
        report.store_bytes = self.store.resident();
        report.viewers_total = self.counts.viewers.load(Ordering::Relaxed);
        report.bytes_sent = self.counts.sent.load(Ordering::Relaxed);
        report.lagged =
            (self.counts.lagged.load(Ordering::Relaxed), self.counts.missed.load(Ordering::Relaxed));
        report
    }

    /// The part of the report that the driver writes.
    pub(super) fn edit_report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lies where in memory.
    pub(super) fn trail(&self) -> MutexGuard<'_, Trail> {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all viewers.
    pub(super) fn tell(&self, mut change: impl FnMut(&mut Window)) {
        self.windows.iter().for_each(|window| window.send_modify(&mut change));
    }

    /// The channel's settings may have changed.
    pub(super) fn configure(&self, channel: Arc<Channel>) {
        self.channel.send_if_modified(|current| {
            let is_changed = *current != channel;
            *current = channel;
            is_changed
        });
    }

    /// Waits for [`Feed::stop`], or the end of the process.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// The channel is gone: its viewers end.
    pub(super) fn stop(&self) {
        self.is_removed.store(true, Ordering::Relaxed);
        self.stop.cancel();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.population.channels.fetch_sub(1, Ordering::Relaxed);
    }
}
