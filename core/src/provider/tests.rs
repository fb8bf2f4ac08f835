//! A script of inputs in, a log of actions out.

use super::*;
use Demand::{Lingering, Watched};
use Purpose::{Active, Archive, Hedge, Probe, Retry};

/// Inputs. Claims and leases are known by the number of their claim, from 1.
#[derive(Clone, Copy)]
enum Say {
    /// A channel, its priority, and what for.
    Claim(char, i32, Purpose),
    Withdraw(u64),
    Release(u64),
    Demand(u64, Demand),
    Purpose(u64, Purpose),
    Priority(u64, i32),
    Limit(usize),
    Removed,
}
use Say::{Claim as C, Release, Withdraw};

const LIMITS: Limits = Limits { connections: 1, probes: 1, settle: Duration::ZERO };

/// Plays `script` (milliseconds, input) and the timeouts between, up to 20 seconds.
fn play(limits: Limits, script: &[(u64, Say)]) -> Vec<String> {
    let mut ledger = Ledger::new(limits);
    let mut log = Vec::new();
    let end = (20_000, None);
    for (at, say) in script.iter().map(|&(at, say)| (at, Some(say))).chain([end]) {
        let now = Moment::from_millis(at);
        while let Some(timeout) = ledger.poll_timeout().filter(|&timeout| timeout <= now) {
            ledger.handle_timeout(timeout);
            drain(&mut ledger, timeout, &mut log);
        }
        match say {
            None => {}
            Some(C(channel, priority, purpose)) => {
                ledger.handle_claim(now, Claim { channel, priority, purpose });
            }
            Some(Withdraw(of)) => ledger.handle_withdrawal(now, Ticket(of)),
            Some(Release(of)) => ledger.handle_release(now, Ticket(of)),
            Some(Say::Demand(of, demand)) => {
                ledger.handle_demand(now, Ticket(of), demand);
            }
            Some(Say::Purpose(of, purpose)) => {
                ledger.handle_purpose(now, Ticket(of), purpose);
            }
            Some(Say::Priority(of, priority)) => {
                ledger.handle_priority(now, Ticket(of), priority);
            }
            Some(Say::Limit(connections)) => {
                ledger.handle_limits(now, Some(Limits { connections, ..limits }));
            }
            Some(Say::Removed) => ledger.handle_limits(now, None),
        }
        drain(&mut ledger, now, &mut log);
    }
    log
}

fn drain(ledger: &mut Ledger<char>, now: Moment, log: &mut Vec<String>) {
    while let Some(action) = ledger.poll_action() {
        let what = match action {
            Action::Grant(Ticket(of)) => format!("grant {of}"),
            Action::Refuse(Ticket(of), why) => format!("refuse {of} {why:?}"),
            Action::Yield { ticket: Ticket(of), to: Ticket(to) } => format!("yield {of} to {to}"),
        };
        log.push(format!("{} {what}", now.elapsed().as_millis()));
    }
}

fn of(connections: usize) -> Limits {
    Limits { connections, ..LIMITS }
}

#[test]
fn what_is_free_is_granted_and_what_is_not_is_refused_after_some_patience() {
    let script = [(0, C('a', 0, Active)), (0, C('b', 0, Active)), (0, C('c', 0, Active))];
    assert_eq!(
        play(of(2), &script),
        ["0 grant 1", "0 grant 2", "1000 refuse 3 AllTaken"],
        "equals do not yield"
    );
}

#[test]
fn who_waits_gets_what_is_released() {
    let script =
        [(0, C('a', 0, Active)), (10, C('b', 0, Active)), (20, C('c', 0, Active)), (500, Release(1))];
    assert_eq!(play(LIMITS, &script), ["0 grant 1", "500 grant 2", "1020 refuse 3 AllTaken"]);
}

