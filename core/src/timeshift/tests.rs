//! What is kept, what numbers it has, and what a damaged index is good for.

use proptest::prelude::*;

use super::index::{self, Index, RECORD};
use super::*;
use crate::ts::PACKET_SIZE;

const P: u64 = PACKET_SIZE as u64;

fn wall(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045 + seconds)
}

/// The segment of four seconds and a hundred packets that is shown `at` four seconds.
fn segment(number: u64, at: u64) -> Segment {
    Segment {
        number,
        start: at * 100 * P,
        end: (at + 1) * 100 * P,
        shown: MediaTime::new(at.cast_signed() * 4 * 90_000),
        wall: wall(at * 4),
        ticks: 4 * 90_000,
        is_discontinuous: false,
        is_independent: true,
    }
}

fn history(seconds: u64, count: u64) -> History {
    let mut history = History::new(limits(seconds), Vec::new());
    (0..count).for_each(|at| history.push(segment(at, at)));
    history
}

fn limits(seconds: u64) -> Limits {
    Limits { window: Duration::from_secs(seconds), bytes: u64::MAX }
}

fn numbers(history: &History) -> Vec<u64> {
    history.segments().map(|segment| segment.number).collect()
}

#[test]
fn the_past_is_bounded_in_time_and_in_bytes() {
    let mut history = history(20, 100);
    assert_eq!(numbers(&history), [94, 95, 96, 97, 98, 99], "what ended 20 s ago is there");
    assert_eq!((history.length(), history.bytes()), (Duration::from_secs(24), 600 * P));
    assert_eq!(history.tail(), Some(9400 * P));
    history.trim(wall(410));
    assert_eq!(numbers(&history), [97, 98, 99]);
    history.set_limits(Limits { bytes: 200 * P, ..limits(20) });
    history.push(segment(100, 100));
    assert_eq!(numbers(&history), [99, 100]);
    history.push(segment(102, 102));
    assert_eq!(numbers(&history), [102], "there is no gap");
    history.push(segment(103, 103));
    history.forget_before(10_201 * P);
    assert_eq!(numbers(&history), [103]);
    history.forget_behind(10_399 * P);
    assert_eq!((history.tail(), history.length(), history.bytes()), (None, Duration::ZERO, 0));
}

#[test]
fn a_stretch_of_time_is_the_segments_that_show_it() {
    let mut history = history(400, 10);
    // The channel was closed for a minute.
    history.push(Segment { wall: wall(100), is_discontinuous: true, ..segment(10, 10) });
    history.push(Segment { wall: wall(104), ..segment(11, 11) });
    for (from, until, now, expected) in [
        (0, 40, 108, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9][..]),
        (8, 12, 108, &[2]),
        (9, 13, 108, &[2, 3]),
        (39, 101, 108, &[9, 10]),
        (40, 100, 108, &[]),
        (0, 1000, 420, &[5, 6, 7, 8, 9, 10, 11]),
        (108, 1000, 108, &[]),
    ] {
        let extract = history.between(wall(from), wall(until), wall(now));
        let found: Vec<u64> = extract.segments.iter().map(|segment| segment.number).collect();
        assert_eq!(found, expected, "{from} to {until} at {now}");
    }
    assert_eq!(history.between(wall(106), wall(200), wall(108)).discontinuity_sequence, 1);
    let stretches = |now| history.stretches(wall(now));
    assert_eq!(stretches(108), [(wall(0), wall(40)), (wall(100), wall(108))]);
    assert_eq!(stretches(420), [(wall(20), wall(40)), (wall(100), wall(108))]);
    assert_eq!(stretches(600), []);
}

#[test]
fn a_clock_that_was_set_back_hides_nothing() {
    let mut history = history(4000, 3);
    // The clock was an hour ahead for two segments.
    for (number, seconds) in [(3, 3600), (4, 3604), (5, 20), (6, 24)] {
        history.push(Segment { wall: wall(seconds), ..segment(number, number) });
    }
    for (from, until, expected) in [
        (20, 28, &[5, 6][..]),
        (24, 28, &[6]),
        (3600, 3700, &[3, 4]),
        (8, 24, &[2, 3, 4, 5]),
        (100, 200, &[]),
    ] {
        let extract = history.between(wall(from), wall(until), wall(28));
        let found: Vec<u64> = extract.segments.iter().map(|segment| segment.number).collect();
        assert_eq!(found, expected, "{from} to {until}");
    }
}

