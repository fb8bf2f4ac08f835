//! Viewers who wait for the next source.

use std::time::Duration;

use forebay_testkit::client::{Arrival, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::player;
use forebay_testkit::ts::{Checker, Limits, NULL_PID, PACKET_SIZE, Packet};
use serde_json::Value;

use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

/// A viewer of a source that is cut off after three seconds and comes back four seconds after that, all that it was sent, and the status
/// at the end.
async fn gap(settings: &str) -> (Vec<u8>, Vec<Arrival>, Value) {
    let origin = Origin::start().await;
    let clip = || Behaviour::ts(Clip::get(Kind::ShortGop));
    origin.serve("/a.ts", clip().cut_after(3 * SECOND));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], settings);
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    origin.serve("/a.ts", Behaviour::status(503, "text/plain", "no"));
    let mut bytes = viewer.read_for(7 * SECOND).await;
    origin.serve("/a.ts", clip());
    bytes.extend(viewer.read_for(7 * SECOND).await);
    assert!(viewer.ended().is_none(), "{:?}", viewer.ended());
    let status = relay.status("one").await;
    (bytes, viewer.arrivals().to_vec(), status)
}

fn largest_gap(arrivals: &[Arrival]) -> Duration {
    arrivals.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap_or_default()
}

fn assert_one_timeline(bytes: &[u8]) {
    let limits = Limits { dts_gap: 8 * SECOND, pcr: 8 * SECOND, cut_end: true, ..Limits::default() };
    let report = Checker::check(bytes);
    report.assert_within(&limits);
    assert_eq!(report.continuity_errors_total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_kept_alive() {
    let ((bytes, arrivals, status), (_, without, _)) =
        tokio::join!(gap("return_after = \"off\""), gap("keep_alive = false"));
    assert!(largest_gap(&without) > 3 * SECOND, "{:?}", largest_gap(&without));
    println!("largest gap: {} ms", largest_gap(&arrivals).as_millis());
    assert!(largest_gap(&arrivals) < SECOND, "{:?}", largest_gap(&arrivals));
    assert_one_timeline(&bytes);
    let nulls =
        bytes.chunks_exact(PACKET_SIZE).filter_map(Packet::new).filter(|packet| packet.pid() == NULL_PID);
    assert!(nulls.count() >= 8, "of every 250 ms of the gap");
    assert!(status["keep_alives"].as_u64() >= Some(8), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slate_is_shown_where_one_is_wanted() {
    player::require("ffmpeg");
    let (bytes, arrivals, status) = gap("slate = true").await;
    assert!(largest_gap(&arrivals) < SECOND, "{:?}", largest_gap(&arrivals));
    let report = Checker::check(&bytes);
    // Two seconds until it is shown; and the programme behind it.
    report.assert_within(&Limits {
        dts_gap: 4 * SECOND,
        pcr: 4 * SECOND,
        cut_end: true,
        ..Limits::default()
    });
    assert_eq!(report.continuity_errors_total(), 0);
    assert_eq!((&status["source_live"], &status["source_index"]), (&true.into(), &0.into()), "{status}");
    let file = tempfile::Builder::new().suffix(".ts").tempfile().expect("a temporary file");
    std::fs::write(file.path(), &bytes).expect("a temporary file takes the bytes");
    player::ffmpeg_strict(&file.path().to_string_lossy(), 8).await.assert_ok();
}
