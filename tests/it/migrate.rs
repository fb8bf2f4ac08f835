//! Moving in from other programs: what comes over is what was there, and the rest is told.

use std::path::{Path, PathBuf};
use std::process::Output;

use forebay_testkit::client::{get, get_json};
use forebay_testkit::origin::{Behaviour, Origin, Reply};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Program, Setup};

/// A Forebay that is moved into.
struct House {
    folder: TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a test has what it needs");
        let text = "[server]\nlisten = \"127.0.0.1:0\"\n[data]\ndir = \"data\"\n";
        std::fs::write(folder.path().join("channels.toml"), text).expect("a test has what it needs");
        Self { folder }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("channels.toml")
    }

    /// Runs a command, which has to work; what it says.
    async fn run(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = tokio::process::Command::new(env!("CARGO_BIN_EXE_forebay"))
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .output()
            .await
            .expect("a test has what it needs");
        let (out, err) = (
            String::from_utf8(stdout).expect("a test has what it needs"),
            String::from_utf8(stderr).expect("a test has what it needs"),
        );
        assert!(status.success(), "{arguments:?}: {out}{err}");
        out + &err
    }

    async fn start(self) -> Program {
        Setup::again(self.folder).start().await
    }
}

/// The entries of the playlist that viewers get: the line of attributes, and the name.
async fn lineup(program: &Program) -> Vec<String> {
    let text = get(program.address(), "/playlist.m3u").await.text();
    text.lines().filter_map(|line| line.strip_prefix("#EXTINF:-1 ")).map(str::to_owned).collect()
}

async fn json(program: &Program, path: &str) -> Value {
    let (status, body) = get_json(program.address(), path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

fn fixture(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "migrate", name].iter().collect();
    path.to_str().expect("a test has what it needs").to_owned()
}

/// The value of an attribute of an entry.
fn attribute<'a>(entry: &'a str, name: &str) -> &'a str {
    entry
        .split_once(&format!("{name}=\""))
        .map_or("", |(_, rest)| rest.split('"').next().expect("a test has what it needs"))
}

/// Number, name, group and guide id of each entry.
fn told(lineup: &[String]) -> Vec<String> {
    let entry = |entry: &String| {
        let of = |name| attribute(entry, name);
        let name = entry.rsplit_once("\",").expect("a test has what it needs").1;
        format!("{} | {name} | {} | {}", of("tvg-chno"), of("group-title"), of("tvg-id"))
    };
    lineup.iter().map(entry).collect()
}

fn has_secret(text: &str) -> bool {
    ["s3cret", "12345678", "watches-tv", "key-of-an-admin"].iter().any(|secret| text.contains(secret))
}

