//! By what players know a channel stays the same: over refreshes, a kill, new secrets and a restore
//! on an empty machine.
//!
//! Kodi knows a channel by its name and address, Jellyfin by the address alone, Plex by the number
//! at the device and by the id in the guide, and players of Xtream Codes by the number of the
//! stream.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forebay::db::{Database, stream_tokens};
use forebay_testkit::client::Request;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::program::{Program, Setup};

/// Nothing that is waited for takes longer than this.
const PATIENCE: Duration = Duration::from_mins(1);

const CONFIG: &str = "[[channels]]\nid = 'own'\nname = 'Own'\nnumber = 3\nsources = ['testcard://']\n\
    [[playlists]]\nid = 'p'\nurl = 'file:list.m3u'\nrefresh = 'off'\n";

/// Two kinds of lists and the panel's, the device, the panel and the guide.
const DOCUMENTS: usize = 6;

/// By what each channel is known, by its name.
type Known = BTreeMap<String, BTreeSet<String>>;

/// A list of these channels at this host, for this account.
fn list(host: &str, account: &str, channels: &[(u32, &str)]) -> String {
    let entry = |(number, group): &(u32, &str)| {
        format!(
            "#EXTINF:-1 tvg-id=\"c{number}.uk\" group-title=\"{group}\",Channel {number}\n\
             http://{host}/live/{account}/{number}.ts\n"
        )
    };
    channels.iter().map(entry).collect()
}

/// The server, and how a user asks it.
struct Viewer<'a> {
    program: &'a Program,
    key: &'a str,
    password: &'a str,
}

