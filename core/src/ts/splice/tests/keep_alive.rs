//! What keeps connections alive, and what it leaves as it was.

use super::*;
use crate::ts::packet;
use crate::ts::splice::keep_alive::BATCH;

/// Four a second for 20 s.
const GAP: usize = 80;

fn pids(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks(PACKET_SIZE).map(|bytes| Packet::new(bytes).unwrap().pid()).collect()
}

/// Without tables and null packets.
fn media(bytes: &[u8]) -> Vec<&[u8]> {
    let packets = bytes.chunks(PACKET_SIZE);
    packets.filter(|bytes| ![0, 0x1000, 0x1FFF].contains(&Packet::new(bytes).unwrap().pid())).collect()
}

/// What is appended.
fn keep_alive(splice: &mut Splice) -> Vec<u8> {
    let before = splice.output().0.len();
    let has_sent = splice.keep_alive();
    let sent = splice.output().0[before..].to_vec();
    assert_eq!(has_sent, !sent.is_empty());
    sent
}

/// Two sources with a gap between them, in which connections are kept alive `times` times.
fn with_gap(times: usize) -> (Splice, Vec<u8>) {
    let mut splice = Splice::new(None);
    push(&mut splice, &Source::new().pictures(0..40));
    assert!(splice.take_progress());
    for half in 0..2 {
        let (points, position) = (splice.output().1.len(), splice.position());
        for _ in 0..times / 2 {
            assert_eq!(pids(&keep_alive(&mut splice)), [0, 0x1000, 0x1FFF, 0x1FFF, 0x1FFF, 0x1FFF, 0x1FFF]);
        }
        assert_eq!((splice.output().1.len(), splice.position()), (points, position));
        if half == 0 {
            splice.begin();
        }
    }
    assert!(!splice.take_progress(), "nothing that comes of a source");
    push(&mut splice, &Source::other(Muxer::h264_aac(), VIDEO, AUDIO).pictures(0..60));
    splice.finish();
    let bytes = output(&splice);
    (splice, bytes)
}

#[test]
fn connections_are_kept_alive_and_everything_else_is_as_it_was() {
    let (without, expected) = with_gap(0);
    let (splice, bytes) = with_gap(GAP);
    let report = Checker::check(&bytes);
    report.assert_within(&Limits { dts_gap: Duration::from_secs(1), ..Limits::default() });
    assert_eq!(report.null_packets, (GAP * 5) as u64);
    assert_eq!(media(&bytes), media(&expected));
    let times = |splice: &Splice| {
        let points = splice.output().1.iter();
        points.map(|point| (point.time, point.shown, point.boundary)).collect::<Vec<_>>()
    };
    assert_eq!(times(&splice), times(&without));
    assert_eq!(splice.counts(), Counts { keep_alives: GAP as u64, ..without.counts() });
}

#[test]
fn nothing_comes_before_the_first_picture() {
    let mut splice = Splice::new(None);
    assert!(keep_alive(&mut splice).is_empty());
    let mut source = Source::new();
    push(&mut splice, &source.pictures(1..5));
    assert!(keep_alive(&mut splice).is_empty());
    push(&mut splice, &source.pictures(25..28));
    assert_eq!(pids(&keep_alive(&mut splice)).len(), BATCH);
    let (bytes, points) = splice.output();
    assert_eq!((points[0].at, pids(bytes)[0]), (0, 0));
}

#[test]
fn a_map_is_not_announced_before_its_picture() {
    let mut splice = Splice::new(None);
    push(&mut splice, &Source::new().pictures(0..40));
    splice.begin();
    let mut second = Source::other(Muxer::new(0x1000, VIDEO).stream(VIDEO, 0x1b), VIDEO, AUDIO);
    let tables = second.tables();
    push(&mut splice, &tables);
    assert_eq!(pids(&keep_alive(&mut splice)), [0x1FFF; BATCH]);
    let before = output(&splice).len();
    (0..5).for_each(|n| push(&mut splice, &second.picture(n)));
    let bytes = output(&splice);
    assert_eq!(check(&bytes[..before]).pmt_versions, [0]);
    assert_eq!(check(&bytes).pmt_versions, [0, 1]);
    assert_eq!(pids(&keep_alive(&mut splice))[..2], [0, 0x1000]);
}

#[test]
fn the_longest_map_fits() {
    let mut muxer = Muxer::new(0x1000, VIDEO).stream(VIDEO, 0x1b);
    for n in 1..=4 {
        muxer = muxer.stream_with(VIDEO + n, 0x06, &[&[0xFF, 228][..], &[0; 228]].concat());
    }
    let mut source = Source { muxer, ..Source::new() };
    let mut splice = Splice::new(None);
    let tables = source.tables();
    push(&mut splice, &tables);
    (0..5).for_each(|n| push(&mut splice, &source.picture(n)));
    assert_eq!(pids(&keep_alive(&mut splice)), [0, 0x1000, 0x1000, 0x1000, 0x1000, 0x1000, 0x1000]);
    assert_eq!(pids(&keep_alive(&mut splice)).len(), BATCH);
    check(&output(&splice));
}

#[test]
fn a_long_gap_costs_little_and_an_endless_one_comes_to_an_end() {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    push(&mut splice, &source.pictures(0..40));
    splice.clear(usize::MAX);
    let mut sent = [0; 3];
    for n in 0..7 * 3600 * 4 {
        let packets = pids(&keep_alive(&mut splice)).len();
        sent[0] += usize::from(packets == BATCH);
        sent[1] += usize::from(packets == 1);
        sent[2] += packets;
        assert!(n < 240 || packets <= 1);
        splice.clear(usize::MAX);
    }
    assert_eq!(sent[..2], [60 * 4, (6 * 3600 - 60) * 4]);
    assert!(sent[2] * PACKET_SIZE < 17_000_000, "{} packets", sent[2]);
    push(&mut splice, &source.pictures(40..45));
    splice.clear(usize::MAX);
    assert_eq!(keep_alive(&mut splice).len(), BATCH * PACKET_SIZE, "another gap");
}

#[test]
fn a_null_packet_is_one() {
    let view = packet::Packet::new(&packet::NULL);
    assert_eq!((view.pid(), view.starts_unit(), view.has_payload()), (Pid::NULL, false, true));
    assert!(!view.is_scrambled() && !view.is_damaged() && view.pcr().is_none());
}
