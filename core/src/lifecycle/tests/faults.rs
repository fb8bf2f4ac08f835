//! Sources that deliver what they should not.

use super::standby::{first_active, second_active};
use super::*;

fn notice(attempt: AttemptId) -> Event {
    Event::Unhealthy { attempt, severity: Severity::Notice }
}

#[test]
fn what_is_watchable_stays_until_there_is_something_better() {
    let mut script = live_until(20);
    script.push((20.0, Unhealthy(Severity::Programme)));
    assert_eq!(play(1, &script, 20.5).len(), 1);
    script.push((20.4, Keyframe));
    assert_eq!(play(2, &script, 20.5)[1..], ["20: open 1 as Hedge", "20.4: close Unhealthy"]);
    script.truncate(script.len() - 2);
    script.push((20.0, Unhealthy(Severity::Nothing)));
    assert_eq!(play(1, &script, 20.5)[1..], ["20: close Unhealthy", "20.25: open 0"]);
    // The second is as bad as the first: it stays, and the first is probed, since it may have
    // recovered.
    let mut script = live_until(20);
    script.extend([(20.0, Of(1, Event::Stalled)), (20.2, Keyframe), (21.0, Unhealthy(Severity::Programme))]);
    script.extend(pictures(Event::Progress, 2, 21..31));
    let log = play_with(WIDE, 2, &sorted(script), 31.0);
    assert_eq!(log[2..], ["20: open 1", "20.2: air 2", "30.2: open 0 as Probe"]);
}

#[test]
fn a_notice_stays_for_want_of_another_and_is_opened_anew_less_and_less_often() {
    let mut script = live_until(20);
    script.push((20.0, Unhealthy(Severity::Notice)));
    script.push((20.5, Keyframe));
    script.extend((21..=37).map(|second| (f64::from(second), Progress)));
    script.extend([
        (27.0, Unhealthy(Severity::Notice)),
        (37.0, Unhealthy(Severity::Notice)),
        (37.5, Keyframe),
    ]);
    script.extend((38..=57).map(|second| (f64::from(second), Progress)));
    script.extend([44.0, 54.0, 57.0].map(|at| (at, Unhealthy(Severity::Notice))));
    assert_eq!(
        play(1, &sorted(script), 57.5)[1..],
        [
            "20: close Unhealthy",
            "20: open 0",
            "37: close Unhealthy",
            "37: open 0",
            "57: close Unhealthy",
            "57: open 0"
        ]
    );
    let mut script = live_until(20);
    script.extend([(20.0, Unhealthy(Severity::Notice)), (20.4, Keyframe)]);
    assert_eq!(play(2, &script, 20.5)[1..], ["20: open 1 as Hedge", "20.4: close Unhealthy"]);
}

#[test]
fn what_was_in_vain_before_is_forgotten_when_one_that_lived_makes_room() {
    // Two rounds in vain, and the first source is active.
    let ends = [0.1, 0.2, 0.5, 0.6].map(|at| (at, Ended));
    let mut script = [&[(0.0, Readers)], &ends[..], &[(2.5, Keyframe)]].concat();
    script.extend((3..=60).map(|second| (f64::from(second), Progress)));
    // The second has no slot then, nor later, and the first ends.
    script.extend([
        (60.0, Unhealthy(Severity::Notice)),
        (60.1, NoConnection),
        (60.2, NoConnection),
        (60.3, Ended),
    ]);
    let log = play(2, &script, 61.0);
    assert_eq!(log[log.len() - 1], "60.55: open 1", "a first pause: {log:?}");
}

#[test]
fn what_is_watchable_stays_while_one_after_the_other_is_tried() {
    let mut script = first_active(21);
    script.push((20.0, Of(1, |attempt| Event::Unhealthy { attempt, severity: Severity::Programme })));
    script.extend([(20.1, Of(2, Event::Ended)), (20.4, Of(3, Event::KeyframeReady))]);
    assert_eq!(
        play_with(WIDE, 3, &sorted(script), 20.5)[2..],
        ["20: open 1 as Hedge", "20.1: open 2 as Hedge", "20.4: close Unhealthy", "20.4: air 3"]
    );
}

