//! Documents come: from an address, a file, a panel, or somebody who uploads them.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::lineup::xtream::{AccountInfo, Categories, Elements, InfoError, Status};
use forebay_relay::error::reason;
use forebay_relay::input::Error as InputError;
use forebay_relay::input::document::{Documents, Fetched, Marks, decompressed};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use url::Url;

use super::apply::Progress;
use super::spool::{Document, Form, Spool, WriteError, Writer};
use crate::config::playlist::{Origin, Panel, Playlist};
use crate::db::lineup::Account;

/// How long a server may send nothing.
const STALL: Duration = Duration::from_secs(30);

/// How long a document may take as a whole: one of 150 MB over a slow line takes some minutes.
const LONGEST: Duration = Duration::from_mins(30);

/// What a panel says of an account has a few hundred bytes.
const MAX_ACCOUNT_BYTES: usize = 1 << 20;

/// A thousand categories have 100 KB.
const MAX_CATEGORIES_BYTES: usize = 4 << 20;

/// A file is read in such pieces.
const PIECE: usize = 64 * 1024;

/// Why a document did not come.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Its server does not send it.
    #[error(transparent)]
    Server(#[from] InputError),
    /// Nothing comes any more.
    #[error("nothing has come for {} s", STALL.as_secs())]
    Stalled,
    /// It takes too long.
    #[error("it did not come within {} min", LONGEST.as_secs() / 60)]
    TooSlow,
    /// It has too many bytes, or the disk does not take them.
    #[error("{0}")]
    Write(String),
    /// The panel does not know the account.
    #[error(transparent)]
    Panel(#[from] InfoError),
    /// It is the playlist of somebody who uploads it.
    #[error("this playlist is uploaded: there is nowhere to read it from")]
    Nowhere,
    /// Somebody wanted it to end.
    #[error("it was cancelled")]
    Cancelled,
}

impl From<WriteError> for FetchError {
    fn from(error: WriteError) -> Self {
        Self::Write(error.to_string())
    }
}

impl From<std::io::Error> for FetchError {
    fn from(error: std::io::Error) -> Self {
        Self::Write(format!("it cannot be kept: {}", reason(&error)))
    }
}

/// What was fetched.
#[derive(Debug)]
pub(crate) enum Got {
    /// The server says that it is as it was.
    Unchanged,
    /// A document, and what a panel said of the account.
    Document(Box<Document>, Option<Account>),
}

/// Fetches the document of a playlist. `known` are the marks of the version
/// that was taken last.
pub(crate) async fn fetch(
    documents: &Documents,
    spool: &Spool,
    playlist: &Playlist,
    known: &Marks,
    progress: &Progress,
) -> Result<Got, FetchError> {
    let work = async {
        match &playlist.origin {
            Origin::Upload => Err(FetchError::Nowhere),
            Origin::File(path) => {
                let document = file(path, spool.create().await?, progress).await?;
                Ok(Got::Document(Box::new(document), None))
            }
            Origin::Url(source) => {
                let fetched = documents.fetch(source, source.url.expose(), known).await?;
                let Fetched::Document(mut document) = fetched else { return Ok(Got::Unchanged) };
                // For the progress alone: what the server promises is believed nowhere else.
                progress.length.store(document.length.unwrap_or_default(), Ordering::Relaxed);
                let (url, charset) = (document.url.clone(), document.charset.clone());
                let form = Form::List { base: Some(url), charset };
                let (mut writer, marks) = (spool.create().await?, document.marks.clone());
                let is_whole = write(&mut writer, &mut *document, progress).await?;
                Ok(Got::Document(Box::new(writer.finish(form, marks, is_whole).await?), None))
            }
            Origin::Xtream(panel) => {
                let (document, account) = account(documents, spool, panel, progress).await?;
                Ok(Got::Document(Box::new(document), Some(account)))
            }
        }
    };
    tokio::select! {
        biased;
        // A server that sends nothing is not waited for.
        () = progress.cancelled.cancelled() => Err(FetchError::Cancelled),
        // A list that comes byte by byte never stalls, and would be read for ever.
        got = timeout(LONGEST, work) => got.unwrap_or(Err(FetchError::TooSlow)),
    }
}

/// Keeps what somebody uploads.
pub(super) async fn upload(
    spool: &Spool,
    body: impl Stream<Item = Result<Bytes, InputError>> + Unpin,
    progress: &Progress,
) -> Result<Document, FetchError> {
    let mut writer = spool.create().await?;
    let form = Form::List { base: None, charset: None };
    let is_whole = write(&mut writer, decompressed(body), progress).await?;
    Ok(writer.finish(form, Marks::default(), is_whole).await?)
}

async fn file(path: &Path, mut writer: Writer, progress: &Progress) -> Result<Document, FetchError> {
    let unreadable = |error: &std::io::Error| InputError::File(reason(error));
    // Opening a pipe would wait for its other end, and hold a thread meanwhile.
    let data = tokio::fs::metadata(path).await.map_err(|error| unreadable(&error))?;
    if !data.is_file() {
        return Err(InputError::File("it is no regular file".to_owned()).into());
    }
    progress.length.store(data.len(), Ordering::Relaxed);
    let file = tokio::fs::File::open(path).await.map_err(|error| unreadable(&error))?;
    let pieces = stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        let length = file.read(&mut piece).await.map_err(|error| InputError::File(reason(&error)))?;
        piece.truncate(length);
        Ok::<_, InputError>((length > 0).then(|| (Bytes::from(piece), file)))
    });
    let is_whole = write(&mut writer, decompressed(Box::pin(pieces)), progress).await?;
    let base = Url::from_file_path(path).ok();
    Ok(writer.finish(Form::List { base, charset: None }, Marks::default(), is_whole).await?)
}

