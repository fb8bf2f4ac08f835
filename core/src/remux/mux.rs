//! Writes PES packets as one transport stream: tables, counters and clock are made here (ISO/IEC
//! 13818-1, 2.4).

use std::time::Duration;

use super::Rendition;
use crate::time::{MediaTime, Pcr, Pts, duration_to_ticks};
use crate::ts::packet::{self, Bytes, PACKET_SIZE, Pid, SYNC_BYTE};
use crate::ts::psi::{self, Pat, Pmt, PmtStream};
use crate::ts::stream::{Class, Codec};

/// How far the clock is behind the decoding of what is sent. Sound of a segment may be decoded half
/// a second before the pictures that are sent in front of it, since segments end where pictures do;
/// and players begin as much later as this is longer.
const DELAY: Duration = Duration::from_millis(700);

/// The longest time from one clock reference to the next, where pictures come no more seldom (DVB,
/// ETSI TS 101 154, 4.1.5.3).
const CLOCK_EVERY: Duration = Duration::from_millis(40);

/// The longest time from PAT and PMT to the next, less that of a picture: 200 ms are wanted.
const TABLES_EVERY: Duration = Duration::from_millis(150);

/// A clock that would go back by more has another timeline: less is the order in which streams are
/// sent.
const JUMP: Duration = Duration::from_secs(1);

/// Streams that are remembered, so that each keeps its PID. More than fit a map.
const MAX_STREAMS: usize = 256;

/// Bytes of a map: a `section_length` of 1021, less what is in front of the streams and behind
/// them.
const MAX_MAP: usize = 1021 - 13;

/// Where the map is, and where streams are that ask for no PID, or for one that is taken.
const MAP_PID: Pid = Pid::new(0x1000);
const FIRST_PID: u16 = 0x100;
/// PIDs below are reserved for tables (ETSI EN 300 468, 5.1.3).
const LOWEST_PID: u16 = 0x20;
/// The last PID before those of ATSC tables.
const LAST_PID: u16 = 0x1FFA;

/// The length of an adaptation field that fills its packet.
const WHOLE_FIELD: u8 = 183;

/// What is written next.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) stream: usize,
    /// When it is decoded.
    pub(super) time: MediaTime,
    /// Whether it is a picture that a decoder can start with.
    pub(super) is_entry: bool,
    /// A PES packet, or a packet of a stream of sections.
    pub(super) bytes: Vec<u8>,
}

/// The one programme and its packets.
#[derive(Debug)]
pub(super) struct Mux {
    streams: Vec<Stream>,
    /// The stream that carries the clock.
    clock_stream: Option<usize>,
    version: u8,
    tables: Vec<Bytes>,
    /// Whether they have been sent as they are.
    are_sent: bool,
    tables_at: Option<MediaTime>,
    pat_counter: u8,
    map_counter: u8,
    /// What the clock said last, in ticks of 90 kHz on the line of the items.
    clock: Option<MediaTime>,
    /// The next clock reference belongs to another timeline.
    announces_break: bool,
    out: Vec<u8>,
}

#[derive(Debug)]
struct Stream {
    rendition: Rendition,
    named: PmtStream,
    codec: Codec,
    /// The next packet's continuity counter.
    counter: u8,
    is_announced: bool,
}

/// What is in the adaptation field of a PES packet's first packet.
#[derive(Debug, Clone, Copy, Default)]
struct Field {
    pcr: Option<Pcr>,
    is_entry: bool,
    is_break: bool,
}

impl Mux {
    pub(super) fn new() -> Self {
        Self {
            streams: Vec::new(),
            clock_stream: None,
            version: 0,
            tables: Vec::new(),
            are_sent: false,
            tables_at: None,
            pat_counter: 0,
            map_counter: 0,
            clock: None,
            announces_break: false,
            out: Vec::new(),
        }
    }

    /// Whole packets that were written since the last [`Mux::clear`].
    pub(super) fn output(&self) -> &[u8] {
        &self.out
    }

    pub(super) fn clear(&mut self, kept: usize) {
        self.out.clear();
        self.out.shrink_to(kept);
    }

    pub(super) fn memory(&self) -> usize {
        self.out.capacity()
    }

    /// What the clock said last.
    pub(super) fn clock(&self) -> Option<MediaTime> {
        self.clock
    }

    pub(super) fn rendition(&self, stream: usize) -> Rendition {
        self.streams[stream].rendition
    }

    /// Another timeline begins.
    pub(super) fn reset(&mut self) {
        // Only a clock that was sent can break.
        self.announces_break |= self.clock.is_some();
        self.clock = None;
        self.tables_at = None;
    }

