//! Many viewers of one HLS source.

use std::collections::HashSet;
use std::net::SocketAddr;

use forebay_testkit::client::get;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::*;

const VIEWERS: usize = 100;

const SECONDS: u32 = 10;

/// Polls the playlist with a token of its own, and fetches each segment that it lists; how many those were.
async fn follow(address: SocketAddr, number: usize) -> usize {
    let until = Instant::now() + SECONDS * SECOND;
    let mut seen = HashSet::new();
    while Instant::now() < until {
        let playlist = get(address, &format!("/stream/one/hls?token={number}")).await;
        assert_eq!(playlist.status, 200, "{}", playlist.text());
        let text = playlist.text();
        for uri in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if seen.insert(uri.to_owned()) {
                let segment = get(address, &format!("/stream/one/{uri}")).await;
                assert_eq!(segment.status, 200, "{uri}");
            }
        }
        sleep(SECOND).await;
    }
    seen.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_viewers_of_both_kinds_cost_the_origin_as_much_as_one() {
    let origin = Origin::start().await;
    let broadcast = hls().mount(&origin, "/live");
    let relay = Relay::with_sources(&[broadcast.url().to_owned()], "");
    let began = Instant::now();
    let address = relay.address();
    let (mut streams, mut lists) = (JoinSet::new(), JoinSet::new());
    for number in 0..VIEWERS {
        streams
            .spawn(async move { Viewer::get(address, "/stream/one").await.read_for(SECONDS * SECOND).await });
        lists.spawn(follow(address, number));
    }
    let all_are_there = |status: &Value| {
        let kinds = &status["clients_by_kind"];
        kinds["ts"] == VIEWERS && kinds["hls"] == VIEWERS
    };
    relay.wait_status("one", SECONDS * SECOND, all_are_there).await;
    while let Some(bytes) = streams.join_next().await {
        let report = clean(&bytes.expect("a viewer does not panic"));
        assert!(report.media_time >= (SECONDS - 3) * SECOND, "{:?}", report.media_time);
    }
    while let Some(segments) = lists.join_next().await {
        let segments = segments.expect("a viewer does not panic");
        assert!(segments >= 2, "{segments} segments");
    }
    let shown = relay.status("one").await;
    assert_eq!(shown["clients_total"], 2 * VIEWERS, "each is counted once: {shown}");
    let stats = broadcast.stats();
    assert!(stats.files.values().all(|&count| count == 1), "each segment is fetched once: {stats:?}");
    // One for each segment of a second, and a few that come too early.
    let most = began.elapsed().as_secs() * 3 / 2 + 2;
    assert!(stats.polls() as u64 <= most, "by one poller, at most {most} times: {stats:?}");
    let polls = origin.requests_for("/live/index.m3u8");
    assert_eq!(polls.len(), stats.polls(), "nobody else asks for it");
    assert_eq!(shown["upstream_connections_opened"], 1, "{shown}");
    assert_eq!(shown["failovers"]["total"], 0, "{shown}");
}
