//! Sources with several variants, of which one fails.

use forebay_testkit::client::get_json;
use forebay_testkit::origin::{Fault, Multicast, Multivariant, Variant};
use tokio::time::Instant;

use super::*;
use crate::relay::refusing;

/// Longer than any test.
const HANGS: Duration = Duration::from_hours(1);

/// A primary, and a backup in which nothing is wrong.
fn redundant(primary: Hls) -> Multivariant {
    let variant = || Variant::new(2_000_000).resolution(320, 180);
    Multivariant::default().variant(variant(), primary).variant(variant(), hls())
}

/// A viewer of a primary that is dead from the beginning sees the backup, after no longer than
/// `within`.
async fn opens_with_the_backup(multivariant: Multivariant, within: Duration) -> Show {
    let origin = Origin::start().await;
    let Multicast { url, mut variants, .. } = multivariant.mount(&origin, "/live");
    let began = Instant::now();
    let mut show = Show::begin_at(origin, variants.remove(variants.len() - 1), &url).await;
    let opened = began.elapsed();
    show.watch(3).await;
    println!("opened after {} ms", opened.as_millis());
    assert!(opened < within, "{opened:?}");
    show.wait("variants_left", |left| left == 1).await;
    assert_eq!(show.relay.status("one").await["upstream_connections_opened"], 1);
    show
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_refuses_the_connection() {
    let (_socket, address) = refusing();
    let dead = Multivariant::default()
        .line("#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=320x180")
        .line(&format!("http://{address}/live.m3u8"))
        .variant(Variant::new(2_000_000).resolution(320, 180), hls());
    opens_with_the_backup(dead, 2 * SECOND).await.end(2 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_answers_503() {
    let multivariant = redundant(hls().playlist_status(Some(503)));
    opens_with_the_backup(multivariant, 2 * SECOND).await.end(2 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs() {
    let multivariant = redundant(hls().playlist_delay(HANGS));
    opens_with_the_backup(multivariant, 5 * SECOND).await.end(2 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_whose_segments_are_all_refused() {
    let multivariant = redundant(hls().fault(.., Fault::Status(404)));
    opens_with_the_backup(multivariant, 2 * SECOND).await.end(2 * SECOND).await;
}

/// A viewer of a primary that fails in this way in mid-play goes on with the backup, on the same
/// upstream.
async fn goes_on_with_the_backup(fail: impl FnOnce(Hls) -> Hls) {
    let origin = Origin::start().await;
    let Multicast { url, variants, .. } = redundant(hls()).mount(&origin, "/live");
    let mut show = Show::begin_at(origin, variants[0].clone(), &url).await;
    show.watch(2).await;
    show.broadcast.change(fail);
    show.watch(6).await;
    println!("gap {} ms", show.viewer.largest_gap().as_millis());
    show.wait("variants_left", |left| left == 1).await;
    assert_eq!(show.relay.status("one").await["upstream_connections_opened"], 1);
    assert!(show.viewer.largest_gap() < 3 * SECOND, "the gap was {:?}", show.viewer.largest_gap());
    show.end(6 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_answers_503_from_now_on() {
    goes_on_with_the_backup(|hls| hls.playlist_status(Some(503))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs_from_now_on() {
    goes_on_with_the_backup(|hls| hls.playlist_delay(HANGS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_whose_segments_are_refused_from_now_on() {
    goes_on_with_the_backup(|hls| hls.fault(.., Fault::Status(404))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_that_failed_is_named() {
    let (_socket, address) = refusing();
    let origin = Origin::start().await;
    let lines = Multivariant::default()
        .line("#EXT-X-STREAM-INF:BANDWIDTH=1")
        .line(&format!("http://{address}/live.m3u8?token=secret"));
    let url = lines.mount(&origin, "/live").url;
    let relay = Relay::with_sources(&[url], "start_timeout = \"1s\"");
    let (status, body) = get_json(relay.address(), "/stream/one").await;
    let source = &body["error"]["sources"][0];
    assert_eq!((status, &source["reason"]), (503, &"refused".into()), "{body}");
    let message = source["message"].as_str().unwrap();
    assert!(message.contains(&format!("refused (http://{address})")), "{message}");
    assert!(!message.contains("live.m3u8"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_are_all_refused_are_the_reason() {
    let origin = Origin::start().await;
    let broadcast = hls().fault(.., Fault::Status(404)).mount(&origin, "/live");
    let relay = Relay::with_sources(&[broadcast.url().to_owned()], "start_timeout = \"2s\"");
    let (status, body) = get_json(relay.address(), "/stream/one").await;
    let source = &body["error"]["sources"][0];
    assert_eq!((status, &source["reason"]), (503, &"hls_segments".into()), "{body}");
    assert!(source["message"].as_str().unwrap().ends_with("HTTP 404"), "{body}");
}