#[test]
fn a_notice_makes_room_for_one_without_a_slot_less_and_less_often() {
    let mut script = first_active(20);
    script.extend([(20.0, Of(1, notice)), (20.1, Of(2, Event::NoConnection))]);
    // There it is all the same, and the first is shown again.
    script.extend([(20.2, Of(3, Event::NoConnection)), (20.5, Of(4, Event::KeyframeReady))]);
    script.extend(pictures(Event::Progress, 4, 21..34));
    script.extend([(28.0, Of(4, notice)), (28.1, Of(5, Event::NoConnection))]);
    let log = play_with(WIDE, 2, &sorted(script), 29.0);
    assert_eq!(
        log[2..],
        [
            "20: open 1 as Hedge",
            "20.1: close Unhealthy",
            "20.1: open 1",
            "20.2: open 0",
            "20.5: air 4",
            "28: open 1 as Hedge"
        ]
    );
}

#[test]
fn a_notice_is_opened_anew_itself_where_the_other_has_just_failed() {
    let mut script = first_active(31);
    script.extend([(20.0, Of(1, notice)), (20.1, Of(2, Event::Ended)), (29.9, Of(1, notice))]);
    script.push((30.4, Of(3, Event::KeyframeReady)));
    let log = play_with(WIDE, 2, &sorted(script), 30.0);
    assert_eq!(log[2..], ["20: open 1 as Hedge", "29.9: close Unhealthy", "29.9: open 0", "30.4: air 3"]);
}

#[test]
fn a_notice_of_a_source_that_is_disabled_is_borne_until_there_is_another() {
    let mut script = first_active(31);
    script.extend([
        (20.0, Say::SourceOverride(SourceOverride::Disable(SourceId(0)))),
        (20.1, Of(2, Event::Ended)),
        (20.5, Of(1, notice)),
    ]);
    script.push((30.4, Of(3, Event::KeyframeReady)));
    let log = play_with(WIDE, 2, &sorted(script), 31.0);
    assert_eq!(
        log[2..],
        ["20: open 1 as Hedge", "30.1: open 1 as Hedge", "30.4: close Unhealthy", "30.4: air 3"]
    );
}

#[test]
fn a_notice_of_a_source_that_is_the_only_one_is_opened_anew_though_it_is_disabled() {
    let mut script = first_active(21);
    script.extend([(19.8, Say::SourceOverride(SourceOverride::Disable(SourceId(1)))), (19.9, Sources(&[1]))]);
    script.extend([(20.5, Of(2, Event::KeyframeReady)), (20.6, Of(2, notice))]);
    let log = play_with(WIDE, 2, &sorted(script), 20.7);
    assert_eq!(
        log[2..],
        ["19.9: close Removed", "19.9: open 1", "20.5: air 2", "20.6: close Unhealthy", "20.6: open 1"]
    );
}

#[test]
fn a_notice_that_is_told_of_again_leaves_a_probe_alone() {
    // The second shows a notice too, and does so again when it was opened anew.
    let mut script = second_active(21);
    script.extend([(21.5, Of(2, notice)), (22.0, Of(3, Event::KeyframeReady)), (29.0, Of(3, notice))]);
    script.extend(pictures(Event::Progress, 3, 23..46));
    script.extend(pictures(Event::KeyframeReady, 4, 33..46));
    script.push((39.0, Of(3, notice)));
    let log = play_with(WIDE, 2, &sorted(script), 45.5);
    assert_eq!(
        log[2..],
        [
            "20: open 1",
            "20.2: air 2",
            "21.5: close Unhealthy",
            "21.5: open 1",
            "22: air 3",
            "32: open 0 as Probe"
        ]
    );
}

#[test]
fn a_notice_that_nobody_sees_stays() {
    let mut script = first_active(23);
    script.extend([(20.0, NoReaders), (21.0, Of(1, notice))]);
    assert_eq!(play_with(WIDE, 2, &sorted(script), 22.0)[2..], Vec::<String>::new()[..]);
}

#[test]
fn what_is_not_as_it_should_be_is_not_opened_again_at_once() {
    // The first is avoided when the second turns bad; then the second ends.
    let mut script = second_active(24);
    script.push((21.5, Of(2, |attempt| Event::Unhealthy { attempt, severity: Severity::Programme })));
    script.push((24.0, Of(2, Event::Ended)));
    let log = play_with(TIMES, 2, &sorted(script), 24.5);
    assert_eq!(log[4..], ["24.25: open 0"]);
}
