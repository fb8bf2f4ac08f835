//! A rendition that is a transport stream, taken apart into PES packets.

use super::{Found, Pes, Reason, SHIFT};
use crate::ts::demux::{Continuity, Demux, Role};
use crate::ts::packet::{Bytes, PACKET_SIZE, Packet};
use crate::ts::pes::{self, Header};
use crate::ts::random_access::{Scan, Verdict};
use crate::ts::stream::{Class, Codec};
use crate::ts::sync::{Item, LOCK, Sync};

/// The largest PES packet that is put together: several times the largest picture of a 4K
/// broadcast.
const MAX_PES: usize = 8 << 20;

/// Stream types of SAMPLE-AES: H.264, AAC, AC-3, E-AC-3.
const SAMPLE_AES: [u8; 4] = [0xDB, 0xCF, 0xC1, 0xC2];

/// The rendition's segments, one after the other.
#[derive(Debug)]
pub(super) struct Reader {
    demux: Demux,
    /// Whether anything but sound is left out.
    only_sound: bool,
    /// By their place in the map.
    slots: Vec<Slot>,
}

/// One stream of the map.
#[derive(Debug)]
struct Slot {
    codec: Codec,
    /// The index among the streams that were told; `None` of one that is left out.
    stream: Option<usize>,
    /// The PES packet that is being put together; empty when none is.
    bytes: Vec<u8>,
    /// `random_access_indicator` of its first packet.
    is_hinted: bool,
    /// The packet before: its copy may follow.
    last: Option<Bytes>,
}

impl Reader {
    /// A reader of all streams, or of sound alone.
    pub(super) fn new(only_sound: bool) -> Self {
        Self { demux: Demux::new(None), only_sound, slots: Vec::new() }
    }

    /// Nothing goes on; what is complete has been taken by [`Reader::finish`].
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.only_sound);
    }

    /// What is put together is complete.
    pub(super) fn finish(&mut self, found: &mut Vec<Found>) {
        for slot in &mut self.slots {
            // One that breaks off is left out: at an end that is no damage.
            let _ = slot.finish(found);
        }
    }

    /// Takes a segment from its first packet on, which lies `at` bytes behind its beginning.
    pub(super) fn push(&mut self, segment: &[u8], at: usize, found: &mut Vec<Found>) -> Result<(), Reason> {
        let packets = &segment[at..];
        let mut outcome = Outcome::default();
        if packets.len() < LOCK * PACKET_SIZE {
            // Too few for a lock, as an initialisation segment has them.
            let (whole, _) = packets.as_chunks::<PACKET_SIZE>();
            for bytes in whole {
                self.handle_packet(Packet::new(bytes), &mut outcome, found);
            }
            return outcome.0.map_or(Ok(()), Err);
        }
        let mut sync = Sync::new();
        let (mut done, mut items) = (at, sync.push(packets));
        while let Some(item) = items.next() {
            match item {
                Item::Packets(run) => {
                    for bytes in run {
                        self.handle_packet(Packet::new(bytes), &mut outcome, found);
                    }
                    done += run.len() * PACKET_SIZE;
                }
                Item::Skipped { bytes } => {
                    outcome.damaged("bytes that belong to no packet", done);
                    done += usize::try_from(bytes).unwrap_or(0);
                }
            }
        }
        if sync.pending() > 0 || sync.untold() > 0 {
            outcome.damaged("the segment breaks off in a packet", done);
        }
        outcome.0.map_or(Ok(()), Err)
    }

    fn handle_packet(&mut self, packet: Packet<'_>, outcome: &mut Outcome, found: &mut Vec<Found>) {
        let index = match self.demux.handle_packet(packet) {
            (Role::Other | Role::Information(_) | Role::Access, _) => return,
            (Role::Changed, _) => return self.handle_map(outcome, found),
            (Role::Stream(index), continuity) => {
                let Some(slot) = self.slots.get_mut(index) else { return }; // a clock alone
                let is_copy = continuity == Continuity::Repeated && slot.repeats(packet);
                slot.last = Some(*packet.bytes());
                if is_copy || slot.stream.is_none() {
                    return;
                }
                if continuity == Continuity::Broken && !packet.starts_unit() && !slot.bytes.is_empty() {
                    slot.bytes.clear();
                    outcome.damaged("packets are missing", 0);
                }
                index
            }
        };
        if packet.is_scrambled() {
            outcome.0 = Some(Reason::Encrypted("the packets are scrambled".to_owned()));
            return;
        }
        if !self.slots[index].push(packet, found) {
            outcome.damaged("a PES packet is damaged", 0);
        }
    }

    /// The map came or changed: its streams are told.
    fn handle_map(&mut self, outcome: &mut Outcome, found: &mut Vec<Found>) {
        self.finish(found);
        let Some(map) = self.demux.program() else { return };
        if map.streams.iter().any(|stream| SAMPLE_AES.contains(&stream.stream_type)) {
            outcome.0 = Some(Reason::Encrypted("SAMPLE-AES".to_owned()));
        }
        let mut told = Vec::new();
        self.slots.clear();
        for stream in &map.streams {
            let codec = Codec::of(stream);
            let is_wanted = !self.only_sound || codec.class() == Class::Audio;
            let index = is_wanted.then_some(told.len());
            self.slots.push(Slot { codec, stream: index, bytes: Vec::new(), is_hinted: false, last: None });
            if is_wanted {
                told.push(stream.clone());
            }
        }
        found.push(Found::Streams(told));
    }
}

