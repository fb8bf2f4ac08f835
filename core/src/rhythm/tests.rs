use super::*;

const fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn media(millis: u64) -> MediaTime {
    MediaTime::new(i64::try_from(millis).unwrap() * 90)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}

/// Pictures of 40 ms, each when `comes` says, in milliseconds; how far ahead media is after each.
fn play(rhythm: &mut Rhythm, pictures: std::ops::Range<u64>, comes: impl Fn(u64) -> u64) -> Vec<u64> {
    pictures
        .map(|picture| {
            let now = at(comes(picture * 40));
            rhythm.advance(now, media(picture * 40));
            millis(rhythm.ahead(now))
        })
        .collect()
}

#[test]
fn a_head_start_is_used_up_by_a_source_that_goes_on_evenly() {
    let mut rhythm = Rhythm::default();
    let ahead = play(&mut rhythm, 0..1_500, |media| media.saturating_sub(15_000));
    let after = |seconds: usize| ahead[(15 + seconds) * 25];
    assert_eq!(ahead[375], 15_000, "it comes at once");
    assert!(after(8) < 10_000 && after(19) < 100, "{} and {}", after(8), after(19));
    assert!(!rhythm.is_lumpy());
}

#[test]
fn each_lump_lasts_until_the_next_and_the_second_one_is_known_to_be_one() {
    for length in [2_000, 2_500, 3_000, 4_000, 6_000, 10_000] {
        for transfer in [0, 5] {
            // In percent of the time that it plays.
            let comes = |media: u64| media / length * length + media % length * transfer / 10;
            let mut rhythm = Rhythm::default();
            for lump in 0..20 {
                let pictures = lump * length / 40..(lump + 1) * length / 40;
                let ahead = *play(&mut rhythm, pictures.clone(), comes).last().unwrap();
                let lull = (lump + 1) * length - comes(pictures.end * 40 - 40);
                // What may be missing is made up for by the patience that every source has.
                assert!(ahead + 2_600 > lull, "{length}: {ahead} ms ahead, and a lull of {lull} ms");
                assert!(ahead <= length, "{length}: {ahead}");
                if lull >= 1_040 {
                    assert_eq!(rhythm.is_lumpy(), lump > 0, "{length}: lump {lump}");
                }
            }
        }
    }
}

#[test]
fn a_source_that_goes_on_evenly_is_lumpy_no_more() {
    let mut rhythm = Rhythm::default();
    play(&mut rhythm, 0..450, |media| media / 6_000 * 6_000);
    assert!(rhythm.is_lumpy());
    play(&mut rhythm, 450..600, |media| media);
    assert!(!rhythm.is_lumpy());
}

#[test]
fn a_pause_of_the_network_makes_no_source_lumpy() {
    let mut rhythm = Rhythm::default();
    for minute in 0..5 {
        let held =
            |media: u64| if media % 60_000 >= 58_000 { media / 60_000 * 60_000 + 60_000 } else { media };
        play(&mut rhythm, minute * 1_500..(minute + 1) * 1_500, held);
        assert!(!rhythm.is_lumpy());
    }
}

#[test]
fn a_source_faster_than_it_plays_is_read_as_it_plays() {
    for speed in [4, 1_000] {
        let mut rhythm = Rhythm::default();
        let (mut now, mut pictures) = (at(0), 0);
        while now < at(60_000) {
            rhythm.advance(now, media(pictures * 40));
            pictures += 1;
            let over = rhythm.ahead(now).saturating_sub(MAX_AHEAD);
            if over.is_zero() {
                now = now + Duration::from_micros(40_000 / speed);
            } else {
                now = now + over;
                rhythm.hold(now);
            }
        }
        let came = pictures * 40;
        assert!((75_900..76_200).contains(&came), "{speed}: {came} ms of media in 60 s");
        assert!(!rhythm.is_lumpy());
    }
}

#[test]
fn a_lump_is_spread_over_the_time_that_it_lasts() {
    let mut spread = Spread::new(at(6_000), media(90_000));
    assert_eq!((spread.due(media(90_000)), spread.due(media(95_960))), (at(6_000), at(11_960)));
    // The next one is late by 300 ms, and then all are given later.
    spread.run_dry(at(12_300), media(96_000));
    assert_eq!(spread.due(media(96_000)), at(12_300));
    spread.begin_lump(Duration::from_millis(300));
    assert_eq!(spread.due(media(102_000)), at(18_300));
    // In time is not too early.
    spread.run_dry(at(18_000), media(102_000));
    assert_eq!(spread.due(media(102_000)), at(18_300));
}

#[test]
fn what_is_in_store_without_need_is_given_sooner() {
    let mut spread = Spread::new(at(0), media(0));
    // One that was late by 3 s has left its mark.
    spread.run_dry(at(9_000), media(6_000));
    for _ in 0..3 {
        spread.begin_lump(Duration::from_millis(2_900));
    }
    assert_eq!(spread.due(media(30_000)), at(33_000));
    spread.begin_lump(Duration::from_millis(2_500));
    assert_eq!(spread.due(media(30_000)), at(31_000));
    for _ in 0..4 {
        spread.begin_lump(Duration::from_millis(500));
    }
    assert_eq!(spread.due(media(30_000)), at(31_000), "a little is kept");
}
