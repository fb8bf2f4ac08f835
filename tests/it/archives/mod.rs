//! Catch-up from the archives of providers: who is offered it, how providers are asked, and what
//! becomes of it.

mod answers;
mod connections;
mod offers;

use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{self, Answer, Ended, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Account, Behaviour, Origin, Reply, Request as Asked};
use forebay_testkit::ts::{Checker, PACKET_SIZE};
use futures_util::future::join_all;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::epg;
use crate::program::Setup;
use crate::relay::Relay;
use crate::tokens::{ask, user};

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(10);
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Where lists may name addresses of this machine.
const HOUSE: &str = "allow_private_sources = true\n";

fn clip() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac))
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// A whole minute so long ago.
fn minute_before(seconds: i64) -> i64 {
    (now() - seconds).div_euclid(60) * 60
}

/// An archive as a file, with a length, ranges and a tag, like that of a server of files.
fn file() -> Behaviour {
    Behaviour::handler(|request| answer_file(request, Clip::get(Kind::H264Aac).bytes()))
}

fn answer_file(request: &Asked, bytes: &[u8]) -> Reply {
    let range = request.header("Range").and_then(|range| range.strip_prefix("bytes="));
    let is_stale = request.header("If-Range").is_some_and(|tag| tag != "\"v1\"");
    let bound = |text: &str| text.parse::<usize>().ok();
    let asked = range.filter(|_| !is_stale).and_then(|range| range.split_once('-'));
    let mut reply = match asked.map(|(start, end)| (bound(start), bound(end))) {
        Some((Some(start), _)) if start >= bytes.len() => {
            let mut reply = Reply::new(416, "text/html", "<html>no such range</html>");
            reply.headers.push(("Content-Range".into(), format!("bytes */{}", bytes.len())));
            return reply;
        }
        Some((Some(start), end)) => {
            let end = end.map_or(bytes.len(), |end| (end + 1).min(bytes.len()));
            let mut reply = Reply::new(206, "video/mp2t", &bytes[start..end]);
            let range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
            reply.headers.push(("Content-Range".into(), range));
            reply
        }
        _ => Reply::new(200, "application/octet-stream", bytes),
    };
    for (name, value) in [("ETag", "\"v1\""), ("Accept-Ranges", "bytes"), ("Set-Cookie", "secret=1")] {
        reply.headers.push((name.into(), value.into()));
    }
    reply
}

/// Adds a playlist with this list, and returns its number.
async fn add(address: SocketAddr, name: &str, list: &str) -> u64 {
    let made = Request::new("POST", address, "/api/playlists").json(&json!({ "name": name }));
    let made = made.send().await.expect("the relay answers").json();
    let id = made["id"].as_u64().expect("a number");
    let path = format!("/api/playlists/{id}/list");
    let sent = Request::new("PUT", address, &path).body("audio/x-mpegurl", format!("#EXTM3U\n{list}"));
    let sent = sent.send().await.expect("the relay answers");
    assert_eq!(sent.status, 200, "{}", sent.text());
    id
}

/// A channel of a list.
fn entry(name: &str, attributes: &str, url: &str) -> String {
    format!("#EXTINF:-1 {attributes},{name}\n{url}\n")
}

/// The line of a list that tells of a channel.
async fn listed(relay: &Relay, name: &str) -> String {
    let list = ask(relay, "GET", "/playlist.m3u", None).await.text();
    let line = list.lines().find(|line| line.ends_with(&format!(",{name}")));
    line.unwrap_or_else(|| panic!("{name} is listed: {list}")).to_owned()
}

fn code(answer: &Answer) -> String {
    answer.json()["error"]["code"].as_str().expect("an error has a code").to_owned()
}

async fn viewers(relay: &Relay) -> Vec<Value> {
    let (_, list) = client::get_json(relay.address(), "/api/viewers").await;
    list["viewers"].as_array().expect("a list").clone()
}

/// A panel in Toronto with an archive of the first of its two channels.
async fn panel(account: &Account) -> Origin {
    let origin = Origin::start().await;
    let answer = |request: &Asked| {
        let body = if request.path.ends_with("get_live_categories") {
            json!([{ "category_id": "1", "category_name": "News", "parent_id": 0 }])
        } else if request.path.ends_with("get_live_streams") {
            json!([
                { "num": 1, "name": "One", "stream_type": "live", "stream_id": 1, "epg_channel_id": "one.uk",
                  "category_id": "1", "tv_archive": 1, "tv_archive_duration": "60" },
                { "num": 2, "name": "Two", "stream_type": "live", "stream_id": 2, "epg_channel_id": "two.uk",
                  "category_id": "1", "tv_archive": 0, "tv_archive_duration": 0 },
            ])
        } else {
            json!({
                "user_info": { "auth": 1, "status": "Active", "max_connections": "1" },
                "server_info": { "timezone": "America/Toronto" },
            })
        };
        Reply::new(200, "application/json", body.to_string())
    };
    origin.serve("/player_api.php", Behaviour::handler(answer));
    for number in [1, 2] {
        origin.serve(&format!("/live/joe/secret/{number}.ts"), clip().account(account));
    }
    origin
}

/// Adds the account at this panel, and waits until it was read.
async fn add_account(relay: &Relay, origin: &Origin) {
    let made =
        json!({ "name": "Mine", "kind": "xtream", "url": format!("http://joe:secret@{}", origin.address()) });
    assert_eq!(ask(relay, "POST", "/api/playlists", Some(made)).await.status, 201);
    let is_read = async {
        while ask(relay, "GET", "/api/playlists/1", None).await.json()["state"]["summary"]["live"] != 2 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, is_read).await.expect("the account is read");
}

/// Moments that a panel with an archive of sixty days may be asked for: around a change of its
/// clock, if there was one lately, and else just so. What is asked around fixed changes is in the
/// tables of the core (`lineup::catchup`).
fn moments(zone: &TimeZone) -> Vec<i64> {
    let before = Timestamp::now();
    let change = zone.preceding(before).next().map(|change| change.timestamp().as_second());
    let changed = change.filter(|&at| at > now() - 59 * DAY);
    let around = changed.into_iter().flat_map(|at| (-3..=3).map(move |half| at + half * HOUR / 2));
    around.chain([minute_before(2 * HOUR), minute_before(20 * DAY)]).collect()
}

const PASSWORD: &str = "zyxarchivepassword";
const TOKEN: &str = "zyx7Archive4Token9f3a8c21d4e8b605";
