//! `/api/relays`: channels that are made, changed and removed while the server runs.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{self, Answer, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Account, Behaviour, Origin};
use forebay_testkit::ts::{Checker, PACKET_SIZE};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::program::{Program, Setup};
use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

/// Enough for anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(4);

/// A relay whose API may name this machine, with these channels in its configuration.
fn start(channels: &str) -> Relay {
    Relay::start(&format!("allow_private_sources = true\n{channels}"))
}

async fn ask(address: SocketAddr, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = Request::new(method, address, path);
    let request = body.iter().fold(request, Request::json);
    request.send().await.expect("the relay answers")
}

/// Sends a request as the admin of a program.
async fn ask_program(program: &Program, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request =
        Request::new(method, program.address(), path).header("Authorization", &program.admin_token());
    let request = body.iter().fold(request, Request::json);
    request.send().await.expect("the program answers")
}

/// Creates a relay; its document.
async fn create(address: SocketAddr, body: Value) -> Value {
    let answer = ask(address, "POST", "/api/relays", Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let document = answer.json();
    assert_eq!(answer.header("Location"), Some(&*format!("/api/relays/{}", document["id"])));
    document
}

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// The path and the message of each field that was refused.
fn fields(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(refusal(answer), (422, "invalid_fields".into()), "{}", answer.text());
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let details = answer.json()["error"]["details"].clone();
    let details = details.as_array().expect("a list").iter();
    details.map(|field| (text(&field["path"]), text(&field["message"]))).collect()
}

fn clip() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_plays_at_once_and_over_a_restart() {
    let origin = Origin::start().await;
    origin.serve("/sport.ts", clip());
    let setup = Setup::new(
        "allow_private_sources = true\n[[channels]]\nid = \"card\"\nsources = [\"testcard://\"]\n",
    );
    let program = setup.start().await;
    let address = program.address();
    let made = json!({ "name": "Sport TV", "output_path": "sport-tv", "source_urls": [origin.url("/sport.ts")], "number": 7 });
    let answer = ask_program(&program, "POST", "/api/relays", Some(made.clone())).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let document = answer.json();
    let mut expected = made;
    for key in ["id", "created_at", "changed_at", "unplayable"] {
        expected[key] = document[key].clone();
    }
    assert_eq!((&document, &document["id"]), (&expected, &json!(1)));
    let plays = |address| async move {
        let mut viewer = Viewer::get(address, "/stream/sport-tv").await;
        assert_eq!(viewer.status(), 200);
        Checker::check(&viewer.read_until(100 * PACKET_SIZE).await).assert_clean();
        let (_, status) = client::get_json(address, "/api/streams/sport-tv/status").await;
        assert_eq!((&status["id"], &status["name"]), (&json!("sport-tv"), &json!("Sport TV")));
        let playlist = client::get(address, "/playlist.m3u").await.text();
        assert!(playlist.contains(",Sport TV\n") && playlist.contains("/stream/sport-tv.ts\n"), "{playlist}");
    };
    plays(address).await;
    let list = ask_program(&program, "GET", "/api/relays", None).await.json();
    assert_eq!(list, json!({ "next": null, "relays": [document], "total": 1 }));

    // Even if nobody said that it would end.
    program.signal(Signal::KILL);
    let (folder, _) = program.wait_in_folder().await;
    let program = Setup::again(folder).start().await;
    assert!(program.output().contains("\n2 channels\n"), "{}", program.output());
    assert_eq!(ask_program(&program, "GET", "/api/relays/1", None).await.json(), document);
    plays(program.address()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sources_are_a_switch_and_no_cut() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    origin.serve("/b.ts", Behaviour::ts(Clip::get(Kind::H264AacB)).start_at(Duration::from_millis(7300)));
    let relay = start("");
    let document = create(
        relay.address(),
        json!({ "name": "One", "output_path": "one", "source_urls": [origin.url("/a.ts")], "burst": "1s" }),
    )
    .await;
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    let mut bytes = viewer.read_for(SECOND).await;
    let change = json!({ "source_urls": [origin.url("/b.ts")], "burst": null });
    let asking = ask(relay.address(), "PATCH", "/api/relays/1", Some(change));
    let (answer, more) = tokio::join!(asking, viewer.read_for(4 * SECOND));
    bytes.extend(more);
    let changed = answer.json();
    assert_eq!((answer.status, &changed["name"], changed.get("burst")), (200, &document["name"], None));
    assert!(viewer.ended().is_none(), "nobody was cut");
    assert!(viewer.largest_gap() < 2 * SECOND, "{:?}", viewer.largest_gap());
    Checker::check(&bytes).assert_clean();
    assert_eq!((origin.connections("/a.ts"), origin.connections("/b.ts")), (0, 1));

    // As a whole: what is not named is gone.
    let whole = json!({ "output_path": "one", "source_urls": [origin.url("/b.ts")] });
    let answer = ask(relay.address(), "PUT", "/api/relays/1", Some(whole)).await;
    assert_eq!((answer.status, &answer.json()["name"]), (200, &json!("one")));
    bytes = viewer.read_for(SECOND).await;
    assert!(!bytes.is_empty() && viewer.ended().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_removed_ends_its_viewers_and_frees_its_connection() {
    let (origin, account) = (Origin::start().await, Account::new(1));
    origin.serve("/a.ts", clip().account(&account));
    let relay = start("[[providers]]\nid = \"acme\"\nmax_connections = 1\n");
    let source = json!({ "url": origin.url("/a.ts"), "provider": "acme" });
    let made = json!({ "name": "One", "output_path": "one", "source_urls": [source] });
    create(relay.address(), made.clone()).await;
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    assert!(!viewer.read_until(PACKET_SIZE).await.is_empty());
    let asked = Instant::now();
    let answer = ask(relay.address(), "DELETE", "/api/relays/1", None).await;
    assert_eq!((answer.status, answer.text()), (204, String::new()));
    tokio::time::timeout(SOON, viewer.read_to_end()).await.expect("its viewers end");
    origin.wait_connections("/a.ts", 0, SOON).await;
    println!("viewers ended and the connection closed {:?} after DELETE was sent", asked.elapsed());
    for (method, body) in
        [("GET", None), ("DELETE", None), ("PUT", Some(made.clone())), ("PATCH", Some(json!({})))]
    {
        let answer = ask(relay.address(), method, "/api/relays/1", body).await;
        assert_eq!(refusal(&answer), (404, "unknown_relay".into()), "{method}");
    }
    assert_eq!(client::get(relay.address(), "/stream/one").await.status, 404);
    // The slot is free for another, which has a number of its own.
    assert_eq!(create(relay.address(), made).await["id"], 2);
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    assert!(!viewer.read_until(PACKET_SIZE).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_or_wrong_is_refused_and_nothing_changes() {
    let relay = start("[[channels]]\nid = \"card\"\nnumber = 5\nsources = [\"testcard://\"]\n");
    let address = relay.address();
    let made = |path: &str| json!({ "name": "A", "output_path": path, "source_urls": ["testcard://"] });
    let numbered = |path: &str, number: u32| json!({ "output_path": path, "source_urls": ["testcard://"], "number": number });
    let a = create(address, made("a")).await;
    create(address, numbered("b", 7)).await;
    for (body, code, piece) in [
        (made("a"), "taken", "the path \"a\" is taken by another relay"),
        (numbered("c", 7), "taken", "the number 7 is taken by another relay"),
        (made("card"), "in_configuration", "the path \"card\" belongs to no-such-file.toml"),
        (numbered("c", 5), "in_configuration", "the number 5 of \"card\" belongs to no-such-file.toml"),
    ] {
        for (method, path) in [("POST", "/api/relays"), ("PUT", "/api/relays/2"), ("PATCH", "/api/relays/1")]
        {
            let is_itself =
                method == "PUT" && body["number"] == 7 || method == "PATCH" && body["output_path"] == "a";
            if is_itself {
                continue;
            }
            let answer = ask(address, method, path, Some(body.clone())).await;
            assert_eq!(refusal(&answer), (409, code.into()), "{method} {}", answer.text());
            assert!(answer.text().contains(&piece.replace('"', "\\\"")), "{}", answer.text());
        }
    }
    for (body, path, message) in [
        (json!({ "source_urls": ["testcard://"] }), "output_path", "this channel has no id"),
        (json!({ "output_path": "c" }), "source_urls", "channel \"c\" has no sources"),
        (made("c d"), "output_path", "output_path: must not contain ' '"),
        (
            json!({ "output_path": "c", "source_urls": ["rtmp://joe:hunter2@h/"] }),
            "source_urls[0]",
            "source: unknown scheme",
        ),
        (
            json!({ "output_path": "c", "source_urls": [{ "ulr": "" }] }),
            "source_urls[0].ulr",
            "unknown field `ulr`",
        ),
        (
            json!({ "output_path": "c", "source_urls": ["testcard://"], "burst": "soon" }),
            "burst",
            "burst: \"soon\" is not a duration",
        ),
        (
            json!({ "output_path": "c", "source_urls": ["testcard://"], "idle_timout": "1s" }),
            "idle_timout",
            "unknown field",
        ),
    ] {
        let answer = ask(address, "POST", "/api/relays", Some(body)).await;
        let found = fields(&answer);
        assert!(
            found[0].0 == path && found[0].1.starts_with(message),
            "{found:?}, expected {path}: {message}"
        );
    }
    let patched = ask(address, "PATCH", "/api/relays/1", Some(json!({ "source_urls": null }))).await;
    assert_eq!(fields(&patched)[0].0, "source_urls");
    for (request, status) in [
        (Request::new("POST", address, "/api/relays").body("application/json", "[1]"), 400),
        (Request::new("POST", address, "/api/relays").body("application/json", "{"), 400),
        (Request::new("POST", address, "/api/relays").body("text/plain", "{}"), 415),
        (Request::new("POST", address, "/api/relays").body("application/json", vec![b' '; 1 << 20]), 413),
        (Request::get(address, "/api/relays/a"), 404),
        (Request::new("PUT", address, "/api/relays"), 405),
        (
            Request::new("POST", address, "/api/relays")
                .json(&made("c"))
                .header("Origin", "http://localhost"),
            403,
        ),
        (Request::get(address, "/api/relays").header("X-Forwarded-For", "192.0.2.1"), 403),
    ] {
        let answer = request.send().await.expect("the relay answers");
        assert_eq!(answer.status, status, "{request:?}: {}", answer.text());
    }
    assert_eq!(client::get_json(address, "/api/relays/1").await, (200, a));
    let (_, list) = client::get_json(address, "/api/relays?limit=1").await;
    assert_eq!((&list["total"], &list["next"]), (&json!(2), &json!(1)));
    let (_, list) = client::get_json(address, "/api/relays?limit=1&after=1").await;
    assert_eq!(list["relays"][0]["output_path"], "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_names_the_internet_only_unless_the_operator_allows_more() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let relay = Relay::start("");
    for url in [origin.url("/a.ts"), "http://nas/a.ts".into(), "file:channels.toml".into()] {
        let made = json!({ "output_path": "one", "source_urls": [url] });
        let answer = ask(relay.address(), "POST", "/api/relays", Some(made)).await;
        let found = fields(&answer);
        assert!(found[0].0 == "source_urls[0]" && found[0].1.contains("allow_private_sources"), "{found:?}");
    }
    create(relay.address(), json!({ "output_path": "card", "source_urls": ["testcard://"] })).await;
    assert!(origin.requests().is_empty(), "nothing was asked there");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_wins_over_relays_that_were_there_before() {
    let mut program = Setup::new("").start().await;
    for path in ["one", "two"] {
        let made = json!({ "output_path": path, "source_urls": ["testcard://"] });
        assert_eq!(ask_program(&program, "POST", "/api/relays", Some(made)).await.status, 201);
    }
    program.set_config("[[channels]]\nid = \"one\"\nname = \"Of the file\"\nsources = [\"testcard://\"]\n");
    program.wait_log("relay left out: the configuration has its path").await;
    program.wait_log("configuration reloaded").await;
    let (_, status) = client::get_json(program.address(), "/api/streams/one/status").await;
    assert_eq!(status["name"], "Of the file");
    assert_eq!(client::get(program.address(), "/api/streams/two/status").await.status, 200);
    program.set_config("[[channels]]\nid = \"three\"\nsources = [\"testcard://\"]\n");
    program.wait_log_line(&["configuration reloaded", "added=1"]).await;
    let (_, status) = client::get_json(program.address(), "/api/streams/one/status").await;
    assert_eq!(status["name"], "one", "it is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_a_later_configuration_forbids_says_why_and_plays_when_it_is_mended() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let mut program = Setup::new("allow_private_sources = true\n").start().await;
    let url = origin.url("/a.ts");
    for (path, source) in [("near", &*url), ("owned", "testcard://"), ("fine", "testcard://")] {
        let made = json!({ "output_path": path, "source_urls": [source] });
        let made = ask_program(&program, "POST", "/api/relays", Some(made)).await.json();
        assert_eq!(made["unplayable"], json!(null), "{made}");
    }
    assert_eq!(Viewer::get(program.address(), "/stream/near").await.status(), 200);
    program.set_config("[[channels]]\nid = \"owned\"\nname = \"Of the file\"\nsources = [\"testcard://\"]\n");
    program.wait_log("configuration reloaded").await;
    let list = ask_program(&program, "GET", "/api/relays", None).await.json();
    let told: Vec<(&str, &Value)> = list["relays"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|relay| (relay["output_path"].as_str().expect("a text"), &relay["unplayable"]))
        .collect();
    let [("near", near), ("owned", owned), ("fine", Value::Null)] = told[..] else { panic!("{list}") };
    assert_eq!((&near["code"], &owned["code"]), (&json!("not_allowed"), &json!("in_configuration")));
    let text = |reason: &Value| reason["message"].as_str().expect("a text").to_owned();
    assert!(text(near).contains("source_urls[0]") && text(near).contains("allow_private_sources"), "{near}");
    assert!(text(owned).contains("channels.toml"), "{owned}");
    // Whoever wants to watch it is told that there is something, and no address.
    let refused = client::get(program.address(), "/stream/near").await;
    assert_eq!(refusal(&refused), (404, "unplayable_channel".into()));
    assert!(
        !refused.text().contains("127.0.0.1") && refused.text().contains("/api/relays"),
        "{}",
        refused.text()
    );
    let (_, status) = client::get_json(program.address(), "/api/streams/owned/status").await;
    assert_eq!(status["name"], "Of the file");
    assert_eq!(
        refusal(&client::get(program.address(), "/stream/none").await),
        (404, "unknown_channel".into())
    );
    // It is mended by itself, or by the configuration. What was read may be sent back.
    let mut mended = list["relays"][1].clone();
    mended["output_path"] = json!("other");
    let mended = ask_program(&program, "PUT", "/api/relays/2", Some(mended)).await;
    assert_eq!((mended.status, &mended.json()["unplayable"]), (200, &json!(null)), "{}", mended.text());
    program.set_config("allow_private_sources = true\n");
    program.wait_log_line(&["configuration reloaded", "removed=1"]).await;
    let mut viewer = Viewer::get(program.address(), "/stream/near").await;
    assert_eq!((viewer.status(), viewer.read_until(PACKET_SIZE).await.is_empty()), (200, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_changes_and_viewers_notice_nothing() {
    let setup = Setup::new("[[channels]]\nid = \"card\"\nsources = [\"testcard://\"]\n");
    let Some(setup) = setup.with_small_data_disk() else {
        println!("left out: this system lets nobody mount a disk for a process");
        return;
    };
    let program = setup.start().await;
    let address = program.address();
    let token = program.admin_token();
    let post = |number: usize, padding: usize| {
        let name = "x".repeat(padding);
        let source = json!({ "url": "testcard://", "headers": { "X-Long": name } });
        let made = json!({ "output_path": format!("c{number}"), "source_urls": [source] });
        Request::new("POST", address, "/api/relays").json(&made).header("Authorization", &token)
    };
    let mut viewer = Viewer::get(address, "/stream/card").await;
    let watching = tokio::spawn(async move {
        let bytes = viewer.read_for(4 * SECOND).await;
        (viewer, bytes)
    });
    let mut made = 0;
    let full = loop {
        let answer = post(made, 50_000).send().await.unwrap();
        if answer.status != 201 {
            break answer;
        }
        made += 1;
        assert!(made < 100, "the disk has one megabyte");
    };
    assert_eq!(refusal(&full), (507, "disk_full".into()), "{}", full.text());
    let list =
        Request::get(address, "/api/relays?limit=1").header("Authorization", &token).send().await.unwrap();
    assert_eq!((list.status, &list.json()["total"]), (200, &json!(made)), "what was answered can be read");
    let (viewer, bytes) = watching.await.unwrap();
    assert!(viewer.ended().is_none() && viewer.largest_gap() < 2 * SECOND, "{:?}", viewer.largest_gap());
    Checker::check(&bytes).assert_clean();
    let (_, health) = client::get_json(address, "/health").await;
    assert!(health["database"]["failed"].as_u64() >= Some(1), "{health}");
}
