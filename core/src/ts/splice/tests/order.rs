//! What becomes of the pictures, and of what runs beside them, where a source's stamps do not go on
//! as they should.

use super::*;

/// The decoding times of the pictures that come out.
fn pictures(bytes: &[u8]) -> Vec<u64> {
    times(&demux(bytes)[&VIDEO])
}

#[test]
fn a_jump_in_the_middle_of_a_group_loses_no_picture() {
    for jump in [20 * 90_000, 3_600 * 90_000, 8_000_000_000] {
        let mut splice = Splice::new(None);
        let mut source = Source::new();
        push(&mut splice, &source.pictures(0..40));
        source.start = (source.start + jump) % Pts::WRAP;
        push(&mut splice, &source.pictures(40..100));
        splice.finish();
        let bytes = output(&splice);
        check(&bytes);
        let steps: Vec<u64> = pictures(&bytes).windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(steps, [FRAME; 99], "a jump of {jump}");
        assert_eq!((splice.counts().clock_jumps, splice.counts().splices), (1, 1));
    }
}

#[test]
fn a_clock_that_jumps_alone_loses_no_picture() {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    for n in 0..100 {
        // Every second, one reference is 2 s behind.
        source.delay = if n % 25 == 7 { 198_000 } else { 18_000 };
        push(&mut splice, &source.pictures(n..n + 1));
    }
    splice.finish();
    let steps: Vec<u64> = pictures(&output(&splice)).windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(steps, [FRAME; 99]);
}

#[test]
fn a_jump_behind_which_something_is_lost_waits_for_a_random_access_point() {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    push(&mut splice, &source.pictures(0..40));
    source.start += 20 * 90_000;
    source.picture(40); // it is lost
    push(&mut splice, &source.pictures(41..100));
    splice.finish();
    let bytes = output(&splice);
    assert_eq!(Checker::check(&bytes).continuity_errors_total(), 0);
    assert_eq!(pictures(&bytes).len(), 40 + 50, "the two groups behind");
    let boundaries: Vec<Boundary> = splice.output().1.iter().map(|point| point.boundary).collect();
    assert_eq!(
        boundaries,
        [Boundary::Continued, Boundary::Continued, Boundary::Spliced, Boundary::Continued]
    );
}

/// As subtitles and data of some multiplexers do, which no player sets against the pictures.
#[test]
fn a_stream_with_a_clock_of_its_own_passes_behind_a_splice() {
    const DATA: u16 = 0x102;
    let mut splice = Splice::new(None);
    for (start, begins) in [(900_000, 500_000_000), (77_000_000, 1_000)] {
        let mut source = Source { muxer: Muxer::h264_aac().stream(DATA, 0x06), start, ..Source::new() };
        for n in 0..50 {
            let mut bytes = source.pictures(n..n + 1);
            bytes.extend(source.muxer.pes(DATA, begins + n * FRAME, None, &[7; 50], None));
            push(&mut splice, &bytes);
        }
        splice.finish();
        splice.begin();
    }
    assert_eq!(demux(&output(&splice))[&DATA].len(), 100);
}

#[test]
fn what_is_scrambled_opens_no_gate() {
    let mut source = Source::new();
    let mut bytes = source.tables();
    // The headers can be read, as they can where only the payload of a PES packet is scrambled.
    (1..GOP * 16).filter(|n| !n.is_multiple_of(GOP)).for_each(|n| {
        let mut picture = source.picture(n);
        picture.chunks_mut(PACKET_SIZE).skip(1).for_each(|packet| packet[3] |= 0x80);
        bytes.extend(picture);
    });
    let mut splice = Splice::new(None);
    push(&mut splice, &bytes);
    assert_eq!((splice.output().1, splice.is_open()), (&[][..], false));
}
