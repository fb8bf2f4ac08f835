//! Segments that do not arrive, or are not fetched.

use super::*;

#[test]
fn a_segment_is_tried_three_times_within_the_target_duration() {
    let missing = |_: u64, url: &str| if url.ends_with("/9") { Outcome::Refused(404) } else { Outcome::Done };
    let mut provider = Provider::new(|now, _| Ok(live(now, 5)), missing);
    provider.run(1_900);
    assert_eq!(provider.log, ["0.0 8", "0.0 9", "0.5 9", "1.0 9", "1.0 10 |"]);
    assert_eq!((provider.follower.counts().retries, provider.follower.counts().skipped), (2, 1));
}

#[test]
fn a_segment_that_has_left_the_list_is_not_waited_for() {
    // It was to be tried again when the list moved on, and became empty.
    let moves = |now: u64| if now == 0 { list(0, 0..1) } else { list(2, []) };
    let mut provider = Provider::new(|now, _| Ok(moves(now)), |_, _| Outcome::Refused(404));
    provider.run(60_000);
    assert_eq!(provider.segments(), "0 0 Fail(Stalled)");
    assert!(provider.wakes < 20, "{} times in {} ms", provider.wakes, provider.now);
}

#[test]
fn gaps_and_repetitions_are_not_fetched() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n1\n#EXT-X-GAP\n#EXTINF:2,\n2\n#EXTINF:2,\n3\n#EXTINF:2,\n3\n#EXT-X-ENDLIST\n";
    let mut provider = Provider::new(|_, _| Ok(text.to_owned()), done);
    provider.run(1_000);
    assert_eq!(provider.segments(), "1 3 | End");
    assert_eq!((provider.follower.counts().gaps, provider.follower.counts().repeated), (1, 1));
}
