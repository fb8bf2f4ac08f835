//! `/api/playlists` and `forebay import`: a list becomes channels that play.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{self, Answer, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::{Checker, PACKET_SIZE};
use serde_json::{Value, json};

use crate::program::{Finished, Program, Setup};
use crate::relay::Relay;

pub(super) async fn ask(address: SocketAddr, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = Request::new(method, address, path);
    let request = body.iter().fold(request, Request::json);
    request.send().await.expect("the relay answers")
}

/// Waits until the playlist was read, and returns it.
pub(super) async fn read(address: SocketAddr, path: &str) -> Value {
    loop {
        let playlist = ask(address, "GET", path, None).await.json();
        if playlist["state"]["read_at"].is_string() && playlist["state"]["progress"].is_null() {
            return playlist;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The addresses in the list that viewers get.
pub(super) async fn listed(address: SocketAddr) -> Vec<String> {
    let list = client::get(address, "/playlist.m3u").await.text();
    let addresses = list.lines().filter(|line| line.starts_with("http"));
    addresses
        .map(|line| {
            line.rsplit('/').next().expect("a text has a last part").trim_end_matches(".ts").to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_at_an_address_plays_and_a_new_password_is_a_switch() {
    let origin = Origin::start().await;
    let clip = || Behaviour::ts(Clip::get(Kind::H264Aac));
    for user in ["joe", "jim"] {
        origin.serve(&format!("/live/{user}/secret/1.ts"), clip());
    }
    let list = |user: &str, name: &str| {
        let url = origin.url(&format!("/live/{user}/secret/1.ts"));
        let text = format!("#EXTM3U\n#EXTINF:-1 tvg-id=\"one.uk\" group-title=\"News\",{name}\n{url}\n");
        Behaviour::body("audio/x-mpegurl", text)
    };
    origin.serve("/list.m3u", list("joe", "One"));
    let relay = Relay::start("allow_private_sources = true\n");
    let address = relay.address();
    let made = json!({ "name": "A", "url": origin.url("/list.m3u") });
    let answer = ask(address, "POST", "/api/playlists", Some(made)).await;
    assert_eq!((answer.status, answer.header("Location")), (201, Some("/api/playlists/1")));
    let playlist = read(address, "/api/playlists/1").await;
    assert_eq!(
        (&playlist["state"]["error"], &playlist["state"]["summary"]["added"]),
        (&json!(null), &json!(1))
    );
    assert_eq!(listed(address).await, ["one-1"]);
    let mut viewer = Viewer::get(address, "/stream/one-1").await;
    assert_eq!(viewer.status(), 200);
    Checker::check(&viewer.read_until(200 * PACKET_SIZE).await).assert_clean();

    // The provider renames the user, and the channel: it is a switch.
    origin.serve("/list.m3u", list("jim", "New name"));
    assert_eq!(ask(address, "POST", "/api/playlists/1/refresh", None).await.status, 202);
    while origin.connections("/live/jim/secret/1.ts") == 0 {
        viewer.read_for(Duration::from_millis(50)).await;
    }
    viewer.read_for(Duration::from_secs(1)).await;
    assert!(viewer.ended().is_none() && viewer.largest_gap() < Duration::from_secs(2), "nobody was cut");
    assert!(client::get(address, "/playlist.m3u").await.text().contains(",New name\n"));
    assert_eq!(listed(address).await, ["one-1"]);

    // The server sends an error page with 200: it is held, and nothing changes.
    origin.serve("/list.m3u", Behaviour::body("text/html", "<html>502</html>"));
    ask(address, "POST", "/api/playlists/1/refresh", None).await;
    let held = loop {
        let playlist = read(address, "/api/playlists/1").await;
        if !playlist["state"]["held"].is_null() {
            break playlist;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(held["state"]["held"]["reason"], "html");
    assert_eq!(listed(address).await, ["one-1"]);

    // The playlist goes, and its viewer with it.
    assert_eq!(ask(address, "DELETE", "/api/playlists/1", None).await.status, 204);
    while viewer.ended().is_none() {
        viewer.read_for(Duration::from_millis(50)).await;
    }
    assert_eq!(listed(address).await, [""; 0]);
    assert_eq!(client::get(address, "/stream/one-1").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_26_the_numbers_of_gracenote_are_kept_and_handed_on() {
    let origin = Origin::start().await;
    let text = "#EXTM3U\n#EXTINF:-1 tvg-id=\"one.uk\" tvc-guide-stationid=\"12345\",One\nhttp://h/1.ts\n\
                #EXTINF:-1 tvg-id=\"two.uk\",Two\nhttp://h/2.ts\n";
    origin.serve("/list.m3u", Behaviour::body("audio/x-mpegurl", text));
    let relay = Relay::start("allow_private_sources = true\n");
    let address = relay.address();
    ask(address, "POST", "/api/playlists", Some(json!({ "name": "A", "url": origin.url("/list.m3u") })))
        .await;
    read(address, "/api/playlists/1").await;
    // Each line without its beginning, by the name at its end.
    let lines = async |query: &str| {
        let list = client::get(address, &format!("/playlist.m3u{query}")).await.text();
        let lines = list.lines().filter_map(|line| line.strip_prefix("#EXTINF:-1 "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let plain = lines("").await;
    assert_eq!(plain.len(), 2, "{plain:?}");
    assert!(
        plain[0].contains(" tvc-guide-stationid=\"12345\"") && !plain[1].contains("stationid"),
        "{plain:?}"
    );
    assert!(plain.iter().all(|line| line.starts_with("tvg-id=\"c268")), "{plain:?}");
    let asked = lines("?id=gracenote").await;
    assert!(asked[0].starts_with("tvg-id=\"12345\" ") && asked[1].starts_with("tvg-id=\"c268"), "{asked:?}");

    // For one user, and after an edit.
    ask(address, "POST", "/api/users", Some(json!({ "name": "ann", "password": "correct horse" }))).await;
    let edit = json!({ "gracenote_id": "678" });
    let channels = ask(address, "GET", "/api/lineup/channels", None).await.json();
    let id = channels["channels"][1]["id"].as_u64().expect("a number");
    let edited = ask(address, "PATCH", &format!("/api/lineup/channels/{id}"), Some(edit)).await;
    assert_eq!(edited.status, 200, "{}", edited.text());
    let login = "username=ann&password=correct%20horse&type=m3u_plus&id=gracenote";
    let list = client::get(address, &format!("/get.php?{login}")).await.text();
    assert!(list.contains("tvg-id=\"12345\" ") && list.contains("tvg-id=\"678\" "), "{list}");
    assert!(list.contains(" tvc-guide-stationid=\"678\""), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_uploaded_is_edited_and_played() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let relay = Relay::start("allow_private_sources = true\n");
    let address = relay.address();
    ask(address, "POST", "/api/playlists", Some(json!({ "name": "Mine" }))).await;
    let url = origin.url("/a.ts");
    let list = format!("#EXTM3U\n#EXTINF:-1 tvg-chno=\"5\",One\n{url}\n#EXTINF:-1,Two\n{url}?2\n");
    let sent = Request::new("PUT", address, "/api/playlists/1/list").body("audio/x-mpegurl", list);
    let taken = sent.send().await.expect("the relay answers");
    assert_eq!(taken.json()["summary"]["added"], 2, "{}", taken.text());
    let own = json!({ "name": "Eins", "number": "7", "group": "Meine" });
    let edited = ask(address, "PATCH", "/api/lineup/channels/1", Some(own)).await.json();
    assert_eq!((&edited["name"], &edited["edited"]), (&json!("Eins"), &json!(["name", "number", "group"])));
    let text = client::get(address, "/playlist.m3u").await.text();
    assert!(text.contains("tvg-chno=\"7\" group-title=\"Meine\",Eins\n"), "{text}");
    let hide = json!({ "channels": [2], "set": { "hidden": true } });
    let batch = ask(address, "POST", "/api/lineup/edits", Some(hide)).await.json();
    assert_eq!(listed(address).await, ["one-1"]);
    let undone = ask(address, "DELETE", &format!("/api/lineup/edits/{}", batch["batch"]), None).await;
    assert_eq!((undone.status, listed(address).await.len()), (204, 2));
    assert_eq!(Viewer::get(address, "/stream/one-1").await.status(), 200);
    let wrong = ask(address, "PATCH", "/api/lineup/channels/1", Some(json!({ "nmae": "A" }))).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["details"][0]["path"]), (422, &json!("nmae")));
}

/// A list of two channels: here, and at an address that nobody has.
fn list_of_here(origin: &Origin) -> String {
    format!("#EXTM3U\n#EXTINF:-1,Here\n{}\n#EXTINF:-1,Far\nhttp://203.0.113.7/1.ts\n", origin.url("/a.ts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_the_api_leads_nowhere_in_the_house_and_says_why() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let relay = Relay::start("");
    let address = relay.address();
    ask(address, "POST", "/api/playlists", Some(json!({ "name": "Mine" }))).await;
    let sent = Request::new("PUT", address, "/api/playlists/1/list");
    let sent = sent.body("audio/x-mpegurl", list_of_here(&origin)).send().await.expect("the relay answers");
    assert_eq!(sent.json()["summary"]["unplayable"], 1, "{}", sent.text());
    assert_eq!(listed(address).await, ["far-2"]);
    for path in ["/stream/here-1", "/stream/here-1/hls", "/api/streams/here-1/status", "/api/channels/here-1"]
    {
        let answer = client::get(address, path).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["code"]), (404, &json!("unplayable_channel")), "{path}");
        assert!(error["message"].as_str().unwrap().contains("private network"), "{error}");
    }
    let row = ask(address, "GET", "/api/lineup/channels/1", None).await.json();
    assert_eq!((&row["unplayable"]["code"], &row["missing"]), (&json!("private_address"), &json!(false)));
    assert_eq!(client::get(address, "/stream/nobody").await.json()["error"]["code"], "unknown_channel");
    assert_eq!(origin.connections("/a.ts"), 0);
}

/// Runs `forebay import` beside a server.
async fn import(program: &Program, list: &str, words: &[&str]) -> Finished {
    let setup = Setup::with_config("");
    std::fs::write(setup.path("list.m3u"), list).expect("its own folder can be written");
    let config = program.folder().join("channels.toml");
    let setup = setup.arg("import").arg("--config").arg(config.to_str().expect("a plain path"));
    words.iter().fold(setup, |setup, word| setup.arg(word)).run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_imported_on_this_machine_may_be_in_the_house() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let list = list_of_here(&origin);
    origin.serve(
        "/list.m3u",
        Behaviour::body("audio/x-mpegurl", list.replace("Here", "There").replace("Far", "Off")),
    );
    // It does not listen where its configuration says.
    let config = "[server]\nlisten = \"127.0.0.1:1\"\n[log]\nlevel = \"info\"\n";
    let setup = Setup::with_config(config).arg("--config").arg("channels.toml");
    let program = setup.arg("--listen").arg("127.0.0.1:0").start().await;
    let address = program.address();
    let unreached = import(&program, &list, &["list.m3u"]).await;
    assert_eq!(unreached.status.code(), Some(1), "{unreached:?}");
    assert!(
        unreached.log.contains("http://127.0.0.1:1/") && unreached.log.contains("--listen"),
        "{unreached:?}"
    );

    let here = address.to_string();
    let taken = import(&program, &list, &["list.m3u", "--name", "Mine", "--listen", &here]).await;
    assert_eq!(taken.output, "Mine (playlist 1): 2 channels: 2 new, 0 changed, 0 missing\n", "{taken:?}");
    assert_eq!(listed(address).await, ["here-1", "far-2"]);
    let mut viewer = Viewer::get(address, "/stream/here-1").await;
    assert_eq!(viewer.status(), 200);
    Checker::check(&viewer.read_until(200 * PACKET_SIZE).await).assert_clean();

    // By an address in the house, too; the API may not give one.
    let url = origin.url("/list.m3u");
    let secret = program.admin_token();
    let of_api = |method, path| Request::new(method, address, path).header("Authorization", &secret);
    let fields = json!({ "name": "B", "url": url });
    let refused = of_api("POST", "/api/playlists").json(&fields).send().await.expect("it answers");
    assert_eq!(refused.status, 422, "{}", refused.text());
    let taken = import(&program, "", &["--listen", &here, "--name", "B", &url]).await;
    assert_eq!(taken.output, "B (playlist 2): 2 channels: 2 new, 0 changed, 0 missing\n", "{taken:?}");
    let again = import(&program, "", &["--listen", &here, "--name", "B", &url]).await;
    assert_eq!(again.output, "B (playlist 2): unchanged\n", "{again:?}");

    // Whatever the API gives afterwards is the API's.
    let sent = of_api("PUT", "/api/playlists/1/list").body("audio/x-mpegurl", list + "#\n");
    assert_eq!(sent.send().await.expect("it answers").status, 200);
    tokio::time::timeout(Duration::from_secs(5), viewer.read_to_end()).await.expect("its channel has gone");
    let row = of_api("GET", "/api/lineup/channels/1").send().await.expect("it answers").json();
    assert_eq!(row["unplayable"]["code"], "private_address");
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_are_previewed_suggested_and_channels_and_groups_are_moved() {
    let relay = Relay::start("");
    let address = relay.address();
    for (number, (name, titles)) in
        [("A", ["One", "Discovery Channel", "Last"]), ("B", ["One", "Discovery Chanel", "Other"])]
            .into_iter()
            .enumerate()
    {
        let made = json!({ "name": name, "merge": name == "A" });
        ask(address, "POST", "/api/playlists", Some(made)).await;
        let entry = |(at, title): (usize, &&str)| {
            format!("#EXTINF:-1 group-title=\"{name}\",{title}\nhttp://{name}.example/{at}\n")
        };
        let list: String = titles.iter().enumerate().map(entry).collect();
        let path = format!("/api/playlists/{}/list", number + 1);
        let sent = Request::new("PUT", address, &path).body("audio/x-mpegurl", list);
        assert_eq!(sent.send().await.expect("the relay answers").status, 200);
    }
    let before = listed(address).await;
    let preview = async |body: Value| {
        let answer = ask(address, "POST", "/api/lineup/merges/preview", Some(body)).await;
        (answer.status, answer.json())
    };
    assert_eq!(preview(json!({})).await.1["changes_total"], 0);
    let (_, effect) = preview(json!({ "playlists": { "2": true } })).await;
    let change = json!({ "before": null, "channel": 4, "leader": 1, "leader_name": "One", "name": "One" });
    let expected = json!({ "changes": [change], "changes_total": 1, "listed": 5, "listed_before": 6 });
    assert_eq!(effect, expected);
    let pair = json!({ "channel": 2, "other": 5, "decision": "force" });
    let both = json!({ "playlists": { "2": true }, "decisions": [pair] });
    assert_eq!(preview(both).await.1["listed"], 4);
    for (body, path) in [
        (json!({ "playlists": { "x": true } }), "playlists.x"),
        (json!({ "decisions": [pair, { "channel": 2, "other": 2 }] }), "decisions[1].other"),
        (json!({ "decisions": [{ "channel": 2, "other": 5, "decision": "join" }] }), "decisions[0].decision"),
    ] {
        let (status, refused) = preview(body).await;
        assert_eq!((status, &refused["error"]["details"][0]["path"]), (422, &json!(path)), "{refused}");
    }
    assert_eq!(preview(json!({ "playlists": { "9": true } })).await.0, 404);
    let suggested = ask(address, "GET", "/api/lineup/channels/2/suggestions", None).await.json();
    let first = &suggested["suggestions"][0];
    assert_eq!((&first["channel"], &first["name"]), (&json!(5), &json!("Discovery Chanel")), "{suggested}");
    assert!(first["likeness"].as_f64().is_some_and(|it| (0.9..1.0).contains(&it)), "{suggested}");
    assert_eq!(listed(address).await, before, "nothing was changed");

    let moved =
        ask(address, "POST", "/api/lineup/moves", Some(json!({ "channels": [3], "before": 1 }))).await;
    assert_eq!(listed(address).await[..2], ["last-3", "one-1"]);
    let edited = ask(address, "GET", "/api/lineup/channels/3", None).await.json();
    assert_eq!(edited["edited"], json!(["place"]));
    let batch = format!("/api/lineup/edits/{}", moved.json()["batch"]);
    assert_eq!(ask(address, "DELETE", &batch, None).await.status, 204);
    assert_eq!(listed(address).await, before);
    for body in [json!({ "channels": [1], "before": 4 }), json!({ "channels": [] })] {
        assert_eq!(ask(address, "POST", "/api/lineup/moves", Some(body)).await.status, 422);
    }
    let placed = ask(address, "PATCH", "/api/lineup/channels/3", Some(json!({ "place": 1 }))).await;
    assert_eq!((placed.status, &placed.json()["error"]["details"][0]["path"]), (422, &json!("place")));

    let groups = ask(address, "GET", "/api/lineup/groups?limit=1", None).await.json();
    let group = json!({ "channels": 3, "id": 1, "name": "A", "playlist": 1 });
    assert_eq!((&groups["groups"], &groups["next"]), (&json!([group]), &json!(1)));
    let of_second = ask(address, "GET", "/api/lineup/groups?playlist=2", None).await.json();
    let playlists = of_second["groups"].as_array().expect("a list").iter().map(|group| &group["playlist"]);
    assert_eq!(playlists.collect::<Vec<_>>(), [&json!(2)], "{of_second}");
    let last = ask(address, "POST", "/api/lineup/groups/moves", Some(json!({ "groups": [1] }))).await;
    assert_eq!((last.status, last.json()), (200, json!({ "moved": 2 })));
    assert_eq!(listed(address).await[..3], before[3..]);
    let unknown = json!({ "groups": [1], "before": 99 });
    assert_eq!(ask(address, "POST", "/api/lineup/groups/moves", Some(unknown)).await.status, 404);
}
