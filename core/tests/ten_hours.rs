//! Ten hours of a looping clip, across the wrap of the time stamps: nothing may drift, step or get
//! lost.

#[path = "support/clip.rs"]
mod clip;
#[path = "support/muxer.rs"]
mod muxer;

use std::collections::BTreeMap;

use forebay_core::time::{MediaTime, Pcr, Pts};
use forebay_core::ts::pes::Header;
use forebay_core::ts::splice::Splice;
use forebay_core::ts::{PACKET_SIZE, Packet, Pid};

use clip::Clip;
use muxer::{AUDIO, FRAME, PICTURE, VIDEO};

const PICTURES: u32 = 240;
const GOP: u32 = 50;
const LOOPS: u32 = 10 * 3600 * 10 / 96;
/// Ticks: 9.6 s.
const CLIP: i64 = 864_000;

#[test]
fn ten_hours_of_loops_make_one_timeline() {
    let five_hours = 5 * 3600 * 90_000;
    let start = Pts::new(Pts::WRAP - five_hours);
    let clip =
        Clip { start, pictures: PICTURES as usize, gop: GOP as usize, sizes: [900, 400], sound: 170 }.mux();
    let mut splice = Splice::new(None);
    let mut output = Output::default();
    for turn in 0..LOOPS {
        if turn > 0 {
            splice.begin();
        }
        splice.push(&clip);
        splice.finish();
        output.check(splice.output().0);
        splice.clear(1 << 20);
        let last = MediaTime::new(start.ticks().cast_signed() + CLIP * i64::from(turn + 1) - PICTURE);
        assert_eq!(splice.position(), Some(last), "in turn {turn}");
    }
    let counts = splice.counts();
    assert_eq!((counts.splices, counts.clock_jumps), (u64::from(LOOPS) - 1, 0));
    assert_eq!((counts.units_dropped, counts.continuity_errors), (0, 0));
    assert_eq!((counts.map_changes, counts.codec_changes), (0, 0));
    assert_eq!(counts.entries, u64::from(LOOPS * PICTURES.div_ceil(GOP)));
    assert_eq!(output.units[&VIDEO], LOOPS * PICTURES);
    assert_eq!(i64::from(output.units[&AUDIO]) * FRAME, i64::from(LOOPS) * CLIP);
    assert_eq!(output.references, LOOPS * PICTURES);
    assert!(output.clock.is_some_and(|clock| clock.base().ticks() < start.ticks()), "the stamps wrapped");
}

/// What a player would hold against the output.
#[derive(Default)]
struct Output {
    counters: BTreeMap<Pid, u8>,
    times: BTreeMap<Pid, Pts>,
    units: BTreeMap<Pid, u32>,
    clock: Option<Pcr>,
    references: u32,
    /// The first packet of the map, but for its counter.
    map: Option<Vec<u8>>,
}

impl Output {
    fn check(&mut self, bytes: &[u8]) {
        let (packets, rest) = bytes.as_chunks::<PACKET_SIZE>();
        assert!(rest.is_empty());
        for bytes in packets {
            let packet = Packet::new(bytes);
            let pid = packet.pid();
            assert!(packet.has_payload(), "the clip has no packet without");
            if let Some(last) = self.counters.insert(pid, packet.continuity()) {
                assert_eq!(packet.continuity(), (last + 1) & 15, "the counter of {pid}");
            }
            if let Some(pcr) = packet.pcr() {
                if let Some(last) = self.clock.replace(pcr) {
                    assert_eq!(pcr.since(last), PICTURE * 300, "the clock");
                }
                self.references += 1;
            }
            if pid == VIDEO || pid == AUDIO {
                if packet.starts_unit() {
                    self.check_unit(packet);
                }
            } else if pid != Pid::PAT {
                let map = self.map.get_or_insert_with(|| bytes[4..].to_vec());
                assert_eq!(map, &bytes[4..], "the map has one version");
            }
        }
    }

    fn check_unit(&mut self, packet: Packet<'_>) {
        let pid = packet.pid();
        let header = packet.payload().and_then(Header::parse);
        let time = header.and_then(|header| header.decode_time()).expect("every unit has a stamp");
        let step = if pid == VIDEO { PICTURE } else { FRAME };
        if let Some(last) = self.times.insert(pid, time) {
            assert_eq!(time.since(last), step, "the stamps of {pid}");
        }
        *self.units.entry(pid).or_default() += 1;
    }
}
