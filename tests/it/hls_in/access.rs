//! Redirects, tokens, cookies and headers.

use forebay_testkit::origin::{Encryption, Iv, Redirect, SegmentTokens};

use super::*;

fn redirect(lifetime: Duration) -> Redirect {
    Redirect { to: None, lifetime }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_after_a_redirect_is_kept() {
    let mut show = Show::begin(hls().redirect(redirect(60 * SECOND))).await;
    show.watch(5).await;
    assert_eq!(show.broadcast.stats().redirects, 1, "the entry is asked for once");
    show.end(4 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_is_fetched_anew_from_the_entry() {
    let mut show =
        Show::begin(hls().redirect(redirect(4 * SECOND)).segment_tokens(SegmentTokens::Listed)).await;
    show.watch(12).await;
    let stats = show.broadcast.stats();
    assert!((2..=4).contains(&stats.redirects), "as often as a token expires: {stats:?}");
    show.wait("segments_skipped", |count| count == 0).await;
    show.end(9 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_segments_must_inherit() {
    let encryption = Encryption::Aes128 { iv: Iv::Explicit, rotate_every: Some(3) };
    let hls =
        hls().redirect(redirect(60 * SECOND)).segment_tokens(SegmentTokens::Inherited).encryption(encryption);
    let mut show = Show::begin(hls).await;
    show.watch(5).await;
    assert_eq!(show.broadcast.stats().forbidden, 1, "it is learned once");
    show.end(4 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_go_from_the_playlist_to_keys_and_segments() {
    let encryption = Encryption::Aes128 { iv: Iv::Explicit, rotate_every: None };
    let mut show = Show::begin(hls().cookie("session=7").encryption(encryption)).await;
    show.watch(4).await;
    assert_eq!(show.broadcast.stats().forbidden, 0);
    show.end(3 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_go_everywhere_and_credentials_to_the_own_host() {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    let encryption = Encryption::Aes128 { iv: Iv::Explicit, rotate_every: None };
    let broadcast = hls().encryption(encryption).mount(&origin, "/live");
    // The same machine by another name is another host.
    let base = other.url("/elsewhere").replace("127.0.0.1", "localhost");
    broadcast.mirror(&other, "/elsewhere");
    let hop = Redirect { to: Some(base), lifetime: 60 * SECOND };
    broadcast.change(|hls| hls.redirect(hop));
    let url = broadcast.url().replace("http://", "http://joe:secret@");
    let source = format!(
        "[[channels]]\nid = \"one\"\nsources = [{{ url = {url:?}, user_agent = \"VLC/3\", headers = {{ Referer = \"http://r/\", Origin = \"http://o\", X-Key = \"k\" }} }}]\n"
    );
    let relay = Relay::start(&source);
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    assert_eq!(viewer.status(), 200, "{}", relay.status("one").await);
    clean(&viewer.read_for(3 * SECOND).await);
    let (own, elsewhere) = (origin.requests(), other.requests());
    assert!(own[0].header("Authorization").is_some_and(|value| value.starts_with("Basic ")));
    for kind in ["index.m3u8", "seg", "key"] {
        assert!(elsewhere.iter().any(|request| request.path.contains(kind)), "{kind} was asked for");
    }
    for request in own.iter().chain(&elsewhere) {
        let header = |name| request.header(name);
        assert_eq!(header("User-Agent"), Some("VLC/3"), "{}", request.path);
        assert_eq!(header("Referer"), Some("http://r/"), "{}", request.path);
        assert_eq!((header("Origin"), header("X-Key")), (Some("http://o"), Some("k")), "{}", request.path);
    }
    assert!(elsewhere.iter().all(|request| request.header("Authorization").is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_in_the_address_go_with_each_request_to_the_own_host() {
    let origin = Origin::start().await;
    let broadcast = hls().mount(&origin, "/live");
    let url = broadcast.url().replace("http://", "http://joe:secret@");
    let mut show = Show::begin_at(origin, broadcast, &url).await;
    show.watch(3).await;
    for request in show.origin.requests() {
        assert_eq!(request.header("Authorization"), Some("Basic am9lOnNlY3JldA=="), "{}", request.path);
    }
    assert!(!show.relay.status("one").await.to_string().contains("secret"));
    show.end(2 * SECOND).await;
}
