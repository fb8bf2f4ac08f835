//! The page in a real browser.

use std::time::Duration;

use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Fault, Hls, Origin};
use forebay_testkit::player::{Screen, Step, Visited, browser_page, visit, visit_on};
use jiff::Timestamp;
use serde_json::Value;

use super::*;

/// What a page does, it does sooner.
const PATIENCE: Duration = Duration::from_secs(20);

/// The page was allowed all that it did, and got all that it asked for.
fn assert_undisturbed(visited: &Visited) {
    assert_eq!((&visited.said, &visited.failed), (&vec![], &vec![]), "{visited:#?}");
}

fn asked(visited: &Visited, what: &str) -> bool {
    visited.requests.iter().any(|request| request.contains(what))
}

/// A relay that plays clips of this kind as channel `one`, and where they come from.
async fn playing(kind: Kind) -> (Origin, Relay) {
    let origin = Origin::start().await;
    origin.serve("/clip", Behaviour::ts(Clip::get(kind)).burst(Duration::from_secs(2)));
    let relay = Relay::with_sources(&[origin.url("/clip")], "name = 'Channel <One>'\nnumber = 7");
    (origin, relay)
}

#[tokio::test]
async fn it_says_what_is_on_and_what_comes_next() {
    let origin = Origin::start().await;
    origin.serve("/clip", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(2)));
    let now = Timestamp::now().as_second();
    let at = |minutes: i64| {
        let at = Timestamp::from_second(now + 60 * minutes).expect("it is near");
        at.strftime("%Y%m%d%H%M%S +0000").to_string()
    };
    let programme = |(from, to): (i64, i64), title: &str| {
        let (start, stop) = (at(from), at(to));
        format!("<programme start='{start}' stop='{stop}' channel='1'><title>{title}</title></programme>")
    };
    let programmes = [
        programme((-90, -30), "Over"),
        programme((-30, 60), "The &lt;long&gt; film"),
        programme((60, 120), "Late news"),
        programme((120, 180), "Far away"),
    ];
    origin.serve("/guide", Behaviour::body("text/xml", format!("<tv>{}</tv>", programmes.concat())));
    let relay = Relay::start(&format!(
        "[[guides]]\nid = 'g'\nurl = {:?}\n{}{}",
        origin.url("/guide"),
        channel("one", &[origin.url("/clip")], "tvg_id = '1'"),
        channel("two", &[origin.url("/clip")], ""),
    ));
    crate::epg::until(&relay, |guides| guides[0]["matched"] == 1).await;
    for screen in [Screen::default(), PHONE] {
        let steps = [Step::Sees("The <long> film"), Step::Sees("Late news"), Step::Plays];
        let visited = visit_on(&screen, &relay.url("/watch/one"), &steps).await;
        assert_undisturbed(&visited);
        assert_usable(&visited);
        assert!(!visited.text.contains("Over") && !visited.text.contains("Far away"), "{visited:#?}");
    }
    // It goes with the channel.
    let steps = [Step::Sees("Late news"), Step::Follows("Next channel: two"), Step::Plays];
    let visited = visit(&relay.url("/watch/one"), &steps).await;
    assert_undisturbed(&visited);
    assert!(!visited.text.contains("Late news"), "{visited:#?}");
}

#[tokio::test]
async fn it_plays_by_itself_and_without_a_stall() {
    let (_origin, relay) = playing(Kind::H264Aac).await;
    for mode in ["hls", "live"] {
        let seen = browser_page(&relay.url(&format!("/watch/one?mode={mode}")), 6).await;
        seen.assert_ok();
        assert_eq!((seen.pictures.width, &seen.json["muted"]), (640, &true.into()), "{mode}");
    }
    assert_eq!(relay.status("one").await["upstream_connections_opened"], 1, "both ways share the source");
}

