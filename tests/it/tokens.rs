//! Tokens of streams: made, counted, refreshed, revoked.

use std::time::Duration;

use forebay_testkit::client::{Answer, Request, Viewer};
use forebay_testkit::ts::PACKET_SIZE;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::metrics::Figures;
use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

const CHANNELS: &str = "[[channels]]\nid = 'one'\ngroup = 'News'\nsources = ['testcard://']\n\
                        [[channels]]\nid = 'two'\nsources = ['testcard://']\n";

/// Nobody watches who does not show a token.
fn start() -> Relay {
    Relay::start(&format!("[auth]\nstreams = 'token'\n[hls]\nsegment = '1s'\n{CHANNELS}"))
}

/// The path below which a new user asks, and so shows who it is.
pub(crate) async fn user(relay: &Relay, name: &str, tier: &str) -> String {
    let user = json!({ "name": name, "password": "correct horse", "tier": tier });
    let answer = Request::new("POST", relay.address(), "/api/users")
        .json(&user)
        .send()
        .await
        .expect("the relay answers");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let url = answer.json()["playlist_url"].as_str().expect("an address").to_owned();
    let path = url.strip_prefix(&format!("http://{}", relay.address()));
    path.and_then(|path| path.strip_suffix("/playlist.m3u")).expect("an address of the relay").to_owned()
}

pub(crate) async fn ask(relay: &Relay, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = Request::new(method, relay.address(), path).header("User-Agent", "tester");
    body.iter().fold(request, Request::json).send().await.expect("the relay answers")
}

/// Makes a token; its text and the path where it plays.
pub(crate) async fn make(relay: &Relay, ann: &str, fields: Value) -> (String, String) {
    let made = ask(relay, "POST", &format!("{ann}/api/streaming/token"), Some(fields)).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.json();
    let text = |key: &str| made[key].as_str().expect("a text").to_owned();
    (text("token"), text("streamUrl"))
}

