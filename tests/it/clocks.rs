//! Sources whose clock does not fit their stamps, which are right: players show them.

use std::time::Duration;

use forebay_testkit::client::Viewer;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Clock, Origin};
use forebay_testkit::player::ffmpeg_strict;
use forebay_testkit::ts::{Checker, contains_in_order, demux};
use futures_util::future::join_all;
use serde_json::Value;

use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

const CLOCKS: [(&str, Clock); 6] = [
    ("slow", Clock::Pace { percent: 70 }),
    ("fast", Clock::Pace { percent: 150 }),
    ("unsteady", Clock::Jitter { by: SECOND }),
    ("standing", Clock::Stands),
    ("missing", Clock::Missing),
    ("apart", Clock::Apart),
];

/// What is wrong with what a viewer by MPEG-TS gets, beside the same by HLS.
async fn watch(relay: &Relay, name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut viewer = Viewer::get(relay.address(), &format!("/stream/{name}")).await;
    let hls = relay.url(&format!("/stream/{name}/hls"));
    let (bytes, verdict) = tokio::join!(viewer.read_for(8 * SECOND), ffmpeg_strict(&hls, 5));
    let report = Checker::check(&bytes);
    let (clip, got) = (Clip::get(Kind::H264Aac), demux(&bytes));
    for (pid, sent) in clip.pes() {
        let got = got.get(&pid).map_or(&[][..], Vec::as_slice);
        let played = got.last().zip(got.first()).and_then(|(last, first)| Some(last.pts? - first.pts?));
        match contains_in_order(&sent, got) {
            Ok(run) => println!("{name}: {} on PID {pid:#x}", run.length),
            Err(error) => faults.push(format!("PID {pid:#x}: {error}")),
        }
        if played.is_none_or(|ticks| ticks < 7 * 90_000) {
            faults.push(format!("PID {pid:#x}: only {played:?} ticks"));
        }
    }
    if report.continuity_errors_total() > 0 || !report.dts_backward.is_empty() {
        faults.push(format!("{} breaks, {:?}", report.continuity_errors_total(), report.dts_backward));
    }
    if !verdict.ok {
        faults.push(format!("HLS: {:?}", verdict.errors));
    }
    let status = relay.status(name).await;
    let source = &status["sources"][0];
    for (is_wrong, what) in [
        (status["failovers"]["total"] != 0, &status["failovers"]),
        (status["faults"] != Value::Object(serde_json::Map::new()), &status["faults"]),
        (!source["last_error"].is_null(), &source["last_error"]),
    ] {
        if is_wrong {
            faults.push(what.to_string());
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn players_by_the_stamps_notice_nothing() {
    let (origin, backup) = (Origin::start().await, Origin::start().await);
    let clip = || Behaviour::ts(Clip::get(Kind::H264Aac)).shift_90k(900_000);
    let mut channels = String::new();
    for (name, clock) in CLOCKS {
        let path = format!("/{name}.ts");
        origin.serve(&path, clip().clock(clock));
        backup.serve(&path, Behaviour::ts(Clip::get(Kind::H264AacB)));
        channels += &channel(name, &[origin.url(&path), backup.url(&path)], "");
    }
    let relay = Relay::start(&channels);
    let seen = join_all(CLOCKS.iter().map(|(name, _)| watch(&relay, name))).await;
    let faults: Vec<String> = CLOCKS
        .iter()
        .zip(seen)
        .flat_map(|((name, _), faults)| faults.into_iter().map(move |fault| format!("{name}: {fault}")))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}
