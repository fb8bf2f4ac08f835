//! A guide as a file: an SQLite database that is written once, and read until another replaces it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use forebay_core::guide::{Item, MAX_CHANNELS, Options, Reader, Summary, Tag};
use forebay_core::lineup::UnixTime;
use forebay_core::lineup::names::fold;
use forebay_relay::input::document::Marks;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};
use tokio_util::sync::CancellationToken;

use super::unpack::unpacked;

/// More bytes of XML are not read: a guide of a gigabyte is one by mistake.
const MAX_XML_BYTES: u64 = 2 << 30;

/// A document is read in such pieces.
const PIECE: usize = 64 * 1024;

/// How long the last programme of a channel is said to last where its guide does not say.
const UNENDED_SECONDS: i64 = 3600;

const SCHEMA: &str = "
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -2000;
    CREATE TABLE info (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    -- Its names have a line break between them.
    CREATE TABLE channels (number INTEGER PRIMARY KEY, id TEXT NOT NULL, names TEXT NOT NULL,
                           programmes INTEGER NOT NULL) STRICT;
    -- `body` is what the core has written of a programme, `title` its title, folded.
    CREATE TABLE programmes (channel INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER,
                             title TEXT NOT NULL, body TEXT NOT NULL) STRICT;
    BEGIN;";

const FINISH: &str = "
    CREATE INDEX programmes_by_time ON programmes (channel, start);
    UPDATE programmes SET stop = coalesce(
        (SELECT min(start) FROM programmes AS next
         WHERE next.channel = programmes.channel AND next.start > programmes.start), start + ?1)
    WHERE stop IS NULL;";

/// Why a guide was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is something else.
    #[error("it is no guide in XMLTV")]
    NoGuide,
    /// It has channels or programmes, but none that can be read.
    #[error("it has no programme that could be read")]
    Empty,
    /// It broke off, and a better one of before stays.
    #[error("it broke off, and the one of before stays")]
    CutOff,
    /// Somebody wanted it to end.
    #[error("it was cancelled")]
    Cancelled,
    /// It cannot be unpacked or read.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// What was made of it cannot be kept or read.
    #[error("it cannot be kept: {0}")]
    Keep(#[from] rusqlite::Error),
    /// Likewise.
    #[error("it cannot be kept: {0}")]
    File(io::Error),
    /// The list of channels cannot be read.
    #[error(transparent)]
    Database(#[from] crate::db::Error),
    /// So much is asked for at once that this has to wait.
    #[error("too many {0} are waiting")]
    Busy(&'static str),
}

impl Error {
    /// Whether the file is wrong, and will be the next time.
    pub(super) fn is_damage(&self) -> bool {
        let Self::Keep(error) = self else { return false };
        match error.sqlite_error_code() {
            Some(code) => {
                let bad = [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase, ErrorCode::Unknown];
                bad.contains(&code)
            }
            // A column has another type.
            None => true,
        }
    }
}

/// What is known of a guide that was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// SHA-256 of the document, in hexadecimal digits.
    pub(super) digest: String,
    /// The server's marks of it.
    pub(super) marks: Marks,
    /// When it was taken, in seconds since 1970.
    pub(super) taken_at: i64,
    /// Its channels and programmes.
    pub(super) channels: u64,
    /// See `channels`.
    pub(super) programmes: u64,
    /// Parts that were left out or changed because they were wrong.
    pub(super) faults: u64,
    /// All of it had come.
    pub(super) is_whole: bool,
    /// When its last programme ends, in seconds since 1970.
    pub(super) ends_at: i64,
}

impl Info {
    /// Whether it may take the place of `before`. A guide that broke off takes that of a whole one
    /// only when that has nothing more to tell, and that of another one unless most would be lost.
    pub(super) fn may_replace(&self, before: &Self, now: i64) -> bool {
        let is_fuller = !before.is_whole && self.programmes >= before.programmes / 2;
        self.is_whole || is_fuller || before.ends_at <= now
    }
}

/// A programme of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Airing {
    /// When it begins and ends.
    pub start: UnixTime,
    /// See `start`.
    pub stop: UnixTime,
    /// What the core has written of it.
    pub body: String,
}

impl Airing {
    /// The same, so many seconds later.
    pub(super) fn shifted(self, seconds: i64) -> Self {
        let later = |at: UnixTime| UnixTime::from_seconds(at.seconds() + seconds);
        Self { start: later(self.start), stop: later(self.stop), ..self }
    }
}

/// A guide that can be read.
#[derive(Debug)]
pub(super) struct Stored(Connection);

/// A programme, as searches look at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Title<'a> {
    /// Its row.
    pub(super) row: i64,
    /// The number of its channel.
    pub(super) channel: u32,
    /// When it begins, in seconds since 1970.
    pub(super) start: i64,
    /// When it ends.
    pub(super) stop: i64,
    /// Its title, for comparisons.
    pub(super) folded: &'a [u8],
}

/// A channel of a guide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredChannel {
    /// Its number within the file.
    pub(super) number: u32,
    /// Its id within the guide.
    pub(super) id: String,
    /// Its names.
    pub(super) names: Vec<String>,
    /// It has programmes that are not over.
    pub(super) has_programmes: bool,
}

