//! Channels as HLS, from outside.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{Answer, Request, get};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::{Checker, Limits};
use serde_json::json;
use tokio::time::Instant;

use crate::program::Setup;
use crate::relay::{Relay, channel};

const SOON: Duration = Duration::from_secs(3);

fn clip(kind: Kind) -> Behaviour {
    Behaviour::ts(Clip::get(kind))
}

/// What a playlist says.
#[derive(Debug, PartialEq)]
struct Playlist {
    target: u64,
    sequence: u64,
    discontinuities: u64,
    /// Seconds, address, and whether a discontinuity stands before it.
    segments: Vec<(f64, String, bool)>,
}

fn read(answer: &Answer) -> Playlist {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let number = |tag: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(tag));
        let number = line.and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("no {tag} in {text}"))
    };
    let mut segments = Vec::new();
    let (mut seconds, mut is_discontinuous) = (0.0, false);
    for line in text.lines() {
        if let Some(duration) = line.strip_prefix("#EXTINF:") {
            seconds = duration.trim_end_matches(',').parse().expect("it is a number");
        } else if line == "#EXT-X-DISCONTINUITY" {
            is_discontinuous = true;
        } else if !line.starts_with('#') {
            segments.push((seconds, line.to_owned(), std::mem::take(&mut is_discontinuous)));
        }
    }
    Playlist {
        target: number("#EXT-X-TARGETDURATION:"),
        sequence: number("#EXT-X-MEDIA-SEQUENCE:"),
        discontinuities: number("#EXT-X-DISCONTINUITY-SEQUENCE:"),
        segments,
    }
}

async fn playlist(address: SocketAddr) -> Playlist {
    read(&get(address, "/stream/one/hls").await)
}

