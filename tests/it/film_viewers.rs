//! Films are for those who may watch them, as channels are.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use forebay_testkit::client::{Request, get_json};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::films::usual;
use crate::relay::Relay;
use crate::tokens::{ask, make, user};

/// A look into the folders is due each second.
const SOON: Duration = Duration::from_secs(15);

const KIDS: &str = "0188f5e0-7b1c-4d2e-9a3f-0011223300aa";
const LATE: &str = "0188f5e0-7b1c-4d2e-9a3f-0011223300bb";

/// Two films in two folders, one of them for adults. Nobody watches who is not known.
async fn start(server: &str) -> (Relay, TempDir) {
    start_with(server, 0).await
}

/// The same with films of so many bytes more, which no player looks at.
async fn start_with(server: &str, more: u32) -> (Relay, TempDir) {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo has made a folder for tests");
    for (name, id) in [("Kids", KIDS), ("Late", LATE)] {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).expect("the folder is new");
        let path = path.join(format!("{id}.mp4"));
        std::fs::copy(usual(), &path).expect("there is room for a clip");
        pad(&path, more).expect("there is room for a clip");
    }
    let relay = Relay::start(&format!(
        "{server}\n[auth]\nstreams = 'token'\nadult_groups = ['late']\n\
         [films]\nfolders = ['{}']\nrescan = '1s'\n[[channels]]\nid = 'one'\nsources = ['testcard://']\n",
        folder.path().display()
    ));
    let all = adult(&relay, "somebody", json!({})).await;
    let until = Instant::now() + SOON;
    while get_json(relay.address(), &format!("{all}/api/v1/videos")).await.1["total"] != 2 {
        assert!(Instant::now() < until, "there are two films");
        sleep(Duration::from_millis(50)).await;
    }
    (relay, folder)
}

/// Puts a free box of some length behind a film.
fn pad(path: &Path, length: u32) -> std::io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    let mut file = std::fs::OpenOptions::new().append(true).open(path)?;
    file.write_all(&[&length.to_be_bytes()[..], b"free"].concat())?;
    let end = file.metadata()?.len() + u64::from(length) - 8;
    file.set_len(end)
}

/// A user who may watch everything, unless `more` says otherwise; the path that shows it.
async fn adult(relay: &Relay, name: &str, more: Value) -> String {
    let path = user(relay, name, "pro").await;
    change(relay, name, json!({ "adult": true })).await;
    change(relay, name, more).await;
    path
}