/// Reads a document, in whatever way it is packed, into a new file at `path`, which only exists
/// once it is complete and `is_wanted` agrees.
pub(super) fn import(
    document: &Path,
    options: Options,
    mut info: Info,
    path: &Path,
    cancelled: &CancellationToken,
    is_wanted: impl FnOnce(&Info) -> Result<(), Error>,
) -> Result<Info, Error> {
    let new = path.with_extension("new");
    let written = write(document, options, &mut info, &new, cancelled);
    let kept = written.and_then(|()| is_wanted(&info)).and_then(|()| {
        File::open(&new).and_then(|file| file.sync_all()).map_err(Error::File)?;
        std::fs::rename(&new, path).map_err(Error::File)
    });
    if kept.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    kept.map(|()| info)
}

fn write(
    document: &Path,
    options: Options,
    info: &mut Info,
    new: &Path,
    cancelled: &CancellationToken,
) -> Result<(), Error> {
    let mut from = unpacked(document).map_err(Error::Read)?.take(MAX_XML_BYTES);
    let connection = Connection::open(new)?;
    connection.execute_batch(SCHEMA)?;
    let summary = fill(&connection, &mut from, options, cancelled, &mut info.is_whole)?;
    if !summary.is_guide {
        return Err(Error::NoGuide);
    }
    if summary.programmes == 0 {
        return Err(Error::Empty);
    }
    info.is_whole &= summary.is_whole;
    (info.channels, info.programmes) = (summary.channels, summary.programmes);
    info.faults = summary.faults.sum();
    let sql = FINISH.replace("?1", &UNENDED_SECONDS.to_string());
    connection.execute_batch(&sql)?;
    let last = "SELECT coalesce(max(stop), 0) FROM programmes";
    info.ends_at = connection.query_row(last, [], |row| row.get(0))?;
    if !info.is_whole {
        // Whoever has half of it must not be told that nothing is new.
        info.marks = Marks::default();
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    for (key, value) in [
        ("digest", info.digest.clone()),
        ("etag", text(&info.marks.etag)),
        ("last_modified", text(&info.marks.last_modified)),
        ("taken_at", info.taken_at.to_string()),
        ("channels", info.channels.to_string()),
        ("programmes", info.programmes.to_string()),
        ("faults", info.faults.to_string()),
        ("is_whole", u8::from(info.is_whole).to_string()),
        ("ends_at", info.ends_at.to_string()),
    ] {
        connection.execute("INSERT INTO info VALUES (?1, ?2)", params![key, value])?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

fn fill(
    connection: &Connection,
    from: &mut impl Read,
    options: Options,
    cancelled: &CancellationToken,
    is_whole: &mut bool,
) -> Result<Summary, Error> {
    let mut add_channel = connection.prepare("INSERT INTO channels VALUES (?1, ?2, ?3, 0)")?;
    let mut add = connection.prepare("INSERT INTO programmes VALUES (?1, ?2, ?3, ?4, ?5)")?;
    // By id: its number, whether it has a row, and how many programmes it has.
    let mut known: HashMap<String, (u32, bool, u32)> = HashMap::new();
    let (mut body, mut failed, mut too_many) = (String::new(), None, 0);
    let mut take = |item: Item<'_>| {
        let id = match &item {
            Item::Channel(channel) => &channel.id,
            Item::Programme(programme) => &programme.channel,
        };
        let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
        let entry = match known.get_mut(id) {
            Some(entry) => entry,
            // Programmes name channels too, and each name takes memory while the guide is read.
            None if u64::from(next) >= MAX_CHANNELS => {
                too_many += 1;
                return;
            }
            None => known.entry(id.clone()).or_insert((next, false, 0)),
        };
        let done = match item {
            Item::Channel(_) if entry.1 => Ok(0),
            Item::Channel(channel) => {
                entry.1 = true;
                let names: Vec<&str> = channel.details.texts(Tag::DisplayName).collect();
                add_channel.execute(params![entry.0, channel.id, names.join("\n")])
            }
            Item::Programme(programme) => {
                entry.2 += 1;
                body.clear();
                programme.details.write_programme(&mut body);
                let title = programme.details.texts(Tag::Title).next().map(fold).unwrap_or_default();
                let (start, stop) = (programme.start.seconds(), programme.stop.map(UnixTime::seconds));
                add.execute(params![entry.0, start, stop, title, body])
            }
        };
        if let Err(error) = done {
            failed.get_or_insert(error);
        }
    };
    let (mut reader, mut piece) = (Reader::new(options), vec![0; PIECE]);
    loop {
        let length = match from.read(&mut piece) {
            Ok(length) => length,
            // What is packed may be cut off: what came is kept.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                *is_whole = false;
                0
            }
            Err(error) => return Err(Error::Read(error)),
        };
        if length == 0 {
            break;
        }
        if cancelled.is_cancelled() {
            return Err(Error::Cancelled);
        }
        reader.push(&piece[..length], &mut take);
    }
    let mut summary = reader.finish(&mut take);
    summary.faults.too_many += too_many;
    summary.programmes -= too_many;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let mut count = connection.prepare("UPDATE channels SET programmes = ?2 WHERE number = ?1")?;
    for (id, (number, has_row, programmes)) in &known {
        // Many guides have programmes of channels that they do not describe.
        if !has_row {
            add_channel.execute(params![number, id, ""])?;
        }
        count.execute(params![number, programmes])?;
    }
    Ok(summary)
}

impl Stored {
    /// Opens the file of a guide.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.execute_batch("PRAGMA cache_size = -2000")?;
        Ok(Self(connection))
    }

    /// What is known of it.
    pub(super) fn info(&self) -> Result<Info, Error> {
        let text = |key: &str| {
            let sql = "SELECT value FROM info WHERE key = ?1";
            self.0
                .query_row(sql, [key], |row| row.get::<_, String>(0))
                .optional()
                .map(Option::unwrap_or_default)
        };
        let mark = |key| text(key).map(|text| Some(text).filter(|text| !text.is_empty()));
        Ok(Info {
            digest: text("digest")?,
            marks: Marks { etag: mark("etag")?, last_modified: mark("last_modified")? },
            taken_at: text("taken_at")?.parse().unwrap_or_default(),
            channels: text("channels")?.parse().unwrap_or_default(),
            programmes: text("programmes")?.parse().unwrap_or_default(),
            faults: text("faults")?.parse().unwrap_or_default(),
            is_whole: text("is_whole")? == "1",
            ends_at: text("ends_at")?.parse().unwrap_or_default(),
        })
    }

    /// Shows `take` all of its channels, as they are at `now`, for as long as it says yes.
    pub(super) fn channels(
        &self,
        now: i64,
        mut take: impl FnMut(StoredChannel) -> bool,
    ) -> Result<(), Error> {
        // The last one to begin is as good as ever the last one to end, and found at once.
        let sql = "SELECT number, id, names,
                       coalesce((SELECT stop FROM programmes WHERE channel = number
                                 ORDER BY start DESC LIMIT 1), 0)
                   FROM channels ORDER BY number";
        let mut statement = self.0.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let names: String = row.get(2)?;
            let is_more = take(StoredChannel {
                number: row.get(0)?,
                id: row.get(1)?,
                names: names.lines().map(str::to_owned).collect(),
                has_programmes: row.get::<_, i64>(3)? > now,
            });
            if !is_more {
                break;
            }
        }
        Ok(())
    }

    /// When the programme began that runs on a channel, if one does: of several the last one.
    pub(super) fn running(&self, channel: u32, now: i64) -> Result<Option<i64>, Error> {
        let sql = "SELECT start FROM programmes WHERE channel = ?1 AND start <= ?2 AND stop > ?2
                   ORDER BY start DESC LIMIT 1";
        let mut statement = self.0.prepare_cached(sql)?;
        Ok(statement.query_row(params![channel, now], |row| row.get(0)).optional()?)
    }

    /// Shows `take` the programmes of a channel that end behind `from` and begin before `to`, in
    /// order, for as long as it says yes.
    pub(super) fn programmes(
        &self,
        channel: u32,
        (from, to): (i64, i64),
        mut take: impl FnMut(Airing) -> bool,
    ) -> Result<(), Error> {
        let sql = "SELECT start, stop, body FROM programmes
                   WHERE channel = ?1 AND start < ?3 AND stop > ?2 ORDER BY start, rowid";
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(params![channel, from, to])?;
        let mut before = None;
        while let Some(row) = rows.next()? {
            let start: i64 = row.get(0)?;
            // Of two at the same time the first counts.
            if before.replace(start) == Some(start) {
                continue;
            }
            let airing = Airing {
                start: UnixTime::from_seconds(start),
                stop: UnixTime::from_seconds(row.get(1)?),
                body: row.get(2)?,
            };
            if !take(airing) {
                break;
            }
        }
        Ok(())
    }

    /// Shows `take` the titles, folded, of all programmes that end behind `from`, for as long as it
    /// says yes.
    pub(super) fn titles(&self, from: i64, mut take: impl FnMut(Title<'_>) -> bool) -> Result<(), Error> {
        let sql = "SELECT rowid, channel, start, title, stop FROM programmes WHERE stop > ?1";
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query([from])?;
        while let Some(row) = rows.next()? {
            let folded = row.get_ref(3)?.as_bytes().map_err(rusqlite::Error::from)?;
            let (stop, start, channel) = (row.get(4)?, row.get(2)?, row.get(1)?);
            if !take(Title { row: row.get(0)?, channel, start, stop, folded }) {
                break;
            }
        }
        Ok(())
    }

    /// The programme in a row.
    pub(super) fn programme(&self, row: i64) -> Result<Airing, Error> {
        let mut statement =
            self.0.prepare_cached("SELECT start, stop, body FROM programmes WHERE rowid = ?1")?;
        Ok(statement.query_row([row], |row| {
            Ok(Airing {
                start: UnixTime::from_seconds(row.get(0)?),
                stop: UnixTime::from_seconds(row.get(1)?),
                body: row.get(2)?,
            })
        })?)
    }
}

#[cfg(test)]
mod tests;
