//! What people may do with downloads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forebay_core::jobs::Priority;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::DownloadDocument;
use super::fetch::{Args, DOWNLOAD, Fetcher};
use super::news::{Audience, News};
use super::part_file::Folder;
use super::runs::Runs;
use crate::db::downloads::{self as rows, Download, DownloadId, NewDownload, State};
use crate::db::jobs::NewJob;
use crate::db::{Database, Error};
use crate::jobs::{self, Kind, Queue};
use crate::reels::Reels;

/// Downloads that one owner may have.
const MAX_OWN: usize = 100;

/// How long a download is kept that has ended.
const KEPT: Duration = Duration::from_hours(24);

/// How often those are looked for.
const CLEAN: Duration = Duration::from_mins(1);

/// All downloads. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Downloads(Arc<Fetcher>);

/// What somebody wants to do with a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// That it stops for now.
    Pause,
    /// That it goes on.
    Resume,
    /// That it begins again where it failed.
    Retry,
}

impl Wanted {
    /// From which states into which.
    fn change(self) -> (&'static [State], State) {
        match self {
            Self::Pause => (&[State::Active], State::Paused),
            Self::Resume => (&[State::Paused], State::Active),
            Self::Retry => (&[State::Failed], State::Active),
        }
    }
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is nobody's, or somebody else's.
    #[error("there is no such download")]
    Unknown,
    /// Not in the state that it is in.
    #[error("the download is {0}")]
    WrongState(&'static str),
    /// The owner has too many.
    #[error("you have {MAX_OWN} downloads: remove some first")]
    TooMany,
    /// The queue does not take it.
    #[error(transparent)]
    Queue(#[from] jobs::Refusal),
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] Error),
}

impl Downloads {
    /// Those below this data folder, which may take so many bytes.
    pub fn new(database: Database, reels: Reels, news: News, data: &Path, limit: u64) -> Self {
        let (folder, runs) = (Folder::below(data), Runs::default());
        Self(Arc::new(Fetcher { database, reels, news, folder, runs, limit }))
    }

    /// The kind of job that fetches them.
    pub fn kind(&self) -> Kind {
        Arc::clone(&self.0).kind()
    }

    /// Begins one.
    pub async fn create(
        &self,
        queue: &Queue,
        new: NewDownload,
        actor: String,
    ) -> Result<DownloadDocument, Refusal> {
        let insert = move |connection: &_| {
            // Counted in the transaction that inserts, so
            // the limit holds for requests at the same time.
            if rows::of_owner(connection, &new.owner)?.len() >= MAX_OWN {
                return Err(Refusal::TooMany);
            }
            Ok(rows::insert(connection, &new, now())?)
        };
        let download = self.0.database.write(insert).await?;
        info!(
            download = download.id.0,
            page = download.of.page,
            format = download.of.format,
            "download begun"
        );
        let added = self.add_job(queue, download.id, actor).await;
        if let Err(error) = added {
            // Whoever is told that it does not begin finds none.
            let id = download.id;
            self.0.database.write(move |connection| rows::remove(connection, id)).await?;
            return Err(error);
        }
        Ok(self.told(download))
    }

    /// All of one owner, the newest first.
    pub async fn list(&self, owner: &str) -> Result<Vec<DownloadDocument>, Refusal> {
        let owner = owner.to_owned();
        let read = move |connection: &_| rows::of_owner(connection, &owner);
        let downloads: Vec<Download> = self.0.database.read::<_, Error>(read).await?;
        Ok(downloads.into_iter().map(|download| self.document(download)).collect())
    }

    /// One of an owner.
    pub async fn get(&self, owner: &str, id: DownloadId) -> Result<DownloadDocument, Refusal> {
        Ok(self.document(self.own(owner, id).await?))
    }

    /// Pauses one, or has it go on.
    pub async fn change(
        &self,
        queue: &Queue,
        owner: &str,
        id: DownloadId,
        (wanted, actor): (Wanted, String),
    ) -> Result<DownloadDocument, Refusal> {
        let before = self.own(owner, id).await?;
        let (from, to) = wanted.change();
        let change = move |connection: &_| rows::change(connection, id, from, to);
        let changed: Option<Download> = self.0.database.write::<_, Error>(change).await?;
        let changed = changed.ok_or_else(|| Refusal::WrongState(before.state.name()))?;
        info!(download = id.0, ?wanted, "download changed");
        match to {
            State::Active => {
                if let Err(refusal) = self.add_job(queue, id, actor).await {
                    // Else it would be active for ever, and nothing would work on it.
                    let back = move |connection: &_| rows::change(connection, id, &[to], before.state);
                    let _: Option<Download> = self.0.database.write::<_, Error>(back).await?;
                    return Err(refusal);
                }
            }
            // Behind the change in the database: the run looks there why it was stopped.
            _ => self.0.runs.stop(id),
        }
        Ok(self.told(changed))
    }

