//! A reader of a channel's transport stream: its cursor in the store, and what it is sent next.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf, Bytes};
use forebay_core::store_index::{Cursor, Step};
use forebay_core::ts::PACKET_SIZE;
use forebay_core::ts::packet::earlier_clock;
use rustix::net::SendFlags;
use tokio::sync::watch;

use super::crew::MIN_VIEWERS;
use super::feed::Feed;
use super::reader::Reader;
use super::report::StartFailure;
use super::store::SendOutcome;
use super::timeshift_reader::TimeshiftReader;
use super::window::{Block, Stage, Window};
use crate::events::Event;
use crate::model::Delivery;

/// How much longer readers wait than the driver, which should give up first: it knows why.
pub(super) const SLACK: Duration = Duration::from_millis(500);

/// The most that the viewers of a group read at once, in bytes. It stays in memory until the last
/// of them has sent it.
const MAX_SHARED: u64 = 1 << 20;

/// By how much the clock of a farewell lies behind the last one: more than players hold, and less
/// than what VLC takes for a new programme, of which it plays the rest of the old one.
const REWOUND: Duration = Duration::from_secs(5);

/// What is read at once where the last clock reference is looked for, in bytes: whole packets,
/// since the store holds nothing else.
const FAREWELL_READ: u64 = 256 * PACKET_SIZE as u64;

/// How often: a reference is due each 100 ms (ISO/IEC 13818-1, 2.7.2), and this is enough for 60
/// Mbit/s.
const FAREWELL_READS: u64 = 16;

/// A reader of a channel's transport stream. Dropping it is leaving; the last viewer to leave
/// starts the linger.
#[derive(Debug)]
pub struct Subscription {
    reader: Reader,
    window: watch::Receiver<Window>,
    /// Which of the feed's groups it belongs to.
    group: u8,
    cursor: Cursor,
    /// Set while the viewer is behind the window. Boxed, since few are.
    past: Option<Box<TimeshiftReader>>,
    /// Bytes that must be sent before anything else. The cursor is already past them.
    rest: Bytes,
}

/// The result of waiting for a picture.
#[derive(Debug, Clone)]
pub enum Start {
    /// There is a picture to send.
    Started,
    /// No source answered in time.
    Failed(Arc<StartFailure>),
    /// The channel was removed, or the process is ending.
    Ended,
}

/// What a reader does next.
enum Next {
    /// Send the bytes from `start` to `end`: all of `block`, if that is what the group reads next.
    Read {
        start: u64,
        end: u64,
        block: Option<Arc<Block>>,
    },
    Nothing,
    Ended,
}

/// The result of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Some bytes went out; there may be more.
    Progress,
    /// There is nothing to send until [`Subscription::changed`].
    UpToDate,
    /// The feed is over.
    Ended,
}

/// The result of [`Subscription::try_read`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TryRead {
    /// Whole packets. If packets before them were missed, the continuity counters show it.
    Bytes(Bytes),
    /// Everything was read.
    UpToDate,
    /// The feed is over.
    Ended,
}

impl Subscription {
    /// A new subscription, which has been sent nothing yet.
    pub fn new(reader: Reader) -> Self {
        let feed = reader.feed();
        let group = feed.next_group();
        let window = feed.windows[group].subscribe();
        Self {
            reader,
            window,
            group: u8::try_from(group).expect("there are few groups"),
            cursor: Cursor::default(),
            past: None,
            rest: Bytes::new(),
        }
    }

    pub(super) fn feed(&self) -> &Arc<Feed> {
        self.reader.feed()
    }

    pub(super) fn group(&self) -> usize {
        self.group.into()
    }

    /// Whether the group's window has changed since this reader looked at it.
    pub(super) fn has_unseen(&self) -> bool {
        self.window.has_changed().unwrap_or(true)
    }

    /// Whether the reader's own task keeps sending, rather than a crew: the reader is behind the
    /// window and has its own pace, or the channel has too few viewers for crews.
    pub fn sends_alone(&self) -> bool {
        self.past.is_some() || self.feed().viewers() < MIN_VIEWERS
    }

    /// Bytes handed out so far.
    pub fn sent(&self) -> u64 {
        self.reader.sent()
    }

