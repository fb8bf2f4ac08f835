//! Music channels with a still picture now and then, and radio as MPEG-TS: nothing is wrong with
//! them.

use std::sync::Arc;
use std::time::Duration;

use forebay_testkit::client::Viewer;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::hls::{Follower, Rules};
use forebay_testkit::origin::{Behaviour, Hls, Origin};
use forebay_testkit::ts::build::Muxer;
use forebay_testkit::ts::{Checker, demux};
use futures_util::future::join_all;

use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);
const VIDEO: u16 = 0x100;
const AUDIO: u16 = 0x101;

/// Length of the clips, in ticks of 90 kHz.
const LENGTH: u64 = 19_200 * 90;

/// All of a programme's sound, and of its pictures one in so many milliseconds, which divide its
/// length.
fn stills(millis: u64) -> Arc<Clip> {
    let clip = Clip::get(Kind::ShortGop);
    let pes = clip.pes();
    let (pictures, sound) = (&pes[&clip.video_pid().expect("it has pictures")], &pes[&clip.audio_pids()[0]]);
    let mut muxer = Muxer::new(0x1000, VIDEO).stream(VIDEO, 0x1b).stream(AUDIO, 0x0f);
    let first = pictures[0].pts.expect("a picture has a stamp");
    let keys: Vec<_> = pictures.iter().filter(|picture| picture.random_access).collect();
    let (mut bytes, mut shown) = (Vec::new(), 0);
    let sound: Vec<_> = sound.iter().filter_map(|frame| Some((frame.pts?, frame))).collect();
    for tick in (0..LENGTH).step_by(3_600) {
        if tick.is_multiple_of(9 * 3_600) {
            bytes.extend([muxer.pat(), muxer.pmt()].concat());
        }
        bytes.extend(muxer.pcr(VIDEO, (first - 45_000 + tick) * 300));
        if tick.is_multiple_of(millis * 90) {
            let at = first + tick;
            let key = keys[shown % keys.len()];
            shown += 3; // no two are the same
            bytes.extend(muxer.key_pes(VIDEO, at, None, &key.payload, None));
        }
        let is_due = |(at, _): &&(u64, _)| (tick..tick + 3_600).contains(&at.saturating_sub(first));
        for (at, frame) in sound.iter().filter(is_due) {
            bytes.extend(muxer.pes(AUDIO, *at, None, &frame.payload, None));
        }
    }
    Arc::new(Clip::from_bytes("stills", bytes, Duration::from_millis(19_200)))
}

struct Case {
    name: &'static str,
    clip: Arc<Clip>,
    url: String,
    /// How long its HLS is watched; until a picture is known to be whole, there is none.
    by_hls: Duration,
}

/// What is wrong with what viewers get.
async fn watch(relay: &Relay, Case { name, clip, by_hls, .. }: &Case) -> Vec<String> {
    let mut viewer = Viewer::get(relay.address(), &format!("/stream/{name}")).await;
    // A picture is known to be whole when the next one begins, so two segments may end at once.
    let rules = Rules { full_window: false, dts_gap: 10 * SECOND, publication: 2.0, ..Rules::default() };
    let mut segments = Follower::with_rules(&relay.url(&format!("/stream/{name}/hls")), rules);
    let (bytes, ()) = tokio::join!(viewer.read_for(14 * SECOND), segments.watch(*by_hls));
    let report = Checker::check(&bytes);
    let got = demux(&bytes);
    let sound = got.get(&clip.audio_pids()[0]).map_or(&[][..], Vec::as_slice);
    let times: Vec<u64> = sound.iter().filter_map(|frame| frame.pts).collect();
    let most = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
    let played = times.last().zip(times.first()).map_or(0, |(last, first)| last - first);
    let status = relay.status(name).await;
    let segments = segments.finish();
    let (least, by_hls) = (*by_hls * 9 / 14, segments.media);
    let mut faults = segments.faults;
    for (is_wrong, what) in [
        (most > 27_000, format!("{most} ticks without sound")),
        (played < 12 * 90_000, format!("only {played} ticks of sound")),
        (report.continuity_errors_total() > 0, format!("{:?}", report.continuity_errors)),
        (!report.dts_backward.is_empty(), format!("{:?}", report.dts_backward)),
        (by_hls < least, format!("{by_hls:?} by HLS")),
        (status["upstream_connections_opened"] != 1, status.to_string()),
        (!status["sources"][0]["last_error"].is_null(), status.to_string()),
    ] {
        if is_wrong {
            faults.push(what);
        }
    }
    println!(
        "{name}: {:.1} s by MPEG-TS, {:?} by HLS",
        Duration::from_millis(played / 90).as_secs_f64(),
        by_hls
    );
    faults
}

/// It takes so long since pictures come seconds apart.
#[tokio::test(flavor = "multi_thread")]
async fn they_play_as_mpeg_ts_and_hls() {
    let (origin, backup) = (Origin::start().await, Origin::start().await);
    let mut cases = Vec::new();
    let mut broadcasts = Vec::new();
    for (name, clip) in [
        ("stills", stills(4_800)),
        ("rare-stills", stills(9_600)),
        ("radio", Clip::get(Kind::AudioOnly)),
        ("radio-mp3", Clip::get(Kind::Mp3Only)),
    ] {
        let path = format!("/{name}.ts");
        origin.serve(&path, Behaviour::ts(Arc::clone(&clip)));
        let by_hls = if name == "rare-stills" { 30 * SECOND } else { 14 * SECOND };
        cases.push(Case { name, url: origin.url(&path), clip, by_hls });
    }
    for (name, clip) in [("hls-radio", Clip::get(Kind::AudioOnly)), ("hls-stills", stills(4_800))] {
        let broadcast = Hls::live(Arc::clone(&clip)).mount(&origin, &format!("/{name}"));
        cases.push(Case { name, url: broadcast.url().to_owned(), clip, by_hls: 14 * SECOND });
        broadcasts.push(broadcast);
    }
    let mut channels = String::new();
    for Case { name, url, .. } in &cases {
        let path = format!("/{name}.ts");
        backup.serve(&path, Behaviour::ts(Clip::get(Kind::Small)));
        channels += &channel(name, &[url.clone(), backup.url(&path)], "");
    }
    let relay = Relay::start(&channels);
    let seen = join_all(cases.iter().map(|case| watch(&relay, case))).await;
    let faults: Vec<String> = cases
        .iter()
        .zip(seen)
        .flat_map(|(case, faults)| faults.into_iter().map(move |fault| format!("{}: {fault}", case.name)))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(backup.requests().is_empty(), "no backup was needed");
}
