//! One transport packet: reading its header and adaptation field, and the few edits a relay makes
//! (ISO/IEC 13818-1, 2.4.3.2 to 2.4.3.5).

use std::fmt;
use std::time::Duration;

use crate::time::Pcr;

/// Bytes in a transport packet.
pub const PACKET_SIZE: usize = 188;

/// The byte every packet begins with.
pub const SYNC_BYTE: u8 = 0x47;

/// The bytes of one packet.
pub type Bytes = [u8; PACKET_SIZE];

/// A null packet, which carries nothing (2.4.1): its payload may be anything, and its continuity
/// counter means nothing.
pub const NULL: Bytes = {
    let mut bytes = [0xFF; PACKET_SIZE];
    [bytes[0], bytes[1], bytes[2], bytes[3]] = [SYNC_BYTE, 0x1F, 0xFF, 0x10];
    bytes
};

/// A packet identifier, 13 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(u16);

impl Pid {
    /// How many there are.
    pub const COUNT: usize = 8192;
    /// The programme association table.
    pub const PAT: Self = Self(0);
    /// The conditional access table.
    pub const CAT: Self = Self(1);
    /// Null packets, which carry nothing.
    pub const NULL: Self = Self(0x1FFF);

    /// A PID of the low 13 bits of `value`.
    pub const fn new(value: u16) -> Self {
        Self(value & 0x1FFF)
    }

    /// The 13 bits.
    pub const fn value(self) -> u16 {
        self.0
    }

    /// The PID as an index, below [`Pid::COUNT`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A view of one packet.
#[derive(Clone, Copy)]
pub struct Packet<'a>(&'a Bytes);

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("pid", &self.pid())
            .field("starts_unit", &self.starts_unit())
            .field("continuity", &self.continuity())
            .field("pcr", &self.pcr())
            .finish_non_exhaustive()
    }
}

const DISCONTINUITY: u8 = 0x80;
const RANDOM_ACCESS: u8 = 0x40;
const HAS_PCR: u8 = 0x10;
const HAS_OPCR: u8 = 0x08;
/// Splicing point, private data, extension.
const HAS_LONG_FIELDS: u8 = 0x07;

impl<'a> Packet<'a> {
    /// A view of `bytes`, which begin with the sync byte.
    pub const fn new(bytes: &'a Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn bytes(self) -> &'a Bytes {
        self.0
    }

    /// `transport_error_indicator`: the demodulator knows this packet to be damaged.
    pub const fn is_damaged(self) -> bool {
        self.0[1] & 0x80 != 0
    }

    /// `payload_unit_start_indicator`: a PES packet or a section begins in this packet.
    pub const fn starts_unit(self) -> bool {
        self.0[1] & 0x40 != 0
    }

    /// Whose packet this is.
    pub const fn pid(self) -> Pid {
        Pid::new(u16::from_be_bytes([self.0[1], self.0[2]]))
    }

    /// Whether the payload is scrambled (`transport_scrambling_control` is not 00).
    pub const fn is_scrambled(self) -> bool {
        self.0[3] & 0xC0 != 0
    }

    /// Whether the header announces a payload.
    pub const fn has_payload(self) -> bool {
        self.0[3] & 0x10 != 0
    }

    /// The 4 bits that count a PID's packets with payload.
    pub const fn continuity(self) -> u8 {
        self.0[3] & 0x0F
    }

    /// Length of the adaptation field behind its length byte: `None` without one, 0 to 183.
    const fn adaptation_length(self) -> Option<usize> {
        // More than 183 is damage; those who use it check.
        if self.0[3] & 0x20 == 0 { None } else { Some(self.0[4] as usize) }
    }

    /// The adaptation field's flags; zero without a field, or when it is empty.
    const fn flags(self) -> u8 {
        match self.adaptation_length() {
            None | Some(0) => 0,
            Some(_) => self.0[5],
        }
    }

    /// `discontinuity_indicator`: a break of the clock or of the counter is meant.
    pub const fn is_discontinuity(self) -> bool {
        self.flags() & DISCONTINUITY != 0
    }

    /// `random_access_indicator`: a hint, which many encoders never set and some set wrongly.
    pub const fn hints_random_access(self) -> bool {
        self.flags() & RANDOM_ACCESS != 0
    }

    /// The payload; `None` without one, or when the adaptation field leaves no room for it.
    pub fn payload(self) -> Option<&'a [u8]> {
        if !self.has_payload() {
            return None;
        }
        match self.adaptation_length() {
            None => Some(&self.0[4..]),
            Some(length) if 5 + length < PACKET_SIZE => Some(&self.0[5 + length..]),
            Some(_) => None,
        }
    }

