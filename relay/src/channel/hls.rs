//! A session: one viewer by HLS, from its first request for a playlist until it has asked for
//! nothing for some time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use forebay_core::playlist::opening::{Player, target_in_haste};
use tokio::sync::watch;
use tokio::time::Instant;

use super::archive::Archive;
use super::feed::{Feed, Totals};
use super::playlist::{Playlist, Rendered, SegmentCache};
use super::reader::Reader;
use super::report::StartFailure;
use super::subscription::SLACK;
use super::window::Stage;

/// How long a request waits for the first segment after the time for a picture: as long as the
/// longest groups of pictures in use.
const FIRST_SEGMENT: Duration = Duration::from_secs(10);

/// The longest wait for the first segment: hls.js gives a request 20 s.
const LONGEST_WAIT: Duration = Duration::from_secs(19);

/// How long a new viewer's request waits for the media that its player needs to begin: three groups
/// of pictures of 10 s.
/// hls.js asks again after 20 s, and `ExoPlayer` after 8 s, and both go on waiting.
const LONGEST_OPENING: Duration = Duration::from_secs(35);

/// A viewer of a channel by HLS. Dropping it is leaving.
#[derive(Debug)]
pub struct Session {
    reader: Reader,
    player: Player,
    is_near_edge: AtomicBool,
    has_begun: AtomicBool,
    /// Whether its playlists name segments before they are whole.
    names_unfinished: AtomicBool,
    list: PlaylistKind,
    /// Whether it has not begun, and may still be sent to the short list.
    is_undecided: AtomicBool,
    /// The target duration of its playlists, in seconds, which must not change; 0 before the first.
    target: AtomicU64,
    /// Whether it has fetched a segment. Viewers that only ask for playlists do not count towards
    /// limits.
    is_served: AtomicBool,
    /// The number of the newest segment that its playlists have named.
    announced: AtomicU64,
}

/// A list of a channel's segments. Each has an address of its own, so that the numbers at one
/// address never go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaylistKind {
    /// Segments begin with a random access point.
    Standard,
    /// Short segments, which may begin with any picture.
    Short,
}

/// Why there is no playlist.
#[derive(Debug, Clone)]
pub enum NoPlaylist {
    /// No source answered in time.
    Failed(Arc<StartFailure>),
    /// There is a picture, but no random access point after it for too long.
    NoSegment,
    /// The channel was removed, or the process is ending.
    Ended,
}

impl Session {
    /// A session of this kind of player, on this list. `reader` is of the kind
    /// [`Hls`](super::ReaderKind::Hls).
    pub fn new(reader: Reader, player: Player, list: PlaylistKind) -> Self {
        let feed = reader.feed();
        // A time-shift has usual segments only.
        let has_past = feed.media.archive.is_some();
        let is_undecided = player == Player::Native && list == PlaylistKind::Standard && !has_past;
        feed.hls.viewers.send_modify(|viewers| {
            viewers.sessions += 1;
            viewers.whole += usize::from(player != Player::Streaming);
            viewers.short += usize::from(list == PlaylistKind::Short);
            viewers.undecided += usize::from(is_undecided);
        });
        feed.hls.idle.fetch_add(1, Ordering::Relaxed);
        Self {
            reader,
            player,
            is_near_edge: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
            names_unfinished: AtomicBool::new(false),
            list,
            is_undecided: AtomicBool::new(is_undecided),
            target: AtomicU64::new(0),
            is_served: AtomicBool::new(false),
            announced: AtomicU64::new(0),
        }
    }

    fn feed(&self) -> &Arc<Feed> {
        self.reader.feed()
    }

    /// The list that the player plays.
    fn list(&self) -> &watch::Sender<Option<Arc<Playlist>>> {
        match self.list {
            PlaylistKind::Standard => &self.feed().hls.playlist,
            PlaylistKind::Short => &self.feed().hls.short,
        }
    }

    /// Whether the channel is over: the next request begins another session.
    pub fn is_over(&self) -> bool {
        self.feed().stage.borrow().is_over()
    }

    /// Whether the head of the answer may be sent before the playlist is ready: there is a picture,
    /// and the player waits for whole segments, for longer than it tolerates a silent server.
    pub fn may_answer_early(&self) -> bool {
        if !matches!(self.player, Player::Native | Player::Strict) {
            return false;
        }
        matches!(*self.feed().stage.borrow(), Stage::Live)
    }

