//! Knows which packet belongs to what: follows PAT and PMT, chooses the programme, checks the
//! continuity counters.

use super::guess::Guess;
use super::packet::{Packet, Pid};
use super::psi::{self, Assembly, Pat, Pmt, Sections};
use super::stream::{self, Class, Codec};

/// Elementary streams of one programme that are followed; more are left out.
pub const MAX_STREAMS: usize = 64;

/// Programmes of one multiplex whose maps are followed; more are left out.
const MAX_PROGRAMS: usize = 128;

/// Times that one map has come, after which maps that are still missing are not waited for: maps
/// come every 100 to 500 ms.
const ENOUGH_REPEATS: u32 = 4;

/// Packets after the first map for which maps that are still missing are waited for: a second or so
/// of a full multiplex.
const PATIENCE: u64 = 20_000;

/// PIDs of EMM that are followed; more are left out. Multiplexes with a dozen systems exist.
const MAX_EMM_PIDS: usize = 64;

/// Packets in a row from the first on that must all be marked as damaged until the mark is
/// overlooked: then it is the server that sets it, not a demodulator.
const ALWAYS_DAMAGED: u32 = 64;

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing that is passed on: null packets, tables, other programmes, packets so damaged that
    /// they may belong elsewhere.
    Other,
    /// The chosen programme is new, or its map has changed: see [`Demux::program`].
    Changed,
    /// A packet of the stream with this index in the map; an index one past the last is a clock on
    /// a PID of its own.
    Stream(usize),
    /// A packet of the tables that describe services and programmes beside the map (ETSI EN 300
    /// 468, 5.1.3): NIT, SDT, EIT, TDT.
    Information(Information),
    /// A packet of a conditional access system: of the CAT, or of EMM or ECM that it or the map
    /// names.
    Access,
}

/// The tables that describe services and programmes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Information {
    /// Network information.
    Network,
    /// Names of services.
    Services,
    /// Events: the guide.
    Events,
    /// The time of day.
    Time,
}

impl Information {
    /// How many there are.
    pub const COUNT: usize = 4;

    /// The table that comes on `pid`.
    const fn on(pid: Pid) -> Option<Self> {
        match pid.value() {
            0x10 => Some(Self::Network),
            0x11 => Some(Self::Services),
            0x12 => Some(Self::Events),
            0x14 => Some(Self::Time),
            _ => None,
        }
    }
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
    /// Packets with `transport_error_indicator`, unless all have it.
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
    pat_sections: Assembly<Pat>,
    programs: Vec<Program>,
    chosen: Option<usize>,
    /// While no programme is chosen.
    fallback: Fallback,
    damage: DamageMark,
    transport_stream_id: Option<u16>,
    cat: Sections,
    /// Where the CAT says that EMM are.
    emm_pids: Vec<Pid>,
    first_map_at: Option<u64>,
    routes: Box<[Route; Pid::COUNT]>,
    /// The last counter of each PID; 0xFF before the first.
    counters: Box<[u8; Pid::COUNT]>,
    counts: Counts,
}

/// What stands in for a map that does not come.
#[derive(Debug)]
enum Fallback {
    Looking(Guess),
    Found { map: Pmt, map_pid: Pid },
}

/// What `transport_error_indicator` means in this source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DamageMark {
    /// Each of its first packets had it.
    Unproven { packets: u32 },
    /// What the standard says.
    Damage,
    /// Nothing.
    Nothing,
}

#[derive(Debug)]
struct Program {
    number: u16,
    pid: Pid,
    sections: Sections,
    map_sections: Assembly<Pmt>,
    map: Option<Pmt>,
    /// How often the map has come.
    repeats: u32,
}

