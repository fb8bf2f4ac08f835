//! Guides: what is asked of them, and the service that keeps them as they should be.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay_relay::input::document::Documents as Server;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::document::Visibility;
use super::documents::Documents;
use super::files::Files;
use super::matched::{index, walk};
use super::named::{Named, of_config, of_playlist};
use super::reading::{Outcome, ReadError, Tools, read};
use super::schedule::Schedule;
use super::snapshot::{Match, Snapshot, StoredGuide};
use super::store::Error;
use super::tally::{Counts, Tally};
use super::tasks::joined;
use crate::catalogue::Catalogue;
use crate::config::InForce;
use crate::db::Database;
use crate::db::lineup;
use crate::lineup::Spool;

/// The folder beside the database.
const FOLDER: &str = "guides";

/// Longer documents are refused, as they come.
const MAX_BYTES: u64 = 1 << 30;

/// Guides that are read at all; further ones are left out, and told.
const MAX_GUIDES: usize = 64;

/// Guides that are fetched at a time. They are imported one by one.
const MAX_AT_ONCE: usize = 3;

/// How often it is looked whether anything is different: the lineup, the playlists, the clock.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Requests that look through whole guides at a time, and those that may wait for their turn.
const SEARCHES: usize = 2;

/// See [`SEARCHES`].
const MAX_SEARCHES: usize = 32;

/// What is known of guides, and what can be asked of them. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Guides(pub(super) Arc<Inner>);

pub(super) struct Inner {
    database: Database,
    config: InForce,
    pub(super) catalogue: Arc<Catalogue>,
    server: Server,
    spool: Spool,
    pub(super) files: Arc<Files>,
    snapshot: Mutex<Arc<Snapshot>>,
    schedule: Schedule,
    pub(super) documents: Documents,
    pub(super) turns: Turns,
    asked: Notify,
    /// The makings of documents, which outlive those who asked for them.
    pub(super) tasks: TaskTracker,
    /// The server ends.
    pub(super) ended: CancellationToken,
    pub(super) tally: Tally,
}

/// Who may use a processor or the disk for long.
pub(super) struct Turns {
    /// CPU-heavy guide work, one job at a time.
    pub(super) heavy: Arc<Semaphore>,
    /// Searches that run, and those that run or wait.
    searches: Arc<Semaphore>,
    waiting: Semaphore,
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

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guides").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Guides {
    /// Of these channels; its files are in the folder `data`.
    pub fn new(database: Database, config: InForce, catalogue: Arc<Catalogue>, data: &Path) -> Self {
        let folder = data.join(FOLDER);
        let searches = Arc::new(Semaphore::new(SEARCHES));
        Self(Arc::new(Inner {
            database,
            config,
            catalogue,
            server: Server::new(),
            spool: Spool::at(folder.clone(), MAX_BYTES),
            files: Arc::new(Files::new(folder)),
            snapshot: Mutex::default(),
            schedule: Schedule::default(),
            documents: Documents::default(),
            turns: Turns {
                heavy: Arc::new(Semaphore::new(1)),
                searches,
                waiting: Semaphore::new(MAX_SEARCHES),
            },
            asked: Notify::new(),
            tasks: TaskTracker::new(),
            ended: CancellationToken::new(),
            tally: Tally::default(),
        }))
    }

    /// What has happened, and what there is.
    pub fn counts(&self) -> Counts {
        let (snapshot, tally) = (self.snapshot(), &self.0.tally);
        Counts {
            guides: snapshot.guides.len() as u64,
            matched: snapshot.matches.len() as u64,
            left_out: tally.left_out.get(),
            names_left_out: snapshot.left_out,
            taken: tally.taken.get(),
            unchanged: tally.unchanged.get(),
            failed: tally.failed.get(),
            found: tally.found.get(),
            made: tally.made.get(),
            evicted: tally.evicted.get(),
            refused: tally.refused.get(),
            cut: tally.cut.get(),
        }
    }

    /// The guides as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that an answer was cut.
    pub fn note_cut(&self) {
        self.0.tally.cut.add();
    }

