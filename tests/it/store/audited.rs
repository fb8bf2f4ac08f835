//! The audit log: who changed which relay, playlist and channel, told to an admin, without secrets.

use forebay_testkit::client::Request;
use serde_json::{Value, json};

use super::playlists::ask;
use crate::relay::Relay;

/// What must stand nowhere.
const SECRET: &str = "hunter2";

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_relays_playlists_and_channels_are_told_with_before_and_after_and_no_secret() {
    let relay = Relay::start("");
    let address = relay.address();
    let change = async |method: &str, path: &str, body: Value| {
        let answer = ask(address, method, path, (!body.is_null()).then_some(body)).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        answer
    };
    let url = format!("http://joe:{SECRET}@cdn.example/1.ts?token={SECRET}");
    let made = json!({ "output_path": "one", "name": "One", "source_urls": [url] });
    change("POST", "/api/relays", made).await;
    change("PATCH", "/api/relays/1", json!({ "name": "Two" })).await;
    change("DELETE", "/api/relays/1", Value::Null).await;

    change("POST", "/api/playlists", json!({ "name": "A" })).await;
    change("PATCH", "/api/playlists/1", json!({ "max_loss": 50, "headers": { "X-Key": SECRET } })).await;
    let entry = |at: u32| format!("#EXTINF:-1,C{at}\nhttp://cdn.example/live/u/{SECRET}/{at}.ts\n");
    let list: String = (1..=3).map(entry).collect();
    let sent = Request::new("PUT", address, "/api/playlists/1/list").body("audio/x-mpegurl", list);
    assert_eq!(sent.send().await.expect("the relay answers").status, 200);
    let rule = json!({ "contains": "C3", "action": "set_adult" });
    change("PUT", "/api/playlists/1/rules", json!({ "rules": [rule] })).await;
    change("PATCH", "/api/lineup/channels/1", json!({ "name": "Mine" })).await;
    let many = json!({ "channels": [1, 2], "set": { "group": "G", "logo": null } });
    let batch = change("POST", "/api/lineup/edits", many).await.json()["batch"].clone();
    change("DELETE", &format!("/api/lineup/edits/{batch}"), Value::Null).await;
    change("POST", "/api/lineup/moves", json!({ "channels": [3], "before": 1 })).await;
    change("POST", "/api/lineup/groups/moves", json!({ "groups": [1] })).await;
    let force = json!({ "channel": 1, "other": 2, "decision": "force" });
    change("POST", "/api/lineup/merges", force).await;
    change("DELETE", "/api/playlists/1", Value::Null).await;
    // What was refused has changed nothing.
    assert_eq!(ask(address, "DELETE", "/api/relays/1", None).await.status, 404);
    assert_eq!(ask(address, "DELETE", "/api/playlists/1", None).await.status, 404);

    let log = ask(address, "GET", "/api/audit", None).await;
    let entries = log.json()["entries"].as_array().expect("a list").clone();
    let told: Vec<(String, String)> = entries
        .iter()
        .rev()
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().expect("a text").to_owned();
            assert!(text("actor").starts_with("address:127."), "{entry}");
            (text("action"), text("object"))
        })
        .collect();
    let expected = [
        ("relay.create", "relay:1"),
        ("relay.change", "relay:1"),
        ("relay.remove", "relay:1"),
        ("playlist.create", "playlist:1"),
        ("playlist.change", "playlist:1"),
        ("playlist.upload", "playlist:1"),
        ("playlist.rules", "playlist:1"),
        ("channel.edit", "edits:1"),
        ("channel.edit", "edits:2"),
        ("channel.undo", "edits:2"),
        ("channel.move", "edits:4"),
        ("group.move", "groups"),
        ("channel.merge", "channel:1"),
        ("playlist.remove", "playlist:1"),
    ];
    assert_eq!(told, expected.map(|(action, object)| (action.to_owned(), object.to_owned())));
    let of = |action: &str, place: usize| {
        entries.iter().rev().filter(|entry| entry["action"] == action).nth(place).expect("it is there")
    };
    let renamed = of("relay.change", 0);
    assert_eq!(
        (&renamed["before"]["name"], &renamed["after"]["name"]),
        (&json!("One"), &json!("Two")),
        "{renamed}"
    );
    let source = renamed["before"]["source_urls"][0].as_str().expect("it is told");
    assert!(source.contains("cdn.example"), "{source}");
    assert_eq!(
        (&of("relay.create", 0)["before"], &of("relay.remove", 0)["after"]),
        (&json!(null), &json!(null))
    );
    let settings = of("playlist.change", 0);
    assert_eq!((settings["before"].get("max_loss"), &settings["after"]["max_loss"]), (None, &json!(50)));
    assert_eq!(of("playlist.upload", 0)["after"], json!({ "added": 3, "changed": 0, "absent": 0 }));
    let edited = json!({ "channels": 2, "first": 1, "fields": ["group", "logo"] });
    assert_eq!(of("channel.edit", 1)["after"], edited);
    assert_eq!(of("channel.merge", 0)["after"], json!({ "other": 2, "decision": "force" }));
    assert!(!log.text().contains(SECRET), "{}", log.text());
}
