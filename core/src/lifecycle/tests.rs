//! A script of events in, a log of actions out.

use super::*;
use crate::health::Severity;

mod connections;
mod faults;
mod last_hope;
mod loss_rate;
mod reload;
mod standby;

const TIMES: Times = Times {
    idle: Duration::from_secs(30),
    connect: Duration::from_secs(4),
    stall: Duration::from_secs(3),
    start: Duration::from_secs(10),
    hedge: None,
    return_after: None,
};

/// Events without the attempt: they are news of the one that was opened last.
#[derive(Clone, Copy)]
enum Say {
    Readers,
    NoReaders,
    /// Since so many seconds.
    NoReadersFor(f64),
    InSync,
    Keyframe,
    Progress,
    Ended,
    NoConnection,
    Yield,
    ConnectionFree(SourceId),
    Unhealthy(Severity),
    /// News of the attempt with this number.
    Of(u64, fn(AttemptId) -> Event),
    /// The list of sources from now on.
    Sources(&'static [u64]),
    SourceOverride(SourceOverride),
    Shutdown,
}
use Say::{
    ConnectionFree, Ended, InSync, Keyframe, NoConnection, NoReaders, NoReadersFor, Of, Progress, Readers,
    Shutdown, Sources, Unhealthy, Yield,
};

/// The sources 0, 1, 2 and so on, of which nothing is known.
fn failover_of(sources: u64) -> Failover {
    Failover::new(&(0..sources).map(SourceId).collect::<Vec<_>>())
}

/// Plays `script` (seconds, event) and the timeouts between, up to `end` seconds. Whatever is
/// opened has a slot, unless the next news of the sources is that it has none.
fn play_with(times: Times, sources: u64, script: &[(f64, Say)], end: f64) -> Vec<String> {
    let mut life = Lifecycle::new(times, failover_of(sources));
    let mut log = Vec::new();
    let moment = |seconds: f64| Moment::new(Duration::from_secs_f64(seconds));
    let drain = |life: &mut Lifecycle, log: &mut Vec<String>, now: Moment, next: Option<&(f64, Say)>| {
        while let Some(action) = life.poll_action() {
            let what = match action {
                Action::Open { source, purpose: Purpose::Active, .. } => format!("open {}", source.0),
                Action::Open { source, purpose, .. } => format!("open {} as {purpose:?}", source.0),
                Action::Promote { attempt } => format!("raise {}", attempt.0),
                Action::Activate { attempt } => format!("air {}", attempt.0),
                Action::Close { reason, .. } => format!("close {reason:?}"),
                Action::GiveUp => "give up".to_owned(),
                Action::Finish => "finish".to_owned(),
            };
            log.push(format!("{}: {what}", now.elapsed().as_secs_f64()));
            if let Action::Open { attempt, .. } = action
                && !matches!(next, Some((_, NoConnection)))
            {
                life.handle_event(now, Event::Granted(attempt));
            }
        }
    };
    let says = script.iter().copied().map(|(at, say)| (at, Some(say))).chain([(end, None)]);
    let mut now = Moment::ZERO;
    for (place, (at, say)) in says.enumerate() {
        let is_news = |&&(_, say): &&(f64, Say)| {
            !matches!(say, Readers | NoReaders | Say::SourceOverride(_) | Sources(_))
        };
        let news_from = |place| script.iter().skip(place).find(is_news);
        let next = news_from(place + 1);
        while let Some(timeout) = life.poll_timeout().filter(|&timeout| timeout <= moment(at)) {
            now = now.max(timeout);
            life.handle_timeout(now);
            drain(&mut life, &mut log, now, news_from(place));
        }
        now = moment(at);
        let current = AttemptId(life.attempts);
        let event = match say {
            None => break,
            Some(Readers) => Event::ReadersPresent,
            Some(NoReaders) => Event::NoReaders(Duration::ZERO),
            Some(NoReadersFor(seconds)) => Event::NoReaders(Duration::from_secs_f64(seconds)),
            Some(InSync) => Event::InSync(current),
            Some(Keyframe) => Event::KeyframeReady(current),
            Some(Progress) => Event::Progress(current),
            Some(Ended) => Event::Ended(current),
            Some(NoConnection) => Event::NoConnection(current),
            Some(Yield) => Event::Yield(current),
            Some(ConnectionFree(source)) => Event::ConnectionFree(source),
            Some(Unhealthy(severity)) => Event::Unhealthy { attempt: current, severity },
            Some(Of(attempt, event)) => event(AttemptId(attempt)),
            Some(Shutdown) => Event::Shutdown,
            Some(Sources(sources)) => {
                life.set_sources(moment(at), &sources.iter().copied().map(SourceId).collect::<Vec<_>>());
                drain(&mut life, &mut log, moment(at), next);
                continue;
            }
            Some(Say::SourceOverride(order)) => {
                if let Err(error) = life.override_source(moment(at), order) {
                    log.push(format!("{at}: {error:?}"));
                }
                drain(&mut life, &mut log, moment(at), next);
                continue;
            }
        };
        life.handle_event(moment(at), event);
        drain(&mut life, &mut log, moment(at), next);
    }
    log
}

/// Without hedges and probes; what becomes active is not logged.
fn play(sources: u64, script: &[(f64, Say)], end: f64) -> Vec<String> {
    let mut log = play_with(TIMES, sources, script, end);
    log.retain(|line| !line.contains(": air "));
    log
}

/// A start at 0 that shows a picture at 1 and then lives until `until`, one progress a second.
fn live_until(until: u32) -> Vec<(f64, Say)> {
    let mut script = vec![(0.0, Readers), (0.5, InSync), (1.0, Keyframe)];
    script.extend((2..=until).map(|second| (f64::from(second), Progress)));
    script
}

#[test]
fn closed_thirty_seconds_after_the_last_viewer() {
    let mut script = live_until(5);
    script.push((5.0, NoReaders));
    script.extend((6..60).map(|second| (f64::from(second), Progress)));
    assert_eq!(play(1, &script, 60.0), ["0: open 0", "35: close Idle", "35: finish"]);
}

#[test]
fn closed_sooner_when_the_last_viewer_left_before_the_last_reader() {
    for (seconds, end) in [(0.0, 35), (20.0, 15), (30.0, 5), (100.0, 5)] {
        let mut script = live_until(5);
        script.push((5.0, NoReadersFor(seconds)));
        script.extend((6..60).map(|second| (f64::from(second), Progress)));
        let log = play(1, &script, 60.0);
        assert_eq!(log, ["0: open 0", &format!("{end}: close Idle"), &format!("{end}: finish")]);
    }
}

#[test]
fn a_viewer_who_comes_back_keeps_the_connection() {
    let mut script = live_until(5);
    script.push((5.0, NoReaders));
    script.extend((6..30).map(|second| (f64::from(second), Progress)));
    script.push((30.0, Readers));
    script.extend((31..60).map(|second| (f64::from(second), Progress)));
    assert_eq!(play(1, &script, 60.0), ["0: open 0"]);
}

#[test]
fn viewers_who_leave_during_the_start_leak_nothing() {
    let log = play(1, &[(0.0, Readers), (0.5, NoReaders), (1.0, InSync), (2.0, Keyframe)], 100.0);
    assert_eq!(log.last().unwrap(), "30.5: finish");
    assert_eq!(play(1, &[(0.0, Readers), (0.1, NoReaders)], 100.0).last().unwrap(), "10: finish");
}

#[test]
fn the_next_source_on_refusal_and_on_silence() {
    let script = [(0.0, Readers), (0.1, Ended), (4.1, InSync), (4.2, Keyframe)];
    assert_eq!(
        play(3, &script, 5.0),
        ["0: open 0", "0.1: open 1", "4.1: close ConnectTimeout", "4.1: open 2"]
    );
}

#[test]
fn nothing_answers_within_the_start_timeout() {
    let log = play(2, &[(0.0, Readers), (1.0, Ended), (2.0, Ended), (3.0, Ended)], 30.0);
    assert_eq!(
        log,
        [
            "0: open 0",
            "1: open 1",
            "2.25: open 0",
            "3: open 1",
            "7: close ConnectTimeout",
            "7.5: open 0",
            "10: close StartTimeout",
            "10: give up",
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
    assert_eq!(play(2, &[(0.0, Readers), (1.0, InSync)], 5.0)[1..], ["4: close Stalled", "4: open 1"]);
    // After the first picture the start timeout is past; a second source without pictures is left
    // in its time.
    let mut script = live_until(5);
    script.extend([(5.0, Ended), (5.1, Ended), (5.2, InSync)]);
    script.extend((6..30).map(|second| (f64::from(second), Progress)));
    assert!(play(2, &script, 30.0).contains(&"20.2: close NoPicture".to_owned()));
}

#[test]
fn late_news_does_nothing() {
    let script = [
        (0.0, Readers),
        (0.1, Ended),
        (0.2, Of(1, Event::Ended)),
        (0.3, Of(1, Event::KeyframeReady)),
        (0.4, Of(1, Event::InSync)),
    ];
    assert_eq!(play(2, &script, 4.0), ["0: open 0", "0.1: open 1"]);
}

#[test]
fn a_start_leaves_time_for_every_source() {
    // Packets and media time, but never a picture: the second source gets its turn before the
    // viewers are given up.
    let mut script = vec![(0.0, Readers), (0.1, InSync)];
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
    let mut life = Lifecycle::new(TIMES, failover_of(1));
    let at = Moment::from_millis;
    assert_eq!(life.phase(), Phase::Idle);
    life.handle_event(at(0), Event::ReadersPresent);
    assert_eq!(life.phase(), Phase::Starting);
    life.handle_event(at(1), Event::KeyframeReady(AttemptId(1)));
    assert_eq!((life.phase(), life.is_live()), (Phase::Active, true));
    life.handle_event(at(2), Event::Ended(AttemptId(1)));
    assert_eq!((life.phase(), life.is_live()), (Phase::Active, false));
    life.handle_event(at(3), Event::NoReaders(Duration::ZERO));
    assert_eq!(life.phase(), Phase::Stopping);
    life.handle_event(at(4), Event::Shutdown);
    assert_eq!(life.phase(), Phase::Stopped);
}

const WIDE: Times =
    Times { hedge: Some(Duration::from_millis(1500)), return_after: Some(Duration::from_secs(30)), ..TIMES };

/// Pictures of this attempt, one a second.
fn pictures(attempt: fn(AttemptId) -> Event, number: u64, seconds: std::ops::Range<u32>) -> Vec<(f64, Say)> {
    seconds.map(|second| (f64::from(second), Of(number, attempt))).collect()
}

fn sorted(mut script: Vec<(f64, Say)>) -> Vec<(f64, Say)> {
    script.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    script
}

#[test]
fn a_source_that_takes_long_is_hedged_and_the_first_picture_wins() {
    let slow = [(0.0, Readers), (1.0, InSync), (2.0, Keyframe)];
    assert_eq!(
        play_with(WIDE, 2, &slow, 2.1),
        ["0: open 0", "1.5: open 1 as Hedge", "2: close Replaced", "2: air 2"]
    );
    let slow = [(0.0, Readers), (1.0, InSync), (2.0, Of(1, Event::KeyframeReady))];
    assert_eq!(
        play_with(WIDE, 2, &slow, 2.1),
        ["0: open 0", "1.5: open 1 as Hedge", "2: close Replaced", "2: air 1"]
    );
    // There is no slot for it: it is tried again, and the first one has all its time.
    let alone = [
        (0.0, Readers),
        (1.5, NoConnection),
        (3.9, Of(1, Event::InSync)),
        (4.0, Of(1, Event::KeyframeReady)),
    ];
    let log = play_with(WIDE, 2, &alone, 4.1);
    assert_eq!(
        log,
        ["0: open 0", "1.5: open 1 as Hedge", "3: open 1 as Hedge", "4: close Replaced", "4: air 1"]
    );
}

#[test]
fn in_a_gap_the_next_source_is_opened_soon() {
    let mut script = live_until(20);
    script.extend([(20.5, Ended), (21.0, Keyframe)]);
    assert_eq!(
        play_with(WIDE, 2, &script, 21.0)[2..],
        ["20.5: open 0", "20.8: open 1 as Hedge", "21: close Replaced", "21: air 3"]
    );
}

#[test]
fn what_stands_still_is_hedged_before_it_is_left() {
    // Media time goes on until 5; the other has a picture before the first is given up.
    let mut script = live_until(5);
    script.push((7.0, Of(2, Event::KeyframeReady)));
    let hedge = "6.5: open 1 as Hedge";
    assert_eq!(
        play_with(WIDE, 2, &script, 9.0)[2..],
        [hedge, "8: close Stalled", "8: raise 2", "8: air 2"],
        "it is not left sooner for that"
    );
    // It goes on, and comes to a stand again at once: hiccups open no connection after another.
    script.extend([(7.5, Of(1, Event::Progress)), (18.0, Of(1, Event::Progress))]);
    let log = play_with(Times { stall: Duration::from_secs(20), ..WIDE }, 2, &script, 19.0);
    assert_eq!(log[2..], [hedge, "7.5: close Replaced", "17.5: open 1 as Hedge", "18: close Replaced"]);
}

#[test]
fn a_source_that_comes_in_pieces_is_borne_longer_where_there_is_no_other() {
    for (pictures, left) in [(&[(7.0, Of(2, Event::KeyframeReady))][..], 8.0), (&[], 11.0)] {
        let mut life = Lifecycle::new(WIDE, failover_of(2));
        let at = |seconds: f64| Moment::new(Duration::from_secs_f64(seconds));
        life.handle_event(at(0.0), Event::ReadersPresent);
        life.set_patience(AttemptId(1), Duration::from_secs(6));
        life.handle_event(at(5.0), Event::KeyframeReady(AttemptId(1)));
        life.handle_timeout(at(6.5));
        for (seconds, _) in pictures {
            life.handle_event(at(*seconds), Event::KeyframeReady(AttemptId(2)));
        }
        while life.poll_action().is_some() {}
        let stall = |life: &mut Lifecycle| life.poll_action().is_some();
        life.handle_timeout(at(left - 0.1));
        assert!(!stall(&mut life), "{left}");
        life.handle_timeout(at(left));
        assert!(stall(&mut life), "{left}");
    }
}

#[test]
fn a_hedge_takes_the_place_of_a_trial_that_fails() {
    let script = [(0.0, Readers), (2.0, Of(1, Event::Ended)), (2.5, InSync), (2.6, Keyframe)];
    assert_eq!(
        play_with(WIDE, 3, &script, 2.7),
        ["0: open 0", "1.5: open 1 as Hedge", "2: raise 2", "2.6: air 2"]
    );
}

#[test]
fn a_preferred_source_is_returned_to_when_it_has_proved_itself() {
    let mut script = live_until(20);
    script.extend([(20.0, Of(1, Event::Stalled)), (20.2, Of(2, Event::KeyframeReady))]);
    script.extend(pictures(Event::Progress, 2, 21..90));
    script.extend(pictures(Event::KeyframeReady, 3, 32..90));
    let log = play_with(WIDE, 2, &sorted(script), 80.0);
    let probe = "30.2: open 0 as Probe";
    assert_eq!(
        log,
        ["0: open 0", "1: air 1", "20: open 1", "20.2: air 2", probe, "62: close Replaced", "62: air 3"]
    );
}

#[test]
fn a_probe_that_fails_is_repeated_less_and_less_often() {
    let mut script = live_until(20);
    script.extend([(20.0, Of(1, Event::Stalled)), (20.2, Of(2, Event::KeyframeReady))]);
    script.extend(pictures(Event::Progress, 2, 21..200));
    let log = play_with(WIDE, 2, &script, 199.0);
    let probes: Vec<&str> = log.iter().filter(|line| line.contains("Probe")).map(String::as_str).collect();
    // Each fails after 4 s, its connect timeout.
    assert_eq!(
        probes,
        ["30.2: open 0 as Probe", "54.2: open 0 as Probe", "98.2: open 0 as Probe", "182.2: open 0 as Probe"]
    );
}

#[test]
fn the_active_source_fails_while_another_is_probed() {
    let mut script = live_until(20);
    script.extend([
        (20.0, Of(1, Event::Stalled)),
        (20.2, Of(2, Event::KeyframeReady)),
        (30.5, Of(3, Event::KeyframeReady)),
    ]);
    script.extend(pictures(Event::Progress, 2, 21..34));
    script.extend(pictures(Event::KeyframeReady, 3, 31..36));
    script.push((33.5, Of(2, Event::Ended)));
    let log = play_with(WIDE, 2, &sorted(script), 35.0);
    assert_eq!(log[4..], ["30.2: open 0 as Probe", "33.5: raise 3", "33.5: air 3"]);
}

#[test]
fn nobody_watching_ends_a_probe() {
    let mut script = live_until(20);
    script.extend([(20.0, Of(1, Event::Stalled)), (20.2, Of(2, Event::KeyframeReady)), (31.0, NoReaders)]);
    script.extend(pictures(Event::Progress, 2, 21..60));
    let log = play_with(WIDE, 2, &sorted(script), 60.0);
    assert_eq!(log[4..], ["30.2: open 0 as Probe", "31: close Idle"]);
}

#[test]
fn viewers_are_told_at_once_that_no_slot_is_free() {
    let script = [(0.0, Readers), (1.0, NoConnection), (2.0, NoConnection)];
    assert_eq!(play(2, &script, 3.0), ["0: open 0", "1: open 1", "2: give up", "2: finish"]);
    // A source that fails otherwise may come back.
    let script = [(0.0, Readers), (1.0, NoConnection), (2.0, Ended)];
    assert_eq!(play(2, &script, 2.5), ["0: open 0", "1: open 1", "2.25: open 0"]);
}

#[test]
fn a_channel_without_viewers_gives_its_slot_away_at_once() {
    let mut script = live_until(5);
    script.extend([(5.0, NoReaders), (6.0, Yield)]);
    assert_eq!(play(1, &script, 7.0), ["0: open 0", "6: close Preempted", "6: finish"]);
}

#[test]
fn a_channel_whose_slot_is_taken_goes_on_elsewhere_or_waits_or_tells() {
    let mut script = live_until(5);
    script.push((6.0, Yield));
    assert_eq!(play(2, &script, 6.1)[1..], ["6: close Preempted", "6: open 1"]);
    // With one source: when a slot becomes free, at once; when none does, the viewers are told.
    script.extend([(6.25, NoConnection), (6.4, ConnectionFree(SourceId(0)))]);
    assert_eq!(play(1, &script, 6.5)[1..], ["6: close Preempted", "6.25: open 0", "6.4: open 0"]);
    script.extend((13..33).map(|n| (f64::from(n) / 2.0, NoConnection)));
    assert_eq!(play(1, &script, 20.0).last().unwrap(), "16: finish");
}

#[test]
fn an_admin_chooses_and_viewers_notice_nothing() {
    let mut script = live_until(20);
    script.extend([(20.0, Say::SourceOverride(SourceOverride::Pin(SourceId(2)))), (20.4, Keyframe)]);
    assert_eq!(
        play_with(WIDE, 3, &script, 21.0)[2..],
        ["20: open 2 as Hedge", "20.4: close Replaced", "20.4: air 2"]
    );
    // Without a slot for both, the one makes room for the other.
    let mut script = live_until(20);
    script.extend([(20.0, Say::SourceOverride(SourceOverride::Skip)), (20.1, NoConnection)]);
    assert_eq!(
        play_with(WIDE, 2, &script, 20.2)[2..],
        ["20: open 1 as Hedge", "20.1: close Skipped", "20.1: open 1"]
    );
    let mut script = live_until(20);
    script.push((20.0, Say::SourceOverride(SourceOverride::Skip)));
    script.push((20.1, Say::SourceOverride(SourceOverride::Disable(SourceId(7)))));
    assert_eq!(play_with(WIDE, 1, &script, 20.2)[2..], ["20: NoOther", "20.1: NoSuchSource"]);
    let mut script = live_until(20);
    script.extend([
        (20.0, Say::SourceOverride(SourceOverride::Disable(SourceId(0)))),
        (20.4, Keyframe),
        (20.5, Say::SourceOverride(SourceOverride::Disable(SourceId(1)))),
    ]);
    script.extend(pictures(Event::Progress, 2, 21..90));
    let log = play_with(WIDE, 2, &script, 80.0);
    assert_eq!(log[2..], ["20: open 1 as Hedge", "20.4: close Replaced", "20.4: air 2", "20.5: NoOther"]);
}
