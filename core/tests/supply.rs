//! Judging sources that come in parts and are read by media time, as HLS is: who is slow,
//! how soon that is known, and who is not.

#[path = "support/muxer.rs"]
mod muxer;
#[path = "support/programme.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod programme;

use std::time::Duration;

use forebay_core::health::{Inspector, Rule, Rules};
use forebay_core::pacer::Pacer;
use forebay_core::time::{MediaTime, Moment, Pts};

use programme::{Programme, Shot, mix, shot};

/// Milliseconds from one picture to the next.
const PICTURE: u64 = 40;

/// Parts of a source, each with how long it plays, and when its first and last bytes come, in
/// milliseconds.
type Parts = Vec<(u64, u64, u64)>;

/// What a viewer of it has seen.
#[derive(Debug, Default)]
struct Seen {
    /// When the rule fired, and what it said.
    fault: Option<(u64, String)>,
    /// Since when viewers lacked media, at the end.
    short_since: Option<u64>,
}

/// Reads a source as a driver does, with so much of it at once, until it is at fault.
fn watch(parts: &Parts, lead: u64) -> Seen {
    let mut inspector = Inspector::new(Rules::default(), None);
    inspector.set_paced();
    let mut pacer = Pacer::new(Duration::from_millis(lead));
    let mut programme = Programme::new(Pts::new(Pts::WRAP - 90_000 * 30));
    let (mut now, mut pictures, mut seen) = (0, 0, Seen::default());
    for (index, &(length, from, to)) in parts.iter().enumerate() {
        let count = length / PICTURE;
        for picture in 0..count {
            let comes = from + (to - from) * (picture + 1) / count;
            // A player stands still while it has nothing.
            if comes.saturating_sub(parts[0].1) > pictures * PICTURE {
                seen.short_since.get_or_insert(pictures * PICTURE + parts[0].1);
            }
            now = comes.max(now);
            if picture == 0 && index > 0 {
                inspector.handle_part(Moment::from_millis(now));
            }
            inspector.push(Moment::from_millis(now), &programme.next(&Shot { size: 1, ..shot(pictures) }));
            if let Some(fault) = inspector.poll_fault() {
                assert_eq!(fault.rule, Rule::Slow);
                return Seen { fault: Some((now, fault.to_string())), ..seen };
            }
            pictures += 1;
            let position = MediaTime::new(i64::try_from(pictures * PICTURE * 90).expect("a short programme"));
            let due = pacer.due(Moment::from_millis(now), position);
            now = u64::try_from(due.elapsed().as_millis()).expect("a short programme").max(now);
        }
    }
    seen
}

/// Live parts of this length, of which the first three are there at once: when each would come if
/// nothing were wrong.
fn live(length: u64, stored: u64, count: u64) -> Vec<u64> {
    (0..count).map(|number| (number + 1).saturating_sub(stored) * length).collect()
}

/// Parts that come whole, each after so many milliseconds.
fn whole(length: u64, at: impl IntoIterator<Item = u64>) -> Parts {
    at.into_iter().map(|at| (length, at, at)).collect()
}

#[test]
fn slow_sources_are_noticed_soon_after_viewers_notice() {
    for length in [1_000, 2_000, 4_000, 6_000, 10_000] {
        for percent in [25, 40, 50, 70] {
            for stored in [1, 3] {
                for lead in [0, 2_000, 5_000] {
                    let on_time = live(length, stored, 60);
                    let begin = 12 * length;
                    let slowly = |at: u64| if at < begin { at } else { begin + (at - begin) * 100 / percent };
                    let list = whole(length, on_time.iter().map(|&at| slowly(at)));
                    let drip = on_time
                        .iter()
                        .map(|&at| (length, slowly(at.saturating_sub(length).max(at.min(begin))), slowly(at)))
                        .collect();
                    for (name, parts) in [("a slow list", list), ("a slow drip", drip)] {
                        let seen = watch(&parts, lead);
                        let case =
                            format!("{name}: {length} ms, {percent} %, {stored} stored, {lead} ms of lead");
                        let (at, text) = seen.fault.unwrap_or_else(|| panic!("{case}: not noticed"));
                        // What it takes to fall behind by so much at this pace, and the part in
                        // which it does.
                        let lag = 5_000.max(length * 3 / 2);
                        let most = lag * 100 / (100 - percent) + 2 * length * 100 / percent;
                        let took = at - seen.short_since.unwrap_or(at);
                        assert!(took <= most, "{case}: {took} ms after viewers were short, {text}");
                    }
                }
            }
        }
    }
}

