//! Viewers who read slowly, or not at all: it is their own affair.

use std::time::Duration;

use forebay_testkit::client::{Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::{Checker, PACKET_SIZE, Packet};

use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// What a slow viewer's device buffers, in bytes: little, so that it is felt at once.
const RECEIVE_BUFFER: u32 = 8 * 1024;

fn get(relay: &Relay) -> Request {
    Request::get(relay.address(), "/stream/one")
}

/// PAT, PMT and the beginning of a picture to start with.
fn is_entry(packets: &[&[u8]], video: u16) -> bool {
    let packets: Vec<_> = packets.iter().take(3).filter_map(|packet| Packet::new(packet)).collect();
    let [pat, pmt, picture] = packets[..] else { return false };
    pat.pid() == 0
        && [pat, pmt, picture].iter().all(Packet::starts_unit)
        && picture.pid() == video
        && picture.is_random_access()
}

/// Takes apart what a slow viewer got into stretches of what a viewer who kept up got, which is all there was: from which packet to
/// which. Each has to begin with an entry.
fn stretches(all: &[u8], got: &[u8], video: u16) -> Vec<(usize, usize)> {
    let (all, got): (Vec<_>, Vec<_>) =
        (all.chunks_exact(PACKET_SIZE).collect(), got.chunks_exact(PACKET_SIZE).collect());
    let mut found = Vec::new();
    let (mut from, mut at) = (0, 0);
    while at < got.len() {
        assert!(is_entry(&got[at..], video), "packet {at} is no picture to start with; before it: {found:?}");
        // Tables repeat, so these alone do not tell where they are from.
        let next = &got[at..got.len().min(at + 8)];
        let start = (from..all.len()).find(|&start| all[start..].starts_with(next));
        let start =
            start.unwrap_or_else(|| panic!("packet {at} is not from the stream; before it: {found:?}"));
        let mut length = all[start..].iter().zip(&got[at..]).take_while(|(all, got)| all == got).count();
        // And the tables of the next stretch may be those that follow this one.
        let tables = (0..=2).find(|back| is_entry(&got[at + length - back..], video));
        length -= tables.unwrap_or(0);
        found.push((start, start + length));
        (from, at) = (start + length, at + length);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_viewer_is_moved_on_from_picture_to_picture_and_nobody_else_notices() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "buffer = \"3s\"\nburst = \"1s\"");
    let mut normal = get(&relay).open().await.unwrap();
    let mut all = normal.read_until(PACKET_SIZE).await;
    let mut slow = get(&relay).receive_buffer(RECEIVE_BUFFER).open().await.unwrap();
    // The same stream past the relay, to tell the machine's pauses from the relay's.
    let mut direct = Viewer::get(origin.address(), "/a.ts").await;

    let slowly = async {
        let mut got = slow.read_at_rate(10_000, 12 * SECOND).await;
        let moved_on =
            relay.wait_status("one", SECOND, |status| status["slow_viewers"]["moved_on"] != 0).await;
        // Then its line is better, and it sees where it has been moved to: first what was on the way to it.
        got.extend(slow.read_for(SECOND).await);
        (got, moved_on)
    };
    let (rest, (got, status), _) =
        tokio::join!(normal.read_for(14 * SECOND), slowly, direct.read_for(14 * SECOND));
    all.extend(rest);
    let (gap, pause) = (normal.largest_gap(), direct.largest_gap());
    println!(
        "largest gap of the normal viewer {gap:.0?}, past the relay {pause:.0?}; {}",
        status["slow_viewers"]
    );
    let limit = Duration::from_millis(250).max(pause + Duration::from_millis(200));
    assert!(gap < limit, "{gap:?} without a byte beside a slow viewer");
    let report = Checker::check(&all);
    report.assert_clean();

    assert!(slow.ended().is_none(), "slow is not dead: {:?}", slow.ended());
    assert!(status["slow_viewers"]["bytes_missed"].as_u64() > Some(100_000), "{status}");
    let video = report.video_pid().unwrap();
    let found = stretches(&all, &got, video);
    println!("the slow viewer got {} bytes, of these packets: {found:?}", got.len());
    assert!(found.len() > 1, "it was moved on");
    assert_eq!(Checker::check(&got).sync_errors, 0);
    assert_eq!(origin.opened("/a.ts"), 2, "the relay's and the one past it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_takes_nothing_is_dropped_and_the_upstream_is_closed() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(4 * SECOND));
    let settings = "viewer_timeout = \"1s\"\nidle_timeout = \"500ms\"\nburst = \"4s\"";
    let relay = Relay::with_sources(&[origin.url("/a.ts")], settings);
    let mut stuck = get(&relay).receive_buffer(RECEIVE_BUFFER).open().await.unwrap();
    let began = tokio::time::Instant::now();
    relay.wait_status("one", 5 * SECOND, |status| status["clients"] == 0).await;
    let waited = began.elapsed();
    assert!(waited > SECOND, "it had its time: {waited:?}");
    origin.wait_connections("/a.ts", 0, 2 * SECOND).await;
    let rest = stuck.read_for(5 * SECOND).await;
    println!("dropped after {waited:.1?}, with {} bytes on the way", rest.len());
    assert!(stuck.ended().is_some(), "the connection is closed");
    assert_eq!(origin.opened("/a.ts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_takes_a_little_now_and_then_is_not_dropped() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(4 * SECOND));
    let settings = "viewer_timeout = \"1s\"\nburst = \"4s\"";
    let relay = Relay::with_sources(&[origin.url("/a.ts")], settings);
    let mut slow = get(&relay).receive_buffer(RECEIVE_BUFFER).open().await.unwrap();
    slow.read_at_rate(30_000, 5 * SECOND).await;
    assert_eq!((slow.ended(), &relay.status("one").await["clients"]), (None, &1.into()));
}

/// Two viewers who keep up and a slow one, with this `delivery`: the two get the same, and the slow one whole packets of it.
async fn assert_delivers(delivery: &str) {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264AacB)));
    let settings = "buffer = \"1200ms\"\nburst = \"1s\"\nviewer_timeout = \"1s\"";
    let one = channel("one", &[origin.url("/a.ts")], settings);
    let relay = Relay::start(&format!("delivery = {delivery:?}\n{one}"));
    let mut first = Viewer::get(relay.address(), "/stream/one").await;
    let mut all = first.read_until(PACKET_SIZE).await;
    let mut second = Viewer::get(relay.address(), "/stream/one").await;
    let slow = get(&relay).receive_buffer(RECEIVE_BUFFER).open().await;
    let mut slow = slow.expect("the relay answers");
    let watching = async {
        let mut got = slow.read_at_rate(10_000, 4 * SECOND).await;
        let status =
            relay.wait_status("one", 2 * SECOND, |status| status["slow_viewers"]["moved_on"] != 0).await;
        got.extend(slow.read_for(SECOND).await);
        (got, status)
    };
    let span = 6 * SECOND;
    let ((slow_got, status), rest, beside) =
        tokio::join!(watching, first.read_for(span), second.read_for(span));
    all.extend(rest);
    let report = Checker::check(&all);
    report.assert_clean();
    Checker::check(&beside).assert_clean();
    // It may have come a little later, and both end somewhere.
    let is_standby = |start: &usize| all[*start..].iter().zip(&beside).all(|(all, beside)| all == beside);
    let start = (0..all.len() / 2).step_by(PACKET_SIZE).find(is_standby);
    println!("{delivery}: {} bytes, and from {start:?} on {}", all.len(), beside.len());
    assert!(start.is_some(), "the second got what the first one got");

    assert!(slow.ended().is_none(), "slow is not dead: {:?}", slow.ended());
    assert_eq!(Checker::check(&slow_got).sync_errors, 0);
    let found = stretches(&all, &slow_got, report.video_pid().expect("the clip has a picture"));
    println!("{delivery}: {} bytes to the slow one, {found:?}; {}", slow_got.len(), status["slow_viewers"]);
    assert!(found.len() > 1, "it was moved on");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_copied_for_each_viewer_is_the_same_for_all_and_in_whole_packets() {
    assert_delivers("copy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_kernel_sends_by_itself_is_the_same_for_all_and_in_whole_packets() {
    assert_delivers("sendfile").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_in_either_way_is_the_same_for_all_and_in_whole_packets() {
    assert_delivers("auto").await;
}
