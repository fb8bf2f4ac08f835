//! Where segments are cut, how they are numbered, and how long they stay.

use super::*;

const SECOND: i64 = 90_000;

fn settings(segment: u64, window: u64) -> Settings {
    Settings { segment: Duration::from_secs(segment), window: Duration::from_secs(window), bytes: 1 << 40 }
}

fn point(millis: i64, boundary: Boundary) -> AccessPoint {
    let time = MediaTime::new(millis * 90);
    AccessPoint { at: 0, kind: RandomAccess::Idr, time, shown: time, boundary }
}

/// A byte of the store for each millisecond.
fn push(segmenter: &mut Segmenter, millis: i64, boundary: Boundary) -> bool {
    segmenter.push(millis.cast_unsigned(), point(millis, boundary))
}

/// Pushes a random access point every `gop` milliseconds, from one time to the other.
fn play(segmenter: &mut Segmenter, from: i64, to: i64, gop: usize) {
    for millis in (from..=to).step_by(gop) {
        push(segmenter, millis, Boundary::Continued);
        segmenter.fix_target_duration();
    }
}

fn durations(segmenter: &Segmenter) -> Vec<i64> {
    segmenter.segments().map(|segment| segment.ticks / 90).collect()
}

#[test]
fn segments_are_as_long_as_wanted_as_near_as_groups_of_pictures_allow() {
    for (gop, expected) in [
        (500, 4000),
        (1920, 3840),
        (2000, 4000),
        (2600, 5200),
        (2800, 2800),
        (3000, 3000),
        (4000, 4000),
        (9000, 9000),
    ] {
        let mut segmenter = Segmenter::new(settings(4, 32), SequenceNumbers::default());
        play(&mut segmenter, 0, 60_000, gop);
        let durations = durations(&segmenter);
        assert!(
            durations.len() > 4 && durations.iter().all(|&millis| millis == expected),
            "{gop}: {durations:?}"
        );
    }
}

#[test]
fn the_target_duration_is_fixed_and_held() {
    let mut segmenter = Segmenter::new(settings(4, 32), SequenceNumbers::default());
    for millis in [0, 2000, 4000] {
        push(&mut segmenter, millis, Boundary::Continued);
    }
    assert_eq!(segmenter.fix_target_duration(), 5);
    // With groups of 3.4 s to be expected, 2.2 s are not extended to 5.6.
    for millis in [7400, 9600, 13_000, 15_200, 18_600] {
        push(&mut segmenter, millis, Boundary::Continued);
    }
    assert_eq!(durations(&segmenter), [4000, 3400, 2200, 3400, 2200, 3400]);
    assert_eq!(segmenter.fix_target_duration(), 5);
    let mut of_long_groups = Segmenter::new(settings(4, 32), SequenceNumbers::default());
    play(&mut of_long_groups, 0, 0, 1);
    push(&mut of_long_groups, 8040, Boundary::Continued);
    assert_eq!(Segmenter::fix_target_duration(&mut of_long_groups), 5, "fixed before anything was known");
    let mut of_long_groups = Segmenter::new(settings(4, 32), SequenceNumbers::default());
    push(&mut of_long_groups, 0, Boundary::Continued);
    push(&mut of_long_groups, 8040, Boundary::Continued);
    assert_eq!(of_long_groups.fix_target_duration(), 8);
}

#[test]
fn a_target_duration_that_was_exceeded_or_is_out_of_date_is_chosen_anew_the_next_time() {
    let mut first = Segmenter::new(settings(4, 32), SequenceNumbers::default());
    play(&mut first, 0, 8000, 2000);
    push(&mut first, 16_000, Boundary::Continued);
    assert_eq!((first.fix_target_duration(), durations(&first).last()), (5, Some(&8000)));
    let mut second = Segmenter::new(settings(4, 32), first.numbers());
    assert_eq!(second.fix_target_duration(), 8);
    let mut of_other_settings = Segmenter::new(settings(1, 32), first.numbers());
    assert_eq!(of_other_settings.fix_target_duration(), 2);
}

#[test]
fn one_long_group_of_pictures_is_forgotten() {
    let mut segmenter = Segmenter::new(settings(4, 320), SequenceNumbers::default());
    play(&mut segmenter, 0, 8000, 1000);
    play(&mut segmenter, 13_000, 60_000, 1000);
    let durations = durations(&segmenter);
    assert!(durations.ends_with(&[4000; 8]), "{durations:?}");
}

#[test]
fn in_haste_segments_are_as_short_as_three_may_be_that_last() {
    let mut segmenter = Segmenter::new(settings(4, 32), SequenceNumbers::default());
    segmenter.set_hasty(true);
    play(&mut segmenter, 0, 4000, 500);
    assert_eq!(durations(&segmenter), [1500, 1500]);
    let mut of_short_ones = Segmenter::new(
        Settings { segment: Duration::from_millis(500), ..settings(1, 32) },
        SequenceNumbers::default(),
    );
    of_short_ones.set_hasty(true);
    play(&mut of_short_ones, 0, 3000, 500);
    assert_eq!(durations(&of_short_ones), [500; 6], "haste makes none longer");
    segmenter.set_hasty(false);
    play(&mut segmenter, 4500, 12_000, 500);
    assert_eq!(durations(&segmenter)[2..], [4000, 4000]);
}

