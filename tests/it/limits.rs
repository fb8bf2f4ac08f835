//! Who comes beyond a limit is told so, those who are there notice nothing, and who leaves makes room.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use forebay_testkit::client::{self, Answer, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Account, Behaviour, Origin};
use forebay_testkit::ts::{Checker, PACKET_SIZE};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::program::Setup;
use crate::relay::{Relay, channel, refusing};

const SECOND: Duration = Duration::from_secs(1);

/// Enough for anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(3);

/// Viewers who come from elsewhere, as a header says, need show nothing.
const OPEN: &str = "[auth]\nstreams = \"open\"\n";

fn card(id: &str, settings: &str) -> String {
    channel(id, &["testcard://".into()], settings)
}

/// Watches a channel, which has room: its first packet has come.
async fn watch(request: Request) -> Viewer {
    let mut viewer = request.open().await.expect("the relay answers");
    assert_eq!(viewer.status(), 200, "{:?}", String::from_utf8_lossy(&viewer.read_to_end().await));
    assert!(viewer.read_until(PACKET_SIZE).await.starts_with(&[0x47, 0x40, 0]));
    viewer
}

/// Is refused, as it should be: with the reason, and with the time after which to try again. The answer.
async fn refused(request: Request, status: u16, code: &str) -> Answer {
    let answer = request.send().await.expect("a refusal is a whole answer");
    let error = &answer.json()["error"];
    assert_eq!((answer.status, error["code"].as_str()), (status, Some(code)), "{}", answer.text());
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    assert!(answer.header("Retry-After").is_some_and(|after| after.parse::<u32>().is_ok()), "{answer:?}");
    let type_and_cache = (answer.header("Content-Type"), answer.header("Cache-Control"));
    assert_eq!(type_and_cache, (Some("application/json"), Some("no-store")), "{answer:?}");
    // A page of another origin learns the reason and the time.
    let readable =
        (answer.header("Access-Control-Allow-Origin"), answer.header("Access-Control-Expose-Headers"));
    assert_eq!(readable, (Some("*"), Some("Retry-After")), "{answer:?}");
    answer
}

/// Asks again and again until there is room: that somebody has left, only the relay knows.
async fn watch_when_there_is_room(request: &Request) -> Viewer {
    let there_is = async {
        loop {
            if let Ok(viewer) = request.open().await
                && viewer.status() == 200
            {
                return viewer;
            }
            tokio::time::sleep(SECOND / 50).await;
        }
    };
    timeout(SOON, there_is).await.expect("who leaves makes room")
}

/// Waits until only one channel is open: the descriptors of the others are free.
async fn others_have_closed(address: SocketAddr) {
    let closed = async {
        loop {
            let answer = Request::get(address, "/api/streams/status").send().await;
            if answer.is_ok_and(|answer| answer.status == 200 && answer.json()["total_streams"] == 1) {
                return;
            }
            tokio::time::sleep(SECOND / 50).await;
        }
    };
    timeout(SOON, closed).await.expect("channels that nobody watches close");
}