    /// Where the PCR lies, when there is one and it fits the adaptation field.
    const fn pcr_at(self) -> Option<usize> {
        match self.adaptation_length() {
            Some(length) if length >= 7 && length <= 183 && self.0[5] & HAS_PCR != 0 => Some(6),
            _ => None,
        }
    }

    /// Where the OPCR lies, when there is one and it fits the adaptation field.
    const fn opcr_at(self) -> Option<usize> {
        match self.adaptation_length() {
            Some(length) if length <= 183 && self.0[5] & HAS_OPCR != 0 => {
                // It stands behind the PCR, if there is one.
                let at = if self.0[5] & HAS_PCR != 0 { 12 } else { 6 };
                if length + 5 >= at + 6 { Some(at) } else { None }
            }
            _ => None,
        }
    }

    /// The programme clock reference.
    pub fn pcr(self) -> Option<Pcr> {
        self.pcr_at().map(|at| read_pcr(&self.0[at..at + 6]))
    }

    /// Whether the adaptation field is longer than what its flags announce: stuffing, which ends a
    /// PES packet (ISO/IEC 13818-1, 2.4.3.5: it is needed where there is too little data to fill a
    /// packet).
    pub fn is_stuffed(self) -> bool {
        let Some(length) = self.adaptation_length() else { return false };
        if length == 0 {
            return true;
        }
        let flags = self.0[5];
        // Private data and extensions have lengths of their own: such a packet is not taken for
        // stuffed.
        flags & HAS_LONG_FIELDS == 0
            && length > 1 + 6 * usize::from(flags & HAS_PCR != 0) + 6 * usize::from(flags & HAS_OPCR != 0)
    }
}

fn read_pcr(field: &[u8]) -> Pcr {
    let base = u64::from(field[0]) << 25
        | u64::from(field[1]) << 17
        | u64::from(field[2]) << 9
        | u64::from(field[3]) << 1
        | u64::from(field[4]) >> 7;
    let extension = u64::from(field[4] & 1) << 8 | u64::from(field[5]);
    Pcr::new(base * 300 + extension)
}

/// Writes the six bytes of a clock reference.
pub(crate) fn write_pcr(field: &mut [u8], pcr: Pcr) {
    let base = pcr.base().ticks().to_be_bytes(); // 33 bits, in the low end of 64
    let low = (base[7] & 1) << 7;
    let bits = pcr.base().ticks() >> 1;
    field[..4].copy_from_slice(&bits.to_be_bytes()[4..]);
    let extension = pcr.extension().to_be_bytes();
    // The six bits between are reserved, and stay.
    field[4] = low | field[4] & 0x7E | extension[6] & 1;
    field[5] = extension[7];
}

/// Gives `packet` to `pid`.
pub fn set_pid(packet: &mut Bytes, pid: Pid) {
    let [high, low] = pid.value().to_be_bytes();
    // The marks of damage, of a beginning and of priority stay.
    packet[1] = packet[1] & 0xE0 | high;
    packet[2] = low;
}

/// Takes a `transport_error_indicator` off `packet`.
pub fn clear_damage(packet: &mut Bytes) {
    packet[1] &= 0x7F;
}

/// Sets the continuity counter to the low 4 bits of `counter`.
pub fn set_continuity(packet: &mut Bytes, counter: u8) {
    packet[3] = packet[3] & 0xF0 | counter & 0x0F;
}

