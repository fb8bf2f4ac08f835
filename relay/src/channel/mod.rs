//! Open channels: their readers, and the task that runs each.
//!
//! [`Channels`] is the only map. A [`Feed`] exists while a channel is open. The first reader makes
//! it together with its driver task, later readers share it, and the driver removes it in the end.
//! Whether any reader is left is asked under the map's lock, so no reader gets a feed that is about
//! to end. No lock is held across an await.
//!
//! To read on: [`ReaderKind`] says who reads and what each kind counts into, [`Subscription`] is a
//! reader of the transport stream, [`Session`] a viewer by HLS, and `driver` is the task that fills
//! the store from the sources.

mod admission;
mod archive;
mod attendance;
mod command;
mod crew;
mod driver;
mod excerpt;
mod feed;
mod growing_segment;
mod growing_segment_reader;
mod hls;
mod hls_viewers;
mod lookup;
mod membership;
mod playlist;
mod reader;
mod reader_kind;
mod report;
mod sequence_store;
mod source_override;
mod store;
mod subscription;
#[cfg(test)]
mod tests;
mod timeshift_reader;
mod window;

use std::collections::{HashMap, HashSet};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_core::assumption;
use forebay_core::cadence::Load;
use forebay_core::failover::Failover;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

pub use self::admission::{AdmissionLimits, ViewersByChannel};
use self::archive::Archive;
pub use self::archive::TimeshiftStatus;
pub use self::excerpt::{Excerpt, ExcerptReader};
use self::feed::Totals;
pub use self::feed::{Feed, Traffic};
pub use self::growing_segment_reader::GrowingSegmentReader;
pub use self::hls::{NoPlaylist, PlaylistKind, SegmentReader, Session};
pub use self::lookup::{Changes, Difference, ListedChannel, Lookup, Revision, Unreadable};
pub use self::membership::Membership;
pub use self::playlist::{Playlist, Rendered};
pub use self::reader::Reader;
pub use self::reader_kind::{ReaderKind, Readers};
pub use self::report::{Report, SourceReport, StartFailure, Switch};
use self::sequence_store::SequenceStore;
pub use self::subscription::{Sent, Start, Subscription, TryRead};
use crate::model::{Channel, ChannelId, Provider};

use crate::clock::Clock;
use crate::events::Bus;
use crate::file_changes::{CHECK_INTERVAL, aside};
use crate::input::Opener;
use crate::providers::{self, Providers};

/// All channels, and the feeds of those that are open.
#[derive(Debug)]
pub struct Channels {
    opener: Arc<dyn Opener>,
    providers: Providers,
    clock: Clock,
    tasks: TaskTracker,
    ingest: Handle,
    shutdown: CancellationToken,
    totals: Arc<Totals>,
    events: Bus,
    sequences: Arc<SequenceStore>,
    hls_dir: PathBuf,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    lookup: Arc<dyn Lookup>,
    revision: Revision,
    feeds: HashMap<ChannelId, Arc<Feed>>,
    /// The archives of channels with `timeshift`: of those that are open, and of those that have
    /// one on disk.
    archives: Archives,
    /// Of each channel that has been open: the health of its sources, and an admin's overrides.
    failovers: HashMap<ChannelId, Failover>,
    /// The process is ending: no feed is made any more.
    is_closed: bool,
}

/// The archives of channels, by id.
type Archives = HashMap<ChannelId, Arc<Archive>>;

/// Channels that are forgotten under one lock. That takes some microseconds, and viewers join in
/// between.
const AT_ONCE: usize = 256;

/// Logs a broken assumption: a bug that the channel survives.
fn log_broken_assumption(what: &'static str, location: &'static Location<'static>) {
    error!(what, %location, "broken assumption: please report this as a bug");
}

/// The feeds of the channels with these ids. Walks the shorter of the two collections.
fn feeds_of(feeds: &HashMap<ChannelId, Arc<Feed>>, ids: &HashSet<ChannelId>) -> Vec<Arc<Feed>> {
    if feeds.len() < ids.len() {
        feeds.iter().filter(|(id, _)| ids.contains(*id)).map(|(_, feed)| Arc::clone(feed)).collect()
    } else {
        ids.iter().filter_map(|id| feeds.get(id)).cloned().collect()
    }
}

impl Table {
    /// The archive of a channel that is being opened, if the channel has `timeshift`. Creates one
    /// if there is none on disk.
    fn archive(&mut self, channel: &Channel, hls_dir: &Path) -> Option<Arc<Archive>> {
        if let Some(archive) = self.archives.get(&channel.id) {
            return Some(Arc::clone(archive));
        }
        let archive = Archive::create(hls_dir, channel)?;
        self.archives.insert(channel.id.clone(), Arc::clone(&archive));
        Some(archive)
    }

