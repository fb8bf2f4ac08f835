//! The page that plays a channel: what is served, how it may be kept, and what it may do.

mod choices;
mod players;

use std::time::Duration;

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
        assert!(text.starts_with("#EXTM3U url-tvg=\"") && text.contains(",News\n"), "{text}");
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
        origin.serve("/huge", Behaviour::body("image/png", [&png[..], &vec![0; 5 << 20]].concat()));
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
        // Rule 35: in lists at our address, which changes with the logo; an old one leads to it.
        let list = get(&relay, "/playlist.m3u").await.text();
        let addresses: Vec<&str> =
            list.lines().filter_map(|line| line.split_once("tvg-logo=\"")?.1.split('"').next()).collect();
        assert_eq!(addresses.len(), 4, "none for the one without a logo: {list}");
        assert!(!list.contains(&origin.url("/")), "{list}");
        let path = addresses[0].strip_prefix(&relay.url("")).expect("an address of ours").to_owned();
        let (folder, mark) = path.rsplit_once('/').expect("it has a mark");
        assert_eq!((folder, mark.len()), ("/logo/one", 8));
        let kept = get(&relay, &path).await;
        assert!(kept.status == 200 && kept.body == png[..] && kept.header("Cache-Control").is_some());
        let old = get(&relay, "/logo/one/00000000").await;
        assert_eq!((old.status, old.header("Location")), (302, Some(mark)));
        assert_eq!(origin.opened("/logo"), 1, "still one request");
        for id in ["page", "huge", "absent", "none", "page"] {
            let answer = ask(id).await;
            assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &"no_logo".into()), "{id}");
        }
        assert_eq!(origin.opened("/page"), 1, "what did not come is not tried again at once");
        let (_, status) = forebay_testkit::client::get_json(relay.address(), "/api/streams/status").await;
        let logos = &status["server"]["logos"];
        assert_eq!((&logos["failed_total"], &logos["bytes"]), (&3.into(), &png.len().into()), "{logos}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn have_logos_though_another_server_of_logos_hangs() {
        let [hangs, good] = [Origin::start().await, Origin::start().await];
        let picture = [&b"\x89PNG\r\n\x1a\n"[..], &vec![0; 600 << 10]].concat();
        good.serve("/logo", Behaviour::body("image/png", picture.clone()));
        let source = ["testcard://".into()];
        let mut config = channel("good", &source, &format!("logo = {:?}", good.url("/logo")));
        let never = Behaviour::body("image/png", picture.clone()).answer_after(Duration::from_hours(1));
        hangs.serve("/logo", never);
        for at in 0..10 {
            let logo = format!("logo = {:?}", hangs.url(&format!("/logo?{at}")));
            config += &channel(&format!("c{at}"), &source, &logo);
        }
        let relay = Relay::start(&config);
        let wanted = |at: usize| {
            let path = format!("/api/channels/c{at}/logo");
            let address = relay.address();
            tokio::spawn(async move { forebay_testkit::client::get(address, &path).await.status })
        };
        let waiting: Vec<_> = (0..10).map(wanted).collect();
        hangs.wait_opened("/logo", 2, Duration::from_secs(20)).await;
        let answer = get(&relay, "/api/channels/good/logo").await;
        assert!(answer.status == 200 && answer.body == picture, "{}", answer.status);
        assert_eq!(hangs.opened("/logo"), 2, "two of one server at a time");
        for task in &waiting {
            task.abort();
        }
    }
}