    /// Waits until there is a picture to send, or it is certain that there will be none. Viewers
    /// that come in an outage wait like the first viewer: an old picture and then nothing is no
    /// start.
    pub async fn started(&mut self) -> Start {
        let feed = self.reader.feed();
        let mut stage = feed.stage.subscribe();
        let is_decided = |stage: &Stage| !matches!(stage, Stage::Starting | Stage::Outage);
        let limit = feed.channel.borrow().policy.start_timeout + SLACK;
        let Ok(decided) = tokio::time::timeout(limit, stage.wait_for(is_decided)).await else {
            return Start::Failed(Arc::new(StartFailure { sources: feed.report().sources }));
        };
        match decided.as_deref() {
            Ok(Stage::Failed(failure)) => Start::Failed(Arc::clone(failure)),
            Ok(Stage::Live | Stage::Starting | Stage::Outage) => Start::Started,
            Ok(Stage::Ended) | Err(_) => Start::Ended,
        }
    }

    /// Moves the reader `offset` behind live, or to the oldest media of this presentation, where it
    /// stays. Returns how far behind live that is. To be called once there is a picture, before
    /// anything is sent.
    pub fn go_back(&mut self, offset: Duration) -> Duration {
        let edges = self.window.borrow_and_update().edges;
        let burst = self.reader.feed().channel.borrow().policy.burst;
        match TimeshiftReader::find(self.reader.feed(), offset) {
            Some((at, behind)) if edges.join.is_none_or(|join| at < join) => {
                self.past = Some(Box::new(TimeshiftReader::new(burst, at)));
                behind
            }
            Some((_, behind)) => behind,
            None => Duration::ZERO,
        }
    }

    /// Waits until media is due for a reader behind the window, and reads it. None when the feed is
    /// over, or the reader is no longer behind the window.
    async fn read_timeshift(&mut self) -> Option<Bytes> {
        let past = self.past.as_mut()?;
        if let Some(bytes) = past.next(self.reader.feed(), &mut self.window).await {
            return Some(bytes);
        }
        // The media at its position is gone: it is moved on like any other reader.
        self.cursor.advance(past.at());
        self.past = None;
        None
    }

    /// Waits until there may be something new to send; false when the feed is over.
    pub async fn changed(&mut self) -> bool {
        if self.past.is_some() {
            self.rest = self.read_timeshift().await.unwrap_or_default();
            return true;
        }
        self.window.changed().await.is_ok()
    }

    /// Waits until the channel is removed, or the process ends.
    pub async fn stopped(&self) {
        self.reader.feed().stopped().await;
    }

    fn step(&mut self) -> Next {
        let window = self.window.borrow_and_update();
        if window.is_over {
            return Next::Ended;
        }
        let mut step = self.cursor.step(&window.edges);
        if let Step::Skipped { missed } = step {
            self.reader.feed().counts.moved_on.fetch_add(1, Ordering::Relaxed);
            let channel = self.reader.feed().id().clone();
            self.reader.feed().events.publish(Event::ViewerMovedOn { channel, missed });
            self.reader.feed().counts.missed.fetch_add(missed, Ordering::Relaxed);
            tracing::debug!(channel = %self.reader.feed().id(), missed, "viewer fell behind, moved on");
            step = self.cursor.step(&window.edges);
        }
        match step {
            // A reader that is where the group was told to read takes
            // the group's block; all others read for themselves.
            Step::Read { start, end } => match &window.newest {
                Some(block) if block.start == start && block.end - start <= MAX_SHARED => {
                    Next::Read { start, end: block.end, block: Some(Arc::clone(block)) }
                }
                _ => Next::Read { start, end, block: None },
            },
            Step::Wait | Step::Skipped { .. } => Next::Nothing,
        }
    }

    /// Sends new media to the socket, as much as that takes at once. A packet that is sent in part
    /// is completed before anything else.
    pub fn send_to(&mut self, socket: impl AsFd, delivery: Delivery) -> io::Result<Sent> {
        if !self.rest.is_empty() {
            return self.send_rest(socket);
        }
        // `changed` reads its media, at its own pace; the window does not matter to it.
        if self.past.is_some() {
            return Ok(Sent::UpToDate);
        }
        let (start, end, block) = match self.step() {
            Next::Ended => return Ok(Sent::Ended),
            Next::Nothing => return Ok(Sent::UpToDate),
            Next::Read { start, end, block } => (start, end, block),
        };
        let is_copied = match delivery {
            Delivery::Copy => true,
            Delivery::Sendfile => false,
            Delivery::Auto => block.is_some(),
        };
        if is_copied {
            if let Some(bytes) = self.read(start, end, block)? {
                // Before the send: what the socket does not take stays
                // in `rest`, and the store may drop it meanwhile.
                self.cursor.advance(start + bytes.len() as u64);
                self.rest = bytes;
                return self.send_rest(socket);
            }
        } else if let Some(SendOutcome { end, rest }) =
            self.reader.feed().media.store.send(socket, start, end)?
        {
            self.cursor.advance(end + rest.len() as u64);
            self.rest = rest;
            self.count(end - start);
            return Ok(Sent::Progress);
        }
        // Gone since the group was told: the next announcement says where to go on.
        Ok(Sent::UpToDate)
    }

