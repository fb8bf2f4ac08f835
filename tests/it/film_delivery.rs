//! How bytes of films get to viewers: past the HTTP library and back to it, from the file and from
//! memory.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use forebay_testkit::client::{Request, get, get_json};
use forebay_testkit::clip::film;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::films::{House, ID, usual};

/// No answer takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection on which requests follow each other.
struct Connection {
    stream: TcpStream,
    /// What has been read beyond the last answer.
    read: Vec<u8>,
}

impl Connection {
    async fn open(house: &House) -> Self {
        let stream = TcpStream::connect(house.relay.address()).await.expect("the server listens");
        Self { stream, read: Vec::new() }
    }

    async fn ask(&mut self, head: &str) {
        self.stream.write_all(head.as_bytes()).await.expect("the server reads");
    }

    /// The next answer: its head and its body; `None` at the connection's end.
    async fn answer(&mut self) -> Option<(String, Vec<u8>)> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).expect("heads are text");
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
        });
        let length = length.unwrap_or_else(|| panic!("it says its length: {head}"));
        while self.read.len() < length {
            assert!(self.more().await, "the answer breaks off: {head}");
        }
        Some((head, self.read.drain(..length).collect()))
    }

    async fn more(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.read);
        timeout(PATIENCE, read).await.expect("the server goes on").expect("it can be read") > 0
    }
}

fn request(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
}

/// What `/metrics` says of this sample, a whole number.
async fn figure(house: &House, name: &str) -> u64 {
    let text = get(house.relay.address(), "/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("forebay_{name} ")));
    let whole = line.map(|value| value.trim_end_matches(".0"));
    whole.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("there is no {name}: {text}"))
}

