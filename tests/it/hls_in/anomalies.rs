//! What goes wrong with live playlists in the wild. Each is gone through without the viewer noticing more than must be.

use forebay_testkit::origin::Fault;

use super::*;

/// Each segment from the first to the last that was fetched, once.
fn assert_each_once(show: &Show) {
    let stats = show.broadcast.stats();
    let segments = stats.segments();
    let (first, last) = (segments[0], segments[segments.len() - 1]);
    assert_eq!(segments, (first..=last).collect::<Vec<_>>(), "none is left out");
    assert!(segments.iter().all(|&number| stats.segment(number) == 1), "each is fetched once: {stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_wrong() {
    let mut show = Show::begin(hls()).await;
    show.watch(6).await;
    assert_each_once(&show);
    let polls = show.broadcast.stats().polls();
    assert!((5..=16).contains(&polls), "{polls} polls in six seconds, with segments of one");
    let followed = show.hls().await;
    for fault in
        ["faults", "gaps", "restarts", "renumbered", "segments_skipped", "segments_retried", "windows_missed"]
    {
        assert_eq!(followed[fault], 0, "{fault}: {followed}");
    }
    assert_eq!(followed["target_duration"], 1.0);
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_media_sequence_jumps_back_to_zero() {
    let mut show = Show::begin(hls()).await;
    show.watch(3).await;
    show.broadcast.restart_encoder();
    show.watch(6).await;
    show.wait("restarts", |count| count == 1).await;
    show.end(6 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_has_an_older_playlist() {
    let mut show = Show::begin(hls().older_playlists(3, 2)).await;
    show.watch(8).await;
    assert_each_once(&show);
    show.wait("playlists_older", |count| count > 0).await;
    show.wait("restarts", |count| count == 0).await;
    show.end(6 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_media_sequence_stands_still_while_uris_change() {
    let mut show = Show::begin(hls().constant_sequence()).await;
    show.watch(6).await;
    assert_each_once(&show);
    show.wait("renumbered", |count| count > 2).await;
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_moves_past_us() {
    let mut show = Show::begin(hls()).await;
    show.watch(3).await;
    show.broadcast.skip(20);
    show.watch(5).await;
    show.wait("windows_missed", |count| count == 1).await;
    show.end(6 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_not_there_yet() {
    let mut show = Show::begin(hls().fault(8..10, Fault::Missing { tries: 1 })).await;
    show.watch(7).await;
    show.wait("segments_retried", |count| count == 2).await;
    show.wait("segments_skipped", |count| count == 0).await;
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_never_comes() {
    let mut show = Show::begin(hls().fault(8..9, Fault::Status(404))).await;
    show.watch(8).await;
    assert_eq!(show.broadcast.stats().segment(8), 3, "it is asked for three times");
    show.wait("segments_skipped", |count| count == 1).await;
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_playlist_stands_still_for_a_while() {
    let mut show = Show::begin(hls()).await;
    show.watch(2).await;
    show.broadcast.change(|hls| hls.frozen(true));
    show.watch(4).await;
    show.broadcast.change(|hls| hls.frozen(false));
    show.watch(5).await;
    show.wait("playlists_unchanged", |count| count > 3).await;
    show.end(7 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_duration_is_far_from_reality() {
    let mut show = Show::begin(hls().target_duration(10)).await;
    show.watch(6).await;
    assert_each_once(&show);
    let polls = show.broadcast.stats().polls();
    assert!(polls >= 5, "it is asked for by the segments and not by the target: {polls} polls");
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_has_two_segments() {
    let mut show = Show::begin(hls().window(2)).await;
    show.watch(7).await;
    assert_each_once(&show);
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_has_one_segment() {
    let mut show = Show::begin(hls().segment(2 * SECOND).window(1)).await;
    show.watch(8).await;
    assert_each_once(&show);
    show.end(5 * SECOND).await;
}

/// A segment of which half is missing costs no more than that half.
async fn half_is_missing(fault: Fault) {
    let mut show = Show::begin(hls().fault(8..9, fault)).await;
    show.watch(9).await;
    assert_eq!(show.broadcast.stats().segment(8), 1, "what broke off is not asked for again");
    if fault != Fault::ShortWithoutNotice {
        show.wait("segments_truncated", |count| count == 1).await;
    }
    let report = Checker::check(&show.bytes);
    // The loss is passed on as what it is, so that players can conceal it; no part of a packet is.
    assert_eq!((report.sync_errors, report.damaged, report.pcr_backward), (0, 0, 0), "{report:?}");
    assert!(report.continuity_errors_total() <= 3, "once for each PID: {report:?}");
    assert!(report.media_time >= 6 * SECOND, "{:?}", report.media_time);
    let status = show.relay.status("one").await;
    assert_eq!(status["failovers"]["total"], 0, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_truncated() {
    half_is_missing(Fault::Truncated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_short_and_nothing_tells() {
    half_is_missing(Fault::ShortWithoutNotice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_breaks_off() {
    half_is_missing(Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_stalls() {
    half_is_missing(Fault::Stalled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_comes_in_place_of_a_segment() {
    let mut show = Show::begin(hls().fault(8..9, Fault::Html)).await;
    show.watch(8).await;
    show.wait("segments_skipped", |count| count == 1).await;
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_marked_as_missing() {
    let mut show = Show::begin(hls().fault(8..9, Fault::Gap)).await;
    show.watch(7).await;
    assert_eq!(show.broadcast.stats().segment(8), 0, "it is not asked for");
    show.wait("gaps", |count| count == 1).await;
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_playlist_is_away_for_a_moment() {
    let mut show = Show::begin(hls()).await;
    show.watch(2).await;
    show.broadcast.change(|hls| hls.playlist_status(Some(503)));
    show.watch(2).await;
    show.broadcast.change(|hls| hls.playlist_status(None).html(true));
    show.watch(2).await;
    show.broadcast.change(|hls| hls.html(false));
    show.watch(4).await;
    show.end(6 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_ahead_of_its_time_is_fetched_no_faster_than_it_plays() {
    let mut show = Show::begin(hls().window(100).speed(4.0)).await;
    show.watch(8).await;
    let (fetched, listed) = (show.broadcast.stats().files.len(), show.broadcast.segments());
    assert!(
        (8..=18).contains(&fetched) && listed > 30,
        "{fetched} of {listed} segments in 8 s of a second each"
    );
    show.end(5 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_stands_still_and_its_rest_comes_over_another_connection() {
    let hls = Hls::live(Clip::get(Kind::ShortGop)).segment(4 * SECOND).fault(7..8, Fault::StalledAtFirst);
    let mut show = Show::begin(hls).await;
    show.watch(16).await;
    show.wait("segments_truncated", |count| count == 0).await;
    assert_eq!(show.broadcast.stats().segment(7), 2, "it is asked for once more");
    let report = show.end(14 * SECOND).await;
    assert_eq!(report.continuity_errors_total(), 0);
}
