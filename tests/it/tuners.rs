//! The channels as HDHomeRun devices: what Plex, Jellyfin and Channels ask, and what stays.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{Answer, Request, Viewer};
use forebay_testkit::ts::PACKET_SIZE;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::program::{Program, Setup};
use crate::relay::Relay;

async fn get(address: SocketAddr, path: &str) -> Answer {
    Request::get(address, path).send().await.expect("the server answers")
}

async fn json_of(address: SocketAddr, path: &str) -> Value {
    let answer = get(address, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(answer.header("Content-Type"), Some("application/json"), "{path}");
    answer.json()
}

/// So many channels, ten in a group.
fn channels(count: usize) -> String {
    let one = |at: usize| {
        format!(
            "[[channels]]\nid = 'c{at}'\nnumber = {at}\ngroup = 'G{}'\nsources = ['testcard://']\n",
            at / 10
        )
    };
    (1..=count).map(one).collect()
}

const THREE: &str = "[hdhomerun]\nname = 'Tea & TV'\n\
    [auth]\nadult_groups = ['Late']\n\
    [[providers]]\nid = 'p'\nmax_connections = 3\n\
    [[channels]]\nid = 'one'\nname = 'One <HD>'\nnumber = 5\nsources = ['testcard://']\n\
    [[channels]]\nid = 'two'\nsources = ['testcard://']\n\
    [[channels]]\nid = 'late'\ngroup = 'Late'\nnumber = 7\nsources = ['testcard://']\n";

#[tokio::test]
async fn the_documents_are_what_plex_and_jellyfin_read() {
    let relay = Relay::start(THREE);
    let (address, base) = (relay.address(), format!("http://{}", relay.address()));
    let mut device = json_of(address, "/discover.json").await;
    let id = device["DeviceID"].take();
    let id = id.as_str().expect("a text");
    assert!(id.len() == 8 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')), "{id}");
    let expected = json!({
        "BaseURL": base, "DeviceAuth": "forebay", "DeviceID": null, "FirmwareName": "hdhomerun4_atsc",
        "FirmwareVersion": "20200101", "FriendlyName": "Tea & TV", "LineupURL": format!("{base}/lineup.json"),
        "Manufacturer": "Silicondust", "ModelNumber": "HDHR4-2US", "TunerCount": 3,
    });
    assert_eq!(device, expected);
    // What is for adults is for nobody who is not known.
    let lineup = json_of(address, "/lineup.json").await;
    let expected = json!([
        { "GuideName": "One <HD>", "GuideNumber": "5", "URL": format!("{base}/auto/v5") },
        { "GuideName": "two", "GuideNumber": "10000", "URL": format!("{base}/auto/v10000") },
    ]);
    assert_eq!(lineup, expected);
    let status = json_of(address, "/lineup_status.json").await;
    let expected =
        json!({ "ScanInProgress": 0, "ScanPossible": 1, "Source": "Cable", "SourceList": ["Cable"] });
    assert_eq!(status, expected);
    let xml = get(address, "/device.xml").await.text();
    for part in [
        "<friendlyName>Tea &amp; TV</friendlyName>",
        &format!("<URLBase>{base}</URLBase>"),
        &format!("<UDN>uuid:{id}</UDN>"),
        "<deviceType>urn:schemas-upnp-org:device:MediaServer:1</deviceType>",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    for (query, status) in [("scan=start", 200), ("scan=abort", 200), ("", 400), ("scan=all", 400)] {
        let answer = Request::new("POST", address, &format!("/lineup.post?{query}")).send().await.unwrap();
        assert_eq!(answer.status, status, "{query}");
    }
}

#[tokio::test]
async fn a_number_plays_and_a_wrong_one_is_told_in_the_vendors_words() {
    let relay = Relay::start(THREE);
    json_of(relay.address(), "/lineup.json").await;
    for path in ["/auto/v5", "/auto/v10000", "/hdhr/1/auto/v5"] {
        // As Plex asks: a stream is no file, of which there are ranges.
        let request = Request::get(relay.address(), path).header("Range", "bytes=0-");
        let mut viewer = request.open().await.expect("it is answered");
        assert_eq!(viewer.status(), 200, "{path}");
        assert!(viewer.read_until(10 * PACKET_SIZE).await.len() >= 10 * PACKET_SIZE, "{path}");
    }
    for (path, status) in [
        ("/auto/v6", 404),
        ("/auto/5", 404),
        ("/auto/v7", 403),
        ("/hdhr/101/lineup.json", 404),
        ("/hdhr/2/discover.json", 404),
        ("/hdhr/x/lineup.json", 404),
    ] {
        let answer = get(relay.address(), path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let told = answer.header("X-HDHomeRun-Error");
        let expected = (path.starts_with("/auto/") && status == 404).then_some("801 Unknown Channel");
        assert!(status == 403 || told == expected, "{path}: {told:?}");
    }
}

#[tokio::test]
async fn a_user_has_a_device_of_what_he_or_she_may_watch() {
    let relay = Relay::start(
        &format!("{THREE}[[channels]]\nid = 'news'\ngroup = 'News'\nnumber = 9\nsources = ['testcard://']\n")
            .replace("[auth]", "[auth]\nstreams = 'token'"),
    );
    let user =
        json!({ "name": "ann", "password": "correct horse", "groups": ["News", "Late"], "max_streams": 2 });
    let made = Request::new("POST", relay.address(), "/api/users").json(&user).send().await.unwrap();
    let url = made.json()["playlist_url"].as_str().expect("an address").to_owned();
    let base = url.strip_suffix("/playlist.m3u").unwrap();
    let path = base.strip_prefix(&format!("http://{}", relay.address())).unwrap();
    assert_eq!(get(relay.address(), "/discover.json").await.status, 401);
    assert_eq!(get(relay.address(), "/auto/v9").await.status, 401);
    let device = json_of(relay.address(), &format!("{path}/discover.json")).await;
    assert_eq!((&device["BaseURL"], &device["TunerCount"]), (&json!(base), &json!(2)));
    assert_eq!(device["LineupURL"], json!(format!("{base}/lineup.json")));
    let lineup = json_of(relay.address(), &format!("{path}/lineup.json")).await;
    let expected = json!([{ "GuideName": "news", "GuideNumber": "9", "URL": format!("{base}/auto/v9") }]);
    assert_eq!(lineup, expected);
    let mut viewer = Viewer::get(relay.address(), &format!("{path}/auto/v9")).await;
    assert_eq!(viewer.status(), 200);
    assert!(viewer.read_until(PACKET_SIZE).await.len() >= PACKET_SIZE);
    for number in ["5", "7"] {
        assert_eq!(get(relay.address(), &format!("{path}/auto/v{number}")).await.status, 403, "{number}");
    }
}

/// The devices and their lists, without the port of the server.
async fn devices(program: &Program) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for device in 1..=3 {
        let mut texts = Vec::new();
        for document in ["lineup.json", "discover.json"] {
            let answer = get(program.address(), &format!("/hdhr/{device}/{document}")).await;
            assert_eq!(answer.status, 200, "{device}: {}", answer.text());
            texts.push(answer.text().replace(&program.address().to_string(), "HOST"));
        }
        all.push((texts.remove(0), texts.remove(0)));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn thirteen_hundred_channels_are_three_devices_which_outlive_a_kill_and_one_channel_more() {
    let text = channels(1_300);
    let program = Setup::new(&text).start().await;
    let before = devices(&program).await;
    let lists: Vec<Value> = before.iter().map(|(list, _)| serde_json::from_str(list).unwrap()).collect();
    let counts: Vec<usize> = lists.iter().map(|list| list.as_array().unwrap().len()).collect();
    assert!(counts.iter().all(|&count| count <= 480) && counts.iter().sum::<usize>() == 1_300, "{counts:?}");
    assert_eq!(get(program.address(), "/hdhr/4/discover.json").await.status, 404);

    program.signal(Signal::KILL);
    let (folder, _) = program.wait_in_folder().await;
    let program = Setup::again(folder).start().await;
    assert_eq!(devices(&program).await, before, "byte for byte");

    // In front of all others.
    let more = format!("[[channels]]\nid = 'new'\ngroup = 'G1'\nsources = ['testcard://']\n{text}");
    program.set_config(&more);
    program.signal(Signal::HUP);
    let find = async {
        loop {
            let after = devices(&program).await;
            if after != before {
                break after;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let after = tokio::time::timeout(Duration::from_secs(30), find).await.expect("it is listed");
    for ((list, device), (old, old_device)) in after.iter().zip(&before) {
        assert_eq!(device, old_device);
        let list: Value = serde_json::from_str(list).unwrap();
        let kept: Vec<&Value> =
            list.as_array().unwrap().iter().filter(|one| one["GuideName"] != "new").collect();
        let old: Value = serde_json::from_str(old).unwrap();
        assert_eq!(kept, old.as_array().unwrap().iter().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn whoever_wants_no_tuners_has_none() {
    let relay = Relay::start(&format!("[hdhomerun]\nenabled = false\n{}", channels(1)));
    for path in ["/discover.json", "/lineup.json", "/device.xml", "/lineup_status.json", "/auto/v1"] {
        let answer = get(relay.address(), path).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!("no_tuner")), "{path}");
    }
}
