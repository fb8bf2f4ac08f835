//! Pages of video platforms, resolved by yt-dlp.
//!
//! All who ask do so at one desk (`forebay_core::resolve`), which decides when a page is resolved
//! and how long an answer is good. What it decides is done here: a worker resolves pages
//! (`worker`). It is started when the first page needs it, and ended when none has needed it for a
//! while.

mod document;
mod installation;
mod media;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use forebay_core::resolve::{Action, Answer, Class, Desk, Failure, Load, Need, Page, Resolved};
use forebay_core::time::Moment;
use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio_util::sync::CancellationToken;
use tracing::debug;

pub use self::document::{Document, Entry, Format};
use self::worker::Worker;
use crate::config::Resolver as Settings;

/// Pages after which a worker is replaced: Python gives little memory back.
const MAX_ASKED: u64 = 1000;

/// Who resolves pages. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Resolver(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    office: Mutex<Office>,
    worker: AsyncMutex<Option<Arc<Worker>>>,
    /// The desk may have another time to wake at.
    changed: Notify,
    began: Instant,
    asked: Mutex<Asked>,
    /// Where pages are resolved, whoever asks: answers of a megabyte keep no source waiting.
    runtime: Handle,
}

/// Counters of requests since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// How often.
    pub requests: u64,
    /// How often the page was known.
    pub hits: u64,
    /// How long all answers took together.
    pub took: Duration,
}

/// The desk, and who waits at it.
#[derive(Debug)]
struct Office {
    desk: Desk<Document>,
    waiting: HashMap<Page, Arc<Notify>>,
}

/// A page that is known.
#[derive(Debug, Clone)]
pub struct Known {
    /// The worker's document.
    pub document: Arc<Document>,
    /// Whether it was known before somebody asked.
    pub is_cached: bool,
    /// How much longer its addresses are good.
    pub lifetime: Duration,
    /// Why the platform tells nothing newer.
    pub stale: Option<Class>,
}

/// Why a page is not known.
#[derive(Debug, Clone)]
pub struct Unknown {
    /// What went wrong.
    pub failure: Arc<Failure>,
    /// How long it is until the page is asked for again.
    pub retry_after: Duration,
}

impl Resolver {
    /// Nothing runs before somebody asks. To be called within a runtime, which resolves pages.
    pub fn new(settings: Settings) -> Self {
        let office = Mutex::new(Office { desk: Desk::new(settings.limits), waiting: HashMap::new() });
        let (worker, changed) = (AsyncMutex::new(None), Notify::new());
        let (began, runtime) = (Instant::now(), Handle::current());
        Self(Arc::new(Inner { settings, office, worker, changed, began, asked: Mutex::default(), runtime }))
    }

    /// Answers for a page, and has it resolved first if that is needed.
    pub async fn ask(&self, page: &Page, need: Need) -> Result<Known, Unknown> {
        let began = Instant::now();
        let answer = self.answer(page, need).await;
        let is_hit = answer.as_ref().is_ok_and(|known| known.is_cached);
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.requests += 1;
        asked.hits += u64::from(is_hit);
        asked.took += began.elapsed();
        drop(asked);
        answer
    }

