//! One transport packet and its fields (ISO/IEC 13818-1, 2.4.3).

/// Length of a transport packet in bytes.
pub const PACKET_SIZE: usize = 188;
/// First byte of every transport packet.
pub const SYNC_BYTE: u8 = 0x47;
/// PID of stuffing packets.
pub const NULL_PID: u16 = 0x1fff;

/// A view of one transport packet.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Takes `bytes` as a packet, if it has the length and the sync byte of one.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() == PACKET_SIZE && bytes[0] == SYNC_BYTE).then_some(Self { bytes })
    }

    /// Packet identifier.
    pub fn pid(&self) -> u16 {
        u16::from_be_bytes([self.bytes[1] & 0x1f, self.bytes[2]])
    }

    /// `transport_error_indicator`.
    pub fn is_damaged(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }

    /// `payload_unit_start_indicator`: a PES packet or a section begins here.
    pub fn starts_unit(&self) -> bool {
        self.bytes[1] & 0x40 != 0
    }

    /// `transport_scrambling_control` is not zero.
    pub fn is_scrambled(&self) -> bool {
        self.bytes[3] & 0xc0 != 0
    }

    /// `continuity_counter`.
    pub fn continuity(&self) -> u8 {
        self.bytes[3] & 0x0f
    }

    /// Whether the packet says that it has a payload.
    pub fn has_payload(&self) -> bool {
        self.bytes[3] & 0x10 != 0
    }

    /// The adaptation field without its length byte, if there is a non-empty one.
    fn adaptation(&self) -> Option<&'a [u8]> {
        if self.bytes[3] & 0x20 == 0 {
            return None;
        }
        let length = usize::from(self.bytes[4]);
        self.bytes.get(5..5 + length).filter(|field| !field.is_empty())
    }

    /// Where the payload begins, or nothing when there is none or the adaptation field overflows the packet.
    pub(crate) fn payload_offset(&self) -> Option<usize> {
        if !self.has_payload() {
            return None;
        }
        let offset = if self.bytes[3] & 0x20 == 0 { 4 } else { 5 + usize::from(self.bytes[4]) };
        (offset < PACKET_SIZE).then_some(offset)
    }

    /// The payload; empty when there is none.
    pub fn payload(&self) -> &'a [u8] {
        self.payload_offset().map_or(&[], |offset| &self.bytes[offset..])
    }

    /// `discontinuity_indicator`.
    pub fn is_discontinuity(&self) -> bool {
        self.adaptation().is_some_and(|field| field[0] & 0x80 != 0)
    }

    /// `random_access_indicator`.
    pub fn is_random_access(&self) -> bool {
        self.adaptation().is_some_and(|field| field[0] & 0x40 != 0)
    }

    /// Program clock reference in 27 MHz ticks.
    pub fn pcr(&self) -> Option<u64> {
        let field = self.adaptation()?;
        if field[0] & 0x10 == 0 || field.len() < 7 {
            return None;
        }
        let base = u64::from(u32::from_be_bytes([field[1], field[2], field[3], field[4]])) << 1
            | u64::from(field[5] >> 7);
        let extension = u64::from(field[5] & 1) << 8 | u64::from(field[6]);
        Some(base * 300 + extension)
    }
}

/// Overwrites the program clock reference of a packet that has one; `pcr` is in 27 MHz ticks and wraps.
pub(crate) fn write_pcr(packet: &mut [u8], pcr: u64) {
    let base = (pcr / 300) & ((1 << 33) - 1);
    let extension = pcr % 300;
    let bytes = (base << 15 | 0x7e00 | extension).to_be_bytes();
    packet[6..12].copy_from_slice(&bytes[2..]);
}

/// Overwrites the value bits of a 5-byte PES time stamp and keeps its prefix; `ticks` are of 90 kHz and wrap.
pub(crate) fn write_timestamp(field: &mut [u8], ticks: u64) {
    let bits = |shift: u32, mask: u64| ((ticks >> shift) & mask).to_le_bytes()[0];
    field[0] = field[0] & 0xf0 | bits(30, 0x07) << 1 | 1;
    field[1] = bits(22, 0xff);
    field[2] = bits(15, 0x7f) << 1 | 1;
    field[3] = bits(7, 0xff);
    field[4] = bits(0, 0x7f) << 1 | 1;
}

/// Reads a 5-byte PES time stamp.
pub(crate) fn read_timestamp(field: &[u8]) -> u64 {
    u64::from(field[0] & 0x0e) << 29
        | u64::from(field[1]) << 22
        | u64::from(field[2] & 0xfe) << 14
        | u64::from(field[3]) << 7
        | u64::from(field[4]) >> 1
}

/// Where the time stamps of a PES packet stand, and how long its header is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PesHeader {
    /// `stream_id`.
    pub(crate) stream_id: u8,
    /// `PES_packet_length`; zero means unbounded.
    pub(crate) packet_length: usize,
    /// Offset of the presentation time stamp.
    pub(crate) pts_at: Option<usize>,
    /// Offset of the decoding time stamp.
    pub(crate) dts_at: Option<usize>,
    /// Offset of the first payload byte.
    pub(crate) payload_at: usize,
}

impl PesHeader {
    /// Reads the header at the start of `payload`; nothing when it is not one or is cut short.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        if payload.len() < 6 || payload[..3] != [0, 0, 1] {
            return None;
        }
        let stream_id = payload[3];
        let packet_length = usize::from(u16::from_be_bytes([payload[4], payload[5]]));
        // Stream ids without the optional header: maps, padding, private 2, ECM, EMM, directory, DSMCC, H.222.1 E.
        if matches!(stream_id, 0xbc | 0xbe | 0xbf | 0xf0 | 0xf1 | 0xf2 | 0xf8 | 0xff) {
            return Some(Self { stream_id, packet_length, pts_at: None, dts_at: None, payload_at: 6 });
        }
        if payload.len() < 9 || payload[6] & 0xc0 != 0x80 {
            return None;
        }
        let payload_at = 9 + usize::from(payload[8]);
        if payload.len() < payload_at {
            return None;
        }
        let flags = payload[7] >> 6;
        let pts_at = (flags & 2 != 0 && payload_at >= 14).then_some(9);
        let dts_at = (flags == 3 && payload_at >= 19).then_some(14);
        Some(Self { stream_id, packet_length, pts_at, dts_at, payload_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_survive_writing_and_reading() {
        for ticks in [0, 1, 90_000, 0x1_2345_6789, (1 << 33) - 1] {
            let mut field = [0x31, 0, 0, 0, 0];
            write_timestamp(&mut field, ticks);
            assert_eq!(read_timestamp(&field), ticks);
            assert_eq!(field[0] & 0xf1, 0x31, "prefix and marker stay");
        }
    }

    #[test]
    fn clock_reference_survives_writing_and_reading() {
        for pcr in [0, 299, 300, 27_000_000, ((1u64 << 33) - 1) * 300 + 299] {
            let mut packet = [0xff; PACKET_SIZE];
            packet[..6].copy_from_slice(&[SYNC_BYTE, 1, 0, 0x30, 7, 0x10]);
            write_pcr(&mut packet, pcr);
            assert_eq!(Packet::new(&packet).unwrap().pcr(), Some(pcr));
        }
    }
}
