//! The copies that there are: files below the data folder.
//!
//! `films/{film}/{state of its file}/{rung}-{job}.mp4`. The folder alone says what is offered, so
//! nothing has to be told twice, and no crash leaves two truths. A film whose file was replaced has
//! no copies until they are made again. The number of the job is in the address: what is made anew
//! has another one, and whoever plays the old one goes on with it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use forebay_core::rungs::{self, Mismatch, Rung};
use tracing::{debug, warn};

use crate::db::films::Identity;
use crate::db::jobs::JobId;
use crate::films::{FilmId, OpenError, Opened, open};

/// Every key frame of a copy is a cut of it.
const EVERY_KEY_FRAME: Duration = Duration::from_millis(1);

/// How long a copy is kept that was made anew, for those who play the old one.
const RETIRED_KEPT: Duration = Duration::from_hours(24);

/// Films whose copies are known. Each takes some kilobytes where it has some.
const MAX_KNOWN: usize = 1024;

/// How the folder of a job begins.
const WORK: &str = "work-";

/// The copies of all films.
#[derive(Debug)]
pub struct Copies {
    folder: PathBuf,
    known: Mutex<HashMap<FilmId, Known>>,
    /// How often [`Copies::forget`] was called.
    forgotten: AtomicU64,
}

#[derive(Debug)]
struct Known {
    source: Identity,
    /// How long the segments of the film are to be: a copy is offered if it is cut where the film
    /// is.
    segment: Duration,
    copies: Arc<Vec<OpenCopy>>,
}

/// A copy that can be offered.
#[derive(Debug)]
pub struct OpenCopy {
    /// Its name in addresses: `720p-17`.
    pub name: String,
    /// Which rung it is.
    pub rung: Rung,
    /// Whether it was not made anew since.
    pub is_current: bool,
    /// Its file and the index of it.
    pub opened: Arc<Opened>,
}

