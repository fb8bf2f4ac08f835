//! Catch-up: what a channel has kept, asked for by the time at which it was shown.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use forebay_testkit::client::{self, Answer, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::player;
use forebay_testkit::ts::Checker;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::relay::{Relay, channel};
use crate::tokens::ask;

const SECOND: Duration = Duration::from_secs(1);

/// What the clocks of a segment's date and of the server may differ by: dates have milliseconds.
const ROUNDING: f64 = 0.002;

/// A segment, and when it was shown, in seconds since 1970.
struct Shown {
    from: f64,
    until: f64,
    bytes: Vec<u8>,
}

fn settings(folder: &Path, more: &str, sources: &[String]) -> String {
    let keeps = "timeshift = \"30h\"\nidle_timeout = \"500ms\"\nread_ahead = \"1h\"\n";
    let one = channel("one", sources, keeps);
    format!("[hls]\ndir = \"{}\"\n{more}{one}{}", folder.display(), channel("two", sources, ""))
}

/// All that the open channel has kept.
async fn kept(address: SocketAddr) -> Vec<Shown> {
    let playlist = client::get(address, "/stream/one/index.m3u8?dvr=10h").await.text();
    let (mut all, mut at, mut length) = (Vec::new(), 0.0, 0.0);
    for line in playlist.lines() {
        if let Some(date) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            let date: Timestamp = date.parse().expect("a date");
            at = Duration::from_millis(date.as_millisecond().unsigned_abs()).as_secs_f64();
        } else if let Some(text) = line.strip_prefix("#EXTINF:") {
            length = text.trim_end_matches(',').parse().expect("a number");
        } else if !line.starts_with('#') {
            let bytes = client::get(address, &format!("/stream/one/{line}")).await.body.clone();
            all.push(Shown { from: at, until: at + length, bytes });
            at += length;
        }
    }
    all
}

/// Opens the channel until it has kept so many seconds, which come at once; its viewer is there.
async fn open(relay: &Relay, seconds: f64) -> Viewer {
    let viewer = Viewer::get(relay.address(), "/stream/one").await;
    let has_kept = |status: &Value| status["timeshift"]["seconds"].as_f64().is_some_and(|it| it >= seconds);
    relay.wait_status("one", 20 * SECOND, has_kept).await;
    viewer
}

/// Whether these are the segments that show anything between the two moments.
fn is_stretch(all: &[Shown], (from, until): (f64, f64), bytes: &[u8]) -> bool {
    [-ROUNDING, ROUNDING].iter().any(|first| {
        [-ROUNDING, ROUNDING].iter().any(|last| {
            let wanted = all.iter().filter(|it| it.until > from + first && it.from < until + last);
            wanted.flat_map(|it| &it.bytes).eq(bytes)
        })
    })
}

#[expect(clippy::cast_possible_truncation, reason = "it is a time of this century")]
fn whole(seconds: f64) -> i64 {
    seconds.floor() as i64
}