#[test]
fn what_is_older_than_is_kept_has_no_number_any_more() {
    let history = history(20, 5);
    let kept = |now| (0..5).filter(|&number| history.find_kept(number, wall(now)).is_some()).count();
    assert_eq!((kept(20), kept(28), kept(39), kept(40)), (5, 3, 1, 0));
}

#[test]
fn a_byte_a_time_and_a_number_are_found() {
    let history = history(4000, 10);
    for (offset, number) in [(0, Some(0)), (99, Some(0)), (100, Some(1)), (999, Some(9)), (1000, None)] {
        assert_eq!(history.at(offset * P).map(|segment| segment.number), number, "{offset}");
    }
    for (number, is_there) in [(0, true), (9, true), (10, false)] {
        assert_eq!(history.find(number).is_some(), is_there, "{number}");
    }
    let reach = |from: u64, second: i64| {
        history.reach(from * P, MediaTime::new(second * 90_000)).map(|segment| segment.number)
    };
    for (from, second, number) in [
        (0, 7, Some(1)),
        (0, 8, Some(2)),
        (0, -5, Some(0)),
        (500, 7, Some(5)),
        (500, 99, Some(9)),
        (1000, 7, None),
    ] {
        assert_eq!(reach(from, second), number, "{from}, {second}");
    }
}

#[test]
fn an_extract_reaches_back_as_far_as_is_asked_and_counts_discontinuities() {
    let mut history = History::new(limits(4000), Vec::new());
    history.resume(SequenceNumbers { segment: 0, discontinuity: 7, target: None });
    for at in 0..10 {
        history.push(Segment { is_discontinuous: at % 3 == 0, ..segment(at, at) });
    }
    for (seconds, first, before) in [(4, 9, 10), (5, 8, 10), (12, 7, 10), (16, 6, 9), (4000, 0, 7)] {
        let extract = history.extract(Duration::from_secs(seconds));
        assert_eq!(
            (extract.segments[0].number, extract.discontinuity_sequence),
            (first, before),
            "{seconds}"
        );
        assert_eq!(extract.segments.last().unwrap().number, 9);
    }
    // What was let go of counts as before.
    history.forget_before(450 * P);
    let extract = history.extract(Duration::from_secs(4000));
    assert_eq!((extract.segments[0].number, extract.discontinuity_sequence), (5, 9));
}

#[test]
fn numbers_go_on_or_are_new() {
    let known = || {
        History::new(limits(4000), vec![segment(5, 0), Segment { is_discontinuous: true, ..segment(6, 1) }])
    };
    let at = |segment, discontinuity| SequenceNumbers { segment, discontinuity, target: None };
    for (asked, got, first, before) in [
        (at(7, 3), at(7, 3), 5, 2),
        (at(263, 19), at(265, 20), 263, 19),
        (at(0, 0), at(2, 1), 0, 0),
        (at(7, 0), at(9, 1), 7, 0),
    ] {
        let mut history = known();
        assert_eq!(history.resume(asked), got, "{asked:?}");
        let extract = history.extract(Duration::MAX / 4);
        assert_eq!(
            (extract.segments[0].number, extract.discontinuity_sequence),
            (first, before),
            "{asked:?}"
        );
        history.push(segment(got.segment, 2));
        assert!(history.find(got.segment).is_some());
    }
    assert_eq!(History::new(limits(1), Vec::new()).resume(at(9, 4)), at(9, 4));
    // One between them is lost.
    let after_a_gap = Segment { is_discontinuous: true, ..segment(7, 2) };
    let mut history = History::new(limits(4000), vec![segment(5, 0), after_a_gap]);
    assert_eq!(history.resume(at(8, 1)), at(10, 2));
    assert_eq!(history.segments().map(|segment| segment.number).collect::<Vec<_>>(), [8, 9]);
}

fn file(segments: &[Segment]) -> Vec<u8> {
    let records = segments.iter().flat_map(index::encode);
    index::head().into_iter().chain(records).collect()
}

