//! Programme specific information: PAT and PMT, read and written (ISO/IEC 13818-1, 2.4.4).

mod assembly;

pub use self::assembly::{Assembly, Table};
use super::packet::{Bytes, PACKET_SIZE, Pid, SYNC_BYTE};

/// Times that the very same section must come with a wrong checksum until it is believed. Damage
/// differs each time; a multiplexer that computes the checksum wrongly does so always.
const SAME_AGAIN: u32 = 3;

/// Sections with a wrong checksum that are remembered for that, on each PID.
const MAX_SUSPECTS: usize = 8;

/// Descriptors of a programme behind which its streams are looked for. A handful is usual, and each
/// costs a walk through the rest.
const MAX_DESCRIPTORS: usize = 64;

const TABLE_PAT: u8 = 0x00;
const TABLE_CAT: u8 = 0x01;
const TABLE_PMT: u8 = 0x02;

/// CRC-32 of MPEG-2: polynomial 04C11DB7, initial value all ones, neither reflected nor inverted
/// (Annex A).
pub fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        let mut first: u32 = 0;
        while index < 256 {
            let mut crc = first;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04C1_1DB7 };
                bit += 1;
            }
            table[index] = crc;
            index += 1;
            first = first.wrapping_add(1 << 24);
        }
        table
    };
    bytes.iter().fold(u32::MAX, |crc, &byte| crc << 8 ^ TABLE[((crc >> 24) as u8 ^ byte) as usize])
}

/// What is wrong with a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its checksum does not fit.
    #[error("a table's checksum is wrong")]
    Crc,
    /// It is longer or shorter than it may be, or breaks off.
    #[error("a table is malformed")]
    Malformed,
}

/// Puts the sections of one PID together from its packets. The 12 bits of a `section_length` limit
/// what is held: the standard allows a PAT or PMT 1024 bytes, and some multiplexers write longer
/// ones.
#[derive(Debug, Default)]
pub struct Sections {
    buffer: Vec<u8>,
    /// Whether `buffer` holds the beginning of a section.
    open: bool,
    checksums: Checksums,
}

/// What is known of the checksums of one PID.
#[derive(Debug)]
enum Checksums {
    /// None was right so far: the sections that came, and how often each.
    Unproven(Vec<(Suspect, u32)>),
    /// One was right, so a wrong one means damage.
    Proven,
}

/// A section with a wrong checksum: its length and what its bytes sum up to.
type Suspect = (usize, u32);

impl Default for Checksums {
    fn default() -> Self {
        Self::Unproven(Vec::new())
    }
}

impl Checksums {
    /// Whether `section` is to be believed.
    fn accept(&mut self, section: &[u8]) -> bool {
        // Computed over a section and its checksum, the sum is 0 where both fit.
        let remainder = crc32(section);
        if remainder == 0 {
            *self = Self::Proven;
            return true;
        }
        // On a PID that has been right before, a wrong checksum is damage.
        let Self::Unproven(suspects) = self else { return false };
        let suspect = (section.len(), remainder);
        if let Some((_, times)) = suspects.iter_mut().find(|(known, _)| *known == suspect) {
            *times = times.saturating_add(1);
            return *times >= SAME_AGAIN;
        }
        // The oldest goes: the limit is for damage, which never comes twice.
        if suspects.len() == MAX_SUSPECTS {
            suspects.remove(0);
        }
        suspects.push((suspect, 1));
        false
    }
}

impl Sections {
    /// Takes a packet's payload and hands every section that it completes to `take`, its checksum
    /// verified. On a PID where no checksum was ever right, a section that comes again and again
    /// counts as right too.
    pub fn push(&mut self, starts_unit: bool, payload: &[u8], mut take: impl FnMut(Result<&[u8], Fault>)) {
        let mut rest = payload;
        if starts_unit {
            // The first byte says where a new section begins: before it, the last one ends.
            let Some((&pointer, tail)) = payload.split_first() else { return };
            let Some((end, next)) = tail.split_at_checked(usize::from(pointer)) else {
                self.open = false;
                return take(Err(Fault::Malformed));
            };
            // What of the last section is missing now never comes.
            if self.open {
                self.buffer.extend_from_slice(end);
                self.take_complete(&mut take);
            }
            self.buffer.clear();
            self.open = true;
            rest = next;
        }
        if self.open {
            self.buffer.extend_from_slice(rest);
            self.take_complete(&mut take);
        }
    }

