//! An account at an Xtream Codes panel as a playlist: its address as people paste it, its limit of
//! connections, its end and its zone, and a new password.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_testkit::client::{self, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Account, Behaviour, Origin, Reply};
use forebay_testkit::ts::{Checker, PACKET_SIZE};
use serde_json::{Value, json};

use super::playlists::{ask, listed, read};
use crate::relay::Relay;

/// Enough for anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// What a panel knows of its one account.
#[derive(Debug, Clone)]
struct Known {
    password: &'static str,
    status: &'static str,
    max_connections: u32,
}

/// A panel with two channels, at an origin of its own.
struct Panel {
    origin: Origin,
    /// What counts its connections.
    account: Account,
    known: Arc<Mutex<Known>>,
}

impl Panel {
    async fn start(max_connections: u32) -> Self {
        let origin = Origin::start().await;
        let known = Known { password: "secret", status: "Active", max_connections };
        let known = Arc::new(Mutex::new(known));
        let of_handler = Arc::clone(&known);
        let answer = move |request: &forebay_testkit::origin::Request| {
            let known = of_handler.lock().expect("no test panics with it").clone();
            let body = known.answer(&request.path).to_string();
            Reply::new(200, "application/json", body)
        };
        origin.serve("/player_api.php", Behaviour::handler(answer));
        let account = Account::new(max_connections as usize);
        let panel = Self { origin, account, known };
        panel.serve("secret");
        panel
    }

    /// Serves its channels to whoever has this password.
    fn serve(&self, password: &str) {
        for number in [1, 2] {
            let clip = Behaviour::ts(Clip::get(Kind::H264Aac)).account(&self.account);
            self.origin.serve(&format!("/live/joe/{password}/{number}.ts"), clip);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock().expect("no test panics with it"));
    }
}

impl Known {
    fn answer(&self, path: &str) -> Value {
        if !path.contains(&format!("username=joe&password={}", self.password)) {
            return json!({ "user_info": { "auth": 0 } });
        }
        if path.ends_with("action=get_live_categories") {
            return json!([{ "category_id": "1", "category_name": "News", "parent_id": 0 }]);
        }
        if path.ends_with("action=get_live_streams") {
            let stream = |number: u32, name: &str, id: &str| {
                json!({ "num": number, "name": name, "stream_type": "live", "stream_id": number,
                        "epg_channel_id": id, "category_id": "1" })
            };
            return json!([stream(1, "One", "one.uk"), stream(2, "Two", "two.uk")]);
        }
        // Numbers are texts, as panels send them.
        json!({
            "user_info": {
                "auth": 1, "status": self.status, "exp_date": "1893456000", "is_trial": "0",
                "active_cons": "0", "max_connections": self.max_connections.to_string(), "message": "Hi",
            },
            "server_info": {
                "timezone": "America/Toronto",
                "timestamp_now": 1_700_000_000, "time_now": "2023-11-14 17:13:20",
            },
        })
    }
}

