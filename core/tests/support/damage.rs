//! What happens to streams on their way: damage as data, and how to do it.

use forebay_core::ts::packet::{self, Bytes, SYNC_BYTE};
use forebay_core::ts::psi::{Pmt, Sections, packetize};
use forebay_core::ts::{PACKET_SIZE, Packet, Pid};
use proptest::prelude::*;
use proptest::sample::Index;

/// One thing that goes wrong; each index is a place in the stream as it is by then.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    /// A bit is another.
    Flip(Index, u8),
    /// A bit in a packet's header or adaptation field is another.
    FlipHeader(Index, u8),
    /// Bytes are lost.
    Delete(Index, usize),
    /// Packets are lost.
    Lose(Index, usize),
    /// Bytes come from nowhere.
    Insert(Index, Vec<u8>),
    /// Two packets change places.
    Swap(Index, usize),
    /// A packet comes twice.
    Repeat(Index),
    /// A table breaks off: the rest of its packet is something else.
    Truncate(Index, usize),
    /// The map is another, and its checksum is right.
    Remap(Index, Remap),
    /// The clock jumps, by so many ticks of 27 MHz, from here on or just here.
    Jump(Index, i64, bool),
}

/// How the map changes.
#[derive(Debug, Clone)]
pub(crate) enum Remap {
    /// A stream goes.
    Drop(Index),
    /// A stream is of another type.
    Retype(Index, u8),
    /// A stream is on another PID.
    Move(Index, u16),
    /// A stream comes.
    Add(u8, u16),
    /// The clock is elsewhere.
    Clock(u16),
}

/// A few kinds of damage in a row.
pub(crate) fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let at = any::<Index>;
    let pid = || prop_oneof![Just(0x100), Just(0x101), Just(0x1FFF), Just(0x1000), Just(0), 0u16..0x2000];
    let kind = || prop_oneof![Just(0x1B), Just(0x0F), Just(0x24), Just(0x06), Just(0x86), any::<u8>()];
    let remap = prop_oneof![
        at().prop_map(Remap::Drop),
        (at(), kind()).prop_map(|(at, kind)| Remap::Retype(at, kind)),
        (at(), pid()).prop_map(|(at, pid)| Remap::Move(at, pid)),
        (kind(), pid()).prop_map(|(kind, pid)| Remap::Add(kind, pid)),
        pid().prop_map(Remap::Clock),
    ];
    let ticks = prop_oneof![-27_000_000i64..27_000_000, -1_000_000_000_000i64..1_000_000_000_000];
    let damage = prop_oneof![
        (at(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, bit)| Damage::FlipHeader(at, bit)),
        (at(), 1usize..1000).prop_map(|(at, count)| Damage::Delete(at, count)),
        (at(), 1usize..50).prop_map(|(at, count)| Damage::Lose(at, count)),
        (at(), prop::collection::vec(any::<u8>(), 1..1000)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), 1usize..10).prop_map(|(at, distance)| Damage::Swap(at, distance)),
        at().prop_map(Damage::Repeat),
        (at(), 5usize..40).prop_map(|(at, length)| Damage::Truncate(at, length)),
        (at(), remap).prop_map(|(at, remap)| Damage::Remap(at, remap)),
        (at(), ticks, any::<bool>()).prop_map(|(at, ticks, stays)| Damage::Jump(at, ticks, stays)),
    ];
    prop::collection::vec(damage, 0..12)
}

/// Does `damages` to `stream`, one after the other.
pub(crate) fn spoil(stream: &mut Vec<u8>, damages: &[Damage]) {
    for damage in damages {
        if stream.len() < PACKET_SIZE {
            return;
        }
        spoil_once(stream, damage);
    }
}

fn spoil_once(stream: &mut Vec<u8>, damage: &Damage) {
    let length = stream.len();
    let (packets, _) = stream.as_chunks_mut::<PACKET_SIZE>();
    let count = packets.len();
    match damage {
        Damage::Flip(at, bit) => stream[at.index(length)] ^= 1 << bit,
        Damage::FlipHeader(at, bit) => packets[at.index(count)][usize::from(bit / 8)] ^= 1 << (bit % 8),
        Damage::Delete(at, bytes) => {
            let at = at.index(length);
            stream.drain(at..length.min(at + bytes));
        }
        Damage::Lose(at, lost) => {
            let at = at.index(count);
            stream.drain(PACKET_SIZE * at..PACKET_SIZE * count.min(at + lost));
        }
        Damage::Insert(at, bytes) => {
            let at = at.index(length);
            stream.splice(at..at, bytes.iter().copied());
        }
        Damage::Swap(at, distance) => {
            let at = at.index(count);
            packets.swap(at, (count - 1).min(at + distance));
        }
        Damage::Repeat(at) => {
            let at = at.index(count);
            let packet = packets[at];
            stream.splice(PACKET_SIZE * at..PACKET_SIZE * at, packet);
        }
        Damage::Truncate(at, length) => {
            if let Some(packet) = tables(packets, *at) {
                packet[*length..].fill(SYNC_BYTE);
            }
        }
        Damage::Remap(at, remap) => {
            if let Some(packet) = tables(packets, *at) {
                change_map(packet, remap);
            }
        }
        Damage::Jump(at, ticks, stays) => {
            let from = at.index(count);
            let clocks = packets[from..].iter_mut().filter(|bytes| Packet::new(bytes).pcr().is_some());
            for bytes in clocks.take(if *stays { usize::MAX } else { 1 }) {
                packet::shift_clock(bytes, *ticks);
            }
        }
    }
}

/// One of the packets of PAT and map.
fn tables(packets: &mut [Bytes], at: Index) -> Option<&mut Bytes> {
    let is_table = |bytes: &&mut Bytes| matches!(Packet::new(bytes).pid().value(), 0 | 0x1000);
    let mut tables: Vec<&mut Bytes> = packets.iter_mut().filter(is_table).collect();
    if tables.is_empty() { None } else { Some(tables.swap_remove(at.index(tables.len()))) }
}

fn change_map(bytes: &mut Bytes, remap: &Remap) {
    let packet = Packet::new(bytes);
    let (mut sections, mut found) = (Sections::default(), None);
    sections.push(packet.starts_unit(), packet.payload().unwrap_or_default(), |section| {
        found = section.ok().and_then(Pmt::parse);
    });
    let Some(mut map) = found else { return };
    let counter = packet.continuity();
    let streams = map.streams.len();
    match remap {
        Remap::Clock(pid) => map.pcr_pid = Pid::new(*pid),
        Remap::Add(stream_type, pid) => {
            let mut stream = map.streams.first().cloned().expect("maps of real streams name streams");
            (stream.stream_type, stream.pid) = (*stream_type, Pid::new(*pid));
            map.streams.push(stream);
        }
        _ if streams < 2 => {}
        Remap::Drop(at) => drop(map.streams.remove(at.index(streams))),
        Remap::Retype(at, stream_type) => map.streams[at.index(streams)].stream_type = *stream_type,
        Remap::Move(at, pid) => map.streams[at.index(streams)].pid = Pid::new(*pid),
    }
    *bytes = packetize(&map.render(), packet.pid())[0];
    packet::set_continuity(bytes, counter);
}
