//! An admin chooses the source of a channel, and nobody else does.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{self, Answer, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Account, Behaviour, Origin};
use forebay_testkit::ts::{Checker, Limits, PACKET_SIZE};
use serde_json::{Value, json};

use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// Enough for anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(4);

fn request(address: SocketAddr, id: &str) -> Request {
    Request::new("POST", address, &format!("/api/streams/{id}/source"))
}

/// Wishes something of the channel `one`.
async fn steer(relay: &Relay, wish: Value) -> Answer {
    request(relay.address(), "one").json(&wish).send().await.expect("the relay answers")
}

/// Gets what it wishes; the channel's status.
async fn steered(relay: &Relay, wish: Value) -> Value {
    let answer = steer(relay, wish).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
    answer.json()
}

/// Does not get it: the status code, and why.
fn refusal(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    for name in ["Access-Control-Allow-Origin", "Access-Control-Expose-Headers"] {
        assert_eq!(answer.header(name), None, "no page may read it: {body}");
    }
    (answer.status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// An origin with two encodes of a programme, as `/a.ts` and `/b.ts`, of an account with so many connections; and a channel `one` of them.
async fn house(connections: usize, settings: &str) -> (Origin, Account, Relay) {
    let (origin, account) = (Origin::start().await, Account::new(connections));
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)).account(&account));
    let second = Behaviour::ts(Clip::get(Kind::H264AacB)).start_at(Duration::from_millis(7300));
    origin.serve("/b.ts", second.account(&account));
    let source = |path| format!("{{ url = {:?}, provider = \"acme\" }}", origin.url(path));
    let provider = format!("[[providers]]\nid = \"acme\"\nmax_connections = {connections}\n");
    let sources = format!("sources = [{}, {}]", source("/a.ts"), source("/b.ts"));
    let relay = Relay::start(&format!("{provider}[[channels]]\nid = \"one\"\n{sources}\n{settings}\n"));
    (origin, account, relay)
}

async fn wait_on_air(relay: &Relay, source: usize) -> Value {
    let is_there = |status: &Value| status["source_index"] == source && status["source_live"] == true;
    relay.wait_status("one", SOON, is_there).await
}