/// Asks again and again until there is what is wanted.
async fn wait_playlist(address: SocketAddr, limit: Duration, wanted: impl Fn(&Playlist) -> bool) -> Playlist {
    let wait = async {
        loop {
            let now = playlist(address).await;
            if wanted(&now) {
                return now;
            }
            // There is no event for it outside of the relay.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if let Ok(playlist) = tokio::time::timeout(limit, wait).await {
        return playlist;
    }
    panic!("the playlist did not come to be: {:#?}", playlist(address).await)
}

async fn segment(address: SocketAddr, uri: &str) -> Answer {
    let answer = get(address, &format!("/stream/one/{uri}")).await;
    assert_eq!(answer.status, 200, "{uri}: {}", answer.text());
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_channel_has_a_playlist_when_a_player_can_begin_and_not_run_dry() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip(Kind::H264AacB));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "");
    let start = Instant::now();
    let first = playlist(relay.address()).await;
    let after = start.elapsed();
    println!("first playlist after {} ms, with groups of 1 s", after.as_millis());
    // Two seconds until it asks again, and a segment that is being made then.
    assert!(after > Duration::from_millis(3900) && after < Duration::from_secs(5), "{after:?}");
    let seconds: Vec<f64> = first.segments.iter().map(|segment| segment.0).collect();
    assert_eq!((first.target, first.sequence, &seconds[..]), (2, 0, &[2.0, 2.0][..]), "{first:?}");
    assert_eq!(origin.opened("/a.ts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_channel_has_a_playlist_at_once() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip(Kind::H264AacB).burst(Duration::from_secs(11)));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "");
    let mut viewer = Request::get(relay.address(), "/stream/one").open().await.unwrap();
    viewer.read_until(2_000_000 / 8).await;
    relay.wait_status("one", SOON, |status| status["buffer"]["seconds"].as_f64() > Some(10.0)).await;
    let start = Instant::now();
    let first = playlist(relay.address()).await;
    let after = start.elapsed();
    println!("first playlist of a warm channel after {} ms", after.as_millis());
    assert!(after < Duration::from_millis(500), "{after:?}");
    let seconds: f64 = first.segments.iter().map(|segment| segment.0).sum();
    assert!(first.target == 2 && seconds > 9.0, "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_begin_with_a_key_frame_last_as_long_as_they_say_and_join_without_a_gap() {
    for (kind, has_video) in
        [(Kind::H264Aac, true), (Kind::H264OpenGopSubs, true), (Kind::NoIdr, true), (Kind::AudioOnly, false)]
    {
        let origin = Origin::start().await;
        origin.serve("/a.ts", clip(kind).burst(Duration::from_secs(15)));
        let relay = Relay::with_sources(&[origin.url("/a.ts")], "");
        let list = wait_playlist(relay.address(), 2 * SOON, |list| list.segments.len() >= 4).await;
        let mut all = Checker::new();
        let mut bytes = Vec::new();
        for (at, (seconds, uri, is_discontinuous)) in list.segments.iter().enumerate() {
            assert!(seconds.round() <= 5.0 && !is_discontinuous, "{list:?}");
            let answer = segment(relay.address(), uri).await;
            let report = Checker::check(&answer.body);
            report.assert_within(&Limits { cut_end: false, ..Limits::default() });
            assert_eq!(report.video_pid().is_some(), has_video);
            if at > 0 {
                let media = report.media_time.as_secs_f64();
                assert!((media - seconds).abs() < 0.2, "{kind:?}: {media} s and not {seconds}");
            }
            all.push(&answer.body);
            bytes.extend_from_slice(&answer.body);
        }
        let report = all.report();
        // A PES packet of sound holds up to 0.2 s.
        report.assert_within(&Limits { dts_gap: Duration::from_millis(250), ..Limits::default() });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_is_what_players_and_caches_expect() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip(Kind::H264AacB).burst(Duration::from_secs(11)));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "number = 7");
    let address = relay.address();
    let paths = [
        "/stream/one/hls",
        "/stream/one/index.m3u8",
        "/api/proxy/channel/one/hls",
        "/api/proxy/channel/7/hls",
    ];
    for path in paths {
        let answer = Request::new("HEAD", address, path).send().await.unwrap();
        assert_eq!(
            (answer.status, answer.header("Content-Type")),
            (200, Some("application/vnd.apple.mpegurl"))
        );
        assert_eq!(answer.header("Content-Length"), None, "a length of 0 is an empty file to players");
    }
    assert_eq!(relay.status("one").await["state"], "idle", "HEAD opens nothing");
    for path in paths {
        let answer = get(address, path).await;
        assert_eq!(answer.header("Content-Type"), Some("application/vnd.apple.mpegurl"), "{path}");
        assert_eq!(answer.header("Cache-Control"), Some("no-cache"));
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
        let list = read(&answer);
        // Relative to the address of the playlist.
        let folder = path.rsplit_once('/').unwrap().0;
        let one = get(address, &format!("{folder}/{}", list.segments[0].1)).await;
        assert_eq!((one.status, one.header("Content-Type")), (200, Some("video/mp2t")), "{path}");
    }
    let plain = get(address, paths[0]).await;
    let tag = plain.header("ETag").unwrap().to_owned();
    let known = Request::get(address, paths[0]).header("If-None-Match", &tag).send().await.unwrap();
    if known.status == 304 {
        assert!(known.body.is_empty() && known.header("ETag") == Some(&tag));
    } else {
        assert_ne!(known.header("ETag"), Some(&*tag), "there was a new segment meanwhile");
    }
    let zipped = Request::get(address, paths[0]).header("Accept-Encoding", "gzip").send().await.unwrap();
    assert_eq!(
        (zipped.header("Content-Encoding"), zipped.header("Vary")),
        (Some("gzip"), Some("Accept-Encoding"))
    );
    assert!(zipped.body.starts_with(&[0x1F, 0x8B]));
    let preflight = Request::new("OPTIONS", address, paths[0]).send().await.unwrap();
    assert_eq!((preflight.status, preflight.header("Access-Control-Allow-Origin")), (204, Some("*")));
    for path in [
        "/stream/none/hls",
        "/stream/one/hls/segment_99999.ts",
        "/stream/one/hls/segment_x.ts",
        "/stream/one/hls/1",
    ] {
        assert_eq!(get(address, path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_a_file_that_never_changes() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip(Kind::H264AacB).burst(Duration::from_secs(11)));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "");
    let address = relay.address();
    let path = format!("/stream/one/{}", playlist(address).await.segments[0].1);
    let whole = get(address, &path).await;
    let length = whole.body.len();
    assert_eq!(whole.header("Content-Length"), Some(&*length.to_string()));
    assert_eq!(whole.header("Accept-Ranges"), Some("bytes"));
    assert_eq!(whole.header("Cache-Control"), Some("public, max-age=3600, immutable"));
    assert_eq!(whole.header("Access-Control-Allow-Origin"), Some("*"));
    let head = Request::new("HEAD", address, &path).send().await.unwrap();
    assert_eq!((head.status, head.header("Content-Length")), (200, Some(&*length.to_string())));
    for (range, part) in [
        ("bytes=0-", 0..length),
        ("bytes=188-375", 188..376),
        ("bytes=-188", length - 188..length),
        ("bytes=1880-999999", 1880..length),
    ] {
        let answer = Request::get(address, &path).header("Range", range).send().await.unwrap();
        assert_eq!((answer.status, answer.body == whole.body[part.clone()]), (206, true), "{range}");
        let expected = format!("bytes {}-{}/{length}", part.start, part.end - 1);
        assert_eq!(answer.header("Content-Range"), Some(&*expected));
        assert_eq!(answer.header("Content-Length"), Some(&*part.len().to_string()));
    }
    let beyond = Request::get(address, &path).header("Range", "bytes=99999999-").send().await.unwrap();
    assert_eq!((beyond.status, beyond.header("Content-Range")), (416, Some(&*format!("bytes */{length}"))));
    assert_eq!(get(address, &path).await.body, whole.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_by_hls_holds_the_channel_open_and_is_gone_after_three_target_durations() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip(Kind::ShortGop).burst(Duration::from_secs(4)));
    let hls = "[hls]\nsegment = \"500ms\"\n";
    let relay =
        Relay::start(&format!("{hls}{}", channel("one", &[origin.url("/a.ts")], "idle_timeout = \"500ms\"")));
    let address = relay.address();
    let list = playlist(address).await;
    assert_eq!(list.target, 1);
    for _ in 0..3 {
        // The same player; another one has another name.
        playlist(address).await;
    }
    let status = relay.status("one").await;
    assert_eq!((&status["clients"], &status["clients_by_kind"]), (&json!(1), &json!({ "ts": 0, "hls": 1 })));
    // Before the last requests: no session is silent for longer than since here.
    let left = Instant::now();
    Request::get(address, "/stream/one/hls").header("User-Agent", "another").send().await.unwrap();
    get(address, "/stream/one/hls?token=a").await;
    get(address, "/stream/one/hls?token=b").await;
    assert_eq!(relay.status("one").await["clients"], 4);
    let uri = list.segments.last().unwrap().1.clone();
    relay.wait_status("one", 2 * SOON, |status| status["clients"] == 0).await;
    let gone = left.elapsed();
    println!("sessions were gone after {} ms", gone.as_millis());
    assert!((Duration::from_secs(3)..Duration::from_millis(4500)).contains(&gone), "{gone:?}");
    origin.wait_connections("/a.ts", 0, SOON).await;
    assert_eq!(get(address, &format!("/stream/one/{uri}")).await.status, 404, "the channel is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_go_on_over_a_stop_and_a_restart_of_the_process() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", clip(Kind::ShortGop).burst(Duration::from_secs(2)));
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[hls]\nsegment = \"500ms\"\ndir = {:?}\n{}",
        folder.path().to_str().unwrap(),
        channel("one", &[origin.url("/a.ts")], "idle_timeout = \"100ms\"")
    );
    let relay = Relay::start(&text);
    let first = wait_playlist(relay.address(), 3 * SOON, |list| list.segments.len() > 5).await;
    origin.wait_connections("/a.ts", 0, 3 * SOON).await;
    // Who comes before the channel is gone would have it go on as it was.
    relay.wait_status("one", SOON, |status| status["state"] == "idle").await;
    let second = playlist(relay.address()).await;
    let end = |list: &Playlist| list.sequence + list.segments.len() as u64;
    assert!(second.sequence >= end(&first), "{first:?}\n{second:?}");
    assert!(second.segments[0].2, "it has another timeline than what was there before");
    assert!(second.discontinuities >= first.discontinuities && second.target == first.target);
    assert!(relay.stop().await);
    let relay = Relay::start(&text);
    let third = playlist(relay.address()).await;
    assert!(third.sequence >= end(&second) && third.segments[0].2, "{second:?}\n{third:?}");
    assert!(
        third.discontinuities > second.discontinuities && third.target == first.target,
        "{second:?}\n{third:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_of_sources_leaves_the_playlist_whole() {
    let origin = Origin::start().await;
    origin
        .serve("/a.ts", clip(Kind::H264Aac).burst(Duration::from_secs(7)).end_after(Duration::from_secs(9)));
    origin.serve("/b.ts", clip(Kind::H264AacB).burst(Duration::from_secs(7)));
    origin.serve("/c.ts", clip(Kind::HevcAacB).burst(Duration::from_secs(7)));
    for (second, is_recoded) in [("/b.ts", false), ("/c.ts", true)] {
        origin.serve("/a.ts", clip(Kind::H264Aac).burst(Duration::from_secs(7)));
        let relay = Relay::with_sources(&[origin.url("/a.ts"), origin.url(second)], "");
        let before = playlist(relay.address()).await;
        origin.serve("/a.ts", Behaviour::status(404, "text/plain", "gone"));
        origin.kill("/a.ts");
        relay
            .wait_status("one", 4 * SOON, |status| {
                status["source_index"] == 1 && status["source_live"] == true
            })
            .await;
        let after =
            wait_playlist(relay.address(), 4 * SOON, |list| list.segments.len() > before.segments.len() + 3)
                .await;
        let marks: Vec<bool> = after.segments.iter().map(|segment| segment.2).collect();
        assert_eq!(marks.contains(&true), is_recoded, "{after:?}");
        assert_eq!((after.target, after.sequence), (before.target, before.sequence));
        let mut all = Checker::new();
        for (_, uri, _) in &after.segments {
            let body = segment(relay.address(), uri).await.body;
            Checker::check(&body).assert_within(&Limits { cut_end: false, ..Limits::default() });
            all.push(&body);
        }
        assert_eq!(all.report().continuity_errors_total(), 0);
        assert!(all.report().dts_backward.is_empty(), "{:?}", all.report().dts_backward);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_without_a_source_says_so_and_counts_nobody() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::status(404, "text/plain", "gone"));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "start_timeout = \"1s\"");
    let answer = get(relay.address(), "/stream/one/hls").await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (503, &json!("no_source")));
    assert!(answer.header("Retry-After").is_some());
    relay.wait_status("one", SOON, |status| status["clients"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_left_before_a_start_failed_keeps_nothing() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::status(404, "text/plain", "gone"));
    let channel = channel("one", &[origin.url("/a.ts")], "start_timeout = \"1s\"");
    let program = Setup::new(&channel).start().await;
    let address = program.address();
    let viewer = tokio::spawn(async move { get(address, "/stream/one/hls").await });
    let wait_store = async |is_there: bool| {
        let has_store = || program.files().iter().any(|file| file.contains("forebay-store"));
        let wait = async {
            while has_store() != is_there {
                tokio::time::sleep(SOON / 100).await;
            }
        };
        tokio::time::timeout(2 * SOON, wait).await.expect("a store comes and goes with its channel");
    };
    wait_store(true).await;
    viewer.abort();
    wait_store(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_can_name_playlists() {
    let relay = Relay::with_sources(&["testcard://".to_owned()], "");
    let list = get(relay.address(), "/playlist.m3u?format=hls").await.text();
    assert!(list.contains(&relay.url("/stream/one/index.m3u8")) && !list.contains(".ts"), "{list}");
}
