//! What of a body is media: all of it, unless it is a transport stream, which may have tables and
//! null packets only.

use std::collections::BTreeSet;

use crate::ts::{NULL_PID, PACKET_SIZE, Packet, SYNC_BYTE};

/// PIDs below are tables' (ETSI EN 300 468, 5.1.3).
const FIRST: u16 = 0x20;

/// Looks through a body as it comes.
#[derive(Debug, Default)]
pub(super) struct Media {
    /// The beginning of a packet.
    held: Vec<u8>,
    /// Whether packets come, once anything has.
    is_stream: Option<bool>,
    /// Where the maps of programmes are.
    maps: BTreeSet<u16>,
}

impl Media {
    /// Takes the next bytes; whether a packet of media is complete with them.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        let Some(&first) = bytes.first() else { return false };
        if !*self.is_stream.get_or_insert(first == SYNC_BYTE) {
            return true;
        }
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let (packets, rest) = held.as_chunks::<PACKET_SIZE>();
        self.held = rest.to_vec();
        packets.iter().filter(|packet| self.is_media(&packet[..])).count() > 0
    }

    fn is_media(&mut self, packet: &[u8]) -> bool {
        // What is damaged came nevertheless.
        let Some(packet) = Packet::new(packet) else { return true };
        if packet.pid() == 0 && packet.starts_unit() {
            self.read_programmes(packet.payload());
        }
        (FIRST..NULL_PID).contains(&packet.pid())
            && !self.maps.contains(&packet.pid())
            && packet.has_payload()
    }

    /// Reads the PIDs of maps (ISO/IEC 13818-1, 2.4.4.3).
    fn read_programmes(&mut self, payload: &[u8]) {
        let Some((&pointer, rest)) = payload.split_first() else { return };
        let Some(section) = rest.get(usize::from(pointer)..).filter(|section| section.len() > 8) else {
            return;
        };
        let length = 3 + usize::from(u16::from_be_bytes([section[1] & 0x0F, section[2]]));
        let Some(programmes) = section.get(8..length.saturating_sub(4)) else { return };
        let pid = |programme: &[u8; 4]| u16::from_be_bytes([programme[2] & 0x1F, programme[3]]);
        self.maps.extend(programmes.as_chunks().0.iter().map(pid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::{Clip, Kind};

    #[test]
    fn tables_and_null_packets_are_no_media() {
        let clip = Clip::get(Kind::H264Aac);
        let packets: Vec<&[u8]> = (0..clip.packets()).map(|at| clip.packet(at)).collect();
        let tables: BTreeSet<u16> = [0, 0x11, 0x1000].into();
        for size in [1, 100, PACKET_SIZE, 1000] {
            let mut media = Media::default();
            let is_table = |packet: &&&[u8]| tables.contains(&Packet::new(packet).unwrap().pid());
            let kept: Vec<u8> = packets.iter().filter(is_table).flat_map(|packet| packet.to_vec()).collect();
            let mut null = [0xFF; PACKET_SIZE];
            null[..4].copy_from_slice(&[SYNC_BYTE, 0x1F, 0xFF, 0x10]);
            let dull = [&kept[..], &null, &kept, &null].concat();
            assert!(dull.len() > 10 * PACKET_SIZE);
            assert!(dull.chunks(size).all(|piece| !media.push(piece)), "in pieces of {size}");
            let picture = packets.iter().find(|packet| !is_table(packet)).unwrap();
            let pieces: Vec<bool> = picture.chunks(size).map(|piece| media.push(piece)).collect();
            assert!(pieces.ends_with(&[true]) && pieces.iter().filter(|is| **is).count() == 1, "{pieces:?}");
        }
    }

    #[test]
    fn any_other_body_is_media() {
        let mut media = Media::default();
        assert!(!media.push(b"") && media.push(b"{") && media.push(b"}"));
    }
}