    /// Ends one once and for all, whatever state it is in.
    pub async fn cancel(&self, owner: &str, id: DownloadId) -> Result<DownloadDocument, Refusal> {
        let download = self.own(owner, id).await?;
        // Not only stopped: a cancelled download leaves neither a row nor a file.
        self.remove(id).await?;
        info!(download = id.0, "download cancelled");
        let document = DownloadDocument::new(download, None).cancelled();
        self.0.news.tell(Audience::Owner(owner.into()), "fetch", &document);
        Ok(document)
    }

    /// The file of one that is complete, and the download.
    pub async fn file(&self, owner: &str, id: DownloadId) -> Result<(PathBuf, Download), Refusal> {
        let download = self.own(owner, id).await?;
        match download.state {
            State::Completed => Ok((self.0.folder.path(id), download)),
            other => Err(Refusal::WrongState(other.name())),
        }
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.0.runs.count()
    }

    /// Has those go on that an earlier life of the server has left, and removes old ones, until
    /// `stop`.
    pub async fn run(&self, queue: &Queue, stop: CancellationToken) {
        if let Err(error) = self.take_over(queue).await {
            warn!(%error, "downloads of the last life do not go on");
        }
        while stop.run_until_cancelled(tokio::time::sleep(CLEAN)).await.is_some() {
            if let Err(error) = self.clean().await {
                warn!(%error, "old downloads cannot be removed");
            }
        }
    }

    /// Removes those that ended long ago; says how many.
    pub async fn clean(&self) -> Result<usize, Refusal> {
        if !self.0.database.is_on() {
            return Ok(0);
        }
        let before = now() - i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
        let old = self.0.database.read(move |connection| rows::ended_before(connection, before)).await?;
        for id in &old {
            self.remove(*id).await?;
        }
        Ok(old.len())
    }

    async fn take_over(&self, queue: &Queue) -> Result<(), Refusal> {
        if !self.0.database.is_on() {
            return Ok(());
        }
        let read =
            |connection: &_| Ok::<_, Error>((rows::all(connection)?, rows::orphans(connection, DOWNLOAD)?));
        let (all, orphans) = self.0.database.read(read).await?;
        let folder = self.0.folder.clone();
        let cleaned = tokio::task::spawn_blocking(move || folder.clean(&all)).await;
        if let Ok(Err(error)) = cleaned {
            warn!(%error, "files of downloads that are gone cannot be removed");
        }
        for id in orphans {
            self.add_job(queue, id, "server".to_owned()).await?;
        }
        Ok(())
    }

    async fn remove(&self, id: DownloadId) -> Result<(), Refusal> {
        self.0.database.write(move |connection| rows::remove(connection, id)).await?;
        self.0.runs.stop(id);
        if let Err(error) = self.0.folder.remove(id).await {
            warn!(download = id.0, %error, "the file of a download cannot be removed");
        }
        Ok(())
    }

    async fn own(&self, owner: &str, id: DownloadId) -> Result<Download, Refusal> {
        let found: Option<Download> =
            self.0.database.read::<_, Error>(move |connection| rows::get(connection, id)).await?;
        found.filter(|download| download.of.owner == owner).ok_or(Refusal::Unknown)
    }

    async fn add_job(&self, queue: &Queue, id: DownloadId, owner: String) -> Result<(), Refusal> {
        let args = serde_json::to_value(Args { download: id.0 }).expect("its keys are texts");
        let priority = Priority::Normal;
        // One that ends in this moment does not go on: so there may be two, of which one returns.
        queue.add(NewJob { kind: DOWNLOAD, args, priority, unique_key: None, owner }).await?;
        Ok(())
    }

    fn document(&self, download: Download) -> DownloadDocument {
        let live = self.0.runs.live(download.id);
        DownloadDocument::new(download, live)
    }

    /// How a download stands, which its owner is told wherever he or she looks.
    fn told(&self, download: Download) -> DownloadDocument {
        let owner = download.of.owner.as_str().into();
        let document = self.document(download);
        self.0.news.tell(Audience::Owner(owner), "fetch", &document);
        document
    }
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
