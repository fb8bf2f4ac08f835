//! The switch from one source to another, as a viewer sees it.

use std::time::Duration;

use forebay_testkit::client::Viewer;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::player;
use forebay_testkit::ts::{Checker, Limits};

use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

fn first() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac))
}

fn second() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264AacB)).start_at(Duration::from_millis(7300))
}

/// Two sources with different encodes, PIDs and timelines. The first fails in some way `after` a while and is gone when it is opened again;
/// then it is back, and the second is killed. The viewer's bytes, and the largest gaps of both switches.
async fn watch_two_switches(failing: Behaviour, after: Duration) -> (Vec<u8>, Duration, Duration) {
    let origin = Origin::start().await;
    origin.serve("/a.ts", failing).serve("/b.ts", second());
    let relay = Relay::with_sources(&[origin.url("/a.ts"), origin.url("/b.ts")], "");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    assert_eq!(viewer.status(), 200);
    let gone = || Behaviour::status(404, "text/plain", "gone");
    origin.serve("/a.ts", gone());
    let mut bytes = viewer.read_for(after + 8 * SECOND).await;
    let there = viewer.largest_gap();
    assert_eq!(origin.connections("/b.ts"), 1, "the viewer is on the second source");

    origin.serve("/a.ts", first()).serve("/b.ts", gone());
    origin.kill("/b.ts");
    let before = viewer.arrivals().len();
    bytes.extend(viewer.read_for(7 * SECOND).await);
    let back =
        viewer.arrivals()[before.saturating_sub(1)..].windows(2).map(|pair| pair[1].at - pair[0].at).max();
    assert!(viewer.ended().is_none(), "the connection survives: {:?}", viewer.ended());
    assert_eq!(origin.connections("/a.ts"), 1, "the viewer is back on the first source");
    let status = relay.status("one").await;
    assert_eq!(status["failovers"]["total"], 2, "to the second, and back: {status}");
    assert_eq!(status["continuity_errors_out"], 0, "{status}");
    drop(viewer);
    assert!(relay.stop().await);
    origin.shutdown().await;
    (bytes, there, back.unwrap_or_default())
}

/// What every switch must look like to a viewer.
async fn assert_seamless(name: &str, bytes: &[u8]) {
    judge(name, bytes).await.assert_ok();
}

/// The same, and what ffmpeg thinks of it.
async fn judge(name: &str, bytes: &[u8]) -> player::Verdict {
    let report = Checker::check(bytes);
    let limits = Limits { dts_gap: 2 * SECOND, cut_end: true, ..Limits::default() };
    report.assert_within(&limits);
    assert_eq!(report.continuity_errors_total(), 0);
    assert_eq!(report.pmt_versions, [0], "the same set of streams is the same map");
    let file = tempfile::Builder::new().prefix(name).suffix(".ts").tempfile().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("a temporary file takes the bytes");
    let seconds = u32::try_from(report.media_time.as_secs()).expect("some seconds");
    player::ffmpeg_strict(&file.path().to_string_lossy(), seconds).await
}

async fn assert_switches(name: &str, failing: Behaviour, after: Duration, limit: Duration) {
    let (bytes, there, back) = watch_two_switches(failing, after).await;
    println!("{name}: gap {} ms, and back {} ms", there.as_millis(), back.as_millis());
    assert_seamless(name, &bytes).await;
    assert!(there < limit, "{name}: the gap was {there:?}");
    assert!(back < 2 * SECOND, "{name}: the gap on the way back was {back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_cut_off() {
    assert_switches("cut", first().cut_after(4 * SECOND), 4 * SECOND, 5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_ends() {
    assert_switches("ended", first().end_after(4 * SECOND), 4 * SECOND, 5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_stalls() {
    assert_switches("stalled", first().stall_after(4 * SECOND), 4 * SECOND, 5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_drips_null_packets() {
    assert_switches("nulls", first().drip_nulls_after(4 * SECOND), 4 * SECOND, 5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_clock_freezes() {
    let failing = first().freeze_pcr_after(4 * SECOND);
    let (bytes, there, back) = watch_two_switches(failing, 4 * SECOND).await;
    // Its pictures are sent until it is left, as a decoder needs each. Their times to be shown are
    // the same again and again.
    let verdict = judge("frozen", &bytes).await;
    let others = verdict.errors.iter().filter(|error| !error.contains("non monotonically increasing dts"));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(there < 5 * SECOND && back < 2 * SECOND, "gaps of {there:?} and {back:?}");
}