/// Adds an account by what somebody pastes, and waits until it was read.
async fn add(relay: &Relay, pasted: &str) -> Value {
    let made = json!({ "name": "Mine", "kind": "xtream", "url": pasted });
    let answer = ask(relay.address(), "POST", "/api/playlists", Some(made)).await;
    assert_eq!(answer.status, 201, "{pasted:?}: {}", answer.text());
    read(relay.address(), answer.header("Location").expect("it says where")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_pasted_is_the_account_and_its_limit_end_and_zone_are_shown() {
    let panel = Panel::start(2).await;
    let relay = Relay::start("allow_private_sources = true\n");
    let host = panel.origin.address();
    for pasted in [
        format!("http://{host}/get.php?username=joe&password=secret&type=m3u_plus&output=ts"),
        format!("{host}/player_api.php?username=joe&password=secret&action=get_live_streams"),
        format!("http://joe:secret@{host}"),
        format!("http://{host}/c/ joe secret"),
        format!("Host: http://{host}\nUsername: joe\nPassword: secret"),
        format!("http://{host}/live/joe/secret/17.ts"),
        format!("xtream://joe:secret@{host}/"),
    ] {
        let playlist = add(&relay, &pasted).await;
        let state = &playlist["state"];
        assert_eq!((&state["error"], &state["summary"]["live"]), (&json!(null), &json!(2)), "{pasted:?}");
        let shown = json!({
            "expires_at": "2030-01-01T00:00:00Z", "is_trial": false, "max_connections": 2, "message": "Hi",
            "status": "active", "time_zone": "America/Toronto", "utc_offset": -5 * 3600,
        });
        assert_eq!(state["account"], shown, "{pasted:?}");
        let list = client::get(relay.address(), "/playlist.m3u").await.text();
        assert!(list.contains("tvg-name=\"One\"") && list.contains("group-title=\"News\""), "{list}");
        ask(relay.address(), "DELETE", &format!("/api/playlists/{}", playlist["id"]), None).await;
    }
    let wrong = add(&relay, &format!("http://joe:wrong@{host}")).await;
    let error = wrong["state"]["error"].as_str().expect("it cannot be read");
    assert!(error.contains("the panel refuses the user name and password"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_an_account_is_never_exceeded_and_another_source_takes_over() {
    let panel = Panel::start(1).await;
    let elsewhere = Origin::start().await;
    elsewhere.serve("/two.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let relay = Relay::start("allow_private_sources = true\n");
    let address = relay.address();
    add(&relay, &format!("http://joe:secret@{}", panel.origin.address())).await;
    let (_, status) = client::get_json(address, "/api/streams/status").await;
    let provider = &status["providers"][0];
    assert_eq!((&provider["id"], &provider["limit"]), (&json!("playlist-1"), &json!(1)), "{provider}");
    let mut first = Viewer::get(address, "/stream/one-1").await;
    assert!(!first.read_until(PACKET_SIZE).await.is_empty());
    // The second channel has no other source, and is refused.
    let refused = client::get(address, "/stream/two-2").await;
    assert_eq!(
        (refused.status, refused.text().contains("provider_limit")),
        (503, true),
        "{}",
        refused.text()
    );
    // With the same channel in another list, it is played from there.
    ask(address, "POST", "/api/playlists", Some(json!({ "name": "Other" }))).await;
    let list = format!("#EXTM3U\n#EXTINF:-1 tvg-id=\"two.uk\",Two\n{}\n", elsewhere.url("/two.ts"));
    let sent = Request::new("PUT", address, "/api/playlists/2/list").body("audio/x-mpegurl", list);
    assert_eq!(sent.send().await.expect("the relay answers").status, 200);
    let mut second = Viewer::get(address, "/stream/two-2").await;
    assert_eq!(second.status(), 200);
    Checker::check(&second.read_until(100 * PACKET_SIZE).await).assert_clean();
    assert_eq!((panel.account.open(), elsewhere.connections("/two.ts")), (1, 1));
    assert!(first.ended().is_none() && !first.read_for(Duration::from_millis(500)).await.is_empty());
    assert_eq!((panel.account.most(), panel.account.violations()), (1, 0), "the account notices nothing");
    // The panel allows more: so do we from the next reading on.
    panel.change(|known| known.max_connections = 3);
    ask(address, "POST", "/api/playlists/1/refresh", None).await;
    let wait = async {
        while client::get_json(address, "/api/streams/status").await.1["providers"][0]["limit"] != 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("the new limit is taken up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_changes_no_channel_and_cuts_no_viewer() {
    let panel = Panel::start(1).await;
    let relay = Relay::start("allow_private_sources = true\n");
    let address = relay.address();
    add(&relay, &format!("http://joe:secret@{}", panel.origin.address())).await;
    let own = json!({ "name": "Eins", "number": 77 });
    assert_eq!(ask(address, "PATCH", "/api/lineup/channels/1", Some(own)).await.status, 200);
    let before = (
        listed(address).await,
        ask(address, "GET", "/api/lineup/channels", None).await.json(),
        client::get(address, "/playlist.m3u").await.text(),
    );
    assert_eq!(before.0.len(), 2);
    let mut viewer = Viewer::get(address, "/stream/one-1").await;
    assert!(!viewer.read_until(PACKET_SIZE).await.is_empty());

    // The old password is refused, the lineup stays, and the state says why.
    panel.change(|known| (known.password, known.status) = ("new", "Expired"));
    panel.serve("new");
    ask(address, "POST", "/api/playlists/1/refresh", None).await;
    let state = async {
        loop {
            let playlist = read(address, "/api/playlists/1").await;
            if playlist["state"]["error"].is_string() {
                return playlist;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let playlist = tokio::time::timeout(SOON, state).await.expect("it is read again");
    assert!(playlist["state"]["error"].as_str().unwrap().contains("refuses"), "{playlist}");
    assert_eq!(listed(address).await, before.0);

    // With the new one all is as it was, but for the account.
    let url = json!({ "url": format!("http://joe:new@{}", panel.origin.address()) });
    assert_eq!(ask(address, "PATCH", "/api/playlists/1", Some(url)).await.status, 200);
    let open = async {
        while panel.origin.connections("/live/joe/new/1.ts") == 0 {
            viewer.read_for(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, open).await.expect("the viewer's source is another one");
    assert!(!viewer.read_for(Duration::from_secs(1)).await.is_empty() && viewer.ended().is_none());
    let playlist = read(address, "/api/playlists/1").await;
    assert_eq!(playlist["state"]["account"]["status"], "expired");
    let after = (
        listed(address).await,
        ask(address, "GET", "/api/lineup/channels", None).await.json(),
        client::get(address, "/playlist.m3u").await.text(),
    );
    assert_eq!(after, before, "addresses, ids, numbers, names");
    assert_eq!(panel.account.violations(), 0);
}
