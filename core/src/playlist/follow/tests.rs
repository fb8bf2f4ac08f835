use std::fmt::Write as _;

use super::*;
use crate::playlist::model::Variables;
use crate::playlist::parse::parse;

mod dates;
mod ended;
mod late_sound;
mod refusals;
mod sessions;
mod sound;
mod speed;
mod variants;

const ENTRY: &str = "http://h/live.m3u8?token=t";

/// In place of a status: the connection fails.
const FAILS: u16 = 0;

/// What is answered at a time in milliseconds to a request for an address.
type Answers<'a, T> = Box<dyn FnMut(u64, &str) -> T + 'a>;

/// Plays the provider to a follower, with answers that come at once.
struct Provider<'a> {
    follower: Follower,
    now: u64,
    playlist: Answers<'a, Result<String, u16>>,
    segment: Answers<'a, Outcome>,
    /// How large a segment is in bytes, and how many bits a second come; they come at once without
    /// it.
    link: Option<Answers<'a, (u64, u64)>>,
    /// How often it was woken.
    wakes: u32,
    /// The media that was passed on: what stands behind the last `-` of the names of segments.
    passed: Vec<String>,
    /// What was done, each with its second and tenths.
    log: Vec<String>,
    /// The same, each with the host instead, and segments with their names.
    hosts: Vec<String>,
}

impl<'a> Provider<'a> {
    /// A provider whose answers depend on the time in milliseconds and the address.
    fn new(
        playlist: impl FnMut(u64, &str) -> Result<String, u16> + 'a,
        segment: impl FnMut(u64, &str) -> Outcome + 'a,
    ) -> Self {
        let follower = Follower::new(Moment::ZERO, Url::parse(ENTRY).unwrap(), Options::default());
        let mut provider = Self {
            follower,
            now: 0,
            playlist: Box::new(playlist),
            segment: Box::new(segment),
            link: None,
            wakes: 0,
            passed: Vec::new(),
            log: Vec::new(),
            hosts: Vec::new(),
        };
        provider.answer(Rendition::Main, ENTRY, &Variables::default());
        provider
    }

    fn answer(&mut self, of: Rendition, url: &str, inherited: &Variables) {
        let (now, body) = (Moment::from_millis(self.now), (self.playlist)(self.now, url));
        let answer = match &body {
            Ok(text) => version(url, text, inherited),
            Err(304) => Answer::NotModified,
            Err(FAILS) => Answer::Failed,
            Err(status) => Answer::Refused(*status),
        };
        self.follower.handle_playlist(now, of, answer);
    }

    /// How a segment comes over the link, which takes its time, and what comes of it then.
    fn transfer(&mut self, fetch: &Fetch, outcome: Outcome) -> (Transfer, Outcome) {
        let Some(link) = &mut self.link else { return (Transfer::default(), outcome) };
        let (bytes, rate) = link(self.now, fetch.url.as_str());
        let took = Duration::from_millis(bytes * 8_000 / rate);
        if took <= fetch.timeout {
            self.now += u64::try_from(took.as_millis()).unwrap();
            return (Transfer { bytes, took }, outcome);
        }
        let millis = u64::try_from(fetch.timeout.as_millis()).unwrap();
        self.now += millis;
        (Transfer { bytes: rate * millis / 8_000, took: fetch.timeout }, Outcome::Failed)
    }

