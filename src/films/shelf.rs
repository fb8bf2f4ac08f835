//! Films that are played: each is opened once for all its viewers, and kept for the next.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};

use super::FilmId;
use super::opened::{OpenError, Opened, open};
use super::video::Video;
use crate::db::films::Identity;

/// The most films that are kept open, whatever memory their indexes take: each has a descriptor.
const MAX_OPEN: usize = 256;

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
    reads: Semaphore,
    made: Semaphore,
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
    used: u64,
    cell: Arc<OnceCell<Result<Arc<Opened>, OpenError>>>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self(Arc::new(State {
            places: Mutex::default(),
            reads: Semaphore::new(MAX_READS),
            made: Semaphore::new(MAX_MADE),
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
        let cell = self.lock().place(video);
        let path = video.path.clone();
        let open = || async { self.aside(move || open(&path, segment)).await?.map(Arc::new) };
        let opened = cell.get_or_init(open).await.clone();
        self.lock().make_room(memory, video.id);
        opened
    }

    /// Does what waits for the disk on a thread that may wait.
    pub async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let _permit = self.0.reads.acquire().await.map_err(io::Error::other)?;
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
    }

    /// The same of what needs much memory.
    pub async fn aside_in_memory<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let _permit = self.0.made.acquire().await.map_err(io::Error::other)?;
        self.aside(work).await
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// The place of a film. One whose file is another now, or that could not be opened, is new.
    fn place(&mut self, video: &Video) -> Arc<OnceCell<Result<Arc<Opened>, OpenError>>> {
        self.turn += 1;
        let new = || Place { identity: video.identity, used: 0, cell: Arc::default() };
        let place = self.films.entry(video.id).or_insert_with(new);
        if place.identity != video.identity || matches!(place.cell.get(), Some(Err(_))) {
            *place = new();
        }
        place.used = self.turn;
        Arc::clone(&place.cell)
    }

    /// Lets those go that were not used for longest, but never the one that was asked for.
    fn make_room(&mut self, memory: u64, asked: FilmId) {
        let size = |place: &Place| match place.cell.get() {
            Some(Ok(opened)) => opened.film.memory() as u64,
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