async fn change(relay: &Relay, name: &str, fields: Value) {
    let (_, list) = get_json(relay.address(), "/api/users").await;
    let users = list["users"].as_array().expect("a list");
    let user = users.iter().find(|user| user["name"] == name).expect("the user is there");
    let path = format!("/api/users/{}", user["id"]);
    let answer =
        Request::new("PATCH", relay.address(), &path).json(&fields).send().await.expect("it answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// All that there is of a film.
fn addresses(id: &str) -> [String; 6] {
    [
        format!("/stream/{id}"),
        format!("/hls/{id}/master.m3u8"),
        format!("/hls/{id}/main.m3u8"),
        format!("/hls/{id}/main/0.m4s"),
        format!("/dash/{id}/manifest.mpd"),
        format!("/api/v1/videos/{id}/stream-config"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_for_those_whose_groups_it_is_in() {
    let (relay, _folder) = start("").await;
    let kids = adult(&relay, "kid", json!({ "groups": ["kids"] })).await;
    let one = adult(&relay, "one", json!({ "channels": [LATE] })).await;
    let young = adult(&relay, "young", json!({ "adult": false })).await;
    let all = adult(&relay, "all", json!({})).await;
    for (who, allowed) in [(&kids, &[KIDS][..]), (&one, &[LATE]), (&young, &[KIDS]), (&all, &[KIDS, LATE])] {
        let (_, list) = get_json(relay.address(), &format!("{who}/api/v1/videos")).await;
        let videos = list["videos"].as_array().expect("a list");
        let listed: Vec<&str> = videos.iter().map(|video| video["id"].as_str().unwrap()).collect();
        assert_eq!(listed, allowed, "{who}");
        for id in [KIDS, LATE] {
            for path in addresses(id) {
                let answer = ask(&relay, "GET", &format!("{who}{path}"), None).await;
                let expected = if allowed.contains(&id) { 200 } else { 403 };
                assert_eq!(answer.status, expected, "{who}{path}: {}", answer.text());
                assert_eq!(ask(&relay, "GET", &path, None).await.status, 401, "{path} by nobody");
            }
        }
    }
}

/// The addresses that a document names, by what stands in front of each.
fn named<'a>(text: &'a str, marks: &[&str]) -> Vec<&'a str> {
    let behind = |mark: &&str| {
        let parts = text.split(*mark).skip(1).filter_map(|rest| rest.split('"').next());
        parts.collect::<Vec<_>>()
    };
    marks.iter().flat_map(behind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_query_is_carried_to_all_that_a_film_consists_of() {
    let (relay, _folder) = start("").await;
    let all = adult(&relay, "all", json!({})).await;
    let (token, url) = make(&relay, &all, json!({ "film": LATE })).await;
    let get = async |path: &str| ask(&relay, "GET", path, None).await;
    assert_eq!(get(&url).await.status, 200, "the file itself");
    let master = get(&format!("/hls/{LATE}/master.m3u8?token={token}")).await.text();
    let media = get(&format!("/hls/{LATE}/main.m3u8?token={token}")).await.text();
    let mut paths: Vec<String> = Vec::new();
    for text in [&master, &media] {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        paths.extend(lines.chain(named(text, &["URI=\""])).map(|name| format!("/hls/{LATE}/{name}")));
    }
    let manifest = get(&format!("/dash/{LATE}/manifest.mpd?token={token}")).await.text();
    for name in named(&manifest, &["initialization=\"", "media=\""]) {
        // As it is resolved, seen from the manifest.
        let name = name.strip_prefix("../../").expect("the segments are those of HLS");
        paths.push(format!("/{}", name.replace("$Number$", "0")));
    }
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        assert!(path.ends_with(&format!("?token={token}")), "{path}");
        assert_eq!(get(&path).await.status, 200, "{path}");
    }
    // It is good for this film, and what an address names may be one.
    assert_eq!(get(&format!("/hls/{KIDS}/master.m3u8?token={token}")).await.status, 403);
    let (other, _) = make(&relay, &all, json!({ "videoUrl": format!("/dash/{KIDS}/manifest.mpd") })).await;
    assert_eq!(get(&format!("/t/{other}/hls/{KIDS}/master.m3u8")).await.status, 200);
    let (group, url) = make(&relay, &all, json!({ "group": "KIDS" })).await;
    assert_eq!(get(&format!("/t/{group}/stream/{KIDS}")).await.status, 200);
    assert_eq!(get(&format!("{url}?film={KIDS}")).await.status, 200);
    // A value of the query is one word of a line, whatever it is.
    let injected = get(&format!("/t/{token}/hls/{LATE}/main.m3u8?token=a%0A%22b")).await.text();
    assert!(!injected.contains("\"b"), "{injected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_counts_among_the_streams_of_its_user_and_ends_with_it() {
    const SIZE: u32 = 64 << 20;
    let (relay, _folder) = start_with("", SIZE).await;
    let ann = adult(&relay, "ann", json!({ "max_streams": 1 })).await;
    let by = |agent: &str, path: &str| {
        Request::get(relay.address(), &format!("{ann}{path}")).header("User-Agent", agent)
    };
    // So slowly that it is being sent all the time.
    let mut file = by("one", &format!("/stream/{KIDS}")).receive_buffer(4096).open().await.unwrap();
    assert_eq!(file.status(), 200);
    for path in [format!("/hls/{KIDS}/main/0.m4s"), format!("/hls/{KIDS}/master.m3u8")] {
        assert_eq!(by("one", &path).send().await.unwrap().status, 200, "the same player: {path}");
    }
    for path in [format!("/stream/{LATE}"), format!("/hls/{KIDS}/main.m3u8"), "/stream/one".to_owned()] {
        let refused = by("two", &path).send().await.unwrap();
        assert_eq!(refused.status, 429, "{path}: {}", refused.text());
    }
    assert_eq!(by("two", &format!("/stream/{KIDS}")).send().await.unwrap().status, 429);

    change(&relay, "ann", json!({ "disabled": true })).await;
    let began = Instant::now();
    let rest = timeout(SOON, file.read_to_end()).await.expect("it ends");
    println!("{} bytes came {:.0?} behind the answer", rest.len(), began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(file.total() < u64::from(SIZE), "it was cut");
    assert_eq!(by("one", &format!("/hls/{KIDS}/main/1.m4s")).send().await.unwrap().status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn films_count_for_the_limits_of_addresses_and_bandwidth() {
    let (relay, _folder) = start("max_viewers_per_address = 1\n").await;
    let ann = adult(&relay, "ann", json!({})).await;
    let by = |agent: &str| {
        Request::get(relay.address(), &format!("{ann}/hls/{KIDS}/main.m3u8")).header("User-Agent", agent)
    };
    assert_eq!(by("one").send().await.unwrap().status, 200);
    assert_eq!(by("one").send().await.unwrap().status, 200, "it is one viewer");
    let refused = by("two").send().await.unwrap();
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &json!("address_limit")));

    // Enough for one of them, on average, and for no other.
    let limit = std::fs::metadata(usual()).unwrap().len() * 8 / 20 * 3 / 2 / 1000;
    let (relay, _folder) = start(&format!("max_bandwidth = '{limit} kbit/s'\n")).await;
    let ann = adult(&relay, "ann", json!({})).await;
    let ask_for = async |id: &str| ask(&relay, "GET", &format!("{ann}/hls/{id}/main.m3u8"), None).await;
    assert_eq!(ask_for(KIDS).await.status, 200);
    let refused = ask_for(LATE).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &json!("no_bandwidth")));
}