    /// From now on a rendition has these streams, each on the PID that it asks for if that is free.
    /// One like a stream that the rendition had goes on as that. The result has an index for each,
    /// or `None` where there is no room in the map.
    pub(super) fn declare(&mut self, rendition: Rendition, wanted: &[PmtStream]) -> Vec<Option<usize>> {
        for stream in self.streams.iter_mut().filter(|stream| stream.rendition == rendition) {
            stream.is_announced = false;
        }
        // A stream takes five bytes of the map, and its descriptors (Table 2-33).
        let size = |stream: &PmtStream| 5 + stream.descriptors.len();
        let announced = self.streams.iter().filter(|stream| stream.is_announced);
        let mut room = MAX_MAP.saturating_sub(announced.map(|stream| size(&stream.named)).sum());
        let mut indices = Vec::new();
        for stream in wanted {
            let fits = size(stream) <= room;
            room -= if fits { size(stream) } else { 0 };
            let index = if fits { self.place(rendition, stream) } else { None };
            if let Some(index) = index {
                self.streams[index].is_announced = true;
                self.streams[index].named.descriptors.clone_from(&stream.descriptors);
            }
            indices.push(index);
        }
        self.render();
        indices
    }

    /// Finds a place for a stream among those that are not announced: of the same kind, or a new
    /// one, or any where there are too many.
    fn place(&mut self, rendition: Rendition, wanted: &PmtStream) -> Option<usize> {
        let codec = Codec::of(wanted);
        let is_alike = |stream: &Stream| {
            stream.rendition == rendition
                && stream.codec == codec
                && stream.named.stream_type == wanted.stream_type
        };
        let free = || self.streams.iter().enumerate().filter(|(_, stream)| !stream.is_announced);
        let alike = || free().filter(|(_, stream)| is_alike(stream));
        // The same words first: two sound tracks of one codec differ by their language only.
        let same = alike().find(|(_, stream)| stream.named.descriptors == wanted.descriptors);
        if let Some((index, _)) = same.or_else(|| alike().next()) {
            return Some(index);
        }
        if self.streams.len() < MAX_STREAMS {
            let pid = self.free_pid(wanted.pid);
            let named = PmtStream { pid, ..wanted.clone() };
            self.streams.push(Stream { rendition, named, codec, counter: 0, is_announced: false });
            return Some(self.streams.len() - 1);
        }
        // The map would be full long before, so some stream of the past is free.
        let (index, _) = free().next()?;
        let stream = &mut self.streams[index];
        (stream.rendition, stream.codec, stream.named.stream_type) = (rendition, codec, wanted.stream_type);
        Some(index)
    }

    fn free_pid(&self, wanted: Pid) -> Pid {
        let is_free = |pid: Pid| {
            (LOWEST_PID..=LAST_PID).contains(&pid.value())
                && pid != MAP_PID
                && self.streams.iter().all(|stream| stream.named.pid != pid)
        };
        let first = (FIRST_PID..=LAST_PID).map(Pid::new).find(|&pid| is_free(pid));
        if is_free(wanted) { wanted } else { first.expect("there are fewer streams than PIDs") }
    }

    /// Makes the tables say what is announced.
    fn render(&mut self) {
        let of = |class| {
            self.streams.iter().position(|stream| stream.is_announced && stream.codec.class() == class)
        };
        let others = [Class::Audio, Class::Subtitle, Class::Data];
        // The clock goes with the pictures where there are any, as decoders expect it.
        self.clock_stream = of(Class::Video).or_else(|| others.into_iter().find_map(of));
        let announced = self.streams.iter().filter(|stream| stream.is_announced);
        let streams = announced.map(|stream| stream.named.clone()).collect();
        let pcr_pid = self.clock_stream.map_or(Pid::NULL, |index| self.streams[index].named.pid);
        let pat = Pat { transport_stream_id: 1, version: 0, programs: vec![(1, MAP_PID)] };
        let mut map = Pmt { program: 1, version: self.version, pcr_pid, descriptors: Vec::new(), streams };
        let tables = |map: &Pmt| {
            let mut tables = psi::packetize(&pat.render(), Pid::PAT);
            tables.extend(psi::packetize(&map.render(), MAP_PID));
            tables
        };
        let mut rendered = tables(&map);
        // Counters are set when packets are sent, and would make equal tables look different.
        self.tables.iter_mut().for_each(|table| packet::set_continuity(table, 0));
        if rendered == self.tables {
            return;
        }
        // A map that nobody has seen needs no new version.
        if std::mem::take(&mut self.are_sent) {
            self.version = (self.version + 1) & 0x1F;
            map.version = self.version;
            rendered = tables(&map);
        }
        self.tables = rendered;
        self.tables_at = None;
    }