    /// The playlist as it is now. The first request waits until there are enough segments for the
    /// player to begin and not run dry. Later ones may wait for a segment that is nearly whole.
    pub async fn playlist(&self) -> Result<Arc<Playlist>, NoPlaylist> {
        let mut playlists = self.list().subscribe();
        let mut stage = self.feed().stage.subscribe();
        let start_timeout = self.feed().channel.borrow().policy.start_timeout + SLACK;
        let began = Instant::now();
        let last = began + LONGEST_WAIT.min(start_timeout + FIRST_SEGMENT);
        if !self.has_begun() {
            // The first playlist decides whether the player ever
            // runs dry, so its answer may take long.
            if let Some(opening) = self.wait_for_opening(&mut stage, began, last).await {
                return Ok(opening);
            }
        } else if let Some(playlist) = self.playlist_with_unfinished() {
            return Ok(playlist);
        } else {
            self.wait_for_next(&mut playlists, &mut stage).await;
        }
        let ready = tokio::select! {
            biased;
            Ok(playlist) = playlists.wait_for(Option::is_some) => playlist.clone(),
            _ = stage.wait_for(Stage::is_over) => None,
            () = tokio::time::sleep_until(last) => None,
        };
        if let Some(playlist) = ready {
            let target = self.target.load(Ordering::Relaxed);
            return Ok(match target {
                0 => playlist.for_opening(self.player),
                // The one with which it began: a player may
                // take another for an error (RFC 8216, 6.2.1).
                target => playlist.for_target(target),
            });
        }
        match &*self.feed().stage.borrow() {
            Stage::Failed(failure) => Err(NoPlaylist::Failed(Arc::clone(failure))),
            Stage::Ended => Err(NoPlaylist::Ended),
            Stage::Starting | Stage::Live | Stage::Outage => Err(NoPlaylist::NoSegment),
        }
    }

    /// Waits for a playlist that the player can begin with. `None` if that takes too long, or the
    /// feed is over: then any playlist is better than none.
    async fn wait_for_opening(
        &self,
        stage: &mut watch::Receiver<Stage>,
        began: Instant,
        last: Instant,
    ) -> Option<Arc<Playlist>> {
        // What has been made so far changes with the store.
        let mut window = self.feed().windows[0].subscribe();
        loop {
            {
                let stage = stage.borrow_and_update();
                if stage.is_over() {
                    return None;
                }
                // In an outage, the player would show an old picture and then nothing.
                if matches!(*stage, Stage::Live)
                    && let Some(opening) = self.opening()
                {
                    return Some(opening);
                }
            }
            let has_segment = self.list().borrow().is_some();
            // With a segment there is something to answer with in the
            // end, so it may take longer than a start that may fail.
            let until = if has_segment { began + LONGEST_OPENING } else { last };
            tokio::select! {
                changed = stage.changed() => changed.ok()?,
                changed = window.changed() => changed.ok()?,
                () = tokio::time::sleep_until(until) => return None,
            }
        }
    }

    /// The playlist that the player can begin with now, if there is one.
    fn opening(&self) -> Option<Arc<Playlist>> {
        if self.list == PlaylistKind::Short {
            let short = self.feed().hls.short.borrow().clone()?;
            return short.short_opening(self.player).or_else(|| short.has_enough_short().then_some(short));
        }
        let playlist = self.feed().hls.playlist.borrow().clone();
        if let Some(opening) = playlist.as_ref().and_then(|playlist| playlist.opening(self.player)) {
            return Some(opening);
        }
        if self.is_undecided.load(Ordering::Relaxed)
            && let Some(short) = self.feed().hls.short.borrow().clone()
            && short.short_opening(self.player).is_some()
        {
            return Some(short.leading_to_short());
        }
        let growing = (*self.feed().hls.growing.borrow())?;
        let whole: Vec<Duration> = playlist.iter().flat_map(|playlist| playlist.durations()).collect();
        let grown = growing.grown(self.feed().keyframes().position());
        let next = growing.segment.duration();
        let first = self.player.begin(&whole, grown, next)?;
        let target = target_in_haste(&whole[first..], growing.target, next);
        self.names_unfinished.store(true, Ordering::Relaxed);
        Some(Arc::new(Playlist::with_announced(playlist.as_deref(), &growing, Some(first), target)))
    }

