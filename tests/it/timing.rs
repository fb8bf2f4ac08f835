//! Sources whose media does not come as it plays: in lumps, faster, late.

use std::time::Duration;

use forebay_testkit::client::{Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin, WarmUp, record};
use forebay_testkit::player::ffmpeg_strict;
use forebay_testkit::ts::{Checker, Limits};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

fn clip() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac))
}

/// Reads for so long, and judges what came.
async fn judge(viewer: &mut Viewer, span: Duration) -> Duration {
    let bytes = viewer.read_for(span).await;
    let report = Checker::check(&bytes);
    report.assert_within(&Limits::default());
    report.media_time
}

/// The longest time without anything new, from then on.
fn gap_from(viewer: &Viewer, from: Instant) -> Duration {
    let times: Vec<Instant> =
        viewer.arrivals().iter().map(|arrival| arrival.at).filter(|&at| at >= from).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn lumps_are_one_stream_that_goes_on_evenly() {
    let seconds = [2, 3];
    let origin = Origin::start().await;
    let path = |lump: u32| format!("/{lump}.ts");
    let channels = seconds.map(|lump| {
        origin.serve(&path(lump), clip().live().lumps(lump * SECOND));
        channel(&format!("lump{lump}"), &[origin.url(&path(lump))], "stall_timeout = \"1s\"")
    });
    let relay = Relay::start(&channels.concat());
    let begun = Instant::now();
    join_all(seconds.map(|lump| {
        let (relay, origin) = (&relay, &origin);
        async move {
            let stream = format!("/stream/lump{lump}");
            let mut viewer = Viewer::get(relay.address(), &stream).await;
            let late = async {
                // In the middle of the third lump, and in front of the fourth.
                let mut viewers = Vec::new();
                for halves in [5, 6] {
                    sleep_until(begun + lump * halves * SECOND / 2 - SECOND / 10).await;
                    let asked = Instant::now();
                    let mut viewer = Viewer::get(relay.address(), &stream).await;
                    let media = judge(&mut viewer, SECOND / 2).await;
                    assert!(media >= SECOND, "lumps of {lump} s: {media:?} in {:?}", asked.elapsed());
                    viewers.push(viewer);
                }
            };
            let (media, ()) = tokio::join!(judge(&mut viewer, 7 * lump * SECOND / 2), late);
            let gap = gap_from(&viewer, begun + lump * SECOND + SECOND / 2);
            println!("lumps of {lump} s: {media:?} of media, a gap of {} ms", gap.as_millis());
            assert_eq!(origin.opened(&path(lump)), 1, "lumps of {lump} s");
            assert!(gap <= SECOND / 2, "lumps of {lump} s: a gap of {gap:?}");
            assert!(media + 3 * SECOND / 2 >= 7 * lump * SECOND / 2, "lumps of {lump} s: only {media:?}");
            let status = relay.status(&format!("lump{lump}")).await;
            assert!(status["sources"][0]["last_error"].is_null(), "{status}");
        }
    }))
    .await;
}

/// Also for who plays HLS: never longer without a picture than who plays the source itself.
#[tokio::test(flavor = "multi_thread")]
async fn lumps_play_evenly_by_hls() {
    let origin = Origin::start().await;
    origin.serve("/lumps.ts", clip().live().lumps(3 * SECOND));
    let relay = Relay::with_sources(&[origin.url("/lumps.ts")], "stall_timeout = \"1s\"");
    let (source, relayed) = (origin.url("/lumps.ts"), relay.url("/stream/one/hls"));
    let (direct, relayed) = tokio::join!(ffmpeg_strict(&source, 12), ffmpeg_strict(&relayed, 12));
    println!("standing still: {:.1?} directly, {:.1?} relayed", direct.stood, relayed.stood);
    relayed.assert_ok();
    assert!(relayed.stood <= direct.stood.max(SECOND / 2), "{:?}, {:?}", relayed.stood, direct.stood);
    let status = relay.status("one").await;
    assert_eq!(status["upstream_connections_opened"], 1, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_faster_than_it_plays_is_read_as_it_plays() {
    let media = record(Clip::get(Kind::H264Aac), Duration::from_secs(45));
    let origin = Origin::start().await;
    origin.serve("/file.ts", Behaviour::body("video/mp2t", media));
    origin.serve("/fast.ts", clip());
    origin.pace("/fast.ts", 800);
    let channels =
        ["file", "fast"].map(|name| channel(name, &[origin.url(&format!("/{name}.ts"))], "")).concat();
    let relay = Relay::start(&channels);
    let (mut file, mut fast) = tokio::join!(
        Viewer::get(relay.address(), "/stream/file"),
        Viewer::get(relay.address(), "/stream/fast")
    );
    for media in
        <[Duration; 2]>::from(tokio::join!(judge(&mut file, 8 * SECOND), judge(&mut fast, 8 * SECOND)))
    {
        assert!(media >= 20 * SECOND && media <= 27 * SECOND, "{media:?} of media in 8 s");
    }
    assert_eq!((origin.opened("/file.ts"), origin.opened("/fast.ts")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_gets_ready_or_answers_late_is_waited_for() {
    const LATE: Duration = Duration::from_secs(6);
    let sources = [
        ("null", clip().warm_up(LATE, WarmUp::Null)),
        ("nulls", clip().warm_up(LATE, WarmUp::Nulls)),
        ("tables", clip().warm_up(LATE, WarmUp::Tables)),
        ("late", clip().answer_after(LATE)),
    ];
    let origin = Origin::start().await;
    let names = sources.clone().map(|(name, _)| name);
    let channels = sources.map(|(name, behaviour)| {
        origin.serve(&format!("/{name}.ts"), behaviour);
        channel(name, &[origin.url(&format!("/{name}.ts"))], "")
    });
    let relay = Relay::start(&channels.concat());
    let begun = Instant::now();
    join_all(names.map(async |name| {
        let viewer = Request::get(relay.address(), &format!("/stream/{name}")).open().await;
        let status = viewer.unwrap_or_else(|error| panic!("{name}: {error}")).status();
        assert_eq!((status, origin.opened(&format!("/{name}.ts"))), (200, 1), "{name}");
        assert!(begun.elapsed() < LATE + 2 * SECOND, "{name}: {:?}", begun.elapsed());
    }))
    .await;
}
