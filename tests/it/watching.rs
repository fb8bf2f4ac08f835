//! Who may watch: what players show, how many streams a user has, and how soon streams end.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_testkit::client::{Answer, Request, Viewer};
use forebay_testkit::ts::PACKET_SIZE;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

/// Two channels, which nobody watches who does not show who it is.
fn start(settings: &str) -> Relay {
    let channel =
        |id, group| format!("[[channels]]\nid = '{id}'\ngroup = '{group}'\nsources = ['testcard://']\n");
    Relay::start(&format!(
        "{settings}\n[hls]\nsegment = '1s'\n[auth]\nstreams = 'token'\nuser_header = 'X-Remote-User'\nadult_groups = ['Late']\n{}{}",
        channel("one", "News"),
        channel("late", "Late")
    ))
}

async fn ask(relay: &Relay, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = Request::new(method, relay.address(), path);
    body.iter().fold(request, Request::json).send().await.expect("the relay answers")
}

/// What stands for a user in addresses.
fn stream_key(user: &Value) -> String {
    let url = user["playlist_url"].as_str().expect("an address");
    let key = url.strip_suffix("/playlist.m3u").and_then(|url| url.rsplit('/').next());
    key.expect("its addresses hold a key").to_owned()
}

/// Makes a user; its document and its stream key.
async fn add(relay: &Relay, more: Value) -> (Value, String) {
    let mut user = json!({ "name": "ann", "password": "correct horse" });
    for (field, value) in more.as_object().expect("an object") {
        user[field] = value.clone();
    }
    let answer = ask(relay, "POST", "/api/users", Some(user)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let user = answer.json();
    let key = stream_key(&user);
    (user, key)
}

/// The path of an address of this relay.
fn path<'a>(relay: &Relay, url: &'a str) -> &'a str {
    url.strip_prefix(&format!("http://{}", relay.address())).expect("it is an address of the relay")
}

async fn plays(relay: &Relay, path: &str) -> Viewer {
    let mut viewer = Viewer::get(relay.address(), path).await;
    assert_eq!(viewer.status(), 200, "{path}");
    assert!(viewer.read_until(10 * PACKET_SIZE).await.len() >= 10 * PACKET_SIZE, "{path}");
    viewer
}

