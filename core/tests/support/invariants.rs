//! What must hold whatever comes in: shared by the property tests and the fuzz targets.

use std::collections::BTreeMap;

use forebay_core::time::Pcr;
use forebay_core::ts::packet::{Bytes, SYNC_BYTE};
use forebay_core::ts::psi::{Pat, Pmt, Sections};
use forebay_core::ts::splice::{AccessPoint, Splice};
use forebay_core::ts::sync::{Item, Sync};
use forebay_core::ts::{PACKET_SIZE, Packet, Pid};

/// What the sync made of an input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) packets: Vec<Bytes>,
    /// Bytes passed over, and behind how many packets.
    pub(crate) skips: Vec<(usize, u64)>,
    /// Bytes pending and bytes untold, at the end.
    rest: (usize, u64),
}

/// Pushes `pieces`. Every byte is part of a packet, passed over, or pending; every packet begins
/// with the sync byte.
pub(crate) fn sync<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Synced {
    let (mut sync, mut synced) = (Sync::new(), Synced::default());
    let (mut pushed, mut done) = (0, 0);
    for piece in pieces {
        pushed += piece.len() as u64;
        let mut items = sync.push(piece);
        loop {
            let count = match items.next() {
                None => break,
                Some(Item::Packets(run)) => {
                    assert!(!run.is_empty() && run.iter().all(|packet| packet[0] == SYNC_BYTE));
                    synced.packets.extend_from_slice(run);
                    run.len()
                }
                Some(Item::Skipped { bytes }) => {
                    assert!(bytes > 0, "a skip of nothing");
                    synced.skips.push((synced.packets.len(), bytes));
                    done += bytes;
                    0
                }
            };
            done += (count * items.stride().expect("items come only out of a lock")) as u64;
        }
        assert_eq!(done + sync.untold() + sync.pending() as u64, pushed, "every byte is accounted for");
        assert!(sync.pending() < 5 * 204, "{} bytes are kept", sync.pending());
    }
    synced.rest = (sync.pending(), sync.untold());
    synced
}

/// What happens to a splice.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    /// Bytes of the source come.
    Push(&'a [u8]),
    /// The source comes to its end in good order.
    Finish,
    /// A new source begins.
    Begin,
    /// Nothing comes, and connections are kept alive.
    KeepAlive,
}

/// What a splice made of an input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Spliced {
    pub(crate) output: Vec<u8>,
    /// With places in the whole output.
    pub(crate) points: Vec<AccessPoint>,
}

/// Plays `steps` and holds all invariants against the output.
pub(crate) fn splice<'a>(steps: impl IntoIterator<Item = Step<'a>>) -> Spliced {
    let (mut sync, mut splice) = (Sync::new(), Splice::new(None));
    let (mut spliced, mut player) = (Spliced::default(), Player::default());
    for step in steps {
        match step {
            Step::Push(bytes) => {
                let mut items = sync.push(bytes);
                while let Some(item) = items.next() {
                    if let Item::Packets(run) = item {
                        splice.push(run);
                    }
                }
            }
            Step::Finish => splice.finish(),
            Step::Begin => {
                sync = Sync::new();
                splice.begin();
            }
            Step::KeepAlive => {
                let has_begun = !spliced.points.is_empty();
                assert_eq!(splice.keep_alive(), has_begun, "nothing before the first picture");
            }
        }
        let (output, points) = splice.output();
        player.watch(output, points);
        let told = splice.counts().continuity_errors;
        assert_eq!(
            player.breaks, told,
            "breaks of the output's counters, and those that the splice tells of"
        );
        let base = spliced.output.len();
        spliced.points.extend(points.iter().map(|point| AccessPoint { at: base + point.at, ..*point }));
        spliced.output.extend_from_slice(output);
        splice.clear(1 << 20);
    }
    assert_eq!(splice.counts().entries, spliced.points.len() as u64);
    spliced
}

