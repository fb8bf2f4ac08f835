//! The standby beside the active source or the candidate, and what an admin makes of it.

use super::*;

pub(super) fn first_active(until: u32) -> Vec<(f64, Say)> {
    let mut script = vec![(0.0, Readers), (1.0, Keyframe)];
    script.extend(pictures(Event::Progress, 1, 2..until));
    script
}

/// The first stalls at 20 s, and the second is active from 20.2 s to `until`.
pub(super) fn second_active(until: u32) -> Vec<(f64, Say)> {
    let mut script = live_until(20);
    script.extend([(20.0, Of(1, Event::Stalled)), (20.2, Of(2, Event::KeyframeReady))]);
    script.extend(pictures(Event::Progress, 2, 21..until));
    script
}

#[test]
fn a_hedge_that_fails_makes_way_for_the_next() {
    let script = [(0.0, Readers), (1.6, Ended), (1.8, Keyframe)];
    let log = play_with(WIDE, 3, &script, 1.8);
    assert_eq!(log[1..3], ["1.5: open 1 as Hedge", "1.6: open 2 as Hedge"]);
}

#[test]
fn a_hedge_is_opened_when_a_source_is_fit_again() {
    let mut script = live_until(20);
    // The second has had no slot when the first breaks off, and comes late when it is opened again.
    script.extend([
        (20.0, Say::SourceOverride(SourceOverride::Pin(SourceId(1)))),
        (20.1, Of(2, Event::Yield)),
        (20.2, Of(1, Event::Ended)),
    ]);
    assert_eq!(play_with(WIDE, 2, &script, 21.15)[4..], ["20.2: open 0", "21.1: open 1 as Hedge"]);
}

#[test]
fn what_ends_when_another_is_there_already_is_returned_to_less_and_less_often() {
    // It stands still, and ends when the other one has been opened beside it; when it has been
    // returned to, it does so again.
    let mut script = first_active(21);
    script.extend([(22.0, Of(1, Event::Ended)), (22.2, Of(2, Event::KeyframeReady))]);
    script.extend(pictures(Event::Progress, 2, 23..64));
    script.extend(pictures(Event::KeyframeReady, 3, 33..65));
    script.extend([(66.0, Of(3, Event::Ended)), (66.2, Of(4, Event::KeyframeReady))]);
    script.extend(pictures(Event::Progress, 4, 67..87));
    let log = play_with(WIDE, 2, &sorted(script), 86.5);
    let opened: Vec<_> = log[2..].iter().filter(|line| line.contains("open")).collect();
    assert_eq!(
        opened,
        ["21.5: open 1 as Hedge", "32.2: open 0 as Probe", "65.5: open 1 as Hedge", "86.2: open 0 as Probe"]
    );
}

#[test]
fn a_source_that_ends_beside_a_standby_is_eligible_until_that_is_active() {
    // The second ends while the first, which sends nothing, is probed.
    let mut script = second_active(31);
    script.extend([(31.5, Of(2, Event::Ended)), (32.0, Of(4, Event::KeyframeReady))]);
    let log = play_with(WIDE, 2, &sorted(script), 32.5);
    assert_eq!(
        log[4..],
        [
            "30.2: open 0 as Probe",
            "31.5: raise 3",
            "31.8: open 1 as Hedge",
            "32: close Replaced",
            "32: air 4"
        ]
    );
}

#[test]
fn there_is_no_hedge_without_a_trial() {
    let mut life = Lifecycle::new(Times { hedge: Some(Duration::from_millis(100)), ..TIMES }, failover_of(1));
    let at = Moment::from_millis;
    life.handle_event(at(0), Event::ReadersPresent);
    life.handle_event(at(10), Event::Ended(AttemptId(1)));
    assert_eq!(life.poll_timeout(), Some(at(260)), "the end of the pause");
}

#[test]
fn nothing_new_is_opened_beside_while_nobody_watches() {
    let script = [(0.0, Readers), (1.0, NoReaders), (3.0, Readers)];
    assert_eq!(play_with(WIDE, 2, &script, 3.1), ["0: open 0", "3: open 1 as Hedge"]);
}

#[test]
fn a_hedge_that_viewers_depend_on_says_so_when_it_has_its_slot() {
    let mut life = Lifecycle::new(WIDE, failover_of(2));
    life.handle_event(Moment::ZERO, Event::ReadersPresent);
    let now = Moment::from_millis(1500);
    life.handle_timeout(now);
    life.handle_event(now, Event::Ended(AttemptId(1)));
    while life.poll_action().is_some() {}
    life.handle_event(now, Event::Granted(AttemptId(2)));
    assert_eq!(life.poll_action(), Some(Action::Promote { attempt: AttemptId(2) }));
}

#[test]
fn what_is_over_stays_so() {
    let mut life = Lifecycle::new(TIMES, failover_of(1));
    life.handle_event(Moment::ZERO, Event::ReadersPresent);
    life.handle_event(Moment::ZERO, Event::Shutdown);
    while life.poll_action().is_some() {}
    life.handle_timeout(Moment::ZERO + TIMES.start);
    assert_eq!(life.poll_action(), None);
}

#[test]
fn who_has_a_slot_is_not_told_that_there_is_none() {
    let mut script = live_until(5);
    script.extend([
        (6.0, Yield),
        (6.3, NoConnection),
        (6.9, NoConnection),
        (8.0, NoConnection),
        (10.1, NoConnection),
        (12.5, ConnectionFree(SourceId(0))),
    ]);
    assert_eq!(play(1, &script, 16.2).last().unwrap(), "12.5: open 0");
}

