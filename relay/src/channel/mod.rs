//! Open channels: who has one open, and the task that runs each.
//!
//! [`Channels`] is the only map. A [`Feed`] is what exists while a channel is open; the first viewer makes it and its driver task, later ones
//! share it, and the driver removes it when its time has come. The question whether anybody is left is asked under the map's lock, so a
//! viewer never gets a feed that is about to end. Nothing here is locked across an await.

mod archive;
mod audience;
mod command;
mod crew;
mod driver;
mod feed;
mod growing;
mod hls;
mod making;
mod numbers;
mod past;
mod playlist;
mod reader;
mod room;
mod steering;
mod store;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_core::cadence::Load;
use forebay_core::failover::Failover;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::archive::Archive;
pub use self::archive::Past;
pub use self::crew::Membership;
use self::feed::Population;
pub use self::feed::{Feed, Report, SourceReport, StartFailure, Switch};
pub use self::growing::Growing;
pub use self::hls::{NoPlaylist, SegmentReader, Session};
use self::numbers::Numbering;
pub use self::playlist::{Playlist, Rendered};
pub use self::reader::{Reader, ReaderKind, Readers};
pub use self::room::{Room, Served};
pub use self::subscription::{Sent, Start, Subscription};
use crate::model::{Channel, ChannelId, Snapshot};

use crate::clock::Clock;
use crate::events::Bus;
use crate::file_changes::{LOOK_EVERY, aside};
use crate::input::Opener;
use crate::providers::{self, Providers};

/// The configured channels and those of them that are open.
#[derive(Debug)]
pub struct Channels {
    opener: Arc<dyn Opener>,
    providers: Providers,
    clock: Clock,
    tasks: TaskTracker,
    ingest: Handle,
    shutdown: CancellationToken,
    population: Arc<Population>,
    events: Bus,
    numbering: Arc<Numbering>,
    hls_dir: PathBuf,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    configured: Arc<Configured>,
    feeds: HashMap<ChannelId, Arc<Feed>>,
    /// Of channels that keep their past, open or not.
    archives: HashMap<ChannelId, Arc<Archive>>,
    /// How the sources of channels have done that were open, and what an admin wants of them.
    histories: HashMap<ChannelId, Failover>,
    /// Set once the process is ending: no feed is made any more.
    is_closed: bool,
}

/// The channels of a configuration. It is made and compared without the table's lock: there may be
/// a hundred thousand.
#[derive(Debug, Default)]
struct Configured {
    /// In the order of the configuration.
    in_order: Arc<[Arc<Channel>]>,
    by_id: HashMap<ChannelId, Arc<Channel>>,
    by_number: HashMap<u32, Arc<Channel>>,
}

impl Configured {
    fn new(channels: &[Arc<Channel>]) -> Self {
        Self {
            in_order: channels.into(),
            by_id: channels.iter().map(|channel| (channel.id.clone(), Arc::clone(channel))).collect(),
            by_number: channels.iter().filter_map(|c| Some((c.number?, Arc::clone(c)))).collect(),
        }
    }

    /// What is different in `self`.
    fn since(&self, before: &Self) -> Changes {
        let mut changes = Changes::default();
        for channel in &*self.in_order {
            match before.by_id.get(&channel.id) {
                None => changes.added += 1,
                Some(old) if old == channel => {}
                Some(_) => changes.changed += 1,
            }
        }
        changes.removed = before.by_id.keys().filter(|id| !self.by_id.contains_key(*id)).count();
        changes
    }
}

/// What a reload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Channels that were not there.
    pub added: usize,
    /// Channels that are there no more; their viewers are cut off.
    pub removed: usize,
    /// Channels whose settings differ.
    pub changed: usize,
}

/// Why nobody can join now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The process is ending, or the channel is gone.
    Closing,
    /// As many watch as may.
    ChannelFull {
        /// How many that is.
        limit: u32,
    },
    /// One more viewer would need more than may be sent.
    NoBandwidth {
        /// Bits a second.
        limit: u64,
    },
    /// The viewer's address has as much as one may have of what is limited for all.
    AddressShare,
    /// The system gives no memory or no file for the channel.
    NoStore,
}

