//! Breaks for advertisements, and slates in them.

use forebay_testkit::origin::{Breaks, Container, Multivariant, Uris, Variant};

use super::sound::{Heard, Pair};
use super::*;

/// Segments of two seconds, with six seconds of an advertisement behind each ten of the programme.
/// Its stamps begin so much later than those of the clip, the programme's and the advertisement's.
fn breaks(programme: Duration, advertisement: Duration) -> Breaks {
    let clip = Clip::get(Kind::ShortGop);
    Breaks::new(clip, 10 * SECOND, 6 * SECOND).later(programme, advertisement)
}

fn with(breaks: Breaks) -> Hls {
    Hls::live(Clip::get(Kind::ShortGop)).breaks(breaks).begins_with(4)
}

/// What is heard over several breaks: the source is opened once, and no rule fires.
async fn goes_on(name: &str, mut pair: Pair) {
    pair.show.watch(30).await;
    let status = pair.show.relay.status("one").await;
    println!("{name}: {}", status["faults"]);
    let heard = pair.end(name, 28 * SECOND).await;
    assert!(heard.missing <= Duration::from_millis(350), "{name}: {heard:?}");
    heard.assert_whole(name);
}

async fn separate(name: &str, breaks: Breaks, sound: Container) {
    let picture = with(breaks.clone()).container(Container::Fmp4Video);
    let variant = Variant::new(2_000_000).resolution(640, 360).audio("a");
    let multivariant = Multivariant::default().variant(variant, picture);
    let multivariant = multivariant.audio("a", "eng", with(breaks).container(sound));
    goes_on(name, Pair::begin(multivariant).await).await;
}

/// Half a minute, for there to be two breaks of a usual pattern.
#[tokio::test(flavor = "multi_thread")]
async fn advertisements_with_separate_sound_whose_stamps_jump_forward() {
    separate("forward", breaks(Duration::ZERO, 100 * SECOND), Container::Fmp4Audio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn advertisements_with_separate_sound_whose_stamps_jump_back() {
    separate("back", breaks(100 * SECOND, Duration::ZERO), Container::Fmp4Audio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn advertisements_with_packed_sound_whose_stamps_are_alike() {
    separate("alike", breaks(Duration::ZERO, Duration::ZERO), Container::PackedAudio).await;
}

/// Muxed, and of two kinds.
async fn mixed(name: &str, programme: Container, advertisement: Container) {
    let breaks = breaks(Duration::ZERO, 100 * SECOND).container(advertisement);
    let mut show = Show::begin(with(breaks).container(programme)).await;
    show.watch(30).await;
    let status = show.relay.status("one").await;
    let heard = Heard::of(&show.bytes);
    println!("{name}: connections {}, {heard:?}", status["upstream_connections_opened"]);
    assert_eq!(status["upstream_connections_opened"], 1, "{status}");
    assert!(heard.seen > 28 * SECOND && heard.missing <= Duration::from_millis(400), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn transport_streams_in_fragmented_mp4() {
    mixed("ts in fmp4", Container::Fmp4, Container::Ts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fragmented_mp4_in_transport_streams() {
    mixed("fmp4 in ts", Container::Ts, Container::Fmp4).await;
}

/// Longer than a source may go without a new segment.
async fn slate(hls: fn(Hls) -> Hls) {
    let breaks = Breaks::new(Clip::get(Kind::ShortGop), 8 * SECOND, 20 * SECOND).slate();
    let mut show = Show::begin(hls(with(breaks))).await;
    show.watch(24).await;
    let status = show.relay.status("one").await;
    println!(
        "slate: connections {}, gap {:?}",
        status["upstream_connections_opened"],
        show.viewer.largest_gap()
    );
    assert_eq!(status["upstream_connections_opened"], 1, "{status}");
    assert!(show.viewer.largest_gap() < 2 * SECOND, "{:?}", show.viewer.largest_gap());
    show.end(23 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slate_that_is_listed_again_and_again() {
    slate(|hls| hls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slate_that_is_listed_with_another_query_each_time() {
    slate(|hls| hls.uris(Uris::WithQuery)).await;
}
