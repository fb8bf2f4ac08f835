//! One file, its readers, and the task that fetches it.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use forebay_core::reel::{ReaderId, Reel as Plan, SMALLEST_FETCH};
use forebay_relay::input;
use forebay_relay::input::ranges::FilePart;
use futures_util::FutureExt as _;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{Instrument as _, debug, info_span, warn};

use super::fetch::{SMALL_PIECE, Source};
use super::{Counts, Key};

/// Bytes that a reader is given at once.
const BLOCK: u64 = 128 << 10;

/// How long a body may stand still.
const IDLE: Duration = Duration::from_secs(10);

/// Fetches in a row that may bring nothing until the readers are told.
const MAX_FAILURES: u32 = 8;

/// The file of one form of a page.
#[derive(Debug)]
pub struct Reel {
    key: Key,
    file: Arc<File>,
    length: u64,
    tag: String,
    upstream_tag: Option<String>,
    media_type: Option<String>,
    state: Mutex<State>,
    /// More bytes are there, or none will be.
    changed: Notify,
    /// Held by whoever fetches.
    source: AsyncMutex<Source>,
    counts: Arc<Counts>,
}

/// Why a part does not come.
enum Fault {
    /// Another try may bring it.
    Passing(input::Error),
    /// No more of the file comes.
    Final(input::Error),
}

#[derive(Debug)]
struct State {
    plan: Plan,
    is_fetching: bool,
    /// Why no more comes.
    failure: Option<String>,
}

impl Reel {
    /// A file of which the first part is on its way.
    pub(super) fn start(file: File, source: Source, first: FilePart, counts: Arc<Counts>) -> Arc<Self> {
        let mut hasher = DefaultHasher::new();
        // Made here, since platforms name the same file differently at each of their servers.
        (&source.key, &first.tag, first.length).hash(&mut hasher);
        let reel = Arc::new(Self {
            key: source.key.clone(),
            file: Arc::new(file),
            length: first.length,
            tag: format!("{:016x}", hasher.finish()),
            upstream_tag: first.tag.clone(),
            media_type: first.media_type.clone(),
            state: Mutex::new(State { plan: Plan::new(first.length), is_fetching: true, failure: None }),
            changed: Notify::new(),
            source: AsyncMutex::new(source),
            counts,
        });
        reel.spawn_fetch(Some(first));
        reel
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What tells this state of it from any other, without quotes.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// `Content-Type`, as the platform says it.
    pub fn media_type(&self) -> Option<&str> {
        self.media_type.as_deref()
    }

    /// Whether no more of it comes.
    pub fn is_broken(&self) -> bool {
        self.state().failure.is_some()
    }

    /// Whether somebody reads it.
    pub fn is_read(&self) -> bool {
        self.state().plan.is_read()
    }

    /// Reads a range of it.
    pub fn reader(self: &Arc<Self>, range: Range<u64>) -> Reader {
        let id = self.state().plan.add_reader(range.clone());
        self.counts.readers.fetch_add(1, Ordering::Relaxed);
        Reader { reel: Arc::clone(self), id, range }
    }

    /// Begins to fetch. A panic is no reason to let readers wait for ever.
    fn spawn_fetch(self: &Arc<Self>, first: Option<FilePart>) {
        let reel = Arc::clone(self);
        let span = info_span!("reel", page = %self.key.page, format = %self.key.format);
        let fetch = async move {
            if AssertUnwindSafe(reel.fetch(first)).catch_unwind().await.is_err() {
                reel.fail(&input::Error::Broken("the fetch broke off".to_owned()));
            }
        };
        tokio::spawn(fetch.instrument(span));
    }

    /// Fetches what readers want, until they want no more.
    async fn fetch(&self, first: Option<FilePart>) {
        // Held for the whole fetch: one range after the other is what platforms put up with.
        let mut source = self.source.lock().await;
        let (mut part, mut failures) = (first, 0);
        loop {
            // The first part is kept, whether its reader is there already or not.
            let is_first = part.is_some();
            let got = if let Some(part) = part.take() {
                Ok(part)
            } else {
                let Some(range) = self.next_range(source.most()) else { return source.rest() };
                source.get(range).await
            };
            let (bytes, result) = match got {
                Ok(part) => self.store(part, is_first).await,
                Err(error) => (0, Err(Fault::Passing(error))),
            };
            if bytes > 0 {
                failures = 0;
                source.prove(bytes);
            }
            let error = match result {
                Ok(()) => continue,
                Err(Fault::Final(error)) => return self.fail(&error),
                Err(Fault::Passing(error)) => error,
            };
            failures += 1;
            debug!(%error, failures, "a part of a file does not come");
            if failures > MAX_FAILURES {
                return self.fail(&error);
            }
            source.recover(&error, failures).await;
        }
    }

    /// The next range to fetch. `None` if nothing is wanted: then nobody fetches from then on.
    fn next_range(&self, most: u64) -> Option<Range<u64>> {
        let mut state = self.state();
        // Decided under the lock in which readers look:
        // none can come between the last look and the end.
        let next = state.plan.next_fetch(most).filter(|_| state.failure.is_none());
        state.is_fetching = next.is_some();
        next
    }

    /// Keeps a part as it comes: how many bytes of it came, and why no more did.
    async fn store(&self, mut part: FilePart, is_first: bool) -> (u64, Result<(), Fault>) {
        let other = |tag: &Option<String>| matches!((tag, &self.upstream_tag), (Some(a), Some(b)) if a != b);
        if part.length != self.length || other(&part.tag) {
            // Bytes of two files are never mixed.
            let error = input::Error::Broken("the platform has another file by now".to_owned());
            return (0, Err(Fault::Final(error)));
        }
        // What was begun is worth so much, and so is a connection that is kept.
        let least = if is_first { SMALL_PIECE } else { SMALLEST_FETCH };
        let Range { mut start, end } = part.range.clone();
        let begun = start;
        while start < end {
            let broken = |why: &str| Err(input::Error::Broken(why.to_owned()));
            let bytes = match timeout(IDLE, part.next()).await {
                Ok(next) => next.unwrap_or_else(|| broken("the range is not complete")),
                Err(_) => broken("it stands still"),
            };
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(error) => return (start - begun, Err(Fault::Passing(error))),
            };
            // A server may send more than was asked for; behind
            // the range may be what another part brings.
            let bytes = bytes.slice(..bytes.len().min(usize::try_from(end - start).unwrap_or(usize::MAX)));
            let size = bytes.len();
            if let Err(error) = self.write(bytes, start).await {
                let error = input::Error::File(error.to_string());
                return (start - begun, Err(Fault::Final(error)));
            }
            Counts::note(&self.counts.fetched, size);
            let range = start..start + size as u64;
            start = range.end;
            let is_wanted = {
                let mut state = self.state();
                state.plan.note(range);
                state.plan.is_wanted(start)
            };
            // After each piece and not at the end of a range: players begin with the first of it.
            self.changed.notify_waiters();
            if !is_wanted && start - begun >= least {
                // Nobody waits for the rest: whoever has gone elsewhere in the file comes first.
                break;
            }
        }
        (start - begun, Ok(()))
    }

