//! Sound with a still picture now and then, as music channels and radio with slides send.

use super::*;

/// Plays 100 s with a picture every so many seconds, the clock with those only or every 400 ms.
fn play(seconds: u64, has_clock: bool) -> Splice {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    for n in 0..2_500 {
        let mut bytes = if n % 50 == 0 { source.tables() } else { Vec::new() };
        let dts = source.start + n * FRAME;
        if n % (seconds * 25) == 0 {
            let picture = h264::idr(1500);
            bytes.extend(source.muxer.pes(VIDEO, dts, None, &picture, Some((dts - source.delay) * 300)));
        } else if has_clock && n % 10 == 0 {
            bytes.extend(source.muxer.pcr(VIDEO, (dts - source.delay) * 300));
        }
        bytes.extend(source.sound(n));
        push(&mut splice, &bytes);
        assert!(splice.take_progress(), "sound goes on: frame {n}");
    }
    splice.finish();
    splice
}

#[test]
fn all_of_the_sound_passes_beside_still_pictures() {
    for seconds in [4, 6, 10, 30] {
        for has_clock in [false, true] {
            let splice = play(seconds, has_clock);
            let counts = splice.counts();
            assert_eq!((counts.clock_jumps, counts.splices, counts.units_dropped), (0, 0, 0), "{seconds} s");
            let pes = demux(&output(&splice));
            let times = times(&pes[&AUDIO]);
            assert_eq!((pes[&VIDEO].len() as u64, times.len()), (100_u64.div_ceil(seconds), 2_500));
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] == FRAME), "{seconds} s");
        }
    }
}

#[test]
fn what_was_sent_is_measured_by_the_sound_meanwhile() {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    push(&mut splice, &source.pictures(0..26));
    let begin = splice.reached().unwrap();
    for n in 26..126 {
        let sound = source.sound(n);
        push(&mut splice, &sound);
    }
    assert_eq!(splice.reached().unwrap().since(begin), Duration::from_secs(4));
    // Pictures that go on where they were do not take it back.
    let bytes = source.picture(26);
    push(&mut splice, &bytes);
    assert_eq!(splice.reached().unwrap().since(begin), Duration::from_secs(4));
}

#[test]
fn stamps_that_stand_still_are_no_progress_though_they_are_not_all_the_same() {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    push(&mut splice, &source.pictures(0..30));
    splice.take_progress();
    for n in 0..50 {
        // Of some pictures both stamps, of others only that to be shown.
        let (dts, pts) = (source.start + 31 * FRAME, source.start + 33 * FRAME);
        let dts = (n % 2 == 0).then_some(dts);
        let bytes = source.muxer.pes(VIDEO, pts, dts, &h264::predicted(700), None);
        push(&mut splice, &bytes);
        assert!(n < 3 || !splice.take_progress(), "picture {n}");
        splice.take_progress();
    }
}

/// As encoders and multiplexers that mistake the clock send.
#[test]
fn a_clock_that_stands_still_is_no_matter_where_the_stamps_go_on() {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    for n in 0..250 {
        source.delay = 18_000 + n * FRAME;
        push(&mut splice, &source.pictures(n..n + 1));
        assert!(n < 2 || splice.take_progress(), "picture {n}");
    }
    splice.finish();
    let bytes = output(&splice);
    assert_eq!(demux(&bytes)[&VIDEO].len(), 250);
    assert_eq!((splice.counts().clock_jumps, splice.counts().splices), (0, 0));
    // Players that go by the clock get one that goes on with the stamps.
    let packets = bytes.as_chunks::<PACKET_SIZE>().0.iter();
    let clocks: Vec<Pcr> = packets.filter_map(|bytes| super::super::Packet::new(bytes).pcr()).collect();
    let steps: Vec<i64> = clocks.windows(2).map(|pair| pair[1].since(pair[0]) / 300).skip(40).collect();
    assert!(steps.len() > 200 && steps.iter().all(|&step| step == FRAME.cast_signed()), "{steps:?}");
}
