//! What is opened next after which losses, and how sources stand.

use super::*;
use Loss::{Ended, Late, NoConnection, Stalled, Undelivered};

/// The sources 0, 1, 2 and so on, of which nothing is known.
fn failover_of(sources: u64) -> Failover {
    Failover::new(&(0..sources).map(SourceId).collect::<Vec<_>>())
}

/// Plays losses, each so long (in ms) after the source before was chosen; `true` when a picture
/// came at once. Gives source and pause.
fn play(sources: u64, losses: &[(u64, bool, Loss)]) -> Vec<(u64, u64)> {
    let mut failover = failover_of(sources);
    let mut now = Moment::ZERO;
    losses
        .iter()
        .map(|&(after, is_live, loss)| {
            if is_live {
                failover.handle_live(now, failover.current());
            }
            now = now + Duration::from_millis(after);
            let choice = failover.handle_loss(now, loss);
            let pause = choice.at.since(now);
            now = choice.at;
            (choice.source.0, u64::try_from(pause.as_millis()).unwrap())
        })
        .collect()
}

fn preferred(failover: &Failover, from: Moment) -> Option<(SourceId, Moment)> {
    failover.soonest(from, |source| failover.is_preferred(source))
}

#[test]
fn what_never_delivered_is_left_at_once_and_rounds_are_paused() {
    let losses = [(10, false, Undelivered); 8];
    assert_eq!(play(2, &losses), [(1, 0), (0, 250), (1, 0), (0, 500), (1, 0), (0, 1000), (1, 0), (0, 2000)]);
    assert_eq!(play(3, &losses[..4]), [(1, 0), (2, 0), (0, 250), (1, 0)]);
}

#[test]
fn a_stalled_source_is_left_at_once() {
    assert_eq!(play(3, &[(60_000, true, Stalled)]), [(1, 0)]);
}

#[test]
fn a_live_source_that_ends_is_reopened_once() {
    assert_eq!(play(2, &[(60_000, true, Ended), (1000, false, Undelivered)]), [(0, 0), (1, 0)]);
    // It comes back and ends again too soon to be trusted.
    assert_eq!(play(2, &[(60_000, true, Ended), (2000, true, Ended)]), [(0, 0), (1, 0)]);
    // It comes back and stays: the next end is the first again.
    assert_eq!(play(2, &[(60_000, true, Ended), (60_000, true, Ended)]), [(0, 0), (0, 0)]);
}

#[test]
fn a_single_source_is_tried_for_ever_with_pauses_up_to_the_longest() {
    let tries = play(1, &[(10, false, Undelivered); 9]);
    let pauses: Vec<u64> = tries.iter().map(|&(_, pause)| pause).collect();
    assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 4000, 4000, 4000, 4000]);
}

#[test]
fn sources_that_flap_are_paused_too() {
    let pauses: Vec<u64> = play(2, &[(1000, true, Ended); 8]).into_iter().map(|(_, pause)| pause).collect();
    assert_eq!(pauses, [0, 0, 0, 250, 0, 0, 0, 500]);
}

#[test]
fn the_first_that_is_fit_again_is_taken() {
    // The first was left a minute ago: its turn comes before the third's.
    assert_eq!(play(3, &[(60_000, true, Stalled), (60_000, true, Stalled)]), [(1, 0), (0, 0)]);
    assert_eq!(play(3, &[(60_000, true, Stalled), (2_000, true, Stalled)]), [(1, 0), (2, 0)]);
}

#[test]
fn those_that_were_not_tried_have_their_turn_before_one_that_is_fit_again() {
    // Each takes longer to fail than another is avoided.
    let losses = [(60_000, true, Stalled), (15_000, false, Undelivered), (15_000, false, Undelivered)];
    assert_eq!(play(4, &losses), [(1, 0), (2, 0), (3, 0)]);
    let mut failover = failover_of(3);
    let mut now = Moment::ZERO;
    for alternative in [1, 2, 0, 1].map(SourceId) {
        assert_eq!(failover.alternative(now), Some((alternative, now)));
        assert_eq!(failover.eligible_standby(now), Some(alternative));
        now = now + MAX_COOLDOWN;
        failover.handle_loss(now, Undelivered);
        now = now + MAX_COOLDOWN;
        // They are tried in the same order round after round.
        assert_eq!(failover.current(), alternative);
    }
}

