//! Sources that are no transport stream: each is left for the next, and what it was is told in the answer, in the status and in the log.

use std::time::Duration;

use forebay_testkit::client::{self, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::Checker;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use crate::program::{Program, Setup};
use crate::relay::{channel, refusing};

const SECOND: Duration = Duration::from_secs(1);

/// How long a source may say nothing, in the configuration below.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(800);

/// The beginning of a real picture.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

/// A bad source: what it does, and what is to be told of it.
struct Bad {
    /// Names the channel that has it, and the channel that has nothing else.
    id: &'static str,
    behaviour: Behaviour,
    reason: &'static str,
    message: &'static str,
    /// Whether it is found out only when its time is over.
    is_silent: bool,
}

fn bad(id: &'static str, behaviour: Behaviour, reason: &'static str, message: &'static str) -> Bad {
    Bad { id, behaviour, reason, message, is_silent: false }
}

fn silent(id: &'static str, behaviour: Behaviour, reason: &'static str, message: &'static str) -> Bad {
    Bad { is_silent: true, ..bad(id, behaviour, reason, message) }
}

fn all() -> Vec<Bad> {
    const NO_TS: &str = "not_transport_stream";
    let body = |kind, text: &str| Behaviour::body(kind, text);
    let html = "\u{feff}\r\n<!DOCTYPE html><html><title>Sorry</title>";
    let channels = "#EXTM3U\n#EXTINF:-1,One\nhttp://h/1\n";
    let variants = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"av01.0.08M.10,opus\"\n1.m3u8\n";
    let json = "{\"error\":\"max connections\"}";
    vec![
        bad("html", body("text/html", html), NO_TS, "no transport stream: an HTML page"),
        bad("html-as-ts", body("video/mp2t", html).chunked(), NO_TS, "an HTML page"),
        bad("json", body("application/json", json), NO_TS, "JSON"),
        bad("png", Behaviour::body("image/png", PNG), NO_TS, "a PNG picture"),
        bad("channels", body("audio/x-mpegurl", channels), "hls_playlist", "a list of channels"),
        bad("variants", body("application/vnd.apple.mpegurl", variants), "http_status", "HTTP 404"),
        bad("empty", body("video/mp2t", ""), NO_TS, "nothing was sent"),
        bad("zeros", Behaviour::body("video/mp2t", vec![0; 400_000]), NO_TS, "unknown data"),
        bad(
            "404",
            Behaviour::status(404, "text/plain", "gone"),
            "http_status",
            "the source answered HTTP 404",
        ),
        bad(
            "503",
            Behaviour::status(503, "text/plain", "busy"),
            "http_status",
            "the source answered HTTP 503",
        ),
        bad("hangs-up", Behaviour::refuse(), "broken", "the connection broke"),
        silent("junk", Behaviour::endless_junk(), NO_TS, "text"),
        silent("page-that-hangs", body("text/html", html).stall_after(Duration::ZERO), NO_TS, "an HTML page"),
        silent(
            "mute",
            body("video/mp2t", "").claim_length(1 << 30).stall_after(Duration::ZERO),
            "connect_timeout",
            "no transport stream came within the connect timeout",
        ),
        silent(
            "silent",
            body("video/mp2t", "").answer_after(600 * SECOND),
            "connect_timeout",
            "no transport stream came within the connect timeout",
        ),
    ]
}

/// The bad one alone: the answer says what it was.
async fn assert_is_named(program: &Program, of: &Bad) {
    let (status, body) = client::get_json(program.address(), &format!("/stream/{}-alone", of.id)).await;
    let sources = body["error"]["sources"].as_array().map_or(&[][..], |sources| sources);
    let [source] = sources else { panic!("{}: {body}", of.id) };
    assert_eq!((status, &source["reason"]), (503, &of.reason.into()), "{}: {body}", of.id);
    assert!(source["message"].as_str().is_some_and(|text| text.contains(of.message)), "{}: {body}", of.id);
    assert_quotes_nothing(&body);
}

/// What a source sent may not be meant for viewers.
fn assert_quotes_nothing(document: &Value) {
    let text = document.to_string().to_ascii_lowercase();
    for sent in ["doctype", "max connections", "89 50", "00 00", "abcdef"] {
        assert!(!text.contains(sent), "{document}");
    }
}

/// The bad one before a good one: the viewer waits little, and gets the good one from its first byte.
async fn assert_is_left(program: &Program, of: &Bad) {
    let asked = Instant::now();
    let mut viewer = Viewer::get(program.address(), &format!("/stream/{}", of.id)).await;
    let waited = asked.elapsed();
    assert_eq!(viewer.status(), 200, "{}", of.id);
    println!("{}: {waited:.0?}", of.id);
    let limit = if of.is_silent { CONNECT_TIMEOUT + SECOND } else { SECOND };
    assert!(waited < limit, "{}: the good source came after {waited:?}", of.id);
    assert!(!of.is_silent || waited > CONNECT_TIMEOUT, "{}: it had its time: {waited:?}", of.id);
    // The status shows the sources anew every two seconds.
    let bytes = viewer.read_for(3 * SECOND).await;
    Checker::check(&bytes).assert_clean();
    let (_, status) = client::get_json(program.address(), &format!("/api/streams/{}/status", of.id)).await;
    assert_eq!(
        (&status["source_index"], &status["state"]),
        (&1.into(), &"active".into()),
        "{}: {status}",
        of.id
    );
    let source = &status["sources"][0];
    assert_eq!(source["last_error"], of.reason, "{}: {status}", of.id);
    assert!(
        source["last_error_message"].as_str().is_some_and(|text| text.contains(of.message)),
        "{}: {status}",
        of.id
    );
    assert_eq!(status["upstream_connections_opened"], 2, "{}: {status}", of.id);
    assert_quotes_nothing(&status);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_transport_stream_is_named_and_left_for_the_next_source() {
    let (origin, all) = (Origin::start().await, all());
    origin.serve("/good.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let mut channels = String::from("[stream]\nstart_timeout = \"2s\"\nconnect_timeout = \"800ms\"\n");
    for of in &all {
        let path = format!("/{}", of.id);
        origin.serve(&path, of.behaviour.clone());
        channels += &channel(of.id, &[origin.url(&path), origin.url("/good.ts")], "");
        channels += &channel(&format!("{}-alone", of.id), &[origin.url(&path)], "");
    }
    let program = Setup::new(&channels).start().await;
    tokio::join!(
        join_all(all.iter().map(|of| assert_is_named(&program, of))),
        join_all(all.iter().map(|of| assert_is_left(&program, of))),
    );
    let log = program.log();
    for of in &all {
        // Text in a log line is quoted once more.
        let (span, message) = (format!("channel{{id={}}}:", of.id), of.message);
        let is_told =
            |line: &str| line.contains(&span) && line.contains("source failed") && line.contains(message);
        assert!(log.lines().any(is_told), "{}: {log}", of.id);
    }
    assert!(!log.contains("ERROR"), "a bad source is a warning: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_where_nothing_listens_is_left_at_once() {
    let origin = Origin::start().await;
    origin.serve("/good.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let (_taken, refused) = refusing();
    let of = Bad {
        id: "refused",
        behaviour: Behaviour::refuse(),
        reason: "refused",
        message: "the connection was refused",
        is_silent: false,
    };
    let address = format!("http://{refused}/a.ts");
    let channels = channel(of.id, &[address.clone(), origin.url("/good.ts")], "")
        + &channel("refused-alone", &[address], "start_timeout = \"500ms\"");
    let program = Setup::new(&channels).start().await;
    tokio::join!(assert_is_named(&program, &of), assert_is_left(&program, &of));
    assert!(program.log().contains(of.message), "{}", program.log());
}
