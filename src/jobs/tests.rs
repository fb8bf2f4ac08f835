//! The queue with a database, and handlers that do what they are told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use forebay_core::jobs::{Backoff, Policy, Priority};
use forebay_relay::events::Events;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::db::jobs::State;

const SOON: Duration = Duration::from_secs(10);

fn policy(concurrency: usize) -> Policy {
    let backoff = Backoff { first: Duration::from_millis(20), factor: 2, max: Duration::from_secs(1) };
    Policy { concurrency, deadline: Duration::from_mins(1), max_failures: 3, backoff }
}

fn kind(policy: Policy, handler: impl Handler + 'static) -> Kind {
    Kind { name: "test", policy, handler: Arc::new(handler) }
}

/// A queue that runs.
struct House {
    queue: Queue,
    database: Database,
    events: Events,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
    folder: TempDir,
}

impl House {
    fn new(kind: Kind) -> Self {
        Self::within(TempDir::new().unwrap(), kind)
    }

    fn within(folder: TempDir, kind: Kind) -> Self {
        let database = Database::open(folder.path()).unwrap();
        let bus = Bus::new();
        let events = bus.subscribe();
        let queue = Queue::new(database.clone(), bus, vec![kind]);
        let (runner, stop) = (queue.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let running = tokio::spawn(async move { runner.run(stopped).await });
        Self { queue, database, events, stop, running, folder }
    }

    async fn add(&self, args: Value, priority: Priority) -> JobId {
        let new = NewJob { kind: "test", args, priority, unique_key: None, owner: "command".into() };
        self.queue.add(new).await.unwrap().into_job().id
    }

    /// The name of the state of the job whose attempt ends next, or that is cancelled.
    async fn next_end(&mut self) -> (i64, &'static str) {
        let next = async {
            loop {
                if let Some(Event::JobEnded { job, state, .. }) = self.events.next().await {
                    return (job, state);
                }
            }
        };
        tokio::time::timeout(SOON, next).await.expect("an attempt ends")
    }

    /// Stops it as the server does, and returns what it leaves.
    async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
        self.database.close().await;
        self.folder
    }
}

#[tokio::test]
async fn a_job_completes_with_its_result() {
    let echo = |context: Context| async move { Ok(json!({ "got": context.args })) };
    let mut house = House::new(kind(policy(1), echo));
    let id = house.add(json!(7), Priority::Normal).await;
    assert_eq!(house.next_end().await, (id.0, "completed"));
    let job = house.queue.get(id).await.unwrap();
    assert!(matches!(job.state, State::Completed { result, .. } if result == json!({ "got": 7 })));
    assert_eq!(house.queue.get(JobId(99)).await, Err(Refusal::Unknown(JobId(99))));
    house.stop().await;
}

#[tokio::test]
async fn no_more_run_at_once_than_may_and_urgent_ones_go_first() {
    let (gate, order) = (Arc::new(Semaphore::new(0)), Arc::new(std::sync::Mutex::new(Vec::new())));
    let now = Arc::new(AtomicUsize::new(0));
    let (of_handler, seen) = (Arc::clone(&gate), Arc::clone(&order));
    let handler = move |context: Context| {
        let (gate, order, now) = (Arc::clone(&of_handler), Arc::clone(&seen), Arc::clone(&now));
        async move {
            assert!(now.fetch_add(1, Ordering::SeqCst) < 2, "two may run");
            order.lock().unwrap().push(context.args);
            gate.acquire().await.unwrap().forget();
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(json!(null))
        }
    };
    let mut house = House::new(kind(policy(2), handler));
    // Added while nothing may begin, so that the order is theirs.
    house.queue.pause("test").await.unwrap();
    for (args, priority) in [
        (1, Priority::Background),
        (2, Priority::Normal),
        (3, Priority::Interactive),
        (4, Priority::Normal),
        (5, Priority::Interactive),
    ] {
        house.add(json!(args), priority).await;
    }
    let report = house.queue.resume("test").await.unwrap();
    assert_eq!((report.is_paused, report.concurrency), (false, 2));
    gate.add_permits(5);
    for _ in 0..5 {
        assert_eq!(house.next_end().await.1, "completed");
    }
    // Two begin at the same time, in any order.
    let mut order = order.lock().unwrap().clone();
    order[..2].sort_by_key(Value::as_i64);
    order[2..4].sort_by_key(Value::as_i64);
    assert_eq!(order, [3, 5, 2, 4, 1].map(|n: i32| json!(n)));
    house.stop().await;
}

#[tokio::test]
async fn a_failure_is_tried_again_unless_it_lasts() {
    let handler = |context: Context| async move {
        match (context.args.as_str(), context.attempt) {
            (Some("panics"), 1) => panic!("on purpose"),
            (Some("lasts"), _) => Err(Failure::lasting("never")),
            (Some("fails"), _) => Err(Failure::retryable("not now")),
            (_, 1 | 2) => Err(Failure::retryable("not yet")),
            _ => Ok(json!(null)),
        }
    };
    let mut house = House::new(kind(policy(1), handler));
    for (args, ends) in [
        ("recovers", ["delayed", "delayed", "completed"].as_slice()),
        ("fails", &["delayed", "delayed", "failed"]),
        ("lasts", &["failed"]),
        ("panics", &["delayed", "delayed", "completed"]),
    ] {
        let id = house.add(json!(args), Priority::Normal).await;
        for end in ends {
            assert_eq!(house.next_end().await, (id.0, *end), "{args}");
        }
    }
    let jobs = house.queue.list(Filter::default(), 9).await.unwrap();
    assert_eq!(jobs[1].error.as_deref(), Some("never"));
    assert_eq!(jobs[2].error.as_deref(), Some("not now"));
    house.stop().await;
}