    /// Completes a packet that was sent in part, so that the stream ends with a whole packet.
    /// Returns whether all of it is sent.
    pub fn send_last(&mut self, socket: impl AsFd) -> io::Result<bool> {
        // `rest` ends with a packet, so the odd bytes at its
        // front are those of the packet that was sent in part.
        self.rest.truncate(self.rest.len() % PACKET_SIZE);
        if !self.rest.is_empty() {
            self.send_rest(socket)?;
        }
        Ok(self.rest.is_empty())
    }

    /// A packet at which a player that keeps to the clock drops what it holds, for a viewer whose
    /// right to watch has ended: VLC would show the two to four seconds that it holds when the
    /// connection ends, and begins anew when the clock says that all of it comes too late. `None`
    /// where no clock reference was sent lately.
    pub fn farewell(&self) -> Option<[u8; PACKET_SIZE]> {
        // Who is behind the window has its media from elsewhere.
        let end = self.cursor.position().filter(|_| self.past.is_none())?;
        // Most channels send some 25 kB from one reference to the next, so most ask once.
        (1..=FAREWELL_READS).find_map(|read| {
            let start = end.checked_sub(read * FAREWELL_READ)?;
            let packets = self.reader.feed().media.store.read(start, start + FAREWELL_READ).ok()??;
            earlier_clock(&packets, REWOUND)
        })
    }

    fn send_rest(&mut self, socket: impl AsFd) -> io::Result<Sent> {
        let sent = rustix::net::send(socket, &self.rest, SendFlags::NOSIGNAL)?;
        self.rest.advance(sent);
        if self.rest.is_empty() {
            // Drops the block: the last reader of the group frees it.
            self.rest = Bytes::new();
        }
        self.count(sent as u64);
        Ok(Sent::Progress)
    }

    /// Reads from the store, or takes the bytes that another viewer of the group has read.
    fn read(&self, start: u64, end: u64, block: Option<Arc<Block>>) -> io::Result<Option<Bytes>> {
        match block {
            Some(block) => block.read(&self.reader.feed().media.store),
            None => self.reader.feed().media.store.read(start, end),
        }
    }

    /// The next bytes: whole packets, the first of them a PAT in front of a random access point.
    /// `None` when the feed is over. Viewers of a group who keep up share one read.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.read_timeshift().await {
                self.count(bytes.len() as u64);
                return Ok(Some(bytes));
            }
            let bytes = match self.step() {
                Next::Ended => return Ok(None),
                Next::Nothing => None,
                Next::Read { start, end, block } => {
                    let bytes = self.read(start, end, block)?;
                    bytes.inspect(|bytes| {
                        self.cursor.advance(start + bytes.len() as u64);
                        self.count(bytes.len() as u64);
                    })
                }
            };
            if let Some(bytes) = bytes {
                return Ok(Some(bytes));
            }
            if !self.changed().await {
                return Ok(None);
            }
        }
    }

    /// Moves to the newest random access point, and skips the media before it.
    pub fn restart(&mut self) {
        self.cursor = Cursor::default();
        self.past = None;
        self.rest = Bytes::new();
        if let Some(newest) = self.window.borrow_and_update().edges.newest_entry {
            self.cursor.advance(newest);
        }
    }

    /// The next bytes, without waiting for them: see [`Subscription::next`].
    pub fn try_read(&mut self) -> io::Result<TryRead> {
        match self.step() {
            Next::Ended => Ok(TryRead::Ended),
            Next::Nothing => Ok(TryRead::UpToDate),
            Next::Read { start, end, block } => {
                let Some(bytes) = self.read(start, end, block)? else { return Ok(TryRead::UpToDate) };
                self.cursor.advance(start + bytes.len() as u64);
                self.count(bytes.len() as u64);
                Ok(TryRead::Bytes(bytes))
            }
        }
    }

    /// Whether nothing more comes.
    pub fn is_over(&self) -> bool {
        self.window.borrow().is_over
    }

    /// The bit rate of the channel, or an assumed one while it is not known.
    pub fn bitrate(&self) -> u64 {
        self.reader.feed().bitrate()
    }

    fn count(&mut self, bytes: u64) {
        self.reader.count(bytes);
        self.reader.feed().counts.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}