/// Moments of which nothing is kept, and what is no moment: GET and HEAD say the same.
async fn refusals(relay: &Relay, start: i64) {
    for (query, status, code) in [
        (format!("utc={}&duration=60", start - 90_000), 404, "no_archive"),
        ("utc=soon&duration=60".to_owned(), 400, "bad_request"),
        (format!("utc={start}&duration=0"), 400, "bad_request"),
    ] {
        let answer = client::get(relay.address(), &format!("/stream/one.ts?{query}")).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)), "{query}");
        for address in ["/stream/one.ts", "/stream/one/index.m3u8", "/api/proxy/channel/one"] {
            let path = format!("{address}?{query}");
            let head = Request::new("HEAD", relay.address(), &path).send().await.expect("the relay answers");
            assert_eq!(head.status, status, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_is_a_file_whether_the_channel_is_open_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(120 * SECOND));
    let config = settings(folder.path(), "", &[origin.url("/a.ts")]);
    let relay = Relay::start(&config);
    let viewer = open(&relay, 115.0).await;
    let all = kept(relay.address()).await;
    let start = whole(all[0].from) + 40;
    let path = format!("/stream/one.ts?utc={start}&duration=30");
    let check = async |relay: &Relay| {
        let answer = client::get(relay.address(), &path).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let from = f64::from(u32::try_from(start).expect("before 2106"));
        assert!(is_stretch(&all, (from, from + 30.0), &answer.body), "{} bytes", answer.body.len());
        answer
    };
    let answer = check(&relay).await;
    for (name, value) in [("Content-Type", "video/mp2t"), ("Accept-Ranges", "bytes")] {
        assert_eq!(answer.header(name), Some(value));
    }
    assert_eq!(answer.header("Content-Length"), Some(&*answer.body.len().to_string()));
    assert_eq!(Checker::check(&answer.body).continuity_errors_total(), 0);
    let opened = origin.opened("/a.ts");

    // As a playlist that is whole, whose segments the closed channel has, too.
    let playlist = format!("/stream/one/index.m3u8?utc={start}&duration=30");
    let text = client::get(relay.address(), &playlist).await.text();
    assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.iter().all(|line| line.ends_with(".ts?catchup")), "{text}");

    // Closed, it is read from the disk, and no source is opened for it. Whoever took the playlist
    // of the channel counts as a viewer for three target durations, and not for longer by this.
    drop(viewer);
    let plays_the_past = async {
        let mut every_second = tokio::time::interval(SECOND);
        for line in lines.iter().cycle() {
            every_second.tick().await;
            assert_eq!(client::get(relay.address(), &format!("/stream/one/{line}")).await.status, 200);
        }
    };
    tokio::select! {
        () = plays_the_past => unreachable!("it goes on for ever"),
        _ = relay.wait_status("one", 30 * SECOND, |status| status["state"] == "idle") => {}
    }
    let closed = check(&relay).await;
    assert_eq!(closed.header("ETag"), answer.header("ETag"));
    let etag = answer.header("ETag").expect("it has one");
    let middle = answer.body.len() / 2;
    let range = |tag: &str| {
        Request::get(relay.address(), &path)
            .header("Range", &format!("bytes={middle}-{}", middle + 999))
            .header("If-Range", tag)
    };
    let part = range(etag).send().await.unwrap();
    assert_eq!((part.status, &part.body[..]), (206, &answer.body[middle..middle + 1000]));
    let other = range("\"other\"").send().await.unwrap();
    assert_eq!((other.status, other.body.len()), (200, answer.body.len()), "another file");

    // HEAD says the same, and a range is for GET alone.
    let head =
        Request::new("HEAD", relay.address(), &path).header("Range", "bytes=0-9").send().await.unwrap();
    assert_eq!(head.status, 200);
    for name in ["Content-Length", "Content-Type", "ETag", "Accept-Ranges", "Cache-Control"] {
        assert!(head.header(name).is_some() && head.header(name) == answer.header(name), "{name}");
    }
    // A playlist is compressed, and sent once.
    let packed =
        Request::get(relay.address(), &playlist).header("Accept-Encoding", "gzip").send().await.unwrap();
    assert_eq!(
        (packed.header("Content-Encoding"), packed.header("Vary")),
        (Some("gzip"), Some("Accept-Encoding"))
    );
    let etag = packed.header("ETag").expect("it has one");
    let known = Request::get(relay.address(), &playlist).header("If-None-Match", etag).send().await.unwrap();
    assert_eq!(known.status, 304);

    let mut joined = Vec::new();
    for line in lines {
        let segment = client::get(relay.address(), &format!("/stream/one/{line}")).await;
        assert_eq!(segment.status, 200, "{line}");
        joined.extend_from_slice(&segment.body);
    }
    assert!(joined == answer.body[..], "{} and {} bytes", joined.len(), answer.body.len());
    player::ffmpeg_strict(&relay.url(&playlist), 25).await.assert_ok();
    player::ffmpeg_strict(&relay.url(&path), 25).await.assert_ok();

    // The older word of players, up to the present.
    let older = client::get(relay.address(), &format!("/stream/one?utc={start}&lutc={}", start + 30)).await;
    assert!(older.body == answer.body);
    refusals(&relay, start).await;
    let none = client::get(relay.address(), &format!("/stream/two.ts?utc={start}&duration=30")).await;
    assert_eq!(none.status, 404, "it keeps nothing");
    let lists = client::get(relay.address(), "/playlist.m3u").await.text();
    let mode = "catchup=\"append\" catchup-type=\"append\" catchup-days=\"2\" catchup-source=\"?utc={utc}&duration={duration}\"";
    let entries: Vec<&str> = lists.lines().filter(|line| line.starts_with("#EXTINF")).collect();
    assert_eq!(entries.iter().map(|line| line.contains(mode)).collect::<Vec<_>>(), [true, false], "{lists}");
    assert_eq!(lists.matches("catchup").count(), 4, "{lists}");
    assert_eq!(origin.opened("/a.ts"), opened, "nothing was opened");
    assert!(relay.stop().await);

    let relay = Relay::start(&config);
    check(&relay).await;
    assert!(relay.stop().await);
}