#[test]
fn a_higher_priority_waits_in_front() {
    let script = [
        (0, C('a', 5, Active)),
        (10, C('b', 0, Active)),
        (20, C('c', 1, Active)),
        (30, C('d', 1, Active)),
        (100, Release(1)),
        (200, Release(3)),
        (300, Release(4)),
    ];
    assert_eq!(play(LIMITS, &script), ["0 grant 1", "100 grant 3", "200 grant 4", "300 grant 2"]);
}

#[test]
fn a_retry_waits_behind_all_others_and_interrupts_no_viewers() {
    let script = [
        (0, C('a', 0, Active)),
        (10, C('b', 9, Retry)),
        (20, C('c', 5, Retry)),
        (30, C('d', -5, Active)),
        (100, Release(1)),
        (200, Release(4)),
        (300, Release(2)),
    ];
    assert_eq!(play(LIMITS, &script), ["0 grant 1", "100 grant 4", "200 grant 2", "300 grant 3"]);
}

#[test]
fn a_retry_yields_to_what_may_play_and_not_to_a_retry() {
    let script = [
        (0, C('a', 9, Retry)),
        (10, C('b', 10, Retry)),
        (20, C('c', -5, Active)),
        (30, Release(1)),
        // Once it plays, it has its priority again.
        (40, Release(3)),
        (50, Say::Purpose(2, Active)),
        (60, C('d', 9, Active)),
        (70, C('e', 11, Active)),
        (80, Release(2)),
    ];
    assert_eq!(
        play(LIMITS, &script),
        [
            "0 grant 1",
            "20 yield 1 to 3",
            "30 grant 3",
            "40 grant 2",
            "70 yield 2 to 5",
            "80 grant 5",
            "1060 refuse 4 AllTaken"
        ]
    );
}

#[test]
fn a_retry_takes_what_nobody_watches_and_no_hedge() {
    let script = [
        (0, C('a', 0, Active)),
        (0, C('b', 0, Hedge)),
        (1, C('c', 9, Retry)),
        (10, Say::Demand(1, Lingering)),
        (20, Release(1)),
    ];
    assert_eq!(play(of(2), &script)[2..], ["10 yield 1 to 3", "20 grant 3"]);
}

#[test]
fn an_archive_takes_what_is_free_a_probe_has_or_nobody_watches() {
    let given = ["0 grant 1", "1 yield 1 to 2", "2 grant 2"];
    let refused = ["0 grant 1", "1001 refuse 2 AllTaken"];
    for (held, expected) in [
        (&[(0, C('a', 0, Probe))][..], &given[..]),
        (&[(0, C('a', 0, Active)), (0, Say::Demand(1, Lingering))], &given),
        (&[(0, C('a', 0, Hedge))], &refused),
        (&[(0, C('a', 0, Retry))], &refused),
        (&[(0, C('a', 0, Archive))], &refused),
        (&[(0, C('a', -5, Active))], &refused),
    ] {
        let released = expected.len() == given.len();
        let released = released.then_some((2, Release(1)));
        let script: Vec<_> = held.iter().copied().chain([(1, C('b', 9, Archive))]).chain(released).collect();
        assert_eq!(play(LIMITS, &script), expected, "{:?}", play(LIMITS, held));
    }
}

#[test]
fn an_archive_yields_to_a_live_claim_of_its_priority() {
    for (live, purpose, is_served) in
        [(1, Active, true), (0, Active, true), (-1, Active, false), (9, Retry, false), (9, Hedge, false)]
    {
        let log = play(LIMITS, &[(0, C('a', 0, Archive)), (1, C('b', live, purpose))]);
        assert_eq!(log[1] == "1 yield 1 to 2", is_served, "{live} {purpose:?}: {log:?}");
    }
    // A watched channel of lower priority is left alone where there is an archive.
    let script = [(0, C('a', -1, Active)), (0, C('b', 0, Archive)), (1, C('c', 0, Active))];
    assert_eq!(play(of(2), &script)[2], "1 yield 2 to 3");
    // Retries give way before it.
    let script = [(0, C('a', 0, Archive)), (0, C('b', 0, Retry)), (1, C('c', 0, Active))];
    assert_eq!(play(of(2), &script)[2], "1 yield 2 to 3");
}

