//! Reading a guide: it is fetched, and becomes a file of its own.

use std::sync::Arc;

use forebay_core::guide::Options;
use forebay_relay::input::document::Documents;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::document::hex;
use super::files::Files;
use super::named::{Named, settings_of};
use super::store::{Error, Info, import};
use super::tasks::joined;
use crate::lineup::{FetchError, Got, Progress, Spool, fetch};

/// What reading a guide takes.
pub(super) struct Tools<'a> {
    pub(super) documents: &'a Documents,
    pub(super) spool: &'a Spool,
    pub(super) files: &'a Arc<Files>,
    pub(super) heavy: &'a Arc<Semaphore>,
}

/// What a reading has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A new version.
    Taken,
    /// Nothing new.
    Unchanged,
}

/// Why a guide was not read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Guide(#[from] Error),
    /// It is in force as far as it came.
    #[error("it broke off: what came of it is in force")]
    Half,
    #[error("the server ends")]
    Ended,
}

/// Reads a guide as it is at `now`, in seconds since 1970.
pub(super) async fn read(
    tools: Tools<'_>,
    named: &Named,
    now: i64,
    stop: &CancellationToken,
) -> Result<Outcome, ReadError> {
    let settings = settings_of(&named.guide);
    let before = tools.files.get(&named.key);
    let is_same_source = before.as_ref().is_some_and(|file| file.info().digest.ends_with(&settings));
    // The marks of one server say nothing to another.
    let marks = before.as_ref().filter(|_| is_same_source).map(|file| file.info().marks.clone());
    let (marks, progress) = (marks.unwrap_or_default(), Progress::default());
    let fetching = fetch(tools.documents, tools.spool, &named.guide.document, &marks, &progress);
    let got = tokio::select! {
        () = stop.cancelled() => return Err(ReadError::Ended),
        got = fetching => got?,
    };
    let document = match got {
        Got::Unchanged => None,
        Got::Document(document, _) => Some(document),
    };
    let digest = document.as_ref().map(|document| format!("{}{settings}", hex(&document.digest)));
    let is_same =
        digest.as_ref().is_none_or(|digest| before.as_ref().is_some_and(|it| it.info().digest == *digest));
    if let (true, Some(file)) = (is_same, before.clone()) {
        let is_whole = file.info().is_whole;
        let confirm = move || {
            file.confirm(now);
            Ok::<_, Error>(())
        };
        joined(spawn_blocking(confirm).await)?;
        return if is_whole { Ok(Outcome::Unchanged) } else { Err(ReadError::Half) };
    }
    // Without marks no server says that nothing is new.
    let (Some(document), Some(digest)) = (document, digest) else { return Ok(Outcome::Unchanged) };
    let turn = Arc::clone(tools.heavy).acquire_owned().await.expect("the semaphore is never closed");
    let (is_whole, marks) = (document.is_whole, document.marks.clone());
    let info = Info { digest, marks, taken_at: now, is_whole, ..Info::default() };
    let clock = named.guide.clock.clone();
    let options = Options { charset: named.guide.document.reading.charset.clone(), clock };
    let (stop, files, key) = (stop.clone(), Arc::clone(tools.files), named.key.clone());
    let work = move || {
        // The turn lasts as long as the work does, whatever becomes of whoever waits for it.
        let _turn = turn;
        let (path, generation) = files.name(&key);
        let is_wanted = |info: &Info| match &before {
            Some(before) if is_same_source && !info.may_replace(before.info(), now) => Err(Error::CutOff),
            _ => Ok(()),
        };
        let info = import(document.file.path(), options, info, &path, &stop, is_wanted)?;
        files.put(&key, (path, generation), info.clone(), now);
        Ok::<_, Error>(info)
    };
    let Info { channels, programmes, faults, is_whole, .. } = joined(spawn_blocking(work).await)?;
    info!(guide = named.name, channels, programmes, faults, is_whole, "guide read");
    if is_whole { Ok(Outcome::Taken) } else { Err(ReadError::Half) }
}
