use super::*;

#[test]
fn a_segment_may_begin_inside_a_group_every_second() {
    let (mut source, mut splice) = (Source::new(), Splice::new(None));
    push(&mut splice, &source.tables());
    for n in 0..130 {
        let coded = if n == 0 { h264::idr(1500) } else { h264::predicted(700) };
        let dts = source.start + n * FRAME;
        let picture = source.muxer.pes(VIDEO, dts, None, &coded, Some((dts - source.delay) * 300));
        push(&mut splice, &[picture, source.sound(n)].concat());
    }
    let (bytes, cuts) = (output(&splice), splice.cuts().to_vec());
    check(&bytes);
    let begin = splice.output().1[0];
    assert_eq!(splice.output().1.len(), 1, "there is one random access point");
    let distances: Vec<i64> = cuts.iter().map(|cut| cut.time.ticks() - begin.time.ticks()).collect();
    assert_eq!(distances, [1, 2, 3, 4, 5].map(|second| second * 90_000));
    for cut in cuts {
        assert_eq!((cut.kind, cut.boundary), (RandomAccess::Blind, Boundary::Continued));
        let packet = |n: usize| Packet::new(&bytes[cut.at + n * PACKET_SIZE..][..PACKET_SIZE]).unwrap();
        assert_eq!([0, 1, 2].map(|n| packet(n).pid()), [0, 0x1000, VIDEO]);
        // What stands behind it can be read without what stands before.
        let pictures = times(&demux(&bytes[cut.at..])[&VIDEO]);
        assert_eq!(pictures[0], u64::try_from(cut.time.ticks()).unwrap() % (1 << 33));
    }
    splice.clear(0);
    assert!(splice.cuts().is_empty());
}
