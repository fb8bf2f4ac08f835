//! Every way to fail, of a stream and of HLS, as a viewer of the stream and one of HLS see it: how long until another source is
//! on air, and how long nothing new comes. The table is printed, and written to `matrix-*.json` in the target directory;
//! with `FOREBAY_MATRIX_ROUNDS`, it has the medians and the worst of so many rounds.

mod cases;
mod watch;

use std::env;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use forebay_relay::events::{Event, Events};
use forebay_testkit::client::Viewer;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Account, Behaviour, Hls, Origin};
use forebay_testkit::player;
use forebay_testkit::ts::Checker;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::relay::{Relay, channel};
use cases::{Case, Show};
use watch::{Followed, Watched};

const SECOND: Duration = Duration::from_secs(1);

/// How long the second source is watched.
const AFTER: Duration = Duration::from_secs(5);

/// Whatever takes longer is not found out.
const PATIENCE: Duration = Duration::from_secs(24);

/// How much longer anything may take on a machine that does other things too.
const SLACK: Duration = Duration::from_secs(2);

/// A case that is over.
struct Outcome {
    id: String,
    reason: String,
    detected: Option<Duration>,
    stream_gap: Duration,
    list_gap: Duration,
    /// What is wrong.
    faults: Vec<String>,
    /// What is to be decoded.
    bytes: Vec<u8>,
}

/// Runs one case on its channel.
async fn run(relay: &Relay, kind: &str, case: &Case, show: &Show) -> Outcome {
    let id = id(kind, case);
    let stop = CancellationToken::new();
    let stream = tokio::spawn(watch::watch(relay.address(), format!("/stream/{id}"), stop.clone()));
    let missing = case.gap + SLACK;
    let url = relay.url(&format!("/stream/{id}/index.m3u8"));
    let list = tokio::spawn(watch::follow(url, missing, stop.clone()));
    relay.wait_status(&id, PATIENCE, |status| status["active"] == true).await;
    let events = relay.events();
    let failed_at = case.fail(show).await;
    let (detected, status) = switched(relay, events, &id, failed_at).await;
    sleep(AFTER).await;
    stop.cancel();
    let stream: Watched = stream.await.expect("a viewer does not panic");
    let list: Followed = list.await.expect("a player does not panic");
    let reason = status["failovers"]["last"][0]["reason"].as_str().unwrap_or("none").to_owned();
    let (stream_gap, list_gap) = (stream.gap(failed_at), list.gap(failed_at));
    let mut faults = Vec::new();
    // What is to be seen of the damage until it is found out is no fault of ours.
    let clean_at = failed_at + detected.unwrap_or_default() + SECOND;
    let bytes = if case.is_visible { watch::from_entry(stream.since(clean_at)) } else { &stream.bytes };
    faults.extend(watch::faults(bytes, missing, true).into_iter().map(|fault| format!("stream: {fault}")));
    if !case.is_visible {
        faults.extend(list.faults.iter().map(|fault| format!("HLS: {fault}")));
    }
    match detected {
        None => faults.push("nothing has happened".to_owned()),
        Some(took) if took > case.detect + SLACK => faults.push(format!("it took {took:.1?}")),
        Some(_) if status["source_index"] != 1 => faults.push(format!("the second is not on air: {status}")),
        Some(_) => {}
    }
    for (viewer, gap) in [("stream", stream_gap), ("HLS", list_gap)] {
        if gap > case.gap + SLACK {
            faults.push(format!("{viewer}: nothing new for {gap:.1?}"));
        }
    }
    let bytes = bytes.to_vec();
    Outcome { id, reason, detected, stream_gap, list_gap, faults, bytes }
}

/// Waits until a channel has another source, or the same one again; how long that took.
async fn switched(
    relay: &Relay,
    mut events: Events,
    id: &str,
    failed_at: Instant,
) -> (Option<Duration>, Value) {
    let wait = async {
        loop {
            match events.next().await.expect("the relay runs") {
                Event::StreamSwitched { channel, .. } if channel.as_str() == id => break failed_at.elapsed(),
                _ => {}
            }
        }
    };
    let detected = timeout(PATIENCE, wait).await.ok();
    (detected, relay.status(id).await)
}

/// Nothing but letters and hyphens.
fn id(kind: &str, case: &Case) -> String {
    format!("{kind}-{}", case.name.replace(' ', "-"))
}

/// As many rounds as are asked for.
async fn run_all(kind: &str, cases: fn() -> Vec<Case>) {
    let rounds = env::var("FOREBAY_MATRIX_ROUNDS").map_or(1, |rounds| rounds.parse().expect("a number"));
    let (mut outcomes, mut faults) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (told, wrong) = run_round(kind, &cases()).await;
        outcomes.push(told);
        faults.extend(wrong);
    }
    let rows: Vec<Row> = (0..outcomes[0].len()).map(|case| Row::new(&outcomes, case)).collect();
    let table = table(&rows);
    println!("{table}");
    write(kind, &rows);
    assert!(faults.is_empty(), "{}\n{table}", faults.join("\n"));
}

