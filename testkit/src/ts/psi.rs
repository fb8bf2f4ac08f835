//! Program specific information: sections, PAT and PMT (ISO/IEC 13818-1, 2.4.4).

/// CRC of MPEG-2 sections; zero over a whole section with its CRC.
pub fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 }
        })
    })
}

/// Assembles the sections of one PID.
#[derive(Debug, Default)]
pub struct Sections {
    buffer: Vec<u8>,
    /// Nothing is taken before the first start of a unit.
    synced: bool,
}

impl Sections {
    /// Takes the payload of the next packet and returns the sections that it completes.
    pub fn push(&mut self, starts_unit: bool, payload: &[u8]) -> Vec<Vec<u8>> {
        let mut done = Vec::new();
        if !starts_unit {
            if self.synced {
                self.buffer.extend_from_slice(payload);
                self.take(&mut done);
            }
            return done;
        }
        let Some((&pointer, rest)) = payload.split_first() else { return done };
        let (tail, fresh) = rest.split_at(usize::from(pointer).min(rest.len()));
        if self.synced {
            self.buffer.extend_from_slice(tail);
            self.take(&mut done);
        }
        self.synced = true;
        self.buffer.clear();
        self.buffer.extend_from_slice(fresh);
        self.take(&mut done);
        done
    }

    /// Whether a section has begun and is not complete.
    pub fn is_within_section(&self) -> bool {
        !self.buffer.is_empty()
    }

    fn take(&mut self, done: &mut Vec<Vec<u8>>) {
        loop {
            if self.buffer.first() == Some(&0xff) {
                self.buffer.clear();
            }
            let [_, a, b, ..] = self.buffer[..] else { return };
            let length = 3 + usize::from(u16::from_be_bytes([a & 0x0f, b]));
            if self.buffer.len() < length {
                return;
            }
            done.push(self.buffer.drain(..length).collect());
        }
    }
}

/// A program association table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pat {
    /// `version_number`.
    pub version: u8,
    /// Programs as (number, PID of its PMT), without the network PID.
    pub programs: Vec<(u16, u16)>,
}

impl Pat {
    /// Reads a whole section whose CRC has been checked.
    pub fn read(section: &[u8]) -> Option<Self> {
        let body = body(section, 0x00)?;
        let programs = body[8..]
            .chunks_exact(4)
            .map(|entry| (word(entry, 0), word(entry, 2) & 0x1fff))
            .filter(|(number, _)| *number != 0)
            .collect();
        Some(Self { version: body[5] >> 1 & 0x1f, programs })
    }
}

/// A program map table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pmt {
    /// `version_number`.
    pub version: u8,
    /// `program_number`.
    pub program: u16,
    /// PID that carries the clock.
    pub pcr_pid: u16,
    /// Raw descriptors of the programme.
    pub descriptors: Vec<u8>,
    /// Elementary streams in the order of the table.
    pub streams: Vec<PmtStream>,
}

/// One elementary stream in a PMT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PmtStream {
    /// Its PID.
    pub pid: u16,
    /// `stream_type`.
    pub stream_type: u8,
    /// Raw descriptors.
    pub descriptors: Vec<u8>,
}

impl PmtStream {
    /// Descriptors as (tag, content).
    pub fn descriptors(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = &self.descriptors[..];
        std::iter::from_fn(move || {
            let [tag, length, tail @ ..] = rest else { return None };
            let (content, next) = tail.split_at_checked(usize::from(*length))?;
            rest = next;
            Some((*tag, content))
        })
    }

    /// Language from an ISO 639, subtitling or teletext descriptor.
    pub fn language(&self) -> Option<String> {
        let (_, content) = self.descriptors().find(|(tag, _)| matches!(tag, 0x0a | 0x56 | 0x59))?;
        content.get(..3).map(|code| String::from_utf8_lossy(code).into_owned())
    }

    /// Whether this is video, by its type.
    pub fn is_video(&self) -> bool {
        matches!(self.stream_type, 0x01 | 0x02 | 0x10 | 0x1b | 0x24 | 0x33)
    }

    /// Whether this is audio, by its type or by the descriptor of a private stream.
    pub fn is_audio(&self) -> bool {
        match self.stream_type {
            0x03 | 0x04 | 0x0f | 0x11 | 0x81 | 0x87 => true,
            0x06 => self.descriptors().any(|(tag, content)| {
                matches!(tag, 0x6a | 0x7a | 0x7b | 0x7c)
                    || tag == 0x05 && matches!(content, b"AC-3" | b"EAC3" | b"Opus")
            }),
            _ => false,
        }
    }
}

impl Pmt {
    /// Reads a whole section whose CRC has been checked.
    pub fn read(section: &[u8]) -> Option<Self> {
        let body = body(section, 0x02)?;
        let (descriptors, mut rest) =
            body.get(12..)?.split_at_checked(usize::from(word(body, 10) & 0x0fff))?;
        let mut streams = Vec::new();
        while !rest.is_empty() {
            let length = usize::from(word(rest.get(..5)?, 3) & 0x0fff);
            let descriptors = rest.get(5..5 + length)?.to_vec();
            streams.push(PmtStream { pid: word(rest, 1) & 0x1fff, stream_type: rest[0], descriptors });
            rest = &rest[5 + length..];
        }
        Some(Self {
            version: body[5] >> 1 & 0x1f,
            program: word(body, 3),
            pcr_pid: word(body, 8) & 0x1fff,
            descriptors: descriptors.to_vec(),
            streams,
        })
    }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The section without its CRC, if it is current, of this table, and long enough to be read.
fn body(section: &[u8], table: u8) -> Option<&[u8]> {
    let shortest = if table == 0 { 8 } else { 12 };
    let body = &section[..section.len().checked_sub(4)?];
    (body.len() >= shortest && body[0] == table && body[5] & 1 == 1).then_some(body)
}
