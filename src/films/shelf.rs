//! Films that are played: each is opened once for all its viewers, and kept for the next.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};

use super::FilmId;
use super::opened::{OpenError, Opened, open};
use super::video::Video;
use super::walk::identity;
use crate::db::films::Identity;

/// The most films that are kept open, whatever memory their indexes take: each has a descriptor.
const MAX_OPEN: usize = 256;

/// Files that have been sent, from which those are cleared away that nobody is sent any more.
const MANY_FILES: usize = 1024;

/// Reads of films at a time. A disk that hangs holds up so many threads and no more.
const MAX_READS: usize = 64;

/// Segments that are put together in memory at a time, each of 64 MiB at most, and mostly of a
/// tenth of that. Who asks for more waits.
const MAX_MADE: usize = 8;

/// The films that are open. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Shelf(Arc<State>);

#[derive(Debug)]
struct State {
    places: Mutex<Places>,
    files: Mutex<HashMap<FilmId, SentFile>>,
    reads: Arc<Semaphore>,
    made: Arc<Semaphore>,
}

/// A file that is sent as it is: open once for all who are sent it.
#[derive(Debug)]
struct SentFile {
    identity: Identity,
    file: Weak<File>,
}

#[derive(Debug, Default)]
struct Places {
    films: HashMap<FilmId, Place>,
    /// Counts up with each use.
    turn: u64,
}

/// One film, or one that is being opened: whoever else wants it waits for the same.
#[derive(Debug)]
struct Place {
    identity: Identity,
    /// How long its segments are to be.
    segment: Duration,
    used: u64,
    cell: Arc<OnceCell<Result<Arc<Opened>, OpenError>>>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self(Arc::new(State {
            places: Mutex::default(),
            files: Mutex::default(),
            reads: Arc::new(Semaphore::new(MAX_READS)),
            made: Arc::new(Semaphore::new(MAX_MADE)),
        }))
    }
}

impl Shelf {
    /// The film, opened now if it is not. `memory` is what the indexes of all may take, in bytes.
    pub async fn open(
        &self,
        video: &Video,
        segment: Duration,
        memory: u64,
    ) -> Result<Arc<Opened>, OpenError> {
        // The table is not locked while a film is opened: a
        // disk that hangs stops those who want this film only.
        let cell = self.lock().place(video, segment);
        let path = video.path.clone();
        let open = || async { self.aside(move || open(&path, segment)).await?.map(Arc::new) };
        let opened = cell.get_or_init(open).await.clone();
        self.lock().make_room(memory, video.id);
        opened
    }

    /// The file of a film as it is now, and its state.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn file(&self, video: &Video) -> io::Result<(Arc<File>, Identity)> {
        let (all, id, path) = (self.clone(), video.id, video.path.clone());
        self.aside(move || {
            let now = identity(&fs::metadata(&path)?);
            // By the state of now: a file that was replaced
            // is never sent on from where the old one ended.
            if let Some(file) = all.files().get(&id).filter(|sent| sent.identity == now)
                && let Some(file) = file.file.upgrade()
            {
                return Ok((file, now));
            }
            let file = Arc::new(File::open(&path)?);
            // Asked again of what is open: it may have been replaced between the look and this.
            let sent = SentFile { identity: identity(&file.metadata()?), file: Arc::downgrade(&file) };
            let now = sent.identity;
            let mut files = all.files();
            if files.len() >= MANY_FILES {
                files.retain(|_, sent| sent.file.strong_count() > 0);
            }
            files.insert(id, sent);
            Ok((file, now))
        })
        .await?
    }

    /// Does what waits for the disk on a thread that may wait. It runs to its end when nobody waits
    /// for it any more, and counts until then.
    pub async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let permit = Arc::clone(&self.0.reads).acquire_owned().await.map_err(io::Error::other)?;
        let run = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(run).await.map_err(io::Error::other)
    }

    /// The same of what needs much memory.
    pub async fn aside_in_memory<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        // This permit first: who waits for it holds none of those that quick reads need.
        let permit = Arc::clone(&self.0.made).acquire_owned().await.map_err(io::Error::other)?;
        let run = move || {
            let _permit = permit;
            work()
        };
        self.aside(run).await
    }

    fn files(&self) -> MutexGuard<'_, HashMap<FilmId, SentFile>> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// The place of a film. One whose file is another now, that is to be cut otherwise, or that could
    /// not be opened, is new.
    fn place(&mut self, video: &Video, segment: Duration) -> Arc<OnceCell<Result<Arc<Opened>, OpenError>>> {
        self.turn += 1;
        let new = || Place { identity: video.identity, segment, used: 0, cell: Arc::default() };
        let place = self.films.entry(video.id).or_insert_with(new);
        let is_same = (place.identity, place.segment) == (video.identity, segment);
        // An error is told to those who waited for it, and
        // not kept: a disk may be back by the next request.
        if !is_same || matches!(place.cell.get(), Some(Err(_))) {
            *place = new();
        }
        place.used = self.turn;
        Arc::clone(&place.cell)
    }

    /// Lets those go that were not used for longest, but never the one that was asked for.
    fn make_room(&mut self, memory: u64, asked: FilmId) {
        let size = |place: &Place| match place.cell.get() {
            Some(Ok(opened)) => opened.film.memory() as u64,
            // One that is being opened takes nothing yet,
            // and is counted when the next film is opened.
            _ => 0,
        };
        let mut all: u64 = self.films.values().map(size).sum();
        while all > memory || self.films.len() > MAX_OPEN {
            let others = self.films.iter().filter(|(id, _)| **id != asked);
            let Some((&id, place)) = others.min_by_key(|(_, place)| place.used) else { return };
            all -= size(place);
            self.films.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::mpsc;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_job_that_nobody_waits_for_holds_its_permits_to_its_end() {
        let shelf = Shelf::default();
        let (end, ends) = mpsc::channel::<()>();
        let ends = Arc::new(Mutex::new(ends));
        for _ in 0..MAX_MADE {
            let ends = Arc::clone(&ends);
            let job = shelf.aside_in_memory(move || ends.lock().unwrap().recv());
            assert!(job.now_or_never().is_none(), "it has begun, and its client leaves");
        }
        let free = || (shelf.0.made.available_permits(), shelf.0.reads.available_permits());
        assert_eq!(free(), (0, MAX_READS - MAX_MADE));
        drop(end);
        shelf.aside_in_memory(|| ()).await.unwrap();
    }

    #[test]
    fn a_film_that_is_to_be_cut_otherwise_is_opened_anew() {
        let identity = Identity { device: 1, inode: 2, size: 3, modified: 4 };
        let (id, path) = (FilmId::random(), PathBuf::from("a.mp4"));
        let video = Video { id, path, identity, duration: None, refusal: None, groups: Vec::new() };
        let (mut places, seconds) = (Places::default(), Duration::from_secs);
        let first = places.place(&video, seconds(6));
        assert!(Arc::ptr_eq(&first, &places.place(&video, seconds(6))));
        assert!(!Arc::ptr_eq(&first, &places.place(&video, seconds(2))));
    }
}
