//! Sources that lose packets all the time.

use super::*;
use crate::health::Grade;

const LOSSY: Say = Of(1, |attempt| Event::Graded { attempt, grade: Grade::Lossy });
const CLEAN: Say = Of(1, |attempt| Event::Graded { attempt, grade: Grade::Clean });
const PROBE_LOSSY: Say = Of(2, |attempt| Event::Graded { attempt, grade: Grade::Lossy });
const PROBE_CLEAN: Say = Of(2, |attempt| Event::Graded { attempt, grade: Grade::Clean });

/// Plays two sources. The first is active from 0 s and graded every ten seconds until 60 s, the
/// second shows pictures from 62 s; `then` comes in between.
fn play_graded(grades: [Say; 6], then: &[(f64, Say)], end: f64) -> Vec<String> {
    let mut script = vec![(0.0, Readers), (0.1, InSync), (0.2, Keyframe)];
    script.extend((1_u32..).zip(grades).map(|(nth, grade)| (f64::from(nth) * 10.0, grade)));
    let seconds = (1..).map(f64::from).take_while(|&second| second < end);
    script.extend(seconds.clone().map(|second| (second, Of(1, Event::Progress))));
    script.push((61.5, Of(2, Event::InSync)));
    script
        .extend(seconds.filter(|&second| second >= 62.0).map(|second| (second, Of(2, Event::KeyframeReady))));
    script.extend_from_slice(then);
    script.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    play_with(TIMES, 2, &script, end)
}

#[test]
fn a_clean_source_replaces_one_that_has_been_lossy_for_a_minute() {
    let log = play_graded([LOSSY; 6], &[(75.5, PROBE_CLEAN)], 200.0);
    assert_eq!(
        log,
        ["0: open 0", "0.2: air 1", "60: open 1 as Probe", "76: close Lossy", "76: air 2"],
        "and the first is not returned to"
    );
}

#[test]
fn a_stretch_without_losses_begins_the_minute_anew() {
    let log = play_graded([LOSSY, LOSSY, LOSSY, LOSSY, CLEAN, LOSSY], &[], 100.0);
    assert_eq!(log, ["0: open 0", "0.2: air 1"]);
}

#[test]
fn a_probe_is_ended_where_the_losses_are_over() {
    let log = play_graded([LOSSY; 6], &[(70.0, CLEAN)], 100.0);
    assert_eq!(log, ["0: open 0", "0.2: air 1", "60: open 1 as Probe", "70: close Replaced"]);
}

#[test]
fn a_source_that_is_no_better_is_not_probed_again_for_long() {
    let log = play_graded([LOSSY; 6], &[(71.5, PROBE_LOSSY)], 660.0);
    assert_eq!(log, ["0: open 0", "0.2: air 1", "60: open 1 as Probe", "71.5: close Lossy"]);
}