#[test]
fn it_says_how_long_the_next_segments_may_be() {
    for (gop, hasty, unhurried) in [
        (480, 1920, 3840),
        (1000, 2000, 4000),
        (1920, 1920, 3840),
        (2600, 2600, 5200),
        (10_000, 10_000, 10_000),
    ] {
        let mut segmenter = Segmenter::new(settings(4, 32), SequenceNumbers::default());
        assert_eq!(segmenter.longest_next(false), Duration::from_secs(4), "nothing is known yet");
        play(&mut segmenter, 0, 30_000, gop);
        let longest = [true, false].map(|is_hasty| segmenter.longest_next(is_hasty).as_millis());
        assert_eq!(longest, [hasty, unhurried], "groups of {gop} ms");
    }
}

#[test]
fn a_splice_begins_a_segment_and_a_codec_change_is_a_discontinuity() {
    let mut segmenter = Segmenter::new(settings(4, 32), SequenceNumbers::default());
    for (millis, boundary) in [
        (0, Boundary::Continued),
        (2000, Boundary::Continued),
        (3000, Boundary::Spliced),
        (5000, Boundary::Continued),
        (5040, Boundary::Recoded),
        (9040, Boundary::Continued),
    ] {
        push(&mut segmenter, millis, boundary);
    }
    let got: Vec<_> = segmenter.segments().map(|s| (s.number, s.start, s.end, s.is_discontinuous)).collect();
    assert_eq!(got, [(0, 0, 3000, false), (1, 3000, 5040, false), (2, 5040, 9040, true)]);
    assert_eq!((segmenter.discontinuity_sequence(), segmenter.numbers().discontinuity), (0, 1));
    play(&mut segmenter, 11_040, 60_000, 2000);
    assert_eq!(segmenter.discontinuity_sequence(), 1, "it has left the playlist");
}

#[test]
fn numbers_go_on_where_another_segmenter_ended() {
    let mut first = Segmenter::new(settings(4, 32), SequenceNumbers::default());
    play(&mut first, 0, 20_000, 2000);
    assert!(!first.segments().next().unwrap().is_discontinuous, "nobody knows anything before it");
    let numbers = first.numbers();
    assert_eq!(
        numbers,
        SequenceNumbers {
            segment: 5,
            discontinuity: 0,
            target: Some(Target { seconds: 5, segment: Duration::from_secs(4), longest: 4 })
        }
    );
    let mut second = Segmenter::new(settings(4, 32), numbers);
    play(&mut second, 0, 8000, 2000);
    let segment = second.segments().next().unwrap();
    assert_eq!((segment.number, segment.is_discontinuous), (5, true));
    assert_eq!((second.discontinuity_sequence(), second.numbers().discontinuity), (0, 1));
}

#[test]
fn the_window_slides_and_what_has_left_it_stays_for_those_who_know_of_it() {
    let mut segmenter = Segmenter::new(settings(4, 32), SequenceNumbers::default());
    let mut named = std::collections::BTreeMap::new();
    for second in (0..600).step_by(2) {
        push(&mut segmenter, second * 1000, Boundary::Continued);
        segmenter.fix_target_duration();
        let listed: i64 = segmenter.listed().map(|segment| segment.ticks).sum();
        if second > 60 {
            assert!((32 * SECOND..=40 * SECOND).contains(&listed), "{} s", listed / SECOND);
        }
        for segment in segmenter.listed() {
            named.insert(segment.number, second + 4 + listed / SECOND);
        }
        let first = segmenter.segments().next().map_or(0, |segment| segment.number);
        let gone = named.iter().find(|&(&number, &until)| number < first && second < until);
        assert_eq!(gone, None, "at {second} s");
    }
    assert!(segmenter.segments().len() < 25, "{}", segmenter.segments().len());
}

#[test]
fn a_window_has_at_least_three_target_durations_and_at_most_its_bytes() {
    let mut segmenter = Segmenter::new(settings(4, 4), SequenceNumbers::default());
    play(&mut segmenter, 0, 100_000, 2000);
    assert_eq!(segmenter.listed().len(), 4, "15 s");
    let mut evicted =
        Segmenter::new(Settings { bytes: 10_000, ..settings(4, 32) }, SequenceNumbers::default());
    play(&mut evicted, 0, 100_000, 2000);
    assert_eq!((evicted.listed().len(), evicted.segments().len()), (2, 2));
    assert_eq!((evicted.tail(), evicted.evicted()), (Some(92_000), 23));
    let mut large = Segmenter::new(Settings { bytes: 1000, ..settings(4, 32) }, SequenceNumbers::default());
    play(&mut large, 0, 100_000, 2000);
    assert_eq!(large.listed().len(), FEWEST, "or nobody could play");
}
