//! A small writer of transport streams for unit tests.

use std::collections::BTreeMap;

use super::packet::{NULL_PID, PACKET_SIZE, SYNC_BYTE, write_pcr, write_timestamp};
use super::psi::crc32;

/// Writes the packets of one programme; each method returns whole packets and continues the counters.
#[derive(Debug, Clone)]
pub struct Muxer {
    program: u16,
    pmt_pid: u16,
    pcr_pid: u16,
    version: u8,
    descriptors: Vec<u8>,
    streams: Vec<(u16, u8, Vec<u8>)>,
    continuity: BTreeMap<u16, u8>,
}

impl Muxer {
    /// A programme number 1 with its PMT on this PID and its clock on that one, and no streams yet.
    pub fn new(pmt_pid: u16, pcr_pid: u16) -> Self {
        Self {
            program: 1,
            pmt_pid,
            pcr_pid,
            version: 0,
            descriptors: Vec::new(),
            streams: Vec::new(),
            continuity: BTreeMap::new(),
        }
    }

    /// The common case: PMT on 0x1000, H.264 with the clock on 0x100, AAC on 0x101.
    pub fn h264_aac() -> Self {
        Self::new(0x1000, 0x100).stream(0x100, 0x1b).stream(0x101, 0x0f)
    }

    /// Adds a stream to the PMT.
    #[must_use]
    pub fn stream(self, pid: u16, stream_type: u8) -> Self {
        self.stream_with(pid, stream_type, &[])
    }

    /// Adds a stream with raw descriptors to the PMT.
    #[must_use]
    pub fn stream_with(mut self, pid: u16, stream_type: u8, descriptors: &[u8]) -> Self {
        self.streams.push((pid, stream_type, descriptors.to_vec()));
        self
    }

    /// Sets the raw descriptors of the programme in the PMT.
    #[must_use]
    pub fn described(mut self, descriptors: &[u8]) -> Self {
        self.descriptors = descriptors.to_vec();
        self
    }

    /// Sets the programme number.
    #[must_use]
    pub fn program(mut self, number: u16) -> Self {
        self.program = number;
        self
    }

    /// Replaces the streams and counts the version of the PMT up.
    pub fn change_streams(&mut self, streams: &[(u16, u8)]) {
        self.streams = streams.iter().map(|&(pid, kind)| (pid, kind, Vec::new())).collect();
        self.version = (self.version + 1) & 0x1f;
    }

    /// Sets the counter that the next packet of `pid` gets: how a test makes a jump.
    pub fn set_continuity(&mut self, pid: u16, counter: u8) {
        self.continuity.insert(pid, counter & 0x0f);
    }

    /// A PAT.
    pub fn pat(&mut self) -> Vec<u8> {
        let (program, pmt_pid) = (self.program.to_be_bytes(), (0xe000 | self.pmt_pid).to_be_bytes());
        let section = section(0x00, 1, 0, &[program, pmt_pid].concat());
        self.section(0, &section)
    }

    /// A PMT, in as many packets as it needs.
    pub fn pmt(&mut self) -> Vec<u8> {
        let mut body = (0xe000 | self.pcr_pid).to_be_bytes().to_vec();
        let length = |descriptors: &[u8]| {
            (0xf000 | u16::try_from(descriptors.len()).expect("short descriptors")).to_be_bytes()
        };
        body.extend(length(&self.descriptors));
        body.extend(&self.descriptors);
        for (pid, stream_type, descriptors) in &self.streams {
            body.push(*stream_type);
            body.extend((0xe000 | pid).to_be_bytes());
            body.extend(length(descriptors));
            body.extend(descriptors);
        }
        let section = section(0x02, self.program, self.version, &body);
        self.section(self.pmt_pid, &section)
    }

    /// A section of your own, with its pointer field.
    pub fn section(&mut self, pid: u16, section: &[u8]) -> Vec<u8> {
        let mut payload = vec![0];
        payload.extend(section);
        // A section ends within a packet with stuffing bytes, not with an adaptation field.
        payload.resize(payload.len().next_multiple_of(PACKET_SIZE - 4), 0xff);
        self.packets(pid, &payload, None, false)
    }

    /// A PES packet with time stamps in 90 kHz ticks; the clock, in 27 MHz ticks, goes into its first packet.
    /// The length field is zero for video (stream type 0x01, 0x02, 0x1b, 0x24), and true otherwise.
    pub fn pes(&mut self, pid: u16, pts: u64, dts: Option<u64>, payload: &[u8], pcr: Option<u64>) -> Vec<u8> {
        self.pes_with(pid, pts, dts, payload, pcr, false)
    }

    /// As [`Muxer::pes`], with the random access indicator set.
    pub fn key_pes(
        &mut self,
        pid: u16,
        pts: u64,
        dts: Option<u64>,
        payload: &[u8],
        pcr: Option<u64>,
    ) -> Vec<u8> {
        self.pes_with(pid, pts, dts, payload, pcr, true)
    }

