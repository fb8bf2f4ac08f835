//! The board and the alerts of `examples/monitoring`: a real Prometheus evaluates each expression
//! while sources fail.

use std::path::PathBuf;
use std::time::Duration;

use forebay_testkit::client::{Viewer, get};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::prometheus::Prometheus;
use forebay_testkit::ts::PACKET_SIZE;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::relay::{Relay, channel, refusing};

/// Within that, everything on the board has data, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(90);

/// Of each refusal, claim and lost line there is a series only after it has happened once. The chaos
/// of the test does not make all of it happen, and Prometheus needs two samples of it.
const MAY_BE_EMPTY: &[&str] = &["forebay_rate_limited_total", "forebay_log_lines_left_out_total"];

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "examples", "monitoring"].iter().collect()
}

/// The expressions of the board, with their variables as Grafana fills them in.
fn board() -> Vec<String> {
    let text = std::fs::read_to_string(folder().join("board.json")).expect("a test has what it needs");
    let board: Value = serde_json::from_str(&text).expect("a test has what it needs");
    let panels = board["panels"].as_array().expect("a test has what it needs").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let expressions =
        targets.map(|target| target["expr"].as_str().expect("a test has what it needs").to_owned());
    let filled = expressions.map(|text| {
        text.replace("$instance", ".*").replace("$channel", ".*").replace("$__rate_interval", "1m")
    });
    filled.collect()
}

/// The names that begin with `forebay_` in an expression.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("forebay_"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_evaluates_the_board_and_the_alerts_while_sources_fail() {
    let origin = Origin::start().await;
    // The first source loses packets, and ends again and again.
    let lossy = Behaviour::ts(Clip::get(Kind::H264Aac)).lose_packets_after(Duration::ZERO, 50);
    origin.serve("/a.ts", lossy.cut_after(Duration::from_secs(4)));
    origin.serve("/b.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let url = |path| format!("{{ url = {:?}, provider = \"acme\" }}", origin.url(path));
    let (_nobody, gone) = refusing();
    let relay = Relay::start(&format!(
        "[hls]\nsegment = \"1s\"\n[[providers]]\nid = \"acme\"\nmax_connections = 1\n\
         [[channels]]\nid = \"one\"\nsources = [{}, {}]\n{}\
         [[pushes]]\nid = \"p\"\nchannel = \"one\"\nurl = \"rtmp://{gone}/live\"\nkey = \"k\"\n",
        url("/a.ts"),
        url("/b.ts"),
        channel("two", &[origin.url("/a.ts")], ""),
    ));
    let prometheus = Prometheus::start(relay.address(), &folder().join("alerts.yml")).await;
    let mut viewers = Vec::new();
    for path in ["/stream/one", "/stream/two"] {
        let mut viewer = Viewer::get(relay.address(), path).await;
        viewer.read_until(100 * PACKET_SIZE).await;
        viewers.push(tokio::spawn(async move { while !viewer.read_until(PACKET_SIZE).await.is_empty() {} }));
    }

    let (mut waiting, begun) = (board(), Instant::now());
    let mut evaluated = 0;
    while !waiting.is_empty() && begun.elapsed() < LIMIT {
        // Players by HLS come again and again.
        get(relay.address(), "/stream/one/index.m3u8").await;
        let mut still = Vec::new();
        for expression in waiting {
            match prometheus.query(&expression).await {
                Ok(samples) if samples.is_empty() && !may_be_empty(&expression) => still.push(expression),
                Ok(_) => evaluated += 1,
                Err(error) => panic!("{expression}: {error}"),
            }
        }
        waiting = still;
        sleep(Duration::from_millis(250)).await;
    }
    assert!(waiting.is_empty(), "without data after {LIMIT:?}: {waiting:#?}");
    let switches = prometheus.query("forebay_failovers_total > 0").await.expect("a test has what it needs");
    assert!(!switches.is_empty(), "no source has failed");

    // Evaluated each second, and none of them is faulty.
    let rules = loop {
        let rules = prometheus.rules().await;
        if rules.len() == 12 && rules.iter().all(|(_, health)| health != "unknown") {
            break rules;
        }
        assert!(begun.elapsed() < 2 * LIMIT, "{rules:?}");
        sleep(Duration::from_millis(250)).await;
    };
    assert!(rules.iter().all(|(_, health)| health == "ok"), "{rules:?}");
    println!("{evaluated} expressions of the board and {} alerts, after {:?}", rules.len(), begun.elapsed());
    for viewer in viewers {
        viewer.abort();
    }
    drop(relay);
    origin.shutdown().await;
}

fn may_be_empty(expression: &str) -> bool {
    names(expression).any(|name| MAY_BE_EMPTY.contains(&name))
}
