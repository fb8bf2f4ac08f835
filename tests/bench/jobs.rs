//! How many jobs a second the queue takes up and completes, each of them on the disk.
//!
//! `cargo bench --bench jobs`

#![allow(clippy::print_stdout, reason = "measured numbers are told")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay::db::Database;
use forebay::db::jobs::NewJob;
use forebay::jobs::{Context, Failure, Kind, Queue};
use forebay_core::jobs::{Backoff, Policy, Priority};
use forebay_relay::events::Bus;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 3;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for (workers, jobs) in [(128, 40_000), (16, 20_000), (1, 3_000)] {
        let mut rates: Vec<u32> = (0..ROUNDS).map(|_| runtime.block_on(round(workers, jobs))).collect();
        rates.sort_unstable();
        println!(
            "{workers:>4} workers: {:>6} jobs/s added and completed (median of {ROUNDS})",
            rates[ROUNDS / 2]
        );
    }
}

/// Jobs a second, with as many who add jobs as workers.
async fn round(workers: usize, jobs: u32) -> u32 {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("there is room");
    let database = Database::open(folder.path()).expect("it can be made");
    let done = Arc::new(Semaphore::new(0));
    let count = Arc::clone(&done);
    let handler = move |_: Context| {
        count.add_permits(1);
        async { Ok::<Value, Failure>(json!(null)) }
    };
    let policy = Policy {
        concurrency: workers,
        deadline: Duration::from_mins(1),
        max_failures: 3,
        backoff: Backoff::default(),
    };
    let kind = Kind { name: "bench", policy, handler: Arc::new(handler) };
    let queue = Queue::new(database.clone(), Bus::new(), vec![kind]);
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (queue, stop) = (queue.clone(), stop.clone());
        async move { queue.run(stop).await }
    });
    let began = Instant::now();
    let each = jobs / u32::try_from(workers).expect("few");
    join_all((0..workers).map(|_| add(queue.clone(), each))).await;
    let all = each * u32::try_from(workers).expect("few");
    let _ = done.acquire_many(all).await.expect("nobody closes it");
    let took = began.elapsed();
    stop.cancel();
    running.await.expect("it does not panic").expect("the database works");
    database.close().await;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of jobs is small")]
    let rate = (f64::from(all) / took.as_secs_f64()) as u32;
    rate
}

async fn add(queue: Queue, jobs: u32) {
    for n in 0..jobs {
        let new = NewJob {
            kind: "bench",
            args: json!({ "n": n }),
            priority: Priority::Normal,
            unique_key: None,
            owner: "command".into(),
        };
        queue.add(new).await.expect("there is room");
    }
}
