//! What an archive costs of a provider, and when it ends.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_takes_a_connection_of_the_provider_as_long_as_it_is_sent() {
    let account = Account::new(1);
    let origin = panel(&account).await;
    origin.serve("/timeshift/*", clip().account(&account));
    let relay = Relay::start(&format!("{HOUSE}[stream]\nidle_timeout = '1m'\n"));
    add_account(&relay, &origin).await;
    let path = format!("/stream/one-1.ts?utc={}&duration=3600", now() - 2 * HOUR);

    // Whoever goes back in time has just left the channel, which lingers with the only connection.
    let mut live = Viewer::get(relay.address(), "/stream/one-1").await;
    assert!(!live.read_until(PACKET_SIZE).await.is_empty());
    drop(live);
    relay.wait_status("one-1", SOON, |status| status["state"] == "stopping").await;
    let mut past = Viewer::get(relay.address(), &path).await;
    assert_eq!(past.status(), 200);
    assert!(past.read_until(50 * PACKET_SIZE).await.len() >= 50 * PACKET_SIZE);

    // Taken, as long as somebody watches, for whoever wants to go back in time as well.
    let later = format!("/stream/one-1.ts?utc={}&duration=3600", now() - 5 * HOUR);
    let other = Request::get(relay.address(), &later).header("User-Agent", "Other/1");
    let refused = other.send().await.expect("the relay answers");
    assert_eq!((refused.status, &*code(&refused)), (503, "provider_limit"));
    assert_eq!(refused.header("Retry-After"), Some("5"));
    assert_eq!(past.ended(), None);
    let (_, status) = client::get_json(relay.address(), "/api/streams/status").await;
    assert_eq!(status["providers"][0]["open"], 1, "{status}");

    // The same player has it at once: it seeks.
    let mut sought = Viewer::get(relay.address(), &later).await;
    assert_eq!(sought.status(), 200);
    assert!(!sought.read_until(PACKET_SIZE).await.is_empty());
    timeout(SECOND, past.read_to_end()).await.expect("it was ended");
    assert_ne!(past.ended(), Some(&Ended::Cleanly));

    // And so has whoever wants to watch live.
    let mut live = Viewer::get(relay.address(), "/stream/two-2").await;
    assert_eq!(live.status(), 200);
    assert!(!live.read_until(PACKET_SIZE).await.is_empty());
    timeout(SECOND, sought.read_to_end()).await.expect("it was ended");
    assert_eq!((account.most(), account.violations()), (1, 0));
}

/// An archive that is larger than all the sockets on the way hold.
fn long() -> Behaviour {
    let clip = Clip::get(Kind::H264Aac);
    Behaviour::body("video/mp2t", clip.bytes().repeat((48 << 20) / clip.bytes().len()))
}

