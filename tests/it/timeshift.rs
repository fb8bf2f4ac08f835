//! Time-shift: how far playlists and streams reach back, over the end of a feed and of the
//! process too.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use forebay_testkit::client::{self, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::player;
use forebay_testkit::ts::{Checker, PACKET_SIZE};
use rustix::process::Signal;
use tempfile::NamedTempFile;
use tokio::time::{Instant, sleep};

use crate::program::Setup;
use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// A source that hands over so many seconds of its past at once.
fn past(seconds: u32) -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac)).burst(seconds * SECOND)
}

/// A playlist, as far as these tests read it.
#[derive(Debug)]
struct Playlist {
    text: String,
    media_sequence: u64,
    discontinuity_sequence: u64,
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    uri: String,
    seconds: f64,
    is_discontinuous: bool,
    /// As it is written.
    date: Option<String>,
}

impl Playlist {
    async fn get(address: SocketAddr, query: &str) -> Self {
        let answer = client::get(address, &format!("/stream/one/index.m3u8{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self::parse(answer.text())
    }

    fn parse(text: String) -> Self {
        let number = |key: &str| {
            text.lines().find_map(|line| line.strip_prefix(key)?.parse().ok()).expect("it is there")
        };
        let mut segments = Vec::new();
        let (mut seconds, mut is_discontinuous, mut date) = (0.0, false, None);
        for line in text.lines() {
            if let Some(length) = line.strip_prefix("#EXTINF:") {
                seconds = length.trim_end_matches(',').parse().expect("a number");
            } else if line == "#EXT-X-DISCONTINUITY" {
                is_discontinuous = true;
            } else if let Some(text) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                date = Some(text.to_owned());
            } else if !line.starts_with('#') {
                let is_discontinuous = std::mem::take(&mut is_discontinuous);
                segments.push(Segment { uri: line.to_owned(), seconds, is_discontinuous, date: date.take() });
            }
        }
        let media_sequence = number("#EXT-X-MEDIA-SEQUENCE:");
        let discontinuity_sequence = number("#EXT-X-DISCONTINUITY-SEQUENCE:");
        Self { text, media_sequence, discontinuity_sequence, segments }
    }

    fn length(&self) -> f64 {
        self.segments.iter().map(|segment| segment.seconds).sum()
    }

    /// All its segments: one stream for each timeline.
    async fn fetch(&self, address: SocketAddr) -> Vec<Vec<u8>> {
        let mut runs: Vec<Vec<u8>> = Vec::new();
        for segment in &self.segments {
            if segment.is_discontinuous || runs.is_empty() {
                runs.push(Vec::new());
            }
            let answer = client::get(address, &format!("/stream/one/{}", segment.uri)).await;
            assert_eq!(answer.status, 200, "{}", segment.uri);
            runs.last_mut().expect("there is one").extend(answer.body);
        }
        runs
    }
}

/// Waits until the past is as long as this.
async fn wait_past(address: SocketAddr, seconds: f64) {
    let wait = async {
        loop {
            let (_, status) = client::get_json(address, "/api/streams/one/status").await;
            if status["timeshift"]["seconds"].as_f64().is_some_and(|now| now >= seconds) {
                assert_eq!(status["readers"]["timeshift"], 1, "{status}");
                return;
            }
            sleep(SECOND / 50).await;
        }
    };
    tokio::time::timeout(20 * SECOND, wait).await.expect("the past grows");
}

fn settings(folder: &Path, sources: &[String], more: &str) -> String {
    let usual = "timeshift = \"10m\"\nidle_timeout = \"500ms\"\nread_ahead = \"1h\"\n";
    let channel = channel("one", sources, &format!("{usual}{more}"));
    format!("[hls]\ndir = \"{}\"\n{channel}", folder.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_reaches_back_and_all_its_segments_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    origin.serve("/a.ts", past(120));
    let relay = Relay::start(&settings(folder.path(), &[origin.url("/a.ts")], ""));
    let _viewer = Viewer::get(relay.address(), "/stream/one").await;
    wait_past(relay.address(), 115.0).await;
    let usual = Playlist::get(relay.address(), "").await;
    assert!((30.0..45.0).contains(&usual.length()), "{}", usual.length());
    for (query, least, most) in [
        ("?dvr=60", 55.0, 70.0),
        ("?dvr=1m", 55.0, 70.0),
        ("?dvr=1h", 115.0, 200.0),
        ("?dvr=soon", 115.0, 200.0),
        ("?dvr=5", 30.0, 45.0),
    ] {
        let playlist = Playlist::get(relay.address(), query).await;
        let length = playlist.length();
        assert!((least..most).contains(&length), "{query}: {length}");
        assert!(!playlist.text.contains("PLAYLIST-TYPE") && !playlist.text.contains("ENDLIST"));
    }
    let playlist = Playlist::get(relay.address(), "?dvr=1h").await;
    assert_eq!((playlist.media_sequence, playlist.discontinuity_sequence), (0, 0));
    let [stream] = &playlist.fetch(relay.address()).await[..] else { panic!("one timeline") };
    let report = Checker::check(stream);
    assert_eq!(report.continuity_errors_total(), 0);
    let status = relay.status("one").await;
    assert_eq!(status["timeshift"]["on_disk"], true, "{status}");
    let told = usize::try_from(status["timeshift"]["bytes"].as_u64().unwrap()).unwrap();
    assert!(told.abs_diff(stream.len()) < stream.len() / 10, "{told} {}", stream.len());
    // A part of the oldest.
    let answer = client::Request::get(relay.address(), "/stream/one/hls/segment_0.ts")
        .header("Range", "bytes=188-375");
    let answer = answer.send().await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (206, &stream[188..376]));
    assert!(relay.stop().await);
}

/// What a process that was stopped in this way leaves to the next.
async fn restart(signal: Signal) {
    let origin = Origin::start().await;
    origin.serve("/a.ts", past(60));
    let config = settings(Path::new("cache"), &[origin.url("/a.ts")], "");
    let program = Setup::new(&config).start().await;
    let viewer = Viewer::get(program.address(), "/stream/one").await;
    wait_past(program.address(), 55.0).await;
    let before = Playlist::get(program.address(), "?dvr=10m").await;
    let first = before.fetch(program.address()).await;
    // What came all at once is not on disk at once, and a crash waits for nothing.
    let index = program.folder().join("cache/one/index");
    while index.metadata().map_or(0, |data| data.len()) < 64 * (1 + before.segments.len() as u64) {
        sleep(SECOND / 50).await;
    }
    program.signal(signal);
    let (folder, _) = program.wait_in_folder().await;
    drop(viewer);

    let program = Setup::again(folder).start().await;
    let _viewer = Viewer::get(program.address(), "/stream/one").await;
    wait_past(program.address(), 110.0).await;
    let after = Playlist::get(program.address(), "?dvr=10m").await;
    let runs = after.fetch(program.address()).await;
    let breaks = after.segments.iter().filter(|segment| segment.is_discontinuous).count();
    assert_eq!((breaks, runs.len()), (1, 2), "{}", after.text);
    assert!(
        runs[0].starts_with(&first[0][..first[0].len() - 1_000_000.min(first[0].len() / 2)]),
        "the same bytes"
    );
    for run in &runs {
        assert_eq!(Checker::check(run).continuity_errors_total(), 0);
    }
    let dates: Vec<_> = after.segments.iter().filter_map(|segment| segment.date.clone()).collect();
    assert_eq!(dates.len(), 2, "one for each timeline: {}", after.text);
    assert_eq!(after.segments[0].date, before.segments[0].date);
    // What an address meant it means for ever: either the numbers go on, or all are new.
    let last = before.media_sequence + before.segments.len() as u64 - 1;
    let is_clean = signal == Signal::TERM;
    assert_eq!(after.media_sequence == before.media_sequence, is_clean, "{}", after.text);
    assert!(is_clean || after.media_sequence > last);
    assert!(after.discontinuity_sequence >= before.discontinuity_sequence);

    // Without the key, nothing of it stays.
    let config = config.replace("timeshift = \"10m\"\n", "");
    program.set_config(&config);
    program.signal(Signal::TERM);
    let (folder, _) = program.wait_in_folder().await;
    assert!(folder.path().join("cache/one/index").exists());
    let program = Setup::again(folder).start().await;
    assert!(!program.folder().join("cache/one").exists());
    assert!(program.folder().join("cache/numbers.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_past() {
    restart(Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_keeps_the_past() {
    restart(Signal::KILL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_opens_again_has_its_past() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    origin.serve("/a.ts", past(40));
    let relay = Relay::start(&settings(folder.path(), &[origin.url("/a.ts")], ""));
    let viewer = Viewer::get(relay.address(), "/stream/one").await;
    wait_past(relay.address(), 36.0).await;
    drop(viewer);
    relay.wait_status("one", 10 * SECOND, |status| status["state"] == "idle").await;
    assert_eq!(origin.connections("/a.ts"), 0, "nobody watches: the source is let go");
    let _viewer = Viewer::get(relay.address(), "/stream/one").await;
    wait_past(relay.address(), 72.0).await;
    let playlist = Playlist::get(relay.address(), "?dvr=10m").await;
    let runs = playlist.fetch(relay.address()).await;
    assert_eq!(runs.len(), 2, "{}", playlist.text);
    assert!(runs.iter().all(|run| Checker::check(run).continuity_errors_total() == 0));
    assert_eq!(playlist.segments[0].uri, "hls/segment_0.ts");
    assert!(relay.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_in_the_past_is_sent_no_more_than_plays() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    origin.serve("/a.ts", past(100));
    let relay = Relay::start(&settings(folder.path(), &[origin.url("/a.ts")], ""));
    let _first = Viewer::get(relay.address(), "/stream/one").await;
    wait_past(relay.address(), 95.0).await;
    for (query, least, most) in [
        ("offset=60", 58.0, 66.0),
        ("offset=1m", 58.0, 66.0),
        ("offset=5", 3.0, 8.0),
        ("offset=1d", 95.0, 150.0),
        ("offset=soon", 95.0, 150.0),
        ("offset=0", 0.0, 4.0),
    ] {
        let began = Instant::now();
        let mut viewer = Viewer::get(relay.address(), &format!("/stream/one?{query}")).await;
        let told: f64 = viewer.header("X-Forebay-Offset").expect("it is told").parse().unwrap();
        assert!((least..most).contains(&told), "{query}: {told}");
        let bytes = viewer.read_for(5 * SECOND).await;
        let took = began.elapsed().as_secs_f64();
        let report = Checker::check(&bytes[..bytes.len() / PACKET_SIZE * PACKET_SIZE]);
        assert_eq!(report.continuity_errors_total(), 0, "{query}");
        let seconds = played(&bytes);
        assert!(seconds < took + 4.0 && seconds > took - 1.0, "{query}: {seconds} s of media in {took} s");
    }
    let plain = Viewer::get(relay.address(), "/stream/one").await;
    assert_eq!(plain.header("X-Forebay-Offset"), None);
    // A channel that keeps nothing has what is in its buffer.
    origin.serve("/b.ts", past(30));
    let plain = Relay::with_sources(&[origin.url("/b.ts")], "");
    let _first = Viewer::get(plain.address(), "/stream/one").await;
    plain.wait_status("one", 10 * SECOND, |status| status["buffer"]["seconds"].as_f64() >= Some(9.0)).await;
    let viewer = Viewer::get(plain.address(), "/stream/one?offset=600").await;
    let told: f64 = viewer.header("X-Forebay-Offset").unwrap().parse().unwrap();
    assert!((8.0..60.0).contains(&told), "not 600 s, but what is there: {told}");
}

/// How far the clock of a stream gets, in seconds.
fn played(bytes: &[u8]) -> f64 {
    let packets = bytes.chunks_exact(PACKET_SIZE).filter_map(forebay_testkit::ts::Packet::new);
    let clocks: Vec<u64> = packets.filter_map(|packet| packet.pcr()).collect();
    let (first, last) = clocks.first().zip(clocks.last()).expect("it has a clock");
    Duration::from_micros((last - first) / 27).as_secs_f64()
}

mod players {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn ffmpeg_decodes_what_was_minutes_ago() {
        let folder = tempfile::tempdir().unwrap();
        let origin = Origin::start().await;
        origin.serve("/a.ts", past(200));
        let relay = Relay::start(&settings(folder.path(), &[origin.url("/a.ts")], ""));
        let _first = Viewer::get(relay.address(), "/stream/one").await;
        wait_past(relay.address(), 190.0).await;
        player::ffmpeg_strict(&relay.url("/stream/one?offset=3m"), 6).await.assert_ok();
        // All that a playlist names, as one stream.
        let playlist = Playlist::get(relay.address(), "?dvr=1m").await;
        let runs = playlist.fetch(relay.address()).await;
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &runs[0]).unwrap();
        player::ffmpeg_strict(&file.path().to_string_lossy(), 50).await.assert_ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_past() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", past(60));
    origin.serve("/b.ts", past(580));
    let folder = Path::new("cache");
    let mut memory = Vec::new();
    for (path, seconds) in [("/a.ts", 55.0), ("/b.ts", 570.0)] {
        let config = settings(folder, &[origin.url(path)], "");
        let program = Setup::new(&config).start().await;
        let _viewer = Viewer::get(program.address(), "/stream/one").await;
        wait_past(program.address(), seconds).await;
        let (_, status) = client::get_json(program.address(), "/api/streams/one/status").await;
        let taken = (program.memory_kb("VmRSS"), status["memory"]["store"].as_u64().unwrap() / 1024);
        println!("{seconds} s of the past, {} bytes: {taken:?} kB", status["timeshift"]["bytes"]);
        memory.push(taken);
    }
    let [(few, few_stored), (many, many_stored)] = memory[..] else { unreachable!() };
    assert!(many < few + 24 * 1024, "{few} kB, {many} kB");
    assert!(many_stored < few_stored * 4 + 4 * 1024, "{few_stored} kB, {many_stored} kB");
}
