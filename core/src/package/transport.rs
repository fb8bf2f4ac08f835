//! Segments as MPEG transport streams, for players that take nothing else.
//!
//! The bytes are those that a segment of fragmented MP4 has, remuxed. Each segment is made alone,
//! and players take the counters of one for those of the next: so the packets of every PID are a
//! multiple of sixteen, and each segment begins where the one before has ended.

use std::collections::HashMap;

use crate::index::{Film, Kind};
use crate::remux::{Error, Remuxer, Rendition};
use crate::ts::packet::{self, Bytes, PACKET_SIZE, Packet, Pid, SYNC_BYTE};

/// Codecs, as in `CODECS`, that are sent in transport streams.
const CARRIED: [&str; 8] = ["avc1", "avc3", "hvc1", "hev1", "mp4a.40.", "mp4a.6B", "ac-3", "ec-3"];

/// Continuity counters have four bits.
const ROUND: usize = 16;

/// The tracks of a film that are sent as one transport stream: the pictures, and the first sound
/// that can be. None where that is nothing.
pub fn carried(film: &Film) -> Vec<usize> {
    let is_carried =
        |track: &usize| CARRIED.iter().any(|codec| film.tracks()[*track].codec.starts_with(codec));
    // Pictures that cannot be carried make no film of sound alone.
    let of = |kind| (0..film.tracks().len()).filter(move |&track| film.tracks()[track].kind == kind);
    let video = of(Kind::Video).next();
    if video.is_some_and(|video| !is_carried(&video)) {
        return Vec::new();
    }
    video.into_iter().chain(of(Kind::Audio).find(is_carried)).collect()
}

/// The segment that `fragment` is behind the initialisation segment `init`.
///
/// # Errors
/// When it cannot be carried.
pub fn transport(init: &[u8], fragment: &[u8]) -> Result<Vec<u8>, Error> {
    let mut remuxer = Remuxer::new();
    remuxer.set_init(Rendition::Main, init)?;
    remuxer.push(Rendition::Main, fragment)?;
    remuxer.finish();
    Ok(even(remuxer.output()))
}

/// All segments of a film as one stream, one after the other: counters and clock go on.
#[derive(Debug)]
pub struct TransportStream {
    remuxer: Remuxer,
}

impl TransportStream {
    /// Of fragments that belong to this initialisation segment.
    ///
    /// # Errors
    /// When it cannot be carried.
    pub fn new(init: &[u8]) -> Result<Self, Error> {
        let mut remuxer = Remuxer::new();
        remuxer.set_init(Rendition::Main, init)?;
        Ok(Self { remuxer })
    }

    /// The packets of the next fragment.
    ///
    /// # Errors
    /// When any of it cannot be carried.
    pub fn push(&mut self, fragment: &[u8]) -> Result<Vec<u8>, Error> {
        self.remuxer.push(Rendition::Main, fragment)?;
        let packets = self.remuxer.output().to_vec();
        self.remuxer.clear(0);
        Ok(packets)
    }
}

/// The same packets, and more of them: of every PID a multiple of sixteen. A table is repeated, and
/// a PES packet takes a few packets more.
fn even(stream: &[u8]) -> Vec<u8> {
    let (packets, _) = stream.as_chunks::<PACKET_SIZE>();
    let mut counts: HashMap<Pid, usize> = HashMap::new();
    for packet in packets.iter().map(Packet::new).filter(|packet| packet.has_payload()) {
        *counts.entry(packet.pid()).or_default() += 1;
    }
    let missing: HashMap<Pid, usize> =
        counts.into_iter().map(|(pid, count)| (pid, (ROUND - count % ROUND) % ROUND)).collect();
    // Whole packets are needed, and players count those with a payload (ISO/IEC 13818-1, 2.4.3.3).
    let plan = plan(packets, &missing);
    let mut out = Vec::with_capacity(stream.len() + missing.len() * ROUND * PACKET_SIZE);
    let mut counters: HashMap<Pid, u8> = HashMap::new();
    for (at, bytes) in packets.iter().enumerate() {
        let pid = Packet::new(bytes).pid();
        let more = plan.get(&at).map_or(0, |_| missing[&pid]);
        for piece in pieces(bytes, more) {
            write(&mut out, piece, pid, &mut counters);
        }
    }
    out
}

