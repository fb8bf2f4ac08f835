//! When guides are read, and which of their channels are those of the lineup: a service.

use std::collections::HashMap;
use std::fmt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_core::guide::Options;
use forebay_core::guide::matching::{GuideChannel, How, Index, Wanted};
use forebay_relay::input::document::{Documents, Marks};
use forebay_relay::state::{Access, Dir};
use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::kept::{Basis, KeptDocuments};
use super::made::{Made, Seen, hex, make};
use super::named::{Named, of_config, of_playlist, settings_of};
use super::snapshot::{Known, Snapshot};
use super::store::{Error, Info, Stored, import, path_of};
use crate::catalogue::{BEGINNING, Catalogue, List};
use crate::config::InForce;
use crate::db::Database;
use crate::db::lineup;
use crate::lineup::{FetchError, Got, Progress, Spool, fetch};

/// The folder beside the database.
const FOLDER: &str = "guides";

/// Longer documents are refused, as they come.
const MAX_BYTES: u64 = 1 << 30;

/// Guides that are read at all; further ones are left out, and told.
const MAX_GUIDES: usize = 64;

/// Readings at a time. What is heavy of them is done one by one.
const MAX_AT_ONCE: usize = 3;

/// When a failed reading is tried again for the first time; the pause doubles with each failure.
const FIRST_RETRY: Duration = Duration::from_mins(2);

/// How often it is looked whether anything is different: the lineup, the playlists, the clock.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A guide that nobody names any more is deleted after this.
const KEEP_UNNAMED: Duration = Duration::from_hours(30 * 24);

/// What is known of guides, and what can be asked of them. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Guides(Arc<Inner>);

struct Inner {
    database: Database,
    config: InForce,
    catalogue: Arc<Catalogue>,
    documents: Documents,
    spool: Spool,
    folder: PathBuf,
    snapshot: Mutex<Arc<Snapshot>>,
    readings: Mutex<HashMap<String, Reading>>,
    kept: KeptDocuments,
    /// Whoever takes a processor for a second.
    heavy: Semaphore,
    asked: Notify,
    /// Files so far: each has a name of its own.
    files: AtomicU64,
    tally: Tally,
}

/// What has happened since the start.
#[derive(Debug, Default)]
struct Tally {
    taken: AtomicU64,
    unchanged: AtomicU64,
    failed: AtomicU64,
    found: AtomicU64,
    made: AtomicU64,
    evicted: AtomicU64,
    /// Guides beyond [`MAX_GUIDES`] at the last look.
    left_out: AtomicU64,
}

/// Figures of guides, for metrics. All but the first three count from the start of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Guides that there are now.
    pub guides: u64,
    /// Channels of ours that they tell of.
    pub matched: u64,
    /// Guides that are named and not read, since there are too many.
    pub left_out: u64,
    /// Readings that brought a new version.
    pub taken: u64,
    /// Readings that found the guide as it was.
    pub unchanged: u64,
    /// Readings that failed.
    pub failed: u64,
    /// Answers from a document that was there.
    pub found: u64,
    /// Documents that were made.
    pub made: u64,
    /// Documents that had to go for others.
    pub evicted: u64,
}