#[tokio::test]
async fn the_way_of_delivery_can_be_changed_and_the_sound_turned_on() {
    let (_origin, relay) = playing(Kind::H264Aac).await;
    let steps = [
        Step::Sees("Channel <One>"),
        Step::Plays,
        Step::Clicks("Turn the sound on"),
        Step::Opens("Details"),
        Step::Sees("H.264, AAC"),
        Step::Sees("640 × 360"),
        Step::Chooses("Low latency"),
        Step::Plays,
    ];
    let visited = visit(&relay.url("/watch/one"), &steps).await;
    assert_undisturbed(&visited);
    assert_eq!((visited.muted, &*visited.title), (Some(false), "Channel <One> – Forebay"));
    let ways = (
        asked(&visited, "/stream/one/hls/segment_"),
        visited.requests.iter().any(|request| request.ends_with("/stream/one")),
    );
    assert_eq!(ways, (true, true), "{visited:#?}");
    let own = relay.url("/");
    let foreign: Vec<_> = visited
        .requests
        .iter()
        .filter(|request| !request.starts_with(&own) && !request.starts_with("blob:"))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[tokio::test]
async fn it_says_that_no_source_answers_and_plays_when_one_does() {
    let origin = Origin::start().await;
    let relay = Relay::with_sources(&[origin.url("/late")], "start_timeout = '1s'");
    let url = relay.url("/watch/one");
    let steps = [Step::Sees("No picture from this channel"), Step::Sees("Trying again in"), Step::Plays];
    let comes = async {
        let is = |state: &'static str| move |status: &Value| status["state"] == state;
        relay.wait_status("one", PATIENCE, is("starting")).await;
        // The first answer has been given when the channel is closed again.
        relay.wait_status("one", PATIENCE, is("idle")).await;
        origin.serve("/late", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(2)));
    };
    let (visited, ()) = tokio::join!(visit(&url, &steps), comes);
    assert!(!visited.text.contains("No picture"), "{visited:#?}");
}

#[tokio::test]
async fn it_names_the_codec_that_the_browser_has_not() {
    let (_origin, relay) = playing(Kind::Mpeg2Mp2).await;
    for mode in ["hls", "live"] {
        let steps =
            [Step::Sees("This browser cannot play this channel"), Step::Sees("MPEG-2 video, for which")];
        visit(&relay.url(&format!("/watch/one?mode={mode}")), &steps).await;
    }
}

#[tokio::test]
async fn it_says_that_the_server_is_gone() {
    let (_origin, relay) = playing(Kind::H264Aac).await;
    let url = relay.url("/watch/one?mode=live");
    let goes = async {
        // It asks first whether it may play, and then it plays.
        let plays = |status: &Value| {
            status["clients_total"].as_u64() >= Some(2) && status["bytes_streamed"].as_u64() > Some(200_000)
        };
        relay.wait_status("one", PATIENCE, plays).await;
        assert!(relay.stop().await);
    };
    let steps = [Step::Sees("The server cannot be reached")];
    let (visited, ()) = tokio::join!(visit(&url, &steps), goes);
    assert!(visited.text.contains("Try now"), "{visited:#?}");
}

pub(super) const PHONE: Screen =
    Screen { is_phone: true, is_dark: false, below: String::new(), answers: Vec::new() };

/// Every control has a name, and nothing is wider than the screen.
fn assert_usable(visited: &Visited) {
    assert_eq!(visited.overflow, 0, "{visited:#?}");
    assert!(visited.controls.iter().all(|name| !name.is_empty()), "{:?}", visited.controls);
}

fn has(visited: &Visited, control: &str) -> bool {
    visited.controls.iter().any(|name| name == control)
}

