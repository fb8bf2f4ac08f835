//! How playlists and segments come.

use std::path::Path;
use std::time::Instant;

use forebay_testkit::origin::{
    Behaviour, Container, Encryption, Fault, Gzip, Iv, Multicast, Multivariant, Text, Uris, Variant,
};

use super::*;

/// Six seconds of this have no error; what the status document says then.
async fn plays(hls: Hls) -> (Report, Value) {
    let mut show = Show::begin(hls).await;
    show.watch(6).await;
    let followed = show.hls().await;
    (show.end(4 * SECOND).await, followed)
}

/// A channel of which this is the one source is refused for this reason.
async fn refused(origin: &Origin, url: String, reason: &str, message: &str) {
    let relay = Relay::with_sources(&[url], "start_timeout = \"1s\"");
    let viewer = Viewer::get(relay.address(), "/stream/one").await;
    assert_eq!(viewer.status(), 503);
    let (_, body) = forebay_testkit::client::get_json(relay.address(), "/stream/one").await;
    let source = &body["error"]["sources"][0];
    assert_eq!(source["reason"], reason, "{body}");
    assert!(source["message"].as_str().is_some_and(|text| text.contains(message)), "{body}");
    assert!(!body.to_string().contains(&origin.address().port().to_string()) || source["url"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn aes_128_with_vectors_and_keys_that_change() {
    let encryption = Encryption::Aes128 { iv: Iv::Explicit, rotate_every: Some(2) };
    let mut show = Show::begin(hls().encryption(encryption)).await;
    show.watch(6).await;
    let stats = show.broadcast.stats();
    let keys = (0..20).filter(|&key| stats.key(key) > 0).count();
    assert!(keys >= 3, "{stats:?}");
    assert!((0..20).all(|key| stats.key(key) <= 1), "each key is fetched once: {stats:?}");
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aes_128_with_the_sequence_number_as_vector() {
    plays(hls().encryption(Encryption::Aes128 { iv: Iv::Implied, rotate_every: None })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn byte_ranges() {
    plays(hls().byte_ranges()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_byte_ranges() {
    let encryption = Encryption::Aes128 { iv: Iv::Implied, rotate_every: Some(3) };
    plays(hls().byte_ranges().encryption(encryption)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discontinuity_with_other_tracks_and_times() {
    let mut show = Show::begin(hls().discontinuity_at(8, Clip::get(Kind::H264AacB))).await;
    show.watch(8).await;
    let status = show.relay.status("one").await;
    assert!(status["splices"].as_u64() >= Some(1), "{status}");
    show.end(6 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_times_without_a_discontinuity_tag() {
    let hls = hls().discontinuity_at(8, Clip::get(Kind::H264AacB)).without_discontinuity_tags();
    let mut show = Show::begin(hls).await;
    show.watch(8).await;
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn playlists_however_they_are_written() {
    let careless = Text { bom: true, crlf: true, blank_lines: true, no_comma: true, no_target: true };
    plays(hls().text(careless)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_latency_playlist_is_read_as_a_plain_one() {
    let mut show = Show::begin(hls().low_latency()).await;
    show.watch(6).await;
    let stats = show.broadcast.stats();
    assert!(stats.files.keys().all(|name| name.starts_with("seg")), "whole segments only: {stats:?}");
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_write_an_address() {
    for uris in [Uris::RootRelative, Uris::Absolute, Uris::WithQuery] {
        let mut show = Show::begin(hls().uris(uris)).await;
        show.watch(3).await;
        assert_eq!(show.broadcast.stats().forbidden, 0, "{uris:?}");
        show.end(2 * SECOND).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_is_asked_for_where_a_playlist_is_and_not_for_segments() {
    let mut show = Show::begin(hls().gzip(Gzip::WhenAccepted)).await;
    show.watch(4).await;
    for request in show.origin.requests() {
        let is_playlist = Path::new(&request.path).extension().is_some_and(|text| text == "m3u8");
        assert_eq!(request.header("Accept-Encoding"), is_playlist.then_some("gzip"), "{}", request.path);
    }
    show.end(3 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_that_nobody_asked_for() {
    let origin = Origin::start().await;
    let broadcast = hls().gzip(Gzip::Always).mount(&origin, "/live");
    let target = broadcast.url().to_owned();
    origin.serve("/tv", Behaviour::redirect(&target, None));
    let url = origin.url("/tv");
    let mut show = Show::begin_at(origin, broadcast, &url).await;
    show.watch(4).await;
    show.end(3 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_asked_for_by_their_tag() {
    let mut show = Show::begin(hls().segment(2 * SECOND).window(2).validators()).await;
    show.watch(6).await;
    let polls = show.origin.requests_for("/live/index.m3u8");
    assert!(polls[2..].iter().all(|request| request.header("If-None-Match").is_some()), "{polls:?}");
    show.wait("playlists_unchanged", |count| count > 0).await;
    show.end(4 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_types_do_not_count() {
    plays(hls().playlist_type("text/html").segment_type("image/jpeg")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_are_disguised_as_pictures() {
    let mut show = Show::begin(hls().fault(.., Fault::Png)).await;
    show.watch(6).await;
    assert_eq!(show.relay.status("one").await["bytes_skipped"], 0, "the disguise is no part of the stream");
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disguised_segments_that_are_encrypted_too() {
    for iv in [Iv::Explicit, Iv::Implied] {
        let encryption = Encryption::Aes128 { iv, rotate_every: Some(3) };
        let mut show = Show::begin(hls().fault(.., Fault::Png).encryption(encryption)).await;
        show.watch(5).await;
        assert_eq!(show.relay.status("one").await["bytes_skipped"], 0, "{iv:?}");
        show.end(3 * SECOND).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fragmented_mp4_that_is_encrypted() {
    for iv in [Iv::Explicit, Iv::Implied] {
        let encryption = Encryption::Aes128 { iv, rotate_every: Some(3) };
        let (report, _) = plays(hls().container(Container::Fmp4).encryption(encryption)).await;
        assert_eq!(report.streams.len(), 2, "{iv:?}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fragmented_mp4() {
    let (report, _) = plays(hls().container(Container::Fmp4)).await;
    assert_eq!(report.streams.len(), 2, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_audio() {
    for kind in [Kind::AudioOnly, Kind::Mp3Only] {
        let hls = Hls::live(Clip::get(kind)).segment(SECOND).container(Container::PackedAudio);
        let (report, _) = plays(hls).await;
        assert_eq!(report.streams.len(), 1, "{report:?}");
    }
}

/// A multivariant playlist that somebody watches.
struct Choice {
    viewer: Viewer,
    relay: Relay,
    multicast: Multicast,
    _origin: Origin,
}

impl Choice {
    async fn begin(list: Multivariant, settings: &str) -> Self {
        let origin = Origin::start().await;
        let multicast = list.mount(&origin, "/live");
        let source =
            format!("[[channels]]\nid = \"one\"\nsources = [{{ url = {:?}, {settings} }}]\n", multicast.url);
        let relay = Relay::start(&source);
        let viewer = Viewer::get(relay.address(), "/stream/one").await;
        assert_eq!(viewer.status(), 200, "{}", relay.status("one").await);
        Self { viewer, relay, multicast, _origin: origin }
    }

    /// Watches for six seconds: what came, and how the playlist was followed.
    async fn watch(&mut self) -> (Report, Value) {
        let bytes = self.viewer.read_for(6 * SECOND).await;
        let status = self.relay.status("one").await;
        assert_eq!(status["failovers"]["total"], 0, "{status}");
        let report = clean(&bytes);
        assert!(report.media_time >= 4 * SECOND, "{:?} of media: {status}", report.media_time);
        (report, status["sources"][0]["hls"].clone())
    }

    /// How many segments of each variant and of the sound have been fetched.
    fn fetched(&self) -> Vec<usize> {
        let broadcasts = self.multicast.variants.iter().chain(&self.multicast.audio);
        broadcasts.map(|broadcast| broadcast.stats().segments().len()).collect()
    }
}

/// A multivariant playlist, watched for six seconds; how it was followed, and how many segments of
/// each variant and of the sound were fetched.
async fn choose(list: Multivariant, settings: &str) -> (Report, Value, Vec<usize>) {
    let mut choice = Choice::begin(list, settings).await;
    let (report, followed) = choice.watch().await;
    (report, followed, choice.fetched())
}

fn variants() -> Multivariant {
    Multivariant::default()
        .variant(Variant::new(300_000).codecs("avc1.4d401e,mp4a.40.2").resolution(320, 180), hls())
        .variant(Variant::new(9_000_000).codecs("av01.0.08M.10,opus").resolution(3840, 2160), hls())
        .variant(Variant::new(5_000_000).codecs("avc1.640028,mp4a.40.2").resolution(1920, 1080), hls())
        .variant(Variant::new(2_000_000).codecs("avc1.4d401f,mp4a.40.2").resolution(1280, 720), hls())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_variant_that_can_be_passed_on() {
    let (_, followed, fetched) = choose(variants(), "max_bitrate = \"1 Gbit/s\"").await;
    assert_eq!(followed["variant"]["resolution"], "1920x1080", "{followed}");
    assert_eq!((fetched[0], fetched[1], fetched[3]), (0, 0, 0), "one variant is fetched: {fetched:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_variant_within_the_limit() {
    let (_, followed, fetched) = choose(variants(), "max_bitrate = \"3 Mbit/s\"").await;
    assert_eq!(followed["variant"]["bandwidth"], 2_000_000, "{followed}");
    assert_eq!(fetched[..3], [0, 0, 0], "{fetched:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variant_that_is_gone_is_left_for_the_next() {
    let list = Multivariant::default()
        .variant(Variant::new(5_000_000), hls().playlist_status(Some(404)))
        .variant(Variant::new(2_000_000), hls());
    let (_, followed, fetched) = choose(list, "max_bitrate = \"9 Mbit/s\"").await;
    assert_eq!(
        (&followed["variant"]["bandwidth"], &followed["variants_left"]),
        (&2_000_000.into(), &1.into())
    );
    assert_eq!(fetched[0], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_in_a_playlist_of_its_own() {
    let list = Multivariant::default()
        .variant(Variant::new(2_000_000).audio("a"), hls().container(Container::Fmp4Video))
        .audio("a", "de", hls().container(Container::Fmp4Audio));
    let mut choice = Choice::begin(list, "max_bitrate = \"9 Mbit/s\"").await;
    let (report, followed) = choice.watch().await;
    assert_eq!(followed["separate_audio"], true);
    assert_eq!(report.streams.len(), 2, "{report:?}");
    // Both are fetched for the same time. Each list is asked for at its own moments, so one is
    // ahead of the other until the other has been asked for, too.
    let until = Instant::now() + 3 * SECOND;
    let mut fetched = choice.fetched();
    // Segments of 1.2 s, and of 1.024 s.
    while (fetched[0] * 1200).abs_diff(fetched[1] * 1024) > 1500 {
        assert!(Instant::now() < until, "{fetched:?}");
        choice.viewer.read_for(SECOND / 10).await;
        fetched = choice.fetched();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_sound_in_a_playlist_of_its_own() {
    let list = Multivariant::default()
        .variant(Variant::new(2_000_000).audio("a"), hls().container(Container::Fmp4Video))
        .audio("a", "de", hls().container(Container::PackedAudio));
    let (report, ..) = choose(list, "max_bitrate = \"9 Mbit/s\"").await;
    assert_eq!(report.streams.len(), 2, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn drm_is_refused() {
    for (encryption, word) in [(Encryption::SampleAes, "SAMPLE-AES"), (Encryption::Widevine, "DRM")] {
        let origin = Origin::start().await;
        let url = hls().encryption(encryption).mount(&origin, "/live").url().to_owned();
        refused(&origin, url, "hls_encrypted", word).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_channels_is_refused() {
    let origin = Origin::start().await;
    let list = "#EXTM3U\n#EXTINF:-1 tvg-id=\"a\",A\nhttp://h/a\n";
    origin.serve("/list.m3u", Behaviour::body("audio/x-mpegurl", list));
    refused(&origin, origin.url("/list.m3u"), "hls_playlist", "a list of channels").await;
}

/// What a list says of codecs is a hint: panels write names of encoders, or those of other tracks.
/// The media is plain H.264 and AAC.
#[tokio::test(flavor = "multi_thread")]
async fn a_variant_of_unknown_codecs_is_played() {
    for codecs in ["av01.0.08M.10,opus", "h264,aac", "avc1.42c00d,mp4a.40.2,scte"] {
        let list = Multivariant::default().variant(Variant::new(1).codecs(codecs), hls());
        let (report, ..) = choose(list, "max_bitrate = \"9 Mbit/s\"").await;
        assert_eq!(report.streams.len(), 2, "{codecs}: {report:?}");
    }
}

/// Among variants of which browsers play some only, those are taken, unless it is asked for
/// otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn the_best_variant_that_browsers_play() {
    let list = || {
        Multivariant::default()
            .variant(Variant::new(5_000_000).codecs("hvc1.1.6.L120,mp4a.40.2"), hls())
            .variant(Variant::new(4_000_000).codecs("avc1.4d401f,ac-3"), hls())
            .variant(Variant::new(2_000_000).codecs("avc1.4d401f,mp4a.40.2"), hls())
    };
    for (setting, bandwidth) in [("compatible", 2_000_000), ("best", 5_000_000)] {
        let (_, followed, _) = choose(list(), &format!("variant = \"{setting}\"")).await;
        assert_eq!(followed["variant"]["bandwidth"], bandwidth, "{setting}");
    }
}