#[test]
fn an_index_is_read_as_far_as_it_is_good() {
    let segments: Vec<Segment> = (0..5).map(|at| segment(at + 40, at)).collect();
    let whole = file(&segments);
    assert_eq!(whole.len(), 6 * RECORD);
    let read = |bytes: &[u8]| index::read(bytes).unwrap();
    assert_eq!(read(&whole), Index { segments: segments.clone(), is_whole: true });
    for (cut, count) in [(RECORD, 0), (RECORD + 1, 0), (3 * RECORD - 1, 1), (3 * RECORD, 2)] {
        let index = read(&whole[..cut]);
        assert_eq!((index.segments.len(), index.is_whole), (count, cut % RECORD == 0), "{cut}");
    }
    let mut damaged = whole.clone();
    damaged[4 * RECORD + 9] ^= 1;
    // The record that is damaged, and no other: behind it, time may have jumped.
    let after_a_gap = Segment { is_discontinuous: true, ..segments[4] };
    let left = Index { segments: [&segments[..3], &[after_a_gap]].concat(), is_whole: false };
    assert_eq!(read(&damaged), left);
    // What is left is whole when it is written anew.
    assert_eq!(read(&file(&left.segments)), Index { is_whole: true, ..left.clone() });
    // Bytes are missing, or there are others.
    let missing = [&whole[..4 * RECORD + 5], &whole[4 * RECORD + 12..]].concat();
    assert_eq!(read(&missing), left);
    let more = [&whole[..2 * RECORD], b"more", &whole[2 * RECORD..]].concat();
    assert_eq!(read(&more), Index { segments: segments.clone(), is_whole: false });
    // The head is damaged.
    let headless = [&[b'x'; RECORD], &whole[RECORD..]].concat();
    assert_eq!(read(&headless), Index { segments: segments.clone(), is_whole: false });
    // The zeros of a block that never got to the disk.
    damaged[2 * RECORD..].fill(0);
    assert_eq!(read(&damaged).segments, segments[..1]);
    for stranger in [&b""[..], b"#EXTM3U\n", &whole[..RECORD - 1], &[b'x'; 5 * RECORD]] {
        assert_eq!(index::read(stranger), None);
    }
}

#[test]
fn what_does_not_follow_begins_anew() {
    for odd in [segment(2, 1), segment(1, 2)] {
        let index = index::read(&file(&[segment(0, 0), segment(1, 1), odd])).unwrap();
        assert_eq!(index, Index { segments: vec![odd], is_whole: false }, "{odd:?}");
    }
}

#[test]
fn what_cannot_be_is_damage() {
    let good = segment(0, 1);
    for bad in [
        Segment { end: good.start, ..good },
        Segment { start: 1, ..good },
        Segment { end: good.end + 7, ..good },
        Segment { ticks: 0, ..good },
        Segment { ticks: i64::MAX, ..good },
        Segment { end: u64::MAX / P * P, ..good },
    ] {
        assert_eq!(index::read(&file(&[bad])).unwrap(), Index::default(), "{bad:?}");
    }
}

prop_compose! {
    fn any_segments()(
        first in 0_u64..1 << 40,
        offset in 0_u64..1 << 40,
        parts in prop::collection::vec((1_u64..50_000, 0_u64..100, 1_i64..9_000_000, any::<i64>(), 0_u64..1 << 50, any::<[bool; 2]>()), 0..20),
    ) -> Vec<Segment> {
        let mut end = offset * P;
        let make = |(at, (packets, gap, ticks, shown, micros, flags))| {
            let [is_discontinuous, is_independent]: [bool; 2] = flags;
            let start = end + gap * P;
            end = start + packets * P;
            let wall = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
            let shown = MediaTime::new(shown);
            Segment { number: first + at, start, end, shown, wall, ticks, is_discontinuous, is_independent }
        };
        (0..).zip(parts).map(make).collect()
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(segments in any_segments()) {
        prop_assert_eq!(index::read(&file(&segments)), Some(Index { segments, is_whole: true }));
    }

    #[test]
    fn damage_costs_no_more_than_what_it_touches(
        segments in any_segments(), at in 0_usize..20 * RECORD, bit in 0_u8..8, cut in 0_usize..21 * RECORD,
    ) {
        let mut bytes = file(&segments);
        let at = RECORD + at;
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1_u8 << bit;
        }
        bytes.truncate(RECORD + cut);
        let whole = segments.len().min(cut / RECORD);
        let left = segments[..whole].iter().enumerate().filter(|&(record, _)| record != at / RECORD - 1);
        let read = index::read(&bytes).unwrap().segments;
        let places = |segment: &Segment| (segment.number, segment.start, segment.end);
        let left: Vec<_> = left.map(|(_, segment)| places(segment)).collect();
        prop_assert_eq!(read.iter().map(places).collect::<Vec<_>>(), left);
    }

    #[test]
    fn anything_is_read(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let all = [&index::head()[..], &bytes].concat();
        let _ = (index::read(&bytes), index::read(&all));
    }
}