impl Channels {
    /// The channels of `snapshot`, all closed; `hls_dir` is a folder of our own. Their drivers and
    /// upstreams will run on `ingest`, which has threads of its own: however much is asked of the
    /// server, no source waits for it.
    pub fn new(snapshot: Snapshot<'_>, hls_dir: &Path, opener: Arc<dyn Opener>, ingest: Handle) -> Arc<Self> {
        let channels = Arc::new(Self {
            opener,
            providers: Providers::new(snapshot.providers),
            clock: Clock::start(),
            tasks: TaskTracker::new(),
            ingest,
            shutdown: CancellationToken::new(),
            population: Arc::default(),
            events: Bus::new(),
            numbering: Arc::new(Numbering::load(hls_dir)),
            hls_dir: hls_dir.to_owned(),
            table: Mutex::default(),
        });
        let kept = snapshot.channels.iter().filter(|channel| channel.policy.timeshift.is_some());
        archive::clean(hls_dir, &kept.map(|channel| &channel.id).collect::<HashSet<_>>());
        channels.configure(snapshot);
        channels
    }

    /// Takes a new configuration: viewers of a channel that is unchanged notice nothing, those of a
    /// changed one stay connected and are served from its new sources, those of one that is gone
    /// are ended. It takes its time; calls must follow one another.
    pub fn configure(&self, snapshot: Snapshot<'_>) -> Changes {
        let archives = self.archives(snapshot.channels);
        self.providers.configure(snapshot.providers);
        let new = Arc::new(Configured::new(snapshot.channels));
        let before = Arc::clone(&self.table().configured);
        let changes = new.since(&before);
        let mut table = self.table();
        // Under the lock only what is open. What goes is dropped behind it: `before` is declared
        // first.
        for (id, feed) in &table.feeds {
            match new.by_id.get(id) {
                None => feed.stop(),
                Some(channel) if before.by_id.get(id) == Some(channel) => {}
                Some(channel) => feed.configure(Arc::clone(channel)),
            }
        }
        table.archives = archives;
        table.histories.retain(|id, _| new.by_id.contains_key(id));
        table.configured = new;
        changes
    }

    /// The archives of those channels that have one. This reads what is on disk of those that are
    /// new.
    fn archives(&self, channels: &[Arc<Channel>]) -> HashMap<ChannelId, Arc<Archive>> {
        let known = self.table().archives.clone();
        let kept = channels.iter().filter(|channel| channel.policy.timeshift.is_some());
        kept.filter_map(|channel| {
            let open = || Archive::open(&self.hls_dir, channel);
            let archive = known.get(&channel.id).cloned().or_else(open)?;
            Some((channel.id.clone(), archive))
        })
        .collect()
    }

    /// The channel with this id.
    pub fn find(&self, id: &str) -> Option<Arc<Channel>> {
        self.table().configured.by_id.get(id).cloned()
    }

    /// The channel with this id, else the one with this number.
    pub fn find_by_number_or_id(&self, text: &str) -> Option<Arc<Channel>> {
        let configured = Arc::clone(&self.table().configured);
        let by_number = || configured.by_number.get(&text.parse::<u32>().ok()?);
        configured.by_id.get(text).or_else(by_number).cloned()
    }

    /// All configured channels, in the order of the configuration.
    pub fn configured(&self) -> Arc<[Arc<Channel>]> {
        Arc::clone(&self.table().configured.in_order)
    }

    /// What the feeds that are open report, by id.
    pub fn reports(&self) -> Vec<Report> {
        let feeds: Vec<Arc<Feed>> = self.table().feeds.values().cloned().collect();
        let mut reports: Vec<Report> = feeds.iter().map(|feed| feed.report()).collect();
        reports.sort_by(|a, b| a.id.cmp(&b.id));
        reports
    }

    /// How the providers' connections stand.
    pub fn providers(&self) -> Vec<providers::Report> {
        self.providers.report()
    }

    /// What the feed of this channel reports, if it is open.
    pub fn report(&self, id: &str) -> Option<Report> {
        let feed = self.table().feeds.get(id).cloned();
        feed.map(|feed| feed.report())
    }