    fn take_complete(&mut self, take: &mut impl FnMut(Result<&[u8], Fault>)) {
        let mut at = 0;
        loop {
            let rest = &self.buffer[at..];
            // 0xFF stands where the identifier of a table would.
            if rest.first().is_none_or(|&table| table == 0xFF) {
                // Nothing but stuffing until the next unit begins.
                self.open = false;
                self.buffer.clear();
                return;
            }
            // The length is not here yet.
            if rest.len() < 3 {
                break;
            }
            let length = 3 + usize::from(u16::from_be_bytes([rest[1], rest[2]]) & 0x0FFF);
            let Some(section) = rest.get(..length) else { break };
            // Nothing shorter has a header and a checksum.
            take(if section.len() < 12 {
                Err(Fault::Malformed)
            } else if self.checksums.accept(section) {
                Ok(section)
            } else {
                Err(Fault::Crc)
            });
            at += length;
        }
        self.buffer.drain(..at);
    }
}

/// A programme association table: which programmes there are and where their maps are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pat {
    /// Which multiplex this is.
    pub transport_stream_id: u16,
    /// 0 to 31; counts changes.
    pub version: u8,
    /// Programme numbers and the PIDs of their maps; the network table (number 0) is left out.
    pub programs: Vec<(u16, Pid)>,
}

impl Pat {
    /// Reads a section with a right checksum; `None` when it is another table, or not in force yet.
    pub fn parse(section: &[u8]) -> Option<Self> {
        let body = body_of(section, TABLE_PAT)?;
        let programs = body
            .chunks_exact(4)
            .map(|entry| {
                (u16::from_be_bytes([entry[0], entry[1]]), Pid::new(u16::from_be_bytes([entry[2], entry[3]])))
            })
            // Number 0 is the network's table, and no programme.
            .filter(|&(number, _)| number != 0)
            .collect();
        Some(Self {
            transport_stream_id: u16::from_be_bytes([section[3], section[4]]),
            version: section[5] >> 1 & 0x1F,
            programs,
        })
    }

    /// The section, checksum included.
    pub fn render(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(4 * self.programs.len());
        for (number, pid) in &self.programs {
            body.extend(number.to_be_bytes());
            body.extend((pid.value() | 0xE000).to_be_bytes());
        }
        section(TABLE_PAT, self.transport_stream_id, self.version, &body)
    }
}

/// The descriptors of a conditional access table (2.4.4.6), from a section with a right checksum;
/// `None` when it is another table, or not in force yet.
pub fn access_descriptors(section: &[u8]) -> Option<&[u8]> {
    body_of(section, TABLE_CAT)
}

/// One elementary stream in a programme map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PmtStream {
    /// `stream_type` (Table 2-34).
    pub stream_type: u8,
    /// Where its packets are.
    pub pid: Pid,
    /// The descriptors, as they stand.
    pub descriptors: Vec<u8>,
}

/// A programme map table: the elementary streams of one programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pmt {
    /// The programme's number.
    pub program: u16,
    /// 0 to 31; counts changes.
    pub version: u8,
    /// Which PID carries the clock; `0x1FFF` when none does.
    pub pcr_pid: Pid,
    /// The descriptors of the programme, as they stand.
    pub descriptors: Vec<u8>,
    /// The elementary streams, in their order.
    pub streams: Vec<PmtStream>,
}

impl Pmt {
    /// Reads a section with a right checksum; `None` when it is another table, not in force yet, or
    /// malformed. Where the stated length of the programme's descriptors leads nowhere, the streams
    /// are looked for: players play such a stream too.
    pub fn parse(section: &[u8]) -> Option<Self> {
        let body = body_of(section, TABLE_PMT)?;
        let (clock, length) = (body.get(..2)?, body.get(2..4)?);
        let stated = 4 + length_of(length);
        let is_sound = body.get(4..stated).is_some_and(are_descriptors) && are_streams(&body[stated..]);
        let found = if is_sound { None } else { first_stream(body) };
        let at = found.unwrap_or(stated);
        Some(Self {
            program: u16::from_be_bytes([section[3], section[4]]),
            version: section[5] >> 1 & 0x1F,
            pcr_pid: Pid::new(u16::from_be_bytes([clock[0], clock[1]])),
            descriptors: body.get(4..at)?.to_vec(),
            streams: streams(body, at)?,
        })
    }