    /// How the guides are doing, in their order.
    pub async fn status(&self) -> Result<Vec<GuideStatus>, crate::db::Error> {
        let (named, snapshot) = (self.named().await?, self.snapshot());
        let mut matched: HashMap<u16, u64> = HashMap::new();
        for Match { at, .. } in snapshot.matches.values() {
            *matched.entry(at.guide).or_default() += 1;
        }
        let status = |named: Named| {
            let at = snapshot.guides.iter().position(|known| known.key == named.key);
            let info = at.map(|at| snapshot.guides[at].file.info().clone());
            let matched = at.and_then(|at| matched.get(&u16::try_from(at).ok()?)).copied();
            let error = self.0.schedule.error(&named.key);
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
        self.0.schedule.ask();
        self.0.asked.notify_one();
    }

    /// Does `work`, which looks through whole guides, when its turn comes. It is told when nobody
    /// waits for it any more.
    pub async fn look_through<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Snapshot, &CancellationToken) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let Ok(_place) = self.0.turns.waiting.try_acquire() else {
            self.0.tally.refused.add();
            return Err(Error::Busy("searches of guides"));
        };
        let turn = Arc::clone(&self.0.turns.searches).acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        let cancelled = self.0.ended.child_token();
        let _guard = cancelled.clone().drop_guard();
        let snapshot = self.snapshot();
        let looking = spawn_blocking(move || {
            let _turn = turn;
            work(&snapshot, &cancelled)
        });
        joined(looking.await)
    }

    /// Reads guides when they are due, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let files = Arc::clone(&self.0.files);
        let load = move || {
            files.load();
            Ok::<_, Error>(())
        };
        let loaded = joined(spawn_blocking(load).await);
        debug_assert!(loaded.is_ok() || stop.is_cancelled(), "only the end of the server cancels it");
        // Where this is begun anew, nothing of the run before goes on.
        self.0.schedule.begin();
        let mut running = JoinSet::new();
        loop {
            let looked = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                looked = self.look(&mut running, &stop) => looked,
            };
            if let Err(error) = looked {
                warn!("guides cannot be matched: {error}");
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
        self.0.ended.cancel();
        running.shutdown().await;
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Starts the readings that are due, and puts in force what earlier ones have brought.
    async fn look(&self, running: &mut JoinSet<()>, stop: &CancellationToken) -> Result<(), Error> {
        let named = self.named().await?;
        let keys: HashSet<&str> = named.iter().map(|it| &*it.key).collect();
        let now = Timestamp::now().as_second();
        self.0.schedule.retain(|key| keys.contains(key));
        self.0.files.forget(&keys, now);
        self.take_away_damaged(&named);
        for named in &named {
            let file = self.0.files.get(&named.key);
            if running.len() >= MAX_AT_ONCE || !self.0.schedule.start(named, file.as_deref(), now) {
                continue;
            }
            let (this, named, stop) = (self.clone(), named.clone(), stop.clone());
            running.spawn(async move { this.read(&named, &stop).await });
        }
        self.settle(&named).await?;
        self.take_away_damaged(&named);
        if !self.snapshot().guides.is_empty() {
            // Begun before anybody asks: it is what most are going to ask for.
            self.find_or_make(Visibility::all()).await?.ok();
        }
        Ok(())
    }

    /// Has guides read again whose files are damaged.
    fn take_away_damaged(&self, named: &[Named]) {
        for named in named {
            let Some(file) = self.0.files.get(&named.key) else { continue };
            if let Some(damage) = file.damage() {
                warn!(guide = named.name, "the file of the guide is damaged: {damage}");
                self.0.files.discard(&named.key, &file);
                self.0.schedule.damaged(named, format!("its file is damaged: {damage}"));
            }
        }
    }

    async fn read(&self, named: &Named, stop: &CancellationToken) {
        let Inner { server: documents, spool, files, turns, schedule, tally, .. } = &*self.0;
        let tools = Tools { documents, spool, files, heavy: &turns.heavy };
        let reading = read(tools, named, Timestamp::now().as_second(), stop);
        match AssertUnwindSafe(reading).catch_unwind().await {
            Ok(Ok(outcome)) => {
                if outcome == Outcome::Taken { &tally.taken } else { &tally.unchanged }.add();
                schedule.ended(&named.key, None);
            }
            Ok(Err(error)) => {
                if !matches!(error, ReadError::Ended) {
                    warn!(guide = named.name, "the guide was not taken: {error}");
                    tally.failed.add();
                }
                schedule.ended(&named.key, Some(error.to_string()));
            }
            Err(panic) => {
                // Not read at once when the service begins anew.
                tally.failed.add();
                schedule.ended(&named.key, Some("a fault of this program".to_owned()));
                resume_unwind(panic);
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
        let mut keys = HashSet::new();
        named.retain(|it| keys.insert(it.key.clone()));
        let left_out = named.len().saturating_sub(MAX_GUIDES) as u64;
        if self.0.tally.left_out.set(left_out) != left_out && left_out > 0 {
            warn!(left_out, "more than {MAX_GUIDES} guides are named, the last ones are not read");
        }
        named.truncate(MAX_GUIDES);
        Ok(named)
    }

    /// Finds out anew whose channels the guides have, where a guide, the lineup or the hour is
    /// another one.
    async fn settle(&self, named: &[Named]) -> Result<(), Error> {
        let (list, before) = (self.0.catalogue.list(), self.snapshot());
        let (now, files) = (Timestamp::now().as_second(), &self.0.files);
        let stored = |named: &Named| {
            let file = files.get(&named.key)?;
            Some(StoredGuide { key: named.key.clone(), name: named.name.clone(), file })
        };
        let mut guides: Vec<StoredGuide> = named.iter().filter_map(stored).collect();
        let is_same_list = std::ptr::eq(before.list.as_ptr(), Arc::as_ptr(&list));
        let hour = now.div_euclid(3600);
        if guides == before.guides && is_same_list && hour == before.hour {
            return Ok(());
        }
        let turn = Arc::clone(&self.0.turns.heavy).acquire_owned().await.expect("it is never closed");
        // What nobody waits for any more ends.
        let cancelled = self.0.ended.child_token();
        let _guard = cancelled.clone().drop_guard();
        let token = cancelled.clone();
        let indexing = spawn_blocking(move || {
            let index = index(&mut guides, now, &token)?;
            Ok::<_, Error>((turn, guides, index))
        });
        let (turn, guides, index) = joined(indexing.await)?;
        let left_out = index.left_out();
        let walking = list.read(move |list, connection| {
            let _turn = turn;
            Ok(walk(&index, (list, connection), &cancelled))
        });
        let matches = walking.await??;
        let is_same = guides == before.guides && matches == before.matches;
        let version = before.version + u64::from(!is_same);
        if !is_same {
            info!(guides = guides.len(), matched = matches.len(), left_out, "channels found in guides");
        }
        let snapshot = Snapshot { guides, matches, version, hour, list: Arc::downgrade(&list), left_out };
        *self.0.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(())
    }
}
