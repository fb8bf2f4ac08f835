//! Describes a stream instead of passing it on: what `forebay probe` shows.
//!
//! Nothing is held back and nothing is decoded: of each PES packet the header is read, and of a
//! picture what stands in front of its first slice, with the same scan that the splice finds random
//! access points by. So a survey says what a relay of this stream would do.

mod clock;
mod report;
#[cfg(test)]
mod tests;
mod track;

pub use self::report::{Clock, Gop, Report, Spread, Stream, Video};

use self::clock::{Meter, Tally};
use self::track::Track;
use super::demux::{Continuity, Demux, Role};
use super::packet::{Packet, Pid};
use super::sync::{Item, Sync};
use crate::assumption::broken;
use crate::time::ticks_to_duration;

/// Streams that are described: several times what a programme has. A map that changes for ever adds
/// no more.
const MAX_TRACKS: usize = 256;

/// Describes one stream.
#[derive(Debug)]
pub struct Survey {
    sync: Sync,
    bytes: u64,
    skipped: u64,
    packets: Packets,
}

/// All that is behind the sync.
#[derive(Debug)]
struct Packets {
    demux: Demux,
    nulls: u64,
    tally: Tally,
    meter: Meter,
    clock_pid: Option<Pid>,
    tracks: Vec<Track>,
    /// The track of each stream in the map; one past the last is a clock on a PID of its own.
    routes: Vec<Option<usize>>,
}

impl Survey {
    /// A survey of the programme `program`; without one, of the one that a relay would choose.
    pub fn new(program: Option<u16>) -> Self {
        Self {
            sync: Sync::new(),
            bytes: 0,
            skipped: 0,
            packets: Packets {
                demux: Demux::new(program),
                nulls: 0,
                tally: Tally::default(),
                meter: Meter::default(),
                clock_pid: None,
                tracks: Vec::new(),
                routes: Vec::new(),
            },
        }
    }

    /// A part of the stream is complete, and continuity counters may begin anew.
    pub fn cut(&mut self) {
        self.packets.demux.forget_counters();
    }

    /// Takes bytes of the stream, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let mut items = self.sync.push(bytes);
        while let Some(item) = items.next() {
            match item {
                Item::Packets(run) => run.iter().for_each(|bytes| self.packets.handle(Packet::new(bytes))),
                Item::Skipped { bytes } => self.skipped += bytes,
            }
        }
    }

    /// The distance between sync bytes, 188, 192 or 204, once a transport stream is found.
    pub fn packet_size(&self) -> Option<usize> {
        self.sync.stride()
    }

    /// What is known so far.
    pub fn report(&self) -> Report {
        let Packets { demux, nulls, tally, meter, clock_pid, tracks, routes } = &self.packets;
        let counts = demux.counts();
        let ticks = meter.ticks();
        let span = tracks.iter().map(Track::span).max().unwrap_or(0);
        let measured = if ticks > 0 { ticks } else { 300 * span };
        let current = routes.iter().flatten().copied();
        let former = (0..tracks.len()).filter(|index| !routes.contains(&Some(*index)));
        Report {
            packet_size: self.sync.stride(),
            bytes: self.bytes,
            packets: counts.packets,
            skipped_bytes: self.skipped + self.sync.untold(),
            null_packets: *nulls,
            damaged: counts.damaged,
            scrambled: counts.scrambled,
            table_errors: counts.table_errors,
            programs: demux.program_numbers().collect(),
            program: demux.program().map(|map| map.program),
            map_pid: demux.map_pid(),
            clock_pid: *clock_pid,
            clock: meter.report(),
            duration: ticks_to_duration((measured / 300).cast_signed()),
            bitrate: track::bitrate(tally.measured(ticks > 0), measured),
            streams: current.chain(former).map(|index| tracks[index].report(ticks)).collect(),
        }
    }
}

impl Packets {
    #[inline]
    fn handle(&mut self, packet: Packet<'_>) {
        self.tally.add(1);
        match self.demux.handle_packet(packet) {
            (Role::Stream(index), continuity) => self.handle_stream(index, packet, continuity),
            (Role::Changed, _) => self.handle_map(),
            (Role::Other | Role::Information(_) | Role::Access, _) => {
                self.nulls += u64::from(packet.pid() == Pid::NULL);
            }
        }
    }

    #[inline]
    fn handle_stream(&mut self, index: usize, packet: Packet<'_>, continuity: Continuity) {
        if let Some(track) = self.routes.get(index).copied().flatten() {
            self.tracks[track].push(packet, continuity);
        }
        if self.clock_pid == Some(packet.pid())
            && let Some(pcr) = packet.pcr()
        {
            let is_measured = self.meter.push(pcr, packet.is_discontinuity());
            self.tally.settle(is_measured);
            self.tracks.iter_mut().for_each(|track| track.tally.settle(is_measured));
        }
    }

    /// The map came or changed: a stream that stays the same is the same track.
    fn handle_map(&mut self) {
        let Some(map) = self.demux.program() else {
            return broken("the demultiplexer tells of a map that it has");
        };
        let clock_pid = (map.pcr_pid != Pid::NULL).then_some(map.pcr_pid);
        if clock_pid != self.clock_pid {
            self.meter.restart();
            self.clock_pid = clock_pid;
        }
        self.routes.clear();
        for stream in &map.streams {
            let mut known = self.tracks.iter().position(|track| track.stream == *stream);
            if known.is_none() && self.tracks.len() < MAX_TRACKS {
                self.tracks.push(Track::new(stream.clone()));
                known = Some(self.tracks.len() - 1);
            }
            // A map that names a PID twice: the first counts.
            self.routes.push(known.filter(|known| !self.routes.contains(&Some(*known))));
        }
    }
}