    /// The section, checksum included.
    pub fn render(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let length = |bytes: &[u8]| (u16::try_from(bytes.len()).unwrap_or(0) & 0x0FFF | 0xF000).to_be_bytes();
        body.extend((self.pcr_pid.value() | 0xE000).to_be_bytes());
        body.extend(length(&self.descriptors));
        body.extend(&self.descriptors);
        for stream in &self.streams {
            body.push(stream.stream_type);
            body.extend((stream.pid.value() | 0xE000).to_be_bytes());
            body.extend(length(&stream.descriptors));
            body.extend(&stream.descriptors);
        }
        section(TABLE_PMT, self.program, self.version, &body)
    }
}

/// The 12 bits of a length.
fn length_of(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[0], bytes[1]]) & 0x0FFF)
}

/// The streams of a map from `at` on; `None` where one breaks off in front of its descriptors.
fn streams(body: &[u8], mut at: usize) -> Option<Vec<PmtStream>> {
    let mut streams = Vec::new();
    while at < body.len() {
        let entry = body.get(at..at + 5)?;
        // The last length may run over the end: what is there of the descriptors is taken.
        let end = (at + 5 + length_of(&entry[3..])).min(body.len());
        streams.push(PmtStream {
            stream_type: entry[0],
            pid: Pid::new(u16::from_be_bytes([entry[1], entry[2]])),
            descriptors: body[at + 5..end].to_vec(),
        });
        at = end;
    }
    Some(streams)
}

/// Where the streams of a map begin whose stated length is wrong: behind the first of its
/// descriptors, or none, from which on whole streams are all that follows.
fn first_stream(body: &[u8]) -> Option<usize> {
    let mut at = 4;
    for _ in 0..MAX_DESCRIPTORS {
        if are_streams(body.get(at..).filter(|rest| !rest.is_empty())?) {
            return Some(at);
        }
        at += 2 + usize::from(*body.get(at + 1)?);
    }
    None
}

/// Whether whole streams with whole descriptors are all that is here, on PIDs that streams may have
/// (2.4.3.3). Chance hardly makes such bytes, nor do bytes that begin at the wrong place.
fn are_streams(mut bytes: &[u8]) -> bool {
    while let Some((entry, rest)) = bytes.split_first_chunk::<5>() {
        let pid = u16::from_be_bytes([entry[1], entry[2]]) & 0x1FFF;
        let Some((descriptors, rest)) = rest.split_at_checked(length_of(&entry[3..])) else { return false };
        if !(0x10..0x1FFF).contains(&pid) || !are_descriptors(descriptors) {
            return false;
        }
        bytes = rest;
    }
    bytes.is_empty()
}

/// Whether whole descriptors are all that is here.
fn are_descriptors(mut bytes: &[u8]) -> bool {
    while let [_, length, rest @ ..] = bytes {
        let Some(rest) = rest.get(usize::from(*length)..) else { return false };
        bytes = rest;
    }
    bytes.is_empty()
}

/// The part of a section between its header and its checksum, if it is a `table` in force.
fn body_of(section: &[u8], table: u8) -> Option<&[u8]> {
    // A table that is to hold later must not replace the present one (2.4.4.5).
    let is_current = section.get(5)? & 1 == 1;
    (section.len() >= 12 && section[0] == table && is_current).then(|| &section[8..section.len() - 4])
}

fn section(table: u8, id: u16, version: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(12 + body.len());
    // The length counts from behind its own field, the checksum included.
    let length = u16::try_from(9 + body.len()).unwrap_or(u16::MAX) & 0x0FFF;
    out.push(table);
    out.extend((length | 0xB000).to_be_bytes());
    out.extend(id.to_be_bytes());
    out.extend([0xC1 | version << 1, 0, 0]);
    out.extend(body);
    let crc = crc32(&out);
    out.extend(crc.to_be_bytes());
    out
}

/// Cuts a section into packets of `pid`, continuity counters at zero: they are set when the packets
/// are sent.
pub fn packetize(section: &[u8], pid: Pid) -> Vec<Bytes> {
    let mut unit = vec![0]; // the pointer field: the section begins at once
    unit.extend_from_slice(section);
    let [high, low] = pid.value().to_be_bytes();
    unit.chunks(PACKET_SIZE - 4)
        .enumerate()
        .map(|(index, payload)| {
            let mut packet = [0xFF; PACKET_SIZE];
            let start = if index == 0 { 0x40 } else { 0 };
            packet[..4].copy_from_slice(&[SYNC_BYTE, start | high, low, 0x10]);
            packet[4..4 + payload.len()].copy_from_slice(payload);
            packet
        })
        .collect()
}

#[cfg(test)]
mod tests;
