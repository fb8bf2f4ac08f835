//! The process is killed in the midst of writing: whatever was answered is there.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use forebay::db::{Database, relays};

use super::{all, card, integrity, processes};

const WRITERS: usize = 20;

/// Longer than a transaction takes.
const LONGEST_LIFE_US: u64 = 60_000;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_instants() {
    kill(20).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes half a minute: make test-long"]
async fn two_hundred_instants() {
    kill(200).await;
}

/// Starts writers in one folder and kills them, so many times.
async fn kill(rounds: u32) {
    let folder = tempfile::tempdir().expect("there is room");
    let (mut answered, mut random, mut most) = (HashSet::new(), 7_u64, 0);
    for round in 0..rounds {
        // A generator that is good enough to be somewhere else each time.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let life = Duration::from_micros((random >> 33) % LONGEST_LIFE_US);
        let told = live_and_die(folder.path(), round, life);
        most = most.max(told.len());
        answered.extend(told);

        let database = Database::open(folder.path()).expect("what was killed can be opened");
        assert_eq!(integrity(&database).await, "ok", "round {round}");
        let there: HashSet<String> =
            all(&database).await.into_iter().filter_map(|relay| relay.document.spec().id.clone()).collect();
        let lost: Vec<_> = answered.difference(&there).collect();
        assert!(lost.is_empty(), "round {round}, killed after {life:?}: {lost:?}");
        database.close().await;
    }
    println!("{} writes were answered, up to {most} in one life; all are there", answered.len());
    assert!(answered.len() > 100, "the writers did not get far: {}", answered.len());
}

/// What was answered in one life of the writers.
fn live_and_die(folder: &Path, round: u32, life: Duration) -> Vec<String> {
    let mut process = processes::process(&[], "store::killed::writers", folder)
        .env("STORE_TEST_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be run once more");
    let mut lines = BufReader::new(process.stdout.take().expect("it was asked for"));
    let mut text = String::new();
    // From the first answer on it is in full swing.
    while !text.contains("written ") && lines.read_line(&mut text).expect("it is text") > 0 {}
    std::thread::sleep(life);
    process.kill().expect("it is ours");
    process.wait().expect("it is ours");
    lines.read_to_string(&mut text).expect("it is text");
    // The last line may be half of one.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(|line| line.split_once("written ")).map(|(_, id)| id.to_owned()).collect()
}

/// Writes until it is killed, and tells each answer.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process that other tests start"]
async fn writers() {
    let (Some(folder), Ok(round)) = (processes::folder(), std::env::var("STORE_TEST_ROUND")) else { return };
    let database = Database::open(&folder).expect("the last one is dead");
    let writers = (0..WRITERS).map(|writer| {
        let (database, round) = (database.clone(), round.clone());
        tokio::spawn(async move {
            for number in 0_u64.. {
                let id = format!("r{round}-w{writer}-{number}");
                let document = card(&id);
                let written = database.write(move |connection| relays::insert(connection, &document)).await;
                written.expect("there is room");
                println!("written {id}");
            }
        })
    });
    futures_util::future::join_all(writers).await;
}
