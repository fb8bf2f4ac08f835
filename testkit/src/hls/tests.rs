use std::time::Duration;

use super::*;
use crate::clip::{Clip, Kind};
use crate::origin::{Fault, Gzip, Hls, Origin, Redirect, Text};

const SHORT: Duration = Duration::from_millis(800);
const PATIENCE: Duration = Duration::from_secs(20);

fn live() -> Hls {
    Hls::live(Clip::get(Kind::ShortGop)).segment(SHORT).dated()
}

/// Follows a broadcast for a few segments and returns what was wrong.
async fn faults(hls: Hls) -> Vec<String> {
    let origin = Origin::start().await;
    let broadcast = hls.mount(&origin, "/live");
    let mut follower = Follower::new(broadcast.url());
    follower.watch(Duration::from_secs(4)).await;
    follower.check_removed().await;
    let report = follower.finish();
    assert!(report.polls > 5, "{report:#?}");
    report.faults
}

async fn assert_finds(hls: Hls, fault: &str) {
    let faults = faults(hls).await;
    assert!(faults.iter().any(|found| found.contains(fault)), "{fault:?} is not among {faults:#?}");
}

#[tokio::test]
async fn a_good_broadcast_is_good() {
    let origin = Origin::start().await;
    let elsewhere = Origin::start().await;
    let splices = live().discontinuity_at(8, Clip::get(Kind::H264AacB)).gzip(Gzip::WhenAccepted).validators();
    let broadcast = splices.mount(&origin, "/live");
    let redirect = Redirect { to: None, lifetime: PATIENCE };
    broadcast.change(|hls| hls.redirect(redirect));
    let mut follower = Follower::new(broadcast.url());
    follower.watch_segments(8, PATIENCE).await;
    // The same goes on elsewhere.
    tokio::time::sleep(Duration::from_secs(3)).await;
    follower.resume_at(&broadcast.mirror(&elsewhere, "/other"));
    follower.watch_segments(6, PATIENCE).await;
    follower.check_removed().await;
    assert!(follower.playlist().is_some());
    let report = follower.finish();
    report.assert_clean();
    assert!(report.segments >= 14 && report.discontinuities == 1 && report.removed > 3, "{report:#?}");
    let plain = live().gzip(Gzip::WhenAccepted).validators().mount(&origin, "/plain");
    assert_eq!(check_http(plain.url()).await, [""; 0]);
}

#[tokio::test]
async fn what_goes_back_or_changes_is_found() {
    let window = || live().speed(2.0).window(8);
    let text = Text { bom: true, no_comma: true, ..Text::default() };
    let checks = [
        (window().older_playlists(3, 3), "EXT-X-MEDIA-SEQUENCE went back"),
        (window().constant_sequence(), "a listed segment changed"),
        (live().window(2), "segments were removed, and"),
        (live().target_duration(0), "over the target duration of 0 s"),
        (live().frozen(true), "no new segment for"),
        (live().ended(true), "the playlist has ended"),
        (live().text(text), "begins with a byte order mark"),
        (live().text(text), "has no comma"),
        (live().playlist_type("text/html"), "Content-Type of the playlist is"),
        (live().playlist_status(Some(503)), "the playlist is 503"),
        (live().html(true), "the first line is"),
    ];
    futures(checks).await;
}

#[tokio::test]
async fn what_is_wrong_with_media_is_found() {
    let splice = || live().discontinuity_at(7, Clip::get(Kind::H264AacB));
    let checks = [
        (live().fault(7..8, Fault::Missing { tries: 9 }), "segment 107 is 404"),
        (live().fault(7..8, Fault::Truncated), "segment 107 cannot be had whole"),
        (live().fault(7..8, Fault::ShortWithoutNotice), "segment 107 has no Content-Length"),
        (live().fault(7..8, Fault::Repeated), "but it lasts"),
        (live().fault(7..8, Fault::Repeated), "continuity errors"),
        (live().fault(7..8, Fault::Repeated), "of sound before"),
        (live().fault(7..8, Fault::Png), "segment 107 is not whole packets"),
        (live().segment_type("video/mp4"), "Content-Type of segment 100 is"),
        (splice().without_discontinuity_tags(), "but it lasts"),
        (live().fault(..2, Fault::Status(410)), "segment 100 is 410"),
    ];
    futures(checks).await;
    let origin = Origin::start().await;
    let bare = live().mount(&origin, "/live");
    let faults = check_http(bare.url()).await;
    assert_eq!(faults, ["the playlist is not compressed where gzip is accepted", "the playlist has no ETag"]);
}

/// Runs all checks at once.
async fn futures(checks: impl IntoIterator<Item = (Hls, &'static str)>) {
    let mut all = tokio::task::JoinSet::new();
    for (hls, fault) in checks {
        all.spawn(assert_finds(hls, fault));
    }
    while let Some(result) = all.join_next().await {
        result.expect("the fault is found");
    }
}
