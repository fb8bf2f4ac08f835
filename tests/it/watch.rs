//! The page that plays a channel: what is served, how it may be kept, and what it may do.

use forebay_testkit::client::{Answer, Request};

use crate::relay::{Relay, channel};

fn relay() -> Relay {
    Relay::start(&channel("one", &["testcard://".into()], "name = 'Channel <One>'"))
}

async fn get(relay: &Relay, path: &str) -> Answer {
    Request::get(relay.address(), path).send().await.expect("the relay answers")
}

/// The page, whose files are named in it relative to its own address.
fn files_of(page: &str) -> Vec<String> {
    let names = page.split('"').filter_map(|text| text.strip_prefix("./assets/"));
    names.map(|name| format!("/watch/assets/{name}")).collect()
}

/// The page's script, which is among its files.
async fn script_of(relay: &Relay) -> String {
    let files = files_of(&get(relay, "/watch/one").await.text());
    files.into_iter().find(|file| file.contains("/watch-")).expect("the page has a script")
}

fn assert_is_strict(answer: &Answer) {
    let policy = answer.header("Content-Security-Policy").expect("a page has a policy");
    let rules: Vec<&str> = policy.split(';').map(str::trim).collect();
    assert!(rules.contains(&"default-src 'none'") && rules.contains(&"script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("data:"), "{policy}");
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{answer:?}");
}

#[tokio::test]
async fn a_channel_has_a_page_that_brings_its_files() {
    let relay = relay();
    let page = get(&relay, "/watch/one").await;
    assert_eq!((page.status, page.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("Cache-Control"), Some("no-cache"), "it names the files of this version");
    assert_is_strict(&page);
    let text = page.text();
    let inline = ["<script>", "<style", " style=", " onclick="].iter().find(|part| text.contains(**part));
    assert_eq!(inline, None, "the policy forbids it: {text}");

    let files = files_of(&text);
    for (ending, kind) in [
        (".js", "text/javascript; charset=utf-8"),
        (".css", "text/css; charset=utf-8"),
        (".svg", "image/svg+xml"),
    ] {
        let file = files.iter().find(|file| file.ends_with(ending));
        let file = file.unwrap_or_else(|| panic!("no {ending} in {files:?}"));
        let answer = get(&relay, file).await;
        assert_eq!((answer.status, answer.header("Content-Type")), (200, Some(kind)), "{file}");
        assert_eq!(answer.header("Cache-Control"), Some("public, max-age=31536000, immutable"), "{file}");
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{file}");
        assert_eq!(answer.header("Content-Encoding"), None, "{file}: nobody asked for it");
        assert_eq!(answer.header("Content-Length"), Some(&*answer.body.len().to_string()), "{file}");
    }
    assert_eq!(relay.status("one").await["state"], "idle", "a page opens no channel");
}

#[tokio::test]
async fn files_go_out_compressed_where_that_is_taken() {
    let relay = relay();
    let script = script_of(&relay).await;
    let plain = get(&relay, &script).await;
    let request = Request::get(relay.address(), &script).header("Accept-Encoding", "br, gzip;q=0.8");
    let packed = request.send().await.expect("the relay answers");
    assert_eq!(packed.header("Content-Encoding"), Some("gzip"));
    assert_eq!(packed.header("Content-Type"), plain.header("Content-Type"));
    assert!(packed.body.starts_with(&[0x1F, 0x8B]), "gzip begins so (RFC 1952, 2.3.1)");
    assert!(packed.body.len() * 2 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
    for answer in [&plain, &packed] {
        assert_eq!(answer.header("Vary"), Some("Accept-Encoding"), "a cache between has to know");
    }
}

#[tokio::test]
async fn an_unknown_channel_gets_a_page_too() {
    let relay = relay();
    for id in ["two", "%3Cscript%3E", "assets"] {
        let page = get(&relay, &format!("/watch/{id}")).await;
        assert_eq!(
            (page.status, page.header("Content-Type")),
            (404, Some("text/html; charset=utf-8")),
            "{id}"
        );
        assert!(page.text().contains("There is no such channel"), "{}", page.text());
        assert!(!page.text().contains("<script"), "{id}: {}", page.text());
        assert_is_strict(&page);
    }
}

#[tokio::test]
async fn nothing_else_is_served() {
    let relay = relay();
    let script = script_of(&relay).await;
    let paths = [
        "/watch/assets/none.js",
        &format!("{script}.gz"),
        "/watch/assets/..%2Fwatch.html",
        "/watch/assets/..%2f..%2fpackage.json",
        "/watch/watch.html/",
    ];
    for path in paths {
        let answer = get(&relay, path).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &"not_found".into()), "{path}");
        assert!(answer.header("Cache-Control").is_some_and(|caching| caching == "no-store"), "{answer:?}");
    }
    let answer = Request::new("POST", relay.address(), "/watch/one").send().await.expect("the relay answers");
    assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET,HEAD")), "{answer:?}");
}

#[tokio::test]
async fn head_says_the_same_without_the_body() {
    let relay = relay();
    for path in ["/watch/", "/watch/one", "/watch/two", &script_of(&relay).await] {
        let get = get(&relay, path).await;
        let head = Request::new("HEAD", relay.address(), path).send().await.expect("the relay answers");
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in ["Content-Type", "Content-Length", "Cache-Control", "Content-Security-Policy"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn the_list_of_channels_is_a_page() {
    let relay = relay();
    let page = get(&relay, "/watch/").await;
    assert_eq!((page.status, page.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("Cache-Control"), Some("no-cache"));
    assert_is_strict(&page);
    // Its addresses are relative, and so is where this leads: a proxy may serve it below a path.
    let bare = get(&relay, "/watch").await;
    assert_eq!((bare.status, bare.header("Location")), (308, Some("watch/")));
}

/// What viewers see of the channels, as data.
mod channels {
    use forebay_testkit::origin::{Behaviour, Origin};

    use super::*;

    fn three() -> Relay {
        let entry = |id, more: &str| channel(id, &["testcard://".into()], more);
        Relay::start(
            &[
                entry("one", "name = 'News'\nnumber = 5\ngroup = 'Info'"),
                entry("two", "name = 'Sport'"),
                entry("three", "name = 'News 24'"),
            ]
            .concat(),
        )
    }

    #[tokio::test]
    async fn come_a_part_at_a_time() {
        let relay = three();
        let all = get(&relay, "/api/channels").await.json();
        assert_eq!((&all["total"], all["channels"].as_array().map(Vec::len)), (&3.into(), Some(3)));
        let expected = serde_json::json!({
            "id": "one", "name": "News", "number": 5, "group": "Info", "has_logo": false
        });
        assert_eq!(all["channels"][0], expected);
        let found = get(&relay, "/api/channels?search=NEWS&offset=1&limit=1").await.json();
        assert_eq!((&found["total"], &found["channels"][0]["id"]), (&2.into(), &"three".into()), "{found}");
        let by_number = get(&relay, "/api/channels?search=5").await.json();
        assert_eq!((&by_number["total"], &by_number["channels"][0]["id"]), (&1.into(), &"one".into()));
    }

    #[tokio::test]
    async fn have_neighbours_around_the_ends_of_the_list() {
        let relay = three();
        for (id, position, previous, next) in
            [("one", 0, "three", "two"), ("two", 1, "one", "three"), ("three", 2, "two", "one")]
        {
            let placed = get(&relay, &format!("/api/channels/{id}")).await.json();
            let found = (&placed["position"], &placed["previous"]["id"], &placed["next"]["id"]);
            assert_eq!(found, (&position.into(), &previous.into(), &next.into()), "{placed}");
        }
        let alone = super::relay();
        let placed = get(&alone, "/api/channels/one").await.json();
        assert_eq!((&placed["previous"], &placed["next"]), (&().into(), &().into()), "{placed}");
        let unknown = get(&alone, "/api/channels/two").await;
        assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &"unknown_channel".into()));
    }

    #[tokio::test]
    async fn are_files_that_open_in_a_player() {
        let relay = three();
        let file = get(&relay, "/stream/one/channel.m3u").await;
        assert_eq!((file.status, file.header("Content-Type")), (200, Some("audio/x-mpegurl; charset=utf-8")));
        assert_eq!(file.header("Content-Disposition"), Some("attachment; filename=\"one.m3u\""));
        let text = file.text();
        assert!(text.starts_with("#EXTM3U\n#EXTINF:-1 ") && text.contains(",News\n"), "{text}");
        assert!(text.ends_with(&format!("{}\n", relay.url("/stream/one.ts"))), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
        let hls = get(&relay, "/stream/one/channel.m3u?format=hls").await.text();
        assert!(hls.ends_with(&format!("{}\n", relay.url("/stream/one/index.m3u8"))), "{hls}");
        assert_eq!(get(&relay, "/stream/four/channel.m3u").await.status, 404);
        assert_eq!(relay.status("one").await["state"], "idle", "a list opens no channel");
    }

    #[tokio::test]
    async fn have_logos_that_are_fetched_once_and_passed_on() {
        let origin = Origin::start().await;
        let png = b"\x89PNG\r\n\x1a\n and more";
        origin.serve("/logo", Behaviour::body("text/plain", png));
        origin.serve("/page", Behaviour::body("image/png", b"<html>no picture</html>"));
        origin.serve("/huge", Behaviour::body("image/png", [&png[..], &vec![0; 600 << 10]].concat()));
        let logo = |path: &str| format!("logo = {:?}", origin.url(path));
        let source = ["testcard://".into()];
        let relay = Relay::start(
            &[
                channel("one", &source, &logo("/logo")),
                channel("page", &source, &logo("/page")),
                channel("huge", &source, &logo("/huge")),
                channel("absent", &source, &logo("/absent")),
                channel("none", &source, ""),
            ]
            .concat(),
        );
        let ask = async |id: &str| get(&relay, &format!("/api/channels/{id}/logo")).await;
        let (first, second) = tokio::join!(ask("one"), ask("one"));
        for answer in [first, second] {
            assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("image/png")));
            assert_eq!(answer.body, png[..]);
            assert!(
                answer.header("Content-Security-Policy").is_some_and(|policy| policy.contains("sandbox"))
            );
        }
        assert_eq!(origin.opened("/logo"), 1, "one request for all");
        for id in ["page", "huge", "absent", "none", "page"] {
            let answer = ask(id).await;
            assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &"no_logo".into()), "{id}");
        }
        assert_eq!(origin.opened("/page"), 1, "what did not come is not tried again at once");
        let (_, status) = forebay_testkit::client::get_json(relay.address(), "/api/streams/status").await;
        let logos = &status["server"]["logos"];
        assert_eq!((&logos["failed_total"], &logos["bytes"]), (&3.into(), &png.len().into()), "{logos}");
    }
}

/// A real browser on the page.
mod players {
    use std::time::Duration;

    use forebay_testkit::clip::{Clip, Kind};
    use forebay_testkit::origin::{Behaviour, Origin};
    use forebay_testkit::player::{Screen, Step, Visited, browser_page, visit, visit_on};
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
                status["clients_total"].as_u64() >= Some(2)
                    && status["bytes_streamed"].as_u64() > Some(200_000)
            };
            relay.wait_status("one", PATIENCE, plays).await;
            assert!(relay.stop().await);
        };
        let steps = [Step::Sees("The server cannot be reached")];
        let (visited, ()) = tokio::join!(visit(&url, &steps), goes);
        assert!(visited.text.contains("Try now"), "{visited:#?}");
    }

    const PHONE: Screen =
        Screen { is_phone: true, is_dark: false, below: String::new(), answers: Vec::new() };

    /// Every control has a name, and nothing is wider than the screen.
    fn assert_usable(visited: &Visited) {
        assert_eq!(visited.overflow, 0, "{visited:#?}");
        assert!(visited.controls.iter().all(|name| !name.is_empty()), "{:?}", visited.controls);
    }

    fn has(visited: &Visited, control: &str) -> bool {
        visited.controls.iter().any(|name| name == control)
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
        assert_eq!(
            (&*visited.url, &*visited.title),
            (&*relay.url("/watch/two?mode=live"), "Second – Forebay")
        );
        let pages = visited
            .requests
            .iter()
            .filter(|request| request.contains("/watch/") && !request.contains("assets"));
        assert_eq!(pages.count(), 1, "the page stays, and with it the sound and the full screen");
        // And there is a way back from each.
        let steps =
            [Step::Follows("Channels"), Step::Sees("3 channels"), Step::Follows("Second"), Step::Plays];
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
    async fn what_no_browser_plays_opens_in_another_player() {
        let (_origin, relay) = playing(Kind::Mpeg2Mp2).await;
        for screen in [Screen::default(), PHONE] {
            let steps =
                [Step::Sees("This browser cannot play this channel"), Step::Clicks("Copy the address")];
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
    async fn sound_that_cannot_be_decoded_is_not_offered() {
        let origin = Origin::start().await;
        let relay = Relay::with_sources(&[origin.url("/clip")], "");
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
}
