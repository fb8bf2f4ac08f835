//! Playlists and segments that are refused, and tokens that let them be had again.

use super::*;

#[test]
fn a_playlist_that_is_refused_is_looked_for_at_the_entry() {
    // The entry redirects, here by what it answers, to a node that is gone after a while.
    let node = |now: u64, url: &str| match url {
        ENTRY => Ok(format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nnode{}\n", now / 5_000)),
        url if url.ends_with(&format!("node{}", now / 5_000)) => Ok(live(now, 5)),
        _ => Err(404),
    };
    let mut provider = Provider::new(node, done);
    provider.run(14_000);
    assert!(provider.segments().starts_with("8 9 10 11 12 13 14 15"), "{:?}", provider.log);
    assert!(!provider.segments().contains('|'), "it is the same stream: {:?}", provider.log);
    assert_eq!(provider.follower.counts().entries, 2);
}

#[test]
fn a_playlist_that_is_gone_is_given_up_when_the_entry_says_so_too() {
    let gone = |now: u64, _: &str| if now < 3_000 { Ok(live(now, 5)) } else { Err(410) };
    let mut provider = Provider::new(gone, done);
    provider.run(60_000);
    assert_eq!(provider.log.last().map(String::as_str), Some("4.5 Fail(Refused(410))"), "{:?}", provider.log);
    assert_eq!(provider.follower.counts().entries, 1);
}

#[test]
fn a_variant_that_is_not_there_is_left_for_the_next() {
    let multivariant = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhigh\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow\n";
    let answer = |now: u64, url: &str| match url {
        ENTRY => Ok(multivariant.to_owned()),
        url if url.ends_with("low") => Ok(live(now, 5)),
        _ => Err(404),
    };
    let mut provider = Provider::new(answer, done);
    provider.run(1_000);
    assert_eq!(provider.segments(), "8 9 10");
    let rung = provider.follower.rung().map(|rung| rung.variant.bandwidth);
    assert_eq!((rung, provider.follower.counts().variants_left), (Some(1), 1));
    let mut provider =
        Provider::new(|_, url| if url == ENTRY { Ok(multivariant.to_owned()) } else { Err(404) }, done);
    provider.run(1_000);
    assert_eq!(provider.segments(), "Fail(Refused(404))");
}

#[test]
fn playlists_that_lead_to_one_another_are_not_followed_for_ever() {
    let round = |_: u64, _: &str| Ok("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhigh\n".to_owned());
    let mut provider = Provider::new(round, done);
    provider.run(60_000);
    assert_eq!(provider.segments(), "Fail(NoVariant)");
}

#[test]
fn the_query_of_the_playlist_is_tried_where_an_address_without_one_is_forbidden() {
    let tokens =
        |_: u64, url: &str| if url.ends_with("?token=t") { Outcome::Done } else { Outcome::Refused(403) };
    let mut provider = Provider::new(|now, _| Ok(live(now, 5)), tokens);
    provider.run(2_500);
    assert_eq!(provider.segments(), "8 8?token=t 9?token=t 10?token=t 11?token=t");
}

#[test]
fn a_segment_that_is_refused_for_its_token_sends_to_the_entry_for_another() {
    let entry = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist\n";
    for (status, asks) in [(401, true), (403, true), (410, true), (404, false), (500, false)] {
        let playlist = |now: u64, url: &str| match url {
            ENTRY => Ok(entry.to_owned()),
            _ => Ok(live(now, 5)),
        };
        let segment = |_: u64, url: &str| {
            if url.contains("/9") { Outcome::Refused(status) } else { Outcome::Done }
        };
        let mut provider = Provider::new(playlist, segment);
        provider.run(6_000);
        let has_asked = provider.log.iter().any(|line| line.ends_with(" playlist /live.m3u8"));
        assert_eq!(has_asked, asks, "{status}: {:?}", provider.log);
    }
}

#[test]
fn a_token_is_told_to_no_other_host() {
    let elsewhere = |_: u64, _: &str| Ok(list(0, 0..3).replace(",\n", ",\nhttp://other/"));
    let mut provider = Provider::new(elsewhere, |_, _| Outcome::Refused(403));
    provider.run(60_000);
    assert!(!provider.segments().contains("token"), "{:?}", provider.log);
}