    /// The open feeds whose channels the new list may have changed.
    fn concerned(&self, difference: &Difference) -> Vec<Arc<Feed>> {
        if difference.is_incomplete {
            return self.feeds.values().cloned().collect();
        }
        let ids = [&difference.added, &difference.changed, &difference.removed];
        // Variants go by the settings of their channel and of their profile. Few are open.
        let variants = self.feeds.values().filter(|feed| feed.id().as_variant().is_some()).cloned();
        ids.into_iter().flat_map(|ids| feeds_of(&self.feeds, ids)).chain(variants).collect()
    }
}

/// Why a reader cannot join now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The process is ending, or the channel is gone.
    Closing,
    /// The channel has as many viewers as it may have.
    ChannelFull {
        /// How many that is.
        limit: u32,
    },
    /// One more viewer would need more bandwidth than the relay may use.
    NoBandwidth {
        /// Bits a second.
        limit: u64,
    },
    /// The viewer's address already has its share of the channel's viewers or of the bandwidth.
    AddressShare,
    /// The system gives no memory or no file for the channel's store.
    NoStore,
    /// The list of channels could not be read.
    Unreadable,
}

impl Channels {
    /// The channels of `lookup`, all closed; `hls_dir` is a folder of our own. Drivers and
    /// upstreams run on `ingest`, which has threads of its own: no source waits for HTTP requests.
    pub fn new(
        lookup: Arc<dyn Lookup>,
        providers: &[Provider],
        hls_dir: &Path,
        opener: Arc<dyn Opener>,
        ingest: Handle,
    ) -> Arc<Self> {
        assumption::observe(log_broken_assumption);
        let table = Table {
            // Before the first viewer, since opening one may take seconds.
            archives: archive::open_all(hls_dir, &*lookup),
            lookup,
            revision: Revision::default(),
            feeds: HashMap::new(),
            failovers: HashMap::new(),
            is_closed: false,
        };
        Arc::new(Self {
            opener,
            providers: Providers::new(providers),
            clock: Clock::start(),
            tasks: TaskTracker::new(),
            ingest,
            shutdown: CancellationToken::new(),
            totals: Arc::default(),
            events: Bus::new(),
            sequences: Arc::new(SequenceStore::load(hls_dir)),
            hls_dir: hls_dir.to_owned(),
            table: Mutex::new(table),
        })
    }

    /// Takes a new list of providers, or the same ones with other limits.
    pub fn set_providers(&self, providers: &[Provider]) {
        self.providers.configure(providers);
    }

    /// Takes a new list of channels. Viewers of an unchanged channel notice nothing, viewers of a
    /// changed one stay connected and are served from its new sources, viewers of a removed one are
    /// ended. This may take long, and no viewer waits for it. Calls must not overlap.
    pub fn apply(&self, difference: &Difference) {
        let lookup = &difference.lookup;
        // Without the lock of the table: it reads the disk.
        let (opened, closed) = self.archives_of(difference);
        let mut table = self.table();
        // Dropped at the end of this function, without the lock.
        let _gone = (
            std::mem::replace(&mut table.lookup, Arc::clone(lookup)),
            closed.iter().filter_map(|id| table.archives.remove(id)).collect::<Vec<_>>(),
        );
        for (id, archive) in opened {
            // A viewer may have opened the channel meanwhile, and its archive with it.
            table.archives.entry(id).or_insert(archive);
        }
        // Channels that are opened from now on are of the new list.
        table.revision.0 += 1;
        let feeds = table.concerned(difference);
        drop(table);
        for feed in feeds {
            match lookup.find(feed.id().as_str()) {
                Ok(Some(channel)) => feed.configure(channel),
                // Its driver ends the readers, and then takes it out of the map.
                Ok(None) => feed.stop(),
                // Without an answer, the channel stays as it was.
                Err(Unreadable) => {}
            }
        }
        self.forget(&difference.removed);
    }

