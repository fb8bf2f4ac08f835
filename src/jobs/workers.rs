//! Workers, who run the jobs of a kind until there are none, and whoever starts them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_relay::events::Event;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::attempt::{Report, attempt};
use super::kind::Kind;
use super::{Inner, Queue, now};
use crate::db::Error;
use crate::db::jobs::{self as rows, Boot, Fence, Job, Outcome, State, Waiting};

/// How often somebody looks for jobs that came without a word: a command on the host may add some.
const LOOK: Duration = Duration::from_secs(1);

/// How often old rows are deleted, and the pause between two lots of them.
const CLEAN: Duration = Duration::from_mins(1);
const CLEAN_PAUSE: Duration = Duration::from_millis(50);

/// The pause before an end is written again that could not be written.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// How many workers of each kind there are.
#[derive(Debug)]
pub(super) struct Running(Vec<AtomicUsize>);

impl Running {
    pub(super) fn new(kinds: usize) -> Self {
        Self((0..kinds).map(|_| AtomicUsize::new(0)).collect())
    }

    pub(super) fn count(&self, kind: usize) -> usize {
        self.0[kind].load(Ordering::Relaxed)
    }
}

/// The place of one worker among those of its kind.
struct Seat {
    queue: Queue,
    kind: usize,
}

impl Seat {
    fn take(queue: &Queue, kind: usize) -> Self {
        queue.0.running.0[kind].fetch_add(1, Ordering::Relaxed);
        Self { queue: queue.clone(), kind }
    }

