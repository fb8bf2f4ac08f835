//! The state of an open channel that its driver, its readers and the status document share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_core::cadence::{GROUPS, Load};
use forebay_core::timeshift::pace::KeyframeIndex;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::archive::Archive;
use super::attendance::Attendance;
use super::command::Command;
use super::crew::Crews;
use super::growing_segment::GrowingSegment;
use super::hls_viewers::HlsViewers;
use super::playlist::Playlist;
use super::reader_kind::Readers;
use super::report::Report;
use super::store::Store;
use super::window::{Stage, Window};
use crate::events::Bus;
use crate::model::{Channel, ChannelId};

/// An open channel.
#[derive(Debug)]
pub struct Feed {
    id: ChannelId,
    /// The settings, as they are now.
    pub(super) channel: watch::Sender<Arc<Channel>>,
    pub(super) media: Media,
    /// What the channel shows.
    pub(super) stage: watch::Sender<Stage>,
    /// One for each group of viewers. The edges of a group's window move when its turn comes.
    pub(super) windows: [watch::Sender<Window>; GROUPS],
    /// The crews of viewers who keep up, by group.
    pub(super) crews: Crews,
    /// The readers. Changed under the map's lock where that matters: see [`super::Channels`].
    /// Announced when the first reader that keeps the channel open joins, when the last one leaves,
    /// and when the highest priority among them changes.
    pub(super) attendance: watch::Sender<Attendance>,
    pub(super) hls: HlsState,
    pub(super) counts: Counts,
    pub(super) totals: Arc<Totals>,
    pub(super) events: Bus,
    pub(super) commands: mpsc::Sender<Command>,
    removal: Removal,
    report: Mutex<Report>,
}

/// The media of an open channel.
#[derive(Debug)]
pub(super) struct Media {
    pub(super) store: Arc<Store>,
    /// The offset of the store's first byte.
    pub(super) base: u64,
    /// The media that is kept beyond the window, if the channel keeps any.
    pub(super) archive: Option<Arc<Archive>>,
    /// The random access points that memory holds.
    keyframes: Mutex<KeyframeIndex>,
}

/// How a channel is told that it has left the list.
#[derive(Debug)]
struct Removal {
    /// Cancelled at the end of the process, too.
    stop: CancellationToken,
    is_removed: AtomicBool,
}

/// The state that the HLS sessions and the packager share.
#[derive(Debug, Default)]
pub(super) struct HlsState {
    /// How many sessions there are, and what they need.
    pub(super) viewers: watch::Sender<HlsViewers>,
    /// The playlist, while it is wanted and there is a segment.
    pub(super) playlist: watch::Sender<Option<Arc<Playlist>>>,
    /// The short list, while a session may need it: the same media in segments of a second that
    /// need not begin with a key picture.
    pub(super) short: watch::Sender<Option<Arc<Playlist>>>,
    /// The growing segment, while a playlist is wanted. It changes after the playlist has
    /// named the segment before, and both change before the windows do.
    pub(super) growing: watch::Sender<Option<GrowingSegment>>,
    /// Sessions that have fetched no segment yet. They do not count towards limits.
    pub(super) idle: AtomicUsize,
}

/// The viewers and the open channels of the process.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) viewers: AtomicUsize,
    pub(super) channels: AtomicUsize,
    /// Bytes of channels that are closed.
    closed_sent: AtomicU64,
    closed_received: AtomicU64,
}

impl Totals {
    pub(super) fn load(&self) -> Load {
        Load {
            viewers: self.viewers.load(Ordering::Relaxed),
            channels: self.channels.load(Ordering::Relaxed),
        }
    }

    /// Counts bytes that were sent of a channel that is closed: its time-shift.
    pub(super) fn note_sent(&self, bytes: u64) {
        self.closed_sent.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) -> Traffic {
        Traffic {
            received: self.closed_received.load(Ordering::Relaxed),
            sent: self.closed_sent.load(Ordering::Relaxed),
        }
    }
}

/// Bytes received and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// From sources.
    pub received: u64,
    /// To viewers.
    pub sent: u64,
}

/// Totals over all readers of a channel since it opened.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Bytes handed to viewers.
    pub(super) sent: AtomicU64,
    /// Viewers, those that have left included.
    pub(super) viewers: AtomicU64,
    /// Subscriptions, by whose number new ones are put into groups in turn.
    pub(super) cursors: AtomicUsize,
    /// Times that a viewer fell out of the window and was moved on.
    pub(super) moved_on: AtomicU64,
    /// Bytes that those viewers missed.
    pub(super) missed: AtomicU64,
}

