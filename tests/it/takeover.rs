//! A live answer leaves the HTTP server: its head, its end, and what stands around it on the same connection.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{self, Ended, Request};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::{Checker, PACKET_SIZE};
use futures_util::future::join_all;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use rustix::process::Signal;
use serde_json::{Value, json};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::program::{Program, Setup};
use crate::relay::{Relay, channel, refusing};

/// Enough for anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(3);

const MILLISECOND: Duration = Duration::from_millis(1);

fn clip() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac))
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: tv\r\n\r\n")
}

/// A connection on which anything may be said.
struct Line {
    stream: TcpStream,
    /// Heard, and not yet taken.
    heard: Vec<u8>,
}

impl Line {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the relay listens");
        Self { stream, heard: Vec::new() }
    }

    /// Opens one and says this at once, in one write.
    async fn saying(address: SocketAddr, text: impl AsRef<[u8]>) -> Self {
        let mut line = Self::open(address).await;
        line.say(text).await;
        line
    }

    async fn say(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).await.expect("the relay listens");
    }

    /// Hears a little more; false at the end.
    async fn hear(&mut self) -> bool {
        let heard = timeout(SOON, self.stream.read_buf(&mut self.heard)).await;
        let heard = heard.unwrap_or_else(|_| panic!("nothing more after {} bytes", self.heard.len()));
        heard.expect("the connection is not broken") > 0
    }

    /// The head of the next answer: its first line, and its fields.
    async fn head(&mut self) -> Head {
        let end = loop {
            if let Some(end) = self.heard.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            assert!(self.hear().await, "closed in a head: {:?}", String::from_utf8_lossy(&self.heard));
        };
        let head = self.take(end + 4).await;
        let head = String::from_utf8(head).expect("a head is text");
        let mut lines = head.trim_end().split("\r\n").map(str::to_owned);
        let status = lines.next().unwrap_or_default();
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} is no field"));
            (name.to_lowercase(), value.to_owned())
        });
        Head { status, fields: fields.collect() }
    }

    /// The next so many bytes.
    async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.heard.len() < count {
            assert!(self.hear().await, "closed after {} bytes of {count}", self.heard.len());
        }
        self.heard.drain(..count).collect()
    }

    /// A whole answer in JSON, after which the connection goes on.
    async fn json(&mut self) -> (Head, Value) {
        let head = self.head().await;
        let length = head.field("content-length").and_then(|length| length.parse().ok());
        let body = self.take(length.unwrap_or_else(|| panic!("{head:?} has no length"))).await;
        (head, serde_json::from_slice(&body).expect("the body is JSON"))
    }

    /// The head of a stream, and its first hundred packets.
    async fn stream(&mut self) -> Head {
        let head = self.head().await;
        assert_eq!((&head.status[..], head.field("content-type")), ("HTTP/1.1 200 OK", Some("video/mp2t")));
        let bytes = self.packets(100).await;
        assert!(bytes.starts_with(&[0x47, 0x40, 0]), "it begins with a PAT: {:?}", &bytes[..8]);
        head
    }

    /// So many packets more of a stream, which begin where packets do.
    async fn packets(&mut self, count: usize) -> Vec<u8> {
        let bytes = self.take(count * PACKET_SIZE).await;
        assert_eq!(Checker::check(&bytes).sync_errors, 0);
        bytes
    }

    /// What comes to the end of the connection.
    async fn rest(mut self) -> Vec<u8> {
        while self.hear().await {}
        self.heard
    }
}

/// The head of an answer.
#[derive(Debug, Clone)]
struct Head {
    status: String,
    /// With names in small letters.
    fields: Vec<(String, String)>,
}

impl Head {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..])
    }

    /// All but those that are about the connection or the moment, in order of their names.
    fn of_stream(&self) -> Vec<(String, String)> {
        let mut fields = self.fields.clone();
        fields.retain(|(name, _)| !["connection", "transfer-encoding", "date"].contains(&&name[..]));
        fields.sort();
        fields
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_stream_has_no_length_and_else_what_head_is_answered() {
    let relay = Relay::with_sources(&["testcard://".into()], "number = 7");
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        for path in ["/stream/one", "/stream/one.ts?x=1", "//stream/one", "/api/proxy/channel/7"] {
            // Even to who would like to keep the connection.
            let fields = "Host: tv\r\nConnection: keep-alive\r\nRange: bytes=0-";
            let ask = |method| format!("{method} {path} {version}\r\n{fields}\r\n\r\n");
            let head = Line::saying(relay.address(), ask("GET")).await.head().await;
            assert_eq!(head.status, format!("{version} 200 OK"), "{path}");
            assert_eq!(head.field("content-type"), Some("video/mp2t"), "{path}");
            assert_eq!(head.field("connection"), Some("close"), "{path}: {head:?}");
            assert_eq!((head.field("content-length"), head.field("transfer-encoding")), (None, None));
            let date = head.field("date").unwrap_or_else(|| panic!("{path}: {head:?}"));
            assert!(date.len() == "Sun, 06 Nov 1994 08:49:37 GMT".len() && date.ends_with(" GMT"), "{date}");
            let date = DateTimeParser::new().parse_timestamp(date).unwrap();
            assert!(Timestamp::now().duration_since(date).as_secs().abs() < 10, "{date} is not now");
            let mut names: Vec<_> = head.fields.iter().map(|(name, _)| name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), head.fields.len(), "each field once: {head:?}");

            let of_head = Line::saying(relay.address(), ask("HEAD")).await.head().await;
            assert_eq!(head.of_stream(), of_head.of_stream(), "{version} {path}");
        }
    }
}

