//! How soon it ends when somebody may not watch any more, for each kind of viewer and player.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_testkit::client::{Request, Viewer, get_json};
use forebay_testkit::identity::Identity;
use forebay_testkit::player::Player;
use forebay_testkit::ts::PACKET_SIZE;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::relay::Relay;
use crate::tls::browser;

const SECOND: Duration = Duration::from_secs(1);

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

const CHANNEL: &str = "[[channels]]\nid = 'one'\nsources = ['testcard://']\n";

/// A relay whose streams are for users, with one user.
struct House {
    relay: Relay,
    identity: Identity,
    _folder: TempDir,
}

impl House {
    async fn start() -> Self {
        let (folder, identity) = (TempDir::new().expect("there is room"), Identity::local());
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
        std::fs::write(&certificate, &identity.certificate_pem).expect("its own folder");
        std::fs::write(&key, &identity.key_pem).expect("its own folder");
        let relay = Relay::start(&format!(
            "max_requests_per_address = 'off'\n\
             [server.tls]\nlisten = '127.0.0.1:0'\ncertificate = '{}'\nkey = '{}'\n\
             [auth]\nstreams = 'token'\n[hls]\nsegment = '1s'\n{CHANNEL}",
            certificate.display(),
            key.display()
        ));
        let user = json!({ "name": "ann", "password": "correct horse" });
        let made = Request::new("POST", relay.address(), "/api/users").json(&user).send().await;
        let made = made.expect("the relay answers");
        assert_eq!(made.status, 201, "{}", made.text());
        Self { relay, identity, _folder: folder }
    }

    /// What stands for the user in addresses now.
    async fn key(&self) -> String {
        let (_, user) = get_json(self.relay.address(), "/api/users/1").await;
        let url = user["playlist_url"].as_str().expect("an address");
        url.split("/t/").nth(1).and_then(|rest| rest.split('/').next()).expect("a key").to_owned()
    }

