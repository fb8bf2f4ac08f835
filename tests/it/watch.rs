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
