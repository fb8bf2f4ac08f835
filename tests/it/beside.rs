//! A second source beside the first: a hedge against one that takes long, and the way back to the preferred one.

use std::time::Duration;

use forebay_testkit::client::Viewer;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::{Checker, Limits};
use tokio::time::Instant;

use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

fn first() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac))
}

fn second() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264AacB)).start_at(Duration::from_millis(7300))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_takes_long_is_hedged() {
    let (slow, other) = (Origin::start().await, Origin::start().await);
    slow.serve("/a.ts", first().answer_after(20 * SECOND));
    other.serve("/b.ts", second());
    let sources = [slow.url("/a.ts"), other.url("/b.ts")];
    let relay = Relay::with_sources(&sources, "connect_timeout = \"8s\"");
    let asked = Instant::now();
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    let waited = asked.elapsed();
    assert!((SECOND..5 * SECOND).contains(&waited), "{waited:?}");
    Checker::check(&viewer.read_for(2 * SECOND).await).assert_clean();
    slow.wait_connections("/a.ts", 0, SECOND).await;
    let status = relay.status("one").await;
    assert_eq!((&status["source_index"], &status["failovers"]["total"]), (&1.into(), &0.into()), "{status}");
    assert_eq!(other.opened("/b.ts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_provider_is_asked_for_one_connection() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", first().answer_after(3 * SECOND)).serve("/b.ts", second());
    let sources = [origin.url("/a.ts"), origin.url("/b.ts")];
    let relay = Relay::with_sources(&sources, "connect_timeout = \"8s\"\nreturn_after = \"1s\"");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    Checker::check(&viewer.read_for(2 * SECOND).await).assert_clean();
    assert_eq!((origin.opened("/a.ts"), origin.opened("/b.ts")), (1, 0), "it may allow no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preferred_source_that_is_well_again_is_returned_to_unnoticed() {
    let (preferred, other) = (Origin::start().await, Origin::start().await);
    preferred.serve("/a.ts", first().cut_after(3 * SECOND));
    other.serve("/b.ts", second());
    let sources = [preferred.url("/a.ts"), other.url("/b.ts")];
    let relay = Relay::with_sources(&sources, "return_after = \"3s\"");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    preferred.serve("/a.ts", Behaviour::status(503, "text/plain", "no"));
    let mut bytes = viewer.read_for(5 * SECOND).await;
    let status = relay.status("one").await;
    assert_eq!(status["source_index"], 1, "{status}");
    preferred.serve("/a.ts", first());
    let before = viewer.arrivals().len();
    bytes.extend(viewer.read_for(15 * SECOND).await);
    let status = relay.status("one").await;
    let switch = &status["failovers"]["last"][1];
    assert_eq!((&switch["reason"], &switch["to"]), (&"return".into(), &0.into()), "{status}");
    assert_eq!(status["continuity_errors_out"], 0, "{status}");
    let gap = viewer.arrivals()[before..].windows(2).map(|pair| pair[1].at - pair[0].at).max();
    println!("largest gap on the way back: {} ms", gap.unwrap_or_default().as_millis());
    assert!(gap < Some(SECOND / 2), "{gap:?}");
    let report = Checker::check(&bytes);
    report.assert_within(&Limits { dts_gap: 2 * SECOND, cut_end: true, ..Limits::default() });
    other.wait_connections("/b.ts", 0, SECOND).await;
}
