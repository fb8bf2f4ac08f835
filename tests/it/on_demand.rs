//! On demand: one upstream however many watch, none when nobody does, and what viewers and machines are told meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{self, Ended, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::PACKET_SIZE;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::relay::{Relay, channel, refusing};

/// Enough for anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(3);

const MILLISECOND: Duration = Duration::from_millis(1);

fn clip() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac))
}

/// Asks for a channel and waits for the head of the answer, in a task of its own.
fn ask(address: SocketAddr, path: &'static str) -> JoinHandle<(Instant, Viewer)> {
    tokio::spawn(async move {
        let asked = Instant::now();
        (asked, Viewer::get(address, path).await)
    })
}

/// The answers of tasks that have asked.
async fn answers(tasks: Vec<JoinHandle<(Instant, Viewer)>>) -> (Vec<Instant>, Vec<Viewer>) {
    join_all(tasks).await.into_iter().map(|task| task.expect("asking does not panic")).unzip()
}

async fn total_streams(relay: &Relay) -> Value {
    client::get_json(relay.address(), "/api/streams/status").await.1["total_streams"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_viewers_of_a_cold_channel_share_one_upstream_until_the_last_has_left() {
    const LINGER: Duration = Duration::from_millis(1500);
    const ANSWERS_AFTER: Duration = Duration::from_millis(500);
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip().answer_after(ANSWERS_AFTER));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "idle_timeout = \"1500ms\"");
    let (asked, mut viewers) = answers((0..200).map(|_| ask(relay.address(), "/stream/one")).collect()).await;
    let (first, last) = (asked.iter().min().unwrap(), asked.iter().max().unwrap());
    println!("200 viewers within {} ms", (*last - *first).as_millis());
    let answered = origin.requests_for("/a.ts")[0].at + ANSWERS_AFTER;
    assert!(*last < answered, "all came while the channel was cold: the last {:?} late", *last - answered);
    for bytes in join_all(viewers.iter_mut().map(|viewer| viewer.read_until(50 * PACKET_SIZE))).await {
        assert!(
            bytes.len() >= 50 * PACKET_SIZE && bytes.starts_with(&[0x47, 0x40, 0]),
            "it begins with a PAT"
        );
    }
    assert!(viewers.iter().all(|viewer| viewer.status() == 200));
    assert_eq!((origin.connections("/a.ts"), origin.opened("/a.ts")), (1, 1));

    let mut last = viewers.pop().unwrap();
    drop(viewers);
    relay.wait_status("one", SOON, |status| status["clients"] == 1).await;
    last.read_for(LINGER + 500 * MILLISECOND).await;
    assert_eq!((origin.connections("/a.ts"), last.ended()), (1, None), "one viewer is enough");

    let left = Instant::now();
    drop(last);
    origin.wait_connections("/a.ts", 0, LINGER + SOON).await;
    let lingered = left.elapsed();
    println!("closed {} ms after the last had left", lingered.as_millis());
    assert!(lingered >= LINGER, "it was open until just before the time: {lingered:?}");
    assert!(lingered < LINGER + 1000 * MILLISECOND, "it was closed at the time: {lingered:?}");
    assert_eq!(origin.opened("/a.ts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_comes_back_during_the_linger_finds_the_channel_open() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "idle_timeout = \"1s\"");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    viewer.read_until(PACKET_SIZE).await;
    drop(viewer);
    let status = relay.wait_status("one", SOON, |status| status["state"] == "stopping").await;
    assert_eq!((&status["clients"], &status["active"]), (&json!(0), &json!(true)), "{status}");

    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    assert!(viewer.first_byte_after().is_none_or(|after| after < 500 * MILLISECOND), "it is warm");
    relay.wait_status("one", SOON, |status| status["state"] == "active").await;
    viewer.read_for(1500 * MILLISECOND).await;
    assert_eq!((origin.connections("/a.ts"), origin.opened("/a.ts"), viewer.ended()), (1, 1, None));
    drop(viewer);
    origin.wait_connections("/a.ts", 0, SOON).await;
    assert_eq!(origin.opened("/a.ts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_opens_nothing() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "number = 7");
    for path in ["/stream/one", "/stream/one.ts", "/api/proxy/channel/one", "/api/proxy/channel/7"] {
        let answer = Request::new("HEAD", relay.address(), path).send().await.unwrap();
        assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("video/mp2t")), "{path}");
        assert_eq!(
            answer.header("Content-Length"),
            None,
            "{path}: a length of 0 is an empty file to players"
        );
        assert_eq!(relay.status("one").await["state"], "idle", "{path}");
    }
    for path in ["/stream/none", "/api/proxy/channel/8"] {
        assert_eq!(Request::new("HEAD", relay.address(), path).send().await.unwrap().status, 404, "{path}");
    }
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    viewer.read_until(PACKET_SIZE).await;
    assert_eq!(origin.opened("/a.ts"), 1, "only GET has opened it");
    assert_eq!(relay.status("one").await["clients_total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_ask_for_a_channel_leads_to_the_same_upstream() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "number = 7");
    let get = |path| Request::get(relay.address(), path);
    let mut viewers = Vec::new();
    for request in [
        get("/stream/one"),
        get("/stream/one.ts"),
        get("//stream//one"),
        get("/stream/one?x=1"),
        get("/api/proxy/channel/one"),
        get("/api/proxy/channel/7"),
        get("/stream/one").header("Range", "bytes=0-"),
        get("/stream/one").http10(),
    ] {
        let mut viewer = request.open().await.unwrap();
        assert_eq!(
            (viewer.status(), viewer.header("Content-Type")),
            (200, Some("video/mp2t")),
            "{request:?}"
        );
        assert_eq!((viewer.header("Accept-Ranges"), viewer.header("Content-Length")), (None, None));
        assert!(viewer.read_until(PACKET_SIZE).await.starts_with(&[0x47, 0x40, 0]), "{request:?}");
        viewers.push(viewer);
    }
    assert_eq!(relay.status("one").await["clients"], viewers.len());
    assert_eq!(origin.opened("/a.ts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_who_leave_during_the_start_leave_no_upstream_behind() {
    let origin = Origin::start().await;
    origin
        .serve("/slow.ts", clip().answer_after(1000 * MILLISECOND))
        .serve("/silent.ts", clip().answer_after(60 * SOON));
    // One channel is closed before its source answers, the other after.
    let before = channel("before", &[origin.url("/silent.ts")], "idle_timeout = \"200ms\"");
    let after = channel("after", &[origin.url("/slow.ts")], "idle_timeout = \"1500ms\"");
    let relay = Relay::start(&(before + &after));
    for (id, path, source) in
        [("before", "/stream/before", "/silent.ts"), ("after", "/stream/after", "/slow.ts")]
    {
        let waiting: Vec<_> = (0..20).map(|_| ask(relay.address(), path)).collect();
        relay.wait_status(id, SOON, |status| status["clients"] == 20 && status["state"] == "starting").await;
        origin.wait_opened(source, 1, SOON).await;
        waiting.iter().for_each(JoinHandle::abort);
        relay.wait_status(id, SOON, |status| status["clients"] == 0 && status["state"] == "stopping").await;
    }
    for (id, path) in [("before", "/silent.ts"), ("after", "/slow.ts")] {
        origin.wait_connections(path, 0, SOON).await;
        relay.wait_status(id, SOON, |status| status["state"] == "idle").await;
        assert_eq!(origin.opened(path), 1, "{path}");
    }
    assert_eq!(total_streams(&relay).await, 0);
    // And nothing of it stands in the way of the next.
    let mut viewer = Viewer::get(relay.address(), "/stream/after").await;
    assert_eq!(viewer.status(), 200);
    viewer.read_until(PACKET_SIZE).await;
    assert_eq!(origin.opened("/slow.ts"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_whose_network_is_gone_has_left() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "idle_timeout = \"300ms\"");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    viewer.read_until(PACKET_SIZE).await;
    viewer.reset();
    origin.wait_connections("/a.ts", 0, SOON).await;
    relay.wait_status("one", SOON, |status| status["state"] == "idle").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_who_come_while_the_source_is_opened_share_the_attempt() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip().answer_after(700 * MILLISECOND));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "");
    let mut waiting = vec![ask(relay.address(), "/stream/one")];
    origin.wait_opened("/a.ts", 1, SOON).await;
    waiting.extend((0..10).map(|_| ask(relay.address(), "/stream/one")));
    relay.wait_status("one", SOON, |status| status["clients"] == 11 && status["state"] == "starting").await;
    let (_, viewers) = answers(waiting).await;
    assert!(viewers.iter().all(|viewer| viewer.status() == 200));
    assert_eq!(origin.opened("/a.ts"), 1);
    assert_eq!(relay.status("one").await["upstream_connections_opened"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_of_an_attempt_that_fails_share_its_deadline_and_the_next_one_tries_again() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip().answer_after(60 * SOON));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "start_timeout = \"1500ms\"");
    let began = Instant::now();
    let first = ask(relay.address(), "/stream/one");
    // Late on purpose: the deadline is the first one's.
    tokio::time::sleep(800 * MILLISECOND).await;
    let second = ask(relay.address(), "/stream/one");
    let (_, viewers) = answers(vec![first, second]).await;
    let waited = began.elapsed();
    assert_eq!([503, 503], [viewers[0].status(), viewers[1].status()]);
    assert!((1500 * MILLISECOND..2200 * MILLISECOND).contains(&waited), "they waited {waited:?}");
    assert_eq!(origin.opened("/a.ts"), 1);
    origin.wait_connections("/a.ts", 0, SOON).await;
    origin.serve("/a.ts", clip());
    assert_eq!(Viewer::get(relay.address(), "/stream/one").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_channels_are_two_upstreams() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let source = [origin.url("/a.ts")];
    let relay = Relay::start(&(channel("one", &source, "") + &channel("two", &source, "")));
    let mut viewers = Vec::new();
    for path in ["/stream/one", "/stream/two", "/stream/one", "/stream/two"] {
        viewers.push(Viewer::get(relay.address(), path).await);
    }
    assert_eq!((origin.connections("/a.ts"), origin.opened("/a.ts")), (2, 2), "even from the same address");
    assert_eq!(total_streams(&relay).await, 2);
    viewers.retain_mut(|viewer| viewer.ended().is_none());
    assert_eq!(viewers.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_idle_then_starting_then_active_then_stopping_and_idle_again() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip().answer_after(500 * MILLISECOND));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "idle_timeout = \"500ms\"");
    let (_, all) = client::get_json(relay.address(), "/api/streams/status").await;
    assert_eq!((&all["total_streams"], &all["streams"]), (&json!(0), &json!([])));
    assert_eq!(
        (&all["server"]["viewers"], &all["server"]["connections"]["now"]),
        (&json!(0), &json!(1)),
        "{all}"
    );
    let status = relay.status("one").await;
    assert_eq!((&status["state"], &status["active"]), (&json!("idle"), &json!(false)), "{status}");

    let viewer = ask(relay.address(), "/stream/one");
    let status = relay.wait_status("one", SOON, |status| status["state"] == "starting").await;
    assert_eq!((&status["active"], &status["clients"]), (&json!(false), &json!(1)), "{status}");
    let (_, viewer) = viewer.await.unwrap();
    let status = relay.wait_status("one", SOON, |status| status["state"] == "active").await;
    assert_eq!((&status["active"], &status["source_live"]), (&json!(true), &json!(true)), "{status}");
    drop(viewer);
    let status = relay.wait_status("one", SOON, |status| status["state"] == "stopping").await;
    assert_eq!((&status["active"], &status["clients"]), (&json!(true), &json!(0)), "{status}");
    let status = relay.wait_status("one", SOON, |status| status["state"] == "idle").await;
    assert_eq!((&status["active"], &status["source_url"]), (&json!(false), &json!(null)), "{status}");
    assert_eq!(total_streams(&relay).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_document_keeps_its_contract() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let address = origin.address();
    let source = format!("http://joe:hunter2@{address}/a.ts?token=s3cret");
    let relay = Relay::with_sources(&[source], "name = \"One\"\nnumber = 7");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    let got = viewer.read_for(2500 * MILLISECOND).await.len();
    let (code, all) = client::get_json(relay.address(), "/api/streams/status").await;
    assert_eq!((code, &all["total_streams"]), (200, &json!(1)), "{all}");
    let stream = &all["streams"][0];
    let number = |key: &str| stream[key].as_f64().unwrap_or_else(|| panic!("{key} is no number: {stream}"));
    // The names and types that others have built on.
    assert_eq!(stream["id"], "one");
    assert_eq!(stream["active"], true);
    assert_eq!(stream["clients"].as_u64(), Some(1), "{stream}");
    assert_eq!(stream["source_url"], format!("http://{address}"), "a path may hold a password");
    let (_, whole) = client::get_json(relay.address(), "/api/streams/status?urls=full").await;
    assert_eq!(whole["streams"][0]["source_url"], format!("http://{address}/a.ts?token=***"), "to an admin");
    let (_, whole) = client::get_json(relay.address(), "/api/streams/one/status?urls=full").await;
    assert_eq!(whole["sources"][0]["url"], format!("http://{address}/a.ts?token=***"), "to an admin");
    let stranger = Request::get(relay.address(), "/api/streams/one/status?urls=full").header("Via", "1.1 p");
    let told = stranger.send().await.unwrap().json();
    assert_eq!(told["sources"][0]["url"], stream["source_url"], "to nobody else");
    assert!(stream["uptime_seconds"].is_f64() && (2.0..60.0).contains(&number("uptime_seconds")), "{stream}");
    assert!(stream["bytes_streamed"].as_u64().is_some_and(|sent| sent >= got as u64), "{got}: {stream}");
    let last_activity = stream["last_activity"].as_str().unwrap();
    let since = jiff::Timestamp::now().duration_since(last_activity.parse().unwrap());
    assert!(
        last_activity.len() == 20 && since.as_secs().abs() < 10,
        "now, as 2025-12-08T19:20:00Z: {stream}"
    );
    // What more it tells.
    assert_eq!(
        (&stream["name"], &stream["number"], &stream["state"]),
        (&json!("One"), &json!(7), &json!("active"))
    );
    assert!((500_000.0..3_000_000.0).contains(&number("bitrate")), "{stream}");
    assert_eq!(stream["upstream_connections_opened"], 1);
    assert_eq!(
        stream["sources"],
        json!([{
            "url": stream["source_url"], "last_error": null, "last_error_message": null, "hls": null,
            "score": 100, "cooldown_seconds": null, "pinned": false, "disabled": false,
        }])
    );
    assert_eq!(stream["streams"].as_array().map(Vec::len), Some(2), "picture and sound: {stream}");
    assert_eq!(stream["failovers"], json!({ "total": 0, "last": [] }));
    assert_eq!((&stream["source_standby"], &stream["faults"]), (&Value::Null, &json!({})));
    assert_eq!((&stream["keep_alives"], &all["providers"]), (&json!(0), &json!([])));
    assert_eq!(stream["slow_viewers"], json!({ "moved_on": 0, "bytes_missed": 0 }));
    assert_eq!((&stream["continuity_errors_in"], &stream["continuity_errors_out"]), (&json!(0), &json!(0)));
    assert!(stream["buffer"]["bytes"].as_u64().is_some_and(|bytes| bytes > 100_000), "{stream}");
    let one = relay.status("one").await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&one), keys(stream), "one channel's document is its entry in the list");
    let text = all.to_string() + &one.to_string();
    assert!(!["joe", "hunter2", "s3cret"].iter().any(|secret| text.contains(secret)), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_document_tells_what_the_process_has_and_what_it_needs() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let source = [origin.url("/a.ts")];
    let server = "max_connections = 20\nmax_bandwidth = \"100 Mbit/s\"\n";
    let channels = channel("one", &source, "buffer = \"3s\"") + &channel("two", &source, "buffer = \"3s\"");
    let relay = Relay::start(&(server.to_owned() + &channels));
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value} is no whole number"));
    let all = async || client::get_json(relay.address(), "/api/streams/status").await.1;
    let server = all().await["server"].clone();
    assert_eq!(server["bandwidth"], json!({ "now": 0, "limit": 100_000_000 }));
    assert_eq!(server["connections"], json!({ "now": 1, "limit": 20 }), "the one that asks");
    assert_eq!((&server["memory"]["stores"], &server["memory"]["engines"]), (&json!(0), &json!(0)));
    assert!(number(&server["file_descriptors"]["limit"]) >= 20, "{server}");
    assert_eq!(server["delivery"], json!({ "shortest_ms": 20, "longest_ms": 240 }));

    let paths = ["/stream/one", "/stream/one", "/stream/two"];
    let mut viewers = join_all(paths.map(|path| Viewer::get(relay.address(), path))).await;
    // The bit rate is taken every two seconds.
    join_all(viewers.iter_mut().map(|viewer| viewer.read_for(2500 * MILLISECOND))).await;
    let status = all().await;
    let (server, streams) = (&status["server"], status["streams"].as_array().unwrap());
    assert_eq!((&server["viewers"], &server["connections"]["now"]), (&json!(3), &json!(4)), "{status}");
    let sum = |of: &dyn Fn(&Value) -> u64| streams.iter().map(of).sum::<u64>();
    let bandwidth = sum(&|stream| number(&stream["bitrate"]) * number(&stream["clients"]));
    assert_eq!(server["bandwidth"]["now"], bandwidth, "{status}");
    assert!((1_500_000..9_000_000).contains(&bandwidth), "three times a good 1 Mbit/s: {bandwidth}");
    let memory = &server["memory"];
    assert!(number(&memory["process"]) > 1_000_000, "{status}");
    assert_eq!(memory["stores"], sum(&|stream| number(&stream["memory"]["store"])), "{status}");
    assert_eq!(memory["engines"], sum(&|stream| number(&stream["memory"]["engine"])), "{status}");
    for stream in streams {
        assert_eq!(stream["delivery"], json!({ "tick_ms": 20, "interval_ms": 20 }), "for few: {status}");
        let (store, window) = (number(&stream["memory"]["store"]), number(&stream["buffer"]["bytes"]));
        // Memory is freed in pieces of 256 KiB.
        assert!((window..window + 2 * 256 * 1024).contains(&store), "{store} bytes for {window}: {status}");
        assert!((1..10_000_000).contains(&number(&stream["memory"]["engine"])), "{status}");
    }
    drop(viewers);
    relay.wait_status("one", SOON, |status| status["clients"] == 0).await;
    relay.wait_status("two", SOON, |status| status["clients"] == 0).await;
    // It is made for all who ask within a while.
    let is_told = async {
        while all().await["server"]["viewers"] != 0 {
            tokio::time::sleep(20 * MILLISECOND).await;
        }
    };
    tokio::time::timeout(SOON, is_told).await.expect("it is told that nobody watches");
    assert_eq!(all().await["server"]["bandwidth"]["now"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_a_404_in_json() {
    let relay = Relay::with_sources(&["testcard://".into()], "number = 7");
    for (path, code) in [
        ("/stream/none", "unknown_channel"),
        ("/stream/none.ts", "unknown_channel"),
        ("/stream/7", "unknown_channel"),
        ("/stream/%22%3Cscript%3E", "unknown_channel"),
        ("/api/proxy/channel/none", "unknown_channel"),
        ("/api/proxy/channel/8", "unknown_channel"),
        ("/api/streams/none/status", "unknown_channel"),
        ("/nothing/here", "not_found"),
        ("/none", "not_found"),
    ] {
        let answer = client::get(relay.address(), path).await;
        let body = answer.json();
        assert_eq!((answer.status, &body["error"]["code"]), (404, &json!(code)), "{path}: {body}");
        assert!(
            body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()),
            "{path}: {body}"
        );
        assert_eq!(answer.header("Content-Type"), Some("application/json"), "{path}");
    }
    let answer = Request::new("POST", relay.address(), "/stream/one").send().await.unwrap();
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (405, &json!("method_not_allowed")));
    assert_eq!(total_streams(&relay).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_no_source_answers_the_answer_names_each_and_why() {
    let origin = Origin::start().await;
    origin
        .serve("/forbidden.ts", Behaviour::status(403, "text/plain", "too many connections"))
        .serve("/page.ts", Behaviour::body("text/html", "<html><title>Sorry</title></html>"))
        .serve("/closes.ts", Behaviour::refuse());
    let address = origin.address();
    let (_taken, refused) = refusing();
    let sources = [
        format!("http://joe:hunter2@{refused}/live.ts?token=s3cret"),
        format!("http://joe:hunter2@{address}/forbidden.ts"),
        format!("http://{address}/page.ts?password=s3cret"),
        format!("http://{address}/closes.ts"),
    ];
    let relay = Relay::with_sources(&sources, "start_timeout = \"1200ms\"");
    let began = Instant::now();
    let answer = client::get(relay.address(), "/stream/one").await;
    let waited = began.elapsed();
    assert!((1200 * MILLISECOND..2000 * MILLISECOND).contains(&waited), "it is said in time: {waited:?}");
    let body = answer.json();
    assert_eq!(answer.status, 503, "{body}");
    assert!(answer.header("Retry-After").is_some_and(|value| value.parse::<u32>().is_ok()), "{answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(body["error"]["code"], "no_source");
    let named: Vec<_> = body["error"]["sources"].as_array().unwrap().iter().collect();
    let expected = [
        (format!("http://{refused}"), "refused", "the connection was refused"),
        (format!("http://{address}"), "http_status", "the source answered HTTP 403"),
        (format!("http://{address}"), "not_transport_stream", "an HTML page"),
        (format!("http://{address}"), "broken", "the connection broke"),
    ];
    assert_eq!(named.len(), expected.len(), "{body}");
    for (source, (url, reason, message)) in named.into_iter().zip(expected) {
        assert_eq!((&source["url"], &source["reason"]), (&json!(url), &json!(reason)), "{body}");
        assert!(source["message"].as_str().is_some_and(|text| text.contains(message)), "{message}: {body}");
    }
    let text = answer.text();
    assert!(!["joe", "hunter2", "s3cret"].iter().any(|secret| text.contains(secret)), "{text}");
    relay.wait_status("one", SOON, |status| status["state"] == "idle").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_viewers_and_those_who_wait_and_closes_upstreams() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip()).serve("/slow.ts", clip().answer_after(60 * SOON));
    let one = channel("one", &[origin.url("/a.ts")], "");
    let slow = channel("slow", &[origin.url("/slow.ts")], "");
    let relay = Relay::start(&(one + &slow));
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    viewer.read_until(PACKET_SIZE).await;
    let waiting = ask(relay.address(), "/stream/slow");
    relay.wait_status("slow", SOON, |status| status["clients"] == 1).await;
    let stopped = async { tokio::join!(relay.stop(), viewer.read_to_end()) };
    let (in_time, rest) = tokio::time::timeout(3 * SOON, stopped).await.expect("the stream ends");
    assert!(in_time, "everything ends within the grace period");
    assert_eq!(viewer.ended(), Some(&Ended::Cleanly));
    assert_eq!(rest.len() % PACKET_SIZE, 0, "to the last packet");
    let (_, mut refused) = waiting.await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(String::from_utf8_lossy(&refused.read_to_end().await).contains("\"closing\""));
    origin.wait_connections("/a.ts", 0, SOON).await;
    origin.wait_connections("/slow.ts", 0, SOON).await;
}