#[test]
fn what_was_tried_while_there_was_a_picture_has_its_turn() {
    let mut failover = failover_of(3);
    failover.handle_live(Moment::ZERO, SourceId(0));
    failover.cool_down(Moment::ZERO, SourceId(1), NoConnection);
    let later = Moment::ZERO + MAX_COOLDOWN;
    assert_eq!(
        (failover.eligible_standby(later), failover.alternative(later)),
        (Some(SourceId(1)), Some((SourceId(1), later)))
    );
    assert_eq!(failover.handle_loss(later, Stalled).source, SourceId(1));
}

#[test]
fn what_is_pinned_has_its_turn_whenever_it_is_fit() {
    let mut failover = failover_of(4);
    failover.override_source(SourceOverride::Pin(SourceId(0))).unwrap();
    let mut now = Moment::ZERO;
    failover.handle_live(now, SourceId(0));
    let mut order = Vec::new();
    for loss in [Stalled, Undelivered, Undelivered, Undelivered, Undelivered] {
        now = now + PROBATION;
        order.push(failover.handle_loss(now, loss).source.0);
    }
    // It is avoided for 10 s, and after its second failure for 20.
    assert_eq!(order, [1, 0, 2, 3, 0]);
}

#[test]
fn what_fails_again_and_again_is_avoided_for_longer_and_longer() {
    let mut failover = failover_of(2);
    let mut now = Moment::ZERO;
    let mut spans = Vec::new();
    for _ in 0..7 {
        failover.handle_live(now, SourceId(0));
        now = now + Duration::from_mins(1);
        assert_eq!(failover.handle_loss(now, Stalled).source, SourceId(1));
        let (source, at) = preferred(&failover, now).unwrap();
        assert_eq!(source, SourceId(0));
        spans.push(at.since(now).as_secs());
        now = at;
    }
    assert_eq!(spans, [10, 20, 40, 80, 160, 300, 300]);
    assert_eq!(failover.health(now, SourceId(0)).unwrap().score, 1);
    // A long life makes it as good as new.
    failover.handle_live(now, SourceId(0));
    now = now + STEADY;
    assert_eq!(failover.health(now, SourceId(0)).unwrap().score, 100);
    failover.handle_loss(now, Stalled);
    assert_eq!(failover.health(now, SourceId(0)).unwrap().score, 50);
}

#[test]
fn having_no_slot_is_no_failure() {
    let mut failover = failover_of(2);
    assert_eq!(failover.handle_loss(Moment::ZERO, NoConnection).source, SourceId(1));
    let health = failover.health(Moment::ZERO, SourceId(0)).unwrap();
    assert_eq!((health.score, health.cooldown), (100, Some(NO_CONNECTION_COOLDOWN)));
}

#[test]
fn coming_late_is_no_failure() {
    let mut failover = failover_of(2);
    for _ in 0..3 {
        failover.cool_down(Moment::ZERO, SourceId(0), Late);
    }
    let health = failover.health(Moment::ZERO, SourceId(0)).unwrap();
    assert_eq!((health.score, health.cooldown), (100, Some(PROBATION)));
    // One that has broken off is late for another reason.
    failover.handle_live(Moment::ZERO, SourceId(0));
    assert_eq!(failover.handle_loss(Moment::ZERO, Ended).source, SourceId(0));
    failover.cool_down(Moment::ZERO, SourceId(0), Late);
    assert_eq!(failover.health(Moment::ZERO, SourceId(0)).unwrap().score, 50);
}

#[test]
fn what_is_tried_again_for_want_of_another_fails_once() {
    // Both are gone for a while, and each is asked again and again.
    let mut failover = failover_of(2);
    let mut now = Moment::ZERO;
    for _ in 0..10 {
        let choice = failover.handle_loss(now, Undelivered);
        now = choice.at;
    }
    assert!(now < Moment::ZERO + PROBATION, "{now:?}");
    for source in 0..2 {
        let health = failover.health(now, SourceId(source)).unwrap();
        assert_eq!(health.score, 50, "{source}");
        assert!(health.cooldown <= Some(PROBATION), "{health:?}");
    }
}