    fn pes_with(
        &mut self,
        pid: u16,
        pts: u64,
        dts: Option<u64>,
        payload: &[u8],
        pcr: Option<u64>,
        key: bool,
    ) -> Vec<u8> {
        let stream_type = self.streams.iter().find(|stream| stream.0 == pid).map_or(0x06, |stream| stream.1);
        let is_video = matches!(stream_type, 0x01 | 0x02 | 0x1b | 0x24);
        let stream_id = match stream_type {
            _ if is_video => 0xe0,
            0x03 | 0x04 | 0x0f | 0x11 => 0xc0,
            _ => 0xbd,
        };
        let stamps: Vec<u8> = match dts {
            None => stamp(0x21, pts).to_vec(),
            Some(dts) => [stamp(0x31, pts), stamp(0x11, dts)].concat(),
        };
        let stamps_length = u8::try_from(stamps.len()).expect("at most two time stamps");
        let length = if is_video { 0 } else { 3 + stamps.len() + payload.len() };
        let length = u16::try_from(length).expect("a PES packet of audio or data has at most 65,535 bytes");
        let mut bytes = vec![0, 0, 1, stream_id];
        bytes.extend(length.to_be_bytes());
        bytes.extend([0x84, if dts.is_some() { 0xc0 } else { 0x80 }, stamps_length]);
        bytes.extend(stamps);
        bytes.extend(payload);
        self.packets(pid, &bytes, pcr, key)
    }

    /// A packet with nothing but the clock, in 27 MHz ticks.
    pub fn pcr(&mut self, pid: u16, pcr: u64) -> Vec<u8> {
        let last = self.continuity.get(&pid).map_or(0, |next| (next + 15) & 0x0f);
        let mut packet = vec![0xff; PACKET_SIZE];
        packet[..6].copy_from_slice(&header(pid, false, 0x20 | last, 183, 0x10));
        write_pcr(&mut packet, pcr);
        packet
    }

    /// A stuffing packet.
    pub fn null() -> Vec<u8> {
        let mut packet = vec![0xff; PACKET_SIZE];
        let [high, low] = NULL_PID.to_be_bytes();
        packet[..4].copy_from_slice(&[SYNC_BYTE, high, low, 0x10]);
        packet
    }

    /// Cuts a unit into packets; the last one is filled up by an adaptation field.
    fn packets(&mut self, pid: u16, unit: &[u8], pcr: Option<u64>, key: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = unit;
        while !rest.is_empty() || out.is_empty() {
            let first = out.is_empty();
            let flags = if first { u8::from(pcr.is_some()) << 4 | u8::from(key) << 6 } else { 0 };
            let needed = if flags == 0 { 0 } else { 2 + if pcr.is_some() { 6 } else { 0 } };
            let room = PACKET_SIZE - 4;
            let size = rest.len().min(room - needed);
            let field = room - size;
            let (now, later) = rest.split_at(size);
            rest = later;
            let counter = self.continuity.entry(pid).or_default();
            let control = if field == 0 { 0x10 } else { 0x30 } | *counter;
            *counter = (*counter + 1) & 0x0f;
            let mut packet = vec![0xff; PACKET_SIZE];
            let field_length = u8::try_from(field.saturating_sub(1)).expect("less than a packet");
            let head = header(pid, first, control, field_length, flags);
            // A field of one byte is its own length, zero, and has no flags.
            packet[..4 + field.min(2)].copy_from_slice(&head[..4 + field.min(2)]);
            if let Some(pcr) = pcr.filter(|_| first) {
                write_pcr(&mut packet, pcr);
            }
            packet[4 + field..].copy_from_slice(now);
            out.extend(packet);
        }
        out
    }
}

fn header(pid: u16, starts_unit: bool, control: u8, field_length: u8, flags: u8) -> [u8; 6] {
    let [high, low] = pid.to_be_bytes();
    [SYNC_BYTE, high | u8::from(starts_unit) << 6, low, control, field_length, flags]
}

fn stamp(prefix: u8, ticks: u64) -> [u8; 5] {
    let mut field = [prefix, 0, 0, 0, 0];
    write_timestamp(&mut field, ticks);
    field
}

/// A long-form section with its CRC.
pub fn section(table: u8, extension: u16, version: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(5 + body.len() + 4).expect("a section has at most 4096 bytes");
    let mut bytes = vec![table];
    bytes.extend((0xb000 | length).to_be_bytes());
    bytes.extend(extension.to_be_bytes());
    bytes.extend([0xc1 | version << 1, 0, 0]);
    bytes.extend(body);
    bytes.extend(crc32(&bytes).to_be_bytes());
    bytes
}

/// Elementary stream bytes that look like pictures to who reads NAL units, without being decodable.
pub mod h264 {
    /// Access unit delimiter, SPS and PPS of a 640x360 High profile stream, and an IDR slice of `size` bytes.
    pub fn idr(size: usize) -> Vec<u8> {
        [AUD, SPS, PPS, &[0, 0, 1, 0x65, 0x88], &vec![0xa5; size]].concat()
    }

    /// As [`idr`], with a recovery point message and an I slice that is no IDR.
    pub fn recovery_point(size: usize) -> Vec<u8> {
        [AUD, SPS, PPS, &[0, 0, 1, 6, 6, 1, 0xc4, 0x80, 0, 0, 1, 0x41, 0x88], &vec![0xa5; size]].concat()
    }

    /// Access unit delimiter and a P slice of `size` bytes.
    pub fn predicted(size: usize) -> Vec<u8> {
        [AUD, &[0, 0, 1, 0x41, 0x9a], &vec![0xa5; size]].concat()
    }

    const AUD: &[u8] = &[0, 0, 0, 1, 0x09, 0xf0];
    /// As x264 writes it for 640x360 at 25 frames per second.
    const SPS: &[u8] = &[
        0, 0, 0, 1, 0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03,
        0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2d, 0x96,
    ];
    const PPS: &[u8] = &[0, 0, 0, 1, 0x68, 0xef, 0xbc, 0xb0];
}