#[tokio::test(flavor = "multi_thread")]
async fn threadfin_comes_over_with_numbers_names_groups_guide_ids_and_its_tuner() {
    let house = House::new();
    let folder = fixture("threadfin");
    let shown = house.run(&["migrate", "from", "threadfin", &folder]).await;
    assert!(shown.contains("4 channels, 0 playlists, 1 user"), "{shown}");
    assert!(shown.ends_with("Nothing was changed. --apply does it.\n"), "{shown}");
    for difference in [
        "1 channel: not active",
        "1 channel: hidden",
        "1 channel: had a made-up guide",
        "1 list: ",
        "1 filter: ",
        "1 guide: ",
        "1 user: its name is kept as a hash only",
    ] {
        assert!(shown.contains(difference), "{difference} is not in {shown}");
    }
    assert!(!house.folder.path().join("data").exists(), "a look changes nothing");

    let done = house.run(&["migrate", "from", "threadfin", &folder, "--apply", "--keep-device"]).await;
    assert!(!has_secret(&done), "{done}");
    assert!(done.contains("user anna: added, password "), "{done}");
    assert!(house.run(&["user", "list"]).await.contains("anna"));
    let program = house.start().await;
    let lineup = lineup(&program).await;
    assert_eq!(
        told(&lineup),
        [
            "101 | BBC One | General | bbc1.uk",
            "103 | BBC Two | General | bbc2.uk",
            "105 | Boxing | PPV | ",
            "1002 | Émission Spéciale | Cinéma | special.fr",
        ]
    );
    // Plex knows the tuner and its channels by these.
    let discover = json(&program, "/discover.json").await;
    assert_eq!(discover["DeviceID"], "2024-05-AbCd-EfGhIj:2");
    let tuned = json(&program, "/lineup.json").await;
    let numbers: Vec<&str> = tuned
        .as_array()
        .expect("a test has what it needs")
        .iter()
        .map(|channel| channel["GuideNumber"].as_str().expect("a test has what it needs"))
        .collect();
    assert_eq!(numbers, ["101", "103", "105", "1002"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tuliprox_comes_over_with_accounts_and_users() {
    let house = House::new();
    let done = house.run(&["migrate", "from", "tuliprox", &fixture("tuliprox"), "--apply"]).await;
    assert!(!has_secret(&done), "{done}");
    assert!(done.contains("0 channels, 3 playlists, 2 users"), "{done}");
    for line in [
        "old: not enabled",
        "`filter` does not come over",
        "`mapping` does not come over",
        "1 user: was bound to networks",
        "1 user: had a token",
        "user anna: added",
        "user late: added",
    ] {
        assert!(done.contains(line), "{line} is not in {done}");
    }
    let users = house.run(&["user", "list"]).await;
    assert!(users.contains("anna") && users.contains("late"), "{users}");
    let program = house.start().await;
    // Nobody answers there now; the accounts are kept all the same.
    let playlists = json(&program, "/api/playlists").await;
    let names: Vec<&str> = playlists["playlists"]
        .as_array()
        .expect("a test has what it needs")
        .iter()
        .map(|one| one["name"].as_str().expect("a test has what it needs"))
        .collect();
    assert_eq!(names, ["acme", "acme 2", "list"]);
    assert!(!has_secret(&playlists.to_string()), "{playlists}");
    // With the old password.
    let login = "/player_api.php?username=anna&password=anna-watches-tv";
    let login = json(&program, login).await;
    assert_eq!(
        (&login["user_info"]["auth"], &login["user_info"]["max_connections"]),
        (&1.into(), &"2".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dispatcharr_comes_over_by_its_api() {
    let origin = Origin::start().await;
    let answers = [
        ("/api/channels/channels/", "channels.json"),
        ("/api/channels/groups/", "groups.json"),
        ("/api/channels/logos/", "logos.json"),
        ("/api/accounts/users/", "users.json"),
        ("/api/m3u/accounts/", "accounts.json"),
    ];
    for (path, file) in answers {
        let body =
            std::fs::read(Path::new(&fixture("dispatcharr")).join(file)).expect("a test has what it needs");
        let answer = Behaviour::handler(move |request| {
            let is_known = request.header("x-api-key") == Some("key-of-an-admin");
            let status = if is_known { 200 } else { 403 };
            Reply::new(status, "application/json", if is_known { body.clone() } else { Vec::new() })
        });
        origin.serve(path, answer);
    }
    origin.serve("/hdhr/discover.json", Behaviour::body("application/json", "{\"DeviceID\": \"A1B2C3D4\"}"));
    let house = House::new();
    let key = house.folder.path().join("key");
    std::fs::write(&key, "key-of-an-admin\n").expect("a test has what it needs");
    let url = origin.url("");
    let arguments = [
        "migrate",
        "from",
        "dispatcharr",
        &*url,
        "--api-key-file",
        key.to_str().expect("a test has what it needs"),
    ];
    let done = house.run(&[&arguments[..], &["--apply", "--keep-device"]].concat()).await;
    assert!(!has_secret(&done), "{done}");
    for line in [
        "2 channels, 0 playlists, 2 users",
        "1 channel: hidden there",
        "1 channel: has no stream",
        "1 user: its password is kept as a hash only",
        "1 user: was bound to profiles",
        "user ben: added\n",
        "the first tuner is A1B2C3D4",
    ] {
        assert!(done.contains(line), "{line} is not in {done}");
    }
    let program = house.start().await;
    let lineup = lineup(&program).await;
    assert_eq!(told(&lineup), ["2.1 | News | Sports | news.uk", "7 | Sport | Sports | sport.uk"]);
    assert!(!attribute(&lineup[1], "tvg-logo").is_empty(), "{lineup:?}");
    let login = json(&program, "/player_api.php?username=ben&password=ben-watches-tv").await;
    assert_eq!(login["user_info"]["max_connections"], "2");
    // The second address of a channel is its second source.
    let channels = json(&program, "/api/lineup/channels").await;
    let sport = channels["channels"]
        .as_array()
        .expect("a test has what it needs")
        .iter()
        .filter(|one| one["name"] == "Sport")
        .count();
    assert_eq!(sport, 2, "{channels}");
    origin.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_accounts_come_over_as_playlists() {
    let house = House::new();
    let list = house.folder.path().join("mine.m3u");
    std::fs::write(
        &list,
        "#EXTM3U\n#EXTINF:-1 tvg-chno=\"4\" tvg-id=\"a.uk\" group-title=\"G\",A\nhttp://h.example/a.ts\n",
    )
    .expect("a test has what it needs");
    let done = house
        .run(&[
            "migrate",
            "from",
            "m3u",
            list.to_str().expect("a test has what it needs"),
            "--name",
            "Mine",
            "--apply",
        ])
        .await;
    assert!(done.contains("Mine (playlist 1): 1 channels: 1 new"), "{done}");
    let panel = "http://127.0.0.1:9/get.php?username=joe&password=s3cret";
    let done = house.run(&["migrate", "from", "xtream", panel, "--apply"]).await;
    assert!(done.contains("tried again") && !has_secret(&done), "{done}");
    let program = house.start().await;
    assert_eq!(told(&lineup(&program).await), ["4 | A | G | a.uk"]);
}
