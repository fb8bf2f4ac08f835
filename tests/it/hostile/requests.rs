//! Requests that cost more than they should.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{self, Request};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::victim::Victim;
use crate::program::Setup;
use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// What attackers may cost, in kB: a few MB, whatever there is to answer.
const MODEST: u64 = 8 * 1024;

/// Sends this, and reads nothing.
async fn unread(address: SocketAddr, request: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("there is a socket left");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(address).await.expect("the relay listens");
    stream.write_all(request.as_bytes()).await.expect("the relay reads the request");
    stream
}

/// The status line of the answer to this.
async fn status_line(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the relay listens");
    stream.write_all(request.as_bytes()).await.expect("the relay reads the request");
    let mut head = vec![0; 12];
    stream.read_exact(&mut head).await.expect("the relay answers");
    String::from_utf8_lossy(&head).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_one_host_and_a_proper_one() {
    let relay = Relay::start(&channel("one", &["testcard://".into()], ""));
    let long = "x".repeat(256);
    for (fields, status) in [
        ("", 400),
        ("Host: a\r\nHost: a\r\n", 400),
        ("Host: evil#\r\n", 400),
        ("Host: :pw@evil\r\n", 400),
        ("Host: user@evil\r\n", 400),
        ("Host: a/b\r\n", 400),
        ("Host: a, b\r\n", 400),
        (&format!("Host: {long}\r\n"), 400),
        (&format!("Host: {}\r\n", &long[1..]), 200),
        ("Host: [::1]:8080\r\n", 200),
    ] {
        for path in ["/playlist.m3u", "/health", "/stream/none"] {
            let request = format!("GET {path} HTTP/1.1\r\n{fields}\r\n");
            let line = status_line(relay.address(), &request).await;
            let expected = if status == 200 && path == "/stream/none" { 404 } else { status };
            assert_eq!(line, format!("HTTP/1.1 {expected}"), "{request}");
        }
    }
    assert_eq!(status_line(relay.address(), "GET /health HTTP/1.0\r\n\r\n").await, "HTTP/1.0 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_to_be_sniffed() {
    let relay = Relay::start(&channel("one", &["testcard://".into()], ""));
    for path in [
        "/health",
        "/api/streams/status",
        "/api/streams/none/status",
        "/api/streams/one/source",
        "/playlist.m3u",
        "/watch/one",
        "/stream/one",
        "/stream/none",
        "/stream/one/index.m3u8",
        "/nowhere",
    ] {
        let viewer = Request::get(relay.address(), path).open().await.expect("the relay answers");
        assert_eq!(viewer.header("X-Content-Type-Options"), Some("nosniff"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_that_nobody_reads_costs_little_memory() {
    let victim = Victim::new().await;
    let mut channels = victim.channel();
    for at in 0..10_000 {
        channels += &channel(&format!("channel-{at}"), &["testcard://".into()], "");
    }
    let program = Setup::new(&channels).start().await;
    let address = program.address();
    // What the allocator takes once.
    assert_eq!(client::get(address, "/playlist.m3u").await.status, 200);
    let mut watching = victim.watch(address).await;
    let before = program.memory_kb("VmRSS");
    let host = "x".repeat(255);
    let request = format!("GET /playlist.m3u HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let attack = async {
        let unread = join_all((0..20).map(|_| unread(address, &request))).await;
        tokio::time::sleep(SECOND).await;
        let after = program.memory_kb("VmRSS");
        drop(unread);
        after
    };
    let more = watching.beside(attack).await.saturating_sub(before);
    println!("20 lists of 10,000 channels that nobody reads take {more} kB");
    assert!(more < MODEST, "{more} kB");
    let list = client::get(address, "/playlist.m3u").await;
    assert_eq!(list.text().lines().count(), 20_003);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_tiny_pieces_costs_little_memory() {
    let victim = Victim::new().await;
    let program = Setup::new(&victim.channel()).start().await;
    let address = program.address();
    let mut watching = victim.watch(address).await;
    let token = std::fs::read_to_string(program.folder().join("hls_cache/admin.token")).expect("it is there");
    let head = format!(
        "POST /api/streams/victim/source HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {}\r\nContent-Length: 1024\r\n\r\n",
        token.trim()
    );
    let drip = async || {
        let mut stream = TcpStream::connect(address).await.expect("the relay listens");
        stream.set_nodelay(true).expect("a socket takes this");
        stream.write_all(head.as_bytes()).await.expect("the relay reads the head");
        for _ in 0..500 {
            stream.write_all(b" ").await.expect("the relay reads the body");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stream
    };
    let before = program.memory_kb("VmRSS");
    let attack = async {
        let drips = join_all((0..50).map(|_| drip())).await;
        let after = program.memory_kb("VmRSS");
        drop(drips);
        after
    };
    let more = watching.beside(attack).await.saturating_sub(before);
    println!("50 bodies in pieces of a byte take {more} kB");
    assert!(more < MODEST, "{more} kB");
}
