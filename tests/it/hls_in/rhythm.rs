//! Lists that grow by several segments at once.

use super::*;

/// A viewer of a list that grows by `every` segments of a second sees all of it.
async fn plays_without_alarm(every: usize, seconds: u32) {
    let mut show = Show::begin(hls().window(12).renewed_every(every)).await;
    show.watch(seconds).await;
    println!("every {every}: gap {} ms", show.viewer.largest_gap().as_millis());
    let status = show.relay.status("one").await;
    assert_eq!(status["upstream_connections_opened"], 1, "{status}");
    show.end((seconds - 5) * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_grows_by_three() {
    plays_without_alarm(3, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_grows_by_seven() {
    plays_without_alarm(7, 16).await;
}

/// A viewer of a list that grows by `every` segments stays with it, though another source could
/// take over at once.
async fn keeps_its_source(segment: Duration, every: usize, seconds: u32) {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    let first = hls().segment(segment).window(12).renewed_every(every).mount(&origin, "/live");
    let second = Hls::live(Clip::get(Kind::H264AacB)).segment(SECOND).mount(&other, "/live");
    let relay = Relay::with_sources(&[first.url().to_owned(), second.url().to_owned()], "");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    let bytes = viewer.read_for(seconds * SECOND).await;
    println!("{segment:?}, every {every}: gap {} ms", viewer.largest_gap().as_millis());
    let status = relay.status("one").await;
    assert_eq!((&status["source_index"], &status["failovers"]["total"]), (&0.into(), &0.into()), "{status}");
    assert!(clean(&bytes).media_time >= (seconds - 4) * SECOND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_grows_by_three_beside_a_source_that_could_take_over() {
    keeps_its_source(SECOND, 3, 10).await;
}

/// The first pause is the longest: the list was renewed just before.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_grows_by_five_beside_a_source_that_could_take_over() {
    keeps_its_source(SECOND, 5, 14).await;
}
