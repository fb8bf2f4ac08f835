//! An entry that gets another address, where the same media has other numbers and names.

use super::*;

/// How a session numbers its segments.
#[derive(Debug, Clone, Copy)]
enum Numbers {
    Same,
    Higher,
    /// Each from 0, so that the same names mean other segments.
    FromZero,
}

/// The list of a session at `now`: media in segments of 2 s, of which number 10 is the last at
/// first.
struct Session {
    number: u64,
    begun: u64,
    numbers: Numbers,
    is_dated: bool,
    /// How many segments its server is behind the others.
    behind: u64,
    /// What stands in front of the media in names.
    coding: &'static str,
}

/// The session of an address, of which the second begins after nine seconds.
fn of_two(url: &str) -> Session {
    let (number, begun) = if url.contains("/s1/") { (1, 9_000) } else { (0, 0) };
    Session { number, begun, numbers: Numbers::Higher, is_dated: true, behind: 0, coding: "" }
}

impl Session {
    const WINDOW: u64 = 6;

    fn list(&self, now: u64) -> String {
        let end = 11 + now / 2000 - self.behind;
        let first = end - Self::WINDOW;
        let begun = 11 + self.begun / 2000 - self.behind - Self::WINDOW;
        let shift = |media: u64| match self.numbers {
            Numbers::Same => media,
            Numbers::Higher => media + 1000 * self.number,
            Numbers::FromZero => media - begun,
        };
        let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n", shift(first));
        (first..end).fold(head, |list, media| {
            let date = chrono::DateTime::from_timestamp(1_767_225_600 + 2 * media.cast_signed(), 0).unwrap();
            let date = format!("#EXT-X-PROGRAM-DATE-TIME:{}\n", date.to_rfc3339());
            let date = if self.is_dated { &date } else { "" };
            list + &format!("{date}#EXTINF:2,\n{}-{}{media}\n", shift(media), self.coding)
        })
    }
}

/// Follows sessions, each of which is begun `every` so many milliseconds and lies behind the others
/// as told; the media that was passed on, and what of it does not follow what was before.
fn follow(numbers: Numbers, is_dated: bool, every: u64, behind: [u64; 3]) -> (Vec<u64>, String) {
    let address = |session: u64| format!("http://h/s{session}/list");
    let answer = move |now: u64, url: &str| {
        let number = url.strip_prefix("http://h/s").and_then(|rest| rest.split('/').next());
        let number: u64 = number.map_or(0, |number| number.parse().unwrap());
        let behind = behind[usize::try_from(number).unwrap() % behind.len()];
        Ok(Session { number, begun: number * every, numbers, is_dated, behind, coding: "" }.list(now))
    };
    let mut provider = Provider::new(answer, done);
    for session in 1..6 {
        provider.run(session * every);
        provider.now = session * every;
        provider.follower.renew(Url::parse(&address(session)).unwrap());
    }
    provider.run(6 * every);
    let passed = provider.passed.iter().map(|media| media.parse().unwrap()).collect();
    (passed, provider.segments())
}

#[test]
fn nothing_is_lost_or_repeated_however_sessions_are_numbered() {
    for numbers in [Numbers::Same, Numbers::Higher, Numbers::FromZero] {
        for is_dated in [false, true] {
            for (every, behind) in [(9_000, [0; 3]), (9_700, [0, 1, 0]), (8_300, [0, 2, 1])] {
                let (passed, fetched) = follow(numbers, is_dated, every, behind);
                let case = format!("{numbers:?}, dates {is_dated}, {every} ms, {behind:?}: {fetched}");
                let expected: Vec<u64> = (passed[0]..).take(passed.len()).collect();
                assert_eq!(passed, expected, "{case}");
                assert!(passed.len() as u64 > 6 * every / 2000 - 2, "{case}");
                assert!(!fetched.contains('|'), "{case}");
            }
        }
    }
}

