//! How far an import is: in a terminal, as events, and how it is ended.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{self, Request};
use forebay_testkit::origin::{Behaviour, Origin};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::playlists::{ask, listed, read};
use crate::program::{Finished, Setup};
use crate::relay::Relay;

/// Enough for anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// A list of one channel and two megabytes, which come within two seconds.
fn long_list() -> Behaviour {
    let comments = "# nothing of interest\n".repeat(2_000_000 / 22);
    let list = format!("#EXTM3U\n{comments}#EXTINF:-1,One\nhttp://203.0.113.7/1.ts\n");
    Behaviour::body("audio/x-mpegurl", list).slowly(1_000_000)
}

/// Adds a playlist at this address, and waits until it is being read.
async fn begin(address: SocketAddr, url: &str) {
    let made = json!({ "name": "A", "url": url });
    assert_eq!(ask(address, "POST", "/api/playlists", Some(made)).await.status, 201);
    let wait = async {
        while ask(address, "GET", "/api/playlists/1", None).await.json()["state"]["progress"].is_null() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wait).await.expect("it is read at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_how_far_a_reading_is_until_it_is_over() {
    let origin = Origin::start().await;
    origin.serve("/list.m3u", long_list());
    let relay = Relay::start("allow_private_sources = true\n");
    let address = relay.address();
    begin(address, &origin.url("/list.m3u")).await;
    let answer = client::get(address, "/api/playlists/1/progress").await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("text/event-stream")));
    let mut told: Vec<(String, Value)> = Vec::new();
    for event in answer.text().split("\n\n").filter(|event| !event.is_empty()) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).expect("it has one");
        let data = serde_json::from_str(field("data: ")).expect("it is JSON");
        told.push((field("event: ").to_owned(), data));
    }
    let (last, progress) = told.split_last().expect("there are events");
    assert_eq!((&*last.0, &last.1["state"]["summary"]["added"]), ("done", &json!(1)));
    assert!(progress.len() > 1 && progress.iter().all(|(name, _)| name == "progress"), "{told:?}");
    let bytes: Vec<u64> = progress.iter().filter_map(|(_, data)| data["bytes"].as_u64()).collect();
    assert!(bytes.is_sorted() && bytes.first() < bytes.last(), "{bytes:?}");
    assert!(progress.iter().any(|(_, data)| data["length"].as_u64() > Some(2_000_000)), "{told:?}");
    // Of what is not being read, there is the end only.
    let text = client::get(address, "/api/playlists/1/progress").await.text();
    assert!(text.starts_with("event: done\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_is_cancelled_ends_at_once_and_changes_nothing() {
    let origin = Origin::start().await;
    // It says nothing, and would for a minute.
    origin.serve("/list.m3u", Behaviour::body("audio/x-mpegurl", "").answer_after(Duration::from_mins(1)));
    let relay = Relay::start("allow_private_sources = true\n");
    let address = relay.address();
    begin(address, &origin.url("/list.m3u")).await;
    assert_eq!(ask(address, "DELETE", "/api/playlists/1/refresh", None).await.status, 204);
    let playlist = timeout(SOON, read(address, "/api/playlists/1")).await.expect("it ends at once");
    let error = playlist["state"]["error"].as_str().expect("it was not read");
    assert!(error.contains("it was cancelled"), "{error}");
    origin.wait_connections("/list.m3u", 0, SOON).await;
    assert_eq!(listed(address).await, [""; 0]);
    let again = ask(address, "DELETE", "/api/playlists/1/refresh", None).await;
    assert_eq!((again.status, &again.json()["error"]["code"]), (409, &json!("nothing_to_do")));

    // One in the middle of its list, too.
    origin.serve("/list.m3u", long_list().slowly(1000));
    ask(address, "POST", "/api/playlists/1/refresh", None).await;
    let wait = async {
        while ask(address, "GET", "/api/playlists/1", None).await.json()["state"]["progress"]["bytes"]
            .as_u64()
            < Some(1)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wait).await.expect("it comes");
    assert_eq!(ask(address, "DELETE", "/api/playlists/1/refresh", None).await.status, 204);
    origin.wait_connections("/list.m3u", 0, SOON).await;
    assert_eq!(listed(address).await, [""; 0]);
}

/// Whether what a terminal shows has the bar of a list of two megabytes, and in the end the result.
fn assert_bar(finished: &Finished) {
    let text = &finished.output;
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert!(text.contains("\r\u{1b}[K[#") && text.contains("] 1 of 2 MB"), "{text:?}");
    assert!(text.contains("1 channels: 1 new, 0 changed, 0 missing"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_a_bar() {
    let origin = Origin::start().await;
    origin.serve("/list.m3u", long_list());
    let url = origin.url("/list.m3u");
    let setup = || Setup::with_config("").arg("import");
    let Some(alone) = setup().in_terminal() else {
        println!("left out: there is no program \"script\"");
        return;
    };
    assert_bar(&alone.arg(&url).run().await);

    // Beside a Forebay that runs, and does the work.
    let program = Setup::new("").start().await;
    let config = program.folder().join("channels.toml");
    let here = program.address().to_string();
    let words = ["--config", config.to_str().expect("a plain path"), "--listen", &here, &url];
    let beside = words.iter().fold(setup(), |setup, word| setup.arg(word));
    assert_bar(&beside.in_terminal().expect("it was there").run().await);
    let list = Request::get(program.address(), "/playlist.m3u").send().await.expect("it answers").text();
    assert!(list.contains(",One\n"), "{list}");
}
