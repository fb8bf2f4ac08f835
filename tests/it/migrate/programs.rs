//! Each program, from its fixture.

use std::path::PathBuf;
use std::time::Duration;

use forebay_testkit::client::get;
use forebay_testkit::origin::{Behaviour, Reply};
use serde_json::Value;

use super::{House, dispatcharr, guide_numbers, has_all, json, path, plays_after, told};

#[tokio::test(flavor = "multi_thread")]
async fn threadfin_comes_over_with_numbers_groups_guides_backups_and_its_tuner() {
    let house = House::new().await;
    house.plays(&["/live/jim/s3cret/91.ts"]);
    house.origin.serve("/epg.xml", Behaviour::body("application/xml", "<tv></tv>"));
    let folder = house.fixture("threadfin");
    let shown = house.run(&["migrate", "from", "threadfin", path(&folder)]).await;
    has_all(
        &shown,
        &[
            "4 channels, 0 playlists, 1 user",
            "  101  BBC One  [General]  bbc1.uk, 3 sources\n",
            "1 channel: not active",
            "2 channels: hidden",
            "1 channel: had a made-up guide",
            "1 channel: stands with the others of its group",
            "1 list: ",
            "1 filter: ",
            "1 guide of these channels",
            "1 user: its name is kept as a hash only",
            "1 user: its password is kept as a hash only",
        ],
    );
    assert!(shown.ends_with("Nothing was changed. --apply does it.\n"), "{shown}");
    assert!(!house.folder.path().join("data").exists(), "a look changes nothing");

    let arguments = ["migrate", "from", "threadfin", path(&folder), "--apply", "--keep-device"];
    let done = house.run(&arguments).await;
    has_all(&done, &["user anna: added, password ", "the first tuner is 2024-05-AbCd-EfGhIj:2"]);
    assert!(house.run(&["user", "list"]).await.contains("anna"));
    let program = house.starts_and_moves_in_again(&arguments).await;
    assert_eq!(
        told(&program).await,
        [
            "101 | BBC One | General | bbc1.uk",
            "103 | BBC Two | General | bbc2.uk",
            "102 | Boxing | PPV | ",
            "1002 | Émission Spéciale | Cinéma | special.fr",
        ]
    );
    // Plex knows the tuner and its channels by these.
    assert_eq!(json(&program, "/discover.json").await["DeviceID"], "2024-05-AbCd-EfGhIj:2");
    assert_eq!(guide_numbers(&program).await, ["101", "103", "102", "1002"]);
    // Its own address is dead, and so is the first backup: of two accounts, one is another source.
    let paths = plays_after(&program, &house.origin, "101", "/live/").await;
    assert_eq!(paths, ["/live/joe/s3cret/11.ts", "/live/joe/s3cret/91.ts", "/live/jim/s3cret/91.ts"]);
    house.origin.wait_opened("/epg.xml", 1, Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn xteve_comes_over_with_its_user_agent_and_its_tuner() {
    let house = House::new().await;
    let folder = house.fixture("xteve");
    let arguments = ["migrate", "from", "xteve", path(&folder), "--apply", "--keep-device"];
    let done = house.run(&arguments).await;
    has_all(
        &done,
        &[
            "3 channels, 0 playlists, 0 users",
            "1 channel: not active",
            "1 channel: had a made-up guide",
            "1 guide: is in a file",
            "1 list: ",
        ],
    );
    let program = house.starts_and_moves_in_again(&arguments).await;
    assert_eq!(
        told(&program).await,
        [
            "1000 | Das Erste | Voll | daserste.de",
            "1001 | Arte | Kultur | arte.de",
            "1002 | Doku | Kultur | ",
        ]
    );
    assert_eq!(json(&program, "/discover.json").await["DeviceID"], "2021-04-WXYZ-QRSTUV");
    let playlists = json(&program, "/api/playlists").await;
    let playlist = &playlists["playlists"][0];
    assert_eq!((&playlist["name"], &playlist["user_agent"]), (&"xteve".into(), &"VLC/3.0.20".into()));
}

/// Answers as a panel does.
fn panel(house: &House) {
    let [account, categories, streams] = ["account.json", "categories.json", "streams.json"].map(|file| {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "migrate", "xtream", file].iter().collect();
        std::fs::read(path).expect("the fixture is there")
    });
    let answer = Behaviour::handler(move |request| {
        let is = |action: &str| request.path.contains(action);
        let body = match () {
            () if is("get_live_categories") => &categories,
            () if is("get_live_streams") => &streams,
            () => &account,
        };
        Reply::new(200, "application/json", body.clone())
    });
    house.origin.serve("/player_api.php", answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn tuliprox_comes_over_with_accounts_lists_and_users() {
    let house = House::new().await;
    panel(&house);
    house.plays(&["/local/2", "/live/joe2/s3cret2/502.ts"]);
    let folder = house.fixture("tuliprox");
    let list = std::fs::read(folder.join("list.m3u")).expect("the fixture is there");
    house.origin.serve("/list.m3u", Behaviour::body("audio/x-mpegurl", list));
    let arguments =
        ["migrate", "from", "tuliprox", path(&folder), "--apply", "--keep-device", "--device-id", "10ABCDE1"];
    let done = house.run(&arguments).await;
    has_all(
        &done,
        &[
            "0 channels, 3 playlists, 2 users",
            "old: not enabled",
            "1 target: `filter` does not come over",
            "1 target: `mapping` does not come over",
            "1 tuner: its id is DeviceID",
            "1 guide: name it in [[guides]]",
            "1 user: was bound to networks",
            "1 user: had a token",
            "user anna: added\n",
            "user late: added\n",
        ],
    );
    let program = house.starts_and_moves_in_again(&arguments).await;
    assert_eq!(
        told(&program).await,
        [
            "11 | News One | News | news1.uk",
            "12 | News Two | News | news2.uk",
            "21 | Sport One | Sport | sport1.uk",
            "30 | Local | Local | local.uk",
        ]
    );
    assert_eq!(json(&program, "/discover.json").await["DeviceID"], "10ABCDE1");
    let playlists = json(&program, "/api/playlists").await;
    let playlists = playlists["playlists"].as_array().expect("it is a list");
    let of = |key: &str| playlists.iter().map(|one| one[key].clone()).collect::<Vec<Value>>();
    assert_eq!(of("name"), ["acme", "acme 2", "list"]);
    assert_eq!(of("max_connections"), [Value::from(2), Value::from(1), Value::Null]);
    assert_eq!(of("user_agent"), [Value::from("Tuliprox/3"), Value::from("Tuliprox/3"), Value::Null]);
    // The other account of the provider is another source, and so is the other address.
    let paths = plays_after(&program, &house.origin, "12", "/live/").await;
    assert_eq!(paths, ["/live/joe/12345678/502.ts", "/live/joe2/s3cret2/502.ts"]);
    assert_eq!(plays_after(&program, &house.origin, "30", "/local/").await, ["/local/1", "/local/2"]);
    // With the old password, limit and end.
    let login = json(&program, "/player_api.php?username=anna&password=anna-watches-tv").await;
    let login = &login["user_info"];
    assert_eq!((&login["auth"], &login["max_connections"]), (&1.into(), &"2".into()));
    assert_eq!(login["exp_date"], "4102444800");
    let users = json(&program, "/api/users").await;
    let users = users["users"].as_array().expect("it is a list");
    let late = users.iter().find(|user| user["name"] == "late").expect("it came over");
    assert_eq!(late["disabled"], true);
    let anna = users.iter().find(|user| user["name"] == "anna").expect("it came over");
    assert_eq!(anna["priority"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn dispatcharr_comes_over_by_its_api() {
    let house = House::new().await;
    dispatcharr(&house);
    house.plays(&["/live/jim/s3cret/7.ts"]);
    let key = house.folder.path().join("key");
    std::fs::write(&key, "key-of-an-admin\n").expect("its own folder can be written");
    let url = house.origin.url("");
    let arguments =
        ["migrate", "from", "dispatcharr", &*url, "--api-key-file", path(&key), "--apply", "--keep-device"];
    let done = house.run(&arguments).await;
    has_all(
        &done,
        &[
            "2 channels, 0 playlists, 2 users",
            "1 guide of these channels",
            "1 channel: hidden there",
            "1 channel: has no stream",
            "1 channel: had an archive",
            "1 guide: is none that Forebay reads",
            "1 list: its channels come over as they are now",
            "1 list: had a limit of streams",
            "1 user: its password is kept as a hash only",
            "1 user: was bound to profiles",
            "user ben: added\n",
            "the first tuner is A1B2C3D4",
        ],
    );
    let program = house.starts_and_moves_in_again(&arguments).await;
    assert_eq!(told(&program).await, ["2.1 | News | Sports | news.uk", "7 | Sport | Sports | sport.uk"]);
    assert_eq!(guide_numbers(&program).await, ["2.1", "7"]);
    assert_eq!(json(&program, "/discover.json").await["DeviceID"], "A1B2C3D4");
    let list = get(program.address(), "/playlist.m3u").await.text();
    assert!(list.contains("tvc-guide-stationid=\"12345\""), "{list}");
    assert!(list.lines().any(|line| line.contains(",Sport") && line.contains("/logo/")), "{list}");
    let login = json(&program, "/player_api.php?username=ben&password=ben-watches-tv").await;
    assert_eq!(login["user_info"]["max_connections"], "2");
    // All streams of a channel come over, in their order.
    let paths = plays_after(&program, &house.origin, "7", "/").await;
    let paths: Vec<&str> = paths
        .iter()
        .map(String::as_str)
        .filter(|path| path.contains("/live/") || path.contains("sport."))
        .collect();
    assert_eq!(paths, ["/live/joe/s3cret/7.ts", "/sport.m3u8", "/live/jim/s3cret/7.ts"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_comes_over_with_numbers_groups_and_all_addresses() {
    let house = House::new().await;
    house.plays(&["/a/3"]);
    let list = house.fixture("m3u").join("mine.m3u");
    let shown = house.run(&["migrate", "from", "m3u", path(&list)]).await;
    has_all(&shown, &["playlist mine: a list of 2 channels with 4 sources", "1 film: is no channel"]);
    let arguments = ["migrate", "from", "m3u", path(&list), "--name", "Mine", "--apply"];
    let done = house.run(&arguments).await;
    has_all(&done, &["Mine (playlist 1): 4 channels: 4 new"]);
    let program = house.starts_and_moves_in_again(&arguments).await;
    assert_eq!(told(&program).await, ["4 | A | G | a.uk", "7.1 | B | H | b.uk"]);
    assert_eq!(plays_after(&program, &house.origin, "4", "/a/").await, ["/a/1", "/a/2", "/a/3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_comes_over_with_numbers_and_groups() {
    let house = House::new().await;
    panel(&house);
    house.plays(&["/live/joe/12345678/503.ts"]);
    let url = house.origin.url("/get.php?username=joe&password=12345678&type=m3u_plus");
    let arguments = ["migrate", "from", "xtream", &*url, "--name", "Acme", "--apply"];
    let done = house.run(&arguments).await;
    has_all(&done, &["playlist Acme: an account that is read again", "Acme (playlist 1): 3 channels: 3 new"]);
    let program = house.starts_and_moves_in_again(&arguments).await;
    assert_eq!(
        told(&program).await,
        [
            "11 | News One | News | news1.uk",
            "12 | News Two | News | news2.uk",
            "21 | Sport One | Sport | sport1.uk",
        ]
    );
    let paths = plays_after(&program, &house.origin, "21", "/live/").await;
    assert_eq!(paths, ["/live/joe/12345678/503.ts"]);
}