/// A viewer who was there all the time has seen nothing of it.
async fn assert_undisturbed(viewer: &mut Viewer) {
    let bytes = viewer.read_for(SECOND / 2).await;
    assert_eq!((viewer.ended(), Checker::check(&bytes).continuity_errors_total()), (None, 0));
    assert!(bytes.len() > 10_000, "{} bytes", bytes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_as_many_connections_as_may_be() {
    let relay = Relay::start(&format!("max_connections = 4\n{}", card("one", "")));
    let get = Request::get(relay.address(), "/stream/one");
    let mut viewers = vec![watch(get.clone()).await, watch(get.clone()).await, watch(get.clone()).await];
    let (_, status) = client::get_json(relay.address(), "/api/streams/status").await;
    assert_eq!(status["server"]["connections"]["limit"], 4, "{status}");
    // One that says nothing is one too.
    let silent = TcpStream::connect(relay.address()).await.unwrap();
    for path in ["/stream/one", "/health", "/api/streams/status"] {
        let answer = refused(Request::get(relay.address(), path), 503, "too_many_connections").await;
        assert_eq!(answer.header("Connection"), Some("close"), "{path}");
    }
    assert_undisturbed(&mut viewers[0]).await;
    drop(silent);
    viewers.push(watch_when_there_is_room(&get).await);
    refused(get.clone(), 503, "too_many_connections").await;
    drop(viewers.swap_remove(0));
    viewers.push(watch_when_there_is_room(&get).await);
    for viewer in &mut viewers {
        assert_undisturbed(viewer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_does_not_stay_whatever_they_say() {
    let relay = Relay::start(&format!("max_connections = 1\n{}", card("one", "")));
    let _viewer = watch(Request::get(relay.address(), "/stream/one")).await;
    // Nothing; half a request; a request without an end.
    let beginnings =
        ["", "GET /stream/one HTTP/1.1\r\n", &format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(20_000))];
    let address = relay.address();
    // More than are answered at the same time.
    let staying = (0..300).map(|at| async move {
        let mut stream = TcpStream::connect(address).await.expect("the relay listens");
        let _ = stream.write_all(beginnings[at % beginnings.len()].as_bytes()).await;
        // Whether with an answer or without: it is over.
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard).await;
    });
    timeout(SOON, join_all(staying)).await.expect("all are closed");
    refused(Request::get(address, "/health"), 503, "too_many_connections").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_has_as_many_viewers_as_it_may() {
    let relay = Relay::start(&(card("one", "max_viewers = 2") + &card("other", "")));
    let get = Request::get(relay.address(), "/stream/one");
    let (mut first, second) = (watch(get.clone()).await, watch(get.clone()).await);
    refused(get.clone(), 503, "channel_full").await;
    refused(Request::get(relay.address(), "/api/proxy/channel/one"), 503, "channel_full").await;
    assert_eq!(Request::new("HEAD", relay.address(), "/stream/one").send().await.unwrap().status, 200);
    watch(Request::get(relay.address(), "/stream/other")).await;
    let status = relay.status("one").await;
    assert_eq!((&status["clients"], &status["clients_total"]), (&2.into(), &2.into()), "{status}");
    drop(second);
    relay.wait_status("one", SOON, |status| status["clients"] == 1).await;
    let _third = watch(get.clone()).await;
    refused(get, 503, "channel_full").await;
    assert_undisturbed(&mut first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_has_as_many_connections_as_it_allows() {
    let (origin, account) = (Origin::start().await, Account::new(1));
    for path in ["/a.ts", "/b.ts"] {
        origin.serve(path, Behaviour::ts(Clip::get(Kind::H264Aac)).account(&account));
    }
    let (_taken, nobody) = refusing();
    let of = |id: &str, path: &str, others: &str| {
        let source = format!("{{ url = {:?}, provider = \"acme\" }}", origin.url(path));
        format!("[[channels]]\nid = {id:?}\nsources = [{source}{others}]\nstart_timeout = \"3s\"\n")
    };
    let provider = "[[providers]]\nid = \"acme\"\nmax_connections = 1\n";
    let mixed = of("mixed", "/b.ts", &format!(", \"http://joe:s3cret@{nobody}/\""));
    // Its viewers do not wait for as long as a claim does.
    let hasty = of("hasty", "/b.ts", "").replace("3s", "300ms");
    let channels = [of("one", "/a.ts", ""), of("two", "/b.ts", ""), mixed, hasty].concat();
    let relay = Relay::start(&(provider.to_owned() + &channels));
    let get = |path| Request::get(relay.address(), path);
    let mut viewer = watch(get("/stream/one")).await;
    for path in ["/stream/two", "/stream/two/index.m3u8", "/stream/hasty"] {
        let answer = refused(get(path), 503, "provider_limit").await.json();
        let source = &answer["error"]["sources"][0];
        assert_eq!(source["reason"], "provider_limit", "{answer}");
        assert_eq!(source["message"], "the only connection of provider \"acme\" is taken", "{answer}");
    }
    // Where something else is wrong, too, that is worth knowing.
    let answer = refused(get("/stream/mixed"), 503, "no_source").await;
    let reasons = [0, 1].map(|at| answer.json()["error"]["sources"][at]["reason"].clone());
    assert_eq!(reasons, ["provider_limit", "refused"], "{}", answer.text());
    assert!(!answer.text().contains("s3cret"), "{}", answer.text());
    assert_undisturbed(&mut viewer).await;

    let providers = client::get_json(relay.address(), "/api/streams/status").await.1["providers"].clone();
    let acme = &providers[0];
    assert_eq!(
        (&acme["id"], &acme["limit"], &acme["open"]),
        (&"acme".into(), &1.into(), &1.into()),
        "{acme}"
    );
    let none = ["waiting", "yielding", "settling", "preempted_total"].map(|key| acme[key] == 0);
    assert_eq!((none, &acme["granted_total"]), ([true; 4], &1.into()), "{acme}");
    assert!(acme["refused_total"].as_u64().is_some_and(|refused| refused >= 3), "{acme}");
    // A channel that nobody watches gives its own up at once.
    drop(viewer);
    relay.wait_status("one", SOON, |status| status["clients"] == 0).await;
    watch(get("/stream/two")).await;
    assert_eq!((account.violations(), account.most()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_as_many_viewers_as_it_may() {
    let (_taken, nobody) = refusing();
    let dead = channel("dead", &[format!("http://{nobody}/")], "start_timeout = \"300ms\"");
    let channels = card("one", "") + &card("other", "") + &dead;
    let relay = Relay::start(&format!("max_viewers_per_address = 2\n{OPEN}{channels}"));
    // Of an address that nobody has to believe: there is no proxy.
    let get = |path| Request::get(relay.address(), path).header("X-Forwarded-For", "192.0.2.1");
    // Who did not get to see anything has no place.
    for _ in 0..3 {
        assert_eq!(get("/stream/dead").send().await.unwrap().status, 503);
        assert_eq!(get("/stream/none").send().await.unwrap().status, 404);
    }
    let mut first = watch(get("/stream/one")).await;
    let second = watch(get("/stream/other")).await;
    for path in ["/stream/one", "/stream/other", "/stream/dead"] {
        refused(Request::get(relay.address(), path), 429, "address_limit").await;
    }
    assert_eq!(client::get(relay.address(), "/playlist.m3u").await.status, 200, "it is about viewers only");
    drop(second);
    let _third = watch_when_there_is_room(&get("/stream/one")).await;
    refused(get("/stream/one"), 429, "address_limit").await;
    assert_undisturbed(&mut first).await;
}

/// A school, or all behind a proxy that nobody listed: more viewers than any house has.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_behind_one_address_is_let_in_where_there_is_room() {
    let relay = Relay::start(&card("one", ""));
    let address = relay.address();
    let _first = watch(Request::get(address, "/stream/one")).await;
    let ask = |token: usize| async move {
        client::get(address, &format!("/stream/one/index.m3u8?token={token}")).await.status
    };
    let asked: Vec<u16> = stream::iter(0..300).map(ask).buffer_unordered(50).collect().await;
    assert_eq!(asked.iter().filter(|&&status| status != 200).count(), 0);
    let (_, status) = client::get_json(address, "/api/streams/status").await;
    let refused = &status["server"]["refused_per_address"];
    assert_eq!(
        (&refused["viewers"], &refused["opening"], &refused["open"]),
        (&0.into(), &0.into(), &0.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_viewers_are_told_apart() {
    let server = "max_viewers_per_address = 1\ntrusted_proxies = [\"127.0.0.1\"]";
    let relay = Relay::start(&format!("{server}\n{OPEN}{}", card("one", "")));
    let from = |field, value| Request::get(relay.address(), "/stream/one").header(field, value);
    let joe = || from("X-Forwarded-For", "192.0.2.1");
    let viewer = watch(joe()).await;
    let _ann = watch(from("X-Forwarded-For", "192.0.2.2")).await;
    let _sue = watch(from("Forwarded", "for=\"[2001:db8::1]:4711\";proto=http")).await;
    let _proxy = watch(Request::get(relay.address(), "/stream/one")).await;
    refused(joe(), 429, "address_limit").await;
    // What the proxy was told by others counts for nothing.
    refused(from("X-Forwarded-For", "198.51.100.7, 192.0.2.1"), 429, "address_limit").await;
    refused(from("Forwarded", "for=192.0.2.1"), 429, "address_limit").await;
    refused(from("X-Forwarded-For", "2001:db8::1"), 429, "address_limit").await;
    drop(viewer);
    watch_when_there_is_room(&joe()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_are_taken_as_long_as_there_is_bandwidth_for_them() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let channels = channel("one", &[origin.url("/a.ts")], "") + &channel("other", &[origin.url("/a.ts")], "");
    let relay = Relay::start(&format!("max_bandwidth = \"9 Mbit/s\"\n{channels}"));
    let get = Request::get(relay.address(), "/stream/one");
    let mut viewer = watch(get.clone()).await;
    // What it needs is not known yet, and so taken to be 8 Mbit/s.
    refused(get.clone(), 503, "no_bandwidth").await;
    let is_known = |status: &Value| status["bitrate"].as_u64() > Some(0);
    let (_, mut bytes) =
        tokio::join!(relay.wait_status("one", SOON, is_known), viewer.read_for(5 * SECOND / 2));
    // It is 1 Mbit/s. Another channel, of which nothing is known, does not fit in beside two of it.
    let second = watch(get.clone()).await;
    refused(Request::get(relay.address(), "/stream/other"), 503, "no_bandwidth").await;
    assert_eq!(origin.opened("/a.ts"), 1, "nothing was opened for it");
    let mut more = Vec::new();
    let last = loop {
        assert!(more.len() < 20, "there is no limit");
        // Of several addresses, since one does not get all of it.
        let from = Ipv4Addr::new(127, 0, 0, u8::try_from(2 + more.len() % 4).expect("a small number"));
        match get.clone().from(from.into()).open().await.unwrap() {
            viewer if viewer.status() == 200 => more.push(viewer),
            refusal => break refusal,
        }
    };
    assert!((4..12).contains(&more.len()), "{} more fit in", more.len());
    assert_eq!((last.status(), last.header("Retry-After")), (503, Some("5")));
    let (_, status) = client::get_json(relay.address(), "/api/streams/status").await;
    let bandwidth = &status["server"]["bandwidth"];
    let now = bandwidth["now"].as_u64();
    assert!(bandwidth["limit"] == 9_000_000 && now > Some(6_000_000) && now <= Some(9_000_000), "{status}");
    drop((second, more));
    relay.wait_status("one", SOON, |status| status["clients"] == 1).await;
    watch(get).await;
    bytes.extend(viewer.read_for(SECOND).await);
    assert_eq!((viewer.ended(), Checker::check(&bytes).continuity_errors_total()), (None, 0));
}

/// Asks on a connection of its own: the status of the answer, and the connection.
async fn ask(address: SocketAddr, path: &str) -> (u16, Viewer) {
    let viewer = Request::get(address, path).open().await.expect("nobody is left without an answer");
    (viewer.status(), viewer)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_descriptor_left_it_says_so_and_goes_on_when_there_are_some_again() {
    const LIMIT: u32 = 64;
    // A channel needs some too: with many of them, they are gone before there are as many connections as may be.
    let paths: Vec<String> = (0..LIMIT).map(|at| format!("/stream/{at}")).collect();
    let channels: String = (0..LIMIT).map(|at| card(&at.to_string(), "idle_timeout = \"100ms\"")).collect();
    let program = Setup::new(&channels).descriptors(LIMIT).start().await;
    let address = program.address();
    let mut first = watch(Request::get(address, &paths[0])).await;
    for round in 0..2 {
        let mut viewers = Vec::new();
        let last = loop {
            let (status, viewer) = ask(address, &paths[viewers.len() + 1]).await;
            if status != 200 {
                break viewer;
            }
            viewers.push(viewer);
        };
        assert!(viewers.len() > 5 && last.status() == 503, "{} and {last:?}", viewers.len());
        drop(last);
        // Twice as many as there are descriptors, all at once.
        let burst = join_all((0..2 * LIMIT).map(|_| ask(address, &paths[0])));
        let burst = timeout(SOON, burst).await.expect("nobody waits for long");
        let (served, refused): (Vec<_>, Vec<_>) = burst.into_iter().partition(|(status, _)| *status == 200);
        println!("{} channels, {} more viewers, {} refused", viewers.len(), served.len(), refused.len());
        // Some are kept for those who watch what is open.
        assert!(served.len() < 16, "what is kept for refusals is not for viewers: {}", served.len());
        for (status, mut viewer) in refused {
            assert_eq!((status, viewer.header("Retry-After")), (503, Some("5")));
            let body = String::from_utf8_lossy(&viewer.read_to_end().await).into_owned();
            assert!(body.contains("\"too_many_connections\""), "{body}");
        }
        // Those who say nothing take up all that is kept for refusals.
        let silent = join_all((0..LIMIT).map(|_| TcpStream::connect(address))).await;
        assert!(silent.iter().all(Result::is_ok), "the system takes them");
        assert_undisturbed(&mut first).await;
        for viewer in viewers
            .iter_mut()
            .chain(served.into_iter().map(|(_, viewer)| viewer).collect::<Vec<_>>().iter_mut())
        {
            assert!(viewer.read_until(PACKET_SIZE).await.starts_with(&[0x47, 0x40, 0]));
        }
        drop((silent, viewers));
        watch_when_there_is_room(&Request::get(address, paths.last().expect("there are some"))).await;
        others_have_closed(address).await;
        if round == 0 {
            let log = program.log();
            let is_told =
                |line: &&str| line.contains("WARN") && line.contains("further connections are refused");
            assert_eq!(log.lines().filter(is_told).count(), 1, "one line for all: {log}");
            // Which of them is gone first depends on what else the process has open.
            let missing = ["no file descriptors left", "no connections of one address left"];
            assert!(missing.iter().any(|missing| log.contains(missing)), "{log}");
        }
    }
    let log = program.log();
    let bad: Vec<&str> = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    println!("{bad:#?}");
    assert!(bad.len() < 6, "{bad:#?}");
    assert_undisturbed(&mut first).await;
}
