//! Datagrams as sources: sent by the real ffmpeg, over a network that loses and reorders.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use forebay_testkit::client::{self, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::ts::Checker;
use serde_json::json;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// How long a datagram is held back at most: far less than what is waited for.
const HELD: Duration = Duration::from_millis(20);

/// Sends a clip by datagrams, at the pace at which it plays, until it is dropped.
struct Sender(Child);

impl Sender {
    fn start(format: &str, url: &str) -> Self {
        let clip = Clip::get(Kind::H264Aac);
        let path = clip.path().to_owned();
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i"]).arg(path);
        command.args(["-c", "copy", "-f", format, url]).stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().expect("ffmpeg is installed"))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port of loopback that nobody has now.
async fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("there is a port");
    socket.local_addr().expect("it is bound").port()
}

/// Passes datagrams on: every eighth comes after the two that follow it, and of each `lose` one is
/// lost, if it is given.
async fn network(to: u16, lose: Option<usize>) -> (SocketAddr, JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("there is a port");
    let address = socket.local_addr().expect("it is bound");
    let to = SocketAddr::from(([127, 0, 0, 1], to));
    let task = tokio::spawn(async move {
        let (mut buffer, mut held): (_, Option<Vec<u8>>) = (vec![0; 65_536], None);
        for at in 0.. {
            // What is held back comes in time, however slowly others follow.
            let received = loop {
                match timeout(HELD, socket.recv(&mut buffer)).await {
                    Ok(received) => break received,
                    Err(_) => {
                        if let Some(datagram) = held.take() {
                            let _ = socket.send_to(&datagram, to).await;
                        }
                    }
                }
            };
            let Ok(size) = received else { return };
            let datagram = buffer[..size].to_vec();
            if lose.is_some_and(|every| at % every == every - 1) {
                continue;
            }
            if at % 8 == 5 {
                held = Some(datagram);
                continue;
            }
            let _ = socket.send_to(&datagram, to).await;
            if let Some(datagram) = held.take_if(|_| at % 8 == 7) {
                let _ = socket.send_to(&datagram, to).await;
            }
        }
    });
    (address, task)
}

async fn errors_of(relay: &Relay, span: Duration) -> (u64, usize) {
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    let bytes = viewer.read_for(span).await;
    let report = Checker::check(&bytes);
    (report.continuity_errors.values().sum(), bytes.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn rtp_that_comes_out_of_order_is_whole_and_what_is_lost_is_counted() {
    for (lose, is_whole) in [(None, true), (Some(100), false)] {
        let port = free_port().await;
        let (network, task) = network(port, lose).await;
        let relay = Relay::start(&channel("one", &[format!("rtp://127.0.0.1:{port}")], ""));
        let _sender = Sender::start("rtp_mpegts", &format!("rtp://{network}"));
        let (errors, size) = errors_of(&relay, 6 * SECOND).await;
        println!("lost one of {lose:?}: {errors} continuity errors in {size} bytes");
        assert!(size > 200_000, "{size}");
        assert_eq!(errors == 0, is_whole, "{errors}");
        let metrics = client::get(relay.address(), "/metrics").await.text();
        let count = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse::<f64>().ok()).unwrap_or_else(|| panic!("{name}: {metrics}"))
        };
        assert!(
            count("forebay_rtp_packets_total") > 100.0 && count("forebay_rtp_reordered_packets_total") > 5.0
        );
        assert_eq!(count("forebay_rtp_lost_packets_total") > 0.0, !is_whole);
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_joined_on_the_interface_that_is_named() {
    let port = free_port().await;
    let source = format!("udp://239.255.77.9:{port}?interface=127.0.0.1");
    let relay = Relay::start(&channel("one", &[source], ""));
    let url = format!("udp://239.255.77.9:{port}?localaddr=127.0.0.1&pkt_size=1316&ttl=0");
    let _sender = Sender::start("mpegts", &url);
    let (errors, size) = errors_of(&relay, 5 * SECOND).await;
    assert!(errors == 0 && size > 200_000, "{errors} {size}");
    // What is no interface is told, and the channel does not start.
    let other = Relay::start(&channel(
        "one",
        &[format!("udp://239.255.77.9:{port}?interface=none0")],
        "start_timeout = \"1s\"",
    ));
    let refused = client::get(other.address(), "/stream/one/index.m3u8").await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["sources"][0]["reason"]),
        (503, &json!("unreachable"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_writes_is_a_source_and_the_program_ends_with_its_viewers() {
    let clip = Clip::get(Kind::H264Aac);
    let path = clip.path().display().to_string();
    let words = ["ffmpeg", "-loglevel", "error", "-re", "-i", &path, "-c", "copy", "-f", "mpegts", "pipe:1"];
    let config = format!(
        "[[channels]]\nid = \"one\"\nidle_timeout = \"200ms\"\nsources = [{{ exec = {words:?} }}]\n\
         [[channels]]\nid = \"none\"\nstart_timeout = \"1s\"\nsources = [{{ exec = [\"no-such-program\"] }}]\n"
    );
    let relay = Relay::start(&config);
    let (errors, size) = errors_of(&relay, 3 * SECOND).await;
    assert!(errors == 0 && size > 100_000, "{errors} {size}");
    let mut own = Vec::new();
    for _ in 0..200 {
        own = children(&path);
        if own.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(own.is_empty(), "{own:?}");
    let refused = client::get(relay.address(), "/stream/none/index.m3u8").await;
    assert_eq!((refused.status, &refused.json()["error"]["sources"][0]["reason"]), (503, &json!("job")));
    let sources = json!({ "name": "evil", "source_urls": [{ "exec": ["id"] }] });
    let answer = client::Request::new("POST", relay.address(), "/api/relays").json(&sources).send().await;
    let answer = answer.expect("it answers");
    assert!(
        answer.status == 422 && answer.text().contains("only the configuration may name programs"),
        "{}",
        answer.text()
    );
}

/// Children of this process that are ffmpegs with this word.
fn children(word: &str) -> Vec<u32> {
    let own = std::process::id();
    let all = std::fs::read_dir("/proc").expect("it is Linux").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{id}/{name}")).unwrap_or_default();
        let parent =
            read("stat").rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        let line = read("cmdline");
        parent == Some(own) && line.contains("pipe:1") && line.contains(word)
    })
    .collect()
}