impl Viewer<'_> {
    async fn text(&self, path: &str) -> String {
        let answer = Request::get(self.program.address(), path).send().await.expect("the program answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        // Each start has another port, and the password is one that the user changes.
        answer.text().replace(&self.program.address().to_string(), "HOST").replace(self.password, "PASSWORD")
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    async fn known(&self) -> Known {
        let (below, login) = (format!("/t/{}", self.key), format!("username=ann&password={}", self.password));
        let mut known = Known::new();
        let mut note = |name: &str, what: String| _ = known.entry(name.to_owned()).or_default().insert(what);
        for path in [
            format!("{below}/playlist.m3u"),
            format!("{below}/playlist.m3u?format=hls"),
            format!("/get.php?{login}"),
        ] {
            let text = self.text(&path).await;
            let mut lines = text.lines().skip(1);
            while let (Some(about), Some(address)) = (lines.next(), lines.next()) {
                let value = |key: &str| about.split_once(&format!(" {key}=\""))?.1.split('"').next();
                let name = value("tvg-name").unwrap_or_else(|| panic!("{about} has no name"));
                note(name, format!("list: {address} {:?} {:?}", value("tvg-id"), value("tvg-chno")));
            }
        }
        for channel in self.json(&format!("{below}/lineup.json")).await.as_array().expect("a list") {
            let name = channel["GuideName"].as_str().expect("a text");
            note(name, format!("device: {} {}", channel["GuideNumber"], channel["URL"]));
        }
        let streams = self.json(&format!("/player_api.php?{login}&action=get_live_streams")).await;
        for stream in streams.as_array().expect("a list") {
            let name = stream["name"].as_str().expect("a text");
            let numbers = (&stream["num"], &stream["stream_id"], &stream["epg_channel_id"]);
            note(name, format!("panel: {numbers:?}"));
        }
        let guide = self.text(&format!("{below}/epg.xml")).await;
        for channel in guide.split("<channel id=\"").skip(1) {
            let name = channel.split("<display-name>").nth(1).and_then(|text| text.split('<').next());
            let id = channel.split('"').next().unwrap_or_default();
            note(name.expect("it has a name"), format!("guide: {id}"));
        }
        let device = self.json(&format!("{below}/discover.json")).await;
        note("the device", format!("{} {}", device["DeviceID"], device["BaseURL"]));
        known
    }
}

async fn ask(program: &Program, method: &str, path: &str, body: &Value) -> Value {
    let request =
        Request::new(method, program.address(), path).header("Authorization", &program.admin_token());
    let answer = request.json(body).send().await.expect("the program answers");
    assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// Runs a command in a folder, and gives the folder back.
async fn run(folder: TempDir, words: &[&str]) -> TempDir {
    let setup = words.iter().fold(Setup::again(folder), |setup, word| setup.arg(word));
    let (folder, finished) = setup.spawn().wait_in_folder().await;
    assert!(finished.status.success(), "{finished:?}");
    folder
}

/// What is known once all documents have this channel.
async fn known_with(viewer: &Viewer<'_>, channel: &str) -> Known {
    let wait = async {
        loop {
            let known = viewer.known().await;
            if known.get(channel).is_some_and(|it| it.len() == DOCUMENTS) {
                return known;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("the list comes to be so")
}

/// All of these are known by the same as before.
fn assert_kept(known: &Known, before: &Known, what: &str) {
    for (name, known_by) in before {
        assert_eq!(known.get(name), Some(known_by), "{name} after {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_known_by_the_same_after_refreshes_a_kill_new_secrets_and_a_restore() {
    let setup = Setup::new(CONFIG);
    let first = [(1, "News"), (2, "Films"), (3, "News"), (4, "Kids")];
    std::fs::write(setup.path("list.m3u"), list("a.example", "joe/old", &first)).unwrap();
    let program = setup.start().await;
    let relay = json!({ "output_path": "relay", "name": "Relay", "source_urls": ["testcard://"] });
    ask(&program, "POST", "/api/relays", &relay).await;
    let user = json!({ "name": "ann", "password": "correct-horse" });
    let made = ask(&program, "POST", "/api/users", &user).await;
    let key =
        made["playlist_url"].as_str().and_then(|url| url.strip_suffix("/playlist.m3u")?.rsplit('/').next());
    let key = key.unwrap().to_owned();
    let viewer = Viewer { program: &program, key: &key, password: "correct-horse" };
    let before = known_with(&viewer, "Channel 4").await;
    let counts: Vec<usize> = before.values().map(BTreeSet::len).collect();
    // The device is the last one.
    assert_eq!(counts, [DOCUMENTS, DOCUMENTS, DOCUMENTS, DOCUMENTS, DOCUMENTS, DOCUMENTS, 1], "{before:#?}");

    // Another host and account, in another order and other groups, behind and between new ones; one
    // is missing.
    let second = [(9, "News"), (4, "Films"), (8, "Sport"), (2, "Films"), (1, "News")];
    std::fs::write(program.folder().join("list.m3u"), list("b.example", "ann/new", &second)).unwrap();
    ask(&program, "POST", "/api/playlists/1/refresh", &json!({})).await;
    let known = known_with(&viewer, "Channel 9").await;
    let mut left = before.clone();
    left.remove("Channel 3");
    assert_kept(&known, &left, "a refresh");
    // It comes back as it was.
    let third = [(9, "News"), (3, "Sport"), (8, "Sport"), (4, "Kids"), (2, "Films"), (1, "News")];
    std::fs::write(program.folder().join("list.m3u"), list("c.example", "ann/new", &third)).unwrap();
    ask(&program, "POST", "/api/playlists/1/refresh", &json!({})).await;
    let before_all = known_with(&viewer, "Channel 3").await;
    assert_kept(&before_all, &before, "two refreshes");

    program.signal(Signal::KILL);
    let (folder, _) = program.wait_in_folder().await;
    let program = Setup::again(folder).start().await;
    let viewer = Viewer { program: &program, key: &key, password: "correct-horse" };
    assert_eq!(viewer.known().await, before_all, "after a kill");

    // Another password, another key that signs, and another token of the console.
    ask(&program, "PATCH", &format!("/api/users/{}", made["id"]), &json!({ "password": "another-horse" }))
        .await;
    program.signal(Signal::TERM);
    let (folder, _) = program.wait_in_folder().await;
    std::fs::remove_file(folder.path().join("hls_cache/admin.token")).unwrap();
    let database = Database::open(&folder.path().join("data")).unwrap();
    let insert =
        |connection: &rusqlite::Connection| stream_tokens::insert_key(connection, "another", &[7; 32]);
    database.write(insert).await.unwrap();
    database.close().await;
    let program = Setup::again(folder).start().await;
    let viewer = Viewer { program: &program, key: &key, password: "another-horse" };
    assert_eq!(viewer.known().await, before_all, "after new secrets");

    program.signal(Signal::TERM);
    let (folder, _) = program.wait_in_folder().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("forebay.backup");
    run(folder, &["backup", file.to_str().unwrap()]).await;
    let empty = run(tempfile::tempdir().unwrap(), &["restore", file.to_str().unwrap()]).await;
    // The provider's file is none of ours, and not there yet.
    let program = Setup::again(empty).start().await;
    let viewer = Viewer { program: &program, key: &key, password: "another-horse" };
    assert_eq!(viewer.known().await, before_all, "after a restore");
}
