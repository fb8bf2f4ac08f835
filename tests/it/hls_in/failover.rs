//! HLS sources that are left, what they are left for, and how few requests they get.

use forebay_testkit::origin::{Behaviour, Fault};

use super::*;

/// Two sources, and a viewer of the first.
struct Two {
    origin: Origin,
    first: Broadcast,
    relay: Relay,
    viewer: Viewer,
}

async fn two(first: Hls) -> Two {
    let origin = Origin::start().await;
    let first = first.mount(&origin, "/first");
    let second = Hls::live(Clip::get(Kind::H264AacB)).segment(SECOND).mount(&origin, "/second");
    let relay = Relay::with_sources(&[first.url().to_owned(), second.url().to_owned()], "");
    let viewer = Viewer::get(relay.address(), "/stream/one").await;
    assert_eq!(viewer.status(), 200, "{}", relay.status("one").await);
    Two { origin, first, relay, viewer }
}

/// The viewer is switched to the second source for this reason, without an error, and with no gap longer than `gap`.
async fn switches(mut two: Two, begun: Vec<u8>, seconds: u32, reason: &str, gap: Duration) {
    let bytes = [begun, two.viewer.read_for(seconds * SECOND).await].concat();
    let status = two.relay.status("one").await;
    println!("{reason}: gap {} ms", two.viewer.largest_gap().as_millis());
    assert_eq!(status["source_index"], 1, "{status}");
    assert_eq!(status["failovers"]["last"][0]["reason"], reason, "{status}");
    assert_eq!(status["continuity_errors_out"], 0, "{status}");
    clean(&bytes);
    assert!(two.viewer.largest_gap() < gap, "the gap was {:?}", two.viewer.largest_gap());
    two.origin.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_that_never_changes_again() {
    let mut two = two(hls()).await;
    let begun = two.viewer.read_for(2 * SECOND).await;
    two.first.change(|hls| hls.frozen(true));
    switches(two, begun, 12, "stalled", 6 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_that_is_gone() {
    let mut two = two(hls()).await;
    let begun = two.viewer.read_for(2 * SECOND).await;
    two.first.change(|hls| hls.playlist_status(Some(404)));
    switches(two, begun, 12, "hls_gone", 6 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_segment_again_and_again() {
    let mut two = two(hls().fault(8.., Fault::Repeated)).await;
    let bytes = two.viewer.read_for(16 * SECOND).await;
    let status = two.relay.status("one").await;
    assert_eq!(status["source_index"], 1, "{status}");
    // Each of them begins where the last one did, and is the same.
    let reason = status["failovers"]["last"][0]["reason"].as_str();
    assert!(matches!(reason, Some("erratic_clock" | "repeating")), "{status}");
    clean(&bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_all_fail() {
    let mut two = two(hls()).await;
    let begun = two.viewer.read_for(2 * SECOND).await;
    two.first.change(|hls| hls.fault(.., Fault::Status(500)));
    switches(two, begun, 14, "hls_segments", 6 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_goes_on_slower_than_it_plays() {
    let mut two = two(hls()).await;
    let begun = two.viewer.read_for(2 * SECOND).await;
    two.first.change(|hls| hls.speed(0.4));
    switches(two, begun, 18, "slow", 6 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_come_slower_than_they_play() {
    let mut two = two(hls()).await;
    let begun = two.viewer.read_for(2 * SECOND).await;
    let next = two.first.segments();
    two.first.change(|hls| hls.fault(next.., Fault::Slow { bytes_per_second: 50_000 }));
    switches(two, begun, 20, "slow", 6 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_all_stop_in_the_middle() {
    let mut two = two(hls()).await;
    let begun = two.viewer.read_for(2 * SECOND).await;
    let next = two.first.segments();
    two.first.change(|hls| hls.fault(next.., Fault::Stalled));
    let bytes = [begun, two.viewer.read_for(12 * SECOND).await].concat();
    let status = two.relay.status("one").await;
    assert_eq!(
        (&status["source_index"], &status["failovers"]["last"][0]["reason"]),
        (&1.into(), &"stalled".into()),
        "{status}"
    );
    println!("stopped: gap {} ms", two.viewer.largest_gap().as_millis());
    assert!(two.viewer.largest_gap() < 5 * SECOND, "the gap was {:?}", two.viewer.largest_gap());
    assert_eq!(Checker::check(&bytes).dts_backward.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_ends() {
    let mut two = two(hls()).await;
    let begun = two.viewer.read_for(2 * SECOND).await;
    two.first.change(|hls| hls.ended(true));
    let wanted = |status: &Value| status["failovers"]["total"].as_u64() >= Some(1);
    let status = two.relay.wait_status("one", 12 * SECOND, wanted).await;
    assert_eq!(status["failovers"]["last"][0]["reason"], "ended", "it is played to its end: {status}");
    clean(&[begun, two.viewer.read_for(2 * SECOND).await].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hls_source_takes_over_from_a_stream_and_gives_back() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264AacB)).cut_after(3 * SECOND));
    let second = hls().mount(&origin, "/second");
    let relay = Relay::with_sources(&[origin.url("/a.ts"), second.url().to_owned()], "");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    origin.serve("/a.ts", Behaviour::status(404, "text/plain", "gone"));
    let mut bytes = viewer.read_for(8 * SECOND).await;
    assert_eq!(relay.status("one").await["source_index"], 1);
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264AacB)));
    second.change(|hls| hls.playlist_status(Some(410)));
    bytes.extend(viewer.read_for(12 * SECOND).await);
    let status = relay.status("one").await;
    assert_eq!((&status["source_index"], &status["failovers"]["total"]), (&0.into(), &2.into()), "{status}");
    clean(&bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_viewers_cost_the_origin_as_much_as_one() {
    let origin = Origin::start().await;
    let broadcast = hls().mount(&origin, "/live");
    let relay = Relay::with_sources(&[broadcast.url().to_owned()], "");
    let mut viewers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let address = relay.address();
        viewers.spawn(async move {
            let mut viewer = Viewer::get(address, "/stream/one").await;
            viewer.read_for(6 * SECOND).await
        });
    }
    while let Some(bytes) = viewers.join_next().await {
        clean(&bytes.expect("a viewer does not panic"));
    }
    let stats = broadcast.stats();
    assert!(stats.files.values().all(|&count| count == 1), "each segment is fetched once: {stats:?}");
    assert!(stats.polls() <= 16, "by one poller: {stats:?}");
    assert_eq!(relay.status("one").await["upstream_connections_opened"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_end_with_the_channel() {
    let origin = Origin::start().await;
    let broadcast = hls().mount(&origin, "/live");
    let relay = Relay::with_sources(&[broadcast.url().to_owned()], "idle_timeout = \"100ms\"");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    let _ = viewer.read_for(SECOND).await;
    drop(viewer);
    relay.wait_status("one", 5 * SECOND, |status| status["state"] == "idle").await;
    let before = origin.requests().len();
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(origin.requests().len(), before, "nobody asks for anything any more");
}
