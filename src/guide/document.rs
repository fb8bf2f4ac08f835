//! Our own guide, written to the disk once for all who may watch the same channels.
//!
//! The channels come first, by a connection to the database, which is given back before the
//! programmes are written.

use std::fmt::Write as _;
use std::fs::File;
use std::hash::{BuildHasher as _, Hash as _, Hasher, RandomState};
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use forebay_core::guide::document;
use ring::digest::{Context, SHA256};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::snapshot::{Match, Snapshot};
use super::store::{Error, Stored};
use crate::catalogue::{BEGINNING, List};
use crate::db::listing::Entry;

/// How far back programmes are told that are over: what a viewer may have paused.
const BACK_SECONDS: i64 = 24 * 3600;

/// How far ahead programmes are told. Guides hardly know more.
const AHEAD_SECONDS: i64 = 14 * 24 * 3600;

/// How much is written at once.
const PIECE: usize = 256 * 1024;

/// A guide of ours on the disk. Its file goes with it.
#[derive(Debug)]
pub struct Document {
    /// The digest of its bytes, in hexadecimal digits.
    pub tag: String,
    /// Its length in bytes, and that of the packed file.
    pub length: u64,
    /// See `length`.
    pub packed_length: u64,
    /// Since when it has these bytes, in seconds since 1970.
    pub changed_at: i64,
    path: PathBuf,
}

/// Which channels somebody sees.
pub struct Visibility {
    /// Whether this channel is seen.
    pub sees: Box<dyn Fn(&Entry<'_>) -> bool + Send + Sync>,
    /// All are.
    pub is_all: bool,
}

impl std::fmt::Debug for Visibility {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visibility").field("is_all", &self.is_all).finish_non_exhaustive()
    }
}

impl Visibility {
    /// All channels.
    pub fn all() -> Self {
        Self { sees: Box::new(|_| true), is_all: true }
    }
}

impl Document {
    /// The packed file. Waits for the disk.
    pub fn packed(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// What is in it. Waits for the disk.
    pub fn plain(&self) -> io::Result<impl Read + Send + use<>> {
        Ok(GzDecoder::new(BufReader::with_capacity(64 * 1024, self.packed()?)))
    }
}

impl Drop for Document {
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

    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.text.len() >= PIECE { self.flush() } else { Ok(()) }
    }
}

/// A document that has its channels, and not yet their programmes: these come from elsewhere.
pub(super) struct Draft {
    document: Document,
    out: Out,
    programmes: Vec<(Match, u32)>,
    /// See [`fingerprint`].
    pub(super) channels: u64,
}

/// What of a channel stands in a document.
fn hash_entry(hasher: &mut impl Hasher, entry: &Entry<'_>) {
    (entry.id, entry.player_id, entry.name, entry.logo).hash(hasher);
    entry.number.map(|it| (it.major, it.minor)).hash(hasher);
}

/// A number that is the same for those to whom the same channels are shown alike.
pub(super) fn fingerprint(
    seed: &RandomState,
    visibility: &Visibility,
    (list, connection): (&List, Option<&Connection>),
) -> Result<u64, crate::db::Error> {
    let mut hasher = seed.build_hasher();
    list.walk(connection, BEGINNING, |entry| {
        if entry.player_id.is_some() && (visibility.sees)(&entry) {
            hash_entry(&mut hasher, &entry);
        }
        true
    })?;
    Ok(hasher.finish())
}

impl Draft {
    /// Writes the channels that are seen to `path`.
    pub(super) fn begin(
        path: &Path,
        snapshot: &Snapshot,
        (list, connection): (&List, Option<&Connection>),
        visibility: &Visibility,
        (seed, cancelled): (&RandomState, &CancellationToken),
    ) -> Result<Self, Error> {
        let file = File::create(path).map_err(Error::File)?;
        let packed = GzEncoder::new(file, Compression::fast());
        // From here on the file goes if anything fails.
        let path = path.to_owned();
        let document = Document { tag: String::new(), length: 0, packed_length: 0, changed_at: 0, path };
        let mut out =
            Out { text: document::HEAD.to_owned(), packed, digest: Context::new(&SHA256), length: 0 };
        let mut programmes = Vec::new();
        let (mut hasher, mut failed) = (seed.build_hasher(), None);
        list.walk(connection, BEGINNING, |entry| {
            let Some(id) = entry.player_id.filter(|_| (visibility.sees)(&entry)) else { return true };
            hash_entry(&mut hasher, &entry);
            let number = entry.number.map(|it| it.to_string());
            document::channel(&mut out.text, &document::id(id), entry.name, number.as_deref(), entry.logo);
            programmes.extend(snapshot.match_of(entry.id).map(|found| (found, id)));
            failed = out.flush_if_full().err().map(Error::File);
            if cancelled.is_cancelled() {
                failed = Some(Error::Cancelled);
            }
            failed.is_none()
        })?;
        match failed {
            Some(error) => Err(error),
            None => Ok(Self { document, out, programmes, channels: hasher.finish() }),
        }
    }

    /// Writes the programmes, as they are at this hour. A guide that cannot be read is left out.
    pub(super) fn finish(
        self,
        snapshot: &Snapshot,
        now: i64,
        cancelled: &CancellationToken,
    ) -> Result<Document, Error> {
        let Self { mut document, mut out, programmes, .. } = self;
        let (from, to) = window(now);
        let mut opened: Option<(u16, Option<Stored>)> = None;
        for (Match { at, shift, .. }, player_id) in programmes {
            if opened.as_ref().is_none_or(|(guide, _)| *guide != at.guide) {
                opened = Some((at.guide, snapshot.open(at.guide)?));
            }
            let (_, stored) = opened.as_mut().expect("it was opened just now");
            let Some(guide) = stored else { continue };
            let (id, mut failed) = (document::id(player_id), None);
            let read = guide.programmes(at.channel, (from - shift, to - shift), |airing| {
                let airing = airing.shifted(shift);
                document::programme(&mut out.text, &id, (airing.start, airing.stop), &airing.body);
                failed = out.flush_if_full().err().map(Error::File);
                if cancelled.is_cancelled() {
                    failed = Some(Error::Cancelled);
                }
                failed.is_none()
            });
            if let Some(error) = failed {
                return Err(error);
            }
            if let Err(error) = read {
                snapshot.leave_out(at.guide, error)?;
                *stored = None;
            }
        }
        out.text.push_str(document::TAIL);
        out.flush().map_err(Error::File)?;
        let file = out.packed.finish().map_err(Error::File)?;
        document.changed_at = now;
        document.packed_length = file.metadata().map_err(Error::File)?.len();
        document.length = out.length;
        document.tag = hex(&out.digest.finish().as_ref()[..12]);
        Ok(document)
    }
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