    /// Goes on until so many milliseconds have passed, or it is over.
    fn run(&mut self, until: u64) -> &mut Self {
        while self.now <= until {
            let now = Moment::from_millis(self.now);
            let at = format!("{}.{}", self.now / 1000, self.now % 1000 / 100);
            match self.follower.poll_action(now) {
                Some(Action::FetchPlaylist { of, url, inherited, .. }) => {
                    self.log.push(format!("{at} playlist {}", url.path()));
                    self.hosts.push(format!("{at}{}", url.host_str().unwrap()));
                    self.answer(of, url.as_str(), &inherited);
                }
                Some(Action::FetchSegment(fetch)) => {
                    let mut line = format!("{at} {}", &fetch.url.path()[1..]);
                    if let Some(query) = fetch.url.query() {
                        write!(line, "?{query}").unwrap();
                    }
                    if let Some(Aes128 { url, iv }) = &fetch.key {
                        write!(line, " key={} iv={}", url.path(), iv[15]).unwrap();
                    }
                    self.hosts.push(format!("{at}{}{}", fetch.url.host_str().unwrap(), fetch.url.path()));
                    line.push_str(match (fetch.only_compares, fetch.is_discontinuous) {
                        (true, _) => " ?",
                        (false, true) => " |",
                        (false, false) => "",
                    });
                    self.log.push(line);
                    let outcome = (self.segment)(self.now, fetch.url.as_str());
                    let outcome = self.compare(&fetch, outcome);
                    let (transfer, outcome) = self.transfer(&fetch, outcome);
                    if fetch.rendition == Rendition::Main {
                        self.follower.handle_transfer(transfer);
                    }
                    self.follower.handle_segment(Moment::from_millis(self.now), fetch.rendition, outcome);
                }
                Some(Action::Pair(_)) => {}
                Some(last) => {
                    self.log.push(format!("{at} {last:?}"));
                    return self;
                }
                None => {
                    let Some(next) = self.follower.poll_timeout() else { return self };
                    let next = u64::try_from(next.elapsed().as_millis()).unwrap().max(self.now + 1);
                    if next > until {
                        return self;
                    }
                    (self.now, self.wakes) = (next, self.wakes + 1);
                    self.follower.handle_timeout(Moment::from_millis(self.now));
                }
            }
        }
        self
    }

    /// Remembers what is passed on, and compares what is not to be.
    fn compare(&mut self, fetch: &Fetch, outcome: Outcome) -> Outcome {
        let path = fetch.url.path();
        let media = path.rsplit('-').next().unwrap_or(path).to_owned();
        match outcome {
            Outcome::Done if fetch.only_compares => {
                let since = self.passed.iter().rev().position(|passed| *passed == media);
                since.map_or(Outcome::Unknown, Outcome::Known)
            }
            Outcome::Done => {
                self.passed.push(media);
                outcome
            }
            _ => outcome,
        }
    }

    /// The segments that were asked for, with `|` where they do not follow what was before; and
    /// what ended it.
    fn segments(&self) -> String {
        let others = self.log.iter().filter(|line| !line.contains(" playlist "));
        let names: Vec<&str> = others.filter_map(|line| line.split_once(' ')).map(|(_, name)| name).collect();
        names.join(" ")
    }

    /// When playlists were asked for.
    fn polls(&self) -> String {
        let polls = self.log.iter().filter_map(|line| line.split_once(" playlist "));
        polls.map(|(at, _)| at).collect::<Vec<_>>().join(" ")
    }
}

/// A version of the playlist at an address.
fn version(url: &str, text: &str, inherited: &Variables) -> Answer {
    let url = Url::parse(url).unwrap();
    let playlist = parse(text.as_bytes(), &url, inherited);
    Answer::Playlist { url, playlist, etag: None }
}

/// A playlist of these segments of 2 s, with this first number.
fn list(sequence: u64, names: impl IntoIterator<Item = u64>) -> String {
    let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n");
    names.into_iter().fold(head, |list, name| list + &format!("#EXTINF:2,\n{name}\n"))
}

/// A live window of `size` segments; a new one comes every 2 s, and 10 is the last at first.
fn live(now: u64, size: u64) -> String {
    let end = 11 + now / 2000;
    list(end - size, end - size..end)
}

fn done(_: u64, _: &str) -> Outcome {
    Outcome::Done
}

#[test]
fn it_begins_three_from_the_end_and_goes_on() {
    let mut provider = Provider::new(|now, _| Ok(live(now, 5)), done);
    provider.run(6_500);
    assert_eq!(provider.segments(), "8 9 10 11 12 13");
    assert_eq!(
        provider.polls(),
        "2.0 4.0 6.0",
        "a changed playlist is asked for after its last segment's time"
    );
    assert_eq!(provider.follower.sequence(), 14);
}

/// Where a list of so many segments of so many seconds is begun with by viewers who wait for whole
/// ones, and how many seconds they have at once.
fn head_start(segments: u64, seconds: u64) -> (String, u64) {
    let options = Options { has_head_start: true, ..Options::default() };
    let mut follower = Follower::new(Moment::ZERO, Url::parse(ENTRY).unwrap(), options);
    let text = list(0, 0..segments).replace(":2\n", &format!(":{seconds}\n"));
    let text = text.replace(":2,", &format!(":{seconds},"));
    follower.handle_playlist(Moment::ZERO, Rendition::Main, version(ENTRY, &text, &Variables::default()));
    let Some(Action::FetchSegment(fetch)) = follower.poll_action(Moment::ZERO) else {
        panic!("there is a segment")
    };
    (fetch.url.path().to_owned(), follower.head_start().as_secs())
}

