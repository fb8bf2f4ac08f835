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
        "/watch/",
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
    for path in ["/watch/one", "/watch/two", &script_of(&relay).await] {
        let get = get(&relay, path).await;
        let head = Request::new("HEAD", relay.address(), path).send().await.expect("the relay answers");
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in ["Content-Type", "Content-Length", "Cache-Control", "Content-Security-Policy"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
}

/// A real browser on the page.
mod players {
    use std::time::Duration;

    use forebay_testkit::clip::{Clip, Kind};
    use forebay_testkit::origin::{Behaviour, Origin};
    use forebay_testkit::player::{Step, Visited, browser_page, visit};
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
            Step::Sees("H.264, AAC"),
            Step::Sees("640 × 360"),
            Step::Clicks("Turn the sound on"),
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
}
