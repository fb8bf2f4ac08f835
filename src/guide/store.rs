//! A guide as a file: an SQLite database that is written once, and read until another replaces it.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use forebay_core::guide::{Item, MAX_CHANNELS, Options, Reader, Summary, Tag};
use forebay_core::lineup::UnixTime;
use forebay_core::lineup::names::fold;
use forebay_relay::input::document::Marks;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
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
}

impl Error {
    /// A fault that has nothing to do with the guide itself.
    pub fn other(error: impl Display) -> Self {
        Self::File(io::Error::other(error.to_string()))
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

/// A guide that can be read.
#[derive(Debug)]
pub(super) struct Stored(Connection);

/// A channel of a guide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredChannel {
    /// Its number within the file.
    pub(super) number: u32,
    /// Its id within the guide.
    pub(super) id: String,
    /// Its names.
    pub(super) names: Vec<String>,
    /// It has programmes.
    pub(super) has_programmes: bool,
}

/// Reads a document, in whatever way it is packed, into a new file at `path`.
pub(super) fn import(
    document: &Path,
    options: Options,
    mut info: Info,
    path: &Path,
    cancelled: &CancellationToken,
) -> Result<Info, Error> {
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let written = write(document, options, &mut info, &new, cancelled);
    let kept = written.and_then(|()| {
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
    let faults = summary.faults;
    info.is_whole &= summary.is_whole;
    (info.channels, info.programmes) = (summary.channels, summary.programmes);
    info.faults = faults.bad_characters + faults.bad_times + faults.unnamed + faults.too_many;
    let sql = FINISH.replace("?1", &UNENDED_SECONDS.to_string());
    connection.execute_batch(&sql)?;
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
        })
    }

    /// Shows `take` all of its channels.
    pub(super) fn channels(&self, mut take: impl FnMut(StoredChannel)) -> Result<(), Error> {
        let mut statement =
            self.0.prepare("SELECT number, id, names, programmes FROM channels ORDER BY number")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let names: String = row.get(2)?;
            take(StoredChannel {
                number: row.get(0)?,
                id: row.get(1)?,
                names: names.lines().map(str::to_owned).collect(),
                has_programmes: row.get::<_, i64>(3)? > 0,
            });
        }
        Ok(())
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

    /// Shows `take` programmes behind `from` whose folded title holds this, with their channels, in
    /// order, for as long as it says yes.
    pub(super) fn search(
        &self,
        text: &str,
        from: i64,
        mut take: impl FnMut(u32, Airing) -> bool,
    ) -> Result<(), Error> {
        let sql = "SELECT channel, start, stop, body FROM programmes
                   WHERE stop > ?2 AND instr(title, ?1) > 0 ORDER BY start, channel";
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(params![text, from])?;
        while let Some(row) = rows.next()? {
            let airing = Airing {
                start: UnixTime::from_seconds(row.get(1)?),
                stop: UnixTime::from_seconds(row.get(2)?),
                body: row.get(3)?,
            };
            if !take(row.get(0)?, airing) {
                break;
            }
        }
        Ok(())
    }
}

