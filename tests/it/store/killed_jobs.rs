//! The process is killed while it runs jobs: none that was answered is lost, and none runs twice in
//! one life.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use forebay::db::Database;
use forebay::db::jobs::{self as rows, JobId, NewJob, State};
use forebay::jobs::{Context, Failure, Kind, Queue};
use forebay_core::jobs::{Backoff, Policy, Priority};
use forebay_relay::events::{Bus, Event};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{integrity, processes};

const ADDERS: usize = 20;

/// Longer than a transaction takes.
const LONGEST_LIFE_US: u64 = 60_000;

#[tokio::test(flavor = "multi_thread")]
async fn ten_instants() {
    kill(10).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes half a minute: make test-long"]
async fn a_hundred_instants() {
    kill(100).await;
}

/// Everything that all lives have acknowledged so far.
#[derive(Debug, Default)]
struct Told {
    added: HashSet<i64>,
    ended: HashSet<i64>,
    /// Attempts that were begun when another life had been interrupted.
    again: usize,
}

impl Told {
    /// Reads what one life has told: `added ID`, `began ID`, `ended ID`.
    fn read(&mut self, text: &str) {
        let mut begun: HashMap<i64, u32> = HashMap::new();
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let numbers = lines.filter_map(|(word, id)| Some((word, id.parse::<i64>().ok()?)));
        for (word, id) in numbers {
            if word.ends_with("added") {
                self.added.insert(id);
            } else if word.ends_with("began") {
                assert!(!self.ended.contains(&id), "job {id} had ended, and ran again");
                *begun.entry(id).or_default() += 1;
            } else if word.ends_with("ended") {
                self.ended.insert(id);
            }
        }
        self.again += begun.keys().filter(|id| self.added.contains(id)).count();
        assert!(begun.values().all(|times| *times == 1), "a job ran twice in one life: {begun:?}");
    }
}

async fn kill(rounds: u32) {
    let folder = tempfile::tempdir().expect("there is room");
    let (mut told, mut random) = (Told::default(), 7_u64);
    for round in 0..rounds {
        // A generator that is good enough to be somewhere else each time.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let life = Duration::from_micros((random >> 33) % LONGEST_LIFE_US);
        told.read(&live_and_die(folder.path(), life));
        let database = Database::open(folder.path()).expect("what was killed can be opened");
        assert_eq!(integrity(&database).await, "ok", "round {round}");
        database.close().await;
    }
    finish(folder.path(), &told).await;
    println!("{} jobs were answered, {} had ended before the last life", told.added.len(), told.ended.len());
    assert!(told.ended.len() > 50, "the workers did not get far: {told:?}");
}

/// Runs what is left, and looks for every job that was answered.
async fn finish(folder: &Path, told: &Told) {
    let database = Database::open(folder).expect("what was killed can be opened");
    for id in &told.ended {
        let id = JobId(*id);
        let job = database.read(move |connection| rows::get(connection, id)).await.expect("it can be read");
        let state = job.expect("it was answered").state;
        assert!(matches!(state, State::Completed { .. }), "{id:?} had ended, and is {state:?}");
    }
    let queue = queue(&database, Bus::new());
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (queue, stop) = (queue.clone(), stop.clone());
        async move { queue.run(stop).await }
    });
    for id in &told.added {
        while !queue.get(JobId(*id)).await.expect("it was answered").state.has_ended() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    stop.cancel();
    running.await.expect("it does not panic").expect("the database works");
    database.close().await;
}

/// A queue whose jobs tell that they have begun, and take a moment.
fn queue(database: &Database, events: Bus) -> Queue {
    let handler = |context: Context| async move {
        println!("began {}", context.job.0);
        tokio::time::sleep(Duration::from_micros(500)).await;
        Ok::<_, Failure>(json!(null))
    };
    let policy = Policy {
        concurrency: 16,
        deadline: Duration::from_mins(1),
        max_failures: 3,
        backoff: Backoff::default(),
    };
    Queue::new(database.clone(), events, vec![Kind { name: "test", policy, handler: Arc::new(handler) }])
}

/// What one life has told.
fn live_and_die(folder: &Path, life: Duration) -> String {
    let mut process = processes::process(&[], "store::killed_jobs::workers", folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be run once more");
    let mut lines = BufReader::new(process.stdout.take().expect("it was asked for"));
    let mut text = String::new();
    // From the first end on it is in full swing.
    while !text.contains("ended ") && lines.read_line(&mut text).expect("it is text") > 0 {}
    std::thread::sleep(life);
    process.kill().expect("it is ours");
    process.wait().expect("it is ours");
    lines.read_to_string(&mut text).expect("it is text");
    // The last line may be half of one.
    text.rsplit_once('\n').map_or_else(String::new, |(whole, _)| whole.to_owned())
}

/// Adds and runs jobs until it is killed, and tells each answer.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process that other tests start"]
async fn workers() {
    let Some(folder) = processes::folder() else { return };
    let database = Database::open(&folder).expect("the last one is dead");
    let bus = Bus::new();
    let mut events = bus.subscribe();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let Event::JobEnded { job, .. } = event {
                println!("ended {job}");
            }
        }
    });
    let queue = queue(&database, bus);
    let adders = (0..ADDERS).map(|_| {
        let queue = queue.clone();
        tokio::spawn(async move {
            loop {
                let new = NewJob {
                    kind: "test",
                    args: json!(null),
                    priority: Priority::Normal,
                    unique_key: None,
                    owner: "command".into(),
                };
                let added = queue.add(new).await.expect("there is room");
                println!("added {}", added.into_job().id.0);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    });
    let adders: Vec<_> = adders.collect();
    queue.run(CancellationToken::new()).await.expect("the database works");
    drop(adders);
}