#[test]
fn a_head_start_is_a_segment_or_two_seconds() {
    assert_eq!(head_start(8, 1), ("/2".to_owned(), 2), "and six seconds in all, beside another source");
    assert_eq!(head_start(8, 2), ("/4".to_owned(), 2));
    assert_eq!(head_start(8, 10), ("/4".to_owned(), 10));
    assert_eq!(head_start(4, 1), ("/0".to_owned(), 1), "as far as the list goes back");
    assert_eq!(head_start(3, 4), ("/0".to_owned(), 0));
}

#[test]
fn what_a_list_did_while_its_source_was_closed_is_no_rhythm() {
    let none = std::iter::empty;
    let mut rhythm = memory::Rhythm::default();
    rhythm.begin(Moment::ZERO, 10, none());
    rhythm.note(Moment::from_millis(2_000), 11, none());
    rhythm.begin(Moment::from_millis(40_000), 30, none());
    assert_eq!(rhythm.longest, Duration::from_secs(2));
    rhythm.note(Moment::from_millis(42_000), 31, none());
    rhythm.begin(Moment::from_millis(47_000), 33, none());
    assert_eq!(rhythm.longest, Duration::from_secs(5), "it was seen just before");
}

#[test]
fn an_unchanged_playlist_is_asked_for_after_half_the_time() {
    let mut provider = Provider::new(|now, _| Ok(live(now.saturating_sub(1_500), 5)), done);
    provider.run(4_000);
    assert_eq!(provider.polls(), "2.0 3.0 4.0");
}

#[test]
fn it_asks_no_more_than_twice_a_second() {
    let text = |sequence: u64| {
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n#EXTINF:0.1,\n{sequence}\n"
        )
    };
    let mut provider = Provider::new(|now, _| Ok(text(now / 100)), done);
    provider.run(2_000);
    assert_eq!(provider.polls(), "0.5 1.0 1.5 2.0");
}

#[test]
fn short_lists_begin_with_what_there_is() {
    let mut provider = Provider::new(|now, _| Ok(live(now, 2)), done);
    provider.run(4_000);
    assert_eq!(provider.segments(), "9 10 11 12");
    assert_eq!(provider.polls(), "1.0 2.0 3.0 4.0", "they are asked for twice as often");
}

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

#[test]
fn a_segment_is_tried_three_times_within_the_target_duration() {
    let missing = |_: u64, url: &str| if url.ends_with("/9") { Outcome::Refused(404) } else { Outcome::Done };
    let mut provider = Provider::new(|now, _| Ok(live(now, 5)), missing);
    provider.run(1_900);
    assert_eq!(provider.log, ["0.0 8", "0.0 9", "0.5 9", "1.0 9", "1.0 10 |"]);
    assert_eq!((provider.follower.counts().retries, provider.follower.counts().skipped), (2, 1));
}

#[test]
fn a_segment_that_has_left_the_list_is_not_waited_for() {
    // It was to be tried again when the list moved on, and became empty.
    let moves = |now: u64| if now == 0 { list(0, 0..1) } else { list(2, []) };
    let mut provider = Provider::new(|now, _| Ok(moves(now)), |_, _| Outcome::Refused(404));
    provider.run(60_000);
    assert_eq!(provider.segments(), "0 0 Fail(Stalled)");
    assert!(provider.wakes < 20, "{} times in {} ms", provider.wakes, provider.now);
}

#[test]
fn a_target_of_days_keeps_nobody_waiting_for_days() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:18446744073709551615\n";
    let mut provider = Provider::new(|_, _| Ok(text.to_owned()), done);
    provider.run(10 * 60_000);
    assert_eq!(provider.segments(), "Fail(Stalled)");
    assert_eq!(provider.now, 181_000);
}

