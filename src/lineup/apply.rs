//! A document becomes rows, in one transaction.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use forebay_core::lineup::identity::{self, Change, Counts, Held, Refresh, SourceId, Verdict};
use forebay_core::lineup::m3u::{Document as Kind, ExtraUrls};
use forebay_core::lineup::rules::Run;
use forebay_core::lineup::{Entry, UnixTime};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::derive::Deriver;
use super::further::Further;
use super::read::{Contents, End, read};
use super::settle::settle;
use super::spool::Document;
use super::touched::Touched;
use super::{Authority, reaches_private};
use crate::config::Config;
use crate::config::playlist::{Origin, Playlist as Settings};
use crate::db::Error;
use crate::db::lineup::{self, Changed, Playlist, PlaylistId, Taken};

/// What an import does, for whoever watches it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes that have come.
    pub bytes: AtomicU64,
    /// Bytes that are to come; 0 where nobody knows.
    pub length: AtomicU64,
    /// Channels that were read.
    pub entries: AtomicU64,
    /// Somebody wants it to end.
    pub cancelled: CancellationToken,
}

impl Progress {
    fn flow(&self) -> ControlFlow<()> {
        if self.cancelled.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// What a refresh did, as it is kept and told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Summary {
    /// What was in the document.
    #[serde(flatten)]
    pub contents: Contents,
    /// New channels.
    pub added: u64,
    /// Channels with other attributes or another address.
    pub changed: u64,
    /// Channels that are as they were.
    pub unchanged: u64,
    /// Channels that were missing and are there again.
    pub returned: u64,
    /// Channels that are missing.
    pub absent: u64,
    /// Channels that were missing for too long, and are deleted.
    pub expired: u64,
    /// Channels whose group is one too many.
    pub without_group: u64,
    /// New and changed channels whose address cannot be opened: each says why.
    pub unplayable: u64,
    /// What each rule did, in their order.
    pub rules: Vec<RuleCount>,
}

impl Summary {
    /// Whether any channel is another one than before.
    pub(super) fn is_news(&self) -> bool {
        self.added + self.changed + self.returned + self.absent + self.expired > 0
    }
}

/// What a rule did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleCount {
    /// Channels that it found.
    pub matched: u64,
    /// Channels that it changed.
    pub changed: u64,
    /// Channels for which it took too long.
    pub failed: u64,
}

/// How a document was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is the one that was taken last. What its channels may name may be another matter.
    Unchanged(Changed),
    /// It was taken.
    Applied { summary: Box<Summary>, changed: Changed },
}

/// Why a document was not taken. Nothing was changed.
#[derive(Debug)]
pub(super) enum Abort {
    /// An admin is to look at it.
    Held(Held),
    /// It is a playlist of HLS: its address is that of one channel.
    OneChannel,
    /// Somebody wanted it to end.
    Cancelled,
    /// The playlist is gone.
    Gone,
    /// The document cannot be read.
    Io(io::Error),
    /// The database did not do it.
    Database(Error),
}

impl From<Error> for Abort {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

/// How a document is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) now: UnixTime,
    /// An admin has accepted it.
    pub(super) is_accepted: bool,
    /// Its address is that of one channel.
    pub(super) is_one_channel: bool,
}

/// Takes a document.
pub(super) fn apply(
    connection: &Connection,
    config: &Config,
    (id, settings): (PlaylistId, &Settings),
    document: &Document,
    terms: Terms,
    progress: &Progress,
) -> Result<Outcome, Abort> {
    // Before the playlist is read, which then says so.
    if let Some(authority) = document.given_by {
        lineup::set_of_host(connection, id, authority == Authority::Host)?;
    }
    let playlist = lineup::playlist(connection, id)?.ok_or(Abort::Gone)?;
    let taken = lineup::taken(connection, id)?;
    let mut changed = Changed::default();
    // Entries that are as they were are not looked at below.
    if taken.is_some() && playlist.reaches_private != Some(reaches_private(config, &playlist)) {
        changed = rewrite(connection, config, (id, settings))?.0;
    }
    // Many servers know no `ETag`: the digest spares reading a list that is as it was.
    let is_same = taken.is_some_and(|taken| taken.digest == document.digest);
    if is_same && !terms.is_accepted {
        return Ok(Outcome::Unchanged(changed));
    }
    // A refresh touches most pages of the table; with a small cache each would be read many times.
    let (summary, news) = lineup::with_many_pages(connection, || {
        let mut work = Work::new(connection, config, &playlist, settings, terms)?;
        let (end, counts) = work.take(document, settings, progress)?;
        let summary = work.summary(end.contents, counts);
        Ok::<_, Abort>((summary, settle(connection, config, work.touched)?))
    })?;
    changed.followed_by(news);
    let text = serde_json::to_string(&summary).expect("it is made of numbers and texts");
    let (etag, last_modified) = (document.marks.etag.clone(), document.marks.last_modified.clone());
    let taken = Taken { at: terms.now, digest: document.digest, etag, last_modified, summary: text };
    lineup::set_taken(connection, id, &taken)?;
    lineup::note_reach(connection, id, reaches_private(config, &playlist))?;
    // A list that is good makes the one that is held obsolete.
    lineup::release(connection, id)?;
    Ok(Outcome::Applied { summary: Box::new(summary), changed })
}

