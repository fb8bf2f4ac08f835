//! Lists that have ended, and lists that grow by several segments at once.

use super::*;

const END: &str = "#EXT-X-ENDLIST\n";

/// Opens a source of one list again, with what was learned before.
fn again<'a>(
    before: &Provider<'_>,
    options: Options,
    playlist: impl FnMut(u64, &str) -> Result<String, u16> + 'a,
) -> Provider<'a> {
    let mut provider = Provider::new(playlist, done);
    let now = Moment::from_millis(before.now);
    let follower = Follower::new(now, Url::parse(ENTRY).unwrap(), options);
    provider.follower = follower.remembering(before.follower.memory().clone());
    provider.now = before.now;
    provider.answer(Rendition::Main, ENTRY, &Variables::default());
    provider
}

fn spare() -> Options {
    Options { others: Others::Active, ..Options::default() }
}

#[test]
fn a_stream_that_has_ended_is_not_played_again() {
    let ends = |now: u64| live(now.min(4_000), 5) + if now < 4_000 { "" } else { END };
    let mut first = Provider::new(move |now, _| Ok(ends(now)), done);
    first.run(60_000);
    assert_eq!(first.segments(), "8 9 10 11 12 End");
    for options in [Options::default(), spare()] {
        let mut second = again(&first, options, move |now, _| Ok(ends(now)));
        second.run(60_000);
        assert_eq!(second.segments(), "Fail(Over)");
    }
    let mut active_again = again(&first, Options::default(), |now, _| Ok(live(now + 60_000, 5)));
    active_again.run(first.now + 100);
    assert!(active_again.segments().starts_with('4'), "it is followed as any other: {:?}", active_again.log);
}

#[test]
fn what_came_behind_what_was_played_is_played() {
    let mut first = Provider::new(|now, _| if now < 4_000 { Ok(live(now, 5)) } else { Err(404) }, done);
    first.run(60_000);
    assert_eq!(first.segments(), "8 9 10 11 Fail(Refused(404))");
    let mut second = again(&first, Options::default(), |_, _| Ok(list(8, 8..14) + END));
    second.run(60_000);
    assert_eq!(second.segments(), "12 13 End");
}

#[test]
fn a_list_that_goes_on_is_not_begun_with_what_was_played() {
    let mut first = Provider::new(|now, _| if now < 4_000 { Ok(live(now, 5)) } else { Err(404) }, done);
    first.run(60_000);
    assert_eq!(first.segments(), "8 9 10 11 Fail(Refused(404))");
    let opened_again = |moves: u64| {
        let mut second = again(&first, Options::default(), move |_, _| Ok(live(moves * 2_000, 5)));
        second.run(first.now + 100).segments()
    };
    assert_eq!(opened_again(2), "12", "10 and 11 were played");
    assert_eq!(opened_again(8), "16 17 18", "no more than usual is made up for");
    assert_eq!(opened_again(1), "9 10 11", "there is nothing else");
}

#[test]
fn a_film_begins_again_unless_there_is_something_else() {
    let film = |_: u64, _: &str| Ok(list(0, 0..3) + END);
    let mut first = Provider::new(film, done);
    first.run(60_000);
    let mut second = again(&first, Options::default(), film);
    second.run(60_000);
    assert_eq!(second.segments(), "0 1 2 End");
    let mut third = again(&second, Options::default(), film);
    third.run(60_000);
    assert_eq!(third.segments(), "0 1 2 End");
    let mut beside = again(&third, spare(), film);
    beside.run(60_000);
    assert_eq!(beside.segments(), "Fail(Over)");
    let mut other = again(&third, spare(), |_, _| Ok(list(0, 20..22) + END));
    other.run(60_000);
    assert_eq!(other.segments(), "20 21 End", "another film is another film");
}

/// A list of segments of 6 s that is renewed every so many milliseconds.
fn renewed(every: u64) -> impl Fn(u64) -> String {
    move |now| {
        let end = 20 + now / every * every / 6_000;
        let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{}\n", end - 8);
        (end - 8..end).fold(head, |list, name| list + &format!("#EXTINF:6,\n{name}\n"))
    }
}

/// Follows for so long, opening again what has stalled; how often that was.
fn stalls(list: &dyn Fn(u64) -> String, others: Others, until: u64) -> usize {
    let options = Options { others, ..Options::default() };
    let mut provider = Provider::new(move |now, _| Ok(list(now)), done);
    provider.follower = Follower::new(Moment::ZERO, Url::parse(ENTRY).unwrap(), options);
    provider.answer(Rendition::Main, ENTRY, &Variables::default());
    let mut stalls = 0;
    while provider.run(until).segments().ends_with("Fail(Stalled)") {
        stalls += 1;
        provider = again(&provider, options, move |now, _| Ok(list(now)));
    }
    stalls
}

#[test]
fn a_list_that_grows_by_several_segments_at_once_does_not_stall() {
    for phase in [100, 2_000, 8_000, 17_900] {
        let list = |now: u64| renewed(18_000)(now + phase);
        assert_eq!(stalls(&list, Others::Idle, 300_000), 0, "a third of it, {phase} ms after it grew");
        let list = |now: u64| renewed(30_000)(now + phase);
        assert_eq!(stalls(&list, Others::None, 300_000), 0, "a fifth of it, and there is nothing else");
        assert!(stalls(&list, Others::Idle, 300_000) <= 1, "it is remembered when it is opened again");
    }
    let list = renewed(24 * 3_600_000);
    assert!(stalls(&list, Others::Idle, 300_000) >= 8, "one that stands still stalls as ever");
    assert!(stalls(&list, Others::None, 300_000) >= 4, "an only one, too");
}

#[test]
fn one_that_grows_rarely_is_begun_with_early_enough_beside_another() {
    let mut first = Provider::new(|now, _| Ok(renewed(30_000)(now + 20_000)), done);
    first.run(15_000);
    // It has grown by five, once.
    let options = [Options::default(), spare()].map(|options| {
        let mut second = again(&first, options, |now, _| Ok(renewed(30_000)(now + 20_000)));
        second.run(first.now + 10);
        second.segments().split(' ').count()
    });
    assert_eq!(options, [3, 6], "30 s, and 6 s for the answer");
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