    /// The archives on disk of the channels that have `timeshift` in the new list, and the ids of
    /// the channels that no longer have it. Reads the disk, so this may take long.
    fn archives_of(&self, difference: &Difference) -> (Archives, Vec<ChannelId>) {
        let Difference { lookup, added, changed, removed, is_incomplete } = difference;
        let is_named = |id: &&ChannelId| [added, changed, removed].iter().any(|ids| ids.contains(*id));
        let is_concerned = |id: &&ChannelId| *is_incomplete || is_named(id);
        let known: HashSet<ChannelId> = self.table().archives.keys().filter(is_concerned).cloned().collect();
        let keeps_none = |id: &&ChannelId| {
            let found = lookup.find(id.as_str());
            // Without an answer, the channel stays as it was.
            found.is_ok_and(|channel| channel.is_none_or(|it| it.policy.timeshift.is_none()))
        };
        let closed = known.iter().filter(keeps_none).cloned().collect();
        let on_disk = if *is_incomplete {
            archive::folders(&self.hls_dir)
        } else {
            let named = added.iter().chain(changed);
            named.filter(|id| self.hls_dir.join(id.as_str()).is_dir()).map(ChannelId::to_string).collect()
        };
        let new = on_disk.iter().filter(|id| !known.contains(id.as_str()));
        let opened = new.filter_map(|id| {
            let channel = lookup.find(id).ok()??;
            Some((channel.id.clone(), Archive::open(&self.hls_dir, &channel)?))
        });
        (opened.collect(), closed)
    }

    /// Forgets the failovers of these channels, [`AT_ONCE`] under each lock: viewers join in
    /// between.
    fn forget(&self, removed: &HashSet<ChannelId>) {
        let removed: Vec<&ChannelId> = removed.iter().collect();
        for some in removed.chunks(AT_ONCE) {
            let mut table = self.table();
            let gone: Vec<Failover> = some.iter().filter_map(|id| table.failovers.remove(*id)).collect();
            drop(table);
            drop(gone);
        }
    }

    /// Which list of channels is in force.
    pub fn revision(&self) -> Revision {
        self.table().revision
    }

    /// The reports of all open feeds, by id.
    pub fn reports(&self) -> Vec<Report> {
        let feeds: Vec<Arc<Feed>> = self.table().feeds.values().cloned().collect();
        let mut reports: Vec<Report> = feeds.iter().map(|feed| feed.report()).collect();
        reports.sort_by(|a, b| a.id.cmp(&b.id));
        reports
    }

    /// The state of the providers' connections.
    pub fn providers(&self) -> Vec<providers::Report> {
        self.providers.report()
    }

    /// The connections of the providers, for those who need one beside the channels.
    pub fn connections(&self) -> &Providers {
        &self.providers
    }

    /// The report of this channel, if it is open.
    pub fn report(&self, id: &str) -> Option<Report> {
        let feed = self.table().feeds.get(id).cloned();
        feed.map(|feed| feed.report())
    }

    /// The HLS segment with this number, if it is complete and still kept: of a channel that is
    /// closed, by its time-shift.
    pub fn segment(&self, id: &ChannelId, number: u64) -> Option<SegmentReader> {
        let (feed, archive) = self.media_of(id);
        match feed {
            Some(feed) => SegmentReader::find(&feed, number),
            None => SegmentReader::find_kept(archive?, Arc::clone(&self.totals), number),
        }
    }

    /// What is open of a channel, and what is kept.
    fn media_of(&self, id: &ChannelId) -> (Option<Arc<Feed>>, Option<Arc<Archive>>) {
        let table = self.table();
        (table.feeds.get(id).cloned(), table.archives.get(id).cloned())
    }

    /// The HLS segment with this number, if it is being made or is about to be.
    pub fn growing(&self, id: &ChannelId, number: u64) -> Option<GrowingSegmentReader> {
        let feed = self.table().feeds.get(id).cloned()?;
        GrowingSegmentReader::find(&feed, number)
    }

    /// How many viewers and open channels there are.
    pub fn load(&self) -> Load {
        self.totals.load()
    }

    /// The traffic of the channels that have closed since the start.
    pub fn closed_traffic(&self) -> Traffic {
        self.totals.closed()
    }

    /// Whether a channel is open: it has readers, or lingers.
    pub fn is_open(&self, id: &ChannelId) -> bool {
        self.table().feeds.contains_key(id)
    }

    /// Whether the limits allow one more viewer of a channel by HLS.
    pub fn check_admission(&self, channel: &Channel, admission: &AdmissionLimits<'_>) -> Result<(), Refusal> {
        admission.check(ReaderKind::Hls, channel, &self.table().feeds)
    }

    /// The channel with this id, in the list that is in force. May wait for a disk.
    pub fn find(&self, id: &str) -> Result<Option<ListedChannel>, Unreadable> {
        let table = self.table();
        let (lookup, revision) = (Arc::clone(&table.lookup), table.revision);
        drop(table);
        Ok(lookup.find(id)?.map(|channel| ListedChannel::new(channel, revision)))
    }

