//! Channels, their sources and their providers in one simulated world, under random events: what
//! holds after each step.
//!
//! The decisions are the real ones (`Lifecycle` with its `Failover`, and `Ledger`); around them is
//! what the application does, without sockets and tasks. With `MODEL_LOG` in the environment, what
//! they decide is printed.

mod account;
mod checks;
mod outside;
mod plans;
mod source;
mod station;
mod tally;
mod watch;
mod world;

use std::cell::RefCell;
use std::time::Duration;

use forebay_core::failover::{MAX_COOLDOWN, MAX_PAUSE, PROBATION, SourceId, SourceOverride};
use forebay_core::lifecycle::{PICTURE_TIMEOUT, PROBE_PAUSE, Times};
use forebay_core::provider::Limits;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::account::Account;
use crate::plans::{Draw, Faithful};
use crate::source::{Mood, Source};
use crate::tally::Tally;
use crate::world::{Event, Plan, World};

/// What a good source needs at most from the request to its first picture (see `plans::source`).
const PROMPT: Duration = Duration::from_millis(2300);

/// From when nothing stands in the way any more to pictures: a pause, the rest of an attempt that
/// comes to nothing, and a good one.
const RECOVERY: Duration = Duration::from_secs(MAX_PAUSE.as_secs() + 6 + 3);

/// The longest gap where one of three sources is good: the two others are tried first, for as long
/// as a source may be without a picture.
const GAP: Duration = Duration::from_secs(MAX_PAUSE.as_secs() + 2 * PICTURE_TIMEOUT.as_secs() + 3);

/// Switches in an hour in which one source comes and goes: two for each of its failures. It is
/// avoided for 10, 20, 40, 80, 160 and then 300 s; when it has been live for 10 min that begins
/// again, so the worst are 6 failures in 910 s.
const SWITCHES: u64 = 2 * 6 * 4 + 2;

const STEP: Duration = Duration::from_millis(100);

/// Plays until `is_done`, or for `limit`; viewers who are told that there is nothing come again.
fn play_until(world: &mut World, limit: Duration, is_done: impl Fn(&World) -> bool) -> bool {
    let since = world.now();
    while !is_done(world) {
        if world.now().since(since) > limit {
            return false;
        }
        world.advance(STEP);
        for at in 0..world.stations.len() {
            if world.stations[at].viewers == 0 {
                world.tell(Event::Join(at));
            }
        }
    }
    true
}

/// Nothing is wrong any more, and there is a viewer everywhere.
fn restore(world: &mut World) {
    for source in 0..world.outside.sources.len() {
        world.tell(Event::Mood { source, mood: Mood::Good, is_felt: true });
    }
    for provider in 0..world.outside.accounts.len() {
        world.tell(Event::Limits(provider, Limits { connections: 50, probes: 50, settle: Duration::ZERO }));
    }
    for at in 0..world.stations.len() {
        world.stations[at].latecomers = 0;
        world.tell(Event::Join(at));
    }
}

/// Each channel shows what an admin wants.
fn pin_each(world: &mut World) {
    for at in (0..world.stations.len()).filter(|&at| !world.stations[at].is_stopping).collect::<Vec<_>>() {
        let last = *world.stations[at].lineup.last().expect("a channel has a source");
        let Times { hedge, return_after, .. } = world.stations[at].times;
        world.tell(Event::SourceOverride(at, SourceOverride::Pin(last)));
        // Where a hedge was faster, what is pinned is avoided for a while, and then has to prove
        // itself.
        let is_prompt = hedge.is_none_or(|hedge| hedge >= PROMPT);
        let proof = return_after.unwrap_or(PROBATION);
        let later = if is_prompt { Duration::ZERO } else { MAX_COOLDOWN + PROBE_PAUSE + PROMPT + proof };
        let is_done = |world: &World| world.stations[at].shows() == Some(last);
        assert!(
            play_until(world, PROMPT + STEP + later, is_done),
            "channel {at} does not show what is pinned"
        );
    }
}

