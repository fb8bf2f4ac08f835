//! Catch-up from the archives of providers: who is offered it, how providers are asked, and what becomes of it.

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

/// Moments that a panel with an archive of sixty days may be asked for: around a change of its clock, if there was one
/// lately, and else just so. What is asked around fixed changes is in the tables of the core (`lineup::catchup`).
fn moments(zone: &TimeZone) -> Vec<i64> {
    let before = Timestamp::now();
    let change = zone.preceding(before).next().map(|change| change.timestamp().as_second());
    let changed = change.filter(|&at| at > now() - 59 * DAY);
    let around = changed.into_iter().flat_map(|at| (-3..=3).map(move |half| at + half * HOUR / 2));
    around.chain([minute_before(2 * HOUR), minute_before(20 * DAY)]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_18_a_panel_is_asked_by_its_own_clock_for_what_it_offers() {
    let account = Account::new(1);
    let origin = panel(&account).await;
    origin.serve("/timeshift/*", file().account(&account));
    let guide = |id: &str, ago: i64| {
        let at = |at: i64| {
            Timestamp::from_second(at).expect("it is near").strftime("%Y%m%d%H%M%S +0000").to_string()
        };
        let (start, stop) = (at(now() - ago), at(now() - ago + HOUR));
        format!("<programme start=\"{start}\" stop=\"{stop}\" channel=\"{id}\"><title>T</title></programme>")
    };
    let programmes: String =
        ["one.uk", "two.uk"].iter().flat_map(|id| [2 * DAY, -DAY].map(|ago| guide(id, ago))).collect();
    origin.serve("/guide.xml", Behaviour::body("application/xml", format!("<tv>{programmes}</tv>")));
    let guides = format!("[[guides]]\nid = 'g'\nurl = {:?}\n", origin.url("/guide.xml"));
    let relay = Relay::start(&format!("{HOUSE}{guides}"));
    add_account(&relay, &origin).await;
    let ann = json!({ "name": "ann", "password": "correct horse" });
    assert_eq!(ask(&relay, "POST", "/api/users", Some(ann)).await.status, 201);

    // Offered where there is an archive, and nowhere else.
    let (one, two) = (listed(&relay, "One").await, listed(&relay, "Two").await);
    assert!(
        one.contains(
            " catchup=\"append\" catchup-type=\"append\" catchup-days=\"60\" \
             catchup-source=\"?utc={utc}&duration={duration}\""
        ),
        "{one}"
    );
    assert!(!two.contains("catchup"), "{two}");
    let of_one = ask(&relay, "GET", "/stream/one-1/channel.m3u", None).await.text();
    assert!(of_one.contains("catchup-days=\"60\""), "{of_one}");
    let login = "username=ann&password=correct%20horse";
    let api = async |more: &str| {
        ask(&relay, "GET", &format!("/player_api.php?{login}&action={more}"), None).await.json()
    };
    let streams = api("get_live_streams").await;
    let told =
        |at: usize| [&streams[at]["tv_archive"], &streams[at]["tv_archive_duration"]].map(Clone::clone);
    assert_eq!((told(0), told(1)), ([json!(1), json!(60)], [json!(0), json!(0)]), "{streams}");
    epg::until(&relay, |guides| guides[0]["matched"] == 2).await;
    let ids = [0, 1].map(|at| streams[at]["stream_id"].clone());
    for (id, expected) in ids.iter().zip([[1, 0], [0, 0]]) {
        let table = api(&format!("get_simple_data_table&stream_id={id}")).await;
        let flags = [0, 1].map(|at| table["epg_listings"][at]["has_archive"].clone());
        assert_eq!(flags, expected.map(Value::from), "{table}");
    }

    // START is what the clock in Toronto showed, whoever asks and however.
    let zone = TimeZone::get("America/Toronto").expect("it is known");
    for at in moments(&zone) {
        let shown = |zone: &TimeZone| {
            let at = Timestamp::from_second(at).expect("it is near");
            zone.to_datetime(at).strftime("%Y-%m-%d:%H-%M").to_string()
        };
        let in_utc = shown(&TimeZone::UTC);
        for path in [
            format!("/stream/one-1.ts?utc={at}&duration=3600"),
            format!("/timeshift/ann/correct%20horse/60/{in_utc}/{}.ts", ids[0]),
            format!("/streaming/timeshift.php?{login}&stream={}&start={in_utc}&duration=60", ids[0]),
        ] {
            let answer = ask(&relay, "GET", &path, None).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert_eq!(answer.body, Clip::get(Kind::H264Aac).bytes(), "{path}");
            let asked = origin.requests().last().expect("it was asked").path.clone();
            assert_eq!(asked, format!("/timeshift/joe/secret/60/{}/1.ts", shown(&zone)), "{path}");
        }
    }
    assert_eq!((account.most(), account.violations()), (1, 0));

    // Of what has not been, is too long ago, or is of a channel without an archive nobody is asked.
    let asked = origin.requests().len();
    for (channel, at) in [("one-1", now() + HOUR), ("one-1", now() - 62 * DAY), ("two-2", now() - HOUR)] {
        for method in ["GET", "HEAD"] {
            let answer =
                ask(&relay, method, &format!("/stream/{channel}.ts?utc={at}&duration=60"), None).await;
            assert_eq!(answer.status, 404, "{method} {channel} {at}");
        }
    }
    let head = ask(&relay, "HEAD", &format!("/stream/one-1.ts?utc={}", now() - HOUR), None).await;
    assert_eq!((head.status, head.header("Content-Type")), (200, Some("video/mp2t")));
    assert_eq!(origin.requests().len(), asked, "HEAD opens nothing either");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_lists_leads_to_the_address_that_its_players_ask_for() {
    let origin = Origin::start().await;
    let host = origin.url("");
    origin.serve("/*", file());
    for folder in ["/c", "/live/u/p", "/timeshift/u/p/61"] {
        origin.serve(&format!("{folder}/*"), file());
    }
    let at = minute_before(2 * HOUR) + 20;
    let (end, start) = (at + HOUR, Timestamp::from_second(at).expect("it is near"));
    let minute = start.strftime("%Y-%m-%d:%H-%M");
    let days = "catchup-days=\"3\"";
    let table = [
        (
            "append",
            "catchup-source=\"?from={utc}&for={duration}&to=${end}\"",
            "/1.ts",
            format!("/1.ts?from={at}&for=3600&to={end}"),
        ),
        ("shift", "", "/1.ts?a=b", format!("/1.ts?a=b&utc={at}&lutc=NOW")),
        ("flussonic", "", "/c/mpegts", format!("/c/timeshift_abs-{at}.ts")),
        ("xc", "", "/live/u/p/7.ts", format!("/timeshift/u/p/61/{minute}/7.ts")),
        (
            "default",
            &format!("catchup-source=\"{host}/a.ts?s={{Y}}{{m}}{{d}}&d={{duration:60}}\""),
            "/1.ts",
            format!("/a.ts?s={}&d=60", start.strftime("%Y%m%d")),
        ),
    ]
    .map(|(mode, more, live, expected)| (mode, more.to_owned(), live, expected));
    let mut list = String::new();
    for (mode, more, live, _) in &table {
        let player = "#EXTVLCOPT:http-user-agent=Player/1\n#EXTVLCOPT:http-referrer=http://r/\n";
        list += &entry(mode, &format!("catchup=\"{mode}\" {days} {more}"), &format!("{player}{host}{live}"));
    }
    let none =
        entry("none", "catchup=\"vod\" catchup-source=\"http://h/{catchup-id}\"", &origin.url("/2.ts"));
    let relay = Relay::start(HOUSE);
    add(relay.address(), "Mine", &(list + &none)).await;
    for (number, (mode, _, _, expected)) in table.iter().enumerate() {
        let line = listed(&relay, mode).await;
        assert!(line.contains("catchup=\"append\"") && line.contains(days), "{line}");
        let path = format!("/stream/{mode}-{}.ts?utc={at}&duration=3600", number + 1);
        let answer = ask(&relay, "GET", &path, None).await;
        assert_eq!(answer.status, 200, "{mode}: {}", answer.text());
        assert_eq!(answer.body, Clip::get(Kind::H264Aac).bytes(), "{mode}");
        let asked = origin.requests().last().expect("it was asked").clone();
        let (before, behind) = expected.split_once("NOW").unwrap_or((expected, ""));
        assert!(asked.path.starts_with(before) && asked.path.ends_with(behind), "{mode}: {}", asked.path);
        let sent = ["User-Agent", "Referer"].map(|name| asked.header(name));
        assert_eq!(sent, [Some("Player/1"), Some("http://r/")], "{mode}");
    }
    // Of a programme that is still on, what has been shown is asked for.
    let begun = now() - 600;
    ask(&relay, "GET", &format!("/stream/append-1.ts?utc={begun}&duration=3600"), None).await;
    let path = origin.requests().last().expect("it was asked").path.clone();
    let until: i64 = path.rsplit_once("to=").expect("it has an end").1.parse().expect("a number");
    assert!(until <= now(), "{path}");
    let line = listed(&relay, "none").await;
    assert!(!line.contains("catchup"), "{line}");
    assert_eq!(
        ask(&relay, "GET", &format!("/stream/none-6.ts?utc={at}&duration=60"), None).await.status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_lengths_and_tags_are_those_of_the_provider() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", file());
    let relay = Relay::start(HOUSE);
    add(relay.address(), "Mine", &entry("One", "catchup=\"shift\" catchup-days=\"1\"", &origin.url("/a.ts")))
        .await;
    let path = format!("/stream/one-1.ts?utc={}&duration=60", now() - HOUR);
    let clip = Clip::get(Kind::H264Aac);
    let bytes = clip.bytes();
    let get = async |headers: &[(&str, &str)]| {
        let request = Request::get(relay.address(), &path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send().await.expect("the relay answers")
    };
    let whole = get(&[]).await;
    assert_eq!((whole.status, &whole.body[..]), (200, bytes));
    let length = bytes.len().to_string();
    for (name, value) in [
        ("Content-Length", Some(&*length)),
        ("Accept-Ranges", Some("bytes")),
        ("ETag", Some("\"v1\"")),
        ("Content-Type", Some("video/mp2t")),
        ("Set-Cookie", None),
    ] {
        assert_eq!(whole.header(name), value, "{name}");
    }
    let middle = bytes.len() / 2;
    let range = format!("bytes={middle}-{}", middle + 99);
    let part = get(&[("Range", &range), ("If-Range", "\"v1\"")]).await;
    assert_eq!((part.status, &part.body[..]), (206, &bytes[middle..middle + 100]));
    let expected = format!("bytes {middle}-{}/{length}", middle + 99);
    assert_eq!(part.header("Content-Range"), Some(&*expected));
    assert_eq!(part.header("Content-Length"), Some("100"));
    assert_eq!(get(&[("Range", "bytes=0-")]).await.body, bytes);
    // The player has a part of another file.
    let stale = get(&[("Range", &range), ("If-Range", "\"v0\"")]).await;
    assert_eq!((stale.status, stale.body.len()), (200, bytes.len()));
    let beyond = get(&[("Range", &format!("bytes={length}-"))]).await;
    assert_eq!((beyond.status, beyond.body.len()), (416, 0));
    assert_eq!(beyond.header("Content-Range"), Some(&*format!("bytes */{length}")));
    // Several ranges would come as a document of parts.
    assert_eq!(get(&[("Range", "bytes=0-1,5-9")]).await.body, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_takes_a_connection_of_the_provider_as_long_as_it_is_sent() {
    let account = Account::new(1);
    let origin = panel(&account).await;
    origin.serve("/timeshift/*", clip().account(&account));
    let relay = Relay::start(&format!("{HOUSE}[stream]\nidle_timeout = '1m'\n"));
    add_account(&relay, &origin).await;
    let path = format!("/stream/one-1.ts?utc={}&duration=3600", now() - 2 * HOUR);

    // Whoever goes back in time has just left the channel, which lingers with the only connection.
    let mut live = Viewer::get(relay.address(), "/stream/one-1").await;
    assert!(!live.read_until(PACKET_SIZE).await.is_empty());
    drop(live);
    relay.wait_status("one-1", SOON, |status| status["state"] == "stopping").await;
    let mut past = Viewer::get(relay.address(), &path).await;
    assert_eq!(past.status(), 200);
    assert!(past.read_until(50 * PACKET_SIZE).await.len() >= 50 * PACKET_SIZE);

    // Taken, as long as somebody watches, for whoever wants to go back in time as well.
    let later = format!("/stream/one-1.ts?utc={}&duration=3600", now() - 5 * HOUR);
    let other = Request::get(relay.address(), &later).header("User-Agent", "Other/1");
    let refused = other.send().await.expect("the relay answers");
    assert_eq!((refused.status, &*code(&refused)), (503, "provider_limit"));
    assert_eq!(refused.header("Retry-After"), Some("5"));
    assert_eq!(past.ended(), None);
    let (_, status) = client::get_json(relay.address(), "/api/streams/status").await;
    assert_eq!(status["providers"][0]["open"], 1, "{status}");

    // The same player has it at once: it seeks.
    let mut sought = Viewer::get(relay.address(), &later).await;
    assert_eq!(sought.status(), 200);
    assert!(!sought.read_until(PACKET_SIZE).await.is_empty());
    timeout(SECOND, past.read_to_end()).await.expect("it was ended");
    assert_ne!(past.ended(), Some(&Ended::Cleanly));

    // And so has whoever wants to watch live.
    let mut live = Viewer::get(relay.address(), "/stream/two-2").await;
    assert_eq!(live.status(), 200);
    assert!(!live.read_until(PACKET_SIZE).await.is_empty());
    timeout(SECOND, sought.read_to_end()).await.expect("it was ended");
    assert_eq!((account.most(), account.violations()), (1, 0));
}

/// An archive that is larger than all the sockets on the way hold.
fn long() -> Behaviour {
    let clip = Clip::get(Kind::H264Aac);
    Behaviour::body("video/mp2t", clip.bytes().repeat((48 << 20) / clip.bytes().len()))
}

/// Somebody who reads nothing behind the head.
async fn who_reads_nothing(relay: &Relay, path: &str) -> Viewer {
    let viewer = Request::get(relay.address(), path).receive_buffer(4096).open().await;
    let viewer = viewer.expect("the relay answers");
    assert_eq!(viewer.status(), 200);
    // Until all that can be on the way is.
    sleep(2 * SECOND).await;
    viewer
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_ended_all_the_same() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", long());
    let relay = Relay::start(&format!("{HOUSE}[auth]\nstreams = 'token'\n"));
    let attributes = "catchup=\"shift\" catchup-days=\"1\"";
    let id = add(relay.address(), "Mine", &entry("One", attributes, &origin.url("/a.ts"))).await;
    let path = format!("stream/one-1.ts?utc={}&duration=3600", now() - HOUR);

    let ann = user(&relay, "ann", "free").await;
    let viewer = who_reads_nothing(&relay, &format!("{ann}/{path}")).await;
    assert_eq!(origin.connections("/a.ts"), 1);
    assert_eq!(ask(&relay, "DELETE", "/api/users/1/stream-key", None).await.status, 204);
    origin.wait_connections("/a.ts", 0, SECOND).await;
    drop(viewer);

    // It ends with the channel, too.
    let bob = user(&relay, "bob", "free").await;
    let viewer = who_reads_nothing(&relay, &format!("{bob}/{path}")).await;
    assert_eq!(origin.connections("/a.ts"), 1);
    assert_eq!(ask(&relay, "DELETE", &format!("/api/playlists/{id}"), None).await.status, 204);
    origin.wait_connections("/a.ts", 0, 2 * SECOND).await;
    drop(viewer);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_makes_room_for_who_watches_live() {
    let account = Account::new(1);
    let origin = panel(&account).await;
    origin.serve("/timeshift/*", long().account(&account));
    let relay = Relay::start(HOUSE);
    add_account(&relay, &origin).await;
    let path = format!("/stream/one-1.ts?utc={}&duration=3600", now() - 2 * HOUR);
    let viewer = who_reads_nothing(&relay, &path).await;
    assert_eq!(account.open(), 1);
    let began = Instant::now();
    let mut live = Viewer::get(relay.address(), "/stream/two-2").await;
    assert_eq!(live.status(), 200);
    assert!(!live.read_until(PACKET_SIZE).await.is_empty());
    println!("live after {:.0?}", began.elapsed());
    assert_eq!((account.most(), account.violations()), (1, 0));
    drop(viewer);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_player_has_one_connection_at_a_time() {
    let account = Account::new(1);
    let origin = panel(&account).await;
    origin.serve("/timeshift/*", clip().account(&account));
    origin.serve("/free.ts", clip());
    let relay = Relay::start(HOUSE);
    add_account(&relay, &origin).await;
    let free = entry("Free", "catchup=\"shift\" catchup-days=\"1\"", &origin.url("/free.ts"));
    add(relay.address(), "Free", &free).await;
    for channel in ["one-1", "free-3"] {
        let path = format!("/stream/{channel}.ts?utc={}&duration=3600", now() - 2 * HOUR);
        let watch = async || {
            let mut viewer = Viewer::get(relay.address(), &path).await;
            let bytes = viewer.read_for(2 * SECOND).await.len();
            (viewer.status(), bytes, viewer.ended().is_none())
        };
        let all = join_all((0..10).map(|_| watch())).await;
        println!("{channel}: {all:?}");
        let going_on = all.iter().filter(|&&(status, bytes, is_on)| status == 200 && bytes > 0 && is_on);
        assert_eq!(going_on.count(), 1, "the last one plays");
        assert!(all.iter().all(|&(status, ..)| matches!(status, 200 | 409)), "{all:?}");
    }
    assert_eq!((account.most(), account.violations(), origin.most_connections("/free.ts")), (1, 0, 1));
}

/// A file that is no film, with ranges.
fn notes() -> Behaviour {
    let text = "The password of the database is zyx. ".repeat(20_000);
    Behaviour::handler(move |request| {
        let mut reply = answer_file(request, text.as_bytes());
        reply.content_type = "text/plain".into();
        reply
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_part_of_what_is_no_film_is_passed_on() {
    let origin = Origin::start().await;
    origin.serve("/notes.txt", notes());
    origin.serve("/a.ts", file());
    let relay = Relay::start(HOUSE);
    let attributes = "catchup=\"shift\" catchup-days=\"1\"";
    let list = ["/notes.txt", "/a.ts"].map(|path| entry("One", attributes, &origin.url(path)));
    add(relay.address(), "Mine", &list.concat()).await;
    let get = async |channel: &str, range: &str| {
        let path = format!("/stream/{channel}.ts?utc={}&duration=60", now() - HOUR);
        let request = Request::get(relay.address(), &path).header("Range", range);
        request.send().await.expect("the relay answers")
    };
    let clip = Clip::get(Kind::H264Aac);
    let bytes = clip.bytes();
    for (range, part) in [
        ("bytes=1-", &bytes[1..]),
        ("bytes=0-1", &bytes[..2]),
        ("bytes=700-799", &bytes[700..800]),
        ("bytes=300000-", &bytes[300_000..]),
    ] {
        let refused = get("one-1", range).await;
        assert_eq!((refused.status, &*code(&refused)), (502, "archive_failed"), "{range}");
        assert!(!refused.text().contains("zyx"), "{range}");
        let sent = get("one-2", range).await;
        assert_eq!(sent.status, 206, "{range}: {}", sent.text());
        assert!(sent.body == part, "{range}: {} bytes", sent.body.len());
    }
    assert_eq!(get("one-1", "bytes=0-").await.status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_go_on_is_sent_nothing_more() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip());
    let relay = Relay::start(&format!("{HOUSE}[auth]\nstreams = 'token'\n"));
    add(relay.address(), "Mine", &entry("One", "catchup=\"shift\" catchup-days=\"1\"", &origin.url("/a.ts")))
        .await;
    let ann = user(&relay, "ann", "free").await;
    let path = format!("stream/one-1.ts?utc={}&duration=3600", now() - HOUR);
    assert_eq!(ask(&relay, "GET", &format!("/{path}"), None).await.status, 401);
    assert_eq!(origin.opened("/a.ts"), 0);

    let watch = async || {
        let mut viewer = Viewer::get(relay.address(), &format!("{ann}/{path}")).await;
        assert_eq!(viewer.status(), 200);
        assert!(!viewer.read_until(PACKET_SIZE).await.is_empty());
        viewer
    };
    let ends = async |mut viewer: Viewer| {
        let began = Instant::now();
        timeout(SOON, viewer.read_to_end()).await.expect("it ends");
        println!("ended after {:.0?}", began.elapsed());
        assert!(began.elapsed() < SECOND);
        origin.wait_connections("/a.ts", 0, SECOND).await;
    };
    let viewer = watch().await;
    let all = viewers(&relay).await;
    let told: Vec<_> = all.iter().map(|it| [&it["title"], &it["form"], &it["user"]]).collect();
    assert_eq!(told, [["one-1", "catchup", "ann"]], "{all:?}");
    assert_eq!(ask(&relay, "DELETE", "/api/users/1/stream-key", None).await.status, 204);
    ends(viewer).await;
    let refused = ask(&relay, "GET", &format!("{ann}/{path}"), None).await;
    assert_eq!(refused.status, 401);

    // An operator ends one, and the player is kept away for a while.
    let url = ask(&relay, "GET", "/api/users/1", None).await.json()["playlist_url"].clone();
    let url = url.as_str().and_then(|url| url.strip_suffix("playlist.m3u")).expect("an address").to_owned();
    let again = format!("{}{path}", url.strip_prefix(&relay.url("")).expect("it is ours"));
    let mut viewer = Viewer::get(relay.address(), &again).await;
    assert_eq!(viewer.status(), 200);
    assert!(!viewer.read_until(PACKET_SIZE).await.is_empty());
    let id = viewers(&relay).await.last().expect("somebody watches")["id"].clone();
    assert_eq!(ask(&relay, "DELETE", &format!("/api/viewers/{id}"), None).await.status, 204);
    ends(viewer).await;
    let refused = client::get(relay.address(), &again).await;
    assert_eq!((refused.status, &*code(&refused)), (403, "ended"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_is_told_of_and_the_next_one_is_asked() {
    let (first, second) = (Origin::start().await, Origin::start().await);
    let relay = Relay::start(HOUSE);
    let of = |origin: &Origin| {
        entry("One", "tvg-id=\"one.uk\" catchup=\"shift\" catchup-days=\"2\"", &origin.url("/a.ts"))
    };
    add(relay.address(), "First", &of(&first)).await;
    let path = format!("/stream/one-1.ts?utc={}&duration=3600", now() - HOUR);
    for (behaviour, reason) in [
        (Behaviour::status(404, "text/html", "gone"), "http_status"),
        (Behaviour::status(403, "text/html", "no"), "http_status"),
        (Behaviour::body("text/html", "<html>No archive for joe:secret</html>"), "not_transport_stream"),
        (Behaviour::body("video/mp2t", ""), "not_transport_stream"),
        (Behaviour::body("audio/x-mpegurl", "#EXTM3U\n#EXT-X-ENDLIST\n"), "ended"),
        (Behaviour::redirect("file:///etc/passwd", None), "redirect"),
        (Behaviour::refuse(), "broken"),
    ] {
        first.serve("/a.ts", behaviour);
        let answer = ask(&relay, "GET", &path, None).await;
        assert_eq!((answer.status, &*code(&answer)), (502, "archive_failed"), "{reason}: {}", answer.text());
        let text = answer.text();
        assert!(text.contains(reason), "{reason}: {text}");
        for secret in ["127.0.0.1", "secret", "a.ts"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    // Who was sent nothing is not there.
    let gone = async {
        while !viewers(&relay).await.is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(5 * SECOND, gone).await.expect("nobody watches");

    // The same channel of another provider, and the archive with it.
    second.serve("/a.ts", file());
    add(relay.address(), "Second", &of(&second)).await;
    let answer = ask(&relay, "GET", &path, None).await;
    assert_eq!((answer.status, answer.body.len()), (200, Clip::get(Kind::H264Aac).bytes().len()));
    assert_eq!(second.opened("/a.ts"), 1);
    let metrics = ask(&relay, "GET", "/metrics", None).await.text();
    for (result, count) in [("sent", 1), ("failed", 7), ("refused", 0)] {
        let line = format!("forebay_provider_archives_total{{result=\"{result}\"}} {count}");
        assert!(metrics.contains(&line), "{line}");
    }
    // A player that seeks wants more of the same file: the source that has it is asked first, and
    // no other one.
    first.serve("/a.ts", file());
    let seek = async || {
        let request = Request::get(relay.address(), &path).header("Range", "bytes=300000-");
        request.send().await.expect("the relay answers")
    };
    let asked = first.requests().len();
    assert_eq!((seek().await.status, second.opened("/a.ts")), (206, 2));
    second.serve("/a.ts", Behaviour::status(404, "text/html", "gone"));
    assert_eq!((seek().await.status, first.requests().len()), (502, asked));
    // A source that an operator has disabled is not asked.
    let order = |action: &str| json!({ "action": action, "source": 0 });
    let path_of_order = "/api/streams/one-1/source";
    assert_eq!(ask(&relay, "POST", path_of_order, Some(order("disable"))).await.status, 200);
    assert_eq!((ask(&relay, "GET", &path, None).await.status, first.requests().len()), (502, asked));
    assert_eq!(ask(&relay, "POST", path_of_order, Some(order("enable"))).await.status, 200);
    assert_eq!(ask(&relay, "GET", &path, None).await.status, 200);
    assert_eq!(first.requests().len(), asked + 1);
    // One that breaks off breaks off for the viewer, too, who then asks for the rest.
    first.serve("/a.ts", clip().burst(SECOND).cut_after(Duration::from_millis(200)));
    let mut viewer = Viewer::get(relay.address(), &path).await;
    assert_eq!(viewer.status(), 200);
    let bytes = viewer.read_to_end().await;
    assert_ne!(viewer.ended(), Some(&Ended::Cleanly));
    assert!(bytes.len() >= PACKET_SIZE && bytes.len() < Clip::get(Kind::H264Aac).bytes().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_second_provider_has_an_archive_and_the_channel_offers_it() {
    let (first, second) = (Origin::start().await, Origin::start().await);
    first.serve("/a.ts", clip());
    second.serve("/b.ts", file());
    let relay = Relay::start(HOUSE);
    add(relay.address(), "First", &entry("One", "tvg-id=\"one.uk\"", &first.url("/a.ts"))).await;
    assert!(!listed(&relay, "One").await.contains("catchup"));
    let with = entry("One", "tvg-id=\"one.uk\" catchup=\"shift\" catchup-days=\"2\"", &second.url("/b.ts"));
    let id = add(relay.address(), "Second", &with).await;
    let line = listed(&relay, "One").await;
    assert!(line.contains("catchup-days=\"2\""), "{line}");
    let path = format!("/stream/one-1.ts?utc={}&duration=3600", now() - HOUR);
    assert_eq!(ask(&relay, "GET", &path, None).await.status, 200);
    assert_eq!((first.opened("/a.ts"), second.opened("/b.ts")), (0, 1));

    assert_eq!(ask(&relay, "DELETE", &format!("/api/playlists/{id}"), None).await.status, 204);
    assert!(!listed(&relay, "One").await.contains("catchup"));
    let gone = ask(&relay, "GET", &path, None).await;
    assert_eq!((gone.status, &*code(&gone)), (404, "no_archive"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_by_hls_is_one_stream_and_one_by_ts_a_playlist_of_minutes() {
    let origin = Origin::start().await;
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:12\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:10,\na.ts\n\
                    #EXT-X-DISCONTINUITY\n#EXTINF:10,\nb.ts\n#EXT-X-ENDLIST\n";
    origin.serve("/list.m3u8", Behaviour::body("application/vnd.apple.mpegurl", playlist));
    for (name, kind) in [("/a.ts", Kind::H264Aac), ("/b.ts", Kind::H264AacB)] {
        origin.serve(name, Behaviour::body("video/mp2t", Clip::get(kind).bytes()));
    }
    origin.serve("/file.ts", file());
    let attributes = "catchup=\"append\" catchup-days=\"2\" catchup-source=\"?utc={utc}&end={utcend}\"";
    let relay = Relay::start(HOUSE);
    let list = [
        entry("Hls", attributes, &origin.url("/list.m3u8")),
        entry("Ts", attributes, &origin.url("/file.ts")),
        entry("Shift", "catchup=\"shift\"", &origin.url("/file.ts")),
    ];
    add(relay.address(), "Mine", &list.concat()).await;
    let start = minute_before(HOUR);

    // A player of MPEG-TS is sent the media of the playlist, to its end.
    let whole = ask(&relay, "GET", &format!("/stream/hls-1.ts?utc={start}&duration=60"), None).await;
    assert_eq!((whole.status, whole.header("Content-Length")), (200, None), "{}", whole.text());
    let media: usize = [Kind::H264Aac, Kind::H264AacB].map(|kind| Clip::get(kind).bytes().len()).iter().sum();
    assert!(whole.body.len() > media * 9 / 10, "{} of {media}", whole.body.len());

    // A player of playlists is given a segment for each minute, and gets each from the archive.
    for (channel, place) in [
        ("hls-1", "stream/hls-1/index.m3u8"),
        ("ts-2", "stream/ts-2/hls"),
        ("ts-2", "api/proxy/channel/ts-2/hls"),
    ] {
        let asked = origin.requests().len();
        let answer = ask(&relay, "GET", &format!("/{place}?utc={start}&duration=180"), None).await;
        let text = answer.text();
        assert_eq!(answer.status, 200, "{text}");
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
        assert_eq!(origin.requests().len(), asked, "nobody is asked for a playlist");
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let minutes: Vec<String> = (0..3).map(|at| format!("hls/utc-{}.ts", start + at * 60)).collect();
        assert_eq!(lines, minutes);
        let folder = place.rsplit_once('/').expect("it has one").0;
        let path = format!("/{folder}/{}", lines[1]);
        let part = ask(&relay, "GET", &path, None).await;
        assert_eq!(part.status, 200, "{channel}: {}", part.text());
        assert!(part.body.len() > PACKET_SIZE);
        let (from, until) = (start + 60, start + 120);
        let is_asked = |request: &Asked| request.path.ends_with(&format!("?utc={from}&end={until}"));
        assert!(origin.requests()[asked..].iter().any(is_asked), "{channel}");
        assert_eq!(ask(&relay, "HEAD", &path, None).await.status, 200);
    }
    // Where it cannot be said when a minute ends, there are no minutes; the stream can be had.
    let path = format!("utc={start}&duration=180");
    for (method, query) in [("GET", &path), ("HEAD", &path)] {
        let refused = ask(&relay, method, &format!("/stream/shift-3/index.m3u8?{query}"), None).await;
        assert_eq!(refused.status, 409, "{method}");
    }
    let refused = ask(&relay, "GET", &format!("/stream/shift-3/index.m3u8?{path}"), None).await;
    assert_eq!(code(&refused), "not_in_parts");
    assert_eq!(ask(&relay, "GET", &format!("/stream/shift-3.ts?{path}"), None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_channel_has_kept_itself_costs_no_connection() {
    let origin = Origin::start().await;
    origin.serve("/live.ts", clip().burst(100 * SECOND));
    origin.serve("/past.ts", file());
    let source = origin.url("/past.ts?utc={utc}");
    let attributes = format!("catchup=\"default\" catchup-source=\"{source}\" catchup-days=\"2\"");
    let relay = Relay::start(&format!("{HOUSE}[stream]\ntimeshift = '1h'\nread_ahead = '1h'\n"));
    add(relay.address(), "Mine", &entry("One", &attributes, &origin.url("/live.ts"))).await;
    let line = listed(&relay, "One").await;
    assert!(line.contains("catchup-days=\"2\""), "the longer of both: {line}");
    let _viewer = Viewer::get(relay.address(), "/stream/one-1").await;
    let has_kept = |status: &Value| status["timeshift"]["seconds"].as_f64().is_some_and(|it| it >= 90.0);
    relay.wait_status("one-1", 20 * SECOND, has_kept).await;
    let playlist = client::get(relay.address(), "/stream/one-1/index.m3u8?dvr=1h").await.text();
    let date = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:"));
    let kept: Timestamp = date.expect("it is dated").parse().expect("a date");
    let at = kept.as_second() + 20;
    let here = ask(&relay, "GET", &format!("/stream/one-1.ts?utc={at}&duration=10"), None).await;
    assert_eq!((here.status, origin.opened("/past.ts")), (200, 0));
    // The beginning is kept by the provider alone.
    let there = ask(&relay, "GET", &format!("/stream/one-1.ts?utc={}&duration=600", at - 300), None).await;
    assert_eq!((there.status, there.header("ETag")), (200, Some("\"v1\"")));
    assert_eq!(origin.opened("/past.ts"), 1);
    // The provider's archive has no parts: a player of playlists gets what is here.
    let parts = format!("/stream/one-1/index.m3u8?utc={}&duration=600", at - 300);
    let kept = ask(&relay, "GET", &parts, None).await;
    assert_eq!(kept.status, 200, "{}", kept.text());
    assert!(kept.text().contains("?catchup"), "{}", kept.text());
    assert_eq!(ask(&relay, "HEAD", &parts, None).await.status, 200);
    assert_eq!(origin.opened("/past.ts"), 1);
    // If the provider has nothing, a part is better than nothing.
    origin.remove("/past.ts");
    let part = ask(&relay, "GET", &format!("/stream/one-1.ts?utc={}&duration=600", at - 300), None).await;
    assert_eq!(part.status, 200, "{}", part.text());
    Checker::check(&part.body).assert_clean();
    // But not for whoever has the beginning of the provider's file.
    let path = format!("/stream/one-1.ts?utc={}&duration=600", at - 300);
    let rest = Request::get(relay.address(), &path).header("Range", "bytes=5000-").send().await;
    assert_eq!(rest.expect("the relay answers").status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_a_list_of_the_api_names_leads_to_the_internet_only() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", file());
    let relay = Relay::start("");
    let template = origin.url("/a.ts?utc={utc}");
    let attributes = format!("catchup=\"default\" catchup-source=\"{template}\"");
    add(relay.address(), "Mine", &entry("One", &attributes, "http://203.0.113.7/1.ts")).await;
    let path = format!("/stream/one-1.ts?utc={}&duration=60", now() - HOUR);
    let answer = ask(&relay, "GET", &path, None).await;
    assert_eq!((answer.status, &*code(&answer)), (502, "archive_failed"));
    assert!(answer.text().contains("private_address"), "{}", answer.text());
    assert_eq!(origin.requests().len(), 0);
}

const PASSWORD: &str = "zyxarchivepassword";
const TOKEN: &str = "zyx7Archive4Token9f3a8c21d4e8b605";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_an_archive_is_in_the_log_or_an_answer() {
    let origin = Origin::start().await;
    let host = origin.address();
    origin.serve("/*", file());
    origin.serve(&format!("/timeshift/joe/{PASSWORD}/61/*"), Behaviour::status(403, "text/plain", "no"));
    let template = format!("http://joe:{PASSWORD}@{host}/a.ts?token={TOKEN}&utc={{utc}}");
    let program = Setup::new(HOUSE).env("FOREBAY_LOG", "trace").start().await;
    let address = program.address();
    let secret = program.admin_token();
    let as_admin = |method, path: &str| Request::new(method, address, path).header("Authorization", &secret);
    let made = as_admin("POST", "/api/playlists").json(&json!({ "name": "Mine" })).send().await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    let list = [
        entry("Good", &format!("catchup=\"default\" catchup-source=\"{template}\""), &origin.url("/live.ts")),
        entry("Bad", "catchup=\"xc\"", &origin.url(&format!("/live/joe/{PASSWORD}/1.ts"))),
        entry("Dead", "catchup=\"shift\"", &format!("http://joe:{PASSWORD}@127.0.0.1:9/{TOKEN}.ts")),
    ];
    let sent = as_admin("PUT", "/api/playlists/1/list")
        .body("audio/x-mpegurl", format!("#EXTM3U\n{}", list.concat()));
    assert_eq!(sent.send().await.unwrap().status, 200);
    let mut answers = String::new();
    let at = now() - HOUR;
    for (channel, status) in [("good-1", 200), ("bad-2", 502), ("dead-3", 502)] {
        let path = format!("/stream/{channel}.ts?utc={at}&duration=3600");
        let answer = as_admin("GET", &path).send().await.unwrap();
        assert_eq!(answer.status, status, "{channel}");
        answers.extend(answer.headers.iter().flat_map(|(name, value)| [name, "=", value, "\n"]));
        if status != 200 {
            answers += &answer.text();
        }
    }
    for path in ["/playlist.m3u", "/metrics", "/api/streams/status", "/api/viewers", "/api/audit"] {
        answers += &as_admin("GET", path).send().await.unwrap().text();
    }
    let asked = origin.requests();
    assert!(asked.iter().any(|request| request.path.contains(TOKEN)), "it was asked with the token");
    let log = program.log();
    assert!(log.contains("archive failed") && log.contains("archive of the provider opened"), "{log}");
    for secret in [PASSWORD, TOKEN] {
        for (place, text) in [("the log", &log), ("an answer", &answers)] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is in {place}");
        }
    }
}
