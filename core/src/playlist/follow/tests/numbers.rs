//! Lists whose numbers or names cannot be trusted, and those that have moved past.

use super::*;

#[test]
fn a_number_that_jumps_back_is_a_new_beginning() {
    let restarted = |now: u64| if now < 3_000 { live(now, 4) } else { list(0, 0..3) };
    let mut provider = Provider::new(|now, _| Ok(restarted(now)), done);
    provider.run(5_000);
    assert_eq!(provider.segments(), "8 9 10 11 0 | 1 2");
    assert_eq!(provider.follower.counts().restarts, 1);
}

#[test]
fn a_number_that_jumps_back_a_little_is_a_new_beginning_when_it_goes_on() {
    let restarted = |now: u64| {
        if now < 2_000 {
            list(0, 0..3)
        } else {
            list(0, (100..103).take(1 + usize::try_from(now / 3_000).unwrap()))
        }
    };
    let mut provider = Provider::new(|now, _| Ok(restarted(now)), done);
    provider.run(9_000);
    assert!(provider.segments().starts_with("0 1 2 100 |"), "{:?}", provider.log);
}

#[test]
fn an_older_playlist_of_another_node_is_passed_over() {
    let mut polls = 0;
    let jittery = move |now: u64| {
        polls += 1;
        live(now - if polls % 2 == 0 { now.min(4_000) } else { 0 }, 5)
    };
    let mut jittery = jittery;
    let mut provider = Provider::new(move |now, _| Ok(jittery(now)), done);
    provider.run(12_000);
    assert!("8 9 10 11 12 13 14 15 16 17".starts_with(&provider.segments()), "{:?}", provider.log);
    let counts = provider.follower.counts();
    assert!(counts.older > 2 && counts.restarts == 0, "{counts:?}");
}

#[test]
fn an_older_playlist_with_other_numbers_is_known_by_segments_long_taken() {
    // Another node, for a moment: what it lists begins four segments behind the newest.
    let nodes = |now: u64| match now {
        30_000..31_000 => list(500, 20..23),
        _ => live(now, 3),
    };
    let mut provider = Provider::new(|now, _| Ok(nodes(now)), done);
    provider.run(36_500);
    let names: Vec<String> = (8..=27).map(|name| name.to_string()).collect();
    assert_eq!(provider.segments(), names.join(" "));
}

#[test]
fn names_count_when_the_number_stands_still() {
    let constant = |now: u64, size: u64| list(7, 10 + now / 2000..10 + size + now / 2000);
    for (size, names) in [(4, "11 12 13 14 15 16"), (1, "10 11 12 13")] {
        let mut provider = Provider::new(move |now, _| Ok(constant(now, size)), done);
        provider.run(6_900);
        assert_eq!(provider.segments(), names);
        assert!(provider.follower.counts().renumbered >= 3);
    }
}

#[test]
fn numbers_that_are_times_are_no_jumps() {
    let times = |now: u64| list(1_700_000_000_000 + now / 2000 * 2000, 10 + now / 2000..14 + now / 2000);
    let mut provider = Provider::new(|now, _| Ok(times(now)), done);
    provider.run(4_900);
    assert_eq!(provider.segments(), "11 12 13 14 15");
    let huge = |now: u64| list(u64::MAX - 2, 10 + now / 2000..14 + now / 2000);
    let mut provider = Provider::new(|now, _| Ok(huge(now)), done);
    provider.run(4_900);
    assert_eq!(provider.segments(), "11 12 13 14 15");
}

#[test]
fn hosts_and_tokens_make_no_other_segments() {
    let tokens = |now: u64| {
        let text = live(now, 4);
        text.replace(",\n", &format!(",\nhttp://node{}/{now}/", now % 3))
            .replace("\n#", &format!("?{now}\n#"))
    };
    let mut provider = Provider::new(move |now, _| Ok(tokens(now).replace("#EXTM3U?0", "#EXTM3U")), done);
    provider.run(4_900);
    let fetched = provider.log.iter().filter(|line| !line.contains(" playlist ")).count();
    assert_eq!((fetched, provider.follower.counts().restarts), (5, 0), "{:?}", provider.log);
}

#[test]
fn a_window_that_has_moved_past_is_entered_three_from_its_end() {
    let jump = |now: u64| if now < 3_000 { live(now, 5) } else { list(40, 40..45) };
    let mut provider = Provider::new(|now, _| Ok(jump(now)), done);
    provider.run(5_000);
    assert_eq!(provider.segments(), "8 9 10 11 42 | 43 44");
    assert_eq!(provider.follower.counts().ran_past, 1);
}

#[test]
fn a_window_that_moves_past_the_segment_on_its_way_is_entered_the_same() {
    let mut follower = Provider::new(|now, _| Ok(live(now, 5)), done).follower;
    for outcome in [Outcome::Done, Outcome::Truncated, Outcome::Failed] {
        let now = follower.requests.polled_at + Duration::from_secs(2);
        let first = now.elapsed().as_secs() * 100;
        let mut actions = std::iter::from_fn(|| follower.poll_action(now));
        assert!(actions.any(|action| matches!(action, Action::FetchSegment(_))));
        let text = list(first, first..first + 5);
        follower.handle_playlist(now, Rendition::Main, version(ENTRY, &text, &Variables::default()));
        follower.handle_segment(now, Rendition::Main, outcome);
        let Some(Action::FetchSegment(fetch)) = follower.poll_action(now) else { panic!("nothing to fetch") };
        assert_eq!(
            (fetch.url.path(), fetch.is_discontinuous),
            (&format!("/{}", first + 2)[..], true),
            "{outcome:?}"
        );
        follower.handle_segment(now, Rendition::Main, Outcome::Done);
    }
}