#[test]
fn an_archive_waits_behind_live_claims_and_before_retries() {
    let script = [
        (0, C('a', 5, Active)),
        (10, C('b', 9, Retry)),
        (20, C('c', 5, Archive)),
        (30, C('d', -5, Active)),
        (100, Release(1)),
        (200, Release(4)),
        (300, Release(3)),
    ];
    assert_eq!(play(LIMITS, &script), ["0 grant 1", "100 grant 4", "200 grant 3", "300 grant 2"]);
}

#[test]
fn probes_yield_before_hedges_then_who_lingers_then_lower_priorities() {
    // The channel a has the lowest priority, and yet is the last to lose its place but for e.
    let script = [
        (0, C('a', -5, Active)),
        (0, C('b', 9, Active)),
        (0, Say::Demand(2, Lingering)),
        (0, C('c', 9, Hedge)),
        (0, C('d', 9, Probe)),
        (0, C('e', 0, Active)),
        (1, C('f', 0, Active)),
        (2, C('g', 0, Active)),
        (3, C('h', 0, Active)),
        (4, C('i', 0, Active)),
        (5, C('j', 0, Active)),
    ];
    assert_eq!(
        play(of(5), &script)[5..9],
        ["1 yield 4 to 6", "2 yield 3 to 7", "3 yield 2 to 8", "4 yield 1 to 9"]
    );
    assert_eq!(play(of(5), &script)[9], "1005 refuse 10 AllTaken");
}

#[test]
fn of_watched_channels_the_lowest_priority_yields_and_of_these_the_youngest() {
    let script = [
        (0, C('a', 1, Active)),
        (0, C('b', 0, Active)),
        (0, C('c', 0, Active)),
        (0, C('d', 2, Active)),
        (1, C('e', 2, Active)),
        (2, C('f', 2, Active)),
        (3, C('g', 2, Active)),
        (4, C('h', 2, Active)),
    ];
    let log = play(of(4), &script);
    assert_eq!(log[4..7], ["1 yield 3 to 5", "2 yield 2 to 6", "3 yield 1 to 7"]);
    assert_eq!(log[7], "1004 refuse 8 AllTaken");
}

#[test]
fn a_channel_is_not_asked_for_its_own_sake() {
    for own in [
        &[(0, C('a', 0, Hedge))][..],
        &[(0, C('a', 0, Active)), (0, Say::Demand(1, Lingering))],
        &[(0, C('a', -1, Active))],
    ] {
        let script = [own, &[(1, C('a', 0, Active))]].concat();
        assert_eq!(play(LIMITS, &script), ["0 grant 1", "1001 refuse 2 AllTaken"]);
    }
    assert_eq!(
        play(LIMITS, &[(0, C('a', 0, Probe)), (1, C('a', 0, Active)), (2, Release(1))]),
        ["0 grant 1", "1 yield 1 to 2", "2 grant 2"]
    );
}

#[test]
fn a_claim_waits_until_who_yields_is_gone() {
    let asked = [(0, C('a', 0, Active)), (1000, Say::Demand(1, Lingering)), (2000, C('b', 0, Active))];
    let log = |released: u64| play(LIMITS, &[&asked[..], &[(released, Release(1))]].concat());
    assert_eq!(log(2001), ["0 grant 1", "2000 yield 1 to 2", "2001 grant 2"]);
    assert_eq!(log(7999), ["0 grant 1", "2000 yield 1 to 2", "7999 grant 2"]);
    assert_eq!(log(8000), ["0 grant 1", "2000 yield 1 to 2", "8000 refuse 2 AllTaken"]);
}

