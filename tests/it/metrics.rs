//! Figures for Prometheus, read with a strict grammar.

use forebay_relay::events::Event;
use forebay_testkit::client::{Viewer, get};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::open_metrics::{Sample, parse};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::PACKET_SIZE;

use crate::relay::{Relay, channel};

/// The figures of a relay.
pub(crate) struct Figures(Vec<Sample>);

/// Of the figures here, each is a whole number.
fn whole(sample: &Sample) -> u64 {
    sample.value.to_string().parse().expect("it is whole")
}

impl Figures {
    pub(crate) async fn of(relay: &Relay) -> Self {
        let answer = get(relay.address(), "/metrics").await;
        let kind = answer.header("Content-Type").expect("there is a type").to_owned();
        assert_eq!((answer.status, kind.split(';').next()), (200, Some("application/openmetrics-text")));
        let text = answer.text();
        Self(parse(&text).unwrap_or_else(|fault| panic!("{fault} in\n{text}")))
    }

    /// The number with this name and these labels, if there is one.
    fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        let has = |sample: &&Sample| {
            labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|own| own == value))
        };
        let sample = self.0.iter().filter(|sample| sample.name == format!("forebay_{name}")).find(has);
        sample.map(whole)
    }

    /// All numbers with this name.
    fn all(&self, name: &str) -> impl Iterator<Item = u64> {
        let name = format!("forebay_{name}");
        self.0.iter().filter(move |sample| sample.name == name).map(whole)
    }

    #[track_caller]
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.find(name, labels).unwrap_or_else(|| panic!("there is no {name}{labels:?}"))
    }
}

async fn watch(relay: &Relay, id: &str) -> Viewer {
    let mut viewer = Viewer::get(relay.address(), &format!("/stream/{id}")).await;
    assert!(viewer.read_until(100 * PACKET_SIZE).await.len() >= 100 * PACKET_SIZE);
    viewer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_viewers_and_channels_do_is_told_in_figures() {
    let origin = Origin::start().await;
    for path in ["/a.ts", "/b.ts"] {
        origin.serve(path, Behaviour::ts(Clip::get(Kind::H264Aac)));
    }
    let sources = [origin.url("/a.ts"), origin.url("/b.ts")];
    let relay = Relay::start(&format!("[hls]\nsegment = '1s'\n{}", channel("one", &sources, "")));
    let before = Figures::of(&relay).await;
    assert_eq!(before.get("build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1);
    assert_eq!(before.get("viewers", &[("form", "ts")]), 0);
    assert_eq!(before.find("stream_viewers", &[("channel", "one")]), None, "it is not open");

    let mut viewers = [watch(&relay, "one").await, watch(&relay, "one").await];
    let playlist = get(relay.address(), "/stream/one/hls").await;
    let line = playlist.text().lines().find(|line| !line.starts_with('#')).expect("a segment").to_owned();
    assert_eq!(get(relay.address(), &format!("/stream/one/{line}")).await.status, 200);
    let during = Figures::of(&relay).await;
    let one = [("channel", "one")];
    assert_eq!(during.get("streams", &[("state", "active")]), 1);
    assert_eq!(during.get("stream_viewers", &one), 3);
    assert_eq!(during.get("viewers", &[("form", "ts")]), 2);
    assert_eq!((during.get("hls_sessions", &[]), during.get("viewers_joined_total", &[])), (1, 3));
    assert_eq!(during.get("hls_requests_total", &[("kind", "segment")]), 1);
    for (form, count) in [("ts", 2), ("hls", 1)] {
        assert_eq!(during.get("first_byte_seconds_count", &[("form", form)]), count, "{form}");
        assert_eq!(during.get("first_key_frame_seconds_count", &[("form", form)]), count, "{form}");
    }
    assert!(during.get("stream_sent_bytes_total", &one) >= 200 * 188);
    assert!(during.get("sent_bytes_total", &[]) >= during.get("stream_sent_bytes_total", &one));

    // The source goes, and the other one takes over.
    let mut events = relay.events();
    origin.serve("/a.ts", Behaviour::status(404, "text/plain", "gone"));
    origin.kill("/a.ts");
    while !matches!(events.next().await, Some(Event::StreamSwitched { .. })) {}
    viewers[0].read_until(100 * PACKET_SIZE).await;
    let after = Figures::of(&relay).await;
    let switches: u64 = after.all("failovers_total").sum();
    assert_eq!((switches, after.get("stream_switches_total", &one)), (1, 1));
    assert!(after.get("sent_bytes_total", &[]) >= during.get("sent_bytes_total", &[]));
    drop(viewers);
    origin.shutdown().await;
}