async fn panel(relay: &Relay, action: &str) -> Value {
    let path = format!("/player_api.php?username=ann&password=correct%20horse&action={action}");
    ask(relay, "GET", &path, None).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn players_of_xtream_codes_ask_by_minutes_in_utc() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(200 * SECOND));
    let config = settings(folder.path(), "[auth]\nadult_groups = ['XXX']\n", &[origin.url("/a.ts")]);
    let relay = Relay::start(&config);
    for user in [
        json!({ "name": "ann", "password": "correct horse" }),
        json!({ "name": "ben", "password": "correct horse", "groups": ["Other"] }),
    ] {
        let request = Request::new("POST", relay.address(), "/api/users").json(&user);
        assert_eq!(request.send().await.unwrap().status, 201);
    }
    let viewer = open(&relay, 190.0).await;
    let all = kept(relay.address()).await;
    drop(viewer);
    relay.wait_status("one", 30 * SECOND, |status| status["state"] == "idle").await;

    let streams = panel(&relay, "get_live_streams").await;
    let archives: Vec<_> = streams
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (&it["tv_archive"], &it["tv_archive_duration"]))
        .collect();
    assert_eq!(archives, [(&json!(1), &json!(2)), (&json!(0), &json!(0))]);
    let id = streams[0]["stream_id"].as_u64().unwrap();
    // The first whole minute that is kept from its beginning.
    let start = (whole(all[0].from) / 60 + 1) * 60;
    let at = Timestamp::from_second(start).unwrap().strftime("%Y-%m-%d:%H-%M").to_string();
    let from = f64::from(u32::try_from(start).unwrap());
    let path = format!("/timeshift/ann/correct%20horse/1/{at}/{id}.ts");
    let answer = ask(&relay, "GET", &path, None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(is_stretch(&all, (from, from + 60.0), &answer.body), "{} bytes", answer.body.len());
    assert_eq!(answer.header("Content-Length"), Some(&*answer.body.len().to_string()));
    let head = ask(&relay, "HEAD", &path, None).await;
    let length = |answer: &Answer| answer.header("Content-Length").map(str::to_owned);
    assert_eq!((head.status, length(&head)), (200, length(&answer)));

    // The other two addresses, and by HLS.
    let query = format!("username=ann&password=correct%20horse&stream={id}&start={at}&duration=1");
    for other in [
        format!("/timeshifts/ann/correct%20horse/1/{id}/{at}.ts"),
        format!("/streaming/timeshift.php?{query}"),
        format!("/timeshift.php?{query}&extension=ts"),
    ] {
        let same = ask(&relay, "GET", &other, None).await;
        assert!(same.status == 200 && same.body == answer.body, "{other}: {}", same.status);
    }
    let hls = ask(&relay, "GET", &path.replace(".ts", ".m3u8"), None).await;
    assert_eq!(hls.status, 302, "{}", hls.text());
    let place = hls.header("Location").unwrap();
    let place = place.strip_prefix("../../../../..").expect("relative, to work below a path");
    let text = ask(&relay, "GET", place, None).await.text();
    assert!(place.starts_with("/t/") && text.contains("#EXT-X-ENDLIST"), "{place}: {text}");
    let (_, key) = place.split_once("/t/").expect("it has a key");
    let key = key.split('/').next().expect("it has a key");
    // From each of them the way leads to the same place, below the path of a proxy, too.
    for (other, is_past) in [
        (path.replace(".ts", ".m3u8"), true),
        (format!("/timeshifts/ann/correct%20horse/1/{id}/{at}.m3u8"), true),
        (format!("/streaming/timeshift.php?{query}&extension=m3u8"), true),
        (format!("/timeshift.php?{query}&extension=m3u8"), true),
        (format!("/ann/correct%20horse/{id}.m3u8"), false),
        (format!("/live/ann/correct%20horse/{id}.m3u8"), false),
        (format!("/t/{key}/live/ann/x/{id}.m3u8"), false),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = ask(&relay, method, &other, None).await;
            assert_eq!(answer.status, 302, "{other}");
            let asked = url::Url::parse(&format!("http://h/tv{other}")).unwrap();
            let found = asked.join(answer.header("Location").unwrap()).unwrap();
            assert_eq!(found.path(), format!("/tv/t/{key}/stream/one/index.m3u8"), "{other}");
            assert_eq!(found.query().is_some_and(|query| query.contains("utc=")), is_past, "{other}");
        }
    }
    player::ffmpeg_strict(&relay.url(&path), 40).await.assert_ok();

    for (path, status) in [
        (path.replace("horse", "wrong"), 401),
        (path.replace("/ann/", "/ben/"), 403),
        (path.replace(&at, "2020-01-01:00-00"), 404),
        (path.replace(&at, "soon"), 400),
        (path.replace("/1/", "/x/"), 400),
        ("/timeshift.php?username=ann".to_owned(), 404),
    ] {
        assert_eq!(ask(&relay, "GET", &path, None).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_what_was_shown_is_a_viewer_whom_an_operator_may_end() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(400 * SECOND));
    let config = settings(folder.path(), "", &[origin.url("/a.ts")]);
    let relay = Relay::start(&config);
    let _viewer = open(&relay, 390.0).await;
    let start = whole(kept(relay.address()).await[0].from) + 10;
    // It takes what fits into its buffers, and no more.
    let path = format!("/stream/one.ts?utc={start}&duration=380");
    let request = Request::get(relay.address(), &path).header("User-Agent", "past").receive_buffer(4096);
    let mut past = request.open().await.unwrap();
    assert!(past.read_until(100_000).await.len() >= 100_000);
    let viewers = client::get_json(relay.address(), "/api/viewers").await.1;
    let of_past: Vec<&Value> =
        viewers["viewers"].as_array().unwrap().iter().filter(|it| it["agent"] == "past").collect();
    assert_eq!(of_past.len(), 1, "{viewers}");
    assert_eq!(of_past[0]["form"], "catchup", "{viewers}");
    let metrics = client::get(relay.address(), "/metrics").await.text();
    for line in ["forebay_viewers{form=\"catchup\"} 1", "forebay_viewers{form=\"film\"} 0"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert_eq!(client::get_json(relay.address(), "/stats").await.1["viewers"], 0, "of films");
    let viewer = format!("/api/viewers/{}", of_past[0]["id"]);
    assert_eq!(ask(&relay, "DELETE", &viewer, None).await.status, 204);
    past.read_to_end().await;
    let length: u64 = past.header("Content-Length").expect("it is known").parse().unwrap();
    assert!(past.total() < length, "it was ended: {} of {length} bytes", past.total());
    // Its player comes back by itself, and is not let in for a while.
    let again = Request::get(relay.address(), &path).header("User-Agent", "past").send().await.unwrap();
    assert_eq!(again.status, 403, "{}", again.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn by_hls_whoever_has_lost_the_seat_is_sent_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(60 * SECOND));
    let config = settings(folder.path(), "", &[origin.url("/a.ts")]);
    let relay = Relay::start(&config);
    let user = json!({
        "name": "ann", "password": "correct horse", "max_streams": 1, "on_limit": "end_oldest",
    });
    let made = ask(&relay, "POST", "/api/users", Some(user)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let list = made.json()["playlist_url"].as_str().unwrap().to_owned();
    let key = list.strip_suffix("/playlist.m3u").and_then(|list| list.rsplit('/').next()).unwrap();
    let viewer = open(&relay, 55.0).await;
    let start = whole(kept(relay.address()).await[0].from) + 5;
    let by = async |agent: &str, path: &str| {
        let path = format!("/t/{key}/stream/one/{path}");
        Request::get(relay.address(), &path).header("User-Agent", agent).send().await.unwrap()
    };
    let playlist = format!("index.m3u8?utc={start}&duration=40");
    let text = by("tv", &playlist).await.text();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.len() > 2, "{text}");
    assert_eq!(by("tv", lines[0]).await.status, 200);
    // The phone takes the seat, and the television, which has been sent away, cannot go on.
    assert_eq!(by("phone", &playlist).await.status, 200);
    let refused = by("tv", lines[1]).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &json!("stream_limit")));
    assert_eq!(by("phone", lines[0]).await.status, 200);
    // A player that was away for so long that nothing is known of it: its next segment is as a
    // beginning, whether the channel is open or not, and whether the address is marked or not.
    assert_eq!(ask(&relay, "PATCH", "/api/users/1", Some(json!({ "on_limit": "refuse" }))).await.status, 200);
    assert_eq!(by("tablet", lines[0]).await.status, 429);
    drop(viewer);
    relay.wait_status("one", 30 * SECOND, |status| status["state"] == "idle").await;
    assert_eq!(by("phone", lines[0]).await.status, 200);
    let (bare, _) = lines[0].split_once('?').unwrap();
    for line in [lines[0], bare] {
        assert_eq!(by("tablet", line).await.status, 429, "{line}");
    }
    // The same player may go on by the bare address.
    assert_eq!(by("phone", bare).await.status, 200);
    assert!(relay.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_that_keep_their_past_offer_it_and_others_do_not() {
    let relay = Relay::start("");
    for (id, more) in [("kept", json!({ "timeshift": "3h" })), ("live", json!({}))] {
        let mut fields = json!({ "output_path": id, "source_urls": ["testcard://"] });
        fields.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
        let made = ask(&relay, "POST", "/api/relays", Some(fields)).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }
    let days = async || {
        let list = client::get(relay.address(), "/playlist.m3u").await.text();
        let entries = list.lines().filter(|line| line.starts_with("#EXTINF"));
        entries.map(|line| line.contains("catchup-days=\"1\"")).collect::<Vec<_>>()
    };
    assert_eq!(days().await, [true, false]);
    let relays = ask(&relay, "GET", "/api/relays", None).await.json();
    let path = format!("/api/relays/{}", relays["relays"][1]["id"]);
    let changed = ask(&relay, "PATCH", &path, Some(json!({ "timeshift": "2h" }))).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(days().await, [true, true]);
}
