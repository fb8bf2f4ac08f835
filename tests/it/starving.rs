//! A source that always has something to read, or much at once: viewers of other channels must not
//! notice, and its own channel closes in time.

use std::fmt::Write as _;
use std::time::Duration;

use forebay::cli::serve::ingest_runtime;
use forebay_testkit::client::{Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin, record};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::relay::{Relay, channel};

/// The longest gap in another channel that is still none: players notice nothing of it.
const LONGEST_GAP: Duration = Duration::from_millis(250);

/// How long somebody watches the sources that always have data.
const BESIDE: Duration = Duration::from_secs(3);

/// When a channel is to close after its last viewer has gone.
const IDLE: Duration = Duration::from_secs(1);

/// How much later than that it may be closed.
const CLOSING: Duration = Duration::from_secs(1);

/// Somebody watches channels with such sources, and all drivers share one thread. What a viewer of
/// another channel gets meanwhile must have no gap, a third channel must open soon, and theirs
/// must close in time. `serve` mounts the sources and gives their paths.
fn nobody_is_starved_beside(what: &str, serve: impl FnOnce(&Origin) -> Vec<&'static str>) {
    let ingest = ingest_runtime(1).expect("a thread can be started");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    let runtime = runtime.expect("threads can be started");
    let (gap, opening) = runtime.block_on(gap_beside(serve, ingest.handle().clone()));
    ingest.shutdown_background();
    println!("beside {what}: a gap of {} ms, opening took {} ms", gap.as_millis(), opening.as_millis());
    assert!(gap <= LONGEST_GAP, "beside {what} nothing came for {gap:?}");
    assert!(opening <= Duration::from_secs(1), "beside {what} another channel took {opening:?} to open");
}

async fn gap_beside(
    serve: impl FnOnce(&Origin) -> Vec<&'static str>,
    ingest: tokio::runtime::Handle,
) -> (Duration, Duration) {
    let origin = Origin::start().await;
    let paths = serve(&origin);
    let card = || ["testcard://".to_owned()];
    let mut channels = channel("victim", &card(), "") + &channel("late", &card(), "");
    for (number, path) in paths.iter().enumerate() {
        let settings = format!("idle_timeout = \"{IDLE:?}\"");
        channels += &channel(&format!("busy{number}"), &[origin.url(path)], &settings);
    }
    let relay = Relay::start_on(&channels, ingest);
    let address = relay.address();
    let mut victim = Viewer::get(address, "/stream/victim").await;
    victim.read_for(Duration::from_millis(500)).await;
    let watch = move |number: usize| async move {
        // Some of these sources never bring a picture.
        let Ok(mut viewer) = Request::get(address, &format!("/stream/busy{number}")).open().await else {
            return;
        };
        while viewer.ended().is_none() {
            viewer.read_for(Duration::from_millis(100)).await;
        }
    };
    let busy: Vec<_> = (0..paths.len()).map(|number| tokio::spawn(watch(number))).collect();
    for path in &paths {
        origin.wait_opened(path, 1, Duration::from_secs(2)).await;
    }
    let joining = tokio::spawn(async move {
        sleep(BESIDE / 2).await;
        let asked = Instant::now();
        // Where it takes longer, that is told.
        let _ =
            timeout(2 * BESIDE, async { Viewer::get(address, "/stream/late").await.read_until(188).await })
                .await;
        asked.elapsed()
    });
    let before = victim.arrivals().last().map_or_else(Instant::now, |arrival| arrival.at);
    victim.read_for(BESIDE).await;
    let arrivals = victim.arrivals().iter().map(|arrival| arrival.at).filter(|&at| at >= before);
    let arrivals: Vec<Instant> = arrivals.chain([Instant::now()]).collect();
    let gap = arrivals.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
    let opening = joining.await.expect("joining does not panic");
    busy.iter().for_each(tokio::task::JoinHandle::abort);
    let closed = paths.iter().enumerate().map(|(number, path)| {
        let (relay, origin, id) = (&relay, &origin, format!("busy{number}"));
        async move {
            relay.wait_status(&id, IDLE + CLOSING, |status: &Value| status["state"] == "idle").await;
            origin.wait_connections(path, 0, CLOSING).await;
        }
    });
    join_all(closed).await;
    (gap, opening)
}