/// All cases of a kind at once; what became of each, and what is wrong.
async fn run_round(kind: &str, cases: &[Case]) -> (Vec<Outcome>, Vec<String>) {
    let good = Origin::start().await;
    let second = Behaviour::ts(Clip::get(Kind::H264AacB)).start_at(Duration::from_millis(7300));
    let shows = join_all(cases.iter().map(Case::begin)).await;
    let mut channels = String::from("[hls]\nsegment = \"1s\"\n[stream]\nreturn_after = \"off\"\n");
    for (case, show) in cases.iter().zip(&shows) {
        let id = id(kind, case);
        let path = format!("/{id}.ts");
        good.serve(&path, second.clone());
        channels += &channel(&id, &[show.url.clone(), good.url(&path)], case.settings);
    }
    let relay = Relay::start(&channels);
    let outcomes = join_all(cases.iter().zip(&shows).map(|(case, show)| run(&relay, kind, case, show))).await;
    let mut faults = Vec::new();
    for outcome in &outcomes {
        faults.extend(outcome.faults.iter().map(|fault| format!("{}: {fault}", outcome.id)));
        faults.extend(decode(outcome).await.map(|fault| format!("{}: {fault}", outcome.id)));
    }
    assert!(relay.stop().await);
    (outcomes, faults)
}

/// What a strict decoder has against it.
async fn decode(outcome: &Outcome) -> Option<String> {
    let file = tempfile::Builder::new().suffix(".ts").tempfile().expect("a temporary file");
    std::fs::write(file.path(), &outcome.bytes).expect("a temporary file takes the bytes");
    let verdict = player::ffmpeg_strict(&file.path().to_string_lossy(), 2).await;
    (!verdict.ok).then(|| format!("a decoder says {:.300}", format!("{:?}", verdict.errors)))
}

/// One case in all rounds: medians and the worst, in seconds.
struct Row {
    id: String,
    reason: String,
    detected: [f64; 2],
    stream_gap: [f64; 2],
    list_gap: [f64; 2],
}

impl Row {
    fn new(rounds: &[Vec<Outcome>], case: usize) -> Self {
        let one = &rounds[0][case];
        let of = |time: fn(&Outcome) -> Duration| {
            let mut times: Vec<f64> = rounds.iter().map(|round| time(&round[case]).as_secs_f64()).collect();
            times.sort_by(f64::total_cmp);
            [times[times.len() / 2], times[times.len() - 1]]
        };
        Self {
            id: one.id.clone(),
            reason: one.reason.clone(),
            detected: of(|outcome| outcome.detected.unwrap_or(PATIENCE)),
            stream_gap: of(|outcome| outcome.stream_gap),
            list_gap: of(|outcome| outcome.list_gap),
        }
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<22} {:<16} {:>14} {:>14} {:>14}\n",
        "case (median, worst)", "reason", "switched", "gap by TS", "gap by HLS"
    );
    let both = |[median, worst]: &[f64; 2]| format!("{median:.2}, {worst:.2} s");
    for Row { id, reason, detected, stream_gap, list_gap } in rows {
        let [detected, stream_gap, list_gap] = [detected, stream_gap, list_gap].map(both);
        writeln!(text, "{id:<22} {reason:<16} {detected:>14} {stream_gap:>14} {list_gap:>14}")
            .expect("a string takes everything");
    }
    text
}

/// Leaves the figures for who wants to compare them.
fn write(kind: &str, rows: &[Row]) {
    let rounded = |times: &[f64; 2]| times.map(|time| (time * 1000.0).round() / 1000.0);
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "case": row.id,
                "reason": row.reason,
                "switched_seconds": rounded(&row.detected),
                "stream_gap_seconds": rounded(&row.stream_gap),
                "hls_gap_seconds": rounded(&row.list_gap),
            })
        })
        .collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target directory");
    let text = serde_json::to_string_pretty(&rows).expect("it is plain data");
    std::fs::write(folder.join(format!("matrix-{kind}.json")), text)
        .expect("the target directory can be written");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_of_a_stream() {
    run_all("ts", cases::of_streams).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_of_a_broadcast() {
    run_all("hls", cases::of_broadcasts).await;
}

/// An account with no connection left, whose provider redirects to a notice: nobody is to see it.
#[tokio::test(flavor = "multi_thread")]
async fn a_notice_in_place_of_the_channel() {
    let origin = Origin::start().await;
    let full = Account::new(0).answers_beyond(Behaviour::redirect("/notices/limit.ts", None));
    let clip = |kind| Behaviour::ts(Clip::get(kind));
    origin.serve("/a.ts", clip(Kind::ShortGop).account(&full)).serve("/b.ts", clip(Kind::H264AacB));
    origin.serve("/notices/limit.ts", clip(Kind::Brief).repeating());
    let hls = Hls::live(Clip::get(Kind::ShortGop)).account(&full).mount(&origin, "/live");
    let settings = "slate_urls = [\"*/notices/*\"]";
    let one = |id: &str, first: &str| channel(id, &[first.to_owned(), origin.url("/b.ts")], settings);
    let relay = Relay::start(&(one("ts", &origin.url("/a.ts")) + &one("hls", hls.url())));
    for id in ["ts", "hls"] {
        let mut viewer = Viewer::get(relay.address(), &format!("/stream/{id}")).await;
        assert_eq!(viewer.status(), 200, "{id}");
        Checker::check(&viewer.read_for(3 * SECOND).await).assert_clean();
        let status = relay.status(id).await;
        let told = (&status["source_index"], &status["sources"][0]["last_error"]);
        assert_eq!(told, (&json!(1), &json!("slate_url")), "{id}: {status}");
    }
    assert_eq!(origin.opened("/notices/limit.ts"), 0, "it was not even asked for");
}