#[test]
fn a_closed_connection_is_counted_until_it_has_settled() {
    let limits = Limits { settle: Duration::from_secs(3), ..LIMITS };
    let script = [
        (0, C('a', 0, Active)),
        (1000, Release(1)),
        (1500, C('b', 0, Hedge)),
        (2000, C('b', 0, Active)),
        (2001, C('c', 0, Active)),
    ];
    assert_eq!(
        play(limits, &script),
        ["0 grant 1", "1500 refuse 2 AllTaken", "3001 refuse 4 AllTaken", "4000 grant 3"]
    );
    let script = [(0, C('a', 0, Active)), (1000, Release(1)), (4000, C('b', 0, Hedge))];
    assert_eq!(play(limits, &script), ["0 grant 1", "4000 grant 2"]);
    let script = [(0, C('a', 0, Active)), (1000, Withdraw(1)), (1001, C('b', 0, Active))];
    assert_eq!(play(limits, &script), ["0 grant 1", "1001 grant 2"], "nothing was opened");
}

#[test]
fn a_claim_waits_for_a_connection_that_settles_for_long() {
    // Longer than a lease takes to yield, and a claim waits otherwise.
    let limits = Limits { settle: Duration::from_secs(8), ..LIMITS };
    let script = [(0, C('a', 0, Active)), (1000, C('b', 5, Active)), (5000, Release(1))];
    assert_eq!(play(limits, &script), ["0 grant 1", "1000 yield 1 to 2", "13000 grant 2"]);
}

#[test]
fn hedges_and_probes_only_take_what_is_free() {
    let script = [(0, C('a', 0, Active)), (0, C('b', 9, Hedge)), (0, C('c', 9, Probe))];
    assert_eq!(play(LIMITS, &script), ["0 grant 1", "0 refuse 2 AllTaken", "0 refuse 3 AllTaken"]);
    let script = [
        (0, C('a', 0, Probe)),
        (0, C('b', 0, Probe)),
        (0, C('b', 0, Hedge)),
        (1, Release(1)),
        (2, C('c', 0, Probe)),
    ];
    assert_eq!(play(of(3), &script), ["0 grant 1", "0 refuse 2 TooManyProbes", "0 grant 3", "2 grant 4"]);
}

#[test]
fn what_a_lease_becomes_counts() {
    // A hedge that has become active is no victim any more.
    let script = [(0, C('a', 0, Hedge)), (1, Say::Purpose(1, Active)), (2, C('b', 0, Active))];
    assert_eq!(play(LIMITS, &script), ["0 grant 1", "1002 refuse 2 AllTaken"]);
    // Who lingers while somebody waits yields, and who is watched again before does not.
    let script =
        [(0, C('a', 0, Active)), (1, C('b', 0, Active)), (2, Say::Demand(1, Lingering)), (3, Release(1))];
    assert_eq!(play(LIMITS, &script), ["0 grant 1", "2 yield 1 to 2", "3 grant 2"]);
    let script = [
        (0, C('a', 0, Active)),
        (1, Say::Demand(1, Lingering)),
        (2, Say::Demand(1, Watched)),
        (3, C('b', 0, Active)),
        (4, Say::Priority(1, -1)),
    ];
    assert_eq!(
        play(LIMITS, &script),
        ["0 grant 1", "4 yield 1 to 2", "6003 refuse 2 AllTaken"],
        "its priority fell"
    );
}

#[test]
fn one_lease_is_asked_for_each_claim_and_only_once() {
    let script = [
        (0, C('a', 0, Active)),
        (0, C('b', 0, Active)),
        (1, C('c', 1, Active)),
        (2, C('d', 1, Active)),
        (3, Withdraw(3)),
        (4, C('e', 1, Active)),
        (5, Release(2)),
        (6, Release(1)),
    ];
    assert_eq!(
        play(of(2), &script),
        ["0 grant 1", "0 grant 2", "1 yield 2 to 3", "2 yield 1 to 4", "5 grant 4", "6 grant 5"]
    );
}

