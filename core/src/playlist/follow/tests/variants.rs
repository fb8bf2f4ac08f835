//! Which variant is followed, and what it is left for.

use super::*;

/// Two variants on two servers, as a primary and a backup packager.
const REDUNDANT: &str =
    "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhttp://a/\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhttp://b/\n";

/// The host of an address.
fn host(url: &str) -> &str {
    url.trim_start_matches("http://").split('/').next().unwrap_or_default()
}

/// A provider with this multivariant playlist, whose variants are live lists with the answers of
/// `playlist` by their host in place of those for which that is `Err`.
fn with<'a>(
    multivariant: &'a str,
    mut playlist: impl FnMut(u64, &str) -> Result<(), u16> + 'a,
    segment: impl FnMut(u64, &str) -> Outcome + 'a,
) -> Provider<'a> {
    let answer = move |now: u64, url: &str| match url {
        ENTRY => Ok(multivariant.to_owned()),
        url => playlist(now, host(url)).map(|()| live(now, 5)),
    };
    Provider::new(answer, segment)
}

/// What was asked for, each with its time and host.
fn requests(provider: &Provider<'_>) -> String {
    provider.hosts.join(" ")
}

#[test]
fn a_list_that_fails_is_asked_for_once_more_and_left() {
    for failure in [FAILS, 503, 500] {
        let dead = move |_: u64, host: &str| if host == "a" { Err(failure) } else { Ok(()) };
        let mut provider = with(REDUNDANT, dead, done);
        provider.run(1_000);
        assert_eq!(provider.segments(), "8 9 10", "{failure}");
        assert_eq!(requests(&provider), "0.0a 0.2a 0.2b 0.2b/8 0.2b/9 0.2b/10", "{failure}");
        assert_eq!(provider.follower.counts().variants_left, 1);
    }
}

#[test]
fn a_list_that_is_gone_is_left_at_once() {
    let dead = |_: u64, host: &str| if host == "a" { Err(404) } else { Ok(()) };
    let mut provider = with(REDUNDANT, dead, done);
    provider.run(500);
    assert_eq!(requests(&provider), "0.0a 0.0b 0.0b/8 0.0b/9 0.0b/10");
}

#[test]
fn a_list_that_hangs_has_less_time_where_there_is_another() {
    let timeout = |multivariant: &str, answered_after: u64| {
        let mut follower = Follower::new(Moment::ZERO, Url::parse(ENTRY).unwrap(), Options::default());
        let now = Moment::from_millis(answered_after);
        follower.handle_playlist(now, Rendition::Main, version(ENTRY, multivariant, &Variables::default()));
        match follower.poll_action(now) {
            Some(Action::FetchPlaylist { timeout, .. }) => timeout.as_millis(),
            other => panic!("{other:?}"),
        }
    };
    let single = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhttp://a/\n";
    assert_eq!(timeout(REDUNDANT, 0), 1_500);
    assert_eq!(timeout(REDUNDANT, 600), 1_800, "three times what a slow server takes");
    assert_eq!(timeout(single, 0), 3_000);
}

#[test]
fn a_list_that_hangs_is_not_asked_for_twice() {
    let mut follower = Follower::new(Moment::ZERO, Url::parse(ENTRY).unwrap(), Options::default());
    follower.handle_playlist(Moment::ZERO, Rendition::Main, version(ENTRY, REDUNDANT, &Variables::default()));
    let mut hosts = Vec::new();
    for now in [0, 1_500] {
        let Some(Action::FetchPlaylist { url, .. }) = follower.poll_action(Moment::from_millis(now)) else {
            panic!("no list is asked for")
        };
        hosts.push(url.host_str().unwrap().to_owned());
        follower.handle_playlist(Moment::from_millis(now + 1_500), Rendition::Main, Answer::Failed);
    }
    assert_eq!(hosts, ["a", "b"]);
}

#[test]
fn a_list_that_fails_in_mid_play_is_left_without_a_step() {
    let dies = |now: u64, host: &str| if host == "a" && now >= 4_000 { Err(503) } else { Ok(()) };
    let mut provider = with(REDUNDANT, dies, done);
    provider.run(9_000);
    assert_eq!(provider.segments(), "8 9 10 11 12 | 13 14", "{:?}", provider.log);
    assert!(requests(&provider).contains("4.0a 4.2a 4.2b 4.2b/12 "), "{}", requests(&provider));
}

#[test]
fn a_variant_that_failed_is_not_the_first_when_the_source_is_opened_again() {
    let dies = |now: u64, host: &str| if host == "a" && now >= 4_000 { Err(503) } else { Ok(()) };
    let mut provider = with(REDUNDANT, dies, done);
    provider.run(5_000);
    let memory = provider.follower.memory().clone();
    for (now, first) in [(6_000, "b"), (64_000, "b"), (65_000, "a")] {
        let entry = Url::parse(ENTRY).unwrap();
        let now = Moment::from_millis(now);
        let mut again = Follower::new(now, entry.clone(), Options::default()).remembering(memory.clone());
        again.handle_playlist(now, Rendition::Main, version(ENTRY, REDUNDANT, &Variables::default()));
        let Some(Action::FetchPlaylist { url, .. }) = again.poll_action(now) else { panic!("no list") };
        assert_eq!(url.host_str(), Some(first), "{now:?}");
    }
}

