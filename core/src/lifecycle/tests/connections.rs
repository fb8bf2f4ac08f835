//! Sources whose provider has no connection to spare, until it has; and channels that nobody
//! watches.

use super::standby::first_active;
use super::*;
use crate::health::Severity;

/// The first of two sources has no slot, the second ends: up to the pause from 2.5 to 4.5.
fn one_without_slot_and_one_that_fails() -> Vec<(f64, Say)> {
    let rounds = [0.1, 0.5, 1.2, 2.4].into_iter().flat_map(|at| [(at, NoConnection), (at + 0.1, Ended)]);
    [(0.0, Readers)].into_iter().chain(rounds).collect()
}

#[test]
fn a_slot_that_becomes_free_in_a_pause_is_taken_whatever_failed_last() {
    let mut script = one_without_slot_and_one_that_fails();
    script.push((3.0, ConnectionFree(SourceId(0))));
    let log = play(2, &script, 3.5);
    assert_eq!(log[log.len() - 3..], ["2.3: open 0", "2.4: open 1", "3: open 0"]);
}

#[test]
fn a_slot_that_is_gone_again_shortens_no_pause() {
    let mut script = one_without_slot_and_one_that_fails();
    script.extend([
        (3.0, ConnectionFree(SourceId(0))),
        (3.2, NoConnection),
        (3.3, ConnectionFree(SourceId(0))),
        (4.0, NoConnection),
        (4.6, NoConnection),
    ]);
    let log = play(2, &script, 4.7);
    assert_eq!(
        log[log.len() - 5..],
        ["2.4: open 1", "3: open 0", "3.3: open 0", "4.5: open 0", "4.6: open 1"]
    );
    // Nor does it draw it out.
    let mut script = one_without_slot_and_one_that_fails();
    script.extend([(4.0, ConnectionFree(SourceId(0))), (4.7, NoConnection)]);
    let log = play(2, &script, 4.8);
    assert_eq!(log[log.len() - 2..], ["4: open 0", "4.7: open 1"]);
}

/// The first fails, the second has no slot, and while a pause is to pass until the first is asked
/// again, the second may have one.
const ONE_FAILS_AND_ONE_WAITS: [(f64, Say); 4] =
    [(0.0, Readers), (0.1, Ended), (0.2, NoConnection), (0.25, ConnectionFree(SourceId(1)))];

#[test]
fn who_is_asked_out_of_turn_leaves_the_others_theirs() {
    // It waits longer than the pause lasts.
    let mut script = ONE_FAILS_AND_ONE_WAITS.to_vec();
    script.push((1.25, NoConnection));
    assert_eq!(play(2, &script, 1.3)[2..], ["0.25: open 1", "1.25: open 0"]);
    // What an admin wants is about what is to be opened after the pause.
    let mut script = ONE_FAILS_AND_ONE_WAITS.to_vec();
    script.extend([(0.3, NoConnection), (0.35, Say::SourceOverride(SourceOverride::Disable(SourceId(0))))]);
    assert_eq!(play(2, &script, 0.5)[2..], ["0.25: open 1", "0.35: open 1"]);
    // It has a slot, and fails.
    let mut script = one_without_slot_and_one_that_fails();
    script.extend([(3.0, ConnectionFree(SourceId(0))), (3.2, Ended)]);
    let log = play(2, &script, 4.6);
    assert_eq!(log[log.len() - 3..], ["2.4: open 1", "3: open 0", "4.5: open 0"]);
}

#[test]
fn who_comes_back_while_one_is_asked_out_of_turn_finds_the_pause_as_it_was() {
    let mut script = ONE_FAILS_AND_ONE_WAITS.to_vec();
    let log = play(2, &script[..3], 2.0);
    assert_eq!(log[2], "0.45: open 0", "the pause lasts until then");
    script.extend([(0.3, NoReaders), (0.35, Readers), (1.5, NoConnection)]);
    assert_eq!(play(2, &script, 1.4)[2..5], ["0.25: open 1", "0.3: close Idle", "0.45: open 0"]);
}

#[test]
fn a_slot_is_not_taken_for_nobody() {
    let mut script = one_without_slot_and_one_that_fails();
    script.extend([
        (2.6, NoReaders),
        (3.0, ConnectionFree(SourceId(0))),
        (3.1, Readers),
        (3.2, ConnectionFree(SourceId(0))),
    ]);
    let log = play(2, &script, 3.3);
    assert_eq!(log[log.len() - 2..], ["2.4: open 1", "3.2: open 0"]);
}

#[test]
fn what_was_to_be_opened_after_a_pause_is_not_if_it_is_no_longer_wanted() {
    let play_on = |change: Option<Say>| {
        let script: Vec<_> = ONE_FAILS_AND_ONE_WAITS
            .into_iter()
            .chain(change.map(|say| (0.35, say)))
            .chain([(0.4, NoConnection)])
            .collect();
        play(2, &script, 0.6)[2..].to_vec()
    };
    assert_eq!(play_on(None), ["0.25: open 1", "0.45: open 0"]);
    // No other one is left, and viewers have waited for their first picture long enough.
    let told = ["0.25: open 1", "0.4: give up", "0.4: finish"];
    assert_eq!(play_on(Some(Say::SourceOverride(SourceOverride::Disable(SourceId(0))))), told);
    assert_eq!(play_on(Some(Sources(&[1]))), told);
}

