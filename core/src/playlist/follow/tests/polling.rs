//! When lists are asked for.

use super::*;

#[test]
fn what_a_list_did_while_its_source_was_closed_is_no_rhythm() {
    let none = std::iter::empty;
    let mut rhythm = memory::Rhythm::default();
    rhythm.begin(Moment::ZERO, 10, none());
    rhythm.note(Moment::from_millis(2_000), 11, none());
    rhythm.begin(Moment::from_millis(40_000), 30, none());
    assert_eq!(rhythm.longest, Duration::from_secs(2));
    rhythm.note(Moment::from_millis(42_000), 31, none());
    rhythm.begin(Moment::from_millis(47_000), 33, none());
    assert_eq!(rhythm.longest, Duration::from_secs(5), "it was seen just before");
}

#[test]
fn an_unchanged_playlist_is_asked_for_after_half_the_time() {
    let mut provider = Provider::new(|now, _| Ok(live(now.saturating_sub(1_500), 5)), done);
    provider.run(4_000);
    assert_eq!(provider.polls(), "2.0 3.0 4.0");
}

#[test]
fn it_asks_no_more_than_twice_a_second() {
    let text = |sequence: u64| {
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n#EXTINF:0.1,\n{sequence}\n"
        )
    };
    let mut provider = Provider::new(|now, _| Ok(text(now / 100)), done);
    provider.run(2_000);
    assert_eq!(provider.polls(), "0.5 1.0 1.5 2.0");
}

#[test]
fn the_entry_and_the_list_may_be_at_one_address() {
    let lasting = list(0, 0..3).replace("EXTINF:2", "EXTINF:1.4");
    let mut provider =
        Provider::new(move |now, _| if now == 0 { Ok(lasting.clone()) } else { Err(404) }, done);
    provider.run(60_000);
    let polls = provider.polls();
    assert!(polls.contains("2.8 3.3"), "the entry is not asked 0.2 s after the list: {polls}");
}

#[test]
fn a_target_of_days_keeps_nobody_waiting_for_days() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:18446744073709551615\n";
    let mut provider = Provider::new(|_, _| Ok(text.to_owned()), done);
    provider.run(10 * 60_000);
    assert_eq!(provider.segments(), "Fail(Stalled)");
    assert_eq!(provider.now, 181_000);
}
