//! Variants: channels through a profile, made by the real ffmpeg.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{self, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::PACKET_SIZE;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::program::Setup;
use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// Enough for twenty programs that give way to all others, on a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// The machine of a test is busy with other tests.
const NO_LIMIT: &str = "[transcode]\ncpu_limit = \"off\"\n";

async fn origin(kind: Kind) -> Origin {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(kind)));
    origin
}

async fn resources(address: SocketAddr) -> Value {
    resources_of(Request::get(address, "/api/resources")).await
}

async fn resources_of(request: Request) -> Value {
    let answer = request.send().await.expect("it answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Waits until the resources are as wanted.
async fn wait(address: SocketAddr, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_as(address, "", wanted).await
}

/// The same for whoever has this token.
async fn wait_as(address: SocketAddr, token: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let ask = || {
        let request = Request::get(address, "/api/resources");
        if token.is_empty() { request } else { request.header("Authorization", token) }
    };
    let waiting = async {
        loop {
            let found = resources_of(ask()).await;
            if wanted(&found) {
                return found;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let Ok(found) = timeout(SOON, waiting).await else {
        panic!("it did not come to be so: {}", resources_of(ask()).await)
    };
    found
}

fn pid(resources: &Value) -> Option<i32> {
    resources["jobs"][0]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).expect("a number"), signal).expect("it runs");
}

/// What a stream carries, as the survey of the core tells.
fn streams(bytes: &[u8]) -> Vec<String> {
    let mut survey = forebay_core::ts::survey::Survey::new(None);
    survey.push(bytes);
    let tell = |stream: &forebay_core::ts::survey::Stream| {
        let format = stream.video.as_ref().and_then(|video| video.format.as_ref());
        let size = format.map(|format| format!(" {}x{}", format.width, format.height));
        format!("{}{}", stream.codec, size.unwrap_or_default())
    };
    survey.report().streams.iter().map(tell).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_viewers_are_one_job_and_one_upstream_and_it_ends_with_the_last() {
    let origin = origin(Kind::Mpeg2Mp2).await;
    let config = NO_LIMIT.to_owned() + &channel("one", &[origin.url("/a.ts")], "idle_timeout = \"500ms\"");
    let relay = Relay::start(&config);
    let mut viewers = Vec::new();
    for at in 0..100 {
        let path = if at % 2 == 0 { "/stream/one@browser.ts" } else { "/stream/one@browser" };
        viewers.push(Viewer::get(relay.address(), path).await);
    }
    let first = viewers[0].read_until(400 * PACKET_SIZE).await;
    assert_eq!(viewers[0].status(), 200);
    assert_eq!(streams(&first), ["MPEG-2 video 640x360", "AAC"]);
    for viewer in &mut viewers {
        assert!(!viewer.read_until(PACKET_SIZE).await.is_empty());
    }
    let found = resources(relay.address()).await;
    assert_eq!(found["jobs"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(
        (&found["jobs"][0]["channel"], &found["jobs"][0]["encodes"]),
        (&json!("one@browser"), &json!(false))
    );
    assert_eq!((origin.connections("/a.ts"), origin.opened("/a.ts")), (1, 1));
    let base = relay.status("one").await;
    assert_eq!((&base["readers"]["job"], &base["clients"]), (&json!(1), &json!(0)), "{base}");
    let variant = relay.status("one@browser").await;
    assert_eq!(variant["clients"], json!(100), "{variant}");
    drop(viewers);
    wait(relay.address(), |found| found["jobs"] == json!([])).await;
    origin.wait_connections("/a.ts", 0, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variant_is_encoded_and_is_hls_too_and_unknown_ones_are_not_there() {
    let origin = origin(Kind::H264Aac).await;
    let own = "[[profiles]]\nid = \"tiny\"\nheight = 90\nbitrate = \"200 kbit/s\"\n";
    let relay = Relay::start(&(NO_LIMIT.to_owned() + own + &channel("one", &[origin.url("/a.ts")], "")));
    let mut viewer = Viewer::get(relay.address(), "/stream/one@tiny").await;
    let bytes = viewer.read_until(300 * PACKET_SIZE).await;
    let found = streams(&bytes);
    assert!(found[0].starts_with("H.264 160x90") && found[1] == "AAC", "{found:?}");
    let playlist = client::get(relay.address(), "/stream/one@tiny/index.m3u8").await;
    assert_eq!((playlist.status, playlist.text().starts_with("#EXTM3U")), (200, true));
    for path in ["/stream/one@huge", "/stream/two@low", "/stream/one@", "/stream/@low", "/stream/one@low@low"]
    {
        assert_eq!(client::get(relay.address(), path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_killed_or_stands_still_is_replaced_while_its_viewers_stay() {
    let origin = origin(Kind::H264Aac).await;
    let relay = Relay::start(&(NO_LIMIT.to_owned() + &channel("one", &[origin.url("/a.ts")], "")));
    let mut viewer = Viewer::get(relay.address(), "/stream/one@potato").await;
    assert!(!viewer.read_until(50 * PACKET_SIZE).await.is_empty());
    for (how, name) in [(Signal::KILL, "killed"), (Signal::STOP, "stopped")] {
        let before = pid(&wait(relay.address(), |found| pid(found).is_some()).await).expect("it runs");
        let (begun, had) = (Instant::now(), viewer.total());
        signal(before, how);
        let replaced = wait(relay.address(), |found| pid(found).is_some_and(|pid| pid != before)).await;
        let took = begun.elapsed();
        println!("{name} ffmpeg replaced after {} ms", took.as_millis());
        assert!(took < 6 * SECOND, "{name}: {took:?}, {replaced}");
        // What comes of the new one: more than what was on its way.
        let more = usize::try_from(had).expect("it is little") / PACKET_SIZE * PACKET_SIZE;
        assert!(!viewer.read_until(more + 200 * PACKET_SIZE).await.is_empty());
        assert_eq!(viewer.ended().map(|_| ()), None, "{name}");
    }
    assert_eq!(origin.opened("/a.ts"), 1, "the channel itself is not opened anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_beyond_the_limit_are_refused_and_those_that_run_go_on() {
    let origin = origin(Kind::H264Aac).await;
    let limit = "[transcode]\ncpu_limit = \"off\"\nmax_jobs = 1\n";
    let relay = Relay::start(&(limit.to_owned() + &channel("one", &[origin.url("/a.ts")], "")));
    let mut viewer = Viewer::get(relay.address(), "/stream/one@potato").await;
    assert!(!viewer.read_until(50 * PACKET_SIZE).await.is_empty());
    let refused = client::get(relay.address(), "/stream/one@low").await;
    assert_eq!((refused.status, refused.json()["error"]["code"].clone()), (503, json!("no_cpu")));
    // One more viewer of what runs costs nothing, and the channel itself is nobody's job.
    for path in ["/stream/one@potato", "/stream/one"] {
        let mut viewer = Viewer::get(relay.address(), path).await;
        assert!(!viewer.read_until(PACKET_SIZE).await.is_empty(), "{path}");
    }
}

/// Whether a process is there, and no zombie.
fn is_alive(pid: i32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    state
        .and_then(|text| text.rsplit_once(") ").map(|(_, rest)| !rest.starts_with(['Z', 'X'])))
        .unwrap_or(false)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_outlives_a_server_that_is_killed() {
    let origin = origin(Kind::Mpeg2Mp2).await;
    let channels: String = (0..20).map(|at| channel(&format!("c{at}"), &[origin.url("/a.ts")], "")).collect();
    let program = Setup::new(&(NO_LIMIT.to_owned() + &channels)).start().await;
    let address = program.address();
    // Jobs give way to whatever else this machine does, so some may have to begin more than once.
    let watch = |at: u32| async move {
        loop {
            Viewer::get(address, &format!("/stream/c{at}@browser")).await.read_to_end().await;
        }
    };
    let viewers: Vec<_> = (0..20).map(|at| tokio::spawn(watch(at))).collect();
    let all_run = |found: &Value| {
        let jobs = found["jobs"].as_array().expect("a list");
        jobs.len() == 20 && jobs.iter().all(|job| job["pid"].is_u64())
    };
    let found = wait_as(address, &program.admin_token(), all_run).await;
    let pids: Vec<i32> = found["jobs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|job| i32::try_from(job["pid"].as_i64().expect("a number")).expect("it fits"))
        .collect();
    assert!(pids.iter().all(|&pid| is_alive(pid)));
    viewers.iter().for_each(tokio::task::JoinHandle::abort);
    program.signal(Signal::KILL);
    let begun = Instant::now();
    while pids.iter().any(|&pid| is_alive(pid)) && begun.elapsed() < SECOND {
        sleep(Duration::from_millis(5)).await;
    }
    println!("20 jobs ended {} ms after the server was killed", begun.elapsed().as_millis());
    assert!(!pids.iter().any(|&pid| is_alive(pid)), "{pids:?}");
}
