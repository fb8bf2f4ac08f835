//! What a viewer can choose of a stream, and how far behind live the page plays it.

use std::time::Duration;

use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::player::{Screen, Step, Visited, visit_on};

use super::players::PHONE;
use super::*;

/// A list that names the streams of two channels: pictures, and sound, which it offers twice.
const LIST: &str = "#EXTM3U\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,\
    URI=\"../sound/index.m3u8?a=english\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Deutsch\",LANGUAGE=\"de\",\
    URI=\"../sound/index.m3u8?a=german\"\n\
    #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"words\",NAME=\"Suomi\",LANGUAGE=\"fi\",URI=\"words.m3u8\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS=\"avc1.640028,mp4a.40.2\",AUDIO=\"sound\",SUBTITLES=\"words\"\n\
    index.m3u8?a=1\n";

const WORDS_LIST: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:3600\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:3600,\nwords.vtt\n#EXT-X-ENDLIST\n";

const WORDS: &str = "WEBVTT\n\n00:00:00.000 --> 01:00:00.000\nHyvää iltaa\n";

#[tokio::test]
async fn of_language_and_subtitles_take_effect() {
    let origin = Origin::start().await;
    let burst = Duration::from_secs(2);
    origin.serve("/pictures", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(burst));
    origin.serve("/sound", Behaviour::ts(Clip::get(Kind::AudioOnly)).burst(burst));
    let channels =
        [("one", "/pictures"), ("sound", "/sound")].map(|(id, path)| channel(id, &[origin.url(path)], ""));
    let relay = Relay::start(&channels.concat());
    let answers = [("/index.m3u8", LIST), ("/words.m3u8", WORDS_LIST), ("/words.vtt", WORDS)]
        .map(|(end, body)| (end.to_owned(), body.to_owned()));
    let screen = Screen { answers: answers.into(), ..Screen::default() };
    let url = relay.url("/watch/one?mode=hls");
    let asked = |visited: &Visited, what: &str| visited.requests.iter().any(|it| it.contains(what));

    let visited = visit_on(&screen, &url, &[Step::Plays, Step::Sees("Language")]).await;
    for used in ["/index.m3u8?a=english", "/stream/sound/hls/segment_"] {
        assert!(asked(&visited, used), "{visited:#?}");
    }
    for other in ["a=german", "/words.m3u8"] {
        assert!(!asked(&visited, other), "nobody has chosen it: {visited:#?}");
    }

    let steps = [
        Step::Plays,
        Step::Selects("Language", "Deutsch"),
        Step::Asks("/index.m3u8?a=german"),
        Step::Plays,
        Step::Selects("Subtitles", "Suomi"),
        Step::Reads("Hyvää iltaa"),
    ];
    visit_on(&screen, &url, &steps).await;
}

/// How far behind live the page says that it plays, in seconds.
fn behind(visited: &Visited) -> f64 {
    let words: Vec<&str> = visited.text.split_whitespace().collect();
    let at = words.windows(2).position(|pair| pair == ["Behind", "live"]);
    let said = at.and_then(|at| words.get(at + 2)?.parse().ok());
    said.unwrap_or_else(|| panic!("it does not say so: {visited:#?}"))
}

#[tokio::test]
async fn a_phone_is_no_further_behind_live_than_a_large_screen() {
    let origin = Origin::start().await;
    let clip = Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(12));
    origin.serve("/clip", clip);
    let relay = Relay::with_sources(&[origin.url("/clip")], "");
    for (mode, most, apart) in [("hls", 15.0, 4.5), ("live", 6.0, 2.0)] {
        let url = relay.url(&format!("/watch/one?mode={mode}"));
        let steps = [Step::Plays, Step::Opens("Details"), Step::Sees("Behind live"), Step::Plays];
        let [wide, narrow] = [Screen::default(), PHONE].map(|screen| {
            let url = url.clone();
            async move { behind(&visit_on(&screen, &url, &steps).await) }
        });
        // At once: while a channel opens its segments are short, and so is the way to live.
        let (wide, narrow) = tokio::join!(wide, narrow);
        println!("{mode}: {wide:.1} s behind live on a large screen, {narrow:.1} s on a phone");
        // By HLS three segments of four seconds, and what a player takes to begin; one of them
        // where the next one came between the two.
        assert!(narrow <= wide + apart && wide.max(narrow) <= most, "{mode}: {wide} s and {narrow} s");
    }
}

#[tokio::test]
async fn a_way_back_to_live_is_offered_to_whoever_has_paused() {
    const BACK: &str = "Go to live";
    let origin = Origin::start().await;
    origin.serve("/clip", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(12)));
    let relay = Relay::with_sources(&[origin.url("/clip")], "");
    let url = relay.url("/watch/one?mode=hls");
    let is_offered = |visited: &Visited| visited.controls.iter().any(|name| name == BACK);
    let visited = visit_on(&PHONE, &url, &[Step::Plays]).await;
    assert!(!is_offered(&visited), "it plays by itself where it is best: {visited:#?}");
    let steps = [
        Step::Plays,
        Step::Presses("k"),
        // Another tab covers the page for seven seconds, which nobody watches.
        Step::Rests,
        Step::Presses("k"),
        Step::Clicks(BACK),
        Step::Opens("Details"),
        Step::Plays,
        Step::Plays,
    ];
    let visited = visit_on(&PHONE, &url, &steps).await;
    assert!(!is_offered(&visited), "{visited:#?}");
    assert!(behind(&visited) <= 15.0, "{visited:#?}");
}