#[test]
fn a_lower_limit_ends_nothing_and_grants_no_more() {
    let script = [
        (0, C('a', 0, Active)),
        (0, C('b', 0, Active)),
        (1, Say::Limit(1)),
        (2, Release(1)),
        (3, C('c', 0, Active)),
        (4, Release(2)),
    ];
    assert_eq!(play(of(2), &script), ["0 grant 1", "0 grant 2", "4 grant 3"]);
    // Both would have to yield for one place: so it is asked of none, or of both.
    let start = [(0, C('a', 0, Active)), (0, C('b', 1, Active)), (1, Say::Limit(1))];
    let log = |priority| play(of(2), &[&start[..], &[(2, C('c', priority, Active))]].concat());
    assert_eq!(log(1)[2..], ["1002 refuse 3 AllTaken"]);
    assert_eq!(log(2)[2..], ["2 yield 1 to 3", "2 yield 2 to 3", "6002 refuse 3 AllTaken"]);
}

#[test]
fn a_higher_limit_serves_who_waits() {
    let script = [(0, C('a', 0, Active)), (1, C('b', 0, Active)), (2, C('c', 0, Active)), (3, Say::Limit(3))];
    assert_eq!(play(LIMITS, &script), ["0 grant 1", "3 grant 2", "3 grant 3"]);
}

#[test]
fn a_provider_that_is_removed_refuses_and_keeps_count_of_what_is_open() {
    let script = [
        (0, C('a', 0, Active)),
        (1, C('b', 0, Active)),
        (2, Say::Removed),
        (3, C('c', 0, Active)),
        (4, Say::Limit(1)),
        (5, C('d', 0, Active)),
        (6, Release(1)),
    ];
    assert_eq!(play(LIMITS, &script), ["0 grant 1", "2 refuse 2 Removed", "3 refuse 3 Removed", "6 grant 4"]);
}

#[test]
fn no_more_wait_than_could_ever_be_served() {
    let claims = vec![(0, C('b', 0, Active)); MAX_WAITING + 1];
    let log = play(LIMITS, &[&[(0, C('a', 0, Active))], &claims[..]].concat());
    assert_eq!(log[1], format!("0 refuse {} AllTaken", MAX_WAITING + 2));
}

#[test]
fn how_things_stand_is_told() {
    let mut ledger = Ledger::new(of(2));
    let claim = |channel, priority| Claim { channel, priority, purpose: Active };
    let now = Moment::ZERO;
    for channel in ["a", "b"] {
        ledger.handle_claim(now, claim(channel, 0));
    }
    ledger.handle_claim(now, claim("c", 1));
    ledger.handle_claim(now, claim("d", 0));
    let all = Usage {
        limit: 2,
        open: 2,
        yielding: 1,
        settling: 0,
        waiting: 2,
        granted_total: 2,
        refused_total: 0,
        preempted_total: 1,
    };
    assert_eq!(ledger.usage(now), all);
    ledger.handle_timeout(now + CLAIM_PATIENCE);
    assert_eq!(ledger.usage(now), Usage { waiting: 1, refused_total: 1, ..all });
    ledger.handle_limits(now, None);
    assert!(!ledger.is_over());
    for ticket in [1, 2] {
        ledger.handle_release(now, Ticket(ticket));
    }
    assert!(ledger.is_over());

    let settle = Duration::from_secs(2);
    let mut ledger = Ledger::new(Limits { settle, ..of(2) });
    ledger.handle_claim(now, claim("a", 0));
    ledger.handle_release(now, Ticket(1));
    let settling = |ledger: &Ledger<_>, after| ledger.usage(now + after).settling;
    // Nobody waits, so nothing wakes the ledger when that time is over.
    assert_eq!([settling(&ledger, settle / 2), settling(&ledger, settle)], [1, 0]);
}
