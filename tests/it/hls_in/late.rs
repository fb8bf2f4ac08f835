//! Sources whose data comes slowly, and in time.

use forebay_testkit::origin::{Container, Fault, Multicast, Multivariant, Variant};
use tokio::time::Instant;

use super::*;

/// How fast a link is that carries this broadcast at so many percent of the speed at which it
/// plays, in bytes per second.
fn link(broadcast: &Broadcast, segment: Duration, percent: u64) -> Fault {
    let rate = broadcast.segment_bytes(0).len() as u64 * percent / 100 / segment.as_secs();
    Fault::Slow { bytes_per_second: u32::try_from(rate).expect("clips are small") }
}

/// Whole segments of more than `connect_timeout` each, over a link that is faster than they play.
#[tokio::test(flavor = "multi_thread")]
async fn fragmented_segments_over_a_link_just_fast_enough() {
    let origin = Origin::start().await;
    let hls = Hls::live(Clip::get(Kind::H264Aac)).container(Container::Fmp4).segment(4 * SECOND);
    let broadcast = hls.mount(&origin, "/live");
    let slow = link(&broadcast, 4 * SECOND, 140);
    broadcast.change(|hls| hls.fault(.., slow));
    let relay = Relay::with_sources(&[broadcast.url().to_owned()], "connect_timeout = \"2s\"");
    let began = Instant::now();
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    println!("opened after {} ms: HTTP {}", began.elapsed().as_millis(), viewer.status());
    assert_eq!(viewer.status(), 200, "{}", relay.status("one").await);
    let bytes = viewer.read_for(5 * SECOND).await;
    assert!(clean(&bytes).media_time > 4 * SECOND);
    let status = relay.status("one").await;
    assert_eq!(status["upstream_connections_opened"], 1, "{status}");
}

/// A server far away: separate sound, and every answer late.
async fn opens_though_late(delay: Duration) {
    let origin = Origin::start().await;
    let of = |container| Hls::live(Clip::get(Kind::H264Aac)).container(container).delay(delay);
    let multivariant = Multivariant::default()
        .delay(delay)
        .audio("sound", "eng", of(Container::Fmp4Audio))
        .variant(Variant::new(2_000_000).resolution(640, 360).audio("sound"), of(Container::Fmp4Video));
    let Multicast { url, mut variants, .. } = multivariant.mount(&origin, "/live");
    let began = Instant::now();
    let mut show = Show::begin_at(origin, variants.remove(0), &url).await;
    println!("{delay:?}: opened after {} ms", began.elapsed().as_millis());
    show.watch(8).await;
    println!("gap {} ms", show.viewer.largest_gap().as_millis());
    assert_eq!(show.relay.status("one").await["upstream_connections_opened"], 1);
    let report = show.end(7 * SECOND).await;
    assert_eq!(report.audio_pids().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn separate_sound_with_every_answer_late() {
    opens_though_late(Duration::from_millis(600)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn separate_sound_with_every_answer_a_second_late() {
    opens_though_late(SECOND).await;
}

/// The best variant comes slower than it plays, the other one at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_variant_that_comes_too_slowly_is_left_for_a_lower_one() {
    let origin = Origin::start().await;
    let Multicast { url, variants, .. } = Multivariant::default()
        .variant(Variant::new(1_500_000).resolution(640, 360), hls())
        .variant(Variant::new(400_000).resolution(640, 360), hls())
        .mount(&origin, "/live");
    let too_slow = link(&variants[0], SECOND, 70);
    variants[0].change(|hls| hls.fault(.., too_slow));
    let mut show = Show::begin_at(origin, variants[0].clone(), &url).await;
    show.watch(10).await;
    show.wait("variants_left", |left| left == 1).await;
    println!("gap {} ms", show.viewer.largest_gap().as_millis());
    assert!(show.viewer.largest_gap() < SECOND, "the gap was {:?}", show.viewer.largest_gap());
    assert_eq!(show.relay.status("one").await["upstream_connections_opened"], 1);
    show.end(9 * SECOND).await;
}