/// How long a viewer is still sent something; it must end.
async fn ends(viewer: &mut Viewer) -> Duration {
    let began = Instant::now();
    timeout(10 * SECOND, viewer.read_to_end()).await.expect("it ends");
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_opens_in_each_way_that_players_have_and_outlives_the_password() {
    let relay = start("");
    let (user, key) = add(&relay, json!({})).await;
    let list = path(&relay, user["playlist_url"].as_str().unwrap()).to_owned();

    for closed in
        ["/playlist.m3u", "/stream/one", "/stream/one/index.m3u8", "/api/channels", "/t/guess/stream/one"]
    {
        let refused = ask(&relay, "GET", closed, None).await;
        assert_eq!(refused.status, 401, "{closed}");
        assert_eq!(refused.header("WWW-Authenticate"), Some("Basic realm=\"Forebay\", charset=\"UTF-8\""));
    }
    let text = ask(&relay, "GET", &list, None).await.text();
    let urls: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(urls.len(), 1, "what is for adults is not there: {text}");
    assert_eq!(path(&relay, urls[0]), format!("/t/{key}/stream/one.ts"));
    for path in [
        path(&relay, urls[0]),
        &format!("/stream/one?token={key}"),
        &format!("/live/ann/{key}/one.ts"),
        "/live/ann/correct%20horse/one",
    ] {
        plays(&relay, path).await;
    }
    let basic = format!("Basic {}", STANDARD.encode("ann:correct horse"));
    let late = Request::get(relay.address(), "/stream/late").header("Authorization", &basic);
    assert_eq!(late.send().await.unwrap().status, 403, "what is for adults does not play");

    // Addresses in a playlist lead on as the playlist was asked for, and to the same segments.
    for (playlist, segment) in [
        (format!("/stream/one/index.m3u8?token={key}"), format!("?token={key}")),
        (format!("/t/{key}/stream/one/index.m3u8"), String::new()),
    ] {
        let text = ask(&relay, "GET", &playlist, None).await.text();
        let line = text.lines().find(|line| !line.starts_with('#')).expect("there is a segment");
        assert!(line.starts_with("hls/segment_") && line.ends_with(&format!(".ts{segment}")), "{text}");
        let folder = playlist.split("index.m3u8").next().unwrap();
        assert_eq!(ask(&relay, "GET", &format!("{folder}{line}"), None).await.status, 200, "{line}");
    }
    let hls = ask(&relay, "GET", &format!("/live/ann/{key}/one.m3u8"), None).await;
    assert_eq!(
        (hls.status, hls.header("Location")),
        (302, Some(&*format!("../../../t/{key}/stream/one/index.m3u8")))
    );

    let changed = json!({ "password": "another horse", "adult": true });
    let changed = ask(&relay, "PATCH", "/api/users/1", Some(changed)).await;
    assert_eq!(changed.json()["playlist_url"], user["playlist_url"]);
    let more = ask(&relay, "GET", &list, None).await.text();
    assert!(more.starts_with(text.lines().take(3).collect::<Vec<_>>().join("\n").as_str()), "{more}");
    assert!(more.contains("/stream/late.ts"), "{more}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_within_a_second_in_whichever_way_their_viewer_may_not_go_on() {
    let relay = start("");
    let (_, mut key) = add(&relay, json!({})).await;
    let back = json!({ "disabled": false, "groups": null, "expires_at": null });
    let soon = jiff::Timestamp::now() + 4 * SECOND;
    for (method, at, body) in [
        ("PATCH", "/api/users/1", Some(json!({ "groups": ["Other"] }))),
        ("PATCH", "/api/users/1", Some(json!({ "disabled": true }))),
        ("PATCH", "/api/users/1", Some(json!({ "expires_at": soon.to_string() }))),
        ("DELETE", "/api/users/1/stream-key", None),
        ("DELETE", "/api/users/1", None),
    ] {
        let case = format!("{method} {at} {body:?}");
        let mut ts = plays(&relay, &format!("/t/{key}/stream/one")).await;
        let playlist = format!("/t/{key}/stream/one/index.m3u8");
        assert_eq!(ask(&relay, "GET", &playlist, None).await.status, 200, "{case}");
        let done = ask(&relay, method, at, body.clone()).await;
        assert!([200, 204].contains(&done.status), "{case}: {}", done.text());
        if let Some(wait) = body.as_ref().and_then(|body| body.get("expires_at")).map(|_| soon) {
            tokio::time::sleep(Duration::try_from(wait - jiff::Timestamp::now()).unwrap_or_default()).await;
        }
        let took = ends(&mut ts).await;
        println!("{case}: ended after {took:.0?}");
        assert!(took < SECOND, "{case}: {took:?}");
        let refused = ask(&relay, "GET", &playlist, None).await.status;
        assert!([401, 403].contains(&refused), "{case}: {refused}");
        if at == "/api/users/1" && method == "PATCH" {
            ask(&relay, "PATCH", "/api/users/1", Some(back.clone())).await;
        } else if at.ends_with("stream-key") {
            let user = ask(&relay, "GET", "/api/users/1", None).await.json();
            key = stream_key(&user);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_trusted_proxy_names_is_signed_in_and_nobody_else_is() {
    for (proxies, is_known) in [("['127.0.0.1']", true), ("['192.0.2.1']", false)] {
        let relay = start(&format!("trusted_proxies = {proxies}\nproxy_header = 'x-forwarded-for'"));
        let by_proxy = |method: &str, path: &str| {
            let request = Request::new(method, relay.address(), path).header("X-Forwarded-For", "8.8.8.8");
            request.header("X-Remote-User", "Ann").header("Sec-Fetch-Site", "same-origin")
        };
        add(&relay, json!({ "role": "operator" })).await;
        let who = by_proxy("GET", "/api/session").send().await.unwrap().json();
        assert_eq!(who["user"]["name"], if is_known { json!("ann") } else { Value::Null }, "{proxies}");
        let stream = by_proxy("GET", "/stream/one").open().await.unwrap();
        assert_eq!(stream.status(), if is_known { 200 } else { 401 }, "{proxies}");
        for (path, status) in [("/api/relays", 200), ("/api/users", 403)] {
            let answer = by_proxy("GET", path).send().await.unwrap();
            assert_eq!(answer.status, if is_known { status } else { 403 }, "{proxies} {path}");
        }
        // Two names are none.
        let two = by_proxy("GET", "/api/session").header("X-Remote-User", "ben").send().await.unwrap();
        assert_eq!(two.json()["user"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_so_many_streams_and_one_more_goes_by_the_rule() {
    let relay = start("");
    let (_, key) = add(&relay, json!({ "max_streams": 1 })).await;
    let stream = format!("/t/{key}/stream/one");
    let first = plays(&relay, &stream).await;
    let began = Instant::now();
    let second = ask(&relay, "GET", &stream, None).await;
    assert_eq!((second.status, &second.json()["error"]["code"]), (429, &json!("stream_limit")));
    assert!(began.elapsed() > SECOND, "it waits for one that is about to end");
    // By HLS it counts as well, and one player's requests are one stream.
    let playlist = format!("{stream}/index.m3u8");
    assert_eq!(ask(&relay, "GET", &playlist, None).await.status, 429);
    drop(first);
    for _ in 0..3 {
        assert_eq!(ask(&relay, "GET", &playlist, None).await.status, 200);
    }
    ask(&relay, "PATCH", "/api/users/1", Some(json!({ "on_limit": "end_oldest" }))).await;
    let mut first = plays(&relay, &stream).await;
    assert_eq!(
        ask(&relay, "GET", &playlist, None).await.status,
        429,
        "what has given way does not fight back"
    );
    let other = Request::get(relay.address(), &stream).header("User-Agent", "other");
    let (other, took) = tokio::join!(other.open(), ends(&mut first));
    assert_eq!(other.unwrap().status(), 200);
    assert!(took < 3 * SECOND, "{took:?}");
}
