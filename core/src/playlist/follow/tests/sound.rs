//! Separate sound: where it begins, what it waits for, and what becomes of it when it is away.

use super::*;
use crate::remux::Extent;
use crate::time::MediaTime;

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

/// What is asked for until nothing more is: the lists with their hosts, and the segments.
fn asked(follower: &mut Follower, now: u64) -> Vec<String> {
    let actions = std::iter::from_fn(|| follower.poll_action(Moment::from_millis(now)));
    let names = actions.filter_map(|action| match action {
        Action::FetchPlaylist { url, .. } => Some(url.host_str().unwrap().to_owned()),
        Action::FetchSegment(fetch) => Some(fetch.url[url::Position::BeforeHost..].to_owned()),
        _ => None,
    });
    names.collect()
}

/// A follower of which both lists have been asked for, and answered.
fn paired(picture: &str, sound: &str) -> Follower {
    let mut follower = Follower::new(Moment::ZERO, Url::parse(ENTRY).unwrap(), Options::default());
    let tell = |follower: &mut Follower, of, url, text: &str| {
        follower.handle_playlist(Moment::ZERO, of, version(url, text, &Variables::default()));
    };
    tell(&mut follower, Rendition::Main, ENTRY, MASTER);
    assert_eq!(asked(&mut follower, 0), ["v", "s"], "neither waits for the other");
    tell(&mut follower, Rendition::Audio, "http://s/", sound);
    tell(&mut follower, Rendition::Main, "http://v/", picture);
    follower
}

#[test]
fn segments_of_both_are_on_their_way_at_the_same_time() {
    let list = window(0, 5, 2);
    let mut follower = paired(&list, &list);
    assert_eq!(asked(&mut follower, 0), ["v/54", "s/54"]);
    follower.handle_segment(Moment::ZERO, Rendition::Main, Outcome::Done);
    assert_eq!(asked(&mut follower, 0), [""; 0], "the sound is on its way");
    follower.handle_segment(Moment::ZERO, Rendition::Audio, Outcome::Done);
    assert_eq!(asked(&mut follower, 0), ["v/56", "s/56"]);
}

#[test]
fn a_segment_of_sound_that_hangs_does_not_hold_the_picture_up() {
    let list = window(0, 5, 2);
    let mut follower = paired(&list, &list);
    assert_eq!(asked(&mut follower, 0), ["v/54", "s/54"]);
    follower.handle_segment(Moment::ZERO, Rendition::Main, Outcome::Done);
    assert_eq!(follower.poll_timeout(), Some(Moment::from_millis(1_000)));
    follower.handle_timeout(Moment::from_millis(999));
    assert_eq!(asked(&mut follower, 999), [""; 0]);
    for (now, picture) in [(1_000, "v/56"), (1_100, "v/58")] {
        follower.handle_timeout(Moment::from_millis(now));
        assert_eq!(asked(&mut follower, now), [picture]);
        follower.handle_segment(Moment::from_millis(now), Rendition::Main, Outcome::Done);
    }
    // What is in store limits it.
    follower.set_hungry(Moment::from_millis(1_200), false);
    assert_eq!(asked(&mut follower, 2_000), ["v", "s"]);
    follower.handle_segment(Moment::from_millis(2_000), Rendition::Audio, Outcome::Done);
    assert_eq!(asked(&mut follower, 2_000), ["s/56"], "the sound is behind");
}

/// The sound is listed later than its picture, which begins just behind a discontinuity: its first
/// segments are of the part before.
#[test]
fn sound_of_the_part_before_does_not_keep_that_of_the_picture_away() {
    let list = window(0, 5, 2);
    let with_seam = |at: &str| list.replace(at, &format!("#EXT-X-DISCONTINUITY\n{at}"));
    // Its own list has the discontinuity by now, or has not.
    let sound = with_seam("#EXTINF:2,\n56");
    goes_on_in_the_part_before(paired(&list, &sound));
    let picture = with_seam("#EXTINF:2,\n52");
    goes_on_in_the_part_before(paired(&picture, &list));
}

/// A segment of two seconds by its stamps.
fn extent(begin: i64) -> Extent {
    Extent { begin: MediaTime::new(90_000 * begin), end: MediaTime::new(90_000 * (begin + 2)) }
}

