//! SCTE-35 cues name a time of the programme, so they move with it: `pts_adjustment` is what the
//! standard gives to devices that restamp (SCTE 35, 9.2).

use crate::time::Pts;
use crate::ts::packet::{Bytes, PACKET_SIZE, Packet};
use crate::ts::psi;

/// Moves the cue that lies in `packet` by `ticks` of 90 kHz. A cue that is spread over packets is
/// left as it is; cues are far shorter than a packet.
pub(super) fn shift(packet: &mut Bytes, ticks: i64) {
    let view = Packet::new(packet);
    let (true, Some(payload)) = (view.starts_unit(), view.payload()) else { return };
    // The first byte points behind the end of the section before.
    let start = PACKET_SIZE - payload.len() + 1 + usize::from(payload[0]);
    let Some(&[0xFC, high, low, ..]) = packet.get(start..) else { return };
    let end = start + 3 + usize::from(u16::from_be_bytes([high, low]) & 0x0FFF);
    let Some(section) = packet.get_mut(start..end) else { return };
    // A cue that is damaged is left as it is, so that its checksum still says so.
    if section.len() < 20 || psi::crc32(section) != 0 {
        return;
    }
    let adjustment = section[4..9].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    // The upper seven bits say how the cue is encrypted, and stay.
    let moved = Pts::new(adjustment).shifted(ticks).ticks() | adjustment & (0x7F << 33);
    section[4..9].copy_from_slice(&moved.to_be_bytes()[3..]);
    let body = section.len() - 4;
    let crc = psi::crc32(&section[..body]);
    section[body..].copy_from_slice(&crc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::packet::Pid;

    #[test]
    fn the_adjustment_moves_and_the_checksum_fits() {
        // splice_null, pts_adjustment 2^33 - 5, not encrypted.
        let mut section = vec![0xFC, 0x30, 17, 0, 0x01, 0xFF, 0xFF, 0xFF, 0xFB, 0, 0xFF, 0xF0, 0, 0, 0, 0];
        section.extend(psi::crc32(&section).to_be_bytes());
        let mut packet = psi::packetize(&section, Pid::new(0x1F0))[0];
        shift(&mut packet, 12);
        let moved = &packet[5..25];
        assert_eq!((&moved[4..9], psi::crc32(moved)), (&[0, 0, 0, 0, 7][..], 0));
        shift(&mut packet, -12);
        assert_eq!(&packet[5..25], section);
    }
}