async fn plays(relay: &Relay, path: &str) -> Viewer {
    let mut viewer = Viewer::get(relay.address(), path).await;
    assert_eq!(viewer.status(), 200, "{path}");
    assert!(viewer.read_until(10 * PACKET_SIZE).await.len() >= 10 * PACKET_SIZE, "{path}");
    viewer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_plays_one_channel_until_it_is_revoked() {
    let relay = start();
    let ann = user(&relay, "ann", "free").await;
    let (token, url) = make(&relay, &ann, json!({ "videoUrl": "http://tv.lan/stream/one.ts" })).await;
    let playlist = format!("/stream/one/index.m3u8?token={token}");
    drop(plays(&relay, &format!("/t/{token}/stream/one.ts")).await);
    let mut ts = plays(&relay, &url).await;
    let text = ask(&relay, "GET", &playlist, None).await.text();
    let line = text.lines().find(|line| !line.starts_with('#')).expect("there is a segment").to_owned();
    let segment = format!("/stream/one/{line}");
    assert_eq!(ask(&relay, "GET", &segment, None).await.status, 200);
    assert_eq!(ask(&relay, "GET", &format!("/t/{token}/stream/two"), None).await.status, 403);
    let list = ask(&relay, "GET", &format!("/t/{token}/playlist.m3u"), None).await.text();
    assert!(list.contains("/stream/one.ts") && !list.contains("two"), "{list}");

    let listed = ask(&relay, "GET", &format!("{ann}/api/streaming/tokens"), None).await.json();
    assert_eq!((&listed["count"], &listed["tokens"][0]["channel"]), (&json!(1), &json!("one")));
    let own = format!("{ann}/api/streaming/token/{token}");
    let refreshed = ask(&relay, "POST", &format!("{own}/refresh"), None).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let ben = user(&relay, "ben", "free").await;
    let others = ask(&relay, "DELETE", &format!("{ben}/api/streaming/token/{token}"), None).await;
    assert_eq!((others.status, &others.json()["code"]), (404, &json!("TOKEN_NOT_FOUND")));

    assert_eq!(ask(&relay, "DELETE", &own, None).await.status, 200);
    let began = Instant::now();
    timeout(10 * SECOND, ts.read_to_end()).await.expect("it ends");
    println!("ended {:.0?} behind the answer", began.elapsed());
    assert!(began.elapsed() < SECOND);
    for path in [&url, &playlist, &segment, &format!("/t/{token}/playlist.m3u")] {
        assert_eq!(ask(&relay, "GET", path, None).await.status, 401, "{path}");
    }
    // What nobody has signed is worth nothing.
    let forged = format!("{}x", &token[..token.len() - 1]);
    assert_eq!(ask(&relay, "GET", &format!("/t/{forged}/stream/one"), None).await.status, 401);
}

/// Who shows a key or a token is known without a look into the database: a join costs as much as
/// where streams are open.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_with_a_key_or_a_token_reads_no_database() {
    const JOINS: u64 = 40;
    let relay = start();
    let ann = user(&relay, "ann", "pro").await;
    let (_, by_token) = make(&relay, &ann, json!({ "videoUrl": "http://tv.lan/stream/one.ts" })).await;
    let _open = plays(&relay, &format!("{ann}/stream/one")).await;
    let reads = async || Figures::of(&relay).await.get("database_requests_total", &[("result", "read")]);
    for path in [format!("{ann}/stream/one"), by_token] {
        let (before, began) = (reads().await, Instant::now());
        for _ in 0..JOINS {
            drop(plays(&relay, &path).await);
        }
        // What the server looks at by itself, it looks at once in five seconds.
        let own = 4 * (1 + began.elapsed().as_secs() / 5);
        let read = reads().await - before;
        assert!(read <= own && own < JOINS, "{path}: {read} reads for {JOINS} joins, {own} may be its own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_that_are_asked_for_at_once_there_are_five() {
    let relay = start();
    let ann = user(&relay, "ann", "pro").await;
    let path = format!("{ann}/api/streaming/token");
    let create = || ask(&relay, "POST", &path, Some(json!({ "channel": "one" })));
    let answers = join_all((0..50).map(|_| create())).await;
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!((made, refused.len()), (5, 45));
    assert_eq!(refused[0].json()["code"], json!("RATE_LIMIT_EXCEEDED"));
    assert!(refused[0].header("Retry-After").is_some());
    // Revoked ones make room for others, up to twenty in an hour.
    let mut all = 5;
    loop {
        let listed = ask(&relay, "GET", &format!("{ann}/api/streaming/tokens"), None).await.json();
        let id = &listed["tokens"][0]["id"];
        assert_eq!(ask(&relay, "DELETE", &format!("{path}/{id}"), None).await.status, 200);
        if create().await.status == 429 {
            break;
        }
        all += 1;
    }
    assert_eq!(all, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_for_one_player_or_one_stream_where_that_is_asked() {
    let relay = start();
    let ann = user(&relay, "ann", "pro").await;
    let (_, url) = make(&relay, &ann, json!({ "channel": "one", "bindUserAgent": true })).await;
    assert_eq!(
        Request::get(relay.address(), &url).header("User-Agent", "other").send().await.unwrap().status,
        403
    );
    let bound = Request::get(relay.address(), &url).header("User-Agent", "tester").open().await.unwrap();
    assert_eq!(bound.status(), 200);
    drop(bound);
    let (_, url) = make(&relay, &ann, json!({ "channel": "two", "singleUse": true })).await;
    drop(plays(&relay, &url).await);
    assert_eq!(ask(&relay, "GET", &url, None).await.status, 429, "it was used");
    let (_, url) = make(&relay, &ann, json!({ "group": "news" })).await;
    assert_eq!(ask(&relay, "GET", &url, None).await.status, 400, "which channel?");
    drop(plays(&relay, &format!("{url}?channel=one")).await);
    assert_eq!(ask(&relay, "GET", &format!("{url}?channel=two"), None).await.status, 404);
    let nothing = ask(&relay, "POST", &format!("{ann}/api/streaming/token"), Some(json!({}))).await;
    assert_eq!((nothing.status, &nothing.json()["code"]), (400, &json!("VALIDATION_FAILED")));
}

/// Programs that were made for these routes read `code` and `error` of every refusal.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_read_is_refused_in_the_shape_of_these_routes() {
    let relay = start();
    let ann = user(&relay, "ann", "pro").await;
    let path = format!("{ann}/api/streaming/token");
    for body in ["", "{", "[1]", r#"{"channel": 5}"#, r#"{"channel": "one", "bindIp": "yes"}"#] {
        let sent = Request::new("POST", relay.address(), &path).body("application/json", body);
        let answer = sent.send().await.expect("the relay answers");
        let refused = answer.json();
        assert_eq!(
            (answer.status, &refused["code"]),
            (400, &json!("VALIDATION_FAILED")),
            "{body:?}: {refused}"
        );
        assert!(refused["error"].as_str().is_some_and(|error| error.contains("the body is to be JSON")));
    }
}

/// How many requests are left, as an answer says.
fn remaining(answer: &Answer) -> i64 {
    let field = answer.header("X-RateLimit-Remaining").expect("it is said");
    field.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_a_user_are_counted_wherever_they_come_from() {
    let relay =
        Relay::start(&format!("max_requests_per_address = 20\n[auth]\nstreams = 'token'\n{CHANNELS}"));
    let [ann, ben] = [user(&relay, "ann", "pro").await, user(&relay, "ben", "pro").await];
    let list = async |own: &str, from: u8| {
        let path = format!("{own}/api/streaming/tokens");
        let request = Request::get(relay.address(), &path).from([127, 0, 2, from].into());
        request.send().await.expect("the relay answers")
    };
    for at in 0..20 {
        let answer = list(&ann, at).await;
        assert_eq!((answer.status, remaining(&answer)), (200, 19 - i64::from(at)));
    }
    let refused = list(&ann, 30).await;
    assert_eq!((refused.status, &refused.json()["code"]), (429, &json!("RATE_LIMIT_EXCEEDED")));
    assert!(refused.header("Retry-After").is_some() && remaining(&refused) == 0);
    // Nobody else at the same address is meant, and neither is what else the user does.
    assert_eq!(list(&ben, 30).await.status, 200);
    let playlist = format!("{ann}/playlist.m3u");
    let playlist = Request::get(relay.address(), &playlist).from([127, 0, 2, 30].into()).send().await;
    assert_eq!(playlist.expect("the relay answers").status, 200);
}
