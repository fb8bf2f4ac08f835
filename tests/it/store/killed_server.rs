//! The server is killed while its clients create, change and remove relays: whatever it has
//! answered is so when it starts again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay::db::Database;
use forebay_testkit::client::{self, Request};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::integrity;
use crate::program::{Program, Setup};

const WRITERS: usize = 20;

/// Some transactions.
const LONGEST_LIFE_MS: u64 = 120;

#[tokio::test(flavor = "multi_thread")]
async fn five_instants_of_a_server() {
    kill(5).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes minutes: make test-long"]
async fn two_hundred_instants_of_a_server() {
    kill(200).await;
}

/// What is known of a relay.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    /// It has this name.
    Named(String),
    Removed,
}

/// What was answered, by path, and what was asked for and not answered.
#[derive(Debug, Default)]
struct Ledger {
    answered: HashMap<String, Known>,
    open: HashMap<String, Known>,
    answers: usize,
}

impl Ledger {
    fn ask(&mut self, path: &str, known: Known) {
        self.open.insert(path.to_owned(), known);
    }

    fn answer(&mut self, path: &str) {
        let known = self.open.remove(path).expect("it was asked for");
        self.answered.insert(path.to_owned(), known);
        self.answers += 1;
    }

    /// Compares it with what there is; what was not answered may have been done.
    fn check(&mut self, there: &HashMap<String, String>) {
        let paths: HashSet<String> = self.answered.keys().chain(self.open.keys()).cloned().collect();
        for path in paths {
            let found = there.get(&path).map_or(Known::Removed, |name| Known::Named(name.clone()));
            let answered = self.answered.get(&path).cloned().unwrap_or(Known::Removed);
            let is_as_asked = self.open.get(&path) == Some(&found);
            assert!(found == answered || is_as_asked, "{path}: {found:?}, but {answered:?} was answered");
            self.answered.insert(path, found);
        }
        self.open.clear();
    }
}

async fn kill(rounds: u32) {
    let (mut ledger, mut random) = (Ledger::default(), 7_u64);
    let mut folder = None;
    for round in 0..rounds {
        let setup = folder.take().map_or_else(|| Setup::new(""), Setup::again);
        let program = setup.start().await;
        ledger.check(&relays(&program).await);
        // A generator that is good enough to be somewhere else each time.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let life = Duration::from_millis((random >> 33) % LONGEST_LIFE_MS);
        ledger = write_until_it_dies(&program, round, life, ledger).await;
        let (left, _) = program.wait_in_folder().await;
        let database = Database::open(&left.path().join("data")).expect("what was killed can be opened");
        assert_eq!(integrity(&database).await, "ok", "round {round}, killed after {life:?}");
        database.close().await;
        folder = Some(left);
    }
    let program = Setup::again(folder.expect("there was a round")).start().await;
    let there = relays(&program).await;
    ledger.check(&there);
    // Lists have them, and no others.
    let list = client::get(program.address(), "/playlist.m3u").await.text();
    let listed = list.lines().filter(|line| line.starts_with("http://")).count();
    assert_eq!(listed, there.len());
    println!("{} changes were answered and {} relays are there", ledger.answers, there.len());
    assert!(ledger.answers > 20 * rounds as usize / 5, "the writers did not get far: {}", ledger.answers);
}

/// Has writers at work from a first answer on for so long, and kills the server.
async fn write_until_it_dies(program: &Program, round: u32, life: Duration, ledger: Ledger) -> Ledger {
    let ledger = Arc::new(Mutex::new(ledger));
    let (first, mut begun) = tokio::sync::mpsc::channel::<()>(1);
    let token = program.admin_token();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (ledger, first, token) = (Arc::clone(&ledger), first.clone(), token.clone());
            let address = program.address();
            tokio::spawn(async move {
                let ask = async |method: &str, at: &str, path: &str, known: Known, body: Option<Value>| {
                    ledger.lock().expect("no writer panics").ask(path, known);
                    let request = Request::new(method, address, at).header("Authorization", &token);
                    let answer = body.iter().fold(request, Request::json).send().await.ok()?;
                    assert!(answer.status < 300, "{method} {at}: {}", answer.text());
                    ledger.lock().expect("no writer panics").answer(path);
                    let _ = first.try_send(());
                    Some(answer)
                };
                // Until the server is gone.
                for number in 0_u32.. {
                    let path = format!("r{round}-w{writer}-{number}");
                    let made = json!({ "output_path": path, "name": "made", "source_urls": ["testcard://"] });
                    let named = |name: &str| Known::Named(name.to_owned());
                    let answer = ask("POST", "/api/relays", &path, named("made"), Some(made)).await?;
                    let at = format!("/api/relays/{}", answer.json()["id"]);
                    let name = Some(json!({ "name": "changed" }));
                    ask("PATCH", &at, &path, named("changed"), name).await?;
                    if number % 2 == 0 {
                        ask("DELETE", &at, &path, Known::Removed, None).await?;
                    }
                }
                Some(())
            })
        })
        .collect();
    begun.recv().await;
    tokio::time::sleep(life).await;
    program.signal(Signal::KILL);
    for writer in writers {
        writer.await.expect("what is answered is a success");
    }
    Arc::into_inner(ledger).expect("no writer is left").into_inner().expect("no writer panics")
}

/// The names of all relays, by path.
async fn relays(program: &Program) -> HashMap<String, String> {
    let (mut all, mut after) = (HashMap::new(), 0);
    loop {
        let at = format!("/api/relays?limit=500&after={after}");
        let request = Request::get(program.address(), &at);
        let answer = request.header("Authorization", &program.admin_token()).send().await;
        let list = answer.expect("the program answers").json();
        let text = |relay: &Value, key: &str| relay[key].as_str().expect("a text").to_owned();
        let relays = list["relays"].as_array().expect("a list").iter();
        all.extend(relays.map(|relay| (text(relay, "output_path"), text(relay, "name"))));
        match list["next"].as_i64() {
            Some(next) => after = next,
            None => return all,
        }
    }
}