#[test]
fn while_nobody_watches_nothing_new_is_opened() {
    // It waits for a connection, and leaves it to others.
    let script = [(0.0, Readers), (0.5, NoReaders), (9.0, Readers), (9.5, NoConnection)];
    assert_eq!(play(1, &script, 9.2)[..3], ["0: open 0", "0.5: close Idle", "9: open 0"]);
    // It ends, and is not reopened for nobody.
    let mut script = live_until(5);
    script.extend([(5.0, NoReaders), (6.0, Ended), (9.0, Readers)]);
    assert_eq!(play(1, &script, 9.2), ["0: open 0", "9: open 0"]);
    // A pause is over, and lasts until somebody comes.
    let script = [(0.0, Readers), (0.1, Ended), (0.2, NoReaders), (0.9, Readers)];
    assert_eq!(play(1, &script, 1.0), ["0: open 0", "0.9: open 0"]);
    // What was to take the place of one that is not as it should be ends.
    let mut script = first_active(21);
    script.push((20.0, Of(1, |attempt| Event::Unhealthy { attempt, severity: Severity::Programme })));
    script.extend([(20.1, NoReaders), (20.2, Of(2, Event::Ended))]);
    let log = play_with(WIDE, 3, &sorted(script), 21.0);
    assert_eq!(log.last().unwrap(), "20: open 1 as Hedge");
}

#[test]
fn who_comes_back_has_the_whole_time_for_a_start() {
    let mut script = vec![(0.0, Readers), (1.0, NoReaders), (9.0, Readers)];
    let log = play(1, &script, 20.0);
    assert_eq!(log[log.len() - 3..], ["19: close StartTimeout", "19: give up", "19: finish"]);
    // If nobody does, there is nobody to be told.
    assert_eq!(play(1, &script[..2], 20.0)[1..], ["10: close Idle", "10: finish"]);
    // So it is for who has seen pictures, and for whom there is no slot.
    script = live_until(5);
    script.extend([(6.0, Yield), (7.3, NoConnection), (8.0, NoReaders), (14.0, Readers)]);
    script.extend((14..25).map(|n| (f64::from(n) + 0.9, NoConnection)));
    assert_eq!(play(1, &script, 25.0).last().unwrap(), "24: finish");
}

#[test]
fn who_comes_back_finds_things_as_they_were() {
    // The source that was live is opened again, rather than one that had no slot an hour ago, and
    // has its whole time.
    let mut script = vec![(0.0, Readers), (0.1, NoConnection), (0.5, InSync), (1.0, Keyframe)];
    script.extend((2..=20).map(|second| (f64::from(second), Progress)));
    script.extend([(20.0, NoReaders), (21.0, Ended), (30.0, Readers)]);
    let log = play(2, &script, 33.9);
    assert_eq!(log[log.len() - 2..], ["0.1: open 1", "30: open 1"]);
    // An admin's wishes are about what is to be opened then.
    let mut script = ONE_FAILS_AND_ONE_WAITS.to_vec();
    script.extend([
        (0.3, NoReaders),
        (0.35, Say::SourceOverride(SourceOverride::Disable(SourceId(0)))),
        (1.0, Readers),
        (1.5, NoConnection),
    ]);
    let log = play(2, &script, 1.4);
    assert_eq!(log[2..5], ["0.25: open 1", "0.3: close Idle", "1: open 1"]);
    let mut script = vec![(0.0, Readers), (0.5, NoReaders), (0.6, Say::SourceOverride(SourceOverride::Skip))];
    script.extend([
        (0.7, Say::SourceOverride(SourceOverride::Disable(SourceId(1)))),
        (1.0, Readers),
        (1.5, NoConnection),
    ]);
    assert_eq!(play(2, &script, 1.4)[..3], ["0: open 0", "0.5: close Idle", "1: open 0"]);
}

#[test]
fn what_was_to_be_opened_since_all_are_disabled_is_not_if_one_is_enabled() {
    let mut script: Vec<_> = [1, 2]
        .into_iter()
        .map(|source| (0.1, Say::SourceOverride(SourceOverride::Disable(SourceId(source)))))
        .collect();
    script.insert(0, (0.0, Readers));
    script.extend([
        (0.3, Sources(&[1, 2])),
        (0.4, Ended),
        (0.5, Say::SourceOverride(SourceOverride::Enable(SourceId(2)))),
    ]);
    let log = play(3, &script, 1.0);
    assert_eq!(log[1..], ["0.3: close Removed", "0.3: open 1", "0.5: open 2"]);
}
