//! Scrambled sources that are passed on, as a receiver that descrambles sees them.

use forebay_testkit::ts::scramble::{self, Scrambler, descramble};

use super::*;
use crate::ts::scout::Scout;

const EMM: u16 = 0x700;

/// A scrambled source: the ECM of the programme, and those of the sound alone, on PIDs of their
/// own.
struct Locked {
    source: Source,
    keys: [Scrambler; 2],
    /// Whether pictures that a decoder can start with say so.
    has_hints: bool,
}

impl Locked {
    fn new(ecm: u16, start: u64) -> Self {
        let muxer = Muxer::new(0x1000, VIDEO)
            .described(&scramble::descriptor(ecm))
            .stream(VIDEO, 0x1b)
            .stream_with(AUDIO, 0x0f, &scramble::descriptor(ecm + 1));
        let source = Source { muxer, start, ..Source::new() };
        Self { source, keys: [ecm, ecm + 1].map(Scrambler::new), has_hints: true }
    }

    /// Pictures with their sound, tables and ECM twice a second, and another word each second.
    fn pictures(&mut self, range: std::ops::Range<u64>) -> Vec<u8> {
        let mut out = Vec::new();
        for n in range {
            if n.is_multiple_of(GOP) {
                self.keys.iter_mut().for_each(Scrambler::turn);
            }
            let Self { source, keys, has_hints } = self;
            if n.is_multiple_of(GOP / 2) || n.is_multiple_of(GOP) {
                out.extend(source.tables());
                out.extend(scramble::cat(&mut source.muxer, EMM));
                out.extend(source.muxer.section(EMM, &section(0x82, 7, 0, &[9; 40])));
                for key in keys.iter() {
                    out.extend(key.ecm(&mut source.muxer));
                }
            }
            let mut picture = source.picture(n);
            if *has_hints && n.is_multiple_of(GOP) {
                picture[5] |= 0x40; // it has a field, with the clock
            }
            out.extend(keys[0].scramble(picture));
            let sound = source.sound(n);
            out.extend(keys[1].scramble(sound));
        }
        out
    }
}

/// A channel that passes on what is scrambled.
fn passing() -> Splice {
    let mut splice = Splice::new(None);
    splice.pass_scrambled(true);
    splice
}

/// What of a stream belongs to conditional access, or what does not.
fn access(stream: &[u8], ecm: u16, belongs: bool) -> Vec<&[u8]> {
    let pids = [1, EMM, ecm, ecm + 1];
    stream
        .chunks(PACKET_SIZE)
        .filter(|packet| pids.contains(&Packet::new(packet).unwrap().pid()) == belongs)
        .collect()
}

/// A receiver gets pictures `from..`, as they were sent, with the sound beside them.
fn receives(stream: &[u8], got: &[u8], from: usize) {
    let (sent, got) = (descramble(stream), descramble(got));
    let (sent, got) = (demux(&sent), demux(&got));
    assert_eq!(got[&VIDEO].len(), sent[&VIDEO].len() - from);
    assert!(got[&VIDEO] == sent[&VIDEO][from..], "bit by bit, with the stamps");
    let sound = &got[&AUDIO];
    assert!(sent[&AUDIO].ends_with(sound) && sound.len() + 8 > got[&VIDEO].len(), "{}", sound.len());
}

#[test]
fn all_that_a_receiver_needs_passes_unchanged() {
    let mut locked = Locked::new(0x600, 900_000);
    let early = locked.pictures(12..20);
    let rest = locked.pictures(20..200);
    let stream = [early, rest].concat();
    let mut splice = passing();
    push(&mut splice, &stream);
    splice.finish();
    let bytes = output(&splice);
    assert_eq!(splice.output().1[0].kind, RandomAccess::Hint);
    let (sent, got) = (access(&stream, 0x600, true), access(&bytes, 0x600, true));
    assert_eq!(got, sent, "from before the first picture on");
    receives(&stream, &bytes, 25 - 12);
    check(&access(&descramble(&bytes), 0x600, false).concat());
    let packets = |bytes: &[u8]| bytes.chunks(PACKET_SIZE).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let first = packets(&bytes).iter().position(|packet| Packet::new(packet).unwrap().pid() == VIDEO);
    assert!(first > Some(4), "the words come before what they are for: {first:?}");
}

#[test]
fn a_source_that_says_nowhere_where_to_begin_is_taken_after_a_while() {
    let mut locked = Locked { has_hints: false, ..Locked::new(0x600, 900_000) };
    let stream = locked.pictures(0..200);
    let mut splice = passing();
    push(&mut splice, &stream);
    splice.finish();
    let points: Vec<_> = splice.output().1.iter().map(|point| point.kind).collect();
    assert!(points.len() >= 3 && points.iter().all(|&entry| entry == RandomAccess::Blind), "{points:?}");
    let begins = usize::try_from(super::super::scrambled::PATIENCE.as_millis() / 40).unwrap();
    receives(&stream, &output(&splice), begins + 1);
}

#[test]
fn it_is_held_with_its_words_until_it_becomes_active() {
    let mut locked = Locked::new(0x600, 900_000);
    let stream = locked.pictures(0..90);
    let mut scout = Scout::new(None).passing_scrambled(true);
    assert!(scout.push(stream.as_chunks::<PACKET_SIZE>().0));
    let mut splice = Splice::new(None);
    scout.hand_over(&mut splice);
    let rest = locked.pictures(90..120);
    push(&mut splice, &rest);
    splice.finish();
    receives(&[stream, rest].concat(), &output(&splice), 75);
}

#[test]
fn another_source_brings_its_own_words_and_clock() {
    let mut splice = passing();
    push(&mut splice, &Locked::new(0x600, 900_000).pictures(0..60));
    splice.finish();
    splice.clear(0);
    splice.begin();
    let stream = Locked::new(0x640, 77_000_000).pictures(0..60);
    push(&mut splice, &stream);
    splice.finish();
    let bytes = output(&splice);
    receives(&stream, &bytes, 0);
    assert_eq!(access(&bytes, 0x640, true), access(&stream, 0x640, true));
    let clock = bytes.chunks(PACKET_SIZE).map(|packet| Packet::new(packet).unwrap());
    let clock = clock.filter(|packet| packet.pcr().is_some()).collect::<Vec<_>>();
    assert!(clock[0].is_discontinuity() && !clock[1..].iter().any(Packet::is_discontinuity));
    // What can be read is put behind it again.
    splice.clear(0);
    splice.begin();
    push(&mut splice, &Source::other(Muxer::h264_aac(), VIDEO, AUDIO).pictures(0..60));
    splice.finish();
    let report = Checker::check(&output(&splice));
    assert_eq!((report.continuity_errors_total(), report.dts_backward.len()), (0, 0));
}

#[test]
fn time_goes_on_by_its_clock() {
    let mut splice = passing();
    push(&mut splice, &Locked::new(0x600, 900_000).pictures(0..100));
    assert!(splice.take_progress());
    let points = splice.output().1;
    let seconds = points.last().unwrap().time.ticks() - points[0].time.ticks();
    assert_eq!(seconds, 3 * 90_000, "from the first to the fourth group");
    assert_eq!(splice.counts().continuity_errors, 0);
}
