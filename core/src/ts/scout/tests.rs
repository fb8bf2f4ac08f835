use forebay_testkit::ts::build::{Muxer, h264};
use forebay_testkit::ts::{Checker, Limits, demux};

use super::*;

const FRAME: u64 = 3_600;
const VIDEO: u16 = 0x100;

/// H.264 alone, a key frame every `gop` pictures; tables only at the beginning.
struct Source {
    muxer: Muxer,
    start: u64,
    gop: u64,
}

impl Source {
    fn new(start: u64, gop: u64) -> Self {
        Self { muxer: Muxer::new(0x1000, VIDEO).stream(VIDEO, 0x1b), start, gop }
    }

    fn pictures(&mut self, range: std::ops::Range<u64>) -> Vec<Bytes> {
        let mut out =
            if range.start == 0 { [self.muxer.pat(), self.muxer.pmt()].concat() } else { Vec::new() };
        for n in range {
            let slice = if n.is_multiple_of(self.gop) { h264::idr(1500) } else { h264::predicted(700) };
            let dts = self.start + n * FRAME;
            out.extend(self.muxer.pes(VIDEO, dts + FRAME, Some(dts), &slice, Some((dts - 18_000) * 300)));
        }
        let (packets, rest) = out.as_chunks::<PACKET_SIZE>();
        assert!(rest.is_empty());
        packets.to_vec()
    }
}

/// Plays 40 pictures of one source, and then what a scout hands over that has seen `seen` of
/// another; the output's checked decoding times.
fn switch(gop: u64, seen: u64) -> Vec<u64> {
    let mut splice = Splice::new(None);
    splice.push(&Source::new(900_000, 25).pictures(0..40));
    let mut other = Source::new(77_000_000, gop);
    let mut scout = Scout::new(None);
    let mut found = 0;
    for n in 0..seen {
        found += u64::from(scout.push(&other.pictures(n..n + 1)));
    }
    assert_eq!(found, (seen - 1) / gop + 1, "each key frame is told of once");
    assert!(scout.has_picture());
    scout.hand_over(&mut splice);
    assert!(splice.is_open());
    splice.push(&other.pictures(seen..seen + 30));
    splice.finish();
    let output = splice.output().0;
    Checker::check(output).assert_within(&Limits::default());
    demux(output)[&VIDEO].iter().filter_map(|pes| pes.dts).collect()
}

#[test]
fn the_last_group_becomes_active_whole_and_nothing_before_it() {
    for (gop, seen, sent) in [(25, 1, 1), (25, 10, 10), (25, 60, 10), (1, 30, 1), (2, 31, 1), (250, 240, 240)]
    {
        let times = switch(gop, seen);
        let steps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.iter().all(|&step| step == FRAME), "gop {gop}, seen {seen}: {steps:?}");
        assert_eq!(times.len() as u64, 40 + sent + 30, "gop {gop}, seen {seen}");
    }
}

#[test]
fn a_group_that_is_too_long_to_be_held_is_waited_out() {
    let mut source = Source::new(900_000, u64::MAX);
    let mut scout = Scout::new(None);
    assert!(scout.push(&source.pictures(0..3)) && scout.has_picture());
    // What is no part of the programme is not held.
    let padding = vec![Muxer::null().try_into().unwrap(); 2 * MAX_HELD];
    scout.push(&padding);
    assert!(scout.has_picture() && scout.memory() < 1 << 20, "{}", scout.memory());
    let group = source.pictures(3..30_000);
    assert!(group.len() > MAX_HELD);
    let mut was_lost = false;
    for packets in group.chunks(1000) {
        scout.push(packets);
        was_lost |= !scout.has_picture();
    }
    assert!(was_lost);
    // The next picture is another beginning.
    source.gop = 1;
    assert!(scout.push(&source.pictures(30_000..30_002)) && scout.has_picture());
    let mut splice = Splice::new(None);
    scout.hand_over(&mut splice);
    assert!(splice.is_open());
}

#[test]
fn a_source_without_key_frames_becomes_active_as_it_does_without_a_scout() {
    let mut source = Source::new(900_000, 25);
    source.pictures(0..1);
    let mut scout = Scout::new(None);
    let mut tables = source.muxer.pat();
    tables.extend(source.muxer.pmt());
    scout.push(tables.as_chunks::<PACKET_SIZE>().0);
    source.gop = u64::MAX;
    let found = (1..400).find(|&n| scout.push(&source.pictures(n..n + 1)));
    assert!(found.is_some_and(|n| n > 100), "{found:?}");
    let mut splice = Splice::new(None);
    scout.hand_over(&mut splice);
    assert!(splice.is_open());
}

#[test]
fn what_is_held_has_a_limit() {
    let mut source = Source::new(900_000, u64::MAX);
    let mut scout = Scout::new(None);
    for n in 0..40_000 {
        scout.push(&source.pictures(n..n + 1));
        assert!(scout.held.len() <= MAX_HELD);
    }
    assert!(scout.has_picture());
}
