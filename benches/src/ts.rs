//! The few fields of a transport packet that are measured or rewritten (ISO/IEC 13818-1, 2.4.3).

/// Bytes in a packet.
pub(crate) const PACKET: usize = 188;

/// The PID of packets that carry nothing.
pub(crate) const NULL_PID: u16 = 0x1FFF;

/// Where the clock reference starts over, in ticks of 27 MHz: after 26.5 hours.
pub(crate) const PCR_CYCLE: u64 = (1 << 33) * 300;

/// Of stamps: 33 bits of 90 kHz.
const STAMP_MASK: u64 = (1 << 33) - 1;

/// One packet's bytes.
pub(crate) type Packet = [u8; PACKET];

pub(crate) fn pid(packet: &Packet) -> u16 {
    u16::from_be_bytes([packet[1] & 0x1F, packet[2]])
}

/// Whether a PES packet or a section begins here.
pub(crate) fn starts_unit(packet: &Packet) -> bool {
    packet[1] & 0x40 != 0
}

pub(crate) fn has_payload(packet: &Packet) -> bool {
    packet[3] & 0x10 != 0
}

pub(crate) fn counter(packet: &Packet) -> u8 {
    packet[3] & 0x0F
}

pub(crate) fn set_counter(packet: &mut Packet, counter: u8) {
    packet[3] = packet[3] & 0xF0 | counter & 0x0F;
}

/// The flags of the adaptation field; 0 without one.
fn adaptation_flags(packet: &Packet) -> u8 {
    if packet[3] & 0x20 != 0 && packet[4] > 0 { packet[5] } else { 0 }
}

/// Whether the counter may step here.
pub(crate) fn is_discontinuous(packet: &Packet) -> bool {
    adaptation_flags(packet) & 0x80 != 0
}

/// Whether a decoder can start here, as the multiplexer says.
pub(crate) fn is_random_access(packet: &Packet) -> bool {
    adaptation_flags(packet) & 0x40 != 0
}

/// Where the payload begins.
fn payload_at(packet: &Packet) -> usize {
    if packet[3] & 0x20 != 0 { 5 + usize::from(packet[4]) } else { 4 }
}

/// Whether a PES packet of video begins here that a decoder can start with.
pub(crate) fn starts_key_picture(packet: &Packet) -> bool {
    let at = payload_at(packet);
    starts_unit(packet)
        && is_random_access(packet)
        && has_payload(packet)
        && packet.get(at..at + 4).is_some_and(|start| start[..3] == [0, 0, 1] && start[3] & 0xF0 == 0xE0)
}

/// The clock reference, in ticks of 27 MHz.
pub(crate) fn pcr(packet: &Packet) -> Option<u64> {
    if adaptation_flags(packet) & 0x10 == 0 || packet[4] < 7 {
        return None;
    }
    let base = u64::from(u32::from_be_bytes([packet[6], packet[7], packet[8], packet[9]])) << 1
        | u64::from(packet[10] >> 7);
    Some(base * 300 + u64::from(u16::from_be_bytes([packet[10] & 1, packet[11]])))
}

/// Overwrites the clock reference of a packet that has one.
pub(crate) fn set_pcr(packet: &mut Packet, ticks_27m: u64) {
    let ticks_27m = ticks_27m % PCR_CYCLE;
    let (base, extension) = (ticks_27m / 300, ticks_27m % 300);
    // 33 bits of base, six reserved ones, nine bits of extension.
    let field = (base << 15 | 0x3F << 9 | extension).to_be_bytes();
    packet[6..12].copy_from_slice(&field[2..]);
}

/// Moves the presentation and decoding stamps of a PES packet that begins here by `ticks_90k`.
pub(crate) fn shift_stamps(packet: &mut Packet, ticks_90k: u64) {
    let at = payload_at(packet);
    if !starts_unit(packet) || !has_payload(packet) || at + 19 > PACKET || packet[at..at + 3] != [0, 0, 1] {
        return;
    }
    // Sound and video; nothing else that has stamps is in a clip.
    if !(0xC0..=0xEF).contains(&packet[at + 3]) {
        return;
    }
    let which = packet[at + 7] >> 6;
    if which & 2 != 0 {
        shift_stamp(&mut packet[at + 9..at + 14], ticks_90k);
    }
    if which == 3 {
        shift_stamp(&mut packet[at + 14..at + 19], ticks_90k);
    }
}

