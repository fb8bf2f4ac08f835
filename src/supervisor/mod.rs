//! Runs the services that make up the program.
//!
//! A [`Service`] runs from the start of the program to its end. The [`Supervisor`] starts the
//! services in one order and stops them in the reverse one, each only when those that were started
//! after it have ended. A service that fails is restarted, or ends the program, as its entry says.

mod board;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use forebay_relay::events::{Bus, Event};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

pub use self::board::{Board, Health};

/// The pause before the first restart; it doubles with each failure that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause before a restart.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// A service that has run for so long has recovered: its next failure is a first one.
const RECOVERED_AFTER: Duration = Duration::from_mins(1);

/// What to do when a service fails: it panics, returns an error, or returns before it was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The program is no use without it: end the program with an error.
    EndProgram,
    /// Start it again, after a pause that grows from one second to one minute.
    Restart,
}

/// A part of the program that runs from the start to the end.
pub struct Service {
    name: &'static str,
    on_failure: OnFailure,
    run: Run,
}

/// Runs a service until the token is cancelled. Called once for each start.
type Run = Box<dyn FnMut(CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> + Send>;

impl Service {
    /// One that is started again when it fails, by calling `run` again.
    pub fn restarted<F>(
        name: &'static str,
        mut run: impl FnMut(CancellationToken) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let run = Box::new(move |stop| run(stop).boxed());
        Self { name, on_failure: OnFailure::Restart, run }
    }

    /// One whose failure ends the program.
    pub fn vital<F>(name: &'static str, run: impl FnOnce(CancellationToken) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut run = Some(run);
        let run = Box::new(move |stop| {
            let run = run.take().expect("a service that ends the program is started once");
            run(stop).map(Ok).boxed()
        });
        Self { name, on_failure: OnFailure::EndProgram, run }
    }

    /// Runs it once, to its end or its failure.
    async fn run_once(&mut self, stop: &CancellationToken) -> Result<(), String> {
        let run = (self.run)(stop.clone());
        // A task of its own, since a panic ends at the border of a task.
        let result = AbortOnDropHandle::new(tokio::spawn(run)).await;
        match result {
            Ok(Err(error)) => Err(format!("{error:#}")),
            Ok(Ok(())) if stop.is_cancelled() => Ok(()),
            Ok(Ok(())) => Err("it ended, and nobody had stopped it".to_owned()),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => Err(format!("it panicked: {}", text_of(&*panic))),
                // The runtime is ending.
                Err(_) => Ok(()),
            },
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("on_failure", &self.on_failure)
            .finish_non_exhaustive()
    }
}

/// What somebody gave to `panic!`.
fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}

/// A service failed that the program is no use without.
#[derive(Debug, thiserror::Error)]
#[error("the service \"{service}\" failed: {error}")]
pub struct Failure {
    service: &'static str,
    error: String,
}

/// How the services ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of them did, by themselves.
    InTime,
    /// Some did not within the grace period, and were abandoned.
    Late,
}

/// Runs services.
#[derive(Debug)]
pub struct Supervisor {
    bus: Bus,
    board: Board,
    running: Vec<Running>,
    failed: mpsc::Sender<Failure>,
    failures: mpsc::Receiver<Failure>,
}

#[derive(Debug)]
struct Running {
    name: &'static str,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Supervisor {
    /// One without services; it publishes failures on `bus` and keeps `board` up to date.
    pub fn new(bus: Bus, board: Board) -> Self {
        // The first failure ends the program; those that follow are in the log.
        let (failed, failures) = mpsc::channel(1);
        Self { bus, board, running: Vec::new(), failed, failures }
    }

    /// Starts a service, which may use those that were started before it.
    pub fn start(&mut self, service: Service) {
        let (name, stop) = (service.name, CancellationToken::new());
        self.board.set(name, Health::Healthy);
        let keeper = Keeper { bus: self.bus.clone(), board: self.board.clone(), stop: stop.clone() };
        let failed = self.failed.clone();
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(failure) = keeper.keep(service).await {
                let _ = failed.try_send(failure);
            }
        }));
        self.running.push(Running { name, stop, task });
    }

    /// Waits for `stop`, or for the failure of a service that ends the program; then stops all
    /// services within what `grace` returns.
    pub async fn run(
        mut self,
        stop: CancellationToken,
        grace: impl FnOnce() -> Duration,
    ) -> Result<End, Failure> {
        // The first of either: a second reason would not change what is done.
        let failure = tokio::select! {
            () = stop.cancelled() => None,
            failure = self.failures.recv() => failure,
        };
        info!("stopping");
        let end = self.stop_all(grace()).await;
        failure.map_or(Ok(end), Err)
    }

    async fn stop_all(&mut self, grace: Duration) -> End {
        let deadline = Instant::now() + grace;
        while let Some(Running { name, stop, task }) = self.running.pop() {
            // One after the other, and the last that started first: what it uses is still there.
            stop.cancel();
            if timeout_at(deadline, task).await.is_err() {
                warn!(?grace, service = name, "not everything ended within the grace period");
                // No time is left to wait for them; they are told at least.
                self.running.iter().for_each(|running| running.stop.cancel());
                return End::Late;
            }
        }
        End::InTime
    }
}

/// Keeps one service running.
struct Keeper {
    bus: Bus,
    board: Board,
    stop: CancellationToken,
}

impl Keeper {
    /// Returns when the service has been stopped, or with the failure that ends the program.
    async fn keep(&self, mut service: Service) -> Result<(), Failure> {
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            let Err(error) = service.run_once(&self.stop).await else { return Ok(()) };
            // A service that fails once a day would else wait longer each day.
            if started.elapsed() >= RECOVERED_AFTER {
                pause = FIRST_PAUSE;
            }
            let restarts_in = match service.on_failure {
                OnFailure::EndProgram => None,
                OnFailure::Restart => Some(pause),
            };
            self.tell(service.name, &error, restarts_in);
            if restarts_in.is_none() {
                return Err(Failure { service: service.name, error });
            }
            if self.stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return Ok(());
            }
            pause = (pause * 2).min(MAX_PAUSE);
            info!(service = service.name, "service restarted");
            self.board.set(service.name, Health::Healthy);
        }
    }

    fn tell(&self, service: &'static str, error: &str, restarts_in: Option<Duration>) {
        let health = if let Some(pause) = restarts_in {
            error!(service, ?pause, "service failed, restarting it after a pause: {error}");
            Health::Restarting
        } else {
            error!(service, "service failed, the program ends: {error}");
            Health::Failed
        };
        self.board.set(service, health);
        self.bus.publish(Event::ServiceFailed { service, restarts_in });
    }
}
