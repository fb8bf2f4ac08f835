//! One download, from where it stands to its end.

use std::sync::Arc;
use std::time::Duration;

use forebay_core::jobs::{Backoff, Policy};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::news::{Audience, News};
use super::part_file::{Folder, PartFile};
use super::runs::{Runs, Seat};
use super::{DownloadDocument, read_page};
use crate::db::downloads::{self as rows, Download, DownloadId, State, WholeFile};
use crate::db::{Database, Error};
use crate::jobs::{Context, Failure, Kind};
use crate::reels::{Key, Reel, ReelError, Reels};

/// The name of the kind.
pub const DOWNLOAD: &str = "download";

/// A download tries again by itself as long as somebody wants it.
const POLICY: Policy = Policy {
    concurrency: 3,
    deadline: Duration::from_hours(24),
    max_failures: 1,
    backoff: Backoff { first: Duration::from_secs(2), factor: 4, max: Duration::from_hours(1) },
};

/// Tries in a row that may bring nothing. The reel has tried some times in each of them.
const MAX_FAILURES: u32 = 5;

/// The pause after the first of them, which doubles.
const PAUSE: Duration = Duration::from_secs(1);

/// What a job works on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Args {
    pub(super) download: i64,
}

/// Who fetches downloads.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    pub(super) database: Database,
    pub(super) reels: Reels,
    pub(super) news: News,
    pub(super) folder: Folder,
    pub(super) runs: Runs,
    /// Bytes that all downloads may take on the disk.
    pub(super) limit: u64,
}

/// Why no more comes for now.
enum Fault {
    /// Another try may bring it.
    Passing(String),
    /// No try would.
    Final(String),
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All of it is there.
    Complete,
    /// Somebody has stopped it.
    Stopped,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Passing(error.to_string())
    }
}

impl From<ReelError> for Fault {
    fn from(error: ReelError) -> Self {
        match &error {
            ReelError::Unknown(unknown) if !unknown.failure.class.spares_stale() => {
                Self::Final(format!("{}: {}", unknown.failure.class.name(), unknown.failure.message))
            }
            ReelError::Unknown(unknown) => {
                Self::Passing(format!("{}: {}", unknown.failure.class.name(), unknown.failure.message))
            }
            _ => Self::Passing(error.to_string()),
        }
    }
}

impl Fetcher {
    /// The kind of job that fetches downloads.
    pub(super) fn kind(self: Arc<Self>) -> Kind {
        let handler = move |context: Context| Arc::clone(&self).run(context);
        Kind { name: DOWNLOAD, policy: POLICY, handler: Arc::new(handler) }
    }

    async fn run(self: Arc<Self>, context: Context) -> Result<Value, Failure> {
        let args: Args = serde_json::from_value(context.args.clone())
            .map_err(|error| Failure::lasting(format!("what it works on is none: {error}")))?;
        let id = DownloadId(args.download);
        // If it runs already, that one goes on.
        // The job may be one of two for the same download, which must not write the same file.
        let mut seat = self.runs.enter(id);
        let mut result = Ok(Value::Null);
        while let Some(mut own) = seat {
            result = tokio::select! {
                result = self.go_on(&mut own, id, &context) => result,
                () = context.stopped() => {
                    // Only then: when the server stops, the
                    // download goes on by itself at the next start.
                    if context.is_cancelled() {
                        self.pause(id).await;
                    }
                    return Err(Failure::retryable("it was stopped"));
                }
            };
            seat = own.leave();
        }
        result
    }

    /// Somebody has cancelled the job and not the download, which waits for its owner.
    async fn pause(&self, id: DownloadId) {
        let pause = move |connection: &_| rows::change(connection, id, &[State::Active], State::Paused);
        match self.database.write(pause).await {
            Ok(paused) => self.tell(paused),
            Err(error) => warn!(download = id.0, %error, "a download cannot be paused"),
        }
    }

    /// Fetches what is missing, if the download is still wanted.
    async fn go_on(&self, seat: &mut Seat, id: DownloadId, context: &Context) -> Result<Value, Failure> {
        let (mut failures, mut last, mut is_stopped) = (0, 0, false);
        loop {
            let found = self.database.read(move |connection| rows::get(connection, id)).await;
            let found = found.map_err(|error: Error| Failure::retryable(error.to_string()))?;
            let Some(download) = found else {
                // It was cancelled, perhaps while its file was being opened.
                let _ = self.folder.remove(id).await;
                return Ok(Value::Null);
            };
            if is_stopped || download.state != State::Active {
                return Ok(Value::Null);
            }
            let error = match self.fetch(seat, &download, context).await {
                Ok(End::Complete) => {
                    self.end(id, None).await?;
                    return Ok(Value::Null);
                }
                Ok(End::Stopped) => {
                    // Once more round: the row tells whether it was
                    // paused or removed, in which case its file must go.
                    is_stopped = true;
                    continue;
                }
                Err(Fault::Final(error)) => return self.fail(id, error).await,
                Err(Fault::Passing(error)) => error,
            };
            let bytes = self.runs.live(id).map_or(0, |live| live.bytes);
            // A try that brought something shows that the
            // platform still gives; only tries in vain count.
            failures = if bytes > last { 1 } else { failures + 1 };
            last = bytes;
            debug!(download = id.0, error, failures, "a download breaks off");
            if failures >= MAX_FAILURES {
                return self.fail(id, error).await;
            }
            tokio::select! {
                () = sleep(PAUSE * 2_u32.pow(failures - 1)) => {}
                () = seat.stopped() => is_stopped = true,
            }
        }
    }