    /// Joins as a viewer of the transport stream: see [`Channels::join`].
    pub fn subscribe(
        self: &Arc<Self>,
        found: &ListedChannel,
        priority: i32,
        admission: &AdmissionLimits<'_>,
    ) -> Result<Subscription, Refusal> {
        self.join(found, (ReaderKind::Ts, priority), admission).map(Subscription::new)
    }

    /// Joins a channel as a reader of this kind, and opens the channel if it is closed.
    ///
    /// Where a provider's connections are short, the highest `priority` of the readers that keep
    /// the channel open is added to the priority of the channel.
    pub fn join(
        self: &Arc<Self>,
        found: &ListedChannel,
        (kind, priority): (ReaderKind, i32),
        admission: &AdmissionLimits<'_>,
    ) -> Result<Reader, Refusal> {
        let mut found = found.clone();
        loop {
            let mut table = self.table();
            if table.revision == found.revision() {
                return self.join_listed(&mut table, &found.channel, (kind, priority), admission);
            }
            // A new list came in between, in which the channel may be different, or gone. It is
            // rare that a reader has to look again.
            let (lookup, revision) = (Arc::clone(&table.lookup), table.revision);
            drop(table);
            let channel = lookup.find(found.channel.id.as_str()).map_err(|Unreadable| Refusal::Unreadable)?;
            found = ListedChannel::new(channel.ok_or(Refusal::Closing)?, revision);
        }
    }

    /// Joins a channel of the list that is in force, and opens it if it is closed.
    fn join_listed(
        self: &Arc<Self>,
        table: &mut Table,
        channel: &Arc<Channel>,
        (kind, priority): (ReaderKind, i32),
        admission: &AdmissionLimits<'_>,
    ) -> Result<Reader, Refusal> {
        if table.is_closed {
            return Err(Refusal::Closing);
        }
        // Under the lock under which the reader is counted: of
        // two that come at once, only one gets the last place.
        admission.check(kind, channel, &table.feeds)?;
        let feed = table.feeds.get(&channel.id);
        if let Some(feed) = feed {
            return Ok(Reader::new(feed, kind, priority));
        }
        let failover = table.failover(channel);
        let stop = self.shutdown.child_token();
        let archive = table.archive(channel, &self.hls_dir);
        let (feed, driver) =
            driver::create(self, channel, stop, failover, archive).map_err(|_| Refusal::NoStore)?;
        // Before the driver runs: without a reader it would close at once.
        let reader = Reader::new(&feed, kind, priority);
        table.feeds.insert(channel.id.clone(), Arc::clone(&feed));
        self.tasks.spawn_on(driver.run(Arc::clone(self)), &self.ingest);
        Ok(reader)
    }

    /// Removes a feed whose driver is done. Returns false if a reader has joined meanwhile, unless
    /// `even_if_wanted`.
    fn retire(&self, feed: &Arc<Feed>, even_if_wanted: bool) -> bool {
        let mut table = self.table();
        if feed.readers().keeping_open() > 0 && !even_if_wanted {
            return false;
        }
        // It may be another feed of the same channel by now: that one stays.
        if table.feeds.get(feed.id()).is_some_and(|current| Arc::ptr_eq(current, feed)) {
            table.feeds.remove(feed.id());
        }
        true
    }

    /// Checks every few seconds whether files on disk were removed, until `stop`.
    pub async fn watch_files(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(CHECK_INTERVAL)).await.is_some() {
            let channels = Arc::clone(&self);
            if aside(&stop, move || channels.check_files()).await.is_none() {
                return;
            }
        }
    }

    fn check_files(&self) {
        self.sequences.check_file();
        let archives: Vec<Arc<Archive>> = self.table().archives.values().cloned().collect();
        for archive in archives {
            archive.check_files();
        }
    }

    /// The bus on which channels publish events.
    pub fn events(&self) -> &Bus {
        &self.events
    }

    /// Whether the process is ending.
    pub fn is_stopping(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// Waits until the process begins to end.
    pub async fn stopping(&self) {
        self.shutdown.cancelled().await;
    }

    /// Ends all readers and closes all upstreams. Returns when the last task is done.
    pub async fn shutdown(&self) {
        // First, so that no feed is made while the others end.
        self.table().is_closed = true;
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let archives = std::mem::take(&mut self.table().archives);
        let sequences = Arc::clone(&self.sequences);
        let close = move || {
            drop(archives);
            sequences.close();
        };
        // The disk may hang. The caller limits how long it waits.
        let _ = tokio::task::spawn_blocking(close).await;
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change of the table is a single insertion or removal: a panic leaves nothing half
        // done.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
