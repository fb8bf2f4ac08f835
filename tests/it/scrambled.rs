//! Scrambled sources: refused, or passed on to players that descramble.

use std::collections::HashSet;
use std::time::Duration;

use forebay_testkit::client::{Viewer, get_json};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::{Checker, PACKET_SIZE, Packet};

use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

async fn source() -> (Origin, String) {
    let origin = Origin::start().await;
    let clip = Clip::get(Kind::H264Aac);
    origin.serve("/a.ts", Behaviour::ts(clip).scramble_after(Duration::ZERO));
    let url = origin.url("/a.ts");
    (origin, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_refused() {
    let (_origin, url) = source().await;
    let relay = Relay::with_sources(&[url], "start_timeout = \"4s\"");
    let (status, body) = get_json(relay.address(), "/stream/one").await;
    assert_eq!((status, &body["error"]["sources"][0]["reason"]), (503, &"scrambled".into()), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn they_pass_where_players_descramble() {
    let (origin, url) = source().await;
    let relay = Relay::with_sources(&[url], "health = { scrambled = \"off\" }");
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    assert_eq!(viewer.status(), 200, "{}", relay.status("one").await);
    let bytes = viewer.read_for(5 * SECOND).await;
    let packets = || bytes.chunks_exact(PACKET_SIZE).map(|packet| Packet::new(packet).unwrap());
    let entries = packets().filter(|packet| packet.is_random_access() && packet.is_scrambled()).count();
    assert!(entries >= 3, "pictures to begin with: {entries}");
    let report = Checker::check(&bytes);
    assert!(report.scrambled > 2_000, "{report:?}");
    assert_eq!((report.continuity_errors_total(), report.discontinuities), (0, 0), "{report:?}");
    // What its payload is, is not changed.
    let clip = Clip::get(Kind::H264Aac);
    let sent: HashSet<Vec<u8>> = clip
        .bytes()
        .chunks_exact(PACKET_SIZE)
        .filter_map(Packet::new)
        .map(|packet| packet.payload().iter().map(|byte| byte ^ 0x5a).collect())
        .collect();
    assert!(packets().filter(Packet::is_scrambled).all(|packet| sent.contains(packet.payload())));
    let status = relay.status("one").await;
    assert_eq!(
        (&status["failovers"]["total"], &status["upstream_connections_opened"]),
        (&0.into(), &1.into())
    );
    origin.shutdown().await;
}