impl Feed {
    pub(super) fn new(
        channel: &Arc<Channel>,
        (store, base): (Store, u64),
        archive: Option<Arc<Archive>>,
        stop: CancellationToken,
        totals: Arc<Totals>,
        events: Bus,
        commands: mpsc::Sender<Command>,
    ) -> Arc<Self> {
        totals.channels.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            media: Media { store: Arc::new(store), base, archive, keyframes: Mutex::default() },
            stage: watch::Sender::default(),
            windows: Default::default(),
            crews: Crews::default(),
            attendance: watch::Sender::default(),
            channel: watch::Sender::new(Arc::clone(channel)),
            hls: HlsState::default(),
            counts: Counts::default(),
            totals,
            events,
            commands,
            id: channel.id.clone(),
            removal: Removal { stop, is_removed: AtomicBool::new(false) },
            report: Mutex::new(Report::new(channel)),
        })
    }

    /// The channel's id.
    pub fn id(&self) -> &ChannelId {
        &self.id
    }

    /// The assumed bit rate of a channel whose rate is not known yet: a common HD channel.
    pub const ASSUMED_BITRATE: u64 = 8_000_000;

    /// The bit rate that each viewer is sent.
    pub(super) fn bitrate(&self) -> u64 {
        match self.edit_report().bitrate {
            0 => Self::ASSUMED_BITRATE,
            bitrate => bitrate,
        }
    }

    /// How many viewers there are.
    pub fn viewers(&self) -> usize {
        self.readers().viewers()
    }

    /// How many readers there are of each kind.
    pub fn readers(&self) -> Readers {
        self.attendance.borrow().readers()
    }

    /// How many viewers are sent media: those that count towards limits.
    pub(super) fn served(&self) -> usize {
        // Both are read one after the other, and a session may have come in between.
        self.viewers().saturating_sub(self.hls.idle.load(Ordering::Relaxed))
    }

    /// The bit rate that goes out over the network to all readers.
    pub(super) fn outgoing(&self) -> u64 {
        let idle = self.hls.idle.load(Ordering::Relaxed);
        self.bitrate() * self.readers().taking_bandwidth().saturating_sub(idle) as u64
    }

    /// The group of the next subscription.
    pub(super) fn next_group(&self) -> usize {
        // In turn, so that groups have about the same size.
        self.counts.cursors.fetch_add(1, Ordering::Relaxed) % GROUPS
    }

    /// A snapshot of the channel for the status document.
    pub fn report(&self) -> Report {
        // Cloned first: the driver writes to it at each tick,
        // and must not wait while the rest is filled in.
        let mut report = self.edit_report().clone();
        report.channel =
            (!self.removal.is_removed.load(Ordering::Relaxed)).then(|| Arc::clone(&self.channel.borrow()));
        report.readers = self.readers();
        report.playlist.clone_from(&self.hls.playlist.borrow());
        report.timeshift = self.media.archive.as_ref().map(|archive| archive.status());
        report.store_bytes = self.media.store.resident();
        report.viewers_total = self.counts.viewers.load(Ordering::Relaxed);
        report.bytes_sent = self.counts.sent.load(Ordering::Relaxed);
        report.moved_on = self.counts.moved_on.load(Ordering::Relaxed);
        report.bytes_missed = self.counts.missed.load(Ordering::Relaxed);
        report
    }

    /// The part of the report that the driver writes.
    pub(super) fn edit_report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The random access points that memory holds.
    pub(super) fn keyframes(&self) -> MutexGuard<'_, KeyframeIndex> {
        self.media.keyframes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what the channel shows from now on. A stage that is over is final, and is written into
    /// all windows, too: viewers wait for those alone.
    pub(super) fn set_stage(&self, stage: Stage) {
        self.stage.send_if_modified(|current| {
            let is_open = !current.is_over();
            if is_open {
                *current = stage;
            }
            is_open
        });
        if self.stage.borrow().is_over() {
            // All groups, also those whose turn it is not:
            // they would wait for a tick that does not come.
            self.windows.iter().for_each(|window| window.send_modify(|window| window.is_over = true));
        }
    }

    /// Takes the channel's settings, which may be unchanged.
    pub(super) fn configure(&self, channel: Arc<Channel>) {
        self.channel.send_if_modified(|current| {
            // Compared by value: a new list makes new values of channels that have not changed.
            let is_changed = *current != channel;
            *current = channel;
            is_changed
        });
    }

    /// Waits for [`Feed::stop`], or the end of the process.
    pub(super) async fn stopped(&self) {
        self.removal.stop.cancelled().await;
    }

    /// Ends the viewers of a channel that was removed.
    pub(super) fn stop(&self) {
        self.removal.is_removed.store(true, Ordering::Relaxed);
        self.removal.stop.cancel();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let Totals { channels, closed_sent, closed_received, .. } = &*self.totals;
        channels.fetch_sub(1, Ordering::Relaxed);
        closed_sent.fetch_add(self.counts.sent.load(Ordering::Relaxed), Ordering::Relaxed);
        closed_received.fetch_add(self.edit_report().bytes_received, Ordering::Relaxed);
    }
}
