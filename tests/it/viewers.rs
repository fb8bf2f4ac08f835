//! Who watches, one by one, and the end of it.

use std::time::Duration;

use forebay_testkit::client::{Request, Viewer, get_json};
use forebay_testkit::ts::PACKET_SIZE;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

async fn open(relay: &Relay, agent: &str, path: &str) -> Viewer {
    Request::get(relay.address(), path).header("User-Agent", agent).open().await.expect("it answers")
}

async fn viewers(relay: &Relay, query: &str) -> Vec<Value> {
    let (status, list) = get_json(relay.address(), &format!("/api/viewers{query}")).await;
    assert_eq!(status, 200, "{list}");
    list["viewers"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_ends_one_viewer_and_no_other() {
    let relay = Relay::start(
        "[hls]\nsegment = '1s'\n[[channels]]\nid = 'one'\nsources = ['testcard://']\n\
         [[channels]]\nid = 'two'\nsources = ['testcard://']\n",
    );
    let mut victim = open(&relay, "victim", "/stream/one").await;
    let mut other = open(&relay, "other", "/stream/one").await;
    let playlist = open(&relay, "hls", "/stream/two/hls").await;
    for viewer in [&mut victim, &mut other] {
        assert!(viewer.read_until(10 * PACKET_SIZE).await.len() >= 10 * PACKET_SIZE);
    }
    let all = viewers(&relay, "").await;
    let told: Vec<_> =
        all.iter().map(|viewer| [&viewer["agent"], &viewer["title"], &viewer["form"]]).collect();
    assert_eq!(told, [["victim", "one", "ts"], ["other", "one", "ts"], ["hls", "two", "hls"]]);
    assert_eq!(viewers(&relay, "?title=two").await.len(), 1);
    assert_eq!(viewers(&relay, &format!("?after={}&limit=1", all[0]["id"])).await, all[1..2]);

    let end = |id: &Value| Request::new("DELETE", relay.address(), &format!("/api/viewers/{id}"));
    assert_eq!(end(&all[0]["id"]).send().await.unwrap().status, 204);
    let began = Instant::now();
    timeout(10 * SECOND, victim.read_to_end()).await.expect("it ends");
    println!("ended {:.0?} behind the answer", began.elapsed());
    assert!(began.elapsed() < SECOND);
    assert!(other.read_until(10 * PACKET_SIZE).await.len() > PACKET_SIZE);
    // It comes back by itself, and is refused; another player of the same house is not.
    let back = open(&relay, "victim", "/stream/one").await;
    assert_eq!((back.status(), back.header("Retry-After").is_some()), (403, true));
    assert_eq!(open(&relay, "victim", "/stream/two").await.status(), 200);
    assert_eq!(end(&all[0]["id"]).send().await.unwrap().status, 404);

    assert_eq!(end(&all[2]["id"]).send().await.unwrap().status, 204);
    assert_eq!(open(&relay, "hls", "/stream/two/hls").await.status(), 403);
    drop(playlist);
    let (_, audit) = get_json(relay.address(), "/api/audit").await;
    let entry = &audit["entries"][1];
    assert_eq!((&entry["action"], &entry["before"]["agent"]), (&json!("viewer.end"), &json!("victim")));
}