    /// Writes an item, and in front of it the tables and the clock, if they are due.
    pub(super) fn write(&mut self, item: &Item) {
        let Item { stream: index, time, is_entry, .. } = *item;
        let is_clock = self.clock_stream == Some(index);
        let class = self.streams[index].codec.class();
        let are_due = self.tables_at.is_none_or(|at| {
            let since = time.ticks() - at.ticks();
            // Behind a jump back, the time of the last tables is of another timeline.
            since < 0 || since >= duration_to_ticks(TABLES_EVERY)
        });
        let is_start = is_clock && is_entry;
        if are_due || is_start {
            self.write_tables();
            self.tables_at = Some(time);
        }
        if class == Class::Sections {
            return self.write_section(index, &item.bytes);
        }
        let mut field = Field {
            // Without pictures a decoder can start anywhere, and a player joins behind tables.
            is_entry: is_start || is_clock && are_due && class != Class::Video,
            ..Field::default()
        };
        let now = time.shifted(-duration_to_ticks(DELAY));
        let ahead = self.clock.map(|last| now.ticks() - last.ticks());
        if is_clock {
            // Streams that lie side by side go back by a little all the time; that is no jump.
            let is_jump = ahead.is_some_and(|ahead| ahead < -duration_to_ticks(JUMP));
            if is_jump || ahead.is_none_or(|ahead| ahead > 0) {
                field.pcr = Some(self.advance_clock(now));
                field.is_break = std::mem::take(&mut self.announces_break) || is_jump;
            }
        } else if ahead
            .is_some_and(|ahead| (duration_to_ticks(CLOCK_EVERY)..duration_to_ticks(JUMP)).contains(&ahead))
        {
            self.write_clock(now);
        }
        self.write_pes(index, &item.bytes, field);
    }

    fn advance_clock(&mut self, now: MediaTime) -> Pcr {
        self.clock = Some(now);
        Pcr::new(wrapped(now).ticks() * 300)
    }

    fn write_tables(&mut self) {
        self.are_sent = true;
        for table in &mut self.tables {
            let is_pat = packet::Packet::new(table).pid() == Pid::PAT;
            let counter = if is_pat { &mut self.pat_counter } else { &mut self.map_counter };
            packet::set_continuity(table, *counter);
            *counter = counter.wrapping_add(1);
            self.out.extend_from_slice(table);
        }
    }

    /// Writes the clock in a packet of its own, between pictures that are further apart than it may
    /// be.
    fn write_clock(&mut self, now: MediaTime) {
        let Some(index) = self.clock_stream else { return };
        let pcr = self.advance_clock(now);
        let stream = &self.streams[index];
        let mut bytes = [0xFF; PACKET_SIZE];
        bytes[..6].copy_from_slice(&[SYNC_BYTE, 0, 0, 0x20, WHOLE_FIELD, 0x10]);
        packet::set_pid(&mut bytes, stream.named.pid);
        // Only packets with a payload are counted.
        packet::set_continuity(&mut bytes, stream.counter.wrapping_sub(1));
        packet::write_pcr(&mut bytes[6..12], pcr);
        self.out.extend_from_slice(&bytes);
    }

    /// Passes a packet of sections on.
    fn write_section(&mut self, index: usize, packet: &[u8]) {
        let stream = &mut self.streams[index];
        // Only whole packets are handed in; anything else is no section.
        let Some(mut bytes) = packet.first_chunk::<PACKET_SIZE>().copied() else { return };
        packet::set_pid(&mut bytes, stream.named.pid);
        packet::set_continuity(&mut bytes, stream.counter);
        stream.counter = stream.counter.wrapping_add(1);
        self.out.extend_from_slice(&bytes);
    }

    /// Cuts a PES packet into packets; the last is filled up by an adaptation field.
    fn write_pes(&mut self, index: usize, pes: &[u8], field: Field) {
        let stream = &mut self.streams[index];
        let mut rest = pes;
        while !rest.is_empty() {
            let is_first = rest.len() == pes.len();
            let flags = if is_first { field.flags() } else { 0 };
            let needed = match (flags, field.pcr) {
                (0, _) => 0,
                (_, None) => 2,
                (_, Some(_)) => 8,
            };
            let (content, tail) = rest.split_at(rest.len().min(PACKET_SIZE - 4 - needed));
            rest = tail;
            let mut bytes = [0xFF; PACKET_SIZE];
            let start = PACKET_SIZE - content.len();
            bytes[0] = SYNC_BYTE;
            bytes[1] = if is_first { 0x40 } else { 0 };
            bytes[3] = 0x10;
            if start > 4 {
                bytes[3] = 0x30;
                bytes[4] = (start - 5).to_le_bytes()[0];
                // A field of length 0 is one byte, and has no room for flags (2.4.3.4).
                if start > 5 {
                    bytes[5] = flags;
                }
                if let Some(pcr) = field.pcr.filter(|_| flags != 0) {
                    packet::write_pcr(&mut bytes[6..12], pcr);
                }
            }
            bytes[start..].copy_from_slice(content);
            packet::set_pid(&mut bytes, stream.named.pid);
            packet::set_continuity(&mut bytes, stream.counter);
            stream.counter = stream.counter.wrapping_add(1);
            self.out.extend_from_slice(&bytes);
        }
    }
}

impl Field {
    fn flags(self) -> u8 {
        u8::from(self.is_break) << 7 | u8::from(self.is_entry) << 6 | u8::from(self.pcr.is_some()) << 4
    }
}

/// A place on the line as the 33 bits that are sent.
pub(super) fn wrapped(time: MediaTime) -> Pts {
    Pts::new(time.ticks().rem_euclid(Pts::WRAP.cast_signed()).cast_unsigned())
}