/// The file of the guide with this key in a folder.
pub(super) fn path_of(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.guide"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder};
    use liblzma::write::XzEncoder;
    use tempfile::TempDir;

    use super::*;

    const GUIDE: &str = "<tv><channel id=\"a\"><display-name>A</display-name><display-name>A1</display-name></channel>\
        <programme start=\"20260101100000 +0000\" channel=\"a\"><title>One</title></programme>\
        <programme start=\"20260101110000 +0000\" channel=\"a\"><title>Two</title></programme>\
        <programme start=\"20260101110000 +0000\" channel=\"a\"><title>Twice</title></programme>\
        <programme start=\"20260101100000 +0000\" stop=\"20260101103000 +0000\" channel=\"b\"><title>Élan</title></programme></tv>";

    fn take(folder: &TempDir, bytes: &[u8]) -> Result<Info, Error> {
        let document = folder.path().join("document");
        std::fs::write(&document, bytes).unwrap();
        let info = Info { is_whole: true, digest: "d".to_owned(), ..Info::default() };
        let path = path_of(folder.path(), "one");
        import(&document, Options::default(), info, &path, &CancellationToken::new())
    }

    fn zip(method: u16, data: &[u8], length: usize) -> Vec<u8> {
        let mut head = b"PK\x03\x04\x14\0\0\0".to_vec();
        head.extend(method.to_le_bytes());
        head.extend([0; 8]);
        head.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        head.extend(u32::try_from(length).unwrap().to_le_bytes());
        head.extend(b"\x05\0\x02\0a.xmlxx");
        [&head, data, b"PK\x01\x02rest"].concat()
    }

    #[test]
    fn a_guide_is_unpacked_by_its_first_bytes() {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(GUIDE.as_bytes()).unwrap();
        let mut xz = XzEncoder::new(Vec::new(), 1);
        xz.write_all(GUIDE.as_bytes()).unwrap();
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflated.write_all(GUIDE.as_bytes()).unwrap();
        let length = GUIDE.len();
        let gz = gz.finish().unwrap();
        let all = [
            GUIDE.as_bytes().to_vec(),
            gz.clone(),
            xz.finish().unwrap(),
            zip(8, &deflated.finish().unwrap(), length),
            zip(0, GUIDE.as_bytes(), length),
        ];
        let folder = TempDir::new().unwrap();
        for (at, packed) in all.iter().enumerate() {
            let info = take(&folder, packed).unwrap();
            assert_eq!((info.channels, info.programmes, info.is_whole), (1, 4, true), "{at}");
        }
        let half = take(&folder, &gz[..gz.len() - 20]);
        assert!(half.is_ok_and(|info| !info.is_whole), "half a guide is kept and said");
    }

    #[test]
    fn what_is_no_guide_replaces_none() {
        let folder = TempDir::new().unwrap();
        take(&folder, GUIDE.as_bytes()).unwrap();
        let nothing = "<tv><channel id=\"a\"/></tv>";
        assert!(matches!(take(&folder, b"<html>gone</html>"), Err(Error::NoGuide)));
        assert!(matches!(take(&folder, nothing.as_bytes()), Err(Error::Empty)));
        let stored = Stored::open(&path_of(folder.path(), "one")).unwrap();
        assert_eq!(stored.info().unwrap().programmes, 4);
    }

    #[test]
    fn programmes_name_no_more_channels_than_a_guide_may_have() {
        let folder = TempDir::new().unwrap();
        let mut guide = b"<tv>".to_vec();
        for at in 0..=MAX_CHANNELS {
            write!(guide, "<programme start=\"2026\" channel=\"{at}\"><title>T</title></programme>").unwrap();
        }
        let info = take(&folder, &guide).unwrap();
        assert_eq!((info.channels, info.programmes, info.faults), (0, MAX_CHANNELS, 1));
    }

    #[test]
    fn rule_19_the_programme_that_runs_is_there_and_ends_where_the_next_begins() {
        let folder = TempDir::new().unwrap();
        take(&folder, GUIDE.as_bytes()).unwrap();
        let stored = Stored::open(&path_of(folder.path(), "one")).unwrap();
        let ten = 1_767_261_600;
        let titles = |channel, window| {
            let mut found = Vec::new();
            let take = |it: Airing| {
                found.push((it.start.seconds() - ten, it.stop.seconds() - ten, it.body));
                true
            };
            stored.programmes(channel, window, take).unwrap();
            found
        };
        let one = (0, 3600, "><title>One</title></programme>\n".to_owned());
        let two = (3600, 7200, "><title>Two</title></programme>\n".to_owned());
        assert_eq!(titles(0, (ten + 1800, ten + 1801)), std::slice::from_ref(&one), "in its middle");
        assert_eq!(titles(0, (ten, ten + 86_400)), [one, two.clone()]);
        assert_eq!(titles(0, (ten + 3600, ten + 86_400)), [two]);
        let mut channels = Vec::new();
        stored.channels(|it| channels.push((it.id, it.names, it.has_programmes))).unwrap();
        assert_eq!(
            channels,
            [("a".to_owned(), vec!["A".to_owned(), "A1".to_owned()], true), ("b".to_owned(), vec![], true)]
        );
        let mut found = Vec::new();
        let take = |channel, _| {
            found.push(channel);
            true
        };
        stored.search("elan", ten, take).unwrap();
        assert_eq!(found, [1]);
    }
}
