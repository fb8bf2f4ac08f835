//! Accounts with few connections: who gets them, and that there are never more.

use std::time::Duration;

use forebay_testkit::client::{Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Account, Behaviour, Hls, Origin};
use forebay_testkit::ts::Checker;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

/// Channels of an account that allows one connection: `low`, which has a source elsewhere as well, `high` and `list`, an HLS source.
async fn house(account: &Account, provider: &str) -> (Origin, Origin, Relay) {
    let (origin, elsewhere) = (Origin::start().await, Origin::start().await);
    let clip = || Behaviour::ts(Clip::get(Kind::ShortGop));
    origin.serve("/low.ts", clip().account(account)).serve("/high.ts", clip().account(account));
    let list = Hls::live(Clip::get(Kind::ShortGop)).segment(SECOND).account(account).mount(&origin, "/list");
    elsewhere.serve("/low.ts", clip());
    let of = |url: &str| format!("{{ url = {url:?}, provider = \"acme\" }}");
    let channel = |id: &str, sources: &str, priority: i32| {
        format!("[[channels]]\nid = {id:?}\npriority = {priority}\nsources = [{sources}]\n")
    };
    let low = format!("{}, {:?}", of(&origin.url("/low.ts")), elsewhere.url("/low.ts"));
    let text = format!(
        "[[providers]]\nid = \"acme\"\nmax_connections = 1\n{provider}\n{}{}{}",
        channel("low", &low, 0),
        channel("high", &of(&origin.url("/high.ts")), 10),
        channel("list", &of(list.url()), 0),
    );
    (origin, elsewhere, Relay::start(&text))
}

async fn watch(relay: &Relay, id: &str) -> (Viewer, Duration) {
    let asked = Instant::now();
    let mut viewer = Viewer::get(relay.address(), &format!("/stream/{id}")).await;
    let took = asked.elapsed();
    assert_eq!(viewer.status(), 200, "{id}");
    Checker::check(&viewer.read_for(SECOND).await).assert_clean();
    (viewer, took)
}

#[tokio::test(flavor = "multi_thread")]
async fn zapping_works_with_a_single_connection() {
    let account = Account::new(1);
    let (_origin, _elsewhere, relay) = house(&account, "").await;
    let mut longest = Duration::ZERO;
    for id in ["high", "low", "high", "low", "high", "low"] {
        let (viewer, took) = watch(&relay, id).await;
        longest = longest.max(took);
        // Gone without a word, as set-top boxes go.
        viewer.reset();
    }
    println!("slowest of six zaps: {} ms", longest.as_millis());
    assert!(longest < 3 * SECOND, "{longest:?}");
    assert_eq!((account.violations(), account.refused(), account.most()), (0, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_frees_late_is_waited_for() {
    // Of HLS it sees that nobody asks any more.
    let account = Account::new(1).frees_after(SECOND / 2).hls_idle(2 * SECOND);
    let (_origin, _elsewhere, relay) = house(&account, "settle = \"2700ms\"").await;
    for id in ["high", "list", "low", "list", "high"] {
        drop(watch(&relay, id).await);
    }
    assert_eq!((account.violations(), account.refused(), account.most()), (0, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_was_only_zapped_through_takes_no_connection() {
    let account = Account::new(1).hls_idle(2 * SECOND);
    let (_origin, _elsewhere, relay) = house(&account, "settle = \"3s\"").await;
    drop(watch(&relay, "list").await);
    let high = timeout(SECOND / 4, Viewer::get(relay.address(), "/stream/high")).await;
    assert!(high.is_err(), "it waits for the connection of the other one to settle");
    drop(high);
    // It would have been served first, and the connection would have had to settle once more.
    let (_list, took) = watch(&relay, "list").await;
    assert!(took < 4 * SECOND, "{took:?}");
    assert_eq!((account.violations(), account.refused(), account.opened()), (0, 0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_matters_more_gets_the_connection_and_who_has_another_source_goes_there() {
    let account = Account::new(1);
    let (_origin, elsewhere, relay) = house(&account, "").await;
    let (mut low, _) = watch(&relay, "low").await;
    let (_high, took) = watch(&relay, "high").await;
    assert!(took < 3 * SECOND, "{took:?}");
    Checker::check(&low.read_for(3 * SECOND).await);
    assert!(low.ended().is_none(), "its viewers stay: {:?}", low.ended());
    let status = relay.status("low").await;
    let switch = &status["failovers"]["last"][0];
    assert_eq!((&status["source_index"], &switch["reason"]), (&1.into(), &"preempted".into()), "{status}");
    assert_eq!(elsewhere.connections("/low.ts"), 1);
    assert_eq!((account.violations(), account.refused(), account.most()), (0, 0, 1));
}

/// The path below which a new user with this priority watches.
async fn user(relay: &Relay, name: &str, priority: i32) -> String {
    let spec = json!({ "name": name, "priority": priority });
    let answer = Request::new("POST", relay.address(), "/api/users").json(&spec).send().await;
    let user = answer.expect("the relay answers").json();
    assert_eq!(user["priority"], priority, "{user}");
    let list = user["playlist_url"].as_str().expect("an address");
    list.strip_prefix(&format!("http://{}", relay.address()))
        .expect("of the relay")
        .replace("/playlist.m3u", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_matters_as_much_as_the_user_who_matters_most_of_those_who_watch_it() {
    let account = Account::new(1).hls_idle(SECOND);
    let (_origin, _elsewhere, relay) = house(&account, "settle = \"1500ms\"").await;
    let (kid, ann) = (user(&relay, "kid", 0).await, user(&relay, "ann", 10).await);
    let low = format!("{kid}/stream/low");
    let mut low = Viewer::get(relay.address(), &low).await;
    Checker::check(&low.read_for(SECOND).await).assert_clean();

    let list = format!("{ann}/stream/list");
    let mut list = Viewer::get(relay.address(), &list).await;
    assert_eq!(list.status(), 200);
    Checker::check(&list.read_for(SECOND).await).assert_clean();
    let status = relay.status("low").await;
    assert_eq!(status["failovers"]["last"][0]["reason"], "preempted", "{status}");
    assert!(low.ended().is_none(), "its viewer goes on with the other source");

    // The channel has a priority of ten by itself, and here it would have to be higher.
    let equal = Request::get(relay.address(), &format!("{kid}/stream/high")).send().await.expect("an answer");
    assert_eq!(equal.status, 503, "{}", equal.text());

    // Somebody else watches on; the one who mattered leaves, by asking for something else.
    let (mut beside, _) = watch(&relay, "list").await;
    list.reset();
    let (_high, took) = watch(&relay, "high").await;
    assert!(took < 10 * SECOND, "{took:?}");
    timeout(20 * SECOND, beside.read_to_end()).await.expect("its channel has no connection any more");
    assert_eq!((account.violations(), account.refused(), account.most()), (0, 0, 1));
}