/// One more.
fn count(what: &AtomicU64) {
    what.fetch_add(1, Ordering::Relaxed);
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guides").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// How the readings of a guide go.
#[derive(Debug, Clone, Default)]
struct Reading {
    is_running: bool,
    failures: u32,
    error: Option<String>,
    next: Option<Instant>,
}

/// How a guide is doing.
#[derive(Debug, Clone, Default)]
pub struct GuideStatus {
    /// What it is known by.
    pub key: String,
    /// Its name in the configuration, or the playlist that names it.
    pub name: String,
    /// When the version was taken that is in force, in seconds since 1970; none before the first.
    pub taken_at: Option<i64>,
    /// Its channels and programmes.
    pub channels: u64,
    /// See `channels`.
    pub programmes: u64,
    /// Parts that were left out or changed because they were wrong.
    pub faults: u64,
    /// All of it had come.
    pub is_whole: bool,
    /// Channels of ours that it tells of.
    pub matched: u64,
    /// Why it could not be read the last time: what is there is that of before.
    pub error: Option<String>,
}

impl Guides {
    /// Of these channels; its files are in the folder `data`.
    pub fn new(database: Database, config: InForce, catalogue: Arc<Catalogue>, data: &Path) -> Self {
        let folder = data.join(FOLDER);
        Self(Arc::new(Inner {
            database,
            config,
            catalogue,
            documents: Documents::new(),
            spool: Spool::at(folder.clone(), MAX_BYTES),
            folder,
            snapshot: Mutex::default(),
            readings: Mutex::default(),
            kept: KeptDocuments::default(),
            heavy: Semaphore::new(1),
            asked: Notify::new(),
            files: AtomicU64::new(0),
            tally: Tally::default(),
        }))
    }

    /// What has happened, and what there is.
    pub fn counts(&self) -> Counts {
        let (snapshot, tally) = (self.snapshot(), &self.0.tally);
        let read = |what: &AtomicU64| what.load(Ordering::Relaxed);
        Counts {
            guides: snapshot.guides.len() as u64,
            matched: snapshot.matches.len() as u64,
            left_out: read(&tally.left_out),
            taken: read(&tally.taken),
            unchanged: read(&tally.unchanged),
            failed: read(&tally.failed),
            found: read(&tally.found),
            made: read(&tally.made),
            evicted: read(&tally.evicted),
        }
    }

    /// The guides as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn readings(&self) -> MutexGuard<'_, HashMap<String, Reading>> {
        self.0.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the guides are doing, in their order.
    pub async fn status(&self) -> Result<Vec<GuideStatus>, crate::db::Error> {
        let (named, snapshot) = (self.named().await?, self.snapshot());
        let mut matched: HashMap<u16, u64> = HashMap::new();
        for (at, _) in snapshot.matches.values() {
            *matched.entry(at.guide).or_default() += 1;
        }
        let readings = self.readings();
        let status = |named: Named| {
            let at = snapshot.guides.iter().position(|known| known.key == named.key);
            let info = at.map(|at| snapshot.guides[at].info.clone());
            let matched = at.and_then(|at| matched.get(&u16::try_from(at).ok()?)).copied();
            let error = readings.get(&named.key).and_then(|reading| reading.error.clone());
            let taken_at = info.as_ref().map(|info| info.taken_at);
            let info = info.unwrap_or_default();
            GuideStatus {
                key: named.key,
                name: named.name,
                taken_at,
                channels: info.channels,
                programmes: info.programmes,
                faults: info.faults,
                is_whole: info.is_whole,
                matched: matched.unwrap_or_default(),
                error,
            }
        };
        Ok(named.into_iter().map(status).collect())
    }

    /// Has all guides read now.
    pub fn ask(&self) {
        for reading in self.readings().values_mut() {
            reading.next = None;
        }
        self.0.asked.notify_one();
    }

    /// Our own guide of the channels that are seen, made now if none is kept.
    pub async fn document(&self, seen: Seen) -> Result<Arc<Made>, Error> {
        let list = self.0.catalogue.list();
        let seen = Arc::new(seen);
        let for_key = Arc::clone(&seen);
        let key = list.read(move |list, connection| for_key.key(list, connection)).await;
        let key = key.map_err(Error::other)?;
        let find = || {
            let basis = Basis::new(key, &self.snapshot(), &list, Timestamp::now());
            self.0.kept.find(&basis).inspect(|_| count(&self.0.tally.found))
        };
        if let Some(made) = find() {
            return Ok(made);
        }
        let _turn = self.0.heavy.acquire().await.expect("the semaphore is never closed");
        // Somebody else may have had it made meanwhile.
        if let Some(made) = find() {
            return Ok(made);
        }
        let (snapshot, now) = (self.snapshot(), Timestamp::now());
        let basis = Basis::new(key, &snapshot, &list, now);
        let number = self.0.files.fetch_add(1, Ordering::Relaxed);
        let path = self.0.folder.join(format!("{number}.made"));
        let folder = self.0.folder.clone();
        let making = list.read(move |list, connection| {
            let made = create(&folder)
                .and_then(|()| make(&path, &snapshot, (list, connection), &seen, now.as_second()));
            Ok(made)
        });
        let made = making.await.map_err(Error::other)??;
        count(&self.0.tally.made);
        let (made, has_evicted) = self.0.kept.put(basis, made);
        if has_evicted {
            count(&self.0.tally.evicted);
        }
        Ok(made)
    }

    /// Reads guides when they are due, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut is_clean = false;
        // Where this is begun anew, nothing of the run before goes on.
        self.readings().clear();
        let mut running = JoinSet::new();
        loop {
            match self.named().await {
                Ok(named) => {
                    if !std::mem::replace(&mut is_clean, true) {
                        self.clean(&named);
                    }
                    self.start(&named, &mut running, &stop);
                    if let Err(error) = self.settle(&named).await {
                        warn!("guides cannot be matched: {error}");
                    }
                }
                Err(error) => warn!("guides cannot be looked at: {error}"),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.0.asked.notified() => {}
                () = sleep(LOOK_EVERY) => {}
                Some(ended) = running.join_next() => {
                    // The supervisor tells of a bug, and begins anew.
                    if let Err(error) = ended && error.is_panic() {
                        resume_unwind(error.into_panic());
                    }
                }
            }
        }
        running.shutdown().await;
    }

    /// Removes what an earlier process has left, and guides that nobody has named for long.
    fn clean(&self, named: &[Named]) {
        let named: Vec<PathBuf> = named.iter().map(|it| path_of(&self.0.folder, &it.key)).collect();
        let Ok(entries) = std::fs::read_dir(&self.0.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let age = path.metadata().and_then(|it| it.modified()).ok().and_then(|at| at.elapsed().ok());
            // One that has not changed for long may be named all the same.
            let is_old = age.is_some_and(|age| age > KEEP_UNNAMED) && !named.contains(&path);
            let is_left = path.extension().is_some_and(|it| it == "made" || it == "new");
            if is_left || is_old {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// The guides that are to be read: those of the configuration, then those of playlists, in
    /// their order.
    async fn named(&self) -> Result<Vec<Named>, crate::db::Error> {
        let config = self.0.config.get();
        let mut named: Vec<Named> =
            config.guides.iter().filter_map(|spec| of_config(spec, &config)).collect();
        if self.0.database.is_on() {
            let read = self.0.database.read(move |connection| {
                let mut found = Vec::new();
                for playlist in lineup::all_playlists(connection)? {
                    let summary = lineup::taken(connection, playlist.id)?.map(|taken| taken.summary);
                    let contents: Option<crate::lineup::Contents> =
                        summary.and_then(|summary| serde_json::from_str(&summary).ok());
                    let urls = contents.map(|contents| contents.guides).unwrap_or_default();
                    found.extend(of_playlist(&playlist, &urls, &config));
                }
                Ok::<_, crate::db::Error>(found)
            });
            named.extend(read.await?);
        }
        let mut keys = std::collections::HashSet::new();
        named.retain(|it| keys.insert(it.key.clone()));
        let left_out = named.len().saturating_sub(MAX_GUIDES) as u64;
        if self.0.tally.left_out.swap(left_out, Ordering::Relaxed) != left_out && left_out > 0 {
            warn!(left_out, "more than {MAX_GUIDES} guides are named, the last ones are not read");
        }
        named.truncate(MAX_GUIDES);
        Ok(named)
    }

    fn start(&self, named: &[Named], running: &mut JoinSet<()>, stop: &CancellationToken) {
        let mut readings = self.readings();
        readings.retain(|key, reading| reading.is_running || named.iter().any(|it| it.key == *key));
        for named in named {
            let reading = readings.entry(named.key.clone()).or_default();
            let is_due = reading.next.is_none_or(|at| at <= Instant::now());
            if reading.is_running || !is_due || running.len() >= MAX_AT_ONCE {
                continue;
            }
            reading.is_running = true;
            let (this, named, stop) = (self.clone(), named.clone(), stop.clone());
            running.spawn(async move {
                let result = this.read(&named, &stop).await;
                this.ended(&named, result);
            });
        }
    }

    fn ended(&self, named: &Named, result: Result<bool, String>) {
        let mut readings = self.readings();
        let reading = readings.entry(named.key.clone()).or_default();
        reading.is_running = false;
        // One that is not read again is tried again if it fails.
        let every = named.guide.document.refresh.unwrap_or(KEEP_UNNAMED);
        let pause = match result {
            Ok(is_new) => {
                count(if is_new { &self.0.tally.taken } else { &self.0.tally.unchanged });
                (reading.failures, reading.error) = (0, None);
                every
            }
            Err(error) => {
                warn!(guide = named.name, "the guide was not taken: {error}");
                count(&self.0.tally.failed);
                reading.failures = reading.failures.saturating_add(1);
                reading.error = Some(error);
                (FIRST_RETRY * 2_u32.saturating_pow(reading.failures - 1).min(1 << 12)).min(every)
            }
        };
        reading.next = Some(Instant::now() + pause);
    }

    /// Reads a guide; says whether it is another one now.
    async fn read(&self, named: &Named, stop: &CancellationToken) -> Result<bool, String> {
        let path = path_of(&self.0.folder, &named.key);
        let known = Stored::open(&path).and_then(|stored| stored.info()).ok();
        let (settings, mut marks) = (settings_of(named), Marks::default());
        let known_digest = known.map(|info| {
            if info.digest.ends_with(&settings) {
                marks = info.marks;
            }
            info.digest
        });
        let progress = Progress::default();
        let fetched = tokio::select! {
            () = stop.cancelled() => return Err("the server ends".to_owned()),
            fetched = fetch(&self.0.documents, &self.0.spool, &named.guide.document, &marks, &progress) => fetched,
        };
        let document = match fetched.map_err(|error: FetchError| error.to_string())? {
            Got::Unchanged => return Ok(false),
            Got::Document(document, _) => document,
        };
        let digest = format!("{}{settings}", hex(&document.digest));
        if known_digest.as_ref() == Some(&digest) {
            return Ok(false);
        }
        let _turn = self.0.heavy.acquire().await.expect("the semaphore is never closed");
        let info = Info {
            digest,
            marks: document.marks.clone(),
            taken_at: Timestamp::now().as_second(),
            is_whole: document.is_whole,
            ..Info::default()
        };
        let clock = named.guide.clock.clone();
        let options = Options { charset: named.guide.document.reading.charset.clone(), clock };
        let stop = stop.clone();
        let work = spawn_blocking(move || import(document.file.path(), options, info, &path, &stop));
        let info = work.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let Info { channels, programmes, faults, is_whole, .. } = info;
        info!(guide = named.name, channels, programmes, faults, is_whole, "guide read");
        Ok(true)
    }

    /// Finds out anew whose channels the guides have, where a guide or the lineup is another one.
    async fn settle(&self, named: &[Named]) -> Result<(), Error> {
        let (list, before) = (self.0.catalogue.list(), self.snapshot());
        let (named, folder) = (named.to_vec(), self.0.folder.clone());
        let known = move |named: Named| {
            let path = path_of(&folder, &named.key);
            let info = path.exists().then(|| Stored::open(&path).and_then(|stored| stored.info()))?.ok()?;
            Some(Known { key: named.key, name: named.name, path, info })
        };
        let look = spawn_blocking(move || named.into_iter().filter_map(known).collect::<Vec<_>>());
        let guides = look.await.map_err(Error::other)?;
        let is_same_list = std::ptr::eq(before.list.as_ptr(), Arc::as_ptr(&list));
        if guides == before.guides && is_same_list {
            return Ok(());
        }
        let turn = self.0.heavy.acquire().await.expect("the semaphore is never closed");
        let for_matching = guides.clone();
        let matching = list.read(move |list, connection| Ok(matches(&for_matching, list, connection)));
        let matches = matching.await.map_err(Error::other)??;
        let is_same = guides == before.guides && matches == before.matches;
        let version = before.version + u64::from(!is_same);
        if !is_same {
            info!(guides = guides.len(), matched = matches.len(), "channels found in guides");
        }
        let snapshot = Snapshot { guides, matches, version, list: Arc::downgrade(&list) };
        *self.0.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        drop(turn);
        // Made before anybody asks: it is what most are going to ask for.
        if !self.snapshot().guides.is_empty() {
            self.document(Seen::all()).await?;
        }
        Ok(())
    }
}

fn matches(
    guides: &[Known],
    list: &List,
    connection: Option<&rusqlite::Connection>,
) -> Result<HashMap<Box<str>, (GuideChannel, How)>, Error> {
    let (mut index, mut found) = (Index::default(), HashMap::new());
    for (guide, known) in (0..).zip(guides) {
        Stored::open(&known.path)?.channels(|channel| {
            let names = channel.names.iter().map(String::as_str);
            let at = GuideChannel { guide, channel: channel.number };
            index.add(at, &channel.id, names, channel.has_programmes);
        })?;
    }
    if guides.is_empty() {
        return Ok(found);
    }
    let walked = list.walk(connection, BEGINNING, |entry| {
        let wanted = Wanted { guide_id: entry.guide_id, name: entry.name, group: entry.group };
        if let Some(at) = index.find(&wanted) {
            found.insert(entry.id.into(), at);
        }
        true
    });
    walked.map_err(Error::other)?;
    Ok(found)
}

fn create(folder: &Path) -> Result<(), Error> {
    Dir::new(folder, Access::Owner).create().map_err(Error::File)
}