/// Writes all that comes. Says whether it came to its end: where a connection breaks in the middle,
/// it did not.
async fn write(
    writer: &mut Writer,
    mut body: impl Stream<Item = Result<Bytes, InputError>> + Unpin,
    progress: &Progress,
) -> Result<bool, FetchError> {
    loop {
        let next = tokio::select! {
            biased;
            () = progress.cancelled.cancelled() => return Err(FetchError::Cancelled),
            next = timeout(STALL, body.next()) => next,
        };
        let piece = match next {
            // What came is kept and marked as cut: it may add channels, and takes none away.
            Err(_) | Ok(Some(Err(InputError::Broken(_)))) if writer.length() > 0 => return Ok(false),
            Err(_) => return Err(FetchError::Stalled),
            Ok(None) => return Ok(true),
            Ok(Some(piece)) => piece?,
        };
        writer.push(&piece).await?;
        progress.bytes.store(writer.length(), Ordering::Relaxed);
    }
}

/// Asks a panel for the account, its categories and its streams.
async fn account(
    documents: &Documents,
    spool: &Spool,
    panel: &Panel,
    progress: &Progress,
) -> Result<(Document, Account), FetchError> {
    let ask = |action| {
        let url = panel.account.api(action);
        async move {
            match documents.fetch(&panel.source, &url, &Marks::default()).await? {
                Fetched::Document(document) => Ok::<_, FetchError>(document),
                Fetched::Unchanged => unreachable!("no marks were sent"),
            }
        }
    };
    // The account before the list: panels answer a wrong password with an empty list.
    let info = AccountInfo::read(&whole(&mut *ask(None).await?, MAX_ACCOUNT_BYTES).await?)?;
    let mut writer = spool.create().await?;
    let categories = whole(&mut *ask(Some("get_live_categories")).await?, MAX_CATEGORIES_BYTES).await?;
    // Both documents in one file, the names of groups
    // first: the reader needs them for each channel.
    writer.push(&one_line(&categories)).await?;
    let mut streams = ask(Some("get_live_streams")).await?;
    progress.length.store(streams.length.unwrap_or_default(), Ordering::Relaxed);
    let is_whole = write(&mut writer, &mut *streams, progress).await?;
    let document = writer.finish(Form::Panel, Marks::default(), is_whole).await?;
    Ok((document, account_of(info)))
}

/// What a panel says, as it is kept. How many connections are open changes all the time.
fn account_of(info: AccountInfo) -> Account {
    let status = match info.status {
        Status::Active => "active".to_owned(),
        Status::Expired => "expired".to_owned(),
        Status::Banned => "banned".to_owned(),
        Status::Disabled => "disabled".to_owned(),
        Status::Other(word) => word,
    };
    Account {
        status,
        expires_at: info.expires,
        max_connections: info.max_connections,
        is_trial: info.is_trial,
        message: info.message,
        time_zone: info.clock.time_zone,
        utc_offset: info.clock.offset,
    }
}

async fn whole(
    body: &mut (impl Stream<Item = Result<Bytes, InputError>> + Unpin),
    limit: usize,
) -> Result<Vec<u8>, FetchError> {
    let mut whole = Vec::new();
    loop {
        match timeout(STALL, body.next()).await.map_err(|_| FetchError::Stalled)? {
            None => return Ok(whole),
            Some(piece) => whole.extend_from_slice(&piece?),
        }
        if whole.len() > limit {
            return Err(FetchError::Write(format!("an answer of the panel has more than {limit} bytes")));
        }
    }
}

/// The categories as one line: behind it stand the streams. An answer that is none of categories
/// says nothing.
fn one_line(categories: &[u8]) -> Vec<u8> {
    let (mut elements, mut read) = (Elements::default(), Categories::default());
    let mut line = vec![b'['];
    elements.push(categories, &mut |_, element| {
        if read.read(element) {
            let separator: &[u8] = if line.len() > 1 { b"," } else { b"" };
            line.extend_from_slice(separator);
            // JSON has line ends between values only.
            line.extend(element.iter().filter(|&&byte| byte != b'\n'));
        }
    });
    line.extend_from_slice(b"]\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_one_line() {
        let line = one_line(b"[{\"category_id\":\n\"1\",\"category_name\":\"News\"},\n{\"x\":1}]");
        assert_eq!(line, b"[{\"category_id\":\"1\",\"category_name\":\"News\"}]\n");
        assert_eq!(one_line(b"<html>"), b"[]\n");
    }
}