/// Waits until so many bytes have been handed to viewers of the channel `one`.
async fn wait_sent(program: &Program, bytes: u64) {
    let wait = async {
        let sent = || async {
            let (_, status) = client::get_json(program.address(), "/api/streams/one/status").await;
            status["bytes_streamed"].as_u64()
        };
        while sent().await < Some(bytes) {
            tokio::time::sleep(20 * MILLISECOND).await;
        }
    };
    timeout(3 * SOON, wait).await.expect("the channel delivers");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_channel_is_the_end_of_the_connection_and_all_that_was_sent_arrives() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let one = channel("one", &[origin.url("/a.ts")], "");
    let full = channel("full", &["testcard://".into()], "burst = \"8s\"");
    for is_removed in [true, false] {
        let mut program = Setup::new(&(one.clone() + &full)).start().await;
        // Neither takes anything before the end. What was sent to the first is all on the way then, and to the second more would be sent
        // than the system holds.
        let mut line = Line::saying(program.address(), request("/stream/one")).await;
        let full = Request::get(program.address(), "/stream/full").receive_buffer(8 * 1024);
        let mut full = full.open().await.unwrap();
        wait_sent(&program, 150_000).await;
        if is_removed {
            program.set_config(&channel("other", &["testcard://".into()], ""));
            program.signal(Signal::HUP);
        } else {
            program.signal(Signal::TERM);
        }
        let left = program.wait_log_line(&["channel=one", "viewer left"]).await;
        line.head().await;
        let bytes = line.rest().await;
        let sent = left.split("bytes=").nth(1).and_then(|sent| sent.split(' ').next()?.parse().ok());
        assert_eq!(sent, Some(bytes.len()), "{left}");
        let report = Checker::check(&bytes);
        report.assert_clean();
        assert_eq!(report.trailing_bytes, 0, "whole packets to the end");

        let bytes = timeout(SOON, full.read_to_end()).await.expect("it ends when it has room");
        assert_eq!(full.ended(), Some(&Ended::Cleanly));
        println!("{} bytes to the one that had no room", bytes.len());
        let report = Checker::check(&bytes);
        assert_eq!((report.sync_errors, report.trailing_bytes), (0, 0), "whole packets to the end");
        assert!(bytes.len() > 100_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_kept_can_ask_for_a_stream() {
    let relay = Relay::with_sources(&["testcard://".into()], "");
    let mut line = Line::open(relay.address()).await;
    for _ in 0..3 {
        line.say(request("/health")).await;
        let (head, health) = line.json().await;
        assert_eq!((&head.status[..], &health["status"]), ("HTTP/1.1 200 OK", &json!("healthy")));
    }
    line.say(request("/stream/one")).await;
    line.stream().await;
    let (_, health) = client::get_json(relay.address(), "/health").await;
    assert_eq!(health["clients"], 1, "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_one_write_are_all_answered_in_their_order() {
    let relay = Relay::with_sources(&["testcard://".into()], "");
    // What is asked behind a stream is never answered: it does not end.
    let all = ["/health", "/stream/none", "/stream/one/channel.m3u", "/health", "/stream/one", "/health"];
    let all = all.map(request).concat();
    // Nobody watches before the first one: later ones are answered at once.
    let mut lines = Vec::new();
    for _ in 0..5 {
        let mut line = Line::saying(relay.address(), &all).await;
        assert_eq!(line.json().await.1["status"], "healthy");
        assert_eq!(line.json().await.1["error"]["code"], "unknown_channel");
        let head = line.head().await;
        assert_eq!(head.field("content-type"), Some("audio/x-mpegurl; charset=utf-8"));
        let length = head.field("content-length").and_then(|length| length.parse().ok());
        assert!(line.take(length.unwrap()).await.starts_with(b"#EXTM3U"));
        assert_eq!(line.json().await.1["clients"], lines.len());
        line.stream().await;
        lines.push(line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_with_a_request_or_behind_it_does_no_harm() {
    let relay = Relay::with_sources(&["testcard://".into()], "");
    let with = |fields: &str, rest: &[u8]| {
        let head = format!("GET /stream/one HTTP/1.1\r\nHost: tv\r\n{fields}\r\n");
        [head.as_bytes(), rest].concat()
    };
    let requests = [
        with("Content-Length: 5\r\n", b"hello"),
        with("Content-Length: 40000\r\n", "x".repeat(40_000).as_bytes()),
        with("Content-Length: 1000000\r\n", b"and more to come, which never does"),
        with("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        with("Transfer-Encoding: chunked\r\n", b"no chunk"),
        with("Expect: 100-continue\r\nContent-Length: 5\r\n", b""),
        with("Upgrade: h2c\r\nConnection: upgrade\r\n", b""),
        with("", b"\0\xff\x16\x03 no request at all \r\n\r\n"),
        with("", "\n".repeat(30_000).as_bytes()),
        with("", request("/stream/one").as_bytes()),
    ];
    let address = relay.address();
    let watching = requests.iter().map(|request| async move {
        let mut line = Line::saying(address, request).await;
        line.stream().await;
        // Nor does a word in between.
        line.say("GET / HTTP/1.1\r\n\r\n").await;
        line.packets(400).await;
        line
    });
    let lines = join_all(watching).await;
    assert_eq!(relay.status("one").await["clients"], lines.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_leaves_is_noticed_although_there_is_nothing_to_send() {
    enum Way {
        Closes,
        SaysGoodbye,
        Breaks,
    }
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip().burst(SOON).stall_after(300 * MILLISECOND));
    let settings = "stall_timeout = \"1m\"\nkeep_alive = false";
    let relay = Relay::with_sources(&[origin.url("/a.ts")], settings);
    for way in [Way::Closes, Way::SaysGoodbye, Way::Breaks] {
        let mut line = Line::saying(relay.address(), request("/stream/one")).await;
        line.stream().await;
        // To the end of what there is.
        while timeout(300 * MILLISECOND, line.hear()).await.is_ok() {}
        assert_eq!(relay.status("one").await["clients"], 1);
        match way {
            Way::Closes => drop(line),
            Way::SaysGoodbye => {
                line.stream.shutdown().await.unwrap();
                // The relay closes its side then.
                assert_eq!(line.rest().await.len() % PACKET_SIZE, 0);
            }
            Way::Breaks => {
                SockRef::from(&line.stream).set_linger(Some(Duration::ZERO)).unwrap();
                drop(line);
            }
        }
        relay.wait_status("one", 500 * MILLISECOND, |status| status["clients"] == 0).await;
    }
    assert_eq!(origin.opened("/a.ts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_does_not_stop_talking_is_dropped() {
    let relay = Relay::with_sources(&["testcard://".into()], "");
    let mut line = Line::saying(relay.address(), request("/stream/one")).await;
    line.stream().await;
    let (mut reading, mut writing) = line.stream.into_split();
    let talk = async { while writing.write_all(&[b'x'; 1024]).await.is_ok() {} };
    let listen = async {
        let mut heard = [0; 1024];
        while reading.read(&mut heard).await.is_ok_and(|count| count > 0) {}
    };
    timeout(SOON, async { tokio::join!(talk, listen) }).await.expect("the relay has enough of it");
    relay.wait_status("one", SOON, |status| status["clients"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_a_whole_answer() {
    let (_taken, refused) = refusing();
    let dead = channel("dead", &[format!("http://{refused}/")], "start_timeout = \"300ms\"");
    let relay = Relay::start(&(dead + &channel("one", &["testcard://".into()], "max_viewers = 1")));
    let mut viewer = Line::saying(relay.address(), request("/stream/one")).await;
    viewer.stream().await;
    // Where a channel is not even asked for, the connection goes on.
    let mut line = Line::open(relay.address()).await;
    for (path, status, code) in [
        ("/stream/none", "HTTP/1.1 404 Not Found", "unknown_channel"),
        ("/stream/one", "HTTP/1.1 503 Service Unavailable", "channel_full"),
        ("/api/proxy/channel/8", "HTTP/1.1 404 Not Found", "unknown_channel"),
        ("/stream/dead", "HTTP/1.1 503 Service Unavailable", "no_source"),
    ] {
        line.say(request(path)).await;
        let (head, body) = line.json().await;
        assert_eq!((&head.status[..], &body["error"]["code"]), (status, &json!(code)), "{path}: {body}");
        assert_eq!(head.field("content-type"), Some("application/json"), "{path}: {head:?}");
        assert_eq!(head.field("transfer-encoding"), None, "{path}: {head:?}");
        assert_eq!(head.field("connection"), (code == "no_source").then_some("close"), "{path}: {head:?}");
        assert!(head.field("date").is_some(), "{path}: {head:?}");
    }
    // The last one has left the server as a stream does.
    assert_eq!(line.rest().await, b"");
    let http10 = "GET /stream/dead HTTP/1.0\r\n\r\n";
    let (head, body) = Line::saying(relay.address(), http10).await.json().await;
    assert_eq!(
        (&head.status[..], &body["error"]["code"]),
        ("HTTP/1.0 503 Service Unavailable", &json!("no_source"))
    );
}