/// Why a copy was not put in its place.
#[derive(Debug, thiserror::Error)]
pub(super) enum PutError {
    #[error("cannot write the copies: {0}")]
    Disk(#[from] io::Error),
    #[error("the copy cannot be played: {0}")]
    Open(#[from] OpenError),
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

impl Copies {
    /// Those below this data folder.
    pub fn new(data: &Path) -> Self {
        Self { folder: data.join("films"), known: Mutex::default(), forgotten: AtomicU64::new(0) }
    }

    /// The copies of a film as it is now, the best one first; those that were made anew among them.
    ///
    /// # Errors
    /// When the runtime ends.
    pub async fn of(&self, film: FilmId, source: &Arc<Opened>) -> io::Result<Arc<Vec<OpenCopy>>> {
        if let Some(known) = self.lock().get(&film)
            && (known.source, known.segment) == (source.identity(), source.segment_length())
        {
            return Ok(Arc::clone(&known.copies));
        }
        let forgotten = self.forgotten.load(Ordering::Acquire);
        let (folder, opened) = (self.state(film, source), Arc::clone(source));
        let found = tokio::task::spawn_blocking(move || find(&folder, &opened)).await;
        let copies = Arc::new(found.map_err(io::Error::other)?);
        let mut known = self.lock();
        // What was found before new copies were put there must not outlive that.
        if self.forgotten.load(Ordering::Acquire) != forgotten {
            return Ok(copies);
        }
        if known.len() >= MAX_KNOWN {
            // All of them: to look again costs one read of a folder, and
            // a use counter for each film would cost more than that.
            known.clear();
        }
        // Kept also when there are none, so that a film without
        // copies has its folder read once and not at each request.
        let (source, segment) = (source.identity(), source.segment_length());
        known.insert(film, Known { source, segment, copies: Arc::clone(&copies) });
        Ok(copies)
    }

    /// Looks again when they are asked for next.
    pub(super) fn forget(&self, film: FilmId) {
        let mut known = self.lock();
        self.forgotten.fetch_add(1, Ordering::Release);
        known.remove(&film);
    }

    /// A folder for a job. What another one has left there is removed: only one runs at a time.
    pub(super) fn begin(&self, film: FilmId, job: JobId) -> io::Result<Work> {
        let of_film = self.folder.join(film.to_string());
        fs::create_dir_all(&of_film)?;
        for entry in fs::read_dir(&of_film)?.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(WORK.as_bytes()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        // Beside its place, not in the system's folder for
        // such files: a rename works within one disk only.
        let folder = of_film.join(format!("{WORK}{}", job.0));
        fs::create_dir(&folder)?;
        Ok(Work { folder, of_film, job })
    }

    fn state(&self, film: FilmId, source: &Opened) -> PathBuf {
        self.folder.join(film.to_string()).join(state_name(source))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FilmId, Known>> {
        // Each change is one step.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the state of a film's file from any other, on whatever disk it is.
fn state_name(source: &Opened) -> String {
    // The number of a disk may be another after a restart, and that of a file
    // after it was restored: copies of an hour's work would be lost with them.
    let Identity { size, modified, .. } = source.identity();
    format!("{size:x}-{modified:x}")
}

/// The folder in which a job makes copies. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct Work {
    folder: PathBuf,
    of_film: PathBuf,
    job: JobId,
}

impl Work {
    /// Where a copy is made.
    pub(super) fn file(&self, rung: Rung) -> PathBuf {
        self.folder.join(rung.name())
    }

    /// Puts the copies in their places, when all of them can be offered. Waits for the disk.
    pub(super) fn finish(self, source: &Opened, rungs: &[Rung]) -> Result<(), PutError> {
        for rung in rungs {
            // All are checked before the first is moved: viewers are offered the whole ladder or
            // none of it.
            let copy = open(&self.file(*rung), EVERY_KEY_FRAME)?;
            rungs::check(&source.film, &copy.film)?;
            // Before the rename: after a loss of power, a name
            // must not lead to a file that is not on the disk yet.
            copy.file.sync_all()?;
        }
        let state = self.of_film.join(state_name(source));
        fs::create_dir_all(&state)?;
        for rung in rungs {
            fs::rename(self.file(*rung), state.join(file_name(*rung, self.job)))?;
        }
        // The names are on the disk only when their folder is.
        File::open(&state)?.sync_all()?;
        File::open(&self.of_film)?.sync_all()?;
        // The new copies are in their places: what could
        // not be removed costs room, not the work of hours.
        if let Err(error) = clean(&self.of_film, &state) {
            warn!(%error, "old copies of a film cannot be removed");
        }
        Ok(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder)
            // The next job of the same film may have removed it.
            && error.kind() != io::ErrorKind::NotFound
        {
            debug!(%error, "the folder of a job cannot be removed: the next one tries again");
        }
    }
}

fn file_name(rung: Rung, job: JobId) -> String {
    format!("{}-{}.mp4", rung.name(), job.0)
}

/// A copy as its file is named.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    rung: Rung,
    job: i64,
    path: PathBuf,
}

impl Named {
    fn of(path: PathBuf) -> Option<Self> {
        // Whatever else somebody has put there is none of ours, and is neither offered nor removed.
        let (rung, job) = path.file_name()?.to_str()?.strip_suffix(".mp4")?.split_once('-')?;
        Some(Self { rung: Rung::parse(rung)?, job: job.parse().ok()?, path })
    }
}

/// The copies in a folder, the best one first, of each rung the newest one first.
fn named(folder: &Path) -> io::Result<Vec<Named>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut all: Vec<Named> = entries.flatten().filter_map(|entry| Named::of(entry.path())).collect();
    // Numbers of jobs only go up, so the highest is the
    // newest, whatever the clock said when it was made.
    all.sort_by_key(|named| std::cmp::Reverse((named.rung.height, named.job)));
    Ok(all)
}

/// Opens the copies in a folder, and leaves out what cannot be offered. Waits for the disk.
fn find(folder: &Path, source: &Opened) -> Vec<OpenCopy> {
    let named = named(folder).unwrap_or_else(|error| {
        warn!(folder = %folder.display(), %error, "the copies of a film cannot be read");
        Vec::new()
    });
    let mut copies: Vec<OpenCopy> = Vec::new();
    for Named { rung, job, path } in named {
        let checked = open(&path, EVERY_KEY_FRAME).map_err(PutError::from).and_then(|opened| {
            // Again at each look, not only when it was made: the film may
            // be cut elsewhere since, by another length of its segments.
            rungs::check(&source.film, &opened.film)?;
            Ok(opened.begun_with(&source.film))
        });
        match checked {
            Ok(opened) => {
                // Only among those that can be offered: a newer one
                // that is broken does not retire the one that plays.
                let is_current = !copies.iter().any(|copy| copy.rung == rung);
                copies.push(OpenCopy {
                    name: format!("{}-{job}", rung.name()),
                    rung,
                    is_current,
                    opened: opened.into(),
                });
            }
            // As after a change of `segment`: the film is cut elsewhere now.
            Err(error) => warn!(path = %path.display(), %error, "a copy of a film is not offered"),
        }
    }
    copies
}

/// Removes copies that were made anew long ago, and those of a film's file that is gone.
fn clean(of_film: &Path, state: &Path) -> io::Result<()> {
    let is_old = |path: &Path| {
        let age = fs::metadata(path).and_then(|data| data.modified());
        // A file from the future, after the clock was set
        // back, is not old: nothing is removed in doubt.
        age.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > RETIRED_KEPT))
    };
    let all = named(state)?;
    for pair in all.windows(2) {
        let [newer, older] = pair else { unreachable!("a window has two") };
        // It was retired when the newer one was made.
        if newer.rung == older.rung && is_old(&newer.path) {
            fs::remove_file(&older.path)?;
        }
    }
    for entry in fs::read_dir(of_film)?.flatten() {
        let path = entry.path();
        if path != state && path.is_dir() && is_old(&path) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_found_before_new_copies_came_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (copies, film) = (Copies::new(folder.path()), FilmId::random());
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/core/tests/data/h264_aac.mp4");
        let source = Arc::new(open(Path::new(path), Duration::from_secs(6)).unwrap());
        let mut looking = std::pin::pin!(copies.of(film, &source));
        // Once: the look at the folder begins, on a thread of its own.
        let begun = futures_util::poll!(looking.as_mut());
        copies.forget(film);
        if begun.is_pending() {
            assert!(looking.await.unwrap().is_empty());
        }
        assert!(!copies.lock().contains_key(&film), "the next one looks again");
        copies.of(film, &source).await.unwrap();
        assert!(copies.lock().contains_key(&film));
    }
}
