//! PES headers: where the elementary stream begins, and its time stamps (ISO/IEC 13818-1, 2.4.3.6
//! and 2.4.3.7).

use crate::time::Pts;

/// The longest piece of a header that is looked at: up to the end of the DTS.
pub const MAX_HEADER: usize = 19;

/// What a PES header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// `stream_id`.
    pub stream_id: u8,
    /// Bytes of the whole PES packet, its header included; `None` when unbounded, as video usually
    /// is.
    pub length: Option<usize>,
    /// Where in the PES packet the elementary stream begins.
    pub payload_at: usize,
    /// Presentation time stamp.
    pub pts: Option<Pts>,
    /// Decoding time stamp, where it differs from the PTS.
    pub dts: Option<Pts>,
}

impl Header {
    /// Reads the header at the beginning of a unit; `None` when it is none, or breaks off.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[0, 0, 1, stream_id, high, low, ..] = bytes else { return None };
        let length = match u16::from_be_bytes([high, low]) {
            0 => None,
            length => Some(usize::from(length) + 6),
        };
        // These stream ids have no header beyond the length (2.4.3.7): programme stream map,
        // padding, private 2, ECM, EMM and others.
        if matches!(stream_id, 0xBC | 0xBE | 0xBF | 0xF0..=0xF2 | 0xF8 | 0xFF) {
            return Some(Self { stream_id, length, payload_at: 6, pts: None, dts: None });
        }
        let &[_, _, _, _, _, _, first, flags, header_length, ..] = bytes else { return None };
        if first & 0xC0 != 0x80 {
            return None; // not MPEG-2 syntax
        }
        let stamp = |at: usize| bytes.get(at..at + 5).map(read_stamp);
        let header_length = usize::from(header_length);
        let (pts, dts) = match flags >> 6 {
            0b10 if header_length >= 5 => (Some(stamp(9)?), None),
            0b11 if header_length >= 10 => (Some(stamp(9)?), Some(stamp(14)?)),
            _ => (None, None),
        };
        Some(Self { stream_id, length, payload_at: 9 + header_length, pts, dts })
    }

    /// When to decode: the DTS, or the PTS where there is none.
    pub fn decode_time(&self) -> Option<Pts> {
        self.dts.or(self.pts)
    }

    /// The same with its stamps moved by `ticks` of 90 kHz, and that to be decoded by `late` more.
    /// Nothing that is late is shown before it is decoded.
    #[must_use]
    pub fn moved(&self, ticks: i64, late: i64) -> Self {
        let dts = self.dts.map(|dts| dts.shifted(ticks + late));
        let pts = self.pts.map(|pts| match dts {
            None => pts.shifted(ticks + late),
            Some(dts) if late > 0 && dts.since(pts.shifted(ticks)) > 0 => dts,
            Some(_) => pts.shifted(ticks),
        });
        Self { pts, dts, ..*self }
    }
}

fn read_stamp(field: &[u8]) -> Pts {
    let byte = |index: usize| u64::from(field[index]);
    Pts::new((byte(0) >> 1 & 7) << 30 | byte(1) << 22 | (byte(2) >> 1) << 15 | byte(3) << 7 | byte(4) >> 1)
}

/// The five bytes of `stamp`; `prefix` is the first byte as it was, whose upper half says which
/// stamp it is.
pub fn write_stamp(stamp: Pts, prefix: u8) -> [u8; 5] {
    let ticks = stamp.ticks();
    let byte = |shift: u32| ((ticks >> shift) & 0xFF) as u8;
    [prefix & 0xF0 | byte(29) & 0x0E | 1, byte(22), byte(14) | 1, byte(7), byte(0) << 1 | 1]
}