    async fn write(&self, bytes: Bytes, at: u64) -> io::Result<()> {
        let file = Arc::clone(&self.file);
        spawn_blocking(move || file.write_all_at(&bytes, at)).await.map_err(io::Error::other)?
    }

    fn fail(&self, error: &input::Error) {
        let mut state = self.state();
        if state.failure.is_none() {
            warn!(%error, "a file of a platform does not come");
            state.failure = Some(error.to_string());
        }
        state.is_fetching = false;
        drop(state);
        self.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a range of a file as it comes.
#[derive(Debug)]
pub struct Reader {
    reel: Arc<Reel>,
    id: ReaderId,
    /// What is still to be read.
    range: Range<u64>,
}

/// What a reader does next.
enum Step {
    Read(Range<u64>),
    Wait,
}

impl Reader {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.range.is_empty() {
            let reel = Arc::clone(&self.reel);
            let changed = reel.changed.notified();
            tokio::pin!(changed);
            // Whatever comes from now on is noticed.
            changed.as_mut().enable();
            match self.step()? {
                Step::Read(range) => return self.read(range).await.map(Some),
                Step::Wait => changed.await,
            }
        }
        Ok(None)
    }

    fn step(&self) -> io::Result<Step> {
        let mut state = self.reel.state();
        let Range { start, end } = self.range;
        let there = state.plan.readable_to(start).min(end).min(start + BLOCK);
        let is_wanting = state.plan.next_fetch(1).is_some();
        if is_wanting && !state.is_fetching && state.failure.is_none() {
            state.is_fetching = true;
            self.reel.spawn_fetch(None);
        }
        match &state.failure {
            // What is there is read even after a failure.
            _ if there > start => Ok(Step::Read(start..there)),
            Some(failure) => Err(io::Error::other(failure.clone())),
            None => Ok(Step::Wait),
        }
    }

    async fn read(&mut self, range: Range<u64>) -> io::Result<Bytes> {
        let (file, Range { start, end }) = (Arc::clone(&self.reel.file), range);
        let read = spawn_blocking(move || {
            let mut block = vec![0; usize::try_from(end - start).expect("a block is small")];
            file.read_exact_at(&mut block, start)?;
            Ok::<_, io::Error>(Bytes::from(block))
        });
        let bytes = read.await.map_err(io::Error::other)??;
        // Only when it has been read: a future dropped in the middle loses nothing.
        self.range.start = end;
        self.reel.state().plan.move_reader(self.id, end);
        Counts::note(&self.reel.counts.served, bytes.len());
        Ok(bytes)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.reel.state().plan.remove_reader(self.id);
        self.reel.counts.readers.fetch_sub(1, Ordering::Relaxed);
    }
}