fn shift_stamp(field: &mut [u8], ticks_90k: u64) {
    let stamp = (read_stamp(field) + ticks_90k) & STAMP_MASK;
    let byte = |value: u64| value.to_le_bytes()[0];
    field[0] = field[0] & 0xF1 | byte(stamp >> 30) << 1;
    field[1] = byte(stamp >> 22);
    field[2] = byte(stamp >> 15) << 1 | 1;
    field[3] = byte(stamp >> 7);
    field[4] = byte(stamp) << 1 | 1;
}

fn read_stamp(field: &[u8]) -> u64 {
    let bits = |index: usize| u64::from(field[index]);
    (bits(0) >> 1 & 7) << 30 | bits(1) << 22 | (bits(2) >> 1) << 15 | bits(3) << 7 | bits(4) >> 1
}

#[cfg(test)]
pub(crate) mod build {
    //! Packets for tests.

    use super::*;

    /// A packet with a clock reference and nothing else.
    pub(crate) fn clock(pid: u16, counter: u8, ticks_27m: u64) -> Packet {
        let mut packet = plain(pid, counter);
        packet[3] = 0x20 | counter;
        packet[4] = 183;
        packet[5] = 0x10;
        set_pcr(&mut packet, ticks_27m);
        packet
    }

    /// A packet with a payload that begins nothing.
    pub(crate) fn plain(pid: u16, counter: u8) -> Packet {
        let mut packet = [0xFF; PACKET];
        packet[0] = 0x47;
        packet[1..3].copy_from_slice(&pid.to_be_bytes());
        packet[3] = 0x10 | counter & 15;
        packet
    }

    /// The start of a key picture that is shown at `ticks_90k`.
    pub(crate) fn key(pid: u16, counter: u8, ticks_90k: u64) -> Packet {
        let mut packet = plain(pid, counter);
        packet[1] |= 0x40;
        packet[3] |= 0x20;
        packet[4] = 1;
        packet[5] = 0x40;
        packet[6..15].copy_from_slice(&[0, 0, 1, 0xE0, 0, 0, 0x80, 0x80, 5]);
        packet[15..20].copy_from_slice(&[0x21, 0, 1, 0, 1]);
        shift_stamp(&mut packet[15..20], ticks_90k);
        packet
    }

    /// The presentation stamp of a packet made by [`key`].
    pub(crate) fn stamp(packet: &Packet) -> u64 {
        read_stamp(&packet[15..20])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_reference_is_read_as_it_was_written() {
        for ticks in [0, 299, 300, 27_000_000, PCR_CYCLE - 1] {
            assert_eq!(pcr(&build::clock(0x100, 0, ticks)), Some(ticks));
        }
        assert_eq!(pcr(&build::clock(0x100, 0, PCR_CYCLE + 5)), Some(5), "it starts over");
        assert_eq!(pcr(&build::plain(0x100, 0)), None);
    }

    #[test]
    fn stamps_move_and_start_over() {
        let mut packet = build::key(0x100, 0, 90_000);
        assert_eq!(build::stamp(&packet), 90_000);
        shift_stamps(&mut packet, STAMP_MASK - 89_999);
        assert_eq!(build::stamp(&packet), 0);
        let mut plain = build::plain(0x100, 3);
        shift_stamps(&mut plain, 5);
        assert_eq!(plain, build::plain(0x100, 3), "nothing begins in it");
    }

    #[test]
    fn a_key_picture_needs_the_hint_and_the_start() {
        assert!(starts_key_picture(&build::key(0x100, 0, 0)));
        assert!(!starts_key_picture(&build::plain(0x100, 0)));
        let mut sound = build::key(0x101, 0, 0);
        sound[9] = 0xC0;
        assert!(!starts_key_picture(&sound));
    }
}
