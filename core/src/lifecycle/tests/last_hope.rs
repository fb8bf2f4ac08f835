use super::*;

/// This news of the first attempt, twice a second in these seconds.
fn twice_a_second(seconds: std::ops::Range<u32>, event: fn(AttemptId) -> Event) -> Vec<(f64, Say)> {
    let halves = (seconds.start * 2)..(seconds.end * 2);
    halves.map(|half| (f64::from(half) / 2.0, Of(1, event))).collect()
}

#[test]
fn what_gets_ready_is_waited_for_where_there_is_no_other() {
    let mut script = vec![(0.0, Readers), (0.5, InSync)];
    script.extend(twice_a_second(1..8, Event::GettingReady));
    script.push((8.0, Keyframe));
    assert_eq!(play(1, &script, 10.0), ["0: open 0"]);
    // Where there is one, it is no more than a stream that stands still.
    assert_eq!(play(2, &script, 3.6)[1..3], ["3.5: close Stalled", "3.5: open 1"]);
    // Nor is it waited for where the signs of life cease, or for ever.
    script.truncate(6);
    assert_eq!(play(1, &script, 5.6)[1..], ["5.5: close Stalled"]);
    let long = Times { start: Duration::from_secs(40), ..TIMES };
    let mut script = vec![(0.0, Readers), (0.5, InSync)];
    script.extend(twice_a_second(1..60, Event::GettingReady));
    assert_eq!(
        play_with(long, 1, &script, 50.0)[1..],
        ["40: close StartTimeout", "40: give up", "40: finish"]
    );
}

#[test]
fn a_source_that_drips_keeps_nobody_from_another() {
    let long = Times { start: Duration::from_mins(1), ..TIMES };
    let script = |data: std::ops::Range<u32>| {
        let mut script = vec![(0.0, Readers)];
        script.extend(twice_a_second(data, Event::Alive));
        script
    };
    // Twice the time for connecting, and no more than its share of the time for the start.
    assert_eq!(play_with(long, 2, &script(1..60), 8.5)[1..3], ["8: close ConnectTimeout", "8: open 1"]);
    assert_eq!(play(2, &script(1..60), 5.5)[1..3], ["5: close ConnectTimeout", "5: open 1"]);
    // It is given up sooner where the data ceases.
    assert_eq!(play_with(long, 2, &script(1..2), 6.0)[1..3], ["5.5: close ConnectTimeout", "5.5: open 1"]);
    // The only one is waited for as long as viewers wait.
    assert_eq!(play(1, &script(1..60), 11.0)[1..3], ["10: close StartTimeout", "10: give up"]);
}

#[test]
fn what_was_just_live_and_drips_keeps_nobody_from_another_either() {
    let mut script = live_until(20);
    script.push((20.0, Ended));
    script.extend((1..100).map(|tenth| (20.0 + f64::from(tenth) / 10.0, Of(2, Event::Alive))));
    assert_eq!(play(2, &script, 23.0)[1..4], ["20: open 0", "22: close ConnectTimeout", "22: open 1"]);
}

#[test]
fn a_late_answer_is_waited_for_where_there_is_no_other() {
    let script = [(0.0, Readers), (8.0, InSync), (8.2, Keyframe)];
    assert_eq!(play(1, &script, 9.0), ["0: open 0"]);
    assert_eq!(play(2, &script[..1], 4.5)[1..], ["4: close ConnectTimeout", "4: open 1"]);
    // So it is where the other one was refused: it may be well again at any time.
    let refused = [(0.0, Readers), (0.1, Ended)];
    assert_eq!(play(2, &refused, 4.2)[1..3], ["0.1: open 1", "4.1: close ConnectTimeout"]);
}

#[test]
fn a_late_answer_in_a_gap_is_waited_for_as_long_as_at_a_start() {
    let mut script = live_until(20);
    script.extend([(20.0, Ended), (28.0, InSync), (28.5, Keyframe)]);
    let log = play(1, &script, 29.0);
    // At first it is asked whether it is there as it was.
    assert_eq!(log[1..], ["20: open 0", "21: close ConnectTimeout", "21.25: open 0"]);
    // So it is where no source has longer.
    let short = Times { connect: Duration::from_secs(1), ..TIMES };
    let mut log = play_with(short, 1, &script, 29.0);
    log.retain(|line| !line.contains(": air "));
    assert_eq!(log[1..], ["20: open 0", "21: close ConnectTimeout", "21.25: open 0"]);
}

#[test]
fn media_that_came_ahead_of_time_is_played_before_its_source_stands_still() {
    let at = |seconds: f64| Moment::new(Duration::from_secs_f64(seconds));
    let hedge = Some(Duration::from_secs(1));
    let mut life = Lifecycle::new(Times { hedge, ..TIMES }, failover_of(2));
    life.handle_event(at(0.0), Event::ReadersPresent);
    life.handle_event(at(0.0), Event::Granted(AttemptId(1)));
    life.handle_event(at(0.1), Event::InSync(AttemptId(1)));
    life.set_ahead(AttemptId(1), Duration::from_secs(6));
    life.handle_event(at(0.2), Event::KeyframeReady(AttemptId(1)));
    // The next is opened beside it when it is late, and not in each lull.
    assert_eq!(life.poll_timeout(), Some(at(0.2 + 6.0 + 1.0)));
    life.handle_event(at(6.0), Event::Progress(AttemptId(1)));
    assert_eq!(life.poll_timeout(), Some(at(13.0)));
    life.handle_timeout(at(13.0));
    assert_eq!(
        life.poll_timeout(),
        Some(at(15.0)),
        "it fails when it has stood still for long enough after that"
    );
}