#[test]
fn a_variant_that_fails_again_is_avoided_for_longer() {
    let name = |follower: &Follower| memory::Name::of(&follower.variants.rungs, 0).unwrap();
    let provider = with(REDUNDANT, |_, _| Ok(()), done);
    let name = name(&provider.follower);
    let mut memory = LadderMemory::default();
    let at = Moment::from_millis;
    let mut spans = Vec::new();
    for _ in 0..6 {
        memory.leave(at(0), name.clone(), Left::Broken);
        spans.push(
            (0..60).map(|minute| at(minute * 60_000)).position(|now| memory.avoids(now, &name).is_none()),
        );
    }
    assert_eq!(spans, [1, 2, 4, 8, 16, 16].map(Some), "minutes");
    memory.prove(&name, Duration::from_mins(15));
    memory.leave(at(0), name.clone(), Left::Broken);
    assert!(memory.avoids(at(15 * 60_000), &name).is_some(), "it was not followed for long enough");
    memory.prove(&name, Duration::from_mins(16));
    memory.leave(at(0), name.clone(), Left::Broken);
    assert!(memory.avoids(at(61_000), &name).is_none(), "its past is forgotten");
}

#[test]
fn where_all_variants_fail_the_first_reason_is_told() {
    let mut provider = with(REDUNDANT, |_, _| Err(503), done);
    provider.run(60_000);
    assert_eq!(provider.segments(), "Fail(Refused(503))");
    assert_eq!(requests(&provider), "0.0a 0.2a 0.2b 0.5b");
    assert_eq!(*provider.follower.memory(), LadderMemory::default(), "none of them is to blame");
}

#[test]
fn a_source_in_trouble_is_asked_patiently_and_goes_on_with_its_best_variant() {
    let away = |now: u64, _: &str| if (4_000..7_000).contains(&now) { Err(503) } else { Ok(()) };
    let mut provider = with(REDUNDANT, away, done);
    provider.run(12_000);
    let counts = provider.follower.counts();
    assert!(provider.segments().starts_with("8 9 10 11 12 | 13 14"), "{:?}", provider.log);
    assert!(requests(&provider).ends_with("a/15"), "{}", requests(&provider));
    let lists = requests(&provider).split(' ').filter(|one| !one.contains('/')).count();
    assert!(lists <= 15, "{lists} requests in 12 s: {} {counts:?}", requests(&provider));
}

#[test]
fn a_variant_whose_segments_are_all_refused_is_left_at_once() {
    for status in [403, 404, 410, 500] {
        let refused = move |_: u64, url: &str| {
            if host(url) == "a" { Outcome::Refused(status) } else { Outcome::Done }
        };
        let mut provider = with(REDUNDANT, |_, _| Ok(()), refused);
        provider.run(1_000);
        let tail = "0.0b 0.0b/8 0.0b/9 0.0b/10";
        assert!(requests(&provider).ends_with(tail), "{status}: {}", requests(&provider));
        assert!(requests(&provider).len() < tail.len() + 30, "{status}: {}", requests(&provider));
        assert_eq!(provider.follower.counts().variants_left, 1, "{status}");
    }
}

#[test]
fn a_variant_whose_segments_are_refused_from_now_on_is_left_after_two() {
    let dies = |now: u64, url: &str| {
        if host(url) == "a" && now >= 4_000 { Outcome::Refused(404) } else { Outcome::Done }
    };
    let mut provider = with(REDUNDANT, |_, _| Ok(()), dies);
    provider.run(9_000);
    let wanted = "8 9 10 11 12 12 12 13 | 13 | 13 | 12 | 13 14";
    assert_eq!(provider.segments(), wanted, "what was refused is had from the other: {:?}", provider.log);
}

#[test]
fn lists_with_other_numbers_are_held_against_each_other_by_what_they_have_in_store() {
    let answer = |now: u64, url: &str| match (url, host(url)) {
        (ENTRY, _) => Ok(REDUNDANT.to_owned()),
        (_, "a") if now >= 4_000 => Err(503),
        (_, "a") => Ok(live(now, 5)),
        _ => Ok(live(now, 5).replace("SEQUENCE:", "SEQUENCE:77")),
    };
    let mut provider = Provider::new(answer, done);
    provider.run(9_000);
    assert_eq!(provider.segments(), "8 9 10 11 12 | 13 14", "{:?}", provider.log);
}

#[test]
fn shared_sound_goes_on_when_the_variant_changes() {
    let multivariant = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",URI=\"http://s/\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO=\"s\"\nhttp://a/\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"s\"\nhttp://b/\n";
    let dies = |now: u64, host: &str| if host == "a" && now >= 4_000 { Err(503) } else { Ok(()) };
    let mut provider = with(multivariant, dies, done);
    provider.run(7_000);
    let sound: Vec<_> = provider.hosts.iter().filter(|one| one.contains("s/")).collect();
    assert_eq!(
        sound,
        ["0.0s/8", "0.0s/9", "0.0s/10", "2.0s/11", "4.2s/12", "6.2s/13"],
        "{:?}",
        provider.hosts
    );
    let sound_fails = |_: u64, host: &str| if host == "s" { Err(503) } else { Ok(()) };
    let mut provider = with(multivariant, sound_fails, done);
    provider.run(7_000);
    let name = "the picture goes on, since the other variant has the same sound";
    assert_eq!(provider.segments(), "8 9 10 11 12 13", "{name}: {:?}", provider.hosts);
}