/// Which packet of each PID is to become several: the last that has bytes enough, or is a table.
fn plan(packets: &[Bytes], missing: &HashMap<Pid, usize>) -> HashMap<usize, Pid> {
    let mut left = missing.clone();
    left.retain(|_, more| *more > 0);
    let mut plan = HashMap::new();
    for (at, bytes) in packets.iter().enumerate().rev() {
        // From the end, so that what stands in front keeps its place.
        let packet = Packet::new(bytes);
        let Some(&more) = left.get(&packet.pid()) else { continue };
        let length = packet.payload().map_or(0, <[u8]>::len);
        // Each further packet needs a byte of payload of its own.
        if is_table(packet) || length > more {
            left.remove(&packet.pid());
            plan.insert(at, packet.pid());
        }
        if left.is_empty() {
            break;
        }
    }
    plan
}

/// Whether a whole table is in a packet: its content does not begin as a PES packet does.
fn is_table(packet: Packet<'_>) -> bool {
    packet.starts_unit() && packet.payload().is_some_and(|payload| !payload.starts_with(&[0, 0, 1]))
}

/// The packet, and `more` that carry parts of its payload, or repeat it.
fn pieces(bytes: &Bytes, more: usize) -> Vec<Bytes> {
    let packet = Packet::new(bytes);
    let payload = packet.payload().unwrap_or_default();
    if more == 0 || is_table(packet) || payload.len() <= more {
        return vec![*bytes; if is_table(packet) { more + 1 } else { 1 }];
    }
    let (first, rest) = payload.split_at(payload.len() - more);
    // Flags and clock of the first packet stay.
    let field = if bytes[3] & 0x20 != 0 && bytes[4] > 0 {
        let length = if bytes[5] & 0x10 == 0 { 1 } else { 7 };
        &bytes[5..(5 + length).min(5 + usize::from(bytes[4]))]
    } else {
        &[][..]
    };
    let mut all = vec![stuffed(bytes[1] & 0x40, field, first)];
    all.extend(rest.chunks(1).map(|byte| stuffed(0, &[], byte)));
    all
}

/// A packet with this payload, filled up by its adaptation field.
fn stuffed(flags: u8, field: &[u8], payload: &[u8]) -> Bytes {
    let mut bytes = [0xFF; PACKET_SIZE];
    let start = PACKET_SIZE - payload.len();
    bytes[..4].copy_from_slice(&[SYNC_BYTE, flags, 0, 0x30]);
    bytes[4] = (start - 5).to_le_bytes()[0];
    if start > 5 {
        bytes[5] = 0;
        bytes[5..5 + field.len()].copy_from_slice(field);
    }
    bytes[start..].copy_from_slice(payload);
    bytes
}

fn write(out: &mut Vec<u8>, mut bytes: Bytes, pid: Pid, counters: &mut HashMap<Pid, u8>) {
    let has_payload = Packet::new(&bytes).has_payload();
    let counter = counters.entry(pid).or_insert(0);
    packet::set_pid(&mut bytes, pid);
    // Only packets with a payload are counted.
    packet::set_continuity(&mut bytes, if has_payload { *counter } else { counter.wrapping_sub(1) });
    *counter = counter.wrapping_add(u8::from(has_payload));
    out.extend_from_slice(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = include_bytes!("../../tests/data/h264_aac.ts");

    /// The payload of each PID, one after the other, and how many packets had it.
    fn payloads(stream: &[u8]) -> HashMap<Pid, (Vec<u8>, usize)> {
        let (packets, rest) = stream.as_chunks::<PACKET_SIZE>();
        assert!(rest.is_empty());
        let mut all: HashMap<Pid, (Vec<u8>, usize)> = HashMap::new();
        for packet in packets.iter().map(Packet::new) {
            let entry = all.entry(packet.pid()).or_default();
            if let Some(payload) = packet.payload() {
                assert_eq!(usize::from(packet.continuity()), entry.1 % ROUND, "of {:?}", packet.pid());
                entry.0.extend_from_slice(payload);
                entry.1 += 1;
            }
        }
        all
    }

    #[test]
    fn packets_of_every_pid_are_a_multiple_of_sixteen() {
        let (packets, _) = STREAM.as_chunks::<PACKET_SIZE>();
        for count in [40, 137, 200] {
            // As a muxer begins: with counters of zero.
            let mut counters = HashMap::new();
            let mut stream = Vec::new();
            for packet in &packets[..count.min(packets.len())] {
                write(&mut stream, *packet, Packet::new(packet).pid(), &mut counters);
            }
            let (before, after) = (payloads(&stream), payloads(&even(&stream)));
            for (pid, (payload, count)) in before {
                let (evened, packets) = &after[&pid];
                assert!(packets % ROUND == 0 && *packets < count + ROUND, "{packets} of {pid:?}");
                assert!(evened.starts_with(&payload), "the payload of {pid:?} is as it was");
            }
        }
    }
}
