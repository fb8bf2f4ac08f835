//! Which films there are.
//!
//! The folders are looked into again and again. A file counts when it has stood still, so that one
//! that is being copied is not taken for a short film. One that plays as it grows, such as a
//! recording, is offered as a file until then. What was read of a file stands in the
//! database, and the file is not read again until it changes. A film keeps its id: when its file is
//! replaced, moved, or gone for a while.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use forebay_core::index::{BEGINNING, plays_as_it_grows};
use forebay_relay::file_changes::aside;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::FilmId;
use super::opened::{OpenError, open};
use super::video::{GROWING, Refusal, Video, Videos};
use super::walk::{Found, MAX_FILMS, media_type, walk};
use crate::config::InForce;
use crate::db::films::{self as rows, Identity, Row};
use crate::db::{Database, Error};

/// How long a file has to stand still: longer than a copy over a network pauses.
const STILL: Duration = Duration::from_secs(5);

/// Films that are read in one look, so that the first of many are offered soon.
const BATCH: usize = 200;

/// The films, and what is known of files.
#[derive(Debug)]
pub struct Library {
    database: Database,
    videos: Mutex<Arc<Videos>>,
    /// Whether all folders have been looked into since the start.
    is_complete: AtomicBool,
}

/// What a look needs to know of those before it.
#[derive(Debug, Default)]
struct Known {
    rows: HashMap<PathBuf, Row>,
    /// Files that have not stood still yet, and since when they are as they are.
    restless: HashMap<PathBuf, (Identity, Instant)>,
    /// Whether the database has been read.
    is_read: bool,
}

/// What a look has found.
struct Look {
    known: Known,
    /// Films that are new or have changed.
    changed: Vec<Row>,
    /// The films whose files are there.
    present: Vec<PathBuf>,
    /// Whether there is more to read.
    has_more: bool,
}

impl Library {
    /// A library that has not looked yet.
    pub fn new(database: Database) -> Self {
        Self { database, videos: Mutex::default(), is_complete: AtomicBool::new(false) }
    }