#[test]
fn the_entry_and_the_list_may_be_at_one_address() {
    let lasting = list(0, 0..3).replace("EXTINF:2", "EXTINF:1.4");
    let mut provider =
        Provider::new(move |now, _| if now == 0 { Ok(lasting.clone()) } else { Err(404) }, done);
    provider.run(60_000);
    let polls = provider.polls();
    assert!(polls.contains("2.8 3.3"), "the entry is not asked 0.2 s after the list: {polls}");
}

#[test]
fn gaps_and_repetitions_are_not_fetched() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n1\n#EXT-X-GAP\n#EXTINF:2,\n2\n#EXTINF:2,\n3\n#EXTINF:2,\n3\n#EXT-X-ENDLIST\n";
    let mut provider = Provider::new(|_, _| Ok(text.to_owned()), done);
    provider.run(1_000);
    assert_eq!(provider.segments(), "1 3 | End");
    assert_eq!((provider.follower.counts().gaps, provider.follower.counts().repeated), (1, 1));
}

#[test]
fn a_complete_list_is_played_from_its_beginning_to_its_end() {
    let mut provider = Provider::new(|_, _| Ok(list(0, 0..5) + "#EXT-X-ENDLIST\n"), done);
    provider.run(60_000);
    assert_eq!(provider.segments(), "0 1 2 3 4 End");
    assert_eq!(provider.polls(), "");
}

#[test]
fn a_list_that_ends_while_it_is_played_ends_it() {
    let ends = |now: u64| live(now.min(4_000), 5) + if now < 4_000 { "" } else { "#EXT-X-ENDLIST\n" };
    let mut provider = Provider::new(|now, _| Ok(ends(now)), done);
    provider.run(60_000);
    assert_eq!(provider.segments(), "8 9 10 11 12 End");
}

#[test]
fn without_anything_new_it_asks_the_entry_and_then_gives_up() {
    let mut provider = Provider::new(|_, _| Ok(live(0, 5)), done);
    provider.run(60_000);
    let last = provider.log.last().map(String::as_str);
    assert_eq!(last, Some("7.0 Fail(Stalled)"), "{:?}", provider.log);
    assert_eq!(provider.follower.counts().entries, 2);
}

#[test]
fn media_that_only_repeats_is_nothing_new() {
    let mut provider = Provider::new(
        |now, _| Ok(live(now, 5)),
        |now, _| if now < 3_000 { Outcome::Done } else { Outcome::Repeated },
    );
    provider.run(60_000);
    assert_eq!(provider.log.last().map(String::as_str), Some("9.0 Fail(Stalled)"), "{:?}", provider.log);
}

#[test]
fn segments_that_stand_still_with_nothing_in_store_are_a_stall() {
    let stands = |_: u64, url: &str| if url.ends_with("/9") { Outcome::Stalled } else { Outcome::Done };
    let mut provider = Provider::new(|now, _| Ok(live(now, 5)), stands);
    provider.run(60_000);
    assert_eq!(provider.segments(), "8 9 Fail(Stalled)");
}

#[test]
fn while_nothing_is_wanted_nothing_stalls() {
    let mut provider = Provider::new(|_, _| Ok(live(0, 5)), done);
    provider.run(1_000);
    provider.follower.set_hungry(Moment::from_millis(1_000), false);
    provider.run(50_000);
    assert!(!provider.segments().contains("Fail"));
    provider.follower.set_hungry(Moment::from_millis(provider.now), true);
    let begun = provider.now;
    provider.run(100_000);
    assert!(provider.segments().ends_with("Fail(Stalled)"));
    assert!(provider.now - begun >= 6_000);
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

#[test]
fn vectors_are_the_sequence_number_where_none_is_stated() {
    let text = list(21, 1..3).replacen("#EXTINF", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF", 1)
        + "#EXT-X-KEY:METHOD=AES-128,URI=\"l\",IV=0x05\n#EXTINF:2,\n3\n";
    let mut provider = Provider::new(move |_, _| Ok(text.clone()), done);
    provider.run(100);
    assert_eq!(provider.segments(), "1 key=/k iv=21 2 key=/k iv=22 3 key=/l iv=5");
}

#[test]
fn what_cannot_be_decrypted_is_refused() {
    let text = list(0, 0..3).replacen("#EXTINF", "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF", 1);
    let mut provider = Provider::new(move |_, _| Ok(text.clone()), done);
    provider.run(100);
    assert!(provider.segments().starts_with("Fail(Encrypted("), "{:?}", provider.log);
}
