//! Knows which packet belongs to what: follows PAT and PMT, chooses the programme, checks the continuity counters.

use super::packet::{Packet, Pid};
use super::psi::{Pat, Pmt, Sections};
use super::stream::{Class, Codec};

/// Elementary streams of one programme that are followed; more are left out.
pub const MAX_STREAMS: usize = 64;

/// Programmes of one multiplex whose maps are followed; more are left out.
const MAX_PROGRAMS: usize = 128;

/// Times that one map has come, after which maps that are still missing are not waited for: maps come every 100 to 500 ms.
const ENOUGH_REPEATS: u32 = 4;

/// Packets after the first map for which maps that are still missing are waited for: a second or so of a full multiplex.
const PATIENCE: u64 = 20_000;

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing that is passed on: null packets, tables, other programmes, damaged packets.
    Other,
    /// The chosen programme is new, or its map has changed: see [`Demux::program`].
    Changed,
    /// A packet of the stream with this index in the map; an index one past the last is a clock on a PID of its own.
    Stream(usize),
}

/// What a packet's continuity counter says (2.4.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// As expected, or not to be judged.
    Good,
    /// The same as the one before: a copy, if the payload is the same too.
    Repeated,
    /// Something is missing in front of this packet.
    Broken,
}

/// Counts over a source's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets of any kind.
    pub packets: u64,
    /// Packets with `transport_error_indicator`.
    pub damaged: u64,
    /// Packets whose payload is scrambled.
    pub scrambled: u64,
    /// Breaks of a continuity counter.
    pub continuity_errors: u64,
    /// Tables with a wrong checksum or a wrong length.
    pub table_errors: u64,
}

/// Follows one source.
#[derive(Debug)]
pub struct Demux {
    wanted: Option<u16>,
    pat: Sections,
    programs: Vec<Program>,
    chosen: Option<usize>,
    first_map_at: Option<u64>,
    routes: Box<[Route; Pid::COUNT]>,
    /// The last counter of each PID; 0xFF before the first.
    counters: Box<[u8; Pid::COUNT]>,
    counts: Counts,
}

#[derive(Debug)]
struct Program {
    number: u16,
    pid: Pid,
    sections: Sections,
    map: Option<Pmt>,
    /// How often the map has come.
    repeats: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Nowhere,
    Map,
    Stream(u8),
}

impl Demux {
    /// Follows the programme `wanted`; without one, the first with video, or the first.
    pub fn new(wanted: Option<u16>) -> Self {
        Self {
            wanted,
            pat: Sections::default(),
            programs: Vec::new(),
            chosen: None,
            first_map_at: None,
            routes: Box::new([Route::Nowhere; Pid::COUNT]),
            counters: Box::new([0xFF; Pid::COUNT]),
            counts: Counts::default(),
        }
    }

    /// The map of the chosen programme.
    pub fn program(&self) -> Option<&Pmt> {
        self.programs.get(self.chosen?)?.map.as_ref()
    }

    /// The PID of the chosen programme's map.
    pub fn map_pid(&self) -> Option<Pid> {
        Some(self.programs.get(self.chosen?)?.pid)
    }

    /// Programme numbers, as the PAT lists them.
    pub fn program_numbers(&self) -> impl Iterator<Item = u16> {
        self.programs.iter().map(|program| program.number)
    }

    /// Counts since the beginning.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Here every continuity counter may begin anew, and nothing is lost: at the boundary of two whole HLS segments, which some packagers
    /// make each by itself.
    pub fn forget_counters(&mut self) {
        self.counters.fill(0xFF);
    }

    /// Takes a packet.
    #[inline]
    pub fn handle_packet(&mut self, packet: Packet<'_>) -> (Role, Continuity) {
        self.counts.packets += 1;
        let pid = packet.pid();
        if pid == Pid::NULL {
            return (Role::Other, Continuity::Good);
        }
        if packet.is_damaged() {
            self.counts.damaged += 1;
            return (Role::Other, Continuity::Good);
        }
        self.counts.scrambled += u64::from(packet.is_scrambled());
        let continuity = self.check_continuity(packet, pid);
        let role = match self.routes[pid.index()] {
            Route::Stream(index) => Role::Stream(usize::from(index)),
            Route::Map => self.handle_map(packet),
            Route::Nowhere if pid == Pid::PAT => self.handle_pat(packet),
            Route::Nowhere => Role::Other,
        };
        (role, continuity)
    }

