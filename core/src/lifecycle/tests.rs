//! A script of events in, a log of actions out.

use super::*;

const TIMES: Times = Times {
    idle: Duration::from_secs(30),
    connect: Duration::from_secs(4),
    stall: Duration::from_secs(3),
    start: Duration::from_secs(10),
};

/// Events without the attempt: they are news of the current one.
#[derive(Clone, Copy)]
enum Say {
    Wanted,
    Unwanted,
    Locked,
    Picture,
    Progress,
    Ended,
    /// News of the attempt before the current one.
    Late(fn(Attempt) -> Event),
    Sources(usize, Option<usize>),
    Shutdown,
}
use Say::{Ended, Late, Locked, Picture, Progress, Shutdown, Sources, Unwanted, Wanted};

/// Plays `script` (seconds, event) and the timeouts between, up to `end` seconds.
fn play(sources: usize, script: &[(f64, Say)], end: f64) -> Vec<String> {
    let mut life = Lifecycle::new(TIMES, sources, 0);
    let mut log = Vec::new();
    let moment = |seconds: f64| Moment::new(Duration::from_secs_f64(seconds));
    let drain = |life: &mut Lifecycle, log: &mut Vec<String>, now: Moment| {
        while let Some(action) = life.poll_action() {
            let what = match action {
                Action::Open { source, .. } => format!("open {source}"),
                Action::Close { reason } => format!("close {reason:?}"),
                Action::GiveUp => "give up".to_owned(),
                Action::Finish => "finish".to_owned(),
            };
            log.push(format!("{}: {what}", now.elapsed().as_secs_f64()));
        }
    };
    for (at, say) in script.iter().copied().map(|(at, say)| (at, Some(say))).chain([(end, None)]) {
        while let Some(timeout) = life.poll_timeout().filter(|&timeout| timeout <= moment(at)) {
            life.handle_timeout(timeout);
            drain(&mut life, &mut log, timeout);
        }
        let current = Attempt(life.attempts);
        let event = match say {
            None => break,
            Some(Wanted) => Event::Wanted,
            Some(Unwanted) => Event::Unwanted,
            Some(Locked) => Event::Locked(current),
            Some(Picture) => Event::Picture(current),
            Some(Progress) => Event::Progress(current),
            Some(Ended) => Event::Ended(current),
            Some(Late(event)) => event(Attempt(current.0 - 1)),
            Some(Sources(sources, current)) => Event::Reconfigured { sources, current },
            Some(Shutdown) => Event::Shutdown,
        };
        life.handle_event(moment(at), event);
        drain(&mut life, &mut log, moment(at));
    }
    log
}

/// A start at 0 that shows a picture at 1 and then lives until `until`, one progress a second.
fn live_until(until: u32) -> Vec<(f64, Say)> {
    let mut script = vec![(0.0, Wanted), (0.5, Locked), (1.0, Picture)];
    script.extend((2..=until).map(|second| (f64::from(second), Progress)));
    script
}

#[test]
fn closed_thirty_seconds_after_the_last_viewer() {
    let mut script = live_until(5);
    script.push((5.0, Unwanted));
    script.extend((6..60).map(|second| (f64::from(second), Progress)));
    assert_eq!(play(1, &script, 60.0), ["0: open 0", "35: close Idle", "35: finish"]);
}

#[test]
fn a_viewer_who_comes_back_keeps_the_connection() {
    let mut script = live_until(5);
    script.push((5.0, Unwanted));
    script.extend((6..30).map(|second| (f64::from(second), Progress)));
    script.push((30.0, Wanted));
    script.extend((31..60).map(|second| (f64::from(second), Progress)));
    assert_eq!(play(1, &script, 60.0), ["0: open 0"]);
}

#[test]
fn viewers_who_leave_during_the_start_leak_nothing() {
    let log = play(1, &[(0.0, Wanted), (0.5, Unwanted), (1.0, Locked), (2.0, Picture)], 100.0);
    assert_eq!(log.last().unwrap(), "30.5: finish");
    assert_eq!(play(1, &[(0.0, Wanted), (0.1, Unwanted)], 100.0).last().unwrap(), "10: finish");
}

#[test]
fn the_next_source_on_refusal_and_on_silence() {
    let script = [(0.0, Wanted), (0.1, Ended), (4.1, Locked), (4.2, Picture)];
    assert_eq!(
        play(3, &script, 5.0),
        ["0: open 0", "0.1: open 1", "4.1: close ConnectTimeout", "4.1: open 2"]
    );
}