fn reasons(status: &Value) -> Vec<&str> {
    let last = status["failovers"]["last"].as_array().expect("a list of switches");
    last.iter().filter_map(|switch| switch["reason"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_notice_nothing_of_another_choice() {
    let (origin, account, relay) = house(2, "").await;
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    let mut bytes = viewer.read_for(2 * SECOND).await;

    let status = steered(&relay, json!({ "action": "pin", "source": 1 })).await;
    // What is on air stays until the other one has a picture.
    assert_eq!((&status["source_index"], &status["source_standby"]), (&json!(0), &json!(1)), "{status}");
    let pinned = |status: &Value| [0, 1].map(|at| status["sources"][at]["pinned"] == true);
    assert_eq!(pinned(&status), [false, true], "{status}");
    bytes.extend(viewer.read_for(2 * SECOND).await);
    let status = wait_on_air(&relay, 1).await;
    assert_eq!((reasons(&status), &status["source_standby"]), (vec!["pinned"], &Value::Null), "{status}");

    let status = steered(&relay, json!({ "action": "unpin" })).await;
    assert_eq!(pinned(&status), [false, false], "{status}");
    steered(&relay, json!({ "action": "skip" })).await;
    bytes.extend(viewer.read_for(2 * SECOND).await);
    let status = wait_on_air(&relay, 0).await;
    assert_eq!(reasons(&status), ["pinned", "skipped"], "{status}");
    let skipped = &status["sources"][1];
    assert_eq!(skipped["score"], 100, "nothing is wrong with it: {status}");
    let cooldown_seconds = skipped["cooldown_seconds"].as_f64();
    assert!(cooldown_seconds.is_some_and(|span| (290.0..=300.0).contains(&span)), "{status}");

    // What is disabled and not on air changes nothing to viewers.
    let status = steered(&relay, json!({ "action": "disable", "source": 1 })).await;
    let disabled = |status: &Value| [0, 1].map(|at| status["sources"][at]["disabled"] == true);
    assert_eq!((disabled(&status), &status["source_index"]), ([false, true], &json!(0)), "{status}");
    for wish in [json!({ "action": "skip" }), json!({ "action": "disable", "source": 0 })] {
        assert_eq!(refusal(&steer(&relay, wish).await), (409, "no_other_source".into()));
    }
    bytes.extend(viewer.read_for(SECOND).await);
    assert_eq!(disabled(&steered(&relay, json!({ "action": "enable", "source": 1 })).await), [false, false]);

    println!("largest gap of two switches: {} ms", viewer.largest_gap().as_millis());
    assert!(viewer.largest_gap() < SECOND, "{:?}", viewer.largest_gap());
    let report = Checker::check(&bytes);
    report.assert_within(&Limits { cut_end: true, ..Limits::default() });
    let status = relay.status("one").await;
    assert_eq!((&status["continuity_errors_out"], &status["splices"]), (&json!(0), &json!(2)), "{status}");
    assert_eq!((account.violations(), account.most()), (0, 2), "the account holds both");
    drop(viewer);
    assert!(relay.stop().await);
    origin.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_connection_the_one_makes_room_for_the_other() {
    let (_origin, account, relay) = house(1, "").await;
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    let mut bytes = viewer.read_for(2 * SECOND).await;
    steered(&relay, json!({ "action": "disable", "source": 0 })).await;
    bytes.extend(viewer.read_for(3 * SECOND).await);
    let status = wait_on_air(&relay, 1).await;
    assert_eq!(reasons(&status), ["disabled"], "{status}");
    let report = Checker::check(&bytes);
    report.assert_within(&Limits { dts_gap: 2 * SECOND, cut_end: true, ..Limits::default() });
    assert_eq!((account.violations(), account.most()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_admin_wants_outlives_the_channel() {
    let (origin, _account, relay) = house(2, "idle_timeout = \"100ms\"").await;
    let standing = |status: &Value| {
        assert_eq!(status["state"], "idle", "{status}");
        let of = |key: &str| [0, 1].map(|at| status["sources"][at][key] == true);
        (of("pinned"), of("disabled"))
    };
    let closed = async || relay.wait_status("one", SOON, |status| status["state"] == "idle").await;
    let watch = async |source| {
        let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
        assert!(viewer.read_until(PACKET_SIZE).await.len() >= PACKET_SIZE);
        wait_on_air(&relay, source).await
    };
    let status = relay.status("one").await;
    assert_eq!(
        status["sources"][0],
        json!({ "url": format!("http://{}", origin.address()), "score": 100, "cooldown_seconds": null, "pinned": false, "disabled": false })
    );

    let status = steered(&relay, json!({ "action": "disable", "source": 0 })).await;
    assert_eq!(standing(&status), ([false, false], [true, false]), "{status}");
    assert_eq!(
        refusal(&steer(&relay, json!({ "action": "disable", "source": 1 })).await),
        (409, "no_other_source".into())
    );
    watch(1).await;
    assert_eq!(standing(&closed().await), ([false, false], [true, false]));
    watch(1).await;
    assert_eq!(origin.opened("/a.ts"), 0, "it is never asked");
    closed().await;

    let status = steered(&relay, json!({ "action": "enable", "source": 0 })).await;
    assert_eq!(standing(&status), ([false, false], [false, false]), "{status}");
    // What is wanted while it is open is kept, too.
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    viewer.read_until(PACKET_SIZE).await;
    wait_on_air(&relay, 0).await;
    steered(&relay, json!({ "action": "pin", "source": 1 })).await;
    wait_on_air(&relay, 1).await;
    drop(viewer);
    assert_eq!(standing(&closed().await), ([false, true], [false, false]));
    let opened = origin.opened("/a.ts");
    watch(1).await;
    assert_eq!(origin.opened("/a.ts"), opened, "what is pinned comes first");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told() {
    let relay = Relay::with_sources(&["testcard://".into(), "http://127.0.0.1:9/".into()], "number = 7");
    let send = async |request: Request| request.send().await.expect("the relay answers");
    let json = "application/json";
    let body = |kind: &str, body: &str| request(relay.address(), "one").body(kind, body);
    let pin = r#"{"action":"pin","source":1}"#;
    for (request, status, code) in [
        (request(relay.address(), "none").body(json, pin), 404, "unknown_channel"),
        (request(relay.address(), "7").body(json, pin), 404, "unknown_channel"),
        (body(json, r#"{"action":"pin","source":2}"#), 422, "no_such_source"),
        (body(json, "{\"action\""), 400, "bad_request"),
        (body(json, ""), 400, "bad_request"),
        (body(json, r#"{"action":"stop"}"#), 400, "bad_request"),
        (body(json, r#"{"action":"enable"}"#), 400, "bad_request"),
        (body(json, r#"{"action":"skip","source":1}"#), 400, "bad_request"),
        // What a page can send without asking.
        (body("text/plain", pin), 415, "unsupported_media_type"),
        (body("application/x-www-form-urlencoded", "action=skip"), 415, "unsupported_media_type"),
        (request(relay.address(), "one"), 415, "unsupported_media_type"),
        (body(json, &format!("{pin}{}", " ".repeat(1024))), 413, "body_too_large"),
        (body(json, pin).header("Origin", "http://tv.example"), 403, "forbidden"),
        (Request::get(relay.address(), "/api/streams/one/source"), 405, "method_not_allowed"),
        (Request::new("PUT", relay.address(), "/api/streams/one/source"), 405, "method_not_allowed"),
    ] {
        let answer = send(request.clone()).await;
        assert_eq!(refusal(&answer), (status, code.to_owned()), "{request:?}: {}", answer.text());
        assert_eq!(answer.header("Content-Type"), Some(json), "{request:?}");
        assert_eq!(answer.header("Allow"), (status == 405).then_some("POST"), "{request:?}");
    }
    // A page asks before it sends JSON.
    let preflight = Request::new("OPTIONS", relay.address(), "/api/streams/one/source")
        .header("Origin", "http://tv.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type");
    let answer = send(preflight).await;
    assert_eq!(refusal(&answer), (405, "method_not_allowed".into()));
    assert!(answer.headers.iter().all(|(name, _)| !name.to_lowercase().starts_with("access-control")));
    let status = relay.status("one").await;
    assert_eq!((&status["state"], &status["sources"][1]["pinned"]), (&json!("idle"), &json!(false)));
    steered(&relay, serde_json::from_str(pin).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_addresses_of_admins_change_anything() {
    let card = channel("one", &["testcard://".into()], "");
    let wish = json!({ "action": "pin", "source": 0 });
    let from = async |relay: &Relay, address: &str, forwarded: Option<&str>| {
        let mut request = request(relay.address(), "one").json(&wish).from(address.parse().unwrap());
        if let Some(forwarded) = forwarded {
            request = request.header("X-Forwarded-For", forwarded);
        }
        request.send().await.expect("the relay answers")
    };
    let relay = Relay::start(&format!("admin_from = [\"127.0.0.1\"]\n{card}"));
    let answer = from(&relay, "127.0.0.2", None).await;
    assert_eq!(refusal(&answer), (403, "forbidden".into()));
    assert!(answer.text().contains("127.0.0.2 may not"), "{}", answer.text());
    // It cannot be made up.
    assert_eq!(refusal(&from(&relay, "127.0.0.2", Some("127.0.0.1")).await), (403, "forbidden".into()));
    assert_eq!(relay.status("one").await["sources"][0]["pinned"], false);
    assert_eq!(from(&relay, "127.0.0.1", None).await.status, 200);

    // Behind a proxy who is trusted it is the viewer's own that counts.
    let relay = Relay::start(&format!(
        "admin_from = [\"192.0.2.0/24\"]\ntrusted_proxies = [\"127.0.0.1\"]\nproxy_header = \"x-forwarded-for\"\n{card}"
    ));
    for (address, forwarded, status) in [
        ("127.0.0.1", None, 403),
        ("127.0.0.1", Some("192.0.2.7"), 200),
        ("127.0.0.1", Some("198.51.100.7"), 403),
        ("127.0.0.1", Some("192.0.2.7, 198.51.100.7"), 403),
        ("127.0.0.2", Some("192.0.2.7"), 403),
    ] {
        let answer = from(&relay, address, forwarded).await;
        assert_eq!(answer.status, status, "{address}, {forwarded:?}: {}", answer.text());
    }
    // Whoever may not change anything may watch.
    assert_eq!(client::get(relay.address(), "/api/streams/one/status").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_what_is_wrong_with_a_source() {
    let (origin, _account, relay) = house(2, "").await;
    let scrambled = Behaviour::ts(Clip::get(Kind::H264Aac)).scramble_after(2 * SECOND);
    origin.serve("/a.ts", scrambled);
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    viewer.read_for(4 * SECOND).await;
    let status = wait_on_air(&relay, 1).await;
    assert_eq!(status["faults"], json!({ "scrambled": 1 }), "{status}");
    let first = &status["sources"][0];
    assert_eq!((&first["score"], &first["last_error"]), (&json!(50), &json!("scrambled")), "{status}");
    assert!(first["cooldown_seconds"].as_f64().is_some_and(|span| (0.1..=10.0).contains(&span)), "{status}");
    assert_eq!(status["sources"][1]["cooldown_seconds"], Value::Null);
    assert_eq!(reasons(&status), ["scrambled"]);
}
