//! Pages of video platforms: what they are, and where their media is.

use forebay_testkit::client::{Answer, get};
use forebay_testkit::platform::{Platform, yt_dlp};

use crate::relay::Relay;

fn start(platform: &Platform) -> Relay {
    let (command, plugins) = (yt_dlp().display().to_string(), platform.plugins().display().to_string());
    Relay::start(&format!(
        "allow_private_sources = true\n[resolver]\ncommand = '{command}'\nplugin_dirs = ['{plugins}']\n"
    ))
}

async fn video(relay: &Relay, name: &str) -> Answer {
    get(relay.address(), &format!("/api/v2/videos/youtube/{}", Platform::id(name))).await
}

async fn direct(relay: &Relay, name: &str, query: &str) -> Answer {
    get(relay.address(), &format!("/api/v2/stream/direct/youtube/{}?{query}", Platform::id(name))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_what_it_is_and_leads_to_its_media() {
    let platform = Platform::start().await;
    let relay = start(&platform);
    let answer = video(&relay, "good").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let document = answer.json();
    assert_eq!(document["success"], true);
    let data = &document["data"];
    assert_eq!((&data["title"], &data["platform"]), (&"A title".into(), &"youtube".into()));
    assert_eq!((&data["duration"], &data["cached"]), (&60.5.into(), &false.into()));
    let whole = &data["formats"][1];
    assert_eq!((&whole["quality"], &whole["resolution"]), (&"360p".into(), &"640x360".into()));
    assert_eq!((&whole["bitrate"], &whole["has_audio"]), (&500.into(), &true.into()));
    assert_eq!(data["formats"][0]["quality"], "audio");

    // The address that the document gives leads to the platform.
    let answer = get(relay.address(), whole["url"].as_str().expect("an address")).await;
    assert_eq!(answer.status, 302, "{}", answer.text());
    assert_eq!(answer.header("Location"), Some("https://a.example/whole.mp4?token=hunter2"));
    // So does the page's address, however it is written.
    let by_address = "/api/v2/videos/auto/page?url=https%3A%2F%2Fyoutu.be%2Fgood_______%3Fsi%3Dx";
    let answer = get(relay.address(), by_address).await;
    assert_eq!((answer.status, &answer.json()["data"]["cached"]), (200, &true.into()));
    assert_eq!(platform.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_given_only_if_a_player_can_open_it() {
    let platform = Platform::start().await;
    let relay = start(&platform);
    let location = |answer: &Answer| answer.header("Location").unwrap_or_default().to_owned();
    // The better picture has no sound.
    assert_eq!(
        location(&direct(&relay, "good", "quality=1080p").await),
        "https://a.example/whole.mp4?token=hunter2"
    );
    assert_eq!(
        location(&direct(&relay, "good", "quality=audio").await),
        "https://a.example/sound.m4a?token=hunter2"
    );
    for (name, query, status, reason) in [
        ("split", "quality=best", 409, "split"),
        ("good", "quality=huge", 400, "bad_quality"),
        ("good", "format_id=99", 404, "unknown_format"),
    ] {
        let answer = direct(&relay, name, query).await;
        assert_eq!((answer.status, &answer.json()["reason"]), (status, &reason.into()), "{name} {query}");
    }
    // What wants to see more than the address is had through the server.
    let answer = direct(&relay, "headers", "").await;
    assert_eq!((answer.status, answer.header("X-Direct")), (302, Some("proxied; reason=headers")));
    assert_eq!(location(&answer), "/api/v2/stream/proxy/youtube/headers____?format_id=18");
    assert_eq!(direct(&relay, "headers", "strict=true").await.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_has_a_status_and_a_reason() {
    let platform = Platform::start().await;
    let relay = start(&platform);
    for (name, status, reason) in [
        ("private", 404, "unavailable"),
        ("login", 403, "login_required"),
        ("geo", 451, "geo"),
        ("offline", 409, "not_live"),
        ("bug", 502, "broken"),
        ("crash", 502, "crashed"),
        ("limit", 503, "rate_limited"),
    ] {
        let answer = video(&relay, name).await;
        let document = answer.json();
        assert_eq!((answer.status, &document["reason"]), (status, &reason.into()), "{name}: {document}");
        assert_eq!(document["success"], false);
        assert!(answer.header("Retry-After").is_some(), "{name}");
    }
    let asked = platform.asked();
    for path in [
        "/api/v2/videos/vimeo/1",
        "/api/v2/videos/youtube/too-short",
        "/api/v2/videos/youtube/..%2F..%2Fetc",
        "/api/v2/videos/auto/page",
        "/api/v2/videos/auto/page?url=file:///etc/passwd",
        "/api/v2/videos/auto/page?url=http://127.0.0.1/watch?v=good_______",
    ] {
        let answer = get(relay.address(), path).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
    assert_eq!(platform.asked(), asked);
}