#[tokio::test]
async fn a_job_that_runs_is_cancelled_at_once_and_one_that_waits_never_begins() {
    let handler = |context: Context| async move {
        context.stopped().await;
        Err(Failure::retryable("stopped"))
    };
    let mut house = House::new(kind(policy(1), handler));
    let (running, waiting) =
        (house.add(json!(1), Priority::Normal).await, house.add(json!(2), Priority::Low).await);
    assert_eq!(house.queue.cancel(waiting).await.unwrap().state.name(), "cancelled");
    assert_eq!(house.next_end().await, (waiting.0, "cancelled"));
    while house.queue.progress().is_empty() {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    assert_eq!(house.queue.cancel(running).await.unwrap().state.name(), "cancelling");
    assert_eq!(house.next_end().await, (running.0, "cancelled"));
    assert!(began.elapsed() < Duration::from_secs(1));
    let late = house.queue.cancel(running).await;
    assert_eq!(late, Err(Refusal::Ended { id: running, state: "cancelled" }));
    house.stop().await;
}

#[tokio::test]
async fn a_job_that_was_cancelled_as_it_was_begun_is_stopped() {
    let house = House::new(kind(policy(1), |_: Context| async { Ok(json!(null)) }));
    let id = house.add(json!(1), Priority::Normal).await;
    let (job, board) = (house.queue.get(id).await.unwrap(), Board::default());
    house.stop().await;
    board.cancel(job.id);
    let place = board.enter(&job, "test");
    place.stopped().await;
    drop(place);
    // The next job of this number is another matter.
    assert!(board.enter(&job, "test").reason().is_none());
    board.close();
    assert!(board.enter(&job, "test").reason().is_some(), "the server stops");
}

#[tokio::test]
async fn an_attempt_has_a_deadline() {
    let handler = |context: Context| async move {
        context.stopped().await;
        Err(Failure::retryable("stopped"))
    };
    let policy = Policy { deadline: Duration::from_millis(30), max_failures: 1, ..policy(1) };
    let mut house = House::new(kind(policy, handler));
    let id = house.add(json!(1), Priority::Normal).await;
    assert_eq!(house.next_end().await, (id.0, "failed"));
    assert_eq!(house.queue.get(id).await.unwrap().error.as_deref(), Some("it took longer than 30ms"));
    house.stop().await;
}

#[tokio::test]
async fn a_job_runs_again_after_a_stop_and_a_pause_outlives_it() {
    let waits = |context: Context| async move {
        context.tell(0.5, "half");
        context.stopped().await;
        Err(Failure::retryable("stopped"))
    };
    let house = House::new(kind(policy(1), waits));
    let id = house.add(json!(1), Priority::Normal).await;
    while house.queue.progress().first().and_then(|progress| progress.fraction) != Some(0.5) {
        tokio::task::yield_now().await;
    }
    let folder = house.stop().await;

    let completes = |context: Context| async move { Ok(json!(context.attempt)) };
    let mut house = House::within(folder, kind(policy(1), completes));
    assert_eq!(house.next_end().await, (id.0, "completed"));
    let job = house.queue.get(id).await.unwrap();
    assert_eq!((job.attempts.begun, job.attempts.failed), (2, 0), "a stop is no failure");
    assert!(house.queue.pause("test").await.unwrap().is_paused);
    let folder = house.stop().await;

    let mut house = House::within(folder, kind(policy(1), completes));
    let id = house.add(json!(2), Priority::Normal).await;
    assert!(house.queue.report().await.unwrap()[0].is_paused);
    assert_eq!(house.queue.get(id).await.unwrap().state, State::Waiting);
    assert_eq!(house.queue.pause("other").await, Err(Refusal::UnknownKind("other".into())));
    house.queue.resume("test").await.unwrap();
    assert_eq!(house.next_end().await, (id.0, "completed"));
    house.stop().await;
}

#[tokio::test]
async fn too_many_waiting_jobs_and_too_long_ones_are_refused() {
    let house = House::new(kind(policy(1), |_: Context| async { Ok(json!(null)) }));
    let new = |args| NewJob {
        kind: "test",
        args,
        priority: Priority::Normal,
        unique_key: None,
        owner: "command".into(),
    };
    let long = house.queue.add(new(json!("x".repeat(MAX_ARGS)))).await;
    assert_eq!(long, Err(Refusal::TooLong { limit: MAX_ARGS }));
    let full = |added: &Result<_, _>| matches!(added, Err(Refusal::Full));
    // The count may be taken anew in between.
    let refused = loop {
        house.queue.0.counters.waiting.store(MAX_WAITING, Ordering::Relaxed);
        let added = house.queue.add(new(json!(1))).await;
        if full(&added) {
            break house.queue.refused();
        }
    };
    assert_eq!(refused, 1);
    house.stop().await;
}

#[tokio::test]
async fn without_a_database_there_are_no_jobs() {
    let database = Database::off("none is needed".into());
    let queue = Queue::new(database, Bus::new(), Vec::new());
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (queue, stop) = (queue.clone(), stop.clone());
        async move { queue.run(stop).await }
    });
    assert!(matches!(queue.list(Filter::default(), 1).await, Err(Refusal::Database(_))));
    stop.cancel();
    running.await.unwrap().unwrap();
}
