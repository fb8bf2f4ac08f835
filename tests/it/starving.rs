//! A source that always has something to read: viewers of other channels must not notice.

use std::time::Duration;

use forebay::cli::serve::ingest_runtime;
use forebay_testkit::client::{Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin, record};
use tokio::time::{Instant, sleep, timeout};

use crate::relay::{Relay, channel};

/// The longest gap in another channel that is still none: players notice nothing of it.
const LONGEST_GAP: Duration = Duration::from_millis(250);

/// How long somebody watches the source that always has data.
const BESIDE: Duration = Duration::from_secs(3);

/// Somebody watches a channel with such a source, and all drivers share one thread. What a viewer
/// of another channel gets meanwhile must have no gap, and a third channel must open soon.
fn nobody_is_starved_beside(what: &str, source: Behaviour) {
    let ingest = ingest_runtime(1).expect("a thread can be started");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    let runtime = runtime.expect("threads can be started");
    let (gap, opening) = runtime.block_on(gap_beside(source, ingest.handle().clone()));
    ingest.shutdown_background();
    println!("beside {what}: a gap of {} ms, opening took {} ms", gap.as_millis(), opening.as_millis());
    assert!(gap <= LONGEST_GAP, "beside {what} nothing came for {gap:?}");
    assert!(opening <= Duration::from_secs(1), "beside {what} another channel took {opening:?} to open");
}

async fn gap_beside(source: Behaviour, ingest: tokio::runtime::Handle) -> (Duration, Duration) {
    let origin = Origin::start().await;
    origin.serve("/busy.ts", source);
    let card = || ["testcard://".to_owned()];
    let channels = [
        channel("victim", &card(), ""),
        channel("late", &card(), ""),
        channel("busy", &[origin.url("/busy.ts")], ""),
    ];
    let relay = Relay::start_on(&channels.concat(), ingest);
    let address = relay.address();
    let mut victim = Viewer::get(address, "/stream/victim").await;
    victim.read_for(Duration::from_millis(500)).await;
    let busy = tokio::spawn(async move {
        // Some of these sources never bring a picture.
        let Ok(mut viewer) = Request::get(address, "/stream/busy").open().await else { return };
        while viewer.ended().is_none() {
            viewer.read_for(Duration::from_millis(100)).await;
        }
    });
    origin.wait_opened("/busy.ts", 1, Duration::from_secs(2)).await;
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
    busy.abort();
    (gap, opening)
}

/// More media than is read ahead of time.
fn media() -> Vec<u8> {
    record(Clip::get(Kind::H264Aac), Duration::from_mins(1))
}

#[test]
fn by_a_file_on_a_web_server() {
    nobody_is_starved_beside("a file", Behaviour::body("video/mp2t", media()));
}

#[test]
fn by_a_stream_that_comes_as_fast_as_it_is_read() {
    nobody_is_starved_beside("a stream at full speed", Behaviour::flood("video/mp2t", &media()));
}

#[test]
fn by_chunks_of_one_byte() {
    let media = record(Clip::get(Kind::H264Aac), Duration::from_secs(20));
    nobody_is_starved_beside("chunks of one byte", Behaviour::flood("video/mp2t", &media).chunks_of(1));
}

#[test]
fn by_null_packets() {
    nobody_is_starved_beside("null packets", Behaviour::flood_of_null_packets());
}

#[test]
fn by_interim_answers() {
    for status in [100, 103] {
        nobody_is_starved_beside("interim answers", Behaviour::flood_of_interim_answers(status));
    }
}
