//! What dates of segments are good for, and that wrong ones do no harm.

use super::*;

/// A list of segments of two seconds, of media that ends at `end` seconds, with names that begin
/// with `name`, numbers from `first` on and dates that are `off` seconds off.
fn dated(name: &str, first: u64, size: u64, end: u64, off: i64) -> String {
    let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    (0..size).fold(head, |list, index| {
        let begin = end - 2 * (size - index);
        let date = chrono::DateTime::from_timestamp(1_767_225_600 + begin.cast_signed() + off, 0).unwrap();
        list + &format!("#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:2,\n{name}{begin}\n", date.to_rfc3339())
    })
}

/// What is fetched of a list that is another one after five seconds.
fn after_a_restart(off: i64) -> String {
    let list = |now: u64, _: &str| {
        let end = 60 + now / 1000 / 2 * 2;
        Ok(if now < 5_000 { dated("a", end / 2, 6, end, 0) } else { dated("b", 1 << 50, 6, end, off) })
    };
    let mut provider = Provider::new(list, done);
    provider.run(9_000);
    provider.segments()
}

#[test]
fn a_list_that_begins_anew_is_gone_on_with_where_it_was_left() {
    assert_eq!(after_a_restart(0), "a54 a56 a58 a60 a62 b64 | b66");
}

#[test]
fn a_list_that_begins_anew_with_other_dates_is_begun_with_as_ever() {
    for off in [-1_000_000, -3600, -60, 60, 3600, 1_000_000] {
        assert_eq!(after_a_restart(off), "a54 a56 a58 a60 a62 b60 | b62 b64 b66", "{off} s off");
    }
}

const LADDER: &str =
    "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhttp://a/\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://b/\n";

/// What is fetched of two variants of which the first one is gone after five seconds; the other one
/// has other numbers, is 2 s late, and its dates are so far off.
fn after_a_change(off: i64) -> String {
    let list = |now: u64, url: &str| {
        let end = 60 + now / 1000 / 2 * 2;
        match url {
            "http://a/" if now >= 5_000 => Err(404),
            "http://a/" => Ok(dated("a", end / 2, 6, end, 0)),
            "http://b/" => Ok(dated("b", 700 + end / 2, 6, end - 2, off)),
            _ => Ok(LADDER.to_owned()),
        }
    };
    let mut provider = Provider::new(list, done);
    provider.run(16_000);
    provider.segments()
}

#[test]
fn another_variant_goes_on_at_the_same_date() {
    let fetched = after_a_change(0);
    assert!(fetched.starts_with("a54 a56 a58 a60 a62 b64"), "{fetched}");
    for off in [-1_000_000, -30, 30, 1_000_000] {
        let fetched = after_a_change(off);
        assert!(fetched.contains(" a62 b62 |"), "as without dates: {off} s off: {fetched}");
    }
}

const MASTER: &str = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",URI=\"http://s/\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO=\"s\"\nhttp://v/\n";

/// The first segments of a picture and of its sound, whose list ends so much earlier or later, and
/// whose dates are so far off.
fn begins(size: u64, later: i64, off: i64) -> String {
    let list = |_: u64, url: &str| {
        Ok(match url {
            "http://v/" => dated("", 30, 10, 1060, 0),
            "http://s/" => dated("", 30, size, 1060u64.strict_add_signed(later), off),
            _ => MASTER.to_owned(),
        })
    };
    let mut provider = Provider::new(list, done);
    provider.run(100);
    provider.segments().split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn sound_begins_at_the_date_of_its_picture() {
    assert_eq!(begins(10, 0, 0), "1054 1054");
    assert_eq!(begins(10, 8, 0), "1054 1054", "its list ends later");
    assert_eq!(begins(10, -2, 0), "1054 1054");
    for (size, off) in [(10, -1_000_000), (10, -60), (10, 60), (10, 1_000_000), (100, 40), (100, 150)] {
        assert_eq!(begins(size, 0, off), "1054 1054", "as without dates: {off} s off");
    }
}

/// Played for a while, and opened again with names that are new each time.
#[test]
fn a_source_that_is_opened_again_goes_on_by_its_dates() {
    let list = |name: &'static str, off: i64| {
        move |now: u64, _: &str| {
            let end = 60 + now / 1000 / 2 * 2;
            Ok(dated(name, end / 2, 8, end, off))
        }
    };
    for (off, expected) in [(0, "b60"), (3600, "b58"), (-3600, "b58")] {
        let mut first = Provider::new(list("a", 0), done);
        first.run(1_000);
        assert_eq!(first.segments(), "a54 a56 a58");
        let memory = first.follower.memory().clone();
        let follower = Follower::new(Moment::ZERO, Url::parse(ENTRY).unwrap(), Options::default());
        let mut again = Provider::new(|_, _| Err(FAILS), done);
        again.follower = follower.remembering(memory);
        again.playlist = Box::new(list("b", off));
        again.now = 4_000;
        again.answer(Rendition::Main, ENTRY, &Variables::default());
        again.run(4_100);
        assert!(again.segments().starts_with(expected), "{off} s off: {}", again.segments());
    }
}