/// Somebody who reads nothing behind the head.
async fn who_reads_nothing(relay: &Relay, path: &str) -> Viewer {
    let viewer = Request::get(relay.address(), path).receive_buffer(4096).open().await;
    let viewer = viewer.expect("the relay answers");
    assert_eq!(viewer.status(), 200);
    // Until all that can be on the way is.
    sleep(2 * SECOND).await;
    viewer
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_ended_all_the_same() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", long());
    let relay = Relay::start(&format!("{HOUSE}[auth]\nstreams = 'token'\n"));
    let attributes = "catchup=\"shift\" catchup-days=\"1\"";
    let id = add(relay.address(), "Mine", &entry("One", attributes, &origin.url("/a.ts"))).await;
    let path = format!("stream/one-1.ts?utc={}&duration=3600", now() - HOUR);

    let ann = user(&relay, "ann", "free").await;
    let viewer = who_reads_nothing(&relay, &format!("{ann}/{path}")).await;
    assert_eq!(origin.connections("/a.ts"), 1);
    assert_eq!(ask(&relay, "DELETE", "/api/users/1/stream-key", None).await.status, 204);
    origin.wait_connections("/a.ts", 0, SECOND).await;
    drop(viewer);

    // It ends with the channel, too.
    let bob = user(&relay, "bob", "free").await;
    let viewer = who_reads_nothing(&relay, &format!("{bob}/{path}")).await;
    assert_eq!(origin.connections("/a.ts"), 1);
    assert_eq!(ask(&relay, "DELETE", &format!("/api/playlists/{id}"), None).await.status, 204);
    origin.wait_connections("/a.ts", 0, 2 * SECOND).await;
    drop(viewer);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_makes_room_for_who_watches_live() {
    let account = Account::new(1);
    let origin = panel(&account).await;
    origin.serve("/timeshift/*", long().account(&account));
    let relay = Relay::start(HOUSE);
    add_account(&relay, &origin).await;
    let path = format!("/stream/one-1.ts?utc={}&duration=3600", now() - 2 * HOUR);
    let viewer = who_reads_nothing(&relay, &path).await;
    assert_eq!(account.open(), 1);
    let began = Instant::now();
    let mut live = Viewer::get(relay.address(), "/stream/two-2").await;
    assert_eq!(live.status(), 200);
    assert!(!live.read_until(PACKET_SIZE).await.is_empty());
    println!("live after {:.0?}", began.elapsed());
    assert_eq!((account.most(), account.violations()), (1, 0));
    drop(viewer);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_player_has_one_connection_at_a_time() {
    let account = Account::new(1);
    let origin = panel(&account).await;
    origin.serve("/timeshift/*", clip().account(&account));
    origin.serve("/free.ts", clip());
    let relay = Relay::start(HOUSE);
    add_account(&relay, &origin).await;
    let free = entry("Free", "catchup=\"shift\" catchup-days=\"1\"", &origin.url("/free.ts"));
    add(relay.address(), "Free", &free).await;
    for channel in ["one-1", "free-3"] {
        let path = format!("/stream/{channel}.ts?utc={}&duration=3600", now() - 2 * HOUR);
        let watch = async || {
            let mut viewer = Viewer::get(relay.address(), &path).await;
            let bytes = viewer.read_for(2 * SECOND).await.len();
            (viewer.status(), bytes, viewer.ended().is_none())
        };
        let all = join_all((0..10).map(|_| watch())).await;
        println!("{channel}: {all:?}");
        let going_on = all.iter().filter(|&&(status, bytes, is_on)| status == 200 && bytes > 0 && is_on);
        assert_eq!(going_on.count(), 1, "the last one plays");
        assert!(all.iter().all(|&(status, ..)| matches!(status, 200 | 409)), "{all:?}");
    }
    assert_eq!((account.most(), account.violations(), origin.most_connections("/free.ts")), (1, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_go_on_is_sent_nothing_more() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let relay = Relay::start(&format!("{HOUSE}[auth]\nstreams = 'token'\n"));
    add(relay.address(), "Mine", &entry("One", "catchup=\"shift\" catchup-days=\"1\"", &origin.url("/a.ts")))
        .await;
    let ann = user(&relay, "ann", "free").await;
    let path = format!("stream/one-1.ts?utc={}&duration=3600", now() - HOUR);
    assert_eq!(ask(&relay, "GET", &format!("/{path}"), None).await.status, 401);
    assert_eq!(origin.opened("/a.ts"), 0);

    let watch = async || {
        let mut viewer = Viewer::get(relay.address(), &format!("{ann}/{path}")).await;
        assert_eq!(viewer.status(), 200);
        assert!(!viewer.read_until(PACKET_SIZE).await.is_empty());
        viewer
    };
    let ends = async |mut viewer: Viewer| {
        let began = Instant::now();
        timeout(SOON, viewer.read_to_end()).await.expect("it ends");
        println!("ended after {:.0?}", began.elapsed());
        assert!(began.elapsed() < SECOND);
        origin.wait_connections("/a.ts", 0, SECOND).await;
    };
    let viewer = watch().await;
    let all = viewers(&relay).await;
    let told: Vec<_> = all.iter().map(|it| [&it["title"], &it["form"], &it["user"]]).collect();
    assert_eq!(told, [["one-1", "catchup", "ann"]], "{all:?}");
    assert_eq!(ask(&relay, "DELETE", "/api/users/1/stream-key", None).await.status, 204);
    ends(viewer).await;
    let refused = ask(&relay, "GET", &format!("{ann}/{path}"), None).await;
    assert_eq!(refused.status, 401);

    // An operator ends one, and the player is kept away for a while.
    let url = ask(&relay, "GET", "/api/users/1", None).await.json()["playlist_url"].clone();
    let url = url.as_str().and_then(|url| url.strip_suffix("playlist.m3u")).expect("an address").to_owned();
    let again = format!("{}{path}", url.strip_prefix(&relay.url("")).expect("it is ours"));
    let mut viewer = Viewer::get(relay.address(), &again).await;
    assert_eq!(viewer.status(), 200);
    assert!(!viewer.read_until(PACKET_SIZE).await.is_empty());
    let id = viewers(&relay).await.last().expect("somebody watches")["id"].clone();
    assert_eq!(ask(&relay, "DELETE", &format!("/api/viewers/{id}"), None).await.status, 204);
    ends(viewer).await;
    let refused = client::get(relay.address(), &again).await;
    assert_eq!((refused.status, &*code(&refused)), (403, "ended"));
}
