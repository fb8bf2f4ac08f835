//! Pushes: a channel that is sent to an RTMP server, as the server sees it.

mod players;

use std::time::Duration;

use forebay_testkit::client::{self, Answer, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::rtmp::{AtPublish, Manner, Received, RtmpServer};
use forebay_testkit::wire::Wire;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// Enough for anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// How long a server may stand still before that is noticed, and how long it may be back before it
/// is published to; and as much again for a busy machine.
const NOTICED: Duration = Duration::from_secs(6);
const BACK: Duration = Duration::from_secs(2);

/// What a key is here; it must never be seen.
const KEY: &str = "hunter2-key";

fn push(url: &str, settings: &str) -> String {
    format!("[[pushes]]\nid = \"p\"\nchannel = \"one\"\nurl = {url:?}\nkey = {KEY:?}\n{settings}\n")
}

fn clip() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac))
}

/// A channel with one source that is well, and a push of it.
async fn pushed_to(url: &str) -> (Origin, Relay) {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let relay = Relay::start(&(channel("one", &[origin.url("/a.ts")], "") + &push(url, "")));
    (origin, relay)
}

async fn report(relay: &Relay) -> Value {
    let (status, body) = client::get_json(relay.address(), "/api/pushes/p").await;
    assert_eq!(status, 200, "{body}");
    assert!(!body.to_string().contains("hunter2"), "{body}");
    body
}

