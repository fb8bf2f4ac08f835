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

/// What is wrong with a list of these lines, and with one that comes after it.
fn judged(one: &str, next: &str) -> Vec<String> {
    let text = |lines: &str| {
        format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n{}\n", lines.replace(' ', "\n"))
    };
    let (mut faults, rules) = (Vec::new(), Rules::default());
    let before = Playlist::read(text(one).as_bytes(), &mut faults);
    assert_eq!(faults, [""; 0], "the first of the two is good");
    let after = Playlist::read(text(next).as_bytes(), &mut faults);
    rules::check_one(&after, &rules, &mut faults);
    rules::check_next(&before, &after, &rules, &mut faults);
    faults
}

#[test]
fn lists_are_judged_by_their_text() {
    let one = "#EXT-X-MEDIA-SEQUENCE:7 #EXT-X-DISCONTINUITY-SEQUENCE:1 #EXTINF:2, a #EXT-X-DISCONTINUITY #EXTINF:2, b #EXTINF:2, c #EXTINF:2, d";
    let head = "#EXT-X-MEDIA-SEQUENCE:8 #EXT-X-DISCONTINUITY-SEQUENCE";
    for (good, next) in [
        ("it stays", one.to_owned()),
        (
            "it moves on",
            format!("{head}:1 #EXT-X-DISCONTINUITY #EXTINF:2, b #EXTINF:2, c #EXTINF:2, d #EXTINF:1.5, e"),
        ),
        ("the tag is told by the number", format!("{head}:2 #EXTINF:2, b #EXTINF:2, c #EXTINF:2, d")),
    ] {
        assert_eq!(judged(one, &next), [""; 0], "{good}: {next}");
    }
    let moved = |seconds: &str| {
        let date = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00";
        format!("#EXT-X-MEDIA-SEQUENCE:1 {date}:{seconds}Z #EXTINF:2, b #EXTINF:2, c #EXTINF:2, d")
    };
    let dates = |seconds: &str| {
        let date = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00";
        format!("{date}:00.000Z #EXTINF:2, a {date}:{seconds}Z #EXTINF:2, b #EXTINF:2, c")
    };
    assert_eq!(judged(&dates("02.000"), &dates("02.010")), [""; 0]);
    assert_eq!(judged(&dates("02.000"), &moved("02.010")), [""; 0]);
    for (fault, before, next) in [
        ("the date of segment 1 is 2026", dates("02.000"), dates("02.200")),
        ("the date of segment 1 changed", dates("02.000"), moved("02.200")),
        ("a listed segment changed", one.into(), format!("{head}:3 #EXTINF:2, b #EXTINF:2, c #EXTINF:2, d")),
        (
            "a listed segment changed",
            one.into(),
            format!("{head}:2 #EXTINF:1.9, b #EXTINF:2, c #EXTINF:2, d"),
        ),
        (
            "has the URI of another",
            one.into(),
            format!("{head}:2 #EXTINF:2, b #EXTINF:2, c #EXTINF:2, d #EXTINF:2, a"),
        ),
        (
            "EXT-X-DISCONTINUITY-SEQUENCE went back from 1 to 0",
            one.into(),
            format!("{head}:0 #EXTINF:2, b #EXTINF:2, c"),
        ),
        ("the last segment was 10 and is 9", one.into(), format!("{head}:2 #EXTINF:2, b #EXTINF:2, c")),
        (
            "4s are left at a target duration of 2 s",
            one.into(),
            format!("{head}:2 #EXTINF:2, b #EXTINF:2, c"),
        ),
        ("over the target duration", one.into(), format!("{one} #EXTINF:2.5, e")),
        ("has no duration", one.into(), format!("{one} #EXTINF:0, e")),
        ("EXT-X-PLAYLIST-TYPE is EVENT", one.into(), format!("{one} #EXT-X-PLAYLIST-TYPE:EVENT")),
        ("#EXT-X-MEDIA-SEQUENCE comes twice", one.into(), format!("#EXT-X-MEDIA-SEQUENCE:7 {one}")),
        ("EXT-X-TARGETDURATION changed from 2 to 3", one.into(), format!("{one} #EXT-X-TARGETDURATION:3")),
        (
            "#EXT-X-MEDIA-SEQUENCE comes after the first segment",
            "#EXTINF:2, a".into(),
            "#EXTINF:2, a #EXT-X-MEDIA-SEQUENCE:0".into(),
        ),
        ("an EXTINF has no segment", one.into(), format!("{one} #EXTINF:2,")),
        ("b has no EXTINF", "#EXTINF:2, a".into(), "#EXTINF:2, a b".into()),
        ("is no duration", "#EXTINF:2, a".into(), "#EXTINF:2e0, a".into()),
        ("which is no time", one.into(), format!("{one} #EXT-X-PROGRAM-DATE-TIME:now #EXTINF:2, e")),
    ] {
        let faults = judged(&before, &next);
        assert!(
            faults.iter().any(|found| found.contains(fault)),
            "{fault:?} is not among {faults:?}: {next}"
        );
    }
}

#[tokio::test]
async fn a_segment_that_goes_too_early_is_found() {
    let origin = Origin::start().await;
    let broadcast = live().speed(2.0).mount(&origin, "/live");
    let mut follower = Follower::new(broadcast.url());
    follower.watch_segments(8, PATIENCE).await;
    broadcast.change(|hls| hls.fault(..2, Fault::Status(410)));
    follower.check_removed().await;
    let faults = follower.finish().faults;
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults[0].starts_with("/live/seg0.ts left the list and is 410"), "{faults:#?}");
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