    /// The films that there are now.
    pub fn videos(&self) -> Arc<Videos> {
        Arc::clone(&self.videos.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether all folders have been looked into since the start: a film that is not among the
    /// videos then is not there.
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    /// Looks into the folders of the configuration until `stop`.
    pub(crate) async fn run(&self, config: &InForce, stop: CancellationToken) {
        let mut known = Known::default();
        loop {
            let films = config.get().films.clone();
            let (mut wait, folders) = (films.rescan, films.folders.clone());
            if !films.folders.is_empty() || !self.videos().all.is_empty() {
                if !known.is_read {
                    known = self.read().await;
                }
                let segment = films.segment;
                let look = move || look(&films.folders, segment, known);
                let Some(look) = aside(&stop, look).await else { return };
                let has_more = look.has_more;
                if has_more {
                    wait = Duration::ZERO;
                }
                known = self.take(look, &folders).await;
                self.is_complete.fetch_or(!has_more, Ordering::Release);
            } else {
                self.is_complete.store(true, Ordering::Release);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// What the database knows of films.
    async fn read(&self) -> Known {
        let rows = match self.database.read(rows::all).await {
            Ok(rows) => rows,
            Err(Error::Off(_)) => Vec::new(),
            Err(error) => {
                warn!(%error, "the films cannot be read from the database: looked for again");
                return Known::default();
            }
        };
        let rows = rows.into_iter().map(|row| (row.path.clone(), reconsidered(row))).collect();
        Known { rows, restless: HashMap::new(), is_read: true }
    }

    /// Writes what is new, and offers it.
    async fn take(&self, look: Look, folders: &[PathBuf]) -> Known {
        let Look { mut known, changed, present, .. } = look;
        if !changed.is_empty() {
            let written = changed.clone();
            let result = self.database.write(move |connection| rows::put(connection, &written)).await;
            match result {
                Ok(()) | Err(Error::Off(_)) => {}
                // Without it they would have other ids after a restart.
                Err(error) => {
                    warn!(%error, "new films cannot be written to the database, and are not offered yet");
                    return known;
                }
            }
            for row in changed {
                let moved = known.rows.iter().find(|(path, other)| other.id == row.id && **path != row.path);
                if let Some(path) = moved.map(|(path, _)| path.clone()) {
                    known.rows.remove(&path);
                }
                known.rows.insert(row.path.clone(), row);
            }
        }
        let videos =
            present.iter().filter_map(|path| known.rows.get(path)).filter_map(|row| video(row, folders));
        let videos = Arc::new(Videos::new(videos.map(Arc::new).collect()));
        let before = std::mem::replace(
            &mut *self.videos.lock().unwrap_or_else(PoisonError::into_inner),
            Arc::clone(&videos),
        );
        if before.all.len() != videos.all.len() {
            info!(films = videos.all.len(), before = before.all.len(), "films have come or gone");
        }
        known
    }
}

/// A row as it is taken up at a start: what an older version could not play is read again.
fn reconsidered(mut row: Row) -> Row {
    if row.refusal.is_some() {
        row.identity.modified = i64::MIN;
    }
    row
}

/// The film of a row; `None` where somebody has written something else than an id by hand.
fn video(row: &Row, folders: &[PathBuf]) -> Option<Video> {
    let refusal = row.refusal.as_ref().map(|refusal| {
        let (code, message) = refusal.split_once(": ").unwrap_or(("damaged", refusal));
        Refusal { code: code.to_owned(), message: message.to_owned() }
    });
    let duration = row.duration.map(|micros| Duration::from_micros(micros.unsigned_abs()));
    let (path, identity) = (row.path.clone(), row.identity);
    let groups = groups(&row.path, folders);
    Some(Video { id: FilmId::parse(&row.id)?, path, identity, duration, refusal, groups })
}

/// The names of the folders that a file lies in, from one of `folders` down.
fn groups(path: &Path, folders: &[PathBuf]) -> Vec<String> {
    let inner = |folder: &&PathBuf| path.starts_with(folder);
    let Some(root) = folders.iter().filter(inner).max_by_key(|folder| folder.components().count()) else {
        return Vec::new();
    };
    let below = path.parent().and_then(|parent| parent.strip_prefix(root).ok());
    let names = root.file_name().into_iter().chain(below.into_iter().flatten());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// Looks into the folders, and reads what is new. Waits for the disk.
fn look(folders: &[PathBuf], segment: Duration, mut known: Known) -> Look {
    let (found, unreadable) = walk(folders);
    if found.len() == MAX_FILMS {
        warn!(limit = MAX_FILMS, "there are more films than are offered");
    }
    let there: HashSet<&Path> = found.iter().map(|found| found.path.as_path()).collect();
    let is_gone = |path: &Path| !there.contains(path);
    // The rows of files that are gone: one of them may have been moved.
    let lost: HashMap<Identity, &Row> =
        known.rows.iter().filter(|(path, _)| is_gone(path)).map(|(_, row)| (row.identity, row)).collect();
    let taken: HashSet<&str> = known.rows.values().map(|row| row.id.as_str()).collect();
    let (mut changed, mut present, mut restless, mut has_more) =
        (Vec::new(), Vec::new(), HashMap::new(), false);
    let now = Instant::now();
    for Found { path, identity } in &found {
        let row = known.rows.get(path);
        if row.is_some_and(|row| row.identity == *identity && !is_growing(row)) {
            present.push(path.clone());
            continue;
        }
        let since = match known.restless.get(path) {
            Some((before, since)) if before == identity => *since,
            _ => now,
        };
        let is_still = stands_still(*identity) || since.elapsed() >= STILL;
        if !is_still {
            restless.insert(path.clone(), (*identity, since));
            // One that is written to goes on as it was known, since players may hold it open.
            present.extend(row.map(|_| path.clone()));
        }
        if !is_still && (row.is_some() || !can_grow(path)) {
            continue;
        }
        if changed.len() == BATCH {
            has_more = true;
            continue;
        }
        let id = row.or_else(|| lost.get(identity).copied()).map(|row| row.id.clone());
        let id = id.unwrap_or_else(|| new_id(path, &taken).to_string());
        let described = if is_still {
            describe(id, path.clone(), *identity, segment)
        } else {
            let refusal = Some(format!("{GROWING}: it is still being written"));
            Ok(Row { id, path: path.clone(), identity: *identity, duration: None, refusal })
        };
        match described {
            Ok(row) => {
                changed.push(row);
                present.push(path.clone());
            }
            // A disk that fails says nothing of the film: the next look tries again.
            Err(error) => debug!(path = %path.display(), %error, "a film cannot be read now"),
        }
    }
    // What cannot be looked into now may be there all the same: a network that is away for a while.
    let hidden = known
        .rows
        .keys()
        .filter(|path| is_gone(path) && unreadable.iter().any(|folder| path.starts_with(folder)));
    present.extend(hidden.cloned());
    known.restless = restless;
    Look { known, changed, present, has_more }
}

/// The id that the name of a file says, else one that is new.
fn new_id(path: &Path, taken: &HashSet<&str>) -> FilmId {
    let named = path.file_stem().and_then(|stem| FilmId::parse(stem.to_str()?));
    named.filter(|id| !taken.contains(id.to_string().as_str())).unwrap_or_else(FilmId::random)
}

/// Reads a film.
///
/// # Errors
/// When the file cannot be read.
fn describe(id: String, path: PathBuf, identity: Identity, segment: Duration) -> io::Result<Row> {
    let (duration, refusal) = if media_type(&path).is_some_and(is_indexed) {
        match open(&path, segment) {
            Ok(opened) => (i64::try_from(opened.film.total().as_micros()).ok(), None),
            Err(OpenError::Index(error)) => (None, Some(format!("{}: {error}", error.code()))),
            Err(OpenError::File(error)) => return Err(io::Error::new(error.kind(), error)),
            Err(OpenError::Remux(_) | OpenError::Full) => unreachable!("nothing is made to index a film"),
        }
    } else {
        (
            None,
            Some(
                "unsupported_container: only MP4, Matroska and MPEG-TS files are played by HLS and DASH"
                    .to_owned(),
            ),
        )
    };
    Ok(Row { id, path, identity, duration, refusal })
}

/// Whether a film was being written when its file was looked at.
fn is_growing(row: &Row) -> bool {
    row.refusal.as_ref().is_some_and(|refusal| refusal.split(':').next() == Some(GROWING))
}

/// Whether a file can be played while it is written. Waits for the disk.
fn can_grow(path: &Path) -> bool {
    let mut beginning = Vec::with_capacity(BEGINNING);
    let read = File::open(path).and_then(|file| file.take(BEGINNING as u64).read_to_end(&mut beginning));
    read.is_ok() && media_type(path).is_some_and(is_indexed) && plays_as_it_grows(&beginning)
}

/// Whether files of this kind are played in parts.
fn is_indexed(media_type: &str) -> bool {
    const KINDS: [&str; 8] = [
        "video/mp4",
        "video/quicktime",
        "audio/mp4",
        "video/3gpp",
        "video/x-matroska",
        "audio/x-matroska",
        "video/webm",
        "video/mp2t",
    ];
    KINDS.contains(&media_type)
}

/// Whether nobody has written to a file for a while by the time that it tells. Where clocks differ,
/// only looking at it again tells.
fn stands_still(identity: Identity) -> bool {
    let modified =
        u64::try_from(identity.modified).map_or(UNIX_EPOCH, |nanos| UNIX_EPOCH + Duration::from_nanos(nanos));
    SystemTime::now().duration_since(modified).is_ok_and(|age| age >= STILL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_a_film_are_its_folders_from_the_configured_one_down() {
        let folders = ["/srv/films", "/srv/films/Kids"].map(PathBuf::from);
        for (path, expected) in [
            ("/srv/films/a.mp4", &["films"][..]),
            ("/srv/films/Late/2020/a.mp4", &["films", "Late", "2020"]),
            ("/srv/films/Kids/a.mp4", &["Kids"]),
            ("/elsewhere/a.mp4", &[]),
        ] {
            assert_eq!(groups(Path::new(path), &folders), expected, "{path}");
        }
    }
}