#[test]
fn healthy_sources_are_left_alone() {
    for length in [1_000, 2_000, 6_000] {
        let on_time = |stored| live(length, stored, 60);
        let late = |late: fn(u64) -> u64| {
            whole(length, (0..).zip(on_time(1)).map(|(n, at)| at + late(n) * length / 100))
        };
        let stall = (3 * length).max(6_000) - 100;
        let pause = |at: u64, stays: bool| {
            let (from, to) = (20 * length, 20 * length + stall);
            if at < from {
                at
            } else if stays {
                at + stall
            } else {
                at.max(to)
            }
        };
        let cases: [(&str, Parts); 14] = [
            ("three stored", whole(length, on_time(3))),
            ("one stored", whole(length, on_time(1))),
            (
                "each comes as slowly as it may",
                on_time(1).iter().map(|&at| (length, at, at + length)).collect(),
            ),
            ("from some time on a part late", late(|n| if n < 20 { 0 } else { 100 })),
            ("one of them a part late", late(|n| if n == 20 { 100 } else { 0 })),
            ("up to a part late, by chance", late(|n| mix(n) % 100)),
            ("half a part late, and then a whole one", late(|n| (n / 20 * 50).min(100))),
            (
                "a list that is asked for every half part",
                whole(length, on_time(1).iter().map(|at| (at + 7).next_multiple_of(length / 2))),
            ),
            ("a pause, made up for", whole(length, on_time(3).iter().map(|&at| pause(at, false)))),
            ("a pause that stays", whole(length, on_time(3).iter().map(|&at| pause(at, true)))),
            (
                "a pause that stays, and nothing stored",
                whole(length, on_time(1).iter().map(|&at| pause(at, true))),
            ),
            (
                "a pause made up for, and nothing stored",
                whole(length, on_time(1).iter().map(|&at| pause(at, false))),
            ),
            ("a clock that is 1 % slow", whole(length, on_time(1).iter().map(|&at| at + at / 100))),
            (
                "parts of all lengths",
                (0..60)
                    .scan(0, |end, n| {
                        let one = (length / 2 + mix(n) % length).next_multiple_of(PICTURE);
                        *end += one;
                        Some((one, *end, *end))
                    })
                    .collect(),
            ),
        ];
        for (name, parts) in cases {
            for lead in [0, 2_000, 5_000] {
                let seen = watch(&parts, lead);
                assert_eq!(seen.fault, None, "{name}, of {length} ms, with a lead of {lead} ms");
            }
        }
    }
}

/// Half an hour of a network that stands still now and then, and of lists that are late.
#[test]
fn thirty_minutes_of_jitter_are_no_fault() {
    for seed in 0..5 {
        for length in [1_000, 2_000, 6_000] {
            let mut open_at = 0;
            let parts = (0..).zip(live(length, 1 + seed % 3, 30 * 60_000 / length)).map(|(number, at)| {
                let chance = |limit| mix(seed << 40 | number << 8 | 7) % limit;
                let late = mix(seed << 40 | number << 8) % (length / 2);
                let begins = (at + late).max(open_at);
                let hiccup = if chance(20) == 0 { 2_000 } else { 0 };
                open_at = begins + length / 5 + hiccup;
                (length, begins, open_at)
            });
            let parts = parts.collect();
            assert_eq!(watch(&parts, 2_000).fault, None, "seed {seed}, {length} ms");
        }
    }
}
