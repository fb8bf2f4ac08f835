//! One address that takes whatever it gets.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use forebay_testkit::client::{self, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::net::TcpStream;

use super::victim::Victim;
use crate::program::Setup;
use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// Another one than that of the attacker, who is at 127.0.0.1.
const NEIGHBOUR: &str = "127.0.0.2";

fn from_next_door(address: SocketAddr, path: &str) -> Request {
    Request::get(address, path).from(NEIGHBOUR.parse::<IpAddr>().expect("it is an address"))
}

/// Asks for a playlist as somebody new; the status and the playlist.
async fn session(address: SocketAddr, id: &str, token: usize) -> (u16, String) {
    let answer = client::get(address, &format!("/stream/{id}/index.m3u8?token={token}")).await;
    (answer.status, answer.text())
}

fn code(answer: &client::Answer) -> (u16, Option<String>) {
    (answer.status, answer.json()["error"]["code"].as_str().map(str::to_owned))
}

/// A channel `one` with room for so many, and HLS that begins soon.
fn hls(max_viewers: u32) -> (String, String) {
    let settings = format!("max_viewers = {max_viewers}\nstart_timeout = \"5s\"");
    let tables = "[hls]\nsegment = \"1s\"\n".to_owned();
    (tables, settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_without_a_segment_keep_nobody_out() {
    let (victim, origin) = (Victim::new().await, Origin::start().await);
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(8 * SECOND));
    let (tables, settings) = hls(8);
    let channels = channel("one", &[origin.url("/a.ts")], &settings) + &victim.channel();
    let limits = "max_bandwidth = \"200 Mbit/s\"\nmax_viewers_per_address = 40\n";
    let relay = Relay::start(&format!("{limits}{tables}{channels}"));
    let address = relay.address();
    let mut watching = victim.watch(address).await;
    let attack = async {
        let sessions = join_all((0..60).map(|token| session(address, "one", token))).await;
        let served: Vec<&String> =
            sessions.iter().filter(|(status, _)| *status == 200).map(|(_, list)| list).collect();
        // One place is the victim's.
        assert_eq!(served.len(), 39, "an address has as many sessions as viewers");
        assert!(sessions.iter().all(|(status, _)| matches!(status, 200 | 429)));
        // They weigh nothing.
        let neighbour = from_next_door(address, "/stream/one").open().await.expect("the relay answers");
        assert_eq!(neighbour.status(), 200, "there is room for who watches");
        // Those who fetch segments weigh something, and get three quarters: six of eight.
        let segment =
            served[0].lines().find(|line| line.starts_with("hls/segment_")).expect("there is a segment");
        let path = format!("/stream/one/{segment}");
        let fetched = join_all((0..20).map(|_| async { Request::get(address, &path).send().await })).await;
        let fetched = fetched.into_iter().map(|answer| answer.expect("the relay answers"));
        let refused = fetched.filter(|answer| answer.status != 200).collect::<Vec<_>>();
        assert_eq!(refused.len(), 14);
        assert_eq!(code(&refused[0]), (429, Some("address_limit".into())));
        let second = from_next_door(address, "/stream/one").open().await.expect("the relay answers");
        assert_eq!(second.status(), 200, "the neighbours' share is still there");
        drop(neighbour);
    };
    watching.beside(attack).await;
}

/// Where nothing is said of an address, it is three quarters of what all may have.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_one_address_keep_no_neighbour_out_by_default() {
    const ALL: usize = 400;
    let (victim, origin) = (Victim::new().await, Origin::start().await);
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(8 * SECOND));
    let channels = channel("one", &[origin.url("/a.ts")], "") + &victim.channel();
    let relay = Relay::start(&format!("max_connections = {ALL}\n[hls]\nsegment = \"1s\"\n{channels}"));
    let address = relay.address();
    let mut watching = victim.watch(address).await;
    let attack = async {
        let sessions = stream::iter(0..ALL).map(|token| session(address, "one", token)).buffer_unordered(50);
        let statuses: Vec<u16> = sessions.map(|(status, _)| status).collect().await;
        let served = statuses.iter().filter(|&&status| status == 200).count();
        // One place is the victim's.
        assert_eq!(served, ALL * 3 / 4 - 1);
        assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
        for path in ["/stream/one/index.m3u8?token=next-door", "/stream/one"] {
            let neighbour = from_next_door(address, path).open().await.expect("the relay answers");
            assert_eq!(neighbour.status(), 200, "{path}");
        }
    };
    watching.beside(attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_get_all_bandwidth() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let channels = channel("one", &[origin.url("/a.ts")], "");
    let relay = Relay::start(&format!("max_bandwidth = \"8 Mbit/s\"\n{channels}"));
    let address = relay.address();
    let mut first = Viewer::get(address, "/stream/one").await;
    let is_known = |status: &Value| status["bitrate"].as_u64() > Some(0);
    tokio::join!(relay.wait_status("one", 4 * SECOND, is_known), first.read_for(3 * SECOND));
    let mut viewers = vec![first];
    let refusal = loop {
        assert!(viewers.len() < 20, "there is no limit");
        match Request::get(address, "/stream/one").open().await.expect("the relay answers") {
            viewer if viewer.status() == 200 => viewers.push(viewer),
            refusal => break refusal,
        }
    };
    println!("{} viewers of one address at 8 Mbit/s", viewers.len());
    assert_eq!((refusal.status(), viewers.len() > 3), (429, true));
    let neighbour = from_next_door(address, "/stream/one").open().await.expect("the relay answers");
    assert_eq!(neighbour.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_get_all_connections() {
    let victim = Victim::new().await;
    let limits = "max_connections = 64\nmax_connections_per_address = 40\n";
    let relay = Relay::start(&format!("{limits}{}", victim.channel()));
    let address = relay.address();
    let mut watching = victim.watch(address).await;
    let attack = async {
        let silent = join_all((0..100).map(|_| TcpStream::connect(address))).await;
        assert!(silent.iter().all(Result::is_ok), "the system takes them");
        let answer = client::get(address, "/health").await;
        assert_eq!(code(&answer), (503, Some("too_many_connections".into())));
        for path in ["/health", "/api/streams/status"] {
            let answer = from_next_door(address, path).send().await.expect("the relay answers");
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            let connections = &answer.json()["server"]["connections"]["now"];
            assert!(connections.as_u64().is_none_or(|now| now <= 42), "{connections}");
        }
    };
    watching.beside(attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_open_all_channels_at_once() {
    let (victim, origin) = (Victim::new().await, Origin::start().await);
    origin.serve("/hangs", Behaviour::ts(Clip::get(Kind::H264Aac)).answer_after(20 * SECOND));
    let mut channels = victim.channel();
    for at in 0..12 {
        channels += &channel(&at.to_string(), &[origin.url("/hangs")], "start_timeout = \"5s\"");
    }
    let relay = Relay::start(&format!("max_opening_per_address = 4\n{channels}"));
    let address = relay.address();
    let mut watching = victim.watch(address).await;
    let attack = async {
        let paths = (0..12).map(|at| format!("/stream/{at}"));
        let answers = join_all(paths.map(|path| async move { client::get(address, &path).await })).await;
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
        assert_eq!((refused.len(), code(refused[0]).1), (8, Some("address_limit".into())));
        assert_eq!(answers.iter().filter(|answer| answer.status == 503).count(), 4);
    };
    let open = async {
        tokio::time::sleep(SECOND).await;
        // What is open can be watched, and others can open what they like.
        assert_eq!(Viewer::get(address, "/stream/victim").await.status(), 200);
        let neighbour = from_next_door(address, "/stream/11").send().await.expect("the relay answers");
        assert_eq!(neighbour.status, 503, "it was opened, and there was nothing");
    };
    watching.beside(async { tokio::join!(attack, open) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_without_end_leave_descriptors_for_those_that_are_open() {
    const LIMIT: u32 = 128;
    let victim = Victim::new().await;
    let mut channels = victim.channel();
    for at in 0..LIMIT {
        channels += &channel(&at.to_string(), &["testcard://".into()], "");
    }
    let program = Setup::new(&channels).descriptors(LIMIT).start().await;
    let address = program.address();
    let mut watching = victim.watch(address).await;
    let attack = async {
        let mut hoard = Vec::new();
        for at in 0..LIMIT {
            match Request::get(address, &format!("/stream/{at}")).open().await.expect("nobody is left out") {
                viewer if viewer.status() == 200 => hoard.push(viewer),
                refusal => {
                    assert!(matches!(refusal.status(), 429 | 503), "{refusal:?}");
                    break;
                }
            }
        }
        assert!(hoard.len() > 10, "{}", hoard.len());
        let files = program.files().len();
        println!("{} channels, {files} of {LIMIT} descriptors", hoard.len());
        assert_eq!(client::get(address, "/health").await.status, 200);
        assert_eq!(Viewer::get(address, "/stream/victim").await.status(), 200);
        assert_eq!(Viewer::get(address, "/stream/0").await.status(), 200);
    };
    watching.beside(attack).await;
}