/// Moves PCR and OPCR by `ticks` of 27 MHz, and returns the new PCR.
pub fn shift_clock(packet: &mut Bytes, ticks: i64) -> Option<Pcr> {
    let view = Packet::new(packet);
    let (pcr_at, opcr_at) = (view.pcr_at(), view.opcr_at());
    if let Some(at) = opcr_at
        && ticks != 0
    {
        let moved = read_pcr(&packet[at..at + 6]).shifted(ticks);
        write_pcr(&mut packet[at..at + 6], moved);
    }
    pcr_at.map(|at| {
        let moved = read_pcr(&packet[at..at + 6]).shifted(ticks);
        if ticks != 0 {
            write_pcr(&mut packet[at..at + 6], moved);
        }
        moved
    })
}

/// A mark in the adaptation field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// `random_access_indicator`.
    RandomAccess,
    /// `discontinuity_indicator`.
    Discontinuity,
}

/// Sets `mark`; false when the packet has no adaptation field to set it in.
pub fn set_mark(packet: &mut Bytes, mark: Mark) -> bool {
    match Packet::new(packet).adaptation_length() {
        None | Some(0) => false,
        Some(_) => {
            packet[5] |= match mark {
                Mark::RandomAccess => RANDOM_ACCESS,
                Mark::Discontinuity => DISCONTINUITY,
            };
            true
        }
    }
}

/// A packet of nothing but a clock reference that lies `back` before the last one in `packets`,
/// marked as a discontinuity (2.4.3.5). `None` where there is no clock reference.
pub fn earlier_clock(packets: &[u8], back: Duration) -> Option<Bytes> {
    let packets = packets.as_chunks::<PACKET_SIZE>().0.iter().map(Packet::new);
    let (last, pcr) = packets.rev().find_map(|packet| Some((packet, packet.pcr()?)))?;
    let ticks = i64::try_from(back.as_micros()).ok()?.checked_mul(27)?;
    let mut earlier = [0xFF; PACKET_SIZE];
    earlier[..4].copy_from_slice(&last.0[..4]);
    earlier[1] &= 0x1F; // no damage, no beginning, no priority
    earlier[3] = 0x20 | last.continuity();
    earlier[4] = 183; // to the end of the packet: it is stuffing behind the clock
    earlier[5] = DISCONTINUITY | HAS_PCR;
    write_pcr(&mut earlier[6..12], pcr.shifted(-ticks));
    Some(earlier)
}

