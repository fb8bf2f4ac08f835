//! HLS sources, as viewers of MPEG-TS see them and as the origin counts them.

mod access;
mod anomalies;
mod breaks;
mod crowd;
mod ended;
mod failover;
mod formats;
mod late;
mod long_lists;
mod rhythm;
mod sound;
mod sound_trouble;
mod variants;

use std::time::Duration;

use forebay_testkit::client::Viewer;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Broadcast, Hls, Origin};
use forebay_testkit::ts::{Checker, Limits, Report};
use serde_json::Value;

use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

/// Segments of about a second.
fn hls() -> Hls {
    Hls::live(Clip::get(Kind::ShortGop)).segment(SECOND)
}

/// A broadcast, a relay of it, and a viewer.
struct Show {
    origin: Origin,
    broadcast: Broadcast,
    relay: Relay,
    viewer: Viewer,
    bytes: Vec<u8>,
}

impl Show {
    async fn begin(hls: Hls) -> Self {
        let origin = Origin::start().await;
        let broadcast = hls.mount(&origin, "/live");
        let url = broadcast.url().to_owned();
        Self::begin_at(origin, broadcast, &url).await
    }

    /// With the entry at another address of the origin.
    async fn begin_at(origin: Origin, broadcast: Broadcast, url: &str) -> Self {
        let relay = Relay::with_sources(&[url.to_owned()], "");
        let viewer = Viewer::get(relay.address(), "/stream/one").await;
        assert!(viewer.status() == 200, "HTTP {}: {}", viewer.status(), relay.status("one").await);
        Self { origin, broadcast, relay, viewer, bytes: Vec::new() }
    }

    async fn watch(&mut self, seconds: u32) -> &mut Self {
        self.bytes.extend(self.viewer.read_for(seconds * SECOND).await);
        self
    }

    /// What the status document says of how the source is followed.
    async fn hls(&self) -> Value {
        let wanted = |status: &Value| !status["sources"][0]["hls"].is_null();
        self.relay.wait_status("one", 5 * SECOND, wanted).await["sources"][0]["hls"].clone()
    }

    /// Waits until a count of how the source is followed satisfies `wanted`.
    async fn wait(&self, count: &str, wanted: impl Fn(u64) -> bool) {
        let wanted = |status: &Value| status["sources"][0]["hls"][count].as_u64().is_some_and(&wanted);
        self.relay.wait_status("one", 10 * SECOND, wanted).await;
    }

    /// Ends the show: the viewer's stream has no error, and as much media as there was time, less what is played behind.
    async fn end(self, least: Duration) -> Report {
        let status = self.relay.status("one").await;
        assert!(self.viewer.ended().is_none(), "the viewer was cut off: {:?}", self.viewer.ended());
        assert_eq!(status["failovers"]["total"], 0, "{status}");
        let report = clean(&self.bytes);
        assert!(report.media_time >= least, "{:?} of media: {status}", report.media_time);
        assert!(self.relay.stop().await);
        self.origin.shutdown().await;
        report
    }
}

/// What a viewer's bytes are, which have no error.
fn clean(bytes: &[u8]) -> Report {
    let report = Checker::check(bytes);
    report.assert_within(&Limits { dts_gap: SECOND, cut_end: true, ..Limits::default() });
    assert_eq!(report.continuity_errors_total(), 0);
    report
}