    async fn fail(&self, id: DownloadId, error: String) -> Result<Value, Failure> {
        self.end(id, Some(error.clone())).await?;
        Err(Failure::lasting(error))
    }

    /// Ends it, unless somebody has paused it meanwhile.
    async fn end(&self, id: DownloadId, error: Option<String>) -> Result<(), Failure> {
        let now = Timestamp::now().as_millisecond();
        let end = move |connection: &_| rows::end(connection, id, error.as_deref(), now);
        let ended = self.database.write(end).await;
        self.tell(ended.map_err(|error: Error| Failure::retryable(error.to_string()))?);
        Ok(())
    }

    /// Tells its owner how a download stands.
    fn tell(&self, download: Option<Download>) {
        let Some(download) = download else { return };
        let (owner, live) = (download.of.owner.as_str().into(), self.runs.live(download.id));
        self.news.tell(Audience::Owner(owner), "fetch", &DownloadDocument::new(download, live));
    }

    async fn fetch(&self, seat: &mut Seat, download: &Download, context: &Context) -> Result<End, Fault> {
        let page =
            read_page(&download.of.page).ok_or_else(|| Fault::Final("this page is none".to_owned()))?;
        let key = Key { page, format: download.of.format.clone() };
        let reel = tokio::select! {
            reel = self.reels.open(&key) => reel?,
            () = seat.stopped() => return Ok(End::Stopped),
        };
        let (file, from) = self.begin(download, &reel).await?;
        let mut shown = Download { file: Some(file), ..download.clone() };
        let disk = |error: std::io::Error| Fault::Final(format!("the file cannot be kept: {error}"));
        // A full disk does not get better by trying again, so this ends the download.
        let mut part = PartFile::open(&self.folder, download.id, from).await.map_err(disk)?;
        let mut reader = reel.reader(from..reel.length());
        let end = loop {
            if seat.note(part.length(), reel.length()) {
                context.tell(fraction(part.length(), reel.length()), &*download.of.title);
                shown.kept = part.length();
                self.tell(Some(shown.clone()));
            }
            let bytes = tokio::select! {
                // A stop comes before more bytes, however fast they come.
                biased;
                () = seat.stopped() => break Ok(End::Stopped),
                bytes = reader.next() => bytes,
            };
            match bytes {
                Ok(Some(bytes)) => part.write(bytes).await.map_err(disk)?,
                Ok(None) => break Ok(End::Complete),
                Err(error) => break Err(Fault::Passing(error.to_string())),
            }
            if part.is_due() {
                self.keep(download.id, &mut part).await?;
            }
        };
        // Also after a failure: the next try goes on from here.
        self.keep(download.id, &mut part).await?;
        end
    }

    /// Which file it is by now, and from where on it is fetched: where it was, if it is the same.
    async fn begin(&self, download: &Download, reel: &Reel) -> Result<(WholeFile, u64), Fault> {
        let file = WholeFile { length: reel.length(), tag: reel.tag().to_owned() };
        // The tag too: a file of the same length may be another upload.
        if download.file.as_ref() == Some(&file) {
            return Ok((file, download.kept));
        }
        let (id, new, limit) = (download.id, file.clone(), self.limit);
        let begin = move |connection: &_| {
            let others = rows::others(connection, id)?;
            let has_room = others.saturating_add(new.length) <= limit;
            if has_room {
                rows::begin(connection, id, &new)?;
            }
            Ok::<_, Error>(has_room)
        };
        if self.database.write(begin).await? {
            return Ok((file, 0));
        }
        Err(Fault::Final(format!(
            "no_room: downloads may take {limit} bytes in all; see downloads in [resolver]"
        )))
    }

    async fn keep(&self, id: DownloadId, part: &mut PartFile) -> Result<(), Fault> {
        // The disk first and the row behind it: the row
        // must never promise bytes that a crash takes away.
        part.sync().await.map_err(|error| Fault::Final(format!("the file cannot be kept: {error}")))?;
        let kept = part.length();
        self.database.write(move |connection| rows::keep(connection, id, kept)).await?;
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn fraction(part: u64, whole: u64) -> f64 {
    part as f64 / u64::max(whole, 1) as f64
}