    /// Counters of requests since the start.
    pub fn asked(&self) -> Asked {
        *self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a yt-dlp to run.
    pub fn is_installed(&self) -> bool {
        installation::Installation::find(&self.0.settings.command).is_ok()
    }

    async fn answer(&self, page: &Page, need: Need) -> Result<Known, Unknown> {
        let mut is_cached = true;
        loop {
            let told = {
                let mut office = self.office();
                match office.desk.ask(page, need, self.now()) {
                    Answer::Known { info, lifetime, stale, .. } => {
                        return Ok(Known { document: info, is_cached, lifetime, stale });
                    }
                    Answer::Failed { failure, until } => {
                        return Err(Unknown { failure, retry_after: until.since(self.now()) });
                    }
                    Answer::Wait => {}
                }
                // Registered under the lock: an answer between
                // the look and the wait would else be missed.
                let told = Arc::clone(office.waiting.entry(page.clone()).or_default()).notified_owned();
                self.act(&mut office);
                self.0.changed.notify_one();
                told
            };
            // It had to be waited for, whoever asked first.
            is_cached = false;
            told.await;
        }
    }

    /// Marks the answer for this page as outdated.
    pub fn outdate(&self, page: &Page) {
        self.office().desk.outdate(page);
    }

    /// The addresses of this page are refused, or end soon: it is resolved anew for whoever asks
    /// next. One that is new is no better a moment later: then this is how long to wait.
    fn renew(&self, page: &Page) -> Result<(), Duration> {
        let now = self.now();
        self.office().desk.renew(page, now).map_err(|until| until.since(now))
    }

    /// Ends a worker that nobody needs any more, and begins resolves when it is their time, until
    /// `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut idle = Idle::default();
        loop {
            let next = self.office().desk.poll_timeout();
            let look = tokio::time::Instant::now() + self.0.settings.idle_stop / 4;
            let wake = next.map(|next| tokio::time::Instant::from_std(self.0.began + next.elapsed()));
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep_until(wake.map_or(look, |wake| wake.min(look))) => {}
            }
            let is_busy = self.wake();
            // One that is starting is not waited for, so that the end
            // and the next time to wake are heard of meanwhile.
            let Ok(mut worker) = self.0.worker.try_lock() else { continue };
            let asked = worker.as_ref().map(|worker| worker.asked());
            // Dropped, its input ends, and with that the process.
            if idle.is_over(asked, is_busy, self.0.settings.idle_stop) && worker.take().is_some() {
                debug!("nobody needs the resolver");
            }
        }
        // One that is starting ends with the runtime, on which it is started.
        if let Ok(mut worker) = self.0.worker.try_lock() {
            *worker = None;
        }
    }

    /// Begins what it is time for; says whether anything runs or waits.
    fn wake(&self) -> bool {
        let mut office = self.office();
        office.desk.handle_timeout(self.now());
        self.act(&mut office);
        let Load { running, waiting, .. } = office.desk.load();
        running + waiting > 0
    }

    /// The version of yt-dlp and of what runs JavaScript, where a worker runs.
    pub async fn versions(&self) -> Option<(String, Option<String>)> {
        let worker = self.0.worker.lock().await;
        worker.as_ref().map(|worker| (worker.version.clone(), worker.javascript.clone()))
    }

    /// How much there is to do.
    pub fn load(&self) -> Load {
        self.office().desk.load()
    }

    fn office(&self) -> MutexGuard<'_, Office> {
        self.0.office.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        Moment::new(self.0.began.elapsed())
    }

    /// Does what the desk has decided.
    fn act(&self, office: &mut Office) {
        while let Some(action) = office.desk.poll_action() {
            match action {
                Action::Resolve(page) => {
                    let resolver = self.clone();
                    // On its own task: whoever asked may leave, and others wait for the same page.
                    self.0.runtime.spawn(async move { resolver.resolve(page).await });
                }
                Action::Tell(page) => {
                    if let Some(waiting) = office.waiting.remove(&page) {
                        waiting.notify_waiters();
                    }
                }
            }
        }
    }

    async fn resolve(&self, page: Page) {
        let result = match self.worker().await {
            Ok(worker) => worker.resolve(&page.address(), self.0.settings.timeout).await,
            Err(failure) => Err(failure),
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let result = result.map(|document| Resolved { lifetime: document.lifetime(now), info: document });
        match &result {
            Ok(_) => debug!(%page, "page resolved"),
            Err(failure) => debug!(%page, class = failure.class.name(), "page not resolved"),
        }
        let mut office = self.office();
        office.desk.handle_resolved(&page, result, self.now());
        self.act(&mut office);
        self.0.changed.notify_one();
    }

    /// The worker that runs, or a new one.
    async fn worker(&self) -> Result<Arc<Worker>, Failure> {
        // Held while it starts: others who come wait for the same one and start no second.
        let mut current = self.0.worker.lock().await;
        let is_good = |worker: &Arc<Worker>| {
            let found = installation::Installation::find(&self.0.settings.command);
            // Another version may have been installed.
            !worker.is_over() && worker.asked() < MAX_ASKED && found.as_ref() == Ok(&worker.installation)
        };
        if let Some(worker) = current.as_ref().filter(|worker| is_good(worker)) {
            return Ok(Arc::clone(worker));
        }
        let worker = Arc::new(Worker::start(&self.0.settings).await?);
        *current = Some(Arc::clone(&worker));
        Ok(worker)
    }
}

/// How long the worker has had nothing to do.
#[derive(Debug, Default)]
struct Idle {
    asked: Option<u64>,
    since: Option<Instant>,
}

impl Idle {
    fn is_over(&mut self, asked: Option<u64>, is_busy: bool, limit: Duration) -> bool {
        if is_busy || asked != self.asked || self.since.is_none() {
            (self.asked, self.since) = (asked, Some(Instant::now()));
        }
        self.since.is_some_and(|since| since.elapsed() >= limit)
    }
}

#[cfg(test)]
mod tests;