/// Writes the channels of a playlist anew, since its rules or settings are others.
pub(super) fn rewrite(
    connection: &Connection,
    config: &Config,
    (id, settings): (PlaylistId, &Settings),
) -> Result<(Changed, Run), Error> {
    let lost = || Error::Damaged(format!("playlist {} is not there", id.0));
    let playlist = lineup::playlist(connection, id)?.ok_or_else(lost)?;
    let mut deriver = Deriver::new(connection, config, &playlist, settings)?;
    let mut touched = Touched::begin(connection)?;
    lineup::for_each_entry(connection, id, |source, entry, absent_since| {
        let could_be_had = deriver.update(source, entry, absent_since.is_some())?;
        touched.written(source, could_be_had);
        Ok::<_, Error>(())
    })?;
    let run = deriver.run().clone();
    touched.merge_anew();
    lineup::note_reach(connection, id, reaches_private(config, &playlist))?;
    Ok((settle(connection, config, touched)?, run))
}

/// A refresh at work.
struct Work<'a> {
    connection: &'a Connection,
    playlist: PlaylistId,
    terms: Terms,
    refresh: Option<Refresh>,
    deriver: Deriver<'a>,
    further: Further,
    touched: Touched,
}

impl<'a> Work<'a> {
    fn new(
        connection: &'a Connection,
        config: &'a Config,
        playlist: &Playlist,
        settings: &Settings,
        terms: Terms,
    ) -> Result<Self, Error> {
        let options = identity::Options {
            keep_absent: settings.keep_absent,
            max_loss_percent: settings.max_loss_percent,
            is_accepted: terms.is_accepted,
            ..identity::Options::new(terms.now)
        };
        Ok(Self {
            connection,
            playlist: playlist.id,
            terms,
            refresh: Some(Refresh::new(lineup::known(connection, playlist.id)?, options)),
            deriver: Deriver::new(connection, config, playlist, settings)?,
            further: Further::default(),
            touched: Touched::begin(connection)?,
        })
    }

