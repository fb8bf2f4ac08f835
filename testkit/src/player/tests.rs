use super::*;
use crate::clip::{Clip, Kind, Tracks};
use crate::origin::{Behaviour, Fault, Hls, Origin};

#[tokio::test]
async fn ffmpeg_likes_every_clip() {
    for kind in Kind::ALL {
        let clip = Clip::get(kind);
        let seconds = u32::try_from(clip.duration().as_secs()).unwrap() * 3 / 4;
        let verdict = ffmpeg_strict(clip.path().to_str().unwrap(), seconds).await;
        assert!(verdict.ok, "{kind:?}: {verdict:#?}");
        // The last one may still be held back by the decoder's order.
        let pictures = u64::from(seconds) * 25 - 1;
        assert!(clip.video_pid().is_none() || verdict.frames >= pictures, "{kind:?}: {verdict:#?}");
    }
}

/// What tells the rounds of a loop apart is nothing to a decoder.
#[tokio::test]
async fn ffmpeg_likes_later_rounds_of_every_clip() {
    let origin = Origin::start().await;
    for kind in Kind::ALL {
        let clip = Clip::get(kind);
        let later = Behaviour::ts(clip.clone()).start_at(clip.duration() * 3).burst(Duration::from_secs(10));
        origin.serve("/a.ts", later);
        let verdict = ffmpeg_strict(&origin.url("/a.ts"), 8).await;
        assert!(verdict.ok, "{kind:?}: {verdict:#?}");
    }
}

#[tokio::test]
async fn ffmpeg_finds_lost_packets_and_silence() {
    let origin = Origin::start().await;
    let stream = Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(10));
    origin.serve("/lossy", stream.clone().lose_packets_after(Duration::ZERO, 97));
    origin.serve("/short", stream.end_after(Duration::from_millis(100)));
    let verdict = ffmpeg_strict(&origin.url("/lossy"), 5).await;
    assert!(!verdict.ok, "{verdict:#?}");
    let verdict = ffmpeg_strict(&origin.url("/short"), 15).await;
    assert!(verdict.errors.iter().any(|error| error.contains("of 15 s came")), "{verdict:#?}");
    let verdict = ffmpeg_strict(&origin.url("/nothing"), 1).await;
    assert!(!verdict.ok && verdict.log.contains("404"), "{verdict:#?}");
}

#[tokio::test]
async fn ffmpeg_sees_no_seam_in_a_loop() {
    let origin = Origin::start().await;
    for kind in [Kind::H264Aac, Kind::H264OpenGopSubs, Kind::HevcAc3, Kind::Mpeg2Mp2] {
        let from = Duration::from_secs(10);
        // Twice around the loop and across the wrap of the clock, as fast as ffmpeg takes it.
        let stream = Behaviour::ts(Clip::get(kind)).burst(Duration::from_secs(40)).wrap_after(from);
        let path = format!("/{kind:?}");
        origin.serve(&path, stream);
        let verdict = ffmpeg_strict(&origin.url(&path), 38).await;
        assert!(verdict.ok, "{kind:?}: {verdict:#?}");
    }
}

#[tokio::test]
async fn ffprobe_names_the_streams() {
    let clip = Clip::get(Kind::H264OpenGopSubs);
    let json = ffprobe_json(clip.path().to_str().unwrap()).await;
    let streams = json["streams"].as_array().unwrap();
    let names: Vec<_> = streams.iter().map(|stream| stream["codec_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["h264", "aac", "aac", "dvb_subtitle"]);
    assert_eq!(streams[2]["tags"]["language"], "deu");
}

#[tokio::test]
async fn vlc_plays_a_live_stream_and_finds_lost_packets() {
    let origin = Origin::start().await;
    let stream = Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(2));
    origin.serve("/good", stream.clone());
    origin.serve("/lossy", stream.lose_packets_after(Duration::from_secs(1), 97));
    let (good, lossy) = (origin.url("/good"), origin.url("/lossy"));
    let (good, lossy) = tokio::join!(vlc(&good, 5), vlc(&lossy, 5));
    good.assert_ok();
    assert!(good.frames > 60, "{good:#?}");
    assert!(!lossy.ok, "{lossy:#?}");
}

#[test]
#[should_panic(expected = "apt-get install vlc-no-such")]
fn a_missing_program_is_named_with_its_package() {
    require("vlc-no-such");
}

fn live() -> Hls {
    Hls::live(Clip::get(Kind::ShortGop)).segment(Duration::from_millis(800)).window(8)
}

#[tokio::test]
async fn gstreamer_plays_a_live_stream_and_finds_silence() {
    let origin = Origin::start().await;
    let stream = Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(1));
    origin.serve("/good", stream.clone()).serve("/short", stream.clone().stall_after(Duration::from_secs(2)));
    let hls = live().mount(&origin, "/live");
    let (good, short) = (origin.url("/good"), origin.url("/short"));
    let (good, short, hls) = tokio::join!(gstreamer(&good, 5), gstreamer(&short, 6), gstreamer(hls.url(), 5));
    for verdict in [&good, &hls] {
        verdict.assert_ok();
        assert!(verdict.frames > 100 && verdict.seconds > 4.5, "{verdict:#?}");
    }
    assert!(short.errors.iter().any(|error| error.contains("nothing for the last")), "{short:#?}");
    let verdict = gstreamer(&origin.url("/nothing"), 1).await;
    assert!(verdict.errors.iter().any(|error| error.contains("ERROR")), "{verdict:#?}");
}

#[tokio::test]
async fn a_browser_plays_hls_and_finds_stalls_and_refusals() {
    let origin = Origin::start().await;
    let good = live().mount(&origin, "/live");
    let verdict = browser_hls(good.url(), 5).await;
    verdict.assert_ok();
    assert_eq!((verdict.pictures.width, verdict.levels), (640, 1));
    assert!(verdict.pictures.decoded > 100 && verdict.played > Duration::from_secs(4), "{verdict:#?}");
    let holes = live().mount(&origin, "/holes");
    let dig = async {
        holes.wait(Duration::from_secs(30), "a few segments", |stats| stats.segments().len() >= 5).await;
        let from = holes.segments();
        holes.change(|hls| hls.fault(from.., Fault::Stalled));
    };
    let (verdict, ()) = tokio::join!(browser_hls(holes.url(), 10), dig);
    assert!(!verdict.stalls.is_empty() && verdict.first.is_some(), "{:#?}", verdict.errors);
    let refused = live().playlist_status(Some(404)).mount(&origin, "/refused");
    let verdict = browser_hls(refused.url(), 1).await;
    assert!(verdict.errors.iter().any(|error| error.contains("manifestLoadError")), "{verdict:#?}");
}

#[tokio::test]
async fn a_browser_plays_a_transport_stream_and_a_page() {
    let origin = Origin::start().await;
    let stream = Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(3));
    origin.serve("/good", stream.clone().header("Access-Control-Allow-Origin", "*")).serve("/closed", stream);
    browser_ts(&origin.url("/good"), 4).await.assert_ok();
    let verdict = browser_ts(&origin.url("/closed"), 4).await;
    assert!(verdict.errors.iter().any(|error| error.contains("fatal")), "without CORS: {verdict:#?}");
    let file = Clip::get(Kind::ShortGop).fragmented(Tracks::All);
    origin.serve("/a.mp4", Behaviour::body("video/mp4", file));
    origin.serve("/", Behaviour::body("text/html", "<video autoplay muted src=/a.mp4></video>"));
    browser_page(&origin.url("/"), 4).await.assert_ok();
}