    fn kind(&self) -> &Kind {
        &self.queue.0.kinds[self.kind]
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.queue.0.running.0[self.kind].fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    /// Runs jobs until `stop`; then interrupts those that run, and waits for them.
    ///
    /// # Errors
    /// When the database cannot be asked at the start.
    pub async fn run(&self, stop: CancellationToken) -> anyhow::Result<()> {
        let Some(boot) = self.begin().await? else {
            // Without a database there are no jobs.
            stop.cancelled().await;
            return Ok(());
        };
        self.0.board.open();
        let mut workers = JoinSet::new();
        let (mut look_at, mut clean_at) = (Instant::now(), Instant::now() + CLEAN);
        while !stop.is_cancelled() {
            // Where all workers are busy they take the next jobs by themselves.
            let has_room = (0..self.0.kinds.len()).any(|kind| self.free(kind) > 0);
            if has_room || look_at <= Instant::now() {
                look_at = self.start_workers(&mut workers, boot, &stop).await;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.0.changed.notified() => {}
                Some(_) = workers.join_next() => {}
                () = sleep_until(look_at) => {}
                () = sleep_until(clean_at) => {
                    self.clean().await;
                    clean_at = Instant::now() + CLEAN;
                }
            }
        }
        self.0.board.close();
        while workers.join_next().await.is_some() {}
        Ok(())
    }

    /// Begins a life, and interrupts what another one left running.
    async fn begin(&self) -> anyhow::Result<Option<Boot>> {
        // Interruptions are the same for all kinds.
        let policy = self.0.kinds.first().map(|kind| kind.policy);
        let begin = move |connection: &_| {
            let boot = rows::begin_boot(connection, now())?;
            let interrupted =
                policy.map_or(Ok(0), |policy| rows::recover(connection, boot, &policy, now()))?;
            Ok((boot, interrupted))
        };
        match self.0.database.write(begin).await {
            Ok((boot, interrupted)) => {
                if interrupted > 0 {
                    info!(jobs = interrupted, "jobs that were interrupted run again");
                }
                Ok(Some(boot))
            }
            Err(Error::Off(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Starts workers for what waits, as many as there is room for. Returns when to look again.
    async fn start_workers(
        &self,
        workers: &mut JoinSet<()>,
        boot: Boot,
        stop: &CancellationToken,
    ) -> Instant {
        let look_at = Instant::now() + LOOK;
        // A failure is logged by whoever writes; the next look tries again.
        let Ok(waiting) = self.look().await else { return look_at };
        for (at, kind) in self.0.kinds.iter().enumerate() {
            let has_some = waiting.iter().any(|of_kind| of_kind.kind == kind.name && of_kind.waiting > 0);
            let free = self.free(at);
            if !has_some || free == 0 {
                continue;
            }
            let name = kind.name;
            let claim = move |connection: &_| rows::claim(connection, name, free, boot, now());
            let Ok(jobs) = self.0.database.write(claim).await else { continue };
            self.0.counters.begun(jobs.len());
            for job in jobs {
                workers.spawn(work(Seat::take(self, at), job, boot, stop.clone()));
            }
        }
        let next_due = waiting.iter().filter_map(|of_kind| of_kind.next_due).min();
        let until_due = next_due.map(|due| u64::try_from(due - now()).unwrap_or(0));
        until_due.map_or(look_at, |ms| look_at.min(Instant::now() + Duration::from_millis(ms)))
    }

    /// What waits, once the jobs can run whose pause is over.
    async fn look(&self) -> Result<Vec<Waiting>, Error> {
        let mut waiting = self.0.database.read(rows::waiting).await?;
        if waiting.iter().filter_map(|of_kind| of_kind.next_due).any(|due| due <= now()) {
            self.0.database.write(|connection| rows::promote(connection, now())).await?;
            waiting = self.0.database.read(rows::waiting).await?;
        }
        let all = waiting.iter().map(|of_kind| of_kind.waiting + of_kind.delayed).sum();
        self.0.counters.waiting.store(all, Ordering::Relaxed);
        Ok(waiting)
    }

    /// How many more jobs of a kind may run.
    fn free(&self, kind: usize) -> usize {
        self.0.kinds[kind].policy.concurrency.saturating_sub(self.0.running.count(kind))
    }

    async fn clean(&self) {
        let clean = |connection: &_| rows::clean(connection, now());
        while let Ok(1..) = self.0.database.write::<_, Error>(clean).await {
            sleep(CLEAN_PAUSE).await;
        }
    }
}

/// Runs this job, and then others of its kind until none waits or the server stops.
async fn work(seat: Seat, mut job: Job, boot: Boot, stop: CancellationToken) {
    let (queue, kind) = (&*seat.queue.0, seat.kind());
    loop {
        let fence = Fence { id: job.id, attempt: job.attempts.begun, boot };
        queue.events.publish(Event::JobStarted { job: job.id.0, kind: kind.name });
        let report = attempt(queue, kind, &job, fence).await;
        match end(queue, kind, fence, report, !stop.is_cancelled()).await {
            Some(next) => job = next,
            None => return,
        }
    }
}

/// Writes how an attempt ended, and begins the next job of the kind in the same transaction. Tries
/// again until it is written or the database is closed: the job would else run for ever.
async fn end(queue: &Inner, kind: &Kind, fence: Fence, report: Report, goes_on: bool) -> Option<Job> {
    let (name, policy) = (kind.name, kind.policy);
    let chance = chance();
    let report = Arc::new(report);
    loop {
        let written = Arc::clone(&report);
        let write = move |connection: &_| {
            let outcome = Outcome { ended: written.ended, text: &written.text };
            let state = rows::end(connection, fence, &policy, outcome, (chance, now()))?;
            let limit = usize::from(goes_on);
            let next = rows::claim(connection, name, limit, fence.boot, now())?;
            Ok((state, next.into_iter().next()))
        };
        match queue.database.write(write).await {
            Ok((state, next)) => {
                tell(queue, kind, fence, &report, state.as_ref());
                queue.counters.begun(next.iter().len());
                return next;
            }
            Err(Error::Closed | Error::Off(_)) => return None,
            Err(error) => {
                warn!(job = fence.id.0, %error, "the end of a job cannot be written, trying again");
                sleep(WRITE_AGAIN).await;
            }
        }
    }
}

fn tell(queue: &Inner, kind: &Kind, fence: Fence, report: &Report, state: Option<&State>) {
    let (job, kind) = (fence.id.0, kind.name);
    let Some(state) = state else {
        warn!(job, kind, attempt = fence.attempt, "an attempt ended that nobody knows any more");
        return;
    };
    let name = state.name();
    match state {
        State::Failed { .. } => warn!(job, kind, error = report.text, "job failed"),
        State::Delayed { .. } => {
            info!(job, kind, error = report.text, "attempt failed, the job is tried again");
        }
        _ => info!(job, kind, state = name, "job ended"),
    }
    queue.events.publish(Event::JobEnded { job, kind, state: name });
    if matches!(state, State::Delayed { .. }) {
        // Its pause may be over before the next look.
        queue.changed.notify_one();
    }
}

/// A number that spreads pauses.
fn chance() -> u8 {
    let mut byte = [0];
    // Without randomness, nothing is spread.
    SystemRandom::new().fill(&mut byte).map_or(0, |()| byte[0])
}
