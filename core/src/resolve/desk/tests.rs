use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn page(id: &str) -> Page {
    Page::new(Platform::Twitch, id).unwrap()
}

fn at(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1000)
}

fn desk() -> Desk<&'static str> {
    Desk::new(Limits::default())
}

fn actions(desk: &mut Desk<&'static str>) -> Vec<Action> {
    std::iter::from_fn(|| desk.poll_action()).collect()
}

fn resolved(info: &'static str, lifetime: u64) -> Resolved<&'static str> {
    Resolved { info, lifetime: Some(Duration::from_secs(lifetime)) }
}

fn failed(class: Class) -> Failure {
    Failure::new(class, "no")
}

/// The answer, its age in seconds, and why there is nothing newer.
fn known(answer: &Answer<&'static str>) -> (&'static str, u64, Option<Class>) {
    match answer {
        Answer::Known { info, age, stale, .. } => (**info, age.as_secs(), *stale),
        other => panic!("{other:?}"),
    }
}

/// Why, and the second until which it is believed.
fn why(answer: &Answer<&'static str>) -> (Class, u64) {
    match answer {
        Answer::Failed { failure, until } => (failure.class, until.elapsed().as_secs()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_resolve_answers_all_who_ask() {
    let (mut desk, nasa) = (desk(), page("nasa"));
    for _ in 0..1000 {
        assert_eq!(desk.ask(&nasa, Need::Info, at(0)), Answer::Wait);
    }
    assert_eq!(actions(&mut desk), [Action::Resolve(nasa.clone())]);
    desk.handle_resolved(&nasa, Ok(resolved("live", 600)), at(2));
    assert_eq!(actions(&mut desk), [Action::Tell(nasa.clone())]);
    assert_eq!(known(&desk.ask(&nasa, Need::Addresses, at(3))), ("live", 1, None));
    assert_eq!(actions(&mut desk), []);
}

#[test]
fn what_it_is_lives_longer_than_its_addresses() {
    let (mut desk, nasa) = (desk(), page("nasa"));
    desk.ask(&nasa, Need::Info, at(0));
    desk.handle_resolved(&nasa, Ok(resolved("old", 600)), at(0));
    assert_eq!(known(&desk.ask(&nasa, Need::Addresses, at(589))), ("old", 589, None));
    // Whoever gets it now would come too late.
    assert_eq!(known(&desk.ask(&nasa, Need::Info, at(590))), ("old", 590, None));
    assert_eq!(desk.ask(&nasa, Need::Addresses, at(590)), Answer::Wait);
    desk.handle_resolved(&nasa, Ok(resolved("new", 600)), at(591));
    assert_eq!(known(&desk.ask(&nasa, Need::Addresses, at(591))), ("new", 0, None));
    assert_eq!(desk.ask(&nasa, Need::Info, at(591 + 3600)), Answer::Wait);
}

#[test]
fn addresses_that_do_not_say_when_they_end_live_as_long_as_is_set() {
    let (mut desk, nasa) = (desk(), page("nasa"));
    desk.ask(&nasa, Need::Info, at(0));
    desk.handle_resolved(&nasa, Ok(Resolved { info: "x", lifetime: None }), at(0));
    assert_eq!(known(&desk.ask(&nasa, Need::Addresses, at(589))).0, "x");
    assert_eq!(desk.ask(&nasa, Need::Addresses, at(590)), Answer::Wait);
}

#[test]
fn what_is_outdated_is_asked_for_anew() {
    let (mut desk, nasa) = (desk(), page("nasa"));
    desk.ask(&nasa, Need::Info, at(0));
    desk.handle_resolved(&nasa, Ok(resolved("old", 6000)), at(0));
    desk.outdate(&nasa);
    assert_eq!(desk.ask(&nasa, Need::Info, at(10)), Answer::Wait);
    desk.handle_resolved(&nasa, Err(failed(Class::Network)), at(11));
    // What it is may be told all the same, but its addresses are refused.
    assert_eq!(known(&desk.ask(&nasa, Need::Info, at(11))), ("old", 11, Some(Class::Network)));
    assert_eq!(why(&desk.ask(&nasa, Need::Addresses, at(11))), (Class::Network, 16));
}

#[test]
fn a_failure_is_believed_by_its_class() {
    let table = [
        (Class::Unsupported, 3600),
        (Class::Unavailable, 600),
        (Class::LoginRequired, 600),
        (Class::Geo, 3600),
        (Class::NotLive, 30),
        (Class::Drm, 3600),
        (Class::Network, 5),
        (Class::Timeout, 5),
        (Class::Crashed, 5),
        (Class::Broken, 60),
    ];
    for (class, kept) in table {
        let (mut desk, nasa) = (desk(), page("nasa"));
        desk.ask(&nasa, Need::Info, at(0));
        desk.handle_resolved(&nasa, Err(failed(class)), at(0));
        assert_eq!(why(&desk.ask(&nasa, Need::Info, at(kept - 1))), (class, kept), "{class:?}");
        assert_eq!(desk.ask(&nasa, Need::Info, at(kept)), Answer::Wait, "{class:?}");
    }
}

#[test]
fn a_page_that_is_not_live_is_asked_for_less_and_less_often() {
    let (mut desk, nasa) = (desk(), page("nasa"));
    let mut now = at(0);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        assert_eq!(desk.ask(&nasa, Need::Addresses, now), Answer::Wait);
        desk.handle_resolved(&nasa, Err(failed(Class::NotLive)), now);
        let (_, until) = why(&desk.ask(&nasa, Need::Addresses, now));
        pauses.push(until - now.elapsed().as_secs());
        now = at(until);
    }
    assert_eq!(pauses, [30, 60, 120, 240, 300, 300]);
    // It has said when it begins.
    assert_eq!(desk.ask(&nasa, Need::Addresses, now), Answer::Wait);
    let failure = Failure::new(Class::NotLive, "no").after(Some(Duration::from_mins(40)));
    desk.handle_resolved(&nasa, Err(failure), now);
    let (_, until) = why(&desk.ask(&nasa, Need::Addresses, now));
    assert_eq!(until - now.elapsed().as_secs(), 20 * 60);
}

#[test]
fn a_platform_that_refuses_is_left_alone_for_longer_each_time() {
    let (mut desk, nasa, esa) = (desk(), page("nasa"), page("esa"));
    desk.ask(&nasa, Need::Info, at(0));
    desk.handle_resolved(&nasa, Ok(resolved("nasa", 60)), at(0));
    let mut now = at(4000);
    let mut pauses = Vec::new();
    for _ in 0..5 {
        assert_eq!(desk.ask(&nasa, Need::Info, now), Answer::Wait);
        assert_eq!(desk.ask(&esa, Need::Info, now), Answer::Wait);
        actions(&mut desk);
        desk.handle_resolved(&nasa, Err(failed(Class::RateLimited)), now);
        // Who waited is told, and gets what there is.
        assert_eq!(actions(&mut desk), [Action::Tell(nasa.clone()), Action::Tell(esa.clone())]);
        assert_eq!(known(&desk.ask(&nasa, Need::Info, now)).2, Some(Class::RateLimited));
        let (class, until) = why(&desk.ask(&esa, Need::Info, now));
        assert_eq!(class, Class::RateLimited);
        pauses.push((until - now.elapsed().as_secs()) / 60);
        assert_eq!(actions(&mut desk), []);
        now = at(until);
    }
    assert_eq!(pauses, [15, 30, 60, 120, 120]);
    // Other platforms are asked meanwhile.
    let other = Page::new(Platform::YouTube, "dQw4w9WgXcQ").unwrap();
    assert_eq!(desk.ask(&other, Need::Info, now - SECOND), Answer::Wait);
    assert_eq!(actions(&mut desk), [Action::Resolve(other)]);
    // An answer makes it forget.
    desk.ask(&esa, Need::Info, now);
    desk.handle_resolved(&esa, Ok(resolved("esa", 60)), now);
    desk.outdate(&esa);
    desk.ask(&esa, Need::Info, now + SECOND);
    desk.handle_resolved(&esa, Err(failed(Class::RateLimited)), now + SECOND);
    let (_, until) = why(&desk.ask(&page("csa"), Need::Info, now + SECOND));
    assert_eq!(until - now.elapsed().as_secs(), 15 * 60 + 1);
}

#[test]
fn refusals_of_resolves_that_were_under_way_count_once() {
    let (mut desk, pages) = (desk(), ["nasa", "esa", "csa"].map(page));
    for page in &pages {
        assert_eq!(desk.ask(page, Need::Info, at(0)), Answer::Wait);
    }
    for page in &pages {
        desk.handle_resolved(page, Err(failed(Class::RateLimited)), at(1));
    }
    let (_, until) = why(&desk.ask(&page("jaxa"), Need::Info, at(2)));
    assert_eq!(until, 1 + 15 * 60);
    // A wait that the platform asks for counts, whoever hears of it.
    let failure = Failure::new(Class::RateLimited, "no").after(Some(Duration::from_mins(20)));
    desk.handle_resolved(&pages[0], Err(failure), at(2));
    let (_, until) = why(&desk.ask(&page("jaxa"), Need::Info, at(3)));
    assert_eq!(until, 2 + 20 * 60);
    desk.ask(&pages[1], Need::Info, at(until));
    desk.handle_resolved(&pages[1], Err(failed(Class::RateLimited)), at(until));
    let (_, again) = why(&desk.ask(&page("jaxa"), Need::Info, at(until)));
    assert_eq!(again - until, 30 * 60, "the next incident is the second");
}

#[test]
fn new_cookies_make_failures_forgotten() {
    let (mut desk, nasa) = (desk(), page("nasa"));
    desk.ask(&nasa, Need::Info, at(0));
    desk.handle_resolved(&nasa, Err(failed(Class::LoginRequired)), at(0));
    assert_eq!(why(&desk.ask(&nasa, Need::Info, at(1))).0, Class::LoginRequired);
    desk.forget_failures(Platform::Twitch);
    assert_eq!(desk.ask(&nasa, Need::Info, at(1)), Answer::Wait);
    assert_eq!(actions(&mut desk).last(), Some(&Action::Resolve(nasa)));
}

#[test]
fn a_platform_is_asked_at_its_pace_and_holds_up_no_other() {
    let mut desk = desk();
    let insta: Vec<Page> =
        (0..3).map(|n| Page::new(Platform::Instagram, &format!("post{n}")).unwrap()).collect();
    for page in &insta {
        desk.ask(page, Need::Info, at(0));
    }
    desk.ask(&page("nasa"), Need::Info, at(0));
    assert_eq!(actions(&mut desk), [Action::Resolve(insta[0].clone()), Action::Resolve(page("nasa"))]);
    assert_eq!(desk.poll_timeout(), Some(at(2)));
    desk.handle_timeout(at(1));
    assert_eq!(actions(&mut desk), []);
    desk.handle_timeout(at(2));
    assert_eq!(actions(&mut desk), [Action::Resolve(insta[1].clone())]);
    assert_eq!(desk.poll_timeout(), Some(at(4)));
}

#[test]
fn only_so_many_run_and_only_so_many_wait() {
    let mut desk = Desk::new(Limits { running: 2, waiting: 3, ..Limits::default() });
    // No pace, to see the other limits.
    let pages: Vec<Page> = (0..6).map(|n| page(&format!("channel{n}"))).collect();
    let answers: Vec<_> = (0_u64..).zip(&pages).map(|(n, page)| desk.ask(page, Need::Info, at(n))).collect();
    assert_eq!(answers[..5], [const { Answer::Wait }; 5]);
    assert_eq!(why(&answers[5]).0, Class::Busy);
    assert_eq!(desk.load(), Load { known: 0, running: 2, waiting: 3, turned_away: 1 });
    // None begins before one has ended.
    assert_eq!(desk.poll_timeout(), None);
    actions(&mut desk);
    desk.handle_resolved(&pages[1], Ok(resolved("one", 60)), at(9));
    let expected = [Action::Tell(pages[1].clone()), Action::Resolve(pages[2].clone())];
    assert_eq!(actions(&mut desk), expected);
}

#[test]
fn what_was_asked_for_longest_ago_is_forgotten_first() {
    let mut desk = desk();
    for n in 0..=MAX_KNOWN {
        let (page, now) = (page(&format!("channel{n}")), at(n as u64));
        desk.ask(&page, Need::Info, now);
        desk.handle_resolved(&page, Ok(resolved("x", 1_000_000)), now);
        // The first one is asked for again and again.
        desk.ask(&self::page("channel0"), Need::Addresses, now);
        actions(&mut desk);
    }
    assert_eq!(desk.load().known, MAX_KNOWN);
    let now = at(MAX_KNOWN as u64);
    assert_eq!(known(&desk.ask(&page("channel0"), Need::Addresses, now)).0, "x");
    assert_eq!(desk.ask(&page("channel1"), Need::Addresses, now), Answer::Wait);
}

#[test]
fn addresses_that_live_short_are_handed_out_as_long_as_they_can_be_opened() {
    let (mut desk, nasa) = (desk(), page("nasa"));
    desk.ask(&nasa, Need::Addresses, at(0));
    // The clock of the platform is ahead of ours.
    for (lifetime, last) in [(4, 2_900), (0, 1_400)] {
        desk.outdate(&nasa);
        desk.handle_resolved(&nasa, Ok(resolved("short", lifetime)), at(100));
        let answer = |desk: &mut Desk<_>, millis| {
            desk.ask(&nasa, Need::Addresses, at(100) + Duration::from_millis(millis))
        };
        assert_eq!(known(&answer(&mut desk, last)).0, "short", "{lifetime} s");
        assert_eq!(answer(&mut desk, last + 200), Answer::Wait, "{lifetime} s");
    }
}

#[test]
fn refused_addresses_are_renewed_less_and_less_often() {
    for (lifetime, ages) in [(6000, vec![5, 10, 20, 40, 80, 160, 300, 300]), (12, vec![5, 6, 5, 6])] {
        let (mut desk, nasa) = (desk(), page("nasa"));
        assert_eq!(desk.renew(&nasa, at(0)), Ok(()), "nothing is known of it");
        let mut begun = 0;
        for age in ages {
            desk.ask(&nasa, Need::Addresses, at(begun));
            desk.handle_resolved(&nasa, Ok(resolved("an address", lifetime)), at(begun));
            assert_eq!(desk.renew(&nasa, at(begun + age - 1)), Err(at(begun + age)));
            assert_eq!(known(&desk.ask(&nasa, Need::Addresses, at(begun + age - 1))).0, "an address");
            begun += age;
            assert_eq!(desk.renew(&nasa, at(begun)), Ok(()));
            assert_eq!(desk.ask(&nasa, Need::Addresses, at(begun)), Answer::Wait);
        }
    }
}
