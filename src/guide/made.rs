//! Our own guide, written to the disk once for all who may see the same channels.

use std::fmt::Write as _;
use std::fs::File;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use forebay_core::guide::document;
use forebay_core::guide::matching::GuideChannel;
use ring::digest::{Context, SHA256};
use rusqlite::Connection;

use super::snapshot::Snapshot;
use super::store::{Error, Stored};
use crate::catalogue::{BEGINNING, List};
use crate::db::listing::Entry;

/// How far back programmes are told that are over: what a viewer may have paused.
const BACK_SECONDS: i64 = 24 * 3600;

/// How far ahead programmes are told. Guides hardly know more.
const AHEAD_SECONDS: i64 = 14 * 24 * 3600;

/// How much is written at once.
const PIECE: usize = 256 * 1024;

/// A document that was made. Its file goes with it.
#[derive(Debug)]
pub struct Made {
    /// What its bytes are known by, in hexadecimal digits: the same bytes have the same.
    pub tag: String,
    /// Its length in bytes, and that of the packed file.
    pub length: u64,
    /// See `length`.
    pub packed_length: u64,
    /// Since when it has these bytes, in seconds since 1970.
    pub changed_at: i64,
    path: PathBuf,
}

/// Which channels somebody sees, and what makes two of these the same.
pub struct Seen {
    /// Whether this channel is seen.
    pub sees: Box<dyn Fn(&Entry<'_>) -> bool + Send + Sync>,
    /// All are.
    pub is_all: bool,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("is_all", &self.is_all).finish_non_exhaustive()
    }
}

impl Seen {
    /// All channels.
    pub fn all() -> Self {
        Self { sees: Box::new(|_| true), is_all: true }
    }

    /// A number that is the same for those who see the same channels of a list.
    pub(super) fn key(&self, list: &List, connection: Option<&Connection>) -> Result<u64, crate::db::Error> {
        if self.is_all {
            return Ok(0);
        }
        let mut hasher = std::hash::DefaultHasher::new();
        list.walk(connection, BEGINNING, |entry| {
            if (self.sees)(&entry) {
                entry.player_id.hash(&mut hasher);
            }
            true
        })?;
        Ok(hasher.finish() | 1)
    }
}

impl Made {
    /// The packed file.
    pub fn packed(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// What is in it.
    pub fn plain(&self) -> io::Result<impl Read + Send + use<>> {
        Ok(GzDecoder::new(BufReader::with_capacity(64 * 1024, self.packed()?)))
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // What cannot be removed is removed at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Bytes that are packed, counted and known by their digest.
struct Out {
    text: String,
    packed: GzEncoder<File>,
    digest: Context,
    length: u64,
}

impl Out {
    fn flush(&mut self) -> io::Result<()> {
        self.digest.update(self.text.as_bytes());
        self.length += self.text.len() as u64;
        self.packed.write_all(self.text.as_bytes())?;
        self.text.clear();
        Ok(())
    }
}

/// Writes the guide of the channels that are seen to `path`, as it is at this hour.
pub(super) fn make(
    path: &Path,
    snapshot: &Snapshot,
    (list, connection): (&List, Option<&Connection>),
    seen: &Seen,
    now: i64,
) -> Result<Made, Error> {
    let file = File::create(path).map_err(Error::File)?;
    let packed = GzEncoder::new(file, Compression::fast());
    // From here on the file goes if anything fails.
    let path = path.to_owned();
    let mut made = Made { tag: String::new(), length: 0, packed_length: 0, changed_at: now, path };
    let mut out = Out { text: document::HEAD.to_owned(), packed, digest: Context::new(&SHA256), length: 0 };
    let mut programmes: Vec<(GuideChannel, u32)> = Vec::new();
    let mut failed = None;
    let walked = list.walk(connection, BEGINNING, |entry| {
        let Some(id) = entry.player_id.filter(|_| (seen.sees)(&entry)) else { return true };
        let number = entry.number.map(|it| it.to_string());
        document::channel(&mut out.text, &document::id(id), entry.name, number.as_deref(), entry.logo);
        programmes.extend(snapshot.match_of(entry.id).map(|at| (at, id)));
        if out.text.len() >= PIECE
            && let Err(error) = out.flush()
        {
            failed = Some(error);
        }
        failed.is_none()
    });
    if let Some(error) = failed {
        return Err(Error::File(error));
    }
    walked.map_err(|error| Error::File(io::Error::other(error.to_string())))?;
    let window = window(now);
    let mut opened: Option<(u16, Stored)> = None;
    for (at, player_id) in programmes {
        if opened.as_ref().is_none_or(|(guide, _)| *guide != at.guide) {
            opened = Some((at.guide, snapshot.open(at.guide)?));
        }
        let (_, stored) = opened.as_ref().expect("it was opened just now");
        let (id, mut failed) = (document::id(player_id), None);
        stored.programmes(at.channel, window, |airing| {
            document::programme(&mut out.text, &id, (airing.start, airing.stop), &airing.body);
            if out.text.len() >= PIECE
                && let Err(error) = out.flush()
            {
                failed = Some(error);
            }
            failed.is_none()
        })?;
        if let Some(error) = failed {
            return Err(Error::File(error));
        }
    }
    out.text.push_str(document::TAIL);
    out.flush().map_err(Error::File)?;
    let file = out.packed.finish().map_err(Error::File)?;
    made.packed_length = file.metadata().map_err(Error::File)?.len();
    made.length = out.length;
    made.tag = hex(&out.digest.finish().as_ref()[..12]);
    Ok(made)
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The window of our guide at this hour: it moves once in an hour, so that a guide in which nothing
/// is new has the same bytes until then.
pub(super) fn window(now: i64) -> (i64, i64) {
    let hour = now - now.rem_euclid(3600);
    (hour - BACK_SECONDS, hour + AHEAD_SECONDS)
}

/// The next bytes of a document; none at its end.
pub fn read_all(from: &mut impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; limit];
    let mut length = 0;
    while length < limit {
        match from.read(&mut piece[length..])? {
            0 => break,
            read => length += read,
        }
    }
    piece.truncate(length);
    Ok(piece)
}
