//! A source whose clock and stamps jump together, at any packet: what goes out is one timeline all
//! the same.

use std::collections::BTreeMap;
use std::ops::Range;

use forebay_core::time::{Pcr, Pts};
use forebay_core::ts::packet::{self, Bytes};
use forebay_core::ts::pes::{self, Header};
use forebay_core::ts::splice::Splice;
use forebay_core::ts::{PACKET_SIZE, Packet, Pid};
use proptest::prelude::*;

/// Real streams, and how long each is, in ticks.
const CLIPS: [(&[u8], i64); 3] = [
    (include_bytes!("data/h264_aac.ts"), 4 * 90_000),
    (include_bytes!("data/hevc_ac3.ts"), 4 * 90_000),
    (include_bytes!("data/mpeg2_mp2.ts"), 3 * 90_000),
];

/// A jump at a packet, counted from the one before.
type Jump = (usize, i64);

/// A clip in a loop on one timeline, with jumps in it.
fn programme(clip: &[u8], length: i64, rounds: i64, jumps: &[Jump]) -> Vec<Bytes> {
    let (packets, _) = clip.as_chunks::<PACKET_SIZE>();
    let mut counters: BTreeMap<Pid, u8> = BTreeMap::new();
    let mut jumps = jumps.iter();
    let (mut next, mut moved) = (jumps.next(), 0);
    let (mut since, mut out) = (0, Vec::new());
    for round in 0..rounds {
        for bytes in packets {
            if next.is_some_and(|&(after, _)| after <= since) {
                moved += next.map_or(0, |jump| jump.1);
                (next, since) = (jumps.next(), 0);
            }
            since += 1;
            let mut bytes = *bytes;
            shift(&mut bytes, moved + round * length);
            let packet = Packet::new(&bytes);
            let (pid, has_payload) = (packet.pid(), packet.has_payload());
            let counter = counters.entry(pid).or_default();
            packet::set_continuity(&mut bytes, counter.wrapping_sub(u8::from(!has_payload)));
            *counter = counter.wrapping_add(u8::from(has_payload));
            out.push(bytes);
        }
    }
    out
}

/// Moves clock and stamps of a packet.
fn shift(bytes: &mut Bytes, ticks: i64) {
    packet::shift_clock(bytes, ticks * 300);
    let packet = Packet::new(bytes);
    let (starts, payload) = (packet.starts_unit() && packet.pid() >= Pid::new(0x100), packet.payload());
    if let Some((header, length)) =
        payload.filter(|_| starts).and_then(|all| Some((Header::parse(all)?, all.len())))
    {
        pes::shift_stamps(&mut bytes[PACKET_SIZE - length..], &header, ticks);
    }
}

/// Plays it, and holds the output against what every player asks for; how many PES packets of each
/// stream come out, and the longest step from one to the next, in ticks. Each is `ahead` of the
/// clock by so many.
fn play(packets: &[Bytes], ahead: &Range<i64>) -> BTreeMap<Pid, (usize, i64)> {
    let mut splice = Splice::new(None);
    splice.push(packets);
    splice.finish();
    let mut clock: Option<Pcr> = None;
    let mut last: BTreeMap<Pid, Pts> = BTreeMap::new();
    let mut units: BTreeMap<Pid, (usize, i64)> = BTreeMap::new();
    for bytes in splice.output().0.as_chunks::<PACKET_SIZE>().0 {
        let packet = Packet::new(bytes);
        if let Some(pcr) = packet.pcr() {
            let goes_on = clock.is_none_or(|last| pcr.since(last) > 0) || packet.is_discontinuity();
            assert!(goes_on, "the clock goes back: {pcr:?} behind {clock:?}");
            clock = Some(pcr);
        }
        let header = packet.payload().filter(|_| packet.starts_unit()).and_then(Header::parse);
        let Some(time) = header.and_then(|header| header.decode_time()) else { continue };
        let step = last.insert(packet.pid(), time).map_or(1, |last| time.since(last));
        assert!(step > 0, "{} steps back by {} ms", packet.pid(), step / 90);
        if let Some(clock) = clock {
            let by = time.since(clock.base());
            assert!(ahead.contains(&by), "{} is {by} ticks ahead of its clock", packet.pid());
        }
        let (count, gap) = units.entry(packet.pid()).or_default();
        (*count, *gap) = (*count + 1, step.max(*gap));
    }
    units
}

/// Back and forth by 20 s, once a second.
#[test]
fn a_clock_that_jumps_back_and_forth_leaves_one_timeline() {
    for (clip, length) in CLIPS {
        let second = clip.len() / PACKET_SIZE * 90_000 / usize::try_from(length).unwrap();
        for offset in 0..second {
            let far = 20 * 90_000;
            let jumps: Vec<Jump> = (0..16)
                .map(|n| (second + if n == 0 { offset } else { 0 }, if n % 2 == 0 { far } else { -far }))
                .collect();
            let units = play(&programme(clip, length, 6, &jumps), &(0..3 * 90_000));
            let [(pictures, _), (sounds, longest)] = [0x100, 0x101].map(|pid| units[&Pid::new(pid)]);
            assert!(
                pictures > 100 && sounds > 20,
                "{pictures} pictures and {sounds} of sound in {} s",
                6 * length / 90_000
            );
            assert!(longest < 2 * 90_000, "{longest} ticks without sound");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_jumps_sends_time_back(
        clip in 0..CLIPS.len(),
        jumps in prop::collection::vec(
            (1usize..600, prop_oneof![-30i64 * 90_000..30 * 90_000, -90_000i64..90_000, any::<i32>().prop_map(i64::from)]),
            0..30,
        ),
    ) {
        let (clip, length) = CLIPS[clip];
        // A jump that a player would sit out, of up to 5 s ahead, passes, and may come close to the
        // next.
        play(&programme(clip, length, 6, &jumps), &(-12 * 90_000..12 * 90_000));
    }
}
