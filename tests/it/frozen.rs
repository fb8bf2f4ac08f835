//! A picture that stands still, and one that only seems to.

use std::time::Duration;

use forebay_testkit::client::Viewer;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::player;

use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

/// Why the first of two sources is left within ten seconds, if it is.
async fn left_for(kind: Kind, health: &str) -> Option<String> {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(kind)));
    origin.serve("/b.ts", Behaviour::ts(Clip::get(Kind::H264AacB)));
    let relay = Relay::with_sources(&[origin.url("/a.ts"), origin.url("/b.ts")], health);
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    viewer.read_for(10 * SECOND).await;
    let status = relay.status("one").await;
    let reason = status["failovers"]["last"][0]["reason"].as_str().map(str::to_owned);
    assert_eq!(status["source_index"], usize::from(reason.is_some()), "{status}");
    reason
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_stands_still_is_left_where_that_is_wanted() {
    player::require("ffmpeg");
    let (rule, look) = ("health = { frozen_picture = \"2s\" }", "confirm_frozen = true");
    let both = rule.replace(" }", &format!(", {look} }}"));
    let (off, still, seen_still, coarse, seen_coarse) = tokio::join!(
        left_for(Kind::Still, ""),
        left_for(Kind::Still, rule),
        left_for(Kind::Still, &both),
        left_for(Kind::Coarse, rule),
        left_for(Kind::Coarse, &both),
    );
    let frozen = || Some("frozen_picture".to_owned());
    assert_eq!(off, None, "notices and radio stand still, and are meant to");
    assert_eq!((still, seen_still), (frozen(), frozen()));
    assert_eq!(coarse, frozen(), "its pictures take next to nothing");
    assert_eq!(seen_coarse, None, "who looks at it sees it move");
}