#[test]
fn a_session_that_fits_is_proved_by_one_segment() {
    let (_, fetched) = follow(Numbers::Higher, true, 9_000, [0; 3]);
    assert!(fetched.matches('?').count() <= 2 * 5, "{fetched}");
}

#[test]
fn media_that_is_another_in_each_session_goes_on_where_dates_say() {
    let answer = |now: u64, url: &str| {
        let mut session = of_two(url);
        // Coded anew, so that no segment equals one of the other session.
        session.coding = if session.number == 1 { "x" } else { "" };
        Ok(session.list(now))
    };
    let mut provider = Provider::new(answer, done);
    provider.run(9_000);
    provider.now = 9_000;
    provider.follower.renew(Url::parse("http://h/s1/list").unwrap());
    provider.run(13_000);
    let passed = provider.passed.join(" ");
    assert!(passed.starts_with("8 9 10 11 12 13 14 x15 x16"), "{passed}: {}", provider.segments());
    assert!(provider.segments().contains('|'), "{}", provider.segments());
}

#[test]
fn a_segment_that_cannot_be_compared_holds_nothing_up() {
    let lists = |now: u64, url: &str| Ok(of_two(url).list(now));
    // The server no longer has what was listed before it was asked for the first time.
    let segments = |_: u64, url: &str| {
        let is_old = url.contains("/s1/") && ["-13", "-14"].iter().any(|name| url.ends_with(name));
        if is_old { Outcome::Refused(404) } else { Outcome::Done }
    };
    let mut provider = Provider::new(lists, segments);
    provider.run(9_000);
    provider.now = 9_000;
    provider.follower.renew(Url::parse("http://h/s1/list").unwrap());
    provider.run(16_000);
    let passed = provider.passed.join(" ");
    assert!(passed.starts_with("8 9 10 11 12 13 14 15 16"), "{passed}: {}", provider.segments());
    assert_eq!(provider.follower.counts().skipped, 0);
}

#[test]
fn a_search_in_a_long_list_ends_where_the_remembered_segments_begin() {
    let lists = |now: u64, url: &str| {
        let end = 200 + now / 2000;
        let coding = if url.contains("/s1/") { ",\nx-x" } else { ",\n-" };
        Ok(list(end - 100, end - 100..end).replace(",\n", coding))
    };
    let mut provider = Provider::new(lists, done);
    provider.run(9_000);
    provider.now = 9_000;
    provider.follower.renew(Url::parse("http://h/s1/list").unwrap());
    provider.run(13_000);
    let passed = provider.passed.join(" ");
    assert!(passed.starts_with("197 198 199 200 201 202 203 x204 x205"), "{passed}: {}", provider.segments());
}

#[test]
fn a_session_that_ends_before_a_segment_of_it_is_taken_loses_and_repeats_nothing() {
    for is_dated in [false, true] {
        let lists = move |now: u64, url: &str| {
            let number = if url.contains("/s1/") { 1 } else { u64::from(url.contains("/s2/")) * 2 };
            let begun = number * 5_000;
            let numbers = Numbers::FromZero;
            Ok(Session { number, begun, numbers, is_dated, behind: 0, coding: "" }.list(now))
        };
        let mut provider = Provider::new(lists, done);
        provider.run(5_000);
        // Nothing is fetched but lists.
        provider.follower.set_hungry(Moment::from_millis(5_000), false);
        provider.now = 5_000;
        provider.follower.renew(Url::parse("http://h/s1/list").unwrap());
        provider.run(10_000);
        provider.now = 10_000;
        provider.follower.renew(Url::parse("http://h/s2/list").unwrap());
        provider.run(10_100);
        provider.follower.set_hungry(Moment::from_millis(10_100), true);
        provider.run(16_000);
        let passed: Vec<u64> = provider.passed.iter().map(|media| media.parse().unwrap()).collect();
        let expected: Vec<u64> = (8..).take(passed.len()).collect();
        assert_eq!(passed, expected, "dates {is_dated}: {}", provider.segments());
        assert!(passed.len() > 9, "{passed:?}");
    }
}