#[test]
fn a_wish_that_is_preempted_leaves_the_air_alone() {
    let mut script = first_active(31);
    script
        .extend([(20.0, Say::SourceOverride(SourceOverride::Pin(SourceId(1)))), (20.1, Of(2, Event::Yield))]);
    // What is pinned is wanted still, even where channels do not return.
    assert_eq!(
        play_with(TIMES, 2, &sorted(script), 30.5)[2..],
        ["20: open 1 as Hedge", "20.1: close Preempted", "30.1: open 1 as Probe"]
    );
}

#[test]
fn what_is_not_as_it_should_be_makes_room_for_a_wish() {
    let mut script = first_active(21);
    script.push((20.0, Of(1, |attempt| Event::Unhealthy { attempt, severity: Severity::Programme })));
    script.extend([
        (20.1, Say::SourceOverride(SourceOverride::Pin(SourceId(2)))),
        (20.2, Of(3, Event::NoConnection)),
    ]);
    let log = play_with(WIDE, 3, &sorted(script), 20.5);
    assert_eq!(
        log[2..],
        [
            "20: open 1 as Hedge",
            "20.1: close Skipped",
            "20.1: open 2 as Hedge",
            "20.2: close Unhealthy",
            "20.2: open 2"
        ]
    );
}

#[test]
fn a_wish_that_is_preempted_makes_no_room() {
    let mut script = first_active(21);
    script.push((20.0, Of(1, |attempt| Event::Unhealthy { attempt, severity: Severity::Programme })));
    script
        .extend([(20.1, Say::SourceOverride(SourceOverride::Pin(SourceId(2)))), (20.2, Of(3, Event::Yield))]);
    let log = play_with(WIDE, 3, &sorted(script), 20.5);
    assert_eq!(log[log.len() - 2..], ["20.2: close Preempted", "20.2: open 1 as Hedge"]);
}

#[test]
fn a_probed_source_is_active_as_soon_as_an_admin_wants_it() {
    let mut script = second_active(34);
    script.extend(pictures(Event::KeyframeReady, 3, 31..34));
    script.push((33.5, Say::SourceOverride(SourceOverride::Pin(SourceId(0)))));
    let log = play_with(WIDE, 2, &sorted(script), 34.0);
    assert_eq!(log[4..], ["30.2: open 0 as Probe", "33.5: close Replaced", "33.5: air 3"]);
    let mut script = second_active(31);
    script.extend([
        (30.5, Say::SourceOverride(SourceOverride::Pin(SourceId(0)))),
        (30.7, Of(3, Event::KeyframeReady)),
    ]);
    let log = play_with(WIDE, 2, &sorted(script), 31.0);
    assert_eq!(log[4..], ["30.2: open 0 as Probe", "30.7: close Replaced", "30.7: air 3"]);
}

#[test]
fn an_active_source_that_is_pinned_stays() {
    let mut script = second_active(90);
    script.extend(pictures(Event::KeyframeReady, 3, 31..90));
    script.push((33.5, Say::SourceOverride(SourceOverride::Pin(SourceId(1)))));
    let log = play_with(WIDE, 2, &sorted(script), 80.0);
    assert_eq!(log[4..], ["30.2: open 0 as Probe", "33.5: close Skipped"]);
}

#[test]
fn what_is_pinned_is_opened_in_a_pause() {
    let script = [
        (0.0, Readers),
        (0.1, Ended),
        (0.2, Ended),
        (0.3, Say::SourceOverride(SourceOverride::Pin(SourceId(0)))),
    ];
    assert_eq!(play(2, &script, 0.4)[2..], ["0.3: open 0"]);
}

#[test]
fn what_is_disabled_is_left_as_soon_as_there_is_another() {
    let mut script = first_active(31);
    script.extend([
        (20.0, Say::SourceOverride(SourceOverride::Disable(SourceId(0)))),
        (20.1, Of(2, Event::Ended)),
        (30.3, Of(3, Event::KeyframeReady)),
    ]);
    assert_eq!(
        play_with(TIMES, 2, &sorted(script), 31.0)[2..],
        ["20: open 1 as Hedge", "30.1: open 1 as Hedge", "30.3: close Replaced", "30.3: air 3"]
    );
}

#[test]
fn a_probe_that_nobody_wants_any_more_is_ended() {
    let mut life = Lifecycle::new(WIDE, failover_of(2));
    let at = |seconds| Moment::new(Duration::from_secs(seconds));
    life.handle_event(at(0), Event::ReadersPresent);
    life.handle_event(at(0), Event::Ended(AttemptId(1)));
    life.handle_event(at(0), Event::KeyframeReady(AttemptId(2)));
    life.handle_event(at(9), Event::Progress(AttemptId(2)));
    while let Some(timeout) = life.poll_timeout().filter(|&timeout| timeout <= at(10)) {
        life.handle_timeout(timeout);
    }
    assert_eq!(life.standby(), Some(SourceId(0)));
    life.set_times(TIMES);
    life.set_sources(at(10), &[0, 1].map(SourceId));
    assert_eq!(life.standby(), None);
}

#[test]
fn who_waits_for_a_slot_while_another_one_is_faster_has_not_failed() {
    let mut life = Lifecycle::new(WIDE, failover_of(2));
    life.handle_event(Moment::ZERO, Event::ReadersPresent);
    let at = life.poll_timeout().unwrap();
    life.handle_timeout(at);
    for event in
        [Event::Granted(AttemptId(2)), Event::InSync(AttemptId(2)), Event::KeyframeReady(AttemptId(2))]
    {
        life.handle_event(at, event);
    }
    assert_eq!(life.source(), SourceId(1));
    let health = life.failover().health(at, SourceId(0)).unwrap();
    assert_eq!((health.score, health.cooldown), (100, Some(crate::failover::NO_CONNECTION_COOLDOWN)));
}