fn goes_on_in_the_part_before(mut follower: Follower) {
    assert_eq!(asked(&mut follower, 0), ["v/54", "s/54"]);
    follower.handle_extents([Some(extent(0)), None], None);
    follower.handle_segment(Moment::ZERO, Rendition::Main, Outcome::Done);
    follower.handle_extents([Some(extent(0)), Some(extent(58))], None);
    follower.handle_segment(Moment::ZERO, Rendition::Audio, Outcome::Done);
    assert!(asked(&mut follower, 0).contains(&"s/56".to_owned()), "it is fetched on");
}

/// The picture begins later, with its sound, and passes over the beginning of another part.
#[test]
fn a_part_that_is_passed_over_has_begun() {
    let picture = window(0, 5, 2).replace("#EXTINF:2,\n56", "#EXT-X-DISCONTINUITY\n#EXTINF:2,\n56");
    // Less of the sound is listed: it cannot begin earlier.
    let mut follower = paired(&picture, &window(0, 3, 2));
    assert_eq!(asked(&mut follower, 0), ["v/54", "s/54"]);
    follower.handle_extents([Some(extent(0)), None], None);
    follower.handle_segment(Moment::ZERO, Rendition::Main, Outcome::Done);
    follower.handle_extents([Some(extent(0)), Some(extent(4))], None);
    follower.handle_segment(Moment::ZERO, Rendition::Audio, Outcome::Done);
    assert!(asked(&mut follower, 0).contains(&"v/58".to_owned()), "it begins with its sound");
    let main = follower.main.as_ref().unwrap();
    assert_eq!(main.last_part_at().map(|at| at + Duration::from_secs(2)), Some(main.taken()));
}

/// A request for a list that hangs keeps nothing else waiting.
#[test]
fn a_list_of_sound_that_hangs_does_not_hold_that_of_the_picture_up() {
    let list = window(0, 5, 2);
    let mut follower = paired(&list, &list);
    for of in [Rendition::Main, Rendition::Audio].repeat(3) {
        asked(&mut follower, 0);
        follower.handle_segment(Moment::ZERO, of, Outcome::Done);
    }
    assert_eq!(asked(&mut follower, 2_000), ["v", "s"]);
    let late = version("http://v/", &window(2_000, 5, 2), &Variables::default());
    follower.handle_playlist(Moment::from_millis(2_000), Rendition::Main, late);
    assert_eq!(asked(&mut follower, 2_000), ["v/60"]);
}

/// Sound that is given up while a segment of it is on its way: what comes of that is not taken for
/// the next sound's.
#[test]
fn a_segment_of_a_sound_that_was_given_up_is_not_wanted() {
    let list = window(0, 5, 2);
    let mut follower = paired(&list, &list);
    asked(&mut follower, 0);
    assert!(follower.wants(Rendition::Main) && follower.wants(Rendition::Audio));
    asked(&mut follower, 2_000);
    for now in [2_000, 3_000] {
        follower.handle_playlist(Moment::from_millis(now), Rendition::Audio, Answer::Refused(404));
        asked(&mut follower, now + 500);
    }
    assert_eq!(follower.counts().sounds_lost, 2);
    assert!(follower.wants(Rendition::Main) && !follower.wants(Rendition::Audio));
    let segments = follower.counts().segments;
    follower.handle_segment(Moment::from_millis(6_000), Rendition::Audio, Outcome::Done);
    assert_eq!((follower.counts().segments, follower.lacks_sound()), (segments, true));
}

#[test]
fn sound_of_its_own_takes_turns_with_the_variant() {
    let multivariant = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"sound\",LANGUAGE=\"de\"\n\
                        #EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO=\"a\"\nvideo\n";
    let answer = |now: u64, url: &str| match url {
        ENTRY => Ok(multivariant.to_owned()),
        url if url.ends_with("sound") => Ok(live(now, 5).replace(",\n", ",\na")),
        _ => Ok(live(now, 5)),
    };
    let mut provider = Provider::new(answer, done);
    provider.run(2_500);
    assert_eq!(provider.segments(), "8 a8 9 a9 10 a10 11 a11");
}
