//! Where a list is begun with.

use super::*;

#[test]
fn it_begins_three_from_the_end_and_goes_on() {
    let mut provider = Provider::new(|now, _| Ok(live(now, 5)), done);
    provider.run(6_500);
    assert_eq!(provider.segments(), "8 9 10 11 12 13");
    assert_eq!(
        provider.polls(),
        "2.0 4.0 6.0",
        "a changed playlist is asked for after its last segment's time"
    );
    assert_eq!(provider.follower.sequence(), 14);
}

/// Where a list of so many segments of so many seconds is begun with by viewers who wait for whole
/// ones, and how many seconds they have at once.
fn head_start(segments: u64, seconds: u64) -> (String, u64) {
    let options = Options { has_head_start: true, ..Options::default() };
    let mut follower = Follower::new(Moment::ZERO, Url::parse(ENTRY).unwrap(), options);
    let text = list(0, 0..segments).replace(":2\n", &format!(":{seconds}\n"));
    let text = text.replace(":2,", &format!(":{seconds},"));
    follower.handle_playlist(Moment::ZERO, Rendition::Main, version(ENTRY, &text, &Variables::default()));
    let Some(Action::FetchSegment(fetch)) = follower.poll_action(Moment::ZERO) else {
        panic!("there is a segment")
    };
    (fetch.url.path().to_owned(), follower.head_start().as_secs())
}

#[test]
fn a_head_start_is_a_segment_or_two_seconds() {
    assert_eq!(head_start(8, 1), ("/2".to_owned(), 2), "and six seconds in all, beside another source");
    assert_eq!(head_start(8, 2), ("/4".to_owned(), 2));
    assert_eq!(head_start(8, 10), ("/4".to_owned(), 10));
    assert_eq!(head_start(4, 1), ("/0".to_owned(), 1), "as far as the list goes back");
    assert_eq!(head_start(3, 4), ("/0".to_owned(), 0));
}

#[test]
fn short_lists_begin_with_what_there_is() {
    let mut provider = Provider::new(|now, _| Ok(live(now, 2)), done);
    provider.run(4_000);
    assert_eq!(provider.segments(), "9 10 11 12");
    assert_eq!(provider.polls(), "1.0 2.0 3.0 4.0", "they are asked for twice as often");
}