/// Mounts one source.
fn one(source: Behaviour) -> impl FnOnce(&Origin) -> Vec<&'static str> {
    move |origin| {
        origin.serve("/busy.ts", source);
        vec!["/busy.ts"]
    }
}

/// More media than is read ahead of time.
fn media() -> Vec<u8> {
    record(Clip::get(Kind::H264Aac), Duration::from_mins(1))
}

#[test]
fn by_a_file_on_a_web_server() {
    nobody_is_starved_beside("a file", one(Behaviour::body("video/mp2t", media())));
}

#[test]
fn by_a_stream_that_comes_as_fast_as_it_is_read() {
    nobody_is_starved_beside("a stream at full speed", one(Behaviour::flood("video/mp2t", &media())));
}

#[test]
fn by_chunks_of_one_byte() {
    let media = record(Clip::get(Kind::H264Aac), Duration::from_secs(20));
    nobody_is_starved_beside("chunks of one byte", one(Behaviour::flood("video/mp2t", &media).chunks_of(1)));
}

#[test]
fn by_null_packets() {
    nobody_is_starved_beside("null packets", one(Behaviour::flood_of_null_packets()));
}

#[test]
fn by_interim_answers() {
    for status in [100, 103] {
        nobody_is_starved_beside("interim answers", one(Behaviour::flood_of_interim_answers(status)));
    }
}

#[test]
fn by_two_sources_at_once() {
    nobody_is_starved_beside("two sources at full speed", |origin| {
        origin.serve("/media.ts", Behaviour::flood("video/mp2t", &media()));
        origin.serve("/null.ts", Behaviour::flood_of_null_packets());
        vec!["/media.ts", "/null.ts"]
    });
}

/// Of nearly as many bytes as one may have.
#[test]
fn by_a_playlist_of_16_mib() {
    const LENGTH: usize = (16 << 20) - (64 << 10);
    let mut list = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n".to_owned();
    for number in 0.. {
        if list.len() > LENGTH {
            break;
        }
        write!(list, "#EXTINF:2,\nsegment.ts?{number}\n").expect("a string takes everything");
    }
    nobody_is_starved_beside("a playlist of 16 MiB", |origin| {
        origin.serve("/list.m3u8", Behaviour::body("application/vnd.apple.mpegurl", list));
        let segment = record(Clip::get(Kind::H264Aac), Duration::from_secs(2));
        origin.serve("/segment.ts", Behaviour::body("video/mp2t", segment));
        vec!["/list.m3u8"]
    });
}

/// Segments of nearly as many bytes as one may have, of which each eight are a box.
#[test]
fn by_segments_of_empty_boxes() {
    const FILM: &[u8] = include_bytes!("../../core/tests/data/h264_aac.mp4");
    let fragment = FILM.windows(4).position(|kind| kind == b"moof").expect("it is fragmented") - 4;
    let boxes = b"\0\0\0\x08free".repeat(60 << 17);
    let segments: Vec<String> = (0..4).map(|number| format!("#EXTINF:2,\nboxes.m4s?{number}\n")).collect();
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"init.mp4\"\n";
    let list = format!("{head}{}", segments.concat());
    nobody_is_starved_beside("segments of empty boxes", |origin| {
        origin.serve("/list.m3u8", Behaviour::body("application/vnd.apple.mpegurl", list));
        origin.serve("/init.mp4", Behaviour::body("video/mp4", &FILM[..fragment]));
        origin.serve("/boxes.m4s", Behaviour::body("video/mp4", boxes));
        vec!["/list.m3u8"]
    });
}