/// A picture of one point.
const LOGO: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00\
    :~\x9bU\x00\x00\x00\x0aIDATx\xdac\xf8\x0f\x00\x01\x01\x01\x00\x1c\xb0\x8c\x99\x00\x00\x00\x00IEND\xaeB`\x82";

#[tokio::test]
async fn it_shows_the_logo_and_the_time_of_day() {
    let origin = Origin::start().await;
    origin.serve("/clip", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(2)));
    origin.serve("/logo", Behaviour::body("image/png", LOGO));
    let relay = Relay::with_sources(&[origin.url("/clip")], &format!("logo = {:?}", origin.url("/logo")));
    for screen in [Screen::default(), PHONE] {
        let began = Timestamp::now();
        let visited = visit_on(&screen, &relay.url("/watch/one"), &[Step::Plays]).await;
        assert_undisturbed(&visited);
        assert_usable(&visited);
        let is_logo = |picture: &String| picture.starts_with(&relay.url("/")) && picture.contains("logo");
        assert!(visited.pictures.iter().any(is_logo), "{visited:#?}");
        // A minute may end meanwhile, and clocks of zones differ by quarters of an hour.
        let minutes = [began, Timestamp::now()].map(|time| time.as_second() / 60 % 15);
        let minute = |word: &str| word.split_once(':')?.1.parse::<i64>().ok();
        let mut shown = visited.text.split_whitespace().filter_map(minute);
        assert!(shown.any(|minute| minutes.contains(&(minute % 15))), "{visited:#?}");
    }
}

#[tokio::test]
async fn it_leads_to_other_channels() {
    let origin = Origin::start().await;
    origin.serve("/clip", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(2)));
    let entry = |id, more: &str| channel(id, &[origin.url("/clip")], more);
    let relay = Relay::start(
        &[
            entry("one", "name = 'First'\nnumber = 1"),
            entry("two", "name = 'Second'\nnumber = 22"),
            entry("three", "name = 'Third'\nnumber = 3"),
        ]
        .concat(),
    );
    let steps = [
        Step::Plays,
        Step::Follows("Next channel: Second"),
        Step::Follows("Next channel: Third"),
        // The key does nothing before the page knows its neighbours.
        Step::Awaits("Previous channel: Second"),
        Step::Presses("p"),
        Step::Follows("Previous channel: First"),
        Step::Follows("Previous channel: Third"),
        Step::Presses("2"),
        Step::Presses("2"),
        Step::Follows("Next channel: Third"),
        Step::Presses("/"),
        Step::Types("fir"),
        Step::Sees("1 channel found"),
        Step::Presses("ArrowDown"),
        Step::Presses("Enter"),
        Step::Follows("Next channel: Second"),
        Step::Plays,
    ];
    let visited = visit(&relay.url("/watch/one?mode=live"), &steps).await;
    assert_undisturbed(&visited);
    assert_usable(&visited);
    assert_eq!((&*visited.url, &*visited.title), (&*relay.url("/watch/two?mode=live"), "Second – Forebay"));
    let pages =
        visited.requests.iter().filter(|request| request.contains("/watch/") && !request.contains("assets"));
    assert_eq!(pages.count(), 1, "the page stays, and with it the sound and the full screen");
    // And there is a way back from each.
    let steps = [Step::Follows("Channels"), Step::Sees("3 channels"), Step::Follows("Second"), Step::Plays];
    let visited = visit_on(&PHONE, &relay.url("/watch/one?mode=live"), &steps).await;
    assert_undisturbed(&visited);
    assert_usable(&visited);
    assert_eq!(visited.url, relay.url("/watch/two"));
}

#[tokio::test]
async fn figures_are_shown_to_those_who_ask_for_them() {
    let (_origin, relay) = playing(Kind::H264Aac).await;
    for screen in [Screen::default(), PHONE] {
        let steps = [Step::Plays, Step::Sees("Live"), Step::Sees("Details")];
        let visited = visit_on(&screen, &relay.url("/watch/one"), &steps).await;
        assert_usable(&visited);
        assert!(!visited.text.contains("Behind live"), "{visited:#?}");
        // There is one of each, so there is nothing to choose.
        let choices = ["Language", "Subtitles", "Quality"].map(|name| visited.text.contains(name));
        assert_eq!(choices, [false; 3], "{visited:#?}");
    }
}

#[tokio::test]
async fn what_the_stream_offers_can_be_chosen() {
    let (_origin, relay) = playing(Kind::H264Aac).await;
    let list = "#EXTM3U\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=640x360,CODECS=\"avc1.640028,mp4a.40.2\"\n\
        index.m3u8?a=1\n\
        #EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=320x180,CODECS=\"avc1.640028,mp4a.40.2\"\n\
        index.m3u8?a=2\n";
    let screen = Screen { answers: vec![("/index.m3u8".into(), list.into())], ..Screen::default() };
    let steps = [Step::Plays, Step::Sees("Quality")];
    let visited = visit_on(&screen, &relay.url("/watch/one?mode=hls"), &steps).await;
    assert!(visited.text.contains("360p, 2.0 Mbit/s"), "{visited:#?}");
    assert!(!visited.text.contains("Language"), "{visited:#?}");
}

#[tokio::test]
async fn radio_is_a_card() {
    let (_origin, relay) = playing(Kind::AudioOnly).await;
    for screen in [Screen::default(), PHONE] {
        let steps = [
            Step::Plays,
            Step::Sees("Radio"),
            Step::Clicks("Turn the sound on"),
            Step::Opens("Details"),
            Step::Sees("AAC"),
        ];
        let visited = visit_on(&screen, &relay.url("/watch/one"), &steps).await;
        assert_undisturbed(&visited);
        assert_usable(&visited);
        assert!(visited.stage < 250, "it takes {} points", visited.stage);
        for figure in ["Picture", "Dropped frames"] {
            assert!(!visited.text.contains(figure), "{visited:#?}");
        }
    }
}

#[tokio::test]
async fn a_dead_channel_says_why() {
    let origin = Origin::start().await;
    let (_taken, refusing) = crate::relay::refusing();
    let absent = origin.url("/secret/path");
    let relay = Relay::start(
        &[
            channel("one", std::slice::from_ref(&absent), "start_timeout = '1s'"),
            channel("two", &[absent.clone(), format!("http://{refusing}/")], "start_timeout = '1s'"),
        ]
        .concat(),
    );
    let steps = [Step::Sees("The source was not found (HTTP 404)."), Step::Sees("Trying again in")];
    let visited = visit_on(&PHONE, &relay.url("/watch/one"), &steps).await;
    assert_usable(&visited);
    for text in ["–\n", "Details", "Stalls", "secret", &origin.address().to_string()] {
        assert!(!visited.text.contains(text), "{text}: {visited:#?}");
    }
    let steps = [
        Step::Sees("Source 1 was not found (HTTP 404)."),
        Step::Sees("Source 2 refuses the connection."),
        Step::Clicks("Try now"),
        // What was wrong can be read on meanwhile.
        Step::Sees("Trying again…"),
        Step::Sees("Source 2 refuses the connection."),
    ];
    assert_usable(&visit(&relay.url("/watch/two"), &steps).await);
}

#[tokio::test]
async fn a_channel_whose_segments_are_refused_says_so() {
    let origin = Origin::start().await;
    let channels = [404, 503].map(|status| {
        let hls = Hls::live(Clip::get(Kind::ShortGop)).segment(Duration::from_secs(1));
        let broadcast = hls.fault(.., Fault::Status(status)).mount(&origin, &format!("/{status}"));
        channel(&format!("s{status}"), &[broadcast.url().to_owned()], "start_timeout = '2s'")
    });
    let relay = Relay::start(&channels.concat());
    for status in [404, 503] {
        let said = format!("The source has a playlist, but does not send what is in it (HTTP {status}).");
        assert_usable(&visit(&relay.url(&format!("/watch/s{status}")), &[Step::Sees(&said)]).await);
    }
}

#[tokio::test]
async fn what_no_browser_plays_opens_in_another_player() {
    let (_origin, relay) = playing(Kind::Mpeg2Mp2).await;
    for screen in [Screen::default(), PHONE] {
        let steps = [Step::Sees("This browser cannot play this channel"), Step::Clicks("Copy the address")];
        let visited = visit_on(&screen, &relay.url("/watch/one"), &steps).await;
        assert_usable(&visited);
        assert!(visited.links.contains(&relay.url("/stream/one/channel.m3u")), "{:?}", visited.links);
        let vlc = format!("intent://{}/stream/one.ts#Intent;scheme=http;", relay.address());
        let has_vlc = visited.links.iter().any(|link| link.starts_with(&vlc));
        assert_eq!(has_vlc, screen.is_phone, "{:?}", visited.links);
        assert!(visited.text.contains(&relay.url("/stream/one.ts")), "{visited:#?}");
        let offered = ["Standard", "Low latency", "Turn the sound on"].map(|name| has(&visited, name));
        assert_eq!(offered, [false; 3], "{:?}", visited.controls);
    }
}

#[tokio::test]
async fn sound_that_cannot_be_decoded_is_made_anew_by_the_server() {
    let origin = Origin::start().await;
    let config =
        "[transcode]\ncpu_limit = \"off\"\n".to_owned() + &channel("one", &[origin.url("/clip")], "");
    let relay = Relay::start(&config);
    origin.serve("/clip", Behaviour::ts(Clip::get(Kind::H264Ac3)).burst(Duration::from_secs(2)));
    let steps = [Step::Plays, Step::Clicks("Turn the sound on"), Step::Plays];
    let visited = visit(&relay.url("/watch/one?mode=hls"), &steps).await;
    assert!(!visited.text.contains("No sound"), "{}", visited.text);
    let status = relay.status("one@browser").await;
    assert_eq!(status["active"], true, "{status}");
}

#[tokio::test]
async fn sound_that_cannot_be_decoded_is_not_offered_where_the_server_makes_none() {
    let origin = Origin::start().await;
    let config = "[transcode]\nmax_jobs = 0\n".to_owned() + &channel("one", &[origin.url("/clip")], "");
    let relay = Relay::start(&config);
    origin.serve("/clip", Behaviour::ts(Clip::get(Kind::H264Ac3)).burst(Duration::from_secs(2)));
    let steps = [Step::Plays, Step::Sees("No sound: it is AC-3")];
    let visited = visit(&relay.url("/watch/one?mode=hls"), &steps).await;
    assert!(!has(&visited, "Turn the sound on"), "{:?}", visited.controls);
}

#[tokio::test]
async fn it_is_dark_where_that_is_preferred() {
    let relay = relay();
    let steps = [Step::Sees("hannel")];
    let light = visit(&relay.url("/watch/"), &steps).await;
    assert!(light.brightness > 230, "{light:#?}");
    let dark = Screen { is_phone: true, is_dark: true, ..Screen::default() };
    for path in ["/watch/one", "/watch/", "/watch/none"] {
        let visited = visit_on(&dark, &relay.url(path), &steps).await;
        assert_usable(&visited);
        assert!(visited.brightness < 40, "{path}: {}", visited.brightness);
    }
}