/// Splits a packet whose adaptation field is missing or empty in two, the first of which has one:
/// the payload is the same, byte by byte.
pub fn split_for_marks(packet: &Bytes) -> [Bytes; 2] {
    const FIRST: usize = PACKET_SIZE - 6;
    let from = match Packet::new(packet).adaptation_length() {
        None => 4,
        Some(length) => {
            debug_assert!(length == 0, "a packet that has room for marks is not split");
            5
        }
    };
    let (mut first, mut second) = ([0xFF; PACKET_SIZE], [0xFF; PACKET_SIZE]);
    first[..4].copy_from_slice(&packet[..4]);
    // Both get a field and a payload; scrambling stays as it is.
    first[3] |= 0x30;
    first[4] = 1;
    first[5] = 0;
    first[6..].copy_from_slice(&packet[from..from + FIRST]);
    let rest = &packet[from + FIRST..];
    second[..4].copy_from_slice(&packet[..4]);
    second[1] &= !0x40; // only the first begins the unit
    second[3] |= 0x30;
    second[4] = (PACKET_SIZE - 5 - rest.len()).to_le_bytes()[0];
    second[5] = 0;
    second[PACKET_SIZE - rest.len()..].copy_from_slice(rest);
    [first, second]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet_with_pcr(pcr: Pcr) -> Bytes {
        let mut bytes = [0xFF; PACKET_SIZE];
        bytes[..6].copy_from_slice(&[SYNC_BYTE, 0x41, 0x00, 0x35, 7, HAS_PCR]);
        write_pcr(&mut bytes[6..12], pcr);
        bytes
    }

    #[test]
    fn a_clock_reference_is_read_as_it_was_written() {
        for ticks in [0, 1, 299, 300, 27_000_000, Pcr::WRAP - 1, (1 << 32) * 300 + 150] {
            let bytes = packet_with_pcr(Pcr::new(ticks));
            let packet = Packet::new(&bytes);
            assert_eq!(packet.pcr(), Some(Pcr::new(ticks)));
            assert_eq!((packet.pid(), packet.continuity(), packet.starts_unit()), (Pid::new(0x100), 5, true));
            assert_eq!(packet.payload().map(<[u8]>::len), Some(176));
            assert!(!packet.is_stuffed());
        }
    }

    #[test]
    fn an_earlier_clock_follows_the_last_one() {
        let clock = packet_with_pcr(Pcr::new(27_000_000));
        let stream = [clock, NULL, packet_with_pcr(Pcr::new(2 * 27_000_000)), NULL].concat();
        let earlier = earlier_clock(&stream, Duration::from_secs(5)).expect("there is a clock");
        let view = Packet::new(&earlier);
        assert_eq!(view.pcr(), Some(Pcr::new(Pcr::WRAP - 3 * 27_000_000)));
        assert_eq!((view.pid(), view.has_payload()), (Packet::new(&clock).pid(), false));
        assert!(view.is_discontinuity() && !view.is_damaged() && !view.starts_unit());
        assert_eq!(earlier_clock(&NULL, Duration::from_secs(5)), None);
        // A packet that is not whole is none.
        assert_eq!(earlier_clock(&clock[..100], Duration::from_secs(5)), None);
    }

    #[test]
    fn edits_touch_only_what_they_name() {
        let original = packet_with_pcr(Pcr::new(1_000_000));
        let mut bytes = original;
        bytes[1] |= 0x80;
        set_pid(&mut bytes, Pid::new(0x1ABC));
        assert!(Packet::new(&bytes).is_damaged());
        clear_damage(&mut bytes);
        assert!(!Packet::new(&bytes).is_damaged());
        set_continuity(&mut bytes, 0x13);
        assert_eq!(shift_clock(&mut bytes, -300), Some(Pcr::new(999_700)));
        assert!(set_mark(&mut bytes, Mark::RandomAccess) && set_mark(&mut bytes, Mark::Discontinuity));
        let packet = Packet::new(&bytes);
        assert_eq!((packet.pid(), packet.continuity()), (Pid::new(0x1ABC), 3));
        assert!(packet.starts_unit() && packet.hints_random_access() && packet.is_discontinuity());
        assert_eq!(packet.pcr(), Some(Pcr::new(999_700)));
        assert_eq!(packet.payload(), Packet::new(&original).payload());
    }

    #[test]
    fn a_split_packet_carries_the_same_payload() {
        let mut bytes = [0; PACKET_SIZE];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = i.to_le_bytes()[0];
        }
        // Without an adaptation field, and with an empty one.
        for head in [[SYNC_BYTE, 0x41, 0x00, 0x15, 0xAA], [SYNC_BYTE, 0x41, 0x00, 0x35, 0]] {
            bytes[..5].copy_from_slice(&head);
            let [mut first, second] = split_for_marks(&bytes);
            assert!(set_mark(&mut first, Mark::RandomAccess));
            let payload =
                [Packet::new(&first).payload().unwrap(), Packet::new(&second).payload().unwrap()].concat();
            assert_eq!(payload, Packet::new(&bytes).payload().unwrap());
            assert!(Packet::new(&first).starts_unit() && !Packet::new(&second).starts_unit());
            assert!(Packet::new(&second).is_stuffed() && !Packet::new(&first).is_stuffed());
        }
    }

    #[test]
    fn an_adaptation_field_that_is_too_long_leaves_no_payload() {
        let mut bytes = [0xFF; PACKET_SIZE];
        bytes[..5].copy_from_slice(&[SYNC_BYTE, 0x01, 0x00, 0x30, 255]);
        let packet = Packet::new(&bytes);
        assert_eq!((packet.payload(), packet.pcr()), (None, None));
        assert_eq!(shift_clock(&mut bytes, 5), None);
    }
}
