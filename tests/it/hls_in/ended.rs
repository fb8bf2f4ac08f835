//! Lists that have ended.

use super::*;

/// Whether a segment was fetched more than once.
fn repeats(broadcast: &Broadcast) -> bool {
    broadcast.stats().files.values().any(|&count| count > 1)
}

/// Waits until so many connections were opened.
async fn opened(relay: &Relay, least: u64) -> Value {
    let wanted = |status: &Value| status["upstream_connections_opened"].as_u64() >= Some(least);
    relay.wait_status("one", 30 * SECOND, wanted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_only_source_is_not_played_again_and_goes_on_when_it_does() {
    let mut show = Show::begin(hls()).await;
    show.watch(1).await;
    show.broadcast.change(|hls| hls.ended(true));
    opened(&show.relay, 3).await;
    show.broadcast.change(|hls| hls.ended(false));
    show.relay.wait_status("one", 10 * SECOND, |status| !status["sources"][0]["hls"].is_null()).await;
    show.bytes.extend(show.viewer.read_for(3 * SECOND).await);
    let stats = show.broadcast.stats();
    let last = *stats.segments().last().unwrap();
    show.broadcast
        .wait(5 * SECOND, "more segments", |stats| stats.segments().last() > Some(&(last + 1)))
        .await;
    assert!(!repeats(&show.broadcast), "{:?}", show.broadcast.stats());
    clean(&show.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_come_with_the_end_are_played_once() {
    let mut show = Show::begin(hls()).await;
    show.watch(1).await;
    show.broadcast.change(|hls| hls.frozen(true));
    show.bytes.extend(show.viewer.read_for(SECOND).await);
    // Two more are listed, and in the same moment the list ends.
    show.broadcast.skip(2);
    show.broadcast.change(|hls| hls.frozen(false).ended(true));
    opened(&show.relay, 3).await;
    assert!(!repeats(&show.broadcast), "{:?}", show.broadcast.stats());
    show.broadcast.change(|hls| hls.ended(false));
    show.bytes.extend(show.viewer.read_for(3 * SECOND).await);
    clean(&show.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preferred_source_is_not_returned_to_from_a_live_one() {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    let first = hls().mount(&origin, "/live");
    let second = Hls::live(Clip::get(Kind::H264AacB)).segment(SECOND).mount(&other, "/live");
    let urls = [first.url().to_owned(), second.url().to_owned()];
    let relay = Relay::with_sources(&urls, "return_after = \"1s\"");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    let mut bytes = viewer.read_for(SECOND).await;
    first.change(|hls| hls.ended(true));
    // The second connection to it is a probe, ten seconds after it was left.
    let probed = opened(&relay, 3);
    tokio::pin!(probed);
    while futures_util::poll!(&mut probed).is_pending() {
        bytes.extend(viewer.read_for(SECOND / 4).await);
    }
    bytes.extend(viewer.read_for(3 * SECOND).await);
    let status = relay.status("one").await;
    assert_eq!((&status["source_index"], &status["failovers"]["total"]), (&1.into(), &1.into()), "{status}");
    assert!(!repeats(&first), "{:?}", first.stats());
    clean(&bytes);
}