/// The worst that was found in a segment.
#[derive(Debug, Default)]
struct Outcome(Option<Reason>);

impl Outcome {
    fn damaged(&mut self, what: &'static str, at: usize) {
        self.0.get_or_insert(Reason::Damaged { what, at });
    }
}

impl Slot {
    fn repeats(&self, packet: Packet<'_>) -> bool {
        self.last.as_ref().is_some_and(|last| Packet::new(last).payload() == packet.payload())
    }

    /// Takes a packet; false when that showed damage.
    fn push(&mut self, packet: Packet<'_>, found: &mut Vec<Found>) -> bool {
        let Some(payload) = packet.payload() else { return true };
        if self.codec.class() == Class::Sections {
            found.extend(self.stream.map(|stream| Found::Pes(Pes::section(stream, packet.bytes()))));
            return true;
        }
        let mut is_good = true;
        if packet.starts_unit() {
            is_good = self.finish(found);
            self.is_hinted = packet.hints_random_access();
        } else if self.bytes.is_empty() {
            // The rest of what has been told of, or of what began before the first segment.
            return true;
        }
        self.bytes.extend_from_slice(payload);
        let length = Header::parse(&self.bytes).and_then(|header| header.length);
        if length.is_some_and(|length| self.bytes.len() >= length) {
            is_good &= self.finish(found);
        } else if self.bytes.len() > MAX_PES {
            self.bytes.clear();
            is_good = false;
        }
        is_good
    }

    /// The PES packet is complete, if there is one; false when it is damaged, and left out.
    fn finish(&mut self, found: &mut Vec<Found>) -> bool {
        if self.bytes.is_empty() {
            return true;
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        let Some(header) = Header::parse(&bytes) else { return false };
        if let Some(length) = header.length {
            if bytes.len() < length {
                return false;
            }
            bytes.truncate(length);
        }
        pes::shift_stamps(&mut bytes, &header, SHIFT);
        let is_entry = self.codec.class() == Class::Video && {
            let content = bytes.get(header.payload_at..).unwrap_or_default();
            matches!(Scan::new(self.codec, self.is_hinted).push(content), Verdict::RandomAccess(_))
        };
        let time = header.decode_time().map(|time| time.shifted(SHIFT));
        found.extend(self.stream.map(|stream| Found::Pes(Pes { stream, time, is_entry, bytes })));
        true
    }
}