    #[inline]
    fn check_continuity(&mut self, packet: Packet<'_>, pid: Pid) -> Continuity {
        if !packet.has_payload() {
            return Continuity::Good; // some multiplexers count nothing there
        }
        let (counter, last) = (packet.continuity(), &mut self.counters[pid.index()]);
        let before = std::mem::replace(last, counter);
        if before == 0xFF || counter == (before + 1) & 0x0F || packet.is_discontinuity() {
            Continuity::Good
        } else if counter == before {
            Continuity::Repeated
        } else {
            self.counts.continuity_errors += 1;
            Continuity::Broken
        }
    }

    fn handle_pat(&mut self, packet: Packet<'_>) -> Role {
        let Some(payload) = packet.payload() else { return Role::Other };
        let mut found = None;
        let errors = &mut self.counts.table_errors;
        self.pat.push(packet.starts_unit(), payload, |section| match section {
            Ok(section) => found = Pat::parse(section).or_else(|| found.take()),
            Err(_) => *errors += 1,
        });
        if let Some(pat) = found {
            self.follow(&pat);
        }
        Role::Other
    }

    /// Makes the list of programmes that of the PAT; maps that are known and still right are kept.
    fn follow(&mut self, pat: &Pat) {
        let listed = &pat.programs[..pat.programs.len().min(MAX_PROGRAMS)];
        if self.programs.iter().map(|p| (p.number, p.pid)).eq(listed.iter().copied()) {
            return;
        }
        let mut known = std::mem::take(&mut self.programs);
        let chosen = self.chosen.take().map(|index| known[index].number);
        self.programs = listed
            .iter()
            .map(|&(number, pid)| {
                let kept = known.iter().position(|p| (p.number, p.pid) == (number, pid));
                kept.map_or_else(
                    || Program { number, pid, sections: Sections::default(), map: None, repeats: 0 },
                    |index| known.swap_remove(index),
                )
            })
            .collect();
        self.chosen = self.programs.iter().position(|p| Some(p.number) == chosen && p.map.is_some());
        self.first_map_at = None;
        self.route();
    }

    fn handle_map(&mut self, packet: Packet<'_>) -> Role {
        let Some(payload) = packet.payload() else { return Role::Other };
        let mut changed = None;
        // Several programmes may share a PID for their maps.
        for (index, program) in self.programs.iter_mut().enumerate().filter(|(_, p)| p.pid == packet.pid()) {
            let errors = &mut self.counts.table_errors;
            let (number, map, repeats) = (program.number, &mut program.map, &mut program.repeats);
            program.sections.push(packet.starts_unit(), payload, |section| match section {
                Ok(section) => {
                    if let Some(mut new) = Pmt::parse(section)
                        && new.program == number
                    {
                        *repeats = repeats.saturating_add(1);
                        new.streams.truncate(MAX_STREAMS);
                        if map.as_ref() != Some(&new) {
                            *map = Some(new);
                            changed = Some(index);
                        }
                    }
                }
                Err(_) => *errors += 1,
            });
        }
        self.first_map_at = self.first_map_at.or_else(|| changed.map(|_| self.counts.packets));
        if self.chosen.is_none() {
            self.chosen = self.choose();
            if self.chosen.is_some() {
                self.route();
                return Role::Changed;
            }
        } else if changed.is_some() && changed == self.chosen {
            self.route();
            return Role::Changed;
        }
        Role::Other
    }

    fn choose(&self) -> Option<usize> {
        if let Some(wanted) = self.wanted {
            return self.programs.iter().position(|p| p.number == wanted && p.map.is_some());
        }
        // Some servers pass the whole table on and only one of its programmes: what has not come by now does not.
        let is_late = self.first_map_at.is_some_and(|at| self.counts.packets - at > PATIENCE);
        let waited = is_late || self.programs.iter().any(|program| program.repeats >= ENOUGH_REPEATS);
        let has_video =
            |map: &Pmt| map.streams.iter().any(|stream| Codec::of(stream).class() == Class::Video);
        for (index, program) in self.programs.iter().enumerate() {
            match &program.map {
                Some(map) if has_video(map) => return Some(index),
                None if !waited => return None,
                _ => {}
            }
        }
        self.programs.iter().position(|program| program.map.is_some())
    }

    #[expect(clippy::cast_possible_truncation, reason = "MAX_STREAMS is far below 256")]
    fn route(&mut self) {
        self.routes.fill(Route::Nowhere);
        if let Some(map) = self.chosen.and_then(|index| self.programs[index].map.as_ref()) {
            if map.pcr_pid != Pid::NULL {
                self.routes[map.pcr_pid.index()] = Route::Stream(map.streams.len() as u8);
            }
            for (index, stream) in map.streams.iter().enumerate().rev() {
                self.routes[stream.pid.index()] = Route::Stream(index as u8);
            }
        }
        for program in &self.programs {
            self.routes[program.pid.index()] = Route::Map;
        }
        self.routes[Pid::PAT.index()] = Route::Nowhere;
    }
}
