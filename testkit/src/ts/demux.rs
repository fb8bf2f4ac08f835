//! Takes a stream apart into PES packets, so that payloads can be compared byte by byte.

use std::collections::BTreeMap;

use super::packet::{NULL_PID, PACKET_SIZE, Packet, PesHeader, read_timestamp};

/// One PES packet.
#[derive(Clone, PartialEq, Eq)]
pub struct Pes {
    /// `stream_id`.
    pub stream_id: u8,
    /// Presentation time in 90 kHz ticks, as written (33 bits).
    pub pts: Option<u64>,
    /// Decoding time in 90 kHz ticks, as written; the presentation time where only that is given.
    pub dts: Option<u64>,
    /// `random_access_indicator` of its first packet.
    pub random_access: bool,
    /// Elementary stream bytes.
    pub payload: Vec<u8>,
    /// Whether it was received from its first byte to its last. An unbounded one is known to be complete only
    /// when the next begins.
    pub complete: bool,
}

impl std::fmt::Debug for Pes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pes")
            .field("stream_id", &format_args!("{:#04x}", self.stream_id))
            .field("pts", &self.pts)
            .field("dts", &self.dts)
            .field("random_access", &self.random_access)
            .field("payload_bytes", &self.payload.len())
            .field("complete", &self.complete)
            .finish()
    }
}

/// Takes apart a stream of whole packets; what is not PES (tables, stuffing) is left out, and so is everything of
/// a PID before its first start of a PES packet. A PES packet with lost packets is marked incomplete.
pub fn demux(stream: &[u8]) -> BTreeMap<u16, Vec<Pes>> {
    let mut open: BTreeMap<u16, Assembly> = BTreeMap::new();
    let mut done: BTreeMap<u16, Vec<Pes>> = BTreeMap::new();
    let mut at = 0;
    while at + PACKET_SIZE <= stream.len() {
        let Some(packet) = Packet::new(&stream[at..at + PACKET_SIZE]) else {
            at += 1;
            continue;
        };
        at += PACKET_SIZE;
        let pid = packet.pid();
        if pid == NULL_PID || packet.is_damaged() || packet.payload().is_empty() {
            continue;
        }
        if open.get(&pid).is_some_and(|assembly| assembly.continuity == packet.continuity()) {
            continue; // A packet sent twice, which the standard allows.
        }
        if packet.starts_unit() {
            let finished = open.remove(&pid).map(|assembly| {
                // What was lost just before this start was the end of the one before.
                let next_follows = assembly.is_followed_by(&packet);
                assembly.finish(next_follows)
            });
            done.entry(pid).or_default().extend(finished);
            if let Some(assembly) = Assembly::start(&packet) {
                open.insert(pid, assembly);
            }
        } else if let Some(assembly) = open.get_mut(&pid) {
            assembly.extend(&packet);
        }
    }
    for (pid, assembly) in open {
        done.entry(pid).or_default().push(assembly.finish(false));
    }
    done.retain(|_, list| !list.is_empty());
    done
}

struct Assembly {
    pes: Pes,
    /// Payload bytes still to come, if the packet states its length.
    expected: Option<usize>,
    continuity: u8,
    broken: bool,
}

impl Assembly {
    fn start(packet: &Packet<'_>) -> Option<Self> {
        let payload = packet.payload();
        let header = PesHeader::read(payload)?;
        let stamp = |at: usize| read_timestamp(&payload[at..at + 5]);
        let pts = header.pts_at.map(stamp);
        let expected = header.packet_length.checked_sub(header.payload_at - 6);
        let pes = Pes {
            stream_id: header.stream_id,
            pts,
            dts: header.dts_at.map(stamp).or(pts),
            random_access: packet.is_random_access(),
            payload: payload[header.payload_at..].to_vec(),
            complete: false,
        };
        Some(Self { pes, expected, continuity: packet.continuity(), broken: packet.is_scrambled() })
    }

    fn extend(&mut self, packet: &Packet<'_>) {
        self.broken |= !self.is_followed_by(packet) || packet.is_scrambled();
        self.continuity = packet.continuity();
        self.pes.payload.extend_from_slice(packet.payload());
    }

    fn is_followed_by(&self, packet: &Packet<'_>) -> bool {
        packet.continuity() == (self.continuity + 1) & 0x0f
    }

    /// `next_follows`: the packet after its last one begins the next, so that nothing was lost in between.
    fn finish(mut self, next_follows: bool) -> Pes {
        self.pes.complete = !self.broken
            && match self.expected {
                Some(length) => self.pes.payload.len() == length,
                None => next_follows,
            };
        self.pes
    }
}
