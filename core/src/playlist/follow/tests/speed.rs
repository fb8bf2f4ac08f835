//! Going down to a lower variant where the link is too slow for this one, and up again.

use super::*;

const LADDER: &str = "#EXTM3U\n\
    #EXT-X-STREAM-INF:BANDWIDTH=4000000,CODECS=\"avc1.1\",RESOLUTION=1x1\nhttp://top/\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS=\"avc1.1\",RESOLUTION=1x1\nhttp://mid/\n\
    #EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS=\"avc1.1\",RESOLUTION=1x1\nhttp://low/\n\
    #EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.2\"\nhttp://sound/\n";

/// Segments of 2 s at the bandwidth of their variant.
fn bytes_of(url: &str) -> u64 {
    match Url::parse(url).unwrap().host_str() {
        Some("top") => 1_000_000,
        Some("mid") => 500_000,
        Some("low") => 250_000,
        _ => 16_000,
    }
}

/// A live ladder over a link of so many bits a second at a time.
fn over<'a>(rate: impl Fn(u64) -> u64 + 'a) -> Provider<'a> {
    let answer = |now: u64, url: &str| match url {
        ENTRY => Ok(LADDER.to_owned()),
        _ => Ok(live(now, 8)),
    };
    let mut provider = Provider::new(answer, done);
    provider.link = Some(Box::new(move |now, url| (bytes_of(url), rate(now))));
    provider
}

/// The segments that came: each by the first letter of its variant, and its name.
fn taken(provider: &Provider<'_>) -> String {
    let segments =
        provider.hosts.iter().filter_map(|one| one.split_once('/').filter(|(_, name)| !name.is_empty()));
    let short = |(host, name): (&str, &str)| {
        format!("{}{name}", host.trim_start_matches(|c: char| !c.is_alphabetic()).chars().next().unwrap())
    };
    segments.map(short).collect::<Vec<_>>().join(" ")
}

fn variant(provider: &Provider<'_>) -> u64 {
    provider.follower.rung().unwrap().variant.bandwidth
}

#[test]
fn a_link_that_is_fast_enough_gets_the_best() {
    let mut provider = over(|_| 4_400_000);
    provider.run(60_000);
    assert_eq!((variant(&provider), provider.follower.counts().variants_left), (4_000_000, 0));
}

#[test]
fn two_segments_that_take_longer_than_they_play_are_enough() {
    let mut provider = over(|now| if now < 10_000 { 8_000_000 } else { 2_800_000 });
    provider.run(30_000);
    assert_eq!(variant(&provider), 2_000_000, "{}", taken(&provider));
    let names: Vec<u64> = taken(&provider).split(' ').map(|one| one[1..].parse().unwrap()).collect();
    assert!(
        names.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "no repeat and no gap: {}",
        taken(&provider)
    );
    assert_eq!(provider.follower.counts().variants_left, 1);
    let discontinuities = provider.log.iter().filter(|line| line.ends_with(" |")).count();
    assert_eq!(discontinuities, 1, "{:?}", provider.log);
}

#[test]
fn one_late_segment_is_no_reason() {
    let mut provider = over(|now| if (10_000..11_000).contains(&now) { 2_800_000 } else { 8_000_000 });
    provider.run(30_000);
    assert_eq!(provider.follower.counts().variants_left, 0, "{}", taken(&provider));
}

#[test]
fn a_link_that_carries_but_the_lowest_gets_that_at_once() {
    let mut provider = over(|_| 1_300_000);
    provider.run(8_000);
    assert!(taken(&provider).starts_with("t8 l9 l10 l11"), "{}", taken(&provider));
}

#[test]
fn sound_alone_is_not_lower() {
    let mut provider = over(|_| 600_000);
    provider.run(60_000);
    assert_eq!(variant(&provider), 1_000_000, "{}", taken(&provider));
}

#[test]
fn it_goes_up_again_after_a_minute_if_the_link_has_headroom() {
    let recovers = |rate: u64| move |now: u64| if (10_000..20_000).contains(&now) { 2_800_000 } else { rate };
    let mut provider = over(recovers(8_000_000));
    provider.run(60_000);
    assert_eq!(variant(&provider), 2_000_000, "it is avoided for a minute");
    provider.run(90_000);
    assert_eq!((variant(&provider), provider.follower.counts().variants_raised), (4_000_000, 1));
    let mut provider = over(recovers(5_000_000));
    provider.run(300_000);
    assert_eq!(
        (variant(&provider), provider.follower.counts().variants_raised),
        (2_000_000, 0),
        "1.25 times"
    );
}

#[test]
fn tries_in_vain_become_rarer() {
    // What is lower comes fast, and what is higher never does: a server that is slow only with its
    // large files.
    let answer = |now: u64, url: &str| if url == ENTRY { Ok(LADDER.to_owned()) } else { Ok(live(now, 8)) };
    let mut provider = Provider::new(answer, done);
    provider.link =
        Some(Box::new(|_, url| (bytes_of(url), if url.contains("top") { 3_000_000 } else { 9_000_000 })));
    provider.run(20 * 60_000);
    let raised = provider.follower.counts().variants_raised;
    assert!((3..=4).contains(&raised), "after 1, 2, 4 and 8 minutes: {raised}");
}

#[test]
fn what_was_too_fast_is_not_the_first_when_the_source_is_opened_again() {
    let mut provider = over(|_| 1_300_000);
    provider.run(8_000);
    let now = Moment::from_millis(9_000);
    let memory = provider.follower.memory().clone();
    let mut again = Follower::new(now, Url::parse(ENTRY).unwrap(), Options::default()).remembering(memory);
    again.handle_playlist(now, Rendition::Main, version(ENTRY, LADDER, &Variables::default()));
    assert_eq!(again.rung().unwrap().variant.bandwidth, 2_000_000, "the best that has not been too fast");
}

#[test]
fn a_list_of_the_variant_that_was_left_is_not_taken_for_that_of_the_next() {
    let mut provider = over(|_| 8_000_000);
    provider.run(9_000);
    let follower = &mut provider.follower;
    let comes_late = |follower: &mut Follower, at: u64| {
        follower.handle_transfer(Transfer { bytes: 1_000_000, took: Duration::from_millis(2_900) });
        follower.handle_segment(Moment::from_millis(at), Rendition::Main, Outcome::Done);
    };
    let list = |follower: &mut Follower, at: u64, asked: Option<Action>| {
        let Some(Action::FetchPlaylist { url, .. }) = asked else { panic!("{asked:?}") };
        follower.handle_playlist(
            Moment::from_millis(at),
            Rendition::Main,
            version(url.as_str(), &live(at, 8), &Variables::default()),
        );
    };
    let asked = follower.poll_action(Moment::from_millis(14_000));
    list(follower, 14_000, asked);
    assert!(matches!(follower.poll_action(Moment::from_millis(14_000)), Some(Action::FetchSegment(_))));
    comes_late(follower, 16_900);
    // The next list is on its way when another segment comes too late.
    let asked = follower.poll_action(Moment::from_millis(16_900));
    assert!(matches!(follower.poll_action(Moment::from_millis(16_900)), Some(Action::FetchSegment(_))));
    comes_late(follower, 19_800);
    assert_eq!(follower.counts().variants_left, 1);
    list(follower, 19_800, asked);
    let next = follower.poll_action(Moment::from_millis(20_400));
    assert!(
        matches!(&next, Some(Action::FetchPlaylist { url, .. }) if url.host_str() == Some("mid")),
        "{next:?}"
    );
}