    /// Writes all that the document says.
    fn take(
        &mut self,
        document: &Document,
        settings: &Settings,
        progress: &Progress,
    ) -> Result<(End, Counts), Abort> {
        // Taken out: it calls back into this struct for each change.
        let mut refresh = self.refresh.take().expect("a refresh is done once");
        let mut failed = None;
        let end = if self.terms.is_one_channel {
            let entry = one_channel(settings).ok_or(Abort::OneChannel)?;
            refresh.observe(&entry, &mut |change| self.write_or(change, &mut failed));
            let contents = Contents { live: 1, ..Contents::default() };
            Some(End { document: Kind::List, is_whole: true, contents })
        } else {
            let mut count = 0_u64;
            let has_further = settings.reading.extra_urls == ExtraUrls::Alternates;
            let mut take = |entry: &Entry, is_further: bool| {
                if has_further {
                    self.further.observe(entry, is_further);
                }
                refresh.observe(entry, &mut |change| self.write_or(change, &mut failed));
                count += 1;
                // After a failed write the transaction is lost; reading on would only take time.
                if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let path = document.file.path();
            let read = read(path, &document.form, settings, &mut take, &mut || progress.flow());
            progress.entries.store(count, Ordering::Relaxed);
            read.map_err(Abort::Io)?
        };
        if let Some(error) = failed.take() {
            return Err(Abort::Database(error));
        }
        let mut end = end.ok_or(Abort::Cancelled)?;
        if end.document == Kind::HlsPlaylist && matches!(settings.origin, Origin::Url(_)) {
            return Err(Abort::OneChannel);
        }
        // A list may read to its end and still have been cut on the way.
        end.is_whole &= document.is_whole;
        let finished =
            refresh.finish(end.document, end.is_whole, &mut |change| self.write_or(change, &mut failed));
        match (failed, finished) {
            (Some(error), _) => Err(Abort::Database(error)),
            (None, (Verdict::Held(held), _)) => Err(Abort::Held(held)),
            (None, (Verdict::Applied, counts)) => {
                let further = std::mem::take(&mut self.further);
                further.join(self.connection, self.playlist, &mut self.touched)?;
                Ok((end, counts))
            }
        }
    }

    /// Writes a change, unless an earlier one has failed.
    fn write_or(&mut self, change: Change<'_>, failed: &mut Option<Error>) {
        // The first error is kept; those that follow come from it.
        if failed.is_none()
            && let Err(error) = self.write(change)
        {
            *failed = Some(error);
        }
    }

    fn write(&mut self, change: Change<'_>) -> Result<(), Error> {
        let connection = self.connection;
        match change {
            Change::Added { entry, identity, position } => {
                let id = lineup::insert_source(connection, self.playlist, entry, &identity)?;
                self.deriver.insert(id, entry, self.further.is_at(position))?;
                self.touched.added();
            }
            Change::Changed { id, entry, identity, .. } => {
                lineup::update_source(connection, id, entry, &identity)?;
                self.update(id, entry)?;
                // Its address is none of the channel's columns.
                self.touch(id)?;
            }
            Change::Returned(id) => {
                lineup::set_absent(connection, id, None)?;
                if let Some(source) = lineup::source(connection, id)? {
                    self.update(id, &source.entry)?;
                }
            }
            Change::Absent(id) => {
                lineup::set_absent(connection, id, Some(self.terms.now))?;
                let could_be_had = lineup::set_channel_absent(connection, id)?;
                self.touched.written(id, Some(could_be_had));
            }
            Change::Expired(id) => {
                let row = lineup::remove(connection, id)?;
                self.touched.removed(id, row);
            }
        }
        Ok(())
    }

    fn update(&mut self, id: SourceId, entry: &Entry) -> Result<(), Error> {
        let could_be_had = self.deriver.update(id, entry, false)?;
        self.touched.written(id, could_be_had);
        Ok(())
    }

    fn touch(&mut self, id: SourceId) -> Result<(), Error> {
        if let Some((_, could_be_had)) = lineup::path(self.connection, id)? {
            self.touched.touched(id, could_be_had);
        }
        Ok(())
    }

    fn summary(&self, contents: Contents, counts: Counts) -> Summary {
        Summary {
            contents,
            added: counts.added,
            changed: counts.changed,
            unchanged: counts.unchanged,
            returned: counts.returned,
            absent: counts.absent,
            expired: counts.expired,
            without_group: self.deriver.too_many_groups(),
            unplayable: self.deriver.unplayable(),
            rules: rule_counts(self.deriver.run()),
        }
    }
}

/// What each rule did.
pub(super) fn rule_counts(run: &Run) -> Vec<RuleCount> {
    let count = |counts: &forebay_core::lineup::rules::RuleCounts| RuleCount {
        matched: counts.matched,
        changed: counts.changed,
        failed: counts.failed,
    };
    run.counts().iter().map(count).collect()
}

/// The only channel of a playlist whose address is that of a channel.
fn one_channel(settings: &Settings) -> Option<Entry> {
    let Origin::Url(source) = &settings.origin else { return None };
    let mut entry = Entry::default();
    entry.set_title(&settings.name);
    entry.set_url(source.url.expose().as_str());
    Some(entry)
}

/// The word for why a document is held.
pub(super) fn held_code(held: Held) -> &'static str {
    match held {
        Held::NotAList(Kind::Html) => "html",
        Held::NotAList(Kind::HlsPlaylist) => "hls_playlist",
        Held::NotAList(Kind::Json) => "json",
        Held::NotAList(_) => "no_list",
        Held::Empty => "empty",
        Held::CutShort => "cut_short",
        Held::TooManyGone { .. } => "too_many_gone",
    }
}

/// Says that all sources of a playlist are missing.
pub(super) fn retire(connection: &Connection, id: PlaylistId) -> Result<Touched, Error> {
    let now = UnixTime::from_seconds(jiff::Timestamp::now().as_second());
    let mut touched = Touched::begin(connection)?;
    for known in lineup::known(connection, id)?.into_iter().filter(|it| it.absent_since.is_none()) {
        lineup::set_absent(connection, known.id, Some(now))?;
        touched.written(known.id, Some(lineup::set_channel_absent(connection, known.id)?));
    }
    // Else the server would answer "unchanged" when the
    // playlist comes back, and nothing would be read.
    lineup::forget_marks(connection, id)?;
    Ok(touched)
}