/// Watches the output as the strictest player would.
#[derive(Default)]
struct Player {
    counters: BTreeMap<Pid, u8>,
    breaks: u64,
    pat: Sections,
    map: Sections,
    map_pid: Option<Pid>,
    clock_pid: Option<Pid>,
    clock: Option<Pcr>,
    /// PIDs that a map has named.
    named: Vec<Pid>,
}

impl Player {
    fn watch(&mut self, output: &[u8], points: &[AccessPoint]) {
        let (packets, rest) = output.as_chunks::<PACKET_SIZE>();
        assert!(rest.is_empty(), "whole packets");
        for bytes in packets {
            assert_eq!(bytes[0], SYNC_BYTE);
            self.watch_packet(Packet::new(bytes));
        }
        assert!(points.is_sorted_by(|a, b| a.at < b.at), "points in their order");
        for point in points {
            assert_eq!(point.at % PACKET_SIZE, 0, "a point lies on a packet");
            self.watch_access_point(&packets[point.at / PACKET_SIZE..]);
        }
    }

    /// A random access point: PAT, PMT, and the picture, which says what it is.
    fn watch_access_point(&self, packets: &[Bytes]) {
        let mut packets = packets.iter().map(Packet::new);
        assert_eq!(packets.next().map(Packet::pid), Some(Pid::PAT));
        let map = packets.next().expect("a map");
        assert_eq!((Some(map.pid()), map.starts_unit()), (self.map_pid, true));
        let picture = packets.find(|packet| packet.pid() != map.pid()).expect("a picture");
        assert!(picture.starts_unit() && picture.hints_random_access(), "{picture:?}");
    }

    fn watch_packet(&mut self, packet: Packet<'_>) {
        let pid = packet.pid();
        if pid == Pid::NULL {
            return;
        }
        self.watch_counter(packet);
        if pid == Pid::PAT {
            let pats = sections(&mut self.pat, packet, Pat::parse);
            for pat in pats {
                let &[(_, map_pid)] = &pat.programs[..] else { panic!("one programme: {pat:?}") };
                assert!(self.map_pid.is_none_or(|known| known == map_pid), "the map stays on its PID");
                self.map_pid = Some(map_pid);
            }
        } else if Some(pid) == self.map_pid {
            for map in sections(&mut self.map, packet, Pmt::parse) {
                self.clock_pid = Some(map.pcr_pid);
                self.named.push(map.pcr_pid);
                self.named.extend(map.streams.iter().map(|stream| stream.pid));
                self.named.sort_unstable();
                self.named.dedup();
            }
        } else {
            let is_information = matches!(pid.value(), 0x10..=0x14);
            assert!(is_information || self.named.binary_search(&pid).is_ok(), "no map named {pid}");
        }
        if Some(pid) == self.clock_pid
            && let Some(pcr) = packet.pcr()
        {
            let goes_on = self.clock.is_none_or(|last| pcr.since(last) >= 0);
            assert!(goes_on || packet.is_discontinuity(), "{pcr:?} follows {:?} unannounced", self.clock);
            self.clock = Some(pcr);
        }
    }

    fn watch_counter(&mut self, packet: Packet<'_>) {
        let counter = packet.continuity();
        let Some(last) = self.counters.insert(packet.pid(), counter) else { return };
        let expected = if packet.has_payload() { (last + 1) & 15 } else { last };
        if counter != expected {
            assert_ne!(Some(packet.pid()), self.map_pid, "tables are ours");
            assert_ne!(packet.pid(), Pid::PAT, "tables are ours");
            assert_eq!(counter, (expected + 1) & 15, "a break is one step: {packet:?}");
            self.breaks += 1;
        }
    }
}

/// The tables that a packet of the output completes: all of them right.
fn sections<T>(sections: &mut Sections, packet: Packet<'_>, parse: fn(&[u8]) -> Option<T>) -> Vec<T> {
    let mut found = Vec::new();
    let payload = packet.payload().expect("a table has a payload");
    sections.push(packet.starts_unit(), payload, |section| {
        found.push(parse(section.expect("the checksum is right")).expect("the table can be read"));
    });
    found
}
