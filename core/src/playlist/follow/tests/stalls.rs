//! Sources that bring nothing new.

use super::*;

#[test]
fn without_anything_new_it_asks_the_entry_and_then_gives_up() {
    let mut provider = Provider::new(|_, _| Ok(live(0, 5)), done);
    provider.run(60_000);
    let last = provider.log.last().map(String::as_str);
    assert_eq!(last, Some("7.0 Fail(Stalled)"), "{:?}", provider.log);
    assert_eq!(provider.follower.counts().entries, 2);
}

#[test]
fn media_that_only_repeats_is_nothing_new() {
    let mut provider = Provider::new(
        |now, _| Ok(live(now, 5)),
        |now, _| if now < 3_000 { Outcome::Done } else { Outcome::Repeated },
    );
    provider.run(60_000);
    assert_eq!(provider.log.last().map(String::as_str), Some("9.0 Fail(Stalled)"), "{:?}", provider.log);
}

#[test]
fn segments_that_stand_still_with_nothing_in_store_are_a_stall() {
    let stands = |_: u64, url: &str| if url.ends_with("/9") { Outcome::Stalled } else { Outcome::Done };
    let mut provider = Provider::new(|now, _| Ok(live(now, 5)), stands);
    provider.run(60_000);
    assert_eq!(provider.segments(), "8 9 Fail(Stalled)");
}

#[test]
fn while_nothing_is_wanted_nothing_stalls() {
    let mut provider = Provider::new(|_, _| Ok(live(0, 5)), done);
    provider.run(1_000);
    provider.follower.set_hungry(Moment::from_millis(1_000), false);
    provider.run(50_000);
    assert!(!provider.segments().contains("Fail"));
    provider.follower.set_hungry(Moment::from_millis(provider.now), true);
    let begun = provider.now;
    provider.run(100_000);
    assert!(provider.segments().ends_with("Fail(Stalled)"));
    assert!(provider.now - begun >= 6_000);
}
