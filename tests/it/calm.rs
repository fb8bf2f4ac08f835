//! Sources that are odd but well: in lumps, slow to answer, still, without a picture, with rare key
//! pictures. Each has a backup, which must never be needed. Twenty seconds of it, or
//! `FOREBAY_CALM_SECONDS` (`make calm`: an hour).

use std::env;
use std::fmt::Write as _;
use std::time::Duration;

use forebay_testkit::client::Viewer;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Broadcast, Container, Hls, Origin, WarmUp};
use forebay_testkit::ts::Checker;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// How much is read before it is judged.
const STRETCH: Duration = Duration::from_secs(5);

/// The longest time without anything new, once the source's rhythm is known.
const GAP: Duration = Duration::from_millis(1500);

enum Source {
    Stream(Box<Behaviour>),
    Broadcast(Box<Hls>),
}

struct Case {
    name: &'static str,
    source: Source,
    /// How long it takes until the relay knows how its media comes.
    learnt: Duration,
    /// The most that a viewer may be behind at the end.
    behind: Duration,
}

impl Case {
    fn new(name: &'static str, source: Source) -> Self {
        Self { name, source, learnt: 2 * SECOND, behind: 2 * SECOND }
    }

    fn stream(name: &'static str, behaviour: Behaviour) -> Self {
        Self::new(name, Source::Stream(Box::new(behaviour)))
    }

    fn broadcast(name: &'static str, hls: Hls) -> Self {
        Self::new(name, Source::Broadcast(Box::new(hls)))
    }

    /// Media that comes in lumps is whole only at the end of each.
    fn lumps(name: &'static str, seconds: u32) -> Self {
        let source = Source::Stream(Box::new(clip(Kind::Small).live().lumps(seconds * SECOND)));
        Self { name, source, learnt: 2 * seconds * SECOND, behind: 2 * seconds * SECOND }
    }
}

fn clip(kind: Kind) -> Behaviour {
    Behaviour::ts(Clip::get(kind))
}

fn cases() -> Vec<Case> {
    let hls = |kind| Hls::live(Clip::get(kind));
    vec![
        Case::lumps("lumps-2", 2),
        Case::lumps("lumps-5", 5),
        Case::lumps("lumps-10", 10),
        Case::stream("hiccups", clip(Kind::Small).hiccups(7 * SECOND, SECOND)),
        Case::stream("late", clip(Kind::Small).answer_after(SECOND / 2)),
        Case::stream("warming-up", clip(Kind::Small).warm_up(SECOND / 2, WarmUp::Tables)),
        Case::stream("still", clip(Kind::Still)),
        Case::stream("coarse", clip(Kind::Coarse)),
        Case::stream("sound-only", clip(Kind::AudioOnly)),
        Case::stream("mp3-only", clip(Kind::Mp3Only)),
        Case::stream("rare-keys", clip(Kind::LongGop)),
        Case::stream("no-idr", clip(Kind::NoIdr)),
        Case::stream("small-chunks", clip(Kind::Small).chunks_of(7)),
        Case::stream("clock-wraps", clip(Kind::Small).wrap_after(8 * SECOND)),
        Case::broadcast("hls", hls(Kind::Small)),
        Case::broadcast("hls-long", hls(Kind::Small).segment(6 * SECOND).window(3)),
        Case::broadcast("hls-slow-lists", hls(Kind::Small).playlist_delay(SECOND * 4 / 5)),
        Case::broadcast("hls-slow", hls(Kind::Small).delay(SECOND / 2).segment(4 * SECOND)),
        Case::broadcast("hls-still", hls(Kind::Still)),
        Case::broadcast("hls-sound-only", hls(Kind::AudioOnly)),
        Case::broadcast("hls-fragments", hls(Kind::ShortGop).container(Container::Fmp4)),
    ]
}

/// What a viewer saw of a case.
struct Seen {
    name: &'static str,
    media: Duration,
    gap: Duration,
    faults: Vec<String>,
}

/// Watches a channel for so long.
async fn watch(relay: &Relay, case: &Case, span: Duration) -> Seen {
    let mut viewer = Viewer::get(relay.address(), &format!("/stream/{}", case.name)).await;
    let (begun, mut checker) = (Instant::now(), Checker::new());
    loop {
        let left = span.saturating_sub(begun.elapsed());
        if left.is_zero() || viewer.ended().is_some() {
            break;
        }
        checker.push(&viewer.read_for(left.min(STRETCH)).await);
    }
    let learnt_at = begun + case.learnt;
    let times: Vec<Instant> =
        viewer.arrivals().iter().map(|arrival| arrival.at).filter(|&at| at >= learnt_at).collect();
    let gap = times.windows(2).map(|pair| pair[1].duration_since(pair[0])).max().unwrap_or_default();
    let (media, mut faults) = (checker.report().media_time, Vec::new());
    if media + case.behind < span {
        faults.push(format!("only {media:.1?} of media in {span:.1?}"));
    }
    if gap > GAP {
        faults.push(format!("nothing for {gap:.1?}"));
    }
    faults.extend(alarms(&relay.status(case.name).await));
    Seen { name: case.name, media, gap, faults }
}

/// What the relay held against a source that is well.
fn alarms(status: &Value) -> Vec<String> {
    let source = &status["sources"][0];
    let told = [
        (&status["failovers"]["total"] != 0, &status["failovers"]),
        (!source["last_error"].is_null(), &source["last_error"]),
        (status["source_index"] != 0, &status["source_index"]),
    ];
    told.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, what)| what.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_sources_that_are_well_are_left_alone() {
    let seconds = env::var("FOREBAY_CALM_SECONDS").map_or(20, |text| text.parse().expect("a number"));
    let (origin, backup, cases) = (Origin::start().await, Origin::start().await, cases());
    let mut broadcasts: Vec<Broadcast> = Vec::new();
    let mut channels = String::new();
    for Case { name, source, .. } in &cases {
        let url = match source {
            Source::Stream(behaviour) => {
                let path = format!("/{name}.ts");
                origin.serve(&path, behaviour.as_ref().clone());
                origin.url(&path)
            }
            Source::Broadcast(hls) => {
                let broadcast = hls.as_ref().clone().mount(&origin, &format!("/{name}"));
                broadcasts.push(broadcast);
                broadcasts[broadcasts.len() - 1].url().to_owned()
            }
        };
        let other = format!("/{name}.ts");
        backup.serve(&other, clip(Kind::Small));
        channels += &channel(name, &[url, backup.url(&other)], "");
    }
    let relay = Relay::start(&channels);
    let span = Duration::from_secs(seconds);
    let seen = join_all(cases.iter().map(|case| watch(&relay, case, span))).await;
    let mut table = format!("{:<16} {:>10} {:>8}\n", "source", "media", "gap");
    for Seen { name, media, gap, .. } in &seen {
        writeln!(table, "{name:<16} {media:>10.1?} {:>5} ms", gap.as_millis())
            .expect("a string takes everything");
    }
    println!("{table}");
    let faults: Vec<String> = seen
        .iter()
        .flat_map(|Seen { name, faults, .. }| faults.iter().map(move |fault| format!("{name}: {fault}")))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}\n{table}");
    let asked: Vec<String> = backup.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(asked, [""; 0], "no backup was needed");
    for case in &cases {
        if matches!(case.source, Source::Stream(_)) {
            assert_eq!(origin.opened(&format!("/{}.ts", case.name)), 1, "{}", case.name);
        }
    }
    assert!(relay.stop().await);
}