impl Program {
    fn new(number: u16, pid: Pid) -> Self {
        Self {
            number,
            pid,
            sections: Sections::default(),
            map_sections: Assembly::default(),
            map: None,
            repeats: 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Nowhere,
    Map,
    Access,
    Stream(u8),
}

impl Demux {
    /// Follows the programme `wanted`; without one, the first with video, or the first.
    pub fn new(wanted: Option<u16>) -> Self {
        Self {
            wanted,
            pat: Sections::default(),
            pat_sections: Assembly::default(),
            programs: Vec::new(),
            chosen: None,
            fallback: Fallback::Looking(Guess::default()),
            damage: DamageMark::Unproven { packets: 0 },
            transport_stream_id: None,
            cat: Sections::default(),
            emm_pids: Vec::new(),
            first_map_at: None,
            routes: Box::new([Route::Nowhere; Pid::COUNT]),
            counters: Box::new([0xFF; Pid::COUNT]),
            counts: Counts::default(),
        }
    }

    /// The map of the chosen programme; a guessed one where none comes.
    pub fn program(&self) -> Option<&Pmt> {
        match (self.chosen, &self.fallback) {
            (Some(index), _) => self.programs.get(index)?.map.as_ref(),
            (None, Fallback::Found { map, .. }) => Some(map),
            (None, Fallback::Looking(_)) => None,
        }
    }

    /// The PID of the chosen programme's map.
    pub fn map_pid(&self) -> Option<Pid> {
        match (self.chosen, &self.fallback) {
            (Some(index), _) => Some(self.programs.get(index)?.pid),
            (None, Fallback::Found { map_pid, .. }) => Some(*map_pid),
            (None, Fallback::Looking(_)) => None,
        }
    }

    /// Whether packets of this PID belong to a conditional access system.
    pub fn is_access(&self, pid: Pid) -> bool {
        pid == Pid::CAT || self.routes[pid.index()] == Route::Access
    }

    /// Which multiplex the PAT says that this is.
    pub fn transport_stream_id(&self) -> Option<u16> {
        self.transport_stream_id
    }

    /// Programme numbers, as the PAT lists them.
    pub fn program_numbers(&self) -> impl Iterator<Item = u16> {
        self.programs.iter().map(|program| program.number)
    }

    /// Counts since the beginning.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Here every continuity counter may begin anew, and nothing is lost: at the boundary of two
    /// whole HLS segments, which some packagers make each by itself.
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
        if self.is_damaged(packet) && !self.is_usable(packet, pid) {
            return (Role::Other, Continuity::Good);
        }
        self.counts.scrambled += u64::from(packet.is_scrambled());
        let continuity = self.check_continuity(packet, pid);
        let role = match self.routes[pid.index()] {
            Route::Stream(index) => Role::Stream(usize::from(index)),
            Route::Map => self.handle_map(packet),
            Route::Access => Role::Access,
            Route::Nowhere if pid == Pid::PAT => self.handle_pat(packet),
            Route::Nowhere if pid == Pid::CAT => self.handle_cat(packet),
            Route::Nowhere => self.handle_unmapped(packet, pid),
        };
        (role, continuity)
    }

    /// Whether a packet is known to be damaged.
    #[inline]
    fn is_damaged(&mut self, packet: Packet<'_>) -> bool {
        match (self.damage, packet.is_damaged()) {
            (DamageMark::Nothing, _) | (DamageMark::Damage, false) => false,
            (DamageMark::Damage, true) => {
                self.counts.damaged += 1;
                true
            }
            (DamageMark::Unproven { packets }, false) => {
                self.counts.damaged += u64::from(packets);
                self.damage = DamageMark::Damage;
                false
            }
            (DamageMark::Unproven { packets: ALWAYS_DAMAGED }, true) => {
                self.damage = DamageMark::Nothing;
                false
            }
            (DamageMark::Unproven { packets }, true) => {
                self.damage = DamageMark::Unproven { packets: packets + 1 };
                true
            }
        }
    }

    /// Whether a damaged packet is worth more than a gap. Tables have a checksum. A packet of a
    /// stream that continues the one before most likely belongs there, and decoders make do with a
    /// wrong byte better than with 184 missing ones. Players see the mark, and decide.
    fn is_usable(&self, packet: Packet<'_>, pid: Pid) -> bool {
        if self.damage != DamageMark::Damage {
            return false;
        }
        match self.routes[pid.index()] {
            Route::Stream(_) => {
                let before = self.counters[pid.index()];
                before != 0xFF && packet.continuity() == (before + u8::from(packet.has_payload())) & 0x0F
            }
            Route::Map => true,
            Route::Nowhere => pid == Pid::PAT,
            Route::Access => false,
        }
    }

    /// Whether `transport_error_indicator` says something in this source: it is not set on all
    /// packets.
    pub fn marks_damage(&self) -> bool {
        self.damage != DamageMark::Nothing
    }

    /// Takes a packet that no map names.
    fn handle_unmapped(&mut self, packet: Packet<'_>, pid: Pid) -> Role {
        if self.program().is_some() {
            return Information::on(pid).map_or(Role::Other, Role::Information);
        }
        // Of several programmes, or where one is asked for by its number, nobody can tell which
        // streams belong to it.
        if self.wanted.is_some() || self.programs.len() > 1 {
            return Role::Other;
        }
        let Fallback::Looking(guess) = &mut self.fallback else { return Role::Other };
        let Some((map, map_pid)) = guess.push(packet) else { return Role::Other };
        self.fallback = Fallback::Found { map, map_pid };
        self.route();
        Role::Changed
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
        let (errors, assembly) = (&mut self.counts.table_errors, &mut self.pat_sections);
        self.pat.push(packet.starts_unit(), payload, |section| match section {
            Ok(section) => found = assembly.push(section).or_else(|| found.take()),
            Err(_) => *errors += 1,
        });
        if let Some(pat) = found {
            self.transport_stream_id = Some(pat.transport_stream_id);
            self.follow(&pat);
        }
        Role::Other
    }

    fn handle_cat(&mut self, packet: Packet<'_>) -> Role {
        let Some(payload) = packet.payload() else { return Role::Access };
        let (errors, pids) = (&mut self.counts.table_errors, &mut self.emm_pids);
        let known = pids.len();
        self.cat.push(packet.starts_unit(), payload, |section| match section {
            Ok(section) => {
                for pid in psi::access_descriptors(section).into_iter().flat_map(stream::access_pids) {
                    if pids.len() < MAX_EMM_PIDS && !pids.contains(&pid) {
                        pids.push(pid);
                    }
                }
            }
            Err(_) => *errors += 1,
        });
        if pids.len() > known {
            self.route();
        }
        Role::Access
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
                kept.map_or_else(|| Program::new(number, pid), |index| known.swap_remove(index))
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
            let Program { number, map, repeats, map_sections, .. } = program;
            program.sections.push(packet.starts_unit(), payload, |section| match section {
                Ok(section) => {
                    if section[3..5] == number.to_be_bytes()
                        && let Some(mut new) = map_sections.push(section)
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
        // Some servers pass the whole table on and only one of its programmes: what has not come by
        // now does not.
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
        let map = match (self.chosen, &self.fallback) {
            (Some(index), _) => self.programs[index].map.as_ref(),
            (None, Fallback::Found { map, .. }) => Some(map),
            (None, Fallback::Looking(_)) => None,
        };
        for pid in &self.emm_pids {
            self.routes[pid.index()] = Route::Access;
        }
        if let Some(map) = map {
            let of_streams = map.streams.iter().map(|stream| &stream.descriptors);
            for pid in of_streams.chain([&map.descriptors]).flat_map(|words| stream::access_pids(words)) {
                self.routes[pid.index()] = Route::Access;
            }
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
        for pid in [Pid::PAT, Pid::CAT] {
            self.routes[pid.index()] = Route::Nowhere;
        }
    }
}