/// Waits until the push is as wanted, and says how long that took.
async fn wait_report(relay: &Relay, limit: Duration, wanted: impl Fn(&Value) -> bool) -> (Value, Duration) {
    let begun = Instant::now();
    let waiting = async {
        loop {
            let report = report(relay).await;
            if wanted(&report) {
                return report;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let Ok(found) = timeout(limit, waiting).await else {
        panic!("the push did not come to be so within {limit:?}: {}", report(relay).await)
    };
    (found, begun.elapsed())
}

async fn act(relay: &Relay, id: &str, body: &Value) -> Answer {
    let path = format!("/api/pushes/{id}");
    Request::new("POST", relay.address(), &path).json(body).send().await.expect("it answers")
}

/// Times must not go back, within pictures and within sound.
fn assert_rising(received: &[Received]) {
    for kind in [8, 9] {
        let of_kind = received.iter().filter(|message| message.kind == kind && !message.is_header());
        let times: Vec<u32> = of_kind.map(|message| message.time).collect();
        assert!(times.len() > 10, "{kind}: {}", times.len());
        let is_rising = times.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(is_rising, "{kind}: {times:?}");
    }
}

/// The longest time without a picture.
fn largest_gap(received: &[Received]) -> Duration {
    let pictures: Vec<Instant> =
        received.iter().filter(|message| message.kind == 9).map(|message| message.at).collect();
    pictures.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_nobody_watches_is_published_with_its_headers_first() {
    let server = RtmpServer::start(Manner::default()).await;
    let (origin, relay) = pushed_to(&server.url()).await;
    server.wait_received(200, SOON).await;
    let received = server.received();
    assert_eq!(received[0].kind, 18, "what the stream is like comes first");
    let first = |wanted: &dyn Fn(&Received) -> bool| received.iter().position(wanted).expect("it came");
    let header = first(&|message| message.kind == 9 && message.is_header());
    let picture = first(&|message| message.kind == 9 && !message.is_header());
    assert!(header < picture && received[picture].is_key() && received[picture].time == 0);
    let (header, sound) = (
        first(&|message| message.kind == 8 && message.is_header()),
        first(&|message| message.kind == 8 && !message.is_header()),
    );
    assert!(header < sound);
    assert_rising(&received);
    let took = received[picture].at - server.published()[0];
    println!("first picture {} ms after the server took the stream", took.as_millis());

    let report = report(&relay).await;
    assert_eq!((&report["state"], &report["connects"]), (&json!("publishing"), &json!(1)), "{report}");
    assert_eq!(report["url"], json!(format!("{}/…", server.url())));
    let status = relay.status("one").await;
    assert_eq!((&status["readers"]["push"], &status["clients"]), (&json!(1), &json!(0)), "{status}");
    let all = client::get_json(relay.address(), "/api/streams/status").await.1;
    assert_eq!(all["pushes"], json!([{ "channel": "one", "id": "p", "state": "publishing" }]));
    let metrics = client::get(relay.address(), "/metrics").await.text();
    assert!(metrics.contains("forebay_push_up{push=\"p\"} 1"), "{metrics}");

    assert!(relay.stop().await);
    let commands = server.commands();
    let names: Vec<&str> = commands.iter().map(|(_, name)| name.as_str()).collect();
    let expected =
        ["connect", "releaseStream", "FCPublish", "createStream", "publish", "FCUnpublish", "deleteStream"];
    assert_eq!(names, expected, "it ends in order");
    origin.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_dies_costs_no_connection() {
    let server = RtmpServer::start(Manner { acknowledges: true, ..Manner::default() }).await;
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip()).serve("/b.ts", clip().start_at(Duration::from_millis(7300)));
    let sources = [origin.url("/a.ts"), origin.url("/b.ts")];
    let relay = Relay::start(&(channel("one", &sources, "") + &push(&server.url(), "")));
    server.wait_received(200, SOON).await;
    origin.serve("/a.ts", Behaviour::status(404, "text/plain", "gone"));
    origin.kill("/a.ts");
    relay.wait_status("one", SOON, |status| status["failovers"]["total"] == 1).await;
    let before = server.received().len();
    server.wait_received(before + 200, SOON).await;
    let received = server.received();
    let gap = largest_gap(&received);
    println!("source killed: {} connections, gap {} ms", server.connections().len(), gap.as_millis());
    assert_rising(&received);
    assert_eq!((server.connections().len(), server.published().len()), (1, 1));
    assert!(gap < 5 * SECOND, "{gap:?}");
    assert_eq!(report(&relay).await["last_error"], json!(null));
    drop(relay);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_another_size_goes_on_in_a_new_connection() {
    let server =
        RtmpServer::start(Manner { at_publish: AtPublish::TakesNamesOnce, ..Manner::default() }).await;
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip()).serve("/b.ts", Behaviour::ts(Clip::get(Kind::H264AacB)));
    let sources = [origin.url("/a.ts"), origin.url("/b.ts")];
    let relay = Relay::start(&(channel("one", &sources, "") + &push(&server.url(), "")));
    server.wait_received(100, SOON).await;
    origin.serve("/a.ts", Behaviour::status(404, "text/plain", "gone"));
    origin.kill("/a.ts");
    server.wait_published(2, SOON).await;
    server.wait_received(server.received().len() + 100, SOON).await;
    let received = server.received();
    let second: Vec<_> = received.into_iter().filter(|message| message.connection == 1).collect();
    assert_eq!((second[0].kind, second[1].time), (18, 0), "it begins as the first did");
    let report = report(&relay).await;
    let counts = (&report["connects"], &report["republishes"], &report["last_error"]);
    assert_eq!(counts, (&json!(2), &json!(1), &json!(null)), "{report}");
    assert_eq!(server.connections().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_is_published_to_when_it_is_back() {
    let mut server = RtmpServer::absent(Manner::default()).await;
    let (_origin, relay) = pushed_to(&server.url()).await;
    let (report, _) = wait_report(&relay, SOON, |report| report["state"] == "retrying").await;
    assert_eq!(report["last_error"]["code"], "connection_refused", "{report}");
    for round in 1..=5 {
        server.listen();
        let listens = Instant::now();
        server.wait_published(round, 2 * BACK).await;
        let back = listens.elapsed();
        server.wait_received(server.received().len() + 30, SOON).await;
        server.kill().await;
        let (report, noticed) = wait_report(&relay, SOON, |report| report["state"] != "publishing").await;
        println!("killed: back after {} ms, noticed {} ms", back.as_millis(), noticed.as_millis());
        assert!(back < 2 * BACK && noticed < 2 * SECOND, "{back:?} {noticed:?} {report}");
    }
}

/// Breaks a server in some way while it is published to, and says how long it took to be noticed,
/// and to publish again when it was back.
async fn out_and_back(
    server: &RtmpServer,
    relay: &Relay,
    breaks: impl Fn(bool),
    away: Duration,
) -> (Duration, Duration) {
    server.wait_received(300, SOON).await;
    // Twice, so that silence means something.
    wait_report(relay, SOON, |report| report["acked_ms"] != json!(null)).await;
    sleep(3 * SECOND).await;
    breaks(true);
    let (report, noticed) = wait_report(relay, 2 * NOTICED, |report| report["state"] != "publishing").await;
    assert_eq!(report["last_error"]["code"], "stalled", "{report}");
    sleep(away).await;
    let (published, connected) = (server.published().len(), Instant::now());
    breaks(false);
    server.wait_published(published + 1, 2 * BACK).await;
    (noticed, connected.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_left_and_published_to_again() {
    let manner = Manner { acknowledges: true, at_publish: AtPublish::TakesNamesOnce, ..Manner::default() };
    let server = RtmpServer::start(manner).await;
    let (_origin, relay) = pushed_to(&server.url()).await;
    let still = |still| server.stand_still(still);
    let (noticed, back) = out_and_back(&server, &relay, still, 2 * SECOND).await;
    println!("stands still: noticed {} ms, back {} ms", noticed.as_millis(), back.as_millis());
    assert!(noticed < 2 * NOTICED && back < 2 * BACK, "{noticed:?} {back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_is_cut_is_noticed_and_used_again() {
    let server = RtmpServer::start(Manner { acknowledges: true, ..Manner::default() }).await;
    let wire = Wire::to(server.address()).await;
    let (_origin, relay) = pushed_to(&format!("rtmp://{}/live", wire.address())).await;
    let cut = |is_cut| wire.cut(is_cut);
    let (noticed, back) = out_and_back(&server, &relay, cut, 3 * SECOND).await;
    println!("cut: noticed {} ms, back {} ms", noticed.as_millis(), back.as_millis());
    assert!(noticed < 2 * NOTICED && back < 2 * BACK, "{noticed:?} {back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_told_without_it_and_harms_no_viewer() {
    let refuses = |code| Manner { at_publish: AtPublish::Refuses(code), ..Manner::default() };
    let server = RtmpServer::start(refuses("NetStream.Publish.Denied")).await;
    let (_origin, relay) = pushed_to(&server.url()).await;
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    let (report, _) = wait_report(&relay, SOON, |report| report["state"] == "refused").await;
    let error = &report["last_error"];
    assert_eq!(
        (&error["code"], &error["text"]),
        (&json!("refused"), &json!("the server says NetStream.Publish.Denied: …"))
    );
    viewer.read_for(3 * SECOND).await;
    assert!(viewer.largest_gap() < SECOND, "{:?}", viewer.largest_gap());
    assert_eq!(server.connections().len(), 1, "it is not asked again at once");
    // Somebody has put it right.
    server.behave(Manner::default());
    assert_eq!(act(&relay, "p", &json!({ "action": "restart" })).await.status, 200);
    server.wait_published(1, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_closes_at_the_key_and_one_where_it_is_in_use_are_told_apart() {
    let manner = |at_publish| Manner { at_publish, ..Manner::default() };
    let server = RtmpServer::start(manner(AtPublish::Closes)).await;
    let (_origin, relay) = pushed_to(&server.url()).await;
    let code = |report: &Value| report["last_error"]["code"].clone();
    wait_report(&relay, SOON, |report| code(report) == "closed_at_publish").await;
    server.behave(manner(AtPublish::Refuses("NetStream.Publish.BadName")));
    wait_report(&relay, SOON, |report| code(report) == "key_in_use").await;
    server.behave(manner(AtPublish::Takes));
    server.wait_published(1, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_misses_pictures_and_no_sound() {
    let server = RtmpServer::start(Manner::default()).await;
    let (_origin, relay) = pushed_to(&server.url()).await;
    server.wait_received(50, SOON).await;
    let rate = report_rate(&relay).await;
    server.behave(Manner { bytes_per_second: Some(rate / 2), ..Manner::default() });
    wait_report(&relay, 4 * SOON, |report| report["frames_dropped"].as_u64() > Some(20)).await;
    let received = server.received();
    assert_eq!(server.connections().len(), 1);
    let sound: Vec<u32> = received
        .iter()
        .filter(|message| message.kind == 8 && !message.is_header())
        .map(|message| message.time)
        .collect();
    assert!(sound.windows(2).all(|pair| pair[1] - pair[0] < 30), "no frame of sound is missing");
}

/// Bytes a second that a push sends.
async fn report_rate(relay: &Relay) -> u64 {
    let (report, _) = wait_report(relay, SOON, |report| report["bitrate"].as_u64() > Some(0)).await;
    report["bitrate"].as_u64().expect("it was waited for") / 8
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_stopped_and_started_at_once() {
    let server =
        RtmpServer::start(Manner { at_publish: AtPublish::TakesNamesOnce, ..Manner::default() }).await;
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let text = channel("one", &[origin.url("/a.ts")], "") + &push(&server.url(), "enabled = false");
    let relay = Relay::start(&text);
    assert_eq!(report(&relay).await["state"], "stopped");
    let started = act(&relay, "p", &json!({ "action": "start" })).await;
    assert_eq!((started.status, started.json()["state"].clone()), (200, json!("waiting")));
    server.wait_published(1, SOON).await;
    let stopped = act(&relay, "p", &json!({ "action": "stop" })).await;
    assert_eq!((stopped.status, stopped.json()["state"].clone()), (200, json!("stopped")));
    origin.wait_connections("/a.ts", 0, SOON).await;
    assert_eq!(report(&relay).await["state"], "stopped");
    act(&relay, "p", &json!({ "action": "start" })).await;
    server.wait_published(2, SOON).await;
    act(&relay, "p", &json!({ "action": "restart" })).await;
    server.wait_published(3, SOON).await;
    assert_eq!(report(&relay).await["last_error"], json!(null), "its own connection is never in its way");
    for (id, body, status) in [
        ("none", json!({ "action": "stop" }), 404),
        ("p", json!({ "action": "sto" }), 400),
        ("p", json!({ "action": "stop", "x": 1 }), 400),
    ] {
        assert_eq!(act(&relay, id, &body).await.status, status, "{id} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hevc_goes_where_it_is_taken() {
    for takes_hevc in [false, true] {
        let server = RtmpServer::start(Manner { takes_hevc, ..Manner::default() }).await;
        let origin = Origin::start().await;
        origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::HevcAacB)));
        let relay = Relay::start(&(channel("one", &[origin.url("/a.ts")], "") + &push(&server.url(), "")));
        if takes_hevc {
            server.wait_received(50, SOON).await;
            let received = server.received();
            let header = received.iter().find(|message| message.kind == 9).expect("it came");
            assert_eq!(header.body[..5], [0x90, b'h', b'v', b'c', b'1']);
        } else {
            let (report, _) = wait_report(&relay, SOON, |report| report["state"] == "refused").await;
            assert_eq!(report["last_error"]["code"], "unsupported_codec", "{report}");
        }
    }
}
