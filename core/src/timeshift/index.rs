//! The file that names the segments of a time-shift: a head that says what it is, and a record
//! for each segment, appended as they end.
//!
//! All records have the same size and a check sum (CRC-32 as in ISO/IEC 13818-1, annex A), so each
//! is known for what it is: damage costs the records that it touches, wherever it is. Numbers are
//! little-endian.

use std::time::{Duration, SystemTime};

use crate::segmenter::Segment;
use crate::time::{MediaTime, duration_to_ticks};
use crate::ts::PACKET_SIZE;
use crate::ts::packet::SYNC_BYTE;
use crate::ts::psi::crc32;

/// The size of the head and of each record, in bytes.
pub const RECORD: usize = 64;

/// By this we know a file of ours.
const MAGIC: &[u8] = b"Forebay time-shift index, version 1\n";

const DISCONTINUOUS: u64 = 1;
const INDEPENDENT: u64 = 2;

/// The head of the file.
pub fn head() -> [u8; RECORD] {
    let mut head = [0; RECORD];
    head[..MAGIC.len()].copy_from_slice(MAGIC);
    head
}

/// The record of a segment.
pub fn encode(segment: &Segment) -> [u8; RECORD] {
    let micros = segment.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
    let flags = if segment.is_discontinuous { DISCONTINUOUS } else { 0 }
        | if segment.is_independent { INDEPENDENT } else { 0 };
    let mut record = [0; RECORD];
    for (at, number) in [
        segment.number,
        segment.start,
        segment.end,
        segment.shown.ticks().cast_unsigned(),
        segment.ticks.cast_unsigned(),
        u64::try_from(micros).unwrap_or(u64::MAX),
        flags,
    ]
    .into_iter()
    .enumerate()
    {
        record[at * 8..][..8].copy_from_slice(&number.to_le_bytes());
    }
    let sum = crc32(&record[..RECORD - 4]);
    record[RECORD - 4..].copy_from_slice(&sum.to_le_bytes());
    record
}

fn decode(record: &[u8; RECORD]) -> Option<Segment> {
    let (summed, sum) = record.split_last_chunk::<4>()?;
    let (fields, _) = summed.as_chunks::<8>();
    let &[number, start, end, shown, ticks, micros, flags] = fields else { return None };
    let flags = u64::from_le_bytes(flags);
    let segment = Segment {
        number: u64::from_le_bytes(number),
        start: u64::from_le_bytes(start),
        end: u64::from_le_bytes(end),
        shown: MediaTime::new(i64::from_le_bytes(shown)),
        wall: SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(u64::from_le_bytes(micros)))?,
        ticks: i64::from_le_bytes(ticks),
        is_discontinuous: flags & DISCONTINUOUS != 0,
        is_independent: flags & INDEPENDENT != 0,
    };
    // The sum last: where records are looked for, most bytes are none for cheaper reasons.
    (is_sound(&segment) && crc32(summed) == u32::from_le_bytes(*sum)).then_some(segment)
}

/// Longer than any group of pictures.
const LONGEST: Duration = Duration::from_hours(1);

/// Whether it lies where it may and plays for some time: what is read from outside may say
/// anything.
fn is_sound(segment: &Segment) -> bool {
    let is_aligned = |offset: u64| offset.is_multiple_of(PACKET_SIZE as u64);
    segment.start < segment.end
        && i64::try_from(segment.end).is_ok()
        && segment.number < u64::MAX / 2
        && is_aligned(segment.start)
        && is_aligned(segment.end)
        && (1..=duration_to_ticks(LONGEST)).contains(&segment.ticks)
}

/// What an index says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    /// The oldest first, one behind the other in the store. Where others between two of them are
    /// lost, their numbers have a gap, and the latter is discontinuous.
    pub segments: Vec<Segment>,
    /// Whether that is all of it: no record is damaged, torn or out of place.
    pub is_whole: bool,
}

/// Reads an index; `None` when it is no file of ours. What is damaged is left out, and what stands
/// before a record that begins before its end is not believed.
pub fn read(file: &[u8]) -> Option<Index> {
    let (start, rest) = file.split_first_chunk::<RECORD>()?;
    let mut index = Index { segments: Vec::new(), is_whole: *start == head() };
    let mut records = Records { rest, is_whole: true };
    for segment in &mut records {
        index.push(segment);
    }
    index.is_whole &= records.is_whole;
    // By its head a file of ours is known, and by any record where that is damaged.
    (*start == head() || !index.segments.is_empty()).then_some(index)
}

impl Index {
    fn push(&mut self, mut segment: Segment) {
        if let Some(last) = self.segments.last() {
            let is_behind = last.number < segment.number && last.end <= segment.start;
            if !is_behind {
                self.is_whole = false;
                self.segments.clear();
            } else if last.number + 1 < segment.number && !segment.is_discontinuous {
                self.is_whole = false;
                segment.is_discontinuous = true;
            }
        }
        self.segments.push(segment);
    }
}

/// The good records in some bytes.
struct Records<'a> {
    rest: &'a [u8],
    /// Whether there was nothing else.
    is_whole: bool,
}

impl Iterator for Records<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        while let Some((record, rest)) = self.rest.split_first_chunk::<RECORD>() {
            if let Some(segment) = decode(record) {
                self.rest = rest;
                return Some(segment);
            }
            // The next one may begin anywhere, if bytes are missing.
            self.is_whole = false;
            self.rest = &self.rest[1..];
        }
        self.is_whole &= self.rest.is_empty();
        None
    }
}

/// Whether these could be the first bytes of packets at both ends of a segment: what was punched,
/// or never got to the disk, is zeros.
pub fn is_stored(first: u8, last: u8) -> bool {
    [first, last] == [SYNC_BYTE; 2]
}

/// Where the first bytes of the first and of the last packet of a segment lie.
pub fn ends(segment: &Segment) -> [u64; 2] {
    [segment.start, segment.end - PACKET_SIZE as u64]
}