#[test]
fn nothing_answers_within_the_start_timeout() {
    let log = play(2, &[(0.0, Wanted), (1.0, Ended), (2.0, Ended), (3.0, Ended)], 30.0);
    assert_eq!(
        log,
        [
            "0: open 0",
            "1: open 1",
            "2.25: open 0",
            "3: open 1",
            "7: close ConnectTimeout",
            "7.5: open 0",
            "10: give up",
            "10: close StartTimeout",
            "10: finish"
        ]
    );
}

#[test]
fn a_stall_is_left_at_once_and_an_end_is_reopened_once() {
    let stalled = play(2, &live_until(20), 24.0);
    assert_eq!(stalled, ["0: open 0", "23: close Stalled", "23: open 1"]);
    let mut script = live_until(20);
    script.push((20.5, Ended));
    let ended = play(2, &script, 22.0);
    assert_eq!(ended, ["0: open 0", "20.5: open 0", "21.5: close ConnectTimeout", "21.5: open 1"]);
}

#[test]
fn packets_without_media_time_or_without_a_picture_are_not_enough() {
    assert_eq!(play(2, &[(0.0, Wanted), (1.0, Locked)], 5.0)[1..], ["4: close Stalled", "4: open 1"]);
    // After the first picture the start timeout is past; a second source without pictures is left in its time.
    let mut script = live_until(5);
    script.extend([(5.0, Ended), (5.1, Ended), (5.2, Locked)]);
    script.extend((6..30).map(|second| (f64::from(second), Progress)));
    assert!(play(2, &script, 30.0).contains(&"20.2: close NoPicture".to_owned()));
}

#[test]
fn late_news_does_nothing() {
    let script = [
        (0.0, Wanted),
        (0.1, Ended),
        (0.2, Late(Event::Ended)),
        (0.3, Late(Event::Picture)),
        (0.4, Late(Event::Locked)),
    ];
    assert_eq!(play(2, &script, 4.0), ["0: open 0", "0.1: open 1"]);
}

#[test]
fn a_source_that_is_still_listed_stays_open() {
    let mut script = live_until(5);
    script.push((5.0, Sources(3, Some(2))));
    script.push((5.5, Progress));
    assert_eq!(play(1, &script, 6.0), ["0: open 0"]);
    script.push((6.0, Sources(2, None)));
    assert_eq!(play(1, &script, 6.5), ["0: open 0", "6: close Removed", "6: open 0"]);
}

#[test]
fn new_settings_end_a_pause_and_old_indices() {
    let script = [(0.0, Wanted), (0.1, Ended), (0.2, Ended), (0.3, Sources(1, None))];
    assert_eq!(play(2, &script, 1.0), ["0: open 0", "0.1: open 1", "0.3: open 0"]);
    let script = [(0.0, Wanted), (0.1, Ended), (0.2, Ended), (0.3, Sources(3, Some(2)))];
    assert_eq!(play(2, &script, 1.0), ["0: open 0", "0.1: open 1", "0.3: open 2"]);
}

#[test]
fn a_start_leaves_time_for_every_source() {
    // Packets and media time, but never a picture: the second source gets its turn before the viewers are given up.
    let mut script = vec![(0.0, Wanted), (0.1, Locked)];
    script.extend((1..11).map(|n| (f64::from(n) / 2.0, Progress)));
    assert_eq!(play(2, &script, 6.0), ["0: open 0", "5.1: close NoPicture", "5.1: open 1"]);
}

#[test]
fn shutdown_closes_whatever_is_open() {
    let mut script = live_until(3);
    script.push((3.0, Shutdown));
    assert_eq!(play(1, &script, 50.0)[1..], ["3: close Shutdown", "3: finish"]);
    assert_eq!(play(1, &[(0.0, Shutdown)], 50.0), ["0: finish"]);
}

#[test]
fn phases_are_what_users_are_told() {
    let mut life = Lifecycle::new(TIMES, 1, 0);
    let at = Moment::from_millis;
    assert_eq!(life.phase(), Phase::Idle);
    life.handle_event(at(0), Event::Wanted);
    assert_eq!(life.phase(), Phase::Starting);
    life.handle_event(at(1), Event::Picture(Attempt(1)));
    assert_eq!((life.phase(), life.is_live()), (Phase::Active, true));
    life.handle_event(at(2), Event::Ended(Attempt(1)));
    assert_eq!((life.phase(), life.is_live()), (Phase::Active, false));
    life.handle_event(at(3), Event::Unwanted);
    assert_eq!(life.phase(), Phase::Stopping);
    life.handle_event(at(4), Event::Shutdown);
    assert_eq!(life.phase(), Phase::Stopped);
}