/// Waits until `/metrics`, which is kept for a moment, says this of a sample.
async fn comes_to(house: &House, name: &str, expected: u64) {
    let (deadline, mut told) = (Instant::now() + PATIENCE, 0);
    while Instant::now() < deadline {
        told = figure(house, name).await;
        if told == expected {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{name} is {told}, expected {expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_on_behind_what_the_kernel_sends() {
    let path = usual();
    let bytes = std::fs::read(&path).expect("it is there");
    let house = House::with_one(&path).await;
    let mut connection = Connection::open(&house).await;
    let (file, playlist) = (format!("/stream/{ID}"), format!("/hls/{ID}/main.m3u8"));
    for round in 0..3_usize {
        connection.ask(&request(&file, "")).await;
        let (head, body) = connection.answer().await.expect("an answer");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body == bytes, "{round}: {head}");
        let from = 100_000 + round;
        connection.ask(&request(&file, &format!("Range: bytes={from}-299999\r\n"))).await;
        let (head, body) = connection.answer().await.expect("an answer");
        assert!(head.starts_with("HTTP/1.1 206 ") && body == bytes[from..300_000], "{round}: {head}");
        connection.ask(&request(&playlist, "")).await;
        assert!(connection.answer().await.expect("an answer").1.starts_with(b"#EXTM3U"));
    }
    // Requests that are sent before the answer to the first one has been read.
    let segment = format!("/hls/{ID}/main/1.m4s");
    let alone = house.get(&segment).await.body;
    assert!(alone.len() > 64 * 1024, "{}", alone.len());
    let all = [request(&segment, ""), request(&playlist, ""), request(&segment, ""), request(&file, "")];
    connection.ask(&all.concat()).await;
    for (at, want) in [Some(&alone), None, Some(&alone), Some(&bytes)].into_iter().enumerate() {
        let (head, body) = connection.answer().await.expect("an answer");
        assert!(want.is_none_or(|want| *want == body), "answer {at}: {head}");
    }
    connection.ask(&request(&file, "Connection: close\r\n")).await;
    let (head, body) = connection.answer().await.expect("an answer");
    assert!(head.contains("connection: close\r\n") && body == bytes, "{head}");
    assert_eq!(connection.answer().await, None);
    // A body that nobody reads is not taken for the next request.
    let mut connection = Connection::open(&house).await;
    let body = "GET / HTTP/1.1\r\n\r\n";
    connection.ask(&request(&file, &format!("Content-Length: {}\r\n", body.len()))).await;
    assert_eq!(connection.answer().await.expect("an answer").1, bytes);
    if cfg!(target_os = "linux") {
        let sent = figure(&house, "films_sent_bytes_total{path=\"sendfile\"}").await;
        assert!(sent >= 5 * bytes.len() as u64, "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_shorter_ends_the_connection() {
    let house = House::with_one(&usual()).await;
    let path = house.folder.path().join(format!("{ID}.mp4"));
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("it is there");
    // Nothing that sockets hold.
    file.set_len(64 << 20).expect("there is room for a hole");
    let mut connection = Connection::open(&house).await;
    connection.ask(&request(&format!("/stream/{ID}"), "")).await;
    assert!(connection.more().await);
    file.set_len(1 << 20).expect("it can be shortened");
    let end = loop {
        connection.read.clear();
        let read = connection.stream.read_buf(&mut connection.read);
        match timeout(PATIENCE, read).await.expect("the server goes on") {
            Ok(0) => break None,
            Ok(_) => {}
            Err(error) => break Some(error.kind()),
        }
    };
    // Past the HTTP library, what nobody will take is thrown away with the connection.
    if cfg!(target_os = "linux") {
        assert_eq!(end, Some(ErrorKind::ConnectionReset));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_bytes_are_counted_by_the_way_they_take() {
    let house = House::with_one(&usual()).await;
    let [read, memory] = ["read", "memory"].map(|path| format!("films_sent_bytes_total{{path=\"{path}\"}}"));
    let whole = house.get(&format!("/stream/{ID}?format=ts")).await.body.len() as u64;
    assert!(whole > 100_000, "{whole}");
    comes_to(&house, &read, whole).await;
    // A short part of a segment that is in memory.
    let part = Request::get(house.relay.address(), &format!("/hls/{ID}/ts/1.ts"));
    let part = part.header("range", "bytes=1000-1999").send().await.expect("an answer");
    assert_eq!((part.status, part.body.len()), (206, 1000));
    comes_to(&house, &memory, 1000).await;
    comes_to(&house, &read, whole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_of_a_transport_stream_are_put_together_within_the_limit() {
    let form = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50 -b:v 400k -c:a aac -b:a 64k";
    let house = House::with_one(&film("delivery.ts", 20, form)).await;
    let media = house.get(&format!("/hls/{ID}/main.m3u8")).await;
    assert_eq!(media.status, 200, "{}", media.text());
    let [hit, miss] =
        ["hit", "miss"].map(|result| format!("film_cache_requests_total{{result=\"{result}\"}}"));
    let path = format!("/hls/{ID}/main/1.m4s");
    let first = house.get(&path).await.body;
    comes_to(&house, &miss, 1).await;
    assert!(figure(&house, "film_cache_bytes").await >= first.len() as u64);
    comes_to(&house, "film_cache_segments", 1).await;
    assert!(house.get(&path).await.body == first);
    comes_to(&house, &hit, 1).await;
    comes_to(&house, &miss, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_together_is_kept_for_the_next_viewer() {
    let house = House::with_one(&usual()).await;
    // Once for a transport stream, and from the second request on for samples that lie apart.
    for (name, misses) in [("ts/1.ts", 1), ("t0/1.m4s", 2)] {
        let hits = async || get_json(house.relay.address(), "/stats").await.1["cache"]["hits"].as_u64();
        let hits = async || hits().await.expect("a number");
        let path = format!("/hls/{ID}/{name}");
        let before = hits().await;
        let first = house.get(&path).await.body;
        for round in 1..4_u64 {
            assert!(house.get(&path).await.body == first, "{name}");
            assert_eq!(hits().await - before, (round + 1).saturating_sub(misses), "{name}, {round}");
        }
    }
    let (_, stats) = get_json(house.relay.address(), "/stats").await;
    assert_eq!((&stats["cache"]["items"], &stats["cache"]["enabled"]), (&json!(2), &json!(true)));
}

/// The names in an object, each with the kind of its value.
fn shape(value: &Value) -> Vec<(&str, &'static str)> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    let object = value.as_object().unwrap_or_else(|| panic!("it is an object: {value}"));
    object.iter().map(|(name, value)| (&**name, kind(value))).collect()
}

/// All of `wanted` are in an object: there may be more.
fn assert_has(value: &Value, wanted: &[(&str, &'static str)]) {
    let found = shape(value);
    for field in wanted {
        assert!(found.contains(field), "{field:?} is not in {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_of_a_video_server_have_their_fields() {
    let house = House::with_one(&usual()).await;
    let address = house.relay.address();
    let (status, health) = get_json(address, "/health").await;
    assert_has(&health, &["status", "timestamp", "version", "go"].map(|name| (name, "text")));
    assert_eq!((status, health["status"].as_str()), (200, Some("healthy")));

    let (status, figures) = get_json(address, "/stats").await;
    assert_eq!(status, 200);
    let texts = ["uptime", "memory_alloc", "memory_sys"].map(|name| (name, "text"));
    let numbers = ["goroutines", "gc_runs", "films", "viewers", "sent_bytes"].map(|name| (name, "number"));
    assert_has(&figures, &[&texts[..], &numbers[..], &[("cache", "object")]].concat());
    let texts = ["size", "max_size", "hit_rate"].map(|name| (name, "text"));
    let numbers = ["items", "hits", "misses"].map(|name| (name, "number"));
    assert_has(&figures["cache"], &[&texts[..], &numbers[..], &[("enabled", "bool")]].concat());

    let (status, server) = get_json(address, "/api/v1/video-server/status").await;
    assert_eq!((status, &server["success"]), (200, &json!(true)));
    let server = &server["go_server"];
    assert_has(server, &[("enabled", "bool"), ("healthy", "bool"), ("url", "text"), ("stats", "object")]);
    assert_eq!((&server["enabled"], &server["healthy"]), (&json!(true), &json!(true)));
    assert_eq!(server["url"], format!("http://{address}"));
    let names = |value: &Value| shape(value).into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&server["stats"]), names(&figures));

    let (status, config) = get_json(address, &format!("/api/v1/videos/{ID}/stream-config")).await;
    assert_eq!((status, &config["success"]), (200, &json!(true)));
    let video = json!({ "uuid": ID, "title": ID, "duration": config["duration"], "poster": null });
    assert_eq!((&config["video"], config["duration"].is_number()), (&video, true));
    let streams = json!({
        "hls": house.url(&format!("/hls/{ID}/master.m3u8")),
        "dash": house.url(&format!("/dash/{ID}/manifest.mpd")),
        "progressive": house.url(&format!("/stream/{ID}")),
    });
    assert_eq!((&config["streams"], &config["recommended"]), (&streams, &json!("hls")));
    let features = json!({
        "adaptive_streaming": false, "quality_selection": false, "seeking": true, "preload": true,
    });
    assert_eq!((&config["features"], &config["streaming_method"]), (&features, &json!("forebay")));
}