    /// The HLS segment of this channel with this number, if it is there.
    pub fn segment(&self, id: &ChannelId, number: u64) -> Option<SegmentReader> {
        let feed = self.table().feeds.get(id).cloned()?;
        SegmentReader::find(&feed, number)
    }

    /// The same, if it is being made or is about to be.
    pub fn growing(&self, id: &ChannelId, number: u64) -> Option<Growing> {
        let feed = self.table().feeds.get(id).cloned()?;
        Growing::find(&feed, number)
    }

    /// How many viewers and open channels there are.
    pub fn load(&self) -> Load {
        self.population.load()
    }

    /// Whether somebody watches a channel, or did a moment ago.
    pub fn is_open(&self, id: &ChannelId) -> bool {
        self.table().feeds.contains_key(id)
    }

    /// Whether one more viewer by HLS of a channel fits in.
    pub fn check_room(&self, channel: &Channel, room: &Room<'_>) -> Result<(), Refusal> {
        room.check(ReaderKind::Hls, channel, &self.table().feeds)
    }

    /// Watches a channel's transport stream: see [`Channels::reader`].
    pub fn subscribe(
        self: &Arc<Self>,
        channel: &Arc<Channel>,
        room: &Room<'_>,
    ) -> Result<Subscription, Refusal> {
        self.reader(channel, ReaderKind::Viewer, room).map(Subscription::new)
    }

    /// Reads a channel, and opens it if nobody does yet.
    pub fn reader(
        self: &Arc<Self>,
        channel: &Arc<Channel>,
        kind: ReaderKind,
        room: &Room<'_>,
    ) -> Result<Reader, Refusal> {
        let mut table = self.table();
        if table.is_closed {
            return Err(Refusal::Closing);
        }
        // It may have changed, or gone, since it was looked up.
        let channel = Arc::clone(table.configured.by_id.get(&channel.id).ok_or(Refusal::Closing)?);
        room.check(kind, &channel, &table.feeds)?;
        let feed = table.feeds.get(&channel.id);
        if let Some(feed) = feed {
            return Ok(Reader::new(feed, kind));
        }
        let failover = table.failover(&channel);
        let stop = self.shutdown.child_token();
        let archive = table.archives.get(&channel.id).cloned();
        let (feed, driver) =
            driver::create(self, &channel, stop, failover, archive).map_err(|_| Refusal::NoStore)?;
        let reader = Reader::new(&feed, kind);
        table.feeds.insert(channel.id.clone(), Arc::clone(&feed));
        self.tasks.spawn_on(driver.run(Arc::clone(self)), &self.ingest);
        Ok(reader)
    }

    /// Removes a feed whose driver is done; false when somebody has come meanwhile, unless `even_if_wanted`.
    fn retire(&self, feed: &Arc<Feed>, even_if_wanted: bool) -> bool {
        let mut table = self.table();
        if feed.readers().keeping_open() > 0 && !even_if_wanted {
            return false;
        }
        if table.feeds.get(feed.id()).is_some_and(|current| Arc::ptr_eq(current, feed)) {
            table.feeds.remove(feed.id());
        }
        true
    }

    /// Looks every few seconds whether somebody has removed what is kept on disk, until `stop`.
    pub async fn look_after_files(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let channels = Arc::clone(&self);
            if aside(&stop, move || channels.look_at_files()).await.is_none() {
                return;
            }
        }
    }

    fn look_at_files(&self) {
        self.numbering.look();
        let archives: Vec<Arc<Archive>> = self.table().archives.values().cloned().collect();
        for archive in archives {
            archive.look();
        }
    }

    /// What happens.
    pub fn events(&self) -> &Bus {
        &self.events
    }

    /// Whether the end has begun.
    pub fn is_stopping(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// Ends all viewers and closes all upstreams; returns when the last task is done.
    pub async fn shutdown(&self) {
        self.table().is_closed = true;
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let archives = std::mem::take(&mut self.table().archives);
        let numbering = Arc::clone(&self.numbering);
        let close = move || {
            drop(archives);
            numbering.close();
        };
        // The disk may hang: then whoever waits for this has a limit.
        let _ = tokio::task::spawn_blocking(close).await;
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change of the table is a single insertion or removal: a panic elsewhere leaves nothing half done.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
