//! Another list of sources, in each state in which it may come.

use super::*;

/// Plays `before`, takes each list at `at` seconds, and gives what follows.
fn reload(before: &[(f64, Say)], at: f64, lists: &[&'static [u64]]) -> Vec<Vec<String>> {
    let known = play_with(WIDE, 2, before, at).len();
    let play = |&list: &&'static [u64]| {
        let mut log = play_with(WIDE, 2, &[before, &[(at, Sources(list))]].concat(), at + 0.1);
        log.split_off(known)
    };
    lists.iter().map(play).collect()
}

/// A list in which nothing is to be done.
const NOTHING: [&str; 0] = [];

#[test]
fn while_a_source_plays() {
    let lists: [&[u64]; 5] = [&[1, 0], &[8, 0, 9], &[0], &[1], &[9, 1]];
    assert_eq!(
        reload(&live_until(5), 5.5, &lists),
        [
            &NOTHING[..],
            &NOTHING,
            &NOTHING,
            &["5.5: close Removed", "5.5: open 1"],
            &["5.5: close Removed", "5.5: open 9"],
        ]
    );
}

#[test]
fn while_a_candidate_connects() {
    let lists: [&[u64]; 4] = [&[1, 0], &[8, 0, 1], &[1], &[9, 1]];
    let gone = ["0.5: close Removed", "0.5: open 1"];
    let new = ["0.5: close Removed", "0.5: open 9"];
    assert_eq!(reload(&[(0.0, Readers)], 0.5, &lists), [&NOTHING[..], &NOTHING, &gone, &new]);
    // Beside it is the hedge, attempt 2.
    let lists: [&[u64]; 5] = [&[1, 9, 0], &[0], &[0, 9], &[1], &[9]];
    assert_eq!(
        reload(&[(0.0, Readers)], 1.6, &lists),
        [
            &NOTHING[..],
            &["1.6: close Removed"],
            &["1.6: close Removed", "1.6: open 9 as Hedge"],
            &["1.6: close Removed", "1.6: raise 2"],
            &["1.6: close Removed", "1.6: close Removed", "1.6: open 9"],
        ]
    );
}

#[test]
fn in_a_pause() {
    let pause = [(0.0, Readers), (0.1, Ended), (0.2, Ended)];
    let lists: [&[u64]; 4] = [&[0, 1], &[1, 0], &[9], &[1, 0, 9]];
    assert_eq!(
        reload(&pause, 0.3, &lists),
        [["0.3: open 0"], ["0.3: open 0"], ["0.3: open 9"], ["0.3: open 9"]],
        "the one that was left longest ago, unless there is a new one"
    );
}

#[test]
fn with_a_source_that_is_pinned() {
    let mut script = live_until(20);
    script.extend([(20.0, Say::SourceOverride(SourceOverride::Pin(SourceId(1)))), (20.4, Keyframe)]);
    script.extend(pictures(Event::Progress, 2, 21..24));
    let lists: [&[u64]; 4] = [&[1, 0], &[0, 9, 1], &[0, 9], &[9]];
    let gone = ["23.5: close Removed", "23.5: open 0"];
    let new = ["23.5: close Removed", "23.5: open 9"];
    assert_eq!(reload(&script, 23.5, &lists), [&NOTHING[..], &NOTHING, &gone, &new]);
    // It is still pinned: it is returned to, though it is not the first.
    script.extend([(23.5, Sources(&[0, 9, 1])), (24.0, Of(2, Event::Stalled)), (24.2, Keyframe)]);
    script.extend(pictures(Event::Progress, 3, 25..36));
    let times = Times { return_after: None, ..WIDE };
    let log = play_with(times, 2, &script, 35.0);
    assert_eq!(log[4..], ["20.4: air 2", "24: open 0", "24.2: air 3", "34.2: open 1 as Probe"]);
}