/// The header of a PES packet of `stream_id` whose elementary stream begins with an access unit
/// (`data_alignment_indicator`). The DTS is written where it differs from the PTS. The length is
/// open until [`set_length`].
pub fn header(stream_id: u8, pts: Pts, dts: Pts) -> Vec<u8> {
    let has_dts = pts != dts;
    let mut out = Vec::with_capacity(MAX_HEADER);
    out.extend([0, 0, 1, stream_id, 0, 0, 0x84]);
    out.extend(if has_dts { [0xC0, 10] } else { [0x80, 5] });
    out.extend(write_stamp(pts, if has_dts { 0x30 } else { 0x20 }));
    if has_dts {
        out.extend(write_stamp(dts, 0x10));
    }
    out
}

/// Writes the length of a whole PES packet into it. One that does not fit 16 bits stays open, which
/// only video may be (2.4.3.7).
pub fn set_length(packet: &mut [u8]) {
    let length = packet.len().checked_sub(6).and_then(|length| u16::try_from(length).ok()).unwrap_or(0);
    if let Some(field) = packet.get_mut(4..6) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

/// Moves the stamps in the header of a PES packet by `ticks` of 90 kHz.
pub fn shift_stamps(packet: &mut [u8], header: &Header, ticks: i64) {
    for (at, stamp) in [(9, header.pts), (14, header.dts)] {
        if let (Some(stamp), Some(field)) = (stamp, packet.get_mut(at..at + 5)) {
            let moved = write_stamp(stamp.shifted(ticks), field[0]);
            field.copy_from_slice(&moved);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_as_they_were_written() {
        for ticks in [0, 1, 0x7FFF, 0x8000, 1 << 30, Pts::WRAP - 1, 0x1_2345_6789] {
            let bytes = write_stamp(Pts::new(ticks), 0x31);
            assert_eq!(read_stamp(&bytes), Pts::new(ticks));
            assert_eq!((bytes[0] & 0xF1, bytes[2] & 1, bytes[4] & 1), (0x31, 1, 1));
        }
    }

    #[test]
    fn headers_are_read() {
        let mut bytes = vec![0, 0, 1, 0xE0, 0, 0, 0x80, 0xC0, 10];
        bytes.extend(write_stamp(Pts::new(9000), 0x30));
        bytes.extend(write_stamp(Pts::new(5400), 0x10));
        bytes.extend([0, 0, 1, 9]);
        let header = Header::parse(&bytes).unwrap();
        assert_eq!((header.payload_at, header.length), (19, None));
        assert_eq!((header.pts, header.decode_time()), (Some(Pts::new(9000)), Some(Pts::new(5400))));
        bytes[4..6].copy_from_slice(&17u16.to_be_bytes());
        assert_eq!(Header::parse(&bytes).unwrap().length, Some(23));
    }

    #[test]
    fn headers_are_read_as_they_were_written() {
        let (pts, dts) = (Pts::new(Pts::WRAP - 1), Pts::new(7));
        for (pts, dts, content, length, at) in
            [(pts, dts, 100, Some(119), 19), (dts, dts, 100, Some(114), 14), (pts, dts, 65_523, None, 19)]
        {
            let mut packet = header(0xE0, pts, dts);
            packet.resize(packet.len() + content, 0xAA);
            set_length(&mut packet);
            let dts = (pts != dts).then_some(dts);
            let written = Header { stream_id: 0xE0, length, payload_at: at, pts: Some(pts), dts };
            assert_eq!(Header::parse(&packet), Some(written));
            shift_stamps(&mut packet, &written, 3);
            let moved = Header { pts: Some(pts.shifted(3)), dts: dts.map(|dts| dts.shifted(3)), ..written };
            assert_eq!(Header::parse(&packet), Some(moved));
        }
    }

    #[test]
    fn what_is_no_header_is_none() {
        assert_eq!(Header::parse(&[0, 0, 1, 0xE0, 0, 0, 0x80, 0x80, 5, 1]), None);
        assert_eq!(Header::parse(&[0, 0, 2, 0xE0, 0, 0, 0x80, 0x80, 5]), None);
        assert_eq!(Header::parse(b"\0\0\x01\xBE\0\x04....").unwrap().payload_at, 6);
    }
}