#[test]
fn failures_of_long_ago_do_not_count() {
    let mut failover = failover_of(2);
    let times = [0, 10, 30].map(|seconds| Moment::ZERO + Duration::from_secs(seconds));
    for now in times {
        failover.cool_down(now, SourceId(0), Undelivered);
    }
    assert_eq!(failover.health(times[2], SourceId(0)).unwrap().score, 12);
    let later = times[2] + FORGIVEN_AFTER;
    assert_eq!(failover.health(later, SourceId(0)).unwrap().score, 100);
    failover.cool_down(later, SourceId(0), Undelivered);
    assert_eq!(failover.health(later, SourceId(0)).unwrap().cooldown, Some(PROBATION));
}

#[test]
fn of_those_that_are_fit_the_better_one_is_tried() {
    let mut failover = failover_of(3);
    failover.cool_down(Moment::ZERO, SourceId(0), Late);
    failover.take(SourceId(2));
    assert_eq!(preferred(&failover, Moment::ZERO), Some((SourceId(1), Moment::ZERO)));
    let later = Moment::ZERO + PROBATION;
    assert_eq!(preferred(&failover, later), Some((SourceId(0), later)));
}

#[test]
fn what_is_pinned_comes_first_and_what_is_disabled_never() {
    let mut failover = failover_of(3);
    failover.override_source(SourceOverride::Pin(SourceId(2))).unwrap();
    assert_eq!(failover.start(Moment::ZERO), SourceId(2));
    assert_eq!(
        (preferred(&failover, Moment::ZERO), failover.eligible_standby(Moment::ZERO)),
        (None, Some(SourceId(0)))
    );
    failover.set_disabled(SourceId(0), true);
    assert_eq!(failover.handle_loss(Moment::ZERO, Stalled).source, SourceId(1));
    assert_eq!(preferred(&failover, Moment::ZERO).map(|(source, _)| source), Some(SourceId(2)));
    failover.override_source(SourceOverride::Unpin).unwrap();
    assert_eq!(preferred(&failover, Moment::ZERO), None);
    failover.set_disabled(SourceId(0), false);
    assert_eq!(preferred(&failover, Moment::ZERO), Some((SourceId(0), Moment::ZERO)));
}

#[test]
fn what_is_pinned_begins_anew_whatever_it_did_before() {
    let mut failover = failover_of(2);
    let mut now = Moment::ZERO;
    for _ in 0..3 {
        now = now + MAX_COOLDOWN;
        failover.cool_down(now, SourceId(1), Stalled);
    }
    failover.note_lossy(now, SourceId(1));
    failover.override_source(SourceOverride::Pin(SourceId(1))).unwrap();
    failover.take(SourceId(1));
    assert!(!failover.failed_recently(now));
    // The next failure is its first.
    failover.cool_down(now, SourceId(1), Stalled);
    assert_eq!(failover.health(now, SourceId(1)).unwrap().cooldown, Some(PROBATION));
}

#[test]
fn a_new_list_keeps_what_is_known_of_the_sources_that_stay() {
    let mut failover = failover_of(3);
    failover.override_source(SourceOverride::Pin(SourceId(1))).unwrap();
    failover.override_source(SourceOverride::Disable(SourceId(2))).unwrap();
    failover.handle_live(Moment::ZERO, SourceId(0));
    failover.handle_loss(Moment::ZERO, Stalled);
    let health = |failover: &Failover, source| failover.health(Moment::ZERO, SourceId(source));
    let before = [0, 1, 2].map(|source| health(&failover, source));
    failover.set_sources(&[2, 7, 1, 0].map(SourceId));
    assert_eq!([0, 1, 2].map(|source| health(&failover, source)), before);
    assert_eq!(health(&failover, 7).map(|new| (new.score, new.is_disabled)), Some((100, false)));
    assert_eq!(failover.current(), SourceId(1));
    // One that is gone is forgotten, as it is pinned and current: it is new when it comes back.
    failover.set_sources(&[SourceId(7)]);
    assert_eq!((failover.current(), health(&failover, 1)), (SourceId(7), None));
    assert_eq!(failover.override_source(SourceOverride::Pin(SourceId(1))), Err(OverrideError::NoSuchSource));
    failover.set_sources(&[1, 7].map(SourceId));
    assert!(!failover.is_pinned(SourceId(1)));
}