    /// The next playlist of a player whose playlists name segments before they are whole; `None`
    /// for other players.
    fn playlist_with_unfinished(&self) -> Option<Arc<Playlist>> {
        if !self.names_unfinished.load(Ordering::Relaxed) {
            return None;
        }
        let growing = (*self.feed().hls.growing.borrow())?;
        let playlist = self.feed().hls.playlist.borrow().clone();
        let target = self.target.load(Ordering::Relaxed);
        Some(Arc::new(Playlist::with_announced(playlist.as_deref(), &growing, None, target)))
    }

    /// Waits for the next segment, if that is due, and the viewer has few segments buffered and
    /// knows all of them.
    ///
    /// Players ask as often as segments are made, so some always ask a moment too early. A player
    /// that finds nothing new asks again half a target duration later (RFC 8216, 6.3.4), when its
    /// buffer is empty. So the answer waits, but no longer than that.
    async fn wait_for_next(
        &self,
        playlists: &mut watch::Receiver<Option<Arc<Playlist>>>,
        stage: &mut watch::Receiver<Stage>,
    ) {
        let is_near_edge = self.is_near_edge.load(Ordering::Relaxed);
        let announced = self.announced.load(Ordering::Relaxed);
        let wait = playlists
            .borrow_and_update()
            .as_ref()
            .filter(|playlist| is_near_edge && playlist.newest() == announced && playlist.is_next_due())
            .map(|_| Duration::from_secs(self.target.load(Ordering::Relaxed)) / 2);
        if let Some(wait) = wait {
            tokio::select! {
                _ = playlists.changed() => {}
                _ = stage.wait_for(Stage::is_over) => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// The playlist with `length` of wall-clock time behind live, as far back as the time-shift
    /// goes. It names at least the segments of `playlist`.
    pub async fn reach_back(&self, playlist: &Playlist, length: Duration) -> Arc<Rendered> {
        let longer = match &self.feed().media.archive {
            Some(archive) => archive.playlist(length, playlist.target_duration, playlist.count()).await,
            None => None,
        };
        longer.unwrap_or_else(|| Arc::clone(&playlist.rendered))
    }

    /// Notes that this playlist is sent. Returns true if the viewer begins with it: it is the first
    /// one that does not send the viewer to the short list.
    pub fn note_sent(&self, playlist: &Playlist) -> bool {
        if playlist.is_lead() {
            return false;
        }
        self.announced.store(playlist.newest(), Ordering::Relaxed);
        if self.has_begun.swap(true, Ordering::Relaxed) {
            return false;
        }
        if self.is_undecided.swap(false, Ordering::Relaxed) {
            self.feed().hls.viewers.send_modify(|viewers| viewers.undecided -= 1);
        }
        self.target.store(playlist.target_duration, Ordering::Relaxed);
        if self.list == PlaylistKind::Short {
            // The segments of the short list are as short as possible anyway.
            self.is_near_edge.store(true, Ordering::Relaxed);
            return true;
        }
        // Players that play segments as they arrive need no short ones.
        let needs_short = self.player != Player::Streaming || !self.names_unfinished.load(Ordering::Relaxed);
        if needs_short && !playlist.is_plenty() {
            self.is_near_edge.store(true, Ordering::Relaxed);
            self.feed().hls.viewers.send_modify(|viewers| viewers.near_edge += 1);
        }
        true
    }

    /// The target duration of the playlist, if there is one.
    pub fn target_duration(&self) -> Option<Duration> {
        self.list().borrow().as_ref().map(|playlist| Duration::from_secs(playlist.target_duration))
    }

    /// Whether the viewer has begun with a playlist.
    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Whether the viewer has fetched a segment.
    pub fn is_served(&self) -> bool {
        self.is_served.load(Ordering::Relaxed)
    }

    /// Notes that the viewer fetches a segment: from the first one on it counts towards limits.
    pub fn note_fetch(&self) {
        if !self.is_served.swap(true, Ordering::Relaxed) {
            self.feed().hls.idle.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Bytes of segments handed out.
    pub fn sent(&self) -> u64 {
        self.reader.sent()
    }

    /// Counts bytes that were handed out.
    pub fn count(&self, bytes: u64) {
        self.reader.count(bytes);
    }
}

/// Bits a second of so many bytes that play so long.
pub(super) fn rate(bytes: u64, duration: Duration) -> u64 {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(8000) / millis
}

impl Drop for Session {
    fn drop(&mut self) {
        let short = usize::from(self.list == PlaylistKind::Short);
        let near_edge = usize::from(*self.is_near_edge.get_mut() && self.list == PlaylistKind::Standard);
        let undecided = usize::from(*self.is_undecided.get_mut());
        // A session that ends without a segment still counts as idle, and must not do so for ever.
        self.note_fetch();
        self.feed().hls.viewers.send_modify(|viewers| {
            viewers.sessions -= 1;
            viewers.whole -= usize::from(self.player != Player::Streaming);
            viewers.short -= short;
            viewers.undecided -= undecided;
            viewers.near_edge -= near_edge;
        });
    }
}

/// A segment of an open channel, or one that its time-shift has kept, to be sent.
#[derive(Debug, Clone)]
pub struct SegmentReader {
    place: Place,
    cached: Arc<SegmentCache>,
    list: PlaylistKind,
}

/// Where a segment is read.
#[derive(Debug, Clone)]
enum Place {
    Open(Arc<Feed>),
    /// The channel is closed.
    Archive(Arc<Archive>, Arc<Totals>),
}

impl SegmentReader {
    /// The segment with this number, of a channel that is closed.
    pub(super) fn find_kept(archive: Arc<Archive>, totals: Arc<Totals>, number: u64) -> Option<Self> {
        let segment = archive.find_kept(number).filter(|segment| segment.end <= archive.written())?;
        let cached = Arc::new(SegmentCache::new(segment));
        Some(Self { place: Place::Archive(archive, totals), cached, list: PlaylistKind::Standard })
    }

    /// The segment with this number, if it is complete and still kept.
    pub(super) fn find(feed: &Arc<Feed>, number: u64) -> Option<Self> {
        let find =
            |list: &watch::Sender<Option<Arc<Playlist>>>| list.borrow().as_ref()?.find(number).cloned();
        if let Some(cached) = find(&feed.hls.playlist) {
            return Some(Self { place: Place::Open(Arc::clone(feed)), cached, list: PlaylistKind::Standard });
        }
        if let Some(cached) = find(&feed.hls.short) {
            return Some(Self { place: Place::Open(Arc::clone(feed)), cached, list: PlaylistKind::Short });
        }
        let cached = Arc::new(SegmentCache::new(feed.media.archive.as_ref()?.find(number)?));
        Some(Self { place: Place::Open(Arc::clone(feed)), cached, list: PlaylistKind::Standard })
    }

    /// The list that names the segment.
    pub fn list(&self) -> PlaylistKind {
        self.list
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.cached.size()
    }

    /// Whether the channel was closed when the segment was found.
    pub fn is_of_closed(&self) -> bool {
        matches!(self.place, Place::Archive(..))
    }

    /// Bits a second that a viewer needs.
    pub fn rate(&self) -> u64 {
        rate(self.size(), self.cached.segment.duration())
    }

    /// Bytes of the segment from `at` on, up to `end` or less. Viewers who read the same bytes at
    /// the same time share one read, unless the segment is on disk.
    pub async fn read(&self, at: u64, end: u64) -> io::Result<Bytes> {
        let (mut bytes, archive) = match &self.place {
            Place::Open(feed) => (self.cached.read(&feed.media.store, at, end)?, feed.media.archive.as_ref()),
            Place::Archive(archive, _) => (None, Some(archive)),
        };
        if bytes.is_none()
            && let Some(archive) = archive
        {
            let (start, end) = self.cached.place(at, end);
            bytes = archive.read(start, end).await?;
        }
        let bytes = bytes.ok_or_else(|| io::Error::other("the segment is gone"))?;
        match &self.place {
            Place::Open(feed) => _ = feed.counts.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed),
            Place::Archive(_, totals) => totals.note_sent(bytes.len() as u64),
        }
        Ok(bytes)
    }
}