    /// Ends what is watched by the key that there is. It is done when this returns.
    async fn revoke(&self) {
        let path = "/api/users/1/stream-key";
        let answer = Request::new("DELETE", self.relay.address(), path).send().await;
        let answer = answer.expect("the relay answers");
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// Who watches: what stands for each viewer, and its player and form.
    async fn viewers(&self) -> BTreeMap<String, String> {
        let (_, list) = get_json(self.relay.address(), "/api/viewers").await;
        let viewers = list["viewers"].as_array().expect("a list");
        let of = |viewer: &Value| {
            let agent = viewer["agent"].as_str().expect("each has one");
            let name = agent.split(['/', ' ']).next().unwrap_or_default();
            (viewer["id"].to_string(), format!("{name} by {}", viewer["form"]))
        };
        viewers.iter().map(of).collect()
    }

    /// Whether somebody watches with a player of this name.
    async fn is_watched_by(&self, agent: &str) -> bool {
        let (_, list) = get_json(self.relay.address(), "/api/viewers").await;
        let viewers = list["viewers"].as_array().expect("a list");
        viewers.iter().any(|viewer| viewer["agent"].as_str().is_some_and(|own| own.contains(agent)))
    }
}

/// The value below which 99 of 100 are.
fn p99(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_by_ts_http2_and_hls_end_within_a_second_each_time() {
    revoke_again_and_again(20).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes most of a minute: make test-long"]
async fn two_hundred_times() {
    revoke_again_and_again(200).await;
}

async fn revoke_again_and_again(rounds: usize) {
    let house = House::start().await;
    // It stays open, as the channel of others.
    let key = house.key().await;
    let http2 = browser(&house.identity.certificate_der, &["h2"]);
    let (mut ts_ends, mut http2_ends, mut all_gone) = (Vec::new(), Vec::new(), Vec::new());
    let mut path = format!("/t/{key}/stream/one");
    for round in 0..rounds {
        let mut ts = Viewer::get(house.relay.address(), &path).await;
        assert_eq!(ts.status(), 200, "round {round}");
        let url = format!("https://localhost:{}{path}", house.relay.tls_address().port());
        let mut over_http2 = http2.get(url).send().await.expect("it is answered");
        assert_eq!((over_http2.status().as_u16(), over_http2.version()), (200, http::Version::HTTP_2));
        let playlist = Request::get(house.relay.address(), &format!("{path}/hls"))
            .send()
            .await
            .expect("the relay answers");
        assert_eq!(playlist.status, 200);
        assert!(ts.read_until(PACKET_SIZE).await.len() >= PACKET_SIZE);
        over_http2.chunk().await.expect("there is something");

        house.revoke().await;
        let began = Instant::now();
        let ts_end = async {
            timeout(PATIENCE, ts.read_to_end()).await.expect("it ends");
            began.elapsed()
        };
        let http2_end = async {
            while let Ok(Ok(Some(_))) = timeout(PATIENCE, over_http2.chunk()).await {}
            began.elapsed()
        };
        // A session of HLS has no connection whose end one could see.
        let gone = async {
            while !house.viewers().await.is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
            began.elapsed()
        };
        let (ts_end, http2_end, gone) = tokio::join!(ts_end, http2_end, gone);
        ts_ends.push(ts_end);
        http2_ends.push(http2_end);
        all_gone.push(gone);
        let line = playlist
            .text()
            .lines()
            .find(|line| !line.starts_with('#'))
            .expect("there is a segment")
            .to_owned();
        for path in [format!("{path}/hls"), format!("{path}/{line}")] {
            let refused = Request::get(house.relay.address(), &path).send().await.expect("the relay answers");
            assert_eq!(refused.status, 401, "{path}");
        }
        path = format!("/t/{}/stream/one", house.key().await);
    }
    all_gone.sort();
    let usual = all_gone[rounds / 2];
    let (ts, http2, gone) = (p99(ts_ends), p99(http2_ends), p99(all_gone));
    println!(
        "p99 of {rounds}: ts {ts:.0?}, HTTP/2 {http2:.0?}, no viewer left {gone:.0?} (median {usual:.0?})"
    );
    assert!(ts < SECOND && http2 < SECOND && gone < SECOND, "{ts:?}, {http2:?}, {gone:?}");
    // At once, and not at the next look for those who are silent.
    assert!(usual < SECOND / 4, "{usual:?}");
}

mod players {
    use forebay_testkit::player::has_kodi;

    use super::*;

    /// How long a player may take to begin: Kodi, half a minute.
    const BEGINNING: Duration = Duration::from_secs(90);

    /// What is played by what.
    const PLAYED: [(Player, &str); 5] = [
        (Player::Ffmpeg, "stream/one"),
        (Player::Ffmpeg, "stream/one/index.m3u8"),
        (Player::Mpv, "stream/one"),
        (Player::Vlc, "stream/one"),
        (Player::Vlc, "stream/one/index.m3u8"),
    ];

    /// How long real players go on: to the end of the connection, and to their own end, which is
    /// behind what they had ahead.
    #[tokio::test(flavor = "multi_thread")]
    async fn real_players_end_when_their_user_may_not_watch_any_more() {
        let house = House::start().await;
        let kodi = has_kodi().then_some((Player::Kodi, "stream/one"));
        for (player, path) in PLAYED.into_iter().take(4).chain(kodi) {
            let url = house.relay.url(&format!("/t/{}/{path}", house.key().await));
            let mut running = player.start(&url);
            let until = Instant::now() + BEGINNING;
            while !house.is_watched_by(player.agent()).await {
                assert!(Instant::now() < until && !running.has_ended(), "{player:?} plays {path}");
                sleep(Duration::from_millis(20)).await;
            }
            // It has a picture.
            sleep(2 * SECOND).await;
            house.revoke().await;
            let began = Instant::now();
            while house.is_watched_by(player.agent()).await {
                sleep(Duration::from_millis(5)).await;
            }
            let connection = began.elapsed();
            assert!(connection < SECOND, "{player:?} {path}: {connection:?}");
            if player == Player::Kodi {
                // It shows its menu then.
                println!("{player:?} {path}: connection {connection:.0?}");
                continue;
            }
            let end = running.end(PATIENCE).await.map(|_| began.elapsed());
            println!("{player:?} {path}: connection {connection:.0?}, player {end:.0?}");
            let end = end.unwrap_or_else(|| panic!("{player:?} {path} ends"));
            // What VLC holds of MPEG-TS it drops at the clock that it is sent last.
            let most = if (player, path) == (Player::Vlc, "stream/one") { 2 } else { 10 };
            assert!(end < most * SECOND, "{player:?} {path}: {end:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes minutes: make test-long"]
    async fn two_hundred_real_players_end_within_a_second() {
        let rounds = 10;
        // Players of HLS at one address that say the same of themselves are one viewer.
        let copies = |path: &str| if path.ends_with("/index.m3u8") { 1 } else { 6 };
        let house = House::start().await;
        let mut ends: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        for _ in 0..rounds {
            let key = house.key().await;
            let all = PLAYED.iter().flat_map(|played| std::iter::repeat_n(played, copies(played.1)));
            let running: Vec<_> = all
                .map(|(player, path)| player.start(&house.relay.url(&format!("/t/{key}/{path}"))))
                .collect();
            let until = Instant::now() + BEGINNING;
            let mut watching = house.viewers().await;
            while watching.len() < running.len() {
                assert!(Instant::now() < until, "{watching:?}");
                sleep(Duration::from_millis(20)).await;
                watching = house.viewers().await;
            }
            // They have a picture.
            sleep(2 * SECOND).await;
            house.revoke().await;
            let began = Instant::now();
            while !watching.is_empty() {
                let left = house.viewers().await;
                watching.retain(|id, kind| {
                    let is_left = left.contains_key(id);
                    if !is_left {
                        ends.entry(kind.clone()).or_default().push(began.elapsed());
                    }
                    is_left
                });
                assert!(began.elapsed() < PATIENCE, "{left:?}");
            }
        }
        let all: Vec<Duration> = ends.values().flatten().copied().collect();
        for (kind, ends) in ends {
            println!("{kind}: p99 of {} {:.0?}", ends.len(), p99(ends));
        }
        let (count, p99) = (all.len(), p99(all));
        println!("all: p99 of {count} {p99:.0?}");
        assert!(count == 200 && p99 < SECOND, "{count}: {p99:?}");
    }
}
