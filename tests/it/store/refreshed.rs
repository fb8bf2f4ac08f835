//! A playlist is refreshed while its channels are watched: every host and password is another one,
//! some channels have other names, some are gone.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{self, Answer, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::relay::Relay;

/// How long viewers may have nothing, for a switch of many channels at once.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// Until sockets and leases are the same again.
const SOON: Duration = Duration::from_secs(10);

/// How much there is of each.
#[derive(Debug, Clone, Copy)]
struct Size {
    channels: usize,
    renamed: usize,
    removed: usize,
    /// Channels that are watched, from the first one on, of which some are removed.
    watched: usize,
    viewers: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn only_viewers_of_removed_channels_end() {
    refresh(Size { channels: 300, renamed: 100, removed: 10, watched: 20, viewers: 40 }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "five hundred viewers: make test-long"]
async fn only_viewers_of_removed_channels_end_of_five_hundred() {
    refresh(Size { channels: 3000, renamed: 1000, removed: 100, watched: 100, viewers: 500 }).await;
}

/// The channel with this number, at an account of the provider.
fn path(account: &str, number: usize) -> String {
    format!("/live/{account}/{number}.ts")
}

/// Whether a channel is gone in the second list: every second of those that are watched, and
/// others.
fn is_removed(size: Size, number: usize) -> bool {
    number % 2 == 1 && number / 2 < size.removed
}

/// The list as the provider gives it.
fn list(size: Size, origin: &Origin, account: &str, is_second: bool) -> String {
    let mut text = "#EXTM3U\n".to_owned();
    for number in (0..size.channels).filter(|&number| !(is_second && is_removed(size, number))) {
        let is_renamed = is_second && number >= size.channels - size.renamed;
        let name = if is_renamed { "New name" } else { "Channel" };
        let url = origin.url(&path(account, number));
        let _ = writeln!(text, "#EXTINF:-1 group-title=\"News\",{name} {number}\n{url}");
    }
    text
}

async fn put(address: SocketAddr, list: String) -> Answer {
    let request = Request::new("PUT", address, "/api/playlists/1/list").body("audio/x-mpegurl", list);
    let answer = request.send().await.expect("the relay answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// The ids and names that are listed, in their order.
async fn listed(address: SocketAddr) -> Vec<(String, String)> {
    let text = client::get(address, "/playlist.m3u").await.text();
    let mut lines = text.lines().skip(1);
    let mut all = Vec::new();
    while let (Some(entry), Some(url)) = (lines.next(), lines.next()) {
        let id = url.rsplit_once('/').map_or(url, |(_, file)| file.trim_end_matches(".ts"));
        let name = entry.rsplit_once(',').map_or(entry, |(_, name)| name);
        all.push((id.to_owned(), name.to_owned()));
    }
    all
}

/// Leases that are held of all providers.
async fn leases(address: SocketAddr) -> u64 {
    let (_, status) = client::get_json(address, "/api/streams/status").await;
    let providers = status["providers"].as_array().expect("a list").iter();
    providers.map(|provider| provider["open"].as_u64().expect("a number")).sum()
}

async fn refresh(size: Size) {
    let origins = [Origin::start().await, Origin::start().await];
    let accounts = ["joe/old-secret", "jim/new-secret"];
    // Of the second account only what is there: nobody asks for another.
    for (origin, account) in origins.iter().zip(accounts) {
        for number in 0..size.watched {
            origin.serve(&path(account, number), Behaviour::ts(Clip::get(Kind::H264Aac)));
        }
    }
    let open = |at: usize| -> usize {
        (0..size.watched).map(|number| origins[at].connections(&path(accounts[at], number))).sum()
    };
    let relay = Relay::start(
        "allow_private_sources = true\nmax_viewers_per_address = \"off\"\nmax_opening_per_address = \"off\"\n",
    );
    let address = relay.address();
    // With a limit there are leases; room for a second connection of each, so that it is a switch.
    let settings = json!({ "name": "A", "max_connections": 2 * size.watched });
    let made = Request::new("POST", address, "/api/playlists").json(&settings);
    assert_eq!(made.send().await.expect("the relay answers").status, 201);
    put(address, list(size, &origins[0], accounts[0], false)).await;
    let before = listed(address).await;
    assert_eq!(before.len(), size.channels);

    let ids: Vec<String> = before.iter().take(size.watched).map(|(id, _)| id.clone()).collect();
    let mut viewers: Vec<(usize, Viewer)> = join_all((0..size.viewers).map(|at| {
        let (number, path) = (at % size.watched, format!("/stream/{}", ids[at % size.watched]));
        async move {
            let mut viewer = Viewer::get(address, &path).await;
            assert!(!viewer.read_until(188).await.is_empty(), "{path} plays");
            (number, viewer)
        }
    }))
    .await;
    assert_eq!((open(0), leases(address).await), (size.watched, size.watched as u64));

    let second = list(size, &origins[1], accounts[1], true);
    let (answer, ()) = tokio::join!(put(address, second), async {
        join_all(viewers.iter_mut().map(|(_, viewer)| viewer.read_for(Duration::from_secs(6)))).await;
    });
    let summary = answer.json()["summary"].clone();
    let kept = size.channels - size.removed;
    assert_eq!((&summary["changed"], &summary["absent"]), (&json!(kept), &json!(size.removed)), "{summary}");

    for (number, viewer) in &mut viewers {
        if is_removed(size, *number) {
            timeout(SOON, viewer.read_to_end()).await.expect("its channel is gone");
        } else {
            assert!(viewer.ended().is_none(), "channel {number} goes on");
            assert!(viewer.largest_gap() < LONGEST_GAP, "channel {number}: {:?}", viewer.largest_gap());
        }
    }
    // Nothing is left at the old account, and one connection for each channel at the new one.
    let left = (0..size.watched).filter(|&number| !is_removed(size, number)).count();
    let since = Instant::now();
    while (open(0), open(1), leases(address).await) != (0, left, left as u64) {
        assert!(since.elapsed() < SOON, "{} old, {} new, {} leases", open(0), open(1), leases(address).await);
        sleep(Duration::from_millis(50)).await;
    }
    // Addresses and order are what they were.
    let after = listed(address).await;
    let expected: Vec<&String> = before
        .iter()
        .enumerate()
        .filter(|(number, _)| !is_removed(size, *number))
        .map(|(_, (id, _))| id)
        .collect();
    assert_eq!(after.iter().map(|(id, _)| id).collect::<Vec<_>>(), expected);
    assert_eq!(after.iter().filter(|(_, name)| name.starts_with("New name")).count(), size.renamed);
    let most = viewers.iter().filter(|(number, _)| !is_removed(size, *number));
    let gap = most.map(|(_, viewer)| viewer.largest_gap()).max();
    println!("{size:?}: the longest gap was {gap:?}");
}
