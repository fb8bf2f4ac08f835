//! Separate sound: where it begins, what it waits for, and what becomes of it when it is away.

use super::*;

/// A variant with two sounds.
const MASTER: &str = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"http://s/\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",LANGUAGE=\"de\",URI=\"http://t/\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO=\"s\"\nhttp://v/\n";

/// A live window of `size` segments of so many seconds; that which ends at 60 s is the last at
/// first. They are named by where they begin.
fn window(now: u64, size: u64, seconds: u64) -> String {
    let end = (60 + now / 1000) / seconds;
    let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{seconds}\n#EXT-X-MEDIA-SEQUENCE:{}\n", end - size);
    (end - size..end).fold(head, |list, number| list + &format!("#EXTINF:{seconds},\n{}\n", number * seconds))
}

/// What is asked for within some time of a picture and its sound, by their lists.
fn requests(
    until: u64,
    mut lists: impl FnMut(u64, &str) -> Result<String, u16>,
    segment: impl FnMut(u64, &str) -> Outcome,
) -> (String, Counts) {
    let answer = move |now: u64, url: &str| match url {
        ENTRY => Ok(MASTER.to_owned()),
        url => lists(now, &url[7..8]),
    };
    let mut provider = Provider::new(answer, segment);
    provider.run(until);
    let fetched = provider.hosts.iter().filter_map(|one| one.split_once(['s', 't', 'v']).map(|_| one));
    let names = fetched.filter(|one| one.contains('/')).map(|one| one.trim_start_matches(|c: char| c != '.'));
    (names.map(|one| &one[2..]).collect::<Vec<_>>().join(" "), provider.follower.counts())
}

#[test]
fn both_begin_at_the_same_distance_from_the_end() {
    let lists = |now: u64, host: &str| Ok(if host == "v" { window(now, 10, 2) } else { window(now, 10, 6) });
    let (fetched, _) = requests(500, lists, done);
    assert!(fetched.starts_with("v/42 s/42 v/44"), "{fetched}");
    let short = |now: u64, host: &str| Ok(if host == "v" { window(now, 5, 2) } else { window(now, 10, 6) });
    let (fetched, _) = requests(500, short, done);
    assert!(fetched.starts_with("v/50 s/48 v/52"), "no more of the picture is listed: {fetched}");
}

#[test]
fn a_list_of_sound_that_fails_is_left_for_the_next_and_then_for_the_picture_alone() {
    let none = |now: u64, host: &str| if host == "v" { Ok(window(now, 5, 2)) } else { Err(404) };
    let (fetched, counts) = requests(1_000, none, done);
    assert_eq!((&fetched[..], counts.sounds_lost), ("v/54 v/56 v/58", 2));
    let first = |now: u64, host: &str| if host == "s" { Err(404) } else { Ok(window(now, 5, 2)) };
    let (fetched, counts) = requests(1_000, first, done);
    assert_eq!((&fetched[..], counts.sounds_lost), ("v/54 t/54 v/56 t/56 v/58 t/58", 1));
}

#[test]
fn sound_that_comes_back_goes_on_where_the_picture_is() {
    let back = |now: u64, host: &str| match host {
        "t" => Err(404),
        "s" if now < 4_000 => Err(503),
        _ => Ok(window(now, 5, 2)),
    };
    let (fetched, _) = requests(9_000, back, done);
    // With the last segment of the list, which stamps would tell to be a little old.
    assert_eq!(fetched, "v/54 v/56 v/58 v/60 v/62 v/64 s/62 v/66 s/64");
}

#[test]
fn segments_of_sound_that_are_refused_do_not_hold_the_picture_up() {
    let lists = |now: u64, _: &str| Ok(window(now, 5, 2));
    let refused = |_: u64, url: &str| {
        if url.starts_with("http://v/") { Outcome::Done } else { Outcome::Refused(404) }
    };
    let (fetched, counts) = requests(8_000, lists, refused);
    assert!(counts.sounds_lost >= 2, "{counts:?}");
    for picture in ["v/54", "v/56", "v/58", "v/60", "v/62", "v/64", "v/66"] {
        assert!(fetched.contains(picture), "{picture}: {fetched}");
    }
}

#[test]
fn one_segment_that_is_listed_again_behind_a_discontinuity_is_new() {
    let slate = |now: u64, tag: &str| {
        let count = 3 + now / 2000;
        let head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n".to_owned();
        (0..count).fold(head, |list, _| list + tag + "#EXTINF:2,\nslate\n")
    };
    let mut tagged = Provider::new(|now, _| Ok(slate(now, "#EXT-X-DISCONTINUITY\n")), done);
    tagged.run(20_500);
    assert_eq!(tagged.follower.counts().segments, 13, "{:?}", tagged.log);
    let mut bare = Provider::new(|now, _| Ok(slate(now, "")), done);
    bare.run(20_500);
    assert_eq!(bare.segments(), "slate Fail(Stalled)");
}