fn run(Draw { limits, sources, plans, script }: Draw) -> Tally {
    let mut world = World::new(&limits, sources, &plans);
    for (after, event) in script {
        world.advance(Duration::from_millis(after));
        world.tell(event);
    }
    restore(&mut world);
    let is_live =
        |world: &World| world.stations.iter().all(|station| station.is_stopping || station.shows().is_some());
    assert!(play_until(&mut world, RECOVERY, is_live), "no pictures");
    // What was opened before has come to nothing, or come.
    world.advance(Duration::from_secs(10));
    pin_each(&mut world);
    for at in 0..world.stations.len() {
        world.tell(Event::Empty(at));
    }
    world.advance(Duration::from_mins(1));
    assert!(world.stations.iter().all(|station| !station.is_open), "a channel does not close");
    assert!(world.outside.accounts.iter().all(Account::is_idle), "a lease is left");
    world.outside.tally
}

#[test]
fn whatever_happens_it_recovers_and_ends() {
    let sum = RefCell::new(Tally::default());
    let mut config = Config { failure_persistence: None, ..Config::default() };
    // All kinds of events occur in so many; `make hunt` asks for more.
    config.cases = config.cases.max(1500);
    let result = TestRunner::new(config).run(&plans::worlds(), |draw| {
        sum.borrow_mut().add(run(draw));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let mut sum = sum.into_inner();
    assert_eq!(sum.missing(), Vec::<&str>::new(), "{sum:?}");
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn where_one_source_is_good_viewers_have_pictures(
        Faithful { limits, sources, plan, script } in plans::faithful(),
    ) {
        let mut world = World::new(&limits, sources, &[plan]);
        for (after, event) in script {
            world.tell(Event::Join(0));
            world.advance(Duration::from_millis(after));
            world.tell(event);
            let gap = world.stations[0].watch.longest_gap(world.now());
            prop_assert!(gap <= GAP, "a gap of {gap:?}");
        }
        prop_assert_eq!(world.outside.tally.told_of_slots, 0);
    }

    #[test]
    fn a_source_that_comes_and_goes_is_returned_to_less_and_less_often(
        first in plans::source(1),
        second in plans::source(1),
        times in plans::times(),
        mood in prop_oneof![Just(Mood::Good), plans::fleeting(0..8000), plans::fleeting(0..700_000)],
        spells in prop::collection::vec((1..900u64, 1..60u64, plans::mood()), 1..400),
    ) {
        // It breaks off again and again, or from time to time.
        let sources = vec![
            Source { mood, provider: None, host: 0, ..first },
            Source { mood: Mood::Good, provider: None, host: 1, ..second },
        ];
        let spells = if mood == Mood::Good { spells } else { vec![(60 * 60, 1, Mood::Good)] };
        let plan = Plan { priority: 0, times, lineup: [0, 1].map(SourceId).into() };
        let mut world = World::new(&[], sources, &[plan]);
        world.tell(Event::Join(0));
        for (good, bad, mood) in spells {
            world.advance(Duration::from_secs(good));
            world.tell(Event::Mood { source: 0, mood, is_felt: true });
            world.advance(Duration::from_secs(bad));
            world.tell(Event::Mood { source: 0, mood: Mood::Good, is_felt: true });
            if world.now().elapsed() > Duration::from_hours(1) {
                break;
            }
        }
        let switches = world.stations[0].watch.switches;
        prop_assert!(switches <= SWITCHES, "{switches} switches");
        let Some(proof) = times.return_after else { return Ok(()) };
        let limit = times.connect + MAX_COOLDOWN + PROBE_PAUSE + PROMPT + proof + STEP;
        prop_assert!(play_until(&mut world, limit, |world| world.stations[0].shows() == Some(SourceId(0))));
    }
}
